"""What the record of a reservation's group says beside what all groups' do: its field `federation`. Pure.

    door    geni or bowl, by which it was made
    user    {urn, email, name} of who made it
    slice   its URN or string, as it was spelled first
    word    one that no other reservation ever had
    parts   a request each: {request, length, placement: {nodes, nics, links}, at}; `request` names the record
            of its text, which is not to be written anew with every step of a deploy, `length` is the text's
    nodes   node -> mark
    users   [{urn, keys}], whose keys are the group's
    shut    None, or {at, by}

A mark is {since, ends, awaiting, doing, job, power, error}: the word of its sliver; the end of that; whether
an operator is to set it up; what is to be done or being done (one of DOINGS, or None) and by which job (None:
not begun); what it was last switched to (on, off or None); why that failed. All else groups say anyway: a
sliver is a node that is wanted, it is allocated until it is in the target or awaits an operator.

The record's `expiry` is the first of the slivers' ends, when nm/timekeeper.py has them taken back. One that
an operator moves holds for all: none ends before a later one, each with an earlier one.
"""

from collections.abc import Mapping
from typing import Any

from nm.federation.answers import ALLOCATED, PROVISIONED
from nm.records import Record, changed, new, record_key
from nm.store import Reader, Transaction

Mark = dict[str, Any]
Field = dict[str, Any]

ON, OFF, CYCLE = "on", "off", "cycle"  # actions of PowerNode
USERS = "users"
DOINGS = (ON, OFF, CYCLE, USERS)


def of(group: Record) -> Field | None:
    """The field; None for a group that is no reservation."""
    found: Field | None = group.get("federation")
    return found


def need(group: Record) -> Field:
    """The field of a reservation's group, to be changed: each mark with the end that holds."""
    return {**group["federation"], "nodes": all_of(group)}


def born(door: str, user: Mapping[str, str], slice: str, word: str) -> Field:
    """The field of a new reservation."""
    return {
        "door": door, "user": dict(user), "slice": slice, "word": word,
        "parts": [], "nodes": {}, "users": [], "shut": None,
    }  # fmt: skip


def marked(since: str, ends: float) -> Mark:
    """The mark of a node that was allocated just now: it is switched on whenever it is deployed."""
    return {
        "since": since, "ends": int(ends), "awaiting": False,
        "doing": ON, "job": None, "power": None, "error": None,
    }  # fmt: skip


def word(tx: Transaction, now: float) -> str:
    """A word that was never given out, also when the database is an old copy; without dots."""
    counter = tx.get("meta_reservations") or new("meta", "reservations", now, last=0)
    number = int(counter["last"]) + 1
    tx.put(changed(counter, now, last=number))
    return f"{int(now):x}-{number}"


def request_keys(group: Record) -> set[str]:
    """The keys of the records that have its requests' texts; none for a group that is no reservation."""
    return {record_key("request", part["request"]) for part in (of(group) or {}).get("parts", ())}


# ---- slivers


def all_of(group: Record) -> dict[str, Mark]:
    """Node -> mark of those that the group wants, and of which there is one: also of those that are over.

    Each mark has the end that holds.
    """
    field, moved = group["federation"], group["expiry"]
    known, first = field["nodes"], first_end(field)
    there = {node: known[node] for node in group["wanted"]["nodes"] if node in known}
    if moved is None or moved == first:
        return there
    later = first is not None and moved > first
    return {
        node: {**mark, "ends": max(mark["ends"], moved) if later else moved} for node, mark in there.items()
    }


def slivers(group: Record, now: float) -> dict[str, Mark]:
    """Node -> mark of what the slice has."""
    if group["destroying"]:
        return {}
    return {node: mark for node, mark in all_of(group).items() if mark["ends"] > now}


def provisioned(group: Record, node: str) -> bool:
    """Whether it is to be set up, or is."""
    return is_target(group, node) or bool(group["federation"]["nodes"][node]["awaiting"])


def is_target(group: Record, node: str) -> bool:
    """Whether the group's worker sets it up."""
    return group["target"] is not None and node in group["target"]["nodes"]


def allocation(group: Record, node: str) -> str:
    """GENI's word for it."""
    return PROVISIONED if provisioned(group, node) else ALLOCATED


def with_marks(field: Field, nodes: Mapping[str, Mark]) -> Field:
    """The field with other marks of some nodes."""
    return {**field, "nodes": {**field["nodes"], **nodes}}


def first_end(field: Field, none: int | None = None) -> int | None:
    """The `expiry` of a record with that field; `none`: when it has no slivers."""
    return min((mark["ends"] for mark in field["nodes"].values()), default=none)


def reservations(reader: Reader) -> list[Record]:
    """All groups that are reservations and are not going."""
    return [group for group in reader.range("group") if of(group) is not None and not group["destroying"]]
