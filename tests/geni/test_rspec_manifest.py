"""Manifests: what is written into a request, what is left as it came, and that they can be read again."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from nm.geni.rspec import checker, manifest, request, texts
from nm.geni.rspec.aggregate import Aggregate
from nm.geni.rspec.manifest import Login, Slice
from nm.geni.rspec.matching import Pool
from nm.geni.rspec.request import Interface, Node, Request
from nm.geni.rspec.texts import Element
from nm.geni.rspec.vocabulary import MANIFEST, NM, RSPEC, SCHEMA_LOCATION, core, ours
from tests.geni import lab
from tests.geni.lab import (
    FAR,
    LAB,
    LATER,
    NOW,
    asked,
    link,
    pool,
    rspec,
    slice_of,
    written,
)

PAIR = (asked("a", interfaces=1), asked("b", interfaces=1), link("lan", "a:0", "b:0"))


def root_of(text: str) -> Element:
    """The manifest's root; what is ours in it is well formed."""
    root = texts.parse(text)
    checker.check(
        root,
        MANIFEST,
        lambda one: FAR in (one.get("component_manager_id"), one.get("client_id")),
    )
    return root


def attributes(root: Element, tag: str) -> list[dict[str, str]]:
    return [{str(key): str(value) for key, value in one.attrib.items()} for one in root.iter(tag)]


def test_its_root_says_what_it_is() -> None:
    root = root_of(written(rspec(*PAIR)))
    assert (root.get("type"), root.get("generated"), root.get("expires")) == (
        "manifest",
        NOW,
        LATER,
    )
    places = root.get(SCHEMA_LOCATION, "").split()
    known = dict(zip(places[::2], places[1::2], strict=True))
    assert known[RSPEC] == f"{RSPEC}/manifest.xsd" and known[NM].endswith("/rspec/nm/1/manifest.xsd")


def test_a_node_says_which_it_is_and_how_to_get_in() -> None:
    root = root_of(written(rspec(asked("a", interfaces=1), link("l", "a:0"))))
    (found,) = attributes(root, core("node"))
    assert found == {
        "client_id": "a",
        "component_id": LAB.node("n0"),
        "component_manager_id": LAB.manager,
        "sliver_id": "urn:publicid:IDN+example.org:lab+sliver+alpha.n0.1.1",
        "exclusive": "true",
    }
    assert attributes(root, core("host")) == [{"name": "n0.example.org", "ipv4": "10.0.0.1"}]
    assert attributes(root, core("hardware_type")) == [{"name": "pc"}]
    assert attributes(root, core("login")) == [
        {
            "authentication": "ssh-keys",
            "hostname": "n0.example.org",
            "port": "22",
            "username": "root",
        }
    ]
    assert attributes(root, ours("login")) == [
        {
            "authentication": "ssh-keys",
            "hostname": "h1.example.org",
            "port": "2222",
            "username": "alpha",
        }
    ]
    assert attributes(root, ours("node")) == [{"id": "0", "location": "rack 0", "power": "on"}]


def test_interfaces_and_links_say_what_they_are_connected_to() -> None:
    root = root_of(written(rspec(asked("a", interfaces=1), asked("b"), link("l", "a:0"))))
    (interface,) = attributes(root, core("interface"))
    sliver = "urn:publicid:IDN+example.org:lab+sliver+alpha.n0.1.1.eth1"
    names = {"component_id": LAB.interface("n0", "eth1"), "sliver_id": sliver}
    assert interface == {
        "client_id": "a:0",
        "mac_address": "52:54:00:01:00:00",
        **names,
    }
    assert attributes(root, ours("port")) == [{"nic": "eth1", "switch": "sw0", "port": "p0-1"}]
    (joined,) = attributes(root, core("link"))
    assert joined["vlantag"] == "102" and joined["sliver_id"].endswith("+sliver+alpha.1.link.l")
    assert attributes(root, core("interface_ref")) == [{"client_id": "a:0", **names}]
    assert attributes(root, core("component_manager")) == [{"name": LAB.manager}]
    assert attributes(root, ours("network")) == [{"name": "l", "vlan": "102"}]


def test_a_shared_vlan_is_the_links_tag() -> None:
    root = root_of(
        written(
            rspec(
                asked("a", interfaces=1),
                link("l", "a:0", more='<old:link_shared_vlan name="120"/>'),
            )
        )
    )
    assert [one["vlantag"] for one in attributes(root, core("link"))] == ["120"]
    assert "link_shared_vlan" in etree.tostring(root, encoding="unicode")


