"""What slivers may send in a day, and what is left of it: bytes counted, and the rate that remains. Pure.

A sliver's period is 24 hours and follows upon its last one. What it sends to exempt networks (`net2`) is
counted by itself. Past the threshold its rate is what spreads the rest of the limit over the rest of the
period, never under its least; with the next period it is as before.

The kernel counts for as long as a class lives. An account remembers how far it has read (`seen`) and of
which index, so a counter that begins anew is taken for what it says, a restart of nm loses nothing, and a
number that changed hands charges nobody twice. Accounts are records `meta_bytes:NAME`; a sliver that is
deleted and made again finds its own, until its period is over.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nm.records import Record, new, record_key
from nm.rspec import complete
from nm.store import Event, Reader

DAY = 86400.0
NAMES = ("net", "net2")
_SLOWEST = 8  # bit/s; the kernel knows no less
_PREFIX = "bytes:"

Counters = Mapping[str, int]  # net or net2 -> bytes that the class has sent since it was made


@dataclass(frozen=True)
class Meter:
    """Bytes of one kind. `began`, `ended`: starts of the periods whose limit was told to begin, to end."""

    used: int = 0  # in this period
    seen: int = 0  # of the kernel's counter
    limited: bool = False
    began: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Account:
    """What a sliver has sent. `index`: whose counters it has read; None while it has none."""

    name: str
    index: int | None
    since: float  # when its period began
    looked: float  # when it was last counted
    meters: Mapping[str, Meter] = field(default_factory=lambda: dict.fromkeys(NAMES, Meter()))

    @property
    def until(self) -> float:
        """When its period ends."""
        return self.since + DAY


# ---- records


def key_of(name: str) -> str:
    """The key of a sliver's account."""
    return record_key("meta", f"{_PREFIX}{name}")


def from_record(record: Record) -> Account:
    """The account as it was written down."""
    meters = {name: Meter(**record["meters"][name]) for name in NAMES}
    return Account(record["name"], record["index"], record["since"], record["looked"], meters)


def to_record(account: Account, now: float) -> Record:
    """The account to be written down."""
    return new("meta", f"{_PREFIX}{account.name}", now, **asdict(account))


def accounts(reader: Reader) -> dict[str, Account]:
    """All that were written down, by the slivers' names."""
    ours = (record for record in reader.range("meta") if record["record_key"].startswith(key_of("")))
    return {record["name"]: from_record(record) for record in ours}


def is_news(old: Account | None, now: Account) -> bool:
    """Whether it is worth writing: when it was looked at is not."""
    return old is None or replace(old, looked=now.looked) != now


# ---- counting


def opened(name: str, now: float) -> Account:
    """The account of a sliver that has none."""
    return Account(name, None, now, now)


def moved(account: Account, index: int | None, counters: Counters) -> Account:
    """The sliver has another index, or none: what that one's counters say from now on is its own."""
    if account.index == index:
        return account
    meters = {name: replace(meter, seen=counters.get(name, 0)) for name, meter in account.meters.items()}
    return replace(account, index=index, meters=meters)


def counted(account: Account, counters: Counters, now: float) -> Account:
    """With what was sent since it was last counted. A class that is not there has sent nothing."""
    begun = _period(account, now)
    share = 1.0
    if begun != account.since and now > account.looked:  # of what was sent meanwhile, the part since then
        share = (now - max(begun, account.looked)) / (now - account.looked)
    meters = {
        name: _metered(meter, counters.get(name, 0), begun != account.since, share)
        for name, meter in account.meters.items()
    }
    return replace(account, since=begun, looked=now, meters=meters)


def _period(account: Account, now: float) -> float:
    """When the period of now began; a clock that was set back does not make it longer."""
    if now < account.since:
        return now
    return account.since + (now - account.since) // DAY * DAY


def _metered(meter: Meter, counter: int, anew: bool, share: float) -> Meter:
    sent = counter - meter.seen if counter >= meter.seen else counter
    used = int(sent * share) if anew else meter.used + sent
    return replace(meter, used=used, seen=counter)


def is_over(account: Account, now: float) -> bool:
    """Whether nothing in it matters any more, now that its sliver is not here."""
    return account.index is None and not account.since <= now < account.until


# ---- limits


def judged(account: Account, rspec: Mapping[str, Any]) -> tuple[Account, list[Event]]:
    """Whether it is limited now, and what to tell: begin and end of that once a period."""
    meters, events = {}, []
    for name, meter in account.meters.items():
        limit, threshold = _limits(rspec, name)
        meters[name], what = _judged(meter, meter.used >= threshold, account.since)
        words = f"{meter.used // 1024} of {limit // 1024} KiB were sent {_WHERE[name]}"
        if what is not None:
            events.append(Event("nm", f"sliver {account.name}", what, words))
    return replace(account, meters=meters), events


def _judged(meter: Meter, limited: bool, since: float) -> tuple[Meter, str | None]:
    if limited and meter.began != since:
        return replace(meter, limited=True, began=since), "rate limited"
    if meter.limited and not limited and meter.ended != meter.began:
        return replace(meter, limited=False, ended=meter.began), "rate limit ended"
    return replace(meter, limited=limited), None


_WHERE = {"net": "in its day", "net2": "to exempt networks in its day"}


def limits(account: Account, rspec: Mapping[str, Any], now: float) -> dict[str, int]:
    """`net` or `net2` -> the bit/s that its quota leaves it, of those that are limited."""
    return {
        name: _rate(meter.used, rspec, name, account.until - now)
        for name, meter in account.meters.items()
        if meter.limited
    }


def _rate(used: int, rspec: Mapping[str, Any], name: str, rest: float) -> int:
    whole = complete(rspec)
    limit, _ = _limits(whole, name)
    spread = int(max(limit - used, 0) * 8 / max(rest, 1.0))
    rate: int = min(max(spread, whole[f"{name}_min"], _SLOWEST), whole[f"{name}_max"])
    return rate


def _limits(rspec: Mapping[str, Any], name: str) -> tuple[int, int]:
    """Bytes a period, and those from which on the rate falls."""
    whole = complete(rspec)
    limit: int = whole[f"{name}_max_kbyte"] * 1024
    return limit, min(whole[f"{name}_thresh_kbyte"] * 1024, limit)


# ---- telling


def told(reader: Reader, name: str, now: float) -> dict[str, Any]:
    """What GetRecord says of a sliver's bytes; {} when none were counted yet.

    {since, until, net, net2}, times in seconds since 1970; `net` and `net2` are {used_kbyte, max_kbyte,
    thresh_kbyte, limited, rate}: `rate` bit/s is what the quota leaves, None while it does not limit.
    """
    record, sliver = reader.get(key_of(name)), reader.get(record_key("sliver", name))
    if record is None or sliver is None:
        return {}
    account = from_record(record)
    rspec = complete(sliver.get("_rspec") or sliver.get("rspec") or {})
    rates = limits(account, rspec, now)
    meters = {
        kind: {
            "used_kbyte": meter.used // 1024,
            "max_kbyte": rspec[f"{kind}_max_kbyte"],
            "thresh_kbyte": rspec[f"{kind}_thresh_kbyte"],
            "limited": meter.limited,
            "rate": rates.get(kind),
        }
        for kind, meter in account.meters.items()
    }
    return {"since": int(account.since), "until": int(account.until), **meters}
