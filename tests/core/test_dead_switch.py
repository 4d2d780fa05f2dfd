"""A switch that died is taken back by force, one that was replaced is brought back: while groups use it."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm import debts, drift, groups, jobs, plan, recording, releases
from nm.calls import Call
from nm.converge import GroupWorker, Tools, Wake
from nm.debtwork import SwitchDebtWorker
from nm.errors import Conflict
from nm.export import ExportHand
from nm.facts import Outcome, switch_of
from nm.records import KINDS, Record
from nm.store import Transaction
from nm.switches.simulated import new_table
from nm.workers import Job
from tests.core.isolation import crossings
from tests.memory_store import MemoryStore
from tests.rack import ROOT, Rack, rack

ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    """sw0 - sw1 - sw2. Group a is on all three, b passes through sw1, c is on sw0 alone. n7 is free."""
    with rack(tmp_path, switches=3, nodes=10) as made:
        made.call("CreateGroup", "a", {"nodes": ["n0", "n1", "n2", "n4"], "vlan": 101})
        made.call("CreateGroup", "b", {"nodes": ["n3", "n5"], "vlan": 102})
        made.call("CreateGroup", "c", {"nodes": ["n6"], "vlan": 103})
        for group in ("a", "b", "c"):
            made.deploy(group)
        yield made


def access(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": [], "open": False}


def state(lab: Rack, node: str) -> str:
    return str(lab.call("GetNodes", {"name": node})[0]["state"])


def group(lab: Rack, name: str) -> Any:
    return lab.call("GetGroups", {"name": name})[0]


def rest(lab: Rack) -> None:
    """Wait until all groups are what was deployed."""
    lab.until(lambda: all(one["state"] == "deployed" for one in lab.call("GetGroups", {})))


def isolated(lab: Rack) -> bool:
    assert lab.service is not None
    return crossings(lab.service.database, lab.states(), lab.links()) == []


def carriers(lab: Rack, switch: str) -> set[str]:
    return {port for port, seen in lab.ports(switch).items() if seen != ISOLATED}


# ---- a dead switch


def test_without_force_it_is_told_what_uses_the_switch(lab: Rack) -> None:
    with pytest.raises(Conflict, match="used by group a by node n1, group a by node n4") as refusal:
        lab.call("ReleaseSwitch", "sw1")
    assert "force" in refusal.value.hint
    assert state(lab, "n1") == "joined"


def test_the_groups_carry_on_without_a_dead_switch(lab: Rack) -> None:
    lab.set_faults("sw1", down=True)
    debt = lab.call("ReleaseSwitch", "sw1", True)
    rest(lab)
    assert group(lab, "a")["nodes"] == ["n0", "n2"] and group(lab, "b")["nodes"] == ["n3", "n5"]
    assert "sw1 waits" in group(lab, "a")["error"] and "sw1 waits" in group(lab, "b")["error"]
    assert group(lab, "c")["error"] is None
    lab.call("AddNodes", "a", ["n8"])  # of sw2
    lab.deploy("a")
    assert lab.ports("sw2")["p8"] == access(101)
    assert lab.call("GetJob", debt)["state"] == "running"
    assert isolated(lab)


def test_nothing_that_may_be_on_a_dead_switch_is_given_out(lab: Rack) -> None:
    lab.set_faults("sw1", down=True)
    lab.call("ReleaseSwitch", "sw1", True)
    for name in ("a", "b"):
        assert lab.wait(lab.call("DestroyGroup", name))["state"] == "done"
    assert [state(lab, node) for node in ("n1", "n4", "n7")] == ["out"] * 3
    assert "not yet read back" in lab.call("GetNodes", {"name": "n1"})[0]["error"]
    assert {state(lab, node) for node in ("n0", "n2", "n3", "n5")} == {"free"}
    with pytest.raises(Conflict, match="node n1 cannot be given out"):
        lab.call("CreateGroup", "d", {"nodes": ["n1"]})
    for vlan in (101, 102):
        with pytest.raises(Conflict, match=f"VLAN {vlan} cannot be given out"):
            lab.call("CreateGroup", "d", {"vlan": vlan})
        with pytest.raises(Conflict, match="may still be on a port of switch sw1"):
            lab.call("UnregisterVlan", vlan)
    lab.call("CreateGroup", "d", {"nodes": []})
    assert group(lab, "d")["vlan"] == 104


def test_the_debt_is_paid_when_the_switch_returns(lab: Rack) -> None:
    before = lab.states()["sw0"]
    lab.set_faults("sw1", down=True)
    debt = lab.call("ReleaseSwitch", "sw1", True)
    lab.until(lambda: "tried again" in lab.call("GetJob", debt)["step"])
    assert lab.ports("sw1")["p1"] == access(101)
    lab.set_faults("sw1")
    job = lab.wait(debt)
    assert job["state"] == "done" and job["result"] == {"groups": ["a", "b"]}
    assert job["done"] == job["total"] == len(lab.ports("sw1")) + 2  # and two VLANs
    rest(lab)
    # Its nodes are free; the groups that pass through it do so again.
    assert carriers(lab, "sw1") == {"t0b", "t1a"}
    assert [state(lab, node) for node in ("n1", "n4", "n7")] == ["free"] * 3
    assert group(lab, "a")["error"] is None and group(lab, "b")["error"] is None
    assert lab.states()["sw0"] == before
    assert isolated(lab)
    assert lab.call("GetSwitches", {"name": "sw1"})[0]["error"] is None
    assert lab.wait(lab.call("AuditAll"))["result"]["differences"] == 0


def test_a_group_is_gone_while_the_switch_is_and_its_vlan_comes_back_with_it(lab: Rack) -> None:
    lab.set_faults("sw1", down=True)
    debt = lab.call("ReleaseSwitch", "sw1", True)
    for name in ("a", "b"):
        lab.wait(lab.call("DestroyGroup", name))
    lab.set_faults("sw1")
    assert lab.wait(debt)["result"] == {"groups": []}
    assert carriers(lab, "sw1") == set() and lab.vlans("sw1") == {1}
    assert all(vlan["free"] for vlan in lab.call("GetVlans", {"id": [101, 102]}))


def test_what_was_under_way_on_the_switch_is_undone_too(lab: Rack) -> None:
    """A join is half made when the switch is taken away: its answer comes later, and nobody believes it."""
    lab.set_faults("sw1", delay=0.5)
    lab.call("AddNodes", "a", ["n7"])
    lab.call("Deploy", "a")
    lab.until(lambda: lab.call("GetGroups", {"name": "a"})[0]["state"] == "deploying")
    debt = lab.call("ReleaseSwitch", "sw1", True)
    assert lab.wait(debt)["state"] == "done"
    rest(lab)
    assert carriers(lab, "sw1") == {"t0b", "t1a"} and isolated(lab)
    assert group(lab, "a")["nodes"] == ["n0", "n2"] and state(lab, "n7") == "free"


def test_a_switch_that_hangs_is_released(lab: Rack) -> None:
    lab.set_faults("sw1", delay=60)
    lab.call("AddNodes", "a", ["n7"])
    lab.call("Deploy", "a")
    lab.until(lambda: "switch:sw1" in lab.crew().subjects())
    debt = lab.call("ReleaseSwitch", "sw1", True)
    lab.call("AddNodes", "c", ["n9"])
    lab.deploy("c")
    assert lab.call("GetJob", debt)["state"] == "running"
    assert state(lab, "n7") == "out"
    lab.stop(0.1)


@pytest.mark.parametrize("returned", [False, True], ids=["dead", "back meanwhile"])
def test_a_restart_goes_on_with_a_debt(lab: Rack, returned: bool) -> None:
    lab.set_faults("sw1", down=True)
    debt = lab.call("ReleaseSwitch", "sw1", True)
    lab.stop()
    if returned:
        lab.set_faults("sw1")
    lab.start()
    rest(lab)
    assert group(lab, "a")["nodes"] == ["n0", "n2"]
    lab.set_faults("sw1")
    assert lab.wait(debt)["state"] == "done"
    rest(lab)
    assert carriers(lab, "sw1") == {"t0b", "t1a"} and isolated(lab)


def test_a_restart_while_the_groups_join_again(lab: Rack) -> None:
    lab.set_faults("sw1", down=True)
    debt = lab.call("ReleaseSwitch", "sw1", True)
    rest(lab)
    lab.set_faults("sw0", delay=0.3)
    lab.set_faults("sw2", delay=0.3)
    lab.set_faults("sw1", delay=0.3)
    lab.until(lambda: lab.call("GetGroups", {"name": "b"})[0]["state"] == "deploying")
    lab.stop()
    for switch in lab.switches:
        lab.set_faults(switch)
    lab.start()
    assert lab.wait(debt)["state"] == "done"
    rest(lab)
    assert carriers(lab, "sw1") == {"t0b", "t1a"} and isolated(lab)


def test_a_debt_whose_job_was_given_up_is_paid_all_the_same(tmp_path: Path) -> None:
    with rack(tmp_path, switches=2, nodes=4, deadline_seconds=1.5) as lab:
        lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"]})
        lab.deploy("a")
        lab.set_faults("sw1", down=True)
        debt = lab.wait(lab.call("ReleaseSwitch", "sw1", True))
        assert debt["state"] == "failed" and "it goes on" in debt["error"]["text"]
        lab.stop()
        lab.start()
        lab.set_faults("sw1")
        lab.until(lambda: state(lab, "n1") == "free")
        assert carriers(lab, "sw1") == set()


def test_many_groups_and_nodes_take_several_bites(tmp_path: Path) -> None:
    with rack(tmp_path, switches=2, nodes=160, vlans=range(101, 141)) as lab:
        far = [node for node in lab.nodes if lab.home(node)[0] == "sw1"]
        for start in (0, 40):
            lab.call("CreateGroup", f"big{start}", {"nodes": far[start : start + 35]})
        lab.call("AddNodes", "big0", far[35:40])
        for number in range(25):
            lab.call("CreateGroup", f"g{number}", {"nodes": [f"n{2 * number}"], "headnode": None})
        lab.call("AddNodes", "g0", [far[75]])
        jobs = [lab.call("Deploy", one["name"]) for one in lab.call("GetGroups", {})]
        assert {lab.wait(job)["state"] for job in jobs} == {"done"}
        lab.set_faults("sw1", down=True)
        debt = lab.call("ReleaseSwitch", "sw1", True)
        lab.stop(0)
        lab.start()
        rest(lab)
        assert {one["name"]: len(one["nodes"]) for one in lab.call("GetGroups", {})} == {
            "big0": 0, "big40": 0, **{f"g{number}": 1 for number in range(25)},
        }  # fmt: skip
        lab.set_faults("sw1")
        assert lab.wait(debt)["state"] == "done"
        assert all(node["free"] for node in lab.call("GetNodes", {"name": far}))


def test_ten_at_once_and_only_one_is_first(lab: Rack) -> None:
    lab.set_faults("sw1", down=True)
    answers: list[Any] = []

    def release() -> None:
        try:
            answers.append(lab.call("ReleaseSwitch", "sw1", True))
        except Conflict as refusal:
            answers.append(refusal.message)

    threads = [threading.Thread(target=release) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    jobs = [answer for answer in answers if isinstance(answer, int)]
    assert len(jobs) == 1 and len(set(map(str, answers))) == 2
    lab.set_faults("sw1")
    assert lab.wait(jobs[0])["state"] == "done"
    rest(lab)
    assert isolated(lab)


def test_all_switches_at_once(lab: Rack) -> None:
    for switch in lab.switches:
        lab.set_faults(switch, down=True)
    owed = [lab.call("ReleaseSwitch", switch, True) for switch in lab.switches]
    rest(lab)
    assert [one["nodes"] for one in lab.call("GetGroups", {})] == [[], [], []]
    for switch in lab.switches:
        lab.set_faults(switch)
    assert {lab.wait(debt)["state"] for debt in owed} == {"done"}
    assert all(node["free"] for node in lab.call("GetNodes", {}))
    assert all(carriers(lab, switch) == set() for switch in lab.switches)


def test_a_dry_run_tells_who_lets_go(lab: Rack) -> None:
    told = lab.call("DryRun", "ReleaseSwitch", ["sw1", True])
    assert {"kind": "release", "subject": "switch:sw1"} in told["jobs"]
    assert {change["name"] for change in told["changes"] if change["kind"] == "group"} == {"a", "b"}
    assert state(lab, "n1") == "joined"


def test_a_switch_that_never_returns_is_unregistered(lab: Rack) -> None:
    lab.set_faults("sw1", down=True)
    debt = lab.call("ReleaseSwitch", "sw1", True)
    for name in ("a", "b"):
        lab.wait(lab.call("DestroyGroup", name))
    for node in ("n1", "n4", "n7"):
        lab.call("UnregisterNode", node)
    for trunk in ("t0", "t1"):
        lab.call("UnregisterTrunk", trunk)
    lab.call("UnregisterSwitch", "sw1")
    assert lab.wait(debt)["result"] == "the switch was unregistered"
    assert all(vlan["free"] for vlan in lab.call("GetVlans", {"id": [101, 102]}))


def test_a_switch_that_nobody_uses_is_isolated_without_force(lab: Rack) -> None:
    for name in ("a", "b"):
        lab.wait(lab.call("DestroyGroup", name))
    with lab.edit("sw2") as table:
        table["ports"]["p5"] = access(150)
    assert lab.wait(lab.call("ReleaseSwitch", "sw2"))["result"] == {"groups": []}
    assert carriers(lab, "sw2") == set()


# ---- another device


def another(lab: Rack, switch: str, name: str = "new", without: str = "", **faults: Any) -> dict[str, Any]:
    """A factory-new switch with the same ports; the settings by which it is reached."""
    ports = [port for port in lab.ports(switch) if port != without]
    path = lab.folder / f"{name}.json"
    path.write_text(json.dumps(new_table(ports, **faults)))
    return {"file": str(path)}


def take_place(lab: Rack, switch: str, settings: dict[str, Any]) -> None:
    """From now on the tests look at the new one."""
    lab.tables[switch] = Path(settings["file"])


def test_a_change_of_address_is_refused_and_tells_the_way(lab: Rack) -> None:
    settings = another(lab, "sw1")
    with pytest.raises(Conflict, match="used by group a") as refusal:
        lab.call("UpdateSwitch", "sw1", settings)
    assert "ReplaceSwitch" in refusal.value.hint


def test_a_replaced_switch_is_brought_back_with_one_command(lab: Rack) -> None:
    before = lab.states()
    lab.set_faults("sw1", down=True)
    settings = another(lab, "sw1")
    job = lab.wait(lab.call("ReplaceSwitch", "sw1", settings))
    assert job["state"] == "done" and job["result"] == {"groups": ["a", "b"]}
    take_place(lab, "sw1", settings)
    rest(lab)
    assert lab.states() == before and isolated(lab)
    assert lab.wait(lab.call("AuditAll"))["result"]["differences"] == 0
    assert [state(lab, node) for node in ("n1", "n4", "n7")] == ["joined", "joined", "free"]


def test_one_that_was_wiped_needs_no_new_address(lab: Rack) -> None:
    before = lab.states()
    with lab.edit("sw1") as table:
        table.update(new_table(table["ports"]))
    assert lab.wait(lab.call("ReplaceSwitch", "sw1"))["state"] == "done"
    assert lab.states() == before


def test_nothing_of_the_old_one_is_believed_before_the_new_one_was_read_back(lab: Rack) -> None:
    settings = another(lab, "sw1", down=True)
    job = lab.call("ReplaceSwitch", "sw1", settings)
    rest(lab)
    take_place(lab, "sw1", settings)
    ports = lab.call("GetPorts", {"switch": "sw1"})
    assert not any(port["verified"] for port in ports) and {port["seen"] for port in ports} == {None}
    assert lab.call("GetSwitchState", "sw1")["ports"] == {}
    assert {state(lab, node) for node in ("n1", "n4")} == {"joining"} and state(lab, "n7") == "out"
    assert "sw1 waits" in group(lab, "a")["error"]
    assert lab.call("GetSwitches", {"name": "sw1"})[0]["error"]
    with pytest.raises(Conflict, match="cannot be given out"):
        lab.call("AddNodes", "c", ["n7"])
    lab.set_faults("sw1")
    assert lab.wait(job)["state"] == "done"
    rest(lab)
    assert isolated(lab)


def test_no_port_joins_while_another_stands_open(lab: Rack) -> None:
    """One port of the new switch lies: until it is isolated nobody is joined there."""
    settings = another(lab, "sw1", lie=["p7"])
    job = lab.call("ReplaceSwitch", "sw1", settings)
    take_place(lab, "sw1", settings)
    lab.until(lambda: "p7" in lab.call("GetJob", job)["step"])
    assert carriers(lab, "sw1") == {"p7"}
    lab.set_faults("sw1")
    assert lab.wait(job)["state"] == "done"
    rest(lab)
    assert lab.ports("sw1")["p1"] == access(101) and isolated(lab)


def test_a_port_that_the_new_one_lacks_is_an_error_of_its_group(lab: Rack) -> None:
    settings = another(lab, "sw1", without="p4")
    job = lab.wait(lab.call("ReplaceSwitch", "sw1", settings))
    take_place(lab, "sw1", settings)
    assert job["state"] == "failed" and "no interface p4" in job["error"]["text"]
    assert "no interface p4" in group(lab, "a")["error"]
    assert lab.ports("sw1")["p1"] == access(101)
    assert not lab.call("GetPorts", {"switch": "sw1", "port": "p4"})[0]["verified"]


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_restart_while_it_is_replaced(lab: Rack, at: str) -> None:
    before = lab.states()
    settings = another(lab, "sw1", delay=0.3)
    job = lab.call("ReplaceSwitch", "sw1", settings)
    take_place(lab, "sw1", settings)
    if at == "after":
        lab.until(lambda: carriers(lab, "sw1") == set())
    lab.stop()
    lab.set_faults("sw1")
    lab.start()
    assert lab.wait(job)["state"] == "done"
    rest(lab)
    assert lab.states() == before


def test_what_was_said_to_the_old_one_does_not_reach_the_new(lab: Rack) -> None:
    """The worker is at the old device, and more waits in its queue: that is not the new one's state."""
    lab.set_faults("sw1", delay=0.4)
    lab.call("AddNodes", "a", ["n7"])
    deploy = lab.call("Deploy", "a")
    lab.until(lambda: lab.call("GetJob", deploy)["state"] == "running")
    settings = another(lab, "sw1")
    job = lab.call("ReplaceSwitch", "sw1", settings)
    assert lab.wait(job)["state"] == "done"
    take_place(lab, "sw1", settings)
    rest(lab)
    assert lab.ports("sw1")["p7"] == access(101) and lab.ports("sw1")["p1"] == access(101)
    assert isolated(lab)


