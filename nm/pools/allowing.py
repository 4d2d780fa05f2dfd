"""What a caller may describe: plain domains from registered images, and more for those who may more. Pure.

What touches a host otherwise is off unless the site's configuration allows it, and then administrators' and
theirs whose right `describe` lists it. All such attributes have to be written as values: where a reference
leads is seen too late.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nm.calls import Call
from nm.errors import LimitReached
from nm.people import DESCRIBED
from nm.pools import tags
from nm.pools.attributes import Value, Wrong, is_lazy
from nm.pools.checking import Finding
from nm.pools.files import EVERYWHERE, unnameable
from nm.pools.grouping import HOSTS, NETWORK, network_of
from nm.pools.kinds import DEFAULTS, DISKS, DOMAINS, FILE_DISK, KINDS, OF_GROUPS, limit_of, most, worth
from nm.pools.places import host_of
from nm.pools.scripting import TIMEOUT
from nm.pools.tree import Part, Path
from nm.records import Record, name_of, record_key
from nm.store import Reader

IMAGE = "baseImage"
FILES = ("kernel", "ramdisk", "imageDir")
DEVICES = ("bridge", "bridgeKind", "vlan", "network", "volumeGroup", "thinPool", "keepOnTerminate")
ADOPT, IN_PLACE = "adopt", "inPlace"
OWN_BRIDGE = re.compile(r"nmbr[0-9]+")  # as nm/hostnet.py calls those of VLANs
SIZES = tuple(name for word in DEFAULTS for name in (word, limit_of(word)))
MIB = 1 << 20
ASK = "an administrator may, or ask one for this in your right describe"


@dataclass(frozen=True)
class Allowed:
    """What the caller may, as far as the site allows anything. everything: an administrator."""

    everything: bool
    reserve: bool
    limits: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def to(cls, call: Call) -> "Allowed":
        """What is allowed to who calls."""
        admin = call.caller.admin
        return cls(admin, admin or "reserve" in call.rights, call.rights.get("describe", {}))

    def has(self, word: str) -> bool:
        """Whether the right says that word."""
        return self.everything or self.limits.get(word) is True

    def lists(self, word: str, name: str, *, unsaid: bool) -> bool:
        """Whether the right lists the name; `unsaid`: what it means that there is no such list."""
        listed = self.limits.get(word)
        return self.everything or (unsaid if listed is None else name in listed)


def folders_of(call: Call) -> tuple[str, ...]:
    """The folders whose files the caller may name; EVERYWHERE is an administrator's."""
    allowed = Allowed.to(call)
    if allowed.everything:
        return EVERYWHERE
    return tuple(call.site.describing.folders) if allowed.has("paths") else ()


def findings(reader: Reader, call: Call, parts: Iterable[Part]) -> Iterator[Finding]:
    """What the caller may not describe, or nobody may."""
    allowed = Allowed.to(call)
    hosts: set[str] = set()
    given = {part.path: part for part in parts}
    for part in given.values():
        for text, hint in _of_part(reader, call, allowed, _looked_at(given, part), hosts):
            yield Finding("error", part.path, text, hint, part.written)


def _looked_at(parts: Mapping[Path, Part], part: Part) -> Part:
    """The part without a network that is its own group's: whoever may have the group may have that.

    Of a part that is given by itself, as one of which an attribute is set, the whole was looked at before.
    """
    target = part.needs.get(NETWORK) if part.kind in DOMAINS else None
    if target is not None and (target not in parts or network_of(parts, part) is not None):
        return replace(part, attributes={**part.attributes, NETWORK: None})
    return part


def _of_part(reader: Reader, call: Call, allowed: Allowed, part: Part, hosts: set[str]) -> Iterator[Wrong]:
    yield from _of_kind(call, allowed, part)
    named = part.attributes.get(HOSTS) if part.kind in OF_GROUPS else None
    for host in (part.host, *(named if isinstance(named, list) else ())):
        if host and host not in hosts:  # each is told once
            hosts.add(host)
            yield from _host(reader, allowed, call, str(host))
    yield from _sizes(allowed, part)
    yield from _in_place(reader, call, allowed, part)
    yield from _bridge(reader, call, part)
    for name, value in part.attributes.items() if part.kind not in OF_GROUPS else ():
        if name == IMAGE or name in FILES or name in DEVICES:
            yield from _of_value(reader, call, allowed, name, value)
        elif name in SIZES and is_lazy(value) and not allowed.everything:
            yield f"{name} is a reference", "write the number, for it is counted"


def _of_kind(call: Call, allowed: Allowed, part: Part) -> Iterator[Wrong]:
    kind = KINDS.get(part.kind)
    if kind is not None and kind.privileged:
        if not call.site.describing.shells:
            yield f"{kind.name} runs commands on hosts", "descriptions.shells of the configuration allows it"
        elif not allowed.has("shells"):
            yield f"{call.caller.name} may not run commands on hosts ({kind.name})", ASK
    seconds, most = part.attributes.get(TIMEOUT), call.site.describing.script_seconds
    if part.kind == "Script" and isinstance(seconds, int) and not 0 < seconds <= most:
        yield f"{TIMEOUT} is {seconds}", f"it is 1 to {most:g} seconds here (descriptions.script_seconds)"
    if part.kind in OF_GROUPS and not allowed.reserve:
        yield f"{call.caller.name} may not make groups ({part.kind})", "ask for the right reserve"


