"""A database full of groups that are deployed and idle, written directly: for tests and benchmarks of size.

The records are made by the operations themselves; that hands made everything true is only said here.
"""

import os
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice

from nm import groups, plan, pool, specs
from nm.calls import Call, Caller, Site
from nm.records import changed, port_key, record_key
from nm.store import Store, Transaction
from nm.switches import builtin

NOW = 1_700_000_000.0
ENDS = 4_000_000_000  # of all leases; far away
VLANS = 4000  # there are fewer VLANs than groups, so they are shared
PORTS = 48  # of a switch

CALL = Call(Caller(os.getuid(), "me", admin=True), "Test", NOW, Site(drivers=builtin()))
Act = Callable[[Transaction], object]


def fill(store: Store, count: int, nodes: int = 0) -> None:
    """So many groups g0, g1 … deployed and idle, each with `nodes` nodes of one NIC."""
    vlans = min(count, VLANS)
    _batches(store, 90, (partial(_vlan, vlan=2 + number) for number in range(vlans)))
    add_nodes(store, range(count * nodes))
    names = (range(number * nodes, (number + 1) * nodes) for number in range(count))
    vlan_ids = (2 + number % vlans for number in range(count))
    made = (
        partial(add_group, name=f"g{number}", vlan=vlan, nodes=mine)
        for number, (vlan, mine) in enumerate(zip(vlan_ids, names, strict=True))
    )
    _batches(store, 90 // (2 + nodes), made)


def add_nodes(store: Store, numbers: Iterable[int]) -> None:
    """Nodes n0, n1 … whose ports were read back as isolated, on switches that nobody will ask."""
    known = list(numbers)
    switches = sorted({number // PORTS for number in known})
    _batches(store, 45, (partial(_switch, number=number) for number in switches))
    _batches(store, 30, (partial(_node, number=number) for number in known))


def join_switches(store: Store) -> None:
    """A trunk from every switch to one in the middle, as a site has them."""
    names = [record["record_key"].removeprefix("switch_") for record in store.range("switch")]
    store.transact(lambda tx: _register(tx, "core"))
    _batches(store, 15, (partial(_trunk, switch=name) for name in names))


def add_group(tx: Transaction, name: str, vlan: int, nodes: Iterable[int]) -> None:
    """A group that is deployed as it is wanted."""
    settings = {"vlan": vlan, "nodes": [f"n{number}" for number in nodes], "expires": ENDS}
    groups.create_group(tx, CALL, name, settings)
    old = tx.get(record_key("group", name))
    assert old is not None
    facts = plan.expand(tx, name, old["wanted"])
    new = changed(old, NOW, target=old["wanted"], deployed=facts, revision=1, deployed_revision=1)
    specs.save(tx, old, new, NOW)


def _vlan(tx: Transaction, vlan: int) -> None:
    pool.register_vlan(tx, CALL, vlan, {"shared": True})


def _switch(tx: Transaction, number: int) -> None:
    if tx.get(record_key("switch", f"sw{number}")) is None:
        _register(tx, f"sw{number}")


def _register(tx: Transaction, switch: str) -> None:
    pool.register_switch(tx, CALL, switch, {"driver": "simulated", "file": f"/nonexistent/{switch}"})


def _trunk(tx: Transaction, switch: str) -> None:
    ends = [{"switch": switch, "port": "up"}, {"switch": "core", "port": f"to-{switch}"}]
    for end in ends:
        pool.register_port(tx, CALL, end["switch"], end["port"])
    pool.register_trunk(tx, CALL, f"t-{switch}", {"ends": ends})
    for end in ends:
        _verify(tx, end["switch"], end["port"])


def _node(tx: Transaction, number: int) -> None:
    switch, port = f"sw{number // PORTS}", f"p{number % PORTS}"
    mac = ":".join(["52", "54", *(f"{byte:02x}" for byte in number.to_bytes(4, "big"))])
    pool.register_port(tx, CALL, switch, port)
    nic = {"name": "eth0", "mac": mac, "switch": switch, "port": port}
    pool.register_node(tx, CALL, f"n{number}", {"nics": [nic]})
    _verify(tx, switch, port)


def _verify(tx: Transaction, switch: str, port: str) -> None:
    made = tx.get(port_key(switch, port))
    assert made is not None
    tx.put(changed(made, NOW, _verified=True))


def _batches(store: Store, size: int, acts: Iterable[Act]) -> None:
    """Do them, so many in a transaction: each waits for the disk."""
    remaining = iter(acts)
    while batch := list(islice(remaining, size)):
        store.transact(partial(_all, acts=batch))


def _all(tx: Transaction, acts: list[Act]) -> None:
    for act in acts:
        act(tx)
