"""Durable writes behind the server: SetKeys, beside Python's SimpleXMLRPCServer that writes to sqlite3.

Each server has a process of its own and 1,000 groups on the same disk; `wrk` calls them in short rounds that
take turns. Ours is nmd as it is: it finds out who calls, checks arguments and rights, and writes an event
too. The other one is threaded and writes one row a call (WAL, synchronous=FULL, one connection under a
lock), in both ways that come to mind: as it comes, a connection a call, and with HTTP/1.1. The faster counts.
"""

import pickle
import sqlite3
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from xmlrpc.client import ServerProxy, dumps
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from rich.console import Console
from rich.table import Table

from benchmarks.nmd import Answers, Nmd, place, wrk
from nm.database import Database
from nm.records import Record, changed
from tests import idle

# Clients, and the least speed in multiples of the faster other one: what more threads save at the disk,
# checking the caller and the call costs again.
GOALS = {1: 0.9, 8: 1.0, 32: 1.0}
GROUPS = 1_000
ROUNDS, SECONDS = 4, 1
WAYS = {"simple": "SimpleXMLRPCServer", "simple11": "the same, HTTP/1.1"}

# Every call is about another group than the one before, and what it writes was never written before.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL me"
_BODY = dumps(("g@", [f"{KEY} @"]), "SetKeys").split("@")
_SCRIPT = f"""
local count = 0
function request()
    count = count + 1
    local group = (2 * count + id) % {GROUPS}
    return wrk.format(nil, nil, nil,
        [[{_BODY[0]}]] .. group .. [[{_BODY[1]}]] .. id .. "x" .. count .. [[{_BODY[2]}]])
end
"""


class Plain(ThreadingMixIn, SimpleXMLRPCServer):
    """The obvious alternative, as it comes."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: wrk resets its connections at the end, and a call that fails is known by its answer."""


class KeepAlive(SimpleXMLRPCRequestHandler):
    """The same, for clients that call again."""

    protocol_version = "HTTP/1.1"


class Rows:
    """Groups in sqlite3 and, for reading, in a dict."""

    def __init__(self, path: Path, groups: dict[str, Record]) -> None:
        self._groups = groups
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB)")
        self._connection.execute("BEGIN")
        for name in groups:
            self._write(name)
        self._connection.execute("COMMIT")

    def _write(self, name: str) -> None:
        row = (f"group_{name}", pickle.dumps(self._groups[name]))
        self._connection.execute("INSERT OR REPLACE INTO records VALUES (?, ?)", row)

    def set_keys(self, name: Any, keys: Any) -> int:
        """The call."""
        with self._lock:
            self._groups[name] = changed(self._groups[name], idle.NOW, keys=keys)
            self._write(name)
        return 1


def serve(way: str, folder: Path) -> None:
    """Serve on a free port, print it, and go on until the standard input ends."""
    store = Database.open(folder / f"{way}-source")
    idle.fill(store, GROUPS)
    rows = Rows(folder / f"{way}.sqlite", {group["record_key"][6:]: group for group in store.range("group")})
    store.close()
    handler = SimpleXMLRPCRequestHandler if way == "simple" else KeepAlive
    with Plain(("127.0.0.1", 0), handler, logRequests=False) as server:
        server.register_function(rows.set_keys, "SetKeys")
        print(server.server_address[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()


@contextmanager
def other(way: str, folder: Path) -> Iterator[str]:
    """One of the others in a process of its own; gives its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.served_writes", way, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/RPC2"
    finally:
        process.communicate(timeout=20)


@contextmanager
def ours(folder: Path, lists: Path) -> Iterator[str]:
    """A daemon with those groups; gives its URL."""
    store = Database.open(folder / "db")
    idle.fill(store, GROUPS)
    store.close()
    nmd = Nmd(folder, lists, tcp=True)
    try:
        nmd.start()
        yield nmd.url
        nmd.stop()
    finally:
        nmd.kill()


def compare(urls: dict[str, str], clients: int) -> dict[str, list[Answers]]:
    """Let all answer that many clients, in turns."""
    found: dict[str, list[Answers]] = {name: [] for name in urls}
    for _ in range(ROUNDS):
        for name, url in urls.items():
            found[name].append(wrk(url, _SCRIPT, "<int>1</int>", clients, SECONDS))
    return found


def ratio(mine: list[Answers], theirs: list[Answers]) -> float:
    """How many times faster: the median of the turns, each compared with its neighbour."""
    return statistics.median(one.rate / two.rate for one, two in zip(mine, theirs, strict=True))


def main() -> bool:
    """Measure and print; True when a promise is not kept."""
    table = Table(title=f"durable writes a second behind the server, {GROUPS:,} groups", title_justify="left")
    for column in (
        "clients",
        "nmd",
        "p99 ms",
        *(cell for way in WAYS.values() for cell in (way, "p99 ms", "ratio")),
    ):
        table.add_column(column, justify="right")
    short = []
    with place() as (folder, lists), ExitStack() as stack:
        urls = {"nmd": stack.enter_context(ours(folder, lists))}
        urls |= {way: stack.enter_context(other(way, folder)) for way in WAYS}
        for url in urls.values():
            with ServerProxy(url) as proxy:
                assert proxy.SetKeys("g1", [KEY]) == 1
        for clients, goal in GOALS.items():
            found = compare(urls, clients)
            cells = _cells(found["nmd"])
            ratios = [ratio(found["nmd"], found[way]) for way in WAYS]
            for way, faster in zip(WAYS, ratios, strict=True):
                cells += [*_cells(found[way]), f"{faster:.2f}"]
            table.add_row(str(clients), *cells)
            short += [f"{clients} clients"] * (min(ratios) < goal)
    Console(width=110).print(table)
    promised = ", ".join(f"{goal:g} with {clients}" for clients, goal in GOALS.items())
    print(f"promised: at least {promised} times the faster one: ", end="")
    print(f"NOT kept with {', '.join(short)}" if short else "kept")
    return bool(short)


def _cells(answers: list[Answers]) -> list[str]:
    rate, p99 = (
        statistics.median(values) for values in zip(*((one.rate, one.p99) for one in answers), strict=True)
    )
    return [f"{rate:,.0f}", f"{p99:.1f}"]


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
