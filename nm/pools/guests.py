"""What domains of descriptions are called, their addresses, and what two of them cannot both have. Pure."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nm.errors import Invalid
from nm.pools.grouping import network_of
from nm.pools.kinds import DOMAINS
from nm.pools.tree import ROOT, Part, Path, Tree, spell

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
OURS = "nm-"  # begins names of domains that are other hands'
MAC = re.compile(r"[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}")  # of one NIC, not of many
UUID = re.compile(r"[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}")
WORDS = ("hostname", "domainName", "ip", "netmask", "gateway", "mac", "uuid")
JOINING = "Parallel"  # the combinator whose actions are there at the same time

Wrong = tuple[str, str]  # what is wrong, and what to do


def domain_name(attributes: Mapping[str, Any]) -> str:
    """What libvirt calls a domain of a pool; "" when nothing says."""
    return str(attributes.get("domainName") or attributes.get("hostname") or "")


def address_of(attributes: Mapping[str, Any]) -> str | None:
    """Ip with its prefix, which netmask has; None when there is none. Invalid when it is no address."""
    ip, netmask = attributes.get("ip"), attributes.get("netmask")
    if ip is None:
        return None
    whole = 128 if ":" in str(ip) else 32
    try:
        made = ipaddress.ip_interface(f"{ip}/{netmask or whole}")
    except ValueError as error:
        raise Invalid(f"ip {ip!r} with netmask {netmask!r}: {error}", "write addresses in full") from error
    return made.with_prefixlen


def gateway_of(attributes: Mapping[str, Any]) -> str | None:
    """The gateway; None when there is none. Invalid when it is no address."""
    gateway = attributes.get("gateway")
    try:
        return None if gateway is None else str(ipaddress.ip_address(gateway))
    except ValueError as error:
        raise Invalid(f"gateway: {error}", "write the address in full") from error


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


def clashes(tree: Tree) -> Iterator[tuple[Part, str, str]]:
    """Domains that cannot both be there, with what is wrong and what to do.

    What a combinator makes one after the other is not there at the same time.
    """
    own: dict[tuple[Any, ...], Part] = {}  # what is taken, by whom, in which turn
    within: dict[tuple[Any, ...], Part] = {}  # the same, or in a turn within that one
    for part in tree.parts.values():
        if part.kind not in DOMAINS:
            continue
        turns = _turns(tree, part)
        for words, hint, taken in _taken(tree, part):
            others = [own.get((taken, turn)) for turn in turns] + [within.get((taken, turns[0]))]
            if (other := next(filter(None, others), None)) is not None:
                yield part, f"{words} is that of {spell(other.path)}, too", hint
            own.setdefault((taken, turns[0]), part)
            for turn in turns:
                within.setdefault((taken, turn), part)


def _taken(tree: Tree, part: Part) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """What nobody else can have: in words, what to do, and the thing itself with where it is taken."""
    values = given({**part.attributes, **tree.worths(part)})
    host = "" if part.host == "localhost" else part.host.lower()
    if name := domain_name(values):
        yield f"domain {name}", "choose another domainName, or another host", ("name", host, name)
    if uuid := values.get("uuid"):
        yield f"uuid {uuid}", "leave it out", ("uuid", host, uuid.lower().replace("-", ""))
    network = network_of(tree.parts, part) or (
        host, *(repr(part.attributes.get(name)) for name in ("bridge", "vlan", "network"))
    )  # fmt: skip
    if mac := values.get("mac"):
        yield f"mac {mac}", "leave it out: nm makes one of the component's path", (mac.lower(), network)
    if ip := values.get("ip"):
        yield f"ip {ip}", "choose another one", (_plain(ip), network)


def _plain(ip: str) -> str:
    """The address in one spelling."""
    try:
        return str(ipaddress.ip_address(ip))
    except ValueError:
        return ip  # which is told


def _turns(tree: Tree, part: Part) -> list[Path]:
    """In whose turns it is made, the nearest first: of actions and handlers around it, and of the whole."""
    turns: list[Path] = []
    at: Part | None = part
    while at is not None and at.parent is not None:
        around = tree.parts.get(at.parent)
        if at.role and (around is None or around.kind != JOINING):
            turns.append(at.path)
        at = around
    return [*turns, ROOT]
