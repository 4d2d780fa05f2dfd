"""The settings of groups as callers give them, checked and made into what records keep. Pure.

Called by nm/groups.py and nm/lending.py, inside transactions. Each raises Invalid, Denied or Conflict with
what to do about it.
"""

from collections.abc import Mapping
from typing import Any

from nm import people, specs
from nm.calls import Call
from nm.errors import Conflict, Denied, Invalid
from nm.records import check_name, new, record_key
from nm.store import Reader, Transaction

LAST_SECOND = 253402300799  # of the year 9999


def networks(
    tx: Reader, call: Call, settings: Mapping[str, Any], kept: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The networks of a spec; one that keeps its name and names no VLAN keeps that of `kept`."""
    networks = settings.get("networks") or {"main": {}}
    given = dict(networks) if isinstance(networks, Mapping) else {}
    if not given or not all(isinstance(entry, Mapping) for entry in given.values()):
        raise Invalid("networks is not a struct of structs", 'as {"main": {"vlan": 101, "nics": ["boot"]}}')
    if settings.get("vlan") is not None:
        main = given.get("main", {})
        if main.get("vlan") not in (None, settings["vlan"]):
            raise Invalid("vlan and networks name different VLANs for main", "leave one of them out")
        given["main"] = {**main, "vlan": settings["vlan"]}
    for name, entry in given.items():
        if kept and name in kept and "vlan" not in entry:
            given[name] = {**entry, "vlan": kept[name]["vlan"]}
    taken = {entry["vlan"] for entry in given.values() if isinstance(entry.get("vlan"), int)}
    search = call.choose_vlan or specs.FreeVlans().choose

    def choose() -> int:
        vlan = search(tx, taken)
        taken.add(vlan)
        return vlan

    return specs.parse_networks(given, choose)


def nodes(nodes: object) -> list[str]:
    """Names of nodes, each once, and no more than a call may name."""
    if not isinstance(nodes, list) or (not nodes and nodes != []):
        raise Invalid("nodes is not a list of node names", 'as ["n1", "n2"]')
    for node in nodes:
        check_name(node, "node")
    if len(set(nodes)) != len(nodes):
        raise Invalid("a node is named twice", "name each node once")
    if len(nodes) > specs.NODES_A_CALL:
        raise Invalid(
            f"{len(nodes)} nodes in one call", f"add or remove at most {specs.NODES_A_CALL} at a time"
        )
    return list(nodes)


def headnode(name: object) -> str | None:
    """The name of a head node, or None."""
    return None if name is None else check_name(name, "head node")


def expires(
    reader: Reader, call: Call, expires: object, owner: Mapping[str, Any], reserved: bool = False
) -> int | None:
    """When a lease ends; None for never. Bounded by the site's longest lease, and the owner's."""
    longest = people.longest_lease(reader, call, owner, reserved)
    if expires is None:
        return None if longest is None else int(call.now) + longest
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise Invalid(f"{expires!r} is not a time", "give whole seconds since 1970 UTC")
    if not call.now < expires <= LAST_SECOND:
        raise Invalid(
            "the end of the lease is in the past, or after 9999", "give whole seconds since 1970 UTC"
        )
    if longest is not None and expires > call.now + longest:
        raise Denied(
            f"{call.caller.name} may lease for at most {longest} s",
            "choose an earlier end, or ask an administrator",
        )
    return int(expires)


def alias(tx: Transaction, alias: object, group: str, now: float) -> str | None:
    """Another name for the group, claimed for it; None for none."""
    if alias is None:
        return None
    if not isinstance(alias, str) or not 0 < len(alias.encode()) <= 256:
        raise Invalid("the alias is not a text of 1 to 256 bytes", "as urn:publicid:IDN+site+slice+name")
    key = record_key("claim", f"alias:{alias}")
    if tx.get(key) is not None or tx.get(record_key("group", alias)) is not None:
        raise Conflict(f"alias {alias} is taken", "choose another one")
    tx.put(new("claim", f"alias:{alias}", now, owner=record_key("group", group)))
    return alias


def owner(tx: Transaction, call: Call, name: object) -> dict[str, Any]:
    """Who owns a new group: the caller, unless an administrator names somebody else."""
    if name is None or name == call.caller.name:
        return {"name": call.caller.name, "uid": call.caller.uid}
    if not call.caller.admin:
        raise Denied(
            f"{call.caller.name} may not make a group for somebody else: it needs an administrator",
            "leave owner out, and delegate the group to others",
        )
    return people.named(tx, call, name)
