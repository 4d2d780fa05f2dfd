"""Defects that were found once: each test fails when its mend is taken away."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from nm import config, recording, service
from nm.audits import Scope
from nm.calls import Caller
from nm.database_tools import restore
from nm.errors import Conflict, Invalid, NotFound
from nm.export import ExportHand
from nm.facts import Order
from nm.hypervisor import DomainState
from nm.libvirt_host import connect
from nm.workers import Worker
from tests.core.isolation import crossings
from tests.rack import Rack, rack

ISOLATED: dict[str, object] = {"untagged": None, "tagged": [], "open": False}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path, nodes=8) as made:
        yield made


def access(vlan: int) -> dict[str, object]:
    return {"untagged": vlan, "tagged": [], "open": False}


def head(name: str) -> DomainState:
    host = connect("test:///default")
    state = host.state(name)
    host.close()
    assert state is not None
    return state


def test_a_forced_release_is_not_undone_by_a_deploy_under_way(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n2", "n4"], "vlan": 101})
    lab.deploy("a")
    lab.set_faults("sw0", delay=0.2)
    lab.call("SetVlan", "a", 102)
    lab.call("Deploy", "a")
    assert lab.wait(lab.call("ReleaseNode", "n0", True))["state"] == "done"
    lab.until(lambda: bool(lab.call("GetGroups", {"name": "a"})[0]["state"] == "deployed"))
    assert lab.ports("sw0")["p0"] == ISOLATED and lab.ports("sw0")["p2"] == access(102)
    assert lab.service is not None
    assert crossings(lab.service.database, lab.states(), lab.links()) == []
    assert lab.call("PlanDeploy", "a")["steps"] == []
    assert "52:54:00:00:00:00" not in (lab.folder / "export" / "a" / "machines.txt").read_text()


def test_what_was_being_taken_away_is_made_again_after_a_restart(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n2"], "vlan": 101})
    lab.deploy("a")
    lab.set_faults("sw0", delay=0.3)
    lab.call("RemoveNodes", "a", ["n0"])
    lab.call("Deploy", "a")
    lab.call("AddNodes", "a", ["n0"])
    job = lab.call("Deploy", "a")
    lab.stop()
    lab.set_faults("sw0")
    lab.start()
    assert lab.wait(job)["state"] == "done"
    assert lab.ports("sw0")["p0"] == access(101)


def test_a_worker_outlives_what_goes_wrong_while_it_tidies_up() -> None:
    handled = []

    class Clumsy:
        def handle(self, batch: list[str]) -> float | None:
            handled.extend(batch)
            if batch == ["break"]:
                raise RuntimeError("unforeseen")
            return None

        def failed(self, batch: list[str], words: str) -> None:
            raise RuntimeError("and again")

        def close(self) -> None:
            raise RuntimeError("and once more")

    worker = Worker("x", Clumsy(), lambda worker: False)  # type: ignore[arg-type]
    worker.put("break")
    worker.put("more")
    deadline = [worker.join(0.05) for _ in range(100) if "more" not in handled]
    assert "more" in handled and len(deadline) < 100
    worker.stop()
    assert worker.join(10)


def test_an_alias_keeps_others_from_its_name(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"alias": "proj"})
    with pytest.raises(Conflict, match="proj"):
        lab.call("CreateGroup", "proj", {})


def test_a_group_with_too_many_networks_is_refused(lab: Rack) -> None:
    networks = {"main": {}, **{f"x{n}": {"nics": [f"y{n}"]} for n in range(20)}}
    with pytest.raises(Invalid, match="16"):
        lab.call("CreateGroup", "a", {"networks": networks})


def test_deploy_starts_a_head_node_that_somebody_stopped(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"], "headnode": "h1"})
    lab.deploy("a")
    assert head("h1").running
    host = connect("test:///default")
    host.stop("h1")
    host.close()
    assert [step["action"] for step in lab.call("PlanDeploy", "a")["steps"]] == ["create", "bring", "connect"]
    lab.deploy("a")
    assert head("h1").running
    lab.wait(lab.call("DestroyGroup", "a"))
    assert not head("h1").running


def test_a_trunk_that_was_never_reset_is_not_used(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["t9"] = {"untagged": 1, "tagged": [], "open": True}
    lab.call("UnregisterTrunk", "up")
    lab.call("RegisterPort", "sw0", "t9")
    ends = [{"switch": "sw0", "port": "t9"}, {"host": "vm", "device": "eth1"}]
    lab.call("RegisterTrunk", "other", {"ends": ends})
    lab.call("CreateGroup", "a", {"nodes": ["n0"], "headnode": "h2"})
    with pytest.raises(Conflict, match="t9 is unverified"):
        lab.call("Deploy", "a")
    assert lab.ports("sw0")["t9"]["open"]


def test_two_groups_that_leave_a_shared_vlan_at_once_leave_nothing(lab: Rack) -> None:
    lab.call("RegisterVlan", 200, {"shared": True})
    for group, nodes in (("a", ["n0", "n1"]), ("b", ["n2", "n3"])):
        lab.call("CreateGroup", group, {"nodes": nodes})
        lab.call("SetNetworks", group, {"main": {}, "s": {"vlan": 200, "nics": ["boot"], "tagged": True}})
        lab.deploy(group)
    lab.set_faults("sw0", delay=0.1)
    lab.set_faults("sw1", delay=0.1)
    for job in [lab.call("DestroyGroup", group) for group in ("a", "b")]:
        assert lab.wait(job)["state"] == "done"
    assert lab.vlans("sw0") == {1} and lab.ports("sw0")["t0a"]["tagged"] == []


def test_a_repair_of_what_was_never_deployed_ends(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"]})
    assert lab.wait(lab.call("Repair", "a"))["state"] == "done"
    assert lab.call("GetGroups", {"name": "a"})[0]["state"] == "staged"


def test_a_debt_that_was_settled_does_not_touch_the_next_group(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n2"]})
    lab.deploy("a")
    lab.set_faults("sw0", down=True)
    job = lab.call("ReleaseNode", "n0", True)
    lab.until(lambda: "tried again" in lab.call("GetJob", job)["step"])
    lab.call("UpdateSwitch", "sw0", {"available": False, "reason": "burnt"})
    lab.call("ClearNode", "n0")
    lab.call("UpdateSwitch", "sw0", {"available": True})
    lab.set_faults("sw0")
    assert lab.wait(job)["state"] == "done"
    lab.wait(lab.call("ResetPorts", "sw0", ["p0"]))
    lab.call("CreateGroup", "b", {"nodes": ["n0"]})
    lab.deploy("b")
    assert lab.ports("sw0")["p0"] == access(102)


def test_a_debt_settled_while_its_order_waits_verifies_no_port(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"], "vlan": 101})
    lab.deploy("a")
    lab.set_faults("sw0", delay=1)
    lab.call("CreateGroup", "b", {"nodes": ["n2"]})
    busy = lab.call("Deploy", "b")
    lab.until(lambda: "switch:sw0" in lab.crew().subjects())
    job = lab.call("ReleaseNode", "n0", True)
    lab.call("UpdateSwitch", "sw0", {"available": False, "reason": "burnt"})
    lab.call("ClearNode", "n0")
    assert lab.wait(job)["state"] == "done" and lab.wait(busy)["state"] == "done"
    # Nobody has looked at the port, and it still carries the VLAN.
    assert lab.ports("sw0")["p0"] == access(101)
    assert not lab.call("GetPorts", {"switch": "sw0", "port": "p0"})[0]["verified"]


def test_a_member_has_no_power_over_a_node_that_is_leaving(tmp_path: Path) -> None:
    with rack(tmp_path, management=True) as lab:
        member = Caller(uid=1, name="daemon")
        lab.call("CreateGroup", "a", {"nodes": ["n0"], "owner": "daemon"})
        lab.deploy("a")
        lab.set_faults("sw0", down=True)
        lab.call("DestroyGroup", "a")
        with pytest.raises(Conflict, match="leaving"):
            lab.call("PowerNode", "n0", "on", caller=member)
        lab.set_faults("sw0")


def test_a_new_group_of_an_old_name_does_not_tell_the_old_ones_story(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"owner": "bin"})
    old = lab.call("DestroyGroup", "a")
    lab.wait(old)
    ended = int(lab.call("GetJob", old)["finished"])
    lab.until(lambda: ended < int(time.time()))
    lab.call("CreateGroup", "a", {"owner": "daemon"})
    stranger = Caller(uid=1, name="daemon")
    with pytest.raises(NotFound):
        lab.call("GetJob", old, caller=stranger)
    assert [event["what"] for event in lab.call("GetEvents", 0, 1000, caller=stranger)] == ["created"]


def test_a_node_that_was_only_staged_is_taken_back_without_a_deploy(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"]})
    assert lab.wait(lab.call("ReleaseNode", "n0"))["state"] == "done"
    group = lab.call("GetGroups", {"name": "a"})[0]
    assert group["nodes"] == ["n1"] and group["state"] == "staged"
    assert lab.call("GetNodes", {"name": "n0"})[0]["free"]


def test_an_audit_outlives_the_end_of_a_deploy(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"]})
    lab.deploy("a")
    lab.set_faults("sw0", reject=["p2"])
    lab.call("AddNodes", "a", ["n2"])
    lab.deploy("a", "failed")
    lab.set_faults("sw0")
    lab.set_faults("sw1", delay=0.3)
    # Another group keeps sw1 busy, so that its report comes after all else is done.
    lab.call("CreateGroup", "b", {"nodes": ["n3"]})
    busy = lab.call("Deploy", "b")
    assert lab.wait(lab.call("Repair", "a"))["state"] == "done"
    assert lab.wait(busy)["state"] == "done"


def test_one_audit_waits_at_a_time(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"]})
    lab.deploy("a")
    lab.set_faults("sw0", delay=0.5)
    lab.call("SetVlan", "a", 105)
    lab.call("Deploy", "a")
    jobs = {lab.call("StartAudit", "a") for _ in range(50)}
    assert len(jobs) <= 3  # one that was quick, one under way, one that waits
    for job in jobs:
        lab.wait(job)


def test_lists_of_groups_that_are_gone_are_removed_at_start(lab: Rack) -> None:
    lab.stop()
    ghost = Order("export/ghost", {"machines": [["00:00:00:00:00:01", "x"]]})
    assert ExportHand(lab.folder / "export").run([ghost], 1)[0].error is None
    assert (lab.folder / "export" / "ghost").is_dir()
    lab.start()
    assert not (lab.folder / "export" / "ghost").exists()


def test_a_start_that_failed_leaves_the_other_daemons_socket(lab: Rack, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(Conflict, match="answers"):
        _start_beside(lab, other)
    assert (lab.folder / "api.sock").exists()
    assert lab.call("GetVersion")


def _start_beside(lab: Rack, folder: Path) -> None:
    settings = replace(lab.config, daemon=config.Daemon(database=str(folder / "db"), log=""))
    second = service.Service(settings)
    try:
        second.start()
    finally:
        second.stop(1.0)


def test_retries_do_not_depend_on_the_wall_clock(lab: Rack) -> None:
    assert lab.service is not None
    lab.set_faults("sw0", down=True)
    lab.call("CreateGroup", "a", {"nodes": ["n0"]})
    job = lab.call("Deploy", "a")
    lab.until(lambda: lab.call("GetGroups", {"name": "a"})[0]["error"] is not None)
    now = lab.service._tools.now
    lab.service._tools.now = lambda: now() - 3600
    lab.set_faults("sw0")
    assert lab.wait(job, 5)["state"] == "done"


def test_a_stranger_on_a_groups_vlan_is_found_and_isolated(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101})
    lab.deploy("a")
    with lab.edit("sw0") as table:
        table["ports"]["p2"] = access(101)
    lab.wait(lab.call("StartAudit", "a"))
    found = lab.call("GetAudit", "a")["differences"]
    assert [(entry["target"], entry["wanted"]) for entry in found] == [("sw0/p2", "not on VLAN 101")]
    assert lab.call("GetNodes", {"name": "n2"})[0]["state"] == "unverified"
    lab.wait(lab.call("Repair", "a"))
    lab.until(lambda: bool(lab.call("GetNodes", {"name": "n2"})[0]["free"]))
    assert lab.ports("sw0")["p2"] == ISOLATED


def test_an_inspected_port_that_carries_something_is_not_given_out(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["p2"] = access(101)
    lab.wait(lab.call("InspectSwitch", "sw0"))
    assert lab.call("GetNodes", {"name": "n2"})[0]["state"] == "unverified"
    assert lab.call("GetNodes", {"name": "n4"})[0]["free"]


def test_after_a_restore_ports_of_no_group_are_not_trusted(lab: Rack, tmp_path: Path) -> None:
    lab.call("CreateGroup", "early", {"nodes": ["n0"], "vlan": 101})
    lab.deploy("early")
    lab.call("Backup", str(tmp_path / "copy"))
    lab.call("CreateGroup", "late", {"nodes": ["n2"], "vlan": 102})
    lab.deploy("late")
    lab.stop()
    with lab.edit("sw0") as table:
        table["ports"]["p0"] = ISOLATED
    restore(lab.folder / "db", tmp_path / "copy")
    lab.start()
    assert lab.ports("sw0")["p2"] == access(102)
    assert lab.call("GetNodes", {"name": "n2"})[0]["state"] == "unverified"
    lab.until(lambda: lab.ports("sw0")["p0"] == access(101))
    lab.wait(lab.call("ResetPorts", "sw0"))
    assert lab.ports("sw0")["p2"] == ISOLATED and lab.call("GetNodes", {"name": "n2"})[0]["free"]
    lab.stop()
    lab.start()
    assert lab.call("GetNodes", {"name": "n2"})[0]["free"]


def test_a_shared_vlan_is_one_network_over_all_switches(lab: Rack) -> None:
    lab.call("RegisterVlan", 200, {"shared": True})
    for group, node in (("a", "n0"), ("b", "n1")):
        lab.call("CreateGroup", group, {"nodes": [node]})
        lab.call("SetNetworks", group, {"main": {}, "s": {"vlan": 200, "nics": ["boot"], "tagged": True}})
        lab.deploy(group)
    assert 200 in lab.ports("sw0")["t0a"]["tagged"] and 200 in lab.ports("sw1")["t0b"]["tagged"]
    lab.wait(lab.call("DestroyGroup", "a"))
    lab.wait(lab.call("DestroyGroup", "b"))
    assert lab.ports("sw0")["t0a"]["tagged"] == [] and lab.vlans("sw0") == {1}


def test_what_a_deploy_changed_is_what_was_last_read(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101})
    lab.deploy("a")
    state = lab.call("GetSwitchState", "sw0")
    assert 101 in state["vlans"] and state["ports"]["t0a"]["tagged"] == [101]
    lab.wait(lab.call("DestroyGroup", "a"))
    state = lab.call("GetSwitchState", "sw0")
    assert 101 not in state["vlans"] and state["ports"]["t0a"]["tagged"] == []


def test_a_trunk_that_stood_open_is_told_as_it_is_after_its_repair(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101})
    lab.deploy("a")
    with lab.edit("sw0") as table:
        table["ports"]["t0a"] = {"untagged": 1, "tagged": [], "open": True}
    lab.wait(lab.call("InspectSwitch", "sw0"))
    assert lab.call("GetSwitchState", "sw0")["ports"]["t0a"]["open"]
    assert lab.wait(lab.call("RepairSwitch", "sw0"))["state"] == "done"
    told, real = lab.call("GetSwitchState", "sw0")["ports"]["t0a"], lab.ports("sw0")["t0a"]
    assert real["tagged"] == [101] and not real["open"]
    assert (told["tagged"], told["open"]) == ([101], False)


def test_what_a_worker_made_true_after_an_audit_looked_is_not_doubted(lab: Rack) -> None:
    """It may do so between the audit's judgement and its being written down."""
    lab.call("CreateGroup", "a", {"nodes": ["n0"], "vlan": 101})
    lab.deploy("a")
    assert lab.service is not None
    store = lab.service.database
    group = store.get("group_a") or {}
    fact, made = "port/sw0/p0", group["_made"]["port/sw0/p0"]
    difference = {"hand": "port", "target": "sw0/p0", "wanted": "VLAN 101", "seen": "isolated"}
    for at, doubted in ((made - 1, False), (made + 1, True)):
        differing = {fact: group["deployed"][fact]}
        findings = recording.Findings(
            at, [difference], differing, Scope().covers, repairing=True, answered={fact: at}
        )
        store.transact(partial(recording.audited, name="a", findings=findings, now=at))
        assert ("doubt" in (store.get("group_a") or {})["deployed"][fact]) == doubted
