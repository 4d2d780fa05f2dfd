"""From a site's text to its things, and the steps that make each of them. Pure."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nm import people
from nm.calls import Call
from nm.errors import Conflict, Invalid, NMError
from nm.imports.steps import NODES_A_STEP, Step
from nm.pool.common import spoken
from nm.records import port_key, record_key
from nm.store import Reader


@dataclass(frozen=True)
class Entry:
    """One thing of a site: where it stands there, the key of its record, the steps that make it."""

    place: tuple[str, ...]
    key: str
    steps: list[Step]


@dataclass
class Notes:
    """What comes to light on the way: remarks for people, and what is no thing at all, with its place."""

    notices: list[str]
    refuse: Callable[[tuple[str, ...], NMError], None]


SECTIONS = (
    "switches", "ports", "hosts", "vlans", "trunks", "images", "nodes", "headnodes",
    "delegates", "rights", "users", "groups",
)  # fmt: skip
_SIMPLE = {
    "switches": ("switch", "RegisterSwitch"),
    "hosts": ("host", "RegisterHost"),
    "trunks": ("trunk", "RegisterTrunk"),
    "images": ("image", "RegisterImage"),
    "nodes": ("node", "RegisterNode"),
    "headnodes": ("headnode", "RegisterHeadNode"),
}
_RANGES = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")
_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LARGEST = 2**31
_LEVELS = 32  # lists and structs within each other


def parse(text: str) -> dict[str, Any]:
    """A site's text as a struct; Invalid when it is no JSON, or says a thing twice."""
    try:
        found = json.loads(text, object_pairs_hook=_struct)
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise Invalid(
            f"the site is not JSON: {said[:200]}", "send what json.dumps makes of a struct"
        ) from None
    if not isinstance(found, dict):
        raise Invalid("the site is not a struct of sections", f"sections are {', '.join(SECTIONS)}")
    return found


def _struct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid(f"the site has {twice[:70]!r} twice in one struct", "name each thing once")
    return found


def sections(text: str) -> dict[str, dict[str, Any]]:
    """The site's sections, each a struct by name. Invalid when the text has another form."""
    found = parse(text)
    if found.pop("format", 1) != 1:
        raise Invalid("the site is of a format that is not known here", "this daemon knows format 1")
    for name, entries in found.items():
        if name not in SECTIONS:
            raise Invalid(f"a site has no section {name[:70]!r}", f"sections are {', '.join(SECTIONS)}")
        if not isinstance(entries, dict):
            raise Invalid(f"{name} is not a struct of names", 'as {"n1": {...}}')
    return found


def entries(reader: Reader, call: Call, site: Mapping[str, dict[str, Any]], notes: Notes) -> Iterator[Entry]:
    """All things of the site in the order in which they can be made."""
    for section in SECTIONS:
        for name, value in site.get(section, {}).items():
            place = (section, name)
            try:
                _check_plain(value, allow_long=section == "groups")
                yield from _FORMS[section](reader, call, name, value, notes)
            except NMError as error:
                notes.refuse(place, error)


