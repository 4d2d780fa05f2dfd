"""An import of many bites: whole or nothing, across restarts, kills, and a world that moves meanwhile."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import delegates, groups, imports, pool
from nm.calls import Call, Caller, Site
from nm.database import Database
from nm.errors import Conflict, Invalid
from nm.imports.steps import tried
from nm.importwork import carry_out
from nm.records import Record
from nm.shell.importing import LARGEST
from nm.store import Transaction
from nm.switches import builtin
from tests.core.test_daemon import Daemon, until
from tests.importing.conftest import Office
from tests.memory_store import MemoryStore

ROOT = Caller(0, "root", admin=True)
SITE = Site(drivers=builtin(), uid_of={"root": 0, "bob": 1002}.get)
KINDS = ("switch", "port", "host", "trunk", "vlan", "node", "headnode", "group", "account", "claim")
NODES = 120


def big(nodes: int = NODES) -> dict[str, Any]:
    """A site of several bites, with a group of more nodes than one call may name."""
    ports = [f"p{number}" for number in range(nodes)]
    return {
        "switches": {"sw0": {"driver": "none"}},
        "ports": {"sw0": ports},
        "hosts": {"h0": {"uri": "test:///default", "network": {"kind": "ovs", "device": "br0"}}},
        "vlans": {"101-140": {}},
        "nodes": {f"n{number}": node(number) for number in range(nodes)},
        "headnodes": {"h1": {"host": "h0", "domain": "vm1"}},
        "groups": {"alpha": {"nodes": [f"n{number}" for number in range(nodes)], "headnode": "h1"}},
    }


def node(number: int) -> dict[str, Any]:
    mac = f"52:54:00:00:{number // 256:02x}:{number % 256:02x}"
    return {"nics": [{"name": "eth0", "mac": mac, "switch": "sw0", "port": f"p{number}"}]}


def call() -> Call:
    return Call(ROOT, "Import", 1_800_000_000.0, SITE)


class Desk:
    """A database without workers, so that the bites come one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open()

    def open(self) -> None:
        self.database = Database.open(self.folder)

    def begin(self, site: dict[str, Any]) -> int:
        return imports.import_site(self.database, call(), json.dumps(site))

    def bite(self) -> bool:
        return self.database.transact(lambda tx: imports.carry_on(tx, call()))

    def do(self, operation: Any, *arguments: Any) -> Any:
        return self.database.transact(lambda tx: operation(tx, call(), *arguments))

    def records(self) -> dict[str, Record]:
        return {record["record_key"]: record for kind in KINDS for record in self.database.range(kind)}

    def job(self, number: int) -> Record:
        found = self.database.get(f"job_{number}")
        assert found is not None
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "nm" / "db")
    try:
        yield made
    finally:
        made.database.close()


def test_bite_by_bite_with_a_restart_behind_each(desk: Desk) -> None:
    number = desk.begin(big())
    bites = 1
    while desk.bite():
        assert desk.job(number)["state"] == "running"
        bites += 1
        desk.database.close()
        desk.open()
    assert bites > 5
    job = desk.job(number)
    assert (job["state"], job["done"], job["total"]) == ("done", job["total"], 2 * NODES + 45)
    group = desk.records()["group_alpha"]
    assert len(group["wanted"]["nodes"]) == NODES
    assert all(
        record["group"] == "alpha" for key, record in desk.records().items() if key.startswith("node_")
    )
    assert desk.database.get(imports.RUNNING) is None


@pytest.mark.parametrize("before", [0, 2, 3, 4, 5])
def test_a_world_that_moves_undoes_all(desk: Desk, before: int) -> None:
    """Somebody takes what the last steps need; restarts come between the bites of taking back, too."""
    number = desk.begin(big())
    for _ in range(before):
        assert desk.bite()
    assert desk.job(number)["done"] < 2 * NODES + 40
    if before:
        desk.do(pool.register_head_node, "other", {"host": "h0", "domain": "vm1"})
    else:
        network = {"kind": "ovs", "device": "b"}
        desk.do(pool.register_host, "other", {"uri": "test:///default", "network": network})
    mine = {key: record for key, record in desk.records().items() if "other" in str(record)}
    while desk.bite():
        desk.database.close()
        desk.open()
    job = desk.job(number)
    assert job["state"] == "failed" and "belongs to" in job["error"]["text"], job["error"]
    left = desk.records()
    if before:  # the stranger's head node keeps the host that it runs on
        assert "these stay: host h0 has head node other" in job["error"]["text"]
        mine["host_h0"] = left["host_h0"]
        mine["claim_uri:test:///default"] = left["claim_uri:test:///default"]
    assert left == mine
    assert desk.database.get(imports.RUNNING) is None
    desk.begin({"vlans": {"300": {}}})


