"""What a source said of slivers, taken into the records: delivery, staleness, expiry, removal. Pure.

- The strictly newer record wins, by the source's clock. What the source says replaces all but the keys that
  begin with `_`, which are nm's own. One that says nothing new is not written, so a reply costs what it
  changes.
- A reply that was taken as a whole sets the *minimum*: what is older than that is stale, from wherever it
  comes.
- A sliver that a whole reply does not list, or that has expired, is stopped at once and is deleted after a
  grace: `_gone` of its record says since when, until when, and why. Listed or renewed within that time it is
  as before.
- Nothing goes by mass: too many at once, or a reply without any, wait for an administrator, as ends of leases
  do.

A sliver's `timestamp` is its source's, so whoever writes `_` keys uses `observed`, and never records.changed.
One that is stopped keeps its loans until it is deleted, so that they are as before when it comes back.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nm import leases, loans
from nm.errors import Conflict
from nm.records import Record, kind_of, name_of, new, record_key
from nm.rspec import node_caps
from nm.slices import Reply
from nm.store import Event, Reader, Store, Transaction, portions

SOURCE = "meta_source"
BWCAP = "meta_bwcap"
SECTION = "source:"  # what else a source tells the node is kept in a record each
GRACE = 7 * 86400.0  # seconds from being stopped to being deleted

UNLISTED, EXPIRED = "its source lists it no more", "it has expired"
EMPTY = "the source lists no sliver at all"
REMOVALS = leases.Holds("sliver", "meta_holds:removals", "removals")
EXPIRIES = leases.Holds("sliver", "meta_holds:expiries", "expiries")

_FRESH: Mapping[str, Any] = {"_state": None, "_gone": None}


def observed(record: Record, **fields: Any) -> Record:
    """The record with those keys of nm's own replaced; its timestamp stays its source's."""
    return {**record, **fields}


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
    return gone is not None and (gone["why"] == UNLISTED or not is_over(told, now))


def deliver(tx: Transaction, told: Record, now: float) -> bool:
    """Take in one record, of a ticket; whether it changed anything. Conflict when it is stale."""
    old = tx.get(told["record_key"])
    newest = max(minimum(tx), old["timestamp"] if old is not None else 0)
    if told["timestamp"] == newest and old is not None:
        return False
    if told["timestamp"] < newest:
        raise Conflict(
            f"sliver {told['name']} is known as of {newest}, this is as of {told['timestamp']}",
            "ask its source for a newer one",
        )
    return _take(tx, told, now)


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
    store: Store, reply: Reply, now: float, rules: leases.Rules, grace: float = GRACE, *, older: bool = False
) -> Outcome:
    """Make the records what the reply says, in as many transactions as it takes; once more changes nothing.

    The minimum comes last, so a reply that was taken in half is taken anew. `older`: an administrator says
    that a reply is right whose clock is behind what is known, as of a source that was built anew.
    """
    last = minimum(store)
    if (reply.timestamp < last and not older) or reply.timestamp == last:
        return Outcome(stale=True)
    changed = tuple(_take_all(store, reply, now, older))
    removed, held = _remove(store, reply, now, rules, grace, older)
    store.transact(partial(_finish, reply=reply, now=now))
    return Outcome(changed, removed, held)


def _take_all(store: Store, reply: Reply, now: float, older: bool) -> Iterator[str]:
    """Take in what changes something, and bring back what is mentioned again."""

    def take(tx: Transaction, portion: list[Record]) -> list[str]:
        return [told["record_key"] for told in portion if _take(tx, told, now, older)]

    def bring_back(tx: Transaction, portion: list[str]) -> list[str]:
        found = [record for key in portion if (record := tx.get(key)) is not None and _is_unlisted(record)]
        for record in found:
            tx.put(observed(record, _gone=None))
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
    return gone is not None and gone["why"] == UNLISTED


def _remove(
    store: Store, reply: Reply, now: float, rules: leases.Rules, grace: float, older: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Let go of what the reply does not list, unless it was told of since."""
    absent = [
        name_of(record["record_key"])
        for record in store.range("sliver")
        if record["record_key"] not in reply.mentioned
        and (older or record["timestamp"] < reply.timestamp)
        and not record.get("_gone")
    ]
    return _let_go(store, absent, UNLISTED, REMOVALS, None if reply.mentioned else EMPTY, now, rules, grace)


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


