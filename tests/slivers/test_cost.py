"""What SetLoans reads and writes, as a count: the same among ten slivers and among ten thousand."""

from collections import Counter
from collections.abc import Iterator

import pytest

from nm import loans
from nm.records import Record
from nm.store import Event, Transaction
from tests.memory_store import MemoryStore, MemoryTransaction
from tests.slivers.making import CALL, NOW, lend, place, record

FEW, MANY = 10, 10_000
LOANS = [["s1", "cpu_min", 10], ["s2", "cpu_share", 4], ["nobody", "net_min", 1]]


class Counting:
    """A Transaction that counts the records that pass."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.counts: Counter[str] = Counter()

    def get(self, key: str) -> Record | None:
        self.counts["read"] += 1
        return self._tx.get(key)

    def range(self, kind: str) -> Iterator[Record]:
        for found in self._tx.range(kind):
            self.counts["read"] += 1
            yield found

    def put(self, written: Record) -> None:
        self.counts["written"] += 1
        self._tx.put(written)

    def delete(self, key: str) -> None:
        self.counts["written"] += 1
        self._tx.delete(key)

    def tell(self, event: Event) -> None:
        self._tx.tell(event)


def world(count: int) -> MemoryStore:
    """So many slivers, each of which lends to the next: so there are as many loans."""
    store = MemoryStore()
    for number in range(count):
        place(store, f"s{number}", cpu_min=100)
    for number in range(3, count - 1):
        lend(store, f"s{number}", [f"s{number + 1}", "cpu_min", 20])
    return store


def cost(store: MemoryStore, given: object) -> Counter[str]:
    """What one call reads and writes."""
    counting = []

    def call(tx: Transaction) -> None:
        counting.append(Counting(tx))
        loans.set_loans(counting[-1], CALL, "s0", given)

    store.transact(call)
    return counting[-1].counts


@pytest.fixture(scope="module")
def stores() -> dict[int, MemoryStore]:
    return {count: world(count) for count in (FEW, MANY)}


def test_setting_loans_costs_the_same_among_many(stores: dict[int, MemoryStore]) -> None:
    for given in (LOANS, LOANS[:1], []):
        few, many = (cost(stores[count], given) for count in (FEW, MANY))
        assert few == many
        assert few["read"] <= 20
        assert few["written"] <= 8


def test_so_does_a_sliver_that_changes_or_goes(stores: dict[int, MemoryStore]) -> None:
    counts = []
    for count in (FEW, MANY):
        all_of_it = [*stores[count].range("sliver"), *stores[count].range("meta")]
        tx = Counting(MemoryTransaction({one["record_key"]: one for one in all_of_it}))
        loans.place(tx, record("s5", cpu_min=1))
        loans.take_away(tx, "s6", NOW)
        assert loans.settle(tx)
        counts.append(tx.counts)
    assert counts[0] == counts[1]
    assert counts[0]["written"] > 4


def test_a_hub_of_loans_is_no_dearer_to_lend_to() -> None:
    """A thousand lend to one already: the next one's call reads none of theirs."""
    store = MemoryStore()
    place(store, "s1")
    place(store, "s0", cpu_min=100)
    alone = cost(store, LOANS[:1])
    cost(store, [])
    for number in range(1000):
        place(store, f"x{number}", cpu_min=100)
        lend(store, f"x{number}", ["s1", "cpu_min", 1])
    assert cost(store, LOANS[:1]) == alone
    assert loans.get_effective_rspec(store, "s1")["cpu_min"] == 1010
