"""Domains on their group's VLAN: put there, moved, taken down before it goes, and who reaches whom."""

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import current_thread

import pytest

from nm import poolgroups
from nm.pools.briefs import Brief
from nm.store import Reader
from tests.described.rack.conftest import House
from tests.hosts.rack.conftest import sh
from tests.waiting import until

INCLUDES = '#include "nm/components.sf"\n#include "ch/cern/openlab/smartdomains/components.sf"\n'
NODE = 'n0 extends Node { node "n0"; }'
DISK = 'disk extends LoopbackStorageBackend { baseImage "empty"; }'
PLACE = "network LAZY ATTRIB grp;"


OFF_AT_ONCE = "storageBackend LAZY ATTRIB disk; shutdownTimeout 0;"


def vm(place: str, name: str = "vm", more: str = OFF_AT_ONCE) -> str:
    return f'{name} extends Domain {{ hostname "{name}"; memory 96; maxMemory 96; {place} {more} }} '


def text(group: str, place: str = PLACE, more: str = "") -> str:
    inside = f"grp extends Group {{ {group} }} {DISK} {vm(place) if place else ''} {more}"
    return f"{INCLUDES}sfConfig extends Compound {{ sfSyncTerminate true; {inside} }}"


def tag() -> str:
    """The tag of the one domain's port; "" when it has none."""
    ports = [port for port in sh("ovs-vsctl", "list-ports", "rack0").split() if port.startswith("vnet")]
    return sh("ovs-vsctl", "get", "port", ports[0], "tag") if ports else ""


def test_a_domain_is_on_its_groups_vlan_and_follows_it(house: House) -> None:
    house.apply(text(f"vlan 105; {NODE}"))
    assert tag() == "105" and house.trunks() == {105}
    process = sh("cat", "/run/libvirt/qemu/vm.pid")
    house.apply(text(f"vlan 106; {NODE}"))
    assert tag() == "106" and house.trunks() == {106}
    house.call("SetVlan", "grp", 107)
    house.deploy("grp")
    assert tag() == "107" and house.trunks() == {107}
    assert sh("cat", "/run/libvirt/qemu/vm.pid") == process  # it never stopped
    house.apply(text(f"vlan 106; {NODE}", place=""))
    assert tag() == "" and house.trunks() == set()
    house.terminate()


def test_a_domain_that_is_taken_off_its_vlan_by_hand_is_put_back(house: House) -> None:
    def drift() -> dict[str, str]:
        parts = house.call("GetComponents", "web")
        return {part["path"]: part["notes"]["drift"] for part in parts if "drift" in part["notes"]}

    described = text(f"vlan 105; {NODE}", more="sfLivenessDelay 1;")
    house.apply(described)
    process, mac = sh("cat", "/run/libvirt/qemu/vm.pid"), sh("virsh", "-q", "domiflist", "vm").split()[-1]
    sh("virsh", "domif-setlink", "vm", mac, "down")
    until(lambda: drift() == {"vm": "its interface is on nothing"})
    plan = house.call("PlanDescription", "web", described, {})
    assert [(one["path"], one["action"]) for one in plan["changes"]] == [("vm", "change")]
    house.apply(described)
    assert drift() == {} and house.call("PlanDescription", "web", described, {})["changes"] == []
    assert "up" in sh("virsh", "domif-getlink", "vm", mac) and tag() == "105"
    house.call("SetVlan", "grp", 107)
    house.deploy("grp")
    until(lambda: tag() == "107")
    assert set(drift()) == {"grp"}  # the domain has followed, and is where it should be
    assert sh("cat", "/run/libvirt/qemu/vm.pid") == process
    house.terminate()


def test_from_one_group_to_another_and_to_one_that_is_made_anew(house: House) -> None:
    other = 'more extends Group { groupName "other"; vlan 110; }'
    house.apply(text(f"vlan 105; {NODE}", more=other))
    assert tag() == "105"
    house.apply(text(f"vlan 105; {NODE}", place="network LAZY ATTRIB more;", more=other))
    assert tag() == "110" and house.trunks() == set()  # nothing but the domain is on that VLAN
    anew = 'more extends Group { groupName "another"; vlan 111; }'
    house.apply(text(f"vlan 105; {NODE}", place="network LAZY ATTRIB more;", more=anew))
    assert tag() == "111"
    assert {group["name"] for group in house.call("GetGroups", {})} == {"grp", "another"}
    house.apply(text(f"vlan 105; {NODE}", place="", more=anew))
    house.terminate()


