"""From records back to what made them: the settings that Register… and Create… would have to be told. Pure.

What is nm's own (states, observations, whose a thing is now) is no setting. Settings at their defaults are
left out, and keys are in alphabetical order, so that equal things are told in equal words. Names of secrets
are in it, which is why only administrators are answered it; secrets are not in records at all.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from nm import people
from nm.calls import Call
from nm.records import Record, in_order, name_of
from nm.store import Reader

Settings = dict[str, Any]

_BOOKKEEPING = {"record_key", "timestamp", "expiry"}
_NIC = ("name", "mac", "switch", "port", "role")


def of(record: Record) -> Any:
    """The settings of a thing of any kind that a site file has."""
    return _ordered(_OF[record["record_key"].partition("_")[0]](record))


def export(reader: Reader, _call: Call) -> str:
    """The site as Import takes it: all that is registered, and the groups as they are wanted."""
    return json.dumps(site(reader), ensure_ascii=False, separators=(",", ":"))


def site(reader: Reader) -> dict[str, Any]:
    """The same as a struct of sections; those with nothing in them are left out."""
    sections: dict[str, Any] = {
        "switches": _named(reader.range("switch")),
        "ports": _ports(reader.range("port")),
        "hosts": _named(reader.range("host")),
        "vlans": _vlans(reader.range("vlan")),
        "trunks": _named(reader.range("trunk")),
        "images": _named(reader.range("image")),
        "nodes": _named(reader.range("node")),
        "headnodes": _named(reader.range("headnode")),
        "delegates": _accounts(reader, people.DELEGATE),
        "rights": _accounts(reader, people.UNIX),
        "groups": _named(group for group in reader.range("group") if not group["destroying"]),
    }
    return {"format": 1, **{name: entries for name, entries in sections.items() if entries}}


def _named(records: Iterable[Record]) -> Settings:
    return {name_of(record["record_key"]): of(record) for record in in_order(records)}


def _accounts(reader: Reader, type: str) -> Settings:
    chosen = (one for one in reader.range("account") if one["type"] == type and not one["destroying"])
    return {record["name"]: of(record) for record in in_order(chosen)}


def _ports(records: Iterable[Record]) -> Settings:
    """The ports by switch; a list of names where nothing else is to be told of any."""
    found: dict[str, Settings] = {}
    for record in in_order(records):
        found.setdefault(record["switch"], {})[record["port"]] = of(record)
    return {switch: ports if any(ports.values()) else list(ports) for switch, ports in found.items()}


def _vlans(records: Iterable[Record]) -> Settings:
    """The VLANs by ranges of ids that have the same settings."""
    known = {record["id"]: of(record) for record in in_order(records)}
    starts = [*known][:1] + [b for a, b in pairwise(known) if b != a + 1 or known[a] != known[b]]
    ends = [a for a, b in pairwise(known) if b != a + 1 or known[a] != known[b]] + [*known][-1:]
    ranges = zip(starts, ends, strict=True)
    return {str(first) if first == last else f"{first}-{last}": known[first] for first, last in ranges}


# ---- one kind each


def _ordered(value: Any) -> Any:
    """The value with the keys of all structs in it in alphabetical order."""
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _without(record: Record, *own: str, **defaults: Any) -> Settings:
    """What is left of the record: not nm's own, not empty, not at its default."""
    defaults = {"available": True, **defaults}
    return {
        key: value
        for key, value in record.items()
        if key not in _BOOKKEEPING
        and key not in own
        and key[0] != "_"
        and value not in (None, "", {}, [])
        and not (key in defaults and value == defaults[key])
    }


def _switch(record: Record) -> Settings:
    """A driver's own settings have no defaults that are known here: those that were told are told again."""
    told = {key: value for key, value in record.items() if key[0] != "_" and key not in _BOOKKEEPING}
    service = ("available", "reason", "secrets")
    own = {key: value for key, value in told.items() if key not in service}
    return {**own, **_without({key: told[key] for key in service})}


def _port(record: Record) -> Settings:
    return {"description": record["description"]} if record["description"] else {}


def _node(record: Record) -> Settings:
    nics = [{key: nic[key] for key in _NIC if nic[key] is not None} for nic in record["nics"]]
    return {**_without(record, "group"), "nics": nics}


def _group(record: Record) -> Settings:
    wanted = record["wanted"]
    networks = {
        name: {"vlan": one["vlan"], "nics": one["nics"], **({"tagged": True} if one["tagged"] else {})}
        for name, one in wanted["networks"].items()
    }
    told = {key: record[key] for key in ("alias", "keys") if record[key]}
    told |= {key: wanted[key] for key in ("nodes", "headnode", "image", "images") if wanted.get(key)}
    if record["expiry"] is not None:
        told["expires"] = record["expiry"]
    if record["delegations"]:
        told["delegations"] = [_delegation(one) for one in record["delegations"]]
    return {**told, "networks": networks, "owner": record["owner"]["name"]}


def _delegation(one: Record) -> Any:
    return one["name"] if one["method"] is None else {"name": one["name"], "method": one["method"]}


def _account(record: Record) -> Settings:
    rights = people.public_rights(record["rights"])
    if record["type"] == people.UNIX:
        return rights
    return {**({"keys": record["keys"]} if record["keys"] else {}), **({"rights": rights} if rights else {})}


_OF: Mapping[str, Callable[[Record], Settings]] = {
    "switch": _switch,
    "port": _port,
    "host": lambda record: _without(record, emulate=False),
    "vlan": lambda record: _without(record, "id", "group", "groups", shared=False),
    "trunk": lambda record: _without(record, native=1),
    "node": _node,
    "image": lambda record: _without(record, format="qcow2", memory=1024, cpus=1, share="disk"),
    "headnode": lambda record: _without(record, "group"),
    "account": _account,
    "group": _group,
}
