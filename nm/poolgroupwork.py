"""The worker of one described group: carries out what its description orders for it, and follows its jobs.

The handler of "described:GROUP". All that was ordered together is edited together and deployed once, so
forty nodes are one change. Then it waits: it is woken (`Look`) whenever a job of the group is over, and
answers each order when poolgroups.py says what became of it. What is under way is in no record of its own:
the description's worker orders it again after a restart, and all edits are idempotent. Nothing here waits for
a device.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from nm import poolgroups
from nm.calls import Call, Caller, Site, UnansweredError
from nm.converge import Tools
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.pools import keeping
from nm.pools.briefs import Brief, brief_in, what_in
from nm.records import Record
from nm.scratch import Scratch
from nm.store import Transaction
from nm.workers import Errand

AT_ONCE = 40  # orders that are edited in one transaction, which has 100 writes

T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """A job of the group is over."""


@dataclass
class _Asked:
    """An errand, and what its orders became so far."""

    errand: Errand  # of one description's worker
    outcomes: list[Outcome | None] = field(init=False)

    def __post_init__(self) -> None:
        self.outcomes = [None for _ in self.errand.orders]

    @property
    def pool(self) -> str:
        """The description that asks."""
        return brief_in(self.errand.orders[0]).pool


class DescribedGroup:
    """Called by the group's thread only. `caller`: an account as it may call now; `site`: as in a call."""

    def __init__(
        self,
        name: str,
        tools: Tools,
        caller: Callable[[Record], Caller],
        site: Callable[[], Site],
    ) -> None:
        self._name, self._tools, self._store = name, tools, tools.store
        self._caller, self._site = caller, site
        self._asked: list[_Asked] = []

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Carry out what is new, answer what came to an end; stay as long as something is awaited."""
        fresh = [_Asked(item) for item in batch if isinstance(item, Errand)]
        self._asked += fresh
        for pool in dict.fromkeys(asked.pool for asked in fresh):  # each in the name of its own owner
            self._carry_out([asked for asked in fresh if asked.pool == pool])
        self._look()
        for asked in [asked for asked in self._asked if None not in asked.outcomes]:
            self._asked.remove(asked)
            asked.errand.reply([outcome for outcome in asked.outcomes if outcome is not None])
        return self._tools.patience.longest_pause if self._asked else None

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for ever."""
        waiting, self._asked = self._asked, []
        known = [asked.errand for asked in waiting]
        more = [item for item in batch if isinstance(item, Errand) and item not in known]
        for errand in [*known, *more]:
            errand.reply([Outcome(error=DeviceFailed(words, "it is tried again")) for _ in errand.orders])

    def close(self) -> None:
        """Nothing to let go of."""

    # ---- carrying out

    def _carry_out(self, fresh: list[_Asked]) -> None:
        places = [(asked, n, order) for asked in fresh for n, order in enumerate(asked.errand.orders)]
        scratch = Scratch(self._store)
        for start in range(0, len(places), AT_ONCE):
            bite = places[start : start + AT_ONCE]
            found = self._transacted(scratch, [order for *_, order in bite])
            for (asked, n, _), outcome in zip(bite, found, strict=True):
                asked.outcomes[n] = outcome
        wanting = [order for asked, n, order in places if asked.outcomes[n] is None]
        if wanting:
            self._deploy(places, brief_in(wanting[0]))

    def _transacted(self, scratch: Scratch, orders: list[Order]) -> list[Outcome | None]:
        """What came of each so far; None: it is to be followed."""
        call = self._call(brief_in(orders[0]))
        checked = self._answered(call, lambda call: _checked(scratch, call, orders))
        if None not in checked:
            return checked
        return self._answered(
            call, lambda call: self._store.transact(lambda tx: _edited(tx, call, orders, checked))
        )

    def _deploy(self, places: list[tuple[_Asked, int, Order]], brief: Brief) -> None:
        """What was edited; what cannot be deployed fails all that was to be."""
        try:
            self._answered(
                self._call(brief),
                lambda call: self._store.transact(lambda tx: poolgroups.deploy(tx, call, self._name)),
            )
        except NMError as error:
            for asked, n, _ in places:
                asked.outcomes[n] = asked.outcomes[n] or Outcome(error=error)

    def _look(self) -> None:
        for asked in self._asked:
            for n, order in enumerate(asked.errand.orders):
                if asked.outcomes[n] is None:
                    asked.outcomes[n] = self._became(order)

    def _became(self, order: Order) -> Outcome | None:
        if order.moot():
            return Outcome(moot=True)
        found = poolgroups.became(self._store, what_in(order), brief_in(order))
        if isinstance(found, NMError):
            return Outcome(error=found)
        return Outcome(seen={}) if found else None

    # ---- in whose name

    def _call(self, brief: Brief) -> Call:
        """The owner's, by the rights that they have now."""
        pool = keeping.find(self._store, brief.pool)
        owner: Mapping[str, Any] = pool["owner"] if pool is not None else {"uid": None, "name": "nobody"}
        return Call(self._caller(dict(owner)), "ApplyDescription", self._tools.now(), self._site())

    def _answered(self, call: Call, act: Callable[[Call], T]) -> T:
        """What it asks the machine is looked up between two runs, never within one."""
        call = replace(call, site=call.site.remembering())
        while True:
            try:
                return act(call)
            except UnansweredError as question:
                question.ask()


def _checked(scratch: Scratch, call: Call, orders: list[Order]) -> list[Outcome | None]:
    """Those that only look, each on top of those before it."""
    return [
        _tried(partial(poolgroups.check, scratch, call, brief_in(order)))
        if what_in(order) in poolgroups.CHECKS
        else None
        for order in orders
    ]


def _edited(
    tx: Transaction, call: Call, orders: list[Order], checked: list[Outcome | None]
) -> list[Outcome | None]:
    """The others, each by itself: one that is refused does not keep the rest."""
    pairs = zip(orders, checked, strict=True)
    return [known or _edit(tx, call, order) for order, known in pairs]


def _edit(tx: Transaction, call: Call, order: Order) -> Outcome | None:
    if order.moot():
        return Outcome(moot=True)
    what, attempt = what_in(order), Scratch(tx)
    found = _tried(partial(poolgroups.carry_out, attempt, call, what, brief_in(order)))
    if found.error is not None:
        return found
    attempt.apply(tx)
    return None if what in poolgroups.FOLLOWED else found


def _tried(act: Callable[[], None]) -> Outcome:
    try:
        act()
    except NMError as error:
        return Outcome(error=error)
    return Outcome(seen={})
