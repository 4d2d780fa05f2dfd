"""A Linux bridge as a switch: what all switches do, here and over SSH, with frames; and what is its own."""

import base64
import json
import shlex
import socket
import struct
import subprocess
from collections.abc import Iterator

import pytest
from pyroute2 import IPRoute
from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE
from pyroute2.netlink.rtnl import RTM_GETLINK

from nm.errors import DeviceFailed
from nm.iproute2 import documents, failures
from nm.switch import Change, PortState, SetPort, SetTrunk
from nm.switches.bridge import Bridge
from nm.switches.iproute2 import bridge_of
from nm.switches.linux import LinuxBridge
from nm.switches.netlink import COMPRESSED, Here
from tests.switches.benches import EPOCH, done, executor_of, join, leave, no_trunk, trunk
from tests.switches.bridges import BridgeBench, own_network, sh
from tests.switches.sshd import Sshd
from tests.switches.test_behaviour import *  # noqa: F403
from tests.switches.test_random_changes import *  # noqa: F403

ISOLATED = PortState()
IFLA_EXT_MASK = 29
MANY = """
bridge vlan add dev {a} vid 100-200
bridge vlan add dev {a} vid 300
bridge vlan add dev {own} vid 7 untagged self
bridge vlan add dev {b} vid 8 pvid
bridge vlan add dev {c} vid 1-4094
bridge vlan del dev {d} vid 1
"""


@pytest.fixture(scope="module", autouse=True)
def _network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory, _network: None) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def one_here(_network: None) -> Iterator[BridgeBench]:
    """One bridge each way for all tests: to make one and to log in takes seconds in a VM."""
    found = BridgeBench()
    yield found
    found.close()


@pytest.fixture(scope="module")
def one_there(sshd: Sshd) -> Iterator[BridgeBench]:
    found = BridgeBench(sshd)
    yield found
    found.close()


@pytest.fixture(params=["here", "there"])
def bench(request: pytest.FixtureRequest) -> BridgeBench:
    """A bridge that is driven the one way, then the other."""
    found: BridgeBench = request.getfixturevalue(f"one_{request.param}")
    found.refresh()
    return found


@pytest.fixture
def here() -> Iterator[BridgeBench]:
    found = BridgeBench()
    yield found
    found.close()


def test_both_ways_tell_the_same(here: BridgeBench) -> None:
    a, own, b, c, d = here.ports
    sh(MANY.format(a=a, own=own, b=b, c=c, d=d))
    seen = Here("switch s", here.bridge).look()
    assert seen == here.look()
    assert seen == Bridge(here.bridge, True, 0, seen.ports)
    table = here.table()
    assert table[a] == PortState(1, (*range(100, 201), 300))
    assert table[own] == PortState(1, (7,), open=True)
    assert table[b] == PortState(8, (1,), open=True)
    assert table[c] == PortState(open=True)
    assert table[d] == ISOLATED


def test_a_recording_for_tests_without_such_a_kernel() -> None:
    """It is printed, for tests/switches/recorded: tests/kernel/run.sh -s -k recording."""
    sh("ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0; ip link set br0 up")
    for port in ("p0", "p1", "p2", "p3"):
        sh(f"ip link add {port} type dummy; ip link set {port} master br0 up")
        sh(f"bridge vlan add dev {port} vid 1 untagged")
    sh("bridge vlan add dev br0 vid 1 pvid untagged self; ip link add br9 type bridge")
    sh("bridge vlan add dev p0 vid 1 pvid untagged; bridge vlan add dev p2 vid 1 pvid untagged")
    sh(MANY.format(a="p0", own="br0", b="p1", c="p2", d="p3"))
    lines = ["add dev lo vid 5", "add dev p3 vid 5", "add dev nowhere vid 5", "del dev p3 vid 5"]
    said = sh("ip -json -details link show; bridge -json -compressvlans vlan show")
    refusals = sh(f"printf 'vlan %s\\n' {shlex.join(lines)} | bridge -force -batch - 2>&1 || true")
    with IPRoute() as kernel:
        index = kernel.link_lookup(ifname="br0")[0]
    recorded = {
        "link": ask_kernel(socket.AF_UNSPEC, index, b""),
        "dump": ask_kernel(socket.AF_BRIDGE, 0, struct.pack("HHI", 8, IFLA_EXT_MASK, COMPRESSED)),
        "json": said,
        "refusals": refusals,
    }
    print("\n" + json.dumps(recorded, indent=1))
    assert Here("switch s", "br0").look() == bridge_of("br0", *documents(said))
    assert sorted(failures(refusals)) == [1, 3]
    sh("ip link del br0; ip link del br9; for port in 0 1 2 3; do ip link del p$port; done")


