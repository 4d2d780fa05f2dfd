"""What a virtualisation host can do, without saying how: the face of libvirt, and the URIs allowed.

Pure, so that operations may check URIs and networks here; nm/libvirt_host.py stands behind the face.
A host's one worker thread uses it; it holds no lock of nm's.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from nm.errors import DeviceFailed, Invalid
from nm.records import Record

_REMOTE = r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?"

URIS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "lxc": ("lxc:///system", re.compile(r"lxc:///(system)?")),
    "qemu": ("qemu:///system", re.compile(r"qemu:///system")),
    "qemu+ssh": ("qemu+ssh://USER@HOST/system", re.compile(rf"qemu\+ssh://{_REMOTE}/system")),
    "test": ("test:///default", re.compile(r"test:///default")),
    "xen": ("xen:///system", re.compile(r"xen:///system")),
    "xen+ssh": ("xen+ssh://USER@HOST/system", re.compile(rf"xen\+ssh://{_REMOTE}/system")),
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
    `trunk`: it is on an Open vSwitch bridge without a tag, and so on all its VLANs.
    """

    mac: str
    bridge: str | None
    vlan: int | None = None
    link_up: bool = True
    trunk: bool = field(default=False, compare=False)  # of one bridge all are, or none is


@dataclass(frozen=True)
class DomainState:
    """What was read of a domain: does it run, its NICs now, and those it gets with its next start.

    `paused`: it runs and stands still. So does one whose libvirtd was killed while it started.
    """

    running: bool
    nics: tuple[Nic, ...]
    next_nics: tuple[Nic, ...]
    paused: bool = False


class NotLive(DeviceFailed):
    """The domain cannot change that while it runs; a restart can."""


class NotYet(DeviceFailed):
    """It is under way, and takes as long as a guest does: the same is to be asked again soon."""


class Died(DeviceFailed):
    """The domain's own process ended as it was started, and said why: there was no room, or it never can."""


@dataclass(frozen=True)
class Volume:
    """A volume of a storage pool. `block`: a block device, which holds raw data; else a file."""

    name: str
    path: str
    block: bool


@dataclass(frozen=True)
class Share:
    """How a list of machines comes into a domain.

    `way`: virtiofs or 9p, and `source` is a folder of the host's; or disk, and it is a file or block device.
    """

    way: str
    source: str
    block: bool = False


@dataclass(frozen=True)
class Shared:
    """The share of a domain as it is now, and as the next start will have it."""

    running: bool
    now: Share | None
    later: Share | None


@dataclass(frozen=True)
class Has:
    """What a domain has, by one of its descriptions. memory, most: KiB; disks: their files and devices."""

    memory: int
    most: int
    vcpus: int
    nics: tuple[Nic, ...]
    disks: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """A domain as a listing has it: does it run, is it paused, and the element of a mark in its metadata.

    One that the host has not in hand does not run. `shut_down`: it is off because its guest shut down.
    `unheard`: it is off, and the host has not heard of it since it was booted itself. Of one that runs, when
    that was asked for: what it has `now`; what is `stored`, None: it is not defined any more; `autostart`.
    """

    name: str
    running: bool
    paused: bool
    mark: str
    shut_down: bool = False
    unheard: bool = False
    now: Has | None = None
    stored: Has | None = None
    autostart: bool = False


class Tuning(Protocol):
    """What running domains get of the host, set and read while they run. The same promises as a Hypervisor's.

    Asked of domains that run only: of one that is off, or ends meanwhile, there is nothing to tell.
    """

    def processors(self) -> int:
        """How many the host has."""

    def weights(self, domains: Sequence[str]) -> dict[str, int]:
        """The weights by which they share the processors, of those that run."""

    def weigh(self, wanted: Mapping[str, int]) -> list[str]:
        """Let them have these weights. Answers those that had others."""

    def pinned(self, domain: str) -> frozenset[int] | None:
        """The processors that it may use; None when nothing tells."""

    def pin(self, domain: str, processors: frozenset[int]) -> None:
        """Let it use just these. NotLive when only its next start can do that."""

    def grow_disk(self, domain: str, disk: str, size: int) -> bool:
        """Let a running machine's disk hold so many bytes, if it holds less. False when it does not run.

        disk: the target by which the machine has it, or the path of its volume.
        """

    def memory(self, domain: str) -> int | None:
        """How many KiB it may have at most; None when nothing tells."""

    def limit_memory(self, domain: str, kib: int) -> None:
        """Let it have so much at most. NotLive when only its next start can do that."""

    def give(self, domain: str, mib: int | None, vcpus: int | None) -> None:
        """Let a running machine have so much memory, and so many processors; None: as many as it has.

        Both up to what it was started with at most. NotLive when a restart must do it.
        """


