"""A small HTTP server for one purpose: POST of an XML document, answered with one of XML, or of JSON.

Used by the API door (nm/api.py); and by the metrics (nm/metrics.py), whose page is read by GET. One thread
accepts, asks who is there, and watches everybody's deadline; each connection has a thread of its own that
reads with llhttp (by httptools), calls the handler and writes.
Whoever is slow, too big or malformed is answered with a plain status, where that is possible, and dropped.
`Server._lock` guards the table of connections only; nothing waits while it is held.
"""

import contextlib
import logging
import re
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from nm.calls import Caller
from nm.identity import People, peer_uid

log = logging.getLogger(__name__)

_HOST = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_XML = re.compile(rb"text/xml\s*(;.*)?", re.IGNORECASE)
_ONCE = {b"host", b"content-type", b"origin", b"content-encoding", b"content-length", b"expect"}
_KEPT = {*_ONCE, b"accept"}
_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
_CHUNK = 65536
_NEVER = float("inf")


@dataclass(frozen=True)
class Limits:
    """What one client, and all of them together, may use up."""

    body: int = 1 << 20
    """Bytes of a request's body."""
    header: int = 16 << 10
    """Bytes of a request's first line and header."""
    header_seconds: float = 10.0
    """From a request's first byte (or from the connection's start) to the end of its header."""
    request_seconds: float = 30.0
    """From a request's first byte to its last."""
    answer_seconds: float = 30.0
    """For taking an answer."""
    idle_seconds: float = 120.0
    """Between two requests."""
    linger_seconds: float = 2.0
    """For a refused client to stop sending, so that it can read why."""
    connections: int = 256
    """Connections in all."""
    connections_per_user: int = 64
    """Connections of one uid; root has no such limit."""
    reserved_for_admins: int = 32
    """Of all connections, those that only administrators may use; at most half of them."""


@dataclass(frozen=True)
class Resource:
    """The one thing that is served: where it is, how it is asked for, and of what kinds an answer can be."""

    method: bytes = b"POST"  # or GET
    paths: tuple[bytes, ...] = (b"/RPC2", b"/")
    contents: tuple[bytes, ...] = (b"text/xml", b"application/json")  # the first for who names none of them