def test_what_the_request_says_in_its_place_does_not_count() -> None:
    forged = (
        '<interface client_id="i" mac_address="52:54:00:00:00:99" sliver_id="urn:x"/>'
        '<interface client_id="idle" mac_address="52:54:00:00:00:99"/>'
        '<services><login authentication="ssh-keys" hostname="evil" port="22" username="x"/></services>'
        '<hardware_type name="pc"/><hardware_type name="none"/>'
    )
    text = rspec(
        f'<node client_id="a" sliver_id="urn:x" component_manager_id="{LAB.aggregate}">{forged}</node>',
        '<nm:headnode name="evil"/>',
        '<link client_id="l" vlantag="7" sliver_id="urn:x"><interface_ref client_id="i"/></link>',
    )
    made = written(text, logins=False)
    for lie in ("52:54:00:00:00:99", 'urn:x"', "evil", 'vlantag="7"', 'name="none"'):
        assert lie in text and lie not in made


def test_a_node_that_the_slice_has_no_more_is_left_out() -> None:
    told = slice_of(rspec(*PAIR, asked("c", interfaces=1), link("alone", "c:0")))
    left = {name: sliver for name, sliver in told.slivers.items() if name == "n1"}
    text = manifest.write(LAB, Slice(told.parts, left, told.vlans), NOW)
    found = manifest.read(text)
    assert [node.client_id for node in found.nodes] == ["b"]
    assert [(one.client_id, [ref.client_id for ref in one.interfaces]) for one in found.links] == [
        ("lan", ["b:0"])
    ]
    assert found.head is None and found.expires == "" and found.links[0].sliver_id == ""


def test_a_slice_without_slivers_has_an_empty_manifest() -> None:
    root = root_of(manifest.write(LAB, Slice([], {}), NOW, LATER))
    assert len(root) == 0 and root.get("type") == "manifest" and root.tag == core("rspec")


def test_two_requests_are_one_manifest() -> None:
    second = rspec(
        '<other:more xmlns:other="urn:else"/>',
        asked("c", interfaces=1),
        link("k", "c:0"),
    )
    found = manifest.read(written(rspec("<other:x/>", *PAIR), second))
    assert [node.client_id for node in found.nodes] == ["a", "b", "c"]
    assert [one.client_id for one in found.links] == ["lan", "k"]
    assert len({one.vlan for one in found.links}) == 2


def test_a_request_of_which_nothing_is_told_is_left_out_whole() -> None:
    stranger = f'<node client_id="f" component_manager_id="{FAR}"/>'
    told = slice_of(rspec("<other:x/>", stranger, *PAIR), rspec(asked("c", interfaces=1)))
    for part, client_ids in zip(told.parts, (["f", "a", "b"], ["c"]), strict=True):
        some = {node: told.slivers[node] for node in part.placement["nodes"].values()}
        text = manifest.write(LAB, replace(told, slivers=some), NOW)
        assert [node.client_id for node in manifest.read(text).nodes] == client_ids
        assert ("<other:x" in text) == ("f" in client_ids)


# ---- what is not ours

STRANGE = (
    f'<node component_manager_id="{FAR}" client_id="f">\n <sliver_type/><!-- hm --><a  b="1"/></node>',
    f'<link client_id="{FAR}"><component_manager name="{FAR}"/><property/></link>',
    '<other:tour>\n  <other:step x="&lt;&amp;"/> text <deep xmlns="urn:q" q="other:y"/>\n</other:tour>',
)


@pytest.mark.parametrize("text", STRANGE)
def test_foreign_parts_are_unchanged(text: str) -> None:
    asks = rspec(text, *PAIR)
    before, after = texts.parse(asks)[0], texts.parse(written(asks))[0]
    assert canonical(before) == canonical(after)


def test_unknown_extensions_within_our_elements_are_unchanged() -> None:
    inner = '<other:wish a="1"><b xmlns="urn:b"/>x</other:wish>'
    asks = rspec(asked("a", inner, interfaces=1), link("l", "a:0", more=inner)).replace(
        'client_id="a"', 'client_id="a" other:mark="2"', 1
    )
    root = texts.parse(written(asks))
    before = canonical(next(texts.parse(asks).iter("{http://other.example/ext}wish")))
    assert [canonical(one) for one in root.iter("{http://other.example/ext}wish")] == [
        before,
        before,
    ]
    assert next(root.iter(core("node"))).get("{http://other.example/ext}mark") == "2"


def test_attributes_and_schemas_of_extensions_stay_at_the_root() -> None:
    xsi = "http://www.w3.org/2001/XMLSchema-instance"
    places = f"{RSPEC} {RSPEC}/request.xsd urn:o urn:o.xsd"
    more = f'xmlns:xsi="{xsi}" xsi:schemaLocation="{places}" other:at="1"'
    root = texts.parse(written(rspec(*PAIR, more=more)))
    kept = root.get(SCHEMA_LOCATION, "")
    assert "urn:o urn:o.xsd" in kept and "request.xsd" not in kept
    assert root.get("{http://other.example/ext}at") == "1"


