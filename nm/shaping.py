"""Slivers' network rates and their bytes a day: the worker that enforces them on this machine.

The handler of "shaper:". A look reads the tree and what has passed its leaves, writes down what was sent, and
makes the tree as the records want it; every `slivers.look_seconds`, and first of all. Between two looks a
change of a sliver costs that sliver alone: the tree is remembered, and its difference is made.

Accounts are written at looks, when they changed; so a kill loses nothing that the kernel still counts, and
else a look's bytes at most. shaper.py and quotas.py decide, htb.py and portlocks.py carry out.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import htb, portlocks, quotas, shaper
from nm.config import Slivers
from nm.errors import DeviceFailed, Invalid
from nm.leases import Clocks
from nm.records import Record, kind_of, name_of, new, record_key
from nm.store import Event, Store, Transaction, portions

log = logging.getLogger("nm.shaping")

SUBJECT = "shaper:"
CAPS = record_key("meta", "bwcap")
ENFORCERS = record_key("meta", "enforcers")
ENFORCED = ("rate", "exempt", "quota")
_RETRY = 10.0  # seconds after which a look that failed is tried again, at most


@dataclass(frozen=True)
class Look:
    """Look at these slivers, whose records changed; None: at everything."""

    names: frozenset[str] | None = None


def concerned(changes: Iterable[str]) -> Look | None:
    """The look that changes of these records call for."""
    keys = list(changes)
    if CAPS in keys:
        return Look()
    names = frozenset(name_of(key) for key in keys if kind_of(key) == "sliver")
    return Look(names) if names else None


def nic_of(index: int) -> str:
    """The name of a sliver's NIC on this machine."""
    return f"nms{index}"


