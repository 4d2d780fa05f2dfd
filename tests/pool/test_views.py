"""What answers say: states, who sees what, and filters."""

from typing import Any

import pytest

from nm import pool, views
from nm.errors import Invalid
from nm.records import Record
from tests.pool.world import ALICE, BOB, World, call, spec

GETS = {
    "switch": pool.get_switches,
    "port": pool.get_ports,
    "trunk": pool.get_trunks,
    "host": pool.get_hosts,
    "node": pool.get_nodes,
    "vlan": pool.get_vlans,
    "headnode": pool.get_head_nodes,
}
N1 = {"port/sw0/p1": {"untagged": 101, "tagged": []}, "node/n1": {"power": True}}


def state(world: World, name: str = "n1") -> Any:
    (node,) = world.look(pool.get_nodes, {"name": name})
    assert node["free"] is (node["state"] == "free")
    return node["state"]


def head_state(world: World) -> Any:
    (head,) = world.look(pool.get_head_nodes, {"name": "head"})
    assert head["free"] is (head["state"] == "free")
    return head["state"]


def test_a_nodes_way_through_a_group(world: World) -> None:
    assert state(world) == "unverified"
    world.verify(("sw0", "p1"))
    assert state(world) == "free"
    world.group("alpha", spec("n1"))
    assert state(world) == "joining"
    world.edit("group_alpha", target=spec("n1"))
    assert state(world) == "joining"
    world.edit("group_alpha", deployed=N1)
    assert state(world) == "joined"
    world.edit("group_alpha", wanted=spec())
    assert state(world) == "joined"
    world.edit("group_alpha", target=spec())
    assert state(world) == "leaving"
    world.edit("group_alpha", target=spec("n1"), destroying=True)
    assert state(world) == "leaving"
    world.edit("node_n1", group=None)
    assert state(world) == "free"


def test_a_node_whose_port_is_in_doubt_is_joining(world: World) -> None:
    doubt = {"doubt": [None, {"untagged": 101, "tagged": []}]}
    world.group("alpha", spec("n1"), target=spec("n1"), deployed={**N1, "port/sw0/p1": doubt})
    assert state(world) == "joining"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"available": False}, "out"),
        ({"_failed": "no power"}, "failed"),
        ({"_debt": True}, "failed"),
        ({"_dirty": True}, "dirty"),
    ],
)
def test_a_node_that_cannot_be_given_out(world: World, fields: Record, expected: str) -> None:
    world.verify(("sw0", "p1"))
    world.edit("node_n1", **fields)
    assert state(world) == expected


def test_a_node_behind_a_switch_out_of_service(world: World) -> None:
    world.verify(("sw0", "p1"))
    world.do(pool.update_switch, "sw0", {"available": False})
    assert state(world) == "out"
    world.group("alpha", spec("n1"), target=spec("n1"), deployed=N1)
    assert state(world) == "joined"


def test_all_wired_nics_count(world: World) -> None:
    world.verify(("sw1", "p1"))
    assert state(world, "n2") == "unverified"
    world.verify(("sw1", "p2"))
    assert state(world, "n2") == "free"
    node = world.get("node_n2")
    world.edit("node_n2", nics=[node["nics"][0], {**node["nics"][1], "role": "none"}])
    world.edit("port_sw1:p2", _verified=False)
    assert state(world, "n2") == "free"


def test_what_a_nic_carries() -> None:
    boot = {"name": "eth0", "role": "boot"}
    data = {"name": "eth1", "role": "data"}
    networks = {
        "main": {"vlan": 101, "nics": ["boot"], "tagged": False},
        "store": {"vlan": 103, "nics": ["boot", "data"], "tagged": True},
        "more": {"vlan": 102, "nics": ["data"], "tagged": True},
        "mine": {"vlan": 104, "nics": ["eth0"], "tagged": False},
    }
    carries = {"networks": networks}
    assert views.port_value("n1", boot, carries) == {"untagged": 104, "tagged": [103]}
    assert views.port_value("n1", data, carries) == {"untagged": None, "tagged": [102, 103]}
    assert views.port_value("n1", {"name": "eth0", "role": "none"}, carries) is None
    assert views.port_value("n1", data, {"networks": {"main": networks["main"]}}) is None


def test_a_network_may_name_one_nic_of_one_node() -> None:
    nic = {"name": "eth1", "role": "data"}
    networks = {
        "one": {"vlan": 105, "nics": ["n1:eth1"], "tagged": False},
        "named": {"vlan": 106, "nics": ["eth1"], "tagged": False},
        "all": {"vlan": 107, "nics": ["data"], "tagged": False},
    }
    carries = {"networks": networks}
    assert views.port_value("n1", nic, carries) == {"untagged": 105, "tagged": []}
    assert views.port_value("n2", nic, carries) == {"untagged": 106, "tagged": []}
    del networks["named"]
    assert views.port_value("n2", nic, carries) == {"untagged": 107, "tagged": []}
    assert views.port_value("n2", nic, {"networks": {"one": networks["one"]}}) is None


