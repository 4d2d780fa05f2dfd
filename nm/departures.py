"""How slivers end: stopped when their source lists them no more or their time is up, deleted later. Pure.

`_gone` of a sliver's record says since when, until when and why. Listed or renewed within that time it is as
before: it keeps all it has, its loans too. Nothing goes by mass: too many at once, or all, wait for an
administrator, as ends of leases do and by the same rules. Expiry needs no source.

A sliver's `timestamp` is its source's, so whoever writes `_` keys uses `observed`, and never records.changed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import leases, loans
from nm.records import Record, kind_of, name_of, record_key
from nm.store import Event, Reader, Store, Transaction, portions

GRACE = 7 * 86400.0  # seconds from being stopped to being deleted

UNLISTED, EXPIRED = "its source lists it no more", "it has expired"
EMPTY = "the source lists no sliver at all"
REMOVALS = leases.Holds("sliver", "meta_holds:removals", "removals")
EXPIRIES = leases.Holds("sliver", "meta_holds:expiries", "expiries")

Left = tuple[tuple[str, ...], dict[str, str]]  # keys of those that were stopped; names of those held, and why


@dataclass(frozen=True)
class Departure:
    """A reason to go. `concerns`: whether it is still one for that record."""

    why: str
    holds: leases.Holds
    concerns: Callable[[Record], bool]


def unlisted(concerns: Callable[[Record], bool]) -> Departure:
    """The source lists them no more."""
    return Departure(UNLISTED, REMOVALS, concerns)


def observed(record: Record, **fields: Any) -> Record:
    """The record with those keys of nm's own replaced; its timestamp stays its source's."""
    return {**record, **fields}


def is_over(record: Record, now: float) -> bool:
    """Whether its time is up."""
    return record["expiry"] is not None and bool(record["expiry"] <= now)


def overdue(reader: Reader, now: float) -> list[str]:
    """The names of slivers whose time is up and that are not stopped yet; looked through at the start."""
    records = (record for record in reader.range("sliver") if is_over(record, now))
    return [name_of(record["record_key"]) for record in records if not record.get("_gone")]


def expire(
    store: Store, due: Iterable[str], now: float, rules: leases.Rules, doubt: str | None = None,
    grace: float = GRACE,
) -> Left:  # fmt: skip
    """Stop these whose time is up, and those that were held back. `doubt`: why the clock is not believed."""
    names = dict.fromkeys([*due, *leases.held(store, EXPIRIES)])
    departure = Departure(EXPIRED, EXPIRIES, partial(is_over, now=now))
    return let_go(store, names, departure, now, rules, doubt, grace)


def remove_confirmed(store: Store, now: float, grace: float = GRACE) -> tuple[str, ...]:
    """Stop those whose removal is confirmed, without waiting for the source to speak again."""
    names = [name for name, entry in leases.held(store, REMOVALS).items() if entry["confirmed"]]
    stopped = _stop(store, names, unlisted(lambda record: True), now, grace)
    if names:
        store.transact(partial(leases.let_go, names=names, now=now, of=REMOVALS))
    return stopped


def let_go(
    store: Store, names: Iterable[str], departure: Departure, now: float, rules: leases.Rules,
    doubt: str | None = None, grace: float = GRACE,
) -> Left:  # fmt: skip
    """Stop these, unless they are too many. Whoever is held back and not concerned is not any more.

    `doubt`: why none goes by itself now.
    """
    held = leases.held(store, departure.holds)
    concerned = [name for name in names if _concerns(store, name, departure) is not None]
    going, waiting = leases.judge(concerned, held, doubt, partial(_count, store), rules)
    if waiting:
        store.transact(partial(leases.hold, reasons=waiting, now=now, of=departure.holds))
    stopped = _stop(store, going, departure, now, grace)
    if settled := [name for name in held if name not in waiting]:
        store.transact(partial(leases.let_go, names=settled, now=now, of=departure.holds))
    return stopped, waiting


def _concerns(reader: Reader, name: str, departure: Departure) -> Record | None:
    """The sliver's record, if there is one that is to go for that reason and is not gone already."""
    record = reader.get(record_key("sliver", name))
    return record if record is not None and not record.get("_gone") and departure.concerns(record) else None


def _count(reader: Reader) -> int:
    return sum(1 for record in reader.range("sliver") if not record.get("_gone"))


def _stop(
    store: Store, names: Iterable[str], departure: Departure, now: float, grace: float
) -> tuple[str, ...]:
    """Stop those that are still concerned, and say when they are deleted; their keys."""
    gone = {"since": int(now), "until": int(now + grace), "why": departure.why}
    said = f"{departure.why}; it is deleted later, unless it comes back"

    def stop(tx: Transaction, portion: list[str]) -> list[str]:
        found = [record for name in portion if (record := _concerns(tx, name, departure)) is not None]
        for record in found:
            tx.put(observed(record, _gone=gone))
            tx.tell(Event("nm", f"sliver {record['name']}", "stopped", said))
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
