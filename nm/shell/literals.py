"""Values of components' attributes: read as descriptions have them, and shown. Pure.

The language's reader is loaded when a value is read.
"""

import json
import math
from typing import TYPE_CHECKING, Any

from nm.shell.failures import Usage

if TYPE_CHECKING:
    from nm.descriptions.lexer import Token

FORM = 'write it as in a description: 5, 5L, 1.5, true, NULL, ["a", 5], or "text"'
BEGINS_VALUE = {"string", "text", "bytes", "[", "[|", "(", "{", "LAZY"}
ALONE = {"integer", "decimal", "NULL", "true", "false", "TBD"}
EXACT = 2**53  # up to here the wire carries ints


def read(text: str) -> Any:
    """The value that a text is in a description; what is none there, as a word or a path, is a string.

    Usage where a value was begun, or is one that cannot be set.
    """
    from nm.descriptions.lexer import source, tokens
    from nm.descriptions.problems import Wrong

    try:
        words = list(tokens(source("value", text)))[:-1]
    except Wrong as error:
        if text[:1] in ('"', "[", "(", "{", "#"):
            raise _no_value(text, error.problem.message) from None
        return text
    return _parsed(text) if _is_value(words) else text


def _is_value(words: "list[Token]") -> bool:
    """Whether that is to be read: what begins as only a value does, or a number or a word of the language."""
    return bool(words) and (words[0].kind in BEGINS_VALUE or (len(words) == 1 and words[0].kind in ALONE))


def _parsed(text: str) -> Any:
    from nm.descriptions.limits import Budget, Limits
    from nm.descriptions.problems import Wrong
    from nm.descriptions.reading import Reader

    try:
        return _plain(text, Reader({}, {}, Budget(Limits())).constant(text))
    except Wrong as error:
        raise _no_value(text, error.problem.message) from None


def _plain(text: str, value: Any) -> Any:
    """The value in types of the wire."""
    from nm.descriptions.values import Vector

    if isinstance(value, Vector):
        return [_plain(text, item) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and abs(value) <= EXACT:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise _no_value(text, "it cannot be set")


def _no_value(text: str, why: str) -> Usage:
    return Usage(f"{text[:60]!r} is no value: {why}", FORM)


def spell(value: Any) -> str:
    """A value as it is written in a description, or nearly."""
    if isinstance(value, dict):
        return str(value.get("reference", "{...}"))
    return "NULL" if value is None else json.dumps(value)


def written(value: Any) -> str:
    """A value as it is typed, so that it is the same again; nothing where it cannot be typed."""
    if isinstance(value, str) and _is_plain(value):
        return value
    return _literal(value) if _can_be_typed(value) else ""


def _literal(value: Any) -> str:
    from nm.descriptions.literals import INTEGERS
    from nm.descriptions.printer import value_text
    from nm.descriptions.values import Long

    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if type(value) is int and not -INTEGERS <= value < INTEGERS:
        return value_text(Long(value))
    return value_text(value).removesuffix("d") if type(value) is float else value_text(value)


def _is_plain(text: str) -> bool:
    try:
        return text.isprintable() and bool(read(text) == text)
    except Usage:
        return False


def _can_be_typed(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_can_be_typed, value))
    return not isinstance(value, dict)
