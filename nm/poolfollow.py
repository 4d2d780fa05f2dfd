"""Domains of a description follow the networks of its groups: to another VLAN, back when they were cut off.

A helper of the pool's worker, called by its thread only. Hands answer where they put a domain's interface.
Where that is not, or not known to be, where the group's network is by now, its host is asked to move it; the
pool's worker is woken whenever a group of its own has come to rest, or cannot go on. What cannot be done is
tried again later. A group that waits for a domain to be off its VLAN is told when it is.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import poolgroups
from nm.alarms import Alarms
from nm.converge import Tools, Wake
from nm.errors import DeviceFailed
from nm.facts import Outcome
from nm.hostnet import place_of
from nm.poolbook import Book
from nm.poolcarriers import domains_of
from nm.pools import keeping
from nm.pools.briefs import Brief, order_of
from nm.pools.grouping import Network, network_of
from nm.pools.kinds import DOMAINS
from nm.pools.life import Order as Wanted
from nm.pools.life import rests
from nm.pools.places import host_of
from nm.pools.tree import Path
from nm.records import name_of
from nm.workers import Errand

log = logging.getLogger("nm.poolfollow")

DOWN = ("stop", "terminate")  # behind these a domain is off
Place = list[Any]  # a bridge, and the tag there or None


@dataclass(frozen=True)
class _Moved:
    """A host's answer about a domain."""

    path: Path
    brief: Brief
    outcome: Outcome


class Follower:
    """Moves domains of one pool."""

    def __init__(self, tools: Tools, name: str) -> None:
        self._tools, self._name = tools, name
        self.forget()

    def forget(self) -> None:
        """Begin anew: where a domain is, is asked of its host."""
        self._places: dict[Path, Place] = {}
        self._asked: set[Path] = set()
        self._again = Alarms[Path]()  # when to look again at what failed, or was answered; by Tools.up

    def answered(self, book: Book, order: Wanted, outcome: Outcome) -> None:
        """An order of the pool's life was carried out."""
        if order.what in DOWN:
            self._left(book, order.path)
        self._placed(book, order.path, outcome)

    def _placed(self, book: Book, path: Path, outcome: Outcome) -> None:
        seen = outcome.seen or {}
        if (place := seen.get("place")) is not None:
            self._places[path] = place
            book.placed(path, seen["mac"], place)

    @property
    def next_look(self) -> float | None:
        """When to try again what failed, by Tools.up."""
        return self._again.next

    @property
    def awaited(self) -> bool:
        """Whether a host is moving one."""
        return bool(self._asked)

    def _left(self, book: Book, path: Path) -> None:
        """A domain is off, or gone: its group may have waited for that."""
        self._places.pop(path, None)
        part = book.part(path, "stop")
        if network_of(book.tree.parts, part) is not None:
            self._wake(book.brief(part, "stop"))

    def _wake(self, brief: Brief) -> None:
        self._tools.send(f"group:{brief.group_name}", Wake(urgent=True))

    def heard(self, book: Book, item: Any) -> None:
        """Take in an answer; other things are nobody's business here."""
        if not isinstance(item, _Moved):
            return
        self._asked.discard(item.path)
        self._again.set(item.path, self._tools.up())
        self._placed(book, item.path, item.outcome)
        self._wake(item.brief)
        if item.outcome.error is not None:
            why = str(item.outcome.error)
            log.warning("a domain does not follow its group", extra={"pool": self._name, "why": why})
        if "place" not in (item.outcome.seen or {}):  # it failed, or the domain is off
            self._again.set(item.path, self._tools.up() + self._tools.patience.longest_pause)

    def look(self, book: Book, news: Sequence[Path]) -> None:
        """Let those be moved that are not where they should be, of those of which there is something new."""
        if not book.tree.groups:
            return
        due = self._again.due(self._tools.up())
        for path in due:
            self._again.set(path, None)
        places: dict[tuple[Network, str], Place | None] = {}  # by network and host, for there are few
        for path in dict.fromkeys([*news, *due]):
            kind = book.tree.parts[path].kind if path in book.tree.parts else ""
            if kind not in DOMAINS or not rests(book.state.get(path, {})) or path in self._asked:
                self._again.set(path, None)
                continue
            part = book.part(path, "stop")
            network = network_of(book.tree.parts, part)
            if network is None or path in self._again:
                continue
            if (network, part.host) not in places:
                places[network, part.host] = self._place(book.brief(part, "stop"), part.host)
            if places[network, part.host] not in (None, self._places.get(path)):
                self._move(book.brief(part, "stop"), path, part.host)

    def _move(self, brief: Brief, path: Path, named: str) -> None:
        host = host_of(self._tools.store, named)
        if host is None:
            return
        self._asked.add(path)
        order = order_of("wire", brief, moot=lambda: path not in self._asked)
        reply = partial(self._reply, path, brief)
        self._tools.send(domains_of(name_of(host["record_key"])), Errand([order], reply))

    def _place(self, brief: Brief, named: str) -> Place | None:
        """Where its interface is to be; None while its group has no network there."""
        host = host_of(self._tools.store, named)
        if host is None:
            return None
        try:
            vlan = poolgroups.vlan_at(self._tools.store, brief, name_of(host["record_key"]))
        except DeviceFailed:
            return None
        return [*place_of(host["network"], vlan)]

    def _reply(self, path: Path, brief: Brief, outcomes: list[Outcome]) -> None:
        self._tools.send(keeping.subject(self._name), _Moved(path, brief, outcomes[0]))
