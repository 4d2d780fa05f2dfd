"""A page of the documentation as a transcript: its commands, what it shows of their output, if that is so.

A line of four spaces and `$ ` is a command; lines with `> ` go on with it, and what follows is what it says.
A command that shows an error (`nmctl: ...`) must fail, `$ echo $?` tells a status, and all others must end
with 0. `…` stands for any text, on a line of its own for any lines. What differs from run to run is not
compared: widths of columns, times and spans, hashes.

A comment `<!-- meanwhile: WORDS -->` is what happens to the site in between: a hand at a switch, a power cut.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MEANWHILE = re.compile(r"<!-- meanwhile: (.*) -->")
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( \((now|in [^)]*|[^)]* ago)\))?"), "TIME"),
    (re.compile(r" (in|after) (\d+(\.\d+)?(d|h|m|s))+$", re.MULTILINE), ""),
    (re.compile(r"\b[0-9a-f]{16}\b"), "HASH"),
    (re.compile(r"\b(read|for) (\d+(\.\d+)?(d|h|m|s))+\b( ago)?"), r"\1 SPAN"),
    (re.compile(r"\bread now\b"), "read SPAN"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Step:
    """One command of a page, or what happens meanwhile. `line` counts from 1."""

    line: int
    command: str
    shown: str = ""
    meanwhile: bool = False
    status: int | None = None  # what the page says; None: it must fail, but the page says not how


def steps(text: str) -> list[Step]:
    """The steps of a page, in their order."""
    found: list[Step] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if meanwhile := _MEANWHILE.fullmatch(lines[at]):
            found.append(Step(at + 1, meanwhile[1], meanwhile=True))
        if lines[at].startswith("    $ "):
            at, step = _command(lines, at)
            if step.command == "echo $?":
                before = found.pop()
                step = Step(before.line, before.command, before.shown, status=int(step.shown))
            found.append(step)
        else:
            at += 1
    return found


def _command(lines: list[str], at: int) -> tuple[int, Step]:
    """The command that begins in that line, and the line behind what the page shows of it."""
    first = at
    command = lines[at].removeprefix("    $ ")
    at += 1
    while at < len(lines) and lines[at].startswith("    > "):
        command += "\n" + lines[at].removeprefix("    > ")
        at += 1
    shown: list[str] = []
    while at < len(lines) and (lines[at].startswith("    ") or not lines[at]):
        if lines[at].startswith("    $ ") or (not lines[at] and not _goes_on(lines, at)):
            break
        shown.append(lines[at][4:])
        at += 1
    said = "\n".join(shown).strip("\n")
    failed = re.search(r"^nmctl: (?!talking)", said, re.MULTILINE)
    return at, Step(first + 1, command.partition("  # ")[0].rstrip(), said, status=None if failed else 0)


def _goes_on(lines: list[str], at: int) -> bool:
    """Whether an empty line is followed by more output of the same block."""
    rest = next((line for line in lines[at:] if line), "")
    return rest.startswith("    ") and not rest.startswith("    $ ")


def differs(shown: str, said: str) -> bool:
    """Whether what was said is something else than what the page shows."""
    wanted, got = _steady(shown), _steady(said)
    pattern = (
        re.escape(wanted).replace("…\\\n", "(?:.*\\n)*?").replace("\\\n…", "(?:\\n.*)*").replace("…", ".*?")
    )
    return re.fullmatch(pattern, got) is None


def _steady(text: str) -> str:
    for varying, word in _VARYING:
        text = varying.sub(word, text)
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def pages(folder: Path) -> Iterator[Path]:
    """The pages of that folder that have transcripts."""
    return (page for page in sorted(folder.glob("*.md")) if steps(page.read_text(encoding="utf-8")))
