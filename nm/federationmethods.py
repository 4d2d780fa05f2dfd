"""The rows of the table of methods for reservations by people of elsewhere. Pure."""

from nm.arguments import STRUCT, TEXT, Param, read_row, write_row
from nm.federation import desk

FEDERATION = (
    read_row(
        "GetReservations",
        desk.get_reservations,
        "array",
        "The slivers of all slices of GENI's and BOWL's: {slice, group, node, sliver, door, user, email, "
        "allocation, operational, error, expires, shut}. sliver is the last part of its URN.",
        Param("filter", STRUCT, "keys of the structs to a value or a list of values; {} for all"),
        since=8,
    ),
    write_row(
        "GeniReady",
        desk.ready,
        "Says that a sliver was set up by hand that awaits it: it is wired and switched on now. Answers the "
        "deploy's job.",
        Param("sliver", TEXT, "its URN, or the last part of that"),
        since=8,
    ),
    write_row(
        "GeniReopen",
        desk.reopen,
        "Opens a slice again after an emergency stop: its nodes are wired, and those switched on that were. "
        "What would be over lasts for an hour more. Answers the deploy's job, 0 when nothing was deployed.",
        Param("slice", TEXT, "its URN or string, or the name of its group"),
        since=8,
    ),
)
