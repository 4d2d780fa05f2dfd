"""A small HTTP server for few purposes: POST of a document, answered with one; or a page, read by GET.

Used by the API door (nm/api.py), by the doors of federation, and by the metrics (nm/metrics.py). One thread
accepts, has the gate greet who is there, and watches everybody's deadline; each connection has a thread of
its own that enters through the gate, reads (nm/httpreading.py), calls the handler and writes.
Whoever is slow, too big or malformed is answered with a plain status, where that is possible, and dropped.
When all places are taken, who is still at the gate gives way: nobody knows yet whether it may come in.
`Server._lock` guards the table of connections only; nothing waits while it is held.
"""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Generic, TypeVar

from nm.gate import Gate, Visitor
from nm.httpreading import Limits, Reading, RefusedError, Request, Resource

log = logging.getLogger(__name__)

_CHUNK = 65536
_NEVER = float("inf")

Who = TypeVar("Who")


class _Connection(Generic[Who]):
    """One client, served by one thread. `deadline` is watched by the server's thread."""

    def __init__(self, server: "Server[Who]", visitor: Visitor) -> None:
        self.visitor = visitor
        self._server = server
        self._gate = server.gate
        self._socket = visitor.channel
        self._limits = server.limits
        hosts = self._gate.hosts(visitor)
        self._reading = Reading(server.limits, server.resources, hosts, self._request_begins)
        self._open = True
        self.idle = True
        self.entered = visitor.plain  # else it has yet to show who it is
        self._begun = time.monotonic()
        self.deadline = self._begun + self._limits.header_seconds

    def run(self) -> None:
        """Serve until the client, a limit or the server ends it."""
        try:
            self._gate.enter(self.visitor)
            self.entered = True
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

    def _who(self) -> Who:
        """Who this is now, as the server's gate has it at present."""
        return self._server.gate.who(self.visitor)

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
        for resource, request in requests:
            if not self._answer(resource, request):
                return
        if requests:  # what came of the next one while these were answered has waited for us
            self._begun = time.monotonic()
        if reading.refused:
            self._server.refused(self._who(), reading.refused)
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

    def _answer(self, resource: Resource[Who], request: Request) -> bool:
        """Answer one request; True when the next one may follow on this connection."""
        self.deadline = _NEVER  # the handler's own limits hold
        who = self._who()
        try:
            body = resource.handler(who, request)
        except RefusedError as refused:
            self._server.refused(who, refused)
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
        self._socket.sendall(refused.answer(self._reading.version, self._reading.allowed))
        self._linger()

    def _linger(self) -> None:
        """Let the client read the answer: closing with unread data would throw it away."""
        self._open = False
        self.deadline = time.monotonic() + self._limits.linger_seconds
        self._socket.shutdown(socket.SHUT_WR)
        while self._socket.recv(_CHUNK):
            pass


class Server(Generic[Who]):
    """Serves resources on listening sockets until it is stopped."""

    def __init__(
        self,
        resources: Sequence[Resource[Who]],
        gate: Gate[Who],
        limits: Limits,
        refused: Callable[[Who, RefusedError], None] = lambda *_: None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """`refused` is told of every refusal; `tick` is called about once a second."""
        self.resources = resources
        self.gate = gate
        self.limits = limits
        self.refused = refused
        self.stopping = False
        self._tick = tick
        self._period = min(1.0, min(limits.header_seconds, limits.idle_seconds, limits.request_seconds) / 4)
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)  # told when a connection has ended
        self._connections: dict[_Connection[Who], None] = {}  # the oldest first
        self._per_key: Counter[Hashable] = Counter()
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

    def forget(self, connection: _Connection[Who]) -> None:
        """That connection has ended."""
        key = connection.visitor.key
        with self._lock:
            if connection not in self._connections:  # it has given way before
                return
            del self._connections[connection]
            self._per_key[key] -= 1
            if not self._per_key[key]:
                del self._per_key[key]
            self._ended.notify_all()

    def _copy(self) -> list[_Connection[Who]]:
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
            visitor = self.gate.greet(client)
            until_admitted.enter_context(visitor.channel)
            self._admit(visitor)
            until_admitted.pop_all()

    def _admit(self, visitor: Visitor) -> None:
        """Give the connection its thread, or turn it away when there are too many."""
        while (crowd := self._crowd(visitor)) is not None:
            stranger = next((one for one in crowd if not one.entered), None)
            if stranger is None:
                self._turn_away(visitor)
                return
            self.forget(stranger)
            stranger.hang_up()
        connection = _Connection(self, visitor)
        with self._lock:
            self._connections[connection] = None
            self._per_key[visitor.key] += 1
        try:
            threading.Thread(target=connection.run, name=f"api-{visitor.key}", daemon=True).start()
        except RuntimeError as error:  # the machine has no thread left
            log.error("cannot serve a connection: %s", error)
            self.forget(connection)
            self._turn_away(visitor)

    def _crowd(self, visitor: Visitor) -> list[_Connection[Who]] | None:
        """Those of whom one must go before this one may come; None when there is a place."""
        there, limits = self._copy(), self.limits
        kept = min(limits.reserved_for_admins, limits.connections // 2)
        places = limits.connections - (0 if self.gate.comes_first(visitor) else kept)
        if len(there) >= places:
            return there
        if self._per_key[visitor.key] >= limits.connections_per_user and self.gate.is_counted(visitor):
            return [one for one in there if one.visitor.key == visitor.key]
        return None

    def _turn_away(self, visitor: Visitor) -> None:
        refused = RefusedError(503, "too many connections; try again later")
        self.refused(self.gate.who(visitor), refused)
        with contextlib.suppress(OSError), visitor.channel as channel:
            if not visitor.plain:
                return
            channel.setblocking(False)
            channel.send(refused.answer())
            channel.shutdown(socket.SHUT_WR)
            channel.recv(_CHUNK)  # unread data would make closing throw the answer away
