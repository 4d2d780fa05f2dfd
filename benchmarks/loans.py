"""What SetLoans costs among 10, 1,000 and 10,000 slivers, each of which lends to the next."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.turns import Times, report, timed
from nm import loans
from nm.database import Database
from nm.store import Transaction
from tests.slivers.making import CALL, record

LOANS = [["s1", "cpu_min", 10], ["s2", "cpu_share", 4], ["nobody", "net_min", 1]]
Act = Callable[[Transaction], object]

TOGETHER = 20  # slivers or loans that are made in one transaction


class Lending:
    """A database with that many slivers and nearly as many loans, and one sliver whose loans change."""

    def __init__(self, folder: Path, count: int) -> None:
        self._database = Database.open(folder)
        self._together(self._sliver(number) for number in range(count))
        self._together(self._lender(number) for number in range(3, count - 1))
        found = self._database.get("sliver_s9")
        assert found is not None
        self._record = found

    def _together(self, acts: Iterable[Act]) -> None:
        rest = iter(acts)
        while some := list(islice(rest, TOGETHER)):
            self._database.transact(partial(_do, some))

    def _sliver(self, number: int) -> Act:
        return lambda tx: loans.place(tx, record(f"s{number}", cpu_min=100))

    def _lender(self, number: int) -> Act:
        return lambda tx: loans.set_loans(tx, CALL, f"s{number}", [f"s{number + 1}", "cpu_min", 20])

    def change(self) -> Times:
        """A call that lends to two and to one who is not there; then it ends them."""
        times = timed(lambda: self._lend(LOANS))
        self._lend([])
        return times

    def _lend(self, given: object) -> None:
        self._database.transact(lambda tx: loans.set_loans(tx, CALL, "s0", given))

    def commit(self) -> Times:
        """One record replaced, without any operation."""
        again = dict(self._record)
        return timed(lambda: self._database.transact(lambda tx: tx.put(again)))

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()


def _do(acts: list[Act], tx: Transaction) -> None:
    for act in acts:
        act(tx)


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    return report(Lending, "one call of SetLoans with three loans", "slivers", "SetLoans")


if __name__ == "__main__":
    raise SystemExit(main())
