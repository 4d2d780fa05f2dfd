"""Each argument wrong in each way: the right fault, a hint, and nothing changed."""

from collections.abc import Callable
from typing import Any

import pytest

from nm import pool
from nm.errors import Conflict, Invalid, NMError, NotFound
from nm.pool import values
from tests.pool.world import World, mac

Case = tuple[Callable[..., Any], list[Any], str]

NIC = {"name": "a", "mac": mac(77)}
HOST = {"uri": "test:///default", "network": {"kind": "ovs", "device": "br0"}}
SWITCH = {"driver": "plain", "address": "x.example"}
ENDS = [{"switch": "sw0", "port": "p3"}, {"switch": "sw1", "port": "p3"}]


def node(**settings: Any) -> list[Any]:
    return ["new", {"nics": [NIC], **settings}]


def nic(**settings: Any) -> list[Any]:
    return ["new", {"nics": [{**NIC, **settings}]}]


def switch(**settings: Any) -> list[Any]:
    return ["new", {**SWITCH, **settings}]


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else 1


BAD_NAMES = ["", "-a", "a b", "a/b", "a" * 65, "ä", "a\n", 7, None, ["a"], True]
NAMED: list[tuple[Callable[..., Any], list[Any]]] = [
    (pool.register_switch, [SWITCH]),
    (pool.register_trunk, [{"ends": ENDS}]),
    (pool.register_host, [HOST]),
    (pool.register_node, [{"nics": [NIC]}]),
    (pool.register_head_node, [{"host": "h0", "domain": "d"}]),
    (pool.update_switch, [{"available": False}]),
    (pool.update_host, [{"available": False}]),
    (pool.update_node, [{"available": False}]),
    (pool.update_head_node, [{"available": False}]),
    (pool.unregister_switch, []),
    (pool.unregister_trunk, []),
    (pool.unregister_host, []),
    (pool.unregister_node, []),
    (pool.unregister_head_node, []),
    (pool.register_port, ["p1"]),
    (pool.unregister_port, ["p1"]),
    (pool.inspect_switch, []),
    (pool.reset_ports, []),
    (pool.adopt_ports, []),
    (pool.clear_node, []),
    (pool.clear_head_node, []),
    (pool.connect_nic, ["eth0", "sw0", "p3"]),
]

NO_STRUCTS: list[Any] = ["x", 7, [], None]

