"""Who waits for which record to change: doors whose answer depends on what a worker does next.

`wake` is called by the store for every publication, `waiting` by connections' threads; `_lock` guards the
table of who waits, and nobody waits while it is held.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nm.store import Published


class Waiters:
    """Who waits for which record to change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, list[threading.Event]] = {}
        self.stopped = False

    @contextmanager
    def waiting(self, key: str) -> Iterator[threading.Event]:
        """An event that is set whenever the record of that key has changed."""
        event = threading.Event()
        with self._lock:
            self._events.setdefault(key, []).append(event)
        try:
            yield event
        finally:
            with self._lock:
                self._events[key].remove(event)
                if not self._events[key]:
                    del self._events[key]

    def wake(self, published: Published) -> None:
        """Called by the store for every publication."""
        if self._events:
            with self._lock:
                for key in published.changes:
                    for event in self._events.get(key, ()):
                        event.set()

    def stop(self) -> None:
        """Nobody waits any longer."""
        self.stopped = True
        with self._lock:
            for events in self._events.values():
                for event in events:
                    event.set()
