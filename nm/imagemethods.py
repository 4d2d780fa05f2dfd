"""The rows of the table of methods for images, and for the head nodes made from them. Pure."""

from nm import pool
from nm.arguments import COUNT, COUNT_OR_NIL, NAME, STRUCT, Param, door_row, read_row, write_row

_NAME = Param("name", NAME)

IMAGES = (
    write_row(
        "RegisterImage",
        pool.register_image,
        "Records what head nodes and slivers are made from (kind disk; kind root for containers), or what "
        "nodes boot from the network (kind netboot). Answers 1.",
        _NAME,
        Param("settings", STRUCT, "kind, and the kind's own: disk and how it is run, root, or profile"),
        since=6,
    ),
    write_row(
        "UnregisterImage",
        pool.unregister_image,
        "Forgets an image that nothing names. Answers 1.",
        _NAME,
        since=6,
    ),
    read_row(
        "GetImages",
        pool.get_images,
        "array",
        "The images, in the order of their names.",
        Param("filter", STRUCT, "keys of the structs to a value or a list of values; {} for all"),
        since=6,
    ),
    door_row(
        "GetConsole",
        "struct",
        "What a head node that nm made said on its serial console: text; next: the offset behind it. Kept "
        "until the head node is taken away, 2 MiB at most. Of another machine it may be one question late.",
        Param("headnode", NAME),
        Param(
            "offset", COUNT_OR_NIL, "the byte to begin at; nil: so that the newest is answered", optional=True
        ),
        Param("bytes", COUNT, "how many at most; 65536 are the most in one answer", optional=True),
        since=6,
    ),
)
