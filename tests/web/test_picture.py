"""The picture is made of the API's answers alone, whoever asks; pictures compare."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm.calls import Caller
from nm.shell.lookout import Lookout
from nm.shell.picture import COLOURS, PATTERNS, Answers, Picture, build, difference, labels, marks, natural
from tests.web.world import Laboratory, Seat


def seen_by(lab: Laboratory, caller: Caller | None = None) -> Picture:
    look = Lookout(Seat(lab, caller) if caller else Seat(lab))
    look.refresh()
    return look.picture


def ports(picture: Picture) -> dict[str, dict[str, object]]:
    return {port["id"]: port for port in picture["ports"]}


def test_everything_has_an_id_of_its_own(still: Laboratory) -> None:
    for kind, structs in seen_by(still).items():
        assert len({struct["id"] for struct in structs}) == len(structs), kind


def test_ports_in_the_order_in_which_people_count(still: Laboratory) -> None:
    names = [port["name"] for port in seen_by(still)["ports"] if port["switch"] == "leaf1"]
    assert names == [f"p{number}" for number in range(1, 25)]
    assert sorted(["eth1/10", "eth1/9", "xe-0", "10", "9"], key=natural) == [
        "9",
        "10",
        "eth1/9",
        "eth1/10",
        "xe-0",
    ]


def test_states_of_ports(still: Laboratory) -> None:
    found = ports(seen_by(still))
    states = {
        "leaf1:p1": "joined", "leaf2:p1": "joined", "leaf2:p7": "parked", "leaf1:p5": "free",
        "leaf1:p15": "joining", "leaf1:p19": "out", "leaf1:p20": "unverified", "leaf1:p21": "unused",
        "leaf1:p24": "trunk",
    }  # fmt: skip
    assert {name: found[name]["state"] for name in states} == states
    assert (found["leaf1:p1"]["vlan"], found["leaf2:p1"]["vlan"]) == (101, 102)


def test_drift_hangs_on_what_differs(still: Laboratory) -> None:
    found = seen_by(still)
    words = "port leaf1/p8: wanted untagged 103, seen untagged 119"
    assert {name: port["drift"] for name, port in ports(found).items() if port["drift"]}["leaf1:p8"] == words
    assert words in next(group["drift"] for group in found["groups"] if group["name"] == "render-farm")


def test_what_was_read_and_not_yet_audited_differs_too(lab: Laboratory) -> None:
    with lab.edit("leaf1") as table:
        table["ports"]["p2"]["untagged"] = 118
    lab.wait(lab.call("InspectSwitch", "leaf1"))
    assert ports(seen_by(lab))["leaf1:p2"]["drift"] == "carries untagged 118"


def test_head_nodes_hang_on_the_ports_that_lead_to_their_host(still: Laboratory) -> None:
    heads = {head["name"]: head for head in seen_by(still)["headnodes"]}
    assert (heads["head1"]["ports"], heads["head1"]["group"]) == (["leaf1:p23"], "physics")
    assert (heads["head3"]["state"], heads["head3"]["group"]) == ("free", None)


def test_somebody_who_may_see_little_gets_a_picture_all_the_same(still: Laboratory) -> None:
    found = seen_by(still, Caller(4711, "stranger"))
    assert {port["state"] for port in found["ports"]} == {"unused", "taken"}
    assert {node["state"] for node in found["nodes"]} == {"free", "taken", "out"}
    assert (found["groups"], found["jobs"], found["events"]) == ([], [], [])
    assert not found["rack"][0]["sees"]
    for secret in ("physics", "thesis", "untagged", "fan", "head1-", "52:54"):
        assert secret not in str(found)


def test_a_member_sees_the_ports_of_the_own_group(lab: Laboratory) -> None:
    lab.call("CreateGroup", "hers", {"nodes": ["node05"], "owner": "daemon"})
    found = seen_by(lab, Caller(1, "daemon"))
    assert [group["name"] for group in found["groups"]] == ["hers"]
    mine = {name for name, port in ports(found).items() if port["group"] == "hers"}
    assert mine == {"leaf1:p5", "leaf2:p5"}
    assert {port["group"] for port in found["ports"]} == {None, "hers"}


# ---- what is written over ports


CISCO = [f"GigabitEthernet{module}/0/{number}" for module in (1, 2) for number in range(1, 49)]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["p1", "p24", "sfp1"], {"p1": ("", "p1"), "sfp1": ("", "sfp1")}),
        (CISCO[:48], {"GigabitEthernet1/0/7": ("", "7")}),
        (CISCO, {"GigabitEthernet1/0/1": ("Gi1/0/", "1"), "GigabitEthernet2/0/1": ("Gi2/0/", "1")}),
        (
            ["Ethernet1/1", "Ethernet1/2", "Ethernet10/1", "Ethernet10/2"],
            {"Ethernet1/1": ("Et1/", "1"), "Ethernet10/1": ("Et10/", "1")},
        ),
        (
            ["Ethernet1", "Ethernet2", "Port-Channel1", "Management1", "console"],
            {"Ethernet1": ("Et", "1"), "Port-Channel1": ("", "Po1"), "console": ("", "co")},
        ),
        (["eth-alice", "eth-bob"], {"eth-alice": ("", "eth-alice")}),  # short they would be alike
        (["1", "2", "lan1", "lan2", "lan10"], {"2": ("", "2"), "lan2": ("lan", "2")}),
        (["veth1.10", "veth2.10", "01", "1"], {"veth2.10": ("", "veth2.10"), "01": ("", "01")}),
    ],
)
def test_no_two_ports_of_a_switch_are_labelled_alike(names: list[str], told: dict[str, object]) -> None:
    found = labels(names)
    assert {name: found[name] for name in told} == told
    assert len(set(found.values())) == len(names)


@given(
    st.lists(
        st.from_regex(r"(Gi|Te|Ethernet|GigE|eth-|)([0-9]{1,2}[/.:]){0,2}[0-9]{0,2}", fullmatch=True),
        unique=True,
    )
)
def test_labels_are_unique_whatever_the_names(names: list[str]) -> None:
    assert len(set(labels(names).values())) == len(names)


def test_ports_of_a_module_are_beside_each_other() -> None:
    names = ["a1", "longest1", "longest2", "m1", "m2", "zz1"]
    answers = Answers(
        ports=[{"switch": "s", "port": name, "available": True, "free": True} for name in names]
    )
    modules = [port["module"] for port in build(answers)[0]["ports"]]
    assert [module for module, _ in itertools.groupby(modules)] == ["", "lo", "m"]


# ---- marks


def test_marks_tell_groups_apart() -> None:
    names = [f"project{number:02}" for number in range(1, 31)] + ["alpha", "beta"]
    found = marks(names)
    assert len({mark.label for mark in found.values()}) == len(names)
    assert len({(mark.colour, mark.pattern) for mark in found.values()}) == len(names)
    assert all(1 <= len(mark.label) <= 2 for mark in found.values())
    assert len({mark.colour for mark in marks(names[: len(COLOURS)]).values()}) == len(COLOURS)
    assert found["project07"].label == "P7"
    assert found["project17"].label == "17"


def test_a_mark_stays_as_long_as_its_group() -> None:
    before = marks(["alpha", "beta"])
    after = marks(["aardvark", "alpha", "beta"], before)
    assert {name: after[name] for name in before} == before
    assert after["aardvark"].label != "A"
    assert marks(["alpha", "beta"]) == before


@pytest.mark.parametrize("count", [len(COLOURS) * PATTERNS + 1, 300])
def test_there_may_be_more_groups_than_colours(count: int) -> None:
    found = marks(f"g{number}" for number in range(count))
    assert len({mark.label for mark in found.values()}) == count
    assert {mark.pattern for mark in found.values()} == set(range(PATTERNS))
    assert marks(["_", "7", "é"]).keys() == {"_", "7", "é"}


# ---- from one picture to the next


def test_the_difference_is_what_changed() -> None:
    one: Picture = {"ports": [{"id": "a", "vlan": 1}, {"id": "b", "vlan": 1}], "jobs": []}
    two: Picture = {"ports": [{"id": "a", "vlan": 1}, {"id": "b", "vlan": 2}], "jobs": [{"id": 7}]}
    assert difference(one, two) == {"set": {"ports": [{"id": "b", "vlan": 2}]}, "all": {"jobs": [{"id": 7}]}}
    assert difference(two, two) == {"set": {}, "all": {}}
    assert difference({}, two) == {"set": {}, "all": two}
    gone: Picture = {"ports": [two["ports"][1]], "jobs": []}
    assert difference(two, gone) == {"set": {}, "all": gone}
