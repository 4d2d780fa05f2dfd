"""What a slice has, as a manifest RSpec: its requests, with what became of them written in. Pure.

The requests themselves are kept, and what is not this aggregate's stands in the manifest as it came: nodes
of other component managers, unknown elements and attributes, comments. What nm writes in is written over
what the request may have said in its place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lxml import etree

from nm.geni.rspec import checker, request
from nm.geni.rspec.advertisement import particulars
from nm.geni.rspec.aggregate import Aggregate
from nm.geni.rspec.texts import ANSWER, Element, children, namespace, new_root, parse, render
from nm.geni.rspec.vocabulary import (
    MANIFEST,
    NM,
    RSPEC,
    SCHEMA_LOCATION,
    XSI,
    core,
    locations,
    ours,
)
from nm.records import Record

_new = etree.SubElement


@dataclass(frozen=True)
class Login:
    """A way in by SSH."""

    hostname: str
    username: str
    port: int = 22


@dataclass(frozen=True)
class Sliver:
    """A node that the slice has."""

    urn: str
    node: Record  # its struct, as the API answers it to a member of its group
    logins: tuple[Login, ...] = ()
    power: str = ""  # on or off, as last seen


@dataclass(frozen=True)
class Part:
    """A request, as it was sent, and what became of it."""

    text: str
    placement: Mapping[str, Mapping[str, str]]  # Placement.record()


@dataclass(frozen=True)
class Head:
    """The slice's head node, from which its nodes are driven."""

    name: str
    logins: tuple[Login, ...] = ()


@dataclass(frozen=True)
class Slice:
    """What a manifest tells of."""

    parts: Sequence[Part]
    slivers: Mapping[
        str, Sliver
    ]  # by their nodes; requested nodes without one, and parts without any, are left out
    vlans: Mapping[str, int] = field(default_factory=dict)  # network -> its VLAN
    head: Head | None = None
    word: str = ""  # what makes names of this slice's links unique for ever; they have no names without


def write(aggregate: Aggregate, told: Slice, generated: str, expires: str = "") -> str:
    """The manifest. `generated`, `expires`: as GENI writes times."""
    parts = [
        part for part in told.parts if not told.slivers.keys().isdisjoint(part.placement["nodes"].values())
    ]
    trees = [request.tree(part.text, aggregate) for part in parts]
    root = new_root(_spaces(trees))
    for tree in trees:
        for name, value in tree.attrib.items():
            if str(name).startswith("{"):
                root.set(name, value)
    root.set("type", MANIFEST)
    root.set("generated", generated)
    root.set("generated_by", "nm")
    if expires:
        root.set("expires", expires)
    root.set(SCHEMA_LOCATION, _locations(aggregate, trees))
    for tree, part in zip(trees, parts, strict=True):
        _Writer(aggregate, told, part).write(tree, root)
    if told.head is not None:
        _logins(_new(root, ours("headnode"), {"name": told.head.name}), ours("login"), told.head.logins)
    return render(root)


def _spaces(trees: Iterable[Element]) -> dict[str | None, str]:
    """The namespaces of all requests under their own prefixes, and ours, as far as prefixes are free."""
    found: dict[str | None, str] = {}
    for tree in trees:
        found = {**tree.nsmap, **found}
    for prefix, space in ((None, RSPEC), ("xsi", XSI), ("nm", NM)):
        if space not in found.values():
            found.setdefault(prefix, space)
    return found


def _locations(aggregate: Aggregate, trees: Iterable[Element]) -> str:
    """Where the schemas are: ours, and of other namespaces what the requests say."""
    own = locations(aggregate.url, MANIFEST).split()
    pairs: dict[str, str] = {}
    for tree in trees:
        words = tree.get(SCHEMA_LOCATION, "").split()
        pairs |= dict(zip(words[::2], words[1::2], strict=False))
    pairs |= dict(zip(own[::2], own[1::2], strict=True))
    return " ".join(f"{space} {place}" for space, place in pairs.items())


