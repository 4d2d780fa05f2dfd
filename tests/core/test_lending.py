"""Loans of nodes: a group lends some to another until a time, and gets them back by itself."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm import groups, leases, lending, promises
from nm.calls import NM, Call, Caller
from nm.config import Hooks
from nm.database_tools import restore
from nm.errors import Conflict, Denied, Invalid, LimitReached, NMError, NotFound
from nm.promisework import Look, PromiseWorker
from nm.records import Record, changed, record_key
from nm.scratch import Scratch
from nm.store import Store, Transaction
from tests.rack import Rack, rack

ALICE, BOB = Caller(uid=1, name="daemon"), Caller(uid=2, name="bin")
ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}
LONG = 3600.0


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path) as made:
        two_groups(made)
        yield made


def two_groups(lab: Rack) -> None:
    """Group a with n0 to n2 on VLAN 101, group b with n3 on VLAN 102; both deployed."""
    lab.call("CreateGroup", "a", {"nodes": ["n0", "n1", "n2"], "vlan": 101})
    lab.call("CreateGroup", "b", {"nodes": ["n3"], "vlan": 102})
    lab.deploy("a")
    lab.deploy("b")


def access(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": [], "open": False}


def carried(lab: Rack, node: str) -> dict[str, Any]:
    """What the node's port carries, by the switch's own table."""
    switch, port = lab.home(node)
    return dict(lab.ports(switch)[port])


def lend(lab: Rack, *nodes: str, seconds: float = LONG) -> int:
    until = time.time() + seconds
    return int(lab.call("LendNodes", "a", "b", list(nodes), until))


def lent(lab: Rack, *nodes: str, seconds: float = LONG) -> None:
    """Lend, and wait until the borrower has them."""
    job = lab.wait(lend(lab, *nodes, seconds=seconds))
    assert job["state"] == "done", job


def record(lab: Rack, node: str) -> Record:
    assert lab.service is not None
    found = lab.service.database.get(record_key("node", node))
    assert found is not None
    return found


def over(lab: Rack, *nodes: str) -> None:
    """Let the loans be over, as if their time had passed."""
    assert lab.service is not None

    def end(tx: Transaction) -> None:
        for node in nodes:
            known = tx.get(record_key("node", node))
            assert known is not None
            tx.put(changed(known, time.time(), _promise={**known["_promise"], "until": 1}))

    lab.service.database.transact(end)


def at_home(lab: Rack, node: str = "n1") -> Callable[[], bool]:
    """Whether it is back in group a, deployed, and nobody is promised it."""

    def is_so() -> bool:
        found = lab.call("GetNodes", {"name": node})[0]
        promised = record(lab, node)["_promise"]
        deployed = shown(lab, "a")["state"] == "deployed"
        return found["state"] == "joined" and found["group"] == "a" and promised is None and deployed

    return is_so


def shown(lab: Rack, group: str) -> dict[str, Any]:
    return dict(lab.call("GetGroups", {"name": group})[0])


def faulty(lab: Rack, switch: str, **faults: Any) -> None:
    lab.set_faults(switch, **faults)


# ---- the life of a loan


def test_a_lent_node_joins_at_once_and_comes_back_by_itself(lab: Rack) -> None:
    lab.call("AddNodes", "b", ["n4"])  # staged, and stays so
    until = time.time() + LONG
    job = lab.wait(lab.call("LendNodes", "a", "b", ["n1", "n2"], until))
    assert (job["state"], job["done"], job["total"]) == ("done", 2, 2)
    assert [carried(lab, node) for node in ("n0", "n1", "n2", "n3")] == [
        access(101), access(102), access(102), access(102),
    ]  # fmt: skip
    assert carried(lab, "n4") == ISOLATED
    assert (lab.folder / "export" / "b" / "machines.txt").read_text().count("\n") == 3
    assert shown(lab, "a")["lent"] == [
        {"node": node, "group": "b", "until": int(until)} for node in ("n1", "n2")
    ]
    assert shown(lab, "b")["borrowed"] == [
        {"node": node, "group": "a", "until": int(until)} for node in ("n1", "n2")
    ]
    assert lab.call("GetStatus", "b")["borrowed"] == shown(lab, "b")["borrowed"]
    assert shown(lab, "a")["nodes"] == ["n0"]
    lab.until(lambda: not shown(lab, "a")["pending"])
    over(lab, "n1", "n2")
    lab.until(at_home(lab, "n1"))
    lab.until(at_home(lab, "n2"))
    assert [carried(lab, node) for node in ("n0", "n1", "n2", "n3")] == [
        access(101), access(101), access(101), access(102),
    ]  # fmt: skip
    assert shown(lab, "a")["lent"] == [] == shown(lab, "b")["borrowed"]
    assert not shown(lab, "a")["pending"] and shown(lab, "b")["nodes"] == ["n3", "n4"]
    told = {event["what"] for event in lab.call("GetEvents", 0, 1000)}
    assert {"nodes lent", "nodes borrowed", "loan ends", "nodes are back"} <= told


def test_a_short_loan_is_over_when_its_time_is(lab: Rack) -> None:
    lent(lab, "n1", seconds=2)
    lab.until(at_home(lab))
    assert carried(lab, "n1") == access(101)


def test_the_lender_calls_back_and_moves_the_end(lab: Rack) -> None:
    lent(lab, "n1")
    later = int(time.time() + 2 * LONG)
    job = lab.wait(lab.call("LendNodes", "a", "b", ["n1"], later))
    assert job["state"] == "done" and shown(lab, "a")["lent"][0]["until"] == later
    back = lab.wait(lab.call("LendNodes", "a", "b", ["n1"], 0))
    assert back["state"] == "done"
    lab.until(at_home(lab))
    assert carried(lab, "n1") == access(101)


def test_the_borrower_gives_back_at_once_and_the_rest_is_staged(lab: Rack) -> None:
    lent(lab, "n1")
    lab.call("RemoveNodes", "b", ["n3", "n1"])
    lab.until(at_home(lab))
    assert carried(lab, "n1") == access(101)
    assert carried(lab, "n3") == access(102)  # its own is only staged out
    assert shown(lab, "b")["nodes"] == [] and shown(lab, "b")["pending"]


def test_a_staged_node_is_lent_and_comes_back_staged(lab: Rack) -> None:
    lab.call("CreateGroup", "c", {"nodes": ["n5"], "vlan": 103})
    assert lab.wait(lab.call("LendNodes", "c", "b", ["n5"], time.time() + LONG))["state"] == "done"
    assert carried(lab, "n5") == access(102)
    assert lab.wait(lab.call("LendNodes", "c", "b", ["n5"], 0))["state"] == "done"
    assert carried(lab, "n5") == ISOLATED
    assert (shown(lab, "c")["nodes"], shown(lab, "c")["state"]) == (["n5"], "staged")


def test_a_group_that_was_never_deployed_gets_what_it_borrows_and_no_more(lab: Rack) -> None:
    lab.call("CreateGroup", "c", {"nodes": ["n5"], "vlan": 103})
    assert lab.wait(lab.call("LendNodes", "a", "c", ["n1"], time.time() + LONG))["state"] == "done"
    assert carried(lab, "n1") == access(103) and carried(lab, "n5") == ISOLATED
    lab.deploy("c")
    assert carried(lab, "n1") == access(103) and carried(lab, "n5") == access(103)


def test_what_a_node_booted_at_home_it_boots_again(lab: Rack) -> None:
    lab.call("RegisterImage", "debian", {"kind": "netboot", "profile": "debian"})
    lab.call("SetImage", "a", "debian", ["n1"])
    lab.deploy("a")
    lent(lab, "n1")
    assert shown(lab, "a")["images"] == {} == shown(lab, "b")["images"]
    lab.wait(lab.call("LendNodes", "a", "b", ["n1"], 0))
    lab.until(at_home(lab))
    assert shown(lab, "a")["images"] == {"n1": "debian"} and not shown(lab, "a")["pending"]


# ---- the promise


def test_nobody_gets_a_node_on_its_way(lab: Rack) -> None:
    """Its way out is barred by b's switch; the lender cannot take it, nor anybody else, nor an import."""
    lab.call("CreateGroup", "c", {})
    faulty(lab, "sw1", down=True)
    job = lend(lab, "n1")
    with pytest.raises(Conflict, match="promised to group b"):
        lab.call("AddNodes", "a", ["n1"])  # which still holds it
    for call in (("AddNodes", "c", ["n1"]), ("CreateGroup", "d", {"nodes": ["n1"]})):
        with pytest.raises(Conflict, match="promised to group b"):
            lab.call(*call)
    with pytest.raises(Conflict):
        lab.call("UnregisterNode", "n1")
    faulty(lab, "sw1")
    assert lab.wait(job)["state"] == "done"
    assert carried(lab, "n1") == access(102)


