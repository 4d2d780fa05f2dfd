"""The network that leads to nm: head nodes of different groups do not reach each other there.

The guests say hello by IPv6's multicast as soon as their NICs are up. Who hears it is read from the taps.
"""

import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import machine_xml
from nm.machine_xml import HALF, Machine, Mark, Nic
from tests.hosts.rack.conftest import sh
from tests.waiting import until

LAN, OVS = "lan0", "lanovs"
LIMITS = Path(__file__).parents[3] / "docs/limits.md"
EVERYBODY = b"\xff" * 6
NETWORK = f"<network><name>lan</name><forward mode='bridge'/><bridge name='{LAN}'/></network>"
BOOT = 60.0


class Ear:
    """Hears the frames that go out through an interface, or come in by it."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind((interface, 0))
        self._socket.setblocking(False)
        self._heard: set[str] = set()

    def heard(self) -> set[str]:
        """The MACs that sent something that was seen here so far."""
        try:
            while frame := self._socket.recv(2000):
                self._heard.add(frame[6:12].hex(":"))
        except BlockingIOError:
            pass
        return self._heard

    def say(self, mac: str) -> None:
        """Send a frame to everybody."""
        self._socket.send(EVERYBODY + bytes.fromhex(mac.replace(":", "")) + struct.pack("!H", 0x88B5))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def lan() -> Iterator[None]:
    """A bridge whose uplink ends in `outside`."""
    sh("ip", "link", "add", LAN, "type", "bridge")
    sh("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "outside")
    sh("ip", "link", "set", "uplink", "master", LAN)
    for name in (LAN, "uplink", "outside"):
        sh("ip", "link", "set", name, "up")
    yield
    sh("ip", "link", "del", "uplink")
    sh("ip", "link", "del", LAN)


def start(name: str, image: dict[str, Any], place: dict[str, str], folder: Path) -> tuple[str, str]:
    """A head node's domain, running: its MAC on the management network, and its tap there."""
    mac = machine_xml.management_mac_of("vmhost", name)
    record = {"format": "qcow2", "cpus": 1, **image}
    mark = Mark(name, "tiny", "1", HALF)
    nics = (Nic(machine_xml.mac_of("vmhost", name)), Nic(mac, place, alone=True))
    machine = Machine(name, mark, "1", "qemu", record, nics)
    file = folder / f"{name}.xml"
    file.write_text(machine_xml.description(machine))
    sh("virsh", "define", file)
    sh("virsh", "start", name)
    found = re.search(rf"^ *(\S+) .* {mac}", sh("virsh", "domiflist", name), re.MULTILINE)
    assert found
    return mac, found[1]


def test_head_nodes_do_not_hear_each_other_on_a_linux_bridge(
    lan: None, image: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "lan.xml").write_text(NETWORK)
    sh("virsh", "net-create", tmp_path / "lan.xml")
    ears: list[Ear] = []
    try:
        (one, tap1), (other, tap2) = (
            start("nm-one", image, {"bridge": LAN}, tmp_path),
            start("nm-other", image, {"network": "lan"}, tmp_path),
        )
        ears += [Ear("outside"), Ear(tap1), Ear(tap2)]
        outside, ear1, ear2 = ears
        until(lambda: {one, other} <= outside.heard(), BOOT)
        outside.say("52:54:00:00:00:77")  # what comes from outside reaches both, after all that they said
        until(lambda: all("52:54:00:00:00:77" in ear.heard() for ear in (ear1, ear2)))
        assert one in ear1.heard() and other in ear2.heard()
        assert other not in ear1.heard() and one not in ear2.heard()
    finally:
        for ear in ears:
            ear.close()
        for name in ("nm-one", "nm-other"):
            console = machine_xml.console(name)
            sh("sh", "-c", f"virsh destroy {name}; virsh undefine {name}; rm -f {console}; true")
        sh("virsh", "net-destroy", "lan")


def test_what_the_limits_advise_for_open_vswitch(tmp_path: Path) -> None:
    """The flows that docs/limits.md has, in the switch itself."""
    flows = re.findall(r"^ +(ovs-ofctl .*)$", LIMITS.read_text(), re.MULTILINE)
    ends = ("up", "one", "other")
    sh("ovs-vsctl", "add-br", OVS, "--", "set", "bridge", OVS, "datapath_type=netdev")
    try:
        for end in ends:
            sh("ip", "link", "add", f"p-{end}", "type", "veth", "peer", "name", f"e-{end}")
            sh("ip", "link", "set", f"p-{end}", "up")
            sh("ip", "link", "set", f"e-{end}", "up")
            sh("ovs-vsctl", "add-port", OVS, f"p-{end}")
        for line in flows:
            sh("sh", "-ec", line.replace("BRIDGE", OVS).replace("UPLINK", "p-up"))
        ears = [Ear(f"e-{end}") for end in ends]
        up, one, other = ears
        macs = [f"52:54:00:00:01:0{number}" for number in range(3)]
        one.say(macs[1])
        other.say(macs[2])
        until(lambda: {*macs[1:]} <= up.heard())
        up.say(macs[0])
        until(lambda: macs[0] in one.heard() and macs[0] in other.heard())
        assert macs[2] not in one.heard() and macs[1] not in other.heard()
        for ear in ears:
            ear.close()
    finally:
        sh("ovs-vsctl", "del-br", OVS)
        for end in ends:
            sh("ip", "link", "del", f"p-{end}")
