"""Listening TCP sockets. Rim; used by the doors, and by the service that opens them."""

import os
import socket

from nm.errors import Conflict

BACKLOG = 1024  # on a Unix socket, who finds the queue full is refused at once


def listen_at(address: str, port: int, key: str) -> socket.socket:
    """A listening socket at an address of this machine; port 0: any free one. `key` configures the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Conflict(
            f"cannot listen on {address} port {port}: {reason(error)}",
            f"stop what listens there, or configure another {key}",
        ) from None


def reason(error: OSError) -> str:
    """What the system says of it."""
    return os.strerror(error.errno) if error.errno else str(error)
