"""Refused calls, counted, and told in one line of the log for each caller and minute.

Called by the doors, from their connections' threads; `Refusals._lock` guards the counts.
"""

import logging
import threading
import time
from collections import Counter

log = logging.getLogger("nm.api")

MOST = 200  # callers that are counted by name in one minute
OTHERS = "others"


class Refusals:
    """The counts of one door."""

    def __init__(self, period: float = 60.0) -> None:
        self._period = period
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}
        self._due = 0.0

    def count(self, caller: str, what: str, code: int | str) -> None:
        """One more refusal; `what` is a method's name, one of a few words, nothing that a client chose."""
        with self._lock:
            if not self._counts:
                self._due = time.monotonic() + self._period
            name = caller if caller in self._counts or len(self._counts) < MOST else OTHERS
            self._counts.setdefault(name, Counter())[f"{what}:{code}"] += 1

    def flush_if_due(self, now: float) -> None:
        """Log what has gathered, when the first of it is old enough."""
        if self._counts and now >= self._due:
            self.flush()

    def flush(self) -> None:
        """Log what has gathered."""
        with self._lock:
            counts, self._counts = self._counts, {}
        for caller, counter in counts.items():
            what = ",".join(f"{key}={count}" for key, count in counter.most_common(10))
            log.warning("calls refused", extra={"caller": caller, "calls": counter.total(), "what": what})
