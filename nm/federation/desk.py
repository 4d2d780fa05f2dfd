"""What operators do about reservations: rows of nm's own API. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from nm import groups, views
from nm.calls import Call
from nm.errors import Conflict, NotFound
from nm.federation import changing, marks, names, states, userkeys
from nm.geni import urns
from nm.records import Record, in_order, name_of, record_key
from nm.store import Reader, Transaction

FIELDS: Mapping[str, type] = {
    "slice": str, "group": str, "node": str, "sliver": str, "door": str, "user": str,
    "allocation": str, "operational": str, "shut": bool,
}  # fmt: skip
KEPT = 3600  # seconds that slivers last at least after a slice was opened again


def get_reservations(reader: Reader, _call: Call, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Slivers, as structs of FIELDS, email, expires and error; `sliver` is the last part of its URN."""
    found = (one for group in in_order(marks.reservations(reader)) for one in _slivers(reader, group))
    return views.select(found, wanted, FIELDS)


def _slivers(reader: Reader, group: Record) -> Iterator[dict[str, Any]]:
    field, name = group["federation"], name_of(group["record_key"])
    for node, mark in marks.all_of(group).items():
        state, why = states.operational(reader, group, node)
        yield {
            "slice": field["slice"],
            "group": name,
            "node": node,
            "sliver": f"{name}.{node}.{mark['since']}",
            "door": field["door"],
            "user": field["user"]["urn"],
            "email": field["user"]["email"],
            "allocation": marks.allocation(group, node),
            "operational": state,
            "error": why,
            "expires": mark["ends"],
            "shut": field["shut"] is not None,
        }


def ready(tx: Transaction, call: Call, sliver: str) -> int:
    """An operator has set a sliver up that awaits it: it is wired now. Answers the deploy's job."""
    group, node = _sliver(tx, sliver)
    mark = marks.all_of(group)[node]
    if not mark["awaiting"]:
        raise Conflict(f"sliver {sliver[:120]} awaits nobody", "GetReservations tells which are pending")
    if group["federation"]["shut"] is not None:
        raise Conflict("its slice was shut down", "GeniReopen first")
    field = marks.with_marks(marks.need(group), {node: {**mark, "awaiting": False}})
    group = changing.deployed(tx, call, group, field, [node])
    groups.tell(tx, call, name_of(group["record_key"]), "set up", node)
    return int(group["job"])


def _sliver(reader: Reader, text: str) -> tuple[Record, str]:
    """Group and node of a sliver's URN, or of its last part."""
    name = urns.parse(text).name if urns.is_geni(text) else text
    called, _, rest = name.partition(".")
    node, _, since = rest.rpartition(".")
    group = reader.get(record_key("group", called))
    there = marks.all_of(group) if group is not None and marks.of(group) is not None else {}
    if group is None or node not in there or there[node]["since"] != since:
        raise NotFound(f"no sliver {text[:120]}", "GetReservations lists them")
    return group, node


def reopen(tx: Transaction, call: Call, slice: str) -> int:
    """End a shutdown: nodes are wired again, those that were on switched on. Answers the deploy's job, or 0.

    `slice`: its URN or string, or its group's name. What would be over lasts for an hour more.
    """
    group = groups.find(tx, slice) or names.find(tx, slice)
    if group is None or marks.of(group) is None or group["destroying"]:
        raise NotFound(f"no slice {slice[:120]}", "GetReservations lists them")
    shut = group["federation"]["shut"]
    if shut is None:
        raise Conflict(f"slice {slice[:120]} was not shut down", "GetReservations tells which were")
    name = name_of(group["record_key"])
    group, _ = userkeys.install(tx, call, group, userkeys.keys(group["federation"]["users"]))
    field = {**marks.need(group), "shut": None}
    for node, mark in field["nodes"].items():
        lit = {"doing": marks.ON, "job": None} if node in shut["on"] else {}
        ends = max(mark["ends"], int(call.now) + KEPT)
        field = marks.with_marks(field, {node: {**mark, **lit, "ends": ends, "error": None}})
    groups.tell(tx, call, name, "opened again", f"after it was shut down by {shut['by']}")
    if group["target"] is None:
        changing.noted(tx, call, group, field)
        return 0
    return int(changing.deployed(tx, call, group, field, ())["job"])
