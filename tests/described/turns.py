"""A whole nm without threads: one subject's turn at a time, so that it can be killed behind any of them.

It is tests/rack.py's nm with another crew, which keeps what is sent until `turn` gives it to whom it is for.
A kill forgets all that is not in the database; the switches stay as they are.
"""

import os
import random
import time
from collections.abc import Callable
from typing import Any

from nm import jobs
from nm.records import Record, record_key
from nm.workers import Handler
from tests.rack import Rack

LONG = bool(os.environ.get("NM_TEST_POOLS"))  # whether behind all of them: make test-pools


def some_of(turns: int) -> range:
    """The turns behind which a test kills, of so many: each seventh, from another one each time, or all."""
    return range(1, turns + 1) if LONG else range(random.randint(1, 7), turns + 1, 7)


class Turns:
    """A crew of one: what is sent waits in order."""

    def __init__(self, make: Callable[[str], Handler]) -> None:
        self._make = make
        self.waiting: dict[str, list[Any]] = {}
        self.handlers: dict[str, Handler] = {}
        self.wakes: dict[str, float] = {}  # subject -> when it is to be called again

    def send(self, subject: str, item: Any) -> None:
        self.waiting.setdefault(subject, []).append(item)

    def turn(self) -> str | None:
        """Whoever waits longest takes all that has gathered. Answers who it was; None when nobody waits."""
        subject = next(iter(self.waiting), None)
        if subject is None:
            due = [who for who, at in self.wakes.items() if at <= time.monotonic() + 0.3]
            subject = min(due, key=self.wakes.__getitem__, default=None)
        if subject is None:
            return None
        batch = self.waiting.pop(subject, [])
        if subject not in self.handlers:
            self.handlers[subject] = self._make(subject)
        self.wakes.pop(subject, None)
        pause = self.handlers[subject].handle(batch)
        if pause is not None:
            self.wakes[subject] = time.monotonic() + pause
        elif subject not in self.waiting:
            self.handlers.pop(subject).close()
        return subject

    def subjects(self) -> list[str]:
        return sorted(self.waiting)

    def depths(self) -> dict[str, int]:
        return {subject: len(items) for subject, items in self.waiting.items()}

    def stop(self, seconds: float) -> bool:
        self.waiting.clear()
        return True


class TurnRack(Rack):
    """The rack, a turn at a time."""

    def start(self) -> None:
        """A new daemon, whose workers wait for their turns."""
        from nm import service

        self.service = service.Service(self.config)
        self.turns = Turns(self.service._handler)
        self.service.crew = self.turns  # type: ignore[assignment]  # it stands in for the threads
        self.service.start()

    def kill(self) -> None:
        """It ends where it is, and another one begins."""
        self.turns.waiting.clear()
        self.stop()
        self.start()

    def job(self, number: int) -> Record:
        assert self.service is not None
        found = self.service.database.get(record_key("job", number))
        assert found is not None
        return found

    def run(self, job: int, kills_behind: int | None = None) -> tuple[Record, int]:
        """The job, over; and how many turns that took. It is killed once, behind that turn."""
        deadline, taken = time.monotonic() + 60, 0
        while self.job(job)["state"] not in jobs.OVER:
            assert time.monotonic() < deadline, self.job(job)
            if self.turns.turn() is None:
                self.until(lambda: bool(self.turns.waiting) or self._is_due(), 5)
                continue
            taken += 1
            if taken == kills_behind:
                self.kill()
        return self.job(job), taken

    def _is_due(self) -> bool:
        return any(at <= time.monotonic() + 0.3 for at in self.turns.wakes.values())

    def wait(self, job: int, seconds: float = 60.0) -> dict[str, Any]:
        """Let turns be taken until it is over."""
        return dict(self.run(job)[0])

    def settle(self) -> None:
        """Until nobody waits."""
        while self.turns.waiting:
            self.turns.turn()
