"""The patrol: each device is read once, none holds back the others, and everything is looked at in time."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm import config, families, jobs, patrol
from nm.calls import NM, Call
from nm.config import Audits
from nm.converge import Tools
from nm.errors import DeviceFailed
from nm.export import ExportHand
from nm.facts import Outcome
from nm.pool import sights
from nm.records import changed, record_key
from nm.store import Transaction
from nm.switches.breaker import MOST_FAILURES
from nm.switches.simulated import new_table, read_table
from nm.workers import Job, Reading
from tests.idle import NOW, add_group, add_nodes
from tests.memory_store import MemoryStore
from tests.rack import Rack, rack

PORTS, PER_SWITCH = 2000, 48


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path) as made:
        made.call("CreateGroup", "a", {"nodes": ["n0", "n2"], "vlan": 101})
        made.call("CreateGroup", "b", {"nodes": ["n1", "n3"], "vlan": 102})
        made.deploy("a")
        made.deploy("b")
        yield made
        made.set_faults("sw0")
        made.set_faults("sw1")


def waiting(lab: Rack, **seconds: float) -> None:
    """A rack with other rules for audits."""
    lab.stop()
    lab.config = replace(lab.config, audits=Audits(**{"every_seconds": 0, **seconds}))
    lab.start()


class Wall:
    """A patrol whose clock and chance a test moves, and whose devices a test answers for, or not."""

    def __init__(self, folder: Path, rules: patrol.Rules, chance: float = 0.5) -> None:
        self.store = MemoryStore()
        self.time, self.chance = 1000.0, chance
        self.sent: list[tuple[str, Any]] = []
        tools = Tools(
            self.store,
            lambda subject, item: self.sent.append((subject, item)),
            ExportHand(folder),
            lambda: NOW + self.time,
            lambda: self.time,
        )
        self.patrol = patrol.Patrol(tools, rules, lambda: self.chance)

    def at(self) -> int:
        """When everything was looked at last."""
        found = self.store.get(sights.PATROL)
        return int(found["at"] - NOW) if found else 0

    def wait(self, seconds: float | None) -> float | None:
        """Let that time pass, as the patrol's worker does, and call again."""
        assert seconds is not None
        self.time += seconds
        return self.patrol.handle([])

    def readings(self) -> list[tuple[str, Reading]]:
        """Taken away when told."""
        found, self.sent = self.sent, []
        return [(subject, item) for subject, item in found if isinstance(item, Reading)]


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_everything_is_looked_at_every_ten_minutes_or_so(tmp_path: Path, chance: float) -> None:
    wall = Wall(tmp_path, patrol.Rules(every=600, wait=60), chance)
    pause = wall.patrol.handle([patrol.Look()])
    assert pause is not None and 60 <= pause <= 600 and wall.at() == 0  # not at once
    times = []
    for _ in range(3):
        pause = wall.wait(pause)
        times.append(wall.at())
        assert pause is not None and 540 <= pause <= 660
    assert times == [int(1000 + 60 + 540 * chance + n * (540 + 120 * chance)) for n in range(3)]


def test_zero_is_never_and_a_change_counts_at_once(tmp_path: Path) -> None:
    wall = Wall(tmp_path, patrol.Rules(every=0))
    assert wall.patrol.handle([patrol.Look()]) is None
    wall.patrol.rules = patrol.Rules(every=100)
    assert wall.patrol.handle([patrol.Look()]) == 55
    wall.patrol.rules = patrol.Rules(every=1000)
    assert wall.patrol.handle([patrol.Look()]) == 550
    wall.patrol.rules = patrol.Rules(every=0)
    assert wall.patrol.handle([patrol.Look()]) is None


