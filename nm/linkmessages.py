"""The kernel's messages about ports of bridges, and who is behind them, for many at once. Pure.

As in linux/if_link.h and linux/neighbour.h. pyroute2 decodes all of a device, which takes a millisecond; of
a thousand ports, looked at again and again, only a few of the attributes matter.
"""

import struct
from typing import NamedTuple

from nm.rtmessages import DUMP, REQUEST, Message, attribute, attributes, number

_GET_LINK, _GET_NEIGHBOUR = 18, 30
_LINK = struct.Struct("=BBHiII")  # family, padding, type, number, flags, mask
_NEIGHBOUR = struct.Struct("=BBHiHBB")  # family, two of padding, port, state, flags, type
_BRIDGES = 7  # AF_BRIDGE
_NAME, _INFO, _EXTENT = 3, 18, 29  # of a link
_WITHOUT_COUNTERS = 8
_SLAVE_KIND, _SLAVE_DATA = 4, 5  # of a link's info
_LEARNING, _LOCKED = 8, 39  # of a bridge's port
_LLADDR = 2
_NOARP = 0x40  # NUD_NOARP: a static entry


class Port(NamedTuple):
    """A device. `kind`: of what it is a port, "" for nothing. `locked`: and learns nothing."""

    name: str
    number: int
    kind: str
    locked: bool


def get_ports() -> Message:
    """Ask for all devices."""
    return Message(
        _GET_LINK, REQUEST | DUMP, _LINK.pack(0, 0, 0, 0, 0, 0) + number(_EXTENT, _WITHOUT_COUNTERS)
    )


def get_port(name: str) -> Message:
    """Ask for one; ENODEV when it is not there."""
    body = _LINK.pack(0, 0, 0, 0, 0, 0) + attribute(_NAME, name.encode() + b"\0")
    return Message(_GET_LINK, REQUEST, body)


def port_in(body: bytes) -> Port:
    """What an answer says."""
    found = attributes(body[_LINK.size :])
    info = attributes(found.get(_INFO, b""))
    data = attributes(info.get(_SLAVE_DATA, b""))
    kind = _text(info.get(_SLAVE_KIND, b""))
    locked = kind == "bridge" and data.get(_LOCKED) == b"\1" and data.get(_LEARNING) == b"\0"
    return Port(_text(found[_NAME]), _LINK.unpack_from(body)[3], kind, locked)


def get_entries() -> Message:
    """Ask for all that bridges know of who is where."""
    return Message(_GET_NEIGHBOUR, REQUEST | DUMP, _NEIGHBOUR.pack(_BRIDGES, 0, 0, 0, 0, 0, 0))


def entry_in(body: bytes) -> tuple[int, str] | None:
    """A port's number, and the MAC that the bridge was told is behind it; None when it has learnt that."""
    _, _, _, port, state, _, _ = _NEIGHBOUR.unpack_from(body)
    mac = attributes(body[_NEIGHBOUR.size :]).get(_LLADDR, b"")
    return (port, mac.hex(":")) if state & _NOARP else None


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode()
