"""Files in folders that others may write to: no link is followed in any part of a path. Ground.

Each part is opened in the folder before it, so nobody can put a link in its place meanwhile. OSError passes
through: the caller knows what it means.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of a file whose folder is nobody else's; it is no link itself."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def folder(path: Path, make_below: Path | None = None) -> Iterator[int]:
    """A descriptor of the folder. Those below `make_below` are made where they are missing."""
    fd = os.open("/", _FOLDER)
    try:
        place = Path("/")
        for part in path.parts[1:]:
            may_make = make_below is not None and place.is_relative_to(make_below)
            fd, old = _entered(fd, part, may_make), fd
            os.close(old)
            place /= part
        yield fd
    finally:
        os.close(fd)


def _entered(fd: int, part: str, may_make: bool) -> int:
    if part in ("", ".", ".."):
        raise OSError(errno.EINVAL, "not a plain path")
    try:
        return os.open(part, _FOLDER, dir_fd=fd)
    except FileNotFoundError:
        if not may_make:
            raise
    return make_folder(fd, part, 0o755)


def make_folder(fd: int, name: str, mode: int) -> int:
    """A descriptor of a new folder in that folder; of nothing that somebody put in its place meanwhile."""
    os.mkdir(name, 0o700, dir_fd=fd)
    made = os.open(name, _FOLDER, dir_fd=fd)
    try:
        if os.listdir(made):
            raise OSError(errno.EEXIST, "another folder was put in its place")
        os.fchmod(made, mode)
    except OSError:
        os.close(made)
        raise
    return made


def read(fd: int, name: str, most: int) -> tuple[bytes, os.stat_result] | None:
    """What a regular file in the folder holds, and how it is; None when there is nothing of that name."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(name, flags, dir_fd=fd)
    except FileNotFoundError:
        return None
    with open(file, "rb") as opened:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return opened.read(most + 1), status


def replace(fd: int, name: str, content: bytes, mode: int, owner: tuple[int, int]) -> None:
    """Put a file in the folder whole, in place of what has its name. `owner`: uid and gid."""
    new = f".{name}.nm-new"
    with suppress(FileNotFoundError):
        os.unlink(new, dir_fd=fd)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(new, flags, 0o600, dir_fd=fd), "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)  # first: what is somebody else's takes one more capability
            os.fchown(file.fileno(), *owner)
            os.fsync(file.fileno())
        os.rename(new, name, src_dir_fd=fd, dst_dir_fd=fd)
        os.fsync(fd)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(new, dir_fd=fd)
        raise
