"""The hand that gives a head node the list of its machines: files, always whole, per group.

`FOLDER/GROUP/` holds `machines.txt`, `machines.json` (nm/listfiles.py says what is in them) and kernels of
images in `boot/IMAGE/`. Each file is replaced as a whole, machines.json last, which has the checksums of all
others. The folder is usually memory-backed and is written anew by the same orders when the daemon starts.
A guest that has it by virtiofs can write there: no link in it is followed. Called by workers; holds no lock.
"""

import contextlib
import errno
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from nm import listfiles
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome, Value, split
from nm.records import Record, check_name, is_name

FOLDER = Path("/run/nm/headnodes")
IMAGES = Path("/var/lib/nm-images")
LARGEST = 512 << 20  # bytes of a kernel or initrd

_LARGEST_LIST = 64 << 20
_PART = 1 << 20
_IN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_OURS = (errno.ELOOP, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)

_log = logging.getLogger(__name__)


def _unregistered(_name: str) -> Record | None:
    return None


class ExportHand:
    """Makes `export/GROUP` true below `folder`.

    `image` answers an image's record by its name; its kernel and initrd must lie below one of `images`.
    """

    def __init__(
        self,
        folder: Path = FOLDER,
        image: Callable[[str], Record | None] = _unregistered,
        images: Sequence[Path] = (IMAGES,),
    ) -> None:
        self._folder = folder
        self._image = image
        self._images = images

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
            self._write(group, order.value)
        return self._seen(group)

    def _write(self, group: str, value: Value) -> None:
        text = listfiles.text(value)
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _opened(self._folder) as folder:
            if _make_folder(group, folder):
                os.fsync(folder)
            with _opened(group, folder) as place:
                os.fchmod(place, 0o755)
                files = self._write_boot(place, value)
                files[listfiles.TEXT] = _replace(place, listfiles.TEXT, text)
                if "document" in value:
                    _replace(place, listfiles.DOCUMENT, listfiles.document(value, files))
                    _drop_boot(place, files)
                else:  # deployed by an older nm
                    _unlink(place, listfiles.DOCUMENT)
                os.fsync(place)

    def _write_boot(self, place: int, value: Value) -> listfiles.Files:
        """Let the kernels of the images lie beside the list; what is there already is not copied again."""
        found: listfiles.Files = {}
        known = _known_files(place)
        for name, files in listfiles.kernels(value).items():
            sources = listfiles.boot_sources(self._image(check_name(name, "image")))
            with _made(place, listfiles.BOOT) as boot, _made(boot, name) as folder:
                for file in files:
                    path = listfiles.boot_path(name, file)
                    with self._source(name, sources.get(file, "")) as source:
                        kept = _is_copy(folder, file, source) and path in known
                        found[path] = known[path] if kept else _copy(folder, file, source)
        return found

    @contextlib.contextmanager
    def _source(self, image: str, path: str) -> Iterator[BinaryIO]:
        """A file of an image, opened; below the configured folders, through no link."""
        for folder in self._images:
            below = Path(path).parts[len(folder.parts) :]
            if Path(path).parts[: len(folder.parts)] == folder.parts and below and ".." not in below:
                break
        else:
            raise DeviceFailed(
                f"image {image}: {path or 'a file of it'} lies in no folder of images",
                "see images.folders of the configuration",
                passing=False,
            )
        try:
            with open(_open_below(folder, below), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                    raise DeviceFailed(
                        f"image {image}: {path} is no plain file of at most {LARGEST >> 20} MiB",
                        "name another one",
                        passing=False,
                    )
                yield file
        except OSError as error:
            raise DeviceFailed(
                f"image {image}: {path}: {error.strerror}", "put the file there, without links", passing=False
            ) from error

    def _remove(self, group: str) -> None:
        with contextlib.suppress(FileNotFoundError), _opened(self._folder) as folder:
            with _opened(group, folder) as place:
                for name in (listfiles.DOCUMENT, listfiles.TEXT):
                    _unlink(place, name)
                    _unlink(place, _new(name))
                _drop_boot(place, {})
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
                document = _content(place, listfiles.DOCUMENT)
                text = _content(place, listfiles.TEXT)
                if text is None:
                    return None
                value, files = listfiles.parsed(text, document)
                for path in files.keys() - {listfiles.TEXT}:
                    if problem := self._stale(place, path):
                        value["document"] = {"damaged": problem}
                return value
        except FileNotFoundError:
            return None

    def _stale(self, place: int, path: str) -> str:
        """What is wrong with a file of an image that the list speaks of, or ""."""
        boot, name, file = path.split("/")
        try:
            with _opened(boot, place) as folder, _opened(name, folder) as below:
                sources = listfiles.boot_sources(self._image(name))
                with self._source(name, sources.get(file, "")) as source:
                    return "" if _is_copy(below, file, source) else f"{path} is not that of the image"
        except OSError as error:
            return f"{path}: {error.strerror}"


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


@contextlib.contextmanager
def _made(parent: int, name: str) -> Iterator[int]:
    """A folder held open, made where it is missing."""
    _make_folder(name, parent)
    with _opened(name, parent) as place:
        os.fchmod(place, 0o755)
        yield place


def _open_below(folder: Path, parts: Sequence[str]) -> int:
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


def _new(name: str) -> str:
    """One name, so that what a crash leaves behind is the next one's to replace."""
    return f".{name}.new"


def _unlink(place: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=place)


@contextlib.contextmanager
def _replacing(place: int, name: str) -> Iterator[BinaryIO]:
    """A new file that takes the place of that one when it is whole."""
    _unlink(place, _new(name))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(_new(name), flags, 0o644, dir_fd=place), "wb") as file:
        os.fchmod(file.fileno(), 0o644)
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.rename(_new(name), name, src_dir_fd=place, dst_dir_fd=place)


