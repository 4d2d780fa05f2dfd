"""Random life of a rack: whatever is called, whatever fails, no frame crosses from group to group."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nm.errors import NMError
from nm.switch import SwitchState
from tests.core.isolation import crossings, disagreements, promised_wrongly
from tests.rack import OpenRack, Rack
from tests.switches.ovs_rack import OvsRack, missing

# Lives are about switches; a disk would be waited for thousands of times.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
GROUPS = st.sampled_from(["a", "b", "c"])
NODES = st.sampled_from([f"n{number}" for number in range(8)])
SWITCHES = st.sampled_from(["sw0", "sw1", "sw2"])
VLANS = st.sampled_from([101, 102, 103, 104, 120])
NETWORKS = st.sampled_from([
    {"main": {}},
    {"main": {}, "data": {"nics": ["boot"], "tagged": True}},
    {"main": {"tagged": True}},
    {"main": {}, "data": {}},
    {"main": {}, "one": {"nics": ["n6:eth1"]}, "other": {"nics": ["n7:eth1"]}},
    {"main": {}, "storage": {"vlan": 120, "nics": ["boot"], "tagged": True}},
])  # fmt: skip
SEEDS = st.integers(0, 2**32 - 1)
FAULTS = st.sampled_from([
    {"delay": 0.02}, {"delay": 0.05}, {"delay": 0.02, "fail_times": 1},
    {"down": True}, {"fail_times": 2}, {"reject": ["p*"]}, {"reject": ["t0a"]},
    {"lie": ["p0", "p3"]}, {"lie": ["t*"]}, {},
])  # fmt: skip


class Life(RuleBasedStateMachine):
    """Calls, faults and restarts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="nm-life-", dir=MEMORY))
        self.faults: dict[str, dict[str, Any]] = {}  # of switches
        self.rack = self.make_rack(switches=3, nodes=8, retry_first_seconds=0.01, retry_longest_seconds=0.05)
        self.rack.register(range(101, 107), management=False)
        self.rack.call("RegisterVlan", 120, {"shared": True})

    def make_rack(self, **settings: Any) -> Rack:
        return Rack(self.folder, **settings)

    def teardown(self) -> None:
        try:
            self._everything_comes_back()
        finally:
            self.rack.stop()
            shutil.rmtree(self.folder)

    def _call(self, method: str, *arguments: Any) -> Any:
        """A call that may be refused, but with an error of nm's own."""
        with contextlib.suppress(NMError):
            return self.rack.call(method, *arguments)
        return None

    @rule(group=GROUPS, nodes=st.lists(NODES, max_size=3, unique=True))
    def create(self, group: str, nodes: list[str]) -> None:
        self._call("CreateGroup", group, {"nodes": nodes})

    @rule(group=GROUPS, nodes=st.lists(NODES, min_size=1, max_size=3, unique=True))
    def add(self, group: str, nodes: list[str]) -> None:
        self._call("AddNodes", group, nodes)

    @rule(group=GROUPS, node=NODES)
    def remove(self, group: str, node: str) -> None:
        self._call("RemoveNodes", group, [node])

    @rule(group=GROUPS, vlan=VLANS)
    def set_vlan(self, group: str, vlan: int) -> None:
        self._call("SetVlan", group, vlan)

    @rule(group=GROUPS, networks=NETWORKS)
    def set_networks(self, group: str, networks: dict[str, Any]) -> None:
        self._call("SetNetworks", group, networks)

    @rule(group=GROUPS, head=st.sampled_from(["h1", "h2", None]))
    def set_head(self, group: str, head: str | None) -> None:
        self._call("SetHeadNode", group, head)

    @rule(head=st.sampled_from(["h1", "h2"]))
    def clean(self, head: str) -> None:
        self._call("ClearHeadNode", head)

    @rule(group=GROUPS)
    def deploy(self, group: str) -> None:
        self._call("Deploy", group)

    @rule(group=GROUPS)
    def deploy_and_wait(self, group: str) -> None:
        if self._call("Deploy", group) is not None:
            self._settle()

    @rule(group=GROUPS)
    def destroy(self, group: str) -> None:
        self._call("DestroyGroup", group)

    @rule(group=GROUPS)
    def repair(self, group: str) -> None:
        self._call("Repair", group)

    @rule(node=NODES, force=st.booleans())
    def take_back(self, node: str, force: bool) -> None:
        self._call("ReleaseNode", node, force)

    @rule(group=GROUPS, to=GROUPS, nodes=st.lists(NODES, min_size=1, max_size=3, unique=True))
    def lend(self, group: str, to: str, nodes: list[str]) -> None:
        self._call("LendNodes", group, to, nodes, time.time() + 3600)

    @rule(seed=SEEDS, seconds=st.sampled_from([0.0, 0.5, 7200.0]), wait=st.booleans())
    def lend_what_there_is(self, seed: int, seconds: float, wait: bool) -> None:
        """Most calls by chance alone are refused; and a loan is waited for, so that it comes to its end."""
        pick = Random(seed)
        groups = self.rack.call("GetGroups", {})
        lenders = [group for group in groups if group["nodes"] and group["state"] != "destroying"]
        if not lenders or len(groups) < 2:
            for name in ("a", "b"):
                self._call("CreateGroup", name, {"nodes": [pick.choice(self.rack.nodes)]})
                self.deploy_and_wait(name)
            return
        lender = pick.choice(lenders)
        to = pick.choice([group["name"] for group in groups if group is not lender])
        self._call("LendNodes", lender["name"], to, [pick.choice(lender["nodes"])], time.time() + seconds)
        if wait:
            self._settle()

    @rule(seed=SEEDS, back=st.booleans(), wait=st.booleans())
    def end_a_loan(self, seed: int, back: bool, wait: bool) -> None:
        """The lender calls a node back, or the borrower gives it back."""
        lent = [(group["name"], loan) for group in self.rack.call("GetGroups", {}) for loan in group["lent"]]
        if lent:
            lender, loan = Random(seed).choice(lent)
            if back:
                self._call("RemoveNodes", loan["group"], [loan["node"]])
            else:
                self._call("LendNodes", lender, loan["group"], [loan["node"]], 0)
        if wait:
            self._settle()

    @rule(switch=SWITCHES)
    def take_switch_back(self, switch: str) -> None:
        self._call("ReleaseSwitch", switch, True)

    @rule(switch=SWITCHES)
    def replace(self, switch: str) -> None:
        self._call("ReplaceSwitch", switch)

    @rule(node=NODES)
    def clear(self, node: str) -> None:
        self._call("ClearNode", node)

    @rule(switch=SWITCHES, fault=FAULTS)
    def break_switch(self, switch: str, fault: dict[str, Any]) -> None:
        self.rack.set_faults(switch, **fault)
        self.faults[switch] = fault

    @rule()
    def mend_switches(self) -> None:
        for switch in self.rack.switches:
            self.break_switch(switch, {})

    @rule()
    def restart(self) -> None:
        self.rack.stop()
        self.rack.start()

    @rule()
    def settle(self) -> None:
        self._settle()

    def _settle(self) -> None:
        assert self.rack.service is not None
        crew = self.rack.service.crew
        # With a broken switch it may never come to rest.
        patience = 0.05 if any(self.faults.values()) else 0.3
        with contextlib.suppress(AssertionError):
            self.rack.until(lambda: {*crew.subjects()} <= {"pool:", "promises:"}, patience)

    @invariant()
    def isolated(self) -> None:
        assert self.rack.service is not None
        store = self.rack.service.database
        deadline = time.monotonic() + 20
        while True:
            assert time.monotonic() < deadline, "the rack does not stand still for one look"
            states, revision = self.rack.states(), store.revision
            found = crossings(store, self.answered_for(states), self.rack.links())
            differing = self.broken_promises(states)
            traced = self.traced()
            # A picture counts when nothing moved while it was taken.
            if states == self.rack.states() and revision == store.revision:
                assert found == []
                assert differing == []
                assert traced == []
                return

    @invariant()
    def kept(self) -> None:
        """Each promise is known to both groups, and nobody but its next holder names the node."""
        assert self.rack.service is not None
        store = self.rack.service.database
        while True:
            revision = store.revision
            found = promised_wrongly(store)
            if revision == store.revision:
                assert found == []
                return

    def answered_for(self, states: dict[str, SwitchState]) -> dict[str, SwitchState]:
        """What of the switches' states is nm's doing."""
        return states

    def broken_promises(self, states: dict[str, SwitchState]) -> list[str]:
        """Where a switch is not as a group that is deployed has it."""
        assert self.rack.service is not None
        return disagreements(self.rack.service.database, states)

    def traced(self) -> list[str]:
        """Crossings that the switches themselves admit to, where they can be asked."""
        return []

    def _everything_comes_back(self) -> None:
        self._take_everything_back()
        for switch, state in self.rack.states().items():
            assert (state.vlans or set()) <= {1}
            assert {port for port, found in state.ports.items() if not found.isolated} == set(), switch
        assert all(vlan["free"] for vlan in self.rack.call("GetVlans", {}))
        assert self.rack.service is not None
        nodes = list(self.rack.service.database.range("node"))
        assert len(nodes) == len(self.rack.nodes)
        assert [node for node in nodes if node["group"] or node.get("_promise")] == []

    def _take_everything_back(self) -> None:
        for switch in self.rack.switches:
            self.rack.set_faults(switch)
        self._everything_goes_home()
        for group in self.rack.call("GetGroups", {}):
            self._call("DestroyGroup", group["name"])
            self._call("Repair", group["name"])
        self.rack.until(lambda: self.rack.call("GetGroups", {}) == [])
        self.rack.until(
            lambda: (
                not any(n["state"] in ("leaving", "failed", "out") for n in self.rack.call("GetNodes", {}))
            )
        )

    def _everything_goes_home(self) -> None:
        """With all mended, every loan that is called back ends with its node at home; none is lost."""
        for node in self.rack.nodes:
            self._call("ClearNode", node)
        lent = {
            loan["node"]: group["name"]
            for group in self.rack.call("GetGroups", {})
            for loan in group["lent"]
            if self._call("LendNodes", group["name"], loan["group"], [loan["node"]], 0) is not None
        }

        def is_home() -> bool:
            there = {group["name"]: group for group in self.rack.call("GetGroups", {})}
            return all(
                home not in there
                or there[home]["state"] == "destroying"
                or (node in there[home]["nodes"] and there[home]["lent"] == [])
                for node, home in lent.items()
            )

        self.rack.until(is_home)