def test_a_node_that_rests_between_two_groups_is_promised_not_free(lab: Rack) -> None:
    """The way into the borrower's network is barred: a trunk that nobody verified."""
    assert lab.service is not None
    lab.call("CreateGroup", "c", {})
    lent(lab, "n1")
    faulty(lab, "sw1", down=True)
    over(lab, "n1")
    lab.until(lambda: record(lab, "n1")["_promise"]["turn"] == promises.BACK)
    database = lab.service.database
    trunk = database.get("port_sw1:t0b")
    assert trunk is not None
    database.transact(lambda tx: tx.put(changed(trunk, time.time(), _verified=False)))
    faulty(lab, "sw1")
    lab.until(lambda: lab.call("GetNodes", {"name": "n1"})[0]["state"] == "promised")
    assert not lab.call("GetNodes", {"name": "n1"})[0]["free"]
    with pytest.raises(Conflict, match="on its way back to group a"):
        lab.call("AddNodes", "c", ["n1"])
    with pytest.raises(Conflict, match="is lent"):
        lab.call("UnregisterNode", "n1")
    with pytest.raises(Conflict, match="on its way back"):
        lab.call("AddNodes", "b", ["n1"])
    with pytest.raises(Conflict, match="on its way back from group b"):
        lend(lab, "n1")
    lab.until(lambda: "loan waits" in [event["what"] for event in lab.call("GetEvents", 0, 1000)])
    waits = [event for event in lab.call("GetEvents", 0, 1000) if event["what"] == "loan waits"]
    assert [event["subject"] for event in waits] == ["group a", "group b"]
    assert "n1: the trunk at switch sw1 port t0b is unverified" in waits[0]["detail"]
    lab.call("ResetPorts", "sw1", ["t0b"])
    lab.until(at_home(lab))
    told = [event for event in lab.call("GetEvents", 0, 1000) if event["what"] == "loan waits"]
    assert len(told) == 2  # once, however often it was tried


