"""The trunks between switches and hosts as a tree: which of them join given places, and what would loop.

A place is "switch:NAME" or "host:NAME". Pure; called by the pool's operations and by the plan.
Every function costs time in proportion to the number of trunks.
"""

from collections.abc import Iterable, Sequence
from operator import is_

from nm.errors import Conflict
from nm.records import Record

_Links = dict[str, list[tuple[str, Record]]]
_Tree = dict[str, tuple[str, Record] | None]  # place -> the next one towards its root, and the trunk there
_last: tuple[list[Record], _Tree] = ([], {})  # trunks, and their tree


def place(end: Record) -> str:
    """The place that an end of a trunk is at; `end` is {switch, port} or {host, device}."""
    return f"switch:{end['switch']}" if "switch" in end else f"host:{end['host']}"


def ends(trunk: Record) -> tuple[str, str]:
    """The two places that a trunk joins."""
    one, other = trunk["ends"]
    return place(one), place(other)


def spanning(trunks: Iterable[Record], places: Iterable[str]) -> list[Record]:
    """The trunks of the smallest tree that joins the places, in the order they were given.

    Conflict names two places that no trunks join.
    """
    trunks = list(trunks)
    wanted = sorted(set(places))
    if len(wanted) < 2:
        return []
    tree = _tree(trunks)
    beyond: dict[str, int] = {}  # trunk -> how many of the places are reached through it, from the root
    roots = set()
    for start in wanted:
        here = start
        while (step := tree.get(here)) is not None:
            here, trunk = step
            beyond[trunk["record_key"]] = beyond.get(trunk["record_key"], 0) + 1
        roots.add(here)
        if len(roots) > 1:
            raise Conflict(
                f"no trunks join {_spoken(wanted[0])} and {_spoken(start)}",
                "RegisterTrunk tells nm of the link between them",
            )
    # A trunk that all of them or none are beyond joins none of them to another.
    return [trunk for trunk in trunks if 0 < beyond.get(trunk["record_key"], 0) < len(wanted)]


def reachable(trunks: Iterable[Record], start: str, places: Iterable[str]) -> set[str]:
    """Those of the places that trunks join to `start`."""
    tree = _tree(list(trunks))
    root = _root(tree, start)
    return {place for place in places if _root(tree, place) == root}


def _root(tree: _Tree, place: str) -> str:
    while (step := tree.get(place)) is not None:
        place = step[0]
    return place


def _tree(trunks: list[Record]) -> _Tree:
    """The way from every place to a root. Remembered: the same records make the same tree."""
    global _last
    known, tree = _last  # in one go: another thread may put its own there
    if len(known) != len(trunks) or not all(map(is_, known, trunks)):
        tree, links = {}, _links(trunks)
        for root in links:
            if root not in tree:
                tree |= _reach(links, root)
        _last = trunks, tree
    return tree


def would_loop(trunks: Iterable[Record], ends: Sequence[Record]) -> bool:
    """Whether a further trunk with those two ends would close a ring."""
    one, other = map(place, ends)
    return other in _reach(_links(trunks), one)


def _links(trunks: Iterable[Record]) -> _Links:
    links: _Links = {}
    for trunk in trunks:
        one, other = ends(trunk)
        links.setdefault(one, []).append((other, trunk))
        links.setdefault(other, []).append((one, trunk))
    return links


def _reach(links: _Links, root: str) -> _Tree:
    """For each place that trunks join to the root: the next place towards it, and the trunk there."""
    towards: _Tree = {root: None}
    frontier = [root]
    for here in frontier:
        for neighbour, trunk in links.get(here, ()):
            if neighbour not in towards:
                towards[neighbour] = (here, trunk)
                frontier.append(neighbour)
    return towards


def _spoken(place: str) -> str:
    return place.replace(":", " ", 1)
