"""Changes of ports and trunks: what they take, what they leave, what they refuse."""

from typing import Any

import pytest

from nm import pool
from nm.errors import Conflict, Invalid, NMError, NotFound
from tests.pool.world import World, spec

UP, DOWN = {"switch": "sw0", "port": "up"}, {"switch": "sw1", "port": "down"}
NEW = {"switch": "sw1", "port": "p3"}


def port(world: World, switch: str, name: str) -> Any:
    return world.get(f"port_{switch}:{name}")


def test_a_ports_description(world: World) -> None:
    assert world.do(pool.update_port, "sw0", "p1", {"description": "to the roof"}) == 1
    assert port(world, "sw0", "p1")["description"] == "to the roof"
    assert port(world, "sw0", "p1")["node"] == "n1"
    world.do(pool.update_port, "sw0", "p1", {"description": None})
    assert port(world, "sw0", "p1")["description"] == ""


def test_a_trunks_native_vlan_leaves_its_ends(world: World) -> None:
    world.verify(("sw0", "up"), ("sw1", "down"))
    world.do(pool.update_trunk, "t0", {"native": 2})
    assert (world.get("trunk_t0")["native"], world.get("trunk_t0")["ends"]) == (2, [UP, DOWN])
    assert port(world, "sw0", "up")["_verified"] and port(world, "sw0", "up")["trunk"] == "t0"
    world.do(pool.update_trunk, "t0", {"native": None})
    assert world.get("trunk_t0")["native"] == 1


def test_a_trunks_end_moves_and_its_old_port_is_unverified(world: World) -> None:
    world.verify(("sw0", "up"), ("sw1", "down"))
    world.do(pool.update_trunk, "t0", {"ends": [UP, NEW]})
    assert world.get("trunk_t0")["ends"] == [UP, NEW]
    assert (port(world, "sw1", "p3")["trunk"], port(world, "sw1", "down")["trunk"]) == ("t0", None)
    assert not port(world, "sw1", "down")["_verified"]
    assert port(world, "sw0", "up")["_verified"]
    world.do(pool.unregister_port, "sw1", "down")


def test_a_hosts_trunk_frees_the_host(world: World) -> None:
    world.host("h1")
    ends = [{"switch": "sw1", "port": "host"}, {"host": "h1", "device": "eth5"}]
    world.do(pool.update_trunk, "th", {"ends": ends})
    ends = [{"switch": "sw1", "port": "p3"}, {"host": "h0", "device": "eth5"}]
    world.do(pool.register_trunk, "again", {"ends": ends})


@pytest.mark.parametrize(
    ("operation", "arguments", "kind", "match"),
    [
        (pool.update_port, ["sw0", "p1", {}], Invalid, "names no key"),
        (pool.update_port, ["sw0", "p1", {"node": "n2"}], Invalid, "node"),
        (pool.update_port, ["sw0", "p99", {"description": "x"}], NotFound, "has no port p99"),
        (pool.update_trunk, ["t9", {"native": 2}], NotFound, "t9"),
        (pool.update_trunk, ["t0", {"native": 101}], Conflict, "native VLAN 101 of trunk t0 is in the pool"),
        (pool.update_trunk, ["t0", {"ends": None}], Invalid, "ends cannot be nil"),
        (pool.update_trunk, ["t0", {"ends": [UP, {"switch": "sw1", "port": "p1"}]}], Conflict, "serves NIC"),
        (
            pool.update_trunk,
            ["t0", {"ends": [UP, {"switch": "sw0", "port": "p3"}]}],
            Conflict,
            "close a loop",
        ),
        (pool.update_trunk, ["th", {"ends": [UP, NEW]}], Conflict, "serves trunk t0"),
    ],
)
def test_refused(world: World, operation: Any, arguments: list[Any], kind: type[NMError], match: str) -> None:
    before = world.dump()
    with pytest.raises(kind, match=match) as caught:
        world.do(operation, *arguments)
    assert caught.value.hint
    assert world.dump() == before


def test_a_trunk_that_a_group_needs_stays(world: World) -> None:
    world.group("alpha", spec("n1", headnode="head"))
    with pytest.raises(Conflict, match="trunk t0 carries group alpha"):
        world.do(pool.update_trunk, "t0", {"native": 2})