def test_what_is_used_meanwhile_stays_and_is_told(desk: Desk) -> None:
    site = big()
    site["groups"] = {"zeta": {"headnode": "h1", "networks": {"main": {"vlan": 140}}}}
    number = desk.begin(site)
    while not any(key == "node_n5" for key in desk.records()):
        assert desk.bite()
    held = {**desk.records()["node_n5"], "group": "beta"}  # as a group would hold it
    desk.database.transact(lambda tx: tx.put(held))
    desk.do(pool.update_vlan, 140, {"available": False, "reason": "x"})
    desk.do(pool.unregister_vlan, 140)
    while desk.bite():
        pass
    text = desk.job(number)["error"]["text"]
    assert "no VLAN 140" in text
    assert "node n5 is used by group beta" in text
    assert "port p5 of switch sw0 serves NIC eth0 of node n5" in text
    kept = {key for key in desk.records() if not key.startswith("claim")}
    assert kept == {"node_n5", "port_sw0:p5", "switch_sw0"}


def added(tx: Transaction, call: Call, group: str, nodes: list[str]) -> None:
    """As AddNodes would, were their ports verified."""
    tried(tx, call, [["AddNodes", group, nodes]]).apply(tx)


def carry_to_the_end(desk: Desk) -> None:
    for _ in range(60):
        if not desk.bite():
            return
    raise AssertionError("it is never over")


def test_a_group_that_has_grown_is_taken_back_in_parts(desk: Desk) -> None:
    site = big(200)
    nodes = list(site["nodes"])
    site["groups"] = {
        "alpha": {"nodes": nodes[:60], "networks": {"main": {"vlan": 101}}},
        "beta": {"nodes": nodes[60:120], "headnode": "h1"},
    }
    number = desk.begin(site)
    while "group_alpha" not in desk.records():
        assert desk.bite()
    members = [f"n{at}" for at in range(120, 200)]
    for some in (members[:50], members[50:]):
        desk.do(added, "alpha", some)
    desk.do(pool.unregister_head_node, "h1")
    carry_to_the_end(desk)
    job = desk.job(number)
    assert (job["state"], job["result"]["kept"]) == ("failed", [])
    assert desk.records() == {}


def test_what_has_grown_too_large_to_be_undone_stays(desk: Desk) -> None:
    number = desk.begin(big())
    while "node_n5" not in desk.records():
        assert desk.bite()
    grown = desk.records()["node_n5"]
    more = [{**grown["nics"][0], "name": f"x{at}", "mac": f"m{at}", "switch": None} for at in range(100)]
    grown = {**grown, "nics": [*grown["nics"], *more]}
    desk.database.transact(lambda tx: tx.put(grown))
    desk.do(pool.register_head_node, "other", {"host": "h0", "domain": "vm1"})
    carry_to_the_end(desk)
    job = desk.job(number)
    assert job["state"] == "failed" and "RegisterNode n5 has grown too large" in str(job["result"]["kept"])
    assert [key for key in desk.records() if key.startswith("node")] == ["node_n5"]
    assert desk.database.get(imports.RUNNING) is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_rights_that_were_set_meanwhile_stay(desk: Desk, when: str) -> None:
    number = desk.begin({**big(), "rights": {"bob": {"spy": True}}})
    while when == "after" and "account_bob" not in desk.records():
        assert desk.bite()
    given = {"reserve": {"nodes": 1}}
    desk.do(delegates.set_rights, "bob", given)
    if when == "after":
        desk.do(groups.create_group, "other", {"headnode": "h1", "networks": {"main": {"vlan": 140}}})
    carry_to_the_end(desk)
    job = desk.job(number)
    said = "account bob was given rights" if when == "before" else "the rights of bob were set meanwhile"
    assert job["state"] == "failed" and said in job["error"]["text"] + str(job["result"]["kept"])
    assert desk.records()["account_bob"]["rights"] == given


def test_rights_are_taken_back(desk: Desk) -> None:
    number = desk.begin({**big(), "rights": {"bob": {"spy": True}}})
    while "account_bob" not in desk.records():
        assert desk.bite()
    desk.do(pool.unregister_head_node, "h1")
    carry_to_the_end(desk)
    assert desk.job(number)["state"] == "failed" and desk.records() == {}


class Refusing(MemoryStore):
    """A store that takes nothing in which an import's step is done."""

    def transact(self, operation: Callable[[Transaction], Any]) -> Any:
        def checked(tx: Transaction) -> Any:
            answer = operation(tx)
            if tx.get("vlan_300") is not None:
                raise Invalid("VLAN 300 is not liked here", "")
            return answer

        return super().transact(checked)


def test_an_import_that_can_go_nowhere_is_given_up() -> None:
    store = Refusing()
    for _ in range(2):  # the second one begins at all
        number = imports.import_site(store, call(), '{"vlans": {"300": {}}}')
        carry_out(store, lambda: SITE)
        job = store.get(f"job_{number}")
        assert job is not None and job["state"] == "failed" and "not liked here" in job["error"]["text"]


