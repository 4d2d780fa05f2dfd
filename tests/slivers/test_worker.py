"""The slivers' worker by itself: its cost, a full disk, and records that are an old copy."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from nm import guestwork, slivers
from nm.calls import NM, Call, Site
from nm.converge import Tools
from nm.errors import DeviceFailed
from nm.facts import Outcome
from nm.records import Record, new
from nm.rspec import complete
from nm.sliverwork import Manner, SliversWorker, Wake
from nm.store import Transaction
from nm.workers import Errand
from tests.memory_store import MemoryStore
from tests.slivers.making import NOW

T = TypeVar("T")


class Disk(MemoryStore):
    """A database whose disk may be full, and that counts what is read of it."""

    full = False
    reads = 0

    def get(self, key: str) -> Record | None:
        self.reads += 1
        return super().get(key)

    def transact(self, operation: Callable[[Transaction], T]) -> T:
        if self.full:
            raise DeviceFailed("the disk is full", "make room")
        return super().transact(operation)


class Desk:
    """A worker, its database, and what it has sent; nothing runs by itself. `up` is its clock."""

    def __init__(self, host: slivers.Host = slivers.Host("sliver.QEMU", "debian")) -> None:  # noqa: B008
        self.store = Disk()
        self.sent: list[tuple[str, Any]] = []
        self.up = 100.0
        call = Call(NM, "Create", NOW, Site())
        tools = Tools(
            self.store,
            lambda subject, item: self.sent.append((subject, item)),
            None,  # type: ignore[arg-type]
            lambda: NOW,
            lambda: self.up,
        )
        manner = Manner(host, lambda: 86400.0, lambda: call, lambda reader, name: False, lambda: 60.0)
        self.worker = SliversWorker(tools, manner)
        self.store.transact(lambda tx: tx.put(new("image", "debian", NOW)))

    def tell(self, name: str, **fields: Any) -> None:
        plain: Record = {
            "name": name, "account": name, "type": "sliver.QEMU", "instantiation": "plc-instantiated",
            "reference": None, "keys": [], "initscript": None, "delegations": [], "vlan": None, "nodes": [],
            "rspec": complete({}), "tags": {}, "enabled": True, "problems": [], "_state": None, "_gone": None,
        }  # fmt: skip
        self.store.transact(lambda tx: tx.put(new("sliver", name, NOW, **{**plain, **fields})))

    def handle(self, *batch: Any) -> None:
        """As the crew does it."""
        try:
            self.worker.handle(batch)
        except DeviceFailed:
            self.worker.failed(batch, "unforeseen")

    def orders(self) -> list[Errand]:
        """What the guests' hand was sent; it forgets them here."""
        found = [item for subject, item in self.sent if subject == guestwork.SUBJECT]
        self.sent = []
        return [item for item in found if isinstance(item, Errand)]

    def looks(self) -> list[guestwork.States]:
        """What was asked of all guests; it forgets that here."""
        found, self.sent = self.sent, []
        return [item for _, item in found if isinstance(item, guestwork.States)]


@pytest.mark.parametrize("moment", [1, 2])
def test_an_order_that_could_not_be_written_down_is_given_later(moment: int) -> None:
    desk = Desk()
    desk.tell("a")
    desk.tell("b")
    for _ in range(moment - 1):
        desk.handle(Wake(("a", "b")))
    desk.store.full = True
    desk.handle(Wake(("a", "b")))
    assert desk.orders() == []
    desk.store.full = False
    for _ in range(4):
        desk.up += 100
        desk.handle()
    assert len(desk.orders()) == 2


def test_those_who_wait_cost_nothing() -> None:
    """A hundred are being made, a hundred cannot be: what one of them changes reads as much as with ten."""
    counts = []
    for count in (10, 100):
        desk = Desk()
        for number in range(count):
            desk.tell(f"a{number}")
            desk.tell(f"b{number}")
        desk.handle(Wake())
        desk.handle()
        for errand in desk.orders():
            if errand.orders[0].fact.startswith("sliver/b"):
                errand.reply([Outcome(error=DeviceFailed("no room", "make some"))])
        desk.handle(*[item for _, item in desk.sent])
        desk.handle()
        desk.store.reads = 0
        desk.handle(Wake(("a1",)))
        counts.append(desk.store.reads)
    assert counts[0] == counts[1]


def test_a_guest_of_a_later_life_keeps_its_disk() -> None:
    """The records are those of a copy: somebody called ReCreate after it was made."""
    desk = Desk()
    desk.tell("a", _life=2)
    desk.handle(Wake(("a",)))
    desk.handle()
    [errand] = desk.orders()
    assert errand.orders[0].value is not None
    errand.reply([Outcome({**errand.orders[0].value, "life": 3, "shares": 7})])
    desk.handle(*[item for _, item in desk.sent])
    desk.handle()
    [errand] = desk.orders()
    assert errand.orders[0].value is not None and errand.orders[0].value["life"] == 3
    assert (desk.store.get("sliver_a") or {})["_life"] == 3


def test_a_guest_that_no_record_knows_is_told_once() -> None:
    desk = Desk()
    desk.tell("a")
    for _ in range(2):
        desk.handle()
        desk.up += 100_000
        for look in desk.looks():
            look.reply(guestwork.Seen({"lost": True, "a": True}, {}, ()))
        desk.handle(*[item for _, item in desk.sent])
        desk.sent = []
    events = [event for publication in desk.store.changes(0) or () for event in publication.events]
    assert [event.subject for event in events if event.what == "guest of no known sliver"] == ["sliver lost"]
