"""The jobs of a switch: read it whole, isolate its ports, take over what is there.

Called by the switch's worker, the one thread that also carries out the groups' orders on this switch.
So what a group has joined by then belongs to a node that the database says is the group's, and no
order gets between a job's look and its deed. Nothing here holds a lock; the switch is never talked
to inside a transaction.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from nm import debts, drift, facts, groups, jobs, plan, specs, views
from nm.calls import Call, Caller
from nm.errors import Conflict, DeviceFailed, NMError, NotFound
from nm.pool import distrust, uses
from nm.records import Record, changed, in_order, name_of, port_key, record_key
from nm.store import Event, Reader, Store, Transaction, portions
from nm.switch import PortState, SwitchState
from nm.switches.executor import Executor, describe, port_state, port_value

FRESH = 600  # seconds for which another switch's last reading counts when a node is adopted

_USE_REPAIR = "Repair of the group mends its ports"


# ---- what is read ----------------------------------------------------------------------------------------


def inspect(store: Store, executor: Executor, record: Record, now: float) -> Record:
    """Read everything, store it, and compare it with the pool and with what groups have deployed.

    Answers {model, vlans, ports: {name: {untagged, tagged, open}}, differences: [text]}.
    """
    state = _look(store, executor, record, now)
    found = differences(store, executor, state)
    _distrust(store, executor.name, state, now)
    return {
        "model": state.model,
        "vlans": None if state.vlans is None else sorted(state.vlans),
        "ports": {port: seen_value(seen) for port, seen in state.ports.items()},
        "differences": found,
    }


def _distrust(store: Store, switch: str, state: SwitchState, now: float) -> None:
    """A free port that carries something is not given out before it was reset or adopted."""
    ports = [port for port in _ports(store, switch) if port["trunk"] is None and port["port"] in state.ports]
    used = uses.untouchable(store, ports)
    keys = [
        port["record_key"]
        for port in ports
        if port["record_key"] not in used and not state.ports[port["port"]].isolated
    ]
    for some in portions(keys):
        store.transact(partial(distrust, keys=some, now=now, drifted=True))


def seen_value(state: PortState) -> Record:
    """A port's state as records keep it under `_seen`."""
    return {"untagged": state.untagged, "tagged": list(state.tagged), "open": state.open}


def record_seen(
    tx: Transaction, switch: str, seen: Mapping[str, PortState], now: float, **fields: Any
) -> None:
    """Store what was read of these ports, as far as they are registered; `fields`: more to set on each."""
    for port, state in seen.items():
        old = tx.get(port_key(switch, port))
        if old is not None:
            tx.put(changed(old, now, _seen=seen_value(state), _read_at=now, **fields))


def differences(reader: Reader, executor: Executor, state: SwitchState) -> list[str]:
    """Where the switch is not as the database has it, in words."""
    switch = executor.name
    registered = {port["port"]: port for port in _ports(reader, switch)}
    found = [f"port {port} is not registered" for port in state.ports if port not in registered]
    for port, known in registered.items():
        seen = state.ports.get(port)
        if seen is None:
            found.append(f"port {port} is registered, and the switch has no such port")
        elif known["_verified"] and known["trunk"] is None and not seen.isolated and _idle(reader, known):
            found.append(f"port {port} is free and carries {describe(seen)}")
    for group in in_order(reader.range("group")):
        for fact, value in group["deployed"].items():
            words = _drift(executor, state, fact, value)
            if words:
                found.append(f"group {name_of(group['record_key'])}: {words}")
    return found


def _drift(executor: Executor, state: SwitchState, fact: str, value: facts.Value) -> str:
    """How what is deployed there differs from what was read; empty when it does not."""
    kind, *parts = facts.split(fact)
    if kind not in ("vlan", "trunk", "port") or parts[0] != executor.name or "doubt" in value:
        return ""
    outcome = executor.observe(fact, state)
    if outcome.error is not None:
        return outcome.error.message
    if outcome.seen == value:
        return ""
    if kind == "vlan":
        return f"VLAN {parts[1]} is missing"
    if kind == "trunk":
        return f"trunk port {parts[2]} should carry VLAN {parts[1]}, seen {describe(state.ports[parts[2]])}"
    return (
        f"port {parts[1]} should carry {describe(port_state(value))}, seen {describe(state.ports[parts[1]])}"
    )


