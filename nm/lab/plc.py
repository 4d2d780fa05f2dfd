"""The lab's stand-in for a PLC: a program that answers GetSession and GetSlivers over HTTPS.

What GetSlivers says is in a file, JSON, that anybody may edit; it is read anew for every answer. As a PLC
does it, the reply carries the time at which it was asked, unless the file has a `timestamp`. A session is
given to whoever shows by an HMAC to have the node's key. Run in the lab's outside world:

    python -m nm.lab.plc FOLDER ADDRESS PORT
"""

import hashlib
import hmac
import json
import secrets
import ssl
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

REPLY, KEY, CERTIFICATE = "slivers.json", "node_key", "certificate.pem"  # the files in its folder
SAID = "said"  # another: the time of the last reply
PATIENCE = 10.0  # seconds for a request
_UNKNOWN, _NO_METHOD = 103, 100


class Plc:
    """What it knows: one node, by its key, and the sessions that it gave."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sessions: set[str] = set()
        self._lock = threading.Lock()

    def answer(self, method: str, auth: dict[str, Any], *arguments: Any) -> Any:
        """The value of a call; Fault as a PLC has it."""
        reply = json.loads((self._folder / REPLY).read_text())
        if not self._knows(auth, reply["node_id"], arguments):
            raise xmlrpc.client.Fault(_UNKNOWN, f"{method}: Call could not be authenticated")
        if method == "GetSession":
            self._sessions.add(session := secrets.token_hex(16))
            return session
        if method != "GetSlivers":
            raise xmlrpc.client.Fault(_NO_METHOD, f"Invalid API method {method}")
        return {"timestamp": self._now(), **reply}

    def _now(self) -> int:
        """No two replies have the same time, also of a PLC that was killed and started within the second."""
        place = self._folder / SAID
        with self._lock:
            now = max(int(time.time()), int(place.read_text()) + 1 if place.exists() else 0)
            replacement = place.with_suffix(".new")
            replacement.write_text(f"{now}\n")
            replacement.replace(place)
        return now

    def _knows(self, auth: dict[str, Any], node: int, arguments: Any) -> bool:
        if auth.get("AuthMethod") == "session":
            return auth.get("session") in self._sessions
        key = (self._folder / KEY).read_text().strip()
        text = f"[{''.join(sorted(map(str, _leaves(arguments))))}]"
        right = hmac.new(key.encode(), text.encode(), hashlib.sha1).hexdigest()
        return auth.get("node_id") == node and hmac.compare_digest(right, str(auth.get("value")))


def _leaves(value: Any) -> Iterator[Any]:
    for one in value.values() if isinstance(value, dict) else value:
        yield from _leaves(one) if isinstance(one, list | tuple | dict) else (one,)


class _Server(ThreadingHTTPServer):
    def __init__(self, folder: Path, address: str, port: int) -> None:
        super().__init__((address, port), _Handler)
        self.plc = Plc(folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / CERTIFICATE)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that who does not speak keeps nobody waiting."""
        try:
            request.settimeout(PATIENCE)
            with self._context.wrap_socket(request, server_side=True) as secure:
                super().process_request_thread(secure, client_address)
        except OSError as error:
            print(f"{client_address[0]}: {error}", flush=True)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """A call of XML-RPC."""
        arguments, method = xmlrpc.client.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            value = cast("_Server", self.server).plc.answer(str(method), *cast("Any", arguments))
            text = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True)
        except xmlrpc.client.Fault as fault:
            text = xmlrpc.client.dumps(fault, methodresponse=True)
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    _Server(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])).serve_forever()
