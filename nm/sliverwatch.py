"""Looks at the guests of slivers now and then, and compares what runs with what was made.

What differs is written down as it was found, and told; that it is made again is the worker's to decide, after
a pause that grows with each time.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import guestwork, slivermarks, slivers
from nm.converge import Tools
from nm.errors import NMError
from nm.records import Record, record_key
from nm.sliverbook import SliverBook
from nm.store import Event, Transaction

log = logging.getLogger("nm.sliverwatch")

_STEADY = 10  # longest pauses: who has lived for so long has not just died

Report = Callable[[guestwork.Found], None]


@dataclass
class _Deaths:
    """How often a sliver's guest was found otherwise than it was made, one soon after another."""

    count: int = 0
    last: float = 0.0  # by Tools.up


@dataclass(frozen=True)
class Finding:
    """A sliver to look at. `pause`: in how many seconds; None: no later than it would be."""

    record: Record
    pause: float | None = None


class SliverWatch:
    """Used by the slivers' thread only. `every`: seconds between two looks. `report` takes what was found."""

    def __init__(
        self, tools: Tools, book: SliverBook, host: slivers.Host, every: Callable[[], float], report: Report
    ) -> None:
        self._tools = tools
        self._store = tools.store
        self._book = book
        self._host = host
        self._every = every
        self._report = report
        self._asked = False  # a look is under way
        self._look_at = 0.0
        self._deaths: dict[str, _Deaths] = {}  # by sliver
        self._strangers: set[str] = set()  # guests of slivers that no record knows
        self._notes: dict[str, dict[str, str]] = {}  # sliver -> what of its resources it does not get

    @property
    def next_look(self) -> float | None:
        """When, by Tools.up; None while one is under way, and where there are no guests."""
        return None if self._host.type is None or self._asked else self._look_at

    def look(self) -> None:
        """Ask which guests run, if it is time."""
        up, at = self._tools.up(), self.next_look
        if at is not None and up >= at:
            self._asked, self._look_at = True, up + self._every()
            self._tools.send(guestwork.SUBJECT, guestwork.States(self._report))

    def lost(self) -> None:
        """What was found may have come to nothing: look again."""
        self._asked = False

    def forget(self, name: str) -> None:
        """The sliver is gone."""
        self._deaths.pop(name, None)

    def notes(self, name: str) -> Mapping[str, str]:
        """Resource -> why the sliver does not get what it should, by the last look."""
        return self._notes.get(name, {})

    def saw(self, found: guestwork.Found, busy: Collection[str]) -> Iterator[Finding]:
        """Compare what was found with what was made, but of the slivers that are just being changed."""
        self._asked = False
        if isinstance(found, NMError):
            log.warning("the guests could not be looked at", extra={"why": str(found)})
            return
        self._say_enforcers(found.enforcers)
        self._tell_strangers(found.running)
        for record in slivermarks.with_guests(self._store):
            name = str(record["name"])
            pause = None if name in busy else self._compare(record, found.running.get(name))
            if pause is not None or self.notes(name) != found.notes.get(name, {}):
                yield Finding(record, pause)
        self._notes = {name: dict(notes) for name, notes in found.notes.items()}

    def _tell_strangers(self, running: Mapping[str, bool]) -> None:
        """Guests of slivers that no record knows, as after a restore: told once, and left alone."""
        there = {name for name in running if self._store.get(record_key("sliver", name)) is None}
        for name in sorted(there - self._strangers):
            log.warning("a guest of no known sliver", extra={"sliver": name, "runs": running[name]})
            words = "no record knows its sliver; remove it with virsh, or let its source list it"
            told = Event("nm", f"sliver {name}", "guest of no known sliver", words)
            self._book.write(partial(_tell, told=told))
        self._strangers = there

    def _say_enforcers(self, enforcers: Sequence[str]) -> None:
        old = self._store.get(slivers.ENFORCERS)
        if old is None or old.get("guests") != list(enforcers):
            now = self._tools.now()
            self._book.write(partial(slivermarks.put_enforcers, words=list(enforcers), now=now))

    def _compare(self, record: Record, runs: bool | None) -> float | None:
        """In how many seconds to mend it; None for never. `runs`: whether its guest does; None: no guest."""
        name, made = str(record["name"]), record.get("_made")
        state = slivers.RUNNING if runs else slivers.STOPPED
        if made is None:
            self._book.note(name, _state=state)
        elif runs is None:
            return self._differed(record, "its guest has vanished", _made=None, _state=state)
        elif runs and not made["running"]:
            return self._differed(record, "its guest runs, and should not", _made=None, _state=state)
        elif made["running"] and not runs:
            stopped = {**made, "running": False, "frozen": False}
            return self._differed(record, "its guest has stopped by itself", _made=stopped, _state=state)
        return None

    def _differed(self, record: Record, words: str, **fields: Any) -> float:
        """Tell of it; the pause grows with each time."""
        name, up, patience = str(record["name"]), self._tools.up(), self._tools.patience
        deaths = self._deaths.setdefault(name, _Deaths())
        again = deaths.count and up - deaths.last < _STEADY * patience.longest_pause
        deaths.count, deaths.last = (min(deaths.count + 1, 60) if again else 1), up
        key = record["record_key"]
        self._book.write(partial(slivermarks.tell_of, key=key, what="changed by itself", detail=words))
        self._book.note(name, **fields)
        return patience.pause(deaths.count - 1)


def _tell(tx: Transaction, told: Event) -> None:
    tx.tell(told)
