"""What a source said of slivers, taken into the records: news, and what is stale. Pure.

- The strictly newer record wins, by the source's clock. What the source says replaces all but the keys that
  begin with `_`, which are nm's own. One that says nothing new is not written: a reply costs what it changes.
- A reply that was taken as a whole sets the *minimum*: what is older is stale, from wherever it comes.
- What a whole reply does not list departs (departures.py), and is as before when it is listed again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nm import departures, leases, loans
from nm.errors import Conflict
from nm.records import Record, name_of, new, record_key
from nm.rspec import node_caps
from nm.slices import Reply
from nm.store import Event, Reader, Store, Transaction, portions

SOURCE = "meta_source"
BWCAP = "meta_bwcap"
SECTION = "source:"  # what else a source tells the node is kept in a record each

_FRESH: Mapping[str, Any] = {"_state": None, "_gone": None}


def minimum(reader: Reader) -> int:
    """The timestamp of the last reply that was taken as a whole; 0 when there was none."""
    record = reader.get(SOURCE)
    return int(record["timestamp"]) if record is not None else 0


# ---- one record


def delivered(old: Record | None, told: Record, now: float, older: bool = False) -> Record | None:
    """What becomes of a record when its source tells of it; None when nothing does.

    `older`: it counts although it is not newer, and its time does too.
    """
    if old is not None and told["timestamp"] <= old["timestamp"] and not older:
        return None
    own = {key: value for key, value in (old or _FRESH).items() if key.startswith("_")}
    if _returns(own.get("_gone"), told, now):
        own["_gone"] = None
    record = {**told, **own}
    if old is None or old["timestamp"] > told["timestamp"]:
        return record
    return None if {**record, "timestamp": old["timestamp"]} == old else record


def _returns(gone: Mapping[str, Any] | None, told: Record, now: float) -> bool:
    """Whether what was to go stays, now that it is told of."""
    return gone is not None and (gone["why"] == departures.UNLISTED or not departures.is_over(told, now))


def newest(reader: Reader, key: str) -> int:
    """As of when it is known how things are with that sliver."""
    old = reader.get(key)
    return max(minimum(reader), old["timestamp"] if old is not None else 0)


def deliver(tx: Transaction, told: Record, now: float) -> bool:
    """Take in one record, of a ticket; whether it changed anything. Conflict when it is stale."""
    old = tx.get(told["record_key"])
    if told["timestamp"] == newest(tx, told["record_key"]) and old is not None:
        return False
    check(tx, told)
    return _take(tx, told, now)


def check(reader: Reader, told: Record) -> None:
    """Conflict when the record is stale."""
    known = newest(reader, told["record_key"])
    if told["timestamp"] < known:
        raise Conflict(
            f"sliver {told['name']} is known as of {known}, this is as of {told['timestamp']}",
            "ask its source for a newer one",
        )


def deliver_all(
    store: Store, told: Iterable[Record], now: float, also: Callable[[Transaction, str], None]
) -> None:
    """Take in these records, as many as there are; no other changes. Conflict for one that is stale.

    `also` is called for each, with its key, in the same transaction.
    """

    def take(tx: Transaction, portion: list[Record]) -> None:
        for one in portion:
            deliver(tx, one, now)
            also(tx, one["record_key"])

    for some in _portions(store, told):
        store.transact(partial(take, portion=some))
    while store.transact(loans.settle):
        pass


def _take(tx: Transaction, told: Record, now: float, older: bool = False) -> bool:
    old = tx.get(told["record_key"])
    record = delivered(old, told, now, older)
    if record is None:
        return False
    loans.place(tx, record)
    tx.tell(
        Event("source", f"sliver {told['name']}", "told of" if old is None else "changed", _differ(old, told))
    )
    return True


def _differ(old: Record | None, told: Record) -> str:
    """The names of what is new."""
    if old is None:
        return str(told["instantiation"])
    keys = {*old, *told} - {"timestamp"}
    return ", ".join(sorted(key for key in keys if not key.startswith("_") and old.get(key) != told.get(key)))


# ---- a whole reply


@dataclass(frozen=True)
class Outcome:
    """What a reply led to."""

    changed: tuple[str, ...] = ()  # keys of slivers that are new, or not as they were
    removed: tuple[str, ...] = ()  # keys of those that were stopped
    held: Mapping[str, str] = field(default_factory=dict)  # names of those whose removal waits, and why
    stale: bool = False  # the reply is not newer than what is known; nothing was changed


def update(
    store: Store,
    reply: Reply,
    now: float,
    rules: leases.Rules,
    grace: float = departures.GRACE,
    *,
    older: bool = False,
) -> Outcome:
    """Make the records what the reply says, in as many transactions as it takes; once more changes nothing.

    The minimum comes last, so a reply that was taken in half is taken anew. `older`: an administrator says
    that a reply is right whose clock is not ahead of what is known, as of a source that was built anew.
    """
    if reply.timestamp <= minimum(store) and not older:
        return Outcome(stale=True)
    changed = tuple(_take_all(store, reply, now, older))
    removed, held = _remove(store, reply, now, rules, grace, older)
    store.transact(partial(_finish, reply=reply, now=now))
    return Outcome(changed, removed, held)


def differs(reader: Reader, reply: Reply, now: float) -> bool:
    """Whether the reply says of a sliver what is not known, although it is no news by its time."""
    known = ((reader.get(key), told) for key, told in reply.records.items())
    return any(
        (old is None or old["timestamp"] <= told["timestamp"])
        and delivered(old, told, now, older=True) is not None
        for old, told in known
    )


def recall(store: Store, reply: Reply, now: float) -> tuple[str, ...]:
    """Take in what a remembered reply tells of slivers, if nothing newer is known; keys of what changed.

    It removes nobody, and sets no minimum: what is gone says only a source that speaks now.
    """
    if reply.timestamp <= minimum(store):
        return ()
    return tuple(_take_all(store, reply, now, older=False))


def _take_all(store: Store, reply: Reply, now: float, older: bool) -> Iterator[str]:
    """Take in what changes something, and bring back what is mentioned again."""

    def take(tx: Transaction, portion: list[Record]) -> list[str]:
        return [told["record_key"] for told in portion if _take(tx, told, now, older)]

    def bring_back(tx: Transaction, portion: list[str]) -> list[str]:
        found = [record for key in portion if (record := tx.get(key)) is not None and _is_unlisted(record)]
        for record in found:
            tx.put(departures.observed(record, _gone=None))
        return [record["record_key"] for record in found]

    records = reply.records.items()
    fresh = [told for key, told in records if delivered(store.get(key), told, now, older) is not None]
    for some in _portions(store, fresh):
        yield from store.transact(partial(take, portion=some))
    while store.transact(loans.settle):
        pass
    mentioned = ((key, store.get(key)) for key in sorted(reply.mentioned))
    back = [key for key, record in mentioned if record is not None and _is_unlisted(record)]
    for few in portions(back):
        yield from store.transact(partial(bring_back, portion=few))


def _portions(reader: Reader, told: Iterable[Record]) -> Iterator[list[Record]]:
    """As many as one transaction may write. One that lends, or is lent to, moves others: it goes alone."""
    plain = []
    for record in told:
        old = reader.get(record["record_key"])
        if (old is not None and old.get("_loans")) or loans.lenders_of(reader, record["name"]):
            yield [record]
        else:
            plain.append(record)
    yield from portions(plain)


def _is_unlisted(record: Record) -> bool:
    gone = record.get("_gone")
    return gone is not None and gone["why"] == departures.UNLISTED


def _remove(
    store: Store, reply: Reply, now: float, rules: leases.Rules, grace: float, older: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Let go of what the reply does not list, unless it was told of since."""

    def is_absent(record: Record) -> bool:
        return record["record_key"] not in reply.mentioned and (
            older or record["timestamp"] < reply.timestamp
        )

    absent = [record["name"] for record in store.range("sliver") if is_absent(record)]
    doubt = None if reply.mentioned else departures.EMPTY
    return departures.let_go(store, absent, departures.unlisted(is_absent), now, rules, doubt, grace)


