"""Runs described pools' scripts on one host: the handler of "scripts:HOST".

Some at once, each in a thread of its own, so that a slow script holds up no other pool's, and no domain. What
waits is begun in the order in which it came. Nobody is answered when nmd ends: the next one begins anew.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
        self._threads: ThreadPoolExecutor | None = None  # while there is work
        self._running: list[tuple[Errand, Future[None]]] = []

    @property
    def depth(self) -> int:
        """How much waits, or runs."""
        return len(self._running)

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Begin what came; look again while something runs."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._at_once(), "script")
        for item in batch:
            if isinstance(item, Errand):
                self._running.append((item, self._threads.submit(self._run, item)))
        answer_readings(self._hand, [item for item in batch if isinstance(item, Reading)])
        over = [one for one in self._running if one[1].done()]
        self._running = [one for one in self._running if not one[1].done()]
        for errand, future in over:
            if (error := future.exception()) is not None:
                log.error("unforeseen error with a script", exc_info=error)
                _refuse(errand, "unforeseen error with a script; the log tells more")
        return LOOK if self._running else None

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for ever."""
        for item in batch:
            if isinstance(item, Errand):
                _refuse(item, words)

    def close(self) -> None:
        """Let all end that still runs: `ends` says so to them, else nothing does any more."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None

    def _run(self, errand: Errand) -> None:
        outcomes = self._hand.run(errand.orders, self._epoch)
        if not self._ends():
            errand.reply(outcomes)


def _refuse(errand: Errand, words: str) -> None:
    error = DeviceFailed(words, "it is tried again")
    errand.reply([Outcome(error=error) for _ in errand.orders])