# ---- the end of slivers


def is_over(record: Record, now: float) -> bool:
    """Whether its time is up."""
    return record["expiry"] is not None and record["expiry"] <= now


def overdue(reader: Reader, now: float) -> list[str]:
    """The names of slivers whose time is up and that are not stopped for it; for the start."""
    return [
        name_of(record["record_key"])
        for record in reader.range("sliver")
        if is_over(record, now) and not record.get("_gone")
    ]


def expire(
    store: Store,
    due: Iterable[str],
    now: float,
    rules: leases.Rules,
    doubt: str | None = None,
    grace: float = GRACE,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Stop these whose time is up, and those that were held back; needs no source.

    Answers the keys of those stopped, and the names of those held, and why. `doubt`: why the clock is not
    believed now.
    """
    names = dict.fromkeys([*due, *leases.held(store, EXPIRIES)])
    records = ((name, store.get(record_key("sliver", name))) for name in names)
    over = [
        name
        for name, record in records
        if record is not None and is_over(record, now) and not record.get("_gone")
    ]
    return _let_go(store, over, EXPIRED, EXPIRIES, doubt, now, rules, grace)


def remove_confirmed(store: Store, now: float, grace: float = GRACE) -> tuple[str, ...]:
    """Stop those whose removal is confirmed, without waiting for the source to speak again."""
    names = [name for name, entry in leases.held(store, REMOVALS).items() if entry["confirmed"]]
    stopped = _stop(store, names, UNLISTED, now, grace)
    if names:
        store.transact(partial(leases.let_go, names=names, now=now, of=REMOVALS))
    return stopped


def _let_go(
    store: Store, names: list[str], why: str, holds: leases.Holds, doubt: str | None, now: float,
    rules: leases.Rules, grace: float,
) -> tuple[tuple[str, ...], dict[str, str]]:  # fmt: skip
    """Stop these, unless they are too many. Whoever is held back and not named here is not any more."""
    held = leases.held(store, holds)
    going, waiting = leases.judge(names, held, doubt, partial(_count, store), rules)
    if waiting:
        store.transact(partial(leases.hold, reasons=waiting, now=now, of=holds))
    stopped = _stop(store, going, why, now, grace)
    if settled := [name for name in held if name not in waiting]:
        store.transact(partial(leases.let_go, names=settled, now=now, of=holds))
    return stopped, waiting


def _count(reader: Reader) -> int:
    return sum(1 for record in reader.range("sliver") if not record.get("_gone"))


def _stop(store: Store, names: Iterable[str], why: str, now: float, grace: float) -> tuple[str, ...]:
    """Stop these, and say when they are deleted; the keys of those that were not stopped yet."""
    gone = {"since": int(now), "until": int(now + grace), "why": why}

    def stop(tx: Transaction, portion: list[str]) -> list[str]:
        found = [record for name in portion if (record := tx.get(record_key("sliver", name))) is not None]
        found = [record for record in found if not record.get("_gone")]
        found = [record for record in found if why != EXPIRED or is_over(record, now)]
        for record in found:
            tx.put(observed(record, _gone=gone))
            tx.tell(
                Event(
                    "nm", f"sliver {record['name']}", "stopped", f"{why}; to be deleted, unless it comes back"
                )
            )
        return [record["record_key"] for record in found]

    return tuple(key for some in portions(names) for key in store.transact(partial(stop, portion=some)))


def halted(record: Record) -> str | None:
    """Why a sliver must not run, in words; None when it may."""
    gone = record.get("_gone")
    if gone is not None:
        return str(gone["why"])
    return None if record["enabled"] else "enabled is 0"


def is_due(record: Record, now: float) -> bool:
    """Whether what the sliver has on this host is to be deleted."""
    gone = record.get("_gone")
    return gone is not None and bool(gone["until"] <= now)


def forget(tx: Transaction, key: str, now: float) -> bool:
    """All that the sliver had is deleted: its record goes too, unless it came back. See loans.settle."""
    record = tx.get(key)
    if record is None or kind_of(key) != "sliver" or not is_due(record, now):
        return False
    loans.take_away(tx, record["name"], now)
    tx.tell(Event("nm", f"sliver {record['name']}", "deleted", str(record["_gone"]["why"])))
    return True
