"""The picture is made of the API's answers alone, whoever asks; pictures compare."""

import pytest

from nm.calls import Caller
from nm.shell.lookout import Lookout
from nm.shell.picture import COLOURS, PATTERNS, Picture, difference, marks, natural
from tests.web.world import Laboratory, Seat


def seen_by(lab: Laboratory, caller: Caller | None = None) -> Picture:
    look = Lookout(Seat(lab, caller) if caller else Seat(lab))
    look.tick()
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
