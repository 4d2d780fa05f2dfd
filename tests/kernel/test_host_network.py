"""VLANs on a host of kind linux, this one or one over SSH: what passes, what does not, what stays behind."""

import subprocess
from collections.abc import Iterator

import pytest
from pyroute2 import IPRoute

from nm.errors import DeviceFailed
from nm.facts import Order
from nm.hostnet import LinuxNetwork
from nm.links import Way
from nm.links.here import Here
from nm.links.there import There
from nm.remote import Remote
from nm.vm import HostHand
from tests.switches.sshd import HOST, Sshd

VLANS = (101, 102)


RACK = """
ip link add trunk0 type veth peer name far0; ip link set far0 up
for v in 101 102; do
    ip netns add far$v
    ip link add link far0 name f$v type vlan id $v; ip link set f$v netns far$v
    ip -n far$v addr add 10.1.0.$v/24 dev f$v; ip -n far$v link set f$v up
    ip netns add guest$v; ip link add guest$v type veth peer name e0 netns guest$v
    ip -n guest$v addr add 10.1.0.$((v - 100))/24 dev e0; ip -n guest$v link set e0 up
done
"""


def sh(script: str) -> str:
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{script}: {done.stderr}"
    return done.stdout


def links() -> dict[str, int]:
    """All interfaces with their numbers, so that one made anew is not taken for the old one."""
    with IPRoute() as kernel:
        return {link.get_attr("IFLA_IFNAME"): link["index"] for link in kernel.get_links()}


@pytest.fixture(scope="module", autouse=True)
def _rack() -> None:
    """A trunk to a switch, where VLAN v ends in namespace far<v> as 10.1.0.<v>, and unplugged guests."""
    sh(RACK)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def there(sshd: Sshd) -> Iterator[There]:
    """The same machine as another one sees it: over SSH."""
    settings = {"address": HOST, "port": sshd.port, "timeout": 60.0}
    found = There("host vmhost", Remote("host vmhost", settings, {"key": sshd.key}))
    yield found
    found.close()


@pytest.fixture(params=["here", "there"])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = Here() if request.param == "here" else request.getfixturevalue("there")
    return found


@pytest.fixture
def network(way: Way) -> Iterator[LinuxNetwork]:
    before = set(links())
    yield LinuxNetwork("trunk0", way)
    with IPRoute() as kernel:
        for name in set(links()) - before:
            for index in kernel.link_lookup(ifname=name):
                kernel.link("del", index=index)


def plug(vlan: int) -> str:
    """Hang the guest of that VLAN, 10.1.0.<vlan - 100>, on its bridge; returns its namespace."""
    sh(f"ip link set guest{vlan} master nmbr{vlan} up")
    return f"guest{vlan}"


def reaches(namespace: str, address: int, tries: int = 1) -> bool:
    ping = ["ip", "netns", "exec", namespace, "busybox", "ping", "-c1", "-W1", f"10.1.0.{address}"]
    return any(subprocess.run(ping, capture_output=True, check=False).returncode == 0 for _ in range(tries))


def test_frames_pass_in_their_own_vlan_only(network: LinuxNetwork) -> None:
    for vlan in VLANS:
        network.make(vlan)
    guests = [plug(vlan) for vlan in VLANS]
    assert reaches(guests[0], 101, tries=10)
    assert reaches(guests[1], 102, tries=10)
    assert not reaches(guests[0], 102)
    assert not reaches(guests[1], 101)
    assert not reaches(guests[0], 2)
    assert not reaches("far101", 2)


def test_neither_link_nor_bridge_has_an_address(network: LinuxNetwork) -> None:
    network.make(101)
    plug(101)
    assert reaches("far101", 1, tries=10)
    assert sh("ip -o address show dev nmbr101; ip -o address show dev nmv101") == ""


def test_made_twice_is_made_once_and_unmade_leaves_nothing(network: LinuxNetwork) -> None:
    before = links()
    assert not network.present(101)
    network.make(101)
    made = links()
    assert set(made) - set(before) == {"nmv101", "nmbr101"}
    assert network.present(101)
    network.make(101)
    assert links() == made
    for _ in range(2):
        network.unmake(101)
        assert links() == before
        assert not network.present(101)


@pytest.mark.parametrize(
    "harm",
    [
        "ip link del nmbr101",
        "ip link del nmv101",
        "ip link set nmv101 nomaster",
        "ip link set nmv101 down",
        "ip link set nmbr101 down",
        "ip link set trunk0 down",
    ],
)
def test_half_of_it_is_completed_and_removed(harm: str, network: LinuxNetwork) -> None:
    before = links()
    network.make(101)
    sh(harm)
    if "trunk0" not in harm:
        assert not network.present(101)
    network.make(101)
    assert network.present(101)
    plug(101)
    assert reaches("guest101", 101, tries=10)
    sh("ip link set guest101 nomaster")
    if "trunk0" not in harm:
        sh(harm)
    network.unmake(101)
    assert links() == before


def test_a_bridge_on_which_something_hangs_stays_whole(network: LinuxNetwork) -> None:
    network.make(101)
    plug(101)
    with pytest.raises(DeviceFailed, match="guest101 still hangs on it") as failure:
        network.unmake(101)
    assert failure.value.passing
    assert network.present(101)
    assert reaches("guest101", 101, tries=10)
    sh("ip link set guest101 nomaster")
    network.unmake(101)
    assert "nmbr101" not in links()


def test_a_vlan_of_another_trunk_is_not_taken_over(network: LinuxNetwork) -> None:
    sh("ip link add eth-other type dummy; ip link add link eth-other name nmv101 type vlan id 101")
    with pytest.raises(DeviceFailed, match="which is not VLAN 101 of trunk0") as failure:
        network.make(101)
    assert not failure.value.passing
    assert not network.present(101)
    assert "nmbr101" not in links()


@pytest.mark.parametrize("name", ["nmv101", "nmbr101"])
def test_an_interface_of_another_kind_is_left_alone(name: str, network: LinuxNetwork) -> None:
    sh(f"ip link add {name} type dummy")
    with pytest.raises(DeviceFailed, match=f"interface {name} already"):
        network.make(101)
    network.unmake(101)
    assert name in links()


def test_the_hand_of_a_host_of_that_kind(network: LinuxNetwork) -> None:
    host = {"uri": "qemu:///system", "network": {"kind": "linux", "device": "trunk0"}}
    hand = HostHand("vmhost", host, lambda _: None, network=lambda _: network)
    before = links()
    facts = [f"bridge/vmhost/{vlan}" for vlan in VLANS]
    assert [outcome.seen for outcome in hand.run([Order(fact, {}) for fact in facts], 1)] == [{}, {}]
    assert [outcome.seen for outcome in hand.read(facts)] == [{}, {}]
    orders = [Order(facts[0], None, moot=lambda: True), Order(facts[1], None)]
    assert [outcome.error for outcome in hand.run(orders, 1)] == [None, None]
    assert [outcome.seen for outcome in hand.read(facts)] == [{}, None]
    hand.run([Order(facts[0], None)], 1)
    assert links() == before