def test_a_node_whose_power_is_not_known_off_goes_on_when_it_is_cleared(tmp_path: Path) -> None:
    with rack(tmp_path, management=True) as lab:
        two_groups(lab)
        (tmp_path / "n1.power").unlink(missing_ok=True)
        (tmp_path / "n1.power").mkdir()  # no answer from its processor
        job = lab.wait(lend(lab, "n1"), 60)
        assert job["state"] == "failed" and "n1" in job["error"]["text"], job
        assert lab.call("GetNodes", {"name": "n1"})[0]["state"] == "failed"
        assert carried(lab, "n1") == ISOLATED
        (tmp_path / "n1.power").rmdir()
        lab.call("ClearNode", "n1")
        lab.until(lambda: carried(lab, "n1") == access(102))
        assert shown(lab, "b")["borrowed"][0]["node"] == "n1"


def test_taken_back_by_force_it_goes_home_when_its_debt_is_paid(lab: Rack) -> None:
    lent(lab, "n1")
    faulty(lab, "sw1", down=True)
    debt = lab.call("ReleaseNode", "n1", True)
    lab.until(lambda: record(lab, "n1")["_promise"]["turn"] == promises.BACK)
    assert record(lab, "n1")["group"] is None
    faulty(lab, "sw1")
    assert lab.wait(debt)["state"] == "done"
    lab.until(at_home(lab))
    assert carried(lab, "n1") == access(101)


