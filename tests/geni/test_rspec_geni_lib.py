"""The real geni-lib reads our advertisements and manifests, and we understand its requests."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from nm.geni.codes import Code, code_of
from nm.geni.refusals import Unsupported
from nm.geni.rspec import advertisement, manifest, request
from nm.geni.rspec.advertisement import Offer
from nm.geni.rspec.request import Interface, Link, Node
from tests.geni.lab import FAR, LAB, NOW, TRUNK, matched, node, slice_of, vlan

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it is older than this Python
    from geni.rspec import igext, pg, pgad, pgmanifest


def text_of(*resources: Any) -> str:
    """The request that geni-lib makes of these."""
    asks = pg.Request()
    for one in resources:
        asks.addResource(one)
    return str(asks.toXMLString(pretty_print=True, ucode=True))


def pair() -> Iterator[Any]:
    """Two machines and a LAN, one of them bound; and a machine of another site."""
    one, other, far = (
        pg.RawPC("one"),
        pg.RawPC("other", LAB.node("n7")),
        pg.RawPC("far"),
    )
    other.component_manager_id, far.component_manager_id = LAB.manager, FAR
    one.hardware_type, one.disk_image = "pc", LAB.image("debian")
    lan = pg.LAN("lan")
    lan.addInterface(one.addInterface("if0", pg.IPv4Address("192.168.1.1", "255.255.255.0")))
    lan.addInterface(other.addInterface("if0"))
    yield from (one, other, far, lan)


def test_its_requests_are_understood() -> None:
    assert request.read(text_of(*pair()), LAB) == request.Request(
        (
            Node("one", None, None, ("pc",), "debian", (Interface("one:if0"),)),
            Node("other", "n7", None, (), None, (Interface("other:if0"),)),
        ),
        (Link("lan", ("one:if0", "other:if0")),),
    )


def test_its_shared_vlans_and_tagging_are_understood() -> None:
    one, joined = pg.RawPC("one"), pg.Link("store")
    joined.addInterface(one.addInterface("if0"))
    joined.connectSharedVlan("120")
    joined.vlan_tagging = True
    asks = text_of(one, joined)
    assert request.read(asks, LAB).links == (Link("store", ("one:if0",), "120", None, True),)
    assert matched(asks).networks["store"] == {
        "nics": ["n0:eth1"],
        "tagged": True,
        "vlan": 120,
    }


def test_its_tours_and_flags_are_passed_over() -> None:
    asks = pg.Request()
    one = pg.RawPC("one")
    one.routable_control_ip = True
    tour = igext.Tour()
    tour.Description(igext.Tour.TEXT, "what this is for")
    asks.addResource(one)
    asks.addTour(tour)
    told = str(asks.toXMLString(ucode=True))
    assert request.read(told, LAB).nodes == (Node("one"),)
    assert "what this is for" in manifest.write(LAB, slice_of(told), NOW)


def machine(kind: str) -> Any:
    made = {
        "vm": lambda: igext.XenVM("x"),
        "container": lambda: pg.VZContainer("x"),
        "bridge": lambda: igext.Bridge("x"),
        "store": lambda: igext.RemoteBlockstore("x"),
    }
    return made[kind]()


@pytest.mark.parametrize("kind", ["vm", "container", "bridge", "store"])
def test_its_other_machines_are_not_supported(kind: str) -> None:
    with pytest.raises(Unsupported) as refused:
        request.read(text_of(machine(kind)), LAB)
    assert code_of(refused.value) is Code.UNSUPPORTED


@pytest.mark.parametrize("kind", [pg.L3GRE, pg.L2GRE])
def test_its_tunnels_are_not_supported(kind: Any) -> None:
    one, tunnel = pg.RawPC("one"), kind("t")
    tunnel.addInterface(one.addInterface("if0"))
    with pytest.raises(Unsupported):
        request.read(text_of(one, tunnel), LAB)


def test_its_shaped_links_are_not_supported() -> None:
    *nodes, lan = pair()
    lan.bandwidth = 1000
    with pytest.raises(Unsupported, match="shaped"):
        request.read(text_of(*nodes, lan), LAB)


def test_it_reads_our_advertisement() -> None:
    offer = Offer([node(0), node(1, free=False)], [vlan(120, shared=True)], [TRUNK], ["debian"])
    found = pgad.Advertisement(xml=advertisement.write(LAB, offer, NOW))
    assert [(one.name, one.component_id, one.component_manager_id) for one in found.nodes] == [
        ("n0", LAB.node("n0"), LAB.manager),
        ("n1", LAB.node("n1"), LAB.manager),
    ]
    assert [(one.available, one.exclusive) for one in found.nodes] == [
        (True, True),
        (False, True),
    ]
    assert found.nodes[0].sliver_types == {"raw-pc"}
    assert [image.name for image in found.images] == [LAB.image("debian")]
    assert (found.nodes[0].location.latitude, found.nodes[0].location.longitude) == (
        52.5,
        13.3,
    )
    assert [(one.component_id, one.role) for one in found.nodes[1].interfaces] == [
        (LAB.interface("n1", "eth0"), "control"),
        (LAB.interface("n1", "eth1"), "experimental"),
    ]
    assert [(one.component_id, one.link_types, len(one.interface_refs)) for one in found.links] == [
        (LAB.link("sw0"), {"lan"}, 2),
        (LAB.link("sw1"), {"lan"}, 2),
    ]
    assert [str(one) for one in found.shared_vlans] == ["120"]


def test_it_reads_our_manifest() -> None:
    told = slice_of(text_of(*pair()))
    found = pgmanifest.Manifest(xml=manifest.write(LAB, told, NOW, "2030-01-02T00:00:00Z"))
    one, other, far = found.nodes
    assert (one.client_id, one.component_id, one.sliver_id) == (
        "one",
        LAB.node("n0"),
        told.slivers["n0"].urn,
    )
    assert [(login.hostname, login.port, login.username) for login in other.logins] == [
        ("n7.example.org", 22, "root")
    ]
    assert (one.hostfqdn, one.hostipv4) == ("n0.example.org", "10.0.0.1")
    (interface,) = one.interfaces
    assert interface.mac_address == "52:54:00:01:00:00"
    assert interface.address_info == ("192.168.1.1", "255.255.255.0")
    (link,) = found.links
    assert link.vlan == "102" and link.interface_refs == [
        one.interfaces[0].sliver_id,
        other.interfaces[0].sliver_id,
    ]
    assert far.sliver_id is None and found.expiresstr == "2030-01-02T00:00:00Z"


def test_its_request_made_of_our_advertisement_is_understood() -> None:
    found = pgad.Advertisement(xml=advertisement.write(LAB, Offer([node(3)]), NOW))
    one = pg.RawPC("one", found.nodes[0].component_id)
    one.component_manager_id = found.nodes[0].component_manager_id
    interface = one.addInterface("if0")
    interface.component_id = found.nodes[0].interfaces[1].component_id
    assert request.read(text_of(one), LAB).nodes == (
        Node("one", "n3", interfaces=(Interface("one:if0", "eth1"),)),
    )
