"""A switch of Open vSwitch, nodes in namespaces, a host with libvirt behind a trunk; inside rackns.sh."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from nm import config
from nm.lab import archive
from tests.hosts.rack.conftest import BRIDGE, HOST, sh
from tests.pools.rack.test_daemon import CMDLINE, INIT, MODULES
from tests.rack import Rack

if "RACK" not in os.environ:
    collect_ignore_glob = ["test_*.py"]

SWITCH, UP = "sw0", "up"


class House(Rack):
    """Nodes n0, n1 and n2, each a namespace behind its port, and the host h0 behind the trunk `up`."""

    def __init__(self, folder: Path) -> None:
        for bridge in (SWITCH, BRIDGE):
            sh("ovs-vsctl", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev")
        for number in range(3):
            self._plug(f"n{number}", f"p{number}", f"10.9.0.{number + 1}/24")
        self._patch(SWITCH, UP, "down")
        self._patch(BRIDGE, "down", UP)
        super().__init__(folder, switches=1, nodes=3)

    def _plug(self, node: str, port: str, address: str) -> None:
        sh("ip", "netns", "add", node)
        sh("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", node)
        sh("ip", "link", "set", port, "up")
        sh("ip", "-n", node, "address", "add", address, "dev", "eth0")
        sh("ip", "-n", node, "link", "set", "eth0", "up")
        sh("ovs-vsctl", "add-port", SWITCH, port)

    def _patch(self, bridge: str, port: str, peer: str) -> None:
        sh("ovs-vsctl", "add-port", bridge, port, "--", "set", "interface", port,
           "type=patch", f"options:peer={peer}")  # fmt: skip

    def unplug(self) -> None:
        for bridge in (SWITCH, BRIDGE):
            sh("ovs-vsctl", "--if-exists", "del-br", bridge)
        for number in range(3):
            sh("sh", "-c", f"ip link del p{number}; ip netns del n{number}; true")

    def switch_settings(self, switch: str, ports: list[str]) -> dict[str, Any]:
        return {"driver": "ovs", "address": "unix:/run/openvswitch/db.sock", "bridge": switch}

    def _register_host(self) -> None:
        self.call("RegisterHost", "h0", {**HOST, "pool": "described", "emulate": True})
        ends = [{"switch": SWITCH, "port": UP}, {"host": "h0", "device": "down"}]
        self.call("RegisterTrunk", "up", {"ends": ends})

    # ---- what is there

    def trunks(self) -> set[int]:
        """The VLANs that the way to the host carries."""
        said = sh("ovs-vsctl", "get", "port", UP, "trunks").strip("[]")
        return {int(vlan) for vlan in said.split(",") if vlan.strip()} - {4095}

    def pings(self, node: str, address: str, count: int = 1) -> bool:
        command = ["ip", "netns", "exec", node, "ping", "-c", str(count), "-W", "1", address]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def apply(self, text: str, state: str = "done", seconds: float = 90.0) -> str:
        job = self.wait(self.call("ApplyDescription", "web", text, {}), seconds)
        assert job["state"] == state, job
        return str(job["error"])

    def terminate(self) -> None:
        job = self.wait(self.call("TerminateDescription", "web"), 90)
        assert job["state"] == "done", job


@pytest.fixture(scope="session")
def images() -> Path:
    """An image of nothing, and one that boots and takes its address from its seed."""
    made = Path(os.environ["RACK"]) / "images"
    made.mkdir(mode=0o755)
    sh("qemu-img", "create", "-q", "-f", "qcow2", made / "empty.qcow2", "8M")
    kernel, modules = archive.kernel()
    (made / "vmlinux").write_bytes(archive.unpacked(kernel.read_bytes()))
    (made / "initrd").write_bytes(archive.archive(archive.base(INIT, modules, MODULES)))
    for file in made.iterdir():
        file.chmod(0o644)
    return made


@pytest.fixture
def house(tmp_path: Path, images: Path) -> Iterator[House]:
    yield from housed(House, tmp_path, images)


H = TypeVar("H", bound=House)


def housed(kind: type[H], folder: Path, images: Path) -> Iterator[H]:
    """A house of that kind, registered; nothing of it is left behind."""
    disks = Path(os.environ["RACK"]) / "disks"
    disks.mkdir(mode=0o711)
    sh("virsh", "pool-define-as", "described", "dir", "--target", disks)
    made = kind(folder)
    try:
        made.stop()
        made.config = replace(made.config, images=config.Images((str(images),)))
        made.start()
        made.register()
        boot = {"kernel": f"{images}/vmlinux", "initrd": f"{images}/initrd", "cmdline": CMDLINE}
        disk = {"kind": "disk", "disk": f"{images}/empty.qcow2"}
        made.call("RegisterImage", "empty", disk)
        made.call("RegisterImage", "guests", {**disk, **boot})
        yield made
        assert list(disks.iterdir()) == []
    finally:
        made.stop()
        for name in sh("virsh", "-q", "list", "--all", "--name").split():
            sh("sh", "-c", f"virsh destroy {name}; virsh undefine {name}; true")
        sh("sh", "-c", f"virsh pool-destroy described; virsh pool-undefine described; rm -rf {disks}; true")
        made.unplug()
