"""Head nodes made from an image, by the hand alone: made, half made, killed at every step, taken away."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import machine_xml
from nm.errors import DeviceFailed
from nm.facts import Order, Outcome, Value
from nm.hypervisor import Hypervisor
from nm.libvirt_host import LibvirtHost
from nm.machine_xml import Mark
from nm.making import Blueprint, Maker
from nm.seed import Door, Seed
from nm.vm import HostHand
from tests.hosts.rack.conftest import BRIDGE, HOST, Domains, qemu, sh, tags
from tests.waiting import until

DOMAIN = "nm-h1"
MAC = machine_xml.mac_of("vmhost", DOMAIN)
LEADS_HOME = machine_xml.management_mac_of("vmhost", DOMAIN)
KEY = "ssh-ed25519 AAAAC3Nza alice"
DOOR = Door("10.0.0.1", 22, "nmh-h1", "A PRIVATE KEY\n", "10.0.0.1 ssh-ed25519 AAAA\n", "mark1")
CONSOLE = Path(machine_xml.console(DOMAIN))


class Killed(BaseException):
    """What stands for the end of the process: nothing catches it."""


class Mortal(LibvirtHost):
    """Ends its process right after the step of that number."""

    STEPS: tuple[str, ...] = ("define", "undefine", "set_autostart", "set_next_nic", "start", "stop")
    OF_DISKS: tuple[str, ...] = ("make_from", "write", "remove")

    def __init__(self, uri: str, dies_at: int) -> None:
        super().__init__(uri)
        self.left = dies_at
        for owner, names in ((self, self.STEPS), (self.storage, self.OF_DISKS)):
            for name in names:
                setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            answer = act(*arguments)
            self._step()
            return answer

        return counted

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class House:
    """A host with an image, a pool and the head node h1 that is made from it."""

    def __init__(self, folder: Path, image: dict[str, Any]) -> None:
        self.pool = folder / "pool"
        self.image = {"format": "qcow2", "cpus": 1, "share": "disk", **image}
        self.folders = (str(Path(image["disk"]).parent),)
        self.host = {**HOST, "pool": "heads", "emulate": True}
        self.life = "alpha.1"
        self.door: Door | None = DOOR
        self.management: dict[str, str] | None = None
        self.uri = HOST["uri"]

    def blueprint(self, name: str) -> Blueprint:
        leads = LEADS_HOME if self.management else None
        seed = Seed(self.life, name, "alpha", MAC, "192.168.10.1/24", leads, (KEY,), self.door)
        return Blueprint(name, f"nm-{name}", "tiny", self.image, seed, self.management, self.folders)

    def hand(self, host: LibvirtHost | None = None) -> HostHand:
        record = {"image": "tiny", "domain": None}
        opened = host or LibvirtHost(self.uri)
        options = {"connect": lambda _: opened, "grace": 0.0}
        return HostHand("vmhost", self.host, lambda _: record, self.blueprint, **options)  # type: ignore[arg-type]

    def do(self, value: Value | None, host: LibvirtHost | None = None) -> Outcome:
        hand = self.hand(host)
        try:
            return hand.run([Order("head/h1", value, on(101))], 1)[0]
        finally:
            hand.close()

    def seen(self) -> Value | None:
        hand = self.hand()
        found = hand.read(["head/h1"])[0]
        hand.close()
        assert found.error is None
        return found.seen

    def volumes(self) -> list[str]:
        return sorted(path.name for path in self.pool.iterdir())


def on(vlan: int) -> Value:
    return {"host": "vmhost", "domain": DOMAIN, "vlan": vlan, "image": "tiny", "door": DOOR.mark}


@pytest.fixture
def house(rack_folder: Path, image: dict[str, Any]) -> Iterator[House]:
    made = House(rack_folder, image)
    made.pool.mkdir(mode=0o711)
    sh("virsh", "pool-define-as", "heads", "dir", "--target", made.pool)
    yield made
    domain = f"virsh destroy {DOMAIN}; virsh undefine {DOMAIN}"
    pool = "virsh pool-destroy heads; virsh pool-undefine heads"
    sh("sh", "-c", f"{domain}; {pool}; rm -rf {made.pool} {CONSOLE}; true")


def domain_names() -> list[str]:
    return sh("virsh", "list", "--all", "--name").split()


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_made_it_boots_and_reads_its_seed_and_goes_without_a_trace(house: House) -> None:
    house.management = {"ovs": BRIDGE}
    outcome = house.do(on(101))
    assert (outcome.error, outcome.seen, house.seen()) == (None, on(101), on(101))
    assert tags() == {MAC: "101", LEADS_HOME: "[]"}
    assert house.volumes() == ["nm-h1+disk", "nm-h1+seed"]
    assert {(house.pool / name).stat().st_mode & 0o777 for name in house.volumes()} == {0o600}
    process, disk = qemu(DOMAIN), inode(house.pool / "nm-h1+disk")
    assert house.do(on(101)).error is None and house.do(on(102)).error is None
    assert (tags()[MAC], qemu(DOMAIN), inode(house.pool / "nm-h1+disk")) == ("102", process, disk)
    until(lambda: CONSOLE.exists() and "READY" in CONSOLE.read_text(), 60)
    said = dict(line.split(" ", 1) for line in CONSOLE.read_text().splitlines() if " " in line)
    assert said["BOOT"] == "1"
    assert json.loads(said["META"]) == {"instance-id": "alpha.1", "local-hostname": "h1"}
    nics = json.loads(said["NETWORK"])["ethernets"]
    assert nics["group"]["match"]["macaddress"] == MAC and nics["group"]["addresses"] == ["192.168.10.1/24"]
    assert nics["management"] == {"match": {"macaddress": LEADS_HOME}, "dhcp4": True}
    user = json.loads(said["USER"])
    assert user["hostname"] == "h1" and user["ssh_authorized_keys"] == [KEY]
    [key] = [one for one in user["write_files"] if one["path"] == "/etc/nm-head/key"]
    assert (key["content"], key["permissions"], said["KEY"]) == (DOOR.key, "0600", DOOR.key.strip())
    assert set(said["MACS"].split()) == {MAC, LEADS_HOME}
    secret = DOOR.key.strip()
    assert secret not in sh("virsh", "dumpxml", "--security-info", DOMAIN)
    assert secret.encode() not in Path(f"/proc/{process}/cmdline").read_bytes()
    outcome = house.do(None)
    assert (outcome.error, outcome.seen, house.seen()) == (None, None, None)
    assert (tags(), house.volumes(), domain_names()) == ({}, [], [])
    assert not CONSOLE.exists()  # it is not for the head node's next group


def state_of(house: House) -> tuple[Any, ...]:
    xml = sh("virsh", "dumpxml", "--inactive", DOMAIN) if DOMAIN in domain_names() else None
    return tags(), house.volumes(), machine_xml.mark_of(xml, Mark)


def test_killed_at_every_step_of_the_making_and_the_removal(house: House) -> None:
    plan = house.blueprint("h1")

    def make(host: Hypervisor) -> None:
        Maker("vmhost", house.host, host, Mark).make(plan)

    def remove(host: Hypervisor) -> None:
        Maker("vmhost", house.host, host, Mark).remove(DOMAIN)

    alive = LibvirtHost(HOST["uri"])
    whole: tuple[Any, ...] = ({}, ["nm-h1+disk", "nm-h1+seed"], plan.mark("whole"))
    for act, undo, end, steps in ((make, remove, whole, 5), (remove, make, ({}, [], None), 4)):
        for at in range(1, steps + 1):
            undo(alive)
            with pytest.raises(Killed):
                act(Mortal(HOST["uri"], at))
            act(alive)
            assert state_of(house) == end, (act, at)
        undo(alive)
        act(Mortal(HOST["uri"], steps + 1))  # there are no more steps
        assert state_of(house) == end
    alive.close()


@pytest.mark.parametrize("at", [6, 7])
def test_killed_while_it_is_put_on_its_vlan_and_started(house: House, at: int) -> None:
    house.image |= dict.fromkeys(("kernel", "initrd", "cmdline"))  # it need not boot
    with pytest.raises(Killed):
        house.do(on(101), Mortal(HOST["uri"], at))
    assert house.do(on(101)).error is None
    assert house.seen() == on(101) and tags() == {MAC: "101"}


def test_another_door_is_written_into_the_seed_of_one_that_stays(house: House) -> None:
    house.image |= dict.fromkeys(("kernel", "initrd", "cmdline"))  # it need not boot
    assert house.do(on(101)).error is None
    process, seed = qemu(DOMAIN), house.pool / "nm-h1+seed"
    place, disk = inode(seed), inode(house.pool / "nm-h1+disk")
    house.door = replace(DOOR, key="ANOTHER KEY\n", mark="mark2")
    error = house.do(on(101)).error  # planned before the door was another one
    assert isinstance(error, DeviceFailed) and error.passing
    wanted = {**on(101), "door": "mark2"}
    outcome = house.do(wanted)
    assert (outcome.error, outcome.seen, house.seen()) == (None, wanted, wanted)
    content = seed.read_bytes()
    assert b"ANOTHER KEY" in content and DOOR.key.encode() not in content
    assert (qemu(DOMAIN), inode(seed), inode(house.pool / "nm-h1+disk")) == (process, place, disk)
    house.door = None
    wanted.pop("door")
    assert (house.do(wanted).error, house.seen()) == (None, wanted)
    assert b"ANOTHER KEY" not in seed.read_bytes() and qemu(DOMAIN) == process


def test_one_of_another_life_is_made_anew(house: House) -> None:
    assert house.do(on(101)).error is None
    disk = inode(house.pool / "nm-h1+seed"), qemu(DOMAIN)
    house.life = "beta.2"
    assert house.do(on(101)).error is None
    assert (inode(house.pool / "nm-h1+seed"), qemu(DOMAIN)) != disk
    assert state_of(house)[2] == Mark("h1", "tiny", "beta.2", "whole")


def test_what_is_not_nms_own_is_a_conflict_and_stays(house: House, domains: Domains) -> None:
    xml = f"<domain type='qemu'><name>{DOMAIN}</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    domains.connection.defineXML(xml)
    domains.names.append(DOMAIN)
    for value in (on(101), None):
        error = house.do(value).error
        assert isinstance(error, DeviceFailed) and not error.passing
        assert "a domain nm-h1 that is not nm's own" in str(error) and "virsh domrename" in str(error)
    assert domain_names() == [DOMAIN]
    domains.find(DOMAIN).undefine()
    (house.pool / "nm-h1+seed").write_text("somebody's")
    error = house.do(on(101)).error
    assert isinstance(error, DeviceFailed) and not error.passing and "virsh vol-delete" in error.hint
    assert (house.pool / "nm-h1+seed").read_text() == "somebody's" and domain_names() == []


@pytest.mark.parametrize("trick", ["link", "folder", "absent"])
def test_an_images_file_is_in_its_folder_and_no_link(house: House, rack_folder: Path, trick: str) -> None:
    other = Path(house.folders[0]) / "other.qcow2"
    if trick == "link":
        other.symlink_to(house.image["disk"])
    elif trick == "folder":
        house.folders = ("/elsewhere",)
    house.image = {**house.image, "disk": str(other)}
    try:
        error = house.do(on(101)).error
    finally:
        other.unlink(missing_ok=True)
    assert isinstance(error, DeviceFailed) and not error.passing and str(other) in error.message
    assert (domain_names(), house.volumes()) == ([], [])


def test_a_pool_that_is_not_there_is_told(house: House) -> None:
    house.host["pool"] = "nowhere"
    error = house.do(on(101)).error
    assert isinstance(error, DeviceFailed) and not error.passing and "pool nowhere" in error.message


def test_without_a_pool_nm_makes_one_of_its_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(house.pool / "own")
    monkeypatch.setattr("nm.storage.FOLDER", folder)
    house.host["pool"] = None
    no_pool = ["sh", "-c", "virsh pool-destroy nm-disks; virsh pool-undefine nm-disks"]
    subprocess.run(no_pool, check=False)  # of another test
    try:
        assert house.do(on(101)).error is None
        assert sorted(path.name for path in Path(folder).iterdir()) == ["nm-h1+disk", "nm-h1+seed"]
        assert "Autostart:      yes" in sh("virsh", "pool-info", "nm-disks")
        assert house.do(None).error is None
    finally:
        subprocess.run(no_pool, check=False)
