"""The pool's worker: ends groups and slivers whose time is over, and forgets old jobs and tickets.

The handler of "pool:". It keeps the ends of leases in a heap, so that a change costs its own group and
not all of them; leases.py decides, this room only looks at the clocks and runs the transactions.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from nm import departures, leases, recording, tickets
from nm.calls import NM, Call
from nm.errors import NMError
from nm.federation.ending import expire, takes_nothing
from nm.records import Record, kind_of, name_of, record_key
from nm.snapshot import RESTORED
from nm.store import Store, Transaction, portions

log = logging.getLogger("nm.timekeeper")

LONGEST_NAP = 60.0  # seconds: how soon a clock that was set is noticed


class Timekeeper:
    """Ends what is over."""

    def __init__(
        self, store: Store, clocks: leases.Clocks, rules: leases.Rules, grace: float = departures.GRACE
    ) -> None:
        """`grace`: seconds for which a sliver that is over is only stopped."""
        self._store = store
        self._clocks = clocks
        self.rules = rules
        self.grace = grace
        self._ends = leases.Ends()
        self._kept: Record | None = store.get(leases.CLOCK)
        self._doubtful_until: float | None = self._resume()
        self._doubt = leases.JUMPED
        if store.get(RESTORED) is not None:
            self._doubt, self._kept = leases.COPY, None  # so that the clock is written down, with this doubt
            self._doubtful_until = clocks.up() + rules.grace
        self._note_all()

    def _note_all(self) -> None:
        for kind in leases.ENDING:
            self._ends.note(self._store.range(kind))

    def _resume(self) -> float | None:
        """A doubt outlives a restart: the grace goes on where it was; after a reboot it begins anew."""
        kept = self._kept
        if kept is None or kept["doubtful_until"] is None or kept["boot"] == self._clocks.boot:
            return kept["doubtful_until"] if kept else None
        return self._clocks.up() + self.rules.grace

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Note changed ends, end what is due, say when to look again."""
        for item in batch:
            if isinstance(item, leases.Look):
                self._ends.note(item.records)
        now, up = self._clocks.now(), self._clocks.up()
        self._check_clock(now, up)
        due = self._ends.due(self._store, now)
        for key in due:
            if kind_of(key) == "job":
                self._store.transact(partial(recording.reap, key=key, now=now))
        if used := [key for key in due if kind_of(key) == "ticket"]:
            self._forget_tickets(used, now)
        self._end([name_of(key) for key in due if kind_of(key) == "group"], now, up)
        self._end_slivers([name_of(key) for key in due if kind_of(key) == "sliver"], now, up)
        following = self._ends.next
        return LONGEST_NAP if following is None else min(max(following - now, 0.05), LONGEST_NAP)

    def _check_clock(self, now: float, up: float) -> None:
        off = leases.jumped(self._kept, now, up, self._clocks.boot, self.rules)
        if off:
            log.warning("the wall clock jumped", extra={"seconds": round(off), "grace": self.rules.grace})
            self._doubt, self._doubtful_until = leases.JUMPED, up + self.rules.grace
        stale = (
            self._kept is None or self._kept["boot"] != self._clocks.boot or now - self._kept["wall"] > 3600
        )
        if off or stale:
            doubt = self._doubtful_until
            self._store.transact(lambda tx: leases.write_clock(tx, now, up, self._clocks.boot, doubt))
            self._kept = self._store.get(leases.CLOCK)

    def _end(self, due: list[str], now: float, up: float) -> None:
        held = leases.held(self._store)
        over = [name for name in dict.fromkeys([*due, *held]) if self._over(name, now)]
        doubt = self._doubted(up)
        light = [] if doubt else [name for name in over if self._takes_nothing(name, now)]
        grave = [name for name in over if name not in light]
        ending, waiting = leases.judge(grave, held, doubt, self._count, self.rules)
        if waiting:
            self._store.transact(partial(leases.hold, reasons=waiting, now=now))
        call = Call(NM, "expiry", now)
        for name in (*ending, *light):
            try:
                self._store.transact(partial(expire, call=call, name=name))
            except NMError as error:  # one that cannot end must not keep the others
                log.error("a group could not be ended", extra={"group": name, "why": str(error)})
                waiting[name] = f"it could not be ended: {error}"
                self._store.transact(partial(leases.hold, reasons={name: waiting[name]}, now=now))
        if settled := [name for name in held if name not in waiting]:
            self._store.transact(partial(leases.let_go, names=settled, now=now))

    def _end_slivers(self, due: list[str], now: float, up: float) -> None:
        """Stop those that are over, and those whose removal was confirmed; no source need speak for that."""
        if due or leases.held(self._store, departures.EXPIRIES):
            departures.expire(self._store, due, now, self.rules, self._doubted(up), self.grace)
        if leases.held(self._store, departures.REMOVALS):
            departures.remove_confirmed(self._store, now, self.grace)

    def _forget_tickets(self, keys: list[str], now: float) -> None:
        for few in portions(keys):
            self._store.transact(partial(tickets.forget, now=now, keys=few))

    @property
    def doubts(self) -> bool:
        """Whether the wall clock is not believed: also right after a jump. May be asked by other threads."""
        now, up, until = self._clocks.now(), self._clocks.up(), self._doubtful_until
        jumped = leases.jumped(self._kept, now, up, self._clocks.boot, self.rules) != 0
        return jumped or (until is not None and up < until)

    def take_up_copy(self, tx: Transaction) -> None:
        """Whatever is to be done about a restored copy is under way: the doubt about its ends remains."""
        clocks = self._clocks
        leases.write_clock(tx, clocks.now(), clocks.up(), clocks.boot, self._doubtful_until)
        tx.delete(RESTORED)

    def _over(self, name: str, now: float) -> bool:
        group = self._store.get(record_key("group", name))
        return bool(
            group and not group["destroying"] and group["expiry"] is not None and group["expiry"] <= now
        )

    def _takes_nothing(self, name: str, now: float) -> bool:
        """Whether that is a reservation of which nothing that is over was ever set up."""
        group = self._store.get(record_key("group", name))
        return group is not None and takes_nothing(group, now)

    def _doubted(self, up: float) -> str | None:
        """Why leases that are over are not believed to be: the clock, or the copy, is too new."""
        if self._doubtful_until is not None and up >= self._doubtful_until:
            self._doubtful_until = None
        return None if self._doubtful_until is None else self._doubt

    def _count(self) -> int:
        return sum(1 for _ in self._store.range("group"))

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """The ends that were noted are read from the records again."""
        self._ends = leases.Ends()
        self._note_all()

    def close(self) -> None:
        """Nothing to let go of."""
