"""Taking back what cannot be asked now: nodes and whole switches, by force. Pure.

What a group lets go of by force becomes a debt (nm/debts.py) that workers pay when the device answers again.
A node's debt holds the facts of that node. A switch's debt holds the ports and VLANs that groups may have on
it: all of them are isolated and read back before anything of a group joins there again. The same debt is made
when another device takes a switch's place; its nodes then stay in their groups, and wait.
"""

from collections.abc import Iterable
from typing import Any

from nm import debts, facts, groups, jobs, plan, specs, views
from nm.calls import Call
from nm.counted import counted
from nm.errors import Conflict, NMError, NotFound
from nm.records import Record, changed, in_order, name_of, new, port_key, record_key
from nm.store import Event, Reader, Transaction

NODES_AT_ONCE = 50  # that one transaction takes from a group
ROOM = 85  # writes of one bite; a transaction has 100, and the first bite shares one with other records
ISOLATED: Record = {"untagged": None, "tagged": [], "open": False}


# ---- nodes


def release_node(tx: Transaction, call: Call, node: str, force: bool = False) -> int:
    """Take a node back from its group now.

    With `force` the group lets go at once, and what cannot be undone yet becomes a debt that is paid
    when the device returns; the node is not free before that.
    """
    record = tx.get(record_key("node", node))
    if record is None:
        raise NotFound(f"no node {node}", "GetNodes lists the pool's nodes")
    old = tx.get(record_key("group", record["group"])) if record["group"] else None
    if old is None:
        isolated: plan.Facts = {
            views.port_fact(nic): {"untagged": None, "tagged": []} for nic in views.wired(record)
        }
        return _owe(tx, call, record, node, isolated)
    how = "node taken back" + (" by force" if force else "")
    groups.tell(tx, call, name_of(old["record_key"]), how, node)
    if old["destroying"] and not force:
        return int(old["job"])
    wanted, stands = without(old["wanted"], [node]), groups.standing(old)
    if stands is None:
        specs.save(tx, old, changed(old, call.now, wanted=wanted), call.now)
        return jobs.submit(tx, call, f"node:{node}", "release", group=name_of(old["record_key"]))
    target = without(stands, [node])
    if not force:
        return groups.retarget(tx, call, old, target, "deploy", wanted=wanted)
    mine = {f"node/{node}", *(views.port_fact(nic) for nic in views.wired(record))}
    facts_now = groups.attempted(tx, old)
    job = _owe(tx, call, record, node, {fact: facts_now[fact] for fact in mine if fact in facts_now})
    left = {fact: value for fact, value in facts_now.items() if fact not in mine}
    kind = "destroy" if old["destroying"] else "deploy"
    groups.retarget(tx, call, old, target, kind, wanted=wanted, deployed=left)
    return job


def _owe(tx: Transaction, call: Call, record: Record, node: str, owed: plan.Facts) -> int:
    """A debt: these facts are to be undone, and until then their VLANs are not given out again."""
    if tx.get(debts.node_key(node)) is not None:
        raise Conflict(f"node {node} is being taken back already", "GetNodes shows its state")
    vlans = sorted(
        set().union(*(plan.carried(value) for fact, value in owed.items() if fact.startswith("port/")))
    )
    tx.put(changed(record, call.now, _debt=True))
    job = jobs.submit(tx, call, f"node:{node}", "release")
    tx.put(new("debt", node, call.now, node=node, group=record["group"], owed=owed, vlans=vlans, job=job))
    tx.tell(Event(call.caller.name, f"node {node}", "debt", f"{counted(len(owed), 'thing')} to undo"))
    return job


def pay_debt(tx: Transaction, node: str, now: float, failed: str | None) -> None:
    """All that was owed has been undone and read back. `failed`: why the node is not fit to be free."""
    debt = tx.get(debts.node_key(node))
    if debt is None:
        return
    tx.delete(debt["record_key"])
    if (record := tx.get(record_key("node", node))) is not None:
        tx.put(changed(record, now, _debt=False, _failed=failed or record["_failed"]))
    tx.tell(Event("nm", f"node {node}", "debt paid", failed or ""))


