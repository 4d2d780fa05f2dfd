"""What requests are understood to ask for, and how the checker speaks of what is wrong with one."""

import re
from pathlib import Path

import pytest

from nm.errors import Invalid
from nm.geni.codes import Code, code_of
from nm.geni.refusals import Unsupported
from nm.geni.rspec import checker, request, texts
from nm.geni.rspec.request import Interface, Link, Node, User
from tests.geni.lab import FAR, LAB, asked, link, rspec

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL somebody"


def read(*parts: str) -> request.Request:
    return request.read(rspec(*parts), LAB)


def refused(*parts: str) -> Invalid:
    with pytest.raises(Invalid) as found:
        read(*parts)
    return found.value


# ---- nodes


def test_a_node_may_be_bound_or_not() -> None:
    bound = asked("b", component_id=LAB.node("n1"), component_manager_id=LAB.manager)
    assert read(asked("a"), bound).nodes == (Node("a"), Node("b", "n1"))


def test_a_node_may_be_bound_by_its_number() -> None:
    assert read(asked("a", '<nm:node id="7"/>')).nodes == (Node("a", None, 7),)


def test_authorities_are_compared_without_case() -> None:
    assert read(asked("a", component_id=LAB.node("n1").replace("example", "EXAMPLE"))).nodes[0].name == "n1"


@pytest.mark.parametrize("manager", [LAB.manager, LAB.aggregate, LAB.manager.replace("lab", "LAB")])
def test_both_names_of_the_aggregate_mean_it(manager: str) -> None:
    assert len(read(asked("a", component_manager_id=manager)).nodes) == 1


def test_hardware_types_and_an_image() -> None:
    types = '<hardware_type name="pc"/><hardware_type name="big"/>'
    kind = f'<sliver_type name="raw-pc"><disk_image name="{LAB.image("debian")}"/></sliver_type>'
    assert read(asked("a", types, kind)).nodes == (Node("a", hardware=("pc", "big"), image="debian"),)
    plain = '<sliver_type name="raw"><disk_image name="debian"/></sliver_type>'
    assert read(asked("a", plain)).nodes[0].image == "debian"


def test_an_interface_may_be_bound() -> None:
    interface = f'<interface client_id="i" component_id="{LAB.interface("n1", "eth1")}"/>'
    assert read(asked("a", interface, component_id=LAB.node("n1"))).nodes[0].interfaces == (
        Interface("i", "eth1"),
    )
    said = refused(asked("a", interface))
    assert "no interface of the node" in said.message and "component_id" in said.hint
    refused(asked("a", interface, component_id=LAB.node("n2")))


def test_several_stands_for_that_many() -> None:
    found = read(
        asked("a", '<nm:several count="3"/>', interfaces=2),
        asked("b", interfaces=1),
        link("l", "a:0", "b:0"),
    )
    assert [node.client_id for node in found.nodes] == ["a-1", "a-2", "a-3", "b"]
    assert found.nodes[1].interfaces == (Interface("a:0-2"), Interface("a:1-2"))
    assert found.links == (Link("l", ("a:0-1", "a:0-2", "a:0-3", "b:0")),)


def test_no_more_nodes_than_a_group_takes() -> None:
    assert len(read(asked("a", '<nm:several count="70"/>')).nodes) == 70
    assert isinstance(refused(asked("a", '<nm:several count="70"/>'), asked("b")), Unsupported)


# ---- others


def test_nodes_of_others_are_passed_over_whatever_they_look_like() -> None:
    strange = f'<node component_manager_id="{FAR}"><sliver_type/><a/><interface client_id="f:0"/></node>'
    foreign = link(
        "far",
        "f:0",
        more=f'<component_manager name="{FAR}"/><link_type name="gre-tunnel"/>',
    )
    found = read(asked("a"), strange, foreign, link("also", "f:0"))
    assert found.nodes == (Node("a"),) and found.links == ()


def test_a_request_for_others_alone_is_none_for_here() -> None:
    said = refused(asked("a", component_manager_id=FAR))
    assert "no node of this aggregate" in said.message and LAB.manager in said.hint
    refused()


def test_a_link_to_another_aggregate_is_not_supported() -> None:
    far = asked("f", interfaces=1, component_manager_id=FAR)
    assert isinstance(refused(asked("a", interfaces=1), far, link("l", "a:0", "f:0")), Unsupported)


def test_unknown_extensions_are_passed_over() -> None:
    found = read(
        '<other:x y="z"><node/></other:x>',
        asked("a", "<other:x/>", more='1" other:z="2'),
    )
    assert found.nodes == (Node("a"),)


def test_a_node_of_nobody_known_is_refused() -> None:
    said = refused(asked("a", component_id="urn:publicid:IDN+emulab.net+node+pc1"))
    assert "no node of this aggregate" in said.message and LAB.node("NAME") in said.hint


# ---- links


@pytest.mark.parametrize("kind", ["", '<link_type name="lan"/>', '<link_type name="VLAN"/>'])
def test_a_link_joins_interfaces(kind: str) -> None:
    found = read(
        asked("a", interfaces=1),
        asked("b", interfaces=1),
        link("l", "a:0", "b:0", more=kind),
    )
    assert found.links == (Link("l", ("a:0", "b:0")),)


@pytest.mark.parametrize("prefix", ["shared", "old"])
@pytest.mark.parametrize("word", ["name", "vlantag"])
def test_a_shared_vlan_in_both_spellings(prefix: str, word: str) -> None:
    shared = f'<{prefix}:link_shared_vlan {word}="120"/>'
    found = read(asked("a", interfaces=1), link("l", "a:0", more=shared))
    assert found.links == (Link("l", ("a:0",), "120"),)