def test_a_network_of_its_own_and_the_hosts_that_a_group_names(house: House) -> None:
    own = f'{NODE} lab extends Vlan {{ network "storage"; vlan 112; nics ["boot"]; tagged true; }}'
    house.apply(text(f'vlan 105; hosts ["h0"]; {own}', place="network LAZY ATTRIB grp:lab;"))
    assert tag() == "112" and house.trunks() == {105, 112}
    house.apply(text(f"vlan 105; {own}", place="network LAZY ATTRIB grp:lab;"))
    assert tag() == "112" and house.trunks() == {112}
    house.terminate()


def test_a_vlan_is_not_given_back_before_its_domains_are_off_it(house: House) -> None:
    """Whoever destroys the group: its description goes down with it, the domain first."""
    house.apply(text(f"vlan 105; {NODE}"))
    gone = house.wait(house.call("DestroyGroup", "grp", True))
    assert gone["state"] == "done" and tag() == "" and house.trunks() == set()
    house.until(lambda: house.call("GetDescriptions", {})[0]["state"] == "failed")
    assert "group grp was destroyed" in house.call("GetDescriptions", {})[0]["error"]
    assert house.call("GetVlans", {"id": 105})[0]["free"]
    house.apply(text(f"vlan 105; {NODE}"))
    house.call("RenewGroup", "grp", time.time() + 1)
    house.until(lambda: house.call("GetDescriptions", {})[0]["state"] == "ended")
    assert house.call("GetGroups", {}) == [] and tag() == ""
    house.terminate()


def test_a_domain_that_does_not_go_keeps_the_vlan_its_groups(house: House) -> None:
    slow = vm(PLACE, more=OFF_AT_ONCE.replace("0", "600"))  # and nothing in it shuts down
    house.apply(text(f"vlan 105; {NODE}", place="", more=slow))
    house.call("DestroyGroup", "grp", True)
    house.until(lambda: "domain vm" in str(house.call("GetGroups", {})[0]["error"]))
    assert house.call("GetNodes", {"name": "n0"})[0]["state"] == "free"
    assert tag() == "105" and not house.call("GetVlans", {"id": 105})[0]["free"]
    sh("virsh", "destroy", "vm")
    house.until(lambda: house.call("GetGroups", {}) == [])
    assert house.trunks() == set()
    house.terminate()


