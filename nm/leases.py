"""Leases: which groups are over, and when not to believe the clock. Pure.

Time comes as an argument, twice: `now` is the wall clock (seconds since 1970), `up` a clock that nobody
can set (seconds since boot, sleep included). Where the two drift apart the wall clock has jumped, and
nothing ends by itself until it is confirmed or a grace period is over. Too many ends at once wait for
an administrator.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from nm.calls import Call
from nm.counted import counted
from nm.errors import NotFound
from nm.records import Record, changed, kind_of, name_of, new, record_key
from nm.store import Event, Reader, Transaction

HOLDS = "meta_holds"
JUMPED = "the clock jumped"
COPY = "an old copy was restored: it does not know what was renewed since"
MANY = "many at once"
CLOCK = "meta_clock"
ENDING = (
    "group",
    "job",
    "sliver",
    "ticket",
)  # kinds of records whose end is watched; jobs' when they are over


@dataclass(frozen=True)
class Rules:
    """When to hold back. Seconds, and shares of all groups."""

    grace: float = 3600.0
    jump: float = 120.0
    mass_share: float = 0.25
    mass_floor: int = 3  # so many may always end at once


@dataclass(frozen=True)
class Holds:
    """One list of ends that wait for an administrator: of what, and the record that it is kept in."""

    noun: str = "group"
    key: str = HOLDS
    what: str = "ends"  # what waits, as events call it

    def __str__(self) -> str:
        return f"the {self.what.removesuffix('s')} of {self.noun}"


GROUPS = Holds()


@dataclass
class Ends:
    """When records end, earliest first. Entries that are no longer true are skipped when they come up."""

    _heap: list[tuple[int, str]] = field(default_factory=list)
    _noted: dict[str, int] = field(default_factory=dict)  # key -> its newest end in the heap

    def note(self, records: Iterable[Record | None]) -> None:
        """Remember when these end; an end that is known already takes no more room."""
        for record in records:
            if record is not None and record["expiry"] not in (None, self._noted.get(record["record_key"])):
                self._noted[record["record_key"]] = record["expiry"]
                heapq.heappush(self._heap, (record["expiry"], record["record_key"]))

    def due(self, reader: Reader, now: float) -> list[str]:
        """The keys of records that are over. They are forgotten here: note again what is held back."""
        found: dict[str, None] = {}
        while self._heap and self._heap[0][0] <= now:
            expiry, key = heapq.heappop(self._heap)
            if self._noted.get(key) == expiry:
                del self._noted[key]
            record = reader.get(key)
            if record is not None and record["expiry"] == expiry and not record.get("destroying"):
                found[key] = None
        return list(found)

    @property
    def next(self) -> int | None:
        """When the earliest ends."""
        return self._heap[0][0] if self._heap else None


def jumped(clock: Record | None, now: float, up: float, boot: str, rules: Rules) -> float:
    """By how many seconds the wall clock has jumped since `clock` was written; 0 when it has not.

    After a reboot only a clock that went back can be told.
    """
    if clock is None:
        return 0.0
    if clock["boot"] != boot:
        back = now - float(clock["wall"])
        return back if back < -rules.jump else 0.0
    off = (now - float(clock["wall"])) - (up - float(clock["up"]))
    return off if abs(off) > rules.jump else 0.0


def rebooted(reader: Reader, boot: str) -> bool:
    """Whether the machine was started anew since a daemon last looked at its clocks."""
    clock = reader.get(CLOCK)
    return clock is not None and clock["boot"] != boot


def write_clock(tx: Transaction, now: float, up: float, boot: str, doubtful_until: float | None) -> None:
    """Remember both clocks. `doubtful_until`: the `up` before which the wall clock is not believed."""
    tx.put(new("meta", "clock", now, wall=now, up=up, boot=boot, doubtful_until=doubtful_until))


def held(reader: Reader, of: Holds = GROUPS) -> dict[str, Record]:
    """Name -> {reason, since, confirmed} of the ends that are held back."""
    record = reader.get(of.key)
    return dict(record[f"{of.noun}s"]) if record else {}


def too_many(due: int, groups: int, rules: Rules) -> bool:
    """Whether that many ends at once need an administrator's word."""
    return due > max(rules.mass_floor, rules.mass_share * groups)


