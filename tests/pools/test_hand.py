"""The hand of pools on libvirt's stand-in: several lives of one part, and what is half made."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import libvirt
import pytest

from nm.errors import DeviceFailed
from nm.facts import Outcome, Value
from nm.hypervisor import Hypervisor
from nm.libvirt_host import LibvirtHost
from nm.poolhand import PoolHand
from nm.pools.briefs import Brief, order_of
from nm.pools.files import EVERYWHERE
from nm.storage import COPY_SECONDS, LibvirtStorage
from nm.waiting import Clock
from nm.workers import Errand, HandWorker
from tests import standin

HOST = {"uri": standin.URI, "network": {"kind": "ovs", "device": "br0"}, "pool": "default-pool"}


@pytest.fixture(autouse=True)
def nothing_else() -> Iterator[None]:
    """There is nothing before, and nothing is left."""
    standin.clear()
    yield
    standin.clear()
    with closing(libvirt.open(HOST["uri"])) as connection:
        for volume in connection.storagePoolLookupByName("default-pool").listAllVolumes():
            volume.delete()


def domains() -> list[str]:
    connection = libvirt.open(HOST["uri"])
    try:
        return sorted(domain.name() for domain in connection.listAllDomains() if domain.name() != "test")
    finally:
        connection.close()


def brief(name: str, life: int, **attributes: Any) -> Brief:
    given = {"hostname": name, "shutdownTimeout": 0, **attributes}
    return Brief("web", 1.0, ("vm",), "Domain", life, given)


def do(what: str, of: Brief, hand: PoolHand | None = None) -> Value | None:
    one = hand or PoolHand("h0", HOST, lambda name: None, ())
    try:
        [outcome] = one.run([order_of(what, of)], 1)
        while outcome.later:
            [outcome] = one.run([order_of(what, of)], 1)
        if outcome.error is not None:
            raise outcome.error
        return outcome.seen
    finally:
        one.close()


def seen(*lives: Brief) -> list[Value | None]:
    one = PoolHand("h0", HOST, lambda name: None, ())
    try:
        return [outcome.seen for outcome in one.read([f"life/{life.identity}" for life in lives])]
    finally:
        one.close()


@pytest.mark.parametrize("order", [1, -1])
def test_a_life_is_not_taken_for_another_of_the_same_part(order: int) -> None:
    """One that was owed by its host, which is there again, and the one that came since."""
    for name, life in (("a", 1), ("b", 2))[::order]:
        do("deploy", brief(name, life))
    do("start", brief("a", 1))
    old, new, none = seen(brief("a", 1), brief("b", 2), brief("c", 3))
    assert old is not None and new is not None and none is None
    assert (old["running"], new["running"]) == (True, False)
    do("terminate", brief("a", 1))
    assert domains() == ["b"]


def test_what_is_half_made_goes_though_it_is_to_be_kept() -> None:
    kept = brief("a", 1, keepOnTerminate=True)

    def full(uri: str) -> Hypervisor:
        made: Any = LibvirtHost(uri)

        def write(*arguments: Any) -> None:
            raise DeviceFailed("no space left")

        made.storage.write = write
        return made  # type: ignore[no-any-return]

    with pytest.raises(DeviceFailed, match="no space left"):
        do("deploy", kept, PoolHand("h0", HOST, lambda name: None, (), connect=full))
    do("terminate", kept)
    assert domains() == []


def test_what_is_to_be_changed_has_to_be_there() -> None:
    """Seen while nothing has changed yet; one that is to be made need not be there."""
    do("prepare", brief("a", 1))
    with pytest.raises(DeviceFailed, match="its domain is not there any more"):
        do("prepare", replace(brief("a", 1), stands=True))
    do("deploy", brief("a", 1))
    do("prepare", replace(brief("a", 1), stands=True))


def test_what_is_whole_is_let_go_when_it_is_to_be_kept() -> None:
    kept = brief("a", 1, keepOnTerminate=True)
    do("deploy", kept)
    do("start", kept)
    do("terminate", kept)
    assert domains() == ["a"] and seen(kept) == [None]


def has(name: str) -> tuple[int, int, int]:
    """What a domain has while it runs: libvirt's number of it, its MiB and its processors."""
    with closing(libvirt.open(HOST["uri"])) as connection:
        found = connection.lookupByName(name)
        return found.ID(), found.info()[2] >> 10, found.info()[3]


def test_memory_and_processors_change_while_it_runs() -> None:
    sizes = {"memory": 512, "maxMemory": 1024, "vcpus": 1, "maxVcpus": 2}
    do("deploy", brief("a", 1, **sizes))
    do("start", brief("a", 1, **sizes))
    number, *before = has("a")
    do("change", brief("a", 1, **{**sizes, "memory": 768, "vcpus": 2}))
    assert (before, has("a")) == ([512, 1], (number, 768, 2))


def test_what_may_be_secret_is_not_in_an_orders_own_words() -> None:
    order = order_of("deploy", brief("a", 1, userData="hush"))
    assert "web" in repr(order) and "hush" not in repr(order)


@pytest.mark.parametrize("what", ["stop", "terminate"])
def test_what_another_life_has_by_that_name_is_left_alone(what: str) -> None:
    """Its guest shuts down at once when it is asked to."""
    do("deploy", brief("a", 2))
    do("start", brief("a", 2))
    do(what, brief("a", 1, shutdownTimeout=10))
    [found] = seen(brief("a", 2))
    assert found is not None and found["running"]


def test_what_a_host_refuses_to_tell_is_not_gone() -> None:
    """Its disk would be taken away while it runs."""
    refused = "qemu+nobody:///system"
    refusing = PoolHand("h0", HOST, lambda name: None, (), connect=lambda uri: LibvirtHost(refused))
    with pytest.raises(DeviceFailed) as refusal:
        do("terminate", brief("a", 1), refusing)
    assert not refusal.value.passing