def _replace(place: int, name: str, content: bytes) -> dict[str, object]:
    with _replacing(place, name) as file:
        file.write(content)
    return listfiles.checked(content)


def _copy(place: int, name: str, source: BinaryIO) -> dict[str, object]:
    """The file as it is now; its time says of which state it is a copy."""
    status = os.fstat(source.fileno())
    checksum, size = hashlib.sha256(), 0
    with _replacing(place, name) as file:
        while part := source.read(_PART):
            size += len(part)
            if size > LARGEST:
                raise OSError(errno.EFBIG, "it grew while it was copied")
            checksum.update(part)
            file.write(part)
        file.flush()
        os.utime(file.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
    return {"size": size, "sha256": checksum.hexdigest()}


def _is_copy(place: int, name: str, source: BinaryIO) -> bool:
    try:
        there = os.stat(name, dir_fd=place, follow_symlinks=False)
    except FileNotFoundError:
        return False
    here = os.fstat(source.fileno())
    same = (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns)
    return stat.S_ISREG(there.st_mode) and same


def _content(place: int, name: str) -> bytes | None:
    try:
        with open(os.open(name, _TO_READ, dir_fd=place), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.ENOTDIR, "not a file")
            return file.read(_LARGEST_LIST)
    except FileNotFoundError:
        return None


def _known_files(place: int) -> listfiles.Files:
    """What the list that is there says of its files."""
    try:
        text, document = _content(place, listfiles.TEXT), _content(place, listfiles.DOCUMENT)
    except OSError:
        return {}
    return listfiles.parsed(text or b"", document)[1]


def _drop_boot(place: int, kept: listfiles.Files) -> None:
    """Take away the kernels that the list does not speak of."""
    try:
        with _opened(listfiles.BOOT, place) as boot:
            for name in os.listdir(boot):
                with _opened(name, boot) as folder:
                    for file in listfiles.BOOT_FILES:
                        _unlink(folder, _new(file))
                        if listfiles.boot_path(name, file) not in kept:
                            _unlink(folder, file)
                _rmdir(boot, name)
        _rmdir(place, listfiles.BOOT)
    except FileNotFoundError:
        pass


def _rmdir(parent: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
