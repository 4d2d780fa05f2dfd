"""What is registered is there, in the words of the answers, and what is unregistered leaves nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from nm import pool
from nm.errors import Conflict, NotFound
from nm.pool import nodes
from nm.store import Event
from tests.pool.world import World, call, furnish, mac


def test_a_furnished_pool_reads_back(bare: World) -> None:
    furnish(bare)
    nodes = bare.look(pool.get_nodes, {})
    assert [node["name"] for node in nodes] == ["n1", "n2", "n10"]
    assert nodes[0] == {
        "name": "n1", "id": 1, "hostname": "", "ip": "", "hardware_type": "", "location": "rack 1",
        "metadata": {}, "image": "", "available": True, "reason": "", "group": None, "free": False,
        "state": "unverified", "error": None,
        "nics": [{"name": "eth0", "mac": mac(1), "switch": "sw0", "port": "p1", "role": "boot"}],
        "management": {"driver": "bmc", "address": "192.0.2.1"},
    }  # fmt: skip
    assert [vlan["id"] for vlan in bare.look(pool.get_vlans, {})] == [101, 102, 110]
    assert bare.look(pool.get_trunks, {"name": "t0"}) == [
        {
            "name": "t0", "available": True, "free": True, "native": 999,
            "ends": [{"switch": "sw0", "port": "up"}, {"switch": "sw1", "port": "down"}],
        }
    ]  # fmt: skip
    assert bare.look(pool.get_hosts, {})[0]["network"] == {"kind": "ovs", "device": "br0"}
    assert bare.look(pool.get_head_nodes, {})[1]["image"] == "debian"
    assert bare.get("port_sw1:p2")["nic"] == "eth1"
    assert bare.get("port_sw0:up")["trunk"] == "t0"


def test_unregistering_everything_leaves_nothing(bare: World) -> None:
    furnish(bare)
    for name in ("head", "made"):
        bare.do(pool.unregister_head_node, name)
    for name in ("t0", "th"):
        bare.do(pool.unregister_trunk, name)
    for name in ("debian", "netboot", "spare"):
        bare.do(pool.unregister_image, name)
    bare.do(pool.unregister_host, "h0")
    for name in ("n1", "n2", "n10"):
        bare.do(pool.unregister_node, name)
    for vlan in (101, 102, 110):
        bare.do(pool.unregister_vlan, vlan)
    bare.do(pool.unregister_port, "sw0", "p1")
    for name in ("sw0", "sw1"):
        bare.do(pool.unregister_switch, name)
    assert bare.dump() == {}


def test_a_switch_keeps_its_drivers_settings_and_names_of_secrets(empty: World) -> None:
    settings = {
        "driver": "plain",
        "address": "sw0.example",
        "slots": 4,
        "delay": 1,
        "secrets": {"login": "sw0"},
    }
    empty.do(pool.register_switch, "sw0", settings)
    record = empty.get("switch_sw0")
    assert record["slots"] == 4
    assert record["secrets"] == {"login": "sw0"}
    assert record["_vlans"] is None
    (struct,) = empty.look(pool.get_switches, {})
    assert struct["address"] == "sw0.example"
    assert "secrets" not in struct
    assert not [key for key in struct if key.startswith("_")]


@pytest.mark.parametrize("written", ["52-54-00-AB-cd-01", "5254.00Ab.cD01", "52:54:00:AB:CD:01"])
def test_a_mac_is_kept_in_one_spelling(world: World, written: str) -> None:
    world.do(pool.register_node, "n3", {"nics": [{"name": "a", "mac": written}]})
    assert world.get("node_n3")["nics"][0]["mac"] == "52:54:00:ab:cd:01"
    assert world.get("claim_mac:52:54:00:ab:cd:01")["owner"] == "node_n3"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([None, None], ["boot", "data"]),
        ([None, "boot"], ["data", "boot"]),
        (["none", None], ["none", "boot"]),
        (["data", "none", None, None], ["data", "none", "boot", "data"]),
    ],
)
def test_just_one_nic_boots(empty: World, given: list[str | None], kept: list[str]) -> None:
    nics = [{"name": f"e{at}", "mac": mac(1, at), "role": role} for at, role in enumerate(given)]
    empty.do(pool.register_node, "n1", {"nics": nics})
    assert [nic["role"] for nic in empty.get("node_n1")["nics"]] == kept


def test_an_answer_can_be_registered_again(world: World) -> None:
    (struct,) = world.look(pool.get_nodes, {"name": "n2"})
    world.do(pool.unregister_node, "n2")
    settings = (
        "nics",
        "management",
        "id",
        "hostname",
        "ip",
        "hardware_type",
        "location",
        "metadata",
        "image",
    )
    world.do(pool.register_node, "n2", {key: struct[key] for key in settings})
    assert world.look(pool.get_nodes, {"name": "n2"}) == [struct]


def test_connecting_a_nic_moves_it(world: World) -> None:
    world.do(pool.connect_nic, "n1", "eth0", "sw1", "p3")
    assert world.get("node_n1")["nics"][0]["port"] == "p3"
    assert world.get("port_sw1:p3")["node"] == "n1"
    assert world.get("port_sw0:p1")["node"] is None
    world.do(pool.connect_nic, "n2", "eth0", "sw0", "p1")
    assert world.get("port_sw0:p1")["nic"] == "eth0"


def test_new_nics_take_the_place_of_the_old(world: World) -> None:
    nics = [{"name": "a", "mac": mac(9), "switch": "sw0", "port": "p1"}, {"name": "b", "mac": mac(1)}]
    world.do(pool.update_node, "n1", {"nics": nics, "id": 7})
    assert world.get("port_sw0:p1")["nic"] == "a"
    assert world.get(f"claim_mac:{mac(9)}")["owner"] == "node_n1"
    assert world.get("claim_nodeid:7")["owner"] == "node_n1"
    assert world.store.get("claim_nodeid:1") is None
    world.do(pool.update_node, "n1", {"nics": [{"name": "a", "mac": mac(9)}], "id": None})
    assert world.get("port_sw0:p1")["node"] is None
    assert world.store.get(f"claim_mac:{mac(1)}") is None
    assert world.store.get("claim_nodeid:7") is None


def test_an_update_keeps_what_it_does_not_name(world: World) -> None:
    before = world.get("node_n1")
    world.do(pool.update_node, "n1", {"location": "rack 2", "metadata": {"cpu": {"cores": 4}}})
    assert world.get("node_n1") == {**before, "location": "rack 2", "metadata": {"cpu": {"cores": 4}}}
    world.do(pool.update_node, "n1", {"location": None})
    assert world.get("node_n1")["location"] == ""


def test_out_of_service_and_back(world: World) -> None:
    updates = {
        "switch_sw0": pool.update_switch, "node_n1": pool.update_node, "host_h0": pool.update_host,
        "headnode_head": pool.update_head_node,
    }  # fmt: skip
    for key, update in updates.items():
        name = key.partition("_")[2]
        world.do(update, name, {"available": False, "reason": "fan broken"})
        assert (world.get(key)["available"], world.get(key)["reason"]) == (False, "fan broken")
        world.do(update, name, {"available": True})
        assert (world.get(key)["available"], world.get(key)["reason"]) == (True, "")
    world.do(pool.update_vlan, 101, {"available": False, "reason": "used elsewhere"})
    assert world.look(pool.get_vlans, {"free": True, "shared": False})[0]["id"] == 102


def test_a_switch_that_may_be_another_device_is_unverified(world: World) -> None:
    world.verify(("sw0", "p1"), ("sw0", "p2"), ("sw1", "p1"))
    world.do(pool.update_switch, "sw0", {"secrets": {"login": "new"}})
    assert world.get("port_sw0:p1")["_verified"]
    world.do(pool.update_switch, "sw0", {"address": "sw0.example"})
    assert world.get("port_sw0:p1")["_verified"]
    world.do(pool.update_switch, "sw0", {"address": "other.example"})
    assert not world.get("port_sw0:p1")["_verified"]
    assert not world.get("port_sw0:p2")["_verified"]
    assert world.get("port_sw1:p1")["_verified"]


def test_a_port_that_was_a_trunks_is_unverified(world: World) -> None:
    world.verify(("sw0", "up"))
    world.do(pool.unregister_trunk, "t0")
    assert not world.get("port_sw0:up")["_verified"]
    assert world.get("port_sw0:up")["trunk"] is None


@pytest.mark.parametrize("kind", ["reset", "adopt"])
def test_ports_to_verify_become_a_job(world: World, kind: str) -> None:
    operation = {"reset": pool.reset_ports, "adopt": pool.adopt_ports}[kind]
    job = world.get(f"job_{world.do(operation, 'sw0', ['p2', 'p1'])}")
    assert (job["subject"], job["kind"], job["arguments"]) == ("switch:sw0", kind, {"ports": ["p2", "p1"]})
    job = world.get(f"job_{world.do(operation, 'sw0')}")
    assert job["arguments"] == {"ports": ["p1", "p2", "p3", "up"]}


def test_inspecting_is_a_job(world: World) -> None:
    job = world.get(f"job_{world.do(pool.inspect_switch, 'sw0')}")
    assert (job["subject"], job["kind"]) == ("switch:sw0", "inspect")


def test_the_state_of_a_switch_is_what_was_read(world: World) -> None:
    assert world.look(pool.get_switch_state, "sw0") == {"vlans": None, "ports": {}, "read_at": None}
    seen = {"untagged": 101, "tagged": [], "open": False}
    world.edit("port_sw0:p1", _seen=seen, _read_at=5)
    world.edit("switch_sw0", _vlans=[101], _read_at=6)
    assert world.look(pool.get_switch_state, "sw0") == {
        "vlans": [101],
        "ports": {"p1": {**seen, "read_at": 5}},
        "read_at": 6,
    }


def test_clearing_a_node(world: World) -> None:
    for flaw in ({"_failed": "power could not be confirmed"}, {"_dirty": True}):
        world.edit("node_n1", **flaw)
        world.do(pool.clear_node, "n1")
        assert (world.get("node_n1")["_failed"], world.get("node_n1")["_dirty"]) == (None, False)
    with pytest.raises(Conflict, match="neither failed nor dirty"):
        world.do(pool.clear_node, "n1")
    world.edit("headnode_head", _dirty=True)
    world.do(pool.clear_head_node, "head")
    assert not world.get("headnode_head")["_dirty"]
    with pytest.raises(Conflict, match="not dirty"):
        world.do(pool.clear_head_node, "head")


def test_a_debt_is_dropped_only_when_the_switch_is_gone(world: World) -> None:
    owed = {"port/sw0/p1": {"untagged": 101, "tagged": []}}
    debt = {
        "record_key": "debt_n1",
        "timestamp": 0,
        "expiry": None,
        "node": "n1",
        "owed": owed,
        "vlans": [101],
    }
    world.store.transact(lambda tx: tx.put(debt))
    world.edit("node_n1", _debt=True)
    world.verify(("sw0", "p1"))
    with pytest.raises(Conflict, match="has yet to isolate port p1"):
        world.do(pool.clear_node, "n1")
    with pytest.raises(Conflict, match="may still be on a port of node n1"):
        world.do(pool.unregister_vlan, 101)
    world.do(pool.update_switch, "sw0", {"available": False, "reason": "burnt"})
    world.do(pool.clear_node, "n1")
    assert world.store.get("debt_n1") is None
    assert not world.get("node_n1")["_debt"]
    assert [vlan["free"] for vlan in world.look(pool.get_vlans, {"id": 101})] == [True]
    assert not world.get("port_sw0:p1")["_verified"]


def test_every_change_is_told(empty: World) -> None:
    told: list[Event] = []
    empty.store.subscribe(lambda published: told.extend(published.events))
    empty.switch("sw0", "p1")
    empty.node("n1", 1, ("sw0", "p1"))
    empty.do(pool.update_node, "n1", {"available": False, "reason": "fan"})
    assert [(event.who, event.subject, event.what) for event in told] == [
        ("root", "switch sw0", "registered"),
        ("root", "switch sw0", "port registered"),
        ("root", "node n1", "registered"),
        ("root", "node n1", "changed"),
    ]
    assert told[-1].detail == "available, reason (out of service: fan)"


def test_a_node_costs_its_own_records_only(world: World) -> None:
    """Registering looks at no other node: no range is read, and as many records as it has NICs."""
    seen: list[str] = []

    class Watched:
        def __init__(self, tx: object) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> object:
            seen.append(name)
            return getattr(self._tx, name)

    nics = [{"name": "a", "mac": mac(50), "switch": "sw0", "port": "p3"}]
    world.store.transact(lambda tx: pool.register_node(Watched(tx), call(), "n50", {"nics": nics, "id": 50}))  # type: ignore[arg-type]
    assert "range" not in seen
    assert len(seen) < 12


def test_what_is_not_there(world: World) -> None:
    cases: list[tuple[Callable[..., Any], list[Any], str]] = [
        (pool.unregister_switch, ["sw9"], "GetSwitches"),
        (pool.unregister_node, ["n9"], "GetNodes"),
        (pool.unregister_trunk, ["t9"], "GetTrunks"),
        (pool.unregister_host, ["h9"], "GetHosts"),
        (pool.unregister_head_node, ["x"], "GetHeadNodes"),
        (pool.unregister_vlan, [300], "GetVlans"),
        (pool.unregister_port, ["sw0", "p9"], "RegisterPort"),
        (pool.unregister_port, ["sw9", "p9"], "GetSwitches"),
        (pool.connect_nic, ["n1", "eth7", "sw0", "p3"], "its NICs: eth0"),
        (pool.connect_nic, ["n1", "eth0", "sw0", "p9"], "RegisterPort"),
        (pool.reset_ports, ["sw0", ["p9"]], "RegisterPort"),
        (pool.register_head_node, ["x", {"host": "h9", "domain": "d"}], "GetHosts"),
    ]
    for operation, arguments, hint in cases:
        with pytest.raises(NotFound) as caught:
            world.do(operation, *arguments)
        assert hint in caught.value.hint


def test_a_node_of_the_most_nics_moves_in_one_call(empty: World) -> None:
    """Every claim and every port of it is written twice, its id's too, within one transaction."""
    most = nodes.MOST_NICS
    empty.switch("sw0", *(f"p{number}" for number in range(2 * most)))

    def nics(first: int) -> list[dict[str, str]]:
        return [
            {"name": f"e{at}", "mac": mac(first, at), "switch": "sw0", "port": f"p{first + at}"}
            for at in range(most)
        ]

    empty.do(pool.register_node, "n1", {"nics": nics(0), "id": 1})
    empty.do(pool.update_node, "n1", {"nics": nics(most), "id": 2})
    owned = [port["port"] for port in empty.look(pool.get_ports, {"node": "n1"})]
    assert owned == [f"p{number}" for number in range(most, 2 * most)]
    empty.do(pool.unregister_node, "n1")
    assert not empty.look(pool.get_ports, {"node": "n1"})
