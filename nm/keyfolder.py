"""Keys and certificates that count here: files in a folder of root's, read again when one has changed. Rim.

Whoever may write there would be trusted; so neither others' files nor links are read, nor a folder that
others may write to. No folder, no files.
"""

import logging
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from nm.errors import NMError
from nm.secrets import OTHERS_WRITE, check_folder

LARGEST = 1 << 20  # bytes of a file
MOST = 100  # files

T = TypeVar("T")

_State = tuple[int, int, int, int, int]
_Seen = tuple[tuple[str, _State], ...]


class KeyFolder(Generic[T]):
    """What the files of one folder say. Its lock guards what was read.

    `understand` is given a file's name and content. A file that cannot be used is left out and logged, and
    the others count; but it is an error when all must be used (`strict`).
    """

    def __init__(
        self,
        folder: str | Path,
        endings: tuple[str, ...],
        understand: Callable[[str, bytes], T],
        log: logging.Logger,
        strict: bool = False,
    ) -> None:
        self._folder = Path(folder)
        self._endings = endings
        self._understand = understand
        self._log = log
        self._strict = strict
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._found: tuple[T, ...] = ()

    def now(self) -> tuple[T, ...]:
        """What counts now; the same object while nothing has changed.

        NMError when others than root may write to the folder, or it holds too many: none is overlooked.
        """
        with self._lock:
            seen = self._look()
            if seen != self._seen:
                self._found = self._read([name for name, _ in seen])
                self._seen = seen
            return self._found

    def _look(self) -> _Seen:
        try:
            check_folder(self._folder, self._folder.stat(follow_symlinks=False))
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(self._endings))
            found = [(name, state) for name in names if (state := _state(self._folder / name)) is not None]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise NMError(f"{self._folder} cannot be read: {error.strerror}", "let nmd read it") from None
        if len(found) > MOST:
            hint = "remove those that should not count, or put several into one"
            raise NMError(f"{self._folder} holds more than {MOST} files", hint)
        return tuple(found)

    def _read(self, names: list[str]) -> tuple[T, ...]:
        found = []
        for name in names:
            try:
                found.append(self._understand(name, self._content(name)))
            except NMError as error:
                if self._strict:
                    raise
                place = str(self._folder / name)
                self._log.warning("a file is left out", extra={"file": place, "why": str(error)})
        return tuple(found)

    def _content(self, name: str) -> bytes:
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise NMError(
                f"{path} cannot be opened: {error.strerror}", "let it be a file, not a link"
            ) from None
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid not in {0, os.geteuid()}:
                raise NMError(f"{path} is no file of root's", f"chown root {path}")
            if status.st_mode & OTHERS_WRITE:
                raise NMError(f"{path} can be written by others", f"chmod go-w {path}")
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise NMError(f"{path} has more than {LARGEST} bytes", "put nothing but keys into it")
        return content


def _state(path: Path) -> _State | None:
    """None when it went just now."""
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode
