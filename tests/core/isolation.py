"""What must always hold between groups, checked against the switches' own tables. Used by several tests."""

from collections.abc import Mapping
from dataclasses import replace

from nm.debts import of_switch
from nm.facts import Value, name, split
from nm.promises import is_party, next_party
from nm.records import name_of, record_key
from nm.store import Reader
from nm.switch import SwitchState
from nm.switches.reach import Link, reaches_at_all
from nm.views import wired


def crossings(reader: Reader, states: Mapping[str, SwitchState], links: list[Link]) -> list[str]:
    """Every way by which a frame gets from a node to one that it must not reach; empty when isolated."""
    owners: dict[tuple[str, str], tuple[str, str | None]] = {}
    for node in reader.range("node"):
        # Taken back by force, a node is still in the group's network until its debt is paid.
        debt = reader.get(record_key("debt", name_of(node["record_key"])))
        group = debt["group"] if debt is not None else node["group"]
        for nic in wired(node):
            # So it is on a switch that was taken back, or replaced, until that was read back as isolated.
            owing = of_switch(reader, nic["switch"])
            owed = owing["owed"] if owing is not None else {}
            whose = owed.get(name("port", nic["switch"], nic["port"]), group)
            owners[nic["switch"], nic["port"]] = (name_of(node["record_key"]), whose)
    # A shared VLAN is the one exception: it is left out of the picture.
    shared = {vlan["id"] for vlan in reader.range("vlan") if vlan["shared"]}
    states = {name: _without(state, shared) for name, state in states.items()}
    found = []
    for place, (node_name, group) in owners.items():
        for reached in reaches_at_all(states, links, place):
            if reached == ("sw0", "up"):  # leads to the head nodes' host
                continue
            other, others = owners.get(reached, (f"{reached}", "?"))
            if group is not None and group == others:
                continue
            found.append(f"{node_name} of {group} reaches {other} of {others}")
    return found


def _without(state: SwitchState, vlans: set[int]) -> SwitchState:
    ports = {
        port: replace(
            found,
            untagged=None if found.untagged in vlans else found.untagged,
            tagged=tuple(vlan for vlan in found.tagged if vlan not in vlans),
        )
        for port, found in state.ports.items()
    }
    return SwitchState(state.vlans, ports, state.model)


def disagreements(reader: Reader, states: Mapping[str, SwitchState]) -> list[str]:
    """Where a switch differs from what the database calls deployed, for groups that show no error."""
    found = []
    for group in reader.range("group"):
        if group["error"] or group["revision"] != group["deployed_revision"]:
            continue
        for fact, value in group["deployed"].items():
            difference = _difference(fact, value, states)
            found += [f"{fact}: {difference}"] if difference else []
    return found


def _difference(fact: str, value: Value, states: Mapping[str, SwitchState]) -> str:
    kind, *parts = split(fact)
    if kind == "port":
        state = states[parts[0]].ports[parts[1]]
        carried = {"untagged": state.untagged, "tagged": list(state.tagged)}
        return "" if carried == value and not state.open else f"{value} is {state}"
    if kind == "trunk":
        return "" if int(parts[1]) in states[parts[0]].ports[parts[2]].tagged else "is not there"
    if kind == "vlan" and (vlans := states[parts[0]].vlans) is not None:
        return "" if int(parts[1]) in vlans else "is not there"
    return ""


def promised_wrongly(reader: Reader) -> list[str]:
    """Promises of nodes that a living group does not know of, or that somebody else could break."""
    found = []
    for node in reader.range("node"):
        promise, name = node.get("_promise"), name_of(node["record_key"])
        for group in reader.range("group"):
            mine = {role: promise and is_party(group, promise[role]) for role in ("lender", "borrower")}
            known = {"lender": name in group.get("lent", ()), "borrower": name in group.get("borrowed", ())}
            if {role: bool(value) for role, value in mine.items()} != known:
                found.append(f"{name}: {promise}, but {group['record_key']} says {known}")
            named = any(name in spec["nodes"] for spec in (group["wanted"], group["target"]) if spec)
            if promise and named and not is_party(group, next_party(promise)):
                found.append(f"{name}: {promise}, but {group['record_key']} names it")
    return found
