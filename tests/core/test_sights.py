"""What was last read, and when: answers count from when they were given; what was seen is told as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.libvirt_host import connect
from tests.core.isolation import crossings
from tests.rack import Rack, rack

ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    """Group a on sw0, group b on both switches, with head node h1; n6, with a second NIC on d6, is free."""
    with rack(tmp_path) as made:
        made.call("CreateGroup", "a", {"nodes": ["n0", "n2"], "vlan": 101})
        made.call("CreateGroup", "b", {"nodes": ["n1", "n4"], "vlan": 102, "headnode": "h1"})
        made.deploy("a")
        made.deploy("b")
        yield made
        made.set_faults("sw0")
        made.set_faults("sw1")
        made.wait(made.call("DestroyGroup", "b"))  # the stand-in head node outlives the rack


def access(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": [], "open": False}


def move(lab: Rack, port: str, vlan: int) -> None:
    with lab.edit("sw0") as table:
        table["ports"][port] = access(vlan)


def stop_head(name: str) -> None:
    host = connect("test:///default")
    host.stop(name)
    host.close()


# ---- a round that waits


def begun(lab: Rack, method: str) -> int:
    """A round that has read all but sw1, which hangs."""
    lab.set_faults("sw1", hang=60)
    job: int = lab.call(method)
    lab.until(lambda: lab.call("GetJob", job)["done"] == 3)  # sw0, the head nodes' host, the files
    return job


@pytest.mark.parametrize("method", ["AuditAll", "RepairAll"])
def test_what_was_made_true_since_is_not_judged_by_an_older_answer(lab: Rack, method: str) -> None:
    with lab.edit("sw0") as table:
        table["vlans"].remove(102)
        table["ports"]["p4"] = access(120)
        table["ports"]["t0a"] = ISOLATED
    job = begun(lab, method)
    assert lab.wait(lab.call("RepairSwitch", "sw0"))["state"] == "done"
    revision = lab.call("GetGroups", {"name": "b"})[0]["revision"]
    lab.set_faults("sw1")
    lab.wait(job)
    assert lab.call("GetDrift")["groups"] == {}
    assert lab.call("GetGroups", {"name": "b"})[0]["revision"] == revision


def test_a_head_node_that_was_started_since_does_not_differ(lab: Rack) -> None:
    stop_head("h1")
    job = begun(lab, "AuditAll")
    lab.deploy("b")
    lab.set_faults("sw1")
    lab.wait(job)
    assert lab.call("GetDrift")["groups"] == {}


def test_what_another_round_has_read_since_counts(lab: Rack) -> None:
    machines = lab.folder / "export/a/machines.txt"
    text = machines.read_text()
    move(lab, "p0", 120)
    machines.write_text("")
    job = begun(lab, "AuditAll")
    move(lab, "p0", 101)
    machines.write_text(text)
    assert lab.wait(lab.call("StartAudit", "a"))["result"] == {"differences": 0}
    lab.set_faults("sw1")
    lab.wait(job)
    assert lab.call("GetDrift")["groups"] == {}


# ---- last read


def last(lab: Rack, group: str) -> dict[str, Any]:
    """By port what was last read of it, and when."""
    return {one["port"]: (one["seen"], one["read_at"]) for one in lab.call("GetStatus", group)["ports"]}


@pytest.mark.parametrize("looked", [["AuditAll"], ["StartAudit", "a"]])
def test_an_audit_is_when_a_port_was_last_read(lab: Rack, looked: list[str]) -> None:
    assert lab.service is not None
    store = lab.service.database
    lab.call("AddNodes", "a", ["n6"])  # staged, so its port is still the pool's
    before, record = last(lab, "a"), store.get("port_sw0:p0")
    assert record is not None
    # Records are dated in whole seconds; a later one is an audit's without doubt.
    lab.until(lambda: lab.service is not None and lab.service._tools.now() > record["timestamp"] + 2)
    assert lab.wait(lab.call(*looked))["state"] == "done"
    after = last(lab, "a")
    assert store.get("port_sw0:p0") is record
    expected = {"p0", "p2"} | ({"p6", "d6"} if looked == ["AuditAll"] else set())
    assert {port for port in after if after[port][1] > before[port][1]} == expected
    assert {port: seen for port, (seen, _) in after.items()} == {
        port: seen for port, (seen, _) in before.items()
    }
    times = {one["port"]: one["read_at"] for one in lab.call("GetPorts", {"switch": "sw0"})}
    assert {port: times[port] for port in after} == {port: at for port, (_, at) in after.items()}


@pytest.mark.parametrize("looked", [["AuditAll"], ["StartAudit", "a"], ["RepairPort", "sw0", "p2"]])
def test_a_port_that_differs_is_told_as_it_was_seen(lab: Rack, looked: list[str]) -> None:
    move(lab, "p0", 120)
    before = last(lab, "a")
    lab.wait(lab.call(*looked))
    seen, at = last(lab, "a")["p0"]
    if looked[0] == "RepairPort":  # nobody has looked at that one
        assert (seen, at) == before["p0"]
    else:
        assert seen == access(120) and at > before["p0"][1]


def test_what_could_not_be_read_was_not_read(lab: Rack) -> None:
    before = last(lab, "a")
    lab.set_faults("sw0", down=True)
    lab.wait(lab.call("AuditAll"))
    assert last(lab, "a") == before
    lab.set_faults("sw0")
    with lab.edit("sw0") as table:
        del table["ports"]["p0"]
    lab.wait(lab.call("AuditAll"))
    assert last(lab, "a")["p0"][0] is None


# ---- a port that nobody has looked at since somebody moved it


def test_a_node_is_isolated_before_anything_can_fail(lab: Rack) -> None:
    """A node that was only staged is free at once; but somebody has put it on another group's VLAN."""
    assert lab.service is not None
    lab.call("AddNodes", "a", ["n6"])
    move(lab, "p6", 102)
    lab.call("RemoveNodes", "a", ["n6"])
    assert lab.call("GetNodes", {"name": "n6"})[0]["free"]
    assert crossings(lab.service.database, lab.states(), lab.links())
    lab.set_faults("sw0", reject=["103"])
    lab.call("CreateGroup", "c", {"nodes": ["n6"], "vlan": 103})
    steps = [step for step in lab.call("PlanDeploy", "c")["steps"] if step["target"] == "sw0/p6"]
    assert [step["action"] for step in steps] == ["leave", "join"]
    lab.deploy("c", "failed")
    assert lab.ports("sw0")["p6"] == ISOLATED
    assert crossings(lab.service.database, lab.states(), lab.links()) == []


def test_the_other_ports_of_a_node_that_comes_are_isolated_too(lab: Rack) -> None:
    move(lab, "d6", 101)
    lab.call("CreateGroup", "c", {"nodes": ["n6"], "vlan": 103})
    lab.deploy("c")
    assert lab.ports("sw0")["p6"] == access(103) and lab.ports("sw0")["d6"] == ISOLATED
