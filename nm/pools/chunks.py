"""The shape in which a pool is kept: many parts in a record, so that a change costs what it concerns.

    pool_NAME      whose it is, its state, and `count`: the numbers of its parts are below that (see keeping)
    piece_NAME.N   parts as they are deployed, by their numbers
    life_NAME.N    the entries of parts' lives (see lifecycle), by the same numbers

A part keeps its number as long as it is deployed; a new one gets the lowest that is free. What a part is
changes with an update; how it lives changes all the time and is small: hence two kinds. A part of 500 bytes
makes a piece record of 20 kB, an entry of 50 a life record of 10 kB. Deploying 20,000 parts writes 600
records once, in transactions of at most store.MOST_WRITES; an event writes one or two, and what happened
meanwhile goes with it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any, Literal

from nm import records
from nm.pools.tree import Path
from nm.records import Record

Kind = Literal["piece", "life"]
SIZES: Mapping[Kind, int] = {"piece": 40, "life": 200}
Get = Callable[[str], Record | None]
Item = dict[str, Any]


def key(kind: Kind, pool: str, number: int) -> str:
    """The key of the record that has what is kept of the part with that number."""
    return records.record_key(kind, f"{pool}.{number // SIZES[kind]}")


def pool_of(record_key: str) -> str:
    """The pool that such a record is of."""
    return records.name_of(record_key).rpartition(".")[0]


def numbered(known: Mapping[Path, int], paths: Iterable[Path]) -> dict[Path, int]:
    """Numbers for these parts: each keeps the one that is known, a new one gets the lowest that is free."""
    wanted = list(paths)
    taken = {known[path] for path in wanted if path in known}
    free = (number for number in count() if number not in taken)
    return {path: known[path] if path in known else next(free) for path in wanted}


def changed(
    get: Get, kind: Kind, pool: str, changes: Mapping[int, Item | None], now: float
) -> dict[str, Record | None]:
    """The records that have to be written for these changes by number, None for those that go.

    An item that is None is taken away. get: reads a record by its key.
    """
    by_key: dict[str, dict[int, Item | None]] = {}
    for number, item in changes.items():
        by_key.setdefault(key(kind, pool, number), {})[number] = item
    written: dict[str, Record | None] = {}
    for name, items in by_key.items():
        old = get(name)
        merged = {**(old["items"] if old is not None else {}), **items}
        left = {number: item for number, item in sorted(merged.items()) if item is not None}
        record = old or records.new(kind, records.name_of(name), now)
        written[name] = records.changed(record, now, items=left) if left else None
    return written


def items(get: Get, kind: Kind, pool: str, below: int) -> Iterator[tuple[int, Item]]:
    """What is kept of the parts with numbers below that, by number."""
    for first in range(0, below, SIZES[kind]):
        record = get(key(kind, pool, first))
        if record is not None:
            yield from record["items"].items()
