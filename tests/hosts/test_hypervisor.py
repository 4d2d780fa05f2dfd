import pytest

from nm.errors import Invalid
from nm.hypervisor import check_network, check_uri

GOOD = (
    "test:///default",
    "qemu:///system",
    "lxc:///",
    "lxc:///system",
    "qemu+ssh://vm1.example.org/system",
    "qemu+ssh://root@10.0.0.7:2222/system",
    "qemu+ssh://root@[fd00::7]/system",
)
BAD = (
    None,
    7,
    "",
    "qemu",
    "xen:///system",
    "qemu:///session",
    "qemu:///system ",
    "qemu:///system\n",
    "qemu:///system?socket=/tmp/mine",
    "qemu+ssh://vm1/system?command=/tmp/mine",
    "qemu+ssh://vm1/system#x",
    "qemu+ssh:///system",
    "qemu+ssh://-oProxyCommand=id/system",
    "qemu+ssh://-l@vm1/system",
    "qemu+ext://vm1/system",
    "qemu+tcp://vm1/system",
    "qemu://vm1/system",
    "test:///etc/shadow",
    "test+ssh://vm1/default",
    "qemu+ssh://127.1/system",
    "qemu+ssh://2130706433/system",
    "qemu+ssh://vm.0x7f/system",
    "qemu+ssh://[1::2::3]/system",
    "qemu+ssh://vm1:0/system",
    "qemu+ssh://vm1:65536/system",
)


@pytest.mark.parametrize("uri", GOOD)
def test_allowed(uri: str) -> None:
    assert check_uri(uri) == uri


@pytest.mark.parametrize("uri", BAD)
def test_refused_with_the_forms_that_are_allowed(uri: object) -> None:
    with pytest.raises(Invalid, match="qemu:///system"):
        check_uri(uri)


@pytest.mark.parametrize(
    ("uri", "network"),
    [
        ("qemu:///system", {"kind": "linux", "device": "eth5"}),
        ("qemu:///system", {"kind": "ovs", "device": "br-nodes"}),
        ("qemu+ssh://vm1/system", {"kind": "ovs", "device": "br0"}),
    ],
)
def test_networks(uri: str, network: dict[str, object]) -> None:
    assert check_network(uri, network) == network


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (None, "linux, ovs"),
        ({}, "linux, ovs"),
        ({"kind": ["linux"], "device": "eth5"}, "linux, ovs"),
        ({"kind": "vde", "device": "eth5"}, "linux, ovs"),
        ({"kind": "ovs"}, "15 characters"),
        ({"kind": "ovs", "device": 7}, "15 characters"),
        ({"kind": "ovs", "device": "../eth5"}, "15 characters"),
        ({"kind": "ovs", "device": "a" * 16}, "15 characters"),
        ({"kind": "ovs", "device": "br0", "mtu": 9000}, "kind and device"),
    ],
)
def test_networks_refused(network: object, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        check_network("qemu:///system", network)


def test_bridges_of_another_machine_are_not_nms_to_make() -> None:
    with pytest.raises(Invalid, match="use kind ovs"):
        check_network("qemu+ssh://vm1/system", {"kind": "linux", "device": "eth5"})
