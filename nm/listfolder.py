"""Folders in which somebody else may write: held open, no link followed, files replaced as a whole.

Used by the hands that write lists of machines and read them. A folder is a descriptor, a file its name there.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

FOLDER = Path("/run/nm/headnodes")  # has a folder for each group
LARGEST_LIST = 64 << 20  # bytes of a list of machines

_IN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def opened(path: str | Path, parent: int | None = None) -> Iterator[int]:
    """A folder held open, so that nothing can be put in its place meanwhile; no link is followed."""
    descriptor = os.open(path, _IN_FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_folder(name: str, parent: int) -> bool:
    """True when it is new."""
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def made(parent: int, name: str) -> Iterator[int]:
    """A folder held open, made where it is missing."""
    make_folder(name, parent)
    with opened(name, parent) as place:
        os.fchmod(place, 0o755)
        yield place


def open_below(folder: Path, parts: Sequence[str]) -> int:
    """A file below that folder, without following a link on the way from there."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts[:-1]:
        try:
            below = os.open(part, _IN_FOLDER, dir_fd=place)
        finally:
            os.close(place)
        place = below
    try:
        return os.open(parts[-1], _TO_READ, dir_fd=place)
    finally:
        os.close(place)


def new(name: str) -> str:
    """One name, so that what a crash leaves behind is the next one's to replace."""
    return f".{name}.new"


def unlink(place: int, name: str) -> None:
    """Let there be no such file."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=place)


def rmdir(parent: int, name: str) -> None:
    """Take a folder away, unless something is in it."""
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


@contextlib.contextmanager
def replacing(place: int, name: str) -> Iterator[BinaryIO]:
    """A new file that takes the place of that one when it is whole."""
    unlink(place, new(name))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(new(name), flags, 0o644, dir_fd=place), "wb") as file:
        os.fchmod(file.fileno(), 0o644)
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.rename(new(name), name, src_dir_fd=place, dst_dir_fd=place)


@contextlib.contextmanager
def reading(place: int, name: str) -> Iterator[BinaryIO]:
    """A plain file, opened."""
    with open(os.open(name, _TO_READ, dir_fd=place), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.ENOTDIR, "not a file")
        yield file


def content(place: int, name: str) -> bytes | None:
    """What a list's file holds; None when there is none."""
    try:
        with reading(place, name) as file:
            return file.read(LARGEST_LIST)
    except FileNotFoundError:
        return None
