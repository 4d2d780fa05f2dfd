"""GENI's names: `urn:publicid:IDN+AUTHORITY+TYPE+NAME`, read, written and compared. Pure.

They are public identifiers ("IDN AUTHORITY TYPE NAME") transcribed to URNs by RFC 3151: a space becomes `+`,
`//` becomes `:`, `::` becomes `;`, and what would be mistaken for one of these becomes `%` and two digits.
Two names are equal when what they stand for is, whatever they are written like; authorities and slices
have no case.
"""

import re
from dataclasses import dataclass, field

from nm.errors import Invalid

LONGEST = 255  # characters of a URN
AUTHORITY, SLICE, SLIVER, USER = "authority", "slice", "sliver", "user"

_PREFIX = "urn:publicid:"
_AUTHORITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(:[A-Za-z0-9][A-Za-z0-9._-]*)*")
_TYPE = re.compile(r"[a-z][a-z0-9_.-]*")
_NAME = re.compile(r"[!-~]+( [!-~]+)*")
_WRITTEN = re.compile(r"(?:[A-Za-z0-9()+,.:=@;$_!*'~-]|%[0-9A-Fa-f]{2})+")
_MEANING = re.compile(r"%[0-9A-Fa-f]{2}|[+:;]")
_TRANSCRIBED = re.compile(r"//|::|[^A-Za-z0-9(),.=@$_!*~-]")
_PAIRS = {"+": " ", ":": "//", ";": "::"}
_TRANSCRIPTS = {meant: written for written, meant in _PAIRS.items()}


@dataclass(frozen=True)
class Urn:
    """One name, as its authority spells it; equal to every other spelling of the same."""

    authority: str = field(compare=False)  # labels with `:` between them, the highest first
    type: str = field(compare=False)
    name: str = field(compare=False)  # not escaped
    key: tuple[str, str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Invalid when it is none that GENI could have."""
        if not _AUTHORITY.fullmatch(self.authority):
            raise _malformed(
                "its authority is not labels of letters, digits, '.', '-' and '_' with ':' between"
            )
        if not _TYPE.fullmatch(self.type):
            raise _malformed("its type is no word in small letters")
        if not _NAME.fullmatch(self.name):
            raise _malformed(
                "its name is empty, or has other characters than those of ASCII that can be seen"
            )
        name = self.name.lower() if self.type == SLICE else self.name
        object.__setattr__(self, "key", (self.authority.lower(), self.type, name))

    @property
    def labels(self) -> tuple[str, ...]:
        """The authority's labels, the highest first, without case."""
        return tuple(self.key[0].split(":"))

    def is_over(self, other: "Urn") -> bool:
        """Whether this is an authority, and the other name lies in its namespace or in one beneath."""
        mine = self.labels
        return self.type == AUTHORITY and other.labels[: len(mine)] == mine

    def __str__(self) -> str:
        return f"{_PREFIX}IDN+{self.authority}+{self.type}+{escape(self.name)}"


def parse(text: str) -> Urn:
    """The name that a URN stands for. Invalid when it is not of GENI's form."""
    if len(text) > LONGEST:
        raise _malformed(f"it is longer than {LONGEST} characters")
    if text[: len(_PREFIX)].lower() != _PREFIX:
        raise _malformed(f"it does not begin with {_PREFIX}")
    parts = text[len(_PREFIX) :].split("+", 3)
    if len(parts) != 4 or parts[0] != "IDN":
        raise _malformed("it is not IDN, authority, type and name with '+' between")
    return Urn(parts[1], parts[2], unescape(parts[3]))


def is_geni(text: str) -> bool:
    """Whether it means to be such a name; other URNs, as `urn:uuid:`, do not."""
    return text[: len(_PREFIX)].lower() == _PREFIX


def escape(text: str) -> str:
    """A part of a public identifier as a URN has it."""
    return _TRANSCRIBED.sub(lambda found: _TRANSCRIPTS.get(found[0], f"%{ord(found[0][0]):02X}"), text)


def unescape(text: str) -> str:
    """What a part of a URN stands for. Invalid when it has characters that no URN has."""
    if not _WRITTEN.fullmatch(text):
        raise _malformed("its name is empty, or has characters that must be written as % and two digits")
    return _MEANING.sub(lambda found: _PAIRS.get(found[0]) or chr(int(found[0][1:], 16)), text)


def _malformed(said: str) -> Invalid:
    hint = "give it as urn:publicid:IDN+AUTHORITY+TYPE+NAME"
    return Invalid(f"this is no URN of GENI's: {said}", hint)
