"""What a source says of slices, understood: replies of GetSlivers in all their shapes, as records. Pure.

A reply is a struct; the oldest are a list of structs. Its slivers' attributes bear their name in `tagname`,
or in `name`; the node's addresses are its `interfaces`, or `networks`. What nm does not know is kept as it
came. A reply that cannot be understood as a whole is Invalid, and nothing of it counts. A sliver that cannot
be is no reason to lose it: it is mentioned, so it stays as it was, and `problems` says why. A tag or a key
that cannot be is left out, and the record's own `problems` says so.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nm import rspec
from nm.errors import Invalid
from nm.keys import parse_keys
from nm.people import unix_name
from nm.records import Record, is_name, new, record_key

PLC, DELEGATED, CONTROLLER, NOT = "plc-instantiated", "delegated", "nm-controller", "not-instantiated"
INSTANTIATIONS = (PLC, DELEGATED, CONTROLLER, NOT)
TYPES = ("sliver.QEMU", "sliver.LXC")
CONTROLLER_TYPE = "controller"
VLANS = range(2, 4095)
MOST_PARTS = 64  # keys of a reply
MOST_PROBLEMS = 100  # that are told of a reply
LATEST = 2**53  # up to here a double holds every second

_TAKEN = {
    "attributes",
    "expires",
    "expiry",
    "GetSliceFamily",
    "vref",
    "ssh_keys",
    "record_key",
}  # said otherwise
_SECRET = {"xmpp"}  # a password for what nm does not use
_OWN = {"timestamp", "node_id", "slivers", "networks", "interfaces", "bwcap", *_SECRET}

_VLAN = re.compile("[0-9]{1,4}")

Tags = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """How replies are read."""

    node_id: int | None = None  # this node's; None: whatever the reply says
    type: str = "sliver.QEMU"  # what slivers are on this host
    prefix: str = ""  # of the source's own slices; "": it has none
    rspec: Mapping[str, Any] = field(
        default_factory=lambda: rspec.DEFAULTS
    )  # what those have that ask for nothing


@dataclass(frozen=True)
class Reply:
    """What a source said."""

    timestamp: int  # by the source's clock
    records: Mapping[str, Record]  # the slivers, by their record's key
    mentioned: frozenset[str]  # keys; also of those that could not be understood
    node_id: int | None = None
    sections: Mapping[str, Any] = field(default_factory=dict)  # what else the node is told, by its name
    cap: int | None = None  # bit/s of the node
    exempt: tuple[str, ...] | None = (
        None  # networks that the cap does not count; None: nothing is said of them
    )
    problems: tuple[str, ...] = ()


# ---- replies


def without_secrets(told: Any) -> Any:
    """The reply as it may be kept."""
    if isinstance(told, list):
        return [without_secrets(one) for one in told]
    if not isinstance(told, dict):
        return told
    return {key: without_secrets(value) for key, value in told.items() if key not in _SECRET}


def read_reply(told: object, reading: Reading) -> Reply:
    """What a reply says. Invalid when it is none, or for another node."""
    reply = _ours(told, reading)
    timestamp, slivers = _time(reply.get("timestamp")), reply.get("slivers")
    if timestamp is None or not isinstance(slivers, list):
        raise Invalid(
            "the reply lacks its timestamp or its slivers", "it may be cut off; nothing was changed"
        )
    if len(reply) > MOST_PARTS:
        raise Invalid(f"the reply has {len(reply)} parts, {MOST_PARTS} are the most", "nothing was changed")
    scripts = _scripts(reply)
    reading = _by_default(slivers, reading)
    records: dict[str, Record] = {}
    mentioned, problems = set[str](), list[str]()
    for sliver in slivers:
        name = _name(sliver)
        if not is_name(name):
            problems.append(f"sliver {name[:70]!r} has no legal name: left out")
            continue
        key = record_key("sliver", name)
        if key in mentioned:
            problems.append(f"sliver {name} is named twice: its first entry counts")
            continue
        mentioned.add(key)
        try:
            records[key] = read_sliver(sliver, timestamp, scripts, reading)
        except Invalid as error:
            problems.append(f"sliver {name}: {error}")
    sections, cap, exempt = _rest(reply, problems)
    node_id = reply.get("node_id")
    told = few(problems)
    return Reply(timestamp, records, frozenset(mentioned), node_id, sections, cap, exempt, told)


def few(problems: list[str]) -> tuple[str, ...]:
    """As many as people read."""
    left = len(problems) - MOST_PROBLEMS
    return (*problems[:MOST_PROBLEMS], *([f"and {left} more"] if left > 0 else []))


def _ours(told: object, reading: Reading) -> Mapping[str, Any]:
    """The one struct that is for this node: of a reply, of a list, or of a struct of host name to reply."""
    if isinstance(told, Mapping):
        alone = (
            "slivers" in told or "timestamp" in told or not all(isinstance(v, Mapping) for v in told.values())
        )
        found = [told] if alone else list(told.values())
    else:
        found = told if isinstance(told, list) else []
    if not found or not all(isinstance(one, Mapping) for one in found):
        raise Invalid("this is no reply of GetSlivers", "nothing was changed; see the source's address")
    ours = [one for one in found if _is_ours(one.get("node_id"), reading.node_id)]
    if not ours:
        others = ", ".join(sorted({str(one.get("node_id"))[:20] for one in found})[:5])
        raise Invalid(
            f"the reply is for node {others}, this is node {reading.node_id}", "nothing was changed"
        )
    if len(ours) > 1:
        raise Invalid(
            "the reply speaks of several nodes", "say which one this is, by the file with its node id"
        )
    return ours[0]


def _is_ours(told: object, own: int | None) -> bool:
    """The oldest replies say of no node, for they go to the one that asks."""
    return told is None or own is None or (type(told) is int and told == own)


def _name(sliver: object) -> str:
    name = sliver.get("name") if isinstance(sliver, Mapping) else None
    if not isinstance(name, str):
        raise Invalid(
            "a sliver of the reply has no name", "nobody can tell which ones are left; nothing was changed"
        )
    return name


def _by_default(slivers: Iterable[Any], reading: Reading) -> Reading:
    """Read so that slivers have what the reply's slice of defaults says, where they ask for nothing."""
    name = default_slice(reading)
    found = (one for one in slivers if name and isinstance(one, Mapping) and one.get("name") == name)
    told = next(found, None)
    return reading if told is None else with_defaults(reading, read_tags(told.get("attributes", []), []))


