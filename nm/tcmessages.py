"""The kernel's messages about traffic control: parts of a tree (nm/shaper.py) as bytes, and back. Pure.

As in linux/pkt_sched.h and linux/pkt_cls.h: a header that names device, part and parent, then attributes.
pyroute2 knows neither hash tables of u32 nor keys before the network header, and reads keys back shifted, so
this is our own; what it does know (devices, qdiscs, actions) is done with it, in nm/htb.py.
"""

import struct
from typing import NamedTuple

from nm.rtmessages import (
    ACKNOWLEDGE,
    CREATE,
    DUMP,
    ECHO,
    EXCLUSIVE,
    REPLACE,
    REQUEST,
    Message,
    attribute,
    attributes,
    number,
)
from nm.shaper import CLASS, FILTER, MAJOR, Class, Filter, Key, Match, Part

ROOT = MAJOR << 16  # the handle of our root
PREFERENCE = MAJOR  # of our filters, by which they are told from a stranger's

_NEW, _DELETE, _GET = {CLASS: 40, FILTER: 44}, {CLASS: 41, FILTER: 45}, {CLASS: 42, FILTER: 46}
_KIND, _OPTIONS, _STATS2 = 1, 2, 7
_HTB_PARMS, _STATS_BASIC = 1, 1
_U32_CLASSID, _U32_HASH, _U32_LINK, _U32_DIVISOR, _U32_SEL = 1, 2, 3, 4, 5

_HEADER = struct.Struct("=BBHiIII")  # family, two of padding, device, handle, parent, info
_RATE = struct.Struct("=BBHhHI")  # cell_log, link layer, overhead, cell_align, mpu, bytes/s
_PARMS = struct.Struct("=12s12sIIIII")  # rate, ceil, their bursts in ticks, quantum, level, priority
_SELECTOR = struct.Struct("=BBBxHHhh4s")  # flags, shift, keys, three offsets, hash: its offset and mask
_KEY = struct.Struct("=4s4sii")  # mask, value, offset, no offset's mask

_ETHERNET = 1  # the link layer for which the kernel needs no table of rates
_TICK = 64  # nanoseconds
_MOST_TICKS = 2**32 - 1
_FRAME = 1600
_BURSTS = 100  # a second: a burst is what the rate gives in that part of one
_TERMINAL = 1
_ALL_PROTOCOLS = 0x0300  # ETH_P_ALL in network order
_PARENTLESS = 0xFFFFFFFF
_FIRST_TABLE = 0x800  # the kernel's own tables have this bit
_LAST_OCTET = (b"\x00\xff\x00\x00", -4)  # of the sender's MAC: a mask, and from where on


# ---- requests


def put(device: int, key: Key, part: Part) -> Message:
    """Make that part; a class that is there is changed."""
    if isinstance(part, Class):
        flags, parent = CREATE | REPLACE, ROOT | part.parent
        kind, options = b"htb\0", _class_options(part)
    else:
        flags, parent = CREATE | EXCLUSIVE, ROOT
        kind, options = b"u32\0", _filter_options(key, part)
    attributes = attribute(_KIND, kind) + attribute(_OPTIONS, options)
    handle = key.number if isinstance(part, Filter) else ROOT | key.number
    return Message(
        _NEW[key.kind],
        REQUEST | ACKNOWLEDGE | flags,
        _header(device, handle, parent, _info(key)) + attributes,
    )


def drop(device: int, key: Key, first_table: int) -> Message:
    """Take that part away. `first_table`: as first_table_of says it."""
    handle = ROOT | key.number
    if key.kind == FILTER:
        handle = key.number if key.number >> 20 else first_table << 20 | key.number
    body = _header(device, handle, ROOT, _info(key))
    if key.kind == FILTER:
        body += attribute(_KIND, b"u32\0")
    return Message(_DELETE[key.kind], REQUEST | ACKNOWLEDGE, body)


def get_all(device: int, kind: str) -> Message:
    """Ask for all classes of the device, or for all filters at our root."""
    parent = ROOT if kind == FILTER else 0
    return Message(_GET[kind], REQUEST | DUMP, _header(device, 0, parent, 0))


def get_class(device: int, number: int) -> Message:
    """Ask for one class; without the echo it is told to all who listen, but not to who asks."""
    return Message(_GET[CLASS], REQUEST | ACKNOWLEDGE | ECHO, _header(device, ROOT | number, 0, 0))


