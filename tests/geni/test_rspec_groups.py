"""From an RSpec to switch ports and back: what a request gets is what CreateGroup takes, and Deploy wires."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.geni.rspec import advertisement, checker, manifest, matching, request, texts
from nm.geni.rspec.advertisement import Offer
from nm.geni.rspec.manifest import Part, Slice, Sliver
from nm.geni.rspec.matching import Existing, Placement, Pool
from tests.geni.lab import LAB, NOW, asked, link, rspec
from tests.rack import Rack, rack

TAGGED = '<emulab:vlan_tagging enabled="true"/>'
SHARED = '<shared:link_shared_vlan name="200"/>'


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path) as one:
        yield one


def pool_of(lab: Rack) -> Pool:
    return Pool(lab.call("GetNodes", {}), lab.call("GetVlans", {}), lab.call("GetTrunks", {}))


def allocated(lab: Rack, text: str, name: str = "alpha") -> Placement:
    """A group of what the request gets."""
    got = matching.match(request.read(text, LAB), pool_of(lab))
    settings = {
        "nodes": list(got.nodes.values()),
        "networks": got.networks,
        "images": got.images,
    }
    lab.call("CreateGroup", name, {**settings, "headnode": "h1"})
    return got


def group(lab: Rack, name: str = "alpha") -> dict[str, Any]:
    found: dict[str, Any] = lab.call("GetGroups", {"name": name})[0]
    return found


def told(lab: Rack, text: str, got: Placement) -> Slice:
    nodes = {node["name"]: node for node in lab.call("GetNodes", {"group": "alpha"})}
    slivers = {name: Sliver(LAB.sliver("alpha", name, "1.1"), node) for name, node in nodes.items()}
    vlans = {name: one["vlan"] for name, one in group(lab)["networks"].items()}
    return Slice([Part(text, got.record())], slivers, vlans)


def carried(lab: Rack, node: str, nic: str) -> dict[str, Any]:
    """What the port of a NIC carries, read from its switch."""
    (struct,) = lab.call("GetNodes", {"name": node})
    (one,) = [one for one in struct["nics"] if one["name"] == nic]
    port: dict[str, Any] = lab.ports(one["switch"])[one["port"]]
    return {"untagged": port["untagged"], "tagged": port["tagged"]}


def test_a_link_is_wired_as_its_manifest_says(lab: Rack) -> None:
    text = rspec(
        asked("a", interfaces=1),
        asked("b", interfaces=1),
        asked("c"),
        link("lan", "a:0", "b:0"),
    )
    got = allocated(lab, text)
    lab.deploy("alpha")
    found = manifest.read(manifest.write(LAB, told(lab, text, got), NOW))
    (lan,) = found.links
    main = group(lab)["networks"]["main"]["vlan"]
    assert {"n6", "n7"} == {got.nodes["a"], got.nodes["b"]} and lan.vlan not in (
        None,
        main,
    )
    for node in ("n6", "n7"):
        assert carried(lab, node, "eth1") == {"untagged": lan.vlan, "tagged": []}
        assert carried(lab, node, "eth0") == {"untagged": main, "tagged": []}


def test_two_links_of_different_nodes_are_two_networks(lab: Rack) -> None:
    text = rspec(
        asked("a", interfaces=1),
        asked("b", interfaces=1),
        link("x", "a:0"),
        link("y", "b:0"),
    )
    allocated(lab, text)
    lab.deploy("alpha")
    one, other = (carried(lab, node, "eth1")["untagged"] for node in ("n6", "n7"))
    networks = group(lab)["networks"]
    assert {one, other} == {
        networks["x"]["vlan"],
        networks["y"]["vlan"],
    } and one != other


def test_a_lan_of_nodes_with_one_nic_is_the_groups_own(lab: Rack) -> None:
    text = rspec(asked("pc", '<nm:several count="3"/>', interfaces=1), link("lan", "pc:0"))
    got = allocated(lab, text)
    lab.deploy("alpha")
    (lan,) = manifest.read(manifest.write(LAB, told(lab, text, got), NOW)).links
    assert len(lan.interfaces) == 3 and lan.vlan == group(lab)["vlan"]
    assert all(carried(lab, node, "eth0")["untagged"] == lan.vlan for node in got.nodes.values())


def test_a_shared_vlan_is_joined_tagged(lab: Rack) -> None:
    lab.call("RegisterVlan", 200, {"shared": True})
    allocated(lab, rspec(asked("a", interfaces=1), link("store", "a:0", more=SHARED + TAGGED)))
    lab.deploy("alpha")
    assert carried(lab, "n6", "eth1") == {"untagged": None, "tagged": [200]}


def test_a_second_request_adds_nodes_and_networks(lab: Rack) -> None:
    got = allocated(lab, rspec(asked("a")))
    had = Existing(group(lab)["networks"], list(got.nodes.values()), list(got.nodes))
    more = rspec(asked("b", interfaces=1), link("lan", "b:0"))
    added = matching.match(request.read(more, LAB), pool_of(lab), had)
    lab.call("AddNodes", "alpha", list(added.nodes.values()))
    lab.call("SetNetworks", "alpha", {**group(lab)["networks"], **added.networks})
    lab.deploy("alpha")
    assert carried(lab, "n6", "eth1")["untagged"] == group(lab)["networks"]["lan"]["vlan"]


def test_the_pool_is_advertised_as_it_is(lab: Rack) -> None:
    allocated(lab, rspec(asked("a")))
    there = pool_of(lab)
    text = advertisement.write(LAB, Offer(there.nodes, there.vlans, there.trunks), NOW)
    root = texts.parse(text)
    checker.check(root, "advertisement")
    free = {node["name"] for node in there.nodes if node["free"]}
    now = {
        node.get("component_name"): any(one.get("now") == "true" for one in node.iter("{*}available"))
        for node in root.iter("{http://www.geni.net/resources/rspec/3}node")
    }
    assert now == {node["name"]: node["name"] in free for node in there.nodes} and len(free) == len(now) - 1
