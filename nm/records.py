"""Records: plain dicts of builtin types, and the names by which they are kept.

Ground: pure, imported by every room, imports only errors. A record is never changed in place;
`changed` makes its successor. Keys that begin with `_` are nm's own observations.
"""

import re
from collections.abc import Iterable
from typing import Any

from nm.errors import Invalid

Record = dict[str, Any]

KINDS = (
    "switch",  # a network switch that nm drives
    "port",  # one port of a switch; named SWITCH:PORT; its `node`, `nic` or `trunk` is its owner
    "trunk",  # a link switch-switch or switch-host that carries several VLANs
    "host",  # a machine that runs libvirt
    "node",  # a physical machine of the pool; its `group` is its owner
    "vlan",  # a VLAN of the pool; its `group` is its owner, or `groups` its users when shared
    "headnode",  # a VM that controls a group; its `group` is its owner
    "group",  # nodes + networks + a head node + people + an end time
    "account",
    "delegate",
    "sliver",
    "domain",
    "pool",  # a deployed description
    "text",  # the text that a pool is made of; named POOL.REVISION
    "piece",  # some parts of a pool, as they are deployed; named POOL.NUMBER
    "life",  # how as many parts of it live; named POOL.NUMBER
    "leftover",  # what a pool may have left on a host; named by its identity
    "image",
    "job",  # a piece of work and how far it is; named by its number
    "debt",  # something to undo on a device that cannot be reached now
    "ticket",
    "request",  # what a reservation was asked for by, word for word; its `group` is the reservation's
    "claim",  # a value that only one record may hold (a MAC, an alias); named WHAT:VALUE
    "meta",  # nm's own counters and marks
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PIECES = re.compile(r"(\d+)")


def record_key(kind: str, name: str | int) -> str:
    """The key of the record of that kind and name, as `node_7`."""
    return f"{kind}_{name}"


def port_key(switch: str, port: str) -> str:
    """The key of a port's record."""
    return record_key("port", f"{switch}:{port}")


def kind_of(key: str) -> str:
    """The kind in a record key: what stands before the first underscore."""
    return key.partition("_")[0]


def name_of(key: str) -> str:
    """The name in a record key: what stands behind the first underscore."""
    return key.partition("_")[2]


def new(kind: str, name: str | int, now: float, expiry: int | None = None, /, **fields: Any) -> Record:
    """A new record. `now`: seconds since 1970; `expiry`: the same, None for never."""
    return {"record_key": record_key(kind, name), "timestamp": int(now), "expiry": expiry, **fields}


def changed(record: Record, now: float, **fields: Any) -> Record:
    """The record's successor with those fields replaced."""
    return {**record, "timestamp": int(now), **fields}


def is_name(text: str) -> bool:
    """Whether the text is a legal name of api.md."""
    return _NAME.fullmatch(text) is not None


def check_name(name: object, what: str = "name") -> str:
    """`name` when it is a legal name of api.md; else Invalid."""
    if not isinstance(name, str) or not is_name(name):
        raise Invalid(
            f"{what} {str(name)[:70]!r} is not a legal name",
            "use 1 to 64 of A-Z a-z 0-9 _ . - and begin with a letter or digit",
        )
    return name


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key under which node2 comes before node10 and VLAN ids sort as numbers."""
    return tuple(
        (0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in _PIECES.split(text) if piece
    )


def in_order(records: Iterable[Record]) -> list[Record]:
    """The records in the natural order of their names."""
    return sorted(records, key=lambda record: natural(record["record_key"]))
