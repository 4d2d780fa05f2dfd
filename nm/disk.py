"""Every touch of the disk that the database makes, in one small object.

It exists so that tests can put a simulated disk in its place, cut the power between any two calls and
let any call fail. Called by the database's rooms only; holds no lock. OSError passes through: its
callers know what it means for them.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nm.errors import Conflict, DeviceFailed


def failed(what: str, error: OSError) -> DeviceFailed:
    """What the disk's error means to people."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DeviceFailed(
        f"{what}: {error.strerror or error}",
        "make room on that disk" if full else "look at the disk, its mount and the kernel's log",
    )


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn the disk's errors into nm's: `what` could not be done."""
    try:
        yield
    except OSError as error:
        raise failed(what, error) from error


class Disk:
    """A file system, as the database uses it. Files are private to their owner."""

    ahead = 1 << 20  # bytes that a journal allocates at a time

    def open(self, path: Path, *, create: bool = False) -> int:
        """A descriptor: to read, or (`create`) to write a new file in place of what has the name."""
        if create:
            self.remove(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL if create else os.O_RDONLY
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def close(self, fd: int) -> None:
        """Let go of a descriptor."""
        os.close(fd)

    def size(self, fd: int) -> int:
        """How many bytes the file has."""
        return os.fstat(fd).st_size

    def read(self, fd: int, count: int, offset: int) -> bytes:
        """Up to `count` bytes; fewer only at the file's end."""
        parts = []
        while count > 0 and (part := os.pread(fd, count, offset)):
            parts.append(part)
            count -= len(part)
            offset += len(part)
        return b"".join(parts)

    def write(self, fd: int, data: bytes, offset: int) -> None:
        """Write all of `data`, or fail."""
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            view = view[written:]
            offset += written

    def sync(self, fd: int) -> None:
        """The file's data is on the disk when this returns."""
        os.fdatasync(fd)

    def exists(self, path: Path) -> bool:
        """Whether there is anything of that name."""
        return os.path.lexists(path)

    def link(self, path: Path, new: Path) -> None:
        """Give a file a second name; fails when that name is taken."""
        os.link(path, new)

    def rename(self, path: Path, new: Path) -> None:
        """Give a file another name, over whatever had it."""
        os.rename(path, new)

    def remove(self, path: Path) -> None:
        """Take a name away, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(path)

    def sync_folder(self, path: Path) -> None:
        """The names in the folder are on the disk when this returns."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def make_folder(self, path: Path) -> None:
        """Make the folder, for its owner only, where it does not exist."""
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
            self.sync_folder(path.parent)

    def lock(self, path: Path) -> int:
        """Hold that file until the descriptor is closed; Conflict when somebody else holds it."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno != errno.EWOULDBLOCK:
                raise
            raise Conflict(
                f"the database in {path.parent} is in use",
                "stop the daemon that runs on it, or name another folder",
            ) from None
        return fd

    def salt(self) -> bytes:
        """Eight bytes that nobody can guess."""
        return os.urandom(8)
