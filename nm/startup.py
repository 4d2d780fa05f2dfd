"""The start of head nodes one after another, so that a machine that has just booted is not buried under them.

The handler of "startup:". Each group whose head node can be started has one turn, and its turn is a repair:
what a reboot took away (bridges, the running domain) comes back, what is there stays as it is. A head node
or group that is out of service has no turn, and takes none from those behind it. Called by that subject's
thread only; it ends with the last turn.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import drift
from nm.calls import Call
from nm.errors import NotFound
from nm.records import name_of, record_key
from nm.store import Reader, Store

log = logging.getLogger("nm.startup")

SUBJECT = "startup:"


@dataclass(frozen=True)
class Begin:
    """Start the head nodes of these groups, in this order."""

    groups: Sequence[str]


def waiting(reader: Reader) -> list[str]:
    """The groups whose head nodes are to be started, by name."""
    names = sorted(name_of(group["record_key"]) for group in reader.range("group"))
    return [name for name in names if headnode_of(reader, name) is not None]


def headnode_of(reader: Reader, name: str) -> str | None:
    """The group's head node, when it may be started: deployed, in service, and the group is not ending."""
    group = reader.get(record_key("group", name))
    target = group["target"] if group is not None and not group["destroying"] else None
    found: str | None = target["headnode"] if target else None
    headnode = reader.get(record_key("headnode", found)) if found else None
    return found if headnode is not None and headnode["available"] else None


class Startup:
    """Gives each group its turn. `pause`: seconds between two; `call` is whose repairs they are."""

    def __init__(self, store: Store, call: Callable[[], Call], up: Callable[[], float], pause: float) -> None:
        self._store = store
        self._call = call
        self._up = up
        self._pause = pause
        self._turns: deque[str] = deque()
        self._next = up()  # when the next turn is, by `up`

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Note who is to be started, start whose turn it is; seconds until the next turn."""
        for item in batch:
            if isinstance(item, Begin):
                self._line_up(item.groups)
        if self._turns and self._up() >= self._next and self._start_one():
            self._next = self._up() + self._pause
        return max(self._next - self._up(), 0.0) if self._turns else None

    def _line_up(self, names: Sequence[str]) -> None:
        first = max(self._next - self._up(), 0.0)
        fresh = [name for name in names if name not in self._turns]
        for place, name in enumerate(fresh, start=len(self._turns)):
            log.info(
                "starting in %.0f seconds",
                first + place * self._pause,
                extra={"group": name, "headnode": headnode_of(self._store, name)},
            )
        self._turns.extend(fresh)

    def _start_one(self) -> bool:
        """Start the first that still can be; False when none was left."""
        while self._turns:
            name = self._turns.popleft()
            headnode = headnode_of(self._store, name)
            if headnode is None:  # it went out of service while it waited: the next one has its turn
                continue
            log.info("starting", extra={"group": name, "headnode": headnode})
            try:
                self._store.transact(partial(drift.repair, call=self._call(), group=name))
            except NotFound:  # it ended this very moment
                continue
            return True
        return False

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for an answer; who has not had a turn still has it."""

    def close(self) -> None:
        """Nothing to let go of."""
