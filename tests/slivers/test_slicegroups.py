"""Groups of slices on a rack: the VLAN and the nodes that a source names, on the switches' own tables."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm import people, slicegroups
from nm.calls import NM, Call, Caller
from nm.records import Record, new
from nm.rspec import complete
from nm.store import Transaction
from tests.rack import Rack, rack

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL x"
ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path) as made:
        yield made


def access(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": [], "open": False}


def sliver(name: str = "demo_web", **said: Any) -> Record:
    """A sliver's record as a source gives it."""
    plain = {
        "name": name, "account": name, "instantiation": "plc-instantiated", "type": "sliver.QEMU",
        "keys": [KEY], "delegations": [], "vlan": None, "nodes": [], "rspec": complete({}), "enabled": True,
    }  # fmt: skip
    return {**new("sliver", name, time.time()), **plain, **said}


def call_of(lab: Rack, now: float | None = None) -> Call:
    assert lab.service is not None
    return Call(NM, "GetSlivers", now or time.time(), lab.service._site())


def keep(lab: Rack, record: Record, now: float | None = None) -> list[str]:
    """What the sliver's worker does with each news of the record; and wait until the switches have it."""
    assert lab.service is not None
    done = partial(slicegroups.keep_group, call=call_of(lab, now), record=record)
    problems: list[str] = lab.service.database.transact(done)
    rest(lab)
    return problems


def rest(lab: Rack) -> None:
    lab.until(lambda: all(group["state"] in ("deployed", "staged") for group in lab.call("GetGroups", {})))


def shown(lab: Rack, name: str = "demo_web") -> dict[str, Any]:
    return dict(lab.call("GetGroups", {"name": name})[0])


def carried(lab: Rack, *nodes: str) -> list[dict[str, Any]]:
    return [lab.ports(switch)[port] for switch, port in map(lab.home, nodes)]


def revision(lab: Rack) -> int:
    assert lab.service is not None
    return lab.service.database.revision


# ---- made, changed, ended


def test_the_group_is_made_and_deployed_as_the_source_says(lab: Rack) -> None:
    ends = int(time.time()) + 3600
    assert keep(lab, sliver(vlan=105, nodes=["n0", "n1"], expiry=ends, delegations=["daemon"])) == []
    assert carried(lab, "n0", "n1", "n2") == [access(105), access(105), ISOLATED]
    found = shown(lab)
    assert (found["state"], found["pending"], found["expires"]) == ("deployed", False, ends)
    assert (found["slice"], found["account"], found["vlan"]) == ("demo_web", None, 105)
    assert [(one["name"], one["method"]) for one in found["delegations"]] == [("daemon", None)]
    assert lab.service is not None
    assert (lab.service.database.get("group_demo_web") or {})["keys"] == [KEY]


def test_the_same_again_writes_nothing(lab: Rack) -> None:
    record = sliver(vlan=105, nodes=["n0", "n9", "n1"], delegations=["daemon", "nobody-here"])
    first = keep(lab, record)
    before = revision(lab)
    assert keep(lab, record) == first != []
    assert keep(lab, {**record, "timestamp": record["timestamp"] + 600}) == first
    assert revision(lab) == before


def test_one_change_is_one_change(lab: Rack) -> None:
    record = sliver(vlan=105, nodes=["n0", "n1"])
    keep(lab, record)
    keep(lab, {**record, "nodes": ["n1", "n2"]})
    assert carried(lab, "n0", "n1", "n2") == [ISOLATED, access(105), access(105)]
    keep(lab, {**record, "vlan": 107, "nodes": ["n1", "n2"]})
    assert carried(lab, "n1", "n2") == [access(107), access(107)]
    assert lab.call("GetVlans", {"id": 105})[0]["free"]
    before = shown(lab)["revision"]
    keep(lab, {**record, "vlan": 107, "nodes": ["n1", "n2"], "keys": []})
    assert shown(lab)["revision"] == before  # keys take no deploy


