"""Which nodes, NICs and networks a request gets, and why it gets none."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import specs, views
from nm.errors import Invalid, NMError
from nm.geni.codes import Code, code_of
from nm.geni.refusals import NodesLacking
from nm.geni.rspec import request
from nm.geni.rspec.matching import Existing, Placement, Pool, match
from tests.geni.lab import HOST, LAB, TRUNK, asked, link, matched, node, pool, rspec, vlan

SHARED = '<shared:link_shared_vlan name="120"/>'
TAGGED = '<emulab:vlan_tagging enabled="true"/>'
MAIN = {"nics": ["boot"], "tagged": False}


def refused(code: Code, text: str, there: Pool | None = None, **more: Any) -> NMError:
    with pytest.raises(NMError) as found:
        matched(text, there, **more)
    assert code_of(found.value) is code and found.value.hint
    return found.value


# ---- nodes


def test_unbound_nodes_are_the_first_free_ones_with_few_nics() -> None:
    taken = [node(0, free=False), node(1, 3), node(2), node(10), node(3)]
    assert matched(rspec(asked("a"), asked("b")), pool(*taken)).nodes == {
        "a": "n2",
        "b": "n3",
    }


def test_bound_nodes_are_those() -> None:
    text = rspec(
        asked("a"),
        asked("b", component_id=LAB.node("n0")),
        asked("c", '<nm:node id="1"/>'),
    )
    assert matched(text).nodes == {"a": "n2", "b": "n0", "c": "n1"}


@pytest.mark.parametrize(
    ("bound", "code"),
    [
        ({"component_id": LAB.node("n1")}, Code.INSUFFICIENT_NODES),
        ({"component_id": LAB.node("x")}, Code.BADARGS),
    ],
)
def test_a_bound_node_must_be_there_and_free(bound: dict[str, Any], code: Code) -> None:
    refused(code, rspec(asked("a", **bound)), pool(node(0), node(1, free=False)))


def test_a_node_is_bound_once_and_of_the_type_it_has() -> None:
    one: dict[str, Any] = {"component_id": LAB.node("n1")}
    refused(Code.BADARGS, rspec(asked("a", **one), asked("b", **one)))
    refused(Code.BADARGS, rspec(asked("a", '<hardware_type name="big"/>', **one)))
    assert matched(rspec(asked("a", '<hardware_type name="pc"/>', **one))).nodes == {"a": "n1"}


def test_types_are_kept_to_and_none_is_wasted() -> None:
    either, big = (
        '<hardware_type name="big"/><hardware_type name="pc"/>',
        '<hardware_type name="big"/>',
    )
    there = pool(node(0, hardware_type="big"), node(1))
    assert matched(rspec(asked("a", either), asked("b", big)), there).nodes == {
        "a": "n1",
        "b": "n0",
    }
    said = refused(Code.INSUFFICIENT_NODES, rspec(asked("a", big), asked("b", big)))
    assert said.message == "2 nodes of type big asked for, 1 free"


def test_all_or_nothing() -> None:
    said = refused(Code.INSUFFICIENT_NODES, rspec(asked("a", '<nm:several count="9"/>')))
    assert said.message == "9 nodes asked for, 8 free"


def test_images_are_those_of_the_site() -> None:
    kind = '<sliver_type name="raw"><disk_image name="{}"/></sliver_type>'
    assert matched(rspec(asked("a", kind.format("debian")))).images == {"n0": "debian"}
    assert "debian, rescue" in refused(Code.UNSUPPORTED, rspec(asked("a", kind.format("other")))).hint


# ---- networks


def test_without_links_there_is_main_alone() -> None:
    assert matched(rspec(asked("a"))).networks == {"main": MAIN}


def test_each_link_is_a_network_on_just_its_nics() -> None:
    nodes = [asked(name, interfaces=2) for name in ("a", "b")]
    there = pool(node(0, 2), node(1, 2))
    got = matched(rspec(*nodes, link("x", "a:0", "b:0"), link("y", "a:1", "b:1")), there)
    assert got.nics == {"a:0": "eth1", "a:1": "eth2", "b:0": "eth1", "b:1": "eth2"}
    assert got.networks == {
        "main": MAIN,
        "x": {"nics": ["n0:eth1", "n1:eth1"], "tagged": False},
        "y": {"nics": ["n0:eth2", "n1:eth2"], "tagged": False},
    }
    assert got.links == {"x": "x", "y": "y"}


def test_links_join_different_pairs() -> None:
    nodes = [asked(name, interfaces=1) for name in "abcd"]
    got = matched(rspec(*nodes, link("x", "a:0", "b:0"), link("y", "c:0", "d:0")))
    assert got.networks["x"]["nics"] == ["n0:eth1", "n1:eth1"]
    assert got.networks["y"]["nics"] == ["n2:eth1", "n3:eth1"]


def test_bound_interfaces_have_those_nics() -> None:
    interface = f'<interface client_id="i" component_id="{LAB.interface("n6", "eth3")}"/>'
    text = rspec(
        asked("a", interface, interfaces=1, component_id=LAB.node("n6")),
        link("x", "i"),
        link("y", "a:0"),
    )
    assert matched(text).nics == {"i": "eth3", "a:0": "eth1"}
    assert matched(text.replace("n6:eth3", "n6:eth1")).nics == {"i": "eth1", "a:0": "eth2"}
    refused(Code.BADARGS, text.replace("n6:eth3", "n6:eth9"))


def test_a_lan_of_all_becomes_main_where_nics_are_few() -> None:
    nodes = [asked(name, interfaces=1) for name in "ab"]
    got = matched(rspec(*nodes, link("lan", "a:0", "b:0")), pool(node(0, 0), node(1, 0)))
    assert got.networks == {"main": MAIN} and got.links == {"lan": "main"}
    assert got.nics == {"a:0": "eth0", "b:0": "eth0"}
    some = rspec(*nodes, asked("c"), link("lan", "a:0", "b:0"))
    said = refused(Code.INSUFFICIENT_NODES, some, pool(*(node(at, 0) for at in range(3))))
    assert "with 1 NIC for links" in said.message


def test_what_is_bound_to_boot_nics_is_main() -> None:
    parts = [
        asked(
            name,
            f'<interface client_id="{name}:0" component_id="{LAB.interface(name, "eth0")}"/>',
            component_id=LAB.node(name),
        )
        for name in ("n0", "n1")
    ]
    assert matched(rspec(*parts, link("l", "n0:0", "n1:0"))).links == {"l": "main"}
    refused(Code.UNSUPPORTED, rspec(*parts, asked("c"), link("l", "n0:0", "n1:0")))


def test_tagged_links_share_a_nic() -> None:
    text = rspec(
        asked("a", interfaces=2),
        *(link(f"l{at}", f"a:{at}", more=TAGGED) for at in range(2)),
    )
    got = matched(text)
    assert got.nics == {"a:0": "eth1", "a:1": "eth1"}
    assert all(got.networks[name] == {"nics": ["n0:eth1"], "tagged": True} for name in ("l0", "l1"))
    roomy = matched(text, pool(node(0, 2)))
    assert roomy.nics == {"a:0": "eth1", "a:1": "eth2"}


def test_tagged_links_are_on_the_boot_nic_where_there_is_no_other() -> None:
    """Beside main, which is untagged there, and may be a link as well."""
    small = pool(node(0, 0), node(1, 0))
    pair = (asked("a", interfaces=3), asked("b", interfaces=3))
    links = [link(f"l{at}", f"a:{at}", f"b:{at}", more=TAGGED if at else "") for at in range(3)]
    got = matched(rspec(*pair, *links), small)
    assert got.links["l0"] == "main" and {*got.nics.values()} == {"eth0"}
    assert all(got.networks[name]["tagged"] for name in ("l1", "l2"))
    apart = pool(node(0, 0), node(1, 0), trunks=[])
    refused(Code.INSUFFICIENT_NODES, rspec(*pair, *links), apart)
    assert matched(rspec(asked("a", interfaces=1), link("l", "a:0", more=TAGGED))).nics == {"a:0": "eth1"}


def test_names_of_networks_are_legal_and_new() -> None:
    nodes = asked("a", interfaces=3)
    links = [link(name, f"a:{at}", more=TAGGED) for at, name in enumerate(("main", "a link", "ok"))]
    got = matched(rspec(nodes, *links))
    assert got.links == {"main": "link-1", "a link": "link-2", "ok": "ok"}


def test_idle_interfaces_get_what_is_left() -> None:
    got = matched(rspec(asked("a", interfaces=3), link("l", "a:2")), pool(node(0, 2)))
    assert got.nics == {"a:2": "eth1", "a:0": "eth2"}
    one = f'<interface client_id="i" component_id="{LAB.interface("n0", "eth2")}"/>'
    bound = rspec(asked("a", one, interfaces=1, component_id=LAB.node("n0")))
    assert matched(bound, pool(node(0, 2))).nics == {"i": "eth2", "a:0": "eth1"}


# ---- VLANs


def test_shared_vlans_and_named_ones() -> None:
    named = '<nm:vlan id="105"/>'
    text = rspec(
        asked("a", interfaces=2),
        link("x", "a:0", more=SHARED + TAGGED),
        link("y", "a:1", more=named + TAGGED),
    )
    got = matched(text)
    assert got.networks["x"]["vlan"] == 120 and got.networks["y"]["vlan"] == 105


@pytest.mark.parametrize(
    "more",
    ['<nm:vlan id="99"/>', '<nm:vlan id="120"/>', '<nm:vlan id="103"/>', SHARED.replace("120", "101"),
     SHARED.replace("120", "store"), SHARED.replace("120", "121"), SHARED.replace("120", "9" * 999)],
)  # fmt: skip
def test_a_vlan_that_cannot_be_had(more: str) -> None:
    vlans = [
        vlan(101),
        vlan(102),
        vlan(103, free=False),
        vlan(120, shared=True),
        vlan(121, shared=True, available=False),
    ]
    refused(
        Code.VLAN_UNAVAILABLE,
        rspec(asked("a", interfaces=1), link("l", "a:0", more=more)),
        pool(vlans=vlans),
    )


def test_as_many_vlans_as_networks() -> None:
    text = rspec(asked("a", interfaces=1), link("l", "a:0"))
    assert (
        refused(Code.VLAN_UNAVAILABLE, rspec(asked("a")), pool(vlans=[])).message == "1 VLAN needed, 0 free"
    )
    some = rspec(asked("a", interfaces=1), asked("b"), link("l", "a:0"))
    refused(Code.VLAN_UNAVAILABLE, some, pool(vlans=[vlan(101), vlan(120, shared=True)]))
    assert matched(text, pool(vlans=[vlan(101), vlan(102)])).links == {"l": "l"}


def test_a_lan_becomes_main_where_vlans_are_few() -> None:
    text = rspec(asked("a", interfaces=1), link("l", "a:0"))
    assert matched(text, pool(vlans=[vlan(101)])).links == {"l": "main"}


def test_two_links_on_one_vlan() -> None:
    links = [link(f"l{at}", f"a:{at}", more=SHARED + TAGGED) for at in range(2)]
    refused(Code.UNSUPPORTED, rspec(asked("a", interfaces=2), *links))


def test_no_more_networks_than_a_group_has() -> None:
    links = [link(f"l{at}", f"a:{at}", more=TAGGED) for at in range(16)]
    vlans = [vlan(at) for at in range(101, 130)]
    text = rspec(asked("a", interfaces=16), *links[:15])
    assert len(matched(text, pool(vlans=vlans)).networks) == specs.NETWORKS
    refused(Code.UNSUPPORTED, rspec(asked("a", interfaces=16), *links), pool(vlans=vlans))


# ---- trunks


def test_only_what_trunks_join_is_matched() -> None:
    text = rspec(asked("a"), asked("b"), asked("c"))
    there = pool(*(node(at) for at in (0, 1, 3, 5, 2)), trunks=[])
    assert matched(text, there).nodes == {"a": "n1", "b": "n3", "c": "n5"}
    said = refused(
        Code.INSUFFICIENT_NODES,
        text,
        pool(*(node(at) for at in (0, 1, 3, 2)), trunks=[]),
    )
    assert "trunks" in said.message
    assert len(matched(text, pool(*(node(at) for at in (0, 1, 3)), trunks=[TRUNK])).nodes) == 3


def test_nodes_are_joined_to_their_head_nodes_host() -> None:
    apart = {"trunks": [HOST], "host": "vm"}
    assert matched(rspec(asked("a")), pool(node(0), node(1), **apart)).nodes == {"a": "n1"}
    refused(Code.INSUFFICIENT_NODES, rspec(asked("a")), pool(node(0), **apart))


def test_data_nics_may_be_on_switches_of_their_own() -> None:
    def two(number: int, switch: str) -> dict[str, Any]:
        one = node(number)
        return {
            **one,
            "nics": [
                {**one["nics"][0], "switch": "mgmt"},
                {**one["nics"][1], "switch": switch},
            ],
        }

    nodes = [asked(name, interfaces=1) for name in "ab"]
    text = rspec(*nodes, asked("c"), link("l", "a:0", "b:0"))
    assert matched(text, pool(two(0, "x"), two(1, "y"), two(2, "y"), trunks=[])).nics == {
        "a:0": "eth1",
        "b:0": "eth1",
    }
    refused(
        Code.INSUFFICIENT_NODES,
        text,
        pool(two(0, "x"), two(1, "y"), two(2, "z"), trunks=[]),
    )


# ---- a second request


def test_a_second_request_adds_to_the_slice() -> None:
    had = Existing({"main": {"vlan": 101}, "l": {"vlan": 102}}, ["n0"], ["a", "b"])
    there = pool(node(0, free=False), node(1), node(2))
    got = matched(rspec(asked("c", interfaces=1), link("l", "c:0")), there, existing=had)
    assert got.networks == {"link-1": {"nics": ["n1:eth1"], "tagged": False}} and got.links == {"l": "link-1"}
    assert "'a' is used" in refused(Code.BADARGS, rspec(asked("a")), there, existing=had).message
    alone = pool(node(0, free=False), node(1), node(2), trunks=[])
    assert matched(rspec(asked("c")), alone, existing=had).nodes == {"c": "n2"}
    later = Existing({"main": {"vlan": 101}}, ["n1"], ["a"])
    beside = pool(node(0), node(1, free=False), node(3), trunks=[])
    assert matched(rspec(asked("c")), beside, existing=later).nodes == {"c": "n3"}
    few = pool(node(0, free=False), node(2, 0))
    refused(
        Code.INSUFFICIENT_NODES,
        rspec(asked("c", interfaces=1), link("k", "c:0")),
        few,
        existing=had,
    )


# ---- any request, any pool


HARDWARE = st.sampled_from(["pc", "big"])
MACHINES = st.lists(st.tuples(HARDWARE, st.integers(0, 2), st.booleans()), min_size=1, max_size=5)
WANTS = st.lists(
    st.tuples(st.sets(HARDWARE), st.integers(0, 2), st.none() | st.integers(0, 4)),
    min_size=1,
    max_size=4,
)


def build(wants: list[Any]) -> str:
    nodes = [
        asked(
            f"c{at}",
            *(f'<hardware_type name="{name}"/>' for name in sorted(types)),
            interfaces=nics,
            **({} if bound is None else {"component_id": LAB.node(f"n{bound}")}),
        )
        for at, (types, nics, bound) in enumerate(wants)
    ]
    joined = [[f"c{at}:{nic}" for at, want in enumerate(wants) if want[1] > nic] for nic in range(2)]
    return rspec(*nodes, *(link(f"l{at}", *names) for at, names in enumerate(joined) if names))


def fits(want: Any, machine: Any, folded: bool) -> bool:
    types, nics, _ = want
    hardware, data, free = machine
    return free and (not types or hardware in types) and data >= nics - folded


def there_is_a_choice(wants: list[Any], machines: list[Any]) -> bool:
    """By trying all."""
    links = [sum(want[1] > nic for want in wants) for nic in range(2)]
    can_fold = len(wants) in links
    for choice in itertools.permutations(range(len(machines)), len(wants)):
        if all(want[2] in (None, at) for want, at in zip(wants, choice, strict=True)):
            for folded in {False, can_fold}:
                if all(fits(want, machines[at], folded) for want, at in zip(wants, choice, strict=True)):
                    return True
    return False


@given(WANTS, MACHINES)
def test_a_choice_is_found_just_when_there_is_one(wants: list[Any], machines: list[Any]) -> None:
    nodes = [node(at, data, hardware_type=kind, free=free) for at, (kind, data, free) in enumerate(machines)]
    asks = request.read(build(wants), LAB)
    try:
        got = match(asks, pool(*nodes))
    except NodesLacking:
        assert not there_is_a_choice(wants, machines)
    except Invalid:  # bound to what is not there, twice, or of another type
        assert not there_is_a_choice(wants, machines)
    else:
        assert there_is_a_choice(wants, machines)
        check_placement(asks, got, {one["name"]: one for one in nodes})


def check_placement(asks: request.Request, got: Placement, nodes: dict[str, Any]) -> None:
    """What nm would make of it is what was asked: each NIC carries its link's VLAN, no other does."""
    assert len(set(got.nodes.values())) == len(got.nodes) == len(asks.nodes)
    assert all(nodes[name]["free"] for name in got.nodes.values())
    numbers = iter(range(101, 120))
    networks = specs.parse_networks(got.networks, lambda: next(numbers))
    expected: dict[tuple[str, str], int] = {}
    for wanted in asks.nodes:
        name = got.nodes[wanted.client_id]
        expected[name, "eth0"] = networks["main"]["vlan"]
        for one in wanted.interfaces:
            joined = next(link for link in asks.links if one.client_id in link.interfaces)
            expected[name, got.nics[one.client_id]] = networks[got.links[joined.client_id]]["vlan"]
    for name in got.nodes.values():
        for nic in nodes[name]["nics"]:
            value = views.port_value(name, nic, {"networks": networks})
            assert (value or {}).get("untagged") == expected.get((name, nic["name"]))
