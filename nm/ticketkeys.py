"""The keys whose signatures on tickets count: files in a folder of root's. Rim; called by the tickets' desk.

They are read again when a file there has changed. One that cannot be used is left out and logged, and the
others count: so a key that has ended does not end the others. No folder, no keys, no tickets.
"""

import logging
import os
import stat
import threading
from pathlib import Path

from nm import signatures
from nm.errors import NMError
from nm.secrets import OTHERS_WRITE, check_folder
from nm.signatures import Trusted

log = logging.getLogger("nm.tickets")

ENDINGS = (".asc", ".gpg", ".pgp", ".pem")
LARGEST = 1 << 20  # bytes of a file
MOST = 100  # files

_Seen = tuple[tuple[str, int, int, int, int, int], ...]


class TicketKeys:
    """The keys of one folder. Its lock guards what was read."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._trusted = Trusted()

    def now(self) -> Trusted:
        """The keys that count now. NMError when others than root may write to the folder."""
        with self._lock:
            seen = self._look()
            if seen != self._seen:
                self._trusted = self._read([name for name, *_ in seen])
                self._seen = seen
            return self._trusted

    def _look(self) -> _Seen:
        try:
            check_folder(self._folder, self._folder.stat(follow_symlinks=False))
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(ENDINGS))[:MOST]
            return tuple((name, *_state(self._folder / name)) for name in names)
        except FileNotFoundError:  # also of one that went just now: the next look sees it
            return ()
        except OSError as error:
            raise NMError(f"{self._folder} cannot be read: {error.strerror}", "let nmd read it") from None

    def _read(self, names: list[str]) -> Trusted:
        found = Trusted()
        for name in names:
            try:
                one = signatures.trusted([(name, self._content(name))])
            except NMError as error:
                log.warning("a key for tickets is left out", extra={"file": name, "why": str(error)})
                continue
            found = Trusted(found.openpgp + one.openpgp, found.x509 + one.x509)
        return found

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


def _state(path: Path) -> tuple[int, int, int, int, int]:
    status = path.stat(follow_symlinks=False)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode
