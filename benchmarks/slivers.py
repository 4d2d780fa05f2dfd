"""What SetLoans costs in a whole nm among 10, 1,000 and 10,000 slivers: the call, and all that follows it.

The call goes through the door's dispatcher, with rights and the journal; what follows is the slivers' worker,
which looks at those whose loans changed, and has done when it rests.
"""

import threading
from pathlib import Path

from benchmarks.turns import Times, report, timed
from nm import delivery, leases, loans, sliverwork
from nm.slices import Reading, read_reply
from tests.rack import Rack

LOANS = [["s1", "cpu_min", 10], ["s2", "cpu_share", 4], ["nobody", "net_min", 1]]


class Node:
    """An nm that was told of that many slivers; it runs none, so no guest is waited for."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True)
        self._rack = Rack(folder, 0, 0)
        service = self._rack.service
        assert service is not None
        self._store = service.database
        tags = [{"tagname": "cpu_min", "value": "100"}]
        told = [
            {"name": f"s{number}", "instantiation": "delegated", "keys": [], "attributes": tags}
            for number in range(count)
        ]
        reply = read_reply({"timestamp": 1_700_000_000, "slivers": told}, Reading())
        delivery.update(self._store, reply, 1_700_000_000.0, leases.Rules())
        while self._store.transact(loans.settle):
            pass
        self._rest()
        self._record = self._store.get("sliver_s9") or {}

    def _rest(self) -> None:
        """Until the slivers' worker has nothing to do."""
        pause = threading.Event()
        while sliverwork.SUBJECT in self._rack.crew().subjects():
            pause.wait(0.0005)

    def _call(self, given: object) -> None:
        self._rack.call("SetLoans", "s0", given)
        self._rest()

    def change(self) -> Times:
        """A call that lends to two and to one who is not there; then it ends them."""
        times = timed(lambda: self._call(LOANS))
        self._call([])
        return times

    def commit(self) -> Times:
        """One record replaced, without any operation."""
        again = dict(self._record)
        times = timed(lambda: self._store.transact(lambda tx: tx.put(again)))
        self._rest()
        return times

    def close(self) -> None:
        """Stop nm."""
        self._rack.stop()


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    return report(Node, "SetLoans with three loans until all has followed", "slivers", "SetLoans")


if __name__ == "__main__":
    raise SystemExit(main())
