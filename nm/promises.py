"""Promises of nodes: whose a lent node is next, as a part of the node's own record. Pure.

LendNodes (nm/lending.py) makes a promise; from then on nobody gets the node but who is promised it, whoever
has it and whatever becomes of it: specs.save asks `refusal` whenever a group names a node, and a node that
rests between two groups is not free. A promise is the node's field `_promise`, None or

    lender, borrower   {name, created}: a group of the same name that was made later is another one
    until              when the borrower's time is over, seconds since 1970
    turn               OUT: on its way to the borrower; LENT: the borrower has it; BACK: on its way home
    image              what just this node booted in the lender's group, or None
    job                the call's that said so last

The two groups' records name it in `lent` and `borrowed`, as long as the promise holds.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from nm.records import Record, name_of, record_key
from nm.store import Reader

OUT, LENT, BACK = "out", "lent", "back"
STATE = "promised"  # of a node that rests between two groups; see views.node_state


def party(group: Record) -> dict[str, Any]:
    """A group as promises name it."""
    return {"name": name_of(group["record_key"]), "created": group["created"]}


def group_of(reader: Reader, party: Mapping[str, Any]) -> Record | None:
    """The group that was meant; None when it is gone, though another may have its name by now."""
    group = reader.get(record_key("group", party["name"]))
    return group if group is not None and group["created"] == party["created"] else None


def is_party(group: Record, party: Mapping[str, Any]) -> bool:
    """Whether the group is the one that was meant."""
    return party == {"name": name_of(group["record_key"]), "created": group["created"]}


def made(node: Record) -> Record | None:
    """The promise under which the node is."""
    promise: Record | None = node.get("_promise")
    return promise


def next_party(promise: Record) -> dict[str, Any]:
    """The one group that may get the node."""
    party: dict[str, Any] = promise["lender" if promise["turn"] == BACK else "borrower"]
    return party


def refusal(node: Record, group: Record) -> str | None:
    """Why that group cannot be given the node, in words; None when no promise is in the way."""
    promise = made(node)
    if promise is None or is_party(group, next_party(promise)):
        return None
    if promise["turn"] == BACK:
        return f"on its way back to group {promise['lender']['name']}, which had lent it"
    return f"promised to group {promise['borrower']['name']} by {promise['lender']['name']}"


def newly_named(old: Record | None, new: Record) -> set[str]:
    """The nodes that a group names and did not name before, as wanted or as target."""
    return _named(new) - _named(old)


def _named(group: Record | None) -> set[str]:
    specs = (group["wanted"], group["target"]) if group is not None else ()
    return {node for spec in specs if spec for node in spec["nodes"]}


# ---- what is due


def why_over(reader: Reader, promise: Record, now: float | None) -> str | None:
    """Why a loan ends, in words; None while it lasts. `now` None: the clock is not to be believed."""
    for role in ("borrower", "lender"):
        group = group_of(reader, promise[role])
        if group is None or group["destroying"]:
            return f"group {promise[role]['name']} ends"
    return "its time is over" if now is not None and promise["until"] <= now else None


def returns(reader: Reader, node: Record, now: float | None) -> str | None:
    """Why the borrower is to let go of the node now; None when it is not, or does so already."""
    promise = made(node)
    if promise is None or promise["turn"] == BACK:
        return None
    over = why_over(reader, promise, now)
    if over is None and promise["turn"] == LENT:
        borrower = group_of(reader, promise["borrower"])
        if borrower is None or name_of(node["record_key"]) not in borrower["wanted"]["nodes"]:
            return "it was taken from the borrower"
    return over


def joins(reader: Reader, node: Record) -> Record | None:
    """The group that is to get the node now; None when it has it, or cannot yet."""
    promise = made(node)
    if promise is None or promise["turn"] == LENT:
        return None
    party = next_party(promise)
    group = group_of(reader, party)
    if group is None or group["destroying"]:
        return None
    return group if node["group"] in (None, party["name"]) else None


def is_void(reader: Reader, node: Record) -> bool:
    """Whether nobody waits for the node any more: its lender has ended, and the borrower has let go."""
    promise = made(node)
    if promise is None or promise["turn"] != BACK or node["group"] is not None:
        return False
    lender = group_of(reader, promise["lender"])
    return lender is None or bool(lender["destroying"])


# ---- as answers tell it


def told(reader: Reader, nodes: Iterable[str], role: str) -> list[dict[str, Any]]:
    """Promised nodes as a group's struct has them: {node, group, until}, `group` the one of that role."""
    found = ((name, reader.get(record_key("node", name))) for name in nodes)
    promises = [(name, made(node)) for name, node in found if node is not None]
    return [
        {"node": name, "group": promise[role]["name"], "until": promise["until"]}
        for name, promise in promises
        if promise is not None
    ]