def test_a_head_nodes_way_through_a_group(world: World) -> None:
    assert head_state(world) == "free"
    world.do(pool.update_host, "h0", {"available": False})
    assert head_state(world) == "out"
    world.group("alpha", spec(headnode="head"))
    assert head_state(world) == "joining"
    world.edit("group_alpha", target=spec(headnode="head"))
    assert head_state(world) == "joining"
    world.edit("group_alpha", deployed={"head/head": {"host": "h0", "domain": "vm1", "vlan": 101}})
    assert head_state(world) == "joined"
    world.edit("group_alpha", target=spec())
    assert head_state(world) == "leaving"
    world.edit("headnode_head", group=None, _dirty=True)
    assert head_state(world) == "dirty"
    world.edit("headnode_head", available=False)
    assert head_state(world) == "out"


def test_a_vlan_is_free(world: World) -> None:
    def free() -> list[int]:
        return [vlan["id"] for vlan in world.look(pool.get_vlans, {"free": True})]

    assert free() == [101, 102, 110]
    world.edit("vlan_101", group="alpha")
    debt = {"record_key": "debt_n1", "timestamp": 0, "expiry": None, "node": "n1", "owed": {}, "vlans": [102]}
    world.store.transact(lambda tx: tx.put(debt))
    world.edit("vlan_110", groups=["alpha"])
    assert free() == [110]


# ---- who sees what


@pytest.mark.parametrize("kind", sorted(GETS))
def test_anyone_sees_names_and_availability(world: World, kind: str) -> None:
    world.group("alpha", spec("n1", headnode="head"))
    naming = {"port": {"switch", "port"}, "vlan": {"id", "shared"}}.get(kind, {"name"})
    structs = world.look(GETS[kind], {}, caller=BOB)
    assert len(structs) == len(list(world.store.range(kind)))
    held = {"n1", "head", 101}
    for struct in structs:
        if struct.get("name", struct.get("id")) in held or kind in ("switch", "port", "trunk", "host"):
            assert set(struct) == naming | {"free", "available"}


def test_a_member_sees_what_the_group_holds_whole(world: World) -> None:
    world.group("alpha", spec("n1", headnode="head"))
    for kind, name in (("node", "n1"), ("headnode", "head")):
        (mine,) = world.look(GETS[kind], {"name": name}, caller=ALICE)
        assert mine == world.look(GETS[kind], {"name": name})[0]
    (vlan,) = world.look(pool.get_vlans, {"id": 101}, caller=ALICE)
    assert vlan["group"] == "alpha"
    (other,) = world.look(pool.get_nodes, {"name": "n2"}, caller=ALICE)
    assert set(other) == {"name", "free", "available"}


def test_a_delegate_of_one_method_sees_by_that_method(world: World) -> None:
    delegation = {"name": "bob", "uid": BOB.uid, "method": "Other"}
    world.group("alpha", spec("n1"), delegations=[delegation])
    assert "nics" not in world.look(pool.get_nodes, {"name": "n1"}, caller=BOB)[0]
    world.edit("group_alpha", delegations=[{**delegation, "method": "Test"}])
    assert "nics" in world.look(pool.get_nodes, {"name": "n1"}, caller=BOB)[0]


