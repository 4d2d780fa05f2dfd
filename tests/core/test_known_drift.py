"""Drift that is known: a plan shows it, its deploy mends it, and the dry run of a repair tells it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.errors import Conflict
from tests.rack import Rack, rack


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    """Groups a and b, both over two switches; the other nodes are free."""
    with rack(tmp_path) as made:
        for group, nodes, vlan in (("a", ["n0", "n1"], 101), ("b", ["n2", "n3"], 102)):
            made.call("CreateGroup", group, {"nodes": nodes, "vlan": vlan})
            made.deploy(group)
        yield made
        made.set_faults("sw0")


def access(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": [], "open": False}


def move(lab: Rack, **ports: dict[str, Any]) -> None:
    with lab.edit("sw0") as table:
        table["ports"].update(ports)


def audit(lab: Rack) -> None:
    assert lab.wait(lab.call("AuditAll"))["state"] == "done"


def told(changes: list[dict[str, Any]]) -> dict[str, tuple[str, str, bool]]:
    return {f"{one['what']} {one['target']}": (one["before"], one["after"], one["drift"]) for one in changes}


# ---- plans


def test_a_plan_shows_what_is_known_to_differ_and_its_deploy_mends_it(lab: Rack) -> None:
    before = lab.states()
    move(lab, p0=access(120), t0a={"untagged": None, "tagged": [102], "open": False})
    (lab.folder / "export/a/machines.txt").write_text("")
    with lab.edit("sw1") as table:
        table["vlans"].remove(101)
    assert lab.call("PlanDeploy", "a")["changes"] == []  # nobody knows yet
    audit(lab)
    plan = lab.call("PlanDeploy", "a")
    assert told(plan["changes"]) == {
        "port sw0/p0": ("VLAN 120", "VLAN 101", True),
        "vlan sw1/101": ("absent", "there", True),
        "trunk sw0/101/t0a": ("absent", "carries VLAN 101", True),
        "machine list a": ("0 machines", "2 machines", True),
    }
    assert lab.call("DryRun", "Deploy", ["a"])["plan"] == plan["changes"]
    lab.wait(lab.call("Deploy", "a", {"if_plan": plan["hash"]}))
    assert lab.states() == before
    assert lab.call("GetGroups", {"name": "a"})[0]["drift"] == 0
    assert lab.call("PlanDeploy", "a")["changes"] == lab.call("PlanDeploy", "a")["steps"] == []


def test_a_plan_of_before_the_drift_was_found_is_refused(lab: Rack) -> None:
    lab.call("AddNodes", "a", ["n4"])
    plan = lab.call("PlanDeploy", "a")["hash"]
    move(lab, p0=access(120))
    assert lab.call("PlanDeploy", "a")["hash"] == plan
    audit(lab)
    with pytest.raises(Conflict, match="another one by now"):
        lab.call("Deploy", "a", {"if_plan": plan})


def test_what_could_not_be_read_is_not_taken_apart(lab: Rack) -> None:
    lab.set_faults("sw0", down=True)
    audit(lab)
    assert lab.call("GetGroups", {"name": "a"})[0]["drift"] > 0
    assert lab.call("PlanDeploy", "a")["steps"] == []


def test_a_port_that_was_moved_to_where_it_is_to_go_is_in_the_plan(lab: Rack) -> None:
    move(lab, p0=access(120))
    audit(lab)
    lab.call("SetVlan", "a", 120)
    changes = told(lab.call("PlanDeploy", "a")["changes"])
    assert changes["port sw0/p0"] == ("VLAN 101", "VLAN 120", False)


# ---- dry runs of repairs

SCOPES: list[tuple[list[Any], set[str]]] = [
    (["Repair", "a"], {"port sw0/p0", "port sw0/p6"}),  # p6 is on its VLAN and serves nobody
    (["Repair", "b"], set()),
    (["RepairPort", "sw0", "p0"], {"port sw0/p0"}),
    (["RepairPort", "sw0", "p4"], {"port sw0/p4"}),
    (["RepairSwitch", "sw0"], {"port sw0/p0", "port sw0/p4", "port sw0/p6", "trunk sw0/t0a"}),
    (["RepairSwitch", "sw1"], {"vlan sw1/101"}),
    (["RepairAll"], {"port sw0/p0", "port sw0/p4", "port sw0/p6", "trunk sw0/t0a", "vlan sw1/101"}),
]


@pytest.mark.parametrize(("call", "known"), SCOPES)
def test_the_dry_run_of_a_repair_tells_what_is_known_to_differ(
    lab: Rack, call: list[Any], known: set[str]
) -> None:
    method, *arguments = call
    move(lab, p0=access(120), p4=access(900), p6=access(101))
    move(lab, t0a={"untagged": None, "tagged": [101, 102, 900], "open": False})
    with lab.edit("sw1") as table:
        table["vlans"].remove(101)
    dry = lab.call("DryRun", method, arguments)
    assert dry["plan"] == [] and "nothing is known to differ" in dry["remarks"][0]
    audit(lab)
    dry = lab.call("DryRun", method, arguments)
    known = known | ({"vlan sw1/101"} if call == ["Repair", "a"] else set())
    assert told(dry["plan"]).keys() == known
    assert all(one["drift"] for one in dry["plan"])
    assert len(dry["jobs"]) == 1 and "mends all that it finds" in dry["remarks"][0]
    # It does just that: afterwards none of it is known to differ any more.
    lab.wait(lab.call(method, *arguments))
    assert lab.call("DryRun", method, arguments)["plan"] == []


def test_what_a_repair_leaves_or_tries_again_is_told(lab: Rack) -> None:
    move(lab, x1=access(101))
    lab.call("RegisterPort", "sw0", "x1")
    lab.set_faults("sw0", reject=["p4"])
    lab.call("AddNodes", "b", ["n4"])
    lab.deploy("b", "failed")
    audit(lab)
    dry = lab.call("DryRun", "RepairAll", [])
    assert dry["plan"] == []
    assert "port sw0/x1 is left as it is: on VLAN 101" in dry["remarks"]
    assert "group b: what failed is tried again" in dry["remarks"]
    lab.set_faults("sw0", down=True)
    audit(lab)
    assert any(
        "switch sw0 could not be read" in remark for remark in lab.call("DryRun", "RepairAll", [])["remarks"]
    )
