"""What people type on a command line, as values of the API. Pure; every refusal says the right form."""

import json
import re
from collections.abc import Callable, Container, Iterable
from typing import Any

from nm.shell.failures import Usage

ROLES = ("boot", "data", "none")
NIC_KEYS = ("name", "mac", "switch", "port", "role")
_NIC_FORM = "write NAME,MAC[,SWITCH,PORT[,ROLE]], as boot,52:54:00:00:00:01,sw0,p1,boot"
_NETWORK_FORM = "write NAME=VLAN[:NIC,NIC][:tagged], as main=101 or storage=102:eth1:tagged"
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_WIDEST_RANGE = 4096
_MOST_DIGITS = 300  # the wire carries no larger number

# Keys whose values are text even when they look like a number.
TEXT_KEYS = frozenset(
    {"name", "driver", "address", "device", "bridge", "uri", "domain", "image", "hostname", "ip",
     "mac", "hardware_type", "location", "reason", "user", "username", "model", "alias", "owner", "group",
     "profile", "cmdline", "pool", "kernel", "initrd", "system", "program", "root"}
)  # fmt: skip
# A filter, a NIC and a trunk's end name a port of a switch; among settings `port` is a number of TCP or UDP.
NAMING_KEYS = TEXT_KEYS | {"port"}


def typed(text: str) -> Any:
    """true, false, nil, an int, JSON when it begins with [ { or ", else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[:1] in ("[", "{", '"'):
        return parse_json(text)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return text
    if len(digits) > _MOST_DIGITS:
        raise Usage(f"{text[:60]}… is too large a number", "write it in quotes")
    return int(text)


def parse_json(text: str) -> Any:
    """A JSON value."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Usage(
            f"{text[:60]!r} is not JSON: {error}", "quote it for the shell, as '{\"free\": true}'"
        ) from None


def argument(text: str) -> Any:
    """An argument of a raw call: JSON where it is JSON, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return parse_json(text) if text[:1] in ("[", "{", '"') else text


def pair(text: str, textual: Container[str] = TEXT_KEYS) -> tuple[str, Any]:
    """KEY=VALUE; the value typed, but kept as text for keys that are text."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise Usage(f"{text!r} is not KEY=VALUE", "as location=rack4 or available=false; `show` takes a name")
    *path, last = key.split(".")
    if (last in textual or "secrets" in path) and value[:1] != '"' and value != "nil":
        return key, value
    return key, typed(value)


def switch_pair(text: str) -> tuple[str, Any]:
    """The same of a switch's settings, where a port is a number: that at which it listens."""
    key, value = pair(text)
    return key, typed(value) if key == "port" and isinstance(value, str) else value


def wanted(text: str, names: Callable[[str], list[Any]]) -> tuple[str, Any]:
    """KEY=VALUE[,VALUE...] of a filter: one value, or a list of values of which one must fit.

    What has no KEY= are `names` of what is wanted; their key is "".
    """
    if "=" not in text:
        return "", names(text)
    key, value = pair(text, NAMING_KEYS)
    if isinstance(value, str) and "," in value:
        return key, [pair(f"{key}={item}", NAMING_KEYS)[1] for item in value.split(",")]
    return key, value


def struct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as one struct; a dot in a key leads into a struct, as secrets.password=NAME."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        *path, last = key.split(".")
        place = result
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise Usage(f"{key} needs {step} to be a struct", "give either the struct or its keys")
        if last in place or not last:
            raise Usage(f"{key} is given twice" if last else f"{key!r} is not a key", "give each key once")
        place[last] = value
    return result


def settings(text: str, textual: Container[str] = TEXT_KEYS) -> dict[str, Any]:
    """KEY=VALUE,KEY=VALUE,... or a JSON object."""
    if text.startswith("{"):
        return dict(parse_json(text))
    return struct(pair(item, textual) for item in text.split(","))


def names(text: str) -> list[str]:
    """Names with commas between them; empty ones are refused."""
    found = text.split(",")
    if not all(found):
        raise Usage(f"{text!r} has an empty name in it", "write n1,n2,n3 without spaces")
    return found


