"""HTTP for the page, on 127.0.0.1 only: GET, for whoever has the cookie, a bounded number of connections.

The standard library's server is not meant to face a network. It does not: it serves the browser of the one
person who started it, on the loopback, for as long as nmctl runs; whoever else connects learns nothing
(gate.py). In return there is nothing to install. A connection is a thread and ends with its answer; only
/live goes on.
"""

import json
import socketserver
import sys
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nm.shell import picture
from nm.shell.failures import CONFLICT, OK, Failure
from nm.shell.feed import Feed
from nm.shell.lookout import Lookout
from nm.shell.output import Line
from nm.shell.session import Session
from nm.shell.web.gate import Gate, is_here, is_own

ADDRESS = "127.0.0.1"
MOST = 64  # connections
STREAMS = 32  # of them on /live, so that whatever else is asked for finds room
SLOW = 10.0  # seconds without a byte: the browser is gone
HEARTBEAT = 2.0  # seconds after which who waits for changes hears that there is none
FOLDER = Path(__file__).parent
FILES = {
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/elements.js": ("elements.js", "text/javascript; charset=utf-8"),
    "/link.js": ("link.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
REFUSAL = (
    "This page opens by the link that `nmctl web` prints, once. For a new link start `nmctl web` again.\n"
)
CROWDED = f"{STREAMS} pages are open already: close one, or start another `nmctl web`.\n"


class PageServer(ThreadingHTTPServer):
    """Listens, and gives each connection a thread as long as there is room."""

    daemon_threads = True
    request_queue_size = MOST  # who finds the queue full waits for a second
    block_on_close = False  # a browser that does not read holds nobody up

    def __init__(self, port: int, feed: Feed) -> None:
        super().__init__((ADDRESS, port), Handler)
        self.feed = feed
        self.gate = Gate(self.server_address[1])
        self.streams = threading.BoundedSemaphore(STREAMS)
        self._room = threading.BoundedSemaphore(MOST)

    @property
    def url(self) -> str:
        """The link that opens the page, once."""
        return f"http://{ADDRESS}:{self.server_address[1]}/?token={self.gate.token}"

    def server_bind(self) -> None:
        """Bind; the library would ask the name service who we are, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, or no answer when there are too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The connection's thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has left is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: PageServer
    timeout = SLOW
    server_version = "nmctl"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer, when who asks may look."""
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if not is_here(self.headers):
            return self._refuse("this page is on this machine only\n")
        cookie = None
        if url.path == "/" and "token" in query:
            cookie = self.server.gate.exchange(query["token"][0])
        elif not is_own(self.headers):
            return self._refuse("another page may not ask\n")
        if cookie is None and not self.server.gate.knows(self.headers):
            return self._refuse(REFUSAL)
        if url.path == "/":
            self.server.feed.ask()  # while the browser reads the page
            return self._file(
                "page.html", "text/html; charset=utf-8", {"Set-Cookie": cookie} if cookie else {}
            )
        if url.path in FILES:
            return self._file(*FILES[url.path])
        if self.server.feed.stopped:
            return self._say(HTTPStatus.SERVICE_UNAVAILABLE, "nmctl web is about to end\n")
        if url.path == "/picture.json":
            return self._picture()
        if url.path == "/live":
            return self._live(query.get("after", [""])[0])
        return self._say(HTTPStatus.NOT_FOUND, "no such page\n")

    def _other_method(self) -> None:
        self._say(HTTPStatus.METHOD_NOT_ALLOWED, "only GET\n", {"Allow": "GET"})

    # The library calls these by the method's name.
    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = _other_method  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: the first one has the token in it."""

    def _refuse(self, words: str) -> None:
        self._say(HTTPStatus.FORBIDDEN, words)

    def _say(self, status: HTTPStatus, words: str, more: Mapping[str, str] | None = None) -> None:
        self._answer(status, words.encode(), "text/plain; charset=utf-8", more)

    def _file(self, name: str, kind: str, more: Mapping[str, str] | None = None) -> None:
        self._answer(HTTPStatus.OK, (FOLDER / name).read_bytes(), kind, more)

    def _picture(self) -> None:
        revision, found = self.server.feed.current()
        tag = f'"{self.server.gate.cookie}-{revision}"'
        if self.headers.get("If-None-Match") == tag:
            return self._answer(HTTPStatus.NOT_MODIFIED, b"", "application/json", {"ETag": tag})
        body = _json({"revision": revision, "picture": found})
        return self._answer(HTTPStatus.OK, body, "application/json", {"ETag": tag})

    def _answer(
        self, status: HTTPStatus, body: bytes, kind: str, more: Mapping[str, str] | None = None
    ) -> None:
        self._head(status, {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})})
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def _head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _live(self, after: str) -> None:
        """Changes as server-sent events, until one side leaves. `after`: the revision that the page has."""
        if not self.server.streams.acquire(blocking=False):
            return self._say(HTTPStatus.SERVICE_UNAVAILABLE, CROWDED)
        try:
            self._head(HTTPStatus.OK, {"Content-Type": "text/event-stream"})
            with self.server.feed.watching():
                for message in self._changes(after):
                    self.wfile.write(message)
        finally:
            self.server.streams.release()

    def _changes(self, after: str) -> Iterator[bytes]:
        feed = self.server.feed
        revision, shown = feed.current()
        told = picture.difference({} if after != str(revision) else shown, shown)
        yield b"retry: 1000\n\n" + _message(revision, told)
        for found in feed.changes(revision, HEARTBEAT):
            if found is None:
                yield b"data: {}\n\n"
                continue
            told = picture.difference(shown, found[1])
            revision, shown = found
            yield _message(revision, told)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _message(revision: int, told: Mapping[str, Mapping[str, Any]]) -> bytes:
    return b"data: " + _json({"revision": revision, **told}) + b"\n\n"


# ---- the command


def serve(session: Session, port: int, browse: bool) -> int:
    """Serve the page until Ctrl-C. Failure when the daemon does not answer, or the port is taken."""
    look = Lookout(session)
    look.refresh()  # what is wrong with the daemon is told here, not in the browser
    feed = Feed(look)
    try:
        server = PageServer(port, feed)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(
            f"port {port} of {ADDRESS}: {reason}", "leave --port out: then a free one is taken", CONFLICT
        ) from None
    feed.start()
    try:
        _tell(session, server.url, browse)
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        feed.stop()
        server.server_close()
    return OK


def _tell(session: Session, url: str, browse: bool) -> None:
    if session.output.json:
        session.output.result({"url": url})
    else:
        session.output.show([Line(url)])
        session.output.note("this link opens the page once, for one browser; Ctrl-C ends it")
    session.output.finish()
    if browse:
        import webbrowser

        if not webbrowser.open(url):
            session.output.note("no browser was found: open the link yourself")
