"""The words in which the table of methods (nm/methods.py) is written: kinds, arguments, methods.

A kind of argument says what it expects and checks one value. Kinds check form only: type, length, characters.
Whether a switch of that name exists, or a setting makes sense, is the operations' business. Pure.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nm.errors import Invalid, WrongArguments
from nm.marshal import MAX_INT
from nm.rights import TABLE
from nm.switch import LONGEST_PORT_NAME, is_port_name

MAX_TEXT = 256  # bytes of an alias or URN
MAX_KEYS = 64 << 10  # bytes of all public keys of one group
LONGEST_WAY = 4096  # characters of a path in a description
MAX_LIST = 1000  # names in one list

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_WORDS = {bool: "boolean", int: "int", float: "double", str: "string", list: "list", dict: "struct"}


@dataclass(frozen=True)
class Kind:
    """One kind of argument. `signature` is XML-RPC's word for it, as system.methodSignature has it."""

    signature: str
    expected: str
    hint: str
    problem: Callable[[Any], str]
    """Says what was got instead, or "" when the value is of this kind."""


def describe(value: object) -> str:
    """The value as an error shows it: its type, and the value where that is short and harmless."""
    if value is None:
        return "nil"
    word = _WORDS.get(type(value), type(value).__name__)
    if isinstance(value, bool):
        return f"{word} {int(value)}"
    if isinstance(value, int | float):
        return f"{word} {str(value)[:24]}"
    if isinstance(value, str):
        return f"{word} {value[:70]!r}" + (f" of {len(value)} characters" if len(value) > 70 else "")
    if isinstance(value, list | dict):
        return f"{word} of {len(value)}"
    return word


def trouble_in(value: Any) -> str:
    """What a value deep inside a struct or list holds that the API has no place for, or ""."""
    kind = type(value)
    if kind is dict:
        return next((found for item in value.values() if (found := trouble_in(item))), "")
    if kind is list:
        return next((found for item in value if (found := trouble_in(item))), "")
    if kind is int and not -MAX_INT - 1 <= value <= MAX_INT:
        return f"{describe(value)} is beyond 32 bits"
    if kind is float and not math.isfinite(value):
        return f"{describe(value)} is no number"
    if value is None or kind in _WORDS:
        return ""
    return f"{describe(value)} is no value of this API"


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_int(value: Any) -> bool:
    return type(value) is int and -MAX_INT - 1 <= value <= MAX_INT


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_INT


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**53


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.encode()) <= MAX_TEXT and value.isprintable()


def _is_path(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value.startswith("/")
        and len(value.encode()) < 4096
        and value.isprintable()
    )


def _is_plain_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MAX_LIST


def _is_keys(value: Any) -> bool:
    return _is_plain_list(value) and sum(len(key) for key in value if isinstance(key, str)) <= MAX_KEYS


def _one(fits: Callable[[Any], bool]) -> Callable[[Any], str]:
    return lambda value: "" if fits(value) else describe(value)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], str]:
    def problem(value: Any) -> str:
        if not isinstance(value, list) or len(value) > MAX_LIST:
            return describe(value)
        wrong = [item for item in value if not fits(item)]
        if wrong:
            return f"a list with {describe(wrong[0])}"
        twice = [name for name, count in Counter(value).items() if count > 1]
        return f"a list with {describe(twice[0])} twice" if twice else ""

    return problem


_NAME_HINT = "a name is 1 to 64 of A-Z a-z 0-9 _ . - and begins with a letter or digit"

NAME = Kind("string", "a name", _NAME_HINT, _one(_is_name))
NAME_OR_NIL = Kind(
    "string", "a name or nil", _NAME_HINT, _one(lambda value: value is None or _is_name(value))
)
NAMES = Kind(
    "array",
    "a list of names",
    f'give at most {MAX_LIST} names, each once, such as ["n1", "n2"]; {_NAME_HINT}',
    _list_of(_is_name),
)
GROUP = Kind("string", "a group's name or alias", f"at most {MAX_TEXT} bytes, printable", _one(_is_text))
PORT = Kind(
    "string",
    "a port's name",
    f"1 to {LONGEST_PORT_NAME} printable characters, as the switch calls it",
    _one(is_port_name),
)
PORTS = Kind(
    "array",
    "a list of ports' names",
    f'give at most {MAX_LIST} ports, each once, such as ["eth1", "eth2"]',
    _list_of(is_port_name),
)
VLAN = Kind("int", "a VLAN id", "VLAN ids are ints from 2 to 4094, such as 101", _one(_is_int))
COUNT = Kind("int", "an int of at least 0", f"give an int from 0 to {MAX_INT}", _one(_is_count))
COUNT_OR_NIL = Kind(
    "int",
    "an int of at least 0, or nil",
    f"give nil, or an int from 0 to {MAX_INT}",
    _one(lambda value: value is None or _is_count(value)),
)
FLAG = Kind("boolean", "a boolean", "give true or false", _one(lambda value: type(value) is bool))
TEXT = Kind("string", "a text", f"1 to {MAX_TEXT} bytes, printable", _one(_is_text))
TIME = Kind(
    "double", "a time", "seconds since 1970 UTC, an int or (past 2038-01-19) a double", _one(_is_time)
)
SECONDS = Kind("double", "a number of seconds", "give an int or a double of at least 0", _one(_is_time))
STRUCT = Kind(
    "struct", "a struct", "give a struct, {} for an empty one", _one(lambda value: isinstance(value, dict))
)
LIST = Kind(
    "array", "a list", f"give a list of at most {MAX_LIST} entries, [] for none", _one(_is_plain_list)
)
KEYS = Kind(
    "array",
    "a list of public keys",
    f"give lines of OpenSSH public keys, {MAX_KEYS} bytes together at most, [] for none",
    _one(_is_keys),
)
RIGHTS = Kind(
    "struct",
    "a struct or a list of rights",
    'as {"spy": true, "reserve": {"groups": 2, "nodes": 8, "lease": 86400}}, or ["spy"]; [] for none',
    _one(lambda value: isinstance(value, dict) or _is_plain_list(value)),
)
SITE = Kind(
    "string",
    "a site in JSON",
    'as json.dumps({"vlans": {"101-110": {}}}); docs/import.md tells all of it',
    _one(lambda value: isinstance(value, str) and value != ""),
)
TICKET = Kind(
    "string",
    "the text of a ticket",
    "give it whole, a mebibyte at most",
    _one(lambda value: isinstance(value, str) and 0 < len(value) <= 1 << 20),
)
DESCRIPTION = Kind(
    "string",
    "the text of a description",
    "give it whole; docs/descriptions.md tells the language",
    _one(lambda value: isinstance(value, str) and value != ""),
)
ATTRIBUTE = Kind(
    "string",
    "a path in a description",
    "names with : between them, as a:b:memory",
    _one(lambda value: isinstance(value, str) and 0 < len(value) <= LONGEST_WAY and value.isprintable()),
)
VALUE = Kind(
    "string",
    "a value of an attribute",
    "a string, an int, a boolean, a double, or a list of such",
    _one(lambda value: isinstance(value, str | bool | int | float | list)),
)
PATH = Kind("string", "an absolute path", "give a path that begins with /", _one(_is_path))