class _Writer:
    """Carries one request over into the manifest."""

    def __init__(self, aggregate: Aggregate, told: Slice, part: Part) -> None:
        self._aggregate = aggregate
        self._told = told
        self._nodes = part.placement["nodes"]
        self._nics = part.placement["nics"]
        self._links = part.placement["links"]
        self._slivers: dict[str, Sliver] = {}  # client id of an interface -> the sliver that it is of

    def write(self, tree: Element, root: Element) -> None:
        """Put all children of the request into the manifest, in their order."""
        links = request.own_links(tree, self._aggregate)
        left_out = [one for one in request.own_nodes(tree, self._aggregate) if not self._node(one)]
        left_out += [one for one in links if not self._link(one)]
        left_out += [one for one in children(tree) if namespace(one) == NM]
        for child in left_out:
            tree.remove(child)
        root.extend(list(tree))

    def _node(self, element: Element) -> bool:
        """Write into a node what is known of it; False when it is none of the slivers that are told of."""
        sliver = self._told.slivers.get(self._nodes.get(element.get("client_id", ""), ""))
        if sliver is None:
            return False
        node = sliver.node
        _set(element, {
            "component_manager_id": self._aggregate.manager,
            "component_id": self._aggregate.node(node["name"]),
            "sliver_id": sliver.urn,
            "exclusive": "true",
        })  # fmt: skip
        _remove(element, ours("node"))
        self._hardware(element, node["hardware_type"])
        for interface in children(element, core("interface")):
            self._interface(interface, sliver)
        if node["hostname"] or node["ip"]:
            host = {"name": node["hostname"] or node["ip"], "ipv4": node["ip"]}
            _new(element, core("host"), {key: value for key, value in host.items() if value})
        self._services(element, sliver.logins)
        power = {"power": sliver.power} if sliver.power else {}
        _new(element, ours("node"), {**particulars(node), **power})
        return True

    def _hardware(self, element: Element, hardware: str) -> None:
        """Of the types that it might have been, the one that it is."""
        named = children(element, core("hardware_type"))
        for one in named:
            if one.get("name") != hardware:
                element.remove(one)
        if hardware and not any(one.get("name") == hardware for one in named):
            _new(element, core("hardware_type"), {"name": hardware})

    def _interface(self, element: Element, sliver: Sliver) -> None:
        client_id = element.get("client_id", "")
        self._slivers[client_id] = sliver
        _remove(element, ours("port"))
        for name in ("component_id", "sliver_id", "mac_address"):
            element.attrib.pop(name, "")
        nic = next((one for one in sliver.node["nics"] if one["name"] == self._nics.get(client_id)), None)
        if nic is not None:
            _set(element, {**self._names(sliver, nic["name"]), "mac_address": nic["mac"]})
            port = {"nic": nic["name"], "switch": nic["switch"], "port": nic["port"]}
            _new(element, ours("port"), {key: value for key, value in port.items() if value})

    def _names(self, sliver: Sliver, nic: str) -> dict[str, str]:
        """What a NIC of a sliver is called."""
        component = self._aggregate.interface(sliver.node["name"], nic)
        return {"component_id": component, "sliver_id": f"{sliver.urn}.{nic}"}

    def _services(self, element: Element, logins: Sequence[Login]) -> None:
        """The ways in, in the place of what the request says of them."""
        services = children(element, core("services"))
        for one in services:
            _remove(one, core("login"))
        if logins:
            _logins(services[0] if services else _new(element, core("services")), core("login"), logins)

    def _link(self, element: Element) -> bool:
        """Write into a link what is known of it; False when none of the slivers told of is in it."""
        joined = False
        for ref in children(element, core("interface_ref")):
            joined |= self._ref(element, ref)
        if not joined:
            return False
        network = self._links.get(element.get("client_id", ""), "")
        for name in ("sliver_id", "vlantag"):
            element.attrib.pop(name, "")
        if self._told.word:
            element.set("sliver_id", self._aggregate.sliver(self._told.word, "link", network))
        if not children(element, core("component_manager")):
            _new(element, core("component_manager"), {"name": self._aggregate.manager})
        _remove(element, ours("vlan"), ours("network"))
        if (vlan := self._told.vlans.get(network)) is not None:
            element.set("vlantag", str(vlan))
            _new(element, ours("network"), {"name": network, "vlan": str(vlan)})
        return True

    def _ref(self, link: Element, element: Element) -> bool:
        """Name the interface that a link joins; without a sliver that is told of, it is taken out (False)."""
        client_id = element.get("client_id", "")
        sliver = self._slivers.get(client_id)
        if sliver is None:
            link.remove(element)
            return False
        if (nic := self._nics.get(client_id)) is not None:
            _set(element, self._names(sliver, nic))
        return True


