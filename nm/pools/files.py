"""Which files of hosts, and which disks, a description may name. Pure."""

import posixpath
import re
from collections.abc import Iterable

from nm.pools.attributes import Wrong

MADE = re.compile(r"\+(disk|seed|swap)$")  # ends the names of the volumes that nm makes
EVERYWHERE = ("/",)  # the folders of who may name any file


def below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path, spelled in just one way, is one of these folders or below one."""
    plain = path.startswith("/") and posixpath.normpath(path) == path and not path.startswith("//")
    return plain and any(f"{path}/".startswith(f"{folder.rstrip('/')}/") for folder in folders)


def unnameable(path: str, folders: Iterable[str], *, anybodys: bool = False) -> Wrong | None:
    """Why that file may not be named by who may name those of these folders; None: it may.

    anybodys: whether also what may be the disk of somebody's machine.
    """
    if MADE.search(path) and not anybodys:
        return f"{path} may be the disk of somebody's machine", "ask an administrator"
    if not below(path, folders):
        hint = "put it there, or let the configuration name its folder"
        return f"{path[:70]} is below none of descriptions.folders", hint
    return None