def _idle(reader: Reader, port: Record) -> bool:
    """True when no group has anything on the port, and no debt either."""
    return not uses.untouchable(reader, [port])


def _ports(reader: Reader, switch: str) -> list[Record]:
    return in_order(port for port in reader.range("port") if port["switch"] == switch)


def _look(store: Store, executor: Executor, record: Record, now: float) -> SwitchState:
    """Read the switch whole and store what was seen, or why it could not be read."""
    try:
        state = executor.inspect()
    except NMError as error:
        _note(store, record, now, _error=str(error))
        raise
    _store_seen(store, executor.name, state.ports, now)
    vlans = None if state.vlans is None else sorted(state.vlans)
    _note(store, record, now, _error=None, _vlans=vlans, _model=state.model, _read_at=now)
    return state


def note_health(store: Store, executor: Executor, now: float) -> None:
    """Write down, when that has changed, whether the switch is left alone and whether it has saved.

    views.HEALTHY tells what there is. One that answers is not unreadable any more, whatever an audit found.
    """
    record = store.get(record_key("switch", executor.name))
    breaker, unsaved = executor.breaker, executor.unsaved
    health = {
        "unsaved": str(unsaved) if unsaved else None,
        "failures": breaker.failures,
        "error": str(breaker.error) if breaker.error else None,
        "retry_at": int(now + breaker.pause) if breaker.pause else None,
    }
    if record is None:
        return
    if record.get("_health", views.HEALTHY) != health:
        _note(store, record, now, _health=health)
    if executor.answers and record["_error"]:
        store.transact(partial(drift.unreadable, switch=executor.name, error=None, now=now))


def unsaved(record: Record) -> NMError | None:
    """Why what the switch was told before is not saved, as it was written down."""
    words = record.get("_health", views.HEALTHY)["unsaved"]
    return DeviceFailed(words) if words else None


def _note(store: Store, record: Record, now: float, **fields: Any) -> None:
    """Set observations on the switch's record."""

    def note(tx: Transaction) -> None:
        newest = tx.get(record["record_key"])
        if newest is not None:
            tx.put(changed(newest, now, **fields))

    store.transact(note)


def _store_seen(store: Store, switch: str, seen: Mapping[str, PortState], now: float, **fields: Any) -> None:
    """`record_seen` in as many transactions as it takes."""
    for items in portions(seen.items()):
        some = dict(items)
        store.transact(partial(record_seen, switch=switch, seen=some, now=now, **fields))


# ---- reset -----------------------------------------------------------------------------------------------


def reset(
    store: Store, executor: Executor, record: Record, ports: Iterable[str] | None, now: float
) -> dict[str, str]:
    """Isolate node ports and empty trunk ports, all registered ones when `ports` is None.

    Ports that a group relies on stay, with a hint. Answers {port: "isolated", or why not}.
    """
    wanted, answer = _choose(store, executor.name, ports)
    results = executor.isolate(wanted, store.epoch)
    errors = [result for result in results.values() if isinstance(result, NMError)]
    if errors and len({id(error) for error in errors}) == 1 < len(results) == len(errors):
        _note(store, record, now, _error=str(errors[0]))
        raise errors[0]
    isolated = [port for port, result in results.items() if isinstance(result, PortState)]
    _store_seen(store, executor.name, dict.fromkeys(isolated, PortState()), now, _verified=True)
    answer |= {port: str(r) if isinstance(r, NMError) else "isolated" for port, r in results.items()}
    state = _look(store, executor, record, now)
    if set(isolated) >= _unused_ports(store, executor.name):
        _remove_leftovers(store, executor, record, state.vlans or frozenset(), now)
    return answer


def _choose(reader: Reader, switch: str, ports: Iterable[str] | None) -> tuple[list[str], dict[str, str]]:
    """The ports that a job may touch, and why it may not touch the others."""
    registered = {port["port"]: port for port in _ports(reader, switch)}
    asked = list(registered) if ports is None else list(dict.fromkeys(ports))
    used = uses.untouchable(reader, [registered[port] for port in asked if port in registered])
    refused = {}
    for port in asked:
        if port not in registered:
            refused[port] = f"port {port} of switch {switch} is not registered; RegisterPort first"
        elif (user := used.get(registered[port]["record_key"])) is not None:
            refused[port] = f"port {port} of switch {switch} is used by {user}; {_USE_REPAIR}"
    return [port for port in asked if port not in refused], refused


