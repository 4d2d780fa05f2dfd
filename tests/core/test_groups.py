"""Groups from call to switch: staged edits, Deploy, claims, leases' ends, taking back by force."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import config
from nm.calls import Caller
from nm.errors import Conflict, Denied, Invalid, NMError, NotFound
from nm.store import Published
from nm.switches.simulated import NO_FAULTS
from tests.rack import Rack, rack

ALICE = Caller(uid=1001, name="alice")
ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path) as made:
        yield made


def access(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": [], "open": False}


def faulty(lab: Rack, switch: str, **faults: Any) -> None:
    with lab.edit(switch) as table:
        table["faults"] = {**NO_FAULTS, **faults}


def test_edits_are_staged_until_deploy(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 105})
    assert lab.ports("sw0")["p0"] == ISOLATED
    assert lab.call("GetGroups", {"name": "a"})[0]["state"] == "staged"
    lab.deploy("a")
    assert lab.ports("sw0")["p0"] == access(105) and lab.ports("sw1")["p1"] == access(105)
    assert lab.ports("sw0")["t0a"]["tagged"] == [105] == lab.ports("sw1")["t0b"]["tagged"]
    lab.call("RemoveNodes", "a", ["n1"])
    assert lab.ports("sw1")["p1"] == access(105)
    assert lab.call("GetNodes", {"name": "n1"})[0]["group"] == "a"
    lab.deploy("a")
    assert lab.ports("sw1")["p1"] == ISOLATED and lab.ports("sw0")["t0a"]["tagged"] == []
    assert lab.vlans("sw1") == {1}
    assert lab.call("GetNodes", {"name": "n1"})[0]["state"] == "free"


def test_a_node_never_deployed_is_free_at_once(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"]})
    lab.call("RemoveNodes", "a", ["n0"])
    assert lab.call("GetNodes", {"name": "n0"})[0]["free"]


def test_a_leaving_node_stays_taken_until_it_is_isolated(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n2"]})
    lab.deploy("a")
    faulty(lab, "sw0", down=True)
    lab.call("RemoveNodes", "a", ["n0"])
    job = lab.call("Deploy", "a")
    lab.until(lambda: "sw0" in (lab.call("GetGroups", {"name": "a"})[0]["error"] or ""))
    lab.call("CreateGroup", "b", {})
    with pytest.raises(Conflict, match="n0"):
        lab.call("AddNodes", "b", ["n0"])
    faulty(lab, "sw0")
    assert lab.wait(job)["state"] == "done"
    lab.call("AddNodes", "b", ["n0"])
    assert lab.call("GetGroups", {"name": "a"})[0]["error"] is None


def test_networks_tagged_and_untagged(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101})
    lab.call("SetNetworks", "a", {"main": {}, "data": {"vlan": 110, "nics": ["boot"], "tagged": True}})
    lab.deploy("a")
    assert lab.ports("sw0")["p0"] == {"untagged": 101, "tagged": [110], "open": False}
    assert lab.ports("sw0")["t0a"]["tagged"] == [101, 110]
    with pytest.raises(Invalid, match="untagged in networks"):
        lab.call("SetNetworks", "a", {"main": {}, "data": {"nics": ["boot"]}})


def test_networks_of_single_nics(lab: Rack) -> None:
    networks = {"main": {}, "x": {"vlan": 110, "nics": ["n6:eth1"]}, "y": {"vlan": 111, "nics": ["n7:eth1"]}}
    lab.call("CreateGroup", "a", {"nodes": ["n6", "n7"], "vlan": 101, "networks": networks})
    lab.deploy("a")
    for node, vlan in (("n6", 110), ("n7", 111)):
        ports = lab.ports(lab.home(node)[0])
        assert ports[f"d{node[1:]}"]["untagged"] == vlan
        assert ports[f"p{node[1:]}"]["untagged"] == 101


def test_a_shared_vlan_stays_while_another_group_uses_it(lab: Rack) -> None:
    lab.call("RegisterVlan", 200, {"shared": True})
    for group, nodes in (("a", ["n0", "n1"]), ("b", ["n2", "n3"])):
        lab.call("CreateGroup", group, {"nodes": nodes})
        lab.call("SetNetworks", group, {"main": {}, "store": {"vlan": 200, "nics": ["boot"], "tagged": True}})
        lab.deploy(group)
    lab.wait(lab.call("DestroyGroup", "a"))
    assert lab.ports("sw0")["t0a"]["tagged"] == [102, 200] and 200 in lab.vlans("sw0")
    lab.wait(lab.call("DestroyGroup", "b"))
    assert lab.vlans("sw0") == {1} and lab.ports("sw0")["t0a"]["tagged"] == []


def test_a_vlan_moves_and_the_old_one_is_freed_last(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"], "vlan": 101})
    lab.deploy("a")
    faulty(lab, "sw1", down=True)
    lab.call("SetVlan", "a", 102)
    job = lab.call("Deploy", "a")
    # Only what goes through the broken switch waits, and the old VLAN stays claimed meanwhile.
    lab.until(lambda: lab.ports("sw0")["p0"] == access(102))
    assert not lab.call("GetVlans", {"id": 101})[0]["free"]
    faulty(lab, "sw1")
    assert lab.wait(job)["state"] == "done"
    assert lab.call("GetVlans", {"id": 101})[0]["free"]
    assert lab.vlans("sw0") == {1, 102} == lab.vlans("sw1")


def test_a_rejection_is_told_in_the_switchs_words_and_fails_closed(lab: Rack) -> None:
    faulty(lab, "sw0", reject=["p0"])
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n2"]})
    job = lab.deploy("a", "failed")
    assert "p0" in job["error"]["text"] and job["error"]["code"] == 107
    assert lab.ports("sw0")["p0"] == ISOLATED and lab.ports("sw0")["p2"] == access(101)
    group = lab.call("GetGroups", {"name": "a"})[0]
    assert group["state"] == "failed" and group["error"] == job["error"]["text"]
    faulty(lab, "sw0")
    assert lab.wait(lab.call("Repair", "a"))["state"] == "done"
    assert lab.ports("sw0")["p0"] == access(101)


def test_what_several_steps_fail_of_is_said_once(lab: Rack) -> None:
    faulty(lab, "sw0", down=True)
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n2"]})
    lab.call("Deploy", "a")
    lab.until(lambda: lab.call("GetGroups", {"name": "a"})[0]["error"] is not None)
    error = lab.call("GetGroups", {"name": "a"})[0]["error"]
    assert error.count("no route to host") == 1 and "port p0" in error and "port p2" in error
    faulty(lab, "sw0")


def test_a_newer_deploy_supersedes(lab: Rack) -> None:
    faulty(lab, "sw0", down=True)
    lab.call("CreateGroup", "a", {"nodes": ["n0"]})
    first = lab.call("Deploy", "a")
    lab.call("SetVlan", "a", 107)
    second = lab.call("Deploy", "a")
    faulty(lab, "sw0")
    assert lab.wait(second)["state"] == "done" and lab.wait(first)["state"] == "superseded"
    assert lab.ports("sw0")["p0"] == access(107)


def test_a_job_that_keeps_failing_ends_and_convergence_goes_on(tmp_path: Path) -> None:
    with rack(tmp_path, deadline_seconds=0.2) as lab:
        faulty(lab, "sw0", down=True)
        lab.call("CreateGroup", "a", {"nodes": ["n0"]})
        lab.deploy("a", "failed")
        assert lab.call("GetGroups", {"name": "a"})[0]["state"] == "failed"
        faulty(lab, "sw0")
        lab.until(lambda: bool(lab.call("GetGroups", {"name": "a"})[0]["state"] == "deployed"))
        assert lab.ports("sw0")["p0"] == access(101)


def test_deploy_refuses_a_plan_that_is_not_the_one_shown(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"]})
    plan = lab.call("PlanDeploy", "a")
    lab.call("AddNodes", "a", ["n1"])
    with pytest.raises(Conflict, match="plan"):
        lab.call("Deploy", "a", {"if_plan": plan["hash"]})
    plan = lab.call("PlanDeploy", "a")
    assert lab.wait(lab.call("Deploy", "a", {"if_plan": plan["hash"]}))["state"] == "done"
    assert lab.call("PlanDeploy", "a")["steps"] == []


def test_forty_eight_groups_eight_at_a_time_get_forty_eight_vlans(tmp_path: Path) -> None:
    with rack(tmp_path, nodes=1, vlans=range(101, 149)) as lab:
        _at_once(8, lambda worker: [lab.call("CreateGroup", f"g{worker}-{n}", {}) for n in range(6)])
        vlans = [group["vlan"] for group in lab.call("GetGroups", {})]
        assert sorted(vlans) == list(range(101, 149))
        with pytest.raises(Conflict, match="no VLAN"):
            lab.call("CreateGroup", "one-more", {})


def test_one_node_wanted_by_four_groups_goes_to_one(lab: Rack) -> None:
    for group in "abcd":
        lab.call("CreateGroup", group, {})
    for _ in range(20):
        got: list[str] = []

        def take(worker: int, got: list[str] = got) -> None:
            try:
                lab.call("AddNodes", "abcd"[worker], ["n0"])
                got.append("abcd"[worker])
            except Conflict:
                pass

        _at_once(4, take)
        assert len(got) == 1
        lab.call("RemoveNodes", got[0], ["n0"])


def _at_once(count: int, act: Any) -> None:
    gate, errors = threading.Barrier(count), []

    def run(worker: int) -> None:
        try:
            gate.wait()
            act(worker)
        except NMError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(worker,)) for worker in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_node_on_a_dead_switch_is_taken_back_by_force(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"]})
    lab.deploy("a")
    faulty(lab, "sw0", down=True)
    job = lab.call("ReleaseNode", "n0", True)
    assert lab.call("GetGroups", {"name": "a"})[0]["nodes"] == ["n1"]
    faulty(lab, "sw0", down=True)
    lab.until(lambda: "tried again" in lab.call("GetJob", job)["step"])
    assert not lab.call("GetNodes", {"name": "n0"})[0]["free"]
    lab.call("SetVlan", "a", 102)
    # The VLAN is not given out while the node may still be on it.
    assert lab.ports("sw0")["p0"] == access(101)
    assert not lab.call("GetVlans", {"id": 101})[0]["free"]
    faulty(lab, "sw0")
    assert lab.wait(job)["state"] == "done"
    assert lab.ports("sw0")["p0"] == ISOLATED and lab.call("GetNodes", {"name": "n0"})[0]["free"]


def test_a_debt_survives_a_restart(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"]})
    lab.deploy("a")
    faulty(lab, "sw0", down=True)
    lab.call("ReleaseNode", "n0", True)
    lab.stop()
    lab.start()
    faulty(lab, "sw0")
    lab.until(lambda: bool(lab.call("GetNodes", {"name": "n0"})[0]["free"]))
    assert lab.ports("sw0")["p0"] == ISOLATED


def test_power_that_is_not_confirmed_makes_the_node_failed_but_isolated(tmp_path: Path) -> None:
    with rack(tmp_path, management=True) as lab:
        lab.stop()
        lab.config = replace(lab.config, power=config.Power(off_seconds=0.2))
        lab.start()
        lab.call("CreateGroup", "a", {"nodes": ["n0", "n2"]})
        lab.deploy("a")
        assert lab.wait(lab.call("PowerNode", "n0", "on"))["result"] == "on"
        assert lab.wait(lab.call("PowerNode", "n2", "on"))["result"] == "on"
        power = tmp_path / "n0.power"
        power.write_text(json.dumps({**json.loads(power.read_text()), "fault": "idle"}))
        assert lab.wait(lab.call("DestroyGroup", "a"))["state"] == "done"
        assert lab.ports("sw0")["p0"] == ISOLATED == lab.ports("sw0")["p2"]
        states = {node["name"]: node["state"] for node in lab.call("GetNodes", {"name": ["n0", "n2"]})}
        assert states == {"n0": "failed", "n2": "free"}
        lab.call("ClearNode", "n0")
        assert lab.call("GetNodes", {"name": "n0"})[0]["free"]
        assert lab.wait(lab.call("PowerNode", "n2", "status"))["result"] == "off"


def test_a_power_cycle_and_who_asked_for_it_are_written_down_together(tmp_path: Path) -> None:
    with rack(tmp_path, nodes=1, management=True) as lab:
        assert lab.service is not None
        told: list[tuple[list[Any], list[str]]] = []

        def note(publication: Published) -> None:
            over = [one["id"] for one in publication.changes.values() if one and one.get("state") == "done"]
            told.append((over, [event.what for event in publication.events]))

        lab.service.database.subscribe(note)
        job = lab.call("PowerNode", "n0", "cycle")
        assert lab.wait(job)["state"] == "done"
        lab.until(lambda: any(job in over for over, _ in told))
        assert [events for over, events in told if job in over] == [["power cycle"]]


def test_audit_and_repair(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"]})
    lab.deploy("a")
    with lab.edit("sw0") as table:
        table["ports"]["p0"] = access(1)
        table["ports"]["t0a"]["tagged"] = []
    (lab.folder / "export" / "a" / "machines.txt").write_text("nonsense\n")
    lab.wait(lab.call("StartAudit", "a"))
    differing = {entry["hand"]: entry for entry in lab.call("GetAudit", "a")["differences"]}
    assert set(differing) == {"port", "trunk", "export"}
    assert lab.wait(lab.call("Repair", "a"))["state"] == "done"
    assert lab.ports("sw0")["p0"] == access(101) and lab.ports("sw0")["t0a"]["tagged"] == [101]
    lab.wait(lab.call("StartAudit", "a"))
    assert lab.call("GetAudit", "a")["differences"] == []


def test_machine_lists_follow_and_are_written_anew_at_start(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"]})
    lab.deploy("a")
    listed = lab.folder / "export" / "a" / "machines.txt"
    assert listed.read_text().split() == ["52:54:00:00:00:00"]
    lab.stop()
    listed.unlink()
    lab.start()
    assert listed.read_text().split() == ["52:54:00:00:00:00"]
    lab.wait(lab.call("DestroyGroup", "a"))
    assert not listed.parent.exists()


def test_names_and_aliases(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"alias": "urn:publicid:IDN+x+slice+a"})
    assert lab.call("GetStatus", "urn:publicid:IDN+x+slice+a")["name"] == "a"
    with pytest.raises(Conflict, match="alias"):
        lab.call("CreateGroup", "b", {"alias": "urn:publicid:IDN+x+slice+a"})
    lab.wait(lab.call("DestroyGroup", "a"))
    lab.call("CreateGroup", "b", {"alias": "urn:publicid:IDN+x+slice+a"})


def test_members_owners_and_strangers(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"owner": "daemon", "delegations": [{"name": "nobody", "method": "Deploy"}]})
    owner, deployer = Caller(uid=1, name="daemon"), Caller(uid=65534, name="nobody")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL x"
    assert lab.call("SetKeys", "a", [key], caller=owner) == 1
    assert lab.wait(lab.call("Deploy", "a", caller=deployer))["state"] == "done"
    with pytest.raises(NotFound) as unknown:
        lab.call("SetVlan", "a", 102, caller=deployer)
    with pytest.raises(NotFound) as absent:
        lab.call("SetVlan", "zz", 102, caller=deployer)
    assert str(unknown.value).replace("group a ", "group zz ") == str(absent.value)
    with pytest.raises(Denied, match="administrator"):
        lab.call("CreateGroup", "b", {}, caller=ALICE)
    assert lab.call("GetGroups", {}, caller=ALICE) == []
    assert lab.call("GetNodes", {}, caller=ALICE)[0].keys() == {"name", "free", "available"}


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"vlan": 1}, Invalid), ({"vlan": 4095}, Invalid), ({"vlan": "x"}, NMError),
        ({"vlan": 999}, NotFound),
        ({"nodes": ["nope"]}, NotFound), ({"nodes": ["n0", "n0"]}, Invalid), ({"headnode": "nope"}, NotFound),
        ({"owner": "nobody-here"}, NotFound), ({"expires": 5}, Invalid), ({"networks": {"x": {}}}, Invalid),
        ({"keys": ["x\ny"]}, Invalid), ({"alias": ""}, Invalid), ({"alias": "x" * 300}, Invalid),
        ({"colour": 1}, Invalid),
    ],
)  # fmt: skip
def test_a_refused_group_leaves_nothing(lab: Rack, settings: dict[str, Any], wrong: type[NMError]) -> None:
    assert lab.service is not None
    before = lab.service.database.revision
    with pytest.raises(wrong) as refused:
        lab.call("CreateGroup", "a", settings)
    assert refused.value.hint
    assert lab.service.database.revision == before
