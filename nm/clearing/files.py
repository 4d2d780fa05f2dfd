"""Files that are whole or not there, and never put over another by mistake. Ground of the clearing house.

Keys are for their owner only. Whoever changes several files, or one by what it holds, does so under the
folder's lock.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nm.errors import Conflict, DeviceFailed, NotFound

PRIVATE, PUBLIC = 0o600, 0o644
SIZE = 1 << 18  # bytes; nothing here is nearly as large
_OTHERS = 0o077


def create(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """A new file. Conflict when there is one of that name."""
    with _written(path, content, mode) as new:
        try:
            os.link(new, path)
        except FileExistsError:
            raise Conflict(f"there is a {path} already", "it stays as it is; move it away first") from None


def replace(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """A file in the place of the one that has the name, if any does."""
    with _written(path, content, mode) as new:
        os.replace(new, path)


def remove(path: Path) -> None:
    """The file is gone. NotFound when there is none."""
    with _explained(path):
        path.unlink()
        _sync(path.parent)


def read(path: Path, *, private: bool = False) -> bytes:
    """What the file holds. NotFound when there is none, Conflict for a private one that others may read."""
    with _explained(path), open(path, "rb") as file:
        if private and os.fstat(file.fileno()).st_mode & _OTHERS:
            raise Conflict(f"{path} is open to others", f"chmod 600 {path}; others may have its key by now")
        content = file.read(SIZE + 1)
    if len(content) > SIZE:
        raise Conflict(f"{path} is longer than {SIZE} bytes", "it is not a file of the clearing house's")
    return content


def folder(path: Path, mode: int = 0o700) -> Path:
    """The folder; made when it is missing, with those above it."""
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode, exist_ok=True)
    return path


def listed(path: Path, ends: str) -> list[Path]:
    """The files and folders there whose names end so, in order; none when there is no such folder."""
    return sorted(one for one in path.glob(f"*{ends}") if not one.name.startswith("."))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else changes that folder meanwhile."""
    with _explained(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _written(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """A file beside the path, written and on the disk; gone afterwards unless it was renamed."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with _explained(path):
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            yield new
        finally:
            new.unlink(missing_ok=True)
        _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """The system's errors as nm's."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"there is no {path}", "name another, or make it first") from None
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        hint = "make room there" if full else "look at its rights, and those of its folder"
        raise DeviceFailed(f"{path}: {error.strerror}", hint, passing=False) from None
