import pytest

from nm.errors import DeviceFailed
from nm.hostnet import LinuxNetwork, NoNetwork, OvsNetwork, network_of


@pytest.mark.parametrize("vlan", [2, 101, 4094])
def test_bridges_are_named_after_their_vlan(vlan: int) -> None:
    network = LinuxNetwork("eth5")
    bridge, tag = network.place(vlan)
    assert (bridge, tag) == (f"nmbr{vlan}", None)
    assert len(bridge) < 16  # IFNAMSIZ
    assert network.vlan_at(bridge, tag) == vlan


@pytest.mark.parametrize(
    ("bridge", "tag"), [(None, None), ("br0", None), ("nmbr", None), ("nmbrx", None), ("nmbr7", 7)]
)
def test_other_bridges_are_on_no_vlan(bridge: str | None, tag: int | None) -> None:
    assert LinuxNetwork("eth5").vlan_at(bridge, tag) is None


def test_ports_of_open_vswitch_have_tags() -> None:
    network = OvsNetwork("br0")
    assert network.place(101) == ("br0", 101)
    assert network.vlan_at("br0", 101) == 101
    assert network.vlan_at("br0", None) is None
    assert network.vlan_at("br1", 101) is None


def test_the_network_of_a_record() -> None:
    kinds = {
        ("qemu:///system", "linux"): LinuxNetwork,
        ("qemu:///system", "ovs"): OvsNetwork,
        ("qemu+ssh://vm1/system", "linux"): LinuxNetwork,
        ("qemu+ssh://vm1/system", "ovs"): OvsNetwork,
        ("test:///default", "linux"): NoNetwork,
    }
    for (uri, kind), network in kinds.items():
        assert type(network_of({"uri": uri, "network": {"kind": kind, "device": "eth5"}})) is network


def test_the_network_of_stand_ins_is_one_for_the_process() -> None:
    host = {"uri": "test:///default", "network": {"kind": "linux", "device": "stand-in0"}}
    other = {**host, "network": {"kind": "linux", "device": "stand-in1"}}
    network_of(host).make(101)
    assert network_of(host).present(101)
    assert not network_of(host).present(102)
    assert not network_of(other).present(101)
    network_of(host).unmake(101)
    assert not network_of(host).present(101)
    network_of(host).unmake(101)


def test_a_trunk_device_that_is_not_there() -> None:
    network = LinuxNetwork("nosuch0")
    with pytest.raises(DeviceFailed, match="no network device nosuch0") as failure:
        network.make(101)
    assert not failure.value.passing
    assert "UpdateHost" in failure.value.hint
    assert not network.present(4093)
