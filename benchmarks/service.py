"""The whole daemon at 10,000 records and with 10,000 idle groups: start, memory, threads, end, and its lock.

The first part starts real daemons on databases that were filled before. The second one serves groups
without nodes in this process, so that the lock can be asked how long it was held, while clients in another
one write and read.
"""

import dataclasses
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.nmd import Nmd, place
from nm import config
from nm.client import connect
from nm.database import Database
from nm.lock import LockHolds
from nm.service import Service
from tests import idle

STARTS = 3
READY, MEMORY, THREADS = 2.0, 150, 10  # seconds, MB, and threads of which none belongs to a group
HELD_P99, HELD_LONGEST = 20, 60  # ms
GROUPS = 10_000
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL me"
CLIENTS, SECONDS = 8, 6


@dataclasses.dataclass(frozen=True)
class Case:
    """A database. The promise of a quick start is about 10,000 records."""

    name: str
    groups: int
    nodes: int  # a group
    quick: bool


CASES = (
    Case("10,000 records", 1_980, 1, quick=True),  # a node, a port, a claim, a VLAN and a switch's share each
    Case("10,000 groups", GROUPS, 0, quick=False),
    Case("10,000 groups of a node", GROUPS, 1, quick=False),
)


def fill(folder: Path, case: Case) -> int:
    """Make the database; the number of its records."""
    database = Database.open(folder)
    idle.fill(database, case.groups, case.nodes)
    count = sum(
        1 for kind in ("vlan", "switch", "port", "claim", "node", "group") for _ in database.range(kind)
    )
    database.close()
    return count


def lives(nmd: Nmd, case: Case) -> tuple[float, float, int, float]:
    """Seconds to ready, MB and threads when idle, seconds to the end: medians, or the worst, of several."""
    starts, ends, memory, threads = [], [], [], []
    for _ in range(STARTS):
        try:
            starts.append(nmd.start())
            assert len(nmd.call("GetGroups", {"name": ["g0", f"g{case.groups - 1}"]})) == 2
            memory.append(nmd.status("VmRSS") * 1024 / 1e6)
            threads.append(nmd.status("Threads"))
            ends.append(nmd.stop())
        finally:
            nmd.kill()
    return statistics.median(starts), max(memory), max(threads), statistics.median(ends)


# ---- the lock under load


def load(address: str) -> None:
    """Be that many clients: each changes groups of its own and looks at others."""

    def client(number: int) -> None:
        until = time.monotonic() + SECONDS
        count = 0
        with connect(address) as nm:
            while time.monotonic() < until:
                count += 1
                mine = f"g{(number + CLIENTS * count) % GROUPS}"
                nm.SetKeys(mine, [f"{KEY} {count}"])
                nm.GetGroups({"name": mine})

    running = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for each in running:
        each.start()
    for each in running:
        each.join()


def holds(folder: Path, lists: Path) -> LockHolds:
    """Serve the database here, with clients in a process of their own."""
    address = str(folder.parent / "load.sock")
    service = Service(
        config.Config(
            daemon=config.Daemon(database=str(folder), log=""),
            api=config.Api(socket=address, tcp=False),
            export=config.Export(folder=str(lists)),
            # Small, so that several snapshots are written under load.
            database=config.Database(snapshot_megabytes=1),
        )
    )
    service.start()
    try:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.service", address], check=True, timeout=SECONDS + 60
        )
        return service.database.lock_holds()
    finally:
        service.stop(10.0)


def main() -> bool:
    """Measure and print; True when a promise is not kept."""
    table = Table(title="the daemon", title_justify="left")
    for column in ("database", "records", "ready s", "idle MB", "threads", "SIGTERM to end s"):
        table.add_column(column, justify="right")
    short = []
    with place() as (folder, lists):
        for number, case in enumerate(CASES):
            home = folder / str(number)
            home.mkdir()
            records = fill(home / "db", case)
            ready, memory, threads, end = lives(Nmd(home, lists), case)
            cells = (f"{records:,}", f"{ready:.2f}", f"{memory:.0f}", str(threads), f"{end:.2f}")
            table.add_row(case.name, *cells)
            short += [case.name] * (memory >= MEMORY or threads > THREADS or (case.quick and ready > READY))
        held = holds(folder / "1" / "db", lists)
    p99, longest = held.p99 * 1000, held.longest * 1000
    short += ["the lock"] * (p99 >= HELD_P99 or longest > HELD_LONGEST)
    Console(width=110).print(table)
    print(f"lock, {CLIENTS} clients: held {held.count:,} times, p99 {p99:.2f} ms, longest {longest:.2f} ms")
    print(f"promised: ready in {READY:g} s at 10,000 records; under {MEMORY} MB; at most {THREADS} threads;")
    print(f"the lock held under {HELD_P99} ms at p99, never over {HELD_LONGEST} ms: ", end="")
    print(f"NOT kept by {', '.join(short)}" if short else "kept")
    return bool(short)


if __name__ == "__main__":
    load(sys.argv[1])
