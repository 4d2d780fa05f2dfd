"""The random life of a rack with audits and repairs of every scope in it: they disturb nothing."""

import os

import pytest
from hypothesis.stateful import rule

from tests.core.test_isolation import NODES, SWITCHES, Life, _live


class PatrolledLife(Life):
    """Nothing drifts by itself here, so whatever an audit or a repair breaks is its own fault."""

    @rule()
    def audit_all(self) -> None:
        self._call("AuditAll")

    @rule()
    def repair_all(self) -> None:
        self._call("RepairAll")

    @rule(switch=SWITCHES)
    def repair_switch(self, switch: str) -> None:
        self._call("RepairSwitch", switch)

    @rule(node=NODES)
    def repair_port(self, node: str) -> None:
        self._call("RepairPort", *self.rack.home(node))

    @rule(switch=SWITCHES)
    def inspect(self, switch: str) -> None:
        self._call("InspectSwitch", switch)


@pytest.mark.no_cover
def test_no_frame_crosses_while_everything_is_audited_and_repaired() -> None:
    """500 operations; NM_LIVES says how many lives of 50 there are."""
    _live(PatrolledLife, int(os.environ.get("NM_LIVES", "10")), 50)
