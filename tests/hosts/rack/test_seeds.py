"""The disk by which an existing domain gets the way to nm's door: brought, written anew, and taken away."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest

from nm import machine_xml, seed, share_xml
from nm.errors import DeviceFailed
from nm.facts import Order, Value
from nm.seed import Door, Seed
from nm.vm import HostHand
from tests.headnode.conftest import unpacked
from tests.hosts.rack.conftest import HOST, qemu, sh

DOOR = Door("10.0.0.1", 22, "head-h1", "A PRIVATE KEY\n", "10.0.0.1 ssh-ed25519 AAAA\n", "mark1")
NAME, SERIAL = "seed-1", "nm-seed"


class Bench:
    """A domain that was there before nm, which sits in its firmware, and the host's hand."""

    def __init__(self, pool: Path, devices: str = "") -> None:
        self.pool = pool
        self.connection = libvirt.open(HOST["uri"])
        self.domain = self.connection.defineXML(
            f"<domain type='qemu'><name>{NAME}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices>"
            f"<emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}</devices></domain>"
        )
        self.told = Seed("alpha.1", "h1", "alpha", "", "", door=DOOR)
        record = {"domain": NAME}
        self.hand = HostHand(
            "vmhost", {**HOST, "pool": "seeds"}, lambda _: record, seed=lambda _: self.told, grace=0.1
        )

    def do(self, value: Value | None) -> Any:
        [outcome] = self.hand.run([Order("head/h1", value, on(101))], 1)
        if outcome.error is None:
            assert outcome.seen == value == self.hand.read(["head/h1"])[0].seen
        return outcome.error

    def disks(self) -> list[str | None]:
        """The seed's disk, now and after the next start."""
        found = [self.domain.XMLDesc(flag) for flag in (0, libvirt.VIR_DOMAIN_XML_INACTIVE)]
        return [share.source if share else None for share in (share_xml.disk(xml, SERIAL) for xml in found)]

    @property
    def volume(self) -> Path:
        return self.pool / machine_xml.volume(NAME, "seed")

    def close(self) -> None:
        self.hand.close()
        sh("sh", "-c", f"virsh destroy {NAME}; virsh undefine {NAME}; true")
        sh("sh", "-c", f"virsh pool-destroy seeds; virsh pool-undefine seeds; rm -rf {self.pool}")
        self.connection.close()


def on(vlan: int) -> Value:
    return {"host": "vmhost", "domain": NAME, "vlan": vlan, "door": DOOR.mark}


@pytest.fixture
def bench(rack_folder: Path) -> Iterator[Bench]:
    pool = rack_folder / "seeds"
    pool.mkdir(mode=0o711)
    sh("virsh", "pool-define-as", "seeds", "dir", "--target", pool)
    made = Bench(pool)
    try:
        yield made
    finally:
        made.close()


def test_it_is_there_from_the_start_and_gone_with_the_group(bench: Bench, tmp_path: Path) -> None:
    assert bench.do(on(101)) is None
    assert bench.disks() == [str(bench.volume)] * 2
    files = unpacked(bench.volume.read_bytes(), tmp_path) / "nm"
    assert {path.name for path in files.iterdir()} == {"door.json", "key", "known_hosts"}
    assert (files / "key").read_text() == DOOR.key and '"account": "head-h1"' in (
        files / "door.json"
    ).read_text()
    assert bench.volume.stat().st_mode & 0o777 == 0o600
    assert DOOR.key.strip() not in bench.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    with bench.volume.open("rb") as held:  # as whoever had it open would see it
        assert bench.do(None) is None
        assert held.read().strip(b"\0") == b""
    assert not bench.volume.exists() and bench.disks() == [None, None]


def test_one_that_runs_gets_it_and_another_door_without_a_restart(bench: Bench) -> None:
    bench.told = replace(bench.told, door=None)
    doorless = {key: part for key, part in on(101).items() if key != "door"}
    assert bench.do(doorless) is None
    assert bench.disks() == [None, None] and not bench.volume.exists()
    process = qemu(NAME)
    bench.told = replace(bench.told, door=DOOR)
    assert bench.do(on(101)) is None
    assert bench.disks() == [str(bench.volume)] * 2
    bench.told = replace(bench.told, door=replace(DOOR, key="ANOTHER KEY\n", mark="mark2"))
    error = bench.do(on(101))  # planned before the door was another one
    assert isinstance(error, DeviceFailed) and error.passing
    assert bench.do({**on(101), "door": "mark2"}) is None
    content = bench.volume.read_bytes()
    assert b"ANOTHER KEY" in content and DOOR.key.encode() not in content
    bench.told = replace(bench.told, door=None)
    assert bench.do(doorless) is None
    assert bench.disks() == [str(bench.volume), None] and bench.volume.read_bytes().strip(b"\0") == b""
    bench.told = replace(bench.told, door=DOOR)
    assert bench.do(on(101)) is None
    assert bench.disks() == [str(bench.volume)] * 2 and qemu(NAME) == process


def test_a_volume_of_that_name_that_is_not_nms_stays(bench: Bench) -> None:
    bench.volume.write_bytes(b"somebody's".ljust(1 << 20, b"\0"))
    error = bench.do(on(101))
    assert isinstance(error, DeviceFailed) and not error.passing and "is no seed of nm's" in str(error)
    assert bench.volume.read_bytes().startswith(b"somebody's")


def test_a_write_that_was_cut_off_is_no_door_and_done_again(bench: Bench) -> None:
    assert bench.do(on(101)) is None
    with bench.volume.open("r+b") as file:
        file.write(bytes(2048))
    assert "door" not in (bench.hand.read(["head/h1"])[0].seen or {})
    assert bench.do(on(101)) is None
    assert seed.door_of(bench.volume.read_bytes()) == DOOR.mark
    with bench.volume.open("r+b") as file:
        file.write(bytes(2048))
    assert bench.do(None) is None and not bench.volume.exists()