def test_nodes_alone_get_a_vlan_that_stays(lab: Rack) -> None:
    keep(lab, sliver(nodes=["n0"]))
    vlan = shown(lab)["vlan"]
    keep(lab, sliver(nodes=["n0", "n1"]))
    assert carried(lab, "n0", "n1") == [access(vlan), access(vlan)]
    keep(lab, sliver(vlan=110, nodes=["n0", "n1"]))
    keep(lab, sliver(nodes=["n0", "n1"]))
    assert carried(lab, "n0", "n1") == [access(110), access(110)]


def test_a_vlan_alone_is_held_for_the_slice(lab: Rack) -> None:
    assert keep(lab, sliver(vlan=105)) == []
    assert lab.call("GetVlans", {"id": 105})[0]["group"] == "demo_web"
    assert shown(lab)["state"] == "deployed"


@pytest.mark.parametrize("end", ["names neither", "past its grace", "deleted"])
def test_it_ends_with_what_named_it(lab: Rack, end: str) -> None:
    assert lab.service is not None
    record, now = sliver(vlan=105, nodes=["n0"]), time.time()
    keep(lab, record)
    gone = {"since": int(now) - 60, "until": int(now) + 3600, "why": "its source lists it no more"}
    before = revision(lab)
    assert keep(lab, {**record, "_gone": gone, "nodes": ["n1"]}) == []
    assert revision(lab) == before  # it may come back, and keeps what it has
    over = sliver() if end == "names neither" else {**record, "_gone": {**gone, "until": int(now) - 1}}
    for _ in range(2):  # the second time while it is under way
        if end == "deleted":
            ended = partial(slicegroups.end_group, call=call_of(lab), name="demo_web")
            lab.service.database.transact(ended)
        else:
            soon = time.time() - (2 * slicegroups.LAPSE if end == "names neither" else 0)
            kept = partial(slicegroups.keep_group, call=call_of(lab, soon), record=over)
            lab.service.database.transact(kept)
    lab.until(lambda: lab.call("GetGroups", {}) == [])
    assert carried(lab, "n0") == [ISOLATED]
    assert lab.vlans("sw0") == {1}


def test_a_source_that_forgets_all_tags_ends_nothing_by_mass(
    lab: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"slice{number}" for number in range(6)]
    for number, name in enumerate(names):
        keep(lab, sliver(name, nodes=[f"n{number}"]))
    assert lab.service is not None
    monkeypatch.setattr(slicegroups, "LAPSE", 2)
    now = time.time()
    for name in names:
        forgotten = partial(slicegroups.keep_group, call=call_of(lab, now), record=sliver(name))
        lab.service.database.transact(forgotten)
        before = revision(lab)
        lab.service.database.transact(forgotten)
        assert revision(lab) == before
    lab.until(lambda: len(lab.call("GetHolds")) == 6)
    left = [group["name"] for group in lab.call("GetGroups", {}) if group["state"] == "deployed"]
    assert left == names
    for name in left:
        keep(lab, sliver(name, nodes=[f"n{names.index(name)}"]))
    assert [shown(lab, name)["expires"] for name in left] == [None] * len(left)


def test_it_expires_with_the_record_and_comes_again_when_that_is_renewed(lab: Rack) -> None:
    record = sliver(vlan=105, nodes=["n0"], expiry=int(time.time()) + 2)
    keep(lab, record)
    lab.until(lambda: lab.call("GetGroups", {}) == [])
    assert carried(lab, "n0") == [ISOLATED]
    assert keep(lab, record) == [] and lab.call("GetGroups", {}) == []
    renewed = {**record, "expiry": int(time.time()) + 3600}
    keep(lab, renewed)
    later = int(time.time()) + 7200
    keep(lab, {**renewed, "expiry": later})
    assert shown(lab)["expires"] == later
    keep(lab, {**renewed, "expiry": 2**52})  # a time that no calendar has
    keep(lab, {**renewed, "expiry": None})
    assert shown(lab)["expires"] is None and carried(lab, "n0") == [access(105)]


# ---- what cannot be had


