"""A socket to the kernel's network for messages in bytes: many requests at once, each with its answer.

For nm/htb.py and nm/portlocks.py. A socket belongs to one thread, and to the network namespace in which it
was opened.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from nm.errors import DeviceFailed
from nm.rtmessages import Message

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, port
_ERROR, _DONE = 2, 3
_MULTI = 0x2
_TOGETHER = 64  # requests in one go; their answers fit into the socket's buffer
_BUFFER = 1 << 20  # bytes
_SILENCE = 30.0  # seconds
_NET_ADMIN = "nmd needs CAP_NET_ADMIN on this machine"


class Refused(OSError):
    """The kernel refused a request; `errno` says why, `number` is which of them."""

    def __init__(self, code: int, number: int) -> None:
        super().__init__(code, os.strerror(code))
        self.number = number


class RtNetlink:
    """An open socket. Refused when the kernel says no: what stood before was done, the rest may be."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.settimeout(_SILENCE)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def tell(self, messages: Sequence[Message]) -> None:
        """Have all of them carried out, in this order."""
        for start in range(0, len(messages), _TOGETHER):
            some = messages[start : start + _TOGETHER]
            first = self._send(some)
            for number in range(len(some)):
                for _ in self._answers(first + number, start + number):
                    pass

    def ask(self, message: Message) -> Iterator[bytes]:
        """The bodies of all that is answered."""
        first = self._send([message])
        yield from self._answers(first, 0)

    def _send(self, messages: Sequence[Message]) -> int:
        first = self._sequence + 1
        self._sequence += len(messages)
        parts = []
        for number, message in enumerate(messages):
            length = _HEADER.size + len(message.body)
            parts.append(_HEADER.pack(length, message.type, message.flags, first + number, 0) + message.body)
        self._socket.send(b"".join(parts))
        return first

    def _answers(self, sequence: int, number: int) -> Iterator[bytes]:
        """Until the acknowledgement of that request, or the end of its list."""
        for kind, said, body in self._received():
            if said != sequence:
                continue  # of a request that was refused, and given up
            if kind == _DONE:
                return
            if kind == _ERROR:
                if code := -struct.unpack_from("=i", body)[0]:
                    raise Refused(code, number)
                return
            yield body

    def _received(self) -> Iterator[tuple[int, int, bytes]]:
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except TimeoutError as error:
                raise DeviceFailed("the kernel does not answer about the host's network") from error
            start = 0
            while start + _HEADER.size <= len(data):
                length, kind, _, sequence, _ = _HEADER.unpack_from(data, start)
                yield kind, sequence, data[start + _HEADER.size : start + length]
                start += length + -length % 4


@contextmanager
def asking() -> Iterator[RtNetlink]:
    """A socket for one use; the kernel's refusals become DeviceFailed."""
    try:
        with RtNetlink() as kernel:
            yield kernel
    except Refused as error:
        denied = error.errno in (errno.EPERM, errno.EACCES)
        raise DeviceFailed(
            f"the kernel refused a change of slivers' network: {error.strerror}",
            _NET_ADMIN if denied else "it is tried again",
            passing=not denied,
        ) from error