def test_a_released_switch_is_replaced_and_the_new_one_pays(lab: Rack) -> None:
    lab.set_faults("sw1", down=True)
    debt = lab.call("ReleaseSwitch", "sw1", True)
    rest(lab)
    settings = another(lab, "sw1")
    job = lab.call("ReplaceSwitch", "sw1", settings)
    assert lab.wait(debt)["state"] == "superseded" and lab.wait(job)["state"] == "done"
    take_place(lab, "sw1", settings)
    rest(lab)
    assert carriers(lab, "sw1") == {"t0b", "t1a"}
    assert [state(lab, node) for node in ("n1", "n4", "n7")] == ["free"] * 3


def test_a_replaced_switch_that_dies_too_is_released(lab: Rack) -> None:
    job = lab.call("ReplaceSwitch", "sw1", another(lab, "sw1", down=True))
    debt = lab.call("ReleaseSwitch", "sw1", True)
    assert lab.wait(job)["state"] == "superseded"
    rest(lab)
    assert group(lab, "a")["nodes"] == ["n0", "n2"]
    again = lab.call("ReplaceSwitch", "sw1", another(lab, "sw1", "third"))
    assert lab.wait(debt)["state"] == "superseded" and lab.wait(again)["state"] == "done"


def joining_again(lab: Rack) -> int:
    """sw1 was replaced, and a joins again there, but waits for sw2; the job that replaces it."""
    lab.set_faults("sw2", down=True)
    lab.call("AddNodes", "a", ["n8"])
    lab.call("Deploy", "a")
    replacing = int(lab.call("ReplaceSwitch", "sw1"))
    lab.until(lambda: bool(lab.call("GetJobs", {"kind": "repair", "group": "a"})))
    return replacing


