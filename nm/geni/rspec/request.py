"""What a request RSpec asks of this aggregate: its nodes, links and people. Pure.

Nodes of other component managers, and the links among them, are not ours to read: they are passed over here
and stand unchanged in the manifest. So do elements and attributes that no namespace known here has. What is
understood but cannot be done is refused as Unsupported, lest somebody believes that it was done.

Expanded first: a node with `several` of nm's extension stands for that many nodes, each named by a number.
"""

import copy
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from nm.errors import Invalid
from nm.geni.refusals import Unsupported
from nm.geni.rspec import checker
from nm.geni.rspec.aggregate import Aggregate
from nm.geni.rspec.texts import REQUEST as REQUEST_BOUNDS
from nm.geni.rspec.texts import Bounds, Element, children, local, parse, spoken
from nm.geni.rspec.vocabulary import EMULAB, RAW, REQUEST, SHARED, SHARED_OLD, USER, core, ours

MOST_NODES = 70  # in one request; as many as a group takes in one call
MOST_MADE = 20_000  # elements that `several` stands for
LINK_TYPES = ("", "lan", "vlan")
MOST_KEYS, LONGEST_KEY = 100, 16384  # of people, and characters of one


@dataclass(frozen=True)
class Interface:
    """An interface of a node that is asked for."""

    client_id: str
    nic: str | None = None  # the NIC that it must be


@dataclass(frozen=True)
class Node:
    """A node that is asked for."""

    client_id: str
    name: str | None = None  # the node that it must be
    number: int | None = None  # the same, by its id
    hardware: tuple[str, ...] = ()  # types of which it may be; any, when there are none
    image: str | None = None  # what it boots
    interfaces: tuple[Interface, ...] = ()


@dataclass(frozen=True)
class Link:
    """A network that is asked for."""

    client_id: str
    interfaces: tuple[str, ...]  # by their client ids
    shared: str | None = None  # the name or the number of a shared VLAN
    vlan: int | None = None  # the VLAN that it must be
    tagged: bool = False


@dataclass(frozen=True)
class User:
    """Somebody whose keys are to be installed."""

    login: str
    urn: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """All that is asked of this aggregate."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...] = ()
    users: tuple[User, ...] = ()


def read(text: str, aggregate: Aggregate) -> Request:
    """What the text asks for. Invalid when it is malformed, Unsupported when it asks for what cannot be."""
    return understood(tree(text, aggregate), aggregate)


def tree(text: str, aggregate: Aggregate, kind: str = REQUEST, bounds: Bounds = REQUEST_BOUNDS) -> Element:
    """The checked and expanded request; its own elements are those that `is_own` says."""
    root = parse(text, bounds)
    checker.check(root, kind, lambda element: not _is_looked_at(element, aggregate))
    _expand(root, aggregate)
    return root


def understood(root: Element, aggregate: Aggregate) -> Request:
    """What a tree asks for."""
    elements = own_nodes(root, aggregate)
    if not elements:
        raise Invalid(
            "the RSpec asks for no node of this aggregate",
            f"its component_manager_id is {aggregate.manager}; leave it out to mean whoever is asked",
        )
    _check_unique(root, aggregate)
    links = tuple(_link(element) for element in own_links(root, aggregate))
    _check_joins(links)
    return Request(tuple(_node(one, aggregate) for one in elements), links, _users(elements))


# ---- whose is what


def own_nodes(root: Element, aggregate: Aggregate) -> list[Element]:
    """The nodes that are asked of this aggregate."""
    return [node for node in children(root, core("node")) if is_own(node, aggregate)]


def is_own(node: Element, aggregate: Aggregate) -> bool:
    """Whether a node is asked of this aggregate: it names it, or nobody."""
    manager = node.get("component_manager_id")
    return manager is None or aggregate.is_manager(manager)


def own_links(root: Element, aggregate: Aggregate) -> list[Element]:
    """The links among its nodes. Unsupported when one leads to another aggregate, Invalid when to nowhere."""
    own, others = _interface_ids(root, aggregate)
    return [link for link in children(root, core("link")) if _is_own_link(link, aggregate, own, others)]


def _interface_ids(root: Element, aggregate: Aggregate) -> tuple[set[str], set[str]]:
    """The client ids of the interfaces of own nodes, and of others."""
    found: tuple[set[str], set[str]] = set(), set()
    for node in children(root, core("node")):
        ids = {one.get("client_id", "") for one in children(node, core("interface"))}
        found[0 if is_own(node, aggregate) else 1].update(ids)
    return found


def _is_own_link(link: Element, aggregate: Aggregate, own: set[str], others: set[str]) -> bool:
    refs = {one.get("client_id", "") for one in children(link, core("interface_ref"))}
    managers = [one.get("name", "") for one in children(link, core("component_manager"))]
    if not refs & own:
        if refs & others or (managers and not any(map(aggregate.is_manager, managers))):
            return False
        if not refs:
            raise Invalid(f"{spoken(link)} joins nothing", "name its interfaces by interface_ref")
    if unknown := sorted(refs - own - others):
        raise Invalid(
            f"{spoken(link)} joins {unknown[0][:40]!r}, which no node has", "give that node such an interface"
        )
    if refs & others or not all(map(aggregate.is_manager, managers)):
        raise Unsupported(
            f"{spoken(link)} leads to another aggregate",
            "links end here; ask each aggregate for its own part",
        )
    return True


def _is_looked_at(element: Element, aggregate: Aggregate) -> bool:
    """Whether the form of a child of the root is this aggregate's business."""
    if element.tag == core("node"):
        return is_own(element, aggregate)
    if element.tag == core("link"):
        managers = [one.get("name", "") for one in children(element, core("component_manager"))]
        return not managers or any(map(aggregate.is_manager, managers))
    return True


