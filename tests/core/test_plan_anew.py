"""A plan that is made anew while orders of the one before are under way: what they made is not undone."""

from functools import partial
from pathlib import Path
from typing import Any

from nm import recording
from nm.converge import GroupWorker, Tools, Wake
from nm.export import ExportHand
from nm.facts import Order, Outcome
from nm.records import KINDS, Record
from nm.store import Transaction
from nm.workers import Errand
from tests.memory_store import MemoryStore
from tests.rack import rack

FIRST, SECOND = "port/sw0/p0", "port/sw1/p1"


def put(tx: Transaction, record: Record) -> None:
    tx.put(record)


class Bench:
    """A group's worker on a copy of a rack's records. Its orders wait here until they are answered."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        with rack(folder, switches=2, nodes=2) as lab:
            assert lab.service is not None
            for switch in ("sw0", "sw1"):
                lab.set_faults(switch, down=True)
            lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"]})
            lab.call("Deploy", "a")
            for kind in KINDS:
                for record in lab.service.database.range(kind):
                    self.store.transact(partial(put, record=record))
        self.sent: list[tuple[str, Any]] = []
        tools = Tools(self.store, self._send, ExportHand(folder / "x"), lambda: 9e8, lambda: 0.0)
        self.worker = GroupWorker("a", tools)
        self.worker.handle([Wake()])

    def _send(self, subject: str, item: Any) -> None:
        self.sent.append((subject, item))

    @property
    def orders(self) -> list[Order]:
        """Those that wait."""
        return [order for _, item in self.sent if isinstance(item, Errand) for order in item.orders]

    def answer(self, subject: str, moot: bool = False) -> None:
        """The hand there answers all that it was asked: it is done, or was moot."""
        errands = [item for whose, item in self.sent if whose == subject]
        self.sent = [one for one in self.sent if one[0] != subject]
        for errand in errands:
            errand.reply(
                [Outcome(moot=True) if moot else Outcome(seen=order.value) for order in errand.orders]
            )
        answers = [item for whose, item in self.sent if whose == "group:a"]
        self.sent = [one for one in self.sent if one[0] != "group:a"]
        self.worker.handle(answers)

    def until_they_join(self) -> None:
        """Answer all but the two joins."""
        wanted = {(FIRST, False), (SECOND, False)}
        while {(order.fact, order.value is None) for order in self.orders} != wanted:
            joins = {subject for subject, item in self.sent if _joins(item)}
            self.answer(next(subject for subject, _ in self.sent if subject not in joins))


def _joins(item: Any) -> bool:
    return any(order.fact in (FIRST, SECOND) and order.value is not None for order in item.orders)


def test_a_join_under_way_is_not_undone_by_the_leave_of_the_next_plan(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for subject in ("switch:sw0", "switch:sw1"):  # now plans differ in nothing but what is under way
        bench.until_they_join()
        bench.answer(subject, moot=True)
    bench.until_they_join()
    bench.answer("switch:sw1", moot=True)
    bench.answer("switch:sw0")
    assert (FIRST, None) not in [(order.fact, order.value) for order in bench.orders]
    while bench.sent:
        bench.answer(bench.sent[0][0])
    group = bench.store.get("group_a") or {}
    assert {FIRST, SECOND} <= set(group["deployed"]) and not recording.unfinished(group)
