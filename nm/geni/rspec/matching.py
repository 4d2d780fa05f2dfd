"""Which free nodes, NICs and networks a request gets: all that it asks for, or a refusal that says why. Pure.

Every node's boot NIC is in the group's network `main`, on which its head node is. Each link is a network of
its own, on data NICs that are chosen here, each named NODE:NIC. Where those do not suffice, one link that
joins every node of the request becomes `main`; at last, tagged links are on boot NICs, beside `main`: nodes
with a single NIC can be asked for with a LAN, too.

Nodes are only matched when trunks join what must be joined: all boot NICs, and the NICs of the links.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nm import paths
from nm.counted import counted
from nm.errors import Conflict, Invalid, NMError
from nm.geni.refusals import NodesLacking, Unsupported, VlanUnavailable
from nm.geni.rspec.request import Interface, Link, Node, Request
from nm.records import Record, is_name, natural

MAIN, MOST_NETWORKS = "main", 16


@dataclass(frozen=True)
class Pool:
    """What there is: structs as the API's Get... answer them to a reader."""

    nodes: Sequence[Record]
    vlans: Sequence[Record] = ()
    trunks: Sequence[Record] = ()
    images: Collection[str] = ()  # names of those that nodes boot
    host: str | None = None  # that of the head node, which must be joined to all boot NICs


@dataclass(frozen=True)
class Existing:
    """What the slice has from earlier requests."""

    networks: Mapping[str, Any] = field(default_factory=dict)
    nodes: Collection[str] = ()
    client_ids: Collection[str] = ()


@dataclass(frozen=True)
class Placement:
    """What a request gets. All builtin types; `record` is what to keep of it for manifests."""

    nodes: dict[str, str]  # client id -> node
    nics: dict[str, str]  # client id of an interface -> NIC of its node
    links: dict[str, str]  # client id of a link -> network
    networks: dict[str, Any] = field(
        default_factory=dict
    )  # those to add to the group's, as SetNetworks has them
    images: dict[str, str] = field(default_factory=dict)  # node -> image

    def record(self) -> dict[str, dict[str, str]]:
        """What client ids became."""
        return {"nodes": self.nodes, "nics": self.nics, "links": self.links}


@dataclass(frozen=True)
class _Machine:
    """A node of the pool, with the places of its NICs: which trunks join is known by the island."""

    name: str
    hardware: str
    boot: str
    island: int
    data: Mapping[int, tuple[str, ...]]  # island -> data NICs there
    number: int | None


@dataclass(frozen=True)
class _Want:
    """A node that is asked for, in the way in which the search looks at it."""

    node: Node
    untagged: tuple[Interface, ...]  # on data NICs
    tagged: tuple[Interface, ...]
    folded: tuple[Interface, ...]  # on the boot NIC, in main
    idle: tuple[Interface, ...]  # in no link: they get a NIC where one is left
    on_boot: bool  # tagged ones may be on the boot NIC

    @property
    def kind(self) -> tuple[tuple[str, ...], int]:
        """Unbound nodes of one kind can take the same machines: of these types, with so many data NICs."""
        return self.node.hardware, len(self.untagged) + (bool(self.tagged) and not self.on_boot)


def match(request: Request, pool: Pool, existing: Existing | None = None) -> Placement:
    """The nodes, NICs and networks for the request.

    Invalid when it contradicts itself, Unsupported when no pool could serve it, NodesLacking or
    VlanUnavailable when this one cannot now.
    """
    had = existing or Existing()
    _check_fits(request, pool, had)
    vlans = _vlans(request, pool, had)
    islands = _Islands(pool.trunks)
    machines = _machines(pool, islands)
    bound = _bound(request, pool, machines)
    free = _free(pool, machines)
    anchor = {machines[name].island for name in had.nodes if name in machines}
    if pool.host is not None:
        anchor.add(islands.of(f"host:{pool.host}"))
    pairs = _islands(free, anchor)
    refusal: NMError | None = None
    for folded, on_boot in _ways(request, bound, had):
        wants = _wants(request, folded, on_boot)
        for island, data in pairs:
            if on_boot and island != data:
                continue
            taken = _search(wants, free[island], bound, island, data)
            if taken is None:
                continue
            found = _placement(request, wants, taken, data, folded, vlans, had)
            refusal = _vlans_lacking(found.networks, pool)
            if refusal is None:
                return found
    everybody = [one for some in free.values() for one in some]
    raise refusal or _lacking(request, everybody, bound, had)


