"""Checks of what callers send: each takes a value and what it is called, and answers it as it is kept.

Pure; called by the pool's operations only. A message never repeats a value that may be a secret.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nm.errors import Invalid
from nm.records import Record, check_name
from nm.switch import LONGEST_PORT_NAME

Check = Callable[[Any, str], Any]

LONGEST_TEXT = 1024  # characters in any string of a setting
LARGEST_METADATA = 16384  # characters in all keys and strings of one node's metadata
_SECRET_WORDS = {"password", "passwd", "passphrase", "secret", "token", "community"}
_KEEP_APART = "put the secret into a file of the daemon's secrets folder and name that file in `secrets`"
_TYPES = {
    str: "a string",
    int: "an int",
    bool: "a boolean",
    float: "a double",
    list: "a list",
    dict: "a struct",
}
_MAC = re.compile(
    r"[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{2}(-[0-9a-f]{2}){5}|[0-9a-f]{4}(\.[0-9a-f]{4}){2}", re.IGNORECASE
)
_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
# Bounded, so that no text makes the search take more than a fixed number of steps a character.
_PASSWORD_IN_URL = re.compile(r"//[^/@:]{0,256}:[^/]{0,256}@")


def of_type(kind: type, value: Any, what: str) -> Any:
    """The value, when it is just of that type (an int is no boolean, but will do as a double)."""
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise Invalid(f"{what} must be {_TYPES[kind]}, not {spoken_type(value)}", "see the method's help")
    return value


def spoken_type(value: Any) -> str:
    """What a value of XML-RPC is called."""
    return "nil" if value is None else _TYPES.get(type(value), type(value).__name__)


def boolean(value: Any, what: str) -> bool:
    """A boolean."""
    return bool(of_type(bool, value, what))


def integer(lowest: int, highest: int) -> Check:
    """An int between the two, both included."""

    def check(value: Any, what: str) -> int:
        if not lowest <= of_type(int, value, what) <= highest:
            raise Invalid(f"{what} is {value}", f"use an int from {lowest} to {highest}")
        return int(value)

    return check


def text(longest: int = LONGEST_TEXT, *, empty: bool = True) -> Check:
    """A string of printable characters, no longer than that, with no spaces at its ends."""

    def check(value: Any, what: str) -> str:
        of_type(str, value, what)
        if len(value) > longest:
            raise Invalid(f"{what} has {len(value)} characters", f"use at most {longest}")
        if not (value or empty) or not value.isprintable() or value != value.strip():
            least = "" if empty else " at least one character,"
            raise Invalid(
                f"{what} is not plain text", f"use{least} no control characters and no spaces at its ends"
            )
        _refuse_password(value, what)
        return str(value)

    return check


port_name = text(LONGEST_PORT_NAME, empty=False)


def legal_name(value: Any, what: str) -> str:
    """A name by the rules of api.md."""
    return check_name(value, what)


def one_of(*choices: str) -> Check:
    """One of those words."""

    def check(value: Any, what: str) -> str:
        if of_type(str, value, what) not in choices:
            raise Invalid(f"{what} is none of the known ones", f"use one of: {', '.join(choices)}")
        return str(value)

    return check


def mac(value: Any, what: str) -> str:
    """A MAC in any of the three usual spellings; kept as aa:bb:cc:dd:ee:ff."""
    if not _MAC.fullmatch(of_type(str, value, what)):
        raise Invalid(f"{what} {value[:40]!r} is no MAC", "write it as aa:bb:cc:dd:ee:ff")
    digits = re.sub("[^0-9a-f]", "", value.lower())
    if int(digits[:2], 16) & 1 or digits == "0" * 12:
        raise Invalid(
            f"{what} {value!r} is no NIC's address", "use the NIC's own MAC, no multicast one, not zero"
        )
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def macs(value: Any, what: str) -> list[str]:
    """A list of MACs, each once."""
    found = [mac(one, what) for one in of_type(list, value, what)]
    if len(set(found)) < len(found):
        raise Invalid(f"{what} names a MAC twice", "name each once")
    return found


def hostname(value: Any, what: str) -> str:
    """A host's name as DNS has it, or nothing."""
    if of_type(str, value, what) and (len(value) > 253 or not _HOSTNAME.fullmatch(value)):
        raise Invalid(f"{what} is no host name", "use labels of a-z 0-9 - with dots between them")
    return str(value)


def address(value: Any, what: str) -> str:
    """An IPv4 or IPv6 address, or nothing."""
    if of_type(str, value, what):
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise Invalid(
                f"{what} {value[:50]!r} is no IP address", "write it as 192.0.2.1 or 2001:db8::1"
            ) from None
    return ""