def _logins(parent: Element, tag: str, logins: Iterable[Login]) -> None:
    for login in logins:
        _new(parent, tag, {
            "authentication": "ssh-keys",
            "hostname": login.hostname,
            "port": str(login.port),
            "username": login.username,
        })  # fmt: skip


def _set(element: Element, attributes: Mapping[str, str]) -> None:
    for name, value in attributes.items():
        element.set(name, value)


def _remove(element: Element, *tags: str) -> None:
    for child in children(element, *tags):
        element.remove(child)


# ---- reading


@dataclass(frozen=True)
class Interface:
    """An interface in a manifest, or a link's reference to it."""

    client_id: str
    component_id: str
    sliver_id: str
    mac: str = ""


@dataclass(frozen=True)
class Node:
    """A node in a manifest."""

    client_id: str
    manager: str
    component_id: str
    sliver_id: str
    interfaces: tuple[Interface, ...]
    logins: tuple[Login, ...]


@dataclass(frozen=True)
class Link:
    """A link in a manifest."""

    client_id: str
    sliver_id: str
    vlan: int | None
    interfaces: tuple[Interface, ...]


@dataclass(frozen=True)
class Manifest:
    """What a manifest says, whoever wrote it."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    head: Head | None
    expires: str


def read(text: str) -> Manifest:
    """What a manifest says. Invalid when it is none; one of a lax form is read as far as it goes."""
    root = parse(text, ANSWER)
    checker.check_kind(root, MANIFEST)
    heads = [
        Head(one.get("name", ""), _read_logins(one, ours("login")))
        for one in children(root, ours("headnode"))
    ]
    return Manifest(
        tuple(map(_read_node, children(root, core("node")))),
        tuple(map(_read_link, children(root, core("link")))),
        heads[0] if heads else None,
        root.get("expires", ""),
    )


def _read_node(element: Element) -> Node:
    logins = [_read_logins(one, core("login")) for one in children(element, core("services"))]
    return Node(
        element.get("client_id", ""),
        element.get("component_manager_id", ""),
        element.get("component_id", ""),
        element.get("sliver_id", ""),
        tuple(_read_interfaces(element, "interface")),
        tuple(login for found in logins for login in found),
    )


def _read_link(element: Element) -> Link:
    tag = element.get("vlantag", "")
    return Link(
        element.get("client_id", ""),
        element.get("sliver_id", ""),
        int(tag) if tag.isascii() and tag.isdecimal() else None,
        tuple(_read_interfaces(element, "interface_ref")),
    )


def _read_interfaces(element: Element, name: str) -> Iterator[Interface]:
    for one in children(element, core(name)):
        words = (one.get(key, "") for key in ("client_id", "component_id", "sliver_id", "mac_address"))
        yield Interface(*words)


def _read_logins(element: Element, tag: str) -> tuple[Login, ...]:
    return tuple(
        Login(one.get("hostname", ""), one.get("username", ""), int(port))
        for one in children(element, tag)
        if (port := one.get("port", "22")).isascii() and port.isdecimal() and len(port) < 6
    )