def test_others_write_while_a_site_is_judged() -> None:
    """The machine is asked for people in the midst of it: somebody else's write goes through just then."""
    store = MemoryStore()

    def uid_of(name: str) -> int | None:
        assert not store._lock.locked()
        store.transact(lambda tx: pool.register_vlan(tx, call(), 300))
        return 1002

    begun = replace(call(), site=replace(SITE, uid_of=uid_of))
    site = '{"rights": {"bob": ["spy"]}, "vlans": {"300": {}}}'
    number = imports.import_site(store, begun, site)
    carry_out(store, lambda: SITE)
    job = store.get(f"job_{number}")
    assert job is not None and job["state"] == "failed" and "300 is registered" in job["error"]["text"]


def test_one_import_at_a_time(desk: Desk) -> None:
    number = desk.begin(big())
    with pytest.raises(Conflict, match=f"job {number}"):
        desk.begin({"vlans": {"300": {}}})


def test_problems_change_nothing(desk: Desk) -> None:
    site = big()
    site["nodes"]["n7"]["nics"][0]["mac"] = "x"
    with pytest.raises(Invalid, match=r"nodes\.n7: .*is no MAC"):
        desk.begin(site)
    assert desk.records() == {} and desk.database.get("meta_jobs") is None


def test_the_daemon_goes_on_after_a_restart(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "nm" / "db")
    number = desk.begin(big())
    assert desk.bite() and desk.bite()
    desk.database.close()
    office = Office(tmp_path / "nm")
    try:
        assert office.rack.wait(number)["state"] == "done"
        assert len(office.call("GetStatus", "alpha")["nodes"]) == NODES
        last = office.call("GetEvents", 0, 1000)[-1]
        assert (last["subject"], last["what"]) == ("import", "done")
    finally:
        office.rack.stop()


def test_a_thousand_nodes_fit_into_a_request(office: Office, tmp_path: Path) -> None:
    site = big(1000)
    for number, one in enumerate(site["nodes"].values()):
        one["nics"].append({"name": "eth1", "mac": f"52:54:01:00:{number // 256:02x}:{number % 256:02x}"})
        one["management"] = {"driver": "simulated", "file": f"/nowhere/n{number}", "address": "10.0.0.1"}
        one["location"] = f"rack {number // 40}, unit {number % 40}"
    (tmp_path / "site.json").write_text(json.dumps(site))
    office.nmctl("import", str(tmp_path / "site.json"), "--yes")
    assert len(office.call("GetNodes", {})) == 1000
    assert len(office.call("GetStatus", "alpha")["nodes"]) == 1000
    assert office.call("CheckImport", office.call("Export"))["same"] == 2000 + 45 - 1


def test_kill_9_in_the_middle(tmp_path: Path) -> None:
    nmd = Daemon(tmp_path)
    try:
        first = nmd.start()  # a line for each thing: more than its stderr holds, which nobody reads
        nmd.wait_ready()
        number = nmd.call("Import", json.dumps(big(400)))
        until(lambda: nmd.call("GetJob", number)["done"] > 0)
        first.send_signal(signal.SIGKILL)
        first.wait()
        nmd.start()
        nmd.wait_ready()
        until(lambda: nmd.call("GetJob", number)["state"] == "done")
        assert len(nmd.call("GetNodes", {"group": "alpha"})) == 400
    finally:
        nmd.end()


def test_what_does_not_fit_into_a_request_is_told_before(office: Office, tmp_path: Path) -> None:
    """The largest site that nmctl sends is taken by the daemon, and one that is larger never gets there."""
    room = LARGEST - len(json.dumps({"format": 1, "vlans": {"101": {"reason": ""}}}, separators=(",", ":")))
    for size, status, said in ((room, 2, "characters"), (room + 1, 2, "1047552 are the most")):
        (tmp_path / "site.json").write_text(json.dumps({"vlans": {"101": {"reason": "x" * size}}}))
        assert said in office.nmctl("import", str(tmp_path / "site.json"), "--yes", status=status).err


class Counting:
    """A reader, or a transaction, that counts the records it hands out."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind
        self.count = 0

    def get(self, key: str) -> Record | None:
        self.count += 1
        found: Record | None = self._behind.get(key)
        return found

    def range(self, kind: str) -> Iterator[Record]:
        for record in self._behind.range(kind):
            self.count += 1
            yield record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


def test_the_pool_of_vlans_is_not_searched_anew_for_each_group(desk: Desk) -> None:
    desk.begin({"vlans": {"101-500": {}}})
    while desk.bite():
        pass
    site = json.dumps({"groups": {f"g{number:03}": {} for number in range(300)}})
    reader = Counting(desk.database)
    assert imports.check_import(reader, call(), site)["problems"] == []
    assert reader.count < 400 + 20 * 300  # each VLAN once, and a few records a group

    number = imports.import_site(desk.database, call(), site)
    while desk.database.get(imports.RUNNING) is not None:
        before = desk.job(number)["done"]
        bite = desk.database.transact(lambda tx: carried(Counting(tx)))
        assert bite.count < 400 + 40 * (desk.job(number)["done"] - before + 1)
    vlans = [record["group"] for record in desk.database.range("vlan") if record["id"] <= 400]
    assert vlans == [f"g{number:03}" for number in range(300)]  # still the lowest, one after the other


def carried(bite: Counting) -> Counting:
    imports.carry_on(bite, call())
    return bite