def test_what_is_taken_or_unknown_is_told_and_the_rest_is_used(lab: Rack) -> None:
    lab.call("CreateGroup", "other", {"nodes": ["n1"], "vlan": 106})
    lab.deploy("other")
    record = sliver(vlan=105, nodes=["n0", "n1", "n9"])
    problems = keep(lab, record)
    assert problems == ["node n1: node n1 is taken", "node n9: no node n9"]
    assert carried(lab, "n0", "n1") == [access(105), access(106)]
    lab.wait(lab.call("DestroyGroup", "other"))
    assert keep(lab, record) == ["node n9: no node n9"]
    assert carried(lab, "n0", "n1") == [access(105), access(105)]


def test_a_vlan_in_use_waits_and_the_old_one_is_kept(lab: Rack) -> None:
    lab.call("CreateGroup", "other", {"vlan": 106})
    keep(lab, sliver(vlan=105, nodes=["n0"]))
    assert keep(lab, sliver(vlan=106, nodes=["n0", "n1"])) == ["VLAN 106: VLAN 106 is taken"]
    assert carried(lab, "n0", "n1") == [access(105), access(105)]
    assert keep(lab, sliver("another", vlan=106, nodes=["n2"])) == ["no group another: VLAN 106 is taken"]
    assert keep(lab, sliver("third", vlan=999)) == ["no group third: no VLAN 999"]
    assert [group["name"] for group in lab.call("GetGroups", {})] == ["demo_web", "other"]
    lab.wait(lab.call("DestroyGroup", "other"))
    assert keep(lab, sliver(vlan=106, nodes=["n0", "n1"])) == []
    assert carried(lab, "n0", "n1") == [access(106), access(106)]


def test_nothing_to_be_had_makes_no_group(lab: Rack) -> None:
    before = revision(lab)
    assert keep(lab, sliver(nodes=["n9"])) == ["node n9: no node n9"]
    assert lab.call("GetGroups", {}) == [] and revision(lab) == before


def test_a_group_made_by_hand_is_never_touched(lab: Rack) -> None:
    lab.call("CreateGroup", "demo_web", {"nodes": ["n0"], "vlan": 106})
    lab.deploy("demo_web")
    before = revision(lab)
    (problem,) = keep(lab, sliver(vlan=105, nodes=["n1"]))
    assert "made by hand" in problem
    keep(lab, sliver())  # and none of it ends with the slice
    assert revision(lab) == before
    assert carried(lab, "n0", "n1") == [access(106), ISOLATED]


def test_two_slices_want_one_node(lab: Rack) -> None:
    assert keep(lab, sliver("one", nodes=["n0", "n1"])) == []
    assert keep(lab, sliver("two", nodes=["n1", "n2"])) == ["node n1: node n1 is taken"]
    one, two = shown(lab, "one")["vlan"], shown(lab, "two")["vlan"]
    assert carried(lab, "n0", "n1", "n2") == [access(one), access(one), access(two)]


def test_a_trunk_that_nobody_verified_keeps_the_nodes_behind_it_out(lab: Rack) -> None:
    """n1 is behind the other switch; n0 and n2 need no trunk."""
    assert lab.service is not None
    trunk = lab.service.database.get("port_sw1:t0b")
    assert trunk is not None
    lab.service.database.transact(lambda tx: tx.put({**trunk, "_verified": False}))
    (problem,) = keep(lab, sliver(vlan=105, nodes=["n0", "n1", "n2"]))
    assert problem.startswith("node n1: the trunk") and "unverified" in problem
    assert carried(lab, "n0", "n1", "n2") == [access(105), ISOLATED, access(105)]


# ---- people


