"""Somebody else's aggregate: a server over TLS that wants client certificates, and answers as it is told."""

import http.server
import ssl
import threading
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Foreign:
    """`answers`: by method, a value that it succeeds with, a code with an output, or bytes that it sends."""

    def __init__(self, server: http.server.ThreadingHTTPServer, answers: dict[str, Any]) -> None:
        self.port = server.server_port
        self.answers = answers
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def answer(self, body: bytes) -> bytes:
        arguments, method = xmlrpc.client.loads(body)
        self.asked.append((str(method), arguments))
        found = self.answers[str(method)]
        if isinstance(found, bytes):
            return found
        code, output, value = (*found, "") if isinstance(found, tuple) else (0, "", found)
        struct = {"code": {"geni_code": code}, "output": output, "value": value}
        return xmlrpc.client.dumps((struct,), methodresponse=True).encode()


@contextmanager
def foreign(house: Path, **answers: Any) -> Iterator[Foreign]:
    """One with the server's key of that clearing house, that lets in whom its authority vouches for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = aggregate.answer(body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(house / "server.pem", house / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    for root in (house / "roots").iterdir():
        context.load_verify_locations(root)
    server = Quiet(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    aggregate = Foreign(server, answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield aggregate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(http.server.ThreadingHTTPServer):
    """Who hangs up in the handshake is no news."""

    def handle_error(self, *_: Any) -> None:
        """Nothing."""
