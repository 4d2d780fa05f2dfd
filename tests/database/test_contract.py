"""What nm/store.py promises, of the database and of the trivial store alike."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from nm.errors import Conflict, Invalid
from nm.records import Record, changed, new
from nm.store import Event, Published, Store, Transaction
from tests.database.conftest import Opener
from tests.memory_store import MemoryStore


@pytest.fixture(params=["database", "memory"])
def store(request: pytest.FixtureRequest, opener: Opener) -> Store:
    return MemoryStore() if request.param == "memory" else opener()


def put(store: Store, *records: Record) -> None:
    def operation(tx: Transaction) -> None:
        for record in records:
            tx.put(record)

    store.transact(operation)


def keys(records: Any) -> set[str]:
    return {record["record_key"] for record in records}


def test_what_was_put_can_be_read(store: Store) -> None:
    node = new("node", "n1", 5.0, ip="10.0.0.1")
    put(store, node, new("vlan", 101, 5.0))
    assert store.get("node_n1") == node
    assert store.get("node_n2") is None
    assert keys(store.range("node")) == {"node_n1"}
    assert keys(store.range("group")) == set()


def test_the_answer_comes_back(store: Store) -> None:

    def register(tx: Transaction) -> int:
        tx.put(new("node", 1, 1.0))
        return 7

    assert store.transact(register) == 7
    assert store.transact(lambda tx: None) is None
    assert store.transact(lambda tx: tx.get("node_1")) == new("node", 1, 1.0)


def test_a_transaction_reads_its_own_writes(store: Store) -> None:
    put(store, new("node", 1, 1.0), new("node", 2, 1.0))

    def operation(tx: Transaction) -> tuple[set[str], Record | None, Record | None]:
        assert keys(tx.range("node")) == {"node_1", "node_2"}
        tx.put(new("node", 3, 1.0))
        tx.delete("node_1")
        tx.delete("node_9")
        return keys(tx.range("node")), tx.get("node_1"), tx.get("node_3")

    assert store.transact(operation) == ({"node_2", "node_3"}, None, new("node", 3, 1.0))
    assert keys(store.range("node")) == {"node_2", "node_3"}


def test_what_an_operation_raises_changes_nothing(store: Store) -> None:
    put(store, new("node", 1, 1.0, group=None))
    before = store.revision

    def operation(tx: Transaction) -> None:
        tx.put(new("node", 1, 2.0, group="alpha"))
        tx.tell(Event("root", "node 1", "taken"))
        raise Conflict("not today")

    with pytest.raises(Conflict, match="not today"):
        store.transact(operation)
    assert store.get("node_1") == new("node", 1, 1.0, group=None)
    assert store.revision == before


def test_more_than_a_hundred_writes_are_refused(store: Store) -> None:
    put(store, *(new("node", number, 1.0) for number in range(100)))
    with pytest.raises(Invalid, match="100"):
        put(store, *(new("vlan", number, 1.0) for number in range(101)))
    assert keys(store.range("vlan")) == set()


def test_subscribers_hear_every_change_in_order(store: Store) -> None:
    heard: list[Published] = []
    store.subscribe(heard.append)
    event = Event("root", "node 1", "registered")

    def register(tx: Transaction) -> None:
        tx.put(new("node", 1, 1.0))
        tx.tell(event)

    store.transact(register)
    store.transact(lambda tx: tx.delete("node_1"))
    assert [(list(heard_.changes), list(heard_.events)) for heard_ in heard] == [
        (["node_1"], [event]),
        (["node_1"], []),
    ]
    assert heard[0].changes == {"node_1": new("node", 1, 1.0)}
    assert heard[1].changes == {"node_1": None}
    assert heard[1].revision == heard[0].revision + 1 == store.revision


def test_an_event_alone_is_published(store: Store) -> None:
    heard: list[Published] = []
    store.subscribe(heard.append)
    event = Event("snoop", "group alpha", "refused")
    store.transact(lambda tx: tx.tell(event))
    assert [list(published.events) for published in heard] == [[event]]


def test_changes_after_a_revision(store: Store) -> None:
    start = store.revision
    for number in (1, 2, 3):
        put(store, new("node", number, 1.0))
    known = store.changes(start + 1)
    assert known is not None
    assert [list(published.changes) for published in known] == [["node_2"], ["node_3"]]
    assert store.changes(store.revision) == []


def claim(who: str) -> Callable[[Transaction], bool]:
    """Take the node if it is free: the pattern of every claim in nm."""

    def operation(tx: Transaction) -> bool:
        node = tx.get("node_1")
        assert node is not None
        if node["group"] is not None:
            return False
        tx.put(changed(node, 2.0, group=who))
        return True

    return operation


def test_one_of_eight_gets_the_node(store: Store) -> None:
    for _ in range(20):
        put(store, new("node", 1, 1.0, group=None))
        won = race(8, lambda number: store.transact(claim(f"g{number}")))
        assert won.count(True) == 1
        node = store.get("node_1")
        assert node is not None
        assert node["group"] == f"g{won.index(True)}"


def test_forty_eight_groups_get_forty_eight_vlans(store: Store) -> None:
    put(store, *(new("vlan", number, 1.0, group=None) for number in range(101, 149)))

    def take(tx: Transaction) -> str:
        vlan = next(record for record in tx.range("vlan") if record["group"] is None)
        tx.put(changed(vlan, 2.0, group="somebody"))
        return str(vlan["record_key"])

    taken = race(8, lambda _: [store.transact(take) for _ in range(6)])
    assert len({vlan for vlans in taken for vlan in vlans}) == 48


def test_a_counter_loses_no_count(store: Store) -> None:
    put(store, new("meta", "jobs", 1.0, last=0))

    def count(tx: Transaction) -> None:
        counter = tx.get("meta_jobs")
        assert counter is not None
        tx.put(changed(counter, 2.0, last=counter["last"] + 1))

    race(8, lambda _: [store.transact(count) for _ in range(25)])
    counter = store.get("meta_jobs")
    assert counter is not None
    assert counter["last"] == 200


def race(number: int, run: Callable[[int], Any]) -> list[Any]:
    """The answers of `number` threads that begin together."""
    answers: list[Any] = [None] * number
    start = threading.Barrier(number)

    def thread(index: int) -> None:
        start.wait()
        answers[index] = run(index)

    threads = [threading.Thread(target=thread, args=(index,)) for index in range(number)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answers
