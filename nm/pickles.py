"""Plain data to bytes and back, without ever making an object of a class.

Only dict, list, tuple, str, int, float, bool, None and bytes go in, and only these come out: loading
refuses every class, function and foreign reference. Used by the database's disk part; holds no lock.
"""

import io
import pickle
from typing import Any, NoReturn

from nm.errors import Invalid
from nm.records import Record

Changes = dict[str, Record | None]

_SCALARS = frozenset((str, int, float, bool, type(None), bytes))
_DEEPEST = 50


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that can build plain data only."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and nothing but plain data is loaded")

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError("it refers to something outside itself")


def _check(value: Any, where: str, depth: int) -> None:
    """Invalid unless the container `value` holds plain data only."""
    kind = type(value)
    if kind is dict:
        if not _SCALARS.issuperset(map(type, value)):
            raise Invalid(f"{where} has a key that is not plain data", "use text for keys")
        inner = value.values()
    elif kind is list or kind is tuple:
        inner = value
    else:
        raise Invalid(
            f"{where} holds a {kind.__name__}",
            "records hold dict, list, tuple, str, int, float, bool, None and bytes only",
        )
    if depth > _DEEPEST:
        raise Invalid(f"{where} is nested more than {_DEEPEST} deep", "make it flatter")
    for item in inner:
        if type(item) not in _SCALARS:
            _check(item, where, depth + 1)


def _check_records(records: Any) -> None:
    """Invalid unless it is a dict of record keys to records (None: deleted) of plain data."""
    if type(records) is not dict:
        raise Invalid("it is not a dict of records")
    for key, record in records.items():
        if type(key) is not str or not key.partition("_")[1]:
            raise Invalid(f"{str(key)[:70]!r} is not a record key", "a record key is KIND_NAME")
        if record is None:
            continue
        if type(record) is not dict:
            raise Invalid(f"what is under {key} is not a record", "a record is a dict")
        _check(record, key, 0)
        if record.get("record_key") != key:
            raise Invalid(f"the record under {key} does not bear that key")


def dump(changes: Changes) -> bytes:
    """The changes as bytes; Invalid when a record holds anything but plain data."""
    _check_records(changes)
    return pickle.dumps(changes, protocol=5)


def load(data: bytes | memoryview) -> Changes:
    """What `dump` was given; Invalid for any other bytes."""
    try:
        changes = _PlainUnpickler(io.BytesIO(data)).load()
    except (
        # What the C unpickler raises for bytes that are no pickle, besides its own error.
        pickle.UnpicklingError,
        AttributeError,
        EOFError,
        ImportError,
        IndexError,
        KeyError,
        MemoryError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise Invalid(f"it is not a pickle of plain data: {error}") from None
    _check_records(changes)
    return dict(changes)
