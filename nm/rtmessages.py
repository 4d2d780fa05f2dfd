"""What all messages to and from the kernel's network have: a kind, flags, and attributes. Pure.

nm/tcmessages.py and nm/linkmessages.py make and read the messages, nm/rtnetlink.py sends them.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

REQUEST, ACKNOWLEDGE, ECHO, DUMP = 0x1, 0x4, 0x8, 0x300
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400

_HEADER = struct.Struct("=HH")
_NUMBERED = 0x3FFF  # an attribute's number without its flags


class Message(NamedTuple):
    """A request: what it is, its flags, and what stands behind the netlink header."""

    type: int
    flags: int
    body: bytes


def attribute(kind: int, payload: bytes) -> bytes:
    """An attribute, up to where the next one may begin."""
    length = _HEADER.size + len(payload)
    return _HEADER.pack(length, kind) + payload + bytes(-length % 4)


def number(kind: int, value: int) -> bytes:
    """An attribute of 32 bits."""
    return attribute(kind, struct.pack("=I", value))


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes by number."""
    return dict(_attributes(data))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, start)
        if length < _HEADER.size:
            return
        yield kind & _NUMBERED, data[start + _HEADER.size : start + length]
        start += length + -length % 4
