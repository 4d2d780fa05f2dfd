"""Which names and numbers of accounts this machine knows. A directory may answer, so that may take long.

Operations ask through calls.Site, and the door sees to it that nobody waits for an answer in a transaction.
A machine's files below another root than / are all there is to know of it.
"""

import grp
import os
import pwd
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from nm.errors import DeviceFailed

_MOST_ASKED = 1000  # uids in one search that no file has, and a directory might
_NO_GID = 2**32 - 2


def look_ups(root: Path) -> dict[str, Callable[..., Any]]:
    """The look-ups of a Site."""
    names = _Machine(root) if root == Path("/") else _Files(root)
    return {
        "uid_of": names.uid_of,
        "free_uid": names.free_uid,
        "has_group": names.has_group,
        "is_listed": names.is_listed,
    }


class _Files:
    """What passwd and group below a root say."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def uid_of(self, name: str) -> int | None:
        """The uid of the account of that name."""
        found = (int(line[2]) for line in self._lines("passwd") if line[0] == name)
        return next(found, None)

    def has_group(self, name: str) -> bool:
        """Whether a Unix group has that name."""
        return any(line[0] == name for line in self._lines("group"))

    def is_listed(self, name: str) -> bool:
        """Whether a Unix group names that account as a member, be there such an account or not."""
        return any(name in line[3].split(",") for line in self._lines("group"))

    def free_uid(self, first: int, last: int) -> int | None:
        """The first number that is no account's uid and no group's gid."""
        taken = {int(line[2]) for file in ("passwd", "group") for line in self._lines(file)}
        tried = islice((uid for uid in range(first, last + 1) if uid not in taken), _MOST_ASKED)
        return next((uid for uid in tried if not self._taken_elsewhere(uid)), None)

    def _taken_elsewhere(self, _uid: int) -> bool:
        """There is nothing but the files."""
        return False

    def _lines(self, file: str) -> Sequence[list[str]]:
        """The lines with a number; others only say that a directory is to be asked, too."""
        try:
            text = (self._root / "etc" / file).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise DeviceFailed(f"etc/{file}: {error.strerror}", "nothing was changed") from None
        lines = (line.split(":") for line in text.splitlines())
        return [line for line in lines if len(line) >= 4 and line[2].isdecimal()]


class _Machine(_Files):
    """What the machine says by whatever it asks: files, a directory."""

    def uid_of(self, name: str) -> int | None:
        try:
            return pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError):  # a name that no machine could have
            return None

    def has_group(self, name: str) -> bool:
        return _known(grp.getgrnam, name)

    def is_listed(self, name: str) -> bool:
        return bool(set(os.getgrouplist(name, _NO_GID)) - {_NO_GID})

    def _taken_elsewhere(self, uid: int) -> bool:
        return _known(pwd.getpwuid, uid) or _known(grp.getgrgid, uid)


def _known(look_up: Callable[[Any], object], what: str | int) -> bool:
    try:
        return bool(look_up(what))
    except KeyError:
        return False