class Storage(Protocol):
    """One host's volumes, by libvirt. The same promises as a Hypervisor's. `pool` None: nm's own."""

    def find(self, pool: str | None, names: Sequence[str]) -> list[Volume]:
        """Those of the volumes that there are."""

    def make_from(self, pool: str | None, name: str, base: str, kind: str) -> Volume:
        """A new volume that begins as the file or block device `base`, of that kind (qcow2 or raw).

        In a pool of files it is an overlay, and `base` must stay; in a logical one a copy.
        """

    def copy(
        self, pool: str | None, name: str, base: str, kind: str, to: str, size: int | None = None
    ) -> Volume:
        """A new volume with the data of a file or block device of that kind; `to`: its own, for a file.

        Kinds are qcow2 and raw. It holds so many bytes, if that is more than the base's. DeviceFailed when
        the base's data looks like another kind.
        """

    def snapshot(self, pool: str, name: str, base: str) -> Volume:
        """A new volume of a logical pool that is a snapshot of another one there, by its path."""

    def folder(self, path: str) -> str:
        """The name of a pool that is that folder, which is there."""

    def volume_group(self, name: str) -> str:
        """The name of a pool that is that volume group of LVM's, which is there."""

    def grow(self, pool: str | None, name: str, size: int) -> int:
        """Let the volume hold so many bytes, if it holds less. Answers how many it holds."""

    def write(self, pool: str | None, name: str, content: bytes) -> Volume:
        """A new volume with that content, readable by the domain it is given to and by nobody else."""

    def remove(self, pool: str | None, names: Sequence[str]) -> None:
        """Let there be no volumes of these names."""

    def make_empty(self, pool: str | None, name: str, size: int) -> Volume:
        """A new volume of zeros, raw; where it is a file it takes room for what is written into it."""

    def size(self, pool: str | None, name: str) -> int:
        """How many bytes the volume holds; 0 when there is none."""

    def put(self, pool: str | None, name: str, offset: int, content: BinaryIO) -> None:
        """Write the rest of an open file into a volume, whether or not a domain reads it."""

    def get(self, pool: str | None, name: str, length: int) -> bytes:
        """The beginning of a volume; b"" when there is none."""

    def read_console(self, name: str, offset: int, count: int) -> tuple[bytes, int]:
        """What that log of a console holds from `offset` on, `count` bytes at most; and its size."""

    def forget_console(self, name: str) -> None:
        """Let there be no such log, nor older parts of it."""


class Hypervisor(Protocol):
    """One host's domains. Every call is bounded in time and idempotent.

    DeviceFailed: passing when the host does not answer, not passing when it refused. A connection
    that was lost is opened again, once within a call.
    """

    @property
    def storage(self) -> Storage:
        """The host's volumes."""

    @property
    def tuning(self) -> Tuning:
        """What its domains get of the host."""

    def listed(self, space: str, asked: Callable[[str], bool] | None = None) -> list[Listed]:
        """The domains with a mark of that XML namespace.

        asked: only those that are asked for, by the elements of their marks; with what those have that run.
        """

    def descriptions(self, names: Sequence[str]) -> list[tuple[str, bool]]:
        """What describes those of these that are there, or all when none is named, and whether each runs.

        No secrets are told.
        """

    def note(self, domain: str, space: str, element: str | None) -> None:
        """Let a domain, also while it runs, have this element of that namespace in its metadata; None: none.

        One that the host would forget when it ends is kept from now on.
        """

    def suspend(self, domain: str) -> None:
        """Let a running domain stand still; `start` lets it go on."""

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

    def shared(self, domain: str) -> Shared | None:
        """How its list of machines comes in; None when there is no such domain."""

    def set_next_share(self, domain: str, share: Share | None) -> None:
        """Let it come so from the next start on; None: by no disk of nm's."""

    def disk(self, domain: str, serial: str) -> Shared | None:
        """The domain's disk with that serial number; None when there is no such domain."""

    def set_next_disk(self, domain: str, serial: str, share: Share | None) -> None:
        """Let there be that disk from the next start on; None: no such one."""

    def attach_disk(self, domain: str, serial: str, share: Share) -> None:
        """Give the running domain the disk, and keep it. NotLive when it must be restarted for that."""

    def boots_from(self, domain: str) -> str | None:
        """The first device that the next start boots from, as libvirt calls it; None when none is told."""

    def start(self, domain: str) -> None:
        """Start it, from its configuration and not from saved memory; let it go on when it is paused."""

    def in_hand(self, domain: str) -> bool:
        """False when a container runs whose first process the host has lost sight of, or does not see yet."""

    def ask_to_stop(self, domain: str) -> None:
        """Ask the guest to shut down; whether and when it does is up to the guest."""

    def stop(self, domain: str) -> None:
        """Take its power away; nothing when it is off."""

    def guest_type(self) -> str:
        """What a new domain is to run by: "kvm" where the host can, else "qemu", which emulates."""

    def description(self, domain: str) -> str | None:
        """The stored description of the domain; None when there is no such domain."""

    def define(self, description: str) -> None:
        """Store the description of a new domain, or another one of a domain (the same name and UUID)."""

    def set_autostart(self, domain: str, on: bool) -> None:
        """Whether the host starts the domain when it boots."""

    def undefine(self, domain: str) -> None:
        """Forget a domain that is off; nothing when there is none."""

    def bridge_of(self, network: str) -> str:
        """The name of the bridge of a network of libvirt's; DeviceFailed when it has none."""

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


def machine_of(uri: str) -> str:
    """The machine of a (checked) URI, in one spelling; "" is this one."""
    return canonical_uri(uri).partition("://")[2].partition("/")[0]


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


def check_device(value: object, what: str) -> str:
    """The name of a network interface, as the kernel allows it."""
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise Invalid(f"{what} {str(value)[:40]!r} is not an interface's name", "at most 15 characters")
    return value


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
    given = [key for key in ("host_key", "secrets") if host.get(key)]
    if given and not is_remote(host["uri"]):
        raise Invalid(
            f"{given[0]} is of use to a host over SSH only",
            "leave it out; nm does not log in to its own machine",
        )
    if unknown := sorted(set(host.get("secrets") or ()) - {"key", "password"}):
        raise Invalid(f"a host has no secret {unknown[0]!r}", "use key or password")
