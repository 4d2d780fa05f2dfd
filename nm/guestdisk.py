"""File systems for containers' disks, made in memory: the parts of a disk that hold anything.

mkfs.ext4 makes them on a sparse file that no folder has, and what it wrote goes to the volume by libvirt. So
nm needs no right to write where disks are, and a disk of gigabytes costs what is in it. Ground of a hand.
"""

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nm import iso
from nm.errors import DeviceFailed

LEAST = 4 << 20  # bytes of a file system that is worth the name
SECONDS = 60.0
_CHUNK = 4 << 20
_OPTIONS = ("-q", "-F", "-m", "0", "-E", "nodiscard,assume_storage_prezeroed=1")


def ext4(
    size: int, folders: Sequence[str], files: Mapping[str, tuple[str, int]], scratch: Path | None = None
) -> Iterator[tuple[int, bytes]]:
    """Offsets and contents that make a disk of zeros an ext4 file system with these folders and files.

    `files`: name to text and mode. `scratch` is a folder in which root alone may look, for a moment.
    """
    with iso.anonymous() as disk, tempfile.TemporaryDirectory(prefix="nm-disk-", dir=scratch) as private:
        disk.truncate(size)
        tree = Path(private, "tree")
        for folder in (tree, *(tree / name for name in folders)):
            folder.mkdir()
            folder.chmod(0o755)
        for name, (text, mode) in files.items():
            (tree / name).write_text(text)
            (tree / name).chmod(mode)
        _make(str(tree), disk.fileno())
        yield from _parts(disk.fileno(), size)


def whole(size: int, files: Mapping[str, tuple[str, int]], scratch: Path | None = None) -> bytes:
    """All of a small one."""
    found = bytearray(size)
    for offset, part in ext4(size, (), files, scratch):
        found[offset : offset + len(part)] = part
    return bytes(found)


def _make(place: str, disk: int) -> None:
    program = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise DeviceFailed("there is no mkfs.ext4", "install the package e2fsprogs", passing=False)
    try:
        subprocess.run(
            [program, *_OPTIONS, "-d", place, f"/proc/self/fd/{disk}"],
            pass_fds=(disk,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()[-300:]
        raise DeviceFailed(f"mkfs.ext4 ended with {error.returncode}: {said}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceFailed(f"mkfs.ext4: {error}") from None


def _parts(disk: int, size: int) -> Iterator[tuple[int, bytes]]:
    """What is not a hole."""
    start = 0
    while start < size:
        try:
            start = os.lseek(disk, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only holes to its end
                return
            raise
        end = min(os.lseek(disk, start, os.SEEK_HOLE), start + _CHUNK)
        yield start, os.pread(disk, end - start, start)
        start = end
