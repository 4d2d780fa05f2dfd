"""The rows of the table of methods for what is dead or was replaced: nodes and switches. Pure."""

from nm import pool, releases
from nm.arguments import FLAG, NAME, STRUCT, Param, write_row

_NODE = Param("node", NAME)
_NAME = Param("name", NAME)
_FORCE = Param(
    "force", FLAG, "do not wait for devices: what is owed is undone when they return", optional=True
)

RECOVERY = (
    write_row(
        "ReleaseNode",
        releases.release_node,
        "Takes a node back from its group. Answers a job's id.",
        _NODE,
        _FORCE,
    ),
    write_row(
        "ReleaseSwitch",
        pool.release_switch,
        "Takes everything that groups have on a switch back; its nodes leave their groups, which carry on "
        "with the rest. Only by force while groups use it. Answers a job's id: it is over when all was read "
        "back as isolated, and groups that go through the switch have joined again.",
        _NAME,
        _FORCE,
        since=4,
    ),
    write_row(
        "ReplaceSwitch",
        pool.replace_switch,
        "Another device stands in the switch's place: nothing that was known of the old one counts, its "
        "ports are isolated and read back, and then its groups join again. Answers a job's id.",
        _NAME,
        Param("changes", STRUCT, "how it is reached now, as UpdateSwitch takes them", optional=True),
        since=4,
    ),
    write_row("ClearNode", pool.clear_node, "Declares a failed or dirty node good. Answers 1.", _NODE),
)