@dataclass(frozen=True)
class Param:
    """One argument of a method."""

    name: str
    kind: Kind
    doc: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Method:
    """One method of the API. `since` is the number of GetVersion().api that brought it."""

    name: str
    parameters: tuple[Param, ...]
    right: str
    operation: Callable[..., Any] | None
    writes: bool
    result: str
    """XML-RPC's word for the type of the answer."""
    doc: str
    since: int = 1

    @property
    def usage(self) -> str:
        """How it is written, as `RegisterPort(switch, port, [settings])`."""
        names = (f"[{p.name}]" if p.optional else p.name for p in self.parameters)
        return f"{self.name}({', '.join(names)})"

    @property
    def required(self) -> int:
        """How many arguments it must have."""
        return sum(not parameter.optional for parameter in self.parameters)

    def named(self, count: int) -> tuple[Param, ...]:
        """The parameters that so many arguments are: an optional first one is the first to be left out."""
        first = self.parameters[:1]
        if first and first[0].optional and count < len(self.parameters):
            return self.parameters[1 : count + 1]
        return self.parameters[:count]

    def fitted(self, arguments: Sequence[Any]) -> list[Any]:
        """The arguments as the operation takes them: nil for a first one that was left out.

        WrongArguments or Invalid unless they have the right number and form.
        """
        self._check(arguments)
        complete = self.named(len(arguments)) == self.parameters[: len(arguments)]
        return list(arguments) if complete else [None, *arguments]

    def _check(self, arguments: Sequence[Any]) -> None:
        least, most = self.required, len(self.parameters)
        if not least <= len(arguments) <= most:
            expected = str(most) if least == most else f"{least} to {most}"
            noun = "argument" if most == 1 else "arguments"
            raise WrongArguments(
                f"{self.name} takes {expected} {noun}, got {len(arguments)}", f"call {self.usage}"
            )
        named = self.named(len(arguments))
        for place, (parameter, value) in enumerate(zip(named, arguments, strict=True), 1):
            kind = parameter.kind
            here = f"argument {place} ({parameter.name})"
            if problem := kind.problem(value):
                raise Invalid(f"{here}: expected {kind.expected}, got {problem}", kind.hint)
            if trouble := trouble_in(value):
                raise Invalid(
                    f"{here}: {trouble}",
                    "send strings, 32-bit ints, booleans, finite doubles, lists and structs",
                )

    def signatures(self) -> list[list[str]]:
        """As system.methodSignature answers: the result's type, then the arguments', for each length."""
        counts = range(self.required, len(self.parameters) + 1)
        return [[self.result, *(one.kind.signature for one in self.named(count))] for count in counts]

    def help(self) -> str:
        """Usage, documentation, arguments and right, as text."""
        lines = [f"{self.usage} -> {self.result}", self.doc]
        lines += [f"  {p.name}: {p.kind.expected}{', ' + p.doc if p.doc else ''}" for p in self.parameters]
        return "\n".join([*lines, f"  right: {self.right}"])


# ---- rows of the table; who may call a method says nm/rights.py


def write_row(
    name: str, operation: Callable[..., Any], doc: str, *parameters: Param, since: int = 1
) -> Method:
    """The row of a method that changes something."""
    return Method(name, parameters, TABLE[name].words, operation, True, "int", doc, since)


def read_row(
    name: str,
    operation: Callable[..., Any],
    result: str,
    doc: str,
    *parameters: Param,
    since: int = 1,
) -> Method:
    """The row of a method that only looks."""
    return Method(name, parameters, TABLE[name].words, operation, False, result, doc, since)


def door_row(name: str, result: str, doc: str, *parameters: Param, since: int = 1) -> Method:
    """The row of a method that the door answers itself."""
    return Method(name, parameters, TABLE[name].words, None, False, result, doc, since)
