"""Groups in descriptions, their nodes, VLANs and head nodes, and the domains on their VLANs. Pure.

A Node, a Vlan and a HeadNode belong to the Group that is nearest around them. A domain whose `network` is a
lazy reference to a Group, or to a Vlan of one, has its interface on that network of the group. On which hosts
a group has its networks follows from that; it is noted as the attribute `hosts` of the Group (for the network
main) and of its Vlans, so that a plan sees when it changes, and changes the group before a domain comes and
after one has gone. In the same way a Group has the VLAN of the Vlan that is its main network.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nm.errors import NMError
from nm.pools import kinds
from nm.pools.attributes import Value, is_lazy
from nm.pools.ends import end_of
from nm.pools.kinds import DOMAINS, OF_GROUPS
from nm.pools.tree import Part, Path
from nm.records import check_name

GROUP, NODE, VLAN, HEADNODE = OF_GROUPS
OWN = {GROUP: kinds.GROUP, NODE: kinds.NODE, VLAN: kinds.VLAN, HEADNODE: kinds.HEADNODE}
MAIN = "main"  # of a group's networks, the one that `vlan` means
HOSTS, NETWORK = "hosts", "network"
Parts = Mapping[Path, Part]
Network = tuple[Path, str]  # a Group's path, and which of its networks


def group_around(parts: Parts, path: Path) -> Path | None:
    """The nearest Group around a part, or the part itself when it is one."""
    at: Path | None = path
    while at is not None and at in parts:
        if parts[at].kind == GROUP:
            return at
        at = parts[at].parent
    return None


def network_name(part: Part) -> str:
    """Which of its group's networks a Group or a Vlan stands for."""
    named = part.attributes.get(NETWORK) if part.kind == VLAN else None
    return named if isinstance(named, str) else MAIN


def network_of(parts: Parts, part: Part) -> Network | None:
    """The group, and the network of it, on which a domain's interface is; None when on that of none."""
    target = part.needs.get(NETWORK) if part.kind in DOMAINS else None
    other = parts.get(target) if target is not None else None
    if other is None or other.kind not in (GROUP, VLAN) or not _is_meant(other, part.attributes.get(NETWORK)):
        return None
    group = group_around(parts, other.path)
    return None if group is None else (group, network_name(other))


def _is_meant(target: Part, value: Value) -> bool:
    """Whether a lazy reference means a component itself, and not one of its attributes."""
    last = str(value["reference"]).replace(":", " ").split()[-1] if is_lazy(value) else ""
    return target.path[-1:] == (last,) or last not in target.attributes


def hosted(found: list[Part]) -> list[Part]:
    """The parts, with what follows from domains noted at the groups on whose networks they are."""
    parts = {part.path: part for part in found}
    hosts: dict[Network, set[str]] = {}
    for part in found:
        if (network := network_of(parts, part)) is not None:
            hosts.setdefault(network, set()).add(part.host)
        elif part.kind in (GROUP, VLAN) and (group := group_around(parts, part.path)) is not None:
            hosts.setdefault((group, network_name(part)), set()).update(_told(part))
    vlans = {
        group: part.attributes["vlan"]
        for part in found
        if part.kind == VLAN and network_name(part) == MAIN and part.attributes.get("vlan") is not None
        if (group := group_around(parts, part.path)) is not None
    }
    return [_noted(parts, part, hosts, vlans) for part in found]


def _noted(parts: Parts, part: Part, hosts: Mapping[Network, set[str]], vlans: Mapping[Path, object]) -> Part:
    group = group_around(parts, part.path) if part.kind in (GROUP, VLAN) else None
    if group is None or (part.kind == VLAN and network_name(part) == MAIN):
        return part
    added: dict[str, object] = {}
    if every := hosts.get((group, network_name(part))):
        added[HOSTS] = sorted(every)
    if part.kind == GROUP and group in vlans:
        added["vlan"] = vlans[group]
    return replace(part, attributes={**part.attributes, **added})


def _told(part: Part) -> list[str]:
    """The hosts that it names itself."""
    given = part.attributes.get(HOSTS)
    return [host for host in given if isinstance(host, str)] if isinstance(given, list) else []


def group_name(path: Path, attributes: Mapping[str, Value], pool: str) -> str:
    """What the group of a Group is called: as it says, else by its place; the whole as its description."""
    named = attributes.get("groupName")
    return named if isinstance(named, str) else (pool, *path)[-1]


# ---- what cannot be meant

Wrong = tuple[Part, str, str]  # a part, what is wrong with it, and what to do


def wrong(parts: Parts) -> Iterator[Wrong]:
    """What is described of groups and cannot be."""
    taken: dict[tuple[Path, str], Path] = {}
    for part in parts.values():
        if part.kind in OF_GROUPS:
            yield from _of_group(parts, part, taken)
        elif part.kind in DOMAINS and is_lazy(part.attributes.get(NETWORK)):
            yield from _of_domain(parts, part)


def _of_group(parts: Parts, part: Part, taken: dict[tuple[Path, str], Path]) -> Iterator[Wrong]:
    group = group_around(parts, part.path)
    if group is None:
        yield part, f"a {part.kind} stands in a Group", "put it into one"
        return
    for name in (attribute.name for attribute in OWN[part.kind]):
        if is_lazy(part.attributes.get(name)):
            yield part, f"{name} is a reference that is followed later", "write the value itself"
    what = _claimed(part)
    if what is not None and taken.setdefault((group, what), part.path) != part.path:
        yield part, f"its group has {what} already", "describe it once"
    if part.kind == VLAN and network_name(part) == MAIN and {"nics", "tagged"} & set(part.attributes):
        yield part, "nics and tagged are not for a group's main network", "name a further one by network"


def _claimed(part: Part) -> str | None:
    if part.kind == HEADNODE:
        return "a head node"
    if part.kind == VLAN:
        return f"a network {network_name(part)}"
    named = part.attributes.get("node") if part.kind == NODE else None
    return f"node {named}" if isinstance(named, str) else None


def wrong_alone(part: Part) -> Iterator[tuple[str, str]]:
    """What cannot be meant of one part, whatever is around it, and what to do."""
    if part.kind not in OF_GROUPS:
        return
    vlan, hosts = part.attributes.get("vlan"), part.attributes.get(HOSTS)
    if isinstance(vlan, int) and not 2 <= vlan <= 4094:
        yield f"{vlan} is not a VLAN id", "use a number from 2 to 4094, or leave it out"
    if isinstance(hosts, list) and not all(isinstance(host, str) for host in hosts):
        yield "hosts is no list of names", 'as ["h0"]'
    if part.kind == GROUP:
        yield from _of_names(part)


def _of_names(part: Part) -> Iterator[tuple[str, str]]:
    expires = part.attributes.get("expires")
    try:
        check_name(group_name(part.path, part.attributes, "pool"), "group")
        end_of(expires if not is_lazy(expires) else None, 0.0)
    except NMError as error:
        yield error.message, error.hint or "name it by groupName"


def _of_domain(parts: Parts, part: Part) -> Iterator[Wrong]:
    if network_of(parts, part) is None:
        yield part, "network leads to no Group or Vlan", "write LAZY and the way to one, or a network's name"
    if part.attributes.get("bridge") is not None:
        yield part, "it has a bridge and is on a group's network", "leave one of them out"