def test_one_that_is_replaced_again_while_its_groups_join_leaves_no_job_behind(lab: Rack) -> None:
    first = joining_again(lab)
    again = lab.call("ReplaceSwitch", "sw1")
    lab.set_faults("sw2")
    assert [lab.wait(job)["state"] for job in (first, again)] == ["superseded", "done"]
    rest(lab)
    assert isolated(lab)


def test_a_deploy_that_takes_over_while_the_groups_join_is_waited_for(lab: Rack) -> None:
    replacing = joining_again(lab)
    newer, service = lab.call("Deploy", "a"), lab.service
    assert service is not None
    lab.until(lambda: replacing in (service.database.get(f"job_{newer}") or {}).get("followers", ()))
    lab.set_faults("sw2")
    assert lab.wait(replacing)["state"] == "done" and lab.call("GetJob", newer)["state"] == "done"
    assert isolated(lab)


def test_a_large_switch_is_replaced(tmp_path: Path) -> None:
    with rack(tmp_path, switches=1, nodes=300) as lab:
        lab.call("CreateGroup", "a", {"nodes": lab.nodes[:60]})
        lab.deploy("a")
        before = lab.states()
        settings = another(lab, "sw0")
        assert lab.wait(lab.call("ReplaceSwitch", "sw0", settings))["state"] == "done"
        take_place(lab, "sw0", settings)
        assert lab.states() == before
        assert all(port["verified"] for port in lab.call("GetPorts", {"switch": "sw0"}))