def test_a_link_may_be_tagged_and_may_name_its_vlan() -> None:
    more = '<emulab:vlan_tagging enabled="true"/><nm:vlan id="105"/>'
    assert read(asked("a", interfaces=1), link("l", "a:0", more=more)).links == (
        Link("l", ("a:0",), None, 105, True),
    )


def test_properties_that_ask_for_nothing_are_fine() -> None:
    more = '<property source_id="a:0" dest_id="b:0" latency="0" packet_loss="0.0"/>'
    assert read(asked("a", interfaces=1), link("l", "a:0", more=more)).links


# ---- people


def test_users_of_services() -> None:
    key = f"<user:public_key>\n{KEY}\n</user:public_key>"
    user = f'<user:services_user login="ann" user_urn="urn:u">{key}</user:services_user>'
    found = read(
        asked("a", f"<services>{user}</services>"),
        asked("b", f"<services>{user}</services>"),
    )
    assert found.users == (User("ann", "urn:u", (KEY,)),)


# ---- what is wrong, and where


WRONG = {
    "no client_id": ("<node/>", "<node> in line 1 lacks client_id", "its client_id"),
    "client_id twice": (asked("a") + asked("a"), "'a' is there twice", "differently"),
    "interface twice": (asked("a", interfaces=1) + asked("a:0"), "'a:0' is there twice", ""),
    "stranger": (asked("a", "<nodes/>"), "<nodes> in line 1 has no place in <node>", "sliver_type"),
    "manifest's": (asked("a", '<host name="x"/>'), "<host> in line 1 has no place", ""),
    "no namespace": (asked("a", '<x xmlns=""/>'), "<x> in line 1 has no namespace", "xmlns="),
    "exclusive": (asked("a", exclusive="maybe"), "exclusive is 'maybe'", "true or false"),
    "hardware": (asked("a", "<hardware_type/>"), "lacks name", ""),
    "address": (asked("a", '<interface client_id="i"><ip address="1.2"/></interface>'), "'1.2'", "192.0.2.1"),
    "joins nothing": (asked("a") + link("l"), "<link> in line 1 joins nothing", "interface_ref"),
    "joins nobody": (asked("a") + link("l", "x:0"), "joins 'x:0', which no node has", ""),
    "joins twice": (asked("a", interfaces=1) + link("l", "a:0", "a:0"), "joins a:0 twice", ""),
    "two shared": (
        asked("a", interfaces=1)
        + link("l", "a:0", more='<shared:link_shared_vlan name="1"/><old:link_shared_vlan name="2"/>'),
        "names not just one shared VLAN",
        "",
    ),
    "shared and named": (
        asked("a", interfaces=1)
        + link("l", "a:0", more='<shared:link_shared_vlan name="1"/><nm:vlan id="9"/>'),
        "names a VLAN twice",
        "",
    ),
    "none": (asked("a", '<nm:several count="0"/>'), "count is '0'", "from 1 to 70"),
    "not a number": (asked("a", '<nm:several count="\u0663"/>'), "count is", ""),
    "vlan": (asked("a", interfaces=1) + link("l", "a:0", more='<nm:vlan id="4095"/>'), "4095", "2 to 4094"),
    "ours, unknown": (asked("a", "<nm:wish/>"), "not of nm's extension", "several"),
    "too long": (asked("a" * 300), "client_id is", "1 to 256"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str, hint: str) -> None:
    said = refused(text)
    assert message in said.message and hint in said.hint and said.hint
    assert code_of(said) is Code.BADARGS


def test_lines_are_those_of_the_text_and_all_problems_are_told() -> None:
    with pytest.raises(Invalid) as found:
        request.read(rspec("\n<node/>\n\n", '<node client_id="a">\n<ip/></node>', "<what/>"), LAB)
    assert "line 2 lacks" in found.value.message and "<ip> in line 5" in found.value.message
    assert "<what> in line 5" in found.value.message


def test_only_requests_are_read_as_such() -> None:
    for text, kind in (
        (rspec(asked("a"), kind="manifest"), Invalid),
        (rspec(asked("a")).replace("/rspec/3", "/rspec/2"), Unsupported),
        (
            rspec(asked("a")).replace("http://www.geni.net/resources/rspec/3", "urn:x"),
            Invalid,
        ),
        ("<request/>", Invalid),
    ):
        with pytest.raises(Invalid) as found:
            request.read(text, LAB)
        assert type(found.value) is kind and found.value.hint
    assert request.read(rspec(asked("a"), kind="Request"), LAB).nodes


def test_elements_are_checked_for_each_kind() -> None:
    for kind in checker.SHAPES:
        shapes = checker.SHAPES[kind]
        assert {name for shape in shapes.values() for name in shape.holds} <= set(shapes)
        with pytest.raises(Invalid, match="lacks"):
            checker.check(texts.parse(rspec("<node/>", kind=kind)), kind)


# ---- what is not supported

PAGE = Path(__file__).parents[2] / "docs" / "geni-rspec.md"
ROWS = re.findall(
    r"^\| `(<[^`]+>)` \| (rspec|node|link) \|",
    PAGE.read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_the_page_lists_what_is_not_supported() -> None:
    assert len(ROWS) >= 15


@pytest.mark.parametrize(("text", "place"), ROWS, ids=[text for text, _ in ROWS])
def test_each_shape_of_the_page_is_answered_unsupported(text: str, place: str) -> None:
    inner = {"rspec": "", "node": "", "link": "", place: text}
    joined = link("l", "a:0", "b:0", more=inner["link"])
    said = refused(
        asked("a", inner["node"], interfaces=1),
        asked("b", interfaces=1),
        joined,
        inner["rspec"],
    )
    assert code_of(said) is Code.UNSUPPORTED and said.hint
