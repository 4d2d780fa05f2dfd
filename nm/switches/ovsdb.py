"""A small client of OVSDB (RFC 7047): transactions over one connection, every call bounded in time.

Called by nm/switches/ovs.py only, from the switch's one worker thread; holds no lock. Of the protocol
it speaks what a driver needs: `transact`, and answers to the server's `echo`.
"""

import contextlib
import ipaddress
import json
import re
import socket
import time
from collections.abc import Sequence
from typing import Any

from nm.errors import DeviceFailed, Invalid

Operation = dict[str, Any]
Result = dict[str, Any]

DATABASE = "Open_vSwitch"
CHUNK = 1 << 18
_TCP = re.compile(r"tcp:(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+)):(\d{1,5})")


class OperationFailed(DeviceFailed):
    """The server understood the transaction and refused it. Nothing of it was done.

    `error`: the server's short word, as "constraint violation" or "timed out".
    """

    def __init__(self, who: str, error: str, details: str) -> None:
        super().__init__(
            f"{who} rejected the transaction: {error}{': ' if details else ''}{details}",
            "compare its Open vSwitch version and schema with what nm's documentation asks for",
            passing=False,
        )
        self.error = error


class Client:
    """A connection to an OVSDB server, made when needed."""

    def __init__(self, who: str, address: str, timeout: float) -> None:
        """`who`: the server's name for messages; `address`: unix:PATH or tcp:ADDRESS:PORT."""
        self._who = who
        self._timeout = timeout
        self._address = address
        self._family, self._target = _parse(address)
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._last_id = 0

    def transact(self, operations: Sequence[Operation], patience: float = 0) -> list[Result]:
        """Run the operations as one transaction; their results, in order.

        `patience`: seconds beyond the timeout that `wait` operations among them may take.
        """
        self._check_idle()
        deadline = time.monotonic() + self._timeout + patience
        self._last_id += 1
        request = {"method": "transact", "params": [DATABASE, *operations], "id": self._last_id}
        try:
            self._send(request, deadline)
            reply = self._reply(deadline)
        except TimeoutError as error:
            self.close()
            raise self._silent(f"no answer within {self._timeout + patience:g} s") from error
        except OSError as error:
            self.close()
            raise self._silent(error.strerror or str(error)) from error
        return self._results(reply)

    def close(self) -> None:
        """Drop the connection."""
        connection, self._socket, self._buffer = self._socket, None, b""
        if connection is not None:
            connection.close()

    def _check_idle(self) -> None:
        """Let go of a connection that the server dropped since the last call."""
        if self._socket is None:
            return
        self._socket.setblocking(False)
        try:
            dropped = not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            dropped = True
        if dropped:
            self.close()

    def _silent(self, why: str) -> DeviceFailed:
        return DeviceFailed(
            f"{self._who} cannot be reached at {self._address}: {why}",
            "look whether ovsdb-server runs there and listens on that address",
        )

    def _results(self, reply: Result) -> list[Result]:
        if reply.get("error"):
            raise OperationFailed(self._who, str(reply["error"]), "")
        for result in reply["result"]:
            if result and "error" in result:
                raise OperationFailed(self._who, result["error"], result.get("details", ""))
        results: list[Result] = reply["result"]
        return results

    def _connected(self, deadline: float) -> socket.socket:
        """The connection, with the time left as its timeout."""
        if self._socket is None:
            connection = socket.socket(self._family, socket.SOCK_STREAM)
            with contextlib.ExitStack() as undo:
                undo.callback(connection.close)
                connection.settimeout(_left(deadline))
                connection.connect(self._target)
                undo.pop_all()
            self._socket = connection
        self._socket.settimeout(_left(deadline))
        return self._socket

    def _send(self, message: Result, deadline: float) -> None:
        self._connected(deadline).sendall(json.dumps(message).encode())

    def _reply(self, deadline: float) -> Result:
        """The answer to the last request; the server's questions on the way are answered."""
        while True:
            message = self._message(deadline)
            if message.get("method") == "echo":
                self._send({"id": message["id"], "result": message["params"], "error": None}, deadline)
            elif message.get("id") == self._last_id:
                return message

    def _message(self, deadline: float) -> Result:
        """The next message. The stream is JSON values without anything between them."""
        while True:
            if self._buffer.rstrip().endswith(b"}"):
                with contextlib.suppress(json.JSONDecodeError):
                    text = self._buffer.decode()
                    message, end = json.JSONDecoder().raw_decode(text)
                    self._buffer = text[end:].lstrip().encode()
                    return dict(message)
            chunk = self._connected(deadline).recv(CHUNK)
            if not chunk:
                raise ConnectionResetError("it closed the connection")
            self._buffer += chunk


def _left(deadline: float) -> float:
    """Seconds until the deadline."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def canonical_address(address: str) -> str:
    """The address in the one spelling that stands for all; Invalid when it is none."""
    _, target = _parse(address)
    if isinstance(target, str):
        return f"unix:{target}"
    host, port = target
    return f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"


def _parse(address: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    """The socket family and address; hosts by number, so that no name server can hold us up."""
    if address.startswith("unix:/"):
        return socket.AF_UNIX, address.removeprefix("unix:")
    match = _TCP.fullmatch(address)
    number = _number(match[1] or match[2]) if match else None
    if match is None or number is None or (number.version == 6) != bool(match[1]):
        raise Invalid(
            f"{address!r} is no address of an OVSDB server",
            "use unix:/PATH, tcp:192.0.2.1:6640 or tcp:[2001:db8::1]:6640; names are not looked up",
        )
    port = int(match[3])
    if not 0 < port < 65536:
        raise Invalid(f"{address!r} names no TCP port", "use a port from 1 to 65535")
    if isinstance(number, ipaddress.IPv6Address):
        if number.ipv4_mapped is None:
            return socket.AF_INET6, (str(number), port)
        number = number.ipv4_mapped
    return socket.AF_INET, (str(number), port)


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of one machine, written out in full; None when it is not that."""
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if number.is_unspecified or number.is_multicast else number
