"""Files that are always whole, and survive a power cut once they were written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Put a file of this content in the place of what is there; a link there is replaced, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    remove(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(descriptor)
    new.rename(path)
    sync_folder(path.parent)


def link(path: Path, target: str) -> None:
    """Put a link in the place of what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    remove(new)
    new.symlink_to(target)
    new.rename(path)


def remove(path: Path) -> None:
    """Remove a file or link, if there is one."""
    with suppress(FileNotFoundError):
        path.unlink()


def sync_folder(folder: Path) -> None:
    """What was named in the folder stays so."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
