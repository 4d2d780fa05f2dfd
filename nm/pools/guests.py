"""What domains of descriptions are called, their addresses, and what two of them cannot both have. Pure."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from nm.errors import Invalid
from nm.pools.attributes import Wrong, is_lazy
from nm.pools.grouping import network_of
from nm.pools.kinds import DOMAINS
from nm.pools.tree import ROOT, Part, Path, Tree, spell

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
OURS = "nm-"  # begins names of domains that are other hands'
MAC = re.compile(r"[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}")  # of one NIC, not of many
UUID = re.compile(r"[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}")
WORDS = ("hostname", "domainName", "ip", "netmask", "gateway", "mac", "uuid")
ZERO = {4: str(ipaddress.IPv4Address(0)), 6: str(ipaddress.IPv6Address(0))}
PLACE = ("bridge", "vlan", "network")  # where its interface is
JOINING = "Parallel"  # the combinator whose actions are there at the same time


def domain_name(attributes: Mapping[str, Any]) -> str:
    """What libvirt calls a domain of a pool; "" when nothing says."""
    return str(attributes.get("domainName") or attributes.get("hostname") or "")


def address_of(attributes: Mapping[str, Any]) -> str | None:
    """Ip with its prefix, which netmask has; None when there is none. Invalid when it is no address."""
    ip, netmask = attributes.get("ip"), attributes.get("netmask")
    if ip is None:
        return None
    try:
        made = ipaddress.ip_address(ip)
        return f"{made}/{_prefix(netmask, made.version) if netmask else made.max_prefixlen}"
    except ValueError as error:
        raise Invalid(f"ip {ip!r} with netmask {netmask!r}: {error}", "write addresses in full") from error


@lru_cache(256)  # that of one network is said by many
def _prefix(netmask: str, version: int) -> int:
    return ipaddress.ip_network(f"{ZERO[version]}/{netmask}").prefixlen


def gateway_of(attributes: Mapping[str, Any]) -> str | None:
    """The gateway; None when there is none. Invalid when it is no address."""
    gateway = attributes.get("gateway")
    try:
        return None if gateway is None else _address(gateway)
    except ValueError as error:
        raise Invalid(f"gateway: {error}", "write the address in full") from error


@lru_cache(256)
def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def wrong(attributes: Mapping[str, Any]) -> Iterator[Wrong]:
    """What a domain cannot be called, or have, by those of its attributes that are given."""
    name = domain_name(attributes)
    if {"domainName", "hostname"} & attributes.keys() and (not NAME.fullmatch(name) or name.startswith(OURS)):
        hint = f"letters, digits, _ . - and 63 of them at most, not {OURS}…; domainName may be another one"
        yield f"{name[:70]!r} cannot be a domain's name", hint
    for read in (address_of, gateway_of):
        try:
            read(attributes)
        except Invalid as error:
            yield error.message, error.hint
    mac, uuid = attributes.get("mac"), attributes.get("uuid")
    if mac is not None and not MAC.fullmatch(mac):
        yield f"mac {mac[:70]!r} is no NIC's", "write it as 52:54:00:12:34:56"
    if uuid is not None and not UUID.fullmatch(uuid):
        yield f"uuid {uuid[:70]!r} is none", "write it as 6f0e3bd4-5c6f-4b1d-9a51-0d5a0f1f2c11"


def given(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Of a domain's attributes those that are told here, as far as they are written."""
    return {name: attributes[name] for name in WORDS if isinstance(attributes.get(name), str)}


# ---- two of them


def given_in(tree: Tree) -> dict[Path, dict[str, Any]]:
    """The same of all domains of a tree, with what lazy ones are worth."""
    found = {}
    for path, part in tree.parts.items():
        if part.kind in DOMAINS:
            lazy = any(is_lazy(part.attributes.get(name)) for name in WORDS)
            found[path] = given({**part.attributes, **tree.worths(part)} if lazy else part.attributes)
    return found


def clashes(tree: Tree, values: Mapping[Path, Mapping[str, Any]]) -> Iterator[tuple[Part, str, str]]:
    """Domains that cannot both be there, with what is wrong and what to do.

    values: as `given_in` has them. What a combinator makes one after the other is not there at the same time.
    """
    own: dict[tuple[Any, ...], Part] = {}  # what is taken, by whom, in which turn
    within: dict[tuple[Any, ...], Part] = {}  # the same, or in a turn within that one
    known: dict[Path, tuple[Path, ...]] = {}
    for path, given_here in values.items():
        part, turns = tree.parts[path], _turns(tree, path, known)
        for words, hint, taken in _taken(tree, part, given_here):
            other = within.get((taken, turns[0]))
            other = other or next(filter(None, (own.get((taken, turn)) for turn in turns[1:])), None)
            if other is not None:
                yield part, f"{words} is that of {spell(other.path)}, too", hint
            own.setdefault((taken, turns[0]), part)
            for turn in turns:
                within.setdefault((taken, turn), part)


def _taken(tree: Tree, part: Part, values: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """What nobody else can have: in words, what to do, and the thing itself with where it is taken."""
    host = "" if part.host == "localhost" else part.host.lower()
    if name := domain_name(values):
        yield f"domain {name}", "choose another domainName, or another host", ("name", host, name)
    if uuid := values.get("uuid"):
        yield f"uuid {uuid}", "leave it out", ("uuid", host, uuid.lower().replace("-", ""))
    network = network_of(tree.parts, part) or (host, *map(str, map(part.attributes.get, PLACE)))
    if mac := values.get("mac"):
        yield f"mac {mac}", "leave it out: nm makes one of the component's path", (mac.lower(), network)
    if ip := values.get("ip"):
        yield f"ip {ip}", "choose another one", (_plain(ip), network)


def _plain(ip: str) -> str:
    """The address in one spelling, of which those of IPv4 have no other; what is none is told already."""
    try:
        return _address(ip) if ":" in ip else ip
    except ValueError:
        return ip


def _turns(tree: Tree, path: Path | None, known: dict[Path, tuple[Path, ...]]) -> tuple[Path, ...]:
    """In whose turns it is made, the nearest first: of actions and handlers around it, and of the whole.

    known: those that were asked for before.
    """
    if path is None:
        return (ROOT,)
    if path not in known:
        part = tree.parts[path]
        around = _turns(tree, part.parent, known)
        own = part.role and tree.parts[part.parent or ROOT].kind != JOINING
        known[path] = (path, *around) if own else around
    return known[path]
