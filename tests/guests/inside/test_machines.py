"""Virtual machines as slivers: a grown overlay, a seed, a NIC with a name; stopped, kept, made anew."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import facts, machine_xml
from nm.facts import Order, Value
from nm.guestmaking import HOST, MACHINE
from nm.libvirt_host import LibvirtHost
from tests.guests.house import LONG, QEMU, sh
from tests.guests.inside.conftest import KEY, Site, container, names
from tests.hosts.rack import guest_image
from tests.waiting import until

DOMAIN = "nm-sliver-m"
BRIDGE = "slice0"
CONSOLE = Path(machine_xml.console(DOMAIN))


def machine(**changes: Any) -> Value:
    """The value of a sliver of virtual machines."""
    return {**container("m", 3, disk=64 << 10), "type": MACHINE, **changes}


def said() -> dict[str, str]:
    """What it said when it was ready last, by the first word of each line."""
    until(lambda: CONSOLE.exists() and CONSOLE.read_text().rstrip().endswith("READY"), 120)
    lines = CONSOLE.read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


def size_of(disk: str) -> int:
    """Bytes that a guest finds on the disk."""
    return int(json.loads(sh("qemu-img", "info", "-U", "--output=json", disk))["virtual-size"])


@pytest.fixture
def lan(site: Site) -> Iterator[Site]:
    """The site with a bridge, and an image that boots."""
    settings = guest_image.make(site.folder / "images" / "machine")
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    image = {"format": "qcow2", "cpus": 1, "share": "disk", "root": None, **settings}
    site.told(image=image, place={"bridge": BRIDGE})
    yield site
    for name in names():
        sh("sh", "-c", f"virsh -c {QEMU} destroy {name}; true")
    sh("ip", "link", "del", BRIDGE)
    CONSOLE.unlink(missing_ok=True)


def test_it_boots_is_told_keeps_its_disk_and_loses_it_in_another_life(lan: Site) -> None:
    secret = "-----A PRIVATE KEY-----"
    lan.told(
        hostname="mike", address="10.20.0.13/24", gateway="10.20.0.1", entry="ssh-ed25519 AAAA nm",
        host_key=secret, host_public="ssh-ed25519 BBBB", initscript="#!/bin/sh\ntrue\n",
    )  # fmt: skip
    lan.make("m", machine())
    first = said()
    assert first["BOOT"] == "1"
    meta, user = json.loads(first["META"]), json.loads(first["USER"])
    assert meta["local-hostname"] == user["hostname"] == "mike"
    assert user["users"][1] == {"name": "root", "ssh_authorized_keys": [KEY, "ssh-ed25519 AAAA nm"]}
    assert user["ssh_keys"] == {"ed25519_private": secret, "ed25519_public": "ssh-ed25519 BBBB"}
    assert user["write_files"][0]["content"] == "#!/bin/sh\ntrue\n"
    nic = json.loads(first["NETWORK"])["ethernets"]["sliver"]
    assert nic["addresses"] == ["10.20.0.13/24"] and nic["routes"][0]["via"] == "10.20.0.1"
    assert nic["match"]["macaddress"] == first["MACS"].strip() == machine_xml.mac_of(HOST, DOMAIN)
    assert f"master {BRIDGE}" in sh("ip", "link", "show", "nms3")
    disk = f"{lan.pool}/{DOMAIN}+disk"
    assert size_of(disk) == 64 << 20
    assert secret not in sh("virsh", "-c", QEMU, "dumpxml", "--security-info", DOMAIN)
    lan.make("m", machine(disk=80 << 10))  # grows while it runs
    assert size_of(disk) == 80 << 20
    if not LONG:
        lan.make("m", None)
        assert (names(), lan.volumes(), CONSOLE.exists()) == ([], [], False)
        return
    lan.grace = 30.0
    lan.make("m", machine(disk=80 << 10, running=False))
    lan.told(keys=())
    lan.make("m", machine(disk=96 << 10, told="t2", memory=112))
    assert size_of(disk) == 96 << 20
    until(lambda: "BOOT 2" in CONSOLE.read_text(), 120)
    second = said()
    assert json.loads(second["META"])["instance-id"] != meta["instance-id"]
    assert json.loads(second["USER"])["ssh_authorized_keys"] == ["ssh-ed25519 AAAA nm"]
    lan.make("m", machine(life=2))
    assert said()["BOOT"] == "1"
    lan.make("m", None)
    assert (names(), lan.volumes(), CONSOLE.exists()) == ([], [], False)


def test_it_is_weighed_pinned_and_frozen_as_containers_are(lan: Site) -> None:
    lan.told(image={**lan.brief.image, "kernel": None, "initrd": None, "cmdline": None})  # it need not boot
    lan.make("m", machine(shares=64, disk=1 << 10))
    host = LibvirtHost(QEMU)
    assert host.tuning.weights([DOMAIN]) == {DOMAIN: 2048}
    every = frozenset(range(host.tuning.processors()))
    hand = lan.hand()
    [outcome] = hand.run([Order("sliver/m", machine(shares=64, disk=1 << 10, cores="1"))], 1)
    assert outcome.error is None
    own = frozenset({max(every)}) if len(every) > 1 else every
    assert host.tuning.pinned(DOMAIN) == own
    assert "16384 KiB, not 4096" in hand.notes()["m"]["disk_max"]  # the image's is larger
    hand.close()
    lan.make("m", machine(disk=1 << 10, frozen=True))
    assert host.state(DOMAIN) is not None and host.state(DOMAIN).paused  # type: ignore[union-attr]
    lan.make("m", machine(disk=1 << 10))
    lan.grace = 0.0
    lan.make("m", machine(disk=1 << 10, running=False))
    host.close()


def test_a_sliver_of_another_type_is_made_anew(lan: Site) -> None:
    lan.told(image={**lan.brief.image, "kernel": None, "initrd": None, "cmdline": None}, place=None)
    lan.make("m", machine())
    lan.told(image=lan.image)
    value = container("m", 3)
    lan.make("m", value)
    assert sh("virsh", "-c", QEMU, "list", "--all", "--name") == ""
    lan.make("m", {**value, "domain": facts.sliver_domain("other")})
    assert names() == ["nm-sliver-other"]