BAD: list[Case] = [
    # settings that are none
    *((operation, ["new", wrong], "must be a struct") for operation, _ in NAMED[:5] for wrong in NO_STRUCTS),
    *((operation, ["new", {"nonsense": 1}], "nonsense|lacks") for operation, _ in NAMED[:5]),
    # switches
    (pool.register_switch, ["new", {"address": "x"}], "lacks driver"),
    (pool.register_switch, ["new", {"driver": "plain"}], "lacks address"),
    (pool.register_switch, switch(driver="nonsense"), "no switch driver"),
    (pool.register_switch, switch(driver=["plain"]), "must be a string"),
    (pool.register_switch, switch(nonsense=1), "no key 'nonsense'"),
    (pool.register_switch, switch(slots="4"), "slots must be an int"),
    (pool.register_switch, switch(slots=True), "slots must be an int"),
    (pool.register_switch, switch(fast=1), "fast must be a boolean"),
    (pool.register_switch, switch(delay="1"), "delay must be a double"),
    (pool.register_switch, switch(address=""), "lacks address"),
    (pool.register_switch, switch(address="a" * 1025), "1025 characters"),
    (pool.register_switch, switch(address="a\x00b"), "not plain text"),
    (pool.register_switch, switch(address="ssh://admin:hunter2@x"), "holds a password"),
    (pool.register_switch, switch(password="hunter2"), "holds a secret"),
    (pool.register_switch, switch(enable_secret="hunter2"), "holds a secret"),
    (pool.register_switch, switch(secrets="hunter2"), "must be a struct"),
    (pool.register_switch, switch(secrets={"login": "hunter2 !"}), "names of secrets"),
    (pool.register_switch, switch(secrets={"login": 7}), "names of secrets"),
    (pool.register_switch, switch(available=1), "must be a boolean"),
    (pool.register_switch, switch(reason="why"), "is in service"),
    (pool.register_switch, switch(available=False, reason="a" * 257), "257 characters"),
    (pool.update_switch, ["sw0", {}], "names no key"),
    (pool.update_switch, ["sw0", "x"], "must be a struct"),
    (pool.update_switch, ["sw0", {"driver": "none"}], "no switch driver 'none'"),
    (pool.update_switch, ["sw0", {"driver": None}], "lacks driver"),
    (pool.update_switch, ["sw0", {"address": None}], "cannot be nil"),
    (pool.update_switch, ["sw0", {"address": 7}], "must be a string"),
    (pool.update_switch, ["sw0", {"token": "hunter2"}], "holds a secret"),
    (pool.update_switch, ["sw0", {"name": "sw7"}], "no key 'name'"),
    # ports
    *(
        (pool.register_port, ["sw0", wrong], "port")
        for wrong in ("", " p", "p ", "p\n", "p\t1", "a" * 129, 7, None)
    ),
    (pool.register_port, ["sw0", "p9", "x"], "must be a struct"),
    (pool.register_port, ["sw0", "p9", {"speed": 1}], "no key 'speed'"),
    (pool.reset_ports, ["sw0", "p1"], "must be a list"),
    (pool.reset_ports, ["sw0", []], "empty list"),
    (pool.reset_ports, ["sw0", [7]], "must be a string"),
    # trunks
    (pool.register_trunk, ["new", {"native": 5}], "lacks ends"),
    (pool.register_trunk, ["new", {"ends": "x"}], "must be a list"),
    (pool.register_trunk, ["new", {"ends": ENDS[:1]}], "two ends|has 1"),
    (pool.register_trunk, ["new", {"ends": [*ENDS, ENDS[0]]}], "has 3"),
    (pool.register_trunk, ["new", {"ends": [ENDS[0], "sw1"]}], "must be a struct"),
    (pool.register_trunk, ["new", {"ends": [ENDS[0], {"switch": "sw1"}]}], "lacks port"),
    (pool.register_trunk, ["new", {"ends": [ENDS[0], {"host": "h0"}]}], "lacks device"),
    (pool.register_trunk, ["new", {"ends": [ENDS[0], {"host": "h0", "device": "a b"}]}], "network device"),
    (
        pool.register_trunk,
        ["new", {"ends": [ENDS[0], {"host": "h0", "device": "e", "port": "p"}]}],
        "no key 'port'",
    ),
    (
        pool.register_trunk,
        ["new", {"ends": [{"host": "h0", "device": "e"}, {"host": "h0", "device": "f"}]}],
        "two hosts",
    ),
    *(
        (pool.register_trunk, ["new", {"ends": ENDS, "native": wrong}], "native")
        for wrong in (0, 4095, -1, "1", True)
    ),
    # hosts
    *(
        (pool.register_host, ["new", {**HOST, "uri": wrong}], "uri|URI|password")
        for wrong in (
            "",
            "xen:///",
            "qemu:///system?command=/bin/sh",
            "qemu+ssh://u:hunter2@h/system",
            "qemu+tcp://h/system",
            "file:///etc/passwd",
            "qemu:///system\n",
            7,
            ["qemu:///system"],
        )
    ),
    *(
        (pool.register_host, ["new", {**HOST, "network": wrong}], "network|struct")
        for wrong in (
            "br0",
            {},
            {"kind": "vxlan", "device": "x"},
            {"kind": "ovs"},
            {"kind": "ovs", "device": "a/b"},
            {"kind": "ovs", "device": "x", "mtu": 9000},
        )
    ),
    (pool.register_host, ["new", {"uri": "test:///default"}], "lacks network"),
    (pool.update_host, ["h0", {"uri": "nonsense:"}], "URI"),
    (pool.update_host, ["h0", {"uri": None}], "cannot be nil"),
    # nodes
    (pool.register_node, ["new", {}], "lacks nics"),
    (pool.register_node, ["new", {"nics": {}}], "must be a list"),
    (pool.register_node, ["new", {"nics": []}], "0 NICs"),
    (
        pool.register_node,
        ["new", {"nics": [{"name": f"e{at}", "mac": mac(9, at)} for at in range(25)]}],
        "25 NICs; a node has 1 to 24",
    ),
    (pool.register_node, ["new", {"nics": ["eth0"]}], "must be a struct"),
    (pool.register_node, ["new", {"nics": [{"name": "a"}]}], "lacks mac"),
    (pool.register_node, ["new", {"nics": [NIC, {**NIC, "mac": mac(78)}]}], "name a is there twice"),
    (pool.register_node, ["new", {"nics": [NIC, {**NIC, "name": "b"}]}], "mac .* is there twice"),
    (
        pool.register_node,
        ["new", {"nics": [{**NIC, "role": "boot"}, {"name": "b", "mac": mac(78), "role": "boot"}]}],
        "2 NICs",
    ),
    *(
        (pool.register_node, nic(mac=wrong), "mac")
        for wrong in (
            "",
            "52:54:00:00:00",
            "52:54:00:00:00:0g",
            "52:54-00:00:00:01",
            "525400000001",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "52:54:00:00:00:01\n",
            7,
            None,
        )
    ),
    (pool.register_node, nic(role="none"), "0 NICs have the role boot"),
    (pool.register_node, nic(role="primary"), "role"),
    (pool.register_node, nic(role=1), "role must be a string"),
    (pool.register_node, nic(switch="sw0"), "switch or a port but not both"),
    (pool.register_node, nic(port="p3"), "switch or a port but not both"),
    (pool.register_node, nic(switch=["sw0"], port="p3"), "not a legal name"),
    (pool.register_node, nic(switch="sw0", port="p3", speed=1), "no key 'speed'"),
    (pool.register_node, node(nonsense=1), "no key 'nonsense'"),
    (pool.register_node, node(group="alpha"), "no key 'group'"),
    (pool.register_node, node(_failed="x"), "no key '_failed'"),
    (pool.register_node, node(password="hunter2"), "holds a secret"),
    *((pool.register_node, node(id=wrong), "id") for wrong in (-1, 2**31, "7", 7.0, True)),
    *(
        (pool.register_node, node(hostname=wrong), "hostname")
        for wrong in ("-a", "a..b", "a_b", "a" * 64, "a b", 7)
    ),
    *((pool.register_node, node(ip=wrong), "ip") for wrong in ("10.0.0", "10.0.0.0/8", "::g", "name", 7)),
    *(
        (pool.register_node, node(**{key: wrong}), key)
        for key in ("hardware_type", "location")
        for wrong in ("a\n", 7, "a" * 257)
    ),
    *((pool.register_node, node(image=wrong), "image|name") for wrong in ("../x", "/dev/sda", 0, ["x"])),
    (pool.register_node, node(metadata="x"), "must be a struct"),
    (pool.register_node, node(metadata={"a": b"x"}), "holds bytes"),
    (pool.register_node, node(metadata={"a": None}), "holds nil"),
    (pool.register_node, node(metadata={1: "x"}), "no string"),
    (pool.register_node, node(metadata={"a": "x" * 16385}), "too large"),
    (pool.register_node, node(metadata=deep(8)), "nested too deeply"),
    (pool.register_node, node(metadata={"bmc": [{"password": "hunter2"}]}), "holds a secret"),
    (pool.register_node, node(metadata={"url": "http://root:hunter2@bmc"}), "holds a password"),
    (pool.register_node, node(metadata={"url": ["x", f"http://a:{'b' * 256}@bmc"]}), "holds a password"),
    # Nothing is searched for passwords before it is known to be small.
    (pool.register_node, node(metadata={"url": "//a:b@" + ":" * 1_000_000}), "too large"),
    (pool.register_node, node(metadata={"password": "x" * 16385}), "too large"),
    (pool.register_node, node(management="bmc"), "must be a struct"),
    (pool.register_node, node(management={}), "power driver"),
    (pool.register_node, node(management={"driver": ["bmc"]}), "power driver"),
    (pool.register_node, node(management={"driver": "ilo", "address": "x"}), "power driver"),
    (pool.register_node, node(management={"driver": "bmc"}), "lacks address"),
    (pool.register_node, node(management={"driver": "bmc", "address": 7}), "must be a string"),
    (
        pool.register_node,
        node(management={"driver": "bmc", "address": "x", "password": "hunter2"}),
        "holds a secret",
    ),
    (pool.register_node, node(management={"driver": "bmc", "address": "x", "more": 1}), "no key 'more'"),
    (
        pool.register_node,
        node(management={"driver": "bmc", "address": "x", "secrets": {"a": "b c"}}),
        "names of secrets",
    ),
    (
        pool.register_node,
        node(management={"driver": "libvirt", "uri": "qemu:///x?a=b", "domain": "d"}),
        "URI",
    ),
    (pool.update_node, ["n1", {}], "names no key"),
    (pool.update_node, ["n1", {"nics": None}], "cannot be nil"),
    (pool.update_node, ["n1", {"nics": []}], "0 NICs"),
    (pool.update_node, ["n1", {"group": None}], "no key 'group'"),
    (pool.update_node, ["n1", {"reason": "why"}], "is in service"),
    (pool.update_node, ["n1", {"available": "no"}], "must be a boolean"),
    # NICs
    (pool.connect_nic, ["n1", "", "sw0", "p3"], "not a legal name"),
    (pool.connect_nic, ["n1", "eth0", "", "p3"], "not a legal name"),
    (pool.connect_nic, ["n1", "eth0", "sw0", ""], "port"),
    # VLANs
    *((pool.register_vlan, [wrong], "VLAN") for wrong in (0, 1, 4095, -5, "101", True, None, 10.0)),
    *((pool.update_vlan, [wrong, {"shared": True}], "VLAN") for wrong in (1, "101", True)),
    *((pool.unregister_vlan, [wrong], "VLAN") for wrong in (1, "101", True)),
    (pool.register_vlan, [300, "x"], "must be a struct"),
    (pool.register_vlan, [300, {"shared": 1}], "must be a boolean"),
    (pool.register_vlan, [300, {"group": "alpha"}], "no key 'group'"),
    (pool.update_vlan, [101, {"id": 300}], "no key 'id'"),
    # head nodes
    (pool.register_head_node, ["new", {"domain": "d"}], "lacks host"),
    (pool.register_head_node, ["new", {"host": "h0"}], "a domain or an image"),
    (pool.register_head_node, ["new", {"host": "h0", "domain": "d", "image": "i"}], "a domain or an image"),
    (pool.register_head_node, ["new", {"host": "h0", "image": "/etc/passwd"}], "not a legal name"),
    *(
        (pool.register_head_node, ["new", {"host": "h0", "domain": wrong}], "domain")
        for wrong in ("", "a/b", "-x", "a\n", 7)
    ),
    (pool.register_head_node, ["new", {"host": "h0", "domain": "d", "management": mac(1)}], "must be a list"),
    (pool.register_head_node, ["new", {"host": "h0", "domain": "d", "management": ["x"]}], "is no MAC"),
    (
        pool.register_head_node,
        ["new", {"host": "h0", "domain": "d", "management": [mac(1)] * 2}],
        "a MAC twice",
    ),
    (pool.update_head_node, ["head", {"domain": "other"}], "no key 'domain'"),
    (pool.update_head_node, ["head", {"management": "x"}], "must be a list"),
]