@pytest.mark.parametrize("kind", sorted(GETS))
def test_no_answer_holds_secrets_or_observations(world: World, kind: str) -> None:
    world.edit("switch_sw0", secrets={"login": "top"}, _error="silent")

    def keys(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [*value, *(key for part in value.values() for key in keys(part))]
        return [key for part in value for key in keys(part)] if isinstance(value, list) else []

    structs = world.look(GETS[kind], {})
    assert structs
    assert not [key for key in keys(structs) if key.startswith("_") or key in ("secrets", "record_key")]


def test_filters_tell_nothing_that_the_caller_does_not_see(world: World) -> None:
    world.group("alpha", spec("n1"))
    for wanted in (
        {"group": "alpha"},
        {"state": "joining"},
        {"location": "rack 1"},
        {"id": 1},
        {"group": None},
    ):
        assert world.look(pool.get_nodes, {"name": "n1", **wanted}, caller=BOB) == []
    assert world.look(pool.get_nodes, {"group": "alpha", "id": 1})[0]["name"] == "n1"


# ---- filters


@pytest.mark.parametrize(
    ("kind", "filter", "names"),
    [
        ("node", {}, ["n1", "n2", "n10"]),
        ("node", {"name": "n2"}, ["n2"]),
        ("node", {"name": "n9"}, []),
        ("node", {"name": ["n10", "n9", "n1", "n10"]}, ["n1", "n10"]),
        ("node", {"name": []}, []),
        ("node", {"name": None}, []),
        ("node", {"name": "n1", "location": "rack 2"}, []),
        ("node", {"location": ["rack 1", "rack 2"]}, ["n1"]),
        ("node", {"id": None}, ["n2", "n10"]),
        ("node", {"id": 1}, ["n1"]),
        ("node", {"group": None}, ["n1", "n2", "n10"]),
        ("node", {"free": True}, []),
        ("node", {"state": "unverified", "free": False}, ["n1", "n2", "n10"]),
        ("headnode", {"image": "debian"}, ["made"]),
        ("headnode", {"domain": None}, ["made"]),
        ("host", {"available": True}, ["h0"]),
        ("switch", {"driver": "plain"}, ["sw0", "sw1"]),
        ("trunk", {"native": 1}, ["th"]),
    ],
)
def test_filters(world: World, kind: str, filter: Record, names: list[str]) -> None:
    assert [struct["name"] for struct in world.look(GETS[kind], filter)] == names


def test_filters_of_ports_and_vlans(world: World) -> None:
    def ports(filter: Record) -> list[str]:
        return [f"{port['switch']}:{port['port']}" for port in world.look(pool.get_ports, filter)]

    assert ports({"switch": "sw0", "port": "p1"}) == ["sw0:p1"]
    assert ports({"switch": ["sw0", "sw1"], "port": ["p1", "up"]}) == ["sw0:p1", "sw0:up", "sw1:p1"]
    assert ports({"port": "p1"}) == ["sw0:p1", "sw1:p1"]
    assert ports({"node": "n2"}) == ["sw1:p1", "sw1:p2"]
    assert ports({"trunk": ["t0"]}) == ["sw0:up", "sw1:down"]
    assert [vlan["id"] for vlan in world.look(pool.get_vlans, {"id": [110, 101]})] == [101, 110]
    assert [vlan["id"] for vlan in world.look(pool.get_vlans, {"shared": True})] == [110]


@pytest.mark.parametrize("kind", sorted(GETS))
@pytest.mark.parametrize(
    ("filter", "match"),
    [
        ({"nonsense": 1}, "no filter key 'nonsense'"),
        ({"free": 1}, "free must be a boolean"),
        ({"free": "yes"}, "free must be a boolean"),
        ({"available": [True, 0]}, "available must be a boolean"),
        ({"free": {}}, "free must be a boolean"),
        ({"_failed": None}, "no filter key"),
        ("x", "must be a struct"),
        (None, "must be a struct"),
        ([], "must be a struct"),
    ],
)
def test_bad_filters(world: World, kind: str, filter: Any, match: str) -> None:
    with pytest.raises(Invalid, match=match) as caught:
        world.look(GETS[kind], filter)
    assert caught.value.hint


def test_a_filter_on_the_name_does_not_scan(world: World) -> None:
    class Narrow:
        def get(self, key: str) -> Record | None:
            return world.store.get(key)

        def range(self, kind: str) -> Any:
            assert kind == "debt", f"scanned all of {kind}"  # there are few, or none
            return iter(())

    for kind, wanted in (
        ("node", {"name": "n1"}),
        ("vlan", {"id": [101]}),
        ("headnode", {"name": "head"}),
        ("port", {"switch": "sw0", "port": "p1"}),
    ):
        assert len(GETS[kind](Narrow(), call(), wanted)) == 1


class Counting:
    """A reader that counts what is asked of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.got = self.ranged = 0

    def get(self, key: str) -> Record | None:
        self.got += 1
        return self.world.store.get(key)

    def range(self, kind: str) -> Any:
        self.ranged += 1
        return self.world.store.range(kind)


def test_long_lists_are_refused_or_scanned(world: World) -> None:
    """No filter costs more than reading all records once."""
    reader: Any = Counting(world)
    for wanted in ({"switch": names(3000), "port": names(3000)}, {"node": names(1001)}):
        with pytest.raises(Invalid, match=r"lists \d+ values") as caught:
            pool.get_ports(reader, call(), wanted)
        assert "1000" in caught.value.hint
    assert (reader.got, reader.ranged) == (2, 0)  # the last audits, for each call
    assert len(pool.get_ports(reader, call(), {"switch": names(1000), "port": names(1000)})) == 1
    ports = len(world.look(pool.get_ports, {}))
    assert reader.ranged == 1
    assert reader.got == 3 + 2 * ports  # the switch of each, for whether it is in service, and its debt


def test_values_listed_twice_are_looked_up_once(world: World) -> None:
    reader: Any = Counting(world)
    found = pool.get_ports(reader, call(), {"switch": ["sw0"] * 1000, "port": ["p1"] * 1000})
    assert [port["port"] for port in found] == ["p1"]
    assert (reader.got, reader.ranged) == (4, 0)  # the port, its switch, what that owes, the last audits


def names(count: int) -> list[str]:
    return [*(f"x{number}" for number in range(count - 2)), "sw0", "p1"]


def test_select_takes_plain_names_of_keys() -> None:
    structs: list[Record] = [{"a": 1, "b": [1]}, {"a": 2}]
    assert views.select(structs, {"a": [2, 3]}, ("a",)) == [{"a": 2}]
    assert views.select(structs, {"b": [[1], 2]}, ("a", "b")) == [{"a": 1, "b": [1]}]
    assert views.select([{"b": [1]}], {"b": [2]}, ("b",)) == []
    with pytest.raises(Invalid, match="no filter key 'b'"):
        views.select(structs, {"b": 1}, ("a",))
