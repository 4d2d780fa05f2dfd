"""The structs that answers give of records, the states computed for them, and the filters of Get….

Pure; called by the operations and doors. A struct never holds a secret, the name of one, or an
observation under its private name. Who may not see a thing whole gets its name and availability,
and filters work on what the caller sees, so that they tell nothing more.
"""

import itertools
import math
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from nm import debts, facts, promises
from nm.calls import Call
from nm.errors import Invalid
from nm.records import Record, name_of, natural, port_key, record_key
from nm.store import Reader

View = Callable[[Record], Record]
Fields = Mapping[str, type] | Iterable[str]

# The keys of each kind's struct that a filter may name, with their types. The first ones name the record.
FIELDS: dict[str, dict[str, type]] = {
    "switch": {"name": str, "driver": str, "model": str, "free": bool, "available": bool, "reason": str},
    "port": {
        "switch": str, "port": str, "node": str, "nic": str, "trunk": str,
        "verified": bool, "free": bool, "available": bool,
    },
    "trunk": {"name": str, "native": int, "free": bool, "available": bool},
    "host": {"name": str, "uri": str, "free": bool, "available": bool, "reason": str},
    "node": {
        "name": str, "id": int, "hostname": str, "ip": str, "hardware_type": str, "location": str,
        "image": str, "group": str, "state": str, "free": bool, "available": bool, "reason": str,
    },
    "vlan": {"id": int, "shared": bool, "group": str, "free": bool, "available": bool, "reason": str},
    "headnode": {
        "name": str, "host": str, "domain": str, "image": str, "group": str, "state": str,
        "running": bool, "free": bool, "available": bool, "reason": str,
    },
    "image": {"name": str, "kind": str},
    "account": {
        "name": str, "account": str, "uid": int, "type": str, "state": str, "job": int,
    },
    "sliver": {
        "name": str, "type": str, "instantiation": str, "account": str, "uid": int, "enabled": bool,
        "state": str, "image": str, "index": int, "job": int, "expires": int,
    },
    "pool": {
        "name": str, "state": str, "revision": int, "target": int, "deployed": int, "job": int,
    },
    "group": {
        "name": str, "alias": str, "vlan": int, "headnode": str, "state": str, "pending": bool,
        "expires": int, "revision": int, "job": int, "drift": int,
    },
    "job": {"id": int, "subject": str, "kind": str, "group": str, "state": str},
}  # fmt: skip
MOST_VALUES = 1000  # in one list of a filter; also the most records that are looked up one by one
_SPOKEN = {str: "a string", int: "an int", bool: "a boolean", float: "a double"}


def find(reader: Reader, kind: str, filter: Mapping[str, Any], view: View) -> list[Record]:
    """What `view` makes of the records of a kind, where the filter matches, in the order of their names.

    `filter` maps keys of FIELDS[kind] to a value or a list of values. One that names the records
    costs as much as those records, not as much as all.
    """
    check_filter(filter, FIELDS[kind])
    matches = _matcher(filter, FIELDS[kind])
    found = [
        (record, struct) for record in _candidates(reader, kind, filter) if matches(struct := view(record))
    ]
    found.sort(key=lambda pair: natural(pair[0]["record_key"]))
    return [struct for _, struct in found]


def select(structs: Iterable[Record], filter: Mapping[str, Any], fields: Fields) -> list[Record]:
    """Those of the structs that the filter matches, in the order they come."""
    check_filter(filter, fields)
    matches = _matcher(filter, fields)
    return [struct for struct in structs if matches(struct)]


def check_filter(filter: Mapping[str, Any], fields: Fields) -> None:
    """Invalid when the filter names a key that is none of `fields`, or a value not of that key's type."""
    if not isinstance(filter, Mapping):
        raise Invalid("the filter must be a struct", "use {} for all")
    types = fields if isinstance(fields, Mapping) else dict.fromkeys(fields)
    for key, wanted in filter.items():
        if key not in types:
            raise Invalid(f"no filter key {str(key)[:40]!r}", f"valid keys: {', '.join(sorted(types))}")
        kind, values = types[key], _listed(wanted)
        if len(values) > MOST_VALUES:
            raise Invalid(
                f"filter: {key} lists {len(values)} values",
                f"list at most {MOST_VALUES} of them, or leave the key out to match all",
            )
        for value in values:
            if kind is not None and value is not None and type(value) is not kind:
                raise Invalid(
                    f"filter: {key} must be {_SPOKEN[kind]} or a list of such", "leave a key out to match all"
                )


