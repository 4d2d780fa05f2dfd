"""Clients of the door: raw bytes on sockets, and the standard library's."""

import http.client
import re
import socket
import time
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nm.api import Api
from nm.records import Record, new
from nm.store import Transaction

PATIENCE = 10.0
START = "POST /RPC2 HTTP/1.1"


def wait_until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return as soon as it is true; fail when it does not become true in time."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


@dataclass
class Answer:
    status: int
    header: dict[str, str]
    body: bytes
    version: str

    @property
    def value(self) -> Any:
        """The call's answer; raises xmlrpc.client.Fault."""
        assert self.status == 200, (self.status, self.body)
        return xmlrpc.client.loads(self.body)[0][0]


class EventsInMemory:
    """An event log in a list."""

    def __init__(self) -> None:
        self.events: list[Record] = []

    def add(self, **event: Any) -> None:
        self.events.append({"id": len(self.events) + 1, "time": 1_800_000_000, **event})

    def read(self, after: int, limit: int, visible: Callable[[Record], bool]) -> list[Record]:
        return [event for event in self.events if event["id"] > after and visible(event)][:limit]


@dataclass
class Door:
    """An open door, and ways to it."""

    api: Api
    address: str
    port: int
    path: Path

    def connect(self, way: str = "tcp") -> socket.socket:
        if way == "unix":
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(PATIENCE)
            client.connect(str(self.path))
            return client
        return socket.create_connection((self.address, self.port), PATIENCE)

    @property
    def proxy(self) -> xmlrpc.client.ServerProxy:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return xmlrpc.client.ServerProxy(f"http://{host}:{self.port}/RPC2", allow_none=True)

    def ask(self, *pieces: bytes, way: str = "tcp") -> Answer:
        """Send the pieces on a new connection and read one answer."""
        with self.connect(way) as client:
            for piece in pieces:
                client.sendall(piece)
            return read_answer(client)

    def post(self, body: bytes | str, **headers: str | None) -> Answer:
        return self.ask(request(body, START, None, **headers))


def put(tx: Transaction, record: Record) -> None:
    tx.put(record)


def job(number: int, state: str = "running", **fields: Any) -> Record:
    """A job of bob's for the group g1, as nm.jobs keeps them."""
    usual = {
        "id": number, "subject": "group:g1", "kind": "deploy", "group": "g1", "arguments": {}, "state": state,
        "who": {"uid": 1002, "name": "bob"}, "done": 0, "total": 2, "step": "", "result": None,
        "error": None, "created": 1.5, "started": None, "finished": None,
    }  # fmt: skip
    return {**new("job", number, 1_800_000_000), **usual, **fields}


def body(method: str, *arguments: Any) -> str:
    return xmlrpc.client.dumps(arguments, method, allow_none=True)


def request(body: bytes | str, start: str = START, extra: str | None = None, **headers: str | None) -> bytes:
    """A request. Headers given as `content_type="..."` replace the usual ones, None leaves them out.

    `extra` is a header line more.
    """
    body = body.encode() if isinstance(body, str) else body
    usual = {"host": "localhost", "content_type": "text/xml", "content_length": str(len(body))}
    given = {name: value for name, value in (usual | headers).items() if value is not None}
    lines = [start, *(f"{name.replace('_', '-')}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, *([extra] if extra else []), "", ""]).encode() + body


def call(method: str, *arguments: Any, start: str = START, **headers: str | None) -> bytes:
    return request(body(method, *arguments), start, None, **headers)


def read_answer(client: socket.socket) -> Answer:
    """Exactly one answer, with its body by its Content-Length; what follows stays unread."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        assert byte, f"the connection ended within {head!r}"
        head += byte
    first, *lines = head.decode().split("\r\n")[:-2]
    found = re.fullmatch(r"HTTP/(1\.[01]) (\d{3}) .+", first)
    assert found, first
    header = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    assert "transfer-encoding" not in header
    left, body = int(header["content-length"]), b""
    while left:
        piece = client.recv(left)
        assert piece, "the connection ended within the body"
        body += piece
        left -= len(piece)
    return Answer(int(found[2]), header, body, found[1])


def is_closed(client: socket.socket) -> bool:
    """Whether the other side has ended the connection, with nothing more to read."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


class UnixConnection(http.client.HTTPConnection):
    """The standard library's HTTP client on a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))
