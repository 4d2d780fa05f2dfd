"""Head nodes on libvirt's test driver, which can attach nothing to a running domain."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import libvirt
import pytest

from nm import listfiles, machine_xml
from nm.errors import DeviceFailed
from nm.export import ExportHand
from nm.facts import Order, Value
from nm.making import Blueprint
from nm.records import Record
from nm.seed import Seed
from nm.vm import HostHand
from nm.waiting import Clock

URI = "test:///default"
MANAGEMENT = "52:54:00:00:00:01"
_numbers = count(1)


@pytest.fixture
def connection() -> Iterator[libvirt.virConnect]:
    opened = libvirt.open(URI)
    yield opened
    opened.close()


@pytest.fixture
def domain(connection: libvirt.virConnect) -> Iterator[str]:
    name = f"stand-in-{next(_numbers)}"
    yield name
    found = connection.lookupByName(name)
    if found.isActive():
        found.destroy()
    found.undefine()


class Watch:
    """A clock that a test moves by waiting on it."""

    def __init__(self) -> None:
        self.time = 0.0
        self.clock = Clock(lambda: self.time, self.wait)

    def wait(self, seconds: float) -> None:
        self.time += seconds


def hand(domain: str | None, kind: str = "ovs", record: Record | None = None) -> HostHand:
    record = record or {"domain": domain, "management": [MANAGEMENT]}
    return HostHand("vmhost", {"uri": URI, "network": {"kind": kind, "device": "br0"}}, lambda _: record)


def on(domain: str, vlan: int) -> Value:
    return {"host": "vmhost", "domain": domain, "vlan": vlan}


@pytest.mark.parametrize("kind", ["ovs", "linux"])
def test_on_a_vlan_moved_and_off_again(kind: str, domain: str, connection: libvirt.virConnect) -> None:
    mover = hand(domain, kind)
    for vlan in (101, 102, 102):
        assert mover.run([Order("head/h", on(domain, vlan))], 1)[0].seen == on(domain, vlan)
        assert mover.read(["head/h"])[0].seen == on(domain, vlan)
        assert connection.lookupByName(domain).isActive()
    for _ in range(2):
        [outcome] = mover.run([Order("head/h", None, old=on(domain, 102))], 1)
        assert (outcome.error, outcome.seen) == (None, None)
    assert not connection.lookupByName(domain).isActive()
    assert mover.read(["head/h"])[0].seen is None


def test_the_domain_is_remembered_when_the_hand_lets_go(domain: str) -> None:
    first = hand(domain)
    first.run([Order("head/h", on(domain, 101))], 1)
    first.close()
    assert first.read(["head/h"])[0].seen == on(domain, 101)
    assert hand(domain).read(["head/h"])[0].seen == on(domain, 101)


def test_a_move_keeps_the_domain_and_its_other_nics(domain: str, connection: libvirt.virConnect) -> None:
    nics = (
        f"<interface type='bridge'><mac address='{MANAGEMENT}'/><source bridge='lan'/></interface>"
        "<interface type='network'><mac address='52:54:00:00:00:02'/><source network='default'/></interface>"
        "<interface type='bridge'><mac address='52:54:00:00:00:03'/><source bridge='more'/></interface>"
    )
    before = connection.defineXML(
        f"<domain type='test'><name>{domain}</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{nics}</devices></domain>"
    ).UUIDString()
    assert hand(domain).run([Order("head/h", on(domain, 101))], 1)[0].error is None
    found = connection.lookupByName(domain)
    assert found.UUIDString() == before
    assert "<source bridge='lan'/>" in found.XMLDesc(0)
    assert "<source bridge='more'/>" in found.XMLDesc(0)
    assert "<tag id='101'/>" in found.XMLDesc(0)
    assert "default" not in found.XMLDesc(0)


def test_running_off_its_vlan_is_not_taken_for_absent(domain: str, connection: libvirt.virConnect) -> None:
    keeper = hand(domain)
    keeper.run([Order("head/h", on(domain, 101))], 1)
    connection.lookupByName(domain).destroy()  # off, but its next start would be on the VLAN
    assert keeper.read(["head/h"])[0].seen == {**on(domain, 101), "vlan": None}


def test_a_bridge_of_a_host_that_is_not_real() -> None:
    for kind in ("ovs", "linux"):
        keeper = hand("t", kind)
        assert [outcome.seen for outcome in keeper.run([Order("bridge/vmhost/101", {})], 1)] == [{}]
        assert keeper.read(["bridge/vmhost/101"])[0].seen == {}
        assert [outcome.seen for outcome in keeper.run([Order("bridge/vmhost/101", None)], 1)] == [None]
    assert keeper.read(["bridge/vmhost/101"])[0].seen is None


def test_a_bridge_that_others_need_stays() -> None:
    keeper = hand("t", "linux")
    keeper.run([Order("bridge/vmhost/101", {})], 1)
    [outcome] = keeper.run([Order("bridge/vmhost/101", None, moot=lambda: True)], 1)
    assert outcome.error is None
    assert keeper.read(["bridge/vmhost/101"])[0].seen == {}


def test_a_head_node_without_a_domain_and_one_that_is_unknown() -> None:
    value = {"host": "vmhost", "domain": None, "vlan": 5}
    [outcome] = hand(None).run([Order("head/h", value)], 1)
    assert isinstance(outcome.error, DeviceFailed)
    assert "UpdateHeadNode" in outcome.error.hint
    gone = HostHand("vmhost", {"uri": URI, "network": {"kind": "ovs", "device": "br0"}}, lambda _: None)
    assert "not in the pool" in str(gone.run([Order("head/h", on("x", 5))], 1)[0].error)
    assert "not in the pool" in str(gone.read(["head/h"])[0].error)


def test_orders_are_answered_one_by_one(domain: str) -> None:
    orders = [Order("head/h", {**on(domain, 5), "domain": None}), Order("head/h", on(domain, 5))]
    first, second = hand(domain).run(orders, 1)
    assert first.error is not None
    assert second.seen == on(domain, 5)


def test_one_that_nm_makes_from_an_image_is_made_with_its_list_and_goes(
    tmp_path: Path, connection: libvirt.virConnect
) -> None:
    name = f"h{next(_numbers)}"
    (tmp_path / "base").write_text("an image")
    image: Record = {
        "disk": str(tmp_path / "base"),
        "format": "raw",
        "memory": 64,
        "cpus": 1,
        "share": "disk",
    }
    image |= dict.fromkeys(("kernel", "initrd", "cmdline"))
    mac = machine_xml.mac_of("vmhost", f"nm-{name}")
    seed = Seed("alpha.1", name, "alpha", mac, "192.168.10.1/24")
    plan = Blueprint(name, f"nm-{name}", "tiny", image, seed, None, (str(tmp_path),))
    host: Record = {"uri": URI, "network": {"kind": "ovs", "device": "br0"}}
    record: Record = {"image": "tiny", "domain": None}
    maker = HostHand("vmhost", host, lambda _: record, lambda _: plan, lists=tmp_path / "lists")
    told: Value = {"machines": [], "document": {"machines": []}}
    assert ExportHand(tmp_path / "lists").run([Order("export/alpha", told)], 1)[0].error is None
    place = {"host": "vmhost", "domain": f"nm-{name}"}
    head: Value = {**place, "vlan": 101, "image": "tiny"}
    its_list: Value = {**place, "group": "alpha", "digest": listfiles.digest(told)}
    for fact, value in ((f"list/{name}", its_list), (f"head/{name}", head)):
        [outcome] = maker.run([Order(fact, value)], 1)
        assert (outcome.error, outcome.seen) == (None, value)
    assert [one.seen for one in maker.read([f"list/{name}", f"head/{name}"])] == [its_list, head]
    for fact, value in ((f"head/{name}", head), (f"list/{name}", its_list)):
        [outcome] = maker.run([Order(fact, None, value)], 1)
        assert (outcome.error, outcome.seen) == (None, None)
    assert f"nm-{name}" not in [one.name() for one in connection.listAllDomains()]
    maker.close()
