from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import libvirt
import pytest

from nm.errors import DeviceFailed
from nm.facts import Order, Value
from nm.hypervisor import Nic
from nm.libvirt_host import LibvirtHost
from nm.vm import HostHand
from tests.hosts.rack.conftest import BRIDGE, HOST, MANAGEMENT, Domains, Watched, interface, qemu, sh, tags

OURS = "52:54:00:0a:00:02"
MakeHand = Callable[..., HostHand]


@pytest.fixture
def hand() -> Iterator[MakeHand]:
    made: list[HostHand] = []

    def make(domain: str, **more: object) -> HostHand:
        options = {"grace": 0.2, "host": HOST, "management": [MANAGEMENT], **more}
        record = {"domain": domain, "management": options.pop("management")}
        made.append(HostHand("vmhost", options.pop("host"), lambda _: record, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


def on(domain: str, vlan: int) -> Value:
    return {"host": "vmhost", "domain": domain, "vlan": vlan}


def put(hand: HostHand, domain: str, vlan: int) -> None:
    """Order the head node onto the VLAN and see that it says so, twice."""
    [outcome] = hand.run([Order("head/h", on(domain, vlan))], 1)
    assert (outcome.error, outcome.seen) == (None, on(domain, vlan))
    assert hand.read(["head/h"])[0].seen == on(domain, vlan)


def take(hand: HostHand, domain: str) -> None:
    [outcome] = hand.run([Order("head/h", None, old=on(domain, 0))], 1)
    assert (outcome.error, outcome.seen) == (None, None)
    assert hand.read(["head/h"])[0].seen is None


def nics(domain: str) -> tuple[tuple[Nic, ...], tuple[Nic, ...]]:
    host = LibvirtHost(HOST["uri"])
    state = host.state(domain)
    host.close()
    assert state is not None
    return state.nics, state.next_nics


def test_a_head_node_that_is_off_starts_on_its_vlan(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(MANAGEMENT), interface(OURS))
    uuid = domains.find(domain).UUIDString()
    put(hand(domain), domain, 101)
    assert tags() == {MANAGEMENT: "[]", OURS: "101"}
    assert nics(domain) == ((Nic(MANAGEMENT, BRIDGE), Nic(OURS, BRIDGE, 101)),) * 2
    assert domains.find(domain).UUIDString() == uuid
    assert b'"csum":false' in Path(f"/proc/{qemu(domain)}/cmdline").read_bytes()


def test_one_without_a_nic_of_ours_gets_one(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(MANAGEMENT))
    put(hand(domain), domain, 101)
    assert sorted(tags().values()) == ["101", "[]"]
    assert len(nics(domain)[0]) == len(nics(domain)[1]) == 2


def test_one_that_runs_moves_live_and_leaves_before_it_joins(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(OURS))
    host = Watched(HOST["uri"])
    mover = hand(domain, connect=lambda _: host)
    put(mover, domain, 101)
    process = qemu(domain)
    put(mover, domain, 102)
    assert host.changes == [(101, False), (102, False), (102, True)]
    assert (tags(), qemu(domain)) == ({OURS: "102"}, process)
    assert nics(domain) == ((Nic(OURS, BRIDGE, 102),),) * 2


def test_one_that_runs_without_a_nic_of_ours_gets_one_live(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(MANAGEMENT))
    domains.find(domain).create()
    process = qemu(domain)
    put(hand(domain), domain, 101)
    assert qemu(domain) == process
    assert sorted(tags().values()) == ["101", "[]"]


def test_one_with_no_slot_for_another_nic_is_restarted(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(MANAGEMENT), machine="q35")
    domains.find(domain).create()
    spares = [f"52:54:00:0c:00:{number:02x}" for number in range(9)]
    attach = partial(domains.find(domain).attachDeviceFlags, flags=libvirt.VIR_DOMAIN_AFFECT_LIVE)
    with pytest.raises(libvirt.libvirtError):
        list(map(attach, map(interface, spares)))
    process = qemu(domain)
    put(hand(domain, management=[MANAGEMENT, *spares]), domain, 101)
    assert qemu(domain) != process
    assert sorted(tags().values()) == ["101", "[]"]


def test_taken_off_it_is_stopped_and_on_nothing_and_others_stay(domains: Domains, hand: MakeHand) -> None:
    domain, other = domains.define(interface(OURS)), domains.define(interface("52:54:00:0a:00:03"))
    put(hand(domain), domain, 101)
    put(hand(other), other, 102)
    take(hand(domain), domain)
    assert not domains.find(domain).isActive()
    assert tags() == {"52:54:00:0a:00:03": "102"}
    assert nics(domain)[1] == (Nic(OURS, None, link_up=False),)


def test_started_by_hand_after_that_it_is_still_on_nothing(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(OURS))
    put(hand(domain), domain, 101)
    take(hand(domain), domain)
    domains.find(domain).create()
    assert tags() == {}
    put(hand(domain), domain, 102)  # from nothing to a bridge needs a restart
    assert tags() == {OURS: "102"}


def test_saved_memory_does_not_bring_the_old_vlan_back(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(OURS))
    put(hand(domain), domain, 101)
    domains.find(domain).managedSave()
    put(hand(domain), domain, 102)
    assert tags() == {OURS: "102"}
    domains.find(domain).managedSave()
    take(hand(domain), domain)
    assert not domains.find(domain).hasManagedSaveImage()


def test_a_nic_that_carries_every_vlan_is_read_as_on_none(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(OURS))
    domains.find(domain).create()
    assert tags() == {OURS: "[]"}
    reader = hand(domain)
    assert reader.read(["head/h"])[0].seen == {"host": "vmhost", "domain": domain, "vlan": None}
    put(reader, domain, 101)
    assert tags() == {OURS: "101"}


def test_bridges_of_the_kernel_move_live_too(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(OURS, "<source bridge='nmbr201'/>"))
    host = {"uri": HOST["uri"], "network": {"kind": "linux", "device": "lo"}}
    for bridge in ("nmbr201", "nmbr202"):
        sh("ip", "link", "add", bridge, "type", "bridge")
    try:
        mover = hand(domain, host=host)
        put(mover, domain, 201)
        process = qemu(domain)
        put(mover, domain, 202)
        assert qemu(domain) == process
        assert "master nmbr202" in sh("ip", "-o", "link", "show", "type", "tun")
        [refused] = mover.run([Order("bridge/vmhost/202", None)], 1)
        assert "still hangs on it" in str(refused.error)
        take(mover, domain)
        assert [
            out.error for out in mover.run([Order(f"bridge/vmhost/{v}", None) for v in (201, 202)], 1)
        ] == [None] * 2
        assert sh("ip", "-o", "link", "show", "type", "bridge") == ""
    finally:
        sh("sh", "-c", "ip link del nmbr201; ip link del nmbr202; true")


def test_a_domain_that_is_not_there_is_named(domains: Domains, hand: MakeHand) -> None:
    keeper = hand("ghost")
    [outcome] = keeper.run([Order("head/h", on("ghost", 101))], 1)
    assert isinstance(outcome.error, DeviceFailed)
    assert not outcome.error.passing
    assert "no domain ghost" in outcome.error.message
    assert "virsh define" in outcome.error.hint
    take(keeper, "ghost")  # what is gone is off its VLAN


def test_a_bridge_that_is_not_there_is_told_in_libvirts_words(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(OURS))
    host = {"uri": HOST["uri"], "network": {"kind": "linux", "device": "lo"}}
    [outcome] = hand(domain, host=host).run([Order("head/h", on(domain, 333))], 1)
    assert "nmbr333" in str(outcome.error)
    assert not domains.find(domain).isActive()


def test_one_that_stands_still_is_found_and_goes_on(domains: Domains, hand: MakeHand) -> None:
    domain = domains.define(interface(OURS))
    put(hand(domain), domain, 101)
    domains.find(domain).suspend()
    assert hand(domain).read(["head/h"])[0].seen == {"host": "vmhost", "domain": domain, "vlan": None}
    put(hand(domain), domain, 101)
    assert domains.find(domain).state()[0] == libvirt.VIR_DOMAIN_RUNNING
