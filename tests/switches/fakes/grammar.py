"""A command line's grammar as a table: patterns of words, each with the method that executes it.

    @command("config", "vlan <vlans>")
    def vlan(self, ids: str) -> None: ...

Every word of a pattern is a keyword, which may be abbreviated as long as nothing else begins so, or a
<slot>, which takes a word of its kind (see SLOTS) and is handed to the method. <rest> takes everything up to
the end of the line.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])
Slot = Callable[[str], object]


def number(low: int, high: int) -> Slot:
    """A slot that takes a number of that range."""
    return lambda word: re.fullmatch(r"\d{1,9}", word) and low <= int(word) <= high


SLOTS: dict[str, Slot] = {
    "<vlan>": number(1, 4094),
    "<number>": number(0, 999_999_999),
    "<vlans>": lambda word: re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", word),
    "<word>": lambda word: True,
    "<rest>": lambda word: True,
}


@dataclass(frozen=True)
class Command:
    modes: tuple[str, ...]
    words: tuple[str, ...]
    method: str


@dataclass(frozen=True)
class Parsed:
    """A line understood: the method's name, what the slots took, and the mode whose command it is."""

    method: str
    arguments: tuple[str, ...]
    mode: str


@dataclass(frozen=True)
class Misread:
    """A line not understood; `at` is the number of the word where understanding ended."""

    reason: Literal["invalid", "incomplete", "ambiguous"]
    at: int


def command(modes: str, *patterns: str) -> Callable[[Method], Method]:
    """Mark a method as what executes lines of these patterns in these modes (names with spaces between)."""

    def mark(method: Method) -> Method:
        marked = [
            *getattr(method, "commands", ()),
            *(Command(tuple(modes.split()), tuple(pattern.split()), method.__name__) for pattern in patterns),
        ]
        method.commands = marked  # type: ignore[attr-defined]
        return method

    return mark


def commands_of(cls: type) -> tuple[Command, ...]:
    """All commands of a class; a method that is overridden without a mark keeps its patterns."""
    found: dict[Command, None] = {}
    for base in cls.__mro__:
        for value in vars(base).values():
            found.update(dict.fromkeys(getattr(value, "commands", ())))
    unknown = cls.__dict__.get("without", ())
    return tuple(each for each in found if " ".join(each.words) not in unknown)


def parse(
    commands: Iterable[Command], mode: str, words: list[str], slots: Mapping[str, Slot] = SLOTS
) -> Parsed | Misread:
    """What the words mean in that mode."""
    left = [each for each in commands if mode in each.modes]
    for at, word in enumerate(words):
        found = _narrowed(left, at, word, slots)
        if isinstance(found, Misread):
            return found
        left = found
        if all(each.words[at] == "<rest>" for each in left):
            break
    done = [each for each in left if _complete(each, len(words))]
    if not done:
        return Misread("incomplete", len(words))
    chosen = done[0]
    return Parsed(chosen.method, _arguments(chosen, words), mode)


def _narrowed(left: list[Command], at: int, word: str, slots: Mapping[str, Slot]) -> list[Command] | Misread:
    low = word.lower()
    here = [each for each in left if at < len(each.words)]
    keywords = [each for each in here if not each.words[at].startswith("<")]
    exact = [each for each in keywords if each.words[at].lower() == low]
    if exact:
        return exact
    short = [each for each in keywords if each.words[at].lower().startswith(low)]
    if len({each.words[at] for each in short}) > 1:
        return Misread("ambiguous", at)
    taken = [each for each in here if each.words[at].startswith("<") and slots[each.words[at]](word)]
    return short or taken or Misread("invalid", at)


def _complete(each: Command, count: int) -> bool:
    if each.words and each.words[-1] == "<rest>":
        return count >= len(each.words)
    return count == len(each.words)


def _arguments(each: Command, words: list[str]) -> tuple[str, ...]:
    taken = []
    for at, pattern in enumerate(each.words):
        if pattern == "<rest>":
            taken.append(" ".join(words[at:]))
        elif pattern.startswith("<"):
            taken.append(words[at])
    return tuple(taken)
