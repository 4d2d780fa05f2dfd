"""A list of machines as a disk: an ISO 9660 image labelled `moc`, overwritten while a guest has it.

Before the image's first sector lie 32 KiB that ISO 9660 leaves to others. They begin with a line, `NM-LIST`
and a JSON struct: how long the image is, and the checksum of all that follows these 32 KiB. nm writes a line
without a checksum first, then the image, and the whole line last. So a guest knows that there is another list
when the line is another one, and that it read half of two when the checksum is wrong; nm knows when it did
not get to the end. Used by nm/share.py.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from nm import iso, listfiles, listfolder
from nm.errors import DeviceFailed

LABEL = "moc"
MARK = b"NM-LIST "
HEAD = 2048  # bytes in which the line stands, filled up with zeros
IMAGE = iso.SYSTEM_AREA  # where the rest begins
_UNIT = 64 << 20
_PART = 1 << 20


@dataclass(frozen=True)
class Head:
    """What the line says. `document`: the checksum of machines.json, which has those of all other files."""

    group: str
    digest: str
    document: str
    length: int = 0
    sha256: str = ""
    version: int = 1


def parsed(sector: bytes) -> Head | None:
    """What is on a disk; None when it is none of nm's, or empty."""
    line, _, _ = sector.partition(b"\n")
    if not line.startswith(MARK):
        return None
    try:
        return Head(**json.loads(line[len(MARK) :]))
    except (ValueError, TypeError):
        return None


def capacity(length: int) -> int:
    """How large a disk is made for an image: it keeps its size while lists grow."""
    return -(-2 * length // _UNIT) * _UNIT


@contextlib.contextmanager
def opened(folder: Path, group: str) -> Iterator["Source"]:
    """The group's list as its files are now. DeviceFailed when there is no whole one."""
    try:
        with listfolder.opened(folder) as parent, listfolder.opened(group, parent) as place:
            yield Source(place, group)
    except OSError as error:
        raise DeviceFailed(
            f"the machine list of {group} cannot be read: {error.strerror}", "it is tried again"
        ) from error


class Source:
    """A list's folder, held open."""

    def __init__(self, place: int, group: str) -> None:
        self._place = place
        document = listfolder.content(place, listfiles.DOCUMENT) or b""
        value, self._files = listfiles.parsed(listfolder.content(place, listfiles.TEXT) or b"", document)
        whole = "damaged" not in value["document"]
        self.head = Head(
            group, listfiles.digest(value) if whole else "", listfiles.checked(document)["sha256"]
        )

    @contextlib.contextmanager
    def image(self) -> Iterator[tuple[BinaryIO, Head]]:
        """An image of the list, and the head that goes before it."""
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(iso.anonymous())
            files = {}
            for path in (listfiles.DOCUMENT, *self._files):
                *folders, name = path.split("/")
                place = self._place
                for folder in folders:
                    place = stack.enter_context(listfolder.opened(folder, place))
                file = stack.enter_context(listfolder.reading(place, name))
                files[path] = iso.File(file, file.seek(0, 2))
                file.seek(0)
            iso.write(out, LABEL, files)
            checksum, length = hashlib.sha256(), IMAGE
            out.seek(IMAGE)
            while part := out.read(_PART):
                checksum.update(part)
                length += len(part)
            out.seek(IMAGE)
            told = asdict(self.head) | {"length": length, "sha256": checksum.hexdigest()}
            yield out, Head(**told)


def begun(head: Head) -> Head:
    """What the line says while that image is being written: it is no list that anybody waits for."""
    return replace(head, digest="", document="", sha256="")


def sector(head: Head) -> bytes:
    """The line, as it is written."""
    line = MARK + json.dumps(asdict(head), sort_keys=True).encode() + b"\n"
    return line.ljust(HEAD, b"\0")
