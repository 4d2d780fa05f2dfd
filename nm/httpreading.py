"""Requests of HTTP out of the bytes of a connection, and what is answered to them, as bytes.

Called by the connections of the server (nm/http.py). llhttp reads, by httptools; what it keeps to itself is
bounded here. What no handler is to see is refused: other methods and paths, requests of web pages, bodies of
another kind or too large. Touches no socket and no clock.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

Who = TypeVar("Who")

XML = re.compile(rb"text/xml\s*(;.*)?", re.IGNORECASE)
_ONCE = {
    b"host", b"content-type", b"origin", b"content-encoding", b"content-length", b"expect", b"authorization",
}  # fmt: skip
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
    """Connections that are counted together, as those of one uid; root has no such limit."""
    reserved_for_admins: int = 32
    """Of all connections, those that only who comes first may use; at most half of them."""


class RefusedError(Exception):
    """A request that gets a status instead of an answer, and ends its connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def answer(self, version: bytes = b"1.1", allowed: bytes = b"") -> bytes:
        """The answer's bytes. `allowed`: the methods there are."""
        text = self.reason.encode() + b"\n"
        allow = b"Allow: %b\r\n" % allowed if self.status == 405 else b""
        return (
            b"HTTP/%b %d %b\r\nContent-Type: text/plain; charset=utf-8\r\n%bConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b"
        ) % (version, self.status, _REASONS[self.status].encode(), allow, len(text), text)


@dataclass(frozen=True)
class Request:
    """One whole request that may be answered."""

    body: bytes
    content: bytes  # of what kind the answer is wanted
    path: bytes = b"/"
    authorization: bytes = b""  # the header
    version: bytes = b"1.1"
    keep_alive: bool = True

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


@dataclass(frozen=True)
class Resource(Generic[Who]):
    """A thing that is served: who answers, where it is, how it is asked for, of what kinds answers can be."""

    handler: Callable[[Who, Request], bytes]  # gives an answer's body; may raise RefusedError
    method: bytes = b"POST"  # or GET
    paths: tuple[bytes, ...] = (b"/RPC2", b"/")  # none: any
    contents: tuple[bytes, ...] = (b"text/xml", b"application/json")  # the first for who names none of them
    body: re.Pattern[bytes] | None = XML  # what a body must say that it is; None: anything, or two things


class Reading(Generic[Who]):
    """Gathers requests from the bytes of one connection; llhttp calls the on_… methods.

    `hosts`: what a Host header must be, or None; `started` is told of each request's first byte.
    """

    def __init__(
        self,
        limits: Limits,
        resources: Sequence[Resource[Who]],
        hosts: re.Pattern[bytes] | None,
        started: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._resources = resources
        self._hosts = hosts
        self._started = started
        self._parser = HttpRequestParser(self)
        self._reset()
        self.requests: list[tuple[Resource[Who], Request]] = []
        self.refused: RefusedError | None = None
        self.wants_continue = False
        self.version = b"1.1"
        self._completed = False  # whether a message ended in the piece being fed

    @property
    def allowed(self) -> bytes:
        """The methods there are, as a header names them."""
        return b", ".join(dict.fromkeys(one.method for one in self._resources))

    def _reset(self) -> None:
        self.in_header = self.in_body = False
        self._resource = self._resources[0]
        self._header: dict[bytes, bytes] = {}
        self._twice: set[bytes] = set()  # of those that may come once
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
            self._twice.add(name)
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
        header = self._header
        if self.version not in (b"1.0", b"1.1"):
            self.version = b"1.1"
            self._refuse(400, "use HTTP 1.0 or 1.1")
        elif (resource := self._find()) is None:
            return
        elif twice := self._twice - ({b"content-type"} if resource.body is None else set()):
            self._refuse(400, f"two {min(twice).decode()} headers")
        elif b"origin" in header:
            self._refuse(403, "requests of web pages are refused")
        elif not self._host_is_ours():
            self._refuse(403, "the Host header must be localhost, 127.0.0.1 or [::1]")
        elif resource.method == b"POST" and not self._is_readable(resource):
            self._refuse(415, "send plain text/xml")
        elif int(header.get(b"content-length", 0)) > self._limits.body:
            self._refuse_body()

    def _find(self) -> Resource[Who] | None:
        """What is asked for; refused when there is no such thing."""
        method = self._parser.get_method()
        so_asked = [one for one in self._resources if one.method == method]
        for one in so_asked:
            if not one.paths or self._url in one.paths:
                self._resource = one
                return one
        if so_asked:
            self._refuse(404, f"use the path {so_asked[0].paths[0].decode()}")
        else:
            self._refuse(405, f"use {self.allowed.decode()}")
        return None

    def _is_readable(self, resource: Resource[Who]) -> bool:
        kind = self._header.get(b"content-type", b"")
        known = resource.body is None or resource.body.fullmatch(kind) is not None
        return known and b"content-encoding" not in self._header

    def _host_is_ours(self) -> bool:
        host = self._header.get(b"host")
        if self._hosts is None:
            return True
        return self.version == b"1.0" if host is None else self._hosts.fullmatch(host) is not None

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
            authorization = self._header.get(b"authorization", b"")
            wanted = self._wanted()
            found = Request(body, wanted, self._url, authorization, self.version, keep_alive)
            self.requests.append((self._resource, found))

    def _wanted(self) -> bytes:
        accepted, contents = self._header.get(b"accept", b""), self._resource.contents
        return accepted if accepted in contents else contents[0]
