"""What is advertised."""

from collections import Counter
from typing import Any

import pytest
from lxml import etree

from nm.geni.rspec import advertisement, checker, opstates, texts, vocabulary
from nm.geni.rspec.advertisement import Offer
from nm.geni.rspec.aggregate import Aggregate
from nm.geni.rspec.schemas import texts as schemas
from nm.geni.rspec.texts import Element
from nm.geni.rspec.vocabulary import (
    AD,
    MANIFEST,
    NM,
    OPSTATE,
    REQUEST,
    SHARED,
    core,
    ours,
)
from tests.geni.lab import (
    HOST,
    LAB,
    NOW,
    TRUNK,
    asked,
    link,
    node,
    rspec,
    vlan,
    written,
)


def ad(
    *nodes: dict[str, Any],
    aggregate: Aggregate = LAB,
    only_free: bool = False,
    **more: Any,
) -> Element:
    """The advertisement of these nodes, well formed."""
    text = advertisement.write(aggregate, Offer(nodes, **more), NOW, only_free)
    root = texts.parse(text, texts.ANSWER)
    checker.check(root, AD)
    return root


def all_of(root: Element, tag: str) -> list[Element]:
    return list(root.iter(tag))


def test_its_root_says_what_it_is() -> None:
    root = ad(node(0))
    assert root.tag == core("rspec") and root.get("type") == "advertisement" and root.get("generated") == NOW
    places = root.get(vocabulary.SCHEMA_LOCATION, "").split()
    known: dict[str, str] = dict(zip(places[::2], places[1::2], strict=True))
    assert known[vocabulary.RSPEC] == "http://www.geni.net/resources/rspec/3/ad.xsd"
    assert known[NM] == "https://am.example.org:8001/rspec/nm/1/ad.xsd"


def test_a_node_with_all_that_is_known_of_it() -> None:
    root = ad(node(3, 1), images=["debian"])
    (one,) = all_of(root, core("node"))
    assert {name: one.get(name) for name in map(str, one.attrib)} == {
        "component_id": "urn:publicid:IDN+example.org:lab+node+n3",
        "component_manager_id": "urn:publicid:IDN+example.org:lab+authority+cm",
        "component_name": "n3",
        "exclusive": "true",
    }
    assert [child.get("name") for child in one.iter(core("hardware_type"), core("disk_image"))] == [
        "pc",
        "urn:publicid:IDN+example.org:lab+image+debian",
    ]
    assert [dict(child.attrib) for child in one.iter(core("location"))] == [
        {"country": "DE", "latitude": "52.5", "longitude": "13.3"}
    ]
    assert [(i.get("component_id"), i.get("role")) for i in one.iter(core("interface"))] == [
        ("urn:publicid:IDN+example.org:lab+interface+n3:eth0", "control"),
        ("urn:publicid:IDN+example.org:lab+interface+n3:eth1", "experimental"),
    ]
    assert [dict(port.attrib) for port in one.iter(ours("port"))][1] == {
        "nic": "eth1",
        "switch": "sw1",
        "port": "p3-1",
    }
    assert [dict(more.attrib) for more in one.iter(ours("node"))] == [
        {"id": "3", "location": "rack 0", "power": "ipmi"}
    ]


def test_availability() -> None:
    taken = node(1, free=False)
    assert [one.get("now") for one in all_of(ad(node(0), taken), core("available"))] == ["true", "false"]
    assert [
        one.get("component_name") for one in all_of(ad(node(0), taken, only_free=True), core("node"))
    ] == ["n0"]


def test_nothing_is_said_that_is_not_known() -> None:
    bare = Aggregate("lab")
    root = ad(node(0, id=None, location="", management=None, hardware_type=""), aggregate=bare)
    assert not all_of(root, core("location")) and not all_of(root, core("hardware_type"))
    assert [dict(one.attrib) for one in all_of(root, ours("node"))] == [{"power": "none"}]
    assert NM not in root.get(vocabulary.SCHEMA_LOCATION, "")


@pytest.mark.parametrize(
    ("metadata", "country"),
    [
        ({"country": "FR", "latitude": 48, "longitude": "2.35"}, "FR"),
        ({"country": "FR", "latitude": 148, "longitude": 2}, "DE"),
        ({"country": "FR", "latitude": "north", "longitude": 2}, "DE"),
        ({"country": "FR"}, "DE"),
    ],
)
def test_a_nodes_own_place_goes_first(metadata: dict[str, Any], country: str) -> None:
    assert [one.get("country") for one in all_of(ad(node(0, metadata=metadata)), core("location"))] == [
        country
    ]


def test_nics_that_are_nobodys_are_not_told() -> None:
    one = node(0, 2)
    one["nics"][1]["role"], one["nics"][2]["switch"] = "none", None
    assert len(all_of(ad(one), core("interface"))) == 1


def test_a_switch_is_a_link_and_a_trunk_leads_to_another() -> None:
    root = ad(node(0), node(1), node(2), trunks=[TRUNK, HOST])
    links = all_of(root, core("link"))
    assert [one.get("component_id") for one in links] == [
        LAB.link("sw0"),
        LAB.link("sw1"),
    ]
    refs = [one.get("component_id") for one in links[1].iter(core("interface_ref"))]
    assert refs == [LAB.interface("n1", "eth0"), LAB.interface("n1", "eth1")]
    assert [dict(one.attrib) for one in links[1].iter(ours("trunk"))] == [
        {"name": "t0", "to": LAB.link("sw0")}
    ]


