"""Switches with a command line on their way through nm: registered, given out, tampered with, taken back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.switch import PortState
from nm.switches.reach import reaches
from tests.shell.conftest import run
from tests.switches.cli_rack import CliRack, cli_rack
from tests.waiting import until

ISOLATED = PortState()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[CliRack]:
    """Two switches of two makers with a cable between them, of which nm knows nothing yet; nodes n0 to n5."""
    with cli_rack(tmp_path, ["cisco_ios", "arista_eos"], nodes=6) as made:
        yield made


def nmctl(lab: CliRack, *words: str, status: int = 0) -> str:
    ran = run("--address", str(lab.folder / "api.sock"), *words)
    assert ran.status == status, ran
    return ran.out + ran.err


def introduced(lab: CliRack) -> None:
    """Both switches and all that hangs on them are registered, and all ports are reset."""
    for switch in lab.switches:
        lab.call("RegisterSwitch", switch, lab.switch_settings(switch, []))
        nmctl(lab, "port", "register", switch, "--all")
    lab.register()
    for switch in lab.switches:
        assert lab.wait(lab.call("ResetPorts", switch))["state"] == "done"


def switch(lab: CliRack, name: str) -> Any:
    (found,) = lab.call("GetSwitches", {"name": name})
    return found


def neighbours(lab: CliRack, node: str) -> set[str]:
    """The nodes that a frame of the node's comes to, by the tables of the switches and over the trunk."""
    links = [((one, lab.port(one, a)), (other, lab.port(other, b))) for (one, a), (other, b) in lab.links()]
    out = reaches(lab.states(), links, lab.where(node))
    return {other for other in lab.nodes if lab.where(other) in out}


def test_registering_touches_nothing_and_reading_pins_the_host_key(lab: CliRack) -> None:
    factory = lab.states()
    lab.call("RegisterSwitch", "sw0", lab.switch_settings("sw0", []))
    assert lab.fakes["sw0"].counts.connections == 0
    assert (switch(lab, "sw0")["host_key"], switch(lab, "sw0")["read_at"]) == (None, None)
    job = lab.wait(lab.call("InspectSwitch", "sw0"))
    assert job["result"]["model"] == "WS-C3850-48T"
    assert set(job["result"]["ports"]) == set(lab.fakes["sw0"].running.ports)
    assert "registered" in nmctl(lab, "port", "register", "sw0", "--all")
    assert "nothing to register" in nmctl(lab, "port", "register", "sw0", "--all")
    assert lab.states() == factory
    assert switch(lab, "sw0")["host_key"] == lab.fakes["sw0"].host_key
    assert "sessions" in nmctl(lab, "switch", "show", "sw0")


def test_one_device_under_two_names_is_refused_by_its_host_key(lab: CliRack) -> None:
    lab.call("RegisterSwitch", "sw0", lab.switch_settings("sw0", []))
    lab.wait(lab.call("InspectSwitch", "sw0"))
    lab.call("RegisterSwitch", "again", {**lab.switch_settings("sw0", []), "address": "localhost"})
    said = nmctl(lab, "switch", "inspect", "again", "--wait", status=6)
    assert "host key" in said and "belongs to switch sw0" in said
    assert switch(lab, "again")["host_key"] is None
    assert switch(lab, "sw0")["host_key"] == lab.fakes["sw0"].host_key


def test_another_device_in_its_place_is_not_talked_to(lab: CliRack) -> None:
    lab.call("RegisterSwitch", "sw0", lab.switch_settings("sw0", []))
    lab.wait(lab.call("InspectSwitch", "sw0"))
    lab.fakes["sw0"].replace()
    logins = lab.fakes["sw0"].counts.logins
    assert "another host key" in nmctl(lab, "switch", "inspect", "sw0", "--wait", status=7)
    assert lab.fakes["sw0"].counts.logins == logins


