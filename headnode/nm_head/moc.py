"""The list of machines, mounted: by virtiofs or 9p under the tag `moc`, or from a small disk labelled `moc`.

`mount -t moc moc /etc/moc` comes here (as /sbin/mount.moc), be it of a mount unit, fstab or rc.local.
"""

from __future__ import annotations

import os
from pathlib import Path

from nm_head import disks
from nm_head.errors import HeadError
from nm_head.machines import DOCUMENT, TEXT

TAG = LABEL = "moc"
_SHARES = (("virtiofs", "ro"), ("9p", "ro,trans=virtio,version=9p2000.L,cache=none"))


def mount(place: Path) -> None:
    """Mount the list there by the way that this guest has."""
    device = disks.labelled(LABEL)
    if device is not None:
        disks.mount_anew(device, place)
        return
    why = [_failed(kind, options, place) for kind, options in _SHARES]
    if all(why):
        raise HeadError(f"no disk {LABEL}, and no share: {'; '.join(why)}", "how does nm give the list?")


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
        self._head = ""
        self._device = disks.labelled(LABEL)

    def look(self) -> str:
        """Something that is another text once the list is another one."""
        if self._device is not None:
            head = disks.head(self._device)
            if head != self._head:
                disks.mount_anew(self._device, self._place)
                self._head = head
            return head
        return "/".join(self._stamp(name) for name in (DOCUMENT, TEXT))

    def _stamp(self, name: str) -> str:
        """Nm renames a new file over the old one, and a share may be slow to tell all about it."""
        try:
            found = os.stat(self._place / name)
        except OSError:
            return "-"
        return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