def ask_kernel(family: int, index: int, attributes: bytes) -> str:
    """All that a kernel answers about one link or about all, in its own bytes."""
    flags = NLM_F_REQUEST | (0 if index else NLM_F_DUMP)
    body = struct.pack("BxHiII", family, 0, index, 0, 0) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(struct.pack("IHHII", 16 + len(body), RTM_GETLINK, flags, 1, 0) + body)
        answer = netlink.recv(1 << 18)
        while not index and NLMSG_DONE not in _types(answer):
            answer += netlink.recv(1 << 18)
    return base64.b64encode(answer).decode()


def _types(answer: bytes) -> Iterator[int]:
    at = 0
    while at < len(answer):
        length, kind = struct.unpack_from("IH", answer, at)
        yield kind
        at += (length + 3) & ~3


def test_whatever_was_there_is_replaced(bench: BridgeBench) -> None:
    a, own, b, c, d = bench.ports
    sh(MANY.format(a=a, own=own, b=b, c=c, d=d))
    done(bench, join(a, 150), join(own, None, 8, 9, 11), join(b, 8), trunk(c, 150))
    table = bench.table()
    assert (table[a], table[own]) == (PortState(150), PortState(None, (8, 9, 11)))
    assert (table[b], table[c], table[d]) == (PortState(8), PortState(None, (150,)), ISOLATED)


def test_a_refusal_of_the_kernel_is_of_its_change(bench: BridgeBench) -> None:
    """A port that left the bridge between the look and the edit."""
    a, _, b, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    driver = LinuxBridge("sw0", bench.record, bench.record.get("secrets", {}))
    driver.open()
    look = driver._way.look

    def look_and_lose() -> Bridge:
        found = look()
        sh(f"ip link set {a} nomaster")
        return found

    driver._way.look = look_and_lose  # type: ignore[method-assign]
    changes: list[Change] = [SetPort(a, PortState(101)), SetTrunk(b, 101, True)]
    rejected = driver.apply(changes, EPOCH)
    driver.close()
    assert set(rejected) == {changes[0]}
    assert "Operation not supported" in rejected[changes[0]].message
    assert not rejected[changes[0]].passing
    assert bench.table()[b] == PortState(None, (101,))


def test_a_port_that_comes_anew_comes_isolated(here: BridgeBench) -> None:
    a, *others = here.ports
    here.executor.isolate(here.ports, EPOCH)
    done(here, join(a, 101), *(join(port, 101) for port in others))
    sh(f"ip link set {a} nomaster; ip link set {a} master {here.bridge}")
    assert here.table()[a] == ISOLATED
    assert all(here.reaches(a, *tags) == set() for tags in [(), (1,), (101,)])


def test_a_bridge_that_puts_new_ports_on_a_vlan_joins_none(bench: BridgeBench) -> None:
    a, *_ = bench.ports
    sh(f"ip link set {bench.bridge} type bridge vlan_default_pvid 5")
    assert bench.executor.inspect().model == "Linux bridge, new ports on VLAN 5"
    assert set(bench.executor.isolate(bench.ports, EPOCH).values()) == {ISOLATED}
    (outcome,) = bench.executor.run([join(a, 101)], EPOCH)
    assert isinstance(outcome.error, DeviceFailed)
    assert f"ip link set {bench.bridge} type bridge" in outcome.error.hint
    assert bench.table()[a] == ISOLATED
    sh(f"ip link set {bench.bridge} type bridge vlan_default_pvid 0")
    done(bench, join(a, 101))


@pytest.mark.parametrize("harm", ["vlan_filtering 0", "vlan_protocol 802.1ad"])
def test_a_bridge_that_filters_no_vlans_is_open(harm: str, bench: BridgeBench) -> None:
    a, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    sh(f"ip link set {bench.bridge} type bridge {harm}")
    found = bench.executor.inspect()
    assert found.model == "Linux bridge that does not filter VLANs"
    assert set(found.ports.values()) == {PortState(open=True)}
    (outcome,) = bench.executor.run([join(a, 101)], EPOCH)
    assert "all its ports are open" in str(outcome.error)
    assert "vlan_filtering 1" in str(outcome.error)


