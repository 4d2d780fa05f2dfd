"""A sick switch: healthy ones do not wait for it, and a log-in that leads nowhere is over at once.

What it costs them in seconds is measured by `benchmarks sick_switches`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nm.switch import PortState
from tests.switches.benches import EPOCH, CliBench, executor_of, vlan
from tests.switches.cli_rack import CliRack, cli_rack
from tests.switches.fakes import FakeSwitch, start
from tests.switches.test_story import introduced
from tests.waiting import until

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


@pytest.fixture
def alone() -> Iterator[CliBench]:
    """A switch of which nm would be patient for long."""
    with start("cisco_ios", ports=5) as switch:
        bench = CliBench(switch)
        bench.executor = executor_of(**{**bench.record, "timeout": PATIENCE})
        yield bench


def test_a_log_in_is_over_when_the_switch_hangs_up(alone: CliBench) -> None:
    alone.switch.fault("chatter", like="terminal", seconds=0.05)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(alone.executor.run, [vlan(101)], EPOCH)
        until(
            lambda: any(not each._keys.empty() for each in alone.switch.open_sessions())
        )  # it waits for that
        alone.switch.cut_sessions()
        (outcome,) = asked.result(PATIENCE / 2)
    assert "it closed the connection" in str(outcome.error)


def test_a_log_in_is_over_when_the_switch_never_ends_to_talk(alone: CliBench) -> None:
    alone.switch.fault("chatter", like="terminal")
    (outcome,) = alone.executor.run([vlan(101)], EPOCH)
    assert "it says more than 131072 characters" in str(outcome.error)