def default_slice(reading: Reading) -> str:
    """The slice whose tags are the defaults of all; "" for none."""
    return f"{reading.prefix}_default" if reading.prefix else ""


def with_defaults(reading: Reading, tags: Tags) -> Reading:
    """Read with these tags as defaults. What cannot be read in them is told in their own slice's record.

    -1 switches the limit of a rate off, or of bytes a day.
    """
    values = {}
    for name, value in tags.items():
        last = value[-1] if isinstance(value, list) and value else value
        resource, _ = rspec.NAMES.get(name, (None, 1))
        limit = _NO_LIMIT.get(resource.enforcer) if resource is not None else None
        if resource is not None and limit is not None and str(last).strip() == "-1":
            values[resource.name] = limit(resource)
        else:
            values[name] = last
    return replace(reading, rspec=rspec.from_tags(values, reading.rspec).rspec)


_NO_LIMIT: Mapping[str, Callable[[rspec.Resource], Any]] = {
    "rate": lambda resource: resource.default,  # more than any NIC of a sliver has
    "exempt": lambda resource: resource.default,
    "quota": lambda resource: resource.most,
}


def _time(value: object) -> int | None:
    """Seconds since 1970; None when it is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= LATEST else None


def _scripts(reply: Mapping[str, Any]) -> Mapping[str, str | None] | None:
    """The scripts that tags may name, None for one that is switched off; None when the reply has no list."""
    scripts = reply.get("initscripts")
    if not isinstance(scripts, list):
        return None
    fit = [one for one in scripts if isinstance(one, Mapping) and isinstance(one.get("name"), str)]
    return {one["name"]: str(one.get("script", "")) if one.get("enabled", True) else None for one in fit}


def _rest(
    reply: Mapping[str, Any], problems: list[str]
) -> tuple[dict[str, Any], int | None, tuple[str, ...] | None]:
    """What the reply tells of the node itself: sections, its cap, networks that the cap does not count."""
    sections = {name: value for name, value in reply.items() if name not in _OWN and not name.startswith("_")}
    interfaces = reply.get("interfaces", reply.get("networks"))
    if isinstance(interfaces, list):
        sections["interfaces"] = interfaces
    bwcap = reply.get("bwcap")
    told = bwcap if isinstance(bwcap, Mapping) else {}
    cap = _cap(told.get("cap", _primary(sections.get("interfaces", ())).get("bwlimit")), problems)
    exempt = told.get("exempt_ips")
    if exempt is None:
        return sections, cap, None
    networks, wrong = read_networks(exempt)
    problems += wrong
    return sections, cap, networks


def _primary(interfaces: Iterable[Any]) -> Mapping[str, Any]:
    fit = (one for one in interfaces if isinstance(one, Mapping) and one.get("is_primary"))
    return next(fit, {})


def _cap(told: Any, problems: list[str]) -> int | None:
    """The most bit/s that the node may send; None for any."""
    try:
        cap: int | None = rspec.node_caps(told, (), 0)["cap"]
    except Invalid as error:
        problems.append(f"the node's cap is left out: {error.message}")
        return None
    return cap


def read_networks(told: object) -> tuple[tuple[str, ...], list[str]]:
    """Networks in their usual form, and what is none, in words."""
    if not isinstance(told, list):
        return (), ["exempt_ips is no list of networks: left out"]
    found, wrong = [], []
    for one in told:
        try:
            found.append(str(ipaddress.ip_network(str(one), strict=False)))
        except ValueError:
            wrong.append(f"exempt network {str(one)[:50]!r} is none: left out")
    return tuple(found), wrong


# ---- slivers


def read_sliver(
    told: Mapping[str, Any], timestamp: int, scripts: Mapping[str, str | None] | None, reading: Reading
) -> Record:
    """The record of a sliver of a legal name. Invalid when it cannot be told what it is.

    `timestamp`: of the source, where the sliver has none of its own. `scripts`: those that a tag may name.
    """
    problems: list[str] = []
    tags = read_tags(told.get("attributes", []), problems)
    given = told.get("rspec")
    last = {name: value[-1] if isinstance(value, list) and value else value for name, value in tags.items()}
    asked = rspec.from_tags({**(given if isinstance(given, Mapping) else {}), **last}, reading.rspec)
    problems += asked.faults.values()
    instantiation = told.get("instantiation")
    if instantiation not in INSTANTIATIONS:
        raise Invalid(f"{str(instantiation)[:40]!r} is no instantiation", "it stays as it was")
    kept = {key: value for key, value in told.items() if key not in _TAKEN and not key.startswith("_")}
    return {
        **kept,
        **new("sliver", told["name"], _as_of(told, timestamp, problems), _expiry(told)),
        "name": told["name"],
        "account": unix_name(told["name"]),
        "slice_id": told.get("slice_id"),
        "instantiation": instantiation,
        "type": CONTROLLER_TYPE if instantiation == CONTROLLER else _type(told, reading),
        "reference": _reference(told, last),
        "keys": _keys(told.get("keys", told.get("ssh_keys", [])), problems),
        "initscript": _initscript(told, last, scripts, problems),
        "delegations": _delegations(told.get("delegations", []), tags.get("delegations", []), problems),
        "vlan": _vlan(last.get("vlan"), problems),
        "nodes": _nodes(last.get("nodes"), problems),
        "rspec": asked.rspec,
        "tags": tags,
        "enabled": bool(asked.rspec["enabled"]),
        "problems": problems,
    }


def _as_of(told: Mapping[str, Any], timestamp: int, problems: list[str]) -> int:
    """Its own time; never a later one than the reply's, or no reply after this one would count for it."""
    own = _time(told.get("timestamp"))
    if own is None or own <= timestamp:
        return timestamp if own is None else own
    problems.append(f"it is as of {own}, and the reply of {timestamp}: the reply's time counts")
    return timestamp