def _finish(tx: Transaction, reply: Reply, now: float) -> None:
    """Remember what else the reply tells, and that it was taken."""
    for name, value in reply.sections.items():
        _put_new(tx, new("meta", f"{SECTION}{name}", reply.timestamp, value=value))
    source = tx.get(SOURCE)
    for name in source["sections"] if source is not None else ():
        if name not in reply.sections:
            tx.delete(record_key("meta", SECTION + name))
    old = tx.get(BWCAP)
    exempt = reply.exempt if reply.exempt is not None else tuple(old["exempt"]) if old is not None else ()
    _put_new(tx, node_caps(reply.cap, exempt, reply.timestamp))
    told = {"node_id": reply.node_id, "sections": sorted(reply.sections), "problems": list(reply.problems)}
    tx.put(new("meta", name_of(SOURCE), reply.timestamp, received=int(now), **told))


def section(reader: Reader, name: str) -> Any:
    """What the source last told of that; None when it did not."""
    record = reader.get(record_key("meta", SECTION + name))
    return None if record is None else record["value"]


def _put_new(tx: Transaction, record: Record) -> None:
    """Put the record unless it says what is known."""
    old = tx.get(record["record_key"])
    if old is None or {**record, "timestamp": old["timestamp"]} != old:
        tx.put(record)
