"""Durable changes at the database's face, beside sqlite3 (WAL, synchronous=FULL, one row a transaction).

Both write the same record (sqlite3 as a pickle under its key) to the same disk, in turns, in one run.
sqlite3 is used in both ways that come to mind, and the faster one counts: a connection a thread, and one
connection under a lock. Then: start-up at 10,000 records, how long the lock is held, what one change costs
among few and many.
"""

import gc
import pickle
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table

from nm.database import Database
from nm.records import Record, new
from nm.store import Transaction

THREADS = {1: 0.9, 8: 1.5, 32: 3.0}  # and how many times sqlite3's speed is promised
RECORDS = (10, 1_000, 10_000)
ROUNDS = 9
ROUND = 0.06  # seconds; short turns, so that what else the machine does hits all alike
COST_RATIO, READY, HELD_P99, HELD_LONGEST = 1.5, 2.0, 0.020, 0.060


def record(number: int, count: int = 0) -> Record:
    """A node as the pool has it."""
    nics = [
        {
            "name": name,
            "mac": f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}",
            "switch": "sw0",
            "port": "1/7",
        }
        for name in ("eth0", "eth1")
    ]
    return new(
        "node", f"n{number}", 1.0, count=count, nics=nics, hostname=f"n{number}.example", group="alpha"
    )


class Writer(Protocol):
    """One of those that are compared; `write` is called by many threads."""

    name: str

    def write(self, thread: int, number: int, count: int) -> None:
        """One durable change of record `number`."""

    def close(self) -> None:
        """Let go of the files."""


class Ours:
    """nm's database."""

    name = "nm"

    def __init__(self, folder: Path, records: int) -> None:
        self.database = Database.open(folder / "ours")
        for first in range(0, records, 100):
            self.database.transact(partial(self._fill, first, min(records, first + 100)))

    @staticmethod
    def _fill(first: int, last: int, tx: Transaction) -> None:
        for number in range(first, last):
            tx.put(record(number))

    def write(self, thread: int, number: int, count: int) -> None:
        self.database.transact(lambda tx: tx.put(record(number, count)))

    def close(self) -> None:
        self.database.close()


class Sqlite:
    """sqlite3, a connection a thread or one for all under a lock."""

    def __init__(self, folder: Path, records: int, *, shared: bool) -> None:
        self.name = "sqlite3, one connection" if shared else "sqlite3, one a thread"
        self._path = folder / f"sqlite-{shared}"
        self._shared = shared
        self._lock = threading.Lock()
        self._connections = [self._connect() for _ in range(1 if shared else max(THREADS))]
        first = self._connections[0]
        first.execute("CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB)")
        first.execute("BEGIN")
        first.executemany("INSERT INTO records VALUES (?, ?)", (self._row(n, 0) for n in range(records)))
        first.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=60)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    @staticmethod
    def _row(number: int, count: int) -> tuple[str, bytes]:
        made = record(number, count)
        return made["record_key"], pickle.dumps(made)

    def write(self, thread: int, number: int, count: int) -> None:
        row = self._row(number, count)
        if self._shared:
            with self._lock:
                self._connections[0].execute("INSERT OR REPLACE INTO records VALUES (?, ?)", row)
        else:
            self._connections[thread].execute("INSERT OR REPLACE INTO records VALUES (?, ?)", row)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


def rate(writer: Writer, threads: int, records: int, seconds: float = ROUND) -> float:
    """Changes a second of that many threads."""
    done = [0] * threads
    start = threading.Barrier(threads + 1)
    stop = threading.Event()

    def write(thread: int) -> None:
        start.wait()
        while not stop.is_set():
            writer.write(thread, (thread + threads * done[thread]) % records, done[thread])
            done[thread] += 1

    running = [threading.Thread(target=write, args=(thread,)) for thread in range(threads)]
    for each in running:
        each.start()
    start.wait()
    begun = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    for each in running:
        each.join()
    return sum(done) / (time.perf_counter() - begun)