TAKEN: list[tuple[Callable[..., Any], list[Any], str]] = [
    (pool.register_switch, ["sw0", SWITCH], "switch sw0 is registered already"),
    (pool.register_port, ["sw0", "p1"], "port p1 of switch sw0 is registered already"),
    (pool.register_trunk, ["t0", {"ends": ENDS}], "trunk t0 is registered already"),
    (pool.register_host, ["h0", HOST], "host h0 is registered already"),
    (pool.register_node, ["n1", {"nics": [NIC]}], "node n1 is registered already"),
    (pool.register_vlan, [101], "VLAN 101 is registered already"),
    (
        pool.register_head_node,
        ["head", {"host": "h0", "domain": "d"}],
        "head node head is registered already",
    ),
    (pool.register_node, nic(switch="sw0", port="p1"), "port p1 of switch sw0 serves NIC eth0 of node n1"),
    (pool.register_node, nic(switch="sw0", port="up"), "port up of switch sw0 serves trunk t0"),
    (
        pool.register_node,
        [
            "new",
            {
                "nics": [
                    {**NIC, "switch": "sw0", "port": "p3"},
                    {"name": "b", "mac": mac(78), "switch": "sw0", "port": "p3"},
                ]
            },
        ],
        "serves NIC a of node new",
    ),
    (pool.register_node, nic(mac=mac(1).upper()), "belongs to node n1"),
    (pool.register_node, node(id=1), "nodeid 1 belongs to node n1"),
    (pool.update_node, ["n2", {"id": 1}], "nodeid 1 belongs to node n1"),
    (pool.update_node, ["n2", {"nics": [{"name": "a", "mac": mac(1)}]}], "belongs to node n1"),
    (pool.connect_nic, ["n2", "eth0", "sw0", "p1"], "serves NIC eth0 of node n1"),
    (pool.connect_nic, ["n2", "eth0", "sw1", "p1"], "serves NIC eth0 of node n2"),
    (
        pool.register_trunk,
        ["new", {"ends": [{"switch": "sw0", "port": "p1"}, ENDS[1]]}],
        "serves NIC eth0 of node n1",
    ),
    (pool.register_trunk, ["new", {"ends": [{"switch": "sw0", "port": "up"}, ENDS[1]]}], "serves trunk t0"),
    (pool.register_trunk, ["new", {"ends": ENDS}], "would close a loop: switch:sw0 and switch:sw1"),
    (
        pool.register_trunk,
        ["new", {"ends": [ENDS[0], {"switch": "sw0", "port": "p3"}]}],
        "would close a loop",
    ),
    (pool.register_trunk, ["new", {"ends": [ENDS[0], {"host": "h0", "device": "e"}]}], "would close a loop"),
    (pool.register_vlan, [999], "VLAN 999 is the native VLAN of trunk t0"),
    (pool.register_head_node, ["new", {"host": "h0", "domain": "vm1"}], "belongs to head node head"),
]


