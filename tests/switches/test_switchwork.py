"""The jobs of a switch, with real operations on the records and a switch of each kind."""

from typing import Any

import pytest

from nm import groups, plan, pool, switchwork, views
from nm.calls import Call, Caller, Site
from nm.errors import DeviceFailed
from nm.records import Record, changed
from nm.switch import PortState
from nm.switches import builtin
from nm.switches.simulated import read_table, set_faults
from tests.memory_store import MemoryStore
from tests.switches.benches import EPOCH, SWITCH, Bench, OvsBench, SimulatedBench, done, join, trunk, vlan

NOW = 1_800_000_000.0
ISOLATED = PortState()
NOTHING: Record = {"untagged": None, "tagged": [], "open": False}


class World:
    """A switch with nodes n0, n1 (one NIC), n2 (two NICs), a trunk to a host, and VLANs 101 to 103."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.store = MemoryStore()
        site = Site(drivers=builtin())
        self.call = Call(Caller(0, "root", admin=True), "Test", NOW, site)
        self.a, self.b, self.c, self.d, self.up = bench.ports
        settings = {**bench.record, "timeout": 0.5}
        self.do(pool.register_switch, SWITCH, settings)
        for port in bench.ports:
            self.do(pool.register_port, SWITCH, port)
        for number in (101, 102, 103):
            self.do(pool.register_vlan, number)
        self.node("n0", (SWITCH, self.a))
        self.node("n1", (SWITCH, self.b))
        self.node("n2", (SWITCH, self.c), (SWITCH, self.d))
        self.do(
            pool.register_host, "h0", {"uri": "test:///default", "network": {"kind": "ovs", "device": "br0"}}
        )
        ends = [{"switch": SWITCH, "port": self.up}, {"host": "h0", "device": "eth5"}]
        self.do(pool.register_trunk, "th", {"ends": ends})

    def node(self, name: str, *places: tuple[str, str]) -> None:
        number = int(name[1:])
        nics = [
            {"name": f"eth{at}", "mac": f"52:54:00:00:0{number}:0{at}", "switch": switch, "port": port,
             "role": "data" if at else "boot"}
            for at, (switch, port) in enumerate(places)
        ]  # fmt: skip
        self.do(pool.register_node, name, {"nics": nics})

    def do(self, operation: Any, *arguments: Any) -> Any:
        return self.store.transact(lambda tx: operation(tx, self.call, *arguments))

    def group(self, name: str, **settings: Any) -> None:
        self.do(groups.create_group, name, settings)

    def get(self, key: str) -> Record:
        record = self.store.get(key)
        assert record is not None
        return record

    def edit(self, key: str, **fields: Any) -> None:
        self.store.transact(lambda tx: tx.put(changed(self.get(key), NOW, **fields)))

    def port(self, name: str) -> Record:
        return self.get(f"port_{SWITCH}:{name}")

    def verified(self) -> list[str]:
        return [port for port in self.bench.ports if self.port(port)["_verified"]]

    def state(self, node: str) -> str:
        return views.node_state(self.store, self.get(f"node_{node}"))

    def inspect(self) -> Record:
        return switchwork.inspect(self.store, self.bench.executor, self.get(f"switch_{SWITCH}"), NOW)

    def reset(self, *ports: str) -> dict[str, str]:
        record = self.get(f"switch_{SWITCH}")
        return switchwork.reset(self.store, self.bench.executor, record, ports or None, NOW)

    def adopt(self, *ports: str) -> dict[str, str]:
        record = self.get(f"switch_{SWITCH}")
        return switchwork.adopt(self.store, self.bench.executor, record, ports or None, NOW)

    def deploy(self, name: str) -> None:
        """What the group's worker would do, on this switch."""
        self.do(groups.deploy, name)
        group = self.get(f"group_{name}")
        facts = plan.expand(self.store, name, group["target"])
        self.edit(f"group_{name}", deployed=facts, deployed_revision=group["revision"])
        orders = [join(fact.split("/", 2)[2], value["untagged"], *value["tagged"])
                  for fact, value in facts.items() if fact.startswith("port/")]  # fmt: skip
        done(self.bench, *[vlan(n) for n in (101, 102, 103)], *orders)


