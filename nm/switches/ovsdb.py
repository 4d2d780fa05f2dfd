"""A small client of OVSDB (RFC 7047): transactions over one connection, every call bounded in time.

Called by nm/switches/ovs.py only, from the switch's one worker thread; holds no lock. Of the protocol
it speaks what a driver needs: `transact`, and answers to the server's `echo`.
"""

import contextlib
import json
import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

from nm.errors import DeviceFailed, Invalid
from nm.switches import addresses, tls

Operation = dict[str, Any]
Result = dict[str, Any]

DATABASE = "Open_vSwitch"
CHUNK = 1 << 18
LARGEST = 1 << 24  # bytes of a message
LISTENS = {  # a server that does not like how it is spoken to just closes the connection
    "unix": "listens on that address",
    "tcp": "listens on that address, without TLS",
    "ssl": "listens on that address, with TLS, and trusts the authority of our certificate",
}
_INTERNET = re.compile(r"(tcp|ssl):(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+)):(\d{1,5})")


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

    def __init__(self, who: str, address: str, timeout: float, secrets: Mapping[str, str] = {}) -> None:
        """`who`: the server's name for messages; `address`: unix:PATH, tcp:ADDRESS:PORT, ssl:ADDRESS:PORT."""
        self._who = who
        self._timeout = timeout
        self._address = address
        self._secrets = secrets
        self._scheme, self._family, self._target = _parse(address)
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
            return self._results(self._reply(deadline))
        except OperationFailed:
            raise
        except TimeoutError as error:
            self.close()
            raise self._silent(f"no answer within {self._timeout + patience:g} s") from error
        except ssl.SSLError as error:
            self.close()
            raise self._untrusted(error) from error
        except OSError as error:
            self.close()
            raise self._silent(error.strerror or str(error)) from error
        except DeviceFailed:
            self.close()
            raise
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            self.close()
            raise self._strange() from error

    def close(self) -> None:
        """Drop the connection."""
        connection, self._socket, self._buffer = self._socket, None, b""
        if connection is not None:
            connection.close()

    def _check_idle(self) -> None:
        """Let go of a connection that the server dropped since the last call. What it asked is kept."""
        if self._socket is None:
            return
        self._socket.setblocking(False)
        try:
            chunk = self._socket.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            chunk = b""
        self._buffer += chunk
        if not chunk:
            self.close()

    def _silent(self, why: str) -> DeviceFailed:
        return DeviceFailed(
            f"{self._who} cannot be reached at {self._address}: {why}",
            f"look whether ovsdb-server runs there and {LISTENS[self._scheme]}",
        )

    def _strange(self) -> DeviceFailed:
        return DeviceFailed(
            f"{self._who} at {self._address} answers what is no OVSDB",
            "look whether it is an ovsdb-server that listens there",
            passing=False,
        )

    def _untrusted(self, error: ssl.SSLError) -> DeviceFailed:
        """What is wrong with TLS does not pass by itself; an end of the connection may."""
        words = tls.trouble(error)
        if not words:
            return self._silent("it closed the connection")
        return DeviceFailed(
            f"{self._who} cannot be used at {self._address}: {words}",
            "compare the certificates: docs/drivers.md",
            passing=False,
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
                if self._scheme == "ssl":
                    connection = self._secured(connection, deadline)
                    undo.callback(connection.close)
                undo.pop_all()
            self._socket = connection
        self._socket.settimeout(_left(deadline))
        return self._socket

    def _secured(self, connection: socket.socket, deadline: float) -> ssl.SSLSocket:
        """The connection with TLS on it; it is closed when there can be none."""
        context = tls.client_context(self._who, self._secrets)
        secured = context.wrap_socket(connection, do_handshake_on_connect=False)
        with contextlib.ExitStack() as undo:
            undo.callback(secured.close)
            secured.settimeout(_left(deadline))
            secured.do_handshake()
            tls.check_address(self._who, secured, self._target[0])
            undo.pop_all()
        return secured

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
            if len(self._buffer) > LARGEST:
                raise self._strange()


def _left(deadline: float) -> float:
    """Seconds until the deadline."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def canonical_address(address: str) -> str:
    """The address in the one spelling that stands for all; Invalid when it is none."""
    scheme, _, target = _parse(address)
    if isinstance(target, str):
        return f"unix:{target}"
    host, port = target
    return f"{scheme}:[{host}]:{port}" if ":" in host else f"{scheme}:{host}:{port}"


def _parse(address: str) -> tuple[str, socket.AddressFamily, str | tuple[str, int]]:
    """Scheme, and the socket's family and address; hosts by number, so that no name server holds us up."""
    if address.startswith("unix:/"):
        return "unix", socket.AF_UNIX, address.removeprefix("unix:")
    match = _INTERNET.fullmatch(address)
    scheme, six, four, port = match.groups() if match else ("", "", "", "0")
    number = addresses.number(six or four)
    if number is None or bool(six) != (":" in (six or four)):
        raise Invalid(
            f"{address!r} is no address of an OVSDB server",
            "use unix:/PATH, tcp:192.0.2.1:6640, ssl:192.0.2.1:6640 or ssl:[2001:db8::1]:6640; "
            "names are not looked up",
        )
    family = socket.AF_INET if number.version == 4 else socket.AF_INET6
    return scheme, family, (str(number), addresses.check_port(int(port)))