def test_a_bridge_that_is_none(bench: BridgeBench) -> None:
    for name in ("nowhere", bench.ports[0]):
        executor = executor_of(**{**bench.record, "bridge": name})
        with pytest.raises(DeviceFailed, match=f"no bridge {name}") as caught:
            executor.inspect()
        assert not caught.value.passing
        executor.close()


def test_who_is_not_root_there_is_let_do_it_by_sudo_or_not_at_all(sshd: Sshd) -> None:
    """The VM has an account that may log in, and no sudo."""
    sh("useradd --create-home --password '*' --shell /bin/sh nobody-special")
    sh(f"install -D -m 644 {sshd.folder}/authorized /home/nobody-special/.ssh/authorized_keys")
    bench = BridgeBench(sshd)
    executor = executor_of(**{**bench.record, "user": "nobody-special"})
    before = bench.table()
    assert executor.inspect().ports == before
    (outcome,) = executor.run([join(bench.ports[0], 101)], EPOCH)
    assert isinstance(outcome.error, DeviceFailed)
    assert "cannot be changed: sh: 1: sudo: not found" in outcome.error.message
    assert "docs/drivers.md" in outcome.error.hint
    assert not outcome.error.passing
    assert bench.table() == before
    executor.close()
    bench.close()


@pytest.fixture
def machines(here: BridgeBench) -> Iterator[dict[str, str]]:
    """Namespaces at the ports, by these names: 10.9.0.1 and on; `tagged` has its address on VLAN 101."""
    ports = dict(zip(("a", "tagged", "b", "other"), (here.ports[0], *here.ports[2:]), strict=True))
    for number, (name, port) in enumerate(ports.items(), 1):
        device = "v101" if name == "tagged" else f"{port}f"
        sh(f"ip netns add nm-{name}; ip link set {port}f netns nm-{name}")
        sh(f"ip -n nm-{name} link set {port}f up")
        if name == "tagged":
            sh(f"ip -n nm-tagged link add link {port}f name v101 up type vlan id 101")
        sh(f"ip -n nm-{name} address add 10.9.0.{number}/24 dev {device}")
    yield ports
    for name, port in ports.items():
        sh(f"ip -n nm-{name} link set {port}f netns $$; ip netns del nm-{name}")


def pings(name: str, address: int, tries: int = 1) -> bool:
    inside = ["ip", "netns", "exec", f"nm-{name}"]
    ping = [*inside, "busybox", "ping", "-c1", "-W1", f"10.9.0.{address}"]
    return any(subprocess.run(ping, capture_output=True, check=False).returncode == 0 for _ in range(tries))


def test_who_reaches_whom_by_ping(here: BridgeBench, machines: dict[str, str]) -> None:
    """Machines 1 to 4 are a, tagged, b, other; 9 is this one, on whose own port a VLAN is or is not."""
    sh(f"ip address add 10.9.0.9/24 dev {here.bridge}")
    here.executor.isolate(here.ports, EPOCH)
    assert not pings("a", 3)
    tagged = trunk(machines["tagged"], 101)
    done(here, join(machines["a"], 101), join(machines["b"], 101), join(machines["other"], 102), tagged)
    assert pings("a", 3, tries=10)
    assert pings("tagged", 1, tries=10)
    assert [pings("a", 4), pings("other", 1), pings("a", 9), pings("other", 9)] == [False] * 4
    done(here, leave(machines["b"]))
    assert [pings("a", 3), pings("a", 2, tries=10)] == [False, True]


def test_the_bridges_own_port_is_the_trunk_to_its_machine(
    here: BridgeBench, machines: dict[str, str]
) -> None:
    """As a host of kind linux has it: its links of 802.1q hang on the bridge."""
    here.executor.isolate(here.ports, EPOCH)
    sh(f"ip link add link {here.bridge} name v101 up type vlan id 101; ip address add 10.9.0.9/24 dev v101")
    done(here, join(machines["a"], 101), join(machines["other"], 102))
    assert not pings("a", 9)
    done(here, trunk(here.bridge, 101))
    assert pings("a", 9, tries=10)
    assert not pings("other", 9)
    done(here, no_trunk(here.bridge, 101))
    assert not pings("a", 9)
