"""Little servers on a Unix socket: each does one thing to who calls, right or wrong."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 20.0
GOOD = b"<methodResponse/>"


@dataclass
class Received:
    """What a server has been sent, in all its connections."""

    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """Of the only request."""
        (request,) = self.requests
        return request.partition(b"\r\n\r\n")[2]


Behaviour = Callable[[socket.socket, Received], None]


@contextlib.contextmanager
def server(path: Path, behave: Behaviour) -> Iterator[Received]:
    """A server that treats each of its clients so, one after another."""
    received = Received()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(8)
    with listening(listener, behave, received):
        yield received
    path.unlink()


@contextlib.contextmanager
def listening(listener: socket.socket, behave: Behaviour, received: Received) -> Iterator[None]:
    """Serve on that socket, and close it at the end."""

    def serve() -> None:
        with contextlib.suppress(OSError):  # it was shut down: the end
            while True:
                client, _ = listener.accept()
                client.settimeout(PATIENCE)
                received.connections += 1
                with client, contextlib.suppress(ConnectionError):
                    behave(client, received)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()


def read_request(client: socket.socket, received: Received) -> bytes:
    """Exactly one request, by its Content-Length."""
    request = b""
    while b"\r\n\r\n" not in request:
        piece = client.recv(4096)
        assert piece, request
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    found = re.search(rb"\r\nContent-Length: (\d+)(\r\n|$)", head)
    assert found, head
    while len(body) < int(found[1]):
        piece = client.recv(65536)
        assert piece, "the request was cut short"
        body += piece
    received.requests.append(head + b"\r\n\r\n" + body)
    return body


def answer(body: bytes = GOOD, status: str = "200 OK", *lines: str, length: int | None = None) -> bytes:
    """An answer; `length` is what it claims instead of the truth."""
    claimed = len(body) if length is None else length
    head = [f"HTTP/1.0 {status}", "Content-Type: text/xml", *lines, f"Content-Length: {claimed}", "", ""]
    return "\r\n".join(head).encode() + body


def says(*pieces: bytes) -> Behaviour:
    """Reads the request, answers with these bytes and ends the connection."""

    def behave(client: socket.socket, received: Received) -> None:
        read_request(client, received)
        for piece in pieces:
            client.sendall(piece)

    return behave


def hangs(client: socket.socket, received: Received) -> None:
    """Reads the request and keeps the caller waiting until that one gives up."""
    read_request(client, received)
    assert client.recv(1) == b""
