"""A pool as its worker has it: the tree, the entries of lives, the pieces; and what of that is to be written.

All of it is in the records: a book is opened anew whenever something went wrong, and goes on from there. What
changes is noted by the numbers of parts, and written in one transaction, or in several when it is much: then
the pool's own record is in the last one.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from nm import people
from nm.alarms import Alarms
from nm.pools import chunks, drifting, keeping
from nm.pools.briefs import Brief, Briefing, identity_of
from nm.pools.differences import Standing, differences
from nm.pools.life import Entry
from nm.pools.lifecycle import Outcome
from nm.pools.tree import Part, Path, by_place
from nm.pools.updating import both, will_be_made
from nm.records import Record, changed, name_of, record_key
from nm.store import Store, Transaction, portions

DOWN = ("stop", "terminate", "abandon")  # what is done for a part as it is deployed, not as it is described
MADE = ("initialized", "running")  # states of what was deployed
HALF = ("created", "initialized")  # states of what was not started
Item = dict[str, Any]
Finish = Callable[[Transaction, Record, float], None]


@dataclass
class Noted:
    """What is to be written, by number; None: is to go."""

    piece: dict[int, Item | None] = field(default_factory=dict)
    life: dict[int, Item | None] = field(default_factory=dict)
    _records: set[tuple[str, int]] = field(default_factory=set)

    def put(self, kind: chunks.Kind, number: int, item: Item | None) -> None:
        """Let that be written."""
        (self.piece if kind == "piece" else self.life)[number] = item
        self._records.add((kind, number // chunks.SIZES[kind]))

    def records(self) -> int:
        """How many records that is."""
        return len(self._records)


class Book:
    """Opened by `open_book`. pool: its record as it was then; target: the parts that are to be there."""

    def __init__(
        self, store: Store, pool: Record, target: list[Part] | None, now: Callable[[], float]
    ) -> None:
        self._store, self._now = store, now
        self.pool = pool
        self.name = name_of(pool["record_key"])
        self._describe(target)
        self.state = keeping.entries(store, pool)
        self.wakes = Alarms[Path]()  # when which parts are to be told the time
        self._news: dict[Path, None] = {}
        found = chunks.items(store.get, "piece", self.name, pool["count"])
        self._items = {tuple(item["path"]): item for _, item in found}
        self._numbers = keeping.numbers(store, pool)
        self._count: int = pool["count"]
        self._lives = keeping.last_life(pool, self._items.values())
        self._noted = Noted()
        self._plant(target if target is not None else self.deployed())

    # ---- what is there

    def deployed(self) -> list[Part]:
        """The parts as they are deployed, or are just being made, in the order of `by_place`."""
        parts = (Part.of(item["part"]) for item in self._items.values() if item["part"] is not None)
        return sorted(parts, key=by_place)

    def standings(self) -> dict[Path, Standing]:
        """For a plan."""
        return {
            part.path: keeping.standing(self._items[part.path], self.state.get(part.path, {}))
            for part in self.deployed()
        }

    def piece(self, path: Path) -> Item:
        """What is kept of a part; another one when that has changed."""
        return self._items[path]

    def standing(self, path: Path) -> Standing:
        """How a part stands that is deployed."""
        return keeping.standing(self._items[path], self.state.get(path, {}))

    def part(self, path: Path, what: str) -> Part:
        """The part that an order is for."""
        item = self._items.get(path)
        if what in DOWN and item is not None and item["part"] is not None:
            return Part.of(item["part"])
        return self.tree.parts[path]

    def brief(self, part: Part, what: str) -> Brief:
        """What a hand is told for that order. Raises what Briefing.of does, but for what goes."""
        account = self._store.get(people.account_key(str(self.pool["owner"]["name"])))
        keys = tuple(account["keys"]) if account is not None else ()
        briefing = Briefing(self.name, self.pool["created"], self.tree, self._items, keys)
        found = self._as_it_stands(briefing.of(part, strict=what not in DOWN), what)
        if found.group is None:
            return found
        around = found.group.path
        group = found if around == found.path else briefing.alone(self.part(around, what))
        return replace(found, group=group, ending=bool(self.state.get(around, {}).get("going")))

    def _as_it_stands(self, brief: Brief, what: str) -> Brief:
        """With what its life says of what there is of it by now."""
        entry = self.state.get(brief.path, {})
        if what == "change":
            return replace(brief, stands=self._stands(brief.path))
        if what == "prepare":
            disk = brief.disk and replace(brief.disk, stands=self._stands(brief.disk.path))
            lost = entry.get("drift", {}).get(drifting.VOLUME, "") is None
            return replace(brief, stands=self._stands(brief.path), lost=lost, disk=disk)
        return replace(brief, half=entry.get("state") not in MADE) if what == "terminate" else brief

    def _stands(self, path: Path) -> bool:
        """Whether it runs, and the update that is at work makes it not anew."""
        entry = self.state.get(path, {})
        return entry.get("state") == "running" and not will_be_made(entry)

    def identity(self, path: Path) -> str:
        """By which what is made for this life of a part is called."""
        return identity_of(self.name, self.pool["created"], path, self._items[path].get("life", 0))

    # ---- what changes

    def begin(self, target: list[Part], *, anew: bool) -> None:
        """Parts get their numbers; `anew`: of what the pool was before nothing is there."""
        if anew:
            for number in self._numbers.values():
                self._noted.put("piece", number, None)
                self._noted.put("life", number, None)
            gone, self._items, self._numbers, self.state = [*self.state], {}, {}, {}
            self._changed(*gone)
        stale = [path for path, entry in self.state.items() if "todo" in entry]
        for path in stale:  # of a beginning that was cut short
            self._put_entry(path, {key: value for key, value in self.state[path].items() if key != "todo"})
        paths = [*self._numbers, *(part.path for part in target if part.path not in self._numbers)]
        self._numbers = chunks.numbered(self._numbers, paths)
        self._count = max(self._count, *(number + 1 for number in self._numbers.values()))
        for part in target:
            if part.path not in self._items:
                self._put_item(part.path, part=part.record(), begun={}, life=0)
        self._describe(target)
        self._plant(target)

    def settle(self, parts: list[Part]) -> None:
        """These parts are deployed, and no others; what is not alive is as it is described."""
        described = {part.path: part for part in parts}
        for path in [path for path in self._items if path not in described]:
            self._forget(path)
        for path, part in described.items():
            item = self._items.get(path)
            if item is None or item["part"] != part.record():
                self._put_item(path, part=part.record())
        self._describe(None)
        self._plant(parts)

    def take(self, outcome: Outcome) -> None:
        """What followed from an event."""
        for path, entry in outcome.changes.items():
            if path in self._numbers:
                self._put_entry(path, entry)

    def construct(self, path: Path) -> None:
        """A part is just to be constructed: that is another life, whose number no part of the pool ever had.

        What a former part of that path left, for it is to be kept, is nothing that is made anew. What was
        left half made is: its life goes on, else nobody would ever take that away.
        """
        if self.state.get(path, {}).get("state") in HALF:
            return
        self._lives += 1
        self._put_item(path, life=self._lives, deployed=False)

    def to_deploy(self, path: Path) -> None:
        """A part is just to be deployed, so something may be there from now on."""
        self._put_item(path, deployed=True)

    def placed(self, path: Path, mac: str, place: list[Any]) -> None:
        """A hand has put a domain's interface there: on a bridge, with a tag or None."""
        if path in self._items and self._items[path].get("placed") != [mac, *place]:
            self._put_item(path, placed=[mac, *place])

    def done(self, path: Path, what: str, waits: str = "") -> None:
        """An order was carried out: a part is from now on as the order had it.

        waits: why what has changed counts at the next start only, when it does.
        """
        item, part = self._items.get(path), self.tree.parts.get(path)
        if item is None or part is None:
            return
        if what == "construct":
            self._put_item(path, part=part.record(), begun={}, late={}, worth=self.tree.worths(part))
        elif what == "start":
            started = {"begun": {}, "late": {}, "worth": self.tree.worths(part)}
            if any(item.get(key, {}) != value for key, value in started.items()):
                self._put_item(path, **started)
        elif what == "change" and item["part"] is not None:
            old, worth = keeping.standing(item, self.state.get(path, {})), self.tree.worths(part)
            found = differences(old, part, worth) if old.up else []
            before = {one.name: old.started.get(one.name) for one in found}
            late = {**item.get("late", {}), **dict.fromkeys(before, waits)} if waits else {}
            self._put_item(
                path, part=part.record(), begun={**before, **item["begun"]}, late=late, worth=worth
            )

    def _describe(self, target: list[Part] | None) -> None:
        """Parts to be there, while that is not so yet; what is none of them is forgotten when it is gone."""
        self.target = target
        self._described = None if target is None else {part.path for part in target}

    def _plant(self, parts: list[Part]) -> None:
        """The tree of these, and of what is there beside them."""
        told = keeping.surroundings_of(self._store, self.pool)
        self.tree = both(parts, self.deployed(), told)
        self.stir()

    def _put_entry(self, path: Path, entry: Entry) -> None:
        number = self._numbers[path]
        if entry:
            self.state[path] = entry
            self._noted.put("life", number, entry)
            self._changed(path)
            return
        self.state.pop(path, None)
        self._noted.put("life", number, None)
        self._changed(path)
        if self._described is not None and path not in self._described:
            self._forget(path)

    def _put_item(self, path: Path, **fields: Any) -> None:
        old = self._items.get(path, {"path": list(path), "part": None, "begun": {}, "life": 0})
        self._items[path] = {**old, **fields}
        self._noted.put("piece", self._numbers[path], self._items[path])

    def _forget(self, path: Path) -> None:
        number = self._numbers.pop(path)
        self._items.pop(path, None)
        self.state.pop(path, None)
        self._noted.put("piece", number, None)
        self._noted.put("life", number, None)
        self._changed(path)

    def _changed(self, *paths: Path) -> None:
        for path in paths:
            self.wakes.set(path, self.state.get(path, {}).get("wake"))
            self._news[path] = None

    # ---- what has changed

    def news(self) -> list[Path]:
        """The parts whose entries have changed since this was asked last, or whose surroundings have."""
        news, self._news = [*self._news], {}
        return news

    def stir(self) -> None:
        """Let all be looked at anew: it is not known what has changed."""
        self._changed(*self.state)

    def in_order(self, paths: Iterable[Path]) -> list[Path]:
        """As they were described first."""
        return sorted(paths, key=self._numbers.__getitem__)

    # ---- writing

    @property
    def weight(self) -> int:
        """How many records are to be written."""
        return self._noted.records()

    def write(self, finish: Finish) -> bool:
        """Write what has changed, and last what `finish` does. False: the pool is gone."""
        noted, self._noted = self._noted, Noted()
        now = self._now()
        wanted: list[tuple[chunks.Kind, int, Item | None]] = [
            *(("piece", number, item) for number, item in noted.piece.items()),
            *(("life", number, item) for number, item in sorted(noted.life.items(), reverse=True)),
        ]
        by_record: dict[str, list[tuple[chunks.Kind, int, Item | None]]] = {}
        for kind, number, item in wanted:
            by_record.setdefault(chunks.key(kind, self.name, number), []).append((kind, number, item))
        bites = list(portions(by_record.values())) or [[]]
        for bite in bites[:-1]:
            self._store.transact(lambda tx, bite=bite: self._put(tx, bite, now))  # type: ignore[misc]

        def last(tx: Transaction) -> bool:
            pool = keeping.find(tx, self.name)
            if pool is None:
                return False
            self._put(tx, bites[-1], now)
            if self._count > pool["count"] or self._lives > pool.get("lives", 0):
                pool = changed(pool, now, count=self._count, lives=self._lives)
                tx.put(pool)
            finish(tx, pool, now)
            return True

        there = self._store.transact(last)
        self.pool = keeping.find(self._store, self.name) or self.pool
        return there

    def _put(
        self, tx: Transaction, bite: Iterable[list[tuple[chunks.Kind, int, Item | None]]], now: float
    ) -> None:
        for items in bite:
            kind = items[0][0]
            changes = {number: item for _, number, item in items}
            for key, record in chunks.changed(tx.get, kind, self.name, changes, now).items():
                tx.put(record) if record is not None else tx.delete(key)

    def delete(self, job: Callable[[Transaction, float], object]) -> None:
        """All records go, the pool's own with the last."""
        now = self._now()
        keys = keeping.all_keys(self._store, self.pool)
        bites = list(portions(keys[:-1])) or [[]]
        for bite in bites[:-1]:
            self._store.transact(lambda tx, bite=bite: [tx.delete(key) for key in bite])  # type: ignore[misc]

        def last(tx: Transaction) -> None:
            for key in (*bites[-1], record_key("pool", self.name)):
                tx.delete(key)
            job(tx, now)

        self._store.transact(last)


def open_book(store: Store, name: str, now: Callable[[], float] = time.time) -> Book | None:
    """The pool of that name as its records have it; None when there is none. Compiles what is to be made."""
    pool = keeping.find(store, name)
    if pool is None:
        return None
    under_way = pool["state"] in ("deploying", "updating") and pool["target"] is not None
    return Book(store, pool, keeping.target_parts(store, pool) if under_way else None, now)