def _unused_ports(reader: Reader, switch: str) -> set[str]:
    """The switch's registered ports that no group relies on."""
    ports = _ports(reader, switch)
    used = uses.untouchable(reader, ports)
    return {port["port"] for port in ports if port["record_key"] not in used}


def _remove_leftovers(
    store: Store, executor: Executor, record: Record, there: frozenset[int], now: float
) -> None:
    """Take VLANs of the pool that nobody uses off the switch's table. One that stays does no harm."""
    owed = debts.vlans(store)
    unused = (vlan["id"] for vlan in store.range("vlan") if _unused(vlan) and vlan["id"] not in owed)
    leftovers = there.intersection(unused)
    if leftovers:
        stayed = executor.remove_vlans(leftovers, store.epoch)
        _note(store, record, now, _vlans=sorted(there - (leftovers - stayed.keys())))


def _unused(vlan: Record) -> bool:
    return vlan["available"] and vlan["group"] is None and not vlan["groups"]


# ---- adopt -----------------------------------------------------------------------------------------------


def adopt(
    store: Store, executor: Executor, record: Record, ports: Iterable[str] | None, now: float
) -> dict[str, str]:
    """Take over what is there; nothing on the switch changes. Answers {port: what it is now, or why not}.

    An isolated port is verified as it is. A port that carries just what a group's spec would give its
    node brings the node into that group. All else stays unverified.
    """
    state = _look(store, executor, record, now)
    wanted, answer = _choose(store, executor.name, ports)
    there = {port: state.ports[port] for port in wanted if port in state.ports}
    answer |= {port: f"the switch has no port {port}" for port in wanted if port not in there}
    isolated = [port for port, seen in there.items() if seen.isolated]
    _store_seen(store, executor.name, dict.fromkeys(isolated, PortState()), now, _verified=True)
    answer |= dict.fromkeys(isolated, "isolated")
    for port, seen in there.items():
        if not seen.isolated:
            answer[port] = _adopt_port(store, executor.name, port, seen, now)
    return answer


def _adopt_port(store: Store, switch: str, port: str, seen: PortState, now: float) -> str:
    """Adopt a port that carries something; what it is now, or why it is refused."""

    def adopt_one(tx: Transaction) -> str:
        known, port_fact = tx.get(port_key(switch, port)), facts.name("port", switch, port)
        if known is None:
            raise NotFound(f"port {port} of switch {switch} was unregistered meanwhile")
        if known["trunk"] is not None:
            return _adopt_trunk(tx, known, seen, now)
        if known["node"] is None:
            raise Conflict(
                f"port {port} carries {describe(seen)} and serves no NIC", "ConnectNic or ResetPorts"
            )
        return _adopt_node(tx, known["node"], port_fact, now)

    try:
        return store.transact(adopt_one)
    except (Conflict, NotFound) as refusal:
        return f"refused: {refusal}"


def _adopt_trunk(tx: Transaction, port: Record, seen: PortState, now: float) -> str:
    """A trunk port is as it should be when it names its VLANs and all are the pool's."""
    trunk = tx.get(record_key("trunk", port["trunk"]))
    native = None if trunk is None else trunk["native"]
    strange = [vlan for vlan in seen.tagged if tx.get(record_key("vlan", vlan)) is None]
    if seen.open or strange or seen.untagged not in (None, native):
        raise Conflict(
            f"trunk port {port['port']} carries {describe(seen)}", "RegisterVlan these, or ResetPorts"
        )
    record_seen(tx, port["switch"], {port["port"]: seen}, now, _verified=True)
    return f"trunk with {describe(seen)}"