def _header(device: int, handle: int, parent: int, info: int) -> bytes:
    return _HEADER.pack(0, 0, 0, device, handle, parent, info)


def _info(key: Key) -> int:
    return PREFERENCE << 16 | _ALL_PROTOCOLS if key.kind == FILTER else 0


def _class_options(part: Class) -> bytes:
    rate, ceil = (_RATE.pack(0, _ETHERNET, 0, 0, 0, bytes_) for bytes_ in (part.rate, part.ceil))
    parms = _PARMS.pack(rate, ceil, _ticks(part.rate), _ticks(part.ceil), part.quantum, 0, 0)
    return attribute(_HTB_PARMS, parms)


def _ticks(rate: int) -> int:
    """How long a burst takes at that rate: a hundredth of a second, or a frame's time."""
    burst = max(rate // _BURSTS, _FRAME)
    return min(burst * 1_000_000_000 // rate // _TICK, _MOST_TICKS)


def _filter_options(key: Key, part: Filter) -> bytes:
    if part.buckets:
        return number(_U32_DIVISOR, part.buckets)
    options = b""
    if table_and_bucket := key.number & 0xFFFFF000:
        options += number(_U32_HASH, table_and_bucket)
    if part.link:
        options += number(_U32_LINK, part.link << 20)
    else:
        options += number(_U32_CLASSID, ROOT | part.target)
    mask, offset = _LAST_OCTET if part.link else (bytes(4), 0)
    flags = 0 if part.link else _TERMINAL
    selector = _SELECTOR.pack(flags, 0, len(part.matches), 0, 0, 0, offset, mask)
    keys = (
        _KEY.pack(match.mask.to_bytes(4), match.value.to_bytes(4), match.offset, 0) for match in part.matches
    )
    return options + attribute(_U32_SEL, selector + b"".join(keys))


# ---- answers


class Seen(NamedTuple):
    """A part as the kernel has it, and how many bytes have passed it."""

    key: Key
    part: Part
    sent: int


def seen(kind: str, body: bytes) -> Seen | None:
    """What an answer says; None when it is of no part of our tree."""
    _, _, _, _, handle, parent, info = _HEADER.unpack_from(body)
    found = attributes(body[_HEADER.size :])
    options = attributes(found.get(_OPTIONS, b""))
    if kind == FILTER:
        return _seen_filter(handle, options) if info >> 16 == PREFERENCE else None
    if handle >> 16 != MAJOR or _HTB_PARMS not in options:
        return None
    rate, ceil, _, _, quantum, _, _ = _PARMS.unpack_from(options[_HTB_PARMS])
    above = 0 if parent == _PARENTLESS else parent & 0xFFFF
    part = Class(above, _RATE.unpack(rate)[-1], _RATE.unpack(ceil)[-1], quantum)
    basic = attributes(found.get(_STATS2, b"")).get(_STATS_BASIC, bytes(8))
    return Seen(Key(CLASS, handle & 0xFFFF), part, int(struct.unpack_from("=Q", basic)[0]))


def first_table_of(body: bytes) -> int | None:
    """The number of the table with which filters begin, when this answer is of it; the kernel chose it."""
    table = _HEADER.unpack_from(body)[4] >> 20
    return table if table & _FIRST_TABLE else None


def _seen_filter(handle: int, options: dict[int, bytes]) -> Seen | None:
    own_table = handle >> 20 & _FIRST_TABLE
    number = handle & 0xFFF if own_table else handle
    if not number or not options:
        return None  # the kernel's own table, or a head line of the dump
    key = Key(FILTER, number)
    if _U32_DIVISOR in options:
        return Seen(key, Filter(buckets=_value(options, _U32_DIVISOR)), 0)
    selector = options.get(_U32_SEL, bytes(_SELECTOR.size))
    count = _SELECTOR.unpack_from(selector)[2]
    keys = _KEY.iter_unpack(selector[_SELECTOR.size : _SELECTOR.size + count * _KEY.size])
    matches = tuple(
        Match(int.from_bytes(value), int.from_bytes(mask), offset) for mask, value, offset, _ in keys
    )
    target, link = _value(options, _U32_CLASSID) & 0xFFFF, _value(options, _U32_LINK) >> 20
    return Seen(key, Filter(matches, 0 if link else target, link), 0)


def _value(options: dict[int, bytes], kind: int) -> int:
    return int(struct.unpack("=I", options[kind])[0]) if kind in options else 0
