"""Loans against a plain restatement of the rules: whatever comes, goes, changes and lends."""

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nm import loans
from nm.records import Record
from tests.memory_store import MemoryStore
from tests.slivers.making import NOW, lend, record, settle

CASES = int(os.environ.get("NM_TEST_LOANS", "300"))
"""How many lives are tried; `make test-loans` tries 10,000."""

KEEPS = {"cpu_min": 0, "cpu_share": 16, "net_max": 8}  # restated, and not imported
DEFAULT = {"cpu_min": 0, "cpu_share": 32, "net_max": 1_000_000_000}
NAMES = ("a", "b", "c")

amounts = st.integers(0, 60)
lent = st.integers(0, 25)  # so that several are in force
names = st.sampled_from(NAMES)
loan = st.tuples(names, st.sampled_from(sorted(KEEPS)), lent)
rspecs = st.fixed_dictionaries({"cpu_min": amounts}, optional={"cpu_share": amounts, "net_max": amounts})
steps = st.one_of(
    st.tuples(st.just("lend"), names, st.lists(loan, max_size=6)),
    st.tuples(st.just("place"), names, rspecs),
    st.tuples(st.just("control"), names, rspecs),
    st.tuples(st.just("take away"), names, st.none()),
    st.tuples(st.just("settle"), st.none(), st.none()),
)
# Every life begins with slivers that lend to each other.
begins = st.tuples(*(
    st.tuples(st.just(what), st.just(name), values)
    for what, values in (("place", rspecs), ("lend", st.lists(loan, min_size=1, max_size=4)))
    for name in NAMES
)).map(list)  # fmt: skip

Step = tuple[str, Any, Any]
Given = dict[str, dict[str, int]]  # sliver -> what it was given
Lists = dict[str, list[tuple[str, str, int]]]  # lender -> its loans


def plainly(given: Given, lists: Lists) -> tuple[Given, dict[str, list[bool]]]:
    """What each has, and which loans are in force: the rules as one would tell them, all of it each time."""
    has = {name: dict(rspec) for name, rspec in given.items()}
    in_force: dict[str, list[bool]] = {name: [] for name in given}
    for lender, rspec in given.items():
        left = dict(rspec)
        for recipient, resource, amount in lists.get(lender, []):
            lends = recipient in given and amount <= left[resource] - KEEPS[resource]
            in_force[lender].append(lends)
            if lends:
                left[resource] -= amount
                has[lender][resource] -= amount
                has[recipient][resource] += amount
    return has, in_force


class World:
    """The records, and beside them what the rules are told."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.given: Given = {}
        self.lists: Lists = {}

    def step(self, what: str, name: Any, value: Any) -> None:
        if what == "lend" and name in self.given:
            lend(self.store, name, [list(entry) for entry in value])
            self.lists[name] = value
        elif what in ("place", "control"):
            made = record(name, "sliver.QEMU" if what == "place" else "controller", **value)
            self.store.transact(lambda tx: loans.place(tx, made))
            self.given.pop(name, None)
            if what == "place":
                self.given[name] = {**DEFAULT, **value}
        elif what == "take away":
            self.store.transact(lambda tx: loans.take_away(tx, name, NOW))
            self.given.pop(name, None)
            self.lists.pop(name, None)
        elif what == "settle":
            self.store.transact(loans.settle)

    def slivers(self) -> dict[str, Record]:
        return {
            one["record_key"].removeprefix("sliver_"): one
            for one in self.store.range("sliver")
            if one["type"] != "controller"
        }

    def nobody_has_what_is_not_there(self) -> None:
        """Also while loans are still to be looked at."""
        slivers = self.slivers()
        assert slivers.keys() == self.given.keys()
        for resource, keeps in KEEPS.items():
            total = sum(one["_rspec"][resource] for one in slivers.values())
            assert total <= sum(rspec[resource] for rspec in self.given.values())
            for name, one in slivers.items():
                assert one["_rspec"][resource] >= min(keeps, self.given[name][resource])

    def it_is_as_the_rules_say(self) -> None:
        settle(self.store)
        has, in_force = plainly(self.given, self.lists)
        for name, one in self.slivers().items():
            assert {resource: one["_rspec"][resource] for resource in KEEPS} == has[name]
            assert [state["in_force"] for state in loans.get_loan_states(self.store, name)] == in_force[name]
        self.index_is_true()

    def index_is_true(self) -> None:
        named = {
            (recipient, lender)
            for lender, entries in self.lists.items()
            for recipient, _, _ in entries
            if recipient != lender
        }
        assert {(name, lender) for name in NAMES for lender in loans.lenders_of(self.store, name)} == named
        assert self.store.get(loans.DUE) is None


@settings(max_examples=CASES, deadline=None)
@given(st.tuples(*[rspecs] * len(NAMES)), st.lists(steps, min_size=1, max_size=14))
def test_loans_are_as_the_rules_say(
    first: tuple[dict[str, int], ...], life: list[tuple[str, Any, Any]]
) -> None:
    world = World()
    for step in (*(("place", name, rspec) for name, rspec in zip(NAMES, first, strict=True)), *life):
        world.step(*step)
        world.nobody_has_what_is_not_there()
    world.it_is_as_the_rules_say()
