"""The hand that gives a head node the list of its machines: a file, always whole, per group.

`FOLDER/GROUP/machines.txt` holds one `MAC address` a line. The folder is usually memory-backed and is
written anew by the same orders when the daemon starts. Called by workers; holds no lock.
"""

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from nm.errors import DeviceFailed, Invalid, NMError
from nm.facts import Order, Outcome, Value, split
from nm.records import check_name, is_name

FOLDER = Path("/run/nm/headnodes")

_FILE = "machines.txt"
_NEW = ".machines.txt.new"  # one name, so that what a crash leaves behind is the next one's to replace
_IN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_OURS = (errno.ELOOP, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)

_log = logging.getLogger(__name__)


class ExportHand:
    """Makes `export/GROUP` true below `folder`."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders, each by itself."""
        return [self._outcome(order.fact, partial(self._one, order)) for order in orders]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """The lists as the files have them."""
        return [self._outcome(fact, self._seen) for fact in facts]

    def known(self) -> list[str]:
        """The facts of all lists that there are."""
        try:
            names = sorted(os.listdir(self._folder))
        except OSError:
            return []
        return [f"export/{name}" for name in names if is_name(name)]

    def close(self) -> None:
        """Nothing is held open."""

    def _outcome(self, fact: str, act: Callable[[str], Value | None]) -> Outcome:
        try:
            return Outcome(seen=act(check_name(split(fact)[1], "group")))
        except OSError as error:
            return Outcome(error=self._explained(split(fact)[1], error))
        except NMError as error:
            return Outcome(error=error)

    def _explained(self, group: str, error: OSError) -> DeviceFailed:
        place = self._folder / group
        if error.errno in _NOT_OURS:
            return DeviceFailed(
                f"{place} is not a plain folder with a plain file", "remove it", passing=False
            )
        return DeviceFailed(f"{place}: {error.strerror}", "see that the folder is there and has room")

    def _one(self, order: Order, group: str) -> Value | None:
        if order.value is None:
            self._remove(group)
        else:
            self._write(group, _text(order.value["machines"]))
        return self._seen(group)

    def _write(self, group: str, text: bytes) -> None:
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _opened(self._folder) as folder:
            if _make_folder(group, folder):
                os.fsync(folder)
            with _opened(group, folder) as place:
                os.fchmod(place, 0o755)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(_NEW, dir_fd=place)
                _write_new(place, text)
                os.rename(_NEW, _FILE, src_dir_fd=place, dst_dir_fd=place)
                os.fsync(place)

    def _remove(self, group: str) -> None:
        with contextlib.suppress(FileNotFoundError), _opened(self._folder) as folder:
            with _opened(group, folder) as place:
                for name in (_FILE, _NEW):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=place)
                os.fsync(place)
            try:
                os.rmdir(group, dir_fd=folder)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                _log.warning("folder=%s stays: it holds files that are not nm's", self._folder / group)
            os.fsync(folder)

    def _seen(self, group: str) -> Value | None:
        try:
            with _opened(self._folder) as folder, _opened(group, folder) as place:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                with open(os.open(_FILE, flags, dir_fd=place), encoding="utf-8") as file:
                    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                        raise OSError(errno.ENOTDIR, "not a file")
                    return {"machines": [_machine(line) for line in file]}
        except FileNotFoundError:
            return None


@contextlib.contextmanager
def _opened(path: str | Path, parent: int | None = None) -> Iterator[int]:
    """A folder held open, so that nothing can be put in its place meanwhile; no link is followed."""
    descriptor = os.open(path, _IN_FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make_folder(name: str, parent: int) -> bool:
    """True when it is new."""
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _write_new(place: int, text: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(_NEW, flags, 0o644, dir_fd=place), "wb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _text(machines: Sequence[Sequence[str]]) -> bytes:
    """The file's content. A word that would break a line in two is refused."""
    for machine in machines:
        for word in machine:
            if word != "".join(word.split()) or not word.isprintable():
                raise Invalid(f"{word[:70]!r} cannot stand in a list of machines", "use no blanks")
    return "".join(f"{mac} {address}".rstrip() + "\n" for mac, address in machines).encode()


def _machine(line: str) -> list[str]:
    mac, _, address = line.rstrip("\n").partition(" ")
    return [mac, address]
