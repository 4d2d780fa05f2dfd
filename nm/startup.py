"""The start of head nodes and slivers one after another, so that a machine that has booted is not buried.

Each group whose head node can be started has one turn, and its turn is a repair: what a reboot took away
(bridges, the running domain) comes back, what is there stays as it is. Each sliver that is to run has one,
and is not started before it. What is out of service or need not run has no turn, and takes none from those
behind it. Who still waits is a record, and a turn takes one off in the transaction that asks for the repair:
a daemon that ends in between goes on where it was, and nobody has two turns. `Startup` is the handler of
"startup:", called by that subject's thread only.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nm import drift
from nm.calls import Call
from nm.records import name_of, new, record_key
from nm.store import Reader, Store, Transaction

log = logging.getLogger("nm.startup")

SUBJECT = "startup:"
WAITING = "meta_startup"
_AGAIN = 0.5  # seconds until it is asked again whether one runs of which that is not known
GROUP, SLIVER = "group", "sliver"  # kinds of subjects that wait, as "group:alpha"

Starts = Callable[[Reader, str], bool | None]


class Begin:
    """There are some who wait for their turns."""


def candidates(reader: Reader) -> list[str]:
    """The groups whose head nodes can be started, by name."""
    names = sorted(name_of(group["record_key"]) for group in reader.range("group"))
    return [name for name in names if headnode_of(reader, name) is not None]


def headnode_of(reader: Reader, name: str) -> str | None:
    """The group's head node, when it may be started: deployed, in service, and the group is not ending."""
    group = reader.get(record_key("group", name))
    target = group["target"] if group is not None and not group["destroying"] else None
    found: str | None = target["headnode"] if target else None
    headnode = reader.get(record_key("headnode", found)) if found else None
    return found if headnode is not None and headnode["available"] else None


def waiting(reader: Reader) -> list[str]:
    """The subjects that wait for their turns, in order."""
    record = reader.get(WAITING)
    if record is None:
        return []
    before = (f"{GROUP}:{name}" for name in record.get("groups", ()))  # as it was before slivers
    return [*before, *record.get("subjects", ())]


def sliver_waits(reader: Reader, name: str) -> bool:
    """Whether the sliver's turn is still to come."""
    record = reader.get(WAITING)
    return record is not None and f"{SLIVER}:{name}" in record.get("subjects", ())


def line_up(tx: Transaction, subjects: Sequence[str], now: float) -> None:
    """Give these a turn, behind those that wait already."""
    _keep(tx, list(dict.fromkeys([*waiting(tx), *subjects])), now)


def take_turn(tx: Transaction, call: Call, starts: Starts) -> str | None:
    """Take the first one off that can still be started, a group to be repaired; None when there is none yet.

    A sliver of which it is not known whether it runs keeps its place, and those behind it theirs.
    """
    left = waiting(tx)
    while left:
        subject = left.pop(0)
        kind, _, name = subject.partition(":")
        begins = starts(tx, name) if kind == SLIVER else False
        if begins is None:
            return None
        if begins:
            _keep(tx, left, call.now)
            return subject
        if kind == GROUP and headnode_of(tx, name) is not None:
            drift.repair(tx, call, name)
            _keep(tx, left, call.now)
            return subject
    _keep(tx, [], call.now)
    return None


def _keep(tx: Transaction, subjects: list[str], now: float) -> None:
    if subjects:
        tx.put(new("meta", "startup", now, subjects=subjects))
    else:
        tx.delete(WAITING)


def _no_slivers(_reader: Reader, _name: str) -> bool:
    return False


class Startup:
    """Gives each its turn. `pause`: seconds between two; `call` is whose repairs they are.

    `starts` tells whether a sliver is to run and does not, None: that is not known yet.
    `begun` hears whose turn it was.
    """

    def __init__(
        self,
        store: Store,
        call: Callable[[], Call],
        up: Callable[[], float],
        pause: float,
        starts: Starts = _no_slivers,
        begun: Callable[[str], None] = lambda subject: None,
    ) -> None:
        self._store = store
        self._call = call
        self._up = up
        self._pause = pause
        self._starts = starts
        self._begun = begun
        self._next = up()  # when the next turn is, by `up`

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Tell who is to be started when, start whose turn it is; seconds until the next turn."""
        if any(isinstance(item, Begin) for item in batch):
            self._tell()
        if waiting(self._store) and self._up() >= self._next:
            turn = partial(take_turn, call=self._call(), starts=self._starts)
            started = self._store.transact(turn)
            if started is not None:
                log.info("starting", extra=self._named(started))
                self._begun(started)
            self._next = self._up() + (self._pause if started is not None else _AGAIN)
        return max(self._next - self._up(), 0.0) if waiting(self._store) else None

    def _tell(self) -> None:
        first = max(self._next - self._up(), 0.0)
        for place, subject in enumerate(waiting(self._store)):
            log.info("starting in %.0f seconds", first + place * self._pause, extra=self._named(subject))

    def _named(self, subject: str) -> dict[str, str | None]:
        kind, _, name = subject.partition(":")
        return {kind: name} | ({"headnode": headnode_of(self._store, name)} if kind == GROUP else {})

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for an answer; who has not had a turn still waits for it."""

    def close(self) -> None:
        """Nothing to let go of."""