def _candidates(reader: Reader, kind: str, filter: Mapping[str, Any]) -> Iterable[Record]:
    naming = ["switch", "port"] if kind == "port" else [next(iter(FIELDS[kind]))]
    if not all(key in filter for key in naming):
        return reader.range(kind)
    parts = [list(dict.fromkeys(map(str, _listed(filter[key])))) for key in naming]
    if math.prod(map(len, parts)) > MOST_VALUES:
        return reader.range(kind)
    names = map(":".join, itertools.product(*parts))
    return [record for name in names if (record := reader.get(record_key(kind, name)))]


def _listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _matcher(filter: Mapping[str, Any], fields: Fields) -> Callable[[Record], bool]:
    """Whether a struct has every key of the (checked) filter, with one of the values wanted.

    Keys of a declared type have values that a set can hold; others may have lists or structs.
    """
    values = frozenset if isinstance(fields, Mapping) else list
    wanted: dict[str, Container[Any]] = {key: values(_listed(value)) for key, value in filter.items()}
    return lambda struct: all(key in struct and struct[key] in values for key, values in wanted.items())


def named(record: Record) -> str:
    """The name in a record's key."""
    return name_of(record["record_key"])


def sees_group(reader: Reader, call: Call, group: str | None) -> bool:
    """Whether the caller sees what that group holds: a reader, or a member."""
    if call.reader or group is None:
        return call.reader
    record = reader.get(record_key("group", group))
    return record is not None and call.caller.member_of(record, call.method)


def wired(node: Record) -> list[Record]:
    """The NICs that nm works on: connected to a port, and not of the role `none`."""
    return [nic for nic in node["nics"] if nic["switch"] is not None and nic["role"] != "none"]


def is_known(port: Record) -> bool:
    """False for a port that was never reset or adopted: nobody said that it is nm's to isolate."""
    return bool(port["_verified"] or port.get("_drift"))


def is_isolated(reader: Reader, node: Record) -> bool:
    """Whether every port of the node was read back as isolated, and its group has none of them."""
    group = reader.get(record_key("group", node["group"])) if node["group"] is not None else None
    deployed = group["deployed"] if group is not None else {}
    return all(
        port_fact(nic) not in deployed and _carries_nothing(reader, nic["switch"], nic["port"])
        for nic in wired(node)
    )


def _carries_nothing(reader: Reader, switch: str, name: str) -> bool:
    port = reader.get(port_key(switch, name))
    if port is None or not port["_verified"] or debts.of_switch(reader, switch) is not None:
        return False
    found = port["_seen"]
    return found is not None and not (found["untagged"] or found["tagged"] or found.get("open"))


def of_no_role(reader: Reader, port: Record) -> bool:
    """Whether the port serves a NIC of the role `none`, which nm never touches."""
    owner = None if port["node"] is None else reader.get(record_key("node", port["node"]))
    return owner is not None and any(
        nic["name"] == port["nic"] and nic["role"] == "none" for nic in owner["nics"]
    )


def in_network(node: str, nic: Record, network: Record) -> bool:
    """Whether a network of a group names that NIC of that node, in one of the ways of `callings`."""
    return nic["role"] != "none" and any(word in network["nics"] for word in callings(node, nic))


def callings(node: str, nic: Record) -> tuple[str, str, str]:
    """What a network may call a NIC: all of its role, all of its name, just this one (NODE:NIC)."""
    return nic["role"], nic["name"], f"{node}:{nic['name']}"


def port_fact(nic: Record) -> str:
    """The name of the fact of a wired NIC's port."""
    return facts.name("port", nic["switch"], nic["port"])


def port_value(node: str, nic: Record, spec: Record) -> facts.Value | None:
    """What the port of a NIC is to carry by a group's spec; None when the NIC is in no network of it.

    A network that names the NIC itself goes before one that names its role, one that names just this node's
    before both.
    """
    joined = [network for network in spec["networks"].values() if in_network(node, nic, network)]
    untagged = [network for network in joined if not network["tagged"]]
    words = callings(node, nic)
    untagged.sort(key=lambda network: max(rank for rank, word in enumerate(words) if word in network["nics"]))
    if not joined:
        return None
    return {
        "untagged": untagged[-1]["vlan"] if untagged else None,
        "tagged": sorted(network["vlan"] for network in joined if network["tagged"]),
    }