# ---- what can be said before any search


def _check_fits(request: Request, pool: Pool, had: Existing) -> None:
    taken = set(had.client_ids)
    for name in (*(node.client_id for node in request.nodes), *(link.client_id for link in request.links)):
        if name in taken:
            raise Invalid(
                f"client_id {name[:40]!r} is used in the slice already", "choose another, or Delete it first"
            )
    if len(request.links) + len(had.networks or {MAIN: None}) > MOST_NETWORKS:
        raise Unsupported(
            f"the slice would have more than {MOST_NETWORKS - 1} links",
            "use fewer networks, with more in each",
        )
    for node in request.nodes:
        if node.image is not None and node.image not in pool.images:
            known = ", ".join(sorted(pool.images)[:10]) or "none at all"
            raise Unsupported(f"there is no image {node.image[:40]!r} here", f"nodes can boot {known}")


def _vlans(request: Request, pool: Pool, had: Existing) -> dict[str, int]:
    """Link -> the VLAN that it must have; VlanUnavailable when one cannot be had."""
    by_id = {vlan["id"]: vlan for vlan in pool.vlans}
    found: dict[str, int] = {}
    for link in request.links:
        if link.shared is not None:
            found[link.client_id] = _shared(link.shared, by_id)
        elif link.vlan is not None:
            if not _is_free(by_id.get(link.vlan)):
                raise VlanUnavailable(f"VLAN {link.vlan} is not free", "leave it out to have one chosen")
            found[link.client_id] = link.vlan
    used = {network["vlan"] for network in had.networks.values()}
    numbers = list(found.values())
    for vlan in numbers:
        if vlan in used or numbers.count(vlan) > 1:
            raise Unsupported(f"the slice would be on VLAN {vlan} twice", "put all interfaces into one link")
    return found


def _vlans_lacking(networks: Mapping[str, Any], pool: Pool) -> NMError | None:
    """The refusal when fewer are free than networks need."""
    named = {network["vlan"] for network in networks.values() if "vlan" in network}
    free = sum(_is_free(vlan) and vlan["id"] not in named for vlan in pool.vlans)
    needed = sum("vlan" not in network for network in networks.values())
    if free >= needed:
        return None
    return VlanUnavailable(f"{counted(needed, 'VLAN')} needed, {free} free", "ask for fewer links, or wait")


def _is_free(vlan: Record | None) -> bool:
    return vlan is not None and vlan["free"] and not vlan["shared"]


def _shared(name: str, by_id: Mapping[int, Record]) -> int:
    vlan = by_id.get(int(name)) if name.isascii() and name.isdecimal() and len(name) < 5 else None
    if vlan is None or not vlan["shared"] or not vlan["available"]:
        known = ", ".join(str(one["id"]) for one in by_id.values() if one["shared"] and one["available"])
        raise VlanUnavailable(f"there is no shared VLAN {name[:40]!r}", f"those here are {known or 'none'}")
    return int(vlan["id"])


def _bound(request: Request, pool: Pool, machines: Mapping[str, _Machine]) -> dict[str, _Machine]:
    """Client id -> the machine that it must be. NodesLacking when one is not free."""
    by_name = {node["name"]: node for node in pool.nodes}
    by_number = {node["id"]: node for node in pool.nodes if node["id"] is not None}
    found: dict[str, _Machine] = {}
    for wanted in request.nodes:
        if wanted.name is None and wanted.number is None:
            continue
        called = wanted.name if wanted.name is not None else f"of id {wanted.number}"
        node = by_name.get(wanted.name or "") or by_number.get(wanted.number)
        if node is None:
            raise Invalid(f"there is no node {called[:70]}", "ListResources tells which there are")
        if not node["free"] or node["name"] not in machines:
            raise NodesLacking(
                f"node {node['name']} is not free", "choose another, or leave component_id out"
            )
        machine = machines[node["name"]]
        if machine in found.values():
            raise Invalid(
                f"node {machine.name} is asked for twice", "name it once, or leave component_id out"
            )
        if wanted.hardware and machine.hardware not in wanted.hardware:
            raise Invalid(
                f"node {machine.name} is of type {machine.hardware or 'none'}",
                "leave hardware_type out where component_id is given",
            )
        _check_nics(wanted, node)
        found[wanted.client_id] = machine
    return found


