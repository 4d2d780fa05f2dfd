"""JSON-RPC 2.0 and 1.0 as texts: requests and batches in, answers out. Pure; called by its door (nm/bowl.py).

It knows no method: `answer` is given what carries one call out. Values are JSON's own and nothing else; a
`__jsonclass__`, by which some servers make objects of any class, is refused wherever it stands.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

PARSE, REQUEST, METHOD, PARAMS, INTERNAL, FAILED = -32700, -32600, -32601, -32602, -32603, -32000
"""Codes: no JSON; no request; no such method; arguments that do not fit; our own fault; what nm refuses."""

LONGEST_BATCH = 50  # calls
_DEEPEST = 32  # levels of arrays and structs
_CLASS: Final = "__jsonclass__"

Params = Sequence[Any] | Mapping[str, Any]  # by position, or by name


class FaultError(Exception):
    """What is answered in place of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Request:
    """One call. `id` is the client's own; a call that `notifies` gets no answer."""

    method: str
    params: Params
    id: Any
    notifies: bool
    modern: bool  # 2.0


CarryOut = Callable[[str, Params], Any]  # a method's name and its arguments to a result; may raise FaultError


def answer(body: bytes, carry_out: CarryOut) -> bytes:
    """The body to answer with: JSON, or nothing when nobody waits for an answer."""
    try:
        message = _parse(body)
        if isinstance(message, list):
            answers = [one for call in _batch(message) if (one := _answer(call, carry_out)) is not None]
            return _text(answers) if answers else b""
    except FaultError as fault:
        return _text(_fault(fault, None, modern=True))
    one = _answer(message, carry_out)
    return b"" if one is None else _text(one)


def request(message: Any) -> Request:
    """The call that a parsed message is; FaultError when it is none."""
    if not isinstance(message, dict):
        raise FaultError(REQUEST, "a request is a struct")
    modern = "jsonrpc" in message
    if modern and message["jsonrpc"] != "2.0":
        raise FaultError(REQUEST, 'jsonrpc is "2.0", or left out for 1.0')
    method, number = message.get("method"), message.get("id")
    if not isinstance(method, str):
        raise FaultError(REQUEST, "method is a string")
    if isinstance(number, bool | list | dict):
        raise FaultError(REQUEST, "id is a string or a number")
    params = message.get("params", [])
    if params is None and not modern:
        params = []
    if not isinstance(params, list | dict):
        raise FaultError(REQUEST, "params is an array or a struct")
    notifies = "id" not in message if modern else number is None
    return Request(method, params, number, notifies, modern)


# ---- in


def _parse(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode("utf-8"), parse_float=_float, parse_constant=_no_number, object_pairs_hook=_struct
        )
    except FaultError:
        raise
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise FaultError(PARSE, f"the body is no JSON: {str(error)[:100]}") from None


def _float(text: str) -> float:
    """A number with a fraction or a power; one that is none here could not be sent back as an id."""
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise FaultError(PARSE, f"{text[:40]} is no number that can be sent back")


def _struct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    struct = dict(pairs)
    if len(struct) < len(pairs):
        raise FaultError(PARSE, "a struct names something twice")
    return struct


def _batch(messages: list[Any]) -> list[Any]:
    if not 0 < len(messages) <= LONGEST_BATCH:
        raise FaultError(REQUEST, f"a batch has 1 to {LONGEST_BATCH} calls")
    return messages


def _check(value: Any, depth: int = 0) -> None:
    """FaultError for what no argument may have in it."""
    if depth > _DEEPEST:
        raise FaultError(PARAMS, f"arguments are nested deeper than {_DEEPEST} levels")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise FaultError(PARAMS, "a string has half of a character in it")
    if isinstance(value, dict):
        if _CLASS in value:
            raise FaultError(PARAMS, f"{_CLASS} is refused: send strings, numbers, arrays and plain structs")
        for name, inner in value.items():
            _check(name, depth + 1)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


# ---- out


def _answer(message: Any, carry_out: CarryOut) -> dict[str, Any] | None:
    """The answer to one message; None to one that wants none."""
    try:
        call = request(message)
    except FaultError as fault:
        return _fault(fault, _id_of(message), modern=not isinstance(message, dict) or "jsonrpc" in message)
    try:
        _check(call.params)
        result = carry_out(call.method, call.params)
    except FaultError as fault:
        return None if call.notifies else _fault(fault, call.id, call.modern)
    if call.notifies:
        return None
    if call.modern:
        return {"jsonrpc": "2.0", "result": result, "id": call.id}
    return {"result": result, "error": None, "id": call.id}


def _id_of(message: Any) -> Any:
    """What a message that is no request can be answered under, as far as that can be told."""
    number = message.get("id") if isinstance(message, dict) else None
    return number if isinstance(number, str | int | float) and not isinstance(number, bool) else None


def _fault(fault: FaultError, number: Any, modern: bool) -> dict[str, Any]:
    error = {"code": fault.code, "message": fault.message}
    if modern:
        return {"jsonrpc": "2.0", "error": error, "id": number}
    return {"result": None, "error": error, "id": number}


def _text(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")
