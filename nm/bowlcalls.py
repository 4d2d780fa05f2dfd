"""BOWL's calls as they come: the methods, with arguments named and ordered as portals know; what is asked.

Pure, but for the zone of this machine: times without one are the site's. Portals vouch for whom they call
for, and what they say of them is taken as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nm.errors import Invalid
from nm.federation.visits import BOWL, Guest
from nm.jsonrpc import METHOD, PARAMS, FaultError, Params

LONGEST_WORD = 200  # characters of what a slice or a person is called
_DEFAULTS: Mapping[str, Any] = {"available": True, "slice_urn": None}
_PERSON = ("client_name", "client_email", "client_uuid")
METHODS: Mapping[str, tuple[str, ...]] = {
    "ListResources": ("available", "slice_urn"),
    "Allocate": ("slice_urn", "ids", "end_time", "client_uuid", "client_email"),
    "Provision": ("slice_urns", "end_time", *_PERSON),
    "PerformOperationalAction": ("slice_urns", "action", *_PERSON),
    "Delete": ("slice_urns", *_PERSON),
}
_OPTIONAL = {"ListResources"}  # all of whose arguments may be left out
_ACTIONS = {word: f"geni_{word}" for word in ("start", "stop", "restart")}


@dataclass(frozen=True)
class Asked:
    """What a call asks for. Each method has its own of these."""

    method: str
    guest: Guest
    slices: tuple[str, ...] = ()  # none: whatever slice
    numbers: tuple[int, ...] = ()  # of nodes
    ends: float | None = None  # seconds since 1970
    action: str = ""
    available: bool = True


def bound(method: str, params: Params) -> dict[str, Any]:
    """The arguments by name. FaultError when there is no such method, or they are not its own."""
    if (names := METHODS.get(method)) is None:
        raise FaultError(METHOD, f"no method {method[:70]!r}; there are {', '.join(METHODS)}")
    given = dict(params) if isinstance(params, Mapping) else dict(zip(names, params, strict=False))
    if method in _OPTIONAL:
        given = {**_DEFAULTS, **given}
    if len(params) > len(names) or set(given) != set(names):
        raise FaultError(PARAMS, f"it is called as {method}({', '.join(names)})")
    return given


def read(method: str, arguments: Mapping[str, Any]) -> Asked:
    """What is asked. Invalid when an argument has no meaning."""
    guest = _guest(*(arguments.get(name) for name in _PERSON))
    read = {name: field(arguments[name]) for name, field in _FIELDS.items() if name in arguments}
    return Asked(method, guest, **{_NAMED[name]: value for name, value in read.items()})


# ---- arguments


def _word(value: Any) -> str:
    """What somebody is called, or wants: a text, or a number of a portal's database."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_WORD:
        raise Invalid(f"an argument is no text of at most {LONGEST_WORD} characters", "see docs/bowl.md")
    return value


def _slice(value: Any) -> tuple[str, ...]:
    return () if value is None else (_word(value),)


def _slices(value: Any) -> tuple[str, ...]:
    """Some slices, or a single one as portals say it."""
    named = tuple(dict.fromkeys(map(_word, value if isinstance(value, list) else [value])))
    if not named:
        raise Invalid("no slice is named", "name one, or a list of them")
    return named


def _numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise Invalid("the nodes are not a list of their numbers", "ListResources tells them, as id")
    return tuple(value)  # the operation says what a number is


def _time(value: Any) -> float:
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    raise Invalid(f"{str(value)[:40]!r} is no time", "send datetime.isoformat(), as 2026-12-24T18:30:00")


def _action(value: Any) -> str:
    word = _word(value)
    return _ACTIONS.get(word, word)


def _is_so(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid("available is true or false", "true lists what is free")
    return value


_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "slice_urn": _slice,
    "slice_urns": _slices,
    "ids": _numbers,
    "end_time": _time,
    "action": _action,
    "available": _is_so,
}
_NAMED = {
    "slice_urn": "slices",
    "slice_urns": "slices",
    "ids": "numbers",
    "end_time": "ends",
    "action": "action",
    "available": "available",
}


def _guest(name: Any, email: Any, uuid: Any) -> Guest:
    """Whom the portal calls for. Some exchange the mail address and the id; the @ tells them apart."""
    name, email, uuid = (_word(one) if one is not None else "" for one in (name, email, uuid))
    if "@" in uuid and "@" not in email:
        email, uuid = uuid, email
    return Guest(BOWL, uuid or name or email, email, name or uuid)