def _check_nics(wanted: Node, node: Record) -> None:
    known = {nic["name"]: nic for nic in node["nics"]}
    for interface in wanted.interfaces:
        if interface.nic is None:
            continue
        nic = known.get(interface.nic)
        if nic is None or not _is_wired(nic):
            raise Invalid(
                f"node {node['name']} has no NIC {interface.nic[:40]} that can be used",
                f"it has {', '.join(name for name, one in known.items() if _is_wired(one))}",
            )


def _is_wired(nic: Record) -> bool:
    return nic["switch"] is not None and nic["role"] != "none"


# ---- the machines, and what joins them


def _machines(pool: Pool, islands: "_Islands") -> dict[str, _Machine]:
    """The nodes that a request can be given: those with a wired boot NIC."""
    found: dict[str, _Machine] = {}
    for node in pool.nodes:
        wired = [nic for nic in node["nics"] if _is_wired(nic)]
        boot = next((nic for nic in wired if nic["role"] == "boot"), None)
        if boot is None:
            continue
        data: dict[int, tuple[str, ...]] = {}
        for nic in wired:
            if nic is not boot:
                place = islands.of(f"switch:{nic['switch']}")
                data[place] = (*data.get(place, ()), nic["name"])
        island = islands.of(f"switch:{boot['switch']}")
        found[node["name"]] = _Machine(
            node["name"], node["hardware_type"], boot["name"], island, data, node["id"]
        )
    return found


class _Islands:
    """A number for each set of switches and hosts that trunks join."""

    def __init__(self, trunks: Iterable[Record]) -> None:
        self._above: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        for trunk in trunks:
            one, other = map(self._top, paths.ends(trunk))
            if one != other:
                self._above[one] = other

    def _top(self, place: str) -> str:
        while place in self._above:
            place = self._above[place]
        return place

    def of(self, place: str) -> int:
        """The number of the set that the place is in; places are those of nm.paths."""
        return self._numbers.setdefault(self._top(place), len(self._numbers))


def _free(pool: Pool, machines: Mapping[str, _Machine]) -> dict[int, list[_Machine]]:
    """The free machines by the island of their boot NICs, those with few data NICs first."""
    found: dict[int, list[_Machine]] = {}
    for node in pool.nodes:
        if node["free"] and (machine := machines.get(node["name"])) is not None:
            found.setdefault(machine.island, []).append(machine)
    for some in found.values():
        some.sort(key=lambda one: (sum(map(len, one.data.values())), natural(one.name)))
    return found


def _islands(free: Mapping[int, Iterable[_Machine]], anchor: Collection[int]) -> list[tuple[int, int]]:
    """Pairs of islands: for boot NICs (all of `anchor`), and for links; where both are one comes first."""
    pairs = {
        (island, place)
        for island, some in free.items()
        if {*anchor} <= {island}
        for place in {island, *(place for one in some for place in one.data)}
    }
    return sorted(pairs, key=lambda pair: (pair[0] != pair[1], pair))


# ---- the search


def _ways(
    request: Request, bound: Mapping[str, _Machine], had: Existing
) -> Iterator[tuple[str | None, bool]]:
    """Which link becomes `main`, and whether tagged ones may be on boot NICs, in the order of trying."""
    for on_boot in (False, True) if any(link.tagged for link in request.links) else (False,):
        for folded in _foldings(request, bound, had):
            yield folded, on_boot


def _foldings(request: Request, bound: Mapping[str, _Machine], had: Existing) -> list[str | None]:
    """Which link becomes `main`, in the order in which that is tried; None: none does."""
    if had.networks:
        return [None]
    whole = [link for link in request.links if _joins_all(link, request)]
    forced = [link.client_id for link in request.links if _needs_boot(link, request, bound)]
    if forced:
        return [
            name for name in forced[:1] if len(forced) == 1 and any(name == one.client_id for one in whole)
        ]
    return [None, *(link.client_id for link in whole)]


def _joins_all(link: Link, request: Request) -> bool:
    """Whether the link has just one interface of every node, and may be main: its own, and untagged."""
    joined = set(link.interfaces)
    owners = [node.client_id for node in request.nodes for one in node.interfaces if one.client_id in joined]
    return not link.tagged and link.shared is None and len(owners) == len(set(owners)) == len(request.nodes)


