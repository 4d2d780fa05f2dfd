"""What a virtualisation host can do, without saying how: the face of libvirt, and the URIs allowed.

Pure, so that operations may check URIs and networks here; nm/libvirt_host.py stands behind the face.
A host's one worker thread uses it; it holds no lock of nm's.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nm.errors import DeviceFailed, Invalid
from nm.records import Record

_REMOTE = r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?"

URIS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "lxc": ("lxc:///system", re.compile(r"lxc:///(system)?")),
    "qemu": ("qemu:///system", re.compile(r"qemu:///system")),
    "qemu+ssh": ("qemu+ssh://USER@HOST/system", re.compile(rf"qemu\+ssh://{_REMOTE}/system")),
    "test": ("test:///default", re.compile(r"test:///default")),
}
"""Scheme -> how such a URI looks, for people and for machines. No parameters: some run programs."""

SSH = 22  # sshd's own port
_PLACE = re.compile(r"(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]+))?")
_NUMERIC = re.compile(r"(^|\.)([0-9]+|0x[0-9a-f]*)$")  # ends as no name does, but as addresses may
_LOOPBACK = {"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"}

NETWORKS = ("linux", "ovs")
"""linux: an 802.1q link and a bridge for each VLAN; ovs: one bridge, tagged ports."""

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


@dataclass(frozen=True)
class Nic:
    """One NIC of a domain.

    `bridge` is None when it is connected to nothing, and KIND:NAME when it is connected to something
    else than a bridge. `vlan` is the tag it has on an Open vSwitch bridge; None on a Linux bridge.
    """

    mac: str
    bridge: str | None
    vlan: int | None = None
    link_up: bool = True


@dataclass(frozen=True)
class DomainState:
    """What was read of a domain: does it run, its NICs now, and those it gets with its next start."""

    running: bool
    nics: tuple[Nic, ...]
    next_nics: tuple[Nic, ...]


class NotLive(DeviceFailed):
    """The domain cannot change that while it runs; a restart can."""


class Hypervisor(Protocol):
    """One host's domains. Every call is bounded in time and idempotent.

    DeviceFailed: passing when the host does not answer, not passing when it refused. A connection
    that was lost is opened again, once within a call.
    """

    def state(self, domain: str) -> DomainState | None:
        """What is there; None when there is no such domain."""

    def set_next_nic(self, domain: str, nic: Nic) -> None:
        """Let the next start give the domain this NIC, replacing the one of the same MAC.

        Forgets a saved memory image, which would start with the NICs of its own time.
        """

    def set_nic(self, domain: str, nic: Nic) -> None:
        """The same in the running domain. NotLive when it must be restarted for that."""

    def set_boot(self, domain: str, device: str) -> None:
        """What the next start boots from: "network" or "hd"."""

    def boots_from(self, domain: str) -> str | None:
        """The first device that the next start boots from, as libvirt calls it; None when none is told."""

    def start(self, domain: str) -> None:
        """Start it, from its configuration and not from saved memory; nothing when it runs."""

    def ask_to_stop(self, domain: str) -> None:
        """Ask the guest to shut down; whether and when it does is up to the guest."""

    def stop(self, domain: str) -> None:
        """Take its power away; nothing when it is off."""

    def close(self) -> None:
        """Let go of the connection; the next call opens it again."""


def check_uri(uri: object) -> str:
    """`uri` when nm may open it; else Invalid."""
    allowed = ", ".join(example for example, _ in URIS.values())
    if not isinstance(uri, str):
        raise Invalid("the host's uri is not a string", f"use one of: {allowed}")
    known = URIS.get(uri.partition(":")[0])
    if known is None or not known[1].fullmatch(uri):
        raise Invalid(
            f"libvirt URI {uri[:100]!r} is not allowed", f"use one of, without parameters: {allowed}"
        )
    if _machine(uri) is None:
        raise Invalid(
            f"libvirt URI {uri[:100]!r} names no machine and port",
            "write addresses in full, ports as 1 to 65535, and the machine that nm runs on as qemu:///system",
        )
    return uri


def canonical_uri(uri: str) -> str:
    """The (checked) URI as all spellings of it are claimed: who logs in is all one.

    So is what this machine is called. A port of its own that is not sshd's may well be forwarded to another.
    """
    machine, scheme = _machine(uri) or "", uri.partition(":")[0]
    scheme = scheme if machine else scheme.removesuffix("+ssh")
    return f"{scheme}://{machine}/{uri.partition('://')[2].partition('/')[2] or 'system'}"


def _machine(uri: str) -> str | None:
    """The machine of a URI and its port, if not sshd's own: "" is this machine; None when it can be none."""
    place = uri.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
    if not place:
        return ""
    split = _PLACE.fullmatch(place)
    if split is None or not 0 < int(split[2] or SSH) < 65536:
        return None
    host = _host(split[1].rstrip("."))
    port = int(split[2] or SSH)
    if host is None or port != SSH:
        return host and f"{host}:{port}"
    return "" if host == "localhost" else host


def _host(host: str) -> str | None:
    """The host in one spelling; None when it is a number but no address written in full."""
    if host in _LOOPBACK:
        return "localhost"
    if not host.startswith("[") and not _NUMERIC.search(host):
        return host
    try:
        number = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    number = getattr(number, "ipv4_mapped", None) or number
    if number.is_loopback or number.is_unspecified:
        return "localhost"
    return f"[{number}]" if number.version == 6 else str(number)


def is_remote(uri: str) -> bool:
    """True when the host is another machine than this one."""
    return "+ssh:" in uri


def check_network(network: object) -> Record:
    """`network` when a host can have it; else Invalid."""
    if not isinstance(network, dict) or network.get("kind") not in NETWORKS:
        raise Invalid(
            "the host's network has no known kind", f"set network.kind to one of: {', '.join(NETWORKS)}"
        )
    unknown = set(network) - {"kind", "device"}
    if unknown:
        raise Invalid(
            f"unknown key in the host's network: {', '.join(map(str, sorted(unknown)))}",
            "use kind and device",
        )
    device = network.get("device")
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise Invalid(
            f"network device {str(device)[:40]!r} is not an interface's name",
            "name the trunk NIC (kind linux) or the Open vSwitch bridge (kind ovs), at most 15 characters",
        )
    return network


def ssh_of(uri: str) -> dict[str, str | int]:
    """How the machine of a (checked) URI over SSH is logged in to: address, port and user."""
    user, _, place = uri.partition("://")[2].partition("/")[0].rpartition("@")
    split = _PLACE.fullmatch(place)
    address, port = (split[1], split[2]) if split else (place, None)
    return {"address": address.strip("[]"), "port": int(port or SSH), "user": user or "root"}


def check_way(host: Mapping[str, Any]) -> None:
    """Invalid when the host's record says how to log in to a machine where nm never does so."""
    used = is_remote(host["uri"]) and host["network"]["kind"] == "linux"
    given = [key for key in ("host_key", "secrets") if host.get(key)]
    if given and not used:
        raise Invalid(
            f"{given[0]} is of use to a host over SSH with a network of kind linux only",
            "leave it out; libvirt itself logs in with root's own keys",
        )
    if unknown := sorted(set(host.get("secrets") or ()) - {"key", "password"}):
        raise Invalid(f"a host has no secret {unknown[0]!r}", "use key or password")
