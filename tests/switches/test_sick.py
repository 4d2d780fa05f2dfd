"""A sick switch among healthy ones: their jobs are done before nm has even given it up.

What it costs them in seconds is measured by `benchmarks sick_switches`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nm.switch import PortState
from tests.switches.cli_rack import CliRack, cli_rack
from tests.switches.fakes import FakeSwitch
from tests.switches.test_story import introduced

SICK, PATIENCE = "sw2", 60.0  # seconds, far more than the healthy ones take
ILLNESSES: dict[str, Callable[[FakeSwitch], object]] = {
    "hangs at its prompt": lambda fake: fake.fault("silence", line=0),
    "hangs at a line": lambda fake: fake.fault("silence", like="show"),
    "chatters": lambda fake: fake.fault("chatter", like="show", seconds=0.002),
    "refuses": lambda fake: fake.fault("refuse"),
}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[CliRack]:
    """Three switches in a row with two nodes each; the last waits for long."""
    with cli_rack(tmp_path, ["arista_eos", "sonic", "cisco_ios"], nodes=6) as made:
        introduced(made)
        made.call("UpdateSwitch", SICK, {"timeout": PATIENCE})
        yield made


@pytest.mark.parametrize("illness", ILLNESSES)
def test_healthy_switches_do_not_wait_for_a_sick_one(lab: CliRack, illness: str) -> None:
    sick = lab.fakes[SICK]
    ILLNESSES[illness](sick)
    before = sick.counts.connections
    lab.call("CreateGroup", "ill", {"nodes": ["n2", "n5"], "vlan": 109})
    waiting = lab.call("Deploy", "ill")
    if illness != "refuses":
        lab.until(lambda: sick.counts.connections > before)
    for turn in range(3):
        group = f"g{turn}"
        lab.call("CreateGroup", group, {"nodes": ["n0", "n1", "n3"], "vlan": 101 + turn})
        lab.deploy(group)
        assert [lab.remembers(node) for node in ("n0", "n1", "n3")] == [PortState(101 + turn)] * 3
        assert lab.wait(lab.call("DestroyGroup", group))["state"] == "done"
    assert lab.call("GetJob", waiting)["state"] == "running"
    if illness != "refuses":
        assert (len(sick.server.connections), sick.counts.connections) == (1, before + 1)  # not given up
    sick.mend()
    sick.cut_sessions()
    assert lab.wait(waiting)["state"] == "done"
    assert [lab.remembers(node) for node in ("n2", "n5")] == [PortState(109)] * 2
