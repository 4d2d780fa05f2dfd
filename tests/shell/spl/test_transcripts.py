"""Every pattern of the grammar, carried out, its effect read back; before each line all its wrong forms."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.shell import main
from nm.shell.failures import Usage
from nm.shell.spl import own
from nm.shell.spl.grammar import Grammar, Match, Slot
from nm.shell.spl.interpreter import split
from nm.shell.spl.rows import ROWS
from tests.shell.spl.conftest import Spl
from tests.shell.spl.transcripts import STORIES

GRAMMAR = Grammar(ROWS)
UNKNOWN = {"a VLAN's id": "4000", "a VLAN's id, or a range": "4000", "a port, as SWITCH:PORT": "nosuch:p1",
           "a NIC, as NODE:NIC or its id": "nosuch:eth0"}  # fmt: skip
# What the shell takes although nobody has that name yet: it keeps pieces until they are whole.
ACCEPTED = ("nic connect 71 nosuch:p1",)
ELSEWHERE = ("create user <user:new> <rights>*", "destroy user <users>+", "exit|quit|logout")


def words_of(line: str) -> list[str]:
    """The line's words up to its options."""
    words = split(line)
    return words[: next((n for n, word in enumerate(words) if word.startswith("-")), len(words))]


def meant(words: list[str]) -> Match | None:
    try:
        return GRAMMAR.match(words)
    except Usage:
        return None


def broken(line: str) -> Iterator[list[str]]:
    """The line with a word too few, a word too many, a word misspelt, or with what no name can be."""
    words = words_of(line)
    found = meant(words)
    if found is None:  # one of nmctl's own commands, or none at all
        return
    for count in range(1, len(words)):
        yield words[:count]
        yield [*words[:count], *words[count + 1 :]]
        yield [*words[:count], f"{words[count]}?!", *words[count + 1 :]]
    yield [*words, "surplus"]
    yield [*words, "!surplus"]
    yield [f"x{words[0]}", *words[1:]]


def wrong(line: str) -> list[str]:
    """Of these those that are nowhere in the grammar."""
    return [" ".join(map(quoted, words)) for words in broken(line) if meant(words) is None]


def quoted(word: str) -> str:
    return f"'{word}'" if '"' in word else word


def unknown(line: str) -> Iterator[str]:
    """The line with each name that must exist replaced by one that nobody has."""
    found = meant(words_of(line))
    for slot in found.form.tokens if found else ():
        if isinstance(slot, Slot) and slot.kind.source and found and found.values.get(slot.name):
            name = UNKNOWN.get(slot.kind.spoken, "nosuch")
            values = found.values[slot.name]
            yield " ".join(quoted(name if word in values else word) for word in split(line))


@pytest.mark.parametrize("title", STORIES)
def test_story(spl: Spl, tmp_path: Path, title: str) -> None:
    for step in STORIES[title]:
        line = step.line.replace("{folder}", str(tmp_path))
        before = spl.world()
        for bad in dict.fromkeys((*wrong(line), *unknown(line))):
            if bad in ACCEPTED:
                continue
            ran = spl.run(bad)
            assert ran.status in (2, 5, 6), (bad, ran)
            assert ran.out == ""
            assert ran.err.startswith("nmctl: "), (bad, ran)
            assert "\nhint: " in ran.err, (bad, ran)
        assert spl.world() == before
        ran = spl.does(line)
        assert all(text in ran.out for text in step.said), (line, ran.out)
        if step.probe is not None:
            assert step.probe(spl) == step.value, line


def test_every_pattern_has_its_line() -> None:
    lines = [step.line for steps in STORIES.values() for step in steps]
    shown = {found.form.pattern for line in lines if (found := meant(words_of(line)))}
    patterns = {pattern for row in ROWS for pattern in (row.pattern, *row.also)}
    assert patterns - shown == set(ELSEWHERE)


def test_every_example_is_a_line_of_its_row() -> None:
    for row in ROWS:
        if row.example:
            found = meant(words_of(row.example))
            assert found is not None, row.example
            assert found.form.row is row, row.example


def test_every_line_makes_sense_to_nmctl(spl: Spl) -> None:
    for row in ROWS:
        if row.example:
            command, rest = spl.shell.command(split(row.example))
            main.parser_of(command, 0.0).parse_intermixed_args(
                [word for word in rest if ".pub" not in word and word != "--key-file"]
            )


def test_leaving(spl: Spl) -> None:
    for word in ("exit", "quit", "logout"):
        with pytest.raises(own.Leave):
            spl.run(word)
    assert spl.run("exit now").status == 2
