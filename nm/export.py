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
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from nm import listfiles, listfolder
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome, Value, split
from nm.listfolder import FOLDER
from nm.records import Record, check_name, is_name

IMAGES = Path("/var/lib/nm-images")
LARGEST = 512 << 20  # bytes of a kernel or initrd

_PART = 1 << 20
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
            self._remove(group, deployed=order.old is not None)
        else:
            self._write(group, order.value)
        return self._seen(group)

    def _write(self, group: str, value: Value) -> None:
        text = listfiles.text(value)
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with listfolder.opened(self._folder) as folder:
            if listfolder.make_folder(group, folder):
                os.fsync(folder)
            with listfolder.opened(group, folder) as place:
                os.fchmod(place, 0o755)
                files = self._write_boot(place, value)
                files[listfiles.TEXT] = _replace(place, listfiles.TEXT, text)
                if "document" in value:
                    _replace(place, listfiles.DOCUMENT, listfiles.document(value, files))
                    _drop_boot(place, files)
                else:  # deployed by an older nm
                    listfolder.unlink(place, listfiles.DOCUMENT)
                os.fsync(place)

    def _write_boot(self, place: int, value: Value) -> listfiles.Files:
        """Let the kernels of the images lie beside the list; what is there already is not copied again."""
        found: listfiles.Files = {}
        known = _known_files(place)
        for name, files in listfiles.kernels(value).items():
            sources = listfiles.boot_sources(self._image(check_name(name, "image")))
            with listfolder.made(place, listfiles.BOOT) as boot, listfolder.made(boot, name) as folder:
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
            with open(listfolder.open_below(folder, below), "rb") as file:
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

    def _remove(self, group: str, deployed: bool) -> None:
        """`deployed`: it is known to be nm's own folder; else it may be anybody's, in a place wrongly set."""
        with contextlib.suppress(FileNotFoundError), listfolder.opened(self._folder) as folder:
            with listfolder.opened(group, folder) as place:
                _clear(place)
                os.fsync(place)
            try:
                os.rmdir(group, dir_fd=folder)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                self._keep(folder, group, deployed)
            os.fsync(folder)

    def _keep(self, folder: int, group: str, deployed: bool) -> None:
        """What a guest put there is set aside, so that the next group of that name does not find it."""
        place = self._folder / group
        if deployed:
            place = place.with_name(f".{group}.{secrets.token_hex(4)}")
            os.rename(group, place.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.chmod(place.name, 0o700, dir_fd=folder)
        _log.warning("folder=%s stays: it holds files that are not nm's", place)

    def _seen(self, group: str) -> Value | None:
        try:
            with listfolder.opened(self._folder) as folder, listfolder.opened(group, folder) as place:
                document = listfolder.content(place, listfiles.DOCUMENT)
                text = listfolder.content(place, listfiles.TEXT)
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
            with listfolder.opened(boot, place) as folder, listfolder.opened(name, folder) as below:
                sources = listfiles.boot_sources(self._image(name))
                with self._source(name, sources.get(file, "")) as source:
                    return "" if _is_copy(below, file, source) else f"{path} is not that of the image"
        except OSError as error:
            return f"{path}: {error.strerror}"


def _replace(place: int, name: str, content: bytes) -> dict[str, object]:
    with listfolder.replacing(place, name) as file:
        file.write(content)
    return listfiles.checked(content)


def _copy(place: int, name: str, source: BinaryIO) -> dict[str, object]:
    """The file as it is now; its time says of which state it is a copy."""
    status = os.fstat(source.fileno())
    checksum, size = hashlib.sha256(), 0
    with listfolder.replacing(place, name) as file:
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


def _known_files(place: int) -> listfiles.Files:
    """What the list that is there says of its files."""
    try:
        text, document = (
            listfolder.content(place, listfiles.TEXT),
            listfolder.content(place, listfiles.DOCUMENT),
        )
    except OSError:
        return {}
    return listfiles.parsed(text or b"", document)[1]


def _clear(place: int) -> None:
    """Take nm's files away; what somebody put in their places stays."""
    for name in (listfiles.DOCUMENT, listfiles.TEXT):
        for one in (name, listfolder.new(name)):
            with contextlib.suppress(IsADirectoryError):
                listfolder.unlink(place, one)
    try:
        _drop_boot(place, {})
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise


def _drop_boot(place: int, kept: listfiles.Files) -> None:
    """Take away the kernels that the list does not speak of."""
    try:
        with listfolder.opened(listfiles.BOOT, place) as boot:
            for name in os.listdir(boot):
                with listfolder.opened(name, boot) as folder:
                    for file in listfiles.BOOT_FILES:
                        listfolder.unlink(folder, listfolder.new(file))
                        if listfiles.boot_path(name, file) not in kept:
                            listfolder.unlink(folder, file)
                listfolder.rmdir(boot, name)
        listfolder.rmdir(place, listfiles.BOOT)
    except FileNotFoundError:
        pass