@pytest.fixture
def world(bench: Bench) -> World:
    """Over each kind of switch, factory-new."""
    return World(bench)


# ---- inspect


def test_inspect_stores_what_is_there(world: World) -> None:
    world.bench.executor.isolate(world.bench.ports, EPOCH)
    done(world.bench, vlan(101), join(world.a, 101), trunk(world.up, 101))
    result = world.inspect()
    assert result["ports"][world.a] == {"untagged": 101, "tagged": [], "open": False}
    assert result["ports"][world.b] == NOTHING
    assert world.port(world.up)["_seen"] == {"untagged": None, "tagged": [101], "open": False}
    assert world.port(world.up)["_read_at"] == NOW
    switch = world.get(f"switch_{SWITCH}")
    assert (switch["_vlans"], switch["_model"], switch["_read_at"], switch["_error"]) == (
        result["vlans"],
        result["model"],
        NOW,
        None,
    )
    assert result["model"] != ""
    assert world.verified() == []


def test_inspect_tells_what_the_pool_has_otherwise(world: World) -> None:
    world.reset()
    imaginary = f"{world.a[:-1]}99"
    world.do(pool.register_port, SWITCH, imaginary)
    world.group("alpha", vlan=101, nodes=["n0"])
    world.deploy("alpha")
    world.bench.put(world.a, PortState(102))
    world.bench.put(world.b, PortState(102))
    world.store.transact(lambda tx: tx.delete(f"port_{SWITCH}:{world.d}"))
    assert sorted(world.inspect()["differences"]) == sorted(
        [
            f"port {world.d} is not registered",
            f"port {imaginary} is registered, and the switch has no such port",
            f"port {world.b} is free and carries VLAN 102 untagged",
            f"group alpha: port {world.a} should carry VLAN 101 untagged, seen VLAN 102 untagged",
        ]
    )


def test_inspect_misses_vlans_and_trunks_of_groups(simulated: SimulatedBench) -> None:
    world = World(simulated)
    world.reset()
    world.group("alpha", vlan=101)
    lost = {f"vlan/{SWITCH}/101": {}, f"trunk/{SWITCH}/101/{world.up}": {"native": 1}}
    doubtful = {f"port/{SWITCH}/{world.a}": {"doubt": [None]}, "vlan/other/101": {}}
    world.edit("group_alpha", deployed={**lost, **doubtful})
    assert world.inspect()["differences"] == [
        "group alpha: VLAN 101 is missing",
        f"group alpha: trunk port {world.up} should carry VLAN 101, seen isolated",
    ]


def test_an_inspect_that_fails_is_told_on_the_switch(simulated: SimulatedBench) -> None:
    world = World(simulated)
    set_faults(simulated.file, down=True)
    for job in (world.inspect, world.adopt, world.reset):
        world.edit(f"switch_{SWITCH}", _error=None)
        with pytest.raises(DeviceFailed, match="cannot be reached"):
            job()
        simulated.executor.breaker.reset()
        assert "cannot be reached" in world.get(f"switch_{SWITCH}")["_error"]
    set_faults(simulated.file, down=False)
    world.inspect()
    assert world.get(f"switch_{SWITCH}")["_error"] is None


# ---- reset


def test_reset_isolates_all_and_makes_nodes_free(world: World) -> None:
    assert world.state("n0") == "unverified"
    assert world.reset() == dict.fromkeys(world.bench.ports, "isolated")
    assert world.bench.table() == dict.fromkeys(world.bench.ports, ISOLATED)
    assert world.verified() == world.bench.ports
    assert [world.state(node) for node in ("n0", "n1", "n2")] == ["free"] * 3
    assert world.port(world.a)["_seen"] == NOTHING


def test_reset_of_some_ports_leaves_the_others(world: World) -> None:
    world.bench.put(world.b, PortState(103))
    result = world.reset(world.a, "unheard-of")
    assert result[world.a] == "isolated"
    assert "not registered" in result["unheard-of"]
    assert world.verified() == [world.a]
    assert world.bench.table()[world.b] == PortState(103)


def test_reset_leaves_what_groups_use(world: World) -> None:
    world.reset()
    world.group("alpha", vlan=101, nodes=["n0"])
    world.deploy("alpha")
    result = world.reset()
    assert "group alpha" in result[world.a]
    assert "Repair" in result[world.a]
    assert result[world.b] == "isolated"
    assert world.bench.table()[world.a] == PortState(101)


