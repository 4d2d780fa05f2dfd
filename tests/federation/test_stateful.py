"""Random lives of slices against a model of what GENI says of them: states, ends, and whose a node is."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nm import groups, jobs, plan, recording, specs
from nm.errors import Conflict, Denied, NotFound
from nm.federation import desk, ending, following
from nm.federation.answers import Answer
from nm.geni.refusals import NodesLacking, Refused, Unsupported
from nm.records import Record, changed, name_of
from nm.store import Transaction
from tests.federation.guests import Door, at, small_world, urn_of
from tests.geni.lab import asked, rspec
from tests.pool.world import NOW, call

NODES = 6
PICKS = st.integers(0, NODES)  # of the slivers there are, and one that is gone
SLICES = st.sampled_from(["alpha", "beta"]).map(urn_of)
ENDS = st.integers(1, 3000)
NEVER = "urn:publicid:IDN+example.org:lab+sliver+alpha.n0.1-1"
ALLOCATED, PROVISIONED = "geni_allocated", "geni_provisioned"


@dataclass
class Held:
    """What the model knows of a sliver."""

    slice: str
    node: str
    ends: float
    allocation: str = ALLOCATED
    power: str = "off"


class Slices(RuleBasedStateMachine):
    """What guests, operators, time and the hands do."""

    def __init__(self) -> None:
        super().__init__()
        self.world = small_world()
        self.now = NOW
        self.held: dict[str, Held] = {}  # by URN
        self.shut: set[str] = set()
        self.going: set[str] = set()  # nodes that are being taken back
        self.ever: set[str] = set()
        self.asked = 0

    @property
    def door(self) -> Door:
        return at(Door(self.world.store), self.now)

    def of(self, slice: str) -> dict[str, Held]:
        return {urn: one for urn, one in self.held.items() if one.slice == slice}

    # ---- guests

    @rule(slice=SLICES, count=st.integers(1, 3), seconds=ENDS)
    def allocate(self, slice: str, count: int, seconds: int) -> None:
        self.asked += 1
        text = rspec(*(asked(f"c{self.asked}-{number}") for number in range(count)))
        free = NODES - len(self.held) - len(self.going)
        ask = partial(self.door.allocate, text, slice, wish=self.now + seconds)
        if slice in self.shut:
            self.refused(Denied, ask)
        elif self.is_going(slice):
            self.refused(Conflict, ask)
        elif count > free:
            self.refused(NodesLacking, ask)
        else:
            self.allocated(slice, ask(), self.now + seconds)

    def allocated(self, slice: str, answer: Answer, ends: float) -> None:
        for one in answer.slivers:
            assert one.urn not in self.ever and one.node not in self.taken()
            self.ever.add(one.urn)
            self.held[one.urn] = Held(slice, one.node, ends)

    @rule(slice=SLICES)
    def provision(self, slice: str) -> None:
        urns = [urn for urn, one in self.of(slice).items() if one.allocation == ALLOCATED]
        if slice in self.shut:
            self.refused(Denied, partial(self.door.provision, slice))
        elif not urns:
            self.refused(NotFound, partial(self.door.provision, slice))
        else:
            self.provisioned(urns, self.door.provision(slice))

    @rule(pick=PICKS)
    def provision_one(self, pick: int) -> None:
        urn = self.sliver(pick)
        ask = partial(self.door.provision, urn, wish=self.now + 1000)
        if (held := self.needed(urn, ask)) is None:
            return
        if held.allocation == PROVISIONED:
            self.refused(Refused, ask)
        else:
            self.provisioned([urn], ask(), self.now + 1000)

    def provisioned(self, urns: Iterable[str], answer: Answer, ends: float | None = None) -> None:
        assert {one.urn for one in answer.slivers} == set(urns)
        for urn in urns:
            held = self.held[urn]
            held.allocation, held.power = PROVISIONED, "on"
            held.ends = max(held.ends, self.now + 7 * 86400) if ends is None else ends

    @rule(pick=PICKS, seconds=ENDS)
    def renew(self, pick: int, seconds: int) -> None:
        urn = self.sliver(pick)
        ask = partial(self.door.renew, self.now + seconds, urn)
        if (held := self.needed(urn, ask)) is not None:
            ask()
            held.ends = self.now + seconds

    @rule(pick=PICKS, action=st.sampled_from(["geni_start", "geni_stop", "geni_restart"]))
    def act(self, pick: int, action: str) -> None:
        urn = self.sliver(pick)
        ask = partial(self.door.perform, action, urn)
        if (held := self.needed(urn, ask)) is None:
            return
        state = self.door.states(urn)[held.node][1]
        allowed = {"geni_ready": ("geni_stop", "geni_restart"), "geni_notready": ("geni_start",)}
        if held.allocation == ALLOCATED or action not in allowed.get(state, ()):
            self.refused(Unsupported, ask)
        else:
            ask()
            held.power = "off" if action == "geni_stop" else "on"

    @rule(pick=PICKS)
    def delete_one(self, pick: int) -> None:
        urn = self.sliver(pick)
        ask = partial(self.door.delete, urn)
        if self.needed(urn, ask) is not None:
            ask()
            self.gone([urn])

    @rule(slice=SLICES)
    def delete(self, slice: str) -> None:
        ask = partial(self.door.delete, slice)
        if slice in self.shut:
            self.refused(Denied, ask)
        elif not self.of(slice):
            self.refused(NotFound, ask)
        else:
            ask()
            self.gone(list(self.of(slice)))

    # ---- operators, time, hands

    @rule(slice=SLICES)
    def shutdown(self, slice: str) -> None:
        if not self.of(slice):
            self.refused(NotFound, partial(self.door.shutdown, slice))
        else:
            self.door.shutdown(slice)
            self.shut.add(slice)

    @rule(slice=SLICES)
    def reopen(self, slice: str) -> None:
        ask = partial(self.world.store.transact, lambda tx: desk.reopen(tx, call(now=self.now), slice))
        if slice not in self.shut:
            self.refused((Conflict, NotFound), ask)
            return
        ask()
        self.shut.discard(slice)
        for held in self.of(slice).values():
            held.ends = max(held.ends, self.now + desk.KEPT)

    @rule(seconds=st.sampled_from([1, 60, 700, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        for group in self.all_groups():
            expire = partial(ending.expire, call=call(now=self.now), name=name_of(group["record_key"]))
            self.world.store.transact(expire)
        over = {urn for urn, one in self.held.items() if one.ends <= self.now and one.slice not in self.shut}
        self.gone(list(over))

    @rule()
    def everything_is_carried_out(self) -> None:
        while any(self.carried_out(group) for group in self.all_groups()):
            pass
        self.going.clear()
        for urn, held in self.held.items():
            if held.slice in self.shut:
                continue
            state = self.door.states(urn)[held.node]
            ready = held.allocation == PROVISIONED and held.power == "on"
            assert state == (held.allocation, "geni_ready" if ready else "geni_notready"), (urn, held)

    @rule(pick=PICKS)
    def stopped_or_started(self, pick: int) -> None:
        self.everything_is_carried_out()
        held = self.held.get(self.sliver(pick))
        if held is not None:
            self.act(pick, "geni_stop" if held.power == "on" else "geni_start")
            self.everything_is_carried_out()

    def carried_out(self, group: Record) -> bool:
        """Let one thing be done that is to be done about the group; whether there was any."""
        store, name = self.world.store, name_of(group["record_key"])
        if group["revision"] != group["deployed_revision"]:
            store.transact(partial(deployed, name=name, now=self.now))
            return True
        for job in list(store.range("job")):
            if job["group"] == name and job["kind"] == "power" and job["state"] not in jobs.OVER:
                store.transact(partial(jobs.advance, number=job["id"], now=self.now, state="done"))
                return True
        if following.due(store, name):
            store.transact(partial(following.follow, call=call(now=self.now), name=name))
            return True
        return False

    # ---- what must hold

    @invariant()
    def guests_see_what_the_model_says(self) -> None:
        for name in map(urn_of, ("alpha", "beta")):
            mine, ask = self.of(name), partial(self.door.status, name)
            if name in self.shut:
                self.refused(Denied, ask)
            elif not mine:
                self.refused(NotFound, ask)
            else:
                seen = {one.urn: (one.node, one.expires, one.allocation) for one in ask().slivers}
                assert seen == {urn: (one.node, one.ends, one.allocation) for urn, one in mine.items()}

    @invariant()
    def no_node_is_had_twice(self) -> None:
        nodes = [one.node for one in self.held.values()]
        assert len(nodes) == len(set(nodes))
        free = {node["record_key"] for node in self.world.store.range("node") if node["group"] is None}
        assert not free & {f"node_{node}" for node in self.taken()}

    @invariant()
    def the_lease_is_the_first_end(self) -> None:
        for group in self.all_groups():
            if not group["destroying"] and group["federation"]["shut"] is None:
                ends = [one.ends for one in self.of(group["federation"]["slice"]).values()]
                assert group["expiry"] == min(ends)

    # ---- helpers

    def all_groups(self) -> list[Record]:
        return list(self.world.store.range("group"))

    def taken(self) -> set[str]:
        return {one.node for one in self.held.values()} | self.going

    def is_going(self, slice: str) -> bool:
        return any(
            group["destroying"] and group["federation"]["slice"] == slice for group in self.all_groups()
        )

    def sliver(self, pick: int) -> str:
        """One of those there are; or one that is gone, or never was."""
        dead = sorted(self.ever - self.held.keys()) or [NEVER]
        known = [*sorted(self.held), dead[-1]]
        return known[pick % len(known)]

    def needed(self, urn: str, ask: Any) -> Held | None:
        """The sliver; None when it is none that may be asked for, which is tried."""
        held = self.held.get(urn)
        if held is None:
            self.refused((NotFound, Denied), ask)
        elif held.slice in self.shut:
            self.refused(Denied, ask)
            return None
        return held

    def gone(self, urns: list[str]) -> None:
        for urn in urns:
            held = self.held.pop(urn)
            key = f"node_{held.node}"
            if self.world.get(key)["group"] is not None:
                self.going.add(held.node)

    def refused(self, kind: Any, ask: Any) -> None:
        before = self.world.store.revision, self.world.dump()
        with pytest.raises(kind):
            ask()
        assert (self.world.store.revision, self.world.dump()) == before


def deployed(tx: Transaction, name: str, now: float) -> None:
    """What the group's worker would have written when all its steps are done."""
    old = groups.need(tx, call(), name)
    facts = {} if old["destroying"] else plan.expand(tx, name, old["target"])
    specs.save(tx, old, changed(old, now, deployed=facts), now)
    recording.finish(tx, name, old["revision"], now)


TestSlices = Slices.TestCase
TestSlices.settings = settings(max_examples=20, stateful_step_count=50, deadline=None)
