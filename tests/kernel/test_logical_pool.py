"""Head nodes made from an image in a logical pool, which needs a kernel that has the device mapper."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import machine_xml, pooldisks
from nm.facts import Order, Value
from nm.libvirt_host import LibvirtHost
from nm.making import Blueprint
from nm.poolhand import PoolHand
from nm.pools.briefs import Brief, order_of
from nm.records import Record
from nm.seed import Seed
from nm.thin import Tools
from nm.vm import HostHand
from tests.kernel.conftest import sh, volume_group

DOMAIN = "nm-h1"
MAC = machine_xml.mac_of("vmhost", DOMAIN)
SIZE = (24 << 20) - (1 << 19)  # less than the volume for it
STALE = b"X" * 512
HOST: Record = {
    "uri": "qemu:///system",
    "network": {"kind": "linux", "device": "trunk0"},
    "pool": "heads",
    "emulate": True,
}
VALUE: Value = {"host": "vmhost", "domain": DOMAIN, "vlan": 101, "image": "tiny"}


@pytest.fixture(scope="module", autouse=True)
def group(tmp_path_factory: pytest.TempPathFactory, libvirtd: None) -> Iterator[None]:
    """A volume group, with what others wrote there before, and a trunk."""
    with volume_group("heads", str(tmp_path_factory.mktemp("lvm") / "disk")):
        sh("ip link show trunk0 >/dev/null 2>&1 || ip link add trunk0 type dummy; ip link set trunk0 up")
        sh("lvcreate -q -Wn -Zn -n former -l 100%FREE heads")  # what another group wrote there
        sh("tr '\\0' X </dev/zero | dd of=/dev/heads/former bs=1M iflag=fullblock 2>/dev/null; true")
        sh("lvremove -qfy heads/former")
        yield


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["qcow2", "raw", "volume"])
def test_a_copy_in_a_logical_pool(tmp_path: Path, kind: str) -> None:
    content = b"the image's first bytes"
    raw = tmp_path / "base.raw"
    raw.write_bytes(content.ljust(SIZE, b"\0"))
    base = {"qcow2": str(tmp_path / "base.qcow2"), "raw": str(raw), "volume": "/dev/heads/base"}[kind]
    if kind == "qcow2":
        sh(f"qemu-img convert -O qcow2 {raw} {base}")
    elif kind == "volume":
        sh(f"lvcreate -q -n base -L {24 << 20}b heads && dd if={raw} of={base} bs=1M conv=fsync status=none")
    image: Record = {"share": "disk", "kernel": None, "initrd": None, "cmdline": None}
    image |= {"disk": base, "format": "qcow2" if kind == "qcow2" else "raw", "memory": 32, "cpus": 1}
    seed = Seed("alpha.1", "h1", "alpha", MAC, "192.168.10.1/24")
    plan = Blueprint("h1", DOMAIN, "tiny", image, seed, None, (str(tmp_path), "/dev/heads"))
    record = {"image": "tiny", "domain": None}
    hand = HostHand("vmhost", HOST, lambda _: record, lambda _: plan, grace=0.2)
    try:
        made = hand.run([Order("bridge/vmhost/101", {}), Order("head/h1", VALUE)], 1)
        assert [one.error for one in made] == [None, None] and made[1].seen == VALUE
        assert hand.read(["head/h1"])[0].seen == VALUE
        assert sorted(sh("ls /dev/heads").split()) == sorted(
            ["nm-h1+disk", "nm-h1+seed", *(["base"] if kind == "volume" else [])]
        )
        with open("/dev/heads/nm-h1+disk", "rb") as copied, open("/dev/heads/nm-h1+seed", "rb") as told:
            assert copied.read(len(content)) == content
            assert told.seek(32769) and told.read(5) == b"CD001"
        LibvirtHost(HOST["uri"]).storage.make_empty("heads", "nm-h1+list", 8 << 20)
        for name in ("disk", "seed", "list"):
            assert STALE not in Path(f"/dev/heads/nm-h1+{name}").read_bytes()
        sh("lvremove -qfy heads/nm-h1+list")
        assert "master nmbr101" in sh("ip -o link show type tun")
        gone = hand.run([Order("head/h1", None, VALUE), Order("bridge/vmhost/101", None)], 1)
        assert [one.error for one in gone] == [None, None]
        assert sh("ls /dev/heads 2>/dev/null || true") == ("base" if kind == "volume" else "")
    finally:
        hand.close()
        sh(f"virsh destroy {DOMAIN}; virsh undefine {DOMAIN}; lvremove -qfy heads; true")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("snapshot", [False, True])
def test_a_described_domain_on_a_logical_volume(tmp_path: Path, snapshot: bool) -> None:
    content = b"the base's first bytes"
    raw = tmp_path / "base.raw"
    raw.write_bytes(content.ljust(SIZE, b"\0"))
    if snapshot:
        sh(f"lvcreate -q -n base -L {24 << 20}b heads")
        sh(f"dd if={raw} of=/dev/heads/base bs=1M conv=fsync status=none")
    settings: dict[str, Any] = {
        "baseImage": "/dev/heads/base" if snapshot else str(raw),
        "volumeGroup": "heads",
    }
    settings |= {"snapshot": True} if snapshot else {"size": 48 << 20}
    disk = Brief("web", 1.0, ("lvm",), "LVMStorageBackend", 1, settings)
    attributes = {"hostname": "guest", "memory": 32, "shutdownTimeout": 0}
    domain = Brief("web", 1.0, ("guest",), "Domain", 1, attributes, disk=disk)
    hand = PoolHand("vmhost", HOST, lambda name: None, (str(tmp_path), "/dev/heads"))

    def do(what: str, *briefs: Brief) -> None:
        done = hand.run([order_of(what, brief) for brief in briefs], 1)
        assert [one.error for one in done] == [None for _ in briefs]

    try:
        for what in ("prepare", "construct", "deploy", "deploy", "start"):
            do(what, disk, domain)
        [seen] = [outcome.seen or {} for outcome in hand.read([f"life/{domain.identity}"])]
        assert (seen["running"], seen["shut_down"]) == (True, False)
        place = f"/dev/heads/{pooldisks.volume(disk)}"
        assert place in sh("virsh -q domblklist guest")
        with open(place, "rb") as copied:
            assert copied.read(len(content)) == content
        told = sh(f"lvs --noheadings --units b -o lv_size,origin {place}").split()
        assert told == ([f"{24 << 20}B", "base"] if snapshot else [f"{48 << 20}B"])
        do("terminate", domain)
        do("terminate", disk)
        assert sh("ls /dev/heads 2>/dev/null || true") == ("base" if snapshot else "")
        assert sh("virsh -q list --all") == ""
    finally:
        hand.close()
        sh("virsh destroy guest; virsh undefine guest; lvremove -qfy heads; true")


@pytest.fixture
def pool() -> Iterator[None]:
    """A thin pool, and a thin volume in it to make snapshots of."""
    sh("lvcreate -q -y -L 96M -T heads/thin")
    sh("lvcreate -q -y -kn -V 24M -n base --thinpool thin heads")
    yield
    sh("virsh destroy guest; virsh undefine guest; lvremove -qfy heads; true")


def lvs(name: str, *fields: str) -> list[str]:
    told = sh(f"lvs --noheadings --units b --nosuffix --separator , -o {','.join(fields)} heads/{name}")
    return [word.strip() for word in told.split(",")]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["qcow2", "raw", "snapshot"])
def test_a_described_domain_on_a_thin_volume(tmp_path: Path, pool: None, kind: str) -> None:
    content = b"the base's first bytes"
    raw = tmp_path / "base.raw"
    raw.write_bytes(content.ljust(SIZE, b"\0"))
    base = {"raw": str(raw), "qcow2": f"{tmp_path}/base.qcow2", "snapshot": "/dev/heads/base"}[kind]
    if kind == "qcow2":
        sh(f"qemu-img convert -O qcow2 {raw} {base}")
    elif kind == "snapshot":
        sh(f"dd if={raw} of={base} bs=1M conv=fsync status=none")
    settings: dict[str, Any] = {"baseImage": base, "volumeGroup": "heads", "thinPool": "thin"}
    settings |= {"size": 48 << 20, "snapshot": kind == "snapshot"}
    disk = Brief("web", 1.0, ("lvm",), "LVMStorageBackend", 1, settings)
    attributes = {"hostname": "guest", "memory": 32, "shutdownTimeout": 0}
    domain = Brief("web", 1.0, ("guest",), "Domain", 1, attributes, disk=disk)
    tools = Tools("vmhost", tmp_path / "locks")
    hand = PoolHand("vmhost", HOST, lambda name: None, (str(tmp_path), "/dev/heads"), tools=tools)

    def do(what: str, *briefs: Brief) -> list[Any]:
        done = hand.run([order_of(what, brief) for brief in briefs], 1)
        return [one.error for one in done]

    try:
        for what in ("prepare", "construct", "deploy", "deploy", "start"):
            assert do(what, disk, domain) == [None, None]
        name = pooldisks.volume(disk)
        assert lvs(name, "pool_lv", "lv_size") == ["thin", str(48 << 20)]
        if kind != "snapshot":  # which has all blocks of its base
            assert float(lvs(name, "data_percent")[0]) < 5  # what is zero takes no room
        with open(f"/dev/heads/{name}", "rb") as copied:
            assert copied.read(len(content)) == content
        assert f"/dev/heads/{name}" in sh("virsh -q domblklist guest")
        larger = replace(disk, attributes={**settings, "size": 64 << 20}, user=domain)
        assert do("prepare", larger) + do("change", larger) == [None, None]
        assert lvs(name, "lv_size") == [str(64 << 20)]
        assert sh("virsh domblkinfo guest vda | head -1").split()[1] == str(64 << 20)
        assert do("terminate", domain) + do("terminate", disk) == [None, None]
        assert sh("ls /dev/heads") == "base"
    finally:
        hand.close()


def test_what_is_no_thin_pool_is_refused(tmp_path: Path, pool: None) -> None:
    (tmp_path / "base.raw").write_bytes(bytes(1 << 20))
    tools = Tools("vmhost", tmp_path / "locks")
    hand = PoolHand("vmhost", HOST, lambda name: None, (str(tmp_path), "/dev/heads"), tools=tools)
    settings: dict[str, Any] = {"baseImage": f"{tmp_path}/base.raw", "volumeGroup": "heads"}
    for more, words in (
        ({"thinPool": "base"}, "no thin pool base"),
        ({"thinPool": "thin", "volumeGroup": "nowhere"}, "nowhere"),
        ({"thinPool": "-x"}, "write volumeGroup and thinPool"),
        ({"thinPool": "thin", "snapshot": True}, "is no volume of group heads"),
    ):
        disk = Brief("web", 1.0, ("lvm",), "LVMStorageBackend", 1, {**settings, **more})
        [one] = hand.run([order_of("construct", disk)], 1)
        assert words in str(one.error), one
    nothing = {**settings, "thinPool": "thin", "snapshot": True, "baseImage": "/dev/heads/none"}
    disk = Brief("web", 1.0, ("lvm",), "LVMStorageBackend", 1, nothing)
    [one] = hand.run([order_of("deploy", disk)], 1)
    assert "none" in str(one.error)
    assert sorted(sh("ls /dev/heads").split()) == ["base"]
    hand.close()
