"""What looks at hosts tell of a pool's domains and disks that were changed by hand, as events of their lives.

A helper of nm/poolwatch.py, called by the pool's thread only. What differs is for pools/drifting.py to say;
of what is as it was at the last two looks the same comes as then, so it is not asked again.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nm.hypervisor import Listed
from nm.pool_xml import volume_of
from nm.poolbook import Book, Item
from nm.pools import drifting
from nm.pools.briefs import BACKEND
from nm.pools.drifting import Drift, Made
from nm.pools.kinds import DISKS, KINDS, worth
from nm.pools.lifecycle import Event
from nm.pools.tree import Part, Path, spell

log = logging.getLogger("nm.pooldrift")


@dataclass(frozen=True)
class _Had:
    """A domain at the last look, its piece, and what came of it. at_rest: it was the same before that."""

    listed: Listed
    item: Item
    drift: Drift
    at_rest: bool


class Drifts:
    """Of one pool."""

    def __init__(self) -> None:
        self._had: dict[Path, _Had] = {}

    def of_domain(self, book: Book, path: Path, seen: Mapping[str, Any]) -> Iterator[Event]:
        """seen: as PoolHand.read answers."""
        listed: Listed | None = seen.get("listed")
        had, item = self._had.pop(path, None), book.piece(path)
        if listed is None or listed.now is None:
            return
        known = book.state[path].get("drift", {})
        if had is None or had != _Had(listed, item, known, at_rest=True):
            before = had.listed.now if had is not None else None
            standing = book.standing(path)
            parts = item.get("late") or {}, item.get("placed") or (), _disk_of(book, standing.part)
            drift = drifting.of_domain(standing, Made(seen["adopted"], *parts), listed, before)
            had = _Had(listed, item, drift, at_rest=before == listed.now)
            yield from _looked(book, path, drift)
        self._had[path] = had

    def of_disk(self, book: Book, path: Path, size: int) -> Iterator[Event]:
        """Of one that holds so many bytes; 0: there is none."""
        yield from _looked(book, path, drifting.of_disk(book.standing(path), size))


def _looked(book: Book, path: Path, drift: Drift) -> Iterator[Event]:
    """An event when something else was changed than was known."""
    if drift == book.state[path].get("drift", {}):
        return
    if drift:
        said = {"part": f"{spell(path)} of {book.name}", "what": str(drift)}
        log.warning("changed by hand", extra=said)
    yield Event("looked", path, drift=drift)


def _disk_of(book: Book, part: Part) -> str:
    """How the path of the disk ends that a domain was made with; "" when no component has it."""
    path = part.needs.get(BACKEND)
    disk = book.tree.parts.get(path) if path is not None else None
    if path is None or disk is None or disk.kind not in DISKS:
        return ""
    if worth(KINDS[disk.kind], disk.attributes, "inPlace") is True:
        return str(disk.attributes.get("baseImage", ""))
    return f"/{volume_of(book.name, book.identity(path))}"