def numbers(text: str) -> list[int]:
    """Numbers and ranges, as 100,105-110."""
    result: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(end.isascii() and end.isdigit() and len(end) < 9 for end in ends):
            raise Usage(f"{part!r} is neither a number nor a range", "write for example 100,105-110")
        low, high = int(ends[0]), int(ends[1])
        if not low <= high < low + _WIDEST_RANGE:
            raise Usage(f"the range {part} runs backwards or is too wide", "write the smaller number first")
        result.extend(range(low, high + 1))
    return list(dict.fromkeys(result))


def ports(text: str) -> list[str]:
    """A port's name, or neighbours as Gi1/0/1-48; only behind a slash, for names as to-2 have a dash too."""
    found = re.fullmatch(r"(.*/)(\d{1,5})-(\d{1,5})", text)
    if found is None:
        return [text]
    return [f"{found[1]}{number}" for number in numbers(f"{found[2]}-{found[3]}")]


def nic(text: str) -> dict[str, Any]:
    """A NIC: NAME,MAC[,SWITCH,PORT[,ROLE]], or the same as KEY=VALUE pairs."""
    fields = text.split(",")
    if text.startswith("{") or "=" in fields[0]:
        given = settings(text, NAMING_KEYS)
        if unknown := sorted(set(given) - set(NIC_KEYS)):
            raise Usage(f"a NIC has no {unknown[0]}", _NIC_FORM)
    else:
        if len(fields) not in (2, 4, 5) or not all(fields):
            raise Usage(f"{text!r} is not a NIC", _NIC_FORM)
        given = dict(zip(NIC_KEYS, fields, strict=False))
    if "name" not in given or "mac" not in given:
        raise Usage(f"the NIC {text!r} has no name or no mac", _NIC_FORM)
    if given.get("role", "data") not in ROLES:
        raise Usage(f"{given['role']!r} is not a role of a NIC", f"use one of: {', '.join(ROLES)}")
    return given


def end(text: str) -> dict[str, Any]:
    """An end of a trunk: switch=S,port=P or host=H,device=D."""
    given = settings(text, NAMING_KEYS)
    if set(given) not in ({"switch", "port"}, {"host", "device"}):
        raise Usage(f"{text!r} is not an end of a trunk", "write switch=sw0,port=t1 or host=h0,device=eth5")
    return given


def network(text: str) -> tuple[str, dict[str, Any]]:
    """A network of a group: NAME=VLAN[:NIC,NIC][:tagged]; VLAN `any` lets the daemon choose."""
    name, equals, rest = text.partition("=")
    vlan, *more = rest.split(":")
    if not name or not equals or not vlan or (vlan != "any" and not vlan.isdigit()):
        raise Usage(f"{text!r} is not a network", _NETWORK_FORM)
    result: dict[str, Any] = {} if vlan == "any" else {"vlan": int(vlan)}
    if more and more[-1] == "tagged":
        result["tagged"] = True
        more.pop()
    if more:
        result["nics"] = names(more.pop(0))
    if more:
        raise Usage(f"{text!r} is not a network", _NETWORK_FORM)
    return name, result


def delegation(text: str) -> dict[str, Any]:
    """ACCOUNT, to act for the whole group, or ACCOUNT:METHOD, for that one method."""
    name, colon, method = text.partition(":")
    if not name or (colon and not method):
        raise Usage(f"{text!r} is not a delegation", "write bob, or bob:PowerNode")
    return {"name": name, "method": method} if colon else {"name": name}


def keys(lines: Iterable[str]) -> list[str]:
    """The SSH keys in the lines of an authorized_keys file."""
    stripped = (line.strip() for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]


def wire(value: Any) -> Any:
    """The value as XML-RPC can carry it: large ints as doubles; text that XML cannot hold is refused."""
    if isinstance(value, str):
        if any((char < " " and char not in "\t\n\r") or "\ud800" <= char <= "\udfff" for char in value):
            raise Usage(f"{value!r} holds characters that cannot be sent", "use printable text in UTF-8")
        return value
    if isinstance(value, dict):
        return {wire(str(key)): wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**31) <= value < 2**31:
        return _double(value)
    return value


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Usage(
            f"a number of {value.bit_length()} bits is too large", "write it in quotes as a text"
        ) from None
