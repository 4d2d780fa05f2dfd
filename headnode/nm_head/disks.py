"""Disks that nm gives a head node: ISO 9660 images, known by their label.

nm overwrites one while we have it: first the image, then the line that its first sector begins with. So
another line means that there is something else on it, and a checksum that is wrong half of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import mmap
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from nm_head.errors import HeadError

_SYS, _DEV, _MOUNTS = Path("/sys/class/block"), Path("/dev"), Path("/proc/self/mounts")
_VOLUME, _SECTOR = 16 * 2048, 2048  # where an image describes itself
_LABEL = slice(40, 72)
_HEAD, _IMAGE = 4096, 16 * 2048  # bytes to read for the line; where the rest begins
_SMALL, _PART = 4096, 1 << 20
_FLUSH = 0x1261  # ioctl BLKFLSBUF
_UNLIKELY = ("fd", "nbd", "ram", "zram")  # slow to answer, or never an image


def find(*labels: str, serial: str = "") -> Path | None:
    """The first disk that has this serial number, or one of these labels."""
    disks = [place for place in sorted(_SYS.iterdir()) if not place.name.startswith(_UNLIKELY)]
    named = [place for place in disks if serial and _line(place / "serial") == serial]
    return next((_DEV / place.name for place in named), None) or next(
        (_DEV / place.name for place in disks if label(_DEV / place.name) in labels), None
    )


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


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


def reading(device: Path, start: int, end: int) -> Iterator[bytes]:
    """What is on the disk now, past all that the kernel remembers of it. `start` is a multiple of 4096."""
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        try:
            with mmap.mmap(-1, _PART if end - start > _SMALL else _SMALL) as memory:  # aligned, as it must be
                while start < end and (count := os.preadv(descriptor, [memory], start)) > 0:
                    yield memory[: min(count, end - start)]
                    start += count
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HeadError(f"{device}: {error.strerror}", "it is read again") from None


def line(device: Path, mark: bytes) -> bytes:
    """What tells one content of a disk from another; b"" when it has no line that begins so."""
    sector = b"".join(reading(device, 0, _HEAD))
    return sector.partition(b"\n")[0] if sector.startswith(mark) else b""


def check(device: Path, told: bytes, what: str) -> None:
    """HeadError when there is not all of that on the disk of which its line tells."""
    try:
        head = json.loads(told[told.index(b"{") :])
        length, expected = int(head["length"]), str(head["sha256"])
    except (ValueError, TypeError, KeyError) as error:
        raise HeadError(f"{device}: {error!r}", "it is read again") from None
    checksum = hashlib.sha256()
    for part in reading(device, _IMAGE, length):
        checksum.update(part)
    if checksum.hexdigest() != expected:
        raise HeadError(f"{device} has half of a {what}", "it is read again")


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
