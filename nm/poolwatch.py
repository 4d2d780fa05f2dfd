"""Whether a pool's domains are alive, and as they were made: asked of their hosts now and again.

A helper of the pool's worker. A domain that is off, and should run, has ended: well, when its guest shut
down, else badly. A host that does not answer a few times in a row cannot be reached, which ends nothing by
itself (see whenUnreachable). One that is out of service is not looked at: it may just be shutting its guests
down, to be booted. What was changed by hand is noted (see nm/pooldrift.py). Disks are looked at
once in so many looks at their host, for that costs more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import facts
from nm.alarms import Alarms
from nm.converge import Tools
from nm.facts import Outcome
from nm.poolbook import Book
from nm.poolcarriers import domains_of
from nm.pooldrift import Drifts
from nm.pools import keeping
from nm.pools.briefs import order_of
from nm.pools.kinds import DISKS, DOMAINS
from nm.pools.life import rests
from nm.pools.lifecycle import Event
from nm.pools.places import host_of
from nm.pools.tree import Path, spell
from nm.records import name_of
from nm.workers import Errand, Reading

ON_REBOOT = "onReboot"
DELAY, FACTOR = "sfLivenessDelay", "sfLivenessFactor"
WATCHED = (*DOMAINS, *DISKS)


DISKS_EVERY = 10  # looks at a host


@dataclass(frozen=True)
class _Seen:
    """What a host said of these domains."""

    host: str
    paths: Sequence[Path]
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class _SeenDisks:
    """What a host said of these disks."""

    identities: Mapping[Path, str]
    outcomes: Sequence[Outcome]


class PoolWatch:
    """Called by the pool's thread only."""

    def __init__(self, tools: Tools, name: str) -> None:
        self._tools, self._name = tools, name
        self.forget()

    def forget(self) -> None:
        """Begin anew; what is asked already may yet be answered."""
        self._delays: dict[str, dict[Path, float]] = {}  # by host, the seconds between two looks
        self._where: dict[Path, str] = {}  # the host of each that is looked at
        self._next = Alarms[str]()  # when to look at a host that is not asked, by Tools.up
        self._asked: set[str] = set()
        self._misses: dict[str, int] = {}
        self._looks: dict[str, int] = {}
        self._drifts = Drifts()

    @property
    def next_look(self) -> float | None:
        """When to look next, by Tools.up; None when there is nothing to look at."""
        return self._next.next

    @property
    def awaited(self) -> bool:
        """Whether a host is asked, and what is known from looks before is needed yet."""
        return bool(self._asked)

    def hasten(self) -> None:
        """Look at all that there is next: something is not as it was thought to be."""
        for host in self._delays:
            self._looks[host] = DISKS_EVERY - 1
            if host not in self._asked:
                self._next.set(host, self._tools.up())

    def look(self, book: Book, news: Iterable[Path]) -> None:
        """Ask each host whose time has come. news: parts whose entries have changed since the last look."""
        for path in news:
            self._note(book, path)
        for host in self._next.due(self._tools.up()):
            record = host_of(self._tools.store, host)
            if record is None or not record["available"]:
                self._plan(host)
                continue
            self._asked.add(host)
            self._next.set(host, None)
            paths = book.in_order(self._delays[host])
            self._ask(book, host, domains_of(name_of(record["record_key"])), paths)

    def _note(self, book: Book, path: Path) -> None:
        """Whether a part is looked at from now on, where, and how often."""
        before = self._where.pop(path, None)
        if before is not None:
            del self._delays[before][path]
        part = book.tree.parts.get(path)
        if part is not None and part.kind in WATCHED and rests(book.state.get(path, {})):
            delay = float(book.tree.around(path, DELAY))
            if delay > 0:
                self._where[path] = part.host
                self._delays.setdefault(part.host, {})[path] = delay
                if part.host not in self._next:
                    self._plan(part.host)
        if before is not None and not self._delays[before]:
            del self._delays[before]
            self._next.set(before, None)

    def _plan(self, host: str) -> None:
        """When to look there next, if it is not asked just now."""
        if host in self._delays and host not in self._asked:
            self._next.set(host, self._tools.up() + min(self._delays[host].values()))

    def _ask(self, book: Book, host: str, subject: str, paths: Sequence[Path]) -> None:
        domains = [path for path in paths if book.tree.parts[path].kind in DOMAINS]
        names = [facts.name("life", book.identity(path)) for path in domains]
        self._tools.send(subject, Reading(names, partial(self._reply, host, domains)))
        self._looks[host] = looks = self._looks.get(host, 0) + 1
        disks = [path for path in paths if book.tree.parts[path].kind in DISKS]
        if looks % DISKS_EVERY == 0 and disks:
            briefs = [book.brief(book.part(path, "terminate"), "terminate") for path in disks]
            orders = [order_of("look", brief) for brief in briefs]
            told = {path: book.identity(path) for path in disks}
            self._tools.send(subject, Errand(orders, partial(self._reply_disks, told)))

    def _reply(self, host: str, paths: Sequence[Path], outcomes: list[Outcome]) -> None:
        self._tools.send(keeping.subject(self._name), _Seen(host, paths, outcomes))

    def _reply_disks(self, identities: Mapping[Path, str], outcomes: list[Outcome]) -> None:
        self._tools.send(keeping.subject(self._name), _SeenDisks(identities, outcomes))

    def heard(self, book: Book, item: Any) -> list[Event]:
        """What follows from an answer; nothing from other things."""
        if isinstance(item, _SeenDisks):
            return self._of_disks(book, item)
        if not isinstance(item, _Seen):
            return []
        self._asked.discard(item.host)
        self._plan(item.host)
        paths = [path for path in item.paths if rests(book.state.get(path, {}))]
        error = next((outcome.error for outcome in item.outcomes if outcome.error is not None), None)
        if error is not None:
            missed = self._misses[item.host] = self._misses.get(item.host, 0) + 1
            late = [path for path in paths if missed >= book.tree.around(path, FACTOR)]
            return [
                Event("unreachable", path, words=str(error))
                for path in late
                if "unreachable" not in book.state[path]
            ]
        self._misses.pop(item.host, None)
        seen = dict(zip(item.paths, item.outcomes, strict=True))
        events = [event for path in paths for event in _events(book, path, seen[path])]
        for path in paths:
            events += self._drifts.of_domain(book, path, seen[path].seen or {})
        return events

    def _of_disks(self, book: Book, seen: _SeenDisks) -> list[Event]:
        """Of disks that are still those that were asked for."""
        events: list[Event] = []
        for (path, identity), outcome in zip(seen.identities.items(), seen.outcomes, strict=True):
            there = rests(book.state.get(path, {})) and book.identity(path) == identity
            if there and outcome.error is None and outcome.seen is not None:
                events += self._drifts.of_disk(book, path, outcome.seen["size"])
        return events


def _events(book: Book, path: Path, outcome: Outcome) -> list[Event]:
    events = [Event("reached", path)] if "unreachable" in book.state[path] else []
    seen = outcome.seen
    if seen is None:
        return [
            *events,
            Event("ended", path, status="abnormal", words=f"{spell(path)} is not there any more"),
        ]
    if seen.get("unheard") and book.tree.value(path, ON_REBOOT) != "end":
        return [*events, Event("rebooted", path)]
    if not seen["running"]:
        well = seen["shut_down"]
        words = f"{spell(path)} {'shut down' if well else 'does not run any more'}"
        return [*events, Event("ended", path, status="normal" if well else "abnormal", words=words)]
    return events
