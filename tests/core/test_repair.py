"""Drift of every kind: found by one audit, mended by one repair, told once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.errors import Conflict, NotFound
from nm.hostnet import network_of
from nm.hypervisor import Nic
from nm.libvirt_host import connect
from nm.records import Record
from nm.switch import SwitchState
from nm.switches.simulated import new_table
from tests.core.isolation import crossings
from tests.rack import Rack, rack

ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}
HOST: Record = {"uri": "test:///default", "network": {"kind": "linux", "device": "drift0"}}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    """Groups a (with head node h1) and b, both over two switches; n4 is staged, n5 and n7 are free.

    n6 is b's, whose network joins its boot NIC alone: its data NIC is on port d6 of sw0.
    """
    with rack(tmp_path) as made:
        made.call("UpdateHost", "vm", {"network": HOST["network"]})
        made.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101, "headnode": "h1"})
        made.call("CreateGroup", "b", {"nodes": ["n2", "n3", "n6"], "vlan": 102})
        made.deploy("a")
        made.deploy("b")
        made.call("AddNodes", "a", ["n4"])
        yield made
        made.set_faults("sw0")
        made.set_faults("sw1")
        made.wait(made.call("DestroyGroup", "a"))  # the stand-in head node outlives the rack


def access(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": [], "open": False}


def wipe(lab: Rack, switch: str, without: str = "") -> None:
    """Another, factory-new switch in its place, which may lack a port."""
    with lab.edit(switch) as table:
        ports = [port for port in table["ports"] if port != without]
        table.update(new_table(ports), sessions=table["sessions"])


def nic() -> Nic:
    """The head node's NIC, as it is while it runs and when it is started next."""
    host = connect(HOST["uri"])
    state = host.state("h1")
    host.close()
    assert state is not None and state.running
    assert state.nics == state.next_nics
    return state.nics[-1]


def world(lab: Rack) -> list[Any]:
    """Everything that nm made, as the things themselves tell it."""
    lists = {path.parent.name: path.read_text() for path in lab.folder.glob("export/*/machines.txt")}
    bridges = {vlan: network_of(HOST).present(vlan) for vlan in (101, 102, 103)}
    return [lab.states(), bridges, nic(), lists]


def audit_all(lab: Rack) -> Any:
    assert lab.wait(lab.call("AuditAll"))["state"] == "done"
    return lab.call("GetDrift")


def hands(differences: list[Record]) -> set[str]:
    return {one["hand"] for one in differences}


