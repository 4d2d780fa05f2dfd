"""Domains on a host whose network is of kind linux: a bridge a VLAN, made by hand here, without 802.1q."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from nm.errors import DeviceFailed
from nm.hostnet import LinuxNetwork
from nm.libvirt_host import LibvirtHost
from nm.machine_xml import mark_of
from nm.pool_xml import PoolMark
from nm.poolhand import PoolHand
from nm.pools.briefs import Brief, order_of
from nm.poolwires import check_off
from tests.hosts.rack.conftest import HOST, sh

VLANS = (105, 106)
GROUP = Brief("web", 1.0, ("grp",), "Group", 1)
ATTRIBUTES = {"hostname": "vm", "memory": 32, "maxMemory": 32, "shutdownTimeout": 0}
VM = Brief("web", 1.0, ("vm",), "Domain", 1, ATTRIBUTES, group=GROUP, network="main")


class Host:
    """The hand of a host, and the VLAN of the one group there."""

    def __init__(self) -> None:
        self.vlan: int | None = None
        record = {**HOST, "network": {"kind": "linux", "device": "trunk0"}, "pool": "plain", "emulate": True}
        self.hand = PoolHand("h0", record, lambda name: None, (), vlan=self._now, gate=Lock())
        self.hypervisor = LibvirtHost(HOST["uri"])

    def _now(self, brief: Brief) -> int:
        if self.vlan is None:
            raise DeviceFailed("no network")
        return self.vlan

    def order(self, what: str, brief: Brief = VM) -> Any:
        [outcome] = self.hand.run([order_of(what, brief)], 1)
        return outcome

    def check_off(self, vlan: int) -> None:
        check_off(self.hypervisor, LinuxNetwork("trunk0"), vlan)


def ports(vlan: int) -> list[str]:
    """What hangs on the VLAN's bridge."""
    lines = sh("ip", "-o", "link", "show", "master", f"nmbr{vlan}").splitlines()
    return [line.split(":")[1].strip() for line in lines]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    folder = Path("/run/plain")
    folder.mkdir(mode=0o711)
    sh("virsh", "pool-define-as", "plain", "dir", "--target", folder)
    for vlan in VLANS:
        sh("ip", "link", "add", f"nmbr{vlan}", "type", "bridge")
        sh("ip", "link", "set", f"nmbr{vlan}", "up")
    made = Host()
    yield made
    made.hand.close()
    made.hypervisor.close()
    sh(
        "sh",
        "-c",
        "virsh destroy vm; virsh undefine vm; virsh pool-destroy plain; virsh pool-undefine plain; true",
    )
    sh("rm", "-rf", folder)
    for vlan in VLANS:
        sh("ip", "link", "del", f"nmbr{vlan}")


def test_a_domain_is_on_the_bridge_of_its_groups_vlan(host: Host) -> None:
    assert host.order("deploy").error is None
    host.check_off(105)  # made, and on nothing yet
    refused = host.order("start").error
    assert refused is not None and refused.passing and ports(105) == []
    host.vlan = 105
    assert host.order("start").seen["place"] == ["nmbr105", None]
    assert len(ports(105)) == 1
    with pytest.raises(DeviceFailed, match="domain vm of a description is on it"):
        host.check_off(105)
    host.check_off(106)
    host.vlan = 106
    assert host.order("wire").seen["place"] == ["nmbr106", None]
    assert (ports(105), len(ports(106))) == ([], 1)
    host.check_off(105)
    changed = replace(VM, attributes={**ATTRIBUTES, "memory": 24})
    assert host.order("change", changed).seen["place"] == ["nmbr106", None]
    host.order("stop")
    host.check_off(106)  # its next start finds it on nothing, until it is described anew
    assert "nmbr106" not in sh("virsh", "dumpxml", "vm")
    assert host.order("start").error is None and len(ports(106)) == 1
    assert host.order("terminate").error is None
    host.check_off(106)


def test_a_domain_that_is_let_go_is_on_no_groups_vlan(host: Host) -> None:
    """It has no mark from then on, so nothing of nm's would ever look for it there."""
    host.vlan = 105
    assert (host.order("deploy").error, host.order("start").error) == (None, None)
    assert len(ports(105)) == 1
    stays = replace(VM, attributes={**ATTRIBUTES, "keepOnTerminate": True})
    assert host.order("terminate", stays).error is None
    assert ports(105) == []
    assert "nmbr105" not in sh("virsh", "dumpxml", "vm") + sh("virsh", "dumpxml", "--inactive", "vm")
    assert mark_of(sh("virsh", "dumpxml", "--inactive", "vm"), PoolMark) is None
