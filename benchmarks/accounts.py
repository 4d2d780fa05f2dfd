"""What an account costs, made and removed: among 10 and among 1,000 that are asked for at once.

A real nmd works in a mount namespace whose /etc is a copy, with the system's own tools and disk; calls go
through its socket. Beside it stands the hand alone, without calls, jobs and records. Beside the seconds that
pass stands the processor's time of all that takes part, which the disk's pace and others' work do not change.
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
from nm.accounts import AccountsHand, Places, System
from nm.facts import Order
from nm.records import Record

SIZES = (10, 1_000)
TURNS = {10: 6, 1_000: 2}  # the many in between the few: what else the machine does hits both
GOAL = 1.5  # times the cost of one among the few
FIRST_UID = 10_000_000  # an account that goes ends all processes of its uid: so none that anybody may have
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL somebody"
_NEW_MOUNTS, _PRIVATE, _RECURSIVE, _BIND = 0x20000, 1 << 18, 1 << 14, 1 << 12  # of unshare and mount

Cost = tuple[float, float]  # of one account: seconds that passed, and of processors
Turn = tuple[Cost, Cost]  # made, and removed


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

    def turn(self, count: int) -> Turn:
        """Make and remove so many delegates; all calls first, then the wait for all."""
        names = [f"bench{at}" for at in range(count)]
        return (
            _cost(
                count, self._used, lambda: self._all("CreateDelegate", [[name, [KEY], []] for name in names])
            ),
            _cost(count, self._used, lambda: self._all("DestroyDelegate", [[name] for name in names])),
        )

    def _all(self, method: str, calls: list[list[object]]) -> None:
        for job in [self._nmd.call(method, *arguments) for arguments in calls]:
            while (state := self._nmd.call("WaitJob", job, 30)["state"]) not in ("done", "failed"):
                pass
            assert state == "done", self._nmd.call("GetJob", job)

    def _used(self) -> float:
        """By the daemon, and by the tools that it has run."""
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

    def turn(self, count: int) -> Turn:
        """Make and remove so many accounts in two runs."""
        values = {f"bench{at}": {"uid": FIRST_UID + at, "id": at} for at in range(count)}
        self._records.update({name: _record(name, **value) for name, value in values.items()})
        made = _cost(
            count,
            _own,
            lambda: self._run([Order(f"account/{name}", value) for name, value in values.items()]),
        )
        for record in self._records.values():
            record["destroying"] = True
        gone = _cost(
            count,
            _own,
            lambda: self._run([Order(f"account/{name}", None, old) for name, old in values.items()]),
        )
        self._records.clear()
        return made, gone

    def _run(self, orders: list[Order]) -> None:
        assert not any(outcome.error for outcome in self._hand.run(orders, 1))


def _record(name: str, uid: int, id: int) -> Record:
    return {
        "account": name, "name": name, "type": "delegate", "uid": uid, "id": id, "keys": [KEY], "before": [],
        "destroying": False,
    }  # fmt: skip


def _own() -> float:
    return sum(os.times()[:4])


def _cost(count: int, used: Callable[[], float], work: Callable[[], None]) -> Cost:
    passed, before = time.perf_counter(), used()
    work()
    return (time.perf_counter() - passed) / count, (used() - before) / count


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


def serve(folder: Path, lists: Path, answers: Connection) -> None:
    """In a process of its own, on an /etc of its own: all turns."""
    _enter(folder / "etc")
    few, many = SIZES
    part = [few] * (TURNS[few] // (TURNS[many] + 1))
    order = [*part, *[count for _ in range(TURNS[many]) for count in (many, *part)]]
    hand, api = Hand(folder), Api(folder, lists)
    try:
        answers.send([(count, api.turn(count), hand.turn(count)) for count in order])
    finally:
        api.close()


def measure(folder: Path, lists: Path) -> list[tuple[int, Turn, Turn]]:
    """(accounts, of the API, of the hand) of every turn; this machine's own accounts are not touched."""
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, lists, theirs))
    process.start()
    theirs.close()
    found: list[tuple[int, Turn, Turn]] = ours.recv()
    process.join()
    return found


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    with place() as (folder, lists):
        found = measure(folder, lists)
    table = Table(title="one account, milliseconds", title_justify="left")
    for name in ("", *(f"among {size:,}" for size in SIZES), "ratio", "processor", "", "ratio"):
        table.add_column(name, justify="right")
    worst = 0.0
    for who, column in (("API", 1), ("hand alone", 2)):
        for what, at in (("made", 0), ("removed", 1)):
            cells = []
            for kind in (0, 1):
                few, many = (_median(found, size, column, at, kind) for size in SIZES)
                cells += [f"{few * 1000:.1f}", f"{many * 1000:.1f}", f"{many / few:.2f}"]
                worst = max(worst, many / few)
            table.add_row(f"{who}: {what}", *cells)
    Console(width=120).print(table)
    print(f"worst ratio {worst:.2f}; promised: at most {GOAL}; {'kept' if worst <= GOAL else 'NOT kept'}")
    return worst > GOAL


def _median(found: list[tuple[int, Turn, Turn]], size: int, column: int, at: int, kind: int) -> float:
    turns: list[Turn] = [row[column] for row in found if row[0] == size]  # type: ignore[misc]
    return statistics.median(turn[at][kind] for turn in turns)


if __name__ == "__main__":
    raise SystemExit(main())