def test_a_port_that_cannot_be_reset_stays_unverified(simulated: SimulatedBench) -> None:
    world = World(simulated)
    set_faults(simulated.file, reject=[world.a], lie=[world.b])
    result = world.reset()
    assert "% Command rejected" in result[world.a]
    assert "did nothing" in result[world.b]
    assert world.verified() == [world.c, world.d, world.up]
    assert [world.state(node) for node in ("n0", "n1", "n2")] == ["unverified", "unverified", "free"]
    assert world.port(world.b)["_seen"]["open"]


def test_leftover_vlans_go_when_the_switch_was_reset_whole(simulated: SimulatedBench) -> None:
    world = World(simulated)
    done(simulated, vlan(101), vlan(102), vlan(103), vlan(500))
    world.do(pool.update_vlan, 103, {"available": False, "reason": "the operators' own"})
    world.group("alpha", vlan=102)
    world.reset(world.a)
    assert read_table(simulated.file)["vlans"] == [1, 101, 102, 103, 500]
    world.reset()
    assert read_table(simulated.file)["vlans"] == [1, 102, 103, 500]
    assert world.get(f"switch_{SWITCH}")["_vlans"] == [1, 102, 103, 500]


def test_more_ports_than_a_transaction_holds(tmp_path: Any) -> None:
    bench = SimulatedBench(tmp_path, 5)
    world = World(bench)
    with_many = SimulatedBench(tmp_path, 250)
    for port in with_many.ports[5:]:
        world.do(pool.register_port, SWITCH, port)
    world.bench = with_many
    assert set(world.reset().values()) == {"isolated"}
    assert all(world.port(port)["_verified"] for port in with_many.ports)


# ---- adopt


def test_adopt_takes_isolated_ports_as_they_are(world: World) -> None:
    world.bench.executor.isolate([world.a, world.up], EPOCH)
    world.bench.put(world.b, PortState(900))
    result = world.adopt(world.a, world.b, world.up, "unheard-of")
    assert (result[world.a], result[world.up]) == ("isolated", "isolated")
    assert result[world.b].startswith("refused: ")
    assert "not registered" in result["unheard-of"]
    assert world.verified() == [world.a, world.up]
    assert (world.state("n0"), world.state("n1")) == ("free", "unverified")
    assert world.bench.table()[world.b] == PortState(900)


def test_adopt_brings_nodes_into_the_group_whose_vlan_they_are_on(world: World) -> None:
    networks = {"main": {"vlan": 101}, "store": {"vlan": 102, "nics": ["data"], "tagged": True}}
    world.group("alpha", networks=networks)
    world.bench.executor.isolate(world.bench.ports, EPOCH)
    done(world.bench, vlan(101), vlan(102), join(world.a, 101), join(world.c, 101), join(world.d, None, 102))
    before = world.bench.table()
    result = world.adopt()
    assert [result[port] for port in (world.a, world.c, world.d)] == ["in group alpha"] * 3
    assert world.bench.table() == before
    group = world.get("group_alpha")
    assert sorted(group["wanted"]["nodes"]) == ["n0", "n2"]
    assert group["target"] is None
    assert group["deployed"] == {
        f"port/{SWITCH}/{world.a}": {"untagged": 101, "tagged": []},
        f"port/{SWITCH}/{world.c}": {"untagged": 101, "tagged": []},
        f"port/{SWITCH}/{world.d}": {"untagged": None, "tagged": [102]},
        "node/n0": {"power": False},
        "node/n2": {"power": False},
    }
    assert [world.get(f"node_{node}")["group"] for node in ("n0", "n1", "n2")] == ["alpha", None, "alpha"]
    assert world.verified() == world.bench.ports
    actions = {step["action"] for step in world.do(groups.plan_deploy, "alpha")["steps"]}
    assert actions.isdisjoint({"leave", "join"})