def test_a_dead_switch_keeps_the_promise(lab: Rack) -> None:
    lent(lab, "n1")
    faulty(lab, "sw1", down=True)
    job = lab.call("ReleaseSwitch", "sw1", True)
    lab.until(lambda: record(lab, "n1")["_promise"]["turn"] == promises.BACK)
    faulty(lab, "sw1")
    lab.wait(job)
    lab.until(at_home(lab))
    assert carried(lab, "n1") == access(101)


def test_audits_and_repairs_of_both_keep_it(lab: Rack) -> None:
    lent(lab, "n1")
    with lab.edit("sw1") as table:
        table["ports"]["p1"] = access(101)
    for group in ("a", "b"):
        assert lab.wait(lab.call("Repair", group))["state"] == "done"
    assert lab.call("PlanDeploy", "a")["changes"] == [] == lab.call("PlanDeploy", "b")["changes"]
    lab.deploy("a")
    lab.deploy("b")
    assert carried(lab, "n1") == access(102)


def test_a_node_that_leaves_is_wiped_each_way(tmp_path: Path) -> None:
    wipe = tmp_path / "wipe"
    wipe.write_text(f"#!/bin/sh\necho $NM_NODE $NM_GROUP >> {tmp_path}/wiped\n")
    wipe.chmod(0o755)
    with rack(tmp_path, hooks=Hooks(after_return=str(wipe))) as lab:
        two_groups(lab)
        lent(lab, "n1")
        assert (tmp_path / "wiped").read_text().split() == ["n1", "a"]
        lab.wait(lab.call("LendNodes", "a", "b", ["n1"], 0))
        assert (tmp_path / "wiped").read_text().split() == ["n1", "a", "n1", "b"]


# ---- the ends of groups


def test_the_end_of_the_borrower_sends_nodes_home(lab: Rack) -> None:
    lent(lab, "n1", "n2")
    assert lab.wait(lab.call("DestroyGroup", "b"))["state"] == "done"
    lab.until(at_home(lab, "n1"))
    lab.until(at_home(lab, "n2"))
    assert carried(lab, "n1") == access(101) and shown(lab, "a")["lent"] == []


def test_the_end_of_the_lender_ends_the_loan_and_the_node_is_free(lab: Rack) -> None:
    lent(lab, "n1")
    lab.call("DestroyGroup", "a")
    lab.until(lambda: bool(lab.call("GetNodes", {"name": "n1"})[0]["free"]))
    assert carried(lab, "n1") == ISOLATED and record(lab, "n1")["_promise"] is None
    assert shown(lab, "b")["borrowed"] == [] and shown(lab, "b")["nodes"] == ["n3"]


def test_both_end(lab: Rack) -> None:
    lent(lab, "n1")
    lab.call("DestroyGroup", "b")
    lab.call("DestroyGroup", "a")
    lab.until(lambda: lab.call("GetGroups", {}) == [])
    lab.until(lambda: all(node["free"] for node in lab.call("GetNodes", {})))
    assert carried(lab, "n1") == ISOLATED