class RefusedError(Exception):
    """A request that gets a status instead of an answer, and ends its connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


# A request's body, and which of the contents is wanted, to an answer's body; may raise RefusedError.
Handler = Callable[[Caller, bytes, bytes], bytes]


@dataclass(frozen=True)
class _Request:
    body: bytes
    content: bytes  # what is wanted
    version: bytes
    keep_alive: bool

    def answer(self, body: bytes, close: bool) -> bytes:
        """The answer's bytes; says what becomes of the connection where that is not the version's habit."""
        if close:
            connection = b"Connection: close\r\n"
        else:
            connection = b"Connection: keep-alive\r\n" if self.version == b"1.0" else b""
        return b"HTTP/%b 200 OK\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n%b" % (
            self.version,
            self.content,
            connection,
            len(body),
            body,
        )


def _refusal(refused: RefusedError, version: bytes = b"1.1", method: bytes = b"") -> bytes:
    text = refused.reason.encode() + b"\n"
    allow = b"Allow: %b\r\n" % method if refused.status == 405 else b""
    return (
        b"HTTP/%b %d %b\r\nContent-Type: text/plain; charset=utf-8\r\n%bConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b"
    ) % (version, refused.status, _REASONS[refused.status].encode(), allow, len(text), text)


class _Reading:
    """Gathers requests from the bytes of one connection; llhttp calls the on_… methods."""

    def __init__(self, limits: Limits, resource: Resource, unix: bool, started: Callable[[], None]) -> None:
        self._limits = limits
        self._resource = resource
        self._unix = unix
        self._started = started
        self._parser = HttpRequestParser(self)
        self._reset()
        self.requests: list[_Request] = []
        self.refused: RefusedError | None = None
        self.wants_continue = False
        self.version = b"1.1"
        self._completed = False  # whether a message ended in the piece being fed

    def _reset(self) -> None:
        self.in_header = self.in_body = False
        self._header: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self._url = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._more_bytes = 0  # of this message; not counted: what came in one piece with the message before

    def feed(self, data: bytes) -> None:
        """Take what arrived; afterwards `requests`, and perhaps `refused`, hold what it meant."""
        self._completed = False
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._refuse(400, "no other protocol is spoken here")
        except HttpParserError as error:
            self._refuse(400, f"malformed HTTP: {error}")
        if not self._completed:  # else these bytes are of several messages
            self._check_bytes(len(data))

    def end(self) -> None:
        """The client sends no more."""
        if self.in_header or self.in_body:
            self._refuse(400, "the request ends before it is whole")

    def _refuse(self, status: int, reason: str) -> None:
        self.refused = self.refused or RefusedError(status, reason)

    def _check_bytes(self, more: int) -> None:
        """Bound what the parser keeps to itself: half a header, the sizes of chunks, trailers."""
        self._more_bytes += more
        if self.in_header:
            self._header_bytes += more
            self._check_header_size()
        elif self.in_body and self._more_bytes > 2 * self._limits.body + self._limits.header:
            self._refuse(413, "chunks and trailers are longer than a request may be")

    def _check_header_size(self) -> None:
        if self._header_bytes > self._limits.header:
            self._refuse(431, f"the header is longer than {self._limits.header} bytes")

    def on_message_begin(self) -> None:
        self._reset()
        self.in_header = True
        self._started()

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._header_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + 4
        name = name.lower()
        if name in _ONCE and name in self._header:
            self._refuse(400, f"two {name.decode()} headers")
        if name in _KEPT:
            self._header[name] = value

    def on_headers_complete(self) -> None:
        self.in_header, self.in_body = False, True
        self.version = self._parser.get_http_version().encode()
        self._check_header_size()
        self._check_request()
        self.wants_continue = b"expect" in self._header and self.refused is None

    def _check_request(self) -> None:
        """Refuse what is no call, and what a browser can be tricked into sending."""
        header, wanted = self._header, self._resource
        if self.version not in (b"1.0", b"1.1"):
            self.version = b"1.1"
            self._refuse(400, "use HTTP 1.0 or 1.1")
        elif self._parser.get_method() != wanted.method:
            self._refuse(405, f"use {wanted.method.decode()}")
        elif self._url not in wanted.paths:
            self._refuse(404, f"use the path {wanted.paths[0].decode()}")
        elif b"origin" in header:
            self._refuse(403, "requests of web pages are refused")
        elif not self._host_is_ours():
            self._refuse(403, "the Host header must be localhost, 127.0.0.1 or [::1]")
        elif wanted.method == b"POST" and not self._is_xml():
            self._refuse(415, "send plain text/xml")
        elif int(header.get(b"content-length", 0)) > self._limits.body:
            self._refuse_body()

    def _is_xml(self) -> bool:
        header = self._header
        return bool(_XML.fullmatch(header.get(b"content-type", b""))) and b"content-encoding" not in header

    def _host_is_ours(self) -> bool:
        host = self._header.get(b"host")
        if host is None:
            return self.version == b"1.0" or self._unix
        return self._unix or _HOST.fullmatch(host) is not None

    def _refuse_body(self) -> None:
        self._refuse(413, f"the body is longer than {self._limits.body} bytes")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body:
            self._refuse_body()
        if self.refused is None:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self.in_body, self._completed = False, True
        if self.refused is None:
            body, keep_alive = b"".join(self._body), self._parser.should_keep_alive()
            self.requests.append(_Request(body, self._wanted(), self.version, keep_alive))

    def _wanted(self) -> bytes:
        accepted, contents = self._header.get(b"accept", b""), self._resource.contents
        return accepted if accepted in contents else contents[0]


class _Connection:
    """One client, served by one thread. `deadline` is watched by the server's thread."""

    def __init__(self, server: "Server", client: socket.socket, uid: int | None) -> None:
        self.uid = uid
        self._server = server
        self._socket = client
        self._door = "unix" if client.family == socket.AF_UNIX else "tcp"
        self._limits = server.limits
        self._reading = _Reading(server.limits, server.resource, self._door == "unix", self._request_begins)
        self._open = True
        self.idle = True
        self._begun = time.monotonic()
        self.deadline = self._begun + self._limits.header_seconds

    def run(self) -> None:
        """Serve until the client, a limit or the server ends it."""
        try:
            while self._open:
                self._read()
        except OSError:  # the client is gone; there is nobody to tell
            pass
        finally:
            self._server.forget(self)
            self._socket.close()

    def hang_up(self, how: int = socket.SHUT_RDWR) -> None:
        """End it from outside; the connection's own thread then notices and closes."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(how)

    def _request_begins(self) -> None:
        self._begun = time.monotonic()

    def _caller(self) -> Caller:
        """Who this is now: rights may be given and taken while a connection lives."""
        return self._server.people.caller(self.uid, self._door, time.monotonic())

    def _read(self) -> None:
        data = self._socket.recv(_CHUNK)
        reading = self._reading
        if data:
            reading.feed(data)
        else:
            reading.end()
            self._open = False
        requests, reading.requests = reading.requests, []
        self.idle = False
        for request in requests:
            if not self._answer(request):
                return
        if requests:  # what came of the next one while these were answered has waited for us
            self._begun = time.monotonic()
        if reading.refused:
            self._server.refused(self._caller(), reading.refused)
            self._refuse(reading.refused)
        elif self._open:
            self._await_more()

    def _await_more(self) -> None:
        """Set the deadline for what the client must send next."""
        reading, limits = self._reading, self._limits
        self.idle = not (reading.in_header or reading.in_body)
        if reading.in_body:
            self.deadline = self._begun + limits.request_seconds
            self._send_continue()
        elif reading.in_header:
            self.deadline = self._begun + limits.header_seconds
        else:
            self.deadline = time.monotonic() + limits.idle_seconds

    def _send_continue(self) -> None:
        if self._reading.wants_continue and self._reading.version == b"1.1":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._reading.wants_continue = False

    def _answer(self, request: _Request) -> bool:
        """Answer one request; True when the next one may follow on this connection."""
        self.deadline = _NEVER  # the handler's own limits hold
        caller = self._caller()
        try:
            body = self._server.handler(caller, request.body, request.content)
        except RefusedError as refused:
            self._server.refused(caller, refused)
            self._refuse(refused)
            return False
        close = not request.keep_alive or self._server.stopping
        self.deadline = time.monotonic() + self._limits.answer_seconds
        self._socket.sendall(request.answer(body, close))
        if close:
            self._linger()
            return False
        return True

    def _refuse(self, refused: RefusedError) -> None:
        self.deadline = time.monotonic() + self._limits.linger_seconds
        self._socket.sendall(_refusal(refused, self._reading.version, self._server.resource.method))
        self._linger()

    def _linger(self) -> None:
        """Let the client read the answer: closing with unread data would throw it away."""
        self._open = False
        self.deadline = time.monotonic() + self._limits.linger_seconds
        self._socket.shutdown(socket.SHUT_WR)
        while self._socket.recv(_CHUNK):
            pass


class Server:
    """Serves the handler on listening sockets until it is stopped."""

    def __init__(
        self,
        handler: Handler,
        people: People,
        limits: Limits,
        refused: Callable[[Caller, RefusedError], None] = lambda *_: None,
        tick: Callable[[], None] = lambda: None,
        resource: Resource = Resource(),
    ) -> None:
        """`refused` is told of every refusal; `tick` is called about once a second."""
        self.handler = handler
        self.people = people
        self.limits = limits
        self.refused = refused
        self.resource = resource
        self.stopping = False
        self._tick = tick
        self._period = min(1.0, min(limits.header_seconds, limits.idle_seconds, limits.request_seconds) / 4)
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)  # told when a connection has ended
        self._connections: set[_Connection] = set()
        self._per_uid: Counter[int | None] = Counter()
        self._waker: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)

    def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve these listening sockets, which from now on are the server's to close."""
        self._listeners = list(sockets)
        self._waker, self._woken = socket.socketpair()
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Accept no more, let requests under way finish for at most so long, and end."""
        until = time.monotonic() + seconds
        self.stopping = True
        if self._waker is not None:
            self._waker.close()  # which wakes the thread
            self._thread.join()
        while (waiting := self._copy()) and time.monotonic() < until:
            for connection in waiting:
                if connection.idle:
                    connection.hang_up(socket.SHUT_RD)
            with self._ended:
                self._ended.wait(0.02)
        for connection in self._copy():
            connection.hang_up()

    def forget(self, connection: _Connection) -> None:
        """That connection has ended."""
        with self._lock:
            self._connections.discard(connection)
            self._per_uid[connection.uid] -= 1
            if not self._per_uid[connection.uid]:
                del self._per_uid[connection.uid]
            self._ended.notify_all()

    def _copy(self) -> list[_Connection]:
        with self._lock:
            return list(self._connections)

    def _run(self) -> None:
        looked = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for listener in self._listeners:
                listener.setblocking(False)
                selector.register(listener, selectors.EVENT_READ, listener)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.stopping:
                for key, _ in selector.select(self._period):
                    if key.data is not None:
                        self._survive(partial(self._accept, key.data))
                if time.monotonic() - looked >= self._period:
                    looked = time.monotonic()
                    self._drop_late(looked)
                    self._survive(self._tick)
        for ended in (*self._listeners, self._woken):
            ended.close()

    def _survive(self, work: Callable[[], None]) -> None:
        """Whatever goes wrong with one client or one tick, the door stays open for all others."""
        try:
            work()
        except Exception:
            log.exception("the door met a fault and goes on")
            time.sleep(self._period / 10)

    def _drop_late(self, now: float) -> None:
        for connection in self._copy():
            if now > connection.deadline:
                connection.hang_up()

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:  # no descriptors left: let some connections end first
            log.error("cannot accept a connection: %s", error)
            time.sleep(self._period / 10)
            return
        with contextlib.suppress(OSError), contextlib.ExitStack() as until_admitted:
            until_admitted.enter_context(client)  # it may be gone already
            client.setblocking(True)
            if client.family != socket.AF_UNIX:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._admit(client, peer_uid(client))
            until_admitted.pop_all()

    def _admit(self, client: socket.socket, uid: int | None) -> None:
        """Give the connection its thread, or turn it away when there are too many."""
        door = "unix" if client.family == socket.AF_UNIX else "tcp"
        with self._lock:
            total, own = len(self._connections), self._per_uid[uid]
        limits = self.limits
        crowded = total >= limits.connections - min(limits.reserved_for_admins, limits.connections // 2)
        if (
            total >= limits.connections
            or (uid != 0 and own >= limits.connections_per_user)
            or (crowded and not self.people.caller(uid, door, time.monotonic()).admin)
        ):
            self._turn_away(client, uid, door)
            return
        connection = _Connection(self, client, uid)
        with self._lock:
            self._connections.add(connection)
            self._per_uid[uid] += 1
        try:
            threading.Thread(target=connection.run, name=f"api-{uid}", daemon=True).start()
        except RuntimeError as error:  # the machine has no thread left
            log.error("cannot serve a connection: %s", error)
            self.forget(connection)
            self._turn_away(client, uid, door)

    def _turn_away(self, client: socket.socket, uid: int | None, door: str) -> None:
        refused = RefusedError(503, "too many connections; try again later")
        self.refused(self.people.caller(uid, door, time.monotonic()), refused)
        client.setblocking(False)
        with contextlib.suppress(OSError), client:
            client.send(_refusal(refused))
            client.shutdown(socket.SHUT_WR)
            client.recv(_CHUNK)  # unread data would make closing throw the answer away
