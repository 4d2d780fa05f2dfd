"""The global lock, and how long it is held.

The lock covers work in memory and nothing else; that this stays so is measured here. Used by the
database only; this is the lock.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class LockHolds:
    """How long the global lock was held: `p99` of the last 10,000 times, `longest` ever; seconds."""

    count: int
    p99: float
    longest: float
    longest_purpose: str


class _Hold:
    """One hold of the lock, from the beginning of a `with` block to its end."""

    __slots__ = ("_lock", "_purpose", "_since")

    def __init__(self, lock: "Lock", purpose: str) -> None:
        self._lock, self._purpose = lock, purpose

    def __enter__(self) -> None:
        self._lock.lock.acquire()
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._lock.held(time.perf_counter() - self._since, self._purpose)
        self._lock.lock.release()


class Lock:
    """The global lock: taken with a purpose, every hold measured."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._recent: deque[float] = deque(maxlen=10_000)
        self._count = 0
        self._longest = (0.0, "")

    def hold(self, purpose: str) -> _Hold:
        """For a `with` block, which has the lock from its beginning to its end."""
        return _Hold(self, purpose)

    def held(self, seconds: float, purpose: str) -> None:
        """Note one hold. Under the lock."""
        self._recent.append(seconds)
        self._count += 1
        if seconds > self._longest[0]:
            self._longest = (seconds, purpose)

    def holds(self) -> LockHolds:
        """The measurements so far."""
        with self.hold("measure"):
            recent = list(self._recent)
            number, (longest, purpose) = self._count, self._longest
        recent.sort()
        return LockHolds(number, recent[len(recent) * 99 // 100] if recent else 0.0, longest, purpose)
