"""A bridge of Open vSwitch and tiny domains; only inside rackns.sh, which sets RACK."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import libvirt
import pytest

from nm.hypervisor import Nic
from nm.libvirt_host import LibvirtHost
from nm.records import Record
from tests.hosts.rack import guest_image
from tests.waiting import until

if "RACK" not in os.environ:
    collect_ignore_glob = ["test_*.py"]

BRIDGE = "rack0"
HOST: Record = {"uri": "qemu:///system", "network": {"kind": "ovs", "device": BRIDGE}}
MANAGEMENT = "52:54:00:0a:00:01"
_numbers = count(1)


def sh(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def start_libvirtd() -> int:
    """Start it where none runs; return its process id when it answers."""
    sh("libvirtd", "-d")
    until(
        lambda: (
            subprocess.run(
                ["virsh", "-c", HOST["uri"], "version"], capture_output=True, check=False
            ).returncode
            == 0
        )
    )
    return libvirtd()


def libvirtd() -> int:
    return int(Path("/run/libvirtd.pid").read_text())


def qemu(domain: str) -> int:
    return int(Path(f"/run/libvirt/qemu/{domain}.pid").read_text())


def tags() -> dict[str, str]:
    """The tag of each port of a domain, by the domain NIC's MAC; asked at once, for ports come and go."""
    ports = ("--columns=name,tag", "list", "port")
    nics = ("--columns=name,external_ids", "list", "interface")
    told = sh("ovs-vsctl", "-f", "json", *ports, "--", *nics).splitlines()
    tag, ids = (dict(json.loads(line)["data"]) for line in told)
    macs = {name: dict(pairs).get("attached-mac") for name, (_, pairs) in ids.items()}
    return {mac: "[]" if isinstance(tag[name], list) else str(tag[name]) for name, mac in macs.items() if mac}


def interface(
    mac: str, network: str = f"<source bridge='{BRIDGE}'/><virtualport type='openvswitch'/>"
) -> str:
    return f"<interface type='bridge'><mac address='{mac}'/>{network}<model type='virtio'/></interface>"


@pytest.fixture(scope="session", autouse=True)
def bridge() -> None:
    sh("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev")
    sh("ip", "link", "set", BRIDGE, "up")


@pytest.fixture(scope="session")
def rack_folder() -> Path:
    """A folder that QEMU's user may read; it goes with the rack."""
    return Path(os.environ["RACK"])


@pytest.fixture(scope="session")
def image(rack_folder: Path) -> dict[str, Any]:
    """The settings of an image that boots."""
    return guest_image.make(rack_folder / "images")


class Domains:
    """Domains that sit in their firmware, and what libvirt says of them by another connection."""

    def __init__(self) -> None:
        self.connection = libvirt.open(HOST["uri"])
        self.names: list[str] = []

    def define(self, *interfaces: str, machine: str = "pc") -> str:
        name = f"d{next(_numbers)}"
        self.connection.defineXML(
            f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
            f"<os><type arch='x86_64' machine='{machine}'>hvm</type></os><features><acpi/></features>"
            "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>"
            f"{''.join(interfaces)}<memballoon model='none'/></devices></domain>"
        )
        self.names.append(name)
        return name

    def find(self, name: str) -> libvirt.virDomain:
        return self.connection.lookupByName(name)


@pytest.fixture
def domains() -> Iterator[Domains]:
    made = Domains()
    yield made
    for name in made.names:
        sh("sh", "-c", f"virsh destroy {name}; virsh undefine --managed-save {name}; true")
    try:
        made.connection.close()
    except libvirt.libvirtError:
        assert not made.connection.isAlive()  # its libvirtd was killed


class Watched(LibvirtHost):
    """Notes each change of a running domain's NIC."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.changes: list[tuple[int | None, bool]] = []

    def set_nic(self, domain: str, nic: Nic) -> None:
        super().set_nic(domain, nic)
        self.changes.append((nic.vlan, nic.link_up))


def kill_libvirtd() -> None:
    process = libvirtd()
    os.kill(process, signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{process}"))
