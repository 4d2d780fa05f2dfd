"""The list of machines inside real guests, by all ways, while it changes."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import libvirt
import pytest

from nm import listdisk, listfiles, share_xml
from nm.export import ExportHand
from nm.facts import Order, Value
from nm.hypervisor import Share
from nm.vm import HostHand
from tests.hosts.rack import guest
from tests.hosts.rack.conftest import HOST, qemu, sh
from tests.switches.sshd import Sshd
from tests.switches.sshd import missing as sshd_missing
from tests.waiting import until

WAYS = {  # 9p: of another name, as the original's head nodes had it
    "virtiofs": '<filesystem type="mount" accessmode="passthrough"><driver type="virtiofs"/>'
    '<source dir="/nowhere"/><target dir="moc"/></filesystem>',
    "9p": '<filesystem type="mount" accessmode="squash"><source dir="/nowhere"/>'
    '<target dir="pool"/></filesystem>',
    "disk": "",
}


class Bench:
    """Three guests, one for each way, and what nm does for them."""

    def __init__(self, folder: Path) -> None:
        self.lists = folder / "lists"
        self.connection = libvirt.open(HOST["uri"])
        self.export = ExportHand(self.lists)
        self.hands = {way: self._hand(f"list-{way}") for way in WAYS}
        guest.make(folder)
        for way, devices in WAYS.items():
            self.connection.defineXML(guest.domain(f"list-{way}", way, folder, devices))

    def _hand(self, domain: str) -> HostHand:
        return HostHand("vmhost", HOST, lambda _: {"domain": domain}, lists=self.lists, grace=0.1)

    def start(self, way: str) -> None:
        self.connection.lookupByName(f"list-{way}").create()

    def give(self, way: str, *macs: str, group: str = "alpha") -> None:
        """What a Deploy does: the files first, then what the domain has of them."""
        told = value(group, macs)
        assert self.export.run([Order(f"export/{group}", told)], 1)[0].error is None
        wanted = {
            "host": "vmhost", "domain": f"list-{way}", "group": group, "digest": listfiles.digest(told),
        }  # fmt: skip
        [outcome] = self.hands[way].run([Order("list/h", wanted)], 1)
        assert (outcome.error, outcome.seen) == (None, wanted)
        assert self.hands[way].read(["list/h"])[0].seen == wanted

    def take(self, way: str) -> None:
        old = {"host": "vmhost", "domain": f"list-{way}", "group": "alpha", "digest": ""}
        [outcome] = self.hands[way].run([Order("list/h", None, old)], 1)
        assert (outcome.error, outcome.seen) == (None, None)
        assert self.hands[way].read(["list/h"])[0].seen is None

    def arrives(self, way: str, *macs: str, group: str = "alpha", seconds: float = 60) -> None:
        """Wait until the guest has read this list, whole."""
        document = (self.lists / group / "machines.json").read_bytes()
        told = "".join(f"{mac} 10.0.0.9;" for mac in macs)
        line = f"LIST {told} {hashlib.sha256(document).hexdigest()}"
        try:
            until(lambda: any(said.startswith(line) for said in self.said(way)), seconds)
        except AssertionError as late:
            raise AssertionError("\n".join((f"awaited: {line}", *self.said(way)[-20:]))) from late

    def said(self, way: str) -> list[str]:
        return guest.console(f"list-{way}").read_text(errors="replace").splitlines()

    def shares(self, way: str) -> list[Share | None]:
        """As libvirt has them, now and later."""
        found = self.connection.lookupByName(f"list-{way}")
        flags = (0, libvirt.VIR_DOMAIN_XML_INACTIVE)
        return [share_xml.share(found.XMLDesc(flag), folders=True) for flag in flags]

    def left(self, way: str) -> set[str]:
        """The MACs that the guest would find after its next start."""
        _, share = self.shares(way)
        if share is None:
            return set()
        if share.way == "disk":
            content = Path(share.source).read_bytes()
        else:
            content = b"".join(path.read_bytes() for path in Path(share.source).iterdir())
        return {mac for mac in (A, B, C) if mac.encode() in content}

    def extra(self, name: str, devices: str) -> libvirt.virDomain:
        """One more domain, that sits in its firmware."""
        way = name.partition("-")[2]
        self.hands[way] = self._hand(name)
        return self.connection.defineXML(
            f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices>"
            f"<emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}</devices></domain>"
        )

    def close(self) -> None:
        for way in list(self.hands):
            sh("sh", "-c", f"virsh destroy list-{way}; virsh undefine list-{way}; true")
            self.hands[way].close()
        sh("sh", "-c", "virsh pool-destroy nm-disks; virsh pool-undefine nm-disks; true")
        self.connection.close()


def value(group: str, macs: Sequence[str]) -> Value:
    machines: list[dict[str, Any]] = [
        {"name": f"n{mac[-1]}", "mac": mac, "image": None, "nics": []} for mac in macs
    ]
    document = {"version": 1, "group": group, "networks": {}, "machines": machines}
    return {"machines": [[mac, "10.0.0.9"] for mac in macs], "document": document}


A, B, C = (f"52:54:00:bb:00:0{number}" for number in (1, 2, 3))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench(Path(os.environ["RACK"]))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def guests(bench: Bench) -> Bench:
    """They start together; the one whose list comes by disk runs before it gets one."""
    for way in ("virtiofs", "9p"):
        bench.give(way, A)
    for way in WAYS:
        bench.start(way)
    until(lambda: any("UP disk" in line for line in bench.said("disk")), 120)
    return bench


@pytest.mark.timeout(180)  # emulated guests boot slowly on a busy machine
@pytest.mark.parametrize("way", WAYS)
def test_the_list_in_the_guest_follows_and_ends_with_its_group(
    guests: Bench, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = guests
    process = qemu(f"list-{way}")
    times = []
    for macs in ((A,), (A, B, C), (C,)):
        began = time.monotonic()
        bench.give(way, *macs)
        bench.arrives(way, *macs)
        times.append(round(time.monotonic() - began, 2))
    with capsys.disabled():
        print(f"\nby {way}: {times} s from the write to the guest")
    assert qemu(f"list-{way}") == process
    assert {share and share.way for share in bench.shares(way)} == {way}
    bench.connection.lookupByName(f"list-{way}").destroy()
    bench.take(way)
    assert bench.left(way) == set()
    bench.give(way, B, group="beta")
    assert bench.left(way) == {B}


def test_a_running_domain_gets_another_folder_by_a_restart(bench: Bench) -> None:
    """It runs again, and only with the new one."""
    domain = bench.extra("list-moved", WAYS["9p"])
    bench.give("moved", A)
    domain.create()
    process = qemu("list-moved")
    bench.give("moved", A)
    assert qemu("list-moved") == process
    bench.give("moved", B, group="beta")
    assert qemu("list-moved") != process
    assert bench.shares("moved") == [Share("9p", str(bench.lists / "beta"))] * 2


@pytest.fixture
def far() -> Iterator[str]:
    """The same libvirtd as another machine's: its address by an sshd, that this machine's ssh trusts."""
    folder = Path(os.environ["RACK"]) / "far"
    folder.mkdir()
    house = Sshd(folder)
    (folder / "client").chmod(0o600)
    (folder / "ssh").mkdir()
    (folder / "ssh" / "far.conf").write_text(
        f"IdentityFile {folder}/client\nUserKnownHostsFile {folder}/known\nStrictHostKeyChecking accept-new\n"
    )
    sh("mount", "--bind", folder / "ssh", "/etc/ssh/ssh_config.d")  # in the rack's own mounts
    with house:
        yield f"qemu+ssh://root@127.0.0.1:{house.port}/system"
    sh("umount", "/etc/ssh/ssh_config.d")


@pytest.mark.skipif(bool(sshd_missing()), reason=sshd_missing())
def test_on_another_machine_it_comes_by_a_disk_whatever_the_domain_has(bench: Bench, far: str) -> None:
    domain = bench.extra("list-far", WAYS["9p"].replace("/nowhere", "/usr"))
    record = {"domain": "list-far"}
    bench.hands["far"].close()
    bench.hands["far"] = HostHand("vmhost", {**HOST, "uri": far}, lambda _: record, lists=bench.lists)
    domain.create()
    process = qemu("list-far")
    bench.give("far", A)
    disk = share_xml.share(domain.XMLDesc(), folders=False)
    assert disk is not None and disk.way == "disk"
    assert A.encode() in Path(disk.source).read_bytes()
    bench.give("far", B, C)
    content = Path(disk.source).read_bytes()
    head = listdisk.parsed(content[: listdisk.HEAD])
    assert head is not None and B.encode() in content and A.encode() not in content[: head.length]
    assert hashlib.sha256(content[listdisk.IMAGE : head.length]).hexdigest() == head.sha256
    assert qemu("list-far") == process
    domain.destroy()
    bench.take("far")
    assert not Path(disk.source).exists()
