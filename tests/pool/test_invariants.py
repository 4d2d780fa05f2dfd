"""Any order of calls keeps what must hold, and a refused call changes nothing."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nm import pool
from nm.errors import NMError
from nm.records import Record
from tests.memory_store import MemoryStore
from tests.pool.invariants import check
from tests.pool.world import PlainDriver, World, mac, spec

switches = st.sampled_from(["sw0", "sw1", "sw2"])
ports = st.sampled_from(["p1", "p2", "p3"])
nodes = st.sampled_from(["n1", "n2", "n3"])
hosts = st.sampled_from(["h0", "h1"])
macs = st.integers(1, 5).map(mac)
uris = st.sampled_from(["test:///default", "qemu+ssh://vm1/system", "qemu+ssh://root@vm1/system"])
addresses = st.sampled_from(["x", "y", "/run/x", "/run/y/../x"])
vlans = st.sampled_from([101, 102, 103, PlainDriver.parking])
trunks = st.sampled_from(["t0", "t1", "t2"])
heads = st.sampled_from(["a", "b"])
switch_ends = st.fixed_dictionaries({"switch": switches, "port": ports})
host_ends = st.fixed_dictionaries({"host": hosts, "device": st.just("eth5")})
wiring: st.SearchStrategy[Record] = st.one_of(st.just({}), switch_ends)
roles = st.one_of(st.none(), st.sampled_from(["boot", "data", "none"]))
nics = st.lists(
    st.builds(
        lambda name, mac, role, wire: {"name": name, "mac": mac, "role": role, **wire},
        st.sampled_from(["a", "b", "c"]),
        macs,
        roles,
        wiring,
    ),
    min_size=1,
    max_size=3,
)
ids = st.one_of(st.none(), st.integers(1, 3))


class Pool(RuleBasedStateMachine):
    """Calls in any order, groups that come and go between them."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(MemoryStore())

    def try_(self, operation: Any, *arguments: Any) -> None:
        before = self.world.dump()
        refusal = None
        try:
            self.world.do(operation, *arguments)
        except NMError as error:
            refusal = error
        assert refusal is None or (refusal.hint and self.world.dump() == before), refusal

    @rule(name=switches, address=addresses, wired=st.booleans())
    def register_switch(self, name: str, address: str, wired: bool) -> None:
        self.try_(pool.register_switch, name, {"driver": "plain", "address": address})
        for port in ("p1", "p2", "p3") if wired else ():
            self.try_(pool.register_port, name, port)

    @rule(name=switches, address=addresses)
    def update_switch(self, name: str, address: str) -> None:
        self.try_(pool.update_switch, name, {"address": address})

    @rule(name=switches)
    def unregister_switch(self, name: str) -> None:
        self.try_(pool.unregister_switch, name)

    @rule(switch=switches, port=ports)
    def register_port(self, switch: str, port: str) -> None:
        self.try_(pool.register_port, switch, port)

    @rule(switch=switches, port=ports)
    def unregister_port(self, switch: str, port: str) -> None:
        self.try_(pool.unregister_port, switch, port)

    @rule(name=hosts, uri=uris)
    def register_host(self, name: str, uri: str) -> None:
        network = {"kind": "ovs", "device": "br0"}
        self.try_(pool.register_host, name, {"uri": uri, "network": network})

    @rule(name=hosts, uri=uris)
    def update_host(self, name: str, uri: str) -> None:
        self.try_(pool.update_host, name, {"uri": uri})

    @rule(name=hosts)
    def unregister_host(self, name: str) -> None:
        self.try_(pool.unregister_host, name)

    @rule(
        name=trunks,
        one=switch_ends,
        other=st.one_of(switch_ends, host_ends),
        native=st.sampled_from([1, 101, 103]),
    )
    def register_trunk(self, name: str, one: Any, other: Any, native: int) -> None:
        self.try_(pool.register_trunk, name, {"ends": [one, other], "native": native})

    @rule(name=trunks)
    def unregister_trunk(self, name: str) -> None:
        self.try_(pool.unregister_trunk, name)

    @rule(name=nodes, nics=nics, number=ids)
    def register_node(self, name: str, nics: Any, number: int | None) -> None:
        self.try_(pool.register_node, name, {"nics": nics, "id": number})

    @rule(name=nodes, nics=nics, number=ids)
    def update_node(self, name: str, nics: Any, number: int | None) -> None:
        self.try_(pool.update_node, name, {"nics": nics, "id": number})

    @rule(name=nodes, nic=st.sampled_from(["a", "b", "c"]), switch=switches, port=ports)
    def connect_nic(self, name: str, nic: str, switch: str, port: str) -> None:
        self.try_(pool.connect_nic, name, nic, switch, port)

    @rule(name=nodes)
    def unregister_node(self, name: str) -> None:
        self.try_(pool.unregister_node, name)

    @rule(id=vlans)
    def register_vlan(self, id: int) -> None:
        self.try_(pool.register_vlan, id)

    @rule(id=vlans)
    def unregister_vlan(self, id: int) -> None:
        self.try_(pool.unregister_vlan, id)

    @rule(name=heads, host=hosts, domain=st.sampled_from(["d1", "d2"]))
    def register_head_node(self, name: str, host: str, domain: str) -> None:
        self.try_(pool.register_head_node, name, {"host": host, "domain": domain})

    @rule(name=heads)
    def unregister_head_node(self, name: str) -> None:
        self.try_(pool.unregister_head_node, name)

    @rule(switch=switches)
    def verify_ports(self, switch: str) -> None:
        self.try_(pool.reset_ports, switch)

    @rule(vlan=vlans)
    def group_comes(self, vlan: int) -> None:
        """A group takes all nodes, the VLAN and a head node that there are."""
        store = self.world.store
        if store.get("group_alpha") is None and store.get(f"vlan_{vlan}") is not None:
            names = [node["record_key"].partition("_")[2] for node in store.range("node")]
            head = "a" if store.get("headnode_a") is not None else None
            self.world.group("alpha", spec(*names, vlan=vlan, headnode=head))

    @rule()
    def group_goes(self) -> None:
        for kind in ("node", "vlan", "headnode"):
            for record in list(self.world.store.range(kind)):
                self.world.edit(record["record_key"], group=None)
        self.world.store.transact(lambda tx: tx.delete("group_alpha"))

    @invariant()
    def holds(self) -> None:
        check(self.world.store)
        group = self.world.store.get("group_alpha")
        if group is None:
            return
        spec = group["wanted"]
        held = [f"node_{name}" for name in spec["nodes"]] + [f"vlan_{spec['networks']['main']['vlan']}"]
        held += [f"headnode_{spec['headnode']}"] if spec["headnode"] else []
        for key in held:
            assert self.world.get(key)["group"] == "alpha"


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