# ---- answers that come late


def put(tx: Transaction, record: Record) -> None:
    tx.put(record)


class Bench:
    """A copy of a rack's records, and a's worker on it, which is adding n7 and whose orders go nowhere."""

    def __init__(self, lab: Rack) -> None:
        assert lab.service is not None
        self.store = MemoryStore()
        for kind in KINDS:
            for record in lab.service.database.range(kind):
                self.store.transact(partial(put, record=record))
        lab.stop()
        self.sent: list[tuple[str, Any]] = []
        export = ExportHand(lab.folder / "x")
        self.tools = Tools(self.store, lambda *item: self.sent.append(item), export, lambda: 9e8, lambda: 0)
        self.call = Call(ROOT, "AddNodes", 9e8)
        self.store.transact(lambda tx: groups.add_nodes(tx, self.call, "a", ["n7"]))
        self.store.transact(lambda tx: groups.deploy(tx, self.call, "a"))
        self.worker = GroupWorker("a", self.tools)
        self.worker.handle([Wake()])

    def take(self, subject: str) -> Any:
        """What was sent there; forget all else."""
        (found,) = [item for whose, item in self.sent if whose == subject]
        self.sent.clear()
        return found

    def replace(self) -> int:
        owe = partial(releases.owe_switch, call=self.call, switch="sw1", kind="replace", takes=False)
        return self.store.transact(partial(owe, another=True))

    def there(self) -> dict[str, Any]:
        """What is deployed on the switch."""
        deployed = (self.store.get("group_a") or {})["deployed"]
        return {fact: value for fact, value in deployed.items() if switch_of(fact) == "sw1"}