def refused(
    world: World, fault: type[NMError], match: str, operation: Callable[..., Any], *arguments: Any
) -> NMError:
    before = world.dump()
    with pytest.raises(fault, match=match) as caught:
        world.do(operation, *arguments)
    assert world.dump() == before
    assert caught.value.hint, f"no hint: {caught.value.message}"
    assert "hunter2" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("operation", "arguments", "match"), BAD, ids=lambda value: getattr(value, "__name__", None)
)
def test_bad_values(world: World, operation: Callable[..., Any], arguments: list[Any], match: str) -> None:
    refused(world, Invalid, match, operation, *arguments)


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_bad_names(world: World, name: Any) -> None:
    for operation, arguments in NAMED:
        refused(world, Invalid, "name", operation, name, *arguments)


@pytest.mark.parametrize(
    ("operation", "arguments", "match"), TAKEN, ids=lambda value: getattr(value, "__name__", None)
)
def test_taken(world: World, operation: Callable[..., Any], arguments: list[Any], match: str) -> None:
    refused(world, Conflict, match, operation, *arguments)


def test_unknown_keys_name_the_valid_ones(world: World) -> None:
    error = refused(world, Invalid, "no key 'adress'", pool.update_switch, "sw0", {"adress": "x"})
    assert error.hint == "valid keys: address, available, delay, driver, fast, reason, secrets, slots"
    error = refused(world, Invalid, "holds a secret", pool.register_switch, *switch(password="hunter2"))
    assert "name that file in `secrets`" in error.hint


