"""The calls of GENI's Aggregate Manager API, version 3: one table, and what their arguments mean. Pure.

Arguments are known by their place, options by their names; options that a method does not know are passed
over, as the API has it. What clients in the wild send in place of text is taken, too: base64 for text, 0 and
1 or words for booleans, nil for an option that is not given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xmlrpc.client import Binary

from nm.errors import Invalid, UnknownMethod, WrongArguments
from nm.geni import times, urns
from nm.geni.refusals import BadVersion, Unsupported
from nm.geni.rspec import vocabulary

MOST_URNS, MOST_USERS, MOST_KEYS = 1000, 100, 100
MOST_TAGS = 100_000  # of a call: as many as the keys of all users need, and more


@dataclass(frozen=True)
class Method:
    """One call: what it takes, in order, and the options that count. `options` itself is always the last."""

    arguments: tuple[str, ...]
    options: tuple[str, ...] = ()
    rspec: bool = False  # whether geni_rspec_version must be given, for the answer has one

    @property
    def signature(self) -> str:
        """What it takes, for people."""
        return ", ".join((*self.arguments, "options"))


METHODS: Mapping[str, Method] = {
    "GetVersion": Method(()),
    "ListResources": Method(("credentials",), ("geni_available", "geni_compressed"), rspec=True),
    "Describe": Method(("urns", "credentials"), ("geni_compressed",), rspec=True),
    "Allocate": Method(("slice_urn", "credentials", "rspec"), ("geni_end_time", "geni_start_time")),
    "Renew": Method(
        ("urns", "credentials", "expiration_time"), ("geni_best_effort", "geni_extend_alap")
    ),
    "Provision": Method(
        ("urns", "credentials"), ("geni_best_effort", "geni_end_time", "geni_users"), rspec=True
    ),
    "Status": Method(("urns", "credentials")),
    "PerformOperationalAction": Method(
        ("urns", "credentials", "action"), ("geni_best_effort", "geni_users")
    ),
    "Delete": Method(("urns", "credentials"), ("geni_best_effort",)),
    "Shutdown": Method(("slice_urn", "credentials")),
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A call whose arguments have their form. Times are seconds since 1970."""

    method: str
    credentials: object = ()
    urns: tuple[str, ...] = ()  # slivers, or the one slice
    rspec: str = ""
    until: float = 0.0
    action: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)  # those that were given, as _OPTIONS reads them

    def option(self, name: str) -> bool:
        """Whether a flag is set."""
        return bool(self.options.get(name, False))


def fitted(name: str, arguments: Sequence[object]) -> None:
    """UnknownMethod, or WrongArguments when it takes another number of them: both are told by a fault."""
    method = METHODS.get(name)
    if method is None:
        raise UnknownMethod(f"no method {name[:70]!r}", f"valid methods: {', '.join(METHODS)}")
    fewest = len(method.arguments) + (name != "GetVersion")
    if not fewest <= len(arguments) <= len(method.arguments) + 1:
        raise WrongArguments(
            f"{name} was called with {len(arguments)} arguments", f"it takes ({method.signature})"
        )


def read(name: str, arguments: Sequence[object], now: float) -> Asked:
    """What a fitted call asks for. Invalid, BadVersion or Unsupported when a part of it will not do."""
    method = METHODS[name]
    given = _struct(arguments[len(method.arguments)]) if len(arguments) > len(method.arguments) else {}
    if given.get("geni_speaking_for"):
        hint = "call with your own certificate and a credential that is yours, or was passed on to you"
        raise Unsupported("nobody speaks for others here: geni_speaking_for", hint)
    found: dict[str, Any] = {}
    for argument, value in zip(method.arguments, arguments, strict=False):
        field, reader = _ARGUMENTS[argument]
        found[field] = reader(argument, value)
    if method.rspec:
        _check_version(given.get("geni_rspec_version"))
    options = {
        option: _OPTIONS[option](option, given[option])
        for option in method.options
        if given.get(option) is not None
    }
    if options.get("geni_start_time", now) > now:
        raise Unsupported("nothing is reserved for later: geni_start_time", "leave it out, and begin now")
    return Asked(name, options=options, **found)


# ---- what arguments and options are


def _text(name: str, value: object) -> str:
    if isinstance(value, Binary):
        value = value.data
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str):
        raise _wrong(name, "a string")
    return value


def _slice(name: str, value: object) -> tuple[str, ...]:
    text = _text(name, value)
    if urns.parse(text).type != urns.SLICE:
        raise Invalid(f"{name} names no slice", "give it as urn:publicid:IDN+AUTHORITY+slice+NAME")
    return (text,)


def _urns(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_URNS:
        raise _wrong(name, f"a list of one slice, or of one to {MOST_URNS} slivers")
    found = tuple(_text(name, one) for one in value)
    kinds = {urns.parse(one).type for one in found}
    if kinds != {urns.SLIVER} and (kinds != {urns.SLICE} or len(found) > 1):
        raise Invalid("urns are not one slice or slivers", "give one slice, or one or more slivers of one")
    return found


def _time(name: str, value: object) -> float:
    text = _text(name, value)
    try:
        return times.parse(text)
    except Invalid as error:
        raise Invalid(f"{name}: {error.message}", error.hint) from None


def _flag(name: str, value: object) -> bool:
    if isinstance(value, str):
        value = _WORDS.get(value.strip().lower())
    if value not in (True, False):
        raise _wrong(name, "a boolean")
    return bool(value)


_WORDS = {"true": True, "1": True, "false": False, "0": False}


def _users(name: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > MOST_USERS:
        raise _wrong(name, f"a list of at most {MOST_USERS} structs")
    return [_user(name, one) for one in value]


def _user(name: str, value: object) -> dict[str, Any]:
    given = _struct(value, name)
    keys = given.get("keys", [])
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        raise _wrong(f"keys in {name}", f"a list of at most {MOST_KEYS} SSH keys")
    return {
        "urn": _text(f"urn in {name}", given.get("urn")),
        "keys": [_text(f"a key in {name}", key) for key in keys],
    }


def _struct(value: object, name: str = "options") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, "a struct")
    return value


def _as_it_is(_: str, value: object) -> object:
    return value


def _check_version(given: object) -> None:
    hint = 'give geni_rspec_version as {"type": "GENI", "version": "3"}'
    if not isinstance(given, dict) or not {"type", "version"} <= given.keys():
        raise Invalid("options lack geni_rspec_version, with its type and version", hint)
    if not vocabulary.is_known(given["type"], given["version"]):
        raise BadVersion("there are no RSpecs of that type and version here", hint)


def _wrong(name: str, expected: str) -> Invalid:
    return Invalid(
        f"{name} must be {expected}", "see GetVersion, and GENI's Aggregate Manager API, version 3"
    )


Reader = Callable[[str, object], Any]

_ARGUMENTS: Mapping[str, tuple[str, Reader]] = {  # -> the field of Asked, and how it is read
    "slice_urn": ("urns", _slice),
    "urns": ("urns", _urns),
    "credentials": ("credentials", _as_it_is),
    "rspec": ("rspec", _text),
    "expiration_time": ("until", _time),
    "action": ("action", _text),
}
_OPTIONS: Mapping[str, Reader] = {
    "geni_available": _flag,
    "geni_compressed": _flag,
    "geni_best_effort": _flag,
    "geni_extend_alap": _flag,
    "geni_end_time": _time,
    "geni_start_time": _time,
    "geni_users": _users,
}
