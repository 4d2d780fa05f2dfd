"""Domains on their group's VLAN: put there, moved, cut off before it goes, and who reaches whom."""

import time
from functools import partial

from tests.described.rack.conftest import House
from tests.hosts.rack.conftest import sh, tags, until

INCLUDES = '#include "nm/components.sf"\n#include "ch/cern/openlab/smartdomains/components.sf"\n'
DISK = 'disk extends LoopbackStorageBackend { baseImage "empty"; }'


def text(group: str, domain: str = "network LAZY ATTRIB grp;", more: str = "") -> str:
    vm = f'vm extends Domain {{ hostname "vm"; memory 32; maxMemory 32; shutdownTimeout 0; {domain} }}'
    body = f"grp extends Group {{ {group} }} {DISK} {vm if domain else ''} {more}"
    body = body.replace("shutdownTimeout 0;", "shutdownTimeout 0; storageBackend LAZY ATTRIB disk;")
    return f"{INCLUDES}sfConfig extends Compound {{ sfSyncTerminate true; {body} }}"


NODE = 'n0 extends Node { node "n0"; }'


def vlan(house: House) -> int:
    [group] = house.call("GetGroups", {})
    return int(group["vlan"])


def on(number: int) -> bool:
    """Whether the one domain is on that VLAN, and nothing else on any."""
    return [tag for tag in tags().values() if tag != "[]"] == [str(number)]


def test_a_domain_is_on_its_groups_vlan_and_follows_it(house: House) -> None:
    house.apply(text(f"vlan 105; {NODE}"))
    assert tag_of_vm() == "105" and house.trunks() == {105}
    house.apply(text(f"vlan 106; {NODE}"))
    assert tag_of_vm() == "106" and house.trunks() == {106}
    house.call("SetVlan", "grp", 107)
    house.deploy("grp")
    until(lambda: tag_of_vm() == "107")
    assert house.trunks() == {107}
    house.apply(text(f"vlan 106; {NODE}", domain=""))
    assert house.trunks() == set()
    house.terminate()


def tag_of_vm() -> str:
    ports = [port for port in sh("ovs-vsctl", "list-ports", "rack0").split() if port.startswith("vnet")]
    return sh("ovs-vsctl", "get", "port", ports[0], "tag") if ports else ""