def test_calls_of_people_stay_until_the_source_says_otherwise_of_that_very_thing(lab: Rack) -> None:
    record = sliver(vlan=105, nodes=["n0", "n1"])
    keep(lab, record)
    lab.call("RemoveNodes", "demo_web", ["n1"])
    lab.call("AddNodes", "demo_web", ["n4"])
    lab.deploy("demo_web")
    lab.call("SetVlan", "demo_web", 108)  # staged, and stays so
    assert keep(lab, {**record, "nodes": ["n0", "n1", "n2"]}) == []
    assert carried(lab, "n0", "n1", "n2", "n4") == [access(105), ISOLATED, access(105), access(105)]
    assert shown(lab)["pending"]
    lab.deploy("demo_web")
    assert keep(lab, {**record, "nodes": ["n0", "n1", "n2"]}) == []
    assert carried(lab, "n0") == [access(108)]
    keep(lab, {**record, "vlan": 109, "nodes": ["n0", "n2"]})
    assert carried(lab, "n0", "n2", "n4") == [access(109), access(109), access(109)]


def test_a_lent_node_that_is_named_no_more_leaves_when_it_is_home(lab: Rack) -> None:
    record = sliver(vlan=105, nodes=["n0", "n1"])
    keep(lab, record)
    lab.call("CreateGroup", "b", {"vlan": 106})
    assert lab.wait(lab.call("LendNodes", "demo_web", "b", ["n1"], time.time() + 3600))["state"] == "done"
    assert keep(lab, record) == [] and carried(lab, "n1") == [access(106)]
    assert keep(lab, {**record, "nodes": ["n0"]}) == [] and carried(lab, "n1") == [access(106)]
    assert lab.wait(lab.call("LendNodes", "demo_web", "b", ["n1"], 0))["state"] == "done"
    assert keep(lab, {**record, "nodes": ["n0"]}) == []
    lab.until(lambda: carried(lab, "n0", "n1") == [access(105), ISOLATED])


def test_the_slivers_account_is_a_member_and_the_group_has_none(tmp_path: Path) -> None:
    """The records alone: no account is made on this machine."""
    with rack(tmp_path) as lab:
        assert lab.service is not None
        store, site = lab.service.database, replace(lab.service._site(), uids=(70000, 70999))
        call = Call(NM, "GetSlivers", time.time(), site)

        def enrol_and_keep(tx: Transaction) -> Record:
            record = sliver(vlan=105, nodes=["n0"])
            slicegroups.keep_group(tx, call, record)
            account = people.enroll_sliver(tx, call, "demo_web", "sliver.QEMU")
            slicegroups.keep_group(tx, call, record)
            return account

        account = store.transact(enrol_and_keep)
        rest(lab)
        assert people.account_of(store, "demo_web") is None
        assert not any(
            fact.startswith("account/") for fact in (store.get("group_demo_web") or {})["deployed"]
        )
        member = Caller(account["uid"], account["account"])
        assert lab.call("GetStatus", "demo_web", caller=member)["name"] == "demo_web"


def test_who_is_not_there_yet_is_told_and_let_in_later(lab: Rack) -> None:
    record = sliver(vlan=105, delegations=["daemon", ["bin", "GetStatus"], "nobody-here", ["bin", "Fly"]])
    problems = keep(lab, record)
    assert [problem.partition(":")[0] for problem in problems] == [
        "delegation to nobody-here",
        "delegation to bin",
    ]
    pairs = [(one["name"], one["method"]) for one in shown(lab)["delegations"]]
    assert pairs == [("daemon", None), ("bin", "GetStatus")]
    lab.call("SetDelegations", "demo_web", ["bin"])
    keep(lab, record)
    assert [one["name"] for one in shown(lab)["delegations"]] == ["bin"]  # somebody's word, of the same news
    keep(lab, {**record, "delegations": ["daemon"]})
    assert [one["name"] for one in shown(lab)["delegations"]] == ["daemon"]


def test_a_slice_of_very_many_nodes_comes_in_parts(tmp_path: Path) -> None:
    with rack(tmp_path, nodes=70) as lab:
        record = sliver(vlan=105, nodes=list(lab.nodes))
        assert keep(lab, record) == ["10 more nodes follow"]
        assert keep(lab, record) == []
        assert carried(lab, "n0", "n69") == [access(105), access(105)]
        assert keep(lab, sliver(vlan=105)) == []
        assert carried(lab, "n0", "n69") == [ISOLATED, ISOLATED]
