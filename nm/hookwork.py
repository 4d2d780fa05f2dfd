"""Runs the site's own programs for one node: the handler of "hooks:NODE".

A program runs below a process of its own (nm/keeper.py) that ends all of it at its time limit and when
nmd ends, however nmd ends; a run that did not come to its end is begun anew by the next nmd, from the
records. So programs must be repeatable. How many run at once is bounded for all nodes together, by the gate.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nm import debts, hooks, kept, views
from nm.config import Hooks
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.records import Record, record_key
from nm.store import Event, Store
from nm.workers import Errand

_HINTS = {
    hooks.BEFORE: "the node is isolated: mend what is wrong and repair the group, or remove the node",
    hooks.AFTER: "see to the node, then ClearNode",
}


class Gate:
    """How many programs run at once; when it is closed none begins, and those that run are to end."""

    def __init__(self, settings: Hooks) -> None:
        self.settings = settings  # replaced when the configuration is read again
        self.closed = False
        self._running = 0
        self._changed = threading.Condition()

    def enter(self, unwanted: Callable[[], bool]) -> bool:
        """Wait for a turn. False when the gate was closed, or the run is not wanted any more."""
        with self._changed:
            while not (self.closed or unwanted()):
                if self._running < self.settings.at_once:
                    self._running += 1
                    return True
                self._changed.wait(kept.LOOK)
        return False

    def leave(self) -> None:
        """A run is over."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is to run any more: nmd ends."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


@dataclass(frozen=True)
class Run:
    """What came of a program: why it counts as failed, or None; what it said."""

    error: str | None
    output: str
    seconds: float


class HookWorker:
    """Called by the thread of "hooks:NODE". `locks`: folder with a file a node."""

    def __init__(
        self, node: str, store: Store, gate: Gate, locks: Path, now: Callable[[], float] = time.time
    ) -> None:
        self._node = node
        self._store = store
        self._gate = gate
        self._lock = locks / node
        self._now = now
        self._left: list[Errand] = []

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Run what is asked, one after the other. Nobody is answered when nmd ends: the next one does it."""
        self._left += batch
        while self._left:
            outcomes = [self._outcome(order) for order in self._left[0].orders]
            if self._gate.closed:
                self._left.clear()
                return None
            self._left.pop(0).reply(outcomes)
        return None

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for ever."""
        left, self._left = self._left, []
        for errand in left:
            error = DeviceFailed(words, "it is tried again")
            errand.reply([Outcome(error=error) for _ in errand.orders])

    def close(self) -> None:
        """Nothing to let go of."""

    def _outcome(self, order: Order) -> Outcome:
        try:
            return self._one(order)
        except NMError as error:
            return Outcome(error=error)

    def _one(self, order: Order) -> Outcome:
        moment = hooks.AFTER if order.value is None else hooks.BEFORE
        program = str(getattr(self._gate.settings, moment))
        node = self._store.get(record_key("node", self._node))
        if order.moot() or node is None:
            return Outcome(moot=True)
        if not program:
            return Outcome(seen=order.value)
        self._refuse_open(node, moment)
        if not self._gate.enter(order.moot):
            return Outcome(moot=True)
        try:
            run = self._run(node, moment, program, order.moot)
        finally:
            self._gate.leave()
        if run is None:
            return Outcome(moot=True)
        if run.error is not None:
            raise DeviceFailed(f"{moment} {run.error}", _HINTS[moment], passing=False)
        return Outcome(seen=order.value)

    def _refuse_open(self, node: Record, moment: str) -> None:
        """A program runs on an isolated node only; of a switch in debt nobody knows what it carries."""
        for nic in views.wired(node):
            if debts.of_switch(self._store, nic["switch"]) is not None:
                raise DeviceFailed(
                    f"{moment} did not run: switch {nic['switch']} is not yet read back as isolated",
                    _HINTS[moment],
                    passing=moment == hooks.BEFORE,
                )

    def _run(self, node: Record, moment: str, program: str, moot: Callable[[], bool]) -> Run | None:
        """Run it between its two events. None when it was ended because nobody wants it any more."""
        name, store = self._node, self._store
        now = self._now()
        store.transact(lambda tx: hooks.began(tx, name, moment, now))
        group, _ = hooks.group_of(store, node)
        environment = {
            "PATH": os.environ.get("PATH") or os.defpath,
            "NM_MOMENT": moment,
            "NM_NODE": name,
            "NM_GROUP": group or "",
        }
        seconds = self._gate.settings.seconds
        wanted = kept.Run([program], environment, hooks.told(store, node, now), seconds, str(self._lock))
        problem = unsafe(program)
        run = Run(problem, "", 0.0) if problem else self._kept(wanted, moot)
        if self._gate.closed:
            return None
        after = self._now()
        if run is None:
            words = f"{moment}: the node was taken back meanwhile"
            store.transact(lambda tx: tx.tell(Event("nm", f"node {name}", "hook ended", words, group)))
        else:
            store.transact(
                lambda tx: hooks.ended(tx, name, moment, run.seconds, run.error, run.output, after)
            )
        return run

    def _kept(self, wanted: kept.Run, moot: Callable[[], bool]) -> Run | None:
        begin = time.monotonic()
        ended = kept.keep(wanted, lambda: self._gate.closed or moot())
        if ended.how == "stopped":
            return None
        cleaned = replace(ended, said=[_clean(text) for text in ended.said])
        return Run(cleaned.failure(wanted.seconds), cleaned.said[0], time.monotonic() - begin)


def unsafe(program: str) -> str | None:
    """Why the program is not run: somebody beside root (or nmd's own user) could have written it."""
    path = Path(program)
    try:
        if (real := os.path.realpath(program)) != os.path.normpath(program):
            return f"is not run: {program} leads over a link; name {real}"
        found = path.stat()
        for place, seen in [(path, found), *((folder, folder.stat()) for folder in path.parents)]:
            shared = seen.st_mode & 0o022 and not (place != path and seen.st_mode & stat.S_ISVTX)
            if seen.st_uid not in (0, os.geteuid()) or shared:
                return f"is not run: {place} must belong to root and be writable by nobody else"
    except OSError as error:
        return f"is not run: {program}: {error.strerror}"
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & 0o111:
        return f"is not run: {program} is not an executable file"
    return None


def _clean(text: str) -> str:
    """What a program said, without what a terminal might act on."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text).strip()