def test_no_vlan_is_given_back_while_a_domain_is_put_on_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is destroyed between the question on which VLAN the domain is to be and its start."""
    ask = poolgroups.vlan_at
    free: list[bool] = []

    def asked(store: Reader, brief: Brief, host: str) -> int:
        vlan = ask(store, brief, host)
        if current_thread().name == "domains:h0" and not free:
            house.call("DestroyGroup", "grp", True)
            with suppress(AssertionError):
                house.until(lambda: house.call("GetGroups", {}) == [], 3)
            free.append(house.call("GetVlans", {"id": vlan})[0]["free"])
        return vlan

    monkeypatch.setattr(poolgroups, "vlan_at", asked)
    house.wait(house.call("ApplyDescription", "web", text("vlan 105;"), {}), 90)
    house.until(lambda: house.call("GetDescriptions", {})[0]["state"] == "failed")
    house.until(lambda: house.call("GetGroups", {}) == [])
    assert free == [False] and tag() == ""
    house.terminate()


def test_a_group_that_ends_alone_takes_the_domains_on_it_down_first(house: House) -> None:
    house.apply(text(f"vlan 105; {NODE}"))
    job = house.wait(house.call("TerminateComponent", "web", "grp", {"detach": True}), 60)
    assert job["state"] == "done" and tag() == ""
    assert house.call("GetGroups", {}) == [] and house.call("GetVlans", {"id": 105})[0]["free"]
    house.terminate()


def test_a_domain_that_libvirt_does_not_keep_any_more_holds_the_vlan_as_well(house: House) -> None:
    slow = vm(PLACE, more=OFF_AT_ONCE.replace("0", "600"))
    house.apply(text(f"vlan 105; {NODE}", place="", more=slow))
    sh("virsh", "undefine", "vm")
    house.call("DestroyGroup", "grp", True)
    house.until(lambda: "domain vm" in str(house.call("GetGroups", {})[0]["error"]))
    assert tag() == "105" and not house.call("GetVlans", {"id": 105})[0]["free"]
    sh("virsh", "destroy", "vm")
    house.until(lambda: house.call("GetGroups", {}) == [])
    house.terminate()
    empty()  # its seed is nobody's without the domain


def empty() -> None:
    """Take away what nm is to leave."""
    for line in sh("virsh", "-q", "vol-list", "described").splitlines():
        sh("virsh", "vol-delete", "--pool", "described", line.split()[0])


def test_a_domain_that_stays_is_let_go_off_the_vlan(house: House) -> None:
    """Nobody knows of it afterwards, and the VLAN may be another group's by then."""
    kept = vm(PLACE, more=f"{OFF_AT_ONCE} keepOnTerminate true;")
    house.apply(text(f"vlan 105; {NODE}", place="", more=kept))
    assert tag() == "105"
    try:
        house.terminate()
        assert house.call("GetVlans", {"id": 105})[0]["free"] and house.trunks() == set()
        assert sh("virsh", "-q", "list", "--name").split() == ["vm"] and tag() != "105"
        assert "105" not in sh("virsh", "dumpxml", "--inactive", "vm")
    finally:
        sh("sh", "-c", "virsh destroy vm; virsh undefine vm; true")
        empty()


def node(name: str) -> str:
    return f'{name} extends Node {{ node "{name}"; }} '


def guest(name: str, group: str, address: str) -> str:
    """A machine that answers."""
    more = f'storageBackend LAZY ATTRIB {name}-disk; ip "{address}"; netmask "255.255.255.0";'
    disk = f'{name}-disk extends LoopbackStorageBackend {{ baseImage "guests"; }} '
    return disk + vm(f"network LAZY ATTRIB {group};", name, more)


def test_machines_and_nodes_of_a_group_reach_each_other_and_nobody_else(house: House) -> None:
    inside = f"a extends Group {{ {node('n0')} {node('n1')} }} b extends Group {{ {node('n2')} }}"
    inside += guest("one", "a", "10.9.0.11") + guest("two", "b", "10.9.0.12")
    house.apply(f"{INCLUDES}sfConfig extends Compound {{ sfSyncTerminate true; {inside} }}")
    for place in ("n0", "n1"):
        until(partial(house.pings, place, "10.9.0.11"), 120)
    until(partial(house.pings, "n2", "10.9.0.12"), 120)
    assert house.pings("n0", "10.9.0.2")
    for place, address in (("n0", "10.9.0.12"), ("n2", "10.9.0.11"), ("n0", "10.9.0.3"), ("n2", "10.9.0.1")):
        assert not house.pings(place, address), (place, address)
    house.terminate()
    assert not house.pings("n0", "10.9.0.2")


def test_the_example_of_the_docs_does_what_it_says(house: House) -> None:
    page = (Path(__file__).parents[3] / "docs" / "pools.md").read_text()
    lines = page.partition("## Groups\n")[2].partition("\n## ")[0].splitlines()
    example = [line[4:] for line in lines if line.startswith("    ")]
    house.apply("\n".join(example))
    [group] = house.call("GetGroups", {})
    assert (group["name"], group["nodes"], group["description"]) == ("cluster", ["n0", "n1"], "web")
    assert tag() == str(group["vlan"]) and 29 * 86400 < group["expires"] - time.time() < 31 * 86400
    for place in ("n0", "n1"):
        until(partial(house.pings, place, "10.9.0.11"), 120)
    assert house.pings("n1", "10.9.0.1") and not house.pings("n2", "10.9.0.11")
    house.terminate()
