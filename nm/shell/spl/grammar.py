"""How the words of a line find their row in a table of patterns. Pure.

A pattern is words, slots and optional parts: `create group <group:new> [vlan <vlan>] [head-node|vm
<head>]`. The first of several words is the one that help shows. A slot `<name:kind>` (or `<kind>`)
takes one word; with a + behind it one or more, with a * any number. Words may be shortened as long as
they mean one thing, but only where no name can stand; names never. All rows are followed at once, word
by word, so that at a wrong word it is known what was expected there.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from nm.shell.failures import Usage
from nm.shell.spl.slots import KINDS, Kind, separate
from nm.shell.wording import clipped

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"<([\w-]+)(?::([\w-]+))?>([+*]?)")
_FIELD = re.compile(r"\{([\w-]+)(?:\.(\d))?\}")
_MANY = {"": "<{}>", "+": "<{}>...", "*": "[<{}>...]"}
_MOST_FORMS = 3  # told in a hint
_MOST_WORDS = 12

Expand = Callable[[str, list[str]], list[str]]


@dataclass(frozen=True)
class Row:
    """One command: its pattern, what it is in nmctl's words, and the patterns that mean the same.

    In `do`, {slot} is what was typed, {slot.0} and {slot.1} what is before and behind its colon; a part in
    brackets is left out unless all its slots were given.
    """

    pattern: str  # as it is in the row
    help: str
    do: str
    example: str = ""
    also: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The first word."""
        return re.split(r"[ |]", self.pattern)[0]

    @property
    def usage(self) -> str:
        """The pattern for people: of several words the first, of slots the name."""
        return spoken(self.pattern)


def spoken(pattern: str) -> str:
    """The pattern for people."""
    text = _SLOT.sub(lambda slot: _MANY[slot[3]].format(slot[1]), pattern)
    return re.sub(r"\|[^\s\]]+", "", text)


@dataclass(frozen=True)
class Word:
    """A word of the grammar, in its spellings."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    """A place for what the user names."""

    name: str
    kind: Kind
    many: str = ""


Token = Word | Slot


@dataclass(frozen=True)
class Form:
    """One way to write a row: one of its patterns, with some of the optional parts."""

    row: Row
    pattern: str  # as it is in the row
    tokens: tuple[Token, ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words before the first slot."""
        slots = [number for number, token in enumerate(self.tokens) if isinstance(token, Slot)]
        return tuple(token.names[0] for token in self.tokens[: slots[0] if slots else None])  # type: ignore[union-attr]


@dataclass(frozen=True)
class Reading:
    """How far a line has been read as one form. `count`: words that the slot at `at` has taken.

    `taken` leads from the last word back to the first, so that readings share what they have in common.
    """

    form: Form
    at: int = 0
    count: int = 0
    taken: "Taken | None" = None

    def next(self) -> Iterator["Reading"]:
        """This reading, and those beyond slots that need no more words."""
        reading = self
        yield reading
        while (token := reading.token) and isinstance(token, Slot) and (token.many == "*" or reading.count):
            reading = replace(reading, at=reading.at + 1, count=0)
            yield reading

    @property
    def token(self) -> Token | None:
        """What is expected; None at the end."""
        return self.form.tokens[self.at] if self.at < len(self.form.tokens) else None

    def after(self, word: str) -> "Reading":
        """The reading when the word was taken."""
        if not isinstance(self.token, Slot):
            return replace(self, at=self.at + 1)
        taken = Taken(self.token.name, word, self.taken)
        if self.token.many:
            return replace(self, count=self.count + 1, taken=taken)
        return replace(self, at=self.at + 1, taken=taken)

    @property
    def said(self) -> str:
        """The words of the grammar that the line began with."""
        return " ".join(self.form.words[: self.at])

    @property
    def values(self) -> dict[str, list[str]]:
        """What each slot has taken."""
        found: dict[str, list[str]] = {}
        taken = self.taken
        while taken is not None:
            found.setdefault(taken.slot, []).append(taken.word)
            taken = taken.before
        return {slot: words[::-1] for slot, words in found.items()}


class Taken(NamedTuple):
    """A word that a slot has taken, and what was taken before it."""

    slot: str
    word: str
    before: "Taken | None"


@dataclass(frozen=True)
class Match:
    """How a line was meant, and what stands in its slots."""

    form: Form
    values: Mapping[str, list[str]]

    def words(self, expand: Expand) -> list[str]:
        """The words of nmctl that this means; `expand` makes names of what was typed for a source."""
        kinds = {token.name: token.kind for token in self.form.tokens if isinstance(token, Slot)}
        values = {}
        for name, typed in self.values.items():
            kind = kinds[name]
            values[name] = expand(kind.source, separate(typed)) if kind.listed else typed
        return fill(self.form.row.do, values)


def fill(template: str, values: Mapping[str, list[str]]) -> list[str]:
    """The template's words with the values in them."""

    def part(found: re.Match[str]) -> str:
        return found[1] if all(values.get(name) for name, _ in _FIELD.findall(found[1])) else ""

    while (shorter := _OPTIONAL.sub(part, template)) != template:
        template = shorter
    words: list[str] = []
    for word in template.split():
        whole = _FIELD.fullmatch(word)
        if whole and not whole[2]:
            words.extend(values.get(whole[1], ()))
        else:
            words.append(_FIELD.sub(lambda field: _part(values[field[1]][0], field[2]), word))
    return words


def _part(value: str, number: str | None) -> str:
    return value.partition(":")[2 * int(number)] if number else value


