"""Where things lie on this head node, and the few choices there are: /etc/nm-head/head.conf."""

from __future__ import annotations

import configparser
from dataclasses import dataclass, fields
from pathlib import Path

from nm_head.errors import HeadError

FILE = Path("/etc/nm-head/head.conf")
SECTION = "head"


@dataclass(frozen=True)
class Settings:
    """The keys of section [head], with their defaults."""

    moc: Path = Path("/etc/moc")  # where the list of machines is mounted
    tftp: Path = Path("/srv/tftp")  # what nodes may fetch, by TFTP and HTTP
    state: Path = Path("/var/lib/linky")  # what must survive a reboot
    door: Path = Path("/etc/nm-head")  # door.json, key and known_hosts, from nm's seed
    run: Path = Path("/run/nm-head")  # what need not
    loaders: Path = Path("/usr/lib")  # below which Debian has PXELINUX, syslinux and ipxe
    interface: str = (
        ""  # on the group's network; "": by the MAC in head.json, or the only one without default route
    )
    ipv6: str = "fd6e:6d::1/64"  # given to that interface, for router advertisements; "": none
    profile: str = ""  # for machines whose list names no image; "": they boot from disk
    at_once: int = 4  # nodes that are power-cycled at a time
    port: int = 80  # of HTTP


def load(file: Path = FILE) -> Settings:
    """Read the file."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes="#")
    try:
        parser.read_string(file.read_text(encoding="utf-8"), str(file))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, configparser.Error) as error:
        raise HeadError(f"{file}: {error}", "correct it, or remove it") from None
    kinds = {item.name: type(item.default) for item in fields(Settings)}
    given = dict(parser[SECTION]) if parser.has_section(SECTION) else {}
    for name in [*given, *(one for one in parser.sections() if one != SECTION)]:
        if name not in kinds:
            raise HeadError(f"{file}: no key {name[:40]!r}", f"[{SECTION}] has {', '.join(kinds)}")
    try:
        values = {name: _value(kinds[name], text) for name, text in given.items()}
    except ValueError as error:
        raise HeadError(f"{file}: {error}", "numbers are from 1 to 65535, paths begin with /") from None
    return Settings(**values)  # type: ignore[arg-type]


def _value(kind: type, text: str) -> object:
    if kind is int:
        if not 1 <= int(text) <= 65535:
            raise ValueError(f"{text} is out of range")
        return int(text)
    if issubclass(kind, Path):
        if not text.startswith("/"):
            raise ValueError(f"{text!r} is not an absolute path")
        return Path(text)
    return text