def _check_plain(value: Any, allow_long: bool, levels: int = _LEVELS) -> None:
    """Invalid unless the API could have answered that value. Times in a group may be beyond 32 bits."""
    if isinstance(value, dict | list):
        if not levels:
            raise Invalid(f"it is nested too deeply: more than {_LEVELS} levels", "make it flatter")
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_plain(part, allow_long, levels - 1)
    elif isinstance(value, str) and _UNSENDABLE.search(value):
        raise Invalid("there is text with characters that XML cannot carry", "use printable text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise Invalid("there is a number that is none", "use finite numbers")
    elif type(value) is int and not -_LARGEST <= value < _LARGEST and not (allow_long and 0 <= value < 2**53):
        raise Invalid("there is a number beyond 32 bits", "use smaller numbers, or text")


def _struct_of(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f"{what} is not a struct of settings", "docs/import.md has an example")
    return value


def _simple(section: str) -> Callable[..., Iterator[Entry]]:
    kind, method = _SIMPLE[section]

    def entries(_reader: Reader, _call: Call, name: str, value: Any, _notes: Notes) -> Iterator[Entry]:
        step = [method, name, _struct_of(spoken(kind, name), value)]
        yield Entry((section, name), record_key(kind, name), [step])

    return entries


def _ports(_reader: Reader, _call: Call, switch: str, value: Any, _notes: Notes) -> Iterator[Entry]:
    """A switch's ports: a list of names, or a struct of name to settings."""
    if isinstance(value, list) and all(isinstance(port, str) for port in value):
        if len(set(value)) < len(value):
            raise Invalid(f"a port of switch {switch} is named twice", "name each port once")
        value = {port: {} for port in value}
    if not isinstance(value, dict):
        raise Invalid(f"the ports of switch {switch} are not a list of names", 'as ["p1", "p2"]')
    for port, told in value.items():
        step = ["RegisterPort", switch, port, _struct_of(f"port {port} of switch {switch}", told)]
        yield Entry(("ports", switch, port), port_key(switch, port), [step])


def _vlans(_reader: Reader, _call: Call, ids: str, value: Any, _notes: Notes) -> Iterator[Entry]:
    """One VLAN, or all of `100,105-110`."""
    told = _struct_of(f"VLAN {ids}", value)
    if not _RANGES.fullmatch(ids):
        raise Invalid(f"{ids[:70]!r} is no VLAN id, nor a list of them", "as 101, or 100,105-110")
    for part in ids.split(","):
        first, _, last = part.partition("-")
        if int(first) > int(last or first):
            raise Invalid(f"the range {part} runs backwards", "write the smaller number first")
        for vlan in range(int(first), int(last or first) + 1):
            yield Entry(("vlans", ids), record_key("vlan", vlan), [["RegisterVlan", vlan, told]])


def _delegates(_reader: Reader, _call: Call, name: str, value: Any, _notes: Notes) -> Iterator[Entry]:
    told = _struct_of(f"delegate {name}", value)
    if unknown := sorted(set(told) - {"keys", "rights"}):
        raise Invalid(f"delegate {name} has no {unknown[0][:70]!r}", "a delegate has keys and rights")
    step = ["CreateDelegate", name, told.get("keys") or [], told.get("rights") or {}]
    yield Entry(("delegates", name), people.account_key(people.unix_name(name)), [step])


def _rights(reader: Reader, _call: Call, name: str, value: Any, _notes: Notes) -> Iterator[Entry]:
    account = reader.get(people.account_key(people.unix_name(name)))
    if account is not None and account["type"] != people.UNIX:
        hint = f"put them under delegates.{name}"
        raise Conflict(f"{name} is {account['type']} {account['name']}: its rights stand with it", hint)
    yield Entry(("rights", name), people.account_key(name), [["SetRights", name, value]])


def _users(reader: Reader, call: Call, name: str, value: Any, notes: Notes) -> Iterator[Entry]:
    """People as SPL knew them: who has an account may reserve; who has none gets one that can only call."""
    kind = _struct_of(f"user {name}", value).get("type", "plain")
    key = people.account_key(people.unix_name(name))
    if kind not in ("admin", "plain"):
        raise Invalid(f"the type of user {name} is neither admin nor plain", 'as {"type": "plain"}')
    if kind == "admin":
        said = "administrators are root and the members of the Unix group nm-admin"
        notes.notices.append(f"user {name}: {said}")
    elif reader.get(key) is not None:
        notes.notices.append(f"user {name}: account {name} is known already and stays as it is")
    elif call.site.uid_of(name) is not None:
        yield Entry(("users", name), key, [["SetRights", name, {"reserve": True}]])
    elif call.site.uids is not None:
        notes.notices.append(f"user {name}: becomes a delegate without keys, for there is no such account")
        yield Entry(("users", name), key, [["CreateDelegate", name, [], {"reserve": True}]])
    else:
        hint = "make it and call SetRights with the right reserve"
        notes.notices.append(f"user {name}: there is no account {name} on this machine; {hint}")


def _groups(reader: Reader, call: Call, name: str, value: Any, notes: Notes) -> Iterator[Entry]:
    told = _struct_of(f"group {name}", value)
    key = record_key("group", name)
    if reader.get(key) is None and _is_over(told.get("expires"), call.now):
        notes.notices.append(f"group {name}: its lease was over, so it has no end; RenewGroup gives it one")
        told = {setting: part for setting, part in told.items() if setting != "expires"}
    told = dict(told)
    nodes = told.get("nodes") or []
    if not isinstance(nodes, list):
        raise Invalid(f"the nodes of group {name} are not a list of names", 'as ["n1", "n2"]')
    some = [nodes[at : at + NODES_A_STEP] for at in range(0, len(nodes), NODES_A_STEP)]
    images = _struct_of(f"images of group {name}", told.pop("images", None) or {})
    steps: list[Step] = [["CreateGroup", name, {**told, "nodes": some[0] if some else []}]]
    steps += [["AddNodes", name, more] for more in some[1:]]
    steps += [["SetImage", name, image, [node]] for node, image in images.items()]
    yield Entry(("groups", name), key, steps)


def _is_over(expires: Any, now: float) -> bool:
    """Whether it is a time in the past: of a lease whose end was held back, or of an old export."""
    return type(expires) in (int, float) and 0 < expires <= now


_FORMS: Mapping[str, Callable[[Reader, Call, str, Any, Notes], Iterator[Entry]]] = {
    **{section: _simple(section) for section in _SIMPLE},
    "ports": _ports,
    "vlans": _vlans,
    "delegates": _delegates,
    "rights": _rights,
    "users": _users,
    "groups": _groups,
}
