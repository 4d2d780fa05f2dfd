"""Records of slivers for tests and benchmarks, and the settling of their loans."""

from typing import Any

from nm import loans
from nm.calls import Call, Caller
from nm.records import Record, new
from nm.rspec import complete
from nm.store import Store

NOW = 1_700_000_000.0
CALL = Call(Caller(1000, "me"), "SetLoans", NOW)


def record(name: str, type: str = "sliver.QEMU", timestamp: float = NOW, **rspec: Any) -> Record:
    """A sliver's record as a source gives it; what is not named is as the table has it."""
    return new("sliver", name, timestamp, name=name, type=type, rspec=complete(rspec), enabled=True)


def place(store: Store, name: str, type: str = "sliver.QEMU", **rspec: Any) -> None:
    """The sliver comes or changes, and all loans are settled."""
    store.transact(lambda tx: loans.place(tx, record(name, type, **rspec)))
    settle(store)


def take_away(store: Store, name: str) -> None:
    """The sliver goes, and all loans are settled."""
    store.transact(lambda tx: loans.take_away(tx, name, NOW))
    settle(store)


def lend(store: Store, lender: str, given: object) -> None:
    """One call of SetLoans."""
    assert store.transact(lambda tx: loans.set_loans(tx, CALL, lender, given)) == 1


def settle(store: Store) -> None:
    """Until nothing is left to look at."""
    while store.transact(loans.settle):
        pass
