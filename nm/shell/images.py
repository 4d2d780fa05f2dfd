"""The commands for images: what head nodes are made from, and what nodes boot from the network."""

from nm.shell import columns
from nm.shell.pool import first, some
from nm.shell.table import FILTER, SETTINGS, Command, names, option, word

COMMANDS = (
    Command("image list", "GetImages", "list the images", (FILTER,), True, show=columns.listed("images"),
            take=some("image")),
    Command("image show", "GetImages", "show one image whole", (word("image", "its name", key="name"),), True,
            take=first("image"), show=columns.detailed),
    Command("image register", "RegisterImage", "add an image for head nodes, or one that nodes boot from",
            (word("image", "its name"),
             option("kind", "disk: head nodes are made from it; netboot: nodes boot from it", needed=True,
                    choices=("disk", "netboot")),
             option("disk", "the file or LVM volume on the hosts that head nodes start from", metavar="PATH"),
             option("profile", "the PXE profile that the head node has of its own"), SETTINGS),
            struct=True, say="image {image} registered",
            epilog="nmctl image register debian --kind disk --disk /var/lib/nm-images/debian.qcow2"),
    Command("image unregister", "UnregisterImage", "forget images that nothing names",
            (names("image", "their names", each=True),), say="image {image} unregistered"),
)  # fmt: skip
