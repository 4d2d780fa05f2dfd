"""The file `database.journal`: what has changed since a snapshot, in entries.

    header   magic, format, salt, generation, revision before the first entry, checksum (a sector)
    entry    marker, length, first revision, count, checksum; then `count` times length and pickled change
    zeros    room that is allocated ahead, so that a sync need not commit the file's length

What goes to the disk together is one entry. So at most one entry is ever unsynced, and a crash can tear the
last entry only: a good entry behind a bad one means damage. The salt is part of every checksum, so that
nothing that merely looks like an entry (a caller's text, an older file's blocks) is taken for one.

Used by the database's journal thread and at start; holds no lock.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from nm.disk import Disk
from nm.errors import DeviceFailed, Invalid
from nm.pickles import Changes, load
from nm.snapshot import FORMAT, Damaged

_MAGIC = b"nm journal\n\0"
_HEADER = struct.Struct("<12sI8sQQ")
_CHECKSUM = struct.Struct("<I")
_SECTOR = 512
_MARKER = b"nm:e"
_ENTRY = struct.Struct("<4sIQII")
_LENGTH = struct.Struct("<I")


class Journal:
    """A journal that is being written. One thread uses it."""

    def __init__(self, disk: Disk, path: Path, generation: int, base: int) -> None:
        """Create the file, empty; `base` is the revision before its first entry."""
        self.generation = generation
        self.base = base
        self.end = _SECTOR
        self._disk = disk
        self._salt = disk.salt()
        self._fd = disk.open(path, create=True)
        header = _HEADER.pack(_MAGIC, FORMAT, self._salt, generation, base)
        try:
            self._write(header + _CHECKSUM.pack(crc32(header)), 0, _SECTOR + disk.ahead)
        except OSError:
            self.close()
            raise

    def append(self, first: int, changes: Sequence[bytes]) -> None:
        """Make pickled changes durable as one entry; their revisions count up from `first`."""
        payload = b"".join(_LENGTH.pack(len(change)) + change for change in changes)
        entry = _entry(self._salt, first, len(changes), payload)
        room = self._allocated - self.end
        self._write(entry, self.end, 0 if len(entry) <= room else len(entry) + self._disk.ahead)
        self.end += len(entry)

    @property
    def empty(self) -> bool:
        """Whether nothing was appended."""
        return self.end == _SECTOR

    def close(self) -> None:
        """Let go of the file."""
        self._disk.close(self._fd)

    def _write(self, data: bytes, position: int, room: int) -> None:
        """Write and sync; `room`: put that many zeros there first."""
        if room:
            self._disk.write(self._fd, bytes(room), position)
            self._allocated = position + room
        self._disk.write(self._fd, data, position)
        self._disk.sync(self._fd)


def _entry(salt: bytes, first: int, count: int, payload: bytes) -> bytes:
    checksum = _checksum(salt, first, count, payload)
    return _ENTRY.pack(_MARKER, len(payload), first, count, checksum) + payload


def _checksum(salt: bytes, first: int, count: int, payload: bytes) -> int:
    return crc32(payload, crc32(struct.pack("<QI", first, count), crc32(salt)))


@dataclass(frozen=True)
class JournalHead:
    """What a journal's header says."""

    format: int
    salt: bytes
    generation: int
    base: int


@dataclass(frozen=True)
class Entries:
    """What a journal holds: changes with their revisions, and what was found behind them."""

    head: JournalHead
    changes: list[tuple[int, Changes]]
    torn: int  # bytes of an entry that a crash cut short; nobody was told that it had happened


def read_journal_head(disk: Disk, path: Path) -> JournalHead:
    """The header; Damaged, or DeviceFailed when its format is not known here."""
    fd = disk.open(path)
    try:
        data = disk.read(fd, _HEADER.size + _CHECKSUM.size, 0)
    finally:
        disk.close(fd)
    if len(data) < _HEADER.size + _CHECKSUM.size or not data.startswith(_MAGIC):
        raise Damaged(path, 0, "it does not begin like a journal of nm")
    _, number, salt, generation, base = _HEADER.unpack(data[: _HEADER.size])
    if number > FORMAT:
        raise DeviceFailed(
            f"{path} has format {number}; this nm reads formats up to {FORMAT}",
            "install the nm that wrote it, or restore a backup made before; nothing was changed",
            passing=False,
        )
    if _CHECKSUM.unpack(data[_HEADER.size :])[0] != crc32(data[: _HEADER.size]):
        raise Damaged(path, 0, "the header's checksum is wrong")
    return JournalHead(number, salt, generation, base)


def read_journal(disk: Disk, path: Path) -> Entries:
    """All changes; Damaged when a good entry stands behind a bad one."""
    head = read_journal_head(disk, path)
    fd = disk.open(path)
    try:
        data = disk.read(fd, disk.size(fd), 0)
    finally:
        disk.close(fd)
    changes: list[tuple[int, Changes]] = []
    position, revision = _SECTOR, head.base + 1
    while found := _entry_at(data, position, head.salt):
        first, count, payload = found
        if first != revision:
            raise Damaged(path, position, f"revision {first} stands where {revision} should")
        changes += zip(range(first, first + count), _changes(path, position, payload, count), strict=True)
        position += _ENTRY.size + len(payload)
        revision += count
    behind = _next_entry(data, position, head.salt)
    if behind is not None:
        raise Damaged(path, position, f"this entry is bad, but one at byte {behind} is good")
    return Entries(head, changes, max(0, len(data.rstrip(b"\0")) - position))


def _entry_at(data: bytes, position: int, salt: bytes) -> tuple[int, int, bytes] | None:
    """First revision, count and payload of the good entry at that position, if there is one."""
    if len(data) - position < _ENTRY.size:
        return None
    marker, length, first, count, checksum = _ENTRY.unpack_from(data, position)
    start = position + _ENTRY.size
    if marker != _MARKER or length > len(data) - start:
        return None
    payload = data[start : start + length]
    if _checksum(salt, first, count, payload) != checksum:
        return None
    return first, count, payload


def _next_entry(data: bytes, position: int, salt: bytes) -> int | None:
    """The position of a good entry behind `position`."""
    while (position := data.find(_MARKER, position + 1)) >= 0:
        if _entry_at(data, position, salt):
            return position
    return None


def _changes(path: Path, position: int, payload: bytes, count: int) -> Iterator[Changes]:
    """The changes in one entry's payload."""
    at = 0
    for _ in range(count):
        if len(payload) - at < _LENGTH.size:
            raise Damaged(path, position, "the entry holds fewer changes than it says")
        (length,) = _LENGTH.unpack_from(payload, at)
        at += _LENGTH.size
        try:
            yield load(payload[at : at + length])
        except Invalid as error:
            raise Damaged(path, position, error.message) from None
        at += length