def test_one_round_of_everything_at_a_time_and_none_waits_for_ever(tmp_path: Path) -> None:
    wall = Wall(tmp_path, patrol.Rules(every=100, wait=350), chance=0.5)
    add_nodes(wall.store, range(3))
    pause = wall.wait(wall.patrol.handle([]))
    [(subject, reading)] = wall.readings()
    assert subject == "switch:sw0" and len(reading.facts) == 3
    for _ in range(3):  # the switch hangs: its turns pass
        pause = wall.wait(pause)
        assert wall.readings() == [] and wall.at() == 0
    wall.wait(pause)  # its time is over
    assert wall.at() > 0
    found = wall.store.get("switch_sw0")
    assert found is not None and "no answer from switch sw0" in found["_error"]
    pause = wall.wait(100)
    assert wall.readings() == []  # it still owes an answer, so it is not asked again
    reading.reply([Outcome() for _ in reading.facts])
    wall.patrol.handle([item for subject, item in wall.sent if subject == patrol.SUBJECT])
    wall.wait(110)
    [(subject, reading)] = wall.readings()
    reading.reply([Outcome() for _ in reading.facts])
    wall.patrol.handle([item for subject, item in wall.sent if subject == patrol.SUBJECT])
    found = wall.store.get("switch_sw0")
    assert found is not None and found["_error"] is None


@pytest.mark.parametrize("failures", [1, 3])
def test_a_repair_ends_though_no_word_of_its_last_child_could_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    wall = Wall(tmp_path, patrol.Rules(every=0))
    store, call = wall.store, Call(NM, "RepairAll", NOW)
    parent = store.transact(lambda tx: jobs.submit(tx, call, "pool:", "repair"))
    child = store.transact(lambda tx: jobs.submit(tx, call, "group:a", "repair", group="a", parent=parent))
    wall.patrol.handle([Job(parent)])
    wall.patrol.handle([item for subject, item in wall.sent if subject == patrol.SUBJECT])
    assert (store.get(f"job_{parent}") or {})["state"] == "running"
    store.transact(lambda tx: jobs.advance(tx, child, NOW, state="done"))

    def full(operation: Any) -> Any:
        raise DeviceFailed("the disk is full")

    batch: list[Any] = [families.ChildOver(parent, child)]
    with monkeypatch.context() as patch:
        patch.setattr(store, "transact", full)
        for _ in range(failures):
            with pytest.raises(DeviceFailed):
                wall.patrol.handle(batch)
            wall.patrol.failed(batch, "unforeseen")
            batch = []
    wall.patrol.handle([])
    assert (store.get(f"job_{parent}") or {})["state"] == "done"


def reads(lab: Rack, switches: list[str]) -> dict[str, int]:
    return {switch: int(read_table(lab.table(switch))["reads"]) for switch in switches}


