"""The start of head nodes one after another, so that a machine that has just booted is not buried under them.

Each group whose head node can be started has one turn, and its turn is a repair: what a reboot took away
(bridges, the running domain) comes back, what is there stays as it is. A head node or group that is out of
service has no turn, and takes none from those behind it. Who still waits is a record, and a turn takes its
group off in the transaction that asks for the repair: a daemon that ends in between goes on where it was, and
nobody has two turns. `Startup` is the handler of "startup:", called by that subject's thread only.
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


class Begin:
    """There are groups that wait for their turns."""


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
    """The groups that wait for their turns, in order."""
    record = reader.get(WAITING)
    return list(record["groups"]) if record is not None else []


def line_up(tx: Transaction, names: Sequence[str], now: float) -> None:
    """Give these groups a turn, behind those that wait already."""
    _keep(tx, list(dict.fromkeys([*waiting(tx), *names])), now)


def take_turn(tx: Transaction, call: Call) -> tuple[str, str] | None:
    """Repair the first group that can still be started: it, and its head node. None when there is none."""
    left = waiting(tx)
    while left:
        name = left.pop(0)
        headnode = headnode_of(tx, name)
        if headnode is not None:  # else it went out of service while it waited: the next one has its turn
            drift.repair(tx, call, name)
            _keep(tx, left, call.now)
            return name, headnode
    _keep(tx, [], call.now)
    return None


def _keep(tx: Transaction, names: list[str], now: float) -> None:
    if names:
        tx.put(new("meta", "startup", now, groups=names))
    else:
        tx.delete(WAITING)


class Startup:
    """Gives each group its turn. `pause`: seconds between two; `call` is whose repairs they are."""

    def __init__(self, store: Store, call: Callable[[], Call], up: Callable[[], float], pause: float) -> None:
        self._store = store
        self._call = call
        self._up = up
        self._pause = pause
        self._next = up()  # when the next turn is, by `up`

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Tell who is to be started when, start whose turn it is; seconds until the next turn."""
        if any(isinstance(item, Begin) for item in batch):
            self._tell()
        if waiting(self._store) and self._up() >= self._next:
            started = self._store.transact(partial(take_turn, call=self._call()))
            if started is not None:
                log.info("starting", extra={"group": started[0], "headnode": started[1]})
                self._next = self._up() + self._pause
        return max(self._next - self._up(), 0.0) if waiting(self._store) else None

    def _tell(self) -> None:
        first = max(self._next - self._up(), 0.0)
        for place, name in enumerate(waiting(self._store)):
            extra = {"group": name, "headnode": headnode_of(self._store, name)}
            log.info("starting in %.0f seconds", first + place * self._pause, extra=extra)

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for an answer; who has not had a turn still waits for it."""

    def close(self) -> None:
        """Nothing to let go of."""