def test_a_late_answer_of_the_old_device_is_not_believed(lab: Rack) -> None:
    """It was asked of the old one, and its answer is read when the new one has been isolated already."""
    bench = Bench(lab)
    errand = bench.take("switch:sw1")
    job = bench.replace()
    bench.store.transact(lambda tx: releases.pay_switch(tx, "sw1", job, 9e8))
    bench.store.transact(lambda tx: releases.strike_out(tx, "sw1", job))
    bench.store.transact(lambda tx: releases.rejoin(tx, bench.call, "a", "sw1", job))
    errand.reply([Outcome(seen=order.value) for order in errand.orders])
    bench.worker.handle([bench.take("group:a")])
    assert all("doubt" in value for value in bench.there().values())
    again = bench.take("switch:sw1").orders
    assert {order.fact: order.value for order in again}["port/sw1/p7"] is None


def test_what_waits_for_a_switch_in_debt_is_not_done(lab: Rack) -> None:
    bench = Bench(lab)
    orders = bench.take("switch:sw1").orders
    assert orders and not any(order.moot() for order in orders)
    bench.replace()
    assert all(order.moot() for order in orders)


def test_what_is_recorded_while_a_switch_is_in_debt_is_not_the_groups(lab: Rack) -> None:
    bench = Bench(lab)
    (order,) = [order for order in bench.take("switch:sw1").orders if order.fact == "port/sw1/p7"]
    step = plan.Step("x", 3, "switch:sw1", "switch", "p7", "join", "", order.fact, access_value(101), None)
    bench.replace()
    bench.store.transact(
        lambda tx: recording.steps_done(tx, "a", [(step, Outcome(seen=access_value(101)))], 9e8)
    )
    assert bench.there() == {}
    assert (bench.store.get("port_sw1:p7") or {})["_seen"] == ISOLATED