def interface(value: Any, what: str) -> str:
    """An address with the length of its network's prefix."""
    try:
        if "/" in of_type(str, value, what):
            return str(ipaddress.ip_interface(value))
    except ValueError:
        pass
    raise Invalid(f"{what} {value[:50]!r} is no address and prefix", "write it as 192.168.10.1/24")


def secrets(value: Any, what: str) -> dict[str, str]:
    """A struct of a driver's key to the name of a secret; never the secret."""
    for key, name in of_type(dict, value, what).items():
        try:
            legal_name(key, what)
            legal_name(name, what)
        except Invalid:
            raise Invalid(f"{what} must map a driver's keys to names of secrets", _KEEP_APART) from None
    return dict(value)


def metadata(value: Any, what: str) -> Record:
    """A struct of anything that XML-RPC can say; passwords have no place in it."""
    if _weight(of_type(dict, value, what), what, 8) > LARGEST_METADATA:
        raise Invalid(f"{what} is too large", f"use at most {LARGEST_METADATA} characters in all")
    _refuse_secrets(value, what)
    return dict(value)


def _weight(value: Any, what: str, depth: int) -> int:
    if depth == 0:
        raise Invalid(f"{what} is nested too deeply", "use at most 7 levels")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise Invalid(f"{what} has a key that is no string", "use strings as keys")
        return sum(len(key) + _weight(part, what, depth - 1) for key, part in value.items())
    if isinstance(value, list):
        return sum(_weight(part, what, depth - 1) for part in value)
    if isinstance(value, str):
        return len(value)
    if type(value) not in (int, bool, float):
        raise Invalid(
            f"{what} holds {spoken_type(value)}", "use strings, ints, booleans, doubles, lists and structs"
        )
    return 8


def _refuse_secrets(value: Any, what: str) -> None:
    """Invalid when a key or a string at any depth of the (weighed) value says or is a secret."""
    if isinstance(value, dict):
        for key, part in value.items():
            refuse_secret(key, what)
            _refuse_secrets(part, what)
    elif isinstance(value, list):
        for part in value:
            _refuse_secrets(part, what)
    elif isinstance(value, str):
        _refuse_password(value, what)


def _refuse_password(value: str, what: str) -> None:
    if _PASSWORD_IN_URL.search(value):
        raise Invalid(f"{what} holds a password", _KEEP_APART)


def refuse_secret(key: str, what: str) -> None:
    """Invalid when the key's name says that its value is a secret."""
    if _SECRET_WORDS & set(re.split(r"[^a-z]+", key.lower())):
        raise Invalid(f"{what} holds a secret ({key[:40]})", _KEEP_APART)


def struct(value: Any, what: str, checks: Mapping[str, Check], required: Iterable[str] = ()) -> Record:
    """The struct's values as they are kept. Unknown and missing keys are refused by name; nil is no value."""
    for key in of_type(dict, value, what):
        if key not in checks:
            refuse_secret(str(key), what)
            raise Invalid(f"{what} has no key {str(key)[:40]!r}", f"valid keys: {', '.join(sorted(checks))}")
    missing = sorted(key for key in required if value.get(key) in (None, ""))
    if missing:
        raise Invalid(f"{what} lacks {', '.join(missing)}", f"valid keys: {', '.join(sorted(checks))}")
    return {key: checks[key](part, f"{what}: {key}") for key, part in value.items() if part is not None}


def changes(value: Any, what: str, checks: Mapping[str, Check], defaults: Mapping[str, Any]) -> Record:
    """The changes as they are kept; nil puts a key back to its default, where it has one."""
    given = struct(value, what, checks)
    cleared = [key for key, part in value.items() if part is None]
    for key in cleared:
        if key not in defaults:
            raise Invalid(
                f"{what}: {key} cannot be nil", "give its new value, or leave the key out to keep it"
            )
    if not value:
        raise Invalid(f"{what} names no key", f"valid keys: {', '.join(sorted(checks))}")
    return {**given, **{key: defaults[key] for key in cleared}}


def plain(kind: type) -> Check:
    """The check of a driver's setting that is declared by its type alone."""
    if kind is str:
        return text()
    return lambda value, what: of_type(kind, value, what)


def declared(kind: type | tuple[str, ...]) -> Check:
    """The same, of one that may be declared by its words."""
    return one_of(*kind) if isinstance(kind, tuple) else plain(kind)


def domain(value: Any, what: str) -> str:
    """The name of a libvirt domain."""
    if "/" in text(128, empty=False)(value, what) or value[0] in "-.":
        raise Invalid(f"{what} is no name of a domain", "use no slash, and no dash or dot at the beginning")
    return str(value)