# ---- several nodes in one


def _expand(root: Element, aggregate: Aggregate) -> None:
    """Put as many nodes in the place of each `several` as it says, and let links join all of them."""
    copies: dict[str, list[str]] = {}
    total, made = 0, 0
    for node in own_nodes(root, aggregate):
        several = children(node, ours("several"))
        counts = [int(one.get("count", "1")) for one in several]
        for one in several:
            node.remove(one)
        total += counts[0] if counts else 1
        if total > MOST_NODES:
            raise Unsupported(
                f"the RSpec asks for more than {MOST_NODES} nodes", "ask for the others in a second request"
            )
        if counts:
            made += counts[0] * sum(1 for _ in node.iter())
            _check_made(made)
            _put_copies(root, node, counts[0], copies)
    for link in children(root, core("link")):
        for ref in children(link, core("interface_ref")):
            names = copies.get(ref.get("client_id", ""), [])
            made += len(names)
            _check_made(made)
            _put_refs(link, ref, names)


def _check_made(count: int) -> None:
    if count > MOST_MADE:
        raise Unsupported(
            f"the RSpec stands for more than {MOST_MADE} elements", "ask for a part of it in a second request"
        )


def _put_copies(root: Element, node: Element, count: int, copies: dict[str, list[str]]) -> None:
    place = root.index(node)
    root.remove(node)
    for number in range(1, count + 1):
        one = copy.deepcopy(node)
        one.set("client_id", f"{node.get('client_id')}-{number}")
        for interface in children(one, core("interface")):
            old = interface.get("client_id", "")
            interface.set("client_id", f"{old}-{number}")
            copies.setdefault(old, []).append(f"{old}-{number}")
        root.insert(place + number - 1, one)


def _put_refs(link: Element, ref: Element, names: list[str]) -> None:
    for name in names:
        one = copy.deepcopy(ref)
        one.set("client_id", name)
        ref.addprevious(one)
    if names:
        link.remove(ref)


# ---- nodes


def _node(element: Element, aggregate: Aggregate) -> Node:
    if element.get("exclusive", "true") in ("false", "0"):
        raise Unsupported(
            f"{spoken(element)} wants a share of a node", 'nodes are given whole: exclusive="true"'
        )
    for relation in children(element, core("relation")):
        raise Unsupported(f"{spoken(relation)}: nodes here have no relations", "leave it out")
    _check_services(element)
    name, number = _binding(element, aggregate)
    return Node(
        element.get("client_id", ""),
        name,
        number,
        tuple(one.get("name", "") for one in children(element, core("hardware_type"))),
        _image(element, aggregate),
        tuple(_interface(one, name, aggregate) for one in children(element, core("interface"))),
    )


def _binding(element: Element, aggregate: Aggregate) -> tuple[str | None, int | None]:
    """The node that it must be, by its name or by its number."""
    wanted, number = element.get("component_id"), None
    for one in children(element, ours("node")):
        number = int(one.get("id", "-1"))
    if wanted is None:
        return None, number if number != -1 else None
    name = aggregate.node_of(wanted)
    if name is None:
        raise Invalid(
            f"{spoken(element)}: {wanted[:80]!r} is no node of this aggregate",
            f"they are called {aggregate.node('NAME')}; ListResources tells which there are",
        )
    return name, None


def _image(element: Element, aggregate: Aggregate) -> str | None:
    """What it is to boot, by the one type of sliver that there is."""
    wanted = None
    for kind in children(element, core("sliver_type")):
        if kind.get("name") not in RAW:
            raise Unsupported(
                f"{spoken(kind)}: there are no slivers of type {kind.get('name', '')[:40]!r} here",
                f"nodes are whole machines: {' or '.join(sorted(RAW))}",
            )
        for disk in children(kind, core("disk_image")):
            name = disk.get("name")
            wanted = aggregate.image_of(name) if name else None
            if wanted is None:
                raise Unsupported(
                    f"{spoken(disk)} is no image of this aggregate", "name one that the advertisement lists"
                )
    return wanted