def without(spec: specs.Spec, nodes: Iterable[str]) -> specs.Spec:
    """The spec without these nodes."""
    gone = set(nodes)
    return specs.with_nodes(spec, [name for name in spec["nodes"] if name not in gone])


def read_back(tx: Transaction, ports: Iterable[str], now: float) -> None:
    """These ports, as facts, were read back as isolated. At most as many as a transaction may write."""
    for fact in ports:
        port = tx.get(port_key(*facts.split(fact)[1:]))
        if port is not None:
            tx.put(changed(port, now, _seen=ISOLATED, _read_at=now, _verified=True))


# ---- switches


def owe_switch(
    tx: Transaction, call: Call, switch: str, kind: str, takes: bool, another: bool = False
) -> int:
    """A switch's debt: nothing on it counts from now on. Answers the job that is over when it is paid.

    `takes`: its nodes leave their groups. `another`: another device stands there.
    """
    old = debts.of_switch(tx, switch) or {"owed": {}, "vlans": [], "device_since": None, "takes": False}
    owed, vlans = dict(old["owed"]), set(old["vlans"])
    for group in tx.range("group"):
        vlans |= _vlans_there(tx, group, switch)
    for port in tx.range("port"):
        if port["switch"] == switch and views.is_known(port) and not views.of_no_role(tx, port):
            owed.setdefault(facts.name("port", switch, port["port"]), _user(tx, port))
    record = tx.get(record_key("switch", switch))
    if record is not None:  # its last debt may be paid, and wait for groups that join again
        jobs.advance(
            tx, record.get("_generation", 0), call.now, state="superseded", step="a newer command took over"
        )
    job = jobs.submit(tx, call, f"switch:{switch}", kind)
    fields: Record = {
        "switch": switch,
        "owed": owed,
        "vlans": sorted(vlans),
        "takes": takes or old["takes"],
        "device_since": call.now if another else old["device_since"],
        "job": job,
        "paid": False,
    }
    if record is not None:
        tx.put(changed(record, call.now, _generation=job))
    tx.put(new("debt", name_of(debts.switch_key(switch)), call.now, **fields))
    tx.tell(Event(call.caller.name, f"switch {switch}", "debt", f"{counted(len(owed), 'port')} to isolate"))
    let_go(tx, call, switch)
    return job


def _user(reader: Reader, port: Record) -> str | None:
    """The group in whose network what is behind the port may be until it is isolated."""
    node = reader.get(record_key("node", port["node"])) if port["node"] is not None else None
    return None if node is None else node["group"]


def _vlans_there(reader: Reader, group: Record, switch: str) -> set[int]:
    """The VLANs that the group may have on the switch."""
    try:
        known = groups.attempted(reader, group)
    except NMError:  # nobody can tell what was attempted
        return {int(name_of(key)) for key in specs.claims(group) if key.startswith("vlan_")}
    found: set[int] = set()
    for fact, value in known.items():
        if facts.switch_of(fact) == switch:
            kind, *parts = facts.split(fact)
            found |= plan.carried(value) if kind == "port" else {int(parts[1])}
    return found


def let_go(tx: Transaction, call: Call, switch: str) -> bool:
    """Let groups go of what they have on a switch in debt, as much as fits; True when some is left."""
    debt = debts.of_switch(tx, switch)
    room = ROOM
    for group in in_order(tx.range("group")) if debt is not None else ():
        nodes = _nodes_there(tx, group, switch)[:NODES_AT_ONCE] if debt and debt["takes"] else []
        if not nodes and not any(facts.switch_of(fact) == switch for fact in group["deployed"]):
            continue
        there, stands = known(tx, group), groups.standing(group)
        after = {
            "wanted": without(group["wanted"], nodes),
            "target": stands and without(stands, nodes),
            "deployed": {fact: value for fact, value in there.items() if facts.switch_of(fact) != switch},
        }
        room -= 4 + len(specs.claims(group) - specs.claims({**group, **after}))
        if room < 0:
            return True
        _let_go(tx, call, group, switch, nodes, after)
    takes = debt is not None and debt["takes"]
    return takes and any(_nodes_there(tx, group, switch) for group in tx.range("group"))


