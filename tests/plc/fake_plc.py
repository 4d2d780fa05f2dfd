"""A stand-in for a PLC, over HTTPS: it knows nodes, their keys and sessions, and answers what it is told to.

It does what it is asked and can be read back (`calls`); `manner` makes it behave badly on the wire.
"""

import hashlib
import hmac
import secrets
import socket
import ssl
import threading
import xmlrpc.client
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, cast

from nm.exchange import Limits, Place, parse_place

NODE, KEY = 1, "the-key-of-node-1"
MANNERS = (
    "well",
    "silent",
    "drips",
    "drips without length",
    "half",
    "half without length",
    "status",
    "moved",
    "no xml",
    "bomb",
    "long",
    "hangs up",
)


class FakePlc:
    """One that runs as long as the `with`."""

    def __init__(self, certificate: Path, reply: Any) -> None:
        self.reply = reply
        self.keys = {NODE: KEY}
        self.sessions: dict[str, int] = {}
        self.calls: list[str] = []
        self.manner = "well"
        self.pages: dict[str, bytes] = {}
        self.echo = False  # whether faults say again what they were sent
        self.stop = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.plc = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.context = context
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def place(self, ca: Path | None, path: str = "/PLCAPI/") -> Place:
        """Where it is."""
        port = self._server.server_address[1]
        return parse_place(f"https://127.0.0.1:{port}{path}", None if ca is None else str(ca))

    def answer(self, method: str, auth: dict[str, Any], *arguments: Any) -> Any:
        """The value of a call; Fault as a PLC has it."""
        self.calls.append(f"{method} by {auth.get('AuthMethod')}")
        node = self._who(auth, arguments)
        if node is None:
            said = f" {auth}" if self.echo else ""
            raise xmlrpc.client.Fault(103, f"{method}: Call could not be authenticated{said}")
        if method == "GetSession":
            session = secrets.token_hex(16)
            self.sessions[session] = node
            return session
        if method == "GetSlivers":
            return self.reply
        raise xmlrpc.client.Fault(100, f"Invalid API method {method}")

    def _who(self, auth: dict[str, Any], arguments: Any) -> int | None:
        if auth.get("AuthMethod") == "session":
            return self.sessions.get(auth["session"])
        key = self.keys.get(auth["node_id"])
        if key is None:
            return None
        text = "[" + "".join(sorted(str(one) for one in _flat(arguments))) + "]"
        right = hmac.new(key.encode(), text.encode(), hashlib.sha1).hexdigest()
        return auth["node_id"] if hmac.compare_digest(right, auth["value"]) else None


def _flat(value: Any) -> list[Any]:
    values = value.values() if isinstance(value, dict) else value
    return [
        leaf for one in values for leaf in (_flat(one) if isinstance(one, list | tuple | dict) else [one])
    ]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    context: ssl.SSLContext
    plc: FakePlc

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            request.settimeout(5)
            with self.context.wrap_socket(request, server_side=True) as secure:
                super().process_request_thread(secure, client_address)
        except OSError:
            pass  # the client did not like the certificate, or has gone

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client cut the connection: that is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _plc(self) -> FakePlc:
        return cast("_Server", self.server).plc

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        arguments, method = xmlrpc.client.loads(body)
        try:
            value = self._plc.answer(str(method), *cast("tuple[Any, ...]", arguments))
            text = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True)
        except xmlrpc.client.Fault as fault:
            text = xmlrpc.client.dumps(fault, methodresponse=True)
        self._send(text.encode())

    def do_GET(self) -> None:
        self._plc.calls.append(f"GET {self.path}")
        page = self._plc.pages.get(self.path)
        if page is None:
            self.send_error(404)
        else:
            self._send(page)

    def _send(self, body: bytes) -> None:
        bad: dict[str, Callable[[bytes], None]] = {
            "silent": lambda _: self._wait(),
            "drips": lambda body: self._drip(body, body),
            "drips without length": lambda body: self._drip(None, body),
            "half": lambda body: self._raw(body, body[: len(body) // 2]),
            "whole without length": self._end,
            "half without length": lambda body: self._raw(None, body[: len(body) // 2]),
            "status": lambda _: self.send_error(500),
            "moved": self._move,
            "no xml": lambda _: self._raw(b"<html>", b"<html>"),
            "bomb": lambda _: self._raw(_BOMB, _BOMB),
            "long": self._long,
            "hangs up": lambda _: self.connection.shutdown(socket.SHUT_RDWR),
        }
        if self._plc.manner == "well":
            self._raw(body, body)
        else:
            bad[self._plc.manner](body)
        self.close_connection = True

    def _raw(self, length: bytes | None, body: bytes) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(len(length)))
        self.end_headers()
        self.wfile.write(body)

    def _end(self, body: bytes) -> None:
        self._raw(None, body)
        self.wfile.flush()
        with suppress(OSError):  # the client does not answer to the end
            cast("ssl.SSLSocket", self.connection).unwrap()

    def _wait(self) -> None:
        self._plc.stop.wait(30)

    def _drip(self, length: bytes | None, body: bytes) -> None:
        self._raw(length, b"")
        for sign in body:
            if self._plc.stop.wait(0.02):
                return
            self.wfile.write(bytes([sign]))

    def _move(self, body: bytes) -> None:
        self.send_response(301)
        self.send_header("Location", "https://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _long(self, body: bytes) -> None:
        self._raw(None, b"")
        while not self._plc.stop.is_set():
            self.wfile.write(b" " * 65536)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to say."""


_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "%s">' % (i, (b"&a%d;" % (i - 1) if i else b"&a;") * 16) for i in range(8))
    + b"]><methodResponse><params><param><value>&a7;</value></param></params></methodResponse>"
)

SHORT = Limits(silence=0.5, total=0.8, largest=1 << 20)
