import pytest

from nm.errors import Invalid
from nm.hypervisor import check_network, check_uri, ssh_of

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
    "xen:///etc",
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
    "network", [{"kind": "linux", "device": "eth5"}, {"kind": "ovs", "device": "br-nodes"}]
)
def test_networks(network: dict[str, object]) -> None:
    assert check_network(network) == network


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
        check_network(network)


@pytest.mark.parametrize(
    ("uri", "address", "port", "user"),
    [
        ("qemu+ssh://vm1/system", "vm1", 22, "root"),
        ("qemu+ssh://nm@10.0.0.1:2222/system", "10.0.0.1", 2222, "nm"),
        ("qemu+ssh://[2001:db8::1]:22/system", "2001:db8::1", 22, "root"),
    ],
)
def test_how_another_machine_is_logged_in_to(uri: str, address: str, port: int, user: str) -> None:
    assert ssh_of(uri) == {"address": address, "port": port, "user": user}
