"""The rows of the table of methods for the source of slices, and for tickets. Pure."""

from nm import sources
from nm.arguments import STRUCT, TICKET, Param, door_row, read_row, write_row

PLC = (
    read_row(
        "GetSource",
        sources.get_source,
        "struct",
        'How it stands with the PLC, or the file, that tells of slices: address ("" for none); online: '
        "whether the last try was good; tried, received (the last good reply), offline_since, each a time "
        "or nil; age: seconds since received, or nil; timestamp: that reply's by its source's clock, or nil; "
        "error: what is wrong, or nil; node_id: this node's there, or nil; problems: what was left out of "
        "what it said, and files and keys that could not be; "
        "held: names of slivers whose removal waits for an administrator; sections: what else it tells.",
        since=7,
    ),
    write_row(
        "AskSource",
        sources.ask_source,
        "Has the source asked now. Answers a job's id; its result: how many slivers changed, were removed, "
        "are held; stale: whether the reply was not newer than what is known.",
        Param(
            "options",
            STRUCT,
            '{"older": true}: its reply counts although its clock is not ahead of what is known',
            optional=True,
        ),
        since=7,
    ),
    door_row(
        "Ticket",
        "int",
        "Delivers the sliver that a ticket tells of, and creates it where it is delegated. The signature is "
        "the right to; a ticket is good once (docs/tickets.md). Answers 1.",
        Param("text", TICKET, "as it was signed"),
        since=7,
    ),
    door_row(
        "AdminTicket",
        "int",
        "Delivers the slivers of an unsigned answer of GetSlivers, and creates those that are delegated; "
        "others stay as they are. Answers 1.",
        Param("text", TICKET, "XML, as GetSlivers is answered"),
        since=7,
    ),
)