def test_a_later_group_of_the_same_name_inherits_nothing(lab: Rack) -> None:
    faulty(lab, "sw1", down=True)
    job = lend(lab, "n1")
    lab.call("DestroyGroup", "b")
    lab.call("CreateGroup", "x", {})
    faulty(lab, "sw1")
    lab.until(lambda: "b" not in [group["name"] for group in lab.call("GetGroups", {})])
    lab.call("CreateGroup", "b", {"vlan": 102})
    lab.until(at_home(lab))
    assert lab.wait(job)["state"] == "failed"
    assert shown(lab, "b")["borrowed"] == [] and shown(lab, "b")["nodes"] == []


@pytest.mark.parametrize("turn", [promises.OUT, promises.BACK])
def test_a_node_is_promised_to_a_group_and_not_to_its_name(lab: Rack, turn: str) -> None:
    """Before anybody has noticed that the group is gone, one that has its name now asks for the node."""
    assert lab.service is not None
    before = {"name": "b", "created": 1.0}
    promise = {"lender": before, "borrower": before, "until": 2**31, "turn": turn, "image": None, "job": 1}
    attempt = Scratch(lab.service.database)
    attempt.put(changed(record(lab, "n5"), time.time(), _promise=promise))
    with pytest.raises(Conflict, match=r"promised to|on its way back to"):
        groups.add_nodes(attempt, Call(NM, "AddNodes", time.time()), "b", ["n5"])


def test_the_lease_of_the_borrower_ends(lab: Rack) -> None:
    assert lab.service is not None
    lent(lab, "n1")
    database = lab.service.database
    group = database.get("group_b")
    assert group is not None
    database.transact(lambda tx: tx.put(changed(group, time.time(), expiry=int(time.time()) - 1)))
    lab.until(at_home(lab))
    assert carried(lab, "n1") == access(101)


def test_a_clock_that_is_not_believed_ends_no_loan(lab: Rack) -> None:
    assert lab.service is not None
    lent(lab, "n1")
    database, clocks = lab.service.database, lab.service._clocks
    now, up = clocks.now(), clocks.up()
    database.transact(lambda tx: leases.write_clock(tx, now, up, clocks.boot, up + LONG))
    lab.stop()
    lab.start()
    over(lab, "n1")
    lent(lab, "n2")  # so its worker has looked at all of them since
    assert record(lab, "n1")["_promise"]["turn"] == promises.LENT
    assert carried(lab, "n1") == access(102)
    lab.call("LendNodes", "a", "b", ["n1"], 0)
    lab.until(at_home(lab))


def test_an_old_copy_that_was_restored_ends_no_loan(lab: Rack, tmp_path: Path) -> None:
    """It does not know that the loan was to last longer."""
    lent(lab, "n1", seconds=2)
    ends = shown(lab, "a")["lent"][0]["until"]
    lab.call("Backup", str(tmp_path / "copy"))
    assert lab.wait(lend(lab, "n1"))["state"] == "done"
    lab.until(lambda: time.time() > ends)
    lab.stop()
    restore(lab.folder / "db", tmp_path / "copy")
    lab.start()
    for switch, trunk in (("sw0", "t0a"), ("sw1", "t0b")):
        lab.wait(lab.call("AdoptPorts", switch, [trunk]))
    lent(lab, "n2")  # so its worker has looked at all of them since
    assert record(lab, "n1")["_promise"]["turn"] == promises.LENT
    lab.stop()
    lab.start()
    lab.call("LendNodes", "a", "b", ["n2"], 0)
    lab.until(at_home(lab, "n2"))
    assert record(lab, "n1")["_promise"]["turn"] == promises.LENT
    assert carried(lab, "n1") == access(102)


# ---- restarts


