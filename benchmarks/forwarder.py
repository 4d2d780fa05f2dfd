"""One call through forward_api_calls against a bare relay of the same bytes (relay.c), in turns.

Both are built with the same flags, get their request from a file, and are measured from before they are
started until they have ended and their answer has been read. Who answers is, in turn, nm itself, and a server
that does nothing but read so many bytes and send so many. The goal is for all of them. What is bulk costs
more by its nature, for the relay passes on what it has not yet got, and may stop in the middle; that it costs
so little more needs a kernel that gives huge pages to who asks (transparent_hugepage: madvise or always).
"""

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.forward.conftest import compiled
from tests.rack import rack

CALLS = 400
BULK_CALLS = 100
GOAL = 1.2
SOURCE = Path(__file__).with_name("relay.c")
FLAGS = [
    "-O2",
    "-fPIE",
    "-pie",
    "-fstack-protector-strong",
    "-Wl,-z,relro,-z,now",
    "-Wall",
    "-Wextra",
    "-Werror",
]


@dataclass(frozen=True)
class Case:
    """What is sent, and to whom: a server for so many bytes, or nm."""

    name: str
    request: bytes
    answer: int | None
    bulk: bool = False


CASES = (
    Case("a call of nm", xmlrpc.client.dumps(({},), "GetNodes").encode(), None),
    Case("a small call", b"x" * 300, 300),
    Case("answer of 1 MiB", b"x" * 300, 1 << 20, bulk=True),
    Case("request of 1 MiB", b"x" * (1 << 20), 300, bulk=True),
)


def serve(path: str, size: int) -> None:
    """Answer every request with so many bytes, for ever."""
    body = b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)
        print("ready", flush=True)
        while True:
            client, _ = listener.accept()
            with client:
                head, _, part = client.recv(1 << 16).partition(b"\r\n\r\n")
                left = int(head.rpartition(b"Content-Length: ")[2].split()[0]) - len(part)
                while left > 0:
                    left -= len(client.recv(1 << 16))
                client.sendall(body)


@contextlib.contextmanager
def answering(folder: Path, size: int | None) -> Iterator[None]:
    """Somebody at api.sock in that folder."""
    if size is None:
        with rack(folder, switches=1, nodes=8):
            yield
        return
    command = [sys.executable, "-m", "benchmarks.forwarder", str(folder / "api.sock"), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=SOURCE.parents[1]) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def once(command: list[str], request: int) -> tuple[float, bytes]:
    """Seconds of one run, and what it put out."""
    os.lseek(request, 0, os.SEEK_SET)
    reading, writing = os.pipe()
    begun = time.perf_counter()
    actions = [(os.POSIX_SPAWN_DUP2, request, 0), (os.POSIX_SPAWN_DUP2, writing, 1)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    os.close(writing)
    output = []
    while piece := os.read(reading, 1 << 16):
        output.append(piece)
    status = os.waitpid(pid, 0)[1]
    taken = time.perf_counter() - begun
    os.close(reading)
    assert status == 0, command
    return taken, b"".join(output)


def measure(case: Case, forwarder: Path, relay: Path) -> tuple[float, float]:
    """Median seconds of a call through the forwarder and through the relay."""
    whole = b"POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(case.request)
    times: tuple[list[float], list[float]] = ([], [])
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name), contextlib.ExitStack() as stack:
        stack.enter_context(answering(Path(name), case.answer))
        requests = [stack.enter_context(tempfile.TemporaryFile()) for _ in times]
        for file, content in zip(requests, (case.request, whole + case.request), strict=True):
            file.write(content)
            file.flush()
        for _ in range(BULK_CALLS if case.bulk else CALLS):
            ours, body = once([str(forwarder)], requests[0].fileno())
            bare, raw = once([str(relay), "api.sock"], requests[1].fileno())
            assert raw.partition(b"\r\n\r\n")[2] == body
            times[0].append(ours)
            times[1].append(bare)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> bool:
    """Print the table; true when the goal is missed."""
    missed = False
    print(f"{'':18} {'forwarder ms':>12} {'relay ms':>9} {'ratio':>6}   (goal: at most {GOAL})")
    with tempfile.TemporaryDirectory() as folder:
        relay = Path(folder) / "relay"
        subprocess.run(["cc", *FLAGS, "-o", relay, SOURCE], check=True)
        forwarder = compiled(Path(folder), "hardened")
        for case in CASES:
            ours, bare = measure(case, forwarder, relay)
            print(f"{case.name:18} {ours * 1e3:12.2f} {bare * 1e3:9.2f} {ours / bare:6.2f}", flush=True)
            missed |= ours > GOAL * bare
    return missed


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
