"""What pages ask the daemon for by themselves: components that are unfolded, attributes that are changed.

The picture has a session of its own, in its own thread (feed.py). This one is for the threads of requests,
one after the other: `_turn` is held around a call. Whoever waits long for a turn is told that the daemon is
silent. Everything is asked with the rights of who started nmctl, and refused by the daemon alone.
"""

import json
import math
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from nm.shell import literals
from nm.shell.failures import INVALID_CODE, UNREACHABLE, USAGE, Failure
from nm.shell.feed import LATE, SILENT
from nm.shell.run import error_document
from nm.shell.session import Session

_WHOLE = re.compile(r"[+-]?\d+")
_TYPES = {"number": (int, float), "boolean": (bool,), "list": (list,)}
_HINTS = {"number": "as 5, 5000000000L or 0.5", "boolean": "write true or false", "list": 'as ["a", 5, true]'}

Document = dict[str, Any]


class Desk:
    """Answers as `nmctl --json` gives them: {ok, result} or {ok, error: {code, message, hint}}."""

    def __init__(self, session: Session, patience: float = LATE) -> None:
        self._session = session
        self._patience = patience
        self._turn = threading.Lock()

    def tree(self, name: str, view: str) -> Document:
        """What is to be seen of a description; `view` is JSON, as GetComponentTree has it."""
        return _told(lambda: self._call("GetComponentTree", name, _struct(view)))

    def job(self, number: str) -> Document:
        """How a job stands."""
        return _told(lambda: self._call("GetJob", _whole(number)))

    def change(self, body: bytes) -> Document:
        """Set an attribute or remove it, or only try: what then is told, else the job's id.

        body: JSON, {name, path, attribute, try} with remove, or with type and text of the value.
        """
        return _told(lambda: self._changed(_struct(body)))

    def _changed(self, asked: Mapping[str, Any]) -> Any:
        way = f"{_text(asked, 'path')}:{_text(asked, 'attribute')}"
        arguments: list[Any] = [_text(asked, "name"), way]
        method = "RemoveAttribute"
        if asked.get("remove") is not True:
            method = "SetAttribute"
            arguments.append(value_of(_text(asked, "type"), _text(asked, "text")))
        if asked.get("try") is True:
            return self._call("DryRun", method, arguments)
        return self._call(method, *arguments)

    def _call(self, method: str, *arguments: Any) -> Any:
        if not self._turn.acquire(timeout=self._patience):
            raise Failure(SILENT, "", UNREACHABLE)
        try:
            return self._session.call(method, *arguments)
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the session, unless the daemon hangs."""
        if self._turn.acquire(timeout=self._patience):
            self._session.close()


def value_of(type: str, text: str) -> Any:
    """What somebody typed as a value of that type: text, number, boolean or list. Failure when it is none."""
    if type == "text":
        return text
    try:
        found = literals.read(text.strip())
    except Failure:
        found = None
    if type in _TYPES and found.__class__ in _TYPES[type]:
        return found
    hint = _HINTS.get(type, "choose another type")
    raise Failure(f"{text[:60]!r} is no {type}", hint, USAGE, INVALID_CODE)


def _told(ask: Callable[[], Any]) -> Document:
    try:
        return {"ok": True, "result": ask()}
    except Failure as failure:
        return {"ok": False, "error": error_document(failure)}


def _json(text: str | bytes) -> Any:
    """What the text says; None when it is no JSON, or nested too deep, or has numbers that are none."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(word: str) -> float:
    found = float(word)
    return found if math.isfinite(found) else _refuse(word)


def _struct(text: str | bytes) -> Mapping[str, Any]:
    found = _json(text)
    if not isinstance(found, dict):
        raise Failure("the page asked for nothing that makes sense", "load it again", USAGE, INVALID_CODE)
    return found


def _text(asked: Mapping[str, Any], key: str) -> str:
    if not isinstance(asked.get(key), str):
        raise Failure(f"the page did not say {key}", "load it again", USAGE, INVALID_CODE)
    return str(asked[key])


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text) or len(text) > 9:
        raise Failure(f"{text[:20]!r} is not the number of a job", "", USAGE, INVALID_CODE)
    return int(text)
