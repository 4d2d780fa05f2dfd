"""The list of machines, mounted: by virtiofs or 9p under the tag `moc`, or from a small disk.

`mount -t moc moc /etc/moc` comes here (as /sbin/mount.moc), be it of a mount unit, fstab or rc.local. nm
overwrites the disk while we have it: a line without a checksum at the beginning of its first sector, then the
image, then the whole line. So another line means another list, and a checksum that is wrong half of one.
"""

from __future__ import annotations

import os
from pathlib import Path

from nm_head import disks
from nm_head.errors import HeadError
from nm_head.machines import DOCUMENT, TEXT

TAG, LABEL, SERIAL = "moc", "moc", "nm-list"
_SHARES = (("virtiofs", "ro"), ("9p", "ro,trans=virtio,version=9p2000.L,cache=none"))
_MARK = b"NM-LIST "


def mount(place: Path) -> None:
    """Mount the list there by the way that this guest has, unless something is mounted there."""
    if disks.is_mounted(place):
        return
    device = find()
    if device is not None:
        disks.check(device, line(device), "list")
        disks.mount_anew(device, place)
        return
    why = [_failed(kind, options, place) for kind, options in _SHARES]
    if all(why):
        raise HeadError(f"no disk {LABEL}, and no share: {'; '.join(why)}", "how does nm give the list?")


def find() -> Path | None:
    """The disk with the list."""
    return disks.find(LABEL, serial=SERIAL)


def line(device: Path) -> bytes:
    """What tells one list on a disk from another."""
    found = disks.line(device, _MARK)
    if not found:
        raise HeadError(f"{device} has no list of machines yet", "nm writes it at the next Deploy")
    return found


def _is_begun(told: bytes) -> bool:
    """Whether nm is just writing another list."""
    return b'"sha256": ""' in told


def _failed(kind: str, options: str, place: Path) -> str:
    """Why that kind of share cannot be mounted; nothing when something is."""
    try:
        if not disks.is_mounted(place):
            disks.mount(TAG, place, kind, options)
    except HeadError as error:
        return str(error)
    return ""


class Watch:
    """Notices that the list has changed. On a share the files say so; a disk is mounted anew."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._device = find()
        self._line = b""

    def look(self) -> str:
        """Something that is another text once the list is another one."""
        if self._device is None and not self._is_there():
            self._device = find()
        if self._device is None:
            if not self._is_there():
                mount(self._place)
            return "/".join(self._stamp(name) for name in (DOCUMENT, TEXT))
        told = line(self._device)
        if self._line and disks.is_mounted(self._place) and _is_begun(told):
            told = self._line  # until it is whole, the list is the one that it was
        if told != self._line or not disks.is_mounted(self._place):
            disks.check(self._device, told, "list")
            disks.mount_anew(self._device, self._place)
            self._line = told
        return told.decode(errors="replace")

    def _is_there(self) -> bool:
        """Whether something is mounted, or somebody wrote a list by hand."""
        return disks.is_mounted(self._place) or (self._place.is_dir() and any(self._place.iterdir()))

    def _stamp(self, name: str) -> str:
        """Nm renames a new file over the old one, and a share may be slow to tell all about it."""
        try:
            found = os.stat(self._place / name)
        except OSError:
            return "-"
        return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