class OpenLife(Life):
    """The same on Open vSwitch, which is asked where frames of each node would come out."""

    def make_rack(self, **settings: Any) -> Rack:
        self.ovs = OvsRack()
        self.ovs.__enter__()
        return OpenRack(self.folder, self.ovs, **settings)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.ovs.stop()

    def traced(self) -> list[str]:
        assert self.rack.service is not None
        store = self.rack.service.database
        nodes = {self.rack.home(node): (store.get(f"node_{node}") or {})["group"] for node in self.rack.nodes}
        found = []
        for (switch, port), group in nodes.items():
            for tags in ((), (101,)):
                reached = self.ovs.trace(switch, port, *tags) & nodes.keys()
                wrong = [place for place in reached if group is None or nodes[place] != group]
                found += [f"{port} {tags} comes out of {place}" for place in wrong]
        return found


def _live(life: type[RuleBasedStateMachine], lives: int, steps: int) -> None:
    # A failing life is shown as it was: shrinking it takes minutes, NM_SHRINK=1 asks for that.
    phases = tuple(Phase) if "NM_SHRINK" in os.environ else (Phase.explicit, Phase.reuse, Phase.generate)
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.no_cover
@pytest.mark.timeout(240)
def test_no_frame_crosses_whatever_happens() -> None:
    """2,000 operations; NM_LIVES says how many lives of 50 there are."""
    _live(Life, int(os.environ.get("NM_LIVES", "40")), 50)


@pytest.mark.no_cover
@pytest.mark.skipif(bool(missing()), reason=missing() or "there")
def test_no_frame_crosses_on_open_vswitch() -> None:
    """200 operations."""
    _live(OpenLife, int(os.environ.get("NM_OPEN_LIVES", "5")), 40)
