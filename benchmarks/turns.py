"""What one change costs among few things and among many: each size has a process, and they take turns.

Every process has a database on disk. Beside the seconds that pass stands the processor's time, which the
disk's pace does not cover up; and the commit alone, of one record.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table

from benchmarks.nmd import place

SIZES = (10, 1_000, 10_000)
TURNS, CHANGES = 40, 10  # short turns, so that what else the machine does hits all alike
GOAL = 1.5  # times the cost among the fewest

Times = tuple[float, float]  # seconds passed, and of this process's processor


class World(Protocol):
    """A database in which something changes, again and again from the same records."""

    def change(self) -> Times:
        """The change that is measured, and taken back."""

    def commit(self) -> Times:
        """One record replaced, without any operation."""

    def close(self) -> None:
        """Let go of the files."""


Make = Callable[[Path, int], World]


def timed(work: Callable[[], object]) -> Times:
    """How long it takes."""
    passed, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - passed, time.process_time() - used


def serve(make: Make, folder: Path, count: int, orders: Connection) -> None:
    """In a process of its own: a turn for every order, until there are no more."""
    world = make(folder, count)
    orders.send(None)
    while orders.recv():
        whole = [world.change() for _ in range(CHANGES)]
        alone = [world.commit() for _ in range(CHANGES)]
        orders.send([*zip(*whole, strict=True), *zip(*alone, strict=True)])
    world.close()


def measure(make: Make, folder: Path) -> dict[int, list[list[float]]]:
    """For each size: seconds and processor time of the change and of the commit, the median of every turn."""
    spawn = multiprocessing.get_context("spawn")
    servers = {}
    for count in SIZES:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=serve, args=(make, folder / str(count), count, theirs), daemon=True)
        process.start()
        theirs.close()
        ours.recv()
        servers[count] = (process, ours)
    found: dict[int, list[list[float]]] = {count: [[] for _ in range(4)] for count in SIZES}
    for _ in range(TURNS):
        for count, (_, orders) in servers.items():
            orders.send(True)
            for medians, times in zip(found[count], orders.recv(), strict=True):
                medians.append(statistics.median(times))
    for process, orders in servers.values():
        orders.send(False)
        process.join()
    return found


def report(make: Make, title: str, things: str, what: str) -> bool:
    """Measure and print; True when the goal is missed."""
    with place() as (folder, _):
        found = measure(make, folder)
    table = Table(title=f"{title}, milliseconds", title_justify="left")
    table.add_column(things, justify="right")
    for name in (what, "its processor time", "commit alone", "its processor time"):
        table.add_column(name, justify="right")
        table.add_column("ratio", justify="right")
    worst = 0.0
    for count, medians in found.items():
        cells = []
        for mine, few in zip(medians, found[SIZES[0]], strict=True):
            # Each turn is compared with its neighbour's.
            ratio = statistics.median(one / other for one, other in zip(mine, few, strict=True))
            worst = max(worst, ratio)
            cells += [f"{statistics.median(mine) * 1000:.3f}", f"{ratio:.2f}"]
        table.add_row(f"{count:,}", *cells)
    Console(width=120).print(table)
    print(f"worst ratio {worst:.2f}; promised: at most {GOAL}; {'kept' if worst <= GOAL else 'NOT kept'}")
    return worst > GOAL