def fill(lab: Rack) -> list[str]:
    """2,000 nodes and ten deployed groups, written directly; the switches' tables say the same."""
    assert lab.service is not None
    store = lab.service.database
    add_nodes(store, range(PORTS))
    tables = {f"sw{number}": new_table([]) for number in range(-(-PORTS // PER_SWITCH))}
    for number in range(PORTS):
        switch, port = f"sw{number // PER_SWITCH}", f"p{number % PER_SWITCH}"
        tables[switch]["ports"][port] = {"untagged": None, "tagged": [], "open": False}
    for number in range(10):
        lab.call("RegisterVlan", 101 + number)
        mine = range(number * PER_SWITCH, number * PER_SWITCH + 5)
        store.transact(partial(add_group, name=f"g{number}", vlan=101 + number, nodes=mine))
        tables[f"sw{number}"]["vlans"].append(101 + number)
        for place in range(5):
            tables[f"sw{number}"]["ports"][f"p{place}"]["untagged"] = 101 + number
    for switch, table in tables.items():
        lab.table(switch).write_text(json.dumps(table))
        store.transact(partial(_at_home, switch=switch, file=str(lab.table(switch))))
    return list(tables)


def _at_home(tx: Transaction, switch: str, file: str) -> None:
    record = tx.get(record_key("switch", switch))
    assert record is not None
    tx.put(changed(record, NOW, file=file))


def test_an_audit_of_2000_ports_reads_each_switch_once(tmp_path: Path) -> None:
    big = Rack(tmp_path, switches=0, nodes=0)
    try:
        switches = fill(big)
        assert len(switches) == 42
        before = reads(big, switches)
        job = big.wait(big.call("AuditAll"))
        assert job["state"] == "done" and job["total"] == job["done"] == 43  # and the files
        assert reads(big, switches) == {switch: count + 1 for switch, count in before.items()}
        drift = big.call("GetDrift")
        assert drift["pool"] == []
        assert {one["hand"] for found in drift["groups"].values() for one in found} <= {"export"}
    finally:
        big.stop()


def test_groups_that_share_a_switch_share_its_reading(lab: Rack) -> None:
    lab.call("SetNetworks", "a", {"main": {}, "data": {"vlan": 110, "nics": ["data"]}})
    lab.call("AddNodes", "a", ["n6", "n7"])
    lab.deploy("a")
    before = reads(lab, ["sw0", "sw1"])
    lab.wait(lab.call("AuditAll"))
    assert reads(lab, ["sw0", "sw1"]) == {switch: count + 1 for switch, count in before.items()}


def test_a_switch_that_hangs_keeps_nobody_elses_result_back(lab: Rack) -> None:
    waiting(lab, wait_seconds=0.3)
    with lab.edit("sw0") as table:
        table["ports"]["p0"]["untagged"] = 120
    lab.set_faults("sw1", hang=9)
    assert lab.wait(lab.call("AuditAll"))["state"] == "done"
    found = lab.call("GetDrift")
    assert [one["target"] for one in found["groups"]["a"]] == ["sw0/p0"]
    assert all("no answer" in one["seen"] for one in found["groups"]["b"])
    assert [one["target"] for one in found["pool"]] == ["sw1"]
    assert lab.call("GetNodes", {"name": "n5"})[0]["free"]  # what is not known is no drift
    lab.set_faults("sw1")
    lab.until(lambda: "switch:sw1" not in lab.crew().subjects())
    assert lab.wait(lab.call("AuditAll"))["state"] == "done"
    assert lab.call("GetDrift")["groups"].keys() == {"a"} and lab.call("GetDrift")["pool"] == []


def test_a_repair_waits_for_no_switch_that_hangs(lab: Rack) -> None:
    waiting(lab, wait_seconds=0.3)
    with lab.edit("sw0") as table:
        table["ports"]["p0"]["untagged"] = 120
    lab.set_faults("sw1", hang=9)
    job = lab.call("RepairAll")
    lab.until(lambda: bool(lab.ports("sw0")["p0"]["untagged"] == 101))
    lab.until(lambda: bool(lab.call("GetGroups", {"name": "a"})[0]["state"] == "deployed"))
    assert lab.call("GetJob", job)["state"] == "running"
    lab.set_faults("sw1")
    # What hung is joined as soon as it answers; that it hung is told all the same.
    ended = lab.wait(job)
    assert ended["state"] == "failed" and "switch sw1" in ended["error"]["text"]
    assert lab.call("GetGroups", {"name": "b"})[0]["state"] == "deployed"


def access(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": [], "open": False}


@pytest.mark.parametrize("method", ["AuditAll", "RepairAll"])
def test_what_was_mended_while_a_round_waits_for_others_is_left_alone(lab: Rack, method: str) -> None:
    waiting(lab, wait_seconds=60)
    with lab.edit("sw0") as table:
        table["ports"].update(p0=access(120), p4=access(900))
    lab.set_faults("sw1", hang=60)
    job = lab.call(method)
    lab.until(lambda: bool(lab.call("GetJob", job)["step"] == "switch sw0 read"))
    assert lab.wait(lab.call("ResetPorts", "sw0", ["p4"]))["state"] == "done"
    assert lab.wait(lab.call("RepairPort", "sw0", "p0"))["state"] == "done"
    mended = lab.call("GetGroups", {"name": "a"})[0]["revision"]
    assert lab.service is not None
    lab.set_faults("sw1")
    lab.wait(job)
    group = lab.service.database.get("group_a")
    assert group is not None and all("doubt" not in value for value in group["deployed"].values())
    assert lab.call("GetGroups", {"name": "a"})[0]["revision"] == mended  # or it would have left and joined
    assert lab.call("GetNodes", {"name": "n4"})[0]["free"]
    found = lab.call("GetDrift")
    assert "a" not in found["groups"] or {"sw0/p0"}.isdisjoint(one["target"] for one in found["groups"]["a"])
    assert {"sw0/p4"}.isdisjoint(one["target"] for one in found["pool"])


def test_a_port_that_was_moved_again_is_not_called_mended(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["p4"] = access(900)
    with lab.edit("sw1") as table:
        table["ports"]["p5"] = access(900)
    lab.set_faults("sw1", delay=1)
    job = lab.call("RepairAll")
    lab.until(lambda: bool(lab.ports("sw0")["p4"]["untagged"] is None))
    with lab.edit("sw0") as table:
        table["ports"]["p4"] = access(101)
    assert lab.wait(lab.call("InspectSwitch", "sw0"))["state"] == "done"
    lab.wait(job)
    assert not lab.call("GetNodes", {"name": "n4"})[0]["free"]


def test_it_looks_by_itself_and_repairs_nothing(lab: Rack) -> None:
    waiting(lab, every_seconds=1)
    with lab.edit("sw0") as table:
        table["ports"]["p0"]["untagged"] = 120
    lab.until(lambda: bool(lab.call("GetGroups", {"name": "a"})[0]["drift"] == 1))
    at = lab.call("GetDrift")["at"]
    lab.until(lambda: bool(lab.call("GetDrift")["at"] > at))
    assert lab.ports("sw0")["p0"]["untagged"] == 120
    assert lab.service is not None
    lab.service.reload(replace(lab.config, audits=config.Audits(every_seconds=0)))
    lab.until(lambda: patrol.SUBJECT not in lab.crew().subjects())


def test_a_group_that_is_being_changed_has_not_drifted(lab: Rack) -> None:
    lab.set_faults("sw0", delay=0.2)
    lab.set_faults("sw1", delay=0.2)
    lab.call("SetVlan", "a", 111)
    lab.call("AddNodes", "a", ["n4", "n5"])
    job = lab.call("Deploy", "a")
    while lab.call("GetJob", job)["state"] in ("queued", "running"):
        lab.wait(lab.call("AuditAll"))
        found = lab.call("GetDrift")
        assert found["groups"] == {} and found["pool"] == []
    assert lab.call("GetJob", job)["state"] == "done"
    assert {one["what"] for one in lab.call("GetEvents", 0, 1000)}.isdisjoint({"drift", "drift gone"})


@pytest.mark.parametrize("method", ["RepairAll", "AuditAll", "RepairSwitch"])
def test_a_round_that_an_administrator_asks_for_tries_a_switch_that_is_left_alone(
    lab: Rack, method: str
) -> None:
    lab.stop()
    patience = replace(lab.config.jobs, retry_first_seconds=3600, retry_longest_seconds=3600)
    lab.config = replace(lab.config, jobs=patience)
    lab.start()
    arguments = ("sw0",) if method == "RepairSwitch" else ()
    lab.set_faults("sw0", down=True)
    for _ in range(MOST_FAILURES + 1):  # an audit leaves nothing behind that would be tried again
        lab.wait(lab.call("AuditAll"))
    if method == "RepairAll":
        lab.call(method)  # its groups' repairs wait for their next try
        lab.until(lambda: lab.call("GetStatus", "a")["error"] is not None)
    assert "cannot be reached" in lab.call("GetSwitches", {"name": "sw0"})[0]["error"]
    lab.set_faults("sw0")
    assert lab.wait(lab.call(method, *arguments))["state"] == "done"
    assert lab.call("GetSwitches", {"name": "sw0"})[0]["error"] is None
