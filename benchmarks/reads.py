"""Reads through the door against Python's own threaded SimpleXMLRPCServer, answering the same record.

`wrk` asks both for one node of many, in short rounds that alternate, each server in a process of its own.
Ours finds out who is asking, checks the call's arguments and rights and makes the node's struct anew; the
other one looks the finished struct up in a dict, and ends the connection after every answer: so it comes.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from xmlrpc.client import dumps, loads
from xmlrpc.server import SimpleXMLRPCServer

from benchmarks.nmd import wrk
from nm.api import Api, listen_tcp
from nm.calls import Call, Caller, Site
from nm.database import Database
from nm.identity import People
from nm.pool import get_nodes
from nm.records import Record, new
from nm.store import Event, Store, Transaction

SIZES = (10, 1_000, 10_000)
CLIENTS = (1, 8, 32)
ROUNDS = 3
SECONDS = 1
GOAL = 3.0  # times the other one, at 10,000 records and 8 clients
_BATCH = 100


class NoEvents:
    """An event log that nobody reads here."""

    def read(self, after: int, limit: int, visible: Callable[[Record], bool]) -> list[Record]:
        """Nothing."""
        return []


def node(number: int) -> Record:
    """A node as the pool has them."""
    name = f"node{number}"
    mac = ":".join(["52", "54", *(f"{byte:02x}" for byte in number.to_bytes(4, "big"))])
    nic = {"name": "boot", "mac": mac, "switch": f"sw{number % 40}", "port": f"eth{number}", "role": "boot"}
    return new(
        "node", name, 1_700_000_000, nics=[nic], management={"driver": "ipmi", "address": "192.0.2.7"},
        id=number, hostname=f"{name}.example.org", ip="192.0.2.8", hardware_type="pc", location="rack 1",
        metadata={}, image="", available=True, reason="", group=None, _failed=None, _dirty=False,
        _debt=False,
    )  # fmt: skip


def fill(store: Store, count: int) -> None:
    """Put so many nodes there."""

    def put(tx: Transaction, numbers: range) -> None:
        for number in numbers:
            tx.put(node(number))
        tx.tell(Event("root", "pool", "filled"))

    for first in range(0, count, _BATCH):
        store.transact(partial(put, numbers=range(first, min(first + _BATCH, count))))


class Plain(ThreadingMixIn, SimpleXMLRPCServer):
    """The obvious alternative, as it comes."""

    daemon_threads = True


def serve(kind: str, count: int) -> None:
    """Serve on a free port, print it, and go on until the standard input ends."""
    with tempfile.TemporaryDirectory() as folder:
        store = Database.open(Path(folder))
        fill(store, count)
        if kind == "nm":
            api = Api(store, NoEvents(), Site(), People())
            listener = listen_tcp("127.0.0.1", 0)
            print(listener.getsockname()[1], flush=True)
            api.serve([listener])
            sys.stdin.read()
            api.stop(1.0)
        else:
            _serve_plain(store)
        store.close()


def _serve_plain(store: Database) -> None:
    call = Call(Caller(0, "root", admin=True), "GetNodes", 1_700_000_000)
    structs = {struct["name"]: struct for struct in get_nodes(store, call, {})}
    with Plain(("127.0.0.1", 0), logRequests=False, allow_none=True) as server:
        server.register_function(lambda wanted: [structs[wanted["name"]]], "GetNodes")
        print(server.server_address[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()


@contextlib.contextmanager
def running(kind: str, count: int) -> Iterator[str]:
    """A server in a process of its own; gives its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reads", kind, str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/RPC2"
    finally:
        process.communicate(timeout=20)


def ask(url: str, name: str) -> list[Record]:
    """One answer, to see that both give the same."""
    import urllib.request

    request = urllib.request.Request(url, _body(name).encode(), {"Content-Type": "text/xml"})
    with urllib.request.urlopen(request, timeout=20) as response:
        answer: list[Record] = loads(response.read())[0][0]  # type: ignore[assignment]
    return answer


def _body(name: str) -> str:
    arguments: tuple[Any, ...] = ({"name": name},)
    return dumps(arguments, "GetNodes")


def main() -> int:
    """Print the table; 1 when the goal is missed."""
    missed = False
    print(
        f"{'records':>8} {'clients':>8} {'nm/s':>8} {'p99 ms':>7} {'simple/s':>9} {'p99 ms':>7} {'ratio':>6}"
    )
    for count in SIZES:
        name = f"node{count // 2}"
        with running("nm", count) as ours, running("simple", count) as theirs:
            assert ask(ours, name) == ask(theirs, name), "the two answer differently"
            script = f"wrk.body = [[{_body(name)}]]"
            for clients in CLIENTS:
                rounds = [
                    [wrk(url, script, name, clients, SECONDS) for url in (ours, theirs)]
                    for _ in range(ROUNDS)
                ]
                (mine, my_p99), (other, other_p99) = (
                    (
                        statistics.median(r[i].rate for r in rounds),
                        statistics.median(r[i].p99 for r in rounds),
                    )
                    for i in (0, 1)
                )
                print(
                    f"{count:8} {clients:8} {mine:8.0f} {my_p99:7.1f} {other:9.0f} {other_p99:7.1f} "
                    f"{mine / other:6.1f}", flush=True,
                )  # fmt: skip
                missed |= (count, clients) == (10_000, 8) and mine < GOAL * other
    return int(missed)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