def _expiry(told: Mapping[str, Any]) -> int | None:
    given = told.get("expires", told.get("expiry"))
    expiry = _time(given)
    if given is not None and expiry is None:
        raise Invalid("the time at which it expires is none", "it stays as it was")
    return expiry


def _type(told: Mapping[str, Any], reading: Reading) -> str:
    """What it was once, as sliver.VServer, is what slivers are on this host."""
    return str(told["type"]) if told.get("type") in TYPES else reading.type


def _reference(told: Mapping[str, Any], tags: Tags) -> str | None:
    """The image it is made from, by name; None for the host's usual one."""
    found = (told.get("GetSliceFamily"), tags.get("vref"), told.get("vref"), told.get("reference"))
    return next((name for name in found if isinstance(name, str) and name), None)


def read_tags(told: object, problems: list[str]) -> Tags:
    """Tags by name, each as it came; one that came several times is a list."""
    tags: Tags = {}
    for one in told if isinstance(told, list) else []:
        name = one.get("tagname", one.get("name")) if isinstance(one, Mapping) else None
        if not isinstance(name, str) or not name or "value" not in one:
            problems.append("an attribute without name or value: left out")
            continue
        before = tags.get(name)
        several = before if isinstance(before, list) else [before]
        tags[name] = one["value"] if name not in tags else [*several, one["value"]]
    if not isinstance(told, list):
        problems.append("attributes is no list: left out")
    return tags