class Shaping:
    """Enforces rates and quotas."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Slivers],
        mac: Callable[[Record], str],
        clocks: Clocks,
        bridge: Callable[[str], str],
    ) -> None:
        """`mac`: of a sliver's NIC. `bridge`: of `slivers.network`; DeviceFailed when it is not known.

        It is asked for only where no uplink is named.
        """
        self._store = store
        self._settings = settings
        self._mac = mac
        self._clocks = clocks
        self._bridge = bridge
        self._hand: htb.Htb | None = None
        self._tree: shaper.Tree | None = None  # as it is on the device; None: to be read
        self._doubted = False  # a change of it was refused: it is made anew when it is not as it should be
        self._shape = shaper.Shape()
        self._written = quotas.accounts(store)
        self._accounts = dict(self._written)
        self._events: list[Event] = []  # to be written with the accounts
        self._faults: dict[str, str] = {}  # sliver -> what of it cannot be enforced
        self._next = 0.0  # when to look at everything, by the clock that nobody sets

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Look at what changed, or at everything when it is time."""
        settings = self._settings()
        if not settings.network:
            return None
        now, up = self._clocks.now(), self._clocks.up()
        names = _names(batch)
        try:
            if self._tree is None or names is None or up >= self._next:
                self._next = up + settings.look_seconds
                self._look(settings, now)
            elif names:
                self._change(names, now)
        except DeviceFailed as error:
            self._hand = self._tree = None
            self._next = up + min(settings.look_seconds, _RETRY)
            self._say((), [str(error)])
        else:
            faults = {**self._faults, **self._shape.faults}
            self._say(ENFORCED, [why for _, why in sorted(faults.items())])
        return max(self._next - up, 0.05)

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Everything is read anew; what was counted stays."""
        self._tree, self._doubted = None, True

    def close(self) -> None:
        """Write down what was counted."""
        self._write(self._clocks.now())

    # ---- everything

    def _look(self, settings: Slivers, now: float) -> None:
        hand = self._hand or self._open(settings)
        reading = hand.read()
        seen = {name_of(record["record_key"]): record for record in self._store.range("sliver")}
        seen = {name: record for name, record in seen.items() if shaper.is_seen(record)}
        self._count(seen, reading, now)
        self._write(now)
        self._faults = {}
        try:
            self._shape.cap(shaper.caps_of(self._store.get(CAPS)))
        except Invalid as error:
            self._faults[""] = str(error)
        known = {*self._shape.slivers, *self._shape.faults, *seen}
        self._want({name: seen.get(name) for name in known}, now)
        steps = shaper.difference(reading.tree, self._shape.tree)
        if self._doubted and steps:
            steps = [shaper.Clear(), *shaper.difference({}, self._shape.tree)]
        self._tree = reading.tree
        self._apply(hand, steps)
        self._doubted = False
        self._lock(self._shape.slivers)

    def _open(self, settings: Slivers) -> htb.Htb:
        bridge = "" if settings.uplink else self._bridge(settings.network)
        if elsewhere := htb.withdraw(settings.uplink, bridge):
            log.info("rates are enforced elsewhere now", extra={"devices": elsewhere})
        self._hand = htb.Htb(settings.uplink, bridge)
        return self._hand

    def _count(self, seen: Mapping[str, Record], reading: htb.Reading, now: float) -> None:
        """Credit what has passed the leaves to whom they belonged, then see whose they are now."""
        for name, account in list(self._accounts.items()):
            if account.index is not None:
                account = quotas.counted(account, reading.sent.get(account.index, {}), now)  # noqa: PLW2901
            elif quotas.is_over(account, now):
                self._judge(quotas.counted(account, {}, now), name, seen.get(name))
                del self._accounts[name]
                continue
            if name not in seen:
                account = quotas.moved(account, None, {})  # noqa: PLW2901
            self._accounts[name] = account
        for name, record in seen.items():
            self._assign(name, record["_index"], reading.sent.get(record["_index"], {}), now)
            self._accounts[name] = self._judge(self._accounts[name], name, record)

    def _assign(self, name: str, index: int, sent: Mapping[str, int], now: float) -> None:
        account = self._accounts.get(name) or quotas.opened(name, now)
        self._accounts[name] = quotas.moved(account, index, sent)

    def _judge(self, account: quotas.Account, name: str, record: Record | None) -> quotas.Account:
        judged, events = quotas.judged(account, _rspec(record))
        self._events += events
        return judged

    # ---- a change

    def _change(self, names: frozenset[str], now: float) -> None:
        hand, tree = self._hand, self._tree
        if hand is None or tree is None:
            return
        seen = {name: self._seen(name) for name in names}
        for name, record in seen.items():
            account = self._accounts.get(name)
            index = record["_index"] if record else None
            if account is not None and account.index is not None and account.index != index:
                counted = quotas.counted(account, hand.sent(account.index), now)
                self._accounts[name] = quotas.moved(counted, None, {})
        for name, record in seen.items():
            if record is not None and _index(self._accounts.get(name)) != record["_index"]:
                self._assign(name, record["_index"], hand.sent(record["_index"]), now)
        keys = self._want(seen, now)
        self._apply(hand, shaper.difference(tree, self._shape.tree, keys))
        self._lock([name for name, record in seen.items() if record])

    def _seen(self, name: str) -> Record | None:
        record = self._store.get(record_key("sliver", name))
        return record if record is not None and shaper.is_seen(record) else None

    # ---- both

    def _want(self, seen: Mapping[str, Record | None], now: float) -> Iterable[shaper.Key]:
        """Let the tree that is wanted have these slivers as they are; the keys of what may differ."""
        shape = self._shape
        wanted = {name: self._sliver(name, record, now) if record else None for name, record in seen.items()}
        for name in wanted:
            self._faults.pop(name, None)
        return shape.put(
            {
                name: sliver
                for name, sliver in wanted.items()
                if sliver != shape.slivers.get(name) or name in shape.faults
            }
        )

    def _sliver(self, name: str, record: Record, now: float) -> shaper.Sliver:
        account = self._accounts.get(name)
        left = quotas.limits(account, _rspec(record), now) if account else {}
        return shaper.sliver_of(record, self._mac(record), left)

    def _apply(self, hand: htb.Htb, steps: Sequence[shaper.Step]) -> None:
        try:
            hand.apply(steps)
        except DeviceFailed:
            self._doubted = True
            raise
        if self._tree is not None:
            htb.carried_out(self._tree, steps)

    def _lock(self, names: Iterable[str]) -> None:
        there = ((name, self._shape.slivers.get(name)) for name in names)
        ports = {nic_of(sliver.index): (name, sliver.mac) for name, sliver in there if sliver}
        faults = portlocks.lock({nic: mac for nic, (_, mac) in ports.items()})
        self._faults |= {ports[nic][0]: why for nic, why in faults.items()}

    # ---- what is written down

    def _write(self, now: float) -> None:
        """The accounts that changed. A disk that takes nothing now is tried at the next look."""
        changed: list[tuple[str, Record | None]] = [
            (quotas.key_of(name), quotas.to_record(account, now))
            for name, account in self._accounts.items()
            if quotas.is_news(self._written.get(name), account)
        ]
        changed += [(quotas.key_of(name), None) for name in self._written if name not in self._accounts]
        events = self._events
        try:
            for some in portions(changed):
                self._store.transact(partial(_put, changes=some, events=events))
                self._events = events = []
            self._written = dict(self._accounts)
        except DeviceFailed as error:
            log.warning("bytes of slivers could not be written down", extra={"why": str(error)})

    def _say(self, enforced: Sequence[str], faults: Sequence[str]) -> None:
        """Write down what is enforced here, and what is not, when that is news."""
        said = {"network": list(enforced), "network_faults": list(faults)}
        old = self._store.get(ENFORCERS) or {}
        if {key: old.get(key) for key in said} == said:
            return
        for fault in faults:
            log.warning("a network limit is not enforced", extra={"why": fault})
        try:
            self._store.transact(partial(_put_enforcers, said=said, now=self._clocks.now()))
        except DeviceFailed as error:
            log.warning("what is enforced could not be written down", extra={"why": str(error)})


def _names(batch: Sequence[Any]) -> frozenset[str] | None:
    """Which slivers changed; None when everything is to be looked at."""
    looks = [item for item in batch if isinstance(item, Look)]
    if any(look.names is None for look in looks):
        return None
    return frozenset().union(*(look.names for look in looks if look.names is not None))


def _rspec(record: Record | None) -> Mapping[str, Any]:
    return (record.get("_rspec") or record.get("rspec") or {}) if record else {}


def _index(account: quotas.Account | None) -> int | None:
    return account.index if account else None


def _put(tx: Transaction, changes: Sequence[tuple[str, Record | None]], events: Sequence[Event]) -> None:
    for key, record in changes:
        if record is None:
            tx.delete(key)
        else:
            tx.put(record)
    for event in events:
        tx.tell(event)


def _put_enforcers(tx: Transaction, said: Mapping[str, Any], now: float) -> None:
    old = tx.get(ENFORCERS) or new("meta", "enforcers", now)
    tx.put({**old, **said, "timestamp": int(now)})