def move_port(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["p0"] = access(102)


def delete_vlan(lab: Rack) -> None:
    with lab.edit("sw1") as table:
        table["vlans"].remove(101)


def take_bridge(lab: Rack) -> None:
    network_of(HOST).unmake(101)


def move_nic(lab: Rack) -> None:
    host = connect(HOST["uri"])
    host.stop("h1")
    host.set_next_nic("h1", Nic(nic_of_stopped(), *network_of(HOST).place(102)))
    host.start("h1")
    host.close()


def nic_of_stopped() -> str:
    host = connect(HOST["uri"])
    state = host.state("h1")
    host.close()
    assert state is not None
    return state.next_nics[-1].mac


def edit_list(lab: Rack) -> None:
    (lab.folder / "export/a/machines.txt").write_text("52:54:00:00:00:99 10.0.0.99\n")


def empty_trunk(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["t0a"] = ISOLATED


def open_trunk(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["t0a"]["open"] = True


DRIFTS: dict[str, tuple[Callable[[Rack], None], set[str]]] = {
    "port moved": (move_port, {"port"}),
    "VLAN deleted": (delete_vlan, {"vlan"}),
    "switch wiped": (lambda lab: wipe(lab, "sw0"), {"port", "vlan", "trunk"}),
    "bridge gone": (take_bridge, {"bridge"}),
    "head node's NIC moved": (move_nic, {"head"}),
    "list edited": (edit_list, {"export"}),
    "trunk emptied": (empty_trunk, {"trunk"}),
    "trunk opened": (open_trunk, {"trunk"}),
}


@pytest.mark.parametrize("what", DRIFTS)
def test_drift_is_found_by_one_audit_and_mended_by_one_repair(lab: Rack, what: str) -> None:
    change, expected = DRIFTS[what]
    before = world(lab)
    assert audit_all(lab)["groups"] == {}
    change(lab)
    drift = audit_all(lab)
    assert hands(drift["groups"]["a"]) == expected
    assert lab.call("GetGroups", {"name": "a"})[0]["drift"] == len(drift["groups"]["a"])
    assert lab.call("GetAudit", "a")["differences"] == drift["groups"]["a"]
    assert lab.wait(lab.call("RepairAll"))["state"] == "done"
    assert world(lab) == before
    assert lab.call("GetDrift")["groups"] == {} and lab.call("GetDrift")["pool"] == []
    assert audit_all(lab) == {**lab.call("GetDrift"), "groups": {}, "pool": []}
    assert [group["drift"] for group in lab.call("GetGroups", {})] == [0, 0]


def steps_of(lab: Rack, job: int) -> list[dict[str, SwitchState]]:
    """What the switches carried, looked at again and again until the job was over; each picture once."""
    found = [lab.states()]
    while lab.call("GetJob", job)["state"] in ("queued", "running"):
        if (states := lab.states()) != found[-1]:
            found.append(states)
    return [*found, lab.states()]


def test_a_wiped_switch_comes_back_whole_and_nothing_crosses(lab: Rack) -> None:
    assert lab.service is not None
    store, links, before = lab.service.database, lab.links(), lab.states()
    wipe(lab, "sw0")
    broken = set(crossings(store, lab.states(), links))
    assert broken
    lab.set_faults("sw0", delay=0.1)
    job = lab.call("RepairSwitch", "sw0")
    pictures = steps_of(lab, job)
    assert lab.wait(job)["state"] == "done"
    after = pictures[-1]
    assert after == before and set(after["sw0"].vlans or ()) == {1, 101, 102}
    # From nm's first touch on no frame crosses any more: everything is closed before anything is joined.
    assert len(pictures) > 3
    for states in pictures:
        assert states["sw0"] == pictures[0]["sw0"] or crossings(store, states, links) == []
    found = [node["state"] for node in lab.call("GetNodes", {})]
    assert found == ["joined"] * 4 + ["joining", "free", "joined", "free"]


@pytest.mark.parametrize("first", [["RepairSwitch", "sw0"], ["RepairAll"]])
@pytest.mark.parametrize("second", [["RepairPort", "sw0", "p0"], ["RepairSwitch", "sw0"], ["RepairAll"]])
@pytest.mark.parametrize("rejoining", [False, True])
def test_repairs_that_overlap_all_end_when_the_port_has_joined(
    lab: Rack, first: list[str], second: list[str], rejoining: bool
) -> None:
    move_port(lab)
    lab.set_faults("sw0", delay=0.2)
    numbers = [lab.call(*first)]
    if rejoining:
        lab.until(lambda: bool(lab.call("GetGroups", {"name": "a"})[0]["state"] == "deploying"))
    numbers.append(lab.call(*second))
    waiting = list(numbers)
    while waiting:
        ended = [
            number for number in waiting if lab.call("GetJob", number)["state"] not in ("queued", "running")
        ]
        if ended:
            assert lab.ports("sw0")["p0"] == access(101), (ended, numbers)
        waiting = [number for number in waiting if number not in ended]
    assert {lab.call("GetJob", number)["state"] for number in numbers} == {"done"}


def test_a_repair_does_not_take_over_the_end_of_a_group(lab: Rack) -> None:
    lab.set_faults("sw0", down=True)
    end = lab.call("DestroyGroup", "b")
    lab.until(lambda: "tried again" in lab.call("GetJob", end)["step"])
    repair = lab.call("Repair", "b")
    lab.until(lambda: bool(lab.call("GetJob", repair)["state"] == "running"))
    assert lab.wait(lab.call("AuditAll"))["state"] == "done"  # by then the repair's round is over
    assert lab.call("GetJob", end)["state"] == "running"
    assert lab.call("GetJob", repair)["state"] == "running"
    lab.set_faults("sw0")
    assert lab.wait(end)["state"] == "done" and lab.wait(repair)["state"] == "done"
    assert lab.ports("sw0")["p2"] == ISOLATED


IDLE = {"data NIC of a group's node": "d6", "port of a staged node": "p4"}


@pytest.mark.parametrize("vlan", [101, 900])
@pytest.mark.parametrize("what", IDLE)
def test_a_port_that_its_group_does_not_use_is_watched_all_the_same(lab: Rack, what: str, vlan: int) -> None:
    before, port = lab.states(), IDLE[what]
    for looked in (["AuditAll"], ["InspectSwitch", "sw0"]):
        with lab.edit("sw0") as table:
            table["ports"][port] = access(vlan)
        assert lab.wait(lab.call(*looked))["state"] == "done"
        assert [one["target"] for one in lab.call("GetDrift")["pool"]] == [f"sw0/{port}"]
        assert lab.wait(lab.call("RepairPort", "sw0", port))["state"] == "done"
        assert lab.states() == before and lab.call("GetDrift")["pool"] == []
        assert lab.call("GetPorts", {"switch": "sw0", "port": port})[0]["verified"]


def test_a_free_port_that_somebody_put_back_is_free_and_nms_to_repair_again(lab: Rack) -> None:
    for _ in range(2):
        with lab.edit("sw1") as table:
            table["ports"]["p5"] = access(900)
        audit_all(lab)
        assert lab.call("GetNodes", {"name": "n5"})[0]["state"] == "unverified"
        with lab.edit("sw1") as table:
            table["ports"]["p5"] = ISOLATED
        audit_all(lab)
        assert lab.call("GetNodes", {"name": "n5"})[0]["free"]
    with lab.edit("sw1") as table:
        table["ports"]["p5"] = access(900)
    assert lab.wait(lab.call("RepairAll"))["result"]["unverified"] == []
    assert lab.ports("sw1")["p5"] == ISOLATED


def test_a_port_that_was_reset_and_moved_again_in_the_same_way_is_not_free(lab: Rack) -> None:
    for _ in range(2):
        with lab.edit("sw1") as table:
            table["ports"]["p5"] = access(900)
        audit_all(lab)
        assert lab.call("GetNodes", {"name": "n5"})[0]["state"] == "unverified"
        lab.wait(lab.call("ResetPorts", "sw1", ["p5"]))
        assert lab.call("GetNodes", {"name": "n5"})[0]["free"]


def test_a_node_is_free_when_all_its_ports_are_isolated(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["d6"] = access(900)  # and nobody looks
    lab.call("RemoveNodes", "b", ["n6"])
    lab.deploy("b")
    assert lab.call("GetNodes", {"name": "n6"})[0]["free"]
    assert lab.ports("sw0")["d6"] == lab.ports("sw0")["p6"] == ISOLATED


def test_a_staged_node_that_goes_with_an_open_port_is_not_free(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["p4"] = access(900)
    audit_all(lab)
    lab.call("RemoveNodes", "a", ["n4"])
    assert not lab.call("GetNodes", {"name": "n4"})[0]["free"]
    assert lab.wait(lab.call("RepairAll"))["state"] == "done"
    assert lab.call("GetNodes", {"name": "n4"})[0]["free"] and lab.ports("sw0")["p4"] == ISOLATED


@pytest.mark.parametrize("looked", ["AuditAll", "InspectSwitch"])
def test_a_wiped_switch_that_somebody_has_looked_at_comes_back_too(lab: Rack, looked: str) -> None:
    before = lab.states()
    wipe(lab, "sw0")
    lab.wait(lab.call(looked, *(["sw0"] if looked == "InspectSwitch" else [])))
    assert not lab.call("GetPorts", {"switch": "sw0", "port": "p4"})[0]["verified"]
    assert {one["target"] for one in lab.call("GetDrift")["pool"]} >= {"sw0/p4", "sw0/d6"}
    assert lab.wait(lab.call("RepairSwitch", "sw0"))["state"] == "done"
    assert lab.states() == before
    assert lab.call("GetDrift")["pool"] == []
    assert lab.call("GetPorts", {"switch": "sw0", "port": "p4"})[0]["verified"]


def test_a_new_switch_that_lacks_ports_is_an_error_of_their_groups_alone(lab: Rack) -> None:
    wipe(lab, "sw0", without="p0")
    job = lab.wait(lab.call("RepairSwitch", "sw0"))
    assert job["state"] == "failed" and "group a" in job["error"]["text"] and "p0" in job["error"]["text"]
    states = {group["name"]: group["state"] for group in lab.call("GetGroups", {})}
    assert states == {"a": "failed", "b": "deployed"}
    assert lab.ports("sw0")["p2"] == access(102) and lab.ports("sw0")["p4"] == ISOLATED
    # The port comes after all, and the same command does the rest.
    with lab.edit("sw0") as table:
        table["ports"]["p0"] = ISOLATED
    assert lab.wait(lab.call("RepairSwitch", "sw0"))["state"] == "done"
    assert lab.ports("sw0")["p0"] == access(101)


def test_a_repair_of_a_switch_is_not_about_another_one(lab: Rack) -> None:
    lab.set_faults("sw1", reject=["p5"])
    lab.call("AddNodes", "b", ["n5"])
    lab.deploy("b", "failed")
    move_port(lab)
    job = lab.wait(lab.call("RepairSwitch", "sw0"))
    assert job["state"] == "done" and lab.ports("sw0")["p0"] == access(101)
    assert lab.call("GetGroups", {"name": "b"})[0]["state"] == "failed"
    lab.set_faults("sw1")
    assert lab.wait(lab.call("RepairSwitch", "sw1"))["state"] == "done"
    assert lab.ports("sw1")["p5"] == access(102)


def test_a_free_port_that_is_missing_is_told(lab: Rack) -> None:
    wipe(lab, "sw0", without="p4")
    job = lab.wait(lab.call("RepairSwitch", "sw0"))
    assert job["state"] == "failed" and "p4" in job["error"]["text"]
    assert [one["target"] for one in lab.call("GetDrift")["pool"]] == ["sw0/p4"]
    assert not lab.call("GetPorts", {"switch": "sw0", "port": "p4"})[0]["verified"]
    assert {group["state"] for group in lab.call("GetGroups", {})} == {"deployed"}


def test_a_port_nm_knows_nothing_of_is_left_alone(lab: Rack) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["x1"] = access(900)
    lab.call("RegisterPort", "sw0", "x1")
    job = lab.wait(lab.call("RepairSwitch", "sw0"))
    assert job["state"] == "done" and job["result"]["unverified"] == ["sw0 x1"]
    assert lab.ports("sw0")["x1"] == access(900)
    with pytest.raises(Conflict, match="unverified"):
        lab.call("RepairPort", "sw0", "x1")


@pytest.mark.parametrize("call", [["Repair", "a"], ["RepairSwitch", "sw0"], ["RepairAll"]])
def test_a_port_nm_knows_nothing_of_is_left_on_a_groups_vlan_and_told(lab: Rack, call: list[Any]) -> None:
    with lab.edit("sw0") as table:
        table["ports"]["x1"] = access(101)
    lab.call("RegisterPort", "sw0", "x1")
    job = lab.wait(lab.call(*call))
    assert job["result"]["unverified"] == ["sw0 x1"]
    assert lab.ports("sw0")["x1"] == access(101)
    assert not lab.call("GetPorts", {"switch": "sw0", "port": "x1"})[0]["verified"]
    assert [one["target"] for one in lab.call("GetDrift")["groups"]["a"]] == ["sw0/x1"]
    if call[0] != "Repair":  # that one may be a member's, who can do nothing about it
        assert job["state"] == "failed" and "x1" in job["error"]["text"]
    lab.wait(lab.call("ResetPorts", "sw0", ["x1"]))
    assert lab.wait(lab.call(*call))["state"] == "done"


@pytest.mark.parametrize("port", ["p0", "p4", "t0a"])
def test_one_port_and_no_other(lab: Rack, port: str) -> None:
    before = lab.ports("sw0")
    with lab.edit("sw0") as table:
        table["ports"].update({name: access(777) for name in ("p0", "p2", "p4", "p6")})
        table["ports"]["t0a"]["tagged"] = [101, 777]
    changed = lab.ports("sw0")
    assert lab.wait(lab.call("RepairPort", "sw0", port))["state"] == "done"
    assert lab.ports("sw0") == {**changed, port: before[port]}
    with pytest.raises(NotFound):
        lab.call("RepairPort", "sw0", "none")


def test_what_a_trunk_carries_for_nobody_is_found_and_taken_off(lab: Rack) -> None:
    before = lab.ports("sw0")
    with lab.edit("sw0") as table:
        table["ports"]["t0a"]["tagged"] = [101, 102, 105, 900]
        table["ports"]["up"] = {"untagged": 101, "tagged": [101, 103], "open": False}
    drift = audit_all(lab)
    found = {one["target"]: (one["wanted"]["tagged"], one["seen"]["tagged"]) for one in drift["pool"]}
    assert found == {"sw0/t0a": ([101, 102], [101, 102, 105, 900]), "sw0/up": ([101], [101, 103])}
    assert lab.wait(lab.call("RepairSwitch", "sw0"))["state"] == "done"
    assert lab.ports("sw0") == before and lab.call("GetDrift")["pool"] == []


def test_a_trunk_of_nobody_that_stands_open_is_closed(lab: Rack) -> None:
    for group in ("a", "b"):
        lab.wait(lab.call("DestroyGroup", group))
    wipe(lab, "sw0")
    assert lab.wait(lab.call("RepairSwitch", "sw0"))["state"] == "done"
    assert set(map(str, lab.ports("sw0").values())) == {str(ISOLATED)}
    lab.call("CreateGroup", "a", {})


def test_drift_is_told_when_it_comes_and_when_it_is_gone(lab: Rack) -> None:
    def told() -> list[tuple[str, str]]:
        events = lab.call("GetEvents", 0, 1000)
        return [(one["subject"], one["what"]) for one in events if one["what"].startswith("drift")]

    move_port(lab)
    with lab.edit("sw0") as table:
        table["ports"]["p4"] = access(900)
    for _ in range(3):
        audit_all(lab)
    came = {("group a", "drift"), ("group b", "drift"), ("switch sw0", "drift")}  # p0 is on b's VLAN
    lab.until(lambda: set(told()) == came and len(told()) == 3)
    lab.wait(lab.call("RepairAll"))
    audit_all(lab)
    audit_all(lab)
    gone = {(subject, "drift gone") for subject, _ in came}
    lab.until(lambda: set(told()) == came | gone and len(told()) == 6)


def test_nothing_is_written_of_groups_without_drift(lab: Rack) -> None:
    assert lab.service is not None
    audit_all(lab)
    before = lab.service.database.get("group_a")
    at = lab.call("GetDrift")["at"]
    lab.until(lambda: bool(audit_all(lab)["at"] > at))
    assert lab.service.database.get("group_a") is before
    assert lab.call("GetAudit", "a")["at"] == lab.call("GetDrift")["at"]


def test_a_restart_in_the_middle_of_a_repair(lab: Rack) -> None:
    before = lab.states()
    wipe(lab, "sw0")
    with lab.edit("sw1") as table:
        table["ports"]["p1"] = access(777)
    lab.set_faults("sw0", delay=0.5)
    job = lab.call("RepairAll")
    lab.until(lambda: bool(lab.call("GetJob", job)["done"] > 0))
    lab.stop()
    lab.set_faults("sw0")
    lab.start()
    assert lab.wait(job)["state"] == "done"
    assert lab.states() == before
    assert audit_all(lab)["groups"] == {}


def test_a_restart_while_the_groups_are_mended(lab: Rack) -> None:
    before = lab.states()
    move_port(lab)
    lab.set_faults("sw0", delay=0.3)
    job = lab.call("RepairSwitch", "sw0")
    lab.until(lambda: bool(lab.call("GetGroups", {"name": "a"})[0]["state"] == "deploying"))
    lab.stop()
    lab.set_faults("sw0")
    lab.start()
    assert lab.wait(job)["state"] == "done"
    assert lab.states() == before


def test_a_dead_switch_is_released_by_force_and_pays_when_it_is_back(lab: Rack) -> None:
    lab.set_faults("sw0", down=True)
    audit_all(lab)
    assert "cannot be reached" in lab.call("GetSwitches", {"name": "sw0"})[0]["error"]
    debt = lab.call("ReleaseNode", "n0", True)
    lab.until(lambda: "tried again" in lab.call("GetJob", debt)["step"])
    assert not lab.call("GetNodes", {"name": "n0"})[0]["free"]
    lab.set_faults("sw0")
    assert lab.wait(debt)["state"] == "done"
    assert lab.ports("sw0")["p0"] == ISOLATED and lab.call("GetNodes", {"name": "n0"})[0]["free"]
    audit_all(lab)
    assert lab.call("GetSwitches", {"name": "sw0"})[0]["error"] is None


def test_a_deploy_that_takes_over_is_waited_for_by_a_repair_of_everything(lab: Rack) -> None:
    assert lab.service is not None
    store = lab.service.database
    lab.set_faults("sw1", down=True)
    repairing = lab.call("RepairAll")
    lab.until(lambda: lab.call("GetGroups", {"name": "a"})[0]["state"] == "deploying")
    newer = lab.call("Deploy", "a")
    lab.until(lambda: repairing in (store.get(f"job_{newer}") or {}).get("followers", ()))
    lab.set_faults("sw1")
    lab.wait(repairing)
    assert lab.call("GetJob", newer)["state"] == "done"