@pytest.mark.parametrize("way", ["out", "back"])
def test_a_restart_at_every_step_loses_nothing(tmp_path: Path, way: str) -> None:
    """nmd ends at each publication of a loan in turn."""
    with rack(tmp_path) as lab:
        two_groups(lab)
        for step in range(40):
            if way == "back":
                lent(lab, "n1")
            crossed = _stop_at(lab, step, "LendNodes", "a", "b", ["n1"], 0 if way == "back" else LONG)
            lab.start()
            if way == "out":
                lab.until(lambda: carried(lab, "n1") == access(102))
                lab.until(lambda: shown(lab, "b")["state"] == "deployed")
                lab.wait(lab.call("LendNodes", "a", "b", ["n1"], 0))
            lab.until(at_home(lab))
            assert carried(lab, "n1") == access(101)
            assert shown(lab, "a")["lent"] == [] == shown(lab, "b")["borrowed"]
            if not crossed:
                return
        raise AssertionError("a loan takes more steps than there were restarts")


def _stop_at(lab: Rack, step: int, method: str, *arguments: Any) -> bool:
    """Call, and stop nm when it has published so many changes since; False when it came to rest before."""
    assert lab.service is not None
    store = lab.service.database
    *rest, until = arguments
    lab.call(method, *rest, time.time() + until if until else 0)
    goal = store.revision + step

    def at_rest() -> bool:
        moving = record(lab, "n1")["_promise"]
        groups = [shown(lab, group)["state"] for group in ("a", "b")]
        settled = moving is None or moving["turn"] == promises.LENT
        return settled and groups == ["deployed", "deployed"]

    lab.until(lambda: store.revision >= goal or at_rest())
    crossed = store.revision >= goal and not at_rest()
    lab.stop()
    return crossed


# ---- refusals


@pytest.mark.parametrize(
    ("arguments", "wrong", "words"),
    [
        (("a", "b", [], LONG), Invalid, "no node is named"),
        (("a", "b", ["n3"], LONG), NotFound, "no node n3 in group a"),
        (("a", "b", ["nope"], LONG), NotFound, "no node nope in group a"),
        (("a", "b", ["n1", "n1"], LONG), Invalid, "twice|once"),
        (("a", "a", ["n1"], LONG), Invalid, "to itself"),
        (("a", "zz", ["n1"], LONG), NotFound, "no group zz"),
        (("zz", "b", ["n1"], LONG), NotFound, "no group zz"),
        (("a", "b", ["n1"], -5), Invalid, "in the past"),
        (("a", "b", ["n1"], 1e12), Invalid, "9999"),
        (("a", "leased", ["n1"], 10 * LONG), Conflict, "lease of group leased"),
        (("leased", "a", ["n5"], 10 * LONG), Conflict, "lease of group leased"),
        (("a", "b", ["n1"], None), NotFound, "not lent"),
        (("b", "c", ["n2"], LONG), NotFound, "no node n2 in group b|borrowed"),
        (("b", "leased", ["n0"], LONG), Conflict, "borrowed from group a"),
        (("a", "leased", ["n0"], LONG), Conflict, "lent to group b"),
        (("a", "leased", ["n0"], None), NotFound, "not lent to group leased"),
        (("a", "ending", ["n1"], LONG), Conflict, "being destroyed"),
        (("a", "b", ["n2"], LONG), Conflict, "n2 is out"),
    ],
)  # fmt: skip
def test_refused_and_nothing_is_changed(
    lab: Rack, arguments: tuple[Any, ...], wrong: type[NMError], words: str
) -> None:
    assert lab.service is not None
    lab.call("CreateGroup", "leased", {"nodes": ["n5"], "expires": time.time() + LONG + 60})
    lab.call("CreateGroup", "ending", {"nodes": ["n7"], "vlan": 110})
    lab.call("CreateGroup", "c", {})
    lent(lab, "n0")
    lab.call("UpdateNode", "n2", {"available": False})
    if "ending" in arguments:
        lab.deploy("ending")
        faulty(lab, "sw1", down=True)
        lab.call("DestroyGroup", "ending")
    keys = ("node_n0", "node_n1", "node_n2", "group_a", "group_b")
    before = [lab.service.database.get(key) for key in keys]
    group, to, nodes, seconds = arguments
    until = 0 if seconds is None else time.time() + seconds
    with pytest.raises(wrong, match=words) as refused:
        lab.call("LendNodes", group, to, nodes, until)
    assert refused.value.hint
    assert [lab.service.database.get(key) for key in keys] == before


