"""Disks that nm gives a head node: ISO 9660 images, known by their label."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import subprocess
from pathlib import Path

from nm_head.errors import HeadError

_SYS, _DEV, _MOUNTS = Path("/sys/class/block"), Path("/dev"), Path("/proc/self/mounts")
_VOLUME, _SECTOR = 16 * 2048, 2048  # where an image describes itself
_LABEL = slice(40, 72)
HEAD = 256 * 1024  # bytes in which a change shows
_FLUSH = 0x1261  # ioctl BLKFLSBUF
_UNLIKELY = ("loop", "ram", "zram", "nbd", "dm-", "md")


def labelled(*labels: str) -> Path | None:
    """The first disk that has one of these labels."""
    for place in sorted(_SYS.iterdir()):
        device = _DEV / place.name
        if not place.name.startswith(_UNLIKELY) and label(device) in labels:
            return device
    return None


def label(device: Path) -> str:
    """The label of the image on a disk; nothing when there is none."""
    try:
        with device.open("rb", buffering=0) as disk:
            disk.seek(_VOLUME)
            volume = disk.read(_SECTOR)
    except OSError:
        return ""
    if volume[1:6] != b"CD001":
        return ""
    return volume[_LABEL].decode("ascii", "replace").strip()


def head(device: Path) -> str:
    """What the disk's beginning is now, past all that the kernel remembers of it."""
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        try:
            with mmap.mmap(-1, HEAD) as memory:  # aligned, as direct reads must be
                count = os.preadv(descriptor, [memory], 0)
                return hashlib.sha256(memory[:count]).hexdigest()
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HeadError(f"{device}: {error.strerror}", "it is read again") from None


def mount(device: str, place: Path, kind: str, options: str = "ro") -> None:
    """Mount it there."""
    place.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", kind, "-o", options, device, str(place))


def mount_anew(device: Path, place: Path) -> None:
    """Mount what is on the disk now; files that somebody has open stay those of the old one."""
    if is_mounted(place):
        _run("umount", "-l", str(place))
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _FLUSH)
    finally:
        os.close(descriptor)
    mount(str(device), place, "iso9660")


def is_mounted(place: Path) -> bool:
    """Whether something is mounted there."""
    return any(line.split()[1] == str(place) for line in _MOUNTS.read_text(encoding="utf-8").splitlines())


def unmount(place: Path) -> None:
    """Take it away."""
    _run("umount", str(place))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HeadError(f"{command[0]}: {error}") from None
    if done.returncode:
        raise HeadError((done.stderr.strip() or f"{command[0]} failed: {done.returncode}")[:300])
