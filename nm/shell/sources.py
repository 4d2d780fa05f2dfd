"""The commands for the source of slices, and for tickets."""

import sys

from nm.shell import columns
from nm.shell.failures import CONFIG, OK, Failure
from nm.shell.output import Line
from nm.shell.session import Session
from nm.shell.table import WAIT, Command, Options, option, word


def read_ticket(path: str) -> str:
    """What a file says; - is stdin."""
    try:
        if path == "-":
            return sys.stdin.read()
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {path}: {error}", "name a file with a ticket", CONFIG) from None


def hand_in(session: Session, _command: Command, options: Options) -> int:
    """Hand in a ticket, signed or not."""
    answer = session.call("AdminTicket" if options.unsigned else "Ticket", options.ticket)
    if session.output.json:
        session.output.result(answer)
    elif not session.output.quiet:
        session.output.show([Line("ticket taken")])
    return OK


COMMANDS = (
    Command("source show", "GetSource", "show how it stands with the PLC, or the file, that tells of slices",
            show=columns.detailed),
    Command("source ask", "AskSource", "have it asked now",
            (option("older", "its reply counts though its clock is not ahead of what is known", flag=True),
             WAIT),
            struct=True, job=True, say="ask the source"),
    Command("ticket", "", "hand in a ticket: the sliver that it tells of is delivered, and made",
            (word("ticket", "a file; - is stdin", parse=read_ticket, metavar="FILE"),
             option("unsigned", "an answer of GetSlivers that you vouch for as an administrator", flag=True)),
            run=hand_in, uses=("Ticket", "AdminTicket")),
)  # fmt: skip