def test_owners_lend_and_members_do_not(lab: Rack) -> None:
    lab.call("SetRights", "daemon", {"reserve": {"nodes": 2}})
    lab.call("SetRights", "bin", {"reserve": {"nodes": 2}})
    lab.call("CreateGroup", "d", {"nodes": ["n4", "n6"]}, caller=ALICE)
    lab.call("CreateGroup", "e", {"nodes": ["n5"], "delegations": ["daemon"]}, caller=BOB)
    with pytest.raises(Denied, match="owner of group e"):
        lab.call("LendNodes", "e", "d", ["n5"], time.time() + LONG, caller=ALICE)
    lab.call("SetDelegations", "e", [], caller=BOB)
    with pytest.raises(NotFound, match="no group e"):  # nobody puts nodes into a stranger's network
        lab.call("LendNodes", "d", "e", ["n4"], time.time() + LONG, caller=ALICE)
    lab.call("SetDelegations", "e", [{"name": "daemon", "method": "LendNodes"}], caller=BOB)
    with pytest.raises(LimitReached, match="bin may have 2 nodes, this makes 3"):
        lab.call("LendNodes", "d", "e", ["n4", "n6"], time.time() + LONG, caller=ALICE)
    until = time.time() + LONG
    assert lab.wait(lab.call("LendNodes", "d", "e", ["n4"], until, caller=ALICE))["state"] == "done"
    with pytest.raises(LimitReached, match="daemon may have 2 nodes"):  # what is lent is still the lender's
        lab.call("AddNodes", "d", ["n7"], caller=ALICE)
    lab.call("SetDelegations", "e", [], caller=BOB)
    with pytest.raises(NotFound, match="no group e"):
        lab.call("LendNodes", "d", "e", ["n4"], until + 1, caller=ALICE)
    lab.call("LendNodes", "d", "e", ["n4"], 0, caller=ALICE)
    lab.until(lambda: shown(lab, "d")["nodes"] == ["n6", "n4"])


def test_a_dry_run_tells_and_does_nothing(lab: Rack) -> None:
    found = lab.call("DryRun", "LendNodes", ["a", "b", ["n1"], time.time() + LONG])
    assert found["jobs"] and any(step["target"] == "sw1/p1" for step in found["steps"])
    assert record(lab, "n1").get("_promise") is None and carried(lab, "n1") == access(101)


def test_an_act_that_is_not_due_does_nothing(lab: Rack) -> None:
    assert lab.service is not None
    lent(lab, "n1")
    before = lab.service.database.get("group_b")
    call = Call(NM, "LendNodes", time.time())
    for act in (lending.JOIN, lending.DROP, lending.TAKE_HOME):
        lab.service.database.transact(
            partial(lending.act, call=call, act=act, nodes=["n1", "n0"], certain=True)
        )
    assert lab.service.database.get("group_b") == before


class Counting:
    """A store that counts the records that are read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.count = 0

    def get(self, key: str) -> Record | None:
        self.count += 1
        return self._store.get(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_change_of_one_costs_the_same_among_many(tmp_path: Path) -> None:
    with rack(tmp_path, nodes=24) as lab:
        assert lab.service is not None
        nodes = [f"n{number}" for number in range(20)]
        lab.call("CreateGroup", "a", {"nodes": nodes, "vlan": 101})
        lab.call("CreateGroup", "b", {"vlan": 102})
        counts = []
        for some in (nodes[:2], nodes[2:]):
            lent(lab, *some)
            store: Any = Counting(lab.service.database)
            worker = PromiseWorker(replace(lab.service._tools, store=store), lambda: False)
            worker.handle([Look()])
            store.count = 0
            assert worker.handle([Look(("n1",))]) == 60.0
            counts.append(store.count)
        assert counts[0] == counts[1] < 10