def test_what_others_have_by_that_name_is_left_alone() -> None:
    xml = "<domain type='test'><name>a</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    with closing(libvirt.open(standin.URI)) as connection:  # which forgets it with the last one
        connection.defineXML(xml)
        do("terminate", brief("a", 1))
        assert domains() == ["a"]


@pytest.mark.parametrize(
    ("given", "now"),
    [
        ({}, (256, 2)),
        ({"memory": 128}, (128, 2)),
        ({"vcpus": 1}, (256, 1)),
        ({"memory": 64, "vcpus": 1}, (64, 1)),
    ],
)
def test_what_was_there_before_gets_what_its_component_gives_and_no_more(
    given: dict[str, int], now: tuple[int, int]
) -> None:
    """At once."""
    xml = (
        "<domain type='test'><name>old</name><memory unit='MiB'>256</memory><vcpu>2</vcpu>"
        "<os><type>hvm</type></os></domain>"
    )
    with closing(libvirt.open(standin.URI)) as connection:
        connection.defineXML(xml).create()
        old = replace(brief("old", 1), adopt=EVERYWHERE)
        do("deploy", old)
        do("change", replace(old, attributes={**old.attributes, **given}))
        assert has("old")[1:] == now


def test_a_guest_shuts_down_while_others_vlans_come_and_go() -> None:
    """One that has to be restarted for its group's VLAN; nobody waits for its shutdown."""
    held: list[bool] = []
    gate = Lock()

    def now() -> float:
        held.append(gate.locked())
        return 0.0

    def hand(vlan: int) -> PoolHand:
        clock = Clock(now, lambda seconds: None)
        return PoolHand("h0", HOST, lambda name: None, (), clock=clock, vlan=lambda brief: vlan, gate=gate)

    group = Brief("web", 1.0, ("group",), "Group", 1)
    one = replace(brief("a", 1, shutdownTimeout=10), group=group, network="main")
    do("deploy", one, hand(101))
    do("start", one, hand(101))
    assert held == []
    place = (do("start", one, hand(102)) or {})["place"]
    assert place == ["br0", 102] and held and not any(held)
    [found] = seen(one)
    assert found is not None and found["running"]


@pytest.mark.parametrize("given", [{"userData": "a\ud800"}, {"network": "a\0b"}])
def test_what_no_host_can_be_told_is_refused_alone(given: dict[str, Any]) -> None:
    one = PoolHand("h0", HOST, lambda name: None, ())
    orders = [order_of("deploy", life) for life in (brief("a", 1, **given), brief("b", 1))]
    refused, made = one.run(orders, 1)
    one.close()
    assert isinstance(refused.error, DeviceFailed) and not refused.error.passing
    assert "vm of web" in refused.error.message
    assert made.error is None and "b" in domains()


def test_a_look_describes_those_alone_that_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host may have many pools' domains."""
    for name in ("a", "b"):
        do("deploy", brief(name, ord(name)))
        do("start", brief(name, ord(name)))
    described: set[str] = set()
    as_ever = libvirt.virDomain.XMLDesc

    def counted(domain: libvirt.virDomain, flags: int = 0) -> str:
        described.add(domain.name())
        return str(as_ever(domain, flags))

    monkeypatch.setattr(libvirt.virDomain, "XMLDesc", counted)
    [found] = seen(brief("a", ord("a")))
    assert found is not None and found["listed"].now is not None
    assert described == {"a"}


def test_what_is_done_is_not_done_again_while_a_guest_shuts_down() -> None:
    """Nothing of an errand is answered before that."""
    do("deploy", brief("a", 1))
    do("start", brief("a", 1))
    hand = PoolHand("h0", HOST, lambda name: None, ())
    worker = HandWorker(lambda: hand, 1, lambda hand, job: None, lambda job, error: None)
    heard: list[Outcome] = []
    orders = [order_of("stop", brief("a", 1, shutdownTimeout=10)), order_of("deploy", brief("b", 1))]
    again = worker.handle([Errand(orders, heard.extend)])
    assert again is not None and heard == [] and domains() == ["a", "b"]
    hand.run([order_of("terminate", brief("b", 1))], 1)
    assert worker.handle([]) is None
    assert [outcome.error for outcome in heard] == [None, None] and domains() == ["a"]
    worker.close()


def test_a_snapshot_that_is_not_thin_has_the_size_of_its_base(tmp_path: Path) -> None:
    """What LVM would be told is the room for changes, and no guest would see it."""
    base = tmp_path / "base.raw"
    base.write_bytes(bytes(4096))
    given = {"baseImage": str(base), "snapshot": True}
    disk = Brief("web", 1.0, ("disk",), "LVMStorageBackend", 1, given)
    do("construct", disk, PoolHand("h0", HOST, lambda name: None, (str(tmp_path),)))
    larger = replace(disk, attributes={**given, "size": 1 << 20})
    with pytest.raises(DeviceFailed, match="size says nothing of it"):
        do("construct", larger, PoolHand("h0", HOST, lambda name: None, (str(tmp_path),)))


def test_what_is_filled_has_the_time_of_a_copy() -> None:
    """An empty volume of LVM's is, too: with zeros."""
    given: list[float | None] = []

    def call(action: Callable[[libvirt.virConnect], Any], seconds: float | None = None) -> Any:
        given.append(seconds)
        with closing(libvirt.open(HOST["uri"])) as connection:
            return action(connection)

    LibvirtStorage(call).make_empty("default-pool", "swap", 1 << 20)
    assert given == [COPY_SECONDS]