# ---- nodes ----------------------------------------------------------------------------------------------


def node_state(reader: Reader, node: Record) -> str:
    """unverified, free, promised, joining, joined, leaving, failed, dirty or out; see the words of api.md."""
    if not node["available"]:
        return "out"
    if failure(node) is not None or node["_debt"]:
        return "failed"
    if node["_dirty"]:
        return "dirty"
    if node["group"] is not None:
        group = reader.get(record_key("group", node["group"]))
        return "leaving" if group is None else state_in(group, node)
    idle = _state_idle(reader, node)
    return promises.STATE if idle == "free" and promises.made(node) is not None else idle


def is_leaving(reader: Reader, node: Record) -> bool:
    """Whether its group is letting go of it, whatever else is said of the node."""
    group = reader.get(record_key("group", node["group"])) if node["group"] is not None else None
    return group is not None and state_in(group, node) == "leaving"


def failure(node: Record) -> str | None:
    """Why the node is failed: what it was like when its last group ended, or before it was given out."""
    return node["_failed"] or node.get("_unprepared")


def state_in(group: Record, node: Record) -> str:
    """joining, joined or leaving, whatever else is said of the node."""
    name, deployed, target = named(node), group["deployed"], group["target"]
    ports = [port_fact(nic) for nic in wired(node)]
    if group["destroying"]:
        return "leaving"
    if target is None or name not in target["nodes"]:
        there = facts.name("node", name) in deployed or any(fact in deployed for fact in ports)
        return "leaving" if there else "joining"
    wanted = [port_value(name, nic, target) for nic in wired(node)]
    joined = facts.name("node", name) in deployed and all(
        deployed.get(fact) == value for fact, value in zip(ports, wanted, strict=True)
    )
    return "joined" if joined else "joining"


def _state_idle(reader: Reader, node: Record) -> str:
    for nic in wired(node):
        switch = reader.get(record_key("switch", nic["switch"]))
        if switch is None or not switch["available"] or debts.of_switch(reader, nic["switch"]):
            return "out"
    for nic in wired(node):
        port = reader.get(port_key(nic["switch"], nic["port"]))
        if port is None or not port["_verified"]:
            return "unverified"
    return "free"


def node(reader: Reader, call: Call, record: Record) -> Record:
    """A node: whole for readers and the members of its group."""
    state = node_state(reader, record)
    struct = {**_service(record), "free": record["group"] is None and state == "free"}
    if not sees_group(reader, call, record["group"]):
        return struct
    for key in ("id", "hostname", "ip", "hardware_type", "location", "metadata", "image", "reason", "group"):
        struct[key] = record[key]
    struct["nics"] = [dict(nic) for nic in record["nics"]]
    struct["management"] = _without_secrets(record["management"])
    return {**struct, "state": state, "error": failure(record) or debts.of_node(reader, record)}


def _without_secrets(management: Record | None) -> Record | None:
    return management and {key: value for key, value in management.items() if key != "secrets"}


# ---- head nodes, VLANs ----------------------------------------------------------------------------------


def head_node_state(reader: Reader, record: Record) -> str:
    """free, joining, joined, leaving, dirty or out, as for nodes."""
    if not record["available"]:
        return "out"
    if record["_dirty"]:
        return "dirty"
    if record["group"] is None:
        host = reader.get(record_key("host", record["host"]))
        return "free" if host is not None and host["available"] else "out"
    group = reader.get(record_key("group", record["group"]))
    if group is None or group["destroying"]:
        return "leaving"
    there = facts.name("head", named(record)) in group["deployed"]
    if group["target"] is not None and group["target"]["headnode"] == named(record):
        return "joined" if there else "joining"
    return "leaving" if there else "joining"


def head_node(reader: Reader, call: Call, record: Record) -> Record:
    """A head node: whole for readers and the members of its group."""
    state = head_node_state(reader, record)
    struct = {**_service(record), "free": state == "free"}
    if not sees_group(reader, call, record["group"]):
        return struct
    for key in ("host", "domain", "image", "management", "reason", "group"):
        struct[key] = record[key]
    for key in ("address", "management_network"):
        struct[key] = record.get(key)
    return {**struct, "running": record["_running"], "state": state}


