"""HTTP for the pages, on 127.0.0.1 only: GET for whoever has the cookie, one POST, few connections.

The standard library's server is not meant to face a network. It does not: it serves the browser of the one
person who started it, on the loopback, for as long as nmctl runs; whoever else connects learns nothing
(gate.py). In return there is nothing to install. A connection is a thread and ends with its answer; only
/live goes on.
"""

import hashlib
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
from nm.shell.picture import Picture
from nm.shell.session import Session
from nm.shell.web.desk import Desk
from nm.shell.web.gate import Gate, is_here, is_own

ADDRESS = "127.0.0.1"
MOST = 64  # connections
STREAMS = 32  # of them on /live, so that whatever else is asked for finds room
SLOW = 10.0  # seconds without a byte: the browser is gone
HEARTBEAT = 2.0  # seconds after which who waits for changes hears that there is none
LARGEST = 64 << 10  # bytes of a change
FOLDER = Path(__file__).parent
CHANGES = "/attribute"  # the one place to which anything is sent
FILES = {
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/elements.js": ("elements.js", "text/javascript; charset=utf-8"),
    "/link.js": ("link.js", "text/javascript; charset=utf-8"),
    "/descriptions": ("descriptions.html", "text/html; charset=utf-8"),
    "/descriptions.js": ("descriptions.js", "text/javascript; charset=utf-8"),
    "/tree.js": ("tree.js", "text/javascript; charset=utf-8"),
    "/attributes.js": ("attributes.js", "text/javascript; charset=utf-8"),
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

    def __init__(self, port: int, feed: Feed, desk: Desk) -> None:
        super().__init__((ADDRESS, port), Handler)
        self.feed = feed
        self.desk = desk
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

    def parse_request(self) -> bool:
        """Whether the request can be read, its path as well."""
        if not super().parse_request():
            return False
        try:
            urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        return True

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
            return self._page(cookie)
        if url.path in FILES:
            return self._file(*FILES[url.path])
        if self.server.feed.stopped:
            return self._say(HTTPStatus.SERVICE_UNAVAILABLE, "nmctl web is about to end\n")
        return self._data(url.path, {name: texts[0] for name, texts in query.items()})

    def do_POST(self) -> None:
        """Change an attribute, when who asks may do so by this page."""
        path = urlsplit(self.path).path
        if path != CHANGES:
            return self._other_method()
        body = self._body()
        if not is_here(self.headers):
            return self._refuse("this page is on this machine only\n")
        if not (is_own(self.headers) and self.server.gate.knows(self.headers)):
            return self._refuse("another page may not ask\n")
        if not self.server.gate.lets_write(self.headers):
            return self._refuse("this page may only look\n")
        if body is None or self.headers.get_content_type() != "application/json":
            return self._say(HTTPStatus.BAD_REQUEST, f"give JSON of at most {LARGEST} bytes\n")
        return self._document(self.server.desk.change(body))

    def _other_method(self) -> None:
        only = "POST" if urlsplit(self.path).path == CHANGES else "GET"
        self._say(HTTPStatus.METHOD_NOT_ALLOWED, f"only {only}\n", {"Allow": only})

    # The library calls these by the method's name.
    do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = _other_method  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: the first one has the token in it."""

    def _refuse(self, words: str) -> None:
        self._say(HTTPStatus.FORBIDDEN, words)

    def _say(self, status: HTTPStatus, words: str, more: Mapping[str, str] | None = None) -> None:
        self._answer(status, words.encode(), "text/plain; charset=utf-8", more)

    def _file(self, name: str, kind: str, more: Mapping[str, str] | None = None) -> None:
        self._answer(HTTPStatus.OK, (FOLDER / name).read_bytes(), kind, more)

    def _page(self, cookie: str | None) -> None:
        """The first page; to whom the link was for, with what changes are made by."""
        self.server.feed.ask()  # while the browser reads the page
        text = (FOLDER / "page.html").read_bytes()
        given = self.server.gate.write_token if cookie else ""
        body = text.replace(b'name="write" content=""', f'name="write" content="{given}"'.encode())
        self._answer(
            HTTPStatus.OK, body, "text/html; charset=utf-8", {"Set-Cookie": cookie} if cookie else {}
        )

    def _data(self, path: str, asked: Mapping[str, str]) -> None:
        """What pages are drawn from."""
        if path == "/picture.json":
            return self._picture(asked.get("only", ""))
        if path == "/live":
            return self._live(asked.get("after", ""), asked.get("only", ""))
        if path == "/components.json":
            return self._document(self.server.desk.tree(asked.get("name", ""), asked.get("view", "{}")))
        if path == "/job.json":
            return self._document(self.server.desk.job(asked.get("id", "")))
        return self._say(HTTPStatus.NOT_FOUND, "no such page\n")

    def _body(self) -> bytes | None:
        """What came with the request; None when it is too long, or of no length."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= LARGEST):
            return None
        return self.rfile.read(int(length))

    def _document(self, found: Mapping[str, Any]) -> None:
        """An answer of the desk's; nothing when the page has the same already."""
        body = _json(found)
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        if self.headers.get("If-None-Match") == tag:
            return self._answer(HTTPStatus.NOT_MODIFIED, b"", "application/json", {"ETag": tag})
        return self._answer(HTTPStatus.OK, body, "application/json", {"ETag": tag})

    def _picture(self, only: str) -> None:
        revision, found = self.server.feed.current()
        found = _part(found, only)
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

    def _live(self, after: str, only: str) -> None:
        """Changes as server-sent events, until one side leaves. `after`: the revision that the page has."""
        if not self.server.streams.acquire(blocking=False):
            return self._say(HTTPStatus.SERVICE_UNAVAILABLE, CROWDED)
        try:
            self._head(HTTPStatus.OK, {"Content-Type": "text/event-stream"})
            with self.server.feed.watching():
                for message in self._changes(after, only):
                    self.wfile.write(message)
        finally:
            self.server.streams.release()

    def _changes(self, after: str, only: str) -> Iterator[bytes]:
        feed = self.server.feed
        revision, shown = feed.current()
        shown = _part(shown, only)
        told = picture.difference({} if after != str(revision) else shown, shown)
        yield b"retry: 1000\n\n" + _message(revision, told)
        for found in feed.changes(revision, HEARTBEAT):
            if found is None:
                yield b"data: {}\n\n"
                continue
            revision, before = found[0], shown
            shown = _part(found[1], only)
            told = picture.difference(before, shown)
            yield _message(revision, told)


def _part(found: Picture, only: str) -> Picture:
    """What a page wants of the picture: some kinds of things, with , between them, or all."""
    kinds = only.split(",")
    return {kind: structs for kind, structs in found.items() if kind in kinds} if only else found


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _message(revision: int, told: Mapping[str, Mapping[str, Any]]) -> bytes:
    return b"data: " + _json({"revision": revision, **told}) + b"\n\n"


# ---- the command


def serve(session: Session, port: int, browse: bool) -> int:
    """Serve the page until Ctrl-C. Failure when the daemon does not answer, or the port is taken."""
    look = Lookout(session)
    look.refresh()  # what is wrong with the daemon is told here, not in the browser
    feed, desk = Feed(look), Desk(session.another())
    try:
        server = PageServer(port, feed, desk)
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
        desk.close()
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
