"""A disk in memory that executes what it is told, forgets what a power cut may forget, and fails on demand.

Its model is weak POSIX: unsynced writes may be missing, torn or whole; names made, changed or removed since
the folder's last sync may be undone, in any combination. A sync that failed has perhaps written something
and never writes it again (as on Linux).
"""

import errno
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from nm.disk import Disk
from nm.errors import Conflict

Files = dict[Path, bytes]


@dataclass(frozen=True)
class Write:
    offset: int
    data: bytes

    def onto(self, content: bytes) -> bytes:
        padded = content.ljust(self.offset, b"\0")
        return padded[: self.offset] + self.data + padded[self.offset + len(self.data) :]

    def torn(self) -> list["Write"]:
        """What may be there of it besides nothing and all: its first half, its last, its length only."""
        half = len(self.data) // 2
        return [
            Write(self.offset, self.data[:half]),
            Write(self.offset + half, self.data[half:]),
            Write(self.offset, bytes(len(self.data))),
        ]


@dataclass
class Inode:
    synced: bytes = b""
    unsynced: tuple[Write, ...] = ()
    doubtful: tuple[Write, ...] = ()  # a sync of these failed
    content: bytearray = field(default_factory=bytearray)

    def states(self) -> list[bytes]:
        """What the file may hold after a power cut."""
        writes = self.doubtful + self.unsynced
        kept: list[tuple[Write, ...]] = []
        for number, write in enumerate(writes):
            kept.append(writes[:number])
            kept += [(*writes[:number], part) for part in write.torn()]
            kept += [(*writes[:number], part, *writes[number + 1 :]) for part in write.torn()]
            kept.append(writes[:number] + writes[number + 1 :])
        kept.append(writes)
        return list({_written(self.synced, choice): None for choice in kept})


def _written(content: bytes, writes: tuple[Write, ...]) -> bytes:
    for write in writes:
        content = write.onto(content)
    return content


Naming = dict[Path, Inode | None]  # one change of names: removed where None


@dataclass
class Image:
    """The disk at one moment: what is certain, and what a power cut may undo."""

    call: str
    names: dict[Path, Inode]
    namings: list[Naming]

    def states(self) -> Iterator[Files]:
        """Every legal content of the disk after a power cut at this moment."""
        for chosen in _subsets(self.namings):
            names = dict(self.names)
            for naming in chosen:
                for path, inode in naming.items():
                    names.pop(path, None)
                    if inode is not None:
                        names[path] = inode
            inodes = {id(inode): inode for inode in names.values()}
            for contents in itertools.product(*(inode.states() for inode in inodes.values())):
                content = dict(zip(inodes, contents, strict=True))
                yield {path: content[id(inode)] for path, inode in names.items()}


def _subsets(namings: list[Naming]) -> Iterator[list[Naming]]:
    for keep in itertools.product((False, True), repeat=len(namings)):
        yield list(itertools.compress(namings, keep))


class SimulatedDisk(Disk):
    """See the module. `before` is called before every call that changes something, with the call's name."""

    ahead = 256

    def __init__(self, files: Files | None = None) -> None:
        self.names = {path: _inode(content) for path, content in (files or {}).items()}
        self._certain = dict(self.names)
        self._namings: list[Naming] = []
        self._open: dict[int, Inode] = {}
        self._locked: dict[Path, int] = {}
        self._next = itertools.count(3)
        self._guard = (
            threading.RLock()
        )  # the journal's thread and the snapshot's use the disk at the same time
        self.calls = 0
        self.fails: Callable[[int, str], int] = lambda number, call: 0  # errno, or 0
        self.before: Callable[[str], None] = lambda call: None

    def image(self, call: str = "") -> Image:
        """A copy that later calls do not change."""
        copies: dict[int, Inode] = {}
        with self._guard:
            certain, changes = dict(self._certain), [dict(change) for change in self._namings]

        def copied(inode: Inode) -> Inode:
            return copies.setdefault(id(inode), replace(inode, content=bytearray()))

        namings = [
            {path: copied(inode) if inode else None for path, inode in change.items()} for change in changes
        ]
        return Image(call, {path: copied(inode) for path, inode in certain.items()}, namings)

    def files(self) -> Files:
        """What a process sees."""
        with self._guard:
            return {path: bytes(inode.content) for path, inode in self.names.items()}

    def _called(self, call: str) -> None:
        self.before(call)
        self.calls += 1
        if number := self.fails(self.calls, call):
            raise OSError(number, os.strerror(number))

    def _rename(self, naming: Naming) -> None:
        with self._guard:
            for path, inode in naming.items():
                self.names.pop(path, None)
                if inode is not None:
                    self.names[path] = inode
            self._namings.append(naming)

    def _known(self, path: Path) -> Inode:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return self.names[path]

    def open(self, path: Path, *, create: bool = False) -> int:
        self._called(f"open {path.name}")
        fd = next(self._next)
        if create:
            self._rename({path: Inode()})
        self._open[fd] = self._known(path)
        return fd

    def close(self, fd: int) -> None:
        self._open.pop(fd, None)
        self._locked = {path: holder for path, holder in self._locked.items() if holder != fd}

    def size(self, fd: int) -> int:
        return len(self._open[fd].content)

    def read(self, fd: int, count: int, offset: int) -> bytes:
        return bytes(self._open[fd].content[offset : offset + count])

    def write(self, fd: int, data: bytes, offset: int) -> None:
        try:
            self._called("write")
        except OSError:
            self._put(fd, data[: len(data) // 2], offset)  # a disk that is full takes a part
            raise
        self._put(fd, data, offset)

    def _put(self, fd: int, data: bytes, offset: int) -> None:
        inode = self._open[fd]
        inode.unsynced += (Write(offset, bytes(data)),)
        inode.content[:] = inode.unsynced[-1].onto(bytes(inode.content))

    def sync(self, fd: int) -> None:
        inode = self._open[fd]
        try:
            self._called("sync")
        except OSError:
            inode.doubtful, inode.unsynced = inode.doubtful + inode.unsynced, ()
            raise
        inode.synced, inode.unsynced = _written(inode.synced, inode.unsynced), ()

    def exists(self, path: Path) -> bool:
        return path in self.names

    def link(self, path: Path, new: Path) -> None:
        self._called(f"link {path.name} {new.name}")
        if new in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))
        self._rename({new: self._known(path)})

    def rename(self, path: Path, new: Path) -> None:
        self._called(f"rename {path.name} {new.name}")
        self._rename({path: None, new: self._known(path)})

    def remove(self, path: Path) -> None:
        self._called(f"remove {path.name}")
        if path in self.names:
            self._rename({path: None})

    def sync_folder(self, path: Path) -> None:
        self._called("sync folder")
        with self._guard:
            self._certain = dict(self.names)
            self._namings = []

    def make_folder(self, path: Path) -> None:
        self._called("make folder")

    def lock(self, path: Path) -> int:
        if path in self._locked:
            raise Conflict(f"{path} is held")
        fd = next(self._next)
        self._open[fd] = Inode()
        self._locked[path] = fd
        return fd

    def salt(self) -> bytes:
        return os.urandom(8)


def _inode(content: bytes) -> Inode:
    return Inode(synced=content, content=bytearray(content))