def _needs_boot(link: Link, request: Request, bound: Mapping[str, _Machine]) -> bool:
    """Whether an untagged interface of the link was bound to a boot NIC, which is in main."""
    joined = set(link.interfaces)
    return not link.tagged and any(
        one.nic is not None and one.nic == bound[node.client_id].boot
        for node in request.nodes
        if node.client_id in bound
        for one in node.interfaces
        if one.client_id in joined
    )


def _wants(request: Request, folded: str | None, on_boot: bool) -> list[_Want]:
    """The nodes, in the way in which the search looks at them, when that link is `main`."""
    by_interface = {name: link for link in request.links for name in link.interfaces}
    return [_want(node, by_interface, folded, on_boot) for node in request.nodes]


def _want(node: Node, by_interface: Mapping[str, Link], folded: str | None, on_boot: bool) -> _Want:
    parts: tuple[list[Interface], ...] = ([], [], [], [])
    for one in node.interfaces:
        link = by_interface.get(one.client_id)
        place = 3 if link is None else 2 if link.client_id == folded else 1 if link.tagged else 0
        parts[place].append(one)
    untagged, tagged, folds, idle = map(tuple, parts)
    return _Want(node, untagged, tagged, folds, idle, on_boot)


def _search(
    wants: Sequence[_Want],
    free: Sequence[_Machine],
    bound: Mapping[str, _Machine],
    island: int,
    data: int,
) -> dict[str, _Machine] | None:
    """Client id -> machine, each its own; None when there is no such choice.

    Bound nodes have theirs. The others are matched by augmenting paths: when there is a choice, it is found.
    """
    for want in wants:
        machine = bound.get(want.node.client_id)
        if machine is not None and (machine.island != island or _wire(want, machine, data) is None):
            return None
    taken = {machine.name for machine in bound.values()}
    left = [one for one in free if one.name not in taken]
    open_wants = [want for want in wants if want.node.client_id not in bound]
    if len(open_wants) > len(left):
        return None
    able = {want.kind: _able(want, left, data) for want in open_wants}
    owner: dict[str, _Want] = {}
    for want in open_wants:
        if not _augment(want, able, owner):
            return None
    machines = {one.name: one for one in left}
    return dict(bound) | {want.node.client_id: machines[name] for name, want in owner.items()}


def _able(want: _Want, machines: Iterable[_Machine], data: int) -> list[str]:
    hardware, nics = want.kind
    return [
        one.name
        for one in machines
        if (not hardware or one.hardware in hardware) and len(one.data.get(data, ())) >= nics
    ]


def _augment(want: _Want, able: Mapping[Any, list[str]], owner: dict[str, _Want]) -> bool:
    """Give it a machine, moving others when need be. No recursion: a chain may be as long as a request."""
    came: dict[str, str | None] = {}  # machine -> the one whose owner may move here
    waiting: list[tuple[str | None, _Want]] = [(None, want)]
    while waiting:
        source, mover = waiting.pop(0)
        for name in able[mover.kind]:
            if name in came:
                continue
            came[name] = source
            if name not in owner:
                _move(name, want, came, owner)
                return True
            waiting.append((name, owner[name]))
    return False


def _move(name: str, want: _Want, came: Mapping[str, str | None], owner: dict[str, _Want]) -> None:
    here: str = name
    while (source := came[here]) is not None:
        owner[here] = owner[source]
        here = source
    owner[here] = want


def _wire(want: _Want, machine: _Machine, data: int) -> dict[str, str] | None:
    """Client id of an interface -> NIC; None when the machine has too few on that island.

    Untagged ones have a NIC each, tagged ones share the last of those that are left, or the boot NIC.
    """
    usable = machine.data.get(data, ())
    chosen = {one.client_id: machine.boot for one in want.folded}
    if any(one.nic not in (None, machine.boot) for one in want.folded):
        return None
    named = [one.nic for one in want.untagged if one.nic is not None]
    if len(set(named)) < len(named) or not set(named) <= set(usable):
        return None
    left = [nic for nic in usable if nic not in named]
    for one in want.untagged:
        if one.nic is None and not left:
            return None
        chosen[one.client_id] = one.nic if one.nic is not None else left.pop(0)
    shareable = usable if machine.island != data else (*usable, machine.boot)
    last = machine.boot if want.on_boot else None
    for one in want.tagged:
        nic = one.nic or (left[0] if left else last)
        if nic not in shareable:
            return None
        chosen[one.client_id] = nic
        if one.nic is None and len(left) > 1:
            left.pop(0)
    return chosen | _idle(want, left, set(chosen.values()))