def image(call: Call, record: Record) -> Record:
    """An image: what it is for; readers see its files."""
    struct = {"name": named(record), "kind": record["kind"]}
    if call.reader:
        struct |= {key: record[key] for key in record if key not in ("record_key", "timestamp", "expiry")}
    return struct


def vlan(reader: Reader, call: Call, record: Record, owed: Container[int]) -> Record:
    """A VLAN: whole for readers and the members of its group; the users of a shared one for readers.

    `owed`: the VLANs of which debts.vlans tells.
    """
    idle = record["group"] is None and record["id"] not in owed
    free = record["available"] and (record["shared"] or idle)
    struct = {"id": record["id"], "shared": record["shared"], "available": record["available"], "free": free}
    if call.reader:
        struct["groups"] = list(record["groups"])
    if sees_group(reader, call, record["group"]):
        struct.update(group=record["group"], reason=record["reason"])
    return struct


# ---- switches, ports, trunks, hosts ---------------------------------------------------------------------


def _service(record: Record) -> Record:
    return {"name": named(record), "available": record["available"]}


# Of a switch, as its worker last saw it: why what was applied is not saved; how many sessions in a row came
# to nothing, and why; when it is tried again, while it is left alone.
HEALTHY: Record = {"unsaved": None, "failures": 0, "error": None, "retry_at": None}


def switch(reader: Reader, call: Call, record: Record) -> Record:
    """A switch: readers see its settings and what was read of it."""
    struct = {**_service(record), "free": record["available"]}
    if not call.reader:
        return struct
    hidden = ("record_key", "timestamp", "expiry", "secrets")
    health = record.get("_health", HEALTHY)
    settings = {key: value for key, value in record.items() if key[0] != "_" and key not in hidden}
    return {
        **settings,
        **struct,
        "model": record["_model"],
        "read_at": record["_read_at"],
        "error": record["_error"] or _owing(reader, record) or health["error"] or health["unsaved"],
        "host_key": record.get("host_key") or record.get("_host_key"),
        **{key: health[key] for key in ("unsaved", "failures", "retry_at")},
    }


def _owing(reader: Reader, switch: Record) -> str | None:
    debt = debts.of_switch(reader, named(switch))
    return None if debt is None else f"what was on it is not yet read back as isolated (job {debt['job']})"


def seen(debt: Record | None, port: Record) -> Record:
    """What was last read of a port: {seen, read_at}. `debt`, its switch's, says since when that counts."""
    known = debts.read_since(debt, port)
    return {"seen": port["_seen"] if known else None, "read_at": port["_read_at"] if known else None}


def port(reader: Reader, call: Call, record: Record) -> Record:
    """A port: readers see whom it serves and what was last read of it."""
    switch = reader.get(record_key("switch", record["switch"]))
    available = switch is not None and bool(switch["available"])
    owned = record["node"] is not None or record["trunk"] is not None
    struct = {
        "switch": record["switch"],
        "port": record["port"],
        "available": available,
        "free": available and not owned,
    }
    if not call.reader:
        return struct
    debt = debts.of_switch(reader, record["switch"])
    return {
        **struct,
        "node": record["node"],
        "nic": record["nic"],
        "trunk": record["trunk"],
        "verified": record["_verified"] and debt is None,
        **seen(debt, record),
        "description": record["description"],
    }


def trunk(call: Call, record: Record) -> Record:
    """A trunk: readers see its ends. `free` is there for the filter: a trunk serves all groups."""
    struct: Record = {"name": named(record), "available": True, "free": True}
    if call.reader:
        struct.update(ends=[dict(end) for end in record["ends"]], native=record["native"])
    return struct


def host(call: Call, record: Record, left: list[Record]) -> Record:
    """A host: readers see how it is reached, and what descriptions may have `left` there."""
    struct = {**_service(record), "free": record["available"]}
    if call.reader:
        struct.update(uri=record["uri"], network=dict(record["network"]), reason=record["reason"])
        struct["host_key"] = record.get("host_key") or record.get("_host_key")
        struct.update(pool=record.get("pool"), emulate=record.get("emulate", False))
        struct["left"] = left
    return struct
