"""Times at which something is due: the first is found at once, however many there are. Pure.

Used by a pool's worker and its helpers, which look at it behind every event. Keys are of a kind that has an
order; of two that are due at once the lesser comes first.
"""

import heapq
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Any)


class Alarms(Generic[K]):
    """One time for each key."""

    def __init__(self) -> None:
        self._at: dict[K, float] = {}
        self._heap: list[tuple[float, K]] = []  # with some that do not count any more

    def set(self, key: K, at: float | None) -> None:
        """Let that be due then, and at no other time; None: at none."""
        if at is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at:
            self._at[key] = at
            heapq.heappush(self._heap, (at, key))

    @property
    def next(self) -> float | None:
        """When the first is due."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[K]:
        """What is due by then, the first first; it stays so until it is set anew."""
        found: dict[K, float] = {}
        while (at := self.next) is not None and at <= now:
            found[heapq.heappop(self._heap)[1]] = at
        for key, at in found.items():
            heapq.heappush(self._heap, (at, key))
        return list(found)

    def __contains__(self, key: K) -> bool:
        return key in self._at

    def __iter__(self) -> Iterator[K]:
        return iter(self._at)
