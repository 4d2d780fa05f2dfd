"""What a group relies on stays; the refusal says who uses it and what to do."""

from collections.abc import Callable
from typing import Any

import pytest

from nm import pool
from nm.errors import Conflict
from nm.records import Record
from tests.pool.world import World, mac, spec

PORT = {"untagged": 101, "tagged": []}
NEW_NICS = {"nics": [{"name": "a", "mac": mac(99)}]}


def refused(world: World, match: str, operation: Callable[..., Any], *arguments: Any) -> None:
    before = world.dump()
    with pytest.raises(Conflict, match=match) as caught:
        world.do(operation, *arguments)
    assert caught.value.hint
    assert world.dump() == before


@pytest.fixture
def busy(world: World) -> World:
    """Group alpha wants node n1 on VLAN 101, behind a head node on the other side of both trunks."""
    world.group("alpha", spec("n1", headnode="head"))
    return world


@pytest.mark.parametrize(
    ("operation", "arguments", "match"),
    [
        (pool.unregister_node, ["n1"], "node n1 is used by group alpha"),
        (pool.connect_nic, ["n1", "eth0", "sw0", "p3"], "node n1 is used by group alpha"),
        (pool.update_node, ["n1", NEW_NICS], "node n1 is used by group alpha"),
        (pool.unregister_vlan, [101], "VLAN 101 is used by group alpha"),
        (pool.update_vlan, [101, {"shared": True}], "VLAN 101 is used by group alpha"),
        (pool.unregister_head_node, ["head"], "head node head is used by group alpha"),
        (pool.update_head_node, ["head", {"management": []}], "head node head is used by group alpha"),
        (pool.clear_head_node, ["head"], "head node head is used by group alpha"),
        (pool.update_host, ["h0", {"uri": "qemu:///system"}], "runs head node head of group alpha"),
        (
            pool.update_host,
            ["h0", {"network": {"kind": "ovs", "device": "br1"}}],
            "head node head of group alpha",
        ),
        (pool.unregister_trunk, ["t0"], "trunk t0 carries group alpha"),
        (pool.unregister_trunk, ["th"], "trunk th carries group alpha"),
        (pool.update_switch, ["sw0", {"address": "other"}], "port p1 is used by group alpha by node n1"),
        (pool.update_switch, ["sw1", {"address": "other"}], "port down is used by group alpha by trunk t0"),
        (pool.reset_ports, ["sw0", ["p3", "p1"]], "port p1 of switch sw0 cannot be reset"),
        (pool.adopt_ports, ["sw0", ["up"]], "it is used by group alpha by trunk t0"),
        (pool.unregister_port, ["sw0", "p1"], "serves NIC eth0 of node n1"),
        (pool.unregister_switch, ["sw0"], "port p1 of switch sw0 serves NIC eth0 of node n1"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_a_group_wants(
    busy: World, operation: Callable[..., Any], arguments: list[Any], match: str
) -> None:
    refused(busy, match, operation, *arguments)


def test_resetting_all_leaves_out_what_is_used(busy: World) -> None:
    job = busy.get(f"job_{busy.do(pool.reset_ports, 'sw0')}")
    assert job["arguments"]["ports"] == ["p2", "p3"]


def test_a_nic_of_role_none_is_never_touched(world: World) -> None:
    nics = [
        {"name": "a", "mac": mac(50)},
        {"name": "b", "mac": mac(51), "switch": "sw0", "port": "p3", "role": "none"},
    ]
    world.do(pool.register_node, "n5", {"nics": nics})
    refused(world, "whose role is none", pool.reset_ports, "sw0", ["p3"])
    job = world.get(f"job_{world.do(pool.reset_ports, 'sw0')}")
    assert "p3" not in job["arguments"]["ports"]


def test_a_trunk_is_used_by_its_path_only(world: World) -> None:
    world.group("alpha", spec("n1", "n10"))
    assert world.do(pool.unregister_trunk, "t0") == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"target": spec("n1", headnode="head")},
        {"deployed": {"trunk/sw0/101/up": {"native": 999}}},
        {"deployed": {"trunk/sw1/101/down": {"doubt": [None, {"native": 999}]}}},
    ],
    ids=["target", "deployed", "in doubt"],
)
def test_a_trunk_that_is_only_targeted_or_deployed(world: World, fields: Record) -> None:
    world.group("alpha", spec(), **fields)
    refused(world, "trunk t0 carries group alpha", pool.unregister_trunk, "t0")


def test_a_group_whose_places_are_not_joined_uses_no_trunk(world: World) -> None:
    world.switch("sw2", "p1")
    world.node("n5", 5, ("sw2", "p1"))
    world.group("alpha", spec("n1", "n5"))
    assert world.do(pool.unregister_trunk, "t0") == 1


def test_a_shared_vlan_is_used_by_its_users(world: World) -> None:
    world.edit("vlan_110", groups=["alpha", "beta"])
    refused(world, "VLAN 110 is used by group alpha", pool.unregister_vlan, 110)
    refused(world, "VLAN 110 is used by group alpha", pool.update_vlan, 110, {"shared": False})


def test_a_debt_keeps_the_wiring(world: World) -> None:
    world.edit("node_n1", _debt=True)
    refused(world, "a debt that its switch has yet to pay", pool.unregister_node, "n1")
    refused(world, "a debt that its switch has yet to pay", pool.connect_nic, "n1", "eth0", "sw0", "p3")
    refused(world, "p1 of switch sw0 cannot be reset", pool.reset_ports, "sw0", ["p1"])


@pytest.mark.parametrize(
    ("operation", "arguments", "match"),
    [
        (pool.unregister_host, ["h0"], "host h0 has head node head"),
        (pool.unregister_switch, ["sw0"], "serves NIC eth0 of node n1"),
        (pool.unregister_port, ["sw0", "up"], "serves trunk t0"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_others_stand_on(
    world: World, operation: Callable[..., Any], arguments: list[Any], match: str
) -> None:
    refused(world, match, operation, *arguments)


def test_a_host_at_the_end_of_a_trunk(world: World) -> None:
    for name in ("head", "made"):
        world.do(pool.unregister_head_node, name)
    refused(world, "host h0 is an end of trunk th", pool.unregister_host, "h0")


def test_what_does_not_touch_the_wiring_can_change(busy: World) -> None:
    busy.do(
        pool.update_node,
        "n1",
        {"location": "rack 2", "management": {"driver": "bmc", "address": "192.0.2.9"}},
    )
    busy.do(pool.update_node, "n1", {"available": False, "reason": "fan"})
    busy.do(pool.update_switch, "sw0", {"available": False, "secrets": {"login": "x"}})
    busy.do(pool.update_host, "h0", {"available": False})
    busy.do(pool.update_head_node, "head", {"available": False})
    busy.do(pool.update_vlan, 101, {"available": False})
    assert busy.get("node_n1")["group"] == "alpha"


def test_large_switches_go_in_parts(empty: World) -> None:
    empty.switch("sw0", *(f"p{at}" for at in range(95)))
    for at in range(95):
        empty.verify(("sw0", f"p{at}"))
    refused(empty, "95 verified ports", pool.update_switch, "sw0", {"address": "other"})
    refused(empty, "switch sw0 has 95 ports", pool.unregister_switch, "sw0")
    for at in range(5):
        empty.do(pool.unregister_port, "sw0", f"p{at}")
    empty.do(pool.update_switch, "sw0", {"address": "other"})
    assert not any(port["_verified"] for port in empty.store.range("port"))
    empty.do(pool.unregister_switch, "sw0")
    assert empty.dump() == {}
