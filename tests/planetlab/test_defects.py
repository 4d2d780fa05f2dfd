"""Defects of PlanetLab's node manager that no other test looks for in the same way (docs/planetlab.md)."""

import threading
from pathlib import Path

from nm import loans
from nm.database import Database
from nm.errors import Invalid
from nm.records import Record, new
from tests.core.test_daemon import Daemon
from tests.database.conftest import Opener
from tests.plc.conftest import Told
from tests.plc.test_delivery import Node, ticket
from tests.slivers.making import lend, place, settle


def put(database: Database, record: Record) -> None:
    database.transact(lambda tx: tx.put(record))


def test_slivers_and_loans_are_there_after_a_restart(opener: Opener, tmp_path: Path) -> None:
    """Also after one in the middle of writing a new snapshot."""
    database = opener()
    for number in range(10):
        place(database, f"s{number}", cpu_min=100)
    lend(database, "s0", [["s1", "cpu_min", 60], ["nobody", "cpu_min", 10]])
    settle(database)
    before = {record["record_key"]: record for record in database.range("sliver")}
    assert len(before) == 10
    for _ in range(2):
        database.close()
        (tmp_path / "db" / "database.pickle.new").write_bytes(b"a part of what was to be written")
        database = opener()
        assert {record["record_key"]: record for record in database.range("sliver")} == before
        assert loans.get_effective_rspec(database, "s1")["cpu_min"] == 160
        assert [state["in_force"] for state in loans.get_loan_states(database, "s0")] == [True, False]


def test_a_ticket_on_a_node_with_slivers_removes_none(told: Told) -> None:
    node = Node(told)
    deleg = next(one for one in told["slivers"] if one["name"] == "demo_deleg")
    node.listing(10)
    node.told["slivers"].append(deleg)
    node.hear()
    before = {name: node.sliver(name) for name in node.slivers()}
    assert ticket(node, "new", node.told["timestamp"] + 5)
    assert len(before) == 11 and node.slivers() == {*before, "new"} and node.gone() == set()
    assert {name: node.sliver(name) for name in before} == before


def test_what_cannot_be_stored_holds_up_nobody(opener: Opener) -> None:
    """Whoever tried it is gone, and whatever was locked by then is free."""
    database = opener()
    refused: list[Exception] = []

    def fail() -> None:
        try:
            put(database, new("node", 1, 1.0, value=threading.Lock()))
        except Invalid as error:
            refused.append(error)

    for _ in range(3):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert len(refused) == 3
    other = threading.Thread(target=put, args=(database, new("node", 2, 1.0)))
    other.start()
    other.join(20)
    assert not other.is_alive()
    assert database.get("node_2") is not None and database.get("node_1") is None


def test_no_folder_for_temporary_files_is_needed(nmd: Daemon) -> None:
    """What is written lies beside what it replaces from the start, so putting it in place is one step."""
    for number in (101, 102):
        process = nmd.start(TMPDIR=str(nmd.folder / "nowhere"))
        nmd.wait_ready()
        nmd.call("RegisterVlan", number)
        process.kill()
        process.wait()
    nmd.start(TMPDIR=str(nmd.folder / "nowhere"))
    nmd.wait_ready()
    assert [vlan["id"] for vlan in nmd.call("GetVlans", {})] == [101, 102]
