"""What an account costs, made and removed: among 10 and among 1,000 that are asked for at once.

A real nmd works in a mount namespace whose /etc is a copy, with the system's own tools and disk; calls go
through its socket. Beside it stands the hand alone, without calls, jobs and records.
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
from nm.client import connect
from nm.facts import Order
from nm.records import Record

SIZES = (10, 1_000)
FEW_ROUNDS = 5  # as often the few before and after the many: what else the machine does hits both
GOAL = 1.5  # times the cost of one among the few
FIRST_UID = 10_000_000  # an account that goes ends all processes of its uid: so none that anybody may have
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL somebody"
_NEW_MOUNTS, _PRIVATE, _RECURSIVE, _BIND = 0x20000, 1 << 18, 1 << 14, 1 << 12  # of unshare and mount

Seconds = tuple[float, float]  # to make one account, and to remove it


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

    def turn(self, count: int) -> Seconds:
        """Make and remove so many delegates; all calls first, then the wait for all."""
        names = [f"bench{at}" for at in range(count)]
        made = _timed(lambda: self._all("CreateDelegate", [(name, [KEY], []) for name in names]))
        return made / count, _timed(lambda: self._all("DestroyDelegate", [(name,) for name in names])) / count

    def _all(self, method: str, calls: list[tuple[object, ...]]) -> None:
        with connect(f"{self._nmd.folder}/api.sock") as nm:
            for job in [getattr(nm, method)(*arguments) for arguments in calls]:
                while (state := nm.WaitJob(job, 30)["state"]) not in ("done", "failed"):
                    pass
                assert state == "done", nm.GetJob(job)

    def close(self) -> None:
        """End it."""
        self._nmd.kill()


class Hand:
    """The hand alone, on records in a dict."""

    def __init__(self, folder: Path) -> None:
        self._records: dict[str, Record] = {}
        self._system = System(Places(homes=f"{folder}/hand", first_uid=FIRST_UID, last_uid=2 * FIRST_UID))
        self._hand = AccountsHand(self._system, self._records.get)

    def turn(self, count: int) -> Seconds:
        """Make and remove so many accounts in two runs."""
        for at in range(count):
            self._records[f"bench{at}"] = _record(f"bench{at}", FIRST_UID + at, at)
        meant = [
            (f"account/{name}", {"uid": one["uid"], "id": one["id"]}) for name, one in self._records.items()
        ]
        made = _timed(lambda: self._run([Order(fact, value) for fact, value in meant]))
        for record in self._records.values():
            record["destroying"] = True
        gone = _timed(lambda: self._run([Order(fact, None, value) for fact, value in meant]))
        self._records.clear()
        return made / count, gone / count

    def _run(self, orders: list[Order]) -> None:
        assert not any(outcome.error for outcome in self._hand.run(orders, 1))


def _record(name: str, uid: int, number: int) -> Record:
    return {
        "account": name,
        "name": name,
        "type": "delegate",
        "uid": uid,
        "id": number,
        "keys": [KEY],
        "before": [],
        "destroying": False,
    }


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


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
    hand, api = Hand(folder), Api(folder, lists)
    order = [SIZES[0]] * FEW_ROUNDS + [SIZES[1]] + [SIZES[0]] * FEW_ROUNDS
    try:
        answers.send([(count, hand.turn(count), api.turn(count)) for count in order])
    finally:
        api.close()


def measure(folder: Path, lists: Path) -> list[tuple[int, Seconds, Seconds]]:
    """(accounts, of the hand, of the API) of every turn; this machine's own accounts are not touched."""
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, lists, theirs))
    process.start()
    theirs.close()
    found: list[tuple[int, Seconds, Seconds]] = ours.recv()
    process.join()
    return found


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    with place() as (folder, lists):
        found = measure(folder, lists)
    table = Table(title="one account, milliseconds", title_justify="left")
    for name in ("accounts", "made", "ratio", "removed", "ratio", "hand: made", "ratio", "removed", "ratio"):
        table.add_column(name, justify="right")
    worst = 0.0
    few: list[float] = []
    for count in SIZES:
        turns = [[*api, *hand] for many, hand, api in found if many == count]
        medians = [statistics.median(column) for column in zip(*turns, strict=True)]
        few = few or medians
        ratios = [mine / other for mine, other in zip(medians, few, strict=True)]
        worst = max(worst, *ratios)
        cells = [
            cell
            for mine, ratio in zip(medians, ratios, strict=True)
            for cell in (f"{mine * 1000:.1f}", f"{ratio:.2f}")
        ]
        table.add_row(f"{count:,}", *cells)
    Console(width=120).print(table)
    print(f"worst ratio {worst:.2f}; promised: at most {GOAL}; {'kept' if worst <= GOAL else 'NOT kept'}")
    return worst > GOAL


if __name__ == "__main__":
    raise SystemExit(main())
