"""What this aggregate offers, as an advertisement RSpec. Pure.

A node is a node with its NICs as interfaces, a switch is a link that joins what is connected to it, and a
VLAN that groups may share is one of the shared-VLAN extension. What RSpec has no words for (a node's number,
the switch and port behind a NIC, how power is switched, trunks, how many VLANs are free) is said in nm's own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lxml import etree

from nm.geni.rspec import opstates
from nm.geni.rspec.aggregate import Aggregate, Place
from nm.geni.rspec.texts import Element, new_root, render
from nm.geni.rspec.vocabulary import (
    AD,
    NM,
    OPSTATE,
    RSPEC,
    SCHEMA_LOCATION,
    SHARED,
    SLIVER_TYPE,
    XSI,
    core,
    locations,
    ours,
)
from nm.records import Record

ROLES = {"boot": "control", "data": "experimental"}  # nm's roles of NICs -> those that clients know

_SPACES = {None: RSPEC, "xsi": XSI, "opstate": OPSTATE, "sharedvlan": SHARED, "nm": NM}
_NODE, _INTERFACE, _PORT = core("node"), core("interface"), ours("port")
_HARDWARE, _SLIVER, _DISK = core("hardware_type"), core("sliver_type"), core("disk_image")
_AVAILABLE, _LOCATION, _NUMBER = core("available"), core("location"), ours("node")
_new = etree.SubElement


@dataclass(frozen=True)
class Offer:
    """What there is: structs as the API's Get... answer them to a reader."""

    nodes: Sequence[Record]
    vlans: Sequence[Record] = ()
    trunks: Sequence[Record] = ()
    images: Sequence[str] = ()  # names of those that nodes boot


def write(aggregate: Aggregate, offer: Offer, generated: str, only_free: bool = False) -> str:
    """The advertisement. `generated`: a time, as GENI writes it; `only_free`: no nodes that are taken."""
    root = new_root(_SPACES)
    for key, value in {"type": AD, "generated": generated, "generated_by": "nm"}.items():
        root.set(key, value)
    root.set(SCHEMA_LOCATION, locations(aggregate.url, AD))
    nodes = [node for node in offer.nodes if node["free"] or not only_free]
    images = [aggregate.image(name) for name in offer.images]
    behind: dict[str, list[str]] = {}
    for node in nodes:
        _write_node(root, aggregate, node, images, behind)
    for switch, interfaces in behind.items():
        _write_link(root, aggregate, switch, interfaces, offer.trunks)
    _write_vlans(root, offer.vlans)
    root.append(opstates.element(aggregate.aggregate))
    return render(root)


def _write_node(
    root: Element, aggregate: Aggregate, node: Record, images: Iterable[str], behind: dict[str, list[str]]
) -> None:
    """A node. Who is behind which switch is put into `behind`."""
    name = node["name"]
    element = _new(root, _NODE, {
        "component_manager_id": aggregate.manager,
        "component_name": name,
        "component_id": aggregate.node(name),
        "exclusive": "true",
    })  # fmt: skip
    if node["hardware_type"]:
        _new(element, _HARDWARE, {"name": node["hardware_type"]})
    sliver = _new(element, _SLIVER, {"name": SLIVER_TYPE})
    for image in images:
        _new(sliver, _DISK, {"name": image})
    _new(element, _AVAILABLE, {"now": "true" if node["free"] else "false"})
    if (place := place_of(node, aggregate.place)) is not None:
        _new(element, _LOCATION, location(place))
    for nic in node["nics"]:
        if nic["switch"] is not None and nic["role"] in ROLES:
            component = aggregate.interface(name, nic["name"])
            behind.setdefault(nic["switch"], []).append(component)
            interface = _new(element, _INTERFACE, {"component_id": component, "role": ROLES[nic["role"]]})
            _new(interface, _PORT, {"nic": nic["name"], "switch": nic["switch"], "port": nic["port"]})
    _new(element, _NUMBER, particulars(node))


def particulars(node: Record) -> dict[str, str]:
    """What nm's extension says of a node: its number, where the site says it stands, its power driver."""
    told = {
        "id": "" if node["id"] is None else str(node["id"]),
        "location": node["location"],
        "power": (node["management"] or {}).get("driver", "none"),
    }
    return {key: value for key, value in told.items() if value}


def place_of(node: Record, default: Place | None) -> Place | None:
    """Where the node stands: as its metadata say (country, latitude, longitude), or where all stand."""
    told = node["metadata"]
    try:
        found = Place(str(told["country"]), float(told["latitude"]), float(told["longitude"]))
    except (KeyError, TypeError, ValueError):
        return default
    valid = found.country and abs(found.latitude) <= 90 and abs(found.longitude) <= 180
    return found if valid else default


def location(place: Place) -> dict[str, str]:
    """The attributes of <location>."""
    return {
        "country": place.country,
        "latitude": f"{place.latitude:.6g}",
        "longitude": f"{place.longitude:.6g}",
    }


def _write_link(
    root: Element, aggregate: Aggregate, switch: str, interfaces: Iterable[str], trunks: Iterable[Record]
) -> None:
    """A switch, with all interfaces behind it, and the trunks by which it is joined to others."""
    names = {"component_id": aggregate.link(switch), "component_name": switch}
    element = _new(root, core("link"), names)
    _new(element, core("component_manager"), {"name": aggregate.manager})
    for interface in interfaces:
        _new(element, core("interface_ref"), {"component_id": interface})
    _new(element, core("link_type"), {"name": "lan"})
    for trunk in trunks:
        ends = [end.get("switch") for end in trunk["ends"]]
        if switch in ends and None not in ends:
            other = ends[1 - ends.index(switch)]
            _new(element, ours("trunk"), {"name": trunk["name"], "to": aggregate.link(other)})


def _write_vlans(root: Element, vlans: Iterable[Record]) -> None:
    """The VLANs that may be shared, by name; of the others, which are free."""
    shared = _new(root, f"{{{SHARED}}}rspec_shared_vlan")
    free: list[int] = []
    for vlan in vlans:
        if vlan["shared"] and vlan["available"]:
            _new(shared, f"{{{SHARED}}}available", {"name": str(vlan["id"])})
        elif vlan["free"] and not vlan["shared"]:
            free.append(vlan["id"])
    _new(root, ours("vlans"), {"free": str(len(free)), "ids": ranges(free)})


def ranges(numbers: Iterable[int]) -> str:
    """As people write them: 101-120,130."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][-1] == number - 1:
            found[-1] = [found[-1][0], number]
        else:
            found.append([number])
    return ",".join("-".join(map(str, part)) for part in found)
