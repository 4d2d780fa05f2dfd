"""The configuration files that a PLC would have on this node: which of them it may have here. Pure.

An entry is taken whole or not at all: below a folder that the site named, with a plain mode, never one that
gives rights away to whoever runs the file. Its commands are not run, whatever they are, and that is told.
"""

import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 500  # files
COMMANDS = ("preinstall_cmd", "postinstall_cmd", "error_cmd")

_MODE = re.compile(r"0?[0-7]{3}")
_SPECIAL = re.compile(r"0?[1-7][0-7]{3}")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_SOURCE = re.compile(r"[!-~]{1,1000}")


@dataclass(frozen=True)
class ConfFile:
    """One file as it is to be."""

    source: str  # where the PLC has it: a path there, or an address of its own
    dest: str  # an absolute path here
    folder: str  # the configured folder that it lies in; those between are made
    mode: int
    owner: str
    group: str


def wanted(
    told: object, folders: Collection[str], never: Collection[str] = ()
) -> tuple[list[ConfFile], list[str]]:
    """The files to have, and in words what is not done. `never`: folders, and files, that are not touched."""
    entries = [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []
    entries = [one for one in entries if one.get("enabled", True)]
    found: dict[str, ConfFile] = {}
    problems = []
    for entry in entries[:MOST]:
        dest = str(entry.get("dest"))
        why = _unfit(entry, dest, folders, never)
        if why is None and dest in found:
            why = "it is told of twice: its first entry counts"
        if why is not None:
            problems.append(f"file {dest[:200]!r} is left as it is: {why}")
            continue
        found[dest] = _read(entry, dest, folders)
        if commands := [name for name in COMMANDS if str(entry.get(name) or "").strip()]:
            problems.append(f"file {dest[:200]!r}: {', '.join(commands)} not run: nm runs no commands")
    if len(entries) > MOST:
        problems.append(f"{len(entries)} configuration files are told of, the first {MOST} count")
    return list(found.values()), problems


def _unfit(
    entry: Mapping[str, Any], dest: str, folders: Collection[str], never: Collection[str]
) -> str | None:
    """Why it is not to be written, in words; None when it is."""
    plain = dest.startswith("/") and posixpath.normpath(dest) == dest and dest.isprintable()
    if not plain or dest.startswith("//") or len(dest) > 1000:
        return "its place is no plain absolute path"
    if _holder(dest, folders) is None:
        return "it lies below none of plc.conf_folders"
    if dest in never or _holder(dest, never) is not None:
        return "its place is nm's own"
    mode = str(entry.get("file_permissions", "644"))
    if _SPECIAL.fullmatch(mode):
        return f"mode {mode} is more than reading, writing and running"
    if not _MODE.fullmatch(mode):
        return f"{mode[:20]!r} is no mode, as 644"
    for key in ("file_owner", "file_group"):
        if not _ACCOUNT.fullmatch(str(entry.get(key) or "root")):
            return f"{key} {str(entry[key])[:40]!r} is no name"
    return None if _SOURCE.fullmatch(str(entry.get("source") or "")) else "its source is no path or address"


def _read(entry: Mapping[str, Any], dest: str, folders: Collection[str]) -> ConfFile:
    return ConfFile(
        source=str(entry["source"]),
        dest=dest,
        folder=_holder(dest, folders) or "",
        mode=int(str(entry.get("file_permissions", "644")), 8),
        owner=str(entry.get("file_owner") or "root"),
        group=str(entry.get("file_group") or "root"),
    )


def _holder(dest: str, folders: Collection[str]) -> str | None:
    """Which of these folders it lies in, however deep."""
    return next((folder for folder in folders if dest.startswith(f"{folder.rstrip('/')}/")), None)