def _idle(want: _Want, left: Iterable[str], used: Collection[str]) -> dict[str, str]:
    """NICs for interfaces that are in no link, as far as there are any; those that are bound choose first."""
    spare = [nic for nic in left if nic not in used]
    bound = {one.client_id: one.nic for one in want.idle if one.nic is not None and one.nic in spare}
    rest = [nic for nic in spare if nic not in bound.values()]
    others = [one.client_id for one in want.idle if one.nic is None]
    return bound | dict(zip(others, rest, strict=False))


# ---- the answer


def _placement(
    request: Request,
    wants: Iterable[_Want],
    taken: Mapping[str, _Machine],
    data: int,
    folded: str | None,
    vlans: Mapping[str, int],
    had: Existing,
) -> Placement:
    nodes = {node.client_id: taken[node.client_id].name for node in request.nodes}
    nics: dict[str, str] = {}
    full: dict[str, str] = {}  # client id of an interface -> NODE:NIC
    for want in wants:
        machine = taken[want.node.client_id]
        wired = _wire(want, machine, data) or {}
        nics |= wired
        full |= {name: f"{machine.name}:{nic}" for name, nic in wired.items()}
    links = _named(request.links, folded, had)
    networks: dict[str, Any] = {} if had.networks else {MAIN: {"nics": ["boot"], "tagged": False}}
    for link in request.links:
        name = links[link.client_id]
        if name != MAIN:
            networks[name] = {"nics": [full[one] for one in link.interfaces], "tagged": link.tagged}
        if link.client_id in vlans:
            networks[name]["vlan"] = vlans[link.client_id]
    images = {nodes[node.client_id]: node.image for node in request.nodes if node.image is not None}
    return Placement(nodes, nics, links, networks, images)


def _named(links: Iterable[Link], folded: str | None, had: Existing) -> dict[str, str]:
    """Client id of a link -> the name of its network: the same, where nm allows that."""
    found: dict[str, str] = {}
    used = {MAIN, *had.networks}
    for link in links:
        if link.client_id == folded:
            found[link.client_id] = MAIN
            continue
        number, name = 1, link.client_id
        while name in used or not is_name(name):
            name, number = f"link-{number}", number + 1
        used.add(name)
        found[link.client_id] = name
    return found


def _lacking(
    request: Request, free: Sequence[_Machine], bound: Mapping[str, _Machine], had: Existing
) -> Conflict | Invalid:
    """Why nothing was found, by the first cause that a person could do something about."""
    forced = [link for link in request.links if _needs_boot(link, request, bound)]
    if forced and (had.networks or len(forced) > 1 or not _joins_all(forced[0], request)):
        return Unsupported(
            f"link {forced[0].client_id[:40]} is on a boot NIC, and does not join just all nodes by one each",
            "bind its interfaces to other NICs, or leave their component_id out",
        )
    wants = _wants(request, None, on_boot=True)
    others = [one for one in free if one not in bound.values()]
    asked = Counter(want.kind for want in wants if want.node.client_id not in bound)
    for (hardware, nics), count in sorted(asked.items()):
        fit = [one for one in others if not hardware or one.hardware in hardware]
        able = sum(any(len(names) >= nics for names in one.data.values()) or not nics for one in fit)
        if able < count:
            types = f" of type {' or '.join(hardware)}"[:80] if hardware else ""
            wired = f" with {counted(nics, 'NIC')} for links" if nics else ""
            return NodesLacking(f"{counted(count, 'node')}{types}{wired} asked for, {able} free", _HINT)
    if len(request.nodes) > len(free):
        return NodesLacking(f"{counted(len(request.nodes), 'node')} asked for, {len(free)} free", _HINT)
    return NodesLacking(
        "no choice of free nodes has the NICs for all links, on switches that trunks join", _HINT
    )


_HINT = "ask for fewer, for another hardware_type, for fewer interfaces, or wait"
