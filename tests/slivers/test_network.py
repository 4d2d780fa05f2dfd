"""Slivers' rates in the kernel: the tree read back, frames in the right classes, and who cannot cheat.

How fast they really are is measured by benchmarks/network_rates.py; here nothing waits for seconds.
"""

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings

from nm import quotas, shaper, shaping
from nm.errors import DeviceFailed
from nm.htb import Htb
from nm.quotas import DAY
from nm.rspec import node_caps
from nm.store import Transaction
from nm.workers import Crew
from tests.memory_store import MemoryStore
from tests.slivers.making import NOW
from tests.slivers.network import (
    EXEMPT,
    EXEMPT6,
    NETWORKS,
    WORLD,
    Ear,
    Net,
    Node,
    Place,
    mac,
    network,
    send,
    shout,
)
from tests.slivers.test_shaper import LIVES
from tests.switches.bridges import own_network, sh
from tests.waiting import until

T = TypeVar("T")
pytestmark = [pytest.mark.real, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
ALL = list(shaping.ENFORCED)
HOST, HOST2, ONE, ONE2, TWO = (f"6e6d:{minor}" for minor in ("10", "11", "12", "13", "14"))
COUNTED, FREE = "6e6d:1", "6e6d:2"


@pytest.fixture(params=["uplink", "routed"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def net(way: str) -> Iterator[Net]:
    with network(way == "routed") as made:
        yield made


@pytest.fixture
def node(net: Net, way: str) -> Node:
    return Node(way)


def passes(node: Node, place: Place, to: str, handle: str, *others: str) -> None:
    """What the place sends there goes through that class, and not through the others."""
    before = {one: node.bytes_of(one) for one in (handle, *others)}
    send(place, to)
    until(lambda: node.bytes_of(handle) >= before[handle] + 20_000)
    assert all(node.bytes_of(one) < before[one] + 20_000 for one in others)


def test_frames_go_through_their_slivers_classes(net: Net, node: Node) -> None:
    node.put(node_caps(None, NETWORKS, NOW))
    one, two = net.plug(1), net.plug(2)
    node.run(1, net_min=1_000_000, net_max=5_000_000, net2_max=800_000_000)
    node.run(2, net_share=3)
    node.look()
    assert (node.enforced, node.faults) == (ALL, "")
    found = node.classes()
    assert set(found) == {COUNTED, FREE, HOST, HOST2, ONE, ONE2, TWO, "6e6d:15"}
    assert (found[ONE]["rate"], found[ONE]["ceil"], found[ONE]["parent"]) == (125_000, 625_000, COUNTED)
    assert (found[ONE2]["rate"], found[ONE2]["ceil"], found[ONE2]["parent"]) == (1, 100_000_000, FREE)
    passes(node, one, WORLD, ONE, TWO, HOST, ONE2)
    passes(node, two, WORLD, TWO, ONE, HOST)
    passes(node, one, EXEMPT, ONE2, ONE, HOST, HOST2)
    passes(node, one, EXEMPT6, ONE2, ONE, HOST, HOST2)


def test_two_share_the_nodes_cap_and_exempt_networks_do_not_count(net: Net, node: Node) -> None:
    node.put(node_caps(4_000_000, NETWORKS, NOW))
    one, two = net.plug(1), net.plug(2)
    node.run(1, net_min=3_000_000)
    node.run(2, net_min=3_000_000)
    node.look()
    found = node.classes()
    assert found[COUNTED]["ceil"] == 500_000
    assert found[ONE]["parent"] == found[TWO]["parent"] == found[HOST]["parent"] == COUNTED
    assert (
        found[ONE]["rate"] == found[TWO]["rate"] == 187_500
    )  # together no more: a least rate breaks any cap
    assert found[HOST]["rate"] == 125_000
    before = node.bytes_of(COUNTED)
    passes(node, one, WORLD, ONE, TWO)
    passes(node, two, WORLD, TWO, ONE)
    until(lambda: node.bytes_of(COUNTED) >= before + 40_000)
    passes(node, one, EXEMPT, FREE, COUNTED)
    node.put(node_caps(None, [], NOW))
    node.look()
    assert set(node.classes()) == {COUNTED, HOST, ONE, TWO}
    passes(node, one, EXEMPT, ONE, HOST)


def test_nobody_sends_in_anothers_name(net: Net, node: Node, way: str) -> None:
    one, _ = net.plug(1), net.plug(2)
    node.run(1)
    node.run(2)
    ear = Ear(net.world, "w0") if way == "uplink" else Ear(here(), "br0")
    try:
        shout(one, mac(2), b"before")
        assert ear.hears_before(b"before", b"none")  # the bridge alone does not mind
        node.look()
        before = node.bytes_of(TWO)
        for claimed in (mac(2), "52:54:00:99:99:99"):
            shout(one, claimed, b"spoofed")
            shout(one, mac(1), b"honest")
            assert not ear.hears_before(b"spoofed", b"honest")
        assert node.bytes_of(TWO) < before + 1400  # what it says itself, by IPv6
        net.unplug(1)
        one = net.plug(1)  # it was started again
        node.look("s1")
        shout(one, mac(2), b"spoofed")
        shout(one, mac(1), b"honest")
        assert not ear.hears_before(b"spoofed", b"honest")
    finally:
        ear.close()


def here() -> Place:
    """This thread's own network."""
    place = Place.__new__(Place)
    place._fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    return place


def test_a_port_that_cannot_be_locked_is_told(node: Node) -> None:
    sh("ip link add nms1 type veth peer name g1")
    node.run(1)
    node.look()
    assert node.enforced == ALL
    assert node.faults == "nms1 may use any address: it is no port of a Linux bridge"
    sh("ip link set nms1 master br0")
    node.look("s1")
    assert node.faults == ""


class Changes:
    """What anybody changes of queues, classes and filters in this network."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 1 << 3))  # RTMGRP_TC
        self._socket.setblocking(False)

    def count(self) -> int:
        """How many since it was asked last."""
        count = 0
        while True:
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        self._socket.close()


def test_a_restart_changes_nothing_and_a_change_little(net: Net, node: Node) -> None:
    one = net.plug(1)
    node.put(node_caps(10_000_000, NETWORKS, NOW))
    for number in range(1, 6):
        node.run(number, net_max=5_000_000)
    changes = Changes()
    try:
        node.look()
        assert changes.count() > 10
        passes(node, one, WORLD, ONE)
        sent = node.bytes_of(ONE)
        node.restart()
        node.look()
        assert changes.count() == 0
        assert node.bytes_of(ONE) >= sent
        node.run(1, net_max=1_000_000)
        node.look("s1")
        assert changes.count() == 1
        assert node.classes()[ONE]["ceil"] == 125_000
        node.stop(1)
        node.look("s1")
        assert ONE not in node.classes() and ONE2 not in node.classes()
        assert changes.count() == 6  # two filters and two classes, whose last bytes were asked for
        passes(node, one, WORLD, HOST)
    finally:
        changes.close()


def test_what_others_broke_is_mended(net: Net, node: Node) -> None:
    one = net.plug(1)
    node.put(node_caps(None, NETWORKS, NOW))
    node.run(1)
    node.look()
    whole = set(node.classes())
    passes(node, one, WORLD, ONE)
    node.look()
    counted = quotas.accounts(node.store)["s1"].meters["net"].used
    for harm in (
        f"tc filter del dev {node.device} parent 6e6d: pref 28269",
        f"tc qdisc del dev {node.device} root",
        "ip link del nm-slivers 2>/dev/null || true; tc qdisc del dev br0 ingress 2>/dev/null || true",
    ):
        sh(harm)
        node.look()
        assert (node.enforced, set(node.classes())) == (ALL, whole)
        passes(node, one, WORLD, ONE, HOST)
        node.look()
    assert quotas.accounts(node.store)["s1"].meters["net"].used >= counted + 60_000


def test_a_queue_of_somebody_elses_stays(net: Net, node: Node, way: str) -> None:
    if way == "routed":
        foreign, undo = "tc qdisc add dev br0 clsact", "tc qdisc del dev br0 clsact"
        word = "br0 has filters of somebody else's"
    else:
        foreign, undo = (
            "tc qdisc add dev up0 root handle 7: tbf rate 1mbit burst 5kb limit 9kb",
            "tc qdisc del dev up0 root",
        )
        word = "up0 has somebody else's queue (tbf 7:), which is left alone; `tc qdisc del dev up0 root`"
    sh(foreign)
    net.plug(1)
    node.run(1)
    before = sh("tc qdisc show dev up0; tc qdisc show dev br0")
    node.look()
    assert node.enforced == []
    assert word in node.faults
    assert sh("tc qdisc show dev up0; tc qdisc show dev br0") == before
    sh(undo)
    node.look()
    assert (node.enforced, node.faults) == (ALL, "")
    assert ONE in node.classes()


@settings(max_examples=10, deadline=None)
@given(LIVES)
def test_the_kernel_takes_any_life(life: list[Any]) -> None:
    with own_network():
        sh("ip link add up0 type veth peer name w0; ip link set up0 up")
        hand, shape = Htb("up0", ""), shaper.Shape()
        tree = hand.read().tree
        hand.apply(shaper.difference(tree, shape.tree))
        tree = dict(shape.tree)
        for name, what in life:
            keys = list(shape.put({name: what}) if name else shape.cap(what))
            hand.apply(shaper.difference(tree, shape.tree, keys))
            tree = dict(shape.tree)
            assert hand.read().tree == tree


def test_a_filter_of_somebody_elses_stays() -> None:
    with network(routed=True):
        node = Node("routed")
        sh("tc qdisc add dev br0 ingress; tc filter add dev br0 ingress pref 5 u32 match u32 0 0 classid 1:1")
        node.run(1)
        node.look()
        assert "br0 has filters of somebody else's" in node.faults
        assert "pref 5" in sh("tc filter show dev br0 ingress")


def test_filters_on_a_device_that_is_none_of_ours_are_nobodys_trouble(net: Net, node: Node) -> None:
    """As libvirt makes them for a guest with <bandwidth>."""
    sh("ip link add vnet0 type veth peer name vnet1")
    sh("tc qdisc add dev vnet0 handle ffff: ingress")
    sh("tc filter add dev vnet0 parent ffff: protocol all u32 match u32 0 0 classid 1:1")
    node.look()
    assert (node.faults, node.enforced) == ("", ALL)
    assert "1:1" in sh("tc filter show dev vnet0 ingress")


def test_a_device_that_is_missing_is_told(net: Net, node: Node, way: str) -> None:
    node.use(**({"network": "bridge:br9"} if way == "routed" else {"uplink": "up9"}))
    node.run(1)
    node.look()
    assert node.enforced == []
    assert "this machine has no network device " in node.faults


def test_a_network_of_libvirts_has_its_bridge_and_another_later() -> None:
    with network(routed=True):
        node = Node("routed")
        node.use(network="network:nowhere")
        node.look()
        assert node.enforced == [] and "nowhere" in node.faults
        node.use(network="network:default")  # of the stand-in's, on virbr0
        node.look()
        assert node.enforced == [] and "no network device virbr0" in node.faults
        node.use(network="bridge:br0")  # as if libvirt's had another bridge since
        node.look()
        assert node.enforced == ALL
        node.restart()
        node.use(network="network:default")
        sh("ip link add virbr0 type bridge")
        node.look()
        assert node.enforced == ALL
        assert "pref 28269" in sh("tc filter show dev virbr0 ingress")


def test_a_device_of_our_name_that_is_none_of_ours_stays() -> None:
    with network(routed=True):
        sh("ip link add nm-slivers type bridge")
        node = Node("routed")
        node.look()
        assert "an interface nm-slivers already, which is no ifb; rename or remove it" in node.faults
        node.use(uplink="up0")
        node.restart()
        node.look()
        assert node.enforced == ALL
        assert "nm-slivers" in sh("ip link")


@pytest.mark.parametrize("gone", [False, True])
def test_ours_goes_from_among_others_and_leads_nowhere_that_is_gone(gone: bool) -> None:
    with network(routed=True):
        node = Node("routed")
        node.look()
        sh("tc filter add dev br0 ingress pref 5 u32 match u32 0 0 classid 1:1")
        if gone:
            sh("ip link del nm-slivers")
        node.use(uplink="up0")
        node.restart()
        node.look()
        assert (node.faults, node.enforced) == ("", ALL)
        left = sh("tc filter show dev br0 ingress")
        assert "pref 5" in left and "mirred" not in left


def test_ours_goes_with_the_configuration(net: Net, node: Node, way: str) -> None:
    net.plug(1)
    node.run(1)
    node.look()
    node.use(uplink="" if way == "uplink" else "up0")
    node.restart()
    node.look()
    assert sh("tc qdisc show").count("htb 6e6d:") == 1
    if way == "routed":
        assert "ingress" not in sh("tc qdisc show")
        assert "nm-slivers" not in sh("ip link")
    assert node.enforced == ALL
    node.use(network="")
    node.restart()
    assert node.worker.handle([shaping.Look()]) is None


def test_a_day_of_bytes(net: Net, node: Node) -> None:
    one = net.plug(1)
    node.run(1, net_min=8000, net_max=5_000_000, net_max_kbyte=100, net_thresh_kbyte=50)
    node.look()
    passes(node, one, WORLD, ONE)
    node.now += 60
    node.look()
    used = quotas.told(node.store, "s1", node.now)["net"]
    assert used["limited"] is False and used["used_kbyte"] >= 19
    for _ in range(2):
        passes(node, one, WORLD, ONE)
    node.restart()  # at any time, also without a word
    node.now = NOW + DAY - 10
    node.look()
    told = quotas.told(node.store, "s1", node.now)["net"]
    assert told["limited"] and 8000 <= told["rate"] < 50 * 1024 * 8 / 10
    assert node.classes()[ONE]["ceil"] == told["rate"] // 8
    assert node.events == ["rate limited"]
    gone = node.record("sliver_s1")
    node.store.transact(lambda tx: tx.delete("sliver_s1"))  # deleted, and created again
    node.look("s1")
    assert ONE not in node.classes()
    node.look()
    node.put({**gone, "_index": 2})
    node.look("s1")
    assert node.classes()[TWO]["ceil"] == told["rate"] // 8
    node.now += 60
    node.look()
    assert node.classes()[TWO]["ceil"] == 625_000
    assert node.events == ["rate limited", "rate limit ended"]
    node.stop(1)
    node.look()
    node.now += DAY
    node.look()
    assert quotas.accounts(node.store) == {}


def test_looks_that_see_nothing_new_write_nothing(net: Net, node: Node) -> None:
    one = net.plug(1)
    node.run(1)
    node.look()
    passes(node, one, WORLD, ONE)
    node.look()
    before = node.store.revision
    sh("ip link set nms1 down")
    node.look()
    written = node.store.revision
    for _ in range(3):
        node.now += 60
        node.look()
    assert node.store.revision == written <= before + 1


def test_numbers_that_change_hands(net: Net, node: Node) -> None:
    one = net.plug(1)
    node.run(1)
    node.look()
    passes(node, one, WORLD, ONE)
    net.unplug(1)
    net.plug(1)
    node.put({**node.record("sliver_s1"), "_index": 2})
    node.put({**node.record("sliver_s1"), "record_key": "sliver_s9", "name": "s9", "_index": 1})
    node.look("s1", "s9")
    node.look()
    found = quotas.accounts(node.store)
    assert found["s1"].meters["net"].used >= 20_000
    assert found["s9"].meters["net"].used < 1000
    assert (found["s1"].index, found["s9"].index) == (2, 1)


def test_what_concerns_it() -> None:
    assert shaping.concerned(["group_x", "meta_bytes:s1", "meta_enforcers"]) is None
    assert shaping.concerned(["sliver_a_b", "node_x"]) == shaping.Look(frozenset({"a_b"}))
    assert shaping.concerned(["sliver_a", "meta_bwcap"]) == shaping.Look()


class FullDisk(MemoryStore):
    """A database whose disk takes nothing while it is full."""

    full = False

    def transact(self, operation: Callable[[Transaction], T]) -> T:
        if self.full:
            raise DeviceFailed("the disk is full")
        return super().transact(operation)


def test_what_cannot_be_written_now_is_written_later(net: Net, way: str) -> None:
    store = FullDisk()
    node = Node(way, store)
    one = net.plug(1)
    node.run(1, net_max_kbyte=20, net_thresh_kbyte=10)
    node.look()
    passes(node, one, WORLD, ONE)
    store.full = True
    node.look()
    assert node.classes()[ONE]["ceil"] < 1000  # it is limited all the same
    node.worker.close()
    assert quotas.accounts(store)["s1"].meters["net"].used == 0
    store.full = False
    node.worker.close()
    assert quotas.accounts(store)["s1"].meters["net"].used >= 20_000
    node.look()
    assert node.events == ["rate limited"]


def test_it_runs_in_a_thread_of_its_own(net: Net, node: Node) -> None:
    one = net.plug(1)
    node.run(1)
    crew = Crew(lambda subject: node.worker)
    try:
        crew.send(shaping.SUBJECT, shaping.Look())
        until(lambda: shaping.ENFORCERS in {found["record_key"] for found in node.store.range("meta")})
        assert node.enforced == ALL
        passes(node, one, WORLD, ONE)
        node.now += node.settings.look_seconds
        crew.send(shaping.SUBJECT, shaping.Look(frozenset({"s1"})))  # it is time to look at everything
        until(lambda: quotas.accounts(node.store)["s1"].meters["net"].used >= 20_000)
    finally:
        assert crew.stop(30)


def test_what_is_wrong_of_a_sliver_is_forgotten_with_it(net: Net, node: Node) -> None:
    node.run(1)
    node.run(2)
    node.put({**node.record("sliver_s2"), "_index": 1})
    node.look()
    assert "has number 1, which is" in node.faults
    for number in (1, 2):
        node.stop(number)
    node.look()
    assert node.faults == ""


def test_two_that_swap_their_numbers(net: Net, node: Node) -> None:
    node.run(1, net_max=1_000_000)
    node.run(2, net_max=2_000_000)
    node.look()
    for number, index in ((1, 2), (2, 1)):
        node.put({**node.record(f"sliver_s{number}"), "_index": index})
    node.look("s1", "s2")
    assert (node.faults, node.enforced) == ("", ALL)
    assert (node.classes()[ONE]["ceil"], node.classes()[TWO]["ceil"]) == (250_000, 125_000)


def test_of_many_ports_it_is_seen_whether_the_bridge_knows_who_is_there(net: Net, node: Node) -> None:
    for number in range(1, 11):
        net.plug(number)
        node.run(number)
    node.look()
    entry = f"{mac(3)} dev nms3 master static"
    known = sh("bridge fdb show br br0")
    assert all(f"{mac(number)} dev nms{number} " in known for number in range(1, 11))
    sh(f"bridge fdb del {entry}; bridge link set dev nms4 locked off learning on")
    node.look()
    assert f"{mac(3)} dev nms3 " in sh("bridge fdb show br br0")
    assert all("learning off" in port for port in sh("bridge -d -o link").splitlines() if "nms" in port)