def test_groups_over_both_switches_come_and_go(lab: CliRack) -> None:
    introduced(lab)
    assert {carried for state in lab.states().values() for carried in state.ports.values()} == {ISOLATED}
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1", "n2"], "vlan": 101})
    lab.call("CreateGroup", "b", {"nodes": ["n3", "n4"], "vlan": 102})
    for group in ("a", "b"):
        lab.deploy(group)
    assert [lab.carries(node) for node in lab.nodes] == [
        *[PortState(101)] * 3,
        *[PortState(102)] * 2,
        ISOLATED,
    ]
    assert [lab.remembers(node) for node in lab.nodes] == [lab.carries(node) for node in lab.nodes]
    assert (neighbours(lab, "n0"), neighbours(lab, "n3")) == ({"n1", "n2"}, {"n4"})
    lab.call("RemoveNodes", "a", ["n1"])
    lab.deploy("a")
    assert (neighbours(lab, "n0"), lab.remembers("n1")) == ({"n2"}, ISOLATED)
    for group in ("a", "b"):
        assert lab.wait(lab.call("DestroyGroup", group))["state"] == "done"
    for name, fake in lab.fakes.items():
        assert {carried.state for carried in fake.startup_ports().values()} == {ISOLATED}, name
        assert not {101, 102} & {*fake.vlans(), *fake.startup_vlans()}
        assert fake.counts.sessions == fake.counts.logins


def test_what_a_hand_did_at_a_switch_is_found_and_mended(lab: CliRack) -> None:
    introduced(lab)
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101})
    lab.deploy("a")
    (at, port), (free_at, free) = lab.where("n0"), lab.where("n5")
    lab.fakes[at].put(port, PortState(666))
    lab.fakes[free_at].put(free, PortState(101))
    lab.wait(lab.call("AuditAll"))
    drift = lab.call("GetDrift")
    known = {f"{at}/{port}", f"{free_at}/{free}"}  # the group's own, and one that came into its VLAN
    assert {one["target"] for one in drift["groups"]["a"]} == known
    assert [one["target"] for one in drift["pool"]] == [f"{free_at}/{free}"]
    assert lab.wait(lab.call("RepairAll"))["state"] == "done"
    assert (lab.remembers("n0"), lab.remembers("n5")) == (PortState(101), ISOLATED)
    assert neighbours(lab, "n0") == {"n1"}
    lab.wait(lab.call("AuditAll"))
    assert lab.call("GetDrift")["groups"] == {}


def test_a_reboot_forgets_what_by_policy_was_not_saved_and_nm_does_not(lab: CliRack) -> None:
    introduced(lab)
    lab.call("UpdateSwitch", "sw1", {"save": "never"})
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101})
    lab.deploy("a")
    assert (lab.carries("n1"), lab.remembers("n0"), lab.remembers("n1")) == (
        PortState(101),
        PortState(101),
        ISOLATED,
    )
    lab.fakes["sw1"].reboot()
    assert lab.carries("n1") == ISOLATED
    lab.wait(lab.call("AuditAll"))
    assert lab.call("GetDrift")["groups"]["a"]
    assert lab.wait(lab.call("Repair", "a"))["state"] == "done"
    assert (lab.carries("n1"), neighbours(lab, "n0")) == (PortState(101), {"n1"})
    lab.call("UpdateSwitch", "sw1", {"save": "always"})
    lab.call("AddNodes", "a", ["n3"])
    lab.deploy("a")  # the next change saves all
    assert (lab.remembers("n1"), lab.remembers("n3")) == (PortState(101), PortState(101))


def test_what_is_not_saved_is_told_until_it_is(lab: CliRack) -> None:
    def asked(method: str) -> None:
        logins = fake.counts.logins
        assert lab.wait(lab.call(method, "sw0"))["state"] in ("done", "failed")
        until(lambda: not fake.open_sessions())  # so what was seen is written down
        assert fake.counts.logins > logins

    introduced(lab)
    fake = lab.fakes["sw0"]
    fake.fault("save")
    asked("ResetPorts")
    until(lambda: switch(lab, "sw0")["unsaved"] is not None)
    until(lambda: not fake.open_sessions())
    asked("InspectSwitch")  # another session, which changes nothing
    assert "would forget it" in switch(lab, "sw0")["unsaved"]
    fake.mend()
    asked("ResetPorts")
    assert switch(lab, "sw0")["unsaved"] is None


def test_a_rejection_is_the_groups_error_and_its_node_stays_isolated(lab: CliRack) -> None:
    introduced(lab)
    _, port = lab.where("n1")
    lab.fakes["sw1"].fault("reject", like=f"^interface {port}$")
    lab.fakes["sw1"].fault("reject", like="^interface .*[,-]")
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101})
    lab.deploy("a", "failed")
    (group,) = lab.call("GetGroups", {"name": "a"})
    assert "Invalid input" in group["error"]
    assert (lab.carries("n0"), lab.carries("n1")) == (PortState(101), ISOLATED)
    lab.fakes["sw1"].mend()
    assert lab.wait(lab.call("Repair", "a"))["state"] == "done"
    assert neighbours(lab, "n0") == {"n1"}
