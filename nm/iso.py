"""ISO 9660 images of a few files, as small disks for guests. pycdlib is imported here only.

Names are kept in Rock Ridge's and Joliet's records; those of ISO 9660 itself are numbers.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from pycdlib import PyCdlib

SYSTEM_AREA = 16 * 2048  # bytes at the beginning that the format leaves to others
_FOLDER, _FILE = 0o040000, 0o100000


@dataclass(frozen=True)
class File:
    """What a file of the image is to hold, and who may read it."""

    content: BinaryIO
    size: int
    mode: int = 0o444


def anonymous() -> BinaryIO:
    """A file in memory that no folder has: a service may have none to write temporary files to."""
    return os.fdopen(os.memfd_create("nm-image"), "w+b")


def write(out: BinaryIO, label: str, files: Mapping[str, File], folder_mode: int = 0o555) -> None:
    """Write an image with that label; `files` by their paths in it."""
    disk = PyCdlib()
    disk.new(interchange_level=3, vol_ident=label, rock_ridge="1.09", joliet=3)
    folders = {"": ""}  # a path to the numbers that ISO 9660 knows it by
    for number, (path, file) in enumerate(files.items()):
        parent, _, name = path.rpartition("/")
        disk.add_fp(
            file.content,
            file.size,
            f"{_folder(disk, parent, folders, folder_mode)}/F{number}.;1",
            rr_name=name,
            joliet_path=f"/{path}",
            file_mode=_FILE | file.mode,
        )
    disk.write_fp(out)
    disk.close()


def _folder(disk: PyCdlib, path: str, known: dict[str, str], mode: int) -> str:
    if path not in known:
        parent, _, name = path.rpartition("/")
        known[path] = f"{_folder(disk, parent, known, mode)}/D{len(known)}"
        disk.add_directory(known[path], rr_name=name, joliet_path=f"/{path}", file_mode=_FOLDER | mode)
    return known[path]