@dataclass
class Verdicts:
    """What was promised, what was measured."""

    table: Table
    short: int = 0

    def add(
        self, what: str, measured: float, promised: float, show: Callable[[float], str], *, least: bool
    ) -> None:
        """One row; `least`: more is better."""
        good = measured >= promised if least else measured <= promised
        self.short += not good
        sign = "at least" if least else "at most"
        self.table.add_row(what, show(measured), f"{sign} {show(promised)}", "yes" if good else "NO")


def compare(folder: Path, records: int, rates: Table, ratios: dict[int, list[float]]) -> Ours:
    """Measure all writers in turns at that many records; the last of ours stays open."""
    ours = Ours(folder, records)
    others: list[Writer] = [Sqlite(folder, records, shared=shared) for shared in (True, False)]
    writers: list[Writer] = [ours, *others]
    for threads in THREADS:
        found: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for writer in writers:
                found.setdefault(writer.name, []).append(rate(writer, threads, records))
        ratio = min(_ratio(found[ours.name], found[other.name]) for other in others)
        ratios[threads].append(ratio)
        cells = (f"{statistics.median(found[writer.name]):,.0f}" for writer in writers)
        rates.add_row(str(threads), f"{records:,}", *cells, f"{ratio:.2f}")
    for other in others:
        other.close()
    return ours


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """How many times faster: the median of the turns, each compared with its neighbour."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def cost(few: Ours, many: Ours) -> float:
    """How much longer one change takes among many records: medians of interleaved changes."""
    times: dict[str, list[float]] = {"few": [], "many": []}
    for count in range(1500):
        for name, ours, records in (("few", few, RECORDS[0]), ("many", many, RECORDS[-1])):
            begun = time.perf_counter()
            ours.write(0, count * 7 % records, count)
            times[name].append(time.perf_counter() - begun)
    return statistics.median(times["many"]) / statistics.median(times["few"])


def main() -> bool:
    """Measure and print; True when something fell short."""
    rates = Table(title="durable changes a second", title_justify="left")
    for column in (
        "threads",
        "records",
        "nm",
        "sqlite3, one connection",
        "sqlite3, one a thread",
        "nm / best",
    ):
        rates.add_column(column, justify="right")
    verdicts = Verdicts(
        Table("measured", "is", "promised", "kept", title="what was promised", title_justify="left")
    )
    ratios: dict[int, list[float]] = {threads: [] for threads in THREADS}
    # Not in memory: /tmp may be a tmpfs, /var/tmp is meant to last.
    with tempfile.TemporaryDirectory(prefix="nm-bench-", dir="/var/tmp") as name:
        kept = {}
        for records in RECORDS:
            folder = Path(name) / str(records)
            folder.mkdir()
            kept[records] = compare(folder, records, rates, ratios)
        for threads, promised in THREADS.items():
            what = f"{threads} threads against sqlite3, all sizes"
            verdicts.add(
                what, statistics.median(ratios[threads]), promised, lambda x: f"{x:.2f} x", least=True
            )
        measured = cost(kept[RECORDS[0]], kept[RECORDS[-1]])
        verdicts.add(
            "one change at 10,000 records against 10",
            measured,
            COST_RATIO,
            lambda x: f"{x:.2f} x",
            least=False,
        )
        holds = [ours.database.lock_holds() for ours in kept.values()]
        p99, longest = max(hold.p99 for hold in holds), max(hold.longest for hold in holds)
        verdicts.add("lock held, p99", p99, HELD_P99, _milliseconds, least=False)
        verdicts.add("lock held, longest", longest, HELD_LONGEST, _milliseconds, least=False)
        for ours in kept.values():
            ours.close()
        verdicts.add(
            "ready at 10,000 records", start(Path(name) / "10000" / "ours"), READY, _milliseconds, least=False
        )
    console = Console()
    console.print(rates)
    console.print(verdicts.table)
    return verdicts.short > 0


def start(folder: Path) -> float:
    """Seconds to open the database there."""
    gc.collect()
    begun = time.perf_counter()
    database = Database.open(folder)
    taken = time.perf_counter() - begun
    assert len(list(database.range("node"))) == RECORDS[-1]
    database.close()
    return taken


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.2f} ms"


if __name__ == "__main__":
    raise SystemExit(main())
