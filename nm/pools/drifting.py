"""What of a domain that runs, or of a disk, was changed by hand: what its host tells, against what was asked.

Answers are attributes of the component with the values that they have really; what no attribute says is told
by the nearest one that does. What waits for the next start is as it should be. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nm.hypervisor import Has, Listed
from nm.pools.attributes import Value
from nm.pools.differences import Standing, waiting
from nm.pools.kinds import KINDS, LVM_DISK, worth

BRIDGE, NETWORK, VLAN = "bridge", "network", "vlan"  # where its interface is; None: on nothing
DISK = "storageBackend"  # None: it is detached
DEFINED = "defined"  # no attribute: whether the host keeps a domain that runs when it ends
VOLUME = "baseImage"  # None: of what was made of it nothing is there
SIZE = "size"
ROUNDED = {LVM_DISK: 64 << 20}  # bytes by which a disk may be larger than was asked for
SECTOR = 512  # to which all are

Drift = dict[str, Value]


@dataclass(frozen=True)
class Made:
    """How a hand made a domain. adopted: it was there before, so what its component does not give is its own.

    late: attributes that wait for its next start. placed: the MAC of its interface, the bridge and the tag;
    empty when nothing is known of that. disk: how the path of its disk ends; "": no component has it.
    """

    adopted: bool = False
    late: Mapping[str, str] = field(default_factory=dict)
    placed: Sequence[Any] = ()
    disk: str = ""


def of_domain(standing: Standing, made: Made, listed: Listed, before: Has | None) -> Drift:
    """Of a domain that runs. before: what it had at the last look, for memory counts when it is at rest.

    None: nobody knows any more, and what was known to differ is taken for that.
    """
    now, stored = listed.now, listed.stored
    if now is None:
        return {}
    asked = _asked(standing, made.adopted)
    was = standing.drift.get("memory") if before is None else before.memory >> 10
    at_rest = was == now.memory >> 10
    found: Drift = {
        "memory": _memory(asked.get("memory"), now, stored, at_rest),
        "vcpus": _other(asked.get("vcpus"), now.vcpus, *([stored.vcpus] if stored else [])),
        "autostart": _other(asked.get("autostart"), listed.autostart) if stored else None,
    }
    found = {name: value for name, value in found.items() if value is not None}
    if made.placed:
        found |= _interface(standing.now, made.placed, now)
    if made.disk and not any(path.endswith(made.disk) for path in now.disks):
        found[DISK] = None
    if stored is None and not made.adopted:
        found[DEFINED] = False
    waits = waiting(standing, made.late)
    return {name: value for name, value in found.items() if name not in waits}


def of_disk(standing: Standing, size: int) -> Drift:
    """Of a disk that holds so many bytes, 0: it is not there. A larger one in place was so before."""
    part = standing.part
    said = standing.now.get(SIZE)
    if size == 0:
        return {VOLUME: None}
    if not isinstance(said, int) or size == said:
        return {}
    in_place = worth(KINDS[part.kind], part.attributes, "inPlace") is True
    rounded = size - said < ROUNDED.get(part.kind, SECTOR)
    return {} if size > said and (in_place or rounded) else {SIZE: size}


def mended(standing: Standing) -> Drift:
    """What of its drift applying its description again mends: all that loses nothing by that."""
    known = KINDS[standing.part.kind].known
    said = {name: known[name] for name in standing.drift if name in known}
    kept = {
        name
        for name, attribute in said.items()
        if attribute.effect_of(standing.started, standing.drift[name], standing.now.get(name)) == "refused"
    }
    return {name: value for name, value in standing.drift.items() if name not in kept}


def _asked(standing: Standing, adopted: bool) -> Mapping[str, Value]:
    """What its component says: of one that was adopted nothing but what is given."""
    given, kind = standing.now, KINDS[standing.part.kind]
    names = ("memory", "vcpus", "autostart")
    return {name: given.get(name) if adopted else worth(kind, given, name) for name in names}


def _other(asked: Value, *seen: Value) -> Value:
    """The first that is not as asked; None when all are, or nobody knows what was."""
    return next((one for one in seen if isinstance(asked, int) and one != asked), None)


def _memory(asked: Value, now: Has, stored: Has | None, at_rest: bool) -> Value:
    """In MiB; None when it is as asked.

    A guest gives memory back as fast as it likes, and one that knows no balloon never: it has all that it can
    have. So neither that, nor what is on its way between two looks, is told.
    """
    if stored is not None and (later := _other(asked, stored.memory >> 10)) is not None:
        return later
    if not at_rest or now.memory == now.most:
        return None
    return _other(asked, now.memory >> 10)


def _interface(given: Mapping[str, Value], placed: Sequence[Any], now: Has) -> Drift:
    """Where it is, when that is another place than where it was put."""
    mac, bridge, vlan = placed
    nic = next((nic for nic in now.nics if nic.mac == mac), None)
    on = nic.bridge if nic is not None and nic.link_up else None
    name = NETWORK if given.get(NETWORK) is not None else BRIDGE
    network = given.get(NETWORK)
    if on != bridge and not (isinstance(network, str) and on == f"network:{network}"):
        return {name: on}
    if nic is None or on is None or nic.vlan == vlan:
        return {}
    return {name: f"{on}, VLAN {nic.vlan}"} if name == NETWORK else {VLAN: nic.vlan}
