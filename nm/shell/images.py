"""The commands for images, and for what the head nodes made from them say on their consoles."""

import time

from nm.shell import columns
from nm.shell.failures import INTERRUPTED, OK
from nm.shell.output import Line
from nm.shell.pool import first, some
from nm.shell.session import Session
from nm.shell.table import FILTER, SETTINGS, Command, Options, names, option, word

PAUSE = 0.5  # seconds between two looks at a console


def console(session: Session, _command: Command, options: Options) -> int:
    """What the head node said lately; with --follow, what it says, until Ctrl-C."""
    answer = session.call("GetConsole", options.headnode)
    if session.output.json and not options.follow:
        session.output.result(answer)
        return OK
    rest = ""  # of a line that has no end yet; told as it is when nothing follows
    try:
        while True:
            *lines, rest = (rest + answer["text"]).split("\n")
            if rest and not (options.follow and answer["text"]):
                lines, rest = [*lines, rest], ""
            session.output.show([Line(line) for line in lines])
            if not options.follow:
                return OK
            time.sleep(PAUSE)
            answer = session.call("GetConsole", options.headnode, answer["next"])
    except KeyboardInterrupt:
        return INTERRUPTED


COMMANDS = (
    Command("image list", "GetImages", "list the images", (FILTER,), True, show=columns.listed("images"),
            take=some("image")),
    Command("image show", "GetImages", "show one image whole", (word("image", "its name", key="name"),), True,
            take=first("image"), show=columns.detailed),
    Command("image register", "RegisterImage", "add an image that nm makes domains from, or nodes boot from",
            (word("image", "its name"),
             option("kind", "disk: head nodes and slivers are made from it; root: containers are; "
                    "netboot: nodes boot from it", needed=True, choices=("disk", "root", "netboot")),
             option("disk", "the file or LVM volume on the hosts that head nodes start from", metavar="PATH"),
             option("root", "the folder with the tree that containers start from", metavar="PATH"),
             option("profile", "the PXE profile that the head node has of its own"), SETTINGS),
            struct=True, say="image {image} registered",
            epilog="nmctl image register debian --kind disk --disk /var/lib/nm-images/debian.qcow2"),
    Command("image unregister", "UnregisterImage", "forget images that nothing names",
            (names("image", "their names", each=True),), say="image {image} unregistered"),
    Command("console", "GetConsole", "show what a head node said on its serial console",
            (word("headnode", "its name"),
             option("follow", "go on until Ctrl-C", flag=True, local=True)), run=console,
            also=("headnode console",)),
)  # fmt: skip
