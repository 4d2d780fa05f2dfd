"""GENI's state machines through the door: random calls about a slice, and a model of what they come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nm.geni import times
from nm.geni.rspec import manifest
from tests.amapi import house
from tests.amapi.client import code, good
from tests.amapi.conftest import Aggregate
from tests.geni.lab import asked, rspec

NODES = 8
ALLOCATED, PROVISIONED, UNALLOCATED = "geni_allocated", "geni_provisioned", "geni_unallocated"
READY, NOT_READY = "geni_ready", "geni_notready"
ACTIONS = {"geni_start": (NOT_READY, READY), "geni_stop": (READY, NOT_READY), "geni_restart": (READY, READY)}
SUCCESS, REFUSED, SEARCH_FAILED, UNSUPPORTED, LACKING = 0, 7, 12, 13, 26
_SLICES, _IDS = count(), count()

WHICH = st.lists(st.integers(0, NODES), max_size=3)  # slivers by their places; none of them is the slice


@dataclass
class Sliver:
    """What the model knows of one."""

    allocation: str = ALLOCATED
    operational: str = NOT_READY
    ends: float | None = None  # where it is known


def has_slivers(life: "Life") -> bool:
    return bool(life.model)


class Life(RuleBasedStateMachine):
    """One slice; between two calls everything comes to rest."""

    there: Aggregate

    def __init__(self) -> None:
        super().__init__()
        self.there.rack.until(self.there.has_all_nodes)
        self.client = self.there.client(f"life{next(_SLICES)}")
        self.model: dict[str, Sliver] = {}

    def teardown(self) -> None:
        if self.model:
            good(self.client.delete())
        self.client.close()

    def chosen(self, which: Sequence[int]) -> list[str]:
        """The slivers that are meant; none when the slice is."""
        known = list(self.model)
        return list(dict.fromkeys(known[place % len(known)] for place in which)) if known else []

    def meant(self, given: Sequence[str]) -> list[str]:
        return list(given) or list(self.model)

    def free(self) -> int:
        return sum(node["free"] for node in self.there.rack.call("GetNodes", {}))

    @rule(number=st.integers(1, 4))
    def allocate(self, number: int) -> None:
        answer = self.client.allocate(rspec(*(asked(f"c{next(_IDS)}") for _ in range(number))))
        if number > NODES - len(self.model):
            assert code(answer) == LACKING
            return
        made = {one["geni_sliver_urn"]: Sliver() for one in good(answer)["geni_slivers"]}
        assert len(made) == number and not made.keys() & self.model.keys()
        self.model |= made

    @rule(which=WHICH, best=st.booleans())
    @precondition(has_slivers)
    def provision(self, which: list[int], best: bool) -> None:
        given = self.chosen(which)
        able = [urn for urn in self.meant(given) if self.model[urn].allocation == ALLOCATED]
        answer = self.client.provision(*given, geni_best_effort=best)
        if not given and not able:
            assert code(answer) == SEARCH_FAILED
            return
        if given and able != given and not best:
            assert code(answer) == REFUSED
            return
        told = {one["geni_sliver_urn"]: one for one in good(answer)["geni_slivers"]}
        assert list(told) == (given or able)
        assert [urn for urn in told if not told[urn]["geni_error"]] == able
        for urn in able:
            self.model[urn] = Sliver(PROVISIONED, READY)
        self.there.rack.until(self.is_at_rest)

    @rule(which=WHICH, seconds=st.integers(300, 10 * house.DAY))
    @precondition(has_slivers)
    def renew(self, which: list[int], seconds: int) -> None:
        given, until = self.chosen(which), house.later(seconds)
        answer = self.client.renew(until, *given)
        assert {one["geni_expires"] for one in good(answer)} == {until}
        for urn in self.meant(given):
            self.model[urn].ends = times.parse(until)

    @rule(which=WHICH, action=st.sampled_from([*ACTIONS, "geni_dance"]))
    @precondition(has_slivers)
    def perform(self, which: list[int], action: str) -> None:
        given = self.chosen(which)
        answer = self.client.perform(action, *given)
        before, after = ACTIONS.get(action, ("", ""))
        slivers = [self.model[urn] for urn in self.meant(given)]
        if any(one.allocation == ALLOCATED or one.operational != before for one in slivers) or not before:
            assert code(answer) == UNSUPPORTED
            return
        assert [one["geni_sliver_urn"] for one in good(answer)] == self.meant(given)
        for one in slivers:
            one.operational = after
        self.there.rack.until(self.is_at_rest)

    @rule(which=WHICH)
    @precondition(has_slivers)
    def delete(self, which: list[int]) -> None:
        given = self.chosen(which)
        answer = self.client.delete(*given)
        if not self.model:
            assert code(answer) == SEARCH_FAILED
            return
        gone = self.meant(given)
        assert {
            one["geni_sliver_urn"]: one["geni_allocation_status"] for one in good(answer)
        } == dict.fromkeys(gone, UNALLOCATED)
        for urn in gone:
            del self.model[urn]
        self.there.rack.until(lambda: self.free() == NODES - len(self.model))
        if not self.model:
            self.there.rack.until(lambda: not self.there.rack.call("GetGroups", {}))

    @rule()
    @precondition(has_slivers)
    def shut_down(self) -> None:
        assert good(self.client.shutdown()) is True and code(self.client.status()) == 3
        self.there.reopen(self.client)
        for one in self.model.values():
            one.ends = None  # an operator who opens a slice again gives it some time
        self.there.rack.until(self.is_at_rest)

    def slivers(self) -> dict[str, Any]:
        answer = self.client.status()
        if not self.model:
            assert code(answer) == SEARCH_FAILED
            return {}
        return {one["geni_sliver_urn"]: one for one in good(answer)["geni_slivers"]}

    def is_at_rest(self) -> bool:
        return {urn: one["geni_operational_status"] for urn, one in self.slivers().items()} == {
            urn: one.operational for urn, one in self.model.items()
        }

    @invariant()
    def is_as_the_model_has_it(self) -> None:
        told = self.slivers()
        assert {urn: one["geni_allocation_status"] for urn, one in told.items()} == {
            urn: one.allocation for urn, one in self.model.items()
        }
        assert self.is_at_rest()
        for urn, one in self.model.items():
            if one.ends is not None:
                assert times.parse(told[urn]["geni_expires"]) == one.ends
        described = good(self.client.describe())["geni_rspec"]
        assert {node.sliver_id for node in manifest.read(described).nodes} == self.model.keys()
        free = good(self.client.resources(geni_available=True)).count("<node ")
        assert free == NODES - len(self.model)


@pytest.mark.timeout(300)
def test_random_calls_come_to_what_the_specification_says(shared: Aggregate) -> None:
    class Here(Life):
        there = shared

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=6,
            stateful_step_count=12,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