def _let_go(
    tx: Transaction, call: Call, old: Record, switch: str, nodes: list[str], after: dict[str, Any]
) -> None:
    name = name_of(old["record_key"])
    shown = ", ".join(nodes[:5]) + (f" and {len(nodes) - 5} more" if len(nodes) > 5 else "")
    groups.tell(tx, call, name, "switch taken away", f"{switch}: {shown}" if nodes else switch)
    if after["target"] is None:
        specs.save(tx, old, changed(old, call.now, wanted=after["wanted"]), call.now)
    else:
        groups.retarget(tx, call, old, kind="destroy" if old["destroying"] else "deploy", **after)


def known(reader: Reader, group: Record) -> plan.Facts:
    """What is deployed, with doubts; all of it in doubt when nobody can tell what was attempted."""
    try:
        return groups.attempted(reader, group)
    except NMError:
        return {fact: plan.doubt(None, value) for fact, value in group["deployed"].items()}


def _nodes_there(reader: Reader, group: Record, switch: str) -> list[str]:
    """The nodes of the group that have a NIC on the switch."""
    named = [*group["wanted"]["nodes"], *(group["target"] or specs.EMPTY)["nodes"]]
    found = []
    for name in dict.fromkeys(named):
        node = reader.get(record_key("node", name))
        if node is not None and any(nic["switch"] == switch for nic in views.wired(node)):
            found.append(name)
    return found


def pay_switch(tx: Transaction, switch: str, job: int, now: float) -> None:
    """All that was owed was read back as isolated: the switch counts again, unless another debt took over."""
    debt = debts.of_switch(tx, switch)
    if debt is not None and debt["job"] == job:
        tx.put(changed(debt, now, paid=True))
        tx.tell(Event("nm", f"switch {switch}", "debt paid"))


def rejoin(tx: Transaction, call: Call, group: str, switch: str, parent: int) -> int | None:
    """The debt is paid: let the group have its part of the switch again. The job, if it takes one."""
    old = tx.get(record_key("group", group))
    if old is None or old["target"] is None or debts.of_switch(tx, switch):
        return None
    if not _lacks(tx, old, switch):
        return None
    return groups.retarget(tx, call, old, old["target"], "repair", parent)


def _lacks(reader: Reader, group: Record, switch: str) -> bool:
    """Whether something on the switch is not yet as the group's target has it."""
    try:
        target = plan.expand(reader, name_of(group["record_key"]), group["target"])
    except NMError:
        return True  # its worker tells why
    lacking = (fact for fact, value in target.items() if group["deployed"].get(fact) != value)
    return any(facts.switch_of(fact) == switch for fact in lacking)


def strike_out(tx: Transaction, switch: str, job: int) -> None:
    """Forget a debt that was paid."""
    debt = tx.get(debts.switch_key(switch))
    if debt is not None and debt["job"] == job and debt["paid"]:
        tx.delete(debt["record_key"])


def forgive_switch(tx: Transaction, switch: str, now: float) -> None:
    """Drop what a switch owes: an administrator says that it is gone."""
    debt = tx.get(debts.switch_key(switch))
    if debt is not None:
        jobs.advance(tx, debt["job"], now, state="done", result="the switch was unregistered")
        tx.delete(debt["record_key"])


def distrust(tx: Transaction, ports: Iterable[str], now: float) -> None:
    """Nothing is known of these ports, by their keys: they were not among what was isolated."""
    for key in ports:
        port = tx.get(key)
        if port is not None and (port["_verified"] or port["_seen"] is not None):
            tx.put(changed(port, now, _verified=False, _seen=None, _read_at=None, _drift=None))
