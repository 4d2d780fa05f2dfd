"""The file `database.pickle`: all records at one revision, in chunks, each with a checksum.

    start    magic, format number, length of the header
    header   JSON: who wrote it and where it stands; its checksum
    chunk    marker, length, checksum, pickled records      (as many as there are)
    end      the same with the counts of chunks and records

The first two fields keep their place in every format, so that any nm can name a format it does not know.
Used by the database and its tools; holds no lock. Nothing here replaces a file: see nm/folder.py.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from zlib import crc32

from nm.disk import Disk
from nm.errors import DeviceFailed, Invalid
from nm.pickles import Changes, dump, load
from nm.records import Record, kind_of

RESTORED = "meta_restored"  # the record that a restored database has until a daemon has taken it up
FORMAT = 1
_MAGIC = b"nm database\n"
_START = struct.Struct("<12sII")
_CHUNK = struct.Struct("<4sII")
_COUNTS = struct.Struct("<QQ")
_CHECKSUM = struct.Struct("<I")
_LONGEST_HEADER = 65536
_CHUNK_RECORDS = 200  # pickled in about a millisecond, during which no other thread runs

Kinds = dict[str, dict[str, Record]]
Step = Callable[[Kinds], Kinds]

# From each older format n, the pure step to n + 1.
STEPS: Mapping[int, Step] = {}


class Damaged(DeviceFailed):
    """A file of the database does not hold what was written; it is left as it is."""

    def __init__(self, path: Path, position: int, what: str) -> None:
        super().__init__(
            f"{path} is damaged at byte {position}: {what}",
            "nothing was changed; look with `nmctl database check`, then `nmctl database restore` a backup",
            passing=False,
        )
        self.position = position


@dataclass(frozen=True)
class Head:
    """Where a snapshot stands.

    `generation`: the oldest generation of a journal whose changes go on top of it.
    """

    revision: int
    epoch: int
    generation: int
    writer: str
    written: float
    format: int = FORMAT


def apply(kinds: Kinds, changes: Changes) -> None:
    """Put changes on top of the records, in place."""
    for key, record in changes.items():
        records = kinds.setdefault(kind_of(key), {})
        if record is None:
            records.pop(key, None)
        else:
            records[key] = record


def group(records: Mapping[str, Record]) -> Kinds:
    """The records by kind."""
    kinds: Kinds = {}
    for key, record in records.items():
        kinds.setdefault(kind_of(key), {})[key] = record
    return kinds


def write_snapshot(disk: Disk, path: Path, head: Head, kinds: Kinds) -> None:
    """Write the file and sync it; the caller makes its name durable."""
    fd = disk.open(path, create=True)
    try:
        position = 0
        for part in _parts(head, kinds):
            disk.write(fd, part, position)
            position += len(part)
        disk.sync(fd)
    finally:
        disk.close(fd)


def _parts(head: Head, kinds: Kinds) -> Iterator[bytes]:
    """The file's bytes, piece by piece."""
    header = json.dumps(asdict(head)).encode()
    start = _START.pack(_MAGIC, head.format, len(header)) + header
    yield start + _CHECKSUM.pack(crc32(start))
    chunks = 0
    for records in kinds.values():
        items = iter(records.items())
        while chunk := dict(islice(items, _CHUNK_RECORDS)):
            yield _chunk(b"part", chunks, dump(dict(chunk)))
            chunks += 1
    yield _chunk(b"ends", chunks, _COUNTS.pack(chunks, sum(map(len, kinds.values()))))


def _chunk(marker: bytes, index: int, payload: bytes) -> bytes:
    return _CHUNK.pack(marker, len(payload), crc32(payload, index)) + payload


def read_head(disk: Disk, path: Path) -> Head:
    """The header of a snapshot; Damaged, or DeviceFailed when its format is not known here."""
    fd = disk.open(path)
    try:
        return _read_head(disk, fd, path)[0]
    finally:
        disk.close(fd)


def read_snapshot(disk: Disk, path: Path) -> tuple[Head, Kinds]:
    """The whole snapshot, as it was written; see `migrate` for records of older formats."""
    fd = disk.open(path)
    try:
        head, position = _read_head(disk, fd, path)
        records: dict[str, Record] = {}
        for chunk in _read_chunks(disk, fd, path, position):
            records.update(chunk)
    finally:
        disk.close(fd)
    return head, group(records)


def migrate(kinds: Kinds, path: Path, number: int, steps: Mapping[int, Step]) -> Kinds:
    """The records of format `number` as they are in the present format."""
    for step in range(number, FORMAT):
        if step not in steps:
            raise DeviceFailed(
                f"{path} has format {number}, which this nm no longer reads",
                "start an older nm on it once: it moves the files to a newer format",
                passing=False,
            )
        kinds = steps[step](kinds)
    return kinds


def _read_head(disk: Disk, fd: int, path: Path) -> tuple[Head, int]:
    """The header and the position behind it."""
    start = disk.read(fd, _START.size, 0)
    if len(start) < _START.size or not start.startswith(_MAGIC):
        raise Damaged(path, 0, "it does not begin like a database of nm")
    _, number, length = _START.unpack(start)
    if number > FORMAT:
        raise DeviceFailed(
            f"{path} has format {number}; this nm reads formats up to {FORMAT}",
            "install the nm that wrote it, or restore a backup made before; nothing was changed",
            passing=False,
        )
    position = _START.size + length
    if length > _LONGEST_HEADER:
        raise Damaged(path, _START.size, "the header's length is wrong")
    rest = disk.read(fd, length + _CHECKSUM.size, _START.size)
    if len(rest) < length + _CHECKSUM.size:
        raise Damaged(path, _START.size, "the file ends within the header")
    header, checksum = rest[:length], rest[length:]
    if _CHECKSUM.unpack(checksum)[0] != crc32(start + header):
        raise Damaged(path, _START.size, "the header's checksum is wrong")
    return _head(path, header), position + _CHECKSUM.size


def _head(path: Path, header: bytes) -> Head:
    try:
        head = Head(**json.loads(header))
        if min(head.revision, head.epoch, head.generation, head.format) < 0:
            raise ValueError("a negative number")
    except (TypeError, ValueError) as error:
        raise Damaged(path, _START.size, f"the header cannot be read: {error}") from None
    return head


def _read_chunks(disk: Disk, fd: int, path: Path, position: int) -> Iterator[dict[str, Record]]:
    """The records chunk by chunk; Damaged unless file and counts end at the end mark."""
    size, chunks, records = disk.size(fd), 0, 0
    while True:
        start = disk.read(fd, _CHUNK.size, position)
        if len(start) < _CHUNK.size:
            raise Damaged(path, position, "the file ends before its end mark")
        marker, length, checksum = _CHUNK.unpack(start)
        if marker not in (b"part", b"ends") or length > size - position - _CHUNK.size:
            raise Damaged(path, position, "there is no chunk where one should begin")
        payload = disk.read(fd, length, position + _CHUNK.size)
        if crc32(payload, chunks) != checksum:
            raise Damaged(path, position, "a chunk's checksum is wrong")
        if marker == b"ends":
            if payload != _COUNTS.pack(chunks, records) or position + _CHUNK.size + length != size:
                raise Damaged(path, position, "the end mark does not fit what stands before and behind it")
            return
        try:
            chunk = load(payload)
        except Invalid as error:
            raise Damaged(path, position, error.message) from None
        if None in chunk.values():
            raise Damaged(path, position, "a snapshot cannot hold deletions")
        yield {key: record for key, record in chunk.items() if record is not None}
        position += _CHUNK.size + length
        chunks += 1
        records += len(chunk)