def _check_services(element: Element) -> None:
    for services in children(element, core("services")):
        for one in children(services, core("install"), core("execute")):
            raise Unsupported(
                f"{spoken(one)}: nothing is installed or run in nodes", "log in, and do it from the head node"
            )


def _interface(element: Element, node: str | None, aggregate: Aggregate) -> Interface:
    client_id, wanted = element.get("client_id", ""), element.get("component_id")
    if wanted is None:
        return Interface(client_id)
    found = aggregate.interface_of(wanted)
    if found is None or found[0] != node:
        raise Invalid(
            f"{spoken(element)}: {wanted[:80]!r} is no interface of the node that it is in",
            "give the node its component_id, too, or leave that of the interface out",
        )
    return Interface(client_id, found[1])


def _check_unique(root: Element, aggregate: Aggregate) -> None:
    """Each client id once, among what is asked of this aggregate."""
    seen: set[str] = set()
    for element in _identified(own_nodes(root, aggregate), own_links(root, aggregate)):
        client_id = element.get("client_id", "")
        if client_id in seen:
            raise Invalid(
                f"{spoken(element)}: client_id {client_id[:40]!r} is there twice",
                "name each thing differently",
            )
        seen.add(client_id)


def _identified(nodes: Iterable[Element], links: Iterable[Element]) -> Iterator[Element]:
    for node in nodes:
        yield node
        yield from children(node, core("interface"))
    yield from links


# ---- links


def _link(element: Element) -> Link:
    for one in children(element, core("component_hop"), core("property")):
        _check_is_free(one)
    for kind in children(element, core("link_type")):
        if (kind.get("name") or "").lower() not in LINK_TYPES:
            raise Unsupported(
                f"{spoken(kind)}: no links of type {kind.get('name', '')[:40]!r} here",
                "links are VLANs: link_type lan or vlan, or none",
            )
    vlans = [int(one.get("id", "0")) for one in children(element, ours("vlan"))]
    shared = _shared(element)
    if vlans and shared:
        raise Invalid(f"{spoken(element)} names a VLAN twice", "give either link_shared_vlan or nm's vlan")
    tagging = children(element, f"{{{EMULAB}}}vlan_tagging")
    refs = tuple(one.get("client_id", "") for one in children(element, core("interface_ref")))
    tagged = any(one.get("enabled") in ("true", "1") for one in tagging)
    return Link(element.get("client_id", ""), refs, shared, vlans[0] if vlans else None, tagged)


def _check_is_free(element: Element) -> None:
    """Unsupported when a property asks for anything that no switch gives by itself."""
    asked = [name for name in ("capacity", "latency", "packet_loss") if not _is_zero(element.get(name))]
    if local(element) != "property" or asked:
        raise Unsupported(
            f"{spoken(element)}: traffic is neither shaped nor led along a path here", "leave it out"
        )


def _is_zero(value: str | None) -> bool:
    try:
        return value is None or float(value) == 0
    except ValueError:
        return False


def _shared(element: Element) -> str | None:
    """The shared VLAN that the link is on, by either namespace."""
    found = children(element, *(f"{{{space}}}link_shared_vlan" for space in (SHARED, SHARED_OLD)))
    named = {one.get("name") or one.get("vlantag") or "" for one in found}
    if len(named) > 1 or "" in named:
        raise Invalid(
            f"{spoken(element)} names not just one shared VLAN", 'say <link_shared_vlan name="..."/>'
        )
    return named.pop() if named else None


def _check_joins(links: Collection[Link]) -> None:
    """An interface is in one link, once."""
    seen: dict[str, str] = {}
    for link in links:
        for name in link.interfaces:
            if seen.get(name) == link.client_id:
                raise Invalid(f"link {link.client_id[:40]} joins {name[:40]} twice", "name it once")
            if name in seen:
                raise Unsupported(
                    f"interface {name[:40]} is in the links {seen[name][:40]} and {link.client_id[:40]}",
                    "give the node an interface for each; tagged ones may share a NIC",
                )
            seen[name] = link.client_id


# ---- people


def _users(nodes: Iterable[Element]) -> tuple[User, ...]:
    """The people whom services name, each once with all keys."""
    found: dict[tuple[str, str], list[str]] = {}
    for element in nodes:
        for services in children(element, core("services")):
            for one in children(services, f"{{{USER}}}services_user"):
                keys = found.setdefault((one.get("login", ""), one.get("user_urn", "")), [])
                keys += [text for text in _keys(one) if text not in keys]
    if sum(map(len, found.values())) > MOST_KEYS:
        raise Unsupported(f"the RSpec has more than {MOST_KEYS} keys", "give those of a few people")
    return tuple(User(login, urn, tuple(keys)) for (login, urn), keys in found.items())


def _keys(user: Element) -> Iterator[str]:
    for one in children(user, f"{{{USER}}}public_key"):
        text = (one.text or "").strip()
        if len(text) > LONGEST_KEY:
            raise Invalid(f"{spoken(one)} is longer than {LONGEST_KEY} characters", "give an SSH public key")
        if text:
            yield text
