"""nm-head-seed: takes the door to nm (door.json, key, known_hosts) from the disk that nm gives.

For guests without cloud-init, which does the same by itself. A disk that is not there changes nothing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nm_head import disks, files
from nm_head.errors import HeadError, say
from nm_head.settings import Settings

LABELS = ("NMHEAD", "cidata", "CIDATA")
FOLDER = "nm"
MODES = {"known_hosts": 0o644, "key": 0o600, "door.json": 0o644}  # the door last: it says that all is there


def take(settings: Settings) -> bool:
    """Whether there was such a disk, and its files are in place now."""
    device = disks.labelled(*LABELS)
    if device is None:
        return False
    with tempfile.TemporaryDirectory(prefix="nm-head-seed-") as name:
        place = Path(name) / "disk"
        disks.mount(str(device), place, "iso9660")
        try:
            return put(place / FOLDER, settings.door)
        finally:
            disks.unmount(place)


def put(source: Path, target: Path) -> bool:
    """Put the files from there into place. False when there are none."""
    if not source.is_dir():
        return False
    try:
        found = {name: (source / name).read_bytes() for name in MODES}
    except OSError as error:
        raise HeadError(f"the seed lacks {error.filename}: {error.strerror}", "nothing was changed") from None
    for name, content in found.items():
        files.write(target / name, content, MODES[name])
    say(f"nm-head-seed: the door to nm is in {target}")
    return True
