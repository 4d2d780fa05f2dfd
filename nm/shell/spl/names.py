"""The names that exist, for completion and ranges: fetched when first wanted, and again after a command."""

import re
from collections.abc import Callable
from typing import Any

from nm.shell.failures import Failure
from nm.shell.session import Session

Struct = dict[str, Any]
_RANGE = re.compile(r"(.*?)(\d+)-(?:\1)?(\d+)")


def _name(struct: Struct) -> list[str]:
    return [struct["name"]]


def _port(struct: Struct) -> list[str]:
    return [f"{struct['switch']}:{struct['port']}"]


def _nics(struct: Struct) -> list[str]:
    return [f"{struct['name']}:{nic['name']}" for nic in struct.get("nics", ())]


METHODS: dict[str, tuple[str, Callable[[Struct], list[str]]]] = {
    "group": ("GetGroups", _name),
    "node": ("GetNodes", _name),
    "nic": ("GetNodes", _nics),
    "vlan": ("GetVlans", lambda struct: [str(struct["id"])]),
    "headnode": ("GetHeadNodes", _name),
    "switch": ("GetSwitches", _name),
    "port": ("GetPorts", _port),
    "trunk": ("GetTrunks", _name),
    "host": ("GetHosts", _name),
    "user": ("GetDelegates", _name),
}


class Names:
    """What the daemon told, until it is forgotten."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, list[Struct]] = {}

    def forget(self) -> None:
        """Something has changed."""
        self._known.clear()

    def of(self, source: str) -> list[str]:
        """The names of a kind, or of those that are `free` or `taken`. None when the daemon does not tell."""
        *which, kind = source.split()
        if kind not in METHODS:
            return []
        method, names = METHODS[kind]
        if method not in self._known:
            try:
                self._known[method] = self._session.call(method, {})
            except Failure:
                return []
        free = {"free": True, "taken": False}[which[0]] if which else None
        return [name for one in self._known[method] if free in (None, one.get("free")) for name in names(one)]

    def expand(self, source: str, words: list[str]) -> list[str]:
        """The words with ranges, as 1-4 or n1-n4, replaced by the names within that exist.

        A word that is a name itself stays, and so does a range in which nothing exists.
        """
        if source not in ("node", "free node", "taken node") or not any(
            _RANGE.fullmatch(word) for word in words
        ):
            return words
        known = self.of("node")
        return [name for word in words for name in _within(word, known)]


def _within(word: str, known: list[str]) -> list[str]:
    span = _RANGE.fullmatch(word)
    if word in known or span is None:
        return [word]
    prefix, first, last = span[1], int(span[2]), int(span[3])
    numbered = [(name, name.removeprefix(prefix)) for name in known if name.startswith(prefix)]
    return [name for name, rest in numbered if rest.isdecimal() and first <= int(rest) <= last] or [word]
