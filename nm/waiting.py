"""Waiting for something outside, bounded: for it to become so (the clock is an argument), or for an answer.

Used by the hands (vm, power). Holds no lock.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nm.errors import DeviceFailed

T = TypeVar("T")

STUCK = 3  # calls of one device that may hang


@dataclass(frozen=True)
class Clock:
    """A monotonic clock and the way to wait on it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


REAL = Clock()


def wait_until(check: Callable[[], bool], seconds: float, clock: Clock, every: float = 0.25) -> bool:
    """Ask `check` until it says True or `seconds` are over; at least once. Returns its last answer."""
    end = clock.now() + seconds
    while not (there := check()) and clock.now() < end:
        clock.sleep(min(every, max(0.0, end - clock.now())))
    return there


class NoAnswer(DeviceFailed):
    """The device did not answer in time, or too many calls wait for it already."""


class Line:
    """Calls of one device, none of which is trusted to return.

    Each runs in a thread of its own that is waited for with a deadline; when it is over, the call is left to
    itself. So many as STUCK of them may hang; then calls fail at once until one returns.
    """

    def __init__(self, name: str, hint: str) -> None:
        self._name = name
        self._hint = hint
        self._stuck: list[threading.Thread] = []

    def call(self, question: Callable[[], T], seconds: float) -> T:
        """What `question` returns or raises, or NoAnswer after `seconds`."""
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if len(self._stuck) >= STUCK:
            raise NoAnswer(f"{self._name} hangs: {len(self._stuck)} calls wait for its answer", self._hint)
        answers: list[T] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                answers.append(question())
            except Exception as error:  # noqa: BLE001 - who asked gets it
                errors.append(error)

        thread = threading.Thread(target=run, name=f"asks {self._name}", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._stuck.append(thread)
            raise NoAnswer(f"{self._name} did not answer within {seconds:.0f} s", self._hint)
        if errors:
            raise errors[0]
        return answers[0]
