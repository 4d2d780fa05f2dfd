"""What a caller may describe: plain domains from registered images, and more for those who may more. Pure.

What touches a host otherwise is off unless the site's configuration allows it, and then administrators' and
theirs whose right `describe` lists it. All such attributes have to be written as values: where a reference
leads is seen too late.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nm.calls import Call
from nm.errors import LimitReached
from nm.pools.attributes import Value, is_lazy
from nm.pools.checking import Finding
from nm.pools.kinds import KINDS, worth
from nm.pools.places import host_of
from nm.pools.scripting import TIMEOUT
from nm.pools.tree import Part
from nm.records import Record, name_of, record_key
from nm.store import Reader

DOMAINS = ("Domain", "XenDomain")
OF_GROUPS = ("Group", "Node", "Vlan", "HeadNode")
IMAGE = "baseImage"
FILES = ("kernel", "ramdisk", "imageDir")
DEVICES = ("bridge", "network", "volumeGroup", "thinPool", "keepOnTerminate")
COUNTED = ("pools", "components", "domains", "memory")
ASK = "an administrator may, or ask one for this in your right describe"

Wrong = tuple[str, str]  # what is wrong, and what to do


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


def findings(reader: Reader, call: Call, parts: Iterable[Part]) -> Iterator[Finding]:
    """What the caller may not describe, or nobody may."""
    allowed = Allowed.to(call)
    hosts: set[str] = set()
    for part in parts:
        for text, hint in _of_part(reader, call, allowed, part, hosts):
            yield Finding("error", part.path, text, hint, part.line)


def _of_part(reader: Reader, call: Call, allowed: Allowed, part: Part, hosts: set[str]) -> Iterator[Wrong]:
    yield from _of_kind(call, allowed, part)
    if part.host and part.host not in hosts:  # each is told once
        hosts.add(part.host)
        yield from _host(reader, allowed, call, part)
    for name, value in part.attributes.items():
        if name == IMAGE or name in FILES or name in DEVICES:
            yield from _of_value(reader, call, allowed, name, value)
        elif name in ("memory", "maxMemory") and is_lazy(value) and not allowed.everything:
            yield f"{name} is a reference", "write the number of MiB, for it is counted"


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


def _host(reader: Reader, allowed: Allowed, call: Call, part: Part) -> Iterator[Wrong]:
    host = host_of(reader, part.host)
    if host is None or not allowed.lists("hosts", name_of(host["record_key"]), unsaid=False):
        hint = "GetHosts lists the hosts; the right describe has to list it" if host else "RegisterHost it"
        yield f"no host {part.host!r} that {call.caller.name} may describe anything on", hint


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
    elif not below(value, call.site.describing.folders):
        yield (
            f"{name} is below none of descriptions.folders",
            "put it there, or let the configuration name it",
        )


def _is_image(reader: Reader, name: str) -> bool:
    image = reader.get(record_key("image", name))
    return image is not None and image["kind"] == "disk"


def below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path, spelled in just one way, is one of these folders or below one."""
    plain = path.startswith("/") and posixpath.normpath(path) == path and not path.startswith("//")
    return plain and any(f"{path}/".startswith(f"{folder.rstrip('/')}/") for folder in folders)


# ---- how much


def uses(parts: Iterable[Part]) -> dict[str, int]:
    """What a pool counts in its owner's limits; memory in MiB."""
    counts = dict.fromkeys(COUNTED, 0) | {"pools": 1}
    for part in parts:
        counts["components"] += 1
        if part.kind in DOMAINS:
            counts["domains"] += 1
            given = (worth(KINDS[part.kind], part.attributes, name) for name in ("memory", "maxMemory"))
            counts["memory"] += max((value for value in given if isinstance(value, int)), default=0)
    return counts


def check_limits(reader: Reader, call: Call, name: str, wanted: Mapping[str, int]) -> None:
    """LimitReached when all that the caller describes would be more than the right allows."""
    limits = {} if call.caller.admin else call.rights.get("describe", {})
    if not any(word in limits for word in COUNTED):
        return
    others: list[Record] = [
        pool
        for pool in reader.range("pool")
        if call.caller.is_(pool["owner"]) and name_of(pool["record_key"]) != name
    ]
    for word in COUNTED:
        count = wanted[word] + sum(pool["uses"][word] for pool in others)
        if word in limits and count > limits[word]:
            unit = "MiB of memory" if word == "memory" else word
            raise LimitReached(
                f"{call.caller.name} may describe {limits[word]} {unit} at most, and this makes {count}",
                "terminate what is not needed any more, or ask an administrator for more",
            )