def forms(row: Row) -> Iterator[Form]:
    """All ways to write the row."""
    for pattern in (row.pattern, *row.also):
        for choice in dict.fromkeys(_choices(pattern)):
            yield Form(row, pattern, tuple(map(_token, choice.split())))


def _choices(pattern: str) -> Iterator[str]:
    found = _OPTIONAL.search(pattern)
    if found is None:
        yield pattern
        return
    for part in (found[1], ""):
        yield from _choices(pattern[: found.start()] + part + pattern[found.end() :])


def _token(text: str) -> Token:
    slot = _SLOT.fullmatch(text)
    return Slot(slot[1], KINDS[slot[2] or slot[1]], slot[3]) if slot else Word(tuple(text.split("|")))


# ---- reading a line


class Grammar:
    """A table of rows, ready to read lines. Of two rows that fit the earlier one counts."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)
        self.starts = [Reading(form) for row in self.rows for form in forms(row)]

    def match(self, words: Sequence[str]) -> Match:
        """The row of the words. Usage when there is none, with what was expected."""
        readings = self.read(words)
        for reading in readings:
            if any(end.token is None for end in reading.next()):
                return Match(reading.form, reading.values)
        raise _unfinished(readings)

    def read(self, words: Sequence[str]) -> list[Reading]:
        """All readings of the words as the beginning of a line. Usage when there is none."""
        readings = self.starts
        for number, word in enumerate(words):
            open_ = [beyond for reading in readings for beyond in reading.next()]
            taken = list(_taking(open_, word))
            if not taken:
                raise _unexpected(open_, word, words[:number])
            readings = taken
        return readings


def _taking(open_: Sequence[Reading], word: str) -> Iterator[Reading]:
    """The readings that go on with the word."""
    names = {name for reading in open_ if isinstance(reading.token, Word) for name in reading.token.names}
    if word not in names and not any(isinstance(reading.token, Slot) for reading in open_):
        word = _whole(word, open_)
    for reading in open_:
        if isinstance(reading.token, Slot):
            enough = reading.count and word in names  # `to` behind nodes is no further node
            if not enough and not reading.token.kind.refused(word):
                yield reading.after(word)
        elif isinstance(reading.token, Word) and word in reading.token.names:
            yield reading.after(word)


def _whole(word: str, open_: Sequence[Reading]) -> str:
    """What the word is the beginning of; itself when of nothing. Usage when it could be several."""
    meant: dict[str, str] = {}  # the first spelling of each word, and the one that begins like this
    for token in (reading.token for reading in open_):
        for name in token.names if isinstance(token, Word) else ():
            if name.startswith(word):
                meant.setdefault(_first(token), name)
    if len(meant) > 1:
        raise Usage(f"{word!r} could be {_or(meant.values())}", "write a letter more")
    return next(iter(meant.values()), word)


def _first(token: Token | None) -> str:
    return token.names[0] if isinstance(token, Word) else ""


def _unexpected(open_: Sequence[Reading], word: str, before: Sequence[str]) -> Usage:
    """Why the word does not fit."""
    said = f"{open_[0].said}: " if before else ""
    slots = [reading.token for reading in open_ if isinstance(reading.token, Slot)]
    words = list(dict.fromkeys(filter(None, (_first(reading.token) for reading in open_))))
    if slots:
        return Usage(f"{said}{slots[0].kind.refused(word)}", slots[0].kind.hint or _forms(open_))
    if not before:
        return Usage(f"no command {clipped(word)}", f"{_nearest(word, words)}`help` lists all")
    if not words:
        return Usage(f"{said}{clipped(word)!r} is one word too many", _forms(open_))
    if len(words) > _MOST_FORMS:
        return Usage(f"{said}{clipped(word)!r} is not known", _nearest(word, words) + _listed(words, open_))
    return Usage(f"{said}{_or(words)} is expected, not {clipped(word)!r}", _forms(open_))


def _unfinished(readings: Sequence[Reading]) -> Usage:
    """What is missing at the end of the line."""
    open_ = [beyond for reading in readings for beyond in reading.next()]
    words = list(dict.fromkeys(filter(None, (_first(reading.token) for reading in open_))))
    said = open_[0].said
    if len(words) > _MOST_FORMS:
        return Usage(f"{said}: a word is missing", _listed(words, open_))
    if words:
        return Usage(f"{said}: {_or(words)} is missing", _forms(open_))
    kind = next(reading.token.kind for reading in open_ if isinstance(reading.token, Slot))
    return Usage(f"{said}: {kind.spoken} is missing", _forms(open_))


def _forms(readings: Sequence[Reading]) -> str:
    rows = dict.fromkeys(reading.form.row for reading in readings)
    if len(rows) > _MOST_FORMS:
        return f"`help {readings[0].said}` lists the forms"
    return "as: " + ", or: ".join(row.example or row.usage for row in rows)


def _listed(words: Sequence[str], readings: Sequence[Reading]) -> str:
    about = f"one of: {', '.join(words)}; " if len(words) <= _MOST_WORDS else ""
    return f"{about}`help {readings[0].said}` tells more"


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib  # for who errs only

    near = difflib.get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}? " if near else ""


def _or(words: Iterable[str]) -> str:
    *most, last = (f"`{word}`" for word in words)
    return f"{', '.join(most)} or {last}" if most else last


# ---- completing a line


def expected(grammar: Grammar, words: Sequence[str]) -> list[Token]:
    """What may follow the words; nothing when they fit no row."""
    try:
        readings = grammar.read(words)
    except Usage:
        return []
    found = (beyond.token for reading in readings for beyond in reading.next())
    return [token for token in found if token is not None]
