"""Waiting for something outside to become so, bounded; the clock is an argument.

Used by the hands (vm, power). Holds no lock.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass


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
