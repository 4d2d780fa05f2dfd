"""nm-head-seed: takes what nm tells this head node, and the door to nm, from the disk that nm gives.

For guests without cloud-init, which does the same by itself, once. A disk that is not there changes nothing.
nm writes another seed onto the disk when the door is another one; moc-list sees that and has it taken.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Callable

from nm_head import disks, files
from nm_head.errors import HeadError, say
from nm_head.settings import Settings

LABELS = ("NMHEAD", "cidata", "CIDATA")
SERIAL = "nm-seed"
FOLDER = "nm"
_MARK = b"NM-SEED "
DOOR = {"known_hosts", "key", "door.json"}  # there is a door, or there is none
# The door last: it says that the others are there.
MODES = {"head.json": 0o644, "known_hosts": 0o644, "key": 0o600, "door.json": 0o644}


def take(settings: Settings) -> bool:
    """Whether there was such a disk, and its files are in place now."""
    device = disks.find(*LABELS, serial=SERIAL)
    if device is None or disks.label(device) not in LABELS:  # nm empties one that leads nowhere any more
        return False
    if told := disks.line(device, _MARK):
        disks.check(device, told, "seed")
    with tempfile.TemporaryDirectory(prefix="nm-head-seed-") as name:
        place = Path(name) / "disk"
        disks.mount_anew(device, place)
        try:
            return put(place / FOLDER, settings.door)
        finally:
            disks.unmount(place)


class Watch:
    """Notices that there is a seed, or another one. Its disk may come while the guest runs."""

    def __init__(self, find: Callable[[], Path | None] = lambda: disks.find(serial=SERIAL)) -> None:
        self._find = find
        self._line = b""

    def is_new(self) -> bool:
        """Whether a seed is there that was not there when this was asked last."""
        device = self._find()
        told = disks.line(device, _MARK) if device is not None else b""
        before, self._line = self._line, told
        return told not in (b"", before)


def put(source: Path, target: Path) -> bool:
    """Put the files from there into place. False when there are none."""
    try:
        found = {name: (source / name).read_bytes() for name in MODES if (source / name).exists()}
    except OSError as error:
        raise HeadError(f"the seed's {error.filename}: {error.strerror}", "nothing was changed") from None
    if 0 < len(DOOR & found.keys()) < len(DOOR):
        raise HeadError(f"the seed lacks {', '.join(DOOR - found.keys())}", "nothing was changed")
    for name, content in found.items():
        files.write(target / name, content, MODES[name])
    say(f"nm-head-seed: {target} has {', '.join(found) or 'nothing new'}")
    return bool(found)
