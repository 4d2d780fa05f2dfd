"""The last good reply of a source, kept for as long as the source is away.

One file: a line that says what follows, with its checksum, then the reply as JSON. It is put in place whole
or not at all, for root's eyes only, and what it holds is only ever read as JSON.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from nm.disk import Disk, explained
from nm.errors import DeviceFailed

FORMAT = 1
LARGEST = 256 << 20  # bytes


class Good(NamedTuple):
    """A reply, and when it came."""

    told: Any
    received: float


class LastGood:
    """The file that holds it."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self._disk = disk

    def keep(self, good: Good) -> None:
        """Keep this one instead."""
        body = json.dumps(good.told, ensure_ascii=True).encode()
        checksum = hashlib.sha256(body).hexdigest()
        head = {"format": FORMAT, "received": good.received, "bytes": len(body), "sha256": checksum}
        temporary = Path(f"{self.path}.new")
        with explained(f"{self.path} cannot be written"):
            self._disk.make_folder(self.path.parent)
            fd = self._disk.open(temporary, create=True)
            try:
                self._disk.write(fd, json.dumps(head).encode() + b"\n" + body, 0)
                self._disk.sync(fd)
            finally:
                self._disk.close(fd)
            self._disk.rename(temporary, self.path)
            self._disk.sync_folder(self.path.parent)

    def load(self) -> Good | None:
        """What is kept; None when nothing is. DeviceFailed when the file is not what was written."""
        if not self._disk.exists(self.path):
            return None
        with explained(f"{self.path} cannot be read"):
            fd = self._disk.open(self.path)
            try:
                content = self._disk.read(fd, min(self._disk.size(fd), LARGEST), 0)
            finally:
                self._disk.close(fd)
        return self._parse(content)

    def _parse(self, content: bytes) -> Good:
        first, _, body = content.partition(b"\n")
        try:
            head = json.loads(first)
            whole = head["format"] == FORMAT and head["sha256"] == hashlib.sha256(body).hexdigest()
            good = Good(json.loads(body), float(head["received"])) if whole else None
        except (ValueError, KeyError, TypeError, RecursionError):
            good = None
        if good is None:
            hint = "remove it; the next good reply is kept in its place"
            raise DeviceFailed(f"{self.path} does not hold what was written", hint, passing=False)
        return good
