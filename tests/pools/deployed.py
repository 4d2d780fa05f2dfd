"""A pool as its worker leaves it: all of it runs, and is kept as the worker keeps it."""

from functools import partial

from nm import jobs
from nm.pools import chunks, keeping
from nm.pools.tree import Tree
from nm.records import Record
from nm.store import Store, Transaction, portions


def _put(tx: Transaction, records: list[Record | None]) -> None:
    for record in records:
        if record is not None:
            tx.put(record)


def bring_up(store: Store, name: str, now: float, state: str = "running") -> None:
    """Let what the newest text of that pool says run, and the job that asks for it be done."""
    pool = keeping.find(store, name)
    assert pool is not None
    parts = keeping.target_parts(store, pool)
    numbers = chunks.numbered(keeping.numbers(store, pool), [part.path for part in parts])
    tree = Tree(parts)
    pieces = {
        numbers[part.path]: {
            "path": list(part.path), "part": part.record(), "begun": {}, "worth": tree.worths(part)
        }
        for part in parts
    }  # fmt: skip
    lives = {number: {"state": state} for number in numbers.values()}
    count = max(pool["count"], *(number + 1 for number in numbers.values()))
    gone = dict.fromkeys(set(range(count)) - set(numbers.values()))
    for kind, items in (("piece", {**pieces, **gone}), ("life", {**lives, **gone})):
        written = chunks.changed(store.get, kind, name, items, now)  # type: ignore[arg-type]  # both are kinds
        for portion in portions(written.values()):
            store.transact(partial(_put, records=portion))

    def done(tx: Transaction) -> None:
        mine = keeping.find(tx, name)
        assert mine is not None
        jobs.advance(tx, mine["job"], now, state="done")
        keeping.reached(tx, {**mine, "count": count}, now, state)

    store.transact(done)