def test_vlans() -> None:
    vlans = [
        vlan(101),
        vlan(102),
        vlan(104),
        vlan(105, free=False),
        vlan(120, shared=True),
        vlan(121, shared=True, available=False),
    ]
    root = ad(vlans=vlans)
    assert [one.get("name") for one in all_of(root, f"{{{SHARED}}}available")] == ["120"]
    assert [dict(one.attrib) for one in all_of(root, ours("vlans"))] == [{"free": "3", "ids": "101-102,104"}]


def test_operational_states_and_actions() -> None:
    (told,) = all_of(ad(), f"{{{OPSTATE}}}rspec_opstate")
    assert told.get("aggregate_manager_id") == LAB.aggregate and told.get("start") == "geni_notready"
    states = {one.get("name"): one for one in told.iter(f"{{{OPSTATE}}}state")}
    assert {"geni_pending_allocation", "geni_notready", "geni_configuring", "geni_stopping", "geni_ready",
            "geni_ready_busy", "geni_failed"} <= set(states)  # fmt: skip
    after = [one.get("next") for one in told.iter(f"{{{OPSTATE}}}action", f"{{{OPSTATE}}}wait")]
    assert after and set(after) <= set(states)
    assert all(one.find(f"{{{OPSTATE}}}description") is not None for one in states.values())
    actions = {one.get("name") for one in told.iter(f"{{{OPSTATE}}}action")}
    assert actions == {action for state in opstates.STATES.values() for action in state.actions}
    assert {"geni_start", "geni_stop", "geni_restart", "geni_update_users"} <= actions


def test_every_state_can_be_left_or_is_final_and_names_are_legal() -> None:
    for name, state in opstates.STATES.items():
        assert name.replace("_", "").isalnum() and name[0] != "_"
        final = name in ("geni_notready", "geni_ready", "geni_failed")
        assert bool(state.waits) != final
    assert not opstates.STATES["geni_pending_allocation"].actions


def test_a_thousand_nodes_are_all_there() -> None:
    root = ad(*map(node, range(1000)), images=["debian"], vlans=[vlan(101)], trunks=[TRUNK])
    counts = Counter(str(one.tag).rpartition("}")[2] for one in root.iter() if "opstate" not in str(one.tag))
    assert counts == {
        "rspec": 1, "node": 2000, "hardware_type": 1000, "sliver_type": 1000, "disk_image": 1000,
        "available": 1000, "location": 1000, "interface": 2000, "port": 2000,
        "link": 2, "component_manager": 2, "interface_ref": 2000, "link_type": 2, "trunk": 2,
        "rspec_shared_vlan": 1, "vlans": 1,
    }  # fmt: skip
    ids = [one.get("component_id") for one in root.iter(core("node"), core("interface"))]
    assert len(set(ids)) == 3000


# ---- the extension's schemas


def test_namespaces_and_where_their_schemas_are() -> None:
    assert set(schemas()) == set(vocabulary.SCHEMAS.values())
    for kind in (AD, REQUEST, MANIFEST):
        mapping = vocabulary.mapping("https://am.example.org:8001/", kind)
        assert set(mapping) == set(vocabulary.extensions(kind))
        assert mapping[NM] == f"https://am.example.org:8001/rspec/nm/1/{vocabulary.SCHEMAS[kind]}"


def test_versions_as_getversion_tells_them() -> None:
    for kind, schema in ((AD, "ad.xsd"), (REQUEST, "request.xsd")):
        told = vocabulary.version(kind)
        assert (told["type"], told["version"], told["namespace"]) == ("GENI", "3", vocabulary.RSPEC)
        assert told["schema"] == f"http://www.geni.net/resources/rspec/3/{schema}"
        assert told["extensions"] == list(vocabulary.extensions(kind))
    assert vocabulary.is_known("geni", "3") and vocabulary.is_known("GENI", 3)
    assert not vocabulary.is_known("ProtoGENI", "3") and not vocabulary.is_known("GENI", "2")


WHOLE = rspec(
    asked("a", '<nm:several count="2"/>', interfaces=1),
    asked("b", '<nm:node id="7"/>', interfaces=1),
    link("l", "a:0", "b:0", more='<nm:vlan id="105"/>'),
)


def test_what_is_said_in_the_extension_is_what_its_schemas_say() -> None:
    texts_of = {
        AD: advertisement.write(LAB, Offer([node(0)], [vlan(101)], [TRUNK]), NOW),
        REQUEST: WHOLE,
        MANIFEST: written(WHOLE),
    }
    for kind, text in texts_of.items():
        root = etree.fromstring(schemas()[vocabulary.SCHEMAS[kind]].encode())
        schema, said = etree.XMLSchema(root), set()
        for one in texts.parse(text).iter(f"{{{NM}}}*"):
            if one.tag != ours("login"):  # which stands within headnode
                schema.assertValid(one)
                said.add(texts.local(one))
        assert said == {child.get("name") for child in texts.children(root) if child.get("name")}
