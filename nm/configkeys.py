"""What values of the configuration may be: a key with its documentation, and the checks of its value. Pure.

A check answers what was expected when the value will not do, and None when it will.
"""

import ipaddress
import posixpath
import re
from collections.abc import Callable
from dataclasses import field
from typing import Any

SOCKET_PATH_BYTES = 107  # what the kernel takes as the name of a Unix socket

Check = Callable[[Any], str | None]  # answers what was expected when the value will not do


def key(default: object, doc: str, check: Check | None = None, *, live: bool = False) -> Any:
    """A key of the configuration. `live`: a reload changes it without a restart."""
    return field(default=default, metadata={"doc": doc, "check": check, "live": live})


def between(lowest: float, highest: float) -> Check:
    """The value lies in that range, ends included; NaN never does."""
    return lambda value: None if lowest <= value <= highest else f"{lowest:g} to {highest:g}"


def zero_or(lowest: float, highest: float) -> Check:
    """The value is 0, or lies in that range."""
    return lambda value: (
        None if value == 0 or lowest <= value <= highest else f"0, or {lowest:g} to {highest:g}"
    )


def one_of(*choices: str) -> Check:
    """The value is one of these words."""
    return lambda value: None if value in choices else "one of " + ", ".join(choices)


def path(value: str) -> str | None:
    """The value is an absolute path, without NUL."""
    return None if value.startswith("/") and "\0" not in value else "an absolute path"


def path_or_empty(value: str) -> str | None:
    """The value is an absolute path, or empty for none."""
    return None if value == "" or path(value) is None else 'an absolute path, or ""'


def socket_path(value: str) -> str | None:
    """The value can name a Unix socket, or is empty for none."""
    if path_or_empty(value) is None and len(value.encode()) <= SOCKET_PATH_BYTES:
        return None
    return f'an absolute path of at most {SOCKET_PATH_BYTES} bytes, or ""'


def group_name(value: str) -> str | None:
    """The value can name a Unix group."""
    fits = 0 < len(value) <= 32 and not any(sign in ":,/\n\0 " for sign in value)
    return None if fits else "the name of a Unix group"


def door(value: str) -> str | None:
    """The value is a host, with a port or without, or empty for none."""
    host, _, port = value.rpartition(":") if _DOOR_PORT.search(value) else (value, "", "22")
    fits = value == "" or (_DOOR_HOST.fullmatch(host) is not None and 1 <= int(port) <= 65535)
    return None if fits else 'HOST, HOST:PORT or [ADDRESS]:PORT, or ""'


_DOOR_PORT = re.compile(r"(^[^:]*|\]):[0-9]{1,5}$")
_DOOR_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|\[[0-9A-Fa-f:.]+\]")


def loopback(value: tuple[str, ...]) -> str | None:
    """The values are different loopback addresses, at least one."""
    expected = "different loopback addresses, such as 127.0.0.1 and ::1"
    try:
        addresses = {ipaddress.ip_address(address) for address in value}
    except ValueError:
        return expected
    fits = len(addresses) == len(value) > 0 and all(address.is_loopback for address in addresses)
    return None if fits else expected


def paths(value: tuple[str, ...]) -> str | None:
    """The values are absolute paths, without the root, `..` and the like."""
    fits = all(one != "/" and posixpath.normpath(one) == one and path(one) is None for one in value)
    return None if fits else "absolute paths, as /var/lib/nm-images"


def interface(value: str) -> str | None:
    """The value is an address with the length of its network's prefix."""
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        value = ""
    return None if "/" in value else "an address and prefix, as 192.168.10.1/24"


def place(value: str) -> str | None:
    """The value is where a NIC can be, or empty for none."""
    kind, _, name = value.partition(":")
    fits = value == "" or (kind in ("bridge", "network") and _is_word(name))
    return None if fits else 'bridge:NAME, network:NAME, or ""'


def device_or_empty(value: str) -> str | None:
    """The value is the name of a network interface, or empty for none."""
    return None if value == "" or (_is_word(value) and len(value) <= 15) else 'a device\'s name, or ""'


def interface_or_empty(value: str) -> str | None:
    """The value is an address with the length of its network's prefix, or empty for none."""
    return None if value == "" or interface(value) is None else 'an address and prefix, or ""'


def account_name(value: str) -> str | None:
    """The value can be the name of a Unix account."""
    return None if _ACCOUNT.fullmatch(value) else "the name of a Unix account"


def account_names(value: tuple[str, ...]) -> str | None:
    """So can all of these."""
    return None if all(map(_ACCOUNT.fullmatch, value)) else "names of Unix accounts"


def name_or_empty(value: str) -> str | None:
    """The value is a name as the API has it, or empty for none."""
    return None if value == "" or _is_word(value) else 'a name, or ""'


def mailbox(value: str) -> str | None:
    """The value is the address of a mailbox."""
    return None if is_mailbox(value) else "a mail address, as nm@example.org"


def mailboxes(value: tuple[str, ...]) -> str | None:
    """So are all of these."""
    return None if all(map(is_mailbox, value)) else "mail addresses, as admin@example.org"


def is_mailbox(value: str) -> bool:
    """Whether that is the plain address of a mailbox, with nothing around it."""
    return _MAILBOX.fullmatch(value) is not None


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_MAILBOX = re.compile(
    rf"(?=[^@]{{1,64}}@.{{1,253}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"  # RFC 5322's dot-atom
)


def names(value: tuple[str, ...]) -> str | None:
    """The values are names as the API has them."""
    return None if all(map(_is_word, value)) else "names: letters, digits, _ . -"


def host(value: str) -> str | None:
    """The value is a host's name or address."""
    return None if _DOOR_HOST.fullmatch(value) else "a host's name or address"


def host_or_empty(value: str) -> str | None:
    """The value is a host's name or address, or empty for none."""
    return None if value == "" or _DOOR_HOST.fullmatch(value) else 'a host\'s name or address, or ""'


def addresses(value: tuple[str, ...]) -> str | None:
    """The values are different addresses."""
    try:
        found = {ipaddress.ip_address(address) for address in value}
    except ValueError:
        found = set()
    return None if len(found) == len(value) else "different addresses, as 192.0.2.7, 0.0.0.0 and ::"


def authority_or_empty(value: str) -> str | None:
    """The value is an authority as GENI's names have it, or empty for none."""
    return None if value == "" or _AUTHORITY.fullmatch(value) else 'an authority, as example.org:lab, or ""'


def url_or_empty(value: str) -> str | None:
    """The value is an address of HTTPS's, or empty for none."""
    return None if value == "" or _URL.fullmatch(value) else 'an address https://HOST:PORT, or ""'


def country_or_empty(value: str) -> str | None:
    """The value is the short name of a country, or empty for none."""
    return None if value == "" or re.fullmatch("[A-Z]{2}", value) else 'two capitals, as DE, or ""'


def choices(*known: str) -> Check:
    """The values are different ones of these words."""
    return lambda value: (
        None if len({*value} & {*known}) == len(value) else f"different ones of {', '.join(known)}"
    )


def secret_name(value: str) -> str | None:
    """The value is a name as secrets have them."""
    return None if _is_word(value) else "a secret's name"


def source(value: str) -> str | None:
    """The value is where somebody tells of slices, or empty for nobody."""
    fits = value == "" or path(value) is None or value.startswith("https://")
    return None if fits else 'an address https://HOST/PATH, a file\'s path, or ""'


def _is_word(value: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", value) is not None


_AUTHORITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(:[A-Za-z0-9][A-Za-z0-9._-]*)*")
_URL = re.compile(r"https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