def test_a_deployed_group_makes_the_rest_true_for_an_adopted_node(simulated: SimulatedBench) -> None:
    world = World(simulated)
    world.reset(world.a)
    world.group("alpha", vlan=101, nodes=["n0"])
    world.deploy("alpha")
    revision = world.get("group_alpha")["revision"]
    done(simulated, join(world.b, 101))
    assert world.adopt(world.b) == {world.b: "in group alpha"}
    group = world.get("group_alpha")
    assert group["target"]["nodes"] == group["wanted"]["nodes"] == ["n0", "n1"]
    assert (group["revision"], group["deployed_revision"]) == (revision + 1, revision)
    job = world.get(f"job_{group['job']}")
    assert (job["subject"], job["kind"], job["state"]) == ("group:alpha", "deploy", "queued")
    target = plan.expand(world.store, "alpha", group["target"])
    steps = plan.plan(world.store, "alpha", target, group["deployed"])
    assert "port" not in {step.fact.split("/")[0] for step in steps}


REFUSED = {
    "two groups": (PortState(101, (102,)), "belong to group alpha and group beta"),
    "a VLAN of nobody": (PortState(103), "belong to no group"),
    "a strange VLAN": (PortState(900), "VLAN 900 is not in the pool"),
    "an open port": (PortState(open=True), "ResetPorts"),
    "tagged where untagged is meant": (PortState(None, (101,)), "not what group alpha would give it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_adopt_refuses(simulated: SimulatedBench, case: str) -> None:
    state, words = REFUSED[case]
    world = World(simulated)
    world.group("alpha", vlan=101)
    world.group("beta", vlan=102)
    simulated.put(world.a, state)
    result = world.adopt(world.a)
    assert result[world.a].startswith("refused: ")
    assert words in result[world.a]
    assert world.verified() == []
    assert world.get("node_n0")["group"] is None
    assert world.get("group_alpha")["wanted"]["nodes"] == []


def test_adopt_refuses_a_node_whose_other_port_says_otherwise(simulated: SimulatedBench) -> None:
    world = World(simulated)
    world.group("alpha", vlan=101)
    simulated.executor.isolate(simulated.ports, EPOCH)
    done(simulated, vlan(101), join(world.c, 101), join(world.d, 101))
    assert "NIC eth1" in world.adopt(world.c)[world.c]
    assert world.verified() == []


def test_adopt_refuses_a_node_that_is_out_or_failed(simulated: SimulatedBench) -> None:
    world = World(simulated)
    world.group("alpha", vlan=101)
    simulated.put(world.a, PortState(101))
    world.edit("node_n0", _failed="power could not be confirmed")
    assert "node n0 is failed" in world.adopt(world.a)[world.a]
    assert world.verified() == []


def test_adopt_refuses_while_another_switch_of_the_node_was_not_read(simulated: SimulatedBench) -> None:
    world = World(simulated)
    world.do(pool.register_switch, "sw9", {"driver": "simulated", "file": "/nowhere"})
    for port in ("e0", "e1"):
        world.do(pool.register_port, "sw9", port)
    world.do(pool.unregister_node, "n0")
    world.node("n7", (SWITCH, world.a), ("sw9", "e0"))
    world.group("alpha", vlan=101)
    simulated.put(world.a, PortState(101))
    assert "InspectSwitch sw9" in world.adopt(world.a)[world.a]
    world.edit("port_sw9:e0", _seen=NOTHING, _read_at=NOW - 60)
    assert world.adopt(world.a) == {world.a: "in group alpha"}
    assert world.get("port_sw9:e0")["_verified"]


def test_a_trunk_is_adopted_when_its_vlans_are_the_pools(world: World) -> None:
    world.bench.put(world.up, PortState(None, (101, 900)))
    assert "VLAN 900 tagged" in world.adopt(world.up)[world.up]
    world.bench.put(world.up, PortState(None, (101, 102)))
    assert world.adopt(world.up) == {world.up: "trunk with VLAN 101 tagged, VLAN 102 tagged"}
    assert world.verified() == [world.up]


def test_a_port_that_serves_nothing_is_not_adopted(simulated: SimulatedBench) -> None:
    world = World(simulated)
    world.do(pool.unregister_node, "n0")
    assert "serves no NIC" in world.adopt(world.a)[world.a]


@pytest.mark.real
def test_open_vswitch_has_no_table_of_vlans(ovs: OvsBench) -> None:
    world = World(ovs)
    world.reset()
    assert world.inspect()["vlans"] is None
    assert world.get(f"switch_{SWITCH}")["_vlans"] is None
