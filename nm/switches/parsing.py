"""What command lines of many makers print alike: lists of VLANs, sections, switchports. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from nm.switch import PortState

# a line of the switch's log, which may come in the middle of anything
LOGGED = re.compile(
    r"%[A-Z\d_]+-\d-[A-Z\d_]+:|^[*.]?(?:[A-Z][a-z]{2} +\d+|\d{4}-\d\d-\d\d)[ T]\d\d:\d\d:\d\d"
)
# what a Linux writes onto all terminals, up to the empty line behind it
BROADCAST = re.compile(r"\n?\s*(?i:broadcast message|message) from .*\n\s*?(?:.*\S.*\n)+\s*?(?:\n|$)")
VLANS = range(1, 4095)
TRUNK = "switchport mode trunk"  # in the grammar that Cisco began


def numbers(text: str) -> set[int]:
    """The numbers of a list such as "1,5-7, 10"."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def spans(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The numbers as spans without gaps, ascending."""
    for _, some in groupby(enumerate(sorted(set(numbers))), lambda pair: pair[1] - pair[0]):
        values = [value for _, value in some]
        yield values[0], values[-1]


def listed(numbers: Iterable[int]) -> str:
    """The numbers as a list such as "1,5-7,10"."""
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans(numbers))


def port_list(text: str, kind: str = "", short: bool = False) -> Iterator[str]:
    """The ports of a list such as "1-4,A1-A2"; `short`: as "0/8-13,20", what begins like the one before."""
    before = ""
    for item in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(.*?)(\d+)(?:-\D*(?:\d+\D)*(\d+))?", item)
        if match is None:
            yield f"{kind}{item}"
            continue
        before = match[1] or (before if short else "")
        for number in range(int(match[2]), int(match[3] or match[2]) + 1):
            yield f"{kind}{before}{number}"


def sections(text: str, heading: str, end: str | None = None) -> dict[str, list[str]]:
    """The lines below each heading, stripped, by its first group: what is indented, or all until `end`."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        if LOGGED.search(line):
            continue
        match = re.match(heading, line)
        inside = line[:1].isspace() if end is None else not re.match(end, line)
        if match:
            current = found.setdefault(match[1], [])
        elif current is not None and inside and line.strip():
            current.append(line.strip())
        elif line.strip():
            current = None
    return found


def document(answer: str) -> Any:
    """The JSON in an answer, whatever was broadcast in between; ValueError says what stands there instead."""
    text = BROADCAST.sub("\n", answer)
    begins = re.search(r"^[{\[]", text, re.MULTILINE)
    if begins is None:
        raise ValueError(text.strip()[-200:])
    return json.loads(text[begins.start() :])


def column(text: str, pattern: str) -> frozenset[int]:
    """The numbers that the pattern's first group finds at the beginnings of lines."""
    return frozenset(int(found) for found in re.findall(rf"(?m)^{pattern}", text))


def value(lines: Sequence[str], command: str) -> str | None:
    """What stands behind the command in the last of the lines that have it; None when none has."""
    found = [
        line[len(command) :].strip() for line in lines if line == command or line.startswith(f"{command} ")
    ]
    return found[-1] if found else None


def switchport(lines: Sequence[str], mode: str = "access") -> PortState:
    """What a port of that section carries, in the grammar that Cisco began; `mode`: when none is named.

    Any mode but access and trunk may turn into a trunk, so such a port is open.
    """
    mode = value(lines, "switchport mode") or mode
    access = int(value(lines, "switchport access vlan") or 1)
    voice = numbers(value(lines, "switchport voice vlan") or "")
    if mode == "access":
        return PortState(access, tuple(sorted(voice - {access})))
    on = allowed(lines)
    said = value(lines, "switchport trunk native vlan") or "1"
    native = int(said) if said.isdigit() else None  # tag, or none
    if mode != "trunk":
        return PortState(access, tuple(sorted((voice | (on or set())) - {access})), open=True)
    if on is None:
        return PortState(native, open=True)
    return PortState(native if native in on else None, tuple(sorted(on - {native})))


def allowed(lines: Sequence[str]) -> set[int] | None:
    """The VLANs that the trunk lets pass; None for all. What is added first is added to none."""
    found: set[int] | None = None
    for line in lines:
        if line.startswith("switchport trunk allowed vlan "):
            how, some = line.split()[4], numbers(line)
            if how == "all":
                found = None
            elif how == "add":
                found = (found or set()) | some
            elif how in ("remove", "except"):
                left = {*VLANS} if found is None or how == "except" else found
                found = left - some
            else:  # the list, or none
                found = some
    return found


def is_shut(lines: Sequence[str], by_default: bool = False) -> bool:
    """Whether the port of that section is shut down."""
    said = [line for line in lines if line in ("shutdown", "no shutdown")]
    return said[-1] == "shutdown" if said else by_default


def switches(lines: Sequence[str]) -> bool:
    """Whether the port of that section carries VLANs: it neither routes nor belongs to a port-channel."""
    return not any(line == "no switchport" or line.startswith("channel-group ") for line in lines)
