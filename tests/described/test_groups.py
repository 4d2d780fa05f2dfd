"""Groups in descriptions, through a whole nm on switches that execute what they are told."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.calls import Caller
from nm.errors import Conflict, Denied, Invalid
from tests.described.texts import (
    apply,
    deploys,
    group,
    left,
    nodes,
    planned,
    terminate,
    the_group,
    untagged,
    whole,
)
from tests.rack import Rack, rack

NOBODY = Caller(65534, "nobody")  # an account that the machine has


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path, deadline_seconds=5.0) as found:
        yield found


def test_a_group_is_made_and_goes_with_its_description(here: Rack) -> None:
    apply(here, group("vlan 105;" + nodes("n0", "n1") + ' h extends HeadNode { headNode "h1"; }'))
    made = the_group(here)
    assert (made["vlan"], made["state"], made["pending"]) == (105, "deployed", False)
    assert (made["nodes"], made["headnode"], made["description"]) == (["n0", "n1"], "h1", "web")
    assert untagged(here, "n0") == 105 and deploys(here) == 1
    terminate(here)
    left(here)


def test_forty_nodes_are_one_change(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(45)]
    with rack(tmp_path, nodes=45) as here:
        apply(here, group(nodes(*names[:40])))
        assert deploys(here) == 1 and the_group(here)["nodes"] == names[:40]
        apply(here, group(nodes(*names[5:])))
        assert deploys(here) == 3  # those that go, then those that come
        assert sorted(the_group(here)["nodes"]) == sorted(names[5:])
        terminate(here)
        left(here)


def test_an_update_changes_what_differs_and_nothing_else(here: Rack) -> None:
    first = group(nodes("n0", "n1") + 'h extends HeadNode { headNode "h1"; }' + "more extends Prim {}")
    apply(here, first)
    vlan, born = the_group(here)["vlan"], here.call("GetGroups", {})[0]["revision"]
    apply(here, first)
    assert the_group(here)["revision"] == born
    other = group(
        nodes("n1", "n2") + 'h extends HeadNode { headNode "h2"; } data extends Vlan { network "data"; }'
    )
    apply(here, other)
    after = the_group(here)
    assert (sorted(after["nodes"]), after["headnode"], after["vlan"]) == (["n1", "n2"], "h2", vlan)
    assert set(after["networks"]) == {"main", "data"} and untagged(here, "n0") is None
    data = after["networks"]["data"]["vlan"]
    apply(
        here,
        group('vlan 110; data extends Vlan { network "data"; tagged true; nics ["boot"]; }' + nodes("n1")),
    )
    after = the_group(here)
    assert after["networks"]["data"] == {"vlan": data, "nics": ["boot"], "tagged": True}
    assert (after["nodes"], after["headnode"], after["vlan"]) == (["n1"], None, 110)
    apply(here, group("vlan 110;" + nodes("n1")))
    assert set(the_group(here)["networks"]) == {"main"}
    terminate(here)
    left(here)


def test_a_node_goes_from_one_group_to_another(here: Rack) -> None:
    apply(here, group(nodes("n0", "n1"), "a") + group(nodes("n2"), "b"))
    apply(here, group(nodes("n0"), "a") + group(nodes("n1", "n2"), "b"))
    assert sorted(the_group(here, "b")["nodes"]) == ["n1", "n2"]
    assert untagged(here, "n1") == the_group(here, "b")["vlan"]
    apply(here, group('groupName "c";' + nodes("n0"), "a") + group(nodes("n1"), "b"))
    assert {one["name"] for one in here.call("GetGroups", {})} == {"b", "c"}
    terminate(here)
    left(here)


def test_a_node_is_gone_when_it_is_isolated(here: Rack) -> None:
    apply(here, group(nodes("n0", "n1")))
    here.set_faults("sw1", down=True)
    job = here.call("ApplyDescription", "web", whole(group(nodes("n0"))), {})
    here.until(lambda: the_group(here)["error"] is not None)
    [node] = here.call("GetComponents", "web", "grp:n1")
    assert (node["doing"], here.call("GetJob", job)["state"]) == ("terminate", "running")
    here.set_faults("sw1")
    assert here.wait(job)["state"] == "done" and untagged(here, "n1") is None


def test_a_deploy_that_fails_fails_its_description_which_is_taken_down(here: Rack) -> None:
    here.set_faults("sw1", reject=["p*"])
    job = here.call("ApplyDescription", "web", whole(group(nodes("n0", "n1"))), {})
    here.until(lambda: any(one["state"] == "failed" for one in here.call("GetJobs", {"kind": "deploy"})))
    here.set_faults("sw1")
    over = here.wait(job)
    assert over["state"] == "failed" and "group grp" in str(over["error"]) and "p1" in str(over["error"])
    assert here.call("GetGroups", {}) == []
    terminate(here)
    left(here)


def test_a_deploy_that_hangs_is_overtaken(here: Rack) -> None:
    here.set_faults("sw1", down=True)
    job = here.call("ApplyDescription", "web", whole(group(nodes("n0", "n1"))), {})
    here.until(lambda: the_group_has_error(here))
    end = here.call("TerminateDescription", "web")
    here.set_faults("sw1")
    assert here.wait(end)["state"] == "done" and here.wait(job)["state"] == "superseded"
    left(here)


def the_group_has_error(here: Rack) -> bool:
    return any(one["error"] for one in here.call("GetGroups", {}))


def test_somebody_elses_group_is_refused_and_never_touched(here: Rack) -> None:
    here.call("CreateGroup", "grp", {"nodes": ["n0"]})
    here.deploy("grp")
    before = the_group(here)
    assert "is not this description's" in apply(here, group(nodes("n1")), "failed")
    terminate(here)
    assert the_group(here) == before
    apply(here, group('groupName "other";' + nodes("n1")))
    job = here.wait(here.call("ApplyDescription", "two", whole(group('groupName "other";')), {}))
    assert job["state"] == "failed"
    here.wait(here.call("TerminateDescription", "two"))
    assert the_group(here, "other")["nodes"] == ["n1"]


def test_attributes_of_a_group_are_set_while_it_runs(here: Rack) -> None:
    apply(here, group("vlan 105;" + nodes("n0")))
    assert here.wait(here.call("SetAttribute", "web", "grp:vlan", 112))["state"] == "done"
    assert the_group(here)["vlan"] == 112 and untagged(here, "n0") == 112
    assert here.wait(here.call("SetAttribute", "web", "grp:expires", "+1h"))["state"] == "done"
    assert the_group(here)["expires"] < time.time() + 3700
    job = here.wait(here.call("SetAttribute", "web", "grp:vlan", 300))
    assert job["state"] == "failed" and "300" in str(job["error"])
    assert the_group(here)["vlan"] == 112 and here.call("GetDescriptions", {})[0]["state"] == "running"
    assert planned(here, group("vlan 105;" + nodes("n0"))) == ["change grp vlan expires"]
    apply(here, group("vlan 105;" + nodes("n0")))
    assert untagged(here, "n0") == 105


# ---- in the owner's name


def test_it_is_the_owners_with_their_limits(here: Rack) -> None:
    here.call("SetRights", "nobody", {"describe": {}})
    with pytest.raises(Denied, match="may not make groups"):
        here.call("ApplyDescription", "web", whole(group("")), {}, caller=NOBODY)
    here.call("SetRights", "nobody", {"describe": {}, "reserve": {"nodes": 2, "groups": 1, "lease": 3600}})
    apply(here, group(nodes("n0")), caller=NOBODY)
    made = the_group(here)
    assert made["owner"]["name"] == "nobody" and made["expires"] <= time.time() + 3600
    error = apply(here, group(nodes("n0", "n1", "n2")), "failed", caller=NOBODY)
    assert "may have 2 nodes" in error
    assert the_group(here)["nodes"] == ["n0"]  # it was seen before anything changed
    assert here.call("GetDescriptions", {})[0]["state"] == "running"
    here.call("SetRights", "nobody", {"describe": {}})
    with pytest.raises(Denied):
        here.call("ApplyDescription", "web", whole(group(nodes("n0", "n1"))), {}, caller=NOBODY)
    terminate(here)
    left(here)


def test_an_administrators_update_acts_as_the_owner(here: Rack) -> None:
    here.call("SetRights", "nobody", {"describe": {}, "reserve": {"nodes": 1}})
    apply(here, group(nodes("n0")), caller=NOBODY)
    assert "may have 1 node" in apply(here, group(nodes("n0", "n1")), "failed")


def test_whoever_may_have_a_group_chooses_its_vlans_but_not_hosts(here: Rack) -> None:
    here.call("SetRights", "nobody", {"describe": {}, "reserve": {}})
    apply(here, group('vlan 105; data extends Vlan { network "data"; vlan 107; }'), caller=NOBODY)
    assert (the_group(here)["vlan"], the_group(here)["networks"]["data"]["vlan"]) == (105, 107)
    inside = group('data extends Vlan { network "data"; hosts ["vm"]; }')
    with pytest.raises(Denied, match="no host 'vm' that nobody may"):
        here.call("ApplyDescription", "web", whole(inside), {}, caller=NOBODY)
    terminate(here)


def test_a_vlan_that_is_the_main_network_brings_it_to_its_hosts(here: Rack) -> None:
    apply(here, group('its extends Vlan { vlan 105; hosts ["vm"]; } ' + nodes("n0")))
    assert here.service is not None
    made = here.service.database.get("group_grp")
    assert made is not None and "bridge/vm/105" in made["deployed"]
    assert planned(here, group('its extends Vlan { vlan 105; hosts ["vm"]; } ' + nodes("n0"))) == []
    terminate(here)
    left(here)


# ---- by hand


def test_what_a_call_changes_is_drift_that_applying_mends(here: Rack) -> None:
    text = group("vlan 105;" + nodes("n0", "n1") + 'h extends HeadNode { headNode "h1"; }')
    apply(here, text)
    assert planned(here, text) == []
    here.call("RemoveNodes", "grp", ["n1"])
    here.call("AddNodes", "grp", ["n2"])
    here.call("SetVlan", "grp", 111)
    here.call("SetHeadNode", "grp", None)
    here.deploy("grp")
    notes = {part["path"]: part["notes"].get("drift") for part in here.call("GetComponents", "web")}
    gone = "it is not in its group any more"
    assert notes == {
        "sfConfig": None, "grp": "vlan is 111", "grp:n0": None, "grp:n1": gone, "grp:h": gone
    }  # fmt: skip
    told = here.call("GetComponentTree", "web", {"open": [["sfConfig", 9], ["grp", 9]], "chosen": "grp:n1"})
    assert {row["path"]: row["notes"].get("drift") for row in told["rows"]} == notes
    assert told["rows"][0]["below"]["drifted"] == 3 and told["chosen"]["notes"]["drift"] == gone
    assert planned(here, text) == ["change grp vlan", "create grp:n1", "create grp:h"]
    said = here.call("DryRun", "SetAttribute", ["web", "grp:expires", "+2d"])["remarks"]
    assert said == ["it counts at once", "what was changed by hand is put back with it: vlan is 111"]
    assert len(here.call("DryRun", "SetAttribute", ["web", "grp:vlan", 106])["remarks"]) == 1
    assert gone in here.call("DryRun", "SetAttribute", ["web", "grp:n1:sfLivenessDelay", 5])["remarks"][-1]
    here.call("ClearHeadNode", "h1")
    apply(here, text)
    assert planned(here, text) == []
    after = the_group(here)
    assert (sorted(after["nodes"]), after["vlan"], after["headnode"]) == (["n0", "n1", "n2"], 105, "h1")
    terminate(here)


def test_only_force_destroys_it_and_that_ends_its_description(here: Rack) -> None:
    apply(here, group(nodes("n0")))
    with pytest.raises(Conflict, match="a component of description web"):
        here.call("DestroyGroup", "grp")
    assert here.wait(here.call("DestroyGroup", "grp", True))["state"] == "done"
    here.until(lambda: here.call("GetDescriptions", {})[0]["state"] == "failed")
    assert "group grp was destroyed" in here.call("GetDescriptions", {})[0]["error"]
    apply(here, group(nodes("n0")))
    terminate(here)
    left(here)


def test_a_lease_that_is_over_ends_its_component_well(here: Rack) -> None:
    apply(here, group('expires "+1h";' + nodes("n0")))
    assert abs(the_group(here)["expires"] - time.time() - 3600) < 60
    apply(here, group('expires "+2h";' + nodes("n0")))
    assert abs(the_group(here)["expires"] - time.time() - 7200) < 60
    here.call("RenewGroup", "grp", time.time() + 1)
    here.until(lambda: here.call("GetDescriptions", {})[0]["state"] == "ended")
    terminate(here)
    left(here)


def test_what_happened_while_nm_was_away_is_seen(here: Rack) -> None:
    apply(here, group(nodes("n0")))
    assert here.service is not None
    here.call("RenewGroup", "grp", time.time() + 0.5)
    here.stop()
    here.start()
    here.until(lambda: here.call("GetDescriptions", {})[0]["state"] == "ended")
    terminate(here)
    left(here)


# ---- what cannot be described


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        (nodes("n0"), "a Node stands in a Group"),
        (group('a extends Node { node "n0"; } b extends Node { node "n0"; }'), "has node n0 already"),
        (group("a extends Vlan { vlan 5; } b extends Vlan { vlan 6; }"), "has a network main already"),
        (group('a extends HeadNode { headNode "h1"; } b extends HeadNode { headNode "h2"; }'), "a head node"),
        (group("vlan 4095;"), "4095 is not a VLAN id"),
        (group('groupName "a b";'), "a b"),
        (group('expires "soon";'), "is not a time"),
        (group("hosts [1];"), "no list of names"),
        ('at ["vm"]; ' + group("hosts LAZY ATTRIB at;"), "hosts is a reference that is followed later"),
        ('at "n0"; ' + group("a extends Node { node LAZY ATTRIB at; }"), "node is a reference"),
        ('at "x"; ' + group("groupName LAZY ATTRIB at;"), "groupName is a reference"),
        ('at "+1h"; ' + group("expires LAZY ATTRIB at;"), "expires is a reference"),
        (group('a extends Vlan { vlan 5; nics ["data"]; }'), "not for a group's main network"),
        (group("") + 'd extends Domain { hostname "d"; network LAZY PARENT; }', "leads to no Group"),
        (
            group('groupName "x";') + 'd extends Domain { hostname "d"; network LAZY grp:groupName; }',
            "leads to no",
        ),
        (
            group("") + 'd extends Domain { hostname "d"; bridge "b"; network LAZY grp; }',
            "a bridge and is on",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_beforehand(here: Rack, inside: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as raised:
        here.call("PlanDescription", "web", whole(inside), {})
    assert raised.value.hint


def test_what_is_not_there_fails_before_anything_is_made(here: Rack) -> None:
    assert "n99" in apply(here, group(nodes("n0", "n99")), "failed")
    assert "h9" in apply(here, group('h extends HeadNode { headNode "h9"; }'), "failed")
    assert "VLAN 300" in apply(here, group("vlan 300;"), "failed")
    assert here.call("GetGroups", {}) == []
    terminate(here)
    left(here)
