"""Runs described pools' scripts on one host: the handler of "scripts:HOST".

Some at once, each in a thread of its own, so that a slow script holds up no other pool's, and no domain. What
waits is begun in the order in which it came. Nobody is answered when nmd ends: the next one begins anew. It
waits for no thread then, for the machine of a host may be cut off.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from nm.errors import DeviceFailed
from nm.facts import Hand, Outcome
from nm.workers import Errand, Reading, answer_readings

log = logging.getLogger("nm.scriptwork")

LOOK = 1.0  # seconds between two looks whether a run is over


class ScriptWorker:
    """Called by the host's thread. hand: may be asked by several threads. ends: whether nmd is about to."""

    def __init__(self, hand: Hand, epoch: int, at_once: Callable[[], int], ends: Callable[[], bool]) -> None:
        self._hand, self._epoch, self._at_once, self._ends = hand, epoch, at_once, ends
        self._waiting: deque[Errand] = deque()
        self._threads: list[threading.Thread] = []  # each runs what waits, until nothing does

    @property
    def depth(self) -> int:
        """How much waits, or runs."""
        return len(self._waiting) + len(self._threads)

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Begin what came; look again while something runs."""
        self._waiting += [item for item in batch if isinstance(item, Errand)]
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for _ in range(min(len(self._waiting), self._at_once() - len(self._threads))):
            thread = threading.Thread(target=self._work, name="script", daemon=True)
            thread.start()
            self._threads.append(thread)
        answer_readings(self._hand, [item for item in batch if isinstance(item, Reading)])
        return LOOK if self._threads or self._waiting else None

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for ever."""
        for item in batch:
            if isinstance(item, Errand):
                _refuse(item, words)

    def close(self) -> None:
        """Let all end that still runs: `ends` says so to them, else nothing does any more."""
        self._waiting.clear()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _work(self) -> None:
        while (errand := self._next()) is not None:
            self._run(errand)

    def _next(self) -> Errand | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _run(self, errand: Errand) -> None:
        try:
            outcomes = self._hand.run(errand.orders, self._epoch)
        except Exception:
            log.exception("unforeseen error with a script")
            _refuse(errand, "unforeseen error with a script; the log tells more")
            return
        if not self._ends():
            errand.reply(outcomes)


def _refuse(errand: Errand, words: str) -> None:
    error = DeviceFailed(words, "it is tried again")
    errand.reply([Outcome(error=error) for _ in errand.orders])