def test_a_native_vlan_is_none_of_the_pool(world: World) -> None:
    world.switch("sw2", "up")
    ends = [{"switch": "sw0", "port": "p3"}, {"switch": "sw2", "port": "up"}]
    refused(
        world,
        Conflict,
        "native VLAN 101 of trunk new",
        pool.register_trunk,
        "new",
        {"ends": ends, "native": 101},
    )


def test_a_host_has_one_trunk(world: World) -> None:
    world.switch("sw2", "up")
    ends = [{"switch": "sw2", "port": "up"}, {"host": "h0", "device": "eth6"}]
    refused(world, Conflict, "uplink h0 belongs to trunk th", pool.register_trunk, "new", {"ends": ends})


def test_a_node_on_what_is_not_registered(world: World) -> None:
    error = refused(world, NotFound, "no port p9", pool.register_node, *nic(switch="sw0", port="p9"))
    assert "RegisterPort" in error.hint
    refused(world, NotFound, "no switch sw9", pool.register_node, *nic(switch="sw9", port="p1"))


@pytest.mark.parametrize("text", ["//" + ":" * 16000, "//a:" * 4000, "//a:b" + "@/" * 8000, "/" * 16000])
def test_the_search_for_passwords_looks_at_a_bounded_stretch(text: str) -> None:
    """What makes a text hold a password is within 600 characters of it; so is all that is looked at."""
    longest = max(
        len(found[0]) for found in values._PASSWORD_IN_URL.finditer(f"{text}//{'a' * 256}:{'b' * 256}@")
    )
    assert longest == 2 + 256 + 1 + 256 + 1
    for user, password in ((257, 1), (1, 257)):
        assert not values._PASSWORD_IN_URL.search(f"//{'a' * user}:{'b' * password}@")