def _adopt_node(tx: Transaction, name: str, port: str, now: float) -> str:
    """Bring the node into the group whose VLANs its ports carry, when everything agrees."""
    node = tx.get(record_key("node", name))
    if node is None:
        raise NotFound(f"node {name} was unregistered meanwhile")
    if node["group"] is not None:
        taken = tx.get(record_key("group", node["group"]))
        if taken is None or port not in taken["deployed"]:
            raise Conflict(f"node {name} is group {node['group']}'s, which has nothing there", "ResetPorts")
        return f"in group {node['group']}"  # by another port of its own, a moment ago
    carried = _carried(tx, node, now)
    old = _owner(tx, carried.values())
    group = name_of(old["record_key"])
    for spec in (old["wanted"], old["target"]):
        if spec is not None:
            _check_agrees(node, spec, carried, group)
    for nic in views.wired(node):
        record_seen(tx, nic["switch"], {nic["port"]: carried[views.port_fact(nic)]}, now, _verified=True)
    if (problem := views.node_state(tx, node)) != "free":
        raise Conflict(f"node {name} is {problem}", "GetNodes tells more")
    _take_in(tx, old, node, carried, now)
    tx.tell(Event("nm", f"node {name}", "adopted", f"into group {group}", group))
    return f"in group {group}"


def _carried(reader: Reader, node: Record, now: float) -> dict[str, PortState]:
    """What each port of the node carries, by fact; all must have been read a short time ago."""
    carried = {}
    for nic in views.wired(node):
        port = reader.get(port_key(nic["switch"], nic["port"]))
        seen = port["_seen"] if port is not None else None
        if port is None or seen is None or port["_read_at"] < now - FRESH:
            raise Conflict(
                f"NIC {nic['name']} is on switch {nic['switch']}, which was not read lately",
                f"InspectSwitch {nic['switch']} first",
            )
        carried[views.port_fact(nic)] = PortState(seen["untagged"], tuple(seen["tagged"]), seen["open"])
    return carried


def _owner(reader: Reader, states: Iterable[PortState]) -> Record:
    """The one group that owns the VLANs that these ports carry."""
    owners = set()
    for state in states:
        if state.open:
            raise Conflict(f"it carries {describe(state)}", "ResetPorts isolates it")
        for vlan in (state.untagged, *state.tagged):
            if vlan is None:
                continue
            known = reader.get(record_key("vlan", vlan))
            if known is None:
                raise Conflict(f"VLAN {vlan} is not in the pool", "RegisterVlan, or ResetPorts")
            owners |= set() if known["shared"] else {known["group"]}
    group = reader.get(record_key("group", *owners)) if len(owners) == 1 else None
    if group is None or group["destroying"]:
        said = " and ".join(sorted(f"group {owner}" if owner else "no group" for owner in owners or {None}))
        raise Conflict(
            f"its VLANs belong to {said}", "CreateGroup with just these VLANs first, or ResetPorts"
        )
    return group


def _check_agrees(node: Record, spec: specs.Spec, carried: Mapping[str, PortState], group: str) -> None:
    """Conflict unless each port carries just what the spec would give it."""
    for nic in views.wired(node):
        seen = carried[views.port_fact(nic)]
        if views.port_value(views.named(node), nic, spec) != port_value(seen):
            raise Conflict(
                f"NIC {nic['name']} carries {describe(seen)}, which is not what group {group} would give it",
                "SetNetworks of the group, or ResetPorts",
            )


def _take_in(
    tx: Transaction, old: Record, node: Record, carried: Mapping[str, PortState], now: float
) -> None:
    """Let the node be the group's, with what its ports carry as deployed.

    A group that was deployed before gets a job that makes the rest true: trunks and machine list.
    """
    name, group = name_of(node["record_key"]), name_of(old["record_key"])
    found = {fact: value for fact, seen in carried.items() if (value := port_value(seen)) is not None}
    found[facts.name("node", name)] = {"power": node["management"] is not None}
    fields: dict[str, Any] = {"deployed": {**groups.attempted(tx, old), **found}}
    fields["wanted"] = _with(old["wanted"], name)
    if old["target"] is not None:
        fields["target"] = _with(old["target"], name)
        plan.expand(tx, group, fields["target"])
        if old["job"] is not None:
            jobs.advance(tx, old["job"], now, state="superseded", step="a node was adopted")
        call = Call(Caller(None, "nm", admin=True), "AdoptPorts", now)
        job = jobs.submit(tx, call, f"group:{group}", "deploy", group=group)
        fields.update(revision=old["revision"] + 1, job=job, error=None)
    specs.save(tx, old, changed(old, now, **fields), now)


def _with(spec: specs.Spec, node: str) -> specs.Spec:
    return {**spec, "nodes": [*spec["nodes"], node]}