def _host(reader: Reader, allowed: Allowed, call: Call, name: str) -> Iterator[Wrong]:
    host = host_of(reader, name)
    if host is None or not allowed.lists("hosts", name_of(host["record_key"]), unsaid=False):
        hint = "GetHosts lists the hosts; the right describe has to list it" if host else "RegisterHost it"
        yield f"no host {name!r} that {call.caller.name} may describe anything on", hint


def _sizes(allowed: Allowed, part: Part) -> Iterator[Wrong]:
    """Whose disks are counted says how large each is; nobody knows it beforehand otherwise."""
    if part.kind not in DISKS or allowed.everything or "disk" not in allowed.limits:
        return
    for name in ("size", "swapSize"):
        value = part.attributes.get(name)
        if is_lazy(value) or (name == "size" and value is None and part.attributes.get(IN_PLACE) is not True):
            yield f"{name} is not said", "write the number of bytes, for it is counted"


def _in_place(reader: Reader, call: Call, allowed: Allowed, part: Part) -> Iterator[Wrong]:
    """A disk that is there already is written to, as no image may be."""
    said, base = part.attributes.get(IN_PLACE), part.attributes.get(IMAGE)
    if said is None or said is False:
        return
    if is_lazy(said):
        yield f"{IN_PLACE} is a reference that is followed later", "write the value itself"
    if not allowed.has(ADOPT):
        yield f"{call.caller.name} may not take disks that are there already ({IN_PLACE})", ASK
    images = {
        image[key]: name_of(image["record_key"])
        for image in reader.range("image")
        for key in ("disk", "kernel", "initrd", "root")
        if image.get(key)
    }
    if base in images or base in images.values():
        yield (
            f"{base} is an image ({images.get(base, base)}), and cannot be a domain's disk {IN_PLACE}",
            f"leave {IN_PLACE} out: then a disk is made of it",
        )
    if part.kind == FILE_DISK and not allowed.everything and not _is_as_named(part):
        yield (
            f"of the file {base} only its name is known: it is qcow2 if that ends so, else raw",
            'write format "raw" or "qcow2", or ask an administrator',
        )


def _is_as_named(part: Part) -> bool:
    """A guest that had it as raw data has written what it likes: as qcow2 that may lead to any file there."""
    kind = worth(KINDS[part.kind], part.attributes, "format")
    return bool(kind == ("qcow2" if str(part.attributes.get(IMAGE)).endswith(".qcow2") else "raw"))


def _bridge(reader: Reader, call: Call, part: Part) -> Iterator[Wrong]:
    """What nm itself puts on VLANs is not for those whom a description puts there."""
    bridge = part.attributes.get("bridge")
    if isinstance(bridge, str) and OWN_BRIDGE.fullmatch(bridge):
        yield f"bridge {bridge} is a group's", tags.NETWORK_HINT
    for tag in tags.tags_of([(part.kind, part.host, part.attributes)]):
        if (why := tags.why_not(reader, call, tag)) is not None:
            yield why


def _of_value(reader: Reader, call: Call, allowed: Allowed, name: str, value: Value) -> Iterator[Wrong]:
    if is_lazy(value):
        yield f"{name} is a reference that is followed later", "write the value itself"
    elif name in DEVICES:
        if value is not None and value is not False and not allowed.has("devices"):
            yield f"{call.caller.name} may not choose {name}: it is the host's own", ASK
    elif not isinstance(value, str):
        return  # checking tells
    elif name == IMAGE and not value.startswith("/"):
        if not _is_image(reader, value) or not allowed.lists("images", value, unsaid=True):
            yield (
                f"no image {value[:70]!r} that {call.caller.name} may use",
                "GetImages lists those of kind disk",
            )
    elif not allowed.has("paths"):
        yield f"{call.caller.name} may not name files of hosts ({name})", ASK
    elif (why := unnameable(value, call.site.describing.folders, anybodys=allowed.everything)) is not None:
        yield f"{name}: {why[0]}", why[1]


def _is_image(reader: Reader, name: str) -> bool:
    image = reader.get(record_key("image", name))
    return image is not None and image["kind"] == "disk"


# ---- how much


def uses(parts: Iterable[Part]) -> dict[str, int]:
    """What a pool counts in its owner's limits; memory and disks in MiB. Disks in place were there before."""
    counts = dict.fromkeys(DESCRIBED, 0) | {"pools": 1}
    for part in parts:
        counts["components"] += 1
        if part.kind in DOMAINS:
            counts["domains"] += 1
            for word in DEFAULTS:
                counts[word] += most(part.attributes, word)
        if part.kind in DISKS and part.attributes.get(IN_PLACE) is not True:
            held = (part.attributes.get(name) for name in ("size", "swapSize"))
            counts["disk"] += sum(-(-value // MIB) for value in held if isinstance(value, int))
    return counts


def check_limits(reader: Reader, call: Call, name: str, wanted: Mapping[str, int]) -> None:
    """LimitReached when all that the caller describes would be more than the right allows."""
    limits = {} if call.caller.admin else call.rights.get("describe", {})
    if not any(word in limits for word in DESCRIBED):
        return
    others: list[Record] = [
        pool
        for pool in reader.range("pool")
        if call.caller.is_(pool["owner"]) and name_of(pool["record_key"]) != name
    ]
    for word in DESCRIBED:
        count = wanted[word] + sum(pool["uses"].get(word, 0) for pool in others)
        if word in limits and count > limits[word]:
            unit = f"MiB of {word}" if word in ("memory", "disk") else word
            raise LimitReached(
                f"{call.caller.name} may describe {limits[word]} {unit} at most, and this makes {count}",
                "terminate what is not needed any more, or ask an administrator for more",
            )