def _keys(told: object, problems: list[str]) -> list[str]:
    """Lines of authorized_keys. Told as structs, as lines, or as one text."""
    entries = told.splitlines() if isinstance(told, str) else told if isinstance(told, list) else [told]
    found: list[str] = []
    for number, entry in enumerate(entries, 1):
        kind = entry.get("key_type", "ssh") if isinstance(entry, Mapping) else "ssh"
        key = entry.get("key") if isinstance(entry, Mapping) else entry
        if kind != "ssh":
            problems.append(f"key {number} is of type {str(kind)[:20]!r}: left out")
            continue
        try:
            found += parse_keys([key])
        except Invalid as error:
            problems.append(f"key {number} is left out: {error.message}")
    return list(dict.fromkeys(found))


def _initscript(
    told: Mapping[str, Any], tags: Tags, scripts: Mapping[str, str | None] | None, problems: list[str]
) -> str | None:
    """The text that runs when the sliver starts: its own, or one of the reply's by name, or none."""
    if code := tags.get("initscript_code"):
        return _script(code, problems)
    given = tags.get("initscript", told.get("initscript"))
    if not given:
        return None
    name = str(given)
    if scripts is None or name.startswith("#!"):
        return _script(name, problems)
    if scripts.get(name) is None:
        state = "switched off" if name in scripts else "none that the source knows"
        problems.append(f"initscript {name[:70]!r} is {state}: none runs")
    return scripts.get(name)


def _script(told: object, problems: list[str]) -> str | None:
    """A script as it stands, or in base64, as the first node managers had it."""
    text = str(told).replace("\r\n", "\n")
    if text.startswith("#!"):
        return text
    try:
        text = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    if text.startswith("#!"):
        return text
    problems.append("the initscript is no script, for it does not begin with #!: none runs")
    return None


def _delegations(listed: object, tagged: object, problems: list[str]) -> list[Any]:
    """Names of accounts, and [name, method]. A tag says `alice, bob:GetRSpec`."""
    told = list(listed) if isinstance(listed, list | tuple) else [listed]
    for text in tagged if isinstance(tagged, list) else [tagged]:
        told += str(text).replace(",", " ").split()
    found: list[Any] = []
    for one in told:
        name, _, method = one.partition(":") if isinstance(one, str) else ("", "", "")
        pair = list(one) if isinstance(one, list | tuple) else [name, method] if method else [name]
        if not 1 <= len(pair) <= 2 or not all(isinstance(part, str) and is_name(part) for part in pair):
            problems.append(f"delegation {str(one)[:70]!r} is neither NAME nor NAME:METHOD: left out")
        elif (entry := pair if len(pair) == 2 else pair[0]) not in found:
            found.append(entry)
    return found


def _vlan(told: object, problems: list[str]) -> int | None:
    """The VLAN that the slice has for its own group."""
    if told is None:
        return None
    if _VLAN.fullmatch(str(told)) and int(str(told)) in VLANS:
        return int(str(told))
    problems.append(f"tag vlan {str(told)[:20]!r} is not an id from {VLANS[0]} to {VLANS[-1]}: left out")
    return None


def _nodes(told: object, problems: list[str]) -> list[str]:
    """The physical nodes that the slice has for its own group."""
    names = list(dict.fromkeys(str(told or "").replace(",", " ").split()))
    wrong = [name for name in names if not is_name(name)]
    problems += [f"tag nodes: {name[:70]!r} is no node's name: left out" for name in wrong]
    return [name for name in names if name not in wrong]
