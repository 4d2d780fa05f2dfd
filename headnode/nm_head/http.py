"""HTTP for the group's network alone: what lies below the TFTP root, and /boot-disk for who was installed."""

from __future__ import annotations

import functools
import socket
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nm_head import bootdisk, network
from nm_head.errors import HeadError
from nm_head.settings import Settings

BOOT_DISK = "/boot-disk"
SECONDS = 60  # that a client may be silent
_LARGEST_FORM = 4096
_FREEBIND = 15  # of linux/in.h


class Server(ThreadingHTTPServer):
    """Listens on one interface: who comes another way is not heard, whatever address they name."""

    daemon_threads = True

    def __init__(self, settings: Settings, here: network.Network) -> None:
        self._interface = here.interface
        handler = functools.partial(Handler, settings)
        super().__init__((str(here.address.ip), settings.port), handler)

    def server_bind(self) -> None:
        """Called by the library."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode())
        self.socket.setsockopt(socket.IPPROTO_IP, _FREEBIND, 1)
        super().server_bind()


class Handler(SimpleHTTPRequestHandler):
    """Files, without lists of folders."""

    timeout = SECONDS

    def __init__(self, settings: Settings, *arguments: Any) -> None:
        self._settings = settings
        super().__init__(*arguments, directory=str(settings.tftp))

    def do_GET(self) -> None:
        """A file, or the wish to boot from disk."""
        path, _, query = self.path.partition("?")
        if path == BOOT_DISK:
            self._boot_disk(query)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """The wish to boot from disk, as a form."""
        path, _, query = self.path.partition("?")
        if path != BOOT_DISK:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > _LARGEST_FORM:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        form = self.rfile.read(int(length)).decode("ascii", "replace").strip()
        self._boot_disk("&".join(filter(None, [query, form])))

    def list_directory(self, path: Any) -> None:
        """Folders are nobody's business."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def _boot_disk(self, query: str) -> None:
        try:
            status, text = HTTPStatus.OK, bootdisk.asked(self._settings, self.client_address[0], query)
        except bootdisk.RefusedError as error:
            status, text = HTTPStatus.FORBIDDEN, f"{error}\n"
        except HeadError as error:
            status, text = HTTPStatus.INTERNAL_SERVER_ERROR, f"{error}\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def serve(settings: Settings) -> None:
    """Until somebody ends it."""
    with Server(settings, network.find(settings)) as server:
        server.serve_forever()