def judge(
    over: Iterable[str], held: Mapping[str, Record], doubt: str | None, count: Callable[[], int], rules: Rules
) -> tuple[list[str], dict[str, str]]:
    """Which of these groups end now, and why the others are held back.

    `over`: names of groups whose lease is over. `doubt`: why nothing ends by itself now. `count` tells
    how many groups there are; it is asked only when that matters. What was held back for being too many
    stays so until it is confirmed, however few are left.
    """
    ending, waiting, asking = [], {}, []
    for name in over:
        entry = held.get(name)
        if entry is not None and entry["confirmed"]:
            ending.append(name)
        elif entry is not None and entry["reason"] == MANY:
            waiting[name] = MANY
        elif doubt:
            waiting[name] = entry["reason"] if entry is not None else doubt
        else:
            asking.append(name)
    if len(asking) > rules.mass_floor and too_many(len(asking), count(), rules):
        return ending, {**waiting, **dict.fromkeys(asking, MANY)}
    return ending + asking, waiting


def hold(tx: Transaction, reasons: Mapping[str, str], now: float, of: Holds = GROUPS) -> None:
    """Hold those ends back, for those reasons, until they are confirmed."""
    holds = held(tx, of)
    fresh = {
        name: reason
        for name, reason in reasons.items()
        if name not in holds or holds[name]["reason"] != reason
    }
    if fresh:
        entries = {
            name: {"reason": reason, "since": int(now), "confirmed": False} for name, reason in fresh.items()
        }
        _put(tx, {**holds, **entries}, now, of)
        said = ", ".join(sorted(set(fresh.values())))
        tx.tell(Event("nm", "pool", f"{of.what} held back", f"{counted(len(fresh), of.noun)}: {said}"))


def let_go(tx: Transaction, names: Iterable[str], now: float, of: Holds = GROUPS) -> None:
    """These are not held back any more: gone, or renewed."""
    holds, gone = held(tx, of), set(names)
    left = {name: entry for name, entry in holds.items() if name not in gone}
    if left != holds:
        _put(tx, left, now, of)


def _put(tx: Transaction, holds: dict[str, Record], now: float, of: Holds) -> None:
    record = tx.get(of.key) or new("meta", name_of(of.key), now)
    tx.put(changed(record, now, **{f"{of.noun}s": holds}))


# ---- the administrator's word


def get_holds(reader: Reader, _call: Call) -> list[Record]:
    """The groups whose end is held back: list of {group, expires, reason, since}."""
    found = []
    for name, entry in sorted(held(reader).items()):
        group = reader.get(record_key("group", name))
        if group is not None:
            found.append(
                {
                    "group": name,
                    "expires": group["expiry"],
                    "reason": entry["reason"],
                    "since": entry["since"],
                }
            )
    return found


def confirm_expiry(tx: Transaction, call: Call, names: list[str]) -> int:
    """Let the groups end that were held back; an empty list means all of them."""
    return confirm(tx, call, names)


def confirm(tx: Transaction, call: Call, names: list[str], of: Holds = GROUPS) -> int:
    """The administrator's word that these are meant; an empty list means all that are held back."""
    holds = held(tx, of)
    for name in names:
        if name not in holds:
            raise NotFound(f"{of} {name} is not held back", "GetHolds lists those that are")
    for name in names or list(holds):
        holds[name] = {**holds[name], "confirmed": True}
    _put(tx, holds, call.now, of)
    tx.tell(Event(call.caller.name, "pool", f"{of.what} confirmed", ", ".join(names) or "all"))
    return 1


# ---- the pool's worker


@dataclass(frozen=True)
class Look:
    """See what is due. `records`: those whose end may have changed."""

    records: tuple[Record, ...] = ()


def ending(changes: Iterable[Record | None]) -> tuple[Record, ...]:
    """The records among changes whose end is watched."""
    records = [record for record in changes if record is not None and record["expiry"] is not None]
    return tuple(record for record in records if kind_of(record["record_key"]) in ENDING)


@dataclass(frozen=True)
class Clocks:
    """Wall clock, and a clock since boot that nobody can set; the boot's id."""

    now: Callable[[], float]
    up: Callable[[], float]
    boot: str
