"""What an account costs, made and removed: the 10 of a small installation, and 1,000.

Each size has a real nmd of its own, in a mount namespace whose /etc is a copy, with the system's own tools
and disk; calls go through its socket. Beside it stands the hand alone, without calls, jobs and records. The
sizes take turns, 100 accounts against 3 times 10, so that what else the machine does hits both alike. Beside
the time that passes stands that of the processors, for all that takes part; it tells what grows: the tools
themselves, each of which reads every line of four files and compares every Unix group with every other.
"""

import ctypes
import multiprocessing
import os
import shutil
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.nmd import Nmd, place
from nm.accounts import AccountsHand
from nm.facts import Order
from nm.records import Record
from nm.unixaccounts import Places, System

FEW, MANY = 10, 1_000
SLICE, TURNS = 100, 3  # of the many in one go, and of the few meanwhile
GOAL = 1.5  # times the cost of one among the few
FIRST_UID = 10_000_000  # an account that goes ends all processes of its uid: so none that anybody may have
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL somebody"
_NEW_MOUNTS, _PRIVATE, _RECURSIVE, _BIND = 0x20000, 1 << 18, 1 << 14, 1 << 12  # of unshare and mount

Cost = tuple[float, float]  # of one account: seconds that passed, and of processors


class Api:
    """A daemon that is asked over its socket."""

    def __init__(self, folder: Path, lists: Path) -> None:
        self._nmd = Nmd(folder, lists)
        with (folder / "nm.toml").open("a") as config:
            config.write(
                f'[accounts]\nshell = "/usr/lib/nm/forward_api_calls"\nhomes = "{folder}/homes"\n'
                f"first_uid = {FIRST_UID}\nlast_uid = {2 * FIRST_UID}\n"
            )
        self._nmd.start()

    def make(self, numbers: range) -> None:
        """Ask for all these delegates, and wait for all."""
        self._all("CreateDelegate", [[f"bench{at}", [KEY], []] for at in numbers])

    def remove(self, numbers: range) -> None:
        """The same with their removal."""
        self._all("DestroyDelegate", [[f"bench{at}"] for at in numbers])

    def _all(self, method: str, calls: list[list[object]]) -> None:
        for job in [self._nmd.call(method, *arguments) for arguments in calls]:
            while (state := self._nmd.call("WaitJob", job, 30)["state"]) not in ("done", "failed"):
                pass
            assert state == "done", self._nmd.call("GetJob", job)

    def used(self) -> float:
        """Seconds of processors, by the daemon, and by the tools that it has run."""
        stat = Path(f"/proc/{self._nmd.status('Pid')}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End it."""
        self._nmd.kill()


class Hand:
    """The hand alone, on records in a dict."""

    def __init__(self, folder: Path) -> None:
        self._records: dict[str, Record] = {}
        places = Places(homes=f"{folder}/hand", first_uid=FIRST_UID, last_uid=2 * FIRST_UID)
        self._hand = AccountsHand(System(places), self._records.get)

    def make(self, numbers: range) -> None:
        """All in one run."""
        for at in numbers:
            self._records[f"bench{at}"] = _record(f"bench{at}", FIRST_UID + MANY + at, at)
        self._run(numbers, lambda record: Order(f"account/{record['name']}", _value(record)))

    def remove(self, numbers: range) -> None:
        """All in one run."""
        for at in numbers:
            self._records[f"bench{at}"]["destroying"] = True
        self._run(numbers, lambda record: Order(f"account/{record['name']}", None, _value(record)))

    def used(self) -> float:
        """Seconds of processors, by this process and the tools that it has run."""
        return sum(os.times()[:4])

    def _run(self, numbers: range, order: Callable[[Record], Order]) -> None:
        orders = [order(self._records[f"bench{at}"]) for at in numbers]
        assert not any(outcome.error for outcome in self._hand.run(orders, 1))


def _value(record: Record) -> Record:
    return {"uid": record["uid"], "id": record["id"]}


def _record(name: str, uid: int, id: int) -> Record:
    return {
        "account": name, "name": name, "type": "delegate", "uid": uid, "id": id, "keys": [KEY], "before": [],
        "destroying": False,
    }  # fmt: skip


def _enter(etc: Path) -> None:
    """Go on in mounts of one's own, with that folder as /etc."""
    libc = ctypes.CDLL(None, use_errno=True)
    for done in (
        libc.unshare(_NEW_MOUNTS),
        libc.mount(b"none", b"/", None, _PRIVATE | _RECURSIVE, None),
        libc.mount(os.fsencode(etc), b"/etc", None, _BIND, None),
    ):
        if done != 0:
            raise OSError(ctypes.get_errno(), "no mounts of its own: this needs root")


def serve(folder: Path, lists: Path, orders: Connection) -> None:
    """In a process of its own, on an /etc of its own: what is ordered, until there is no more."""
    _enter(folder / "etc")
    api = Api(folder, lists)
    workers: dict[str, Api | Hand] = {"API": api, "hand alone": Hand(folder)}
    try:
        while order := orders.recv():
            who, what, numbers = order
            worker = workers[who]
            passed, before = time.perf_counter(), worker.used()
            getattr(worker, what)(numbers)
            spent = time.perf_counter() - passed, worker.used() - before
            orders.send(tuple(seconds / len(numbers) for seconds in spent))
    finally:
        api.close()


class Place:
    """One of the two sizes."""

    def __init__(self, folder: Path, lists: Path) -> None:
        folder.mkdir(mode=0o755)
        lists.mkdir()
        shutil.copytree("/etc", folder / "etc", symlinks=True)
        self._orders, theirs = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        self._process = spawn.Process(target=serve, args=(folder, lists, theirs))
        self._process.start()
        theirs.close()

    def do(self, who: str, what: str, numbers: range) -> Cost:
        """Have it done; its cost."""
        self._orders.send((who, what, numbers))
        cost: Cost = self._orders.recv()
        return cost

    def close(self) -> None:
        """No more."""
        self._orders.send(None)
        self._process.join()


def compare(few: Place, many: Place, who: str, what: str) -> tuple[Cost, Cost]:
    """What one account costs, among few and among many."""
    small, large = list[Cost](), list[Cost]()
    for start in range(0, MANY, SLICE):
        large.append(many.do(who, what, range(start, start + SLICE)))
        for _ in range(TURNS):
            turn = {act: few.do(who, act, range(FEW)) for act in ("make", "remove")}
            small.append(turn[what])
    return _mean(small), _mean(large)


def _mean(costs: list[Cost]) -> Cost:
    return statistics.mean(cost[0] for cost in costs), statistics.mean(cost[1] for cost in costs)


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    table = Table(title="one account, milliseconds", title_justify="left")
    for name in ("", f"of {FEW}", f"of {MANY:,}", "ratio", "processors", "time", "ratio"):
        table.add_column(name, justify="right")
    worst = 0.0
    with place() as (folder, lists):
        few, many = (Place(folder / name, lists / name) for name in ("few", "many"))
        for who in ("API", "hand alone"):
            for what in ("make", "remove"):
                (passed, used), (passed_many, used_many) = compare(few, many, who, what)
                worst = max(worst, passed_many / passed)
                pairs = ((passed, passed_many), (used, used_many))
                cells = [[f"{a * 1000:.1f}", f"{b * 1000:.1f}", f"{b / a:.2f}"] for a, b in pairs]
                table.add_row(f"{who}: {what}", *cells[0], *cells[1])
        few.close()
        many.close()
    Console(width=120).print(table)
    print(f"worst ratio {worst:.2f}; promised: at most {GOAL}; {'kept' if worst <= GOAL else 'NOT kept'}")
    return worst > GOAL


if __name__ == "__main__":
    raise SystemExit(main())
