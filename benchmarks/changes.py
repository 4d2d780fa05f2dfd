"""What it costs to change one group among 10, 1,000 and 10,000: its edit, its plan and its Deploy."""

from pathlib import Path

from benchmarks.turns import Times, report, timed
from nm import groups
from nm.database import Database
from nm.records import Record, changed
from nm.store import Transaction
from tests import idle

NODES = 8  # of the group that is changed


class Changing:
    """A database with that many groups of one node, and one more that changes."""

    def __init__(self, folder: Path, count: int) -> None:
        self._database = Database.open(folder)
        idle.fill(self._database, count, nodes=1)
        first = (
            -(-count // idle.PORTS) + 1
        ) * idle.PORTS - NODES // 2  # half of them on a switch, half on the next
        idle.add_nodes(self._database, range(first, first + NODES + 1))
        idle.join_switches(self._database)
        self._spare = f"n{first + NODES}"
        mine = range(first, first + NODES)
        self._database.transact(lambda tx: idle.add_group(tx, "changing", 2, mine))
        self._before = self._group()

    def _group(self) -> Record:
        found = self._database.get("group_changing")
        assert found is not None
        return found

    def change(self) -> Times:
        """One node more, the plan shown, and deployed."""
        times = timed(self._change)
        self._database.transact(self._undo)
        return times

    def _change(self) -> None:
        self._database.transact(lambda tx: groups.add_nodes(tx, idle.CALL, "changing", [self._spare]))
        shown = groups.plan_deploy(self._database, idle.CALL, "changing")
        options = {"if_plan": shown["hash"]}
        self._database.transact(lambda tx: groups.deploy(tx, idle.CALL, "changing", options))

    def _undo(self, tx: Transaction) -> None:
        """As if it had never been: every change begins from the same records."""
        tx.delete(f"job_{self._group()['job']}")
        tx.put(self._before)
        node = tx.get(f"node_{self._spare}")
        assert node is not None
        tx.put(changed(node, idle.NOW, group=None))

    def commit(self) -> Times:
        """One record replaced, without any operation."""
        again = changed(self._before, idle.NOW)
        return timed(lambda: self._database.transact(lambda tx: tx.put(again)))

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    return report(Changing, "one changed group", "groups", "edit, plan, deploy")


if __name__ == "__main__":
    raise SystemExit(main())
