"""The random life of a rack in which somebody also moves ports and replaces switches behind nm's back.

A frame may cross by what that hand left, until a repair of everything is over, and by nothing else: what nm
itself made is isolated at any time, and after such a repair everything is.
"""

import os
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from nm.switch import PortState, SwitchState
from nm.switches.simulated import FACTORY, new_table
from tests.core.test_isolation import NODES, SWITCHES, _live
from tests.core.test_patrolled_life import PatrolledLife

ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}
STATES = st.sampled_from([
    ISOLATED, {**ISOLATED, "untagged": 101}, {**ISOLATED, "untagged": 102}, {**ISOLATED, "untagged": 900},
    {**ISOLATED, "tagged": [101, 103]}, {**ISOLATED, "untagged": 104, "tagged": [102]},
    {"untagged": 1, "tagged": [], "open": True},
])  # fmt: skip
TRUNKS = st.sampled_from([("sw0", "t0a"), ("sw1", "t0b"), ("sw1", "t1a"), ("sw2", "t1b")])

Place = tuple[str, str]
Marks = set[int | str]  # VLANs, and "open"


class DriftingLife(PatrolledLife):
    """`left`: what the hand put on each port and is still there; `touched`: where anything may be amiss."""

    def __init__(self) -> None:
        super().__init__()
        self.left: dict[Place, Marks] = {}
        self.touched: set[Place] = set()

    def _move(self, place: Place, state: dict[str, Any]) -> None:
        switch, port = place
        with self.rack.edit(switch) as table:
            before = _marks(table["ports"][port])
            table["ports"][port] = state
        # What it carried before and still does may be nm's own.
        self.left[place] = (_marks(state) - before) | (self.left.get(place, set()) & _marks(state))
        self.touched.add(place)

    @rule(node=NODES, state=STATES)
    def move_node(self, node: str, state: dict[str, Any]) -> None:
        self._move(self.rack.home(node), state)

    @rule(node=st.sampled_from(["n6", "n7"]), state=STATES)
    def move_data_nic(self, node: str, state: dict[str, Any]) -> None:
        switch, port = self.rack.home(node)
        self._move((switch, f"d{port[1:]}"), state)

    @rule(trunk=TRUNKS, state=STATES)
    def move_trunk(self, trunk: Place, state: dict[str, Any]) -> None:
        self._move(trunk, state)

    @rule(switch=SWITCHES)
    def replace_switch(self, switch: str) -> None:
        with self.rack.edit(switch) as table:
            table.update(new_table(table["ports"]), faults=table["faults"], sessions=table["sessions"])
            ports = list(table["ports"])
        for port in ports:
            self.left[switch, port] = {"open", FACTORY.untagged or 1}
            self.touched.add((switch, port))

    @rule()
    def repair_everything(self) -> None:
        for switch in self.rack.switches:
            self.rack.set_faults(switch)
        job = self.rack.wait(self.rack.call("RepairAll"))
        assert job["state"] == "done", job
        self.left.clear()
        self.touched.clear()

    def answered_for(self, states: dict[str, SwitchState]) -> dict[str, SwitchState]:
        for (switch, port), marks in self.left.items():
            # What is gone, nobody but nm brings back.
            marks.intersection_update(_marks_of(states[switch].ports[port]))
        return {name: self._without_the_hands(name, state) for name, state in states.items()}

    def _without_the_hands(self, switch: str, state: SwitchState) -> SwitchState:
        ports = {
            port: _without(found, self.left.get((switch, port), set())) for port, found in state.ports.items()
        }
        return SwitchState(state.vlans, ports, state.model)

    def broken_promises(self, states: dict[str, SwitchState]) -> list[str]:
        hurt = {switch for switch, _ in self.touched}
        return [said for said in super().broken_promises(states) if said.split("/")[1] not in hurt]

    def _take_everything_back(self) -> None:
        super()._take_everything_back()
        self.repair_everything()


def _marks(entry: dict[str, Any]) -> Marks:
    return _marks_of(PortState(entry["untagged"], tuple(entry["tagged"]), entry["open"]))


def _marks_of(state: PortState) -> Marks:
    vlans: Marks = {vlan for vlan in (state.untagged, *state.tagged) if vlan is not None}
    return vlans | {"open"} if state.open else vlans


def _without(state: PortState, marks: Marks) -> PortState:
    untagged = None if state.untagged in marks else state.untagged
    tagged = tuple(vlan for vlan in state.tagged if vlan not in marks)
    return PortState(untagged, tagged, state.open and "open" not in marks)


@pytest.mark.no_cover
@pytest.mark.timeout(240)
def test_no_frame_crosses_but_by_what_a_hand_left_until_it_is_repaired() -> None:
    """1,000 operations; NM_LIVES says how many lives of 50 there are."""
    _live(DriftingLife, int(os.environ.get("NM_LIVES", "20")), 50)
