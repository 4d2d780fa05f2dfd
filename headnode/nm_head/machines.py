"""The list of the group's machines, as nm gives it: read and checked as a whole.

machines.json says all; where there is none, machines.txt (`MAC management-address` a line) will do. A list
that is wrong changes nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nm_head.errors import HeadError

DOCUMENT, TEXT = "machines.json", "machines.txt"
VERSION = 1
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LABEL = "(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"(?!_)(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class Image:
    """What a machine boots: a profile of this head node's own, or nm's kernel, below the list's folder."""

    name: str
    profile: str = ""
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""


@dataclass(frozen=True)
class Machine:
    """One of the group's machines. Of machines.txt the name is not known.

    `since`: another word each time the machine comes to the group; "" for one that came before there were
    any, None where the list does not say.
    """

    mac: str
    name: str = ""
    ip: str = ""
    hostname: str = ""
    image: Image | None = None
    since: str | None = None


def read(folder: Path) -> list[Machine]:
    """The machines of the list in that folder."""
    text = _content(folder / TEXT)
    document = _content(folder / DOCUMENT)
    if text is None and document is None:
        raise HeadError(f"there is no list of machines in {folder}", f"mount it: mount -t moc moc {folder}")
    try:
        found = _of_text(text or b"") if document is None else _of_document(document, text)
        macs = [machine.mac for machine in found]
        if len(set(macs)) < len(macs):
            raise ValueError("a MAC stands there twice")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        place = folder / (TEXT if document is None else DOCUMENT)
        why = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise HeadError(f"{place}: {why}", "nothing was changed; nm writes the list anew by Deploy") from None
    return found


def mac_of(text: str) -> str:
    """A MAC as the list has it, of one with dashes or capitals."""
    return _fit(_MAC, text.lower().replace("-", ":"), "MAC")


def is_host(name: str) -> bool:
    """Whether dnsmasq takes it for a host's name; names of nodes need not be such."""
    return _HOST.fullmatch(name) is not None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HeadError(f"{path}: {error.strerror}", "nothing was changed; it is read again") from None


def _of_text(text: bytes) -> list[Machine]:
    lines = text.decode("ascii").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        raise ValueError("its last line is cut off")
    return [Machine(mac_of(line.split()[0])) for line in lines if line.strip()]


def _of_document(document: bytes, text: bytes | None) -> list[Machine]:
    told = json.loads(document)
    if told["version"] != VERSION:
        raise ValueError(f"is of version {told['version']}, this linky knows {VERSION}")
    known = told.get("files", {}).get(TEXT)
    if known is not None and known["sha256"] != hashlib.sha256(text or b"").hexdigest():
        raise ValueError(f"{TEXT} beside it is another one")  # half of a list that is just being written
    return [_machine(one) for one in told["machines"]]


def _machine(told: Any) -> Machine:
    ip, hostname, image = told.get("ip") or "", told.get("hostname") or "", told.get("image")
    return Machine(
        mac=mac_of(told["mac"]),
        name=_fit(_NAME, told["name"], "name"),
        ip=str(ipaddress.ip_address(ip)) if ip else "",
        hostname=_fit(_HOST, hostname.removesuffix("."), "host name") if hostname else "",
        image=None if image is None else _image(image),
        since=_fit(_NAME, told["since"], "since") if told.get("since") else "",
    )


def _image(told: Any) -> Image:
    name = _fit(_NAME, told["name"], "image")
    if "kernel" not in told:
        return Image(name, profile=_fit(_NAME, told["profile"], "profile"))
    cmdline = told.get("cmdline") or ""
    if not cmdline.isprintable() and cmdline:
        raise ValueError("cmdline is not one printable line")
    initrd = told.get("initrd") or ""
    return Image(
        name, kernel=_path(told["kernel"]), initrd=_path(initrd) if initrd else "", cmdline=cmdline.strip()
    )


def _path(text: str) -> str:
    """A path below the list's folder, that leads nowhere else."""
    return "/".join(_fit(_NAME, part, "path") for part in text.split("/"))


def _fit(pattern: re.Pattern[str], text: Any, what: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{str(text)[:70]!r} is no {what}")
    return text