def access_value(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": []}


def test_what_was_paid_to_an_older_debt_does_not_count(lab: Rack) -> None:
    bench = Bench(lab)
    older = bench.replace()
    worker = SwitchDebtWorker("sw1", bench.tools)
    bench.sent.clear()
    worker.handle([Job(older)])
    first = bench.take("switch:sw1")
    newer = bench.replace()
    assert all(order.moot() for order in first.orders)
    worker.handle([Job(newer)])
    second = bench.take("switch:sw1")
    for late in ([Outcome(moot=True)], [Outcome()]):
        first.reply(late * len(first.orders))
        worker.handle([bench.take("debt:sw1")])
        assert debts.of_switch(bench.store, "sw1") is not None
    second.reply([Outcome()] * len(second.orders))
    worker.handle([bench.take("debt:sw1")])
    assert debts.of_switch(bench.store, "sw1") is None


def test_what_wakes_an_older_job_does_not_let_the_newer_be_forgotten(lab: Rack) -> None:
    bench = Bench(lab)
    older, newer = bench.replace(), bench.replace()
    worker = SwitchDebtWorker("sw1", bench.tools)
    bench.sent.clear()
    worker.handle([Job(newer)])
    errand = bench.take("switch:sw1")
    errand.reply([Outcome()] * len(errand.orders))
    worker.handle([bench.take("debt:sw1")])
    for child in drift.children(bench.store, newer):
        bench.store.transact(partial(jobs.advance, number=child, now=9e8, state="done"))
    worker.handle([Job(newer), Job(older)])
    assert (bench.store.get(f"job_{newer}") or {})["state"] == "done"
