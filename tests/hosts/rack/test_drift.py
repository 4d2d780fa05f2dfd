"""A head node that somebody moved, or stopped, on a real libvirt and Open vSwitch, with a whole nm around."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.hypervisor import Nic
from nm.libvirt_host import LibvirtHost
from tests.hosts.rack.conftest import BRIDGE, HOST, Domains, interface, tags
from tests.rack import Rack, rack

OURS = "52:54:00:0a:00:07"


@pytest.fixture
def lab(tmp_path: Path, domains: Domains) -> Iterator[Rack]:
    with rack(tmp_path, nodes=2) as made:
        made.call("UpdateHost", "vm", {"uri": HOST["uri"], "network": HOST["network"]})
        made.call("RegisterHeadNode", "real", {"host": "vm", "domain": domains.define(interface(OURS))})
        made.call("CreateGroup", "a", {"nodes": ["n0"], "vlan": 101, "headnode": "real"})
        made.deploy("a")
        yield made


def test_a_nic_that_was_moved_is_found_and_brought_back(lab: Rack, domains: Domains) -> None:
    domain = domains.names[-1]
    assert tags() == {OURS: "101"}
    by_hand = LibvirtHost(HOST["uri"])
    by_hand.set_nic(domain, Nic(OURS, BRIDGE, 102))
    by_hand.close()
    assert tags() == {OURS: "102"}
    lab.wait(lab.call("AuditAll"))
    [found] = lab.call("GetDrift")["groups"]["a"]
    assert (found["hand"], found["wanted"]["vlan"], found["seen"]["vlan"]) == ("head", 101, None)
    assert lab.wait(lab.call("RepairAll"))["state"] == "done"
    assert tags() == {OURS: "101"}
    domains.find(domain).destroy()
    lab.wait(lab.call("AuditAll"))
    assert [one["target"] for one in lab.call("GetDrift")["groups"]["a"]] == ["real"]
    assert lab.wait(lab.call("RepairAll"))["state"] == "done"
    assert tags() == {OURS: "101"} and domains.find(domain).isActive()
    assert lab.call("GetDrift")["groups"] == {}
