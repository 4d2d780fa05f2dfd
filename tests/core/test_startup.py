"""Head nodes start one after another, each once, after a reboot or when nmd is asked to; else none does."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nm import config, leases, startup
from nm.calls import NM, Call
from nm.errors import DeviceFailed
from nm.hypervisor import Hypervisor
from nm.libvirt_host import connect
from nm.records import changed, new
from nm.service import Service
from nm.startup import Begin, Startup
from nm.store import Transaction
from tests.rack import Rack, rack


@pytest.fixture
def host() -> Iterator[Hypervisor]:
    """A connection of the tests' own: the host forgets its domains with the last one."""
    found = connect("test:///default")
    found.state("h1")  # it connects when it is first asked
    yield found
    found.close()


@pytest.fixture
def lab(tmp_path: Path, host: Hypervisor) -> Iterator[Rack]:
    """Groups a and b with head nodes that somebody has stopped, and c without one."""
    with rack(tmp_path, nodes=6) as made:
        made.config = replace(made.config, startup=config.Startup(pause_seconds=0))
        for group, node, headnode in (("a", "n0", "h1"), ("b", "n2", "h2"), ("c", "n4", None)):
            made.call("CreateGroup", group, {"nodes": [node], "headnode": headnode})
            made.deploy(group)
        stop_heads(host)
        yield made


def stop_heads(host: Hypervisor) -> None:
    for name in ("h1", "h2"):
        host.stop(name)


def running(host: Hypervisor) -> list[str]:
    states = {name: host.state(name) for name in ("h1", "h2")}
    return [name for name, state in states.items() if state is not None and state.running]


def repairs(lab: Rack) -> list[str]:
    """The groups that nm itself has repaired, in order."""
    assert lab.service is not None
    jobs = sorted(lab.service.database.range("job"), key=lambda job: int(job["id"]))
    return [job["group"] for job in jobs if job["kind"] == "repair"]


class Starter:
    """A Startup whose clock the test turns."""

    def __init__(self, lab: Rack, pause: float = 3.0) -> None:
        assert lab.service is not None
        self.store = lab.service.database
        self.time = 100.0
        site = lab.service._site()
        self.startup = Startup(self.store, lambda: Call(NM, "Repair", 1.0, site), lambda: self.time, pause)

    def begin(self, *names: str) -> float | None:
        wanted = [f"group:{name}" for name in names or startup.candidates(self.store)]
        self.store.transact(lambda tx: startup.line_up(tx, wanted, 1.0))
        return self.startup.handle([Begin()])

    def later(self, seconds: float) -> float | None:
        self.time += seconds
        return self.startup.handle([])


def test_one_after_another_and_each_once(
    lab: Rack, host: Hypervisor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nm.startup")
    starter = Starter(lab)
    assert starter.begin() == 3.0
    said = [(record.message, record.__dict__["headnode"]) for record in caplog.records]
    assert said == [("starting in 0 seconds", "h1"), ("starting in 3 seconds", "h2"), ("starting", "h1")]
    lab.until(lambda: running(host) == ["h1"])
    assert starter.later(2.5) == 0.5 and repairs(lab) == ["a"]
    assert starter.later(0.5) is None
    lab.until(lambda: running(host) == ["h1", "h2"])
    assert starter.later(60) is None and repairs(lab) == ["a", "b"]


def test_what_waits_already_has_no_second_turn(lab: Rack) -> None:
    starter = Starter(lab)
    starter.begin()
    starter.begin("b")
    starter.later(3)
    assert starter.later(3) is None and repairs(lab) == ["a", "b"]


def test_what_is_out_of_service_uses_no_slot(lab: Rack, host: Hypervisor) -> None:
    lab.call("UpdateHeadNode", "h1", {"available": False, "reason": "broken"})
    starter = Starter(lab)
    assert starter.begin() is None and repairs(lab) == ["b"]
    lab.until(lambda: running(host) == ["h2"])


def test_what_went_out_of_service_meanwhile_gives_its_turn_away(lab: Rack, host: Hypervisor) -> None:
    lab.call("CreateGroup", "d", {"nodes": ["n5"]})
    starter = Starter(lab)
    starter.begin("d", "nobody", "b", "a")
    lab.until(lambda: running(host) == ["h2"])
    lab.call("UpdateHeadNode", "h1", {"available": False, "reason": "broken"})
    assert starter.later(3) is None and repairs(lab) == ["b"]


def test_who_waited_before_there_were_slivers_has_a_turn(lab: Rack) -> None:
    """What an older nmd wrote down was a list of groups."""
    starter = Starter(lab)
    starter.store.transact(lambda tx: tx.put(new("meta", "startup", 1.0, groups=["a", "b"])))
    starter.startup.handle([Begin()])
    assert startup.waiting(starter.store) == ["group:b"] and starter.later(3) is None
    assert repairs(lab) == ["a", "b"]


def test_a_turn_that_fails_is_not_lost(lab: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    starter = Starter(lab)

    def broken(tx: Transaction, call: Call, group: str) -> int:
        raise DeviceFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("nm.drift.repair", broken)
        with pytest.raises(DeviceFailed):
            starter.begin()
    assert starter.later(0) == 3.0 and starter.later(3) is None
    assert repairs(lab) == ["a", "b"]


def test_a_restart_goes_on_with_those_that_had_no_turn(lab: Rack, host: Hypervisor) -> None:
    lab.stop()
    lab.config = replace(lab.config, startup=config.Startup(pause_seconds=3600))
    lab.service = Service(lab.config, start_heads=True)
    lab.service.start()
    lab.until(lambda: running(host) == ["h1"])
    lab.stop()
    lab.start()
    lab.until(lambda: running(host) == ["h1", "h2"])
    lab.stop()
    lab.start()
    assert repairs(lab) == ["a", "b"]
    assert startup.waiting(lab.service.database) == []


def test_a_restart_alone_starts_nothing(lab: Rack, host: Hypervisor) -> None:
    lab.stop()
    lab.start()
    assert repairs(lab) == [] and running(host) == []


def test_nmd_is_asked_to(lab: Rack, host: Hypervisor) -> None:
    lab.stop()
    lab.service = Service(lab.config, start_heads=True)
    lab.service.start()
    lab.until(lambda: running(host) == ["h1", "h2"])
    assert repairs(lab) == ["a", "b"]


def test_after_a_reboot_all_is_looked_at_and_head_nodes_take_turns(lab: Rack, host: Hypervisor) -> None:
    assert lab.service is not None
    store = lab.service.database
    clock = store.get(leases.CLOCK)
    assert clock is not None
    store.transact(lambda tx: tx.put(changed(clock, 1.0, boot="another")))
    lab.stop()
    lab.config = replace(lab.config, startup=config.Startup(pause_seconds=3600))
    lab.start()
    lab.until(lambda: running(host) == ["h1"])
    lab.until(lambda: sorted(repairs(lab)) == ["a", "c"])
    lab.stop()
    assert running(host) == ["h1"]