def test_prefixes_of_the_request_are_its_own() -> None:
    asks = re.sub(r"(</?)(?=[a-z])", r"\1g:", rspec(asked("a")).replace('xmlns="', 'xmlns:g="'))
    asks = asks.replace(f'xmlns:nm="{NM}"', 'xmlns:nm="urn:not-nm" xmlns="urn:default"').replace(
        "</g:node>", "<x/><nm:y/></g:node>"
    )
    root = root_of(written(asks))
    assert [one.tag for one in root.iter("{urn:default}x", "{urn:not-nm}y")] == [
        "{urn:default}x",
        "{urn:not-nm}y",
    ]
    assert root.nsmap["nm"] == "urn:not-nm" and attributes(root, ours("node"))


def canonical(element: Element) -> str:
    """The element alone, as canonical XML of its own."""
    alone = etree.tostring(element, with_tail=False, encoding="unicode")
    return str(etree.canonicalize(alone, rewrite_prefixes=True, with_comments=True))


# ---- reading again

NAME = st.text("abcXYZ09._- :\u00e9&<\"'", min_size=1, max_size=8).map(str.strip).filter(len)
NICS = st.integers(0, 3)
EXTRA = st.sampled_from(["", "<other:x>y</other:x>", "<!-- z -->", f'<node component_manager_id="{FAR}"/>'])


@st.composite
def requests(draw: st.DrawFn) -> str:
    """Requests of up to six nodes, of which all or some are joined by up to three links."""
    names = draw(st.lists(NAME, min_size=1, max_size=6, unique=True))
    counts = [draw(NICS) for _ in names]
    root = etree.fromstring(rspec(draw(EXTRA)))
    for name, count in zip(names, counts, strict=True):
        node = etree.SubElement(root, core("node"), client_id=name)
        for at in range(count):
            etree.SubElement(node, core("interface"), client_id=f"{name}/{at}")
    for at in range(3):
        refs = [f"{name}/{at}" for name, count in zip(names, counts, strict=True) if count > at]
        if draw(st.booleans()) and refs:
            joined = etree.SubElement(root, core("link"), client_id=f"{draw(NAME)}/l{at}")
            for ref in refs:
                etree.SubElement(joined, core("interface_ref"), client_id=ref)
    return etree.tostring(root, encoding="unicode") + draw(st.sampled_from(["", "\n"]))


def roomy() -> Pool:
    """Nodes of one type, each with the NICs for all links."""
    return pool(*(lab.node(at, 3) for at in range(6)))


@given(requests())
def test_a_manifest_read_again_says_what_was_asked_and_given(text: str) -> None:
    told = slice_of(text, there=roomy())
    made = manifest.write(LAB, told, NOW, LATER)
    asks, part = request.read(text, LAB), told.parts[0]
    found = manifest.read(made)
    own = [node for node in found.nodes if node.manager == LAB.manager]
    assert [node.client_id for node in own] == [node.client_id for node in asks.nodes]
    for node in own:
        name = part.placement["nodes"][node.client_id]
        sliver = told.slivers[name]
        assert (node.component_id, node.sliver_id) == (LAB.node(name), sliver.urn)
        assert node.logins == (Login(f"{name}.example.org", "root"),)
        for one in node.interfaces:
            given = part.placement["nics"][one.client_id]
            nic = next(nic for nic in sliver.node["nics"] if nic["name"] == given)
            assert (one.component_id, one.mac) == (
                LAB.interface(name, nic["name"]),
                nic["mac"],
            )
    assert [(one.client_id, tuple(ref.client_id for ref in one.interfaces)) for one in found.links] == [
        (one.client_id, one.interfaces) for one in asks.links
    ]
    assert [one.vlan for one in found.links] == [
        told.vlans[part.placement["links"][one.client_id]] for one in asks.links
    ]
    assert found.head == told.head and found.expires == LATER
    assert bound(asks, part.placement) == request.understood(
        request.tree(made, LAB, MANIFEST, texts.ANSWER), LAB
    )


def bound(asks: Request, placement: Any) -> Request:
    """The request, bound to what it got."""
    nodes = [
        Node(
            node.client_id,
            placement["nodes"][node.client_id],
            None,
            ("pc",),
            node.image,
            tuple(Interface(one.client_id, placement["nics"].get(one.client_id)) for one in node.interfaces),
        )
        for node in asks.nodes
    ]
    return Request(tuple(nodes), asks.links, asks.users)


@given(requests())
def test_a_manifest_written_twice_is_the_same(text: str) -> None:
    told = slice_of(text, there=roomy())
    assert manifest.write(LAB, told, NOW) == manifest.write(LAB, told, NOW)


def test_names_of_slivers_are_legal() -> None:
    other = Aggregate("a.b:c")
    assert re.fullmatch(r"[a-zA-Z0-9.\-_]+", other.sliver("gr oup", "n/1", "1.2").rpartition("+")[2])
