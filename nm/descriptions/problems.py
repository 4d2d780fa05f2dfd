"""What is wrong with a description, and where: file, line, column, the line itself, and what to do."""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from nm.errors import Invalid

SHOWN = 160  # characters of a source line that are shown


@dataclass(frozen=True, eq=False)
class Source:
    r"""A text that is read. `text` is what the lexer sees: `written`, its \uXXXX decoded.

    `shifts`: for each escape that was decoded, its place in `text` and how many characters are lost up to
    there.
    """

    name: str
    text: str
    written: str
    shifts: Sequence[tuple[int, int]] = ()

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, in the text as it was written."""
        before = self._written(offset)
        line = bisect_right(self._starts, before)
        return line, before - self._starts[line - 1] + 1

    @cached_property
    def _starts(self) -> Sequence[int]:
        """Where each line begins in the text as it was written."""
        return [0, *(match.end() for match in re.finditer("\n", self.written))]

    def line(self, offset: int) -> str:
        """The line as it was written, without its end."""
        before = self._written(offset)
        end = self.written.find("\n", before)
        start = self.written.rfind("\n", 0, before) + 1
        return self.written[start : end if end >= 0 else None].rstrip("\r")

    def as_written(self, begin: int, end: int) -> str:
        """A part of the text as it was written."""
        return self.written[self._written(begin) : self._written(end)]

    def _written(self, offset: int) -> int:
        passed = bisect_right(self.shifts, (offset - 1, len(self.written)))
        return offset + (self.shifts[passed - 1][1] if passed else 0)


class Mark(NamedTuple):
    """A place in a source."""

    source: Source
    offset: int


@dataclass(frozen=True, eq=False)
class Problem:
    """One mistake. `where`: the component that it was found in, as sfConfig:host1:domain2.

    `guess` finds the hint when it is wanted: most of what cannot be found is optional, and nobody hears of
    it.
    """

    message: str
    hint: str = ""
    mark: Mark | None = None
    where: str = ""
    guess: Callable[[], str] | None = None

    def __str__(self) -> str:
        lines = [f"{self._place()}{self.message}{f' (in {self.where})' if self.where else ''}"]
        if self.mark is not None:
            lines += self._excerpt(self.mark)
        advice = self.advice
        return "\n".join([*lines, f"    {advice}"] if advice else lines)

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self.hint or (self.guess() if self.guess else "")

    @property
    def file(self) -> str:
        """The source's name; "" when the mistake has no place."""
        return self.mark.source.name if self.mark else ""

    @property
    def position(self) -> tuple[int, int]:
        """Line and column, from 1; zeros when the mistake has no place."""
        return self.mark.source.position(self.mark.offset) if self.mark else (0, 0)

    def at(self, mark: Mark | None, where: str = "") -> "Problem":
        """The same mistake, with its place unless it has one."""
        return replace(self, mark=self.mark or mark, where=self.where or where)

    def _place(self) -> str:
        line, column = self.position
        return f"{self.file}:{line}:{column}: " if self.mark else ""

    def _excerpt(self, mark: Mark) -> list[str]:
        line = mark.source.line(mark.offset)
        before = self.position[1] - 1
        start = before - SHOWN // 2 if before >= SHOWN else 0
        shown = "".join(one if one.isprintable() else " " for one in line[start : start + SHOWN])
        return [f"    {shown}".rstrip(), " " * (4 + before - start) + "^"] if line.strip() else []


class Unresolved(Exception):
    """Carries a problem up to whoever can go on without the value that it concerns."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Wrong(Unresolved):
    """A mistake that no OPTIONAL excuses: a loop, an unreadable text, an assertion that does not hold."""


class Flawed(Invalid):
    """The description has mistakes; `problems` are all that were found, `message` tells them in words."""

    def __init__(self, problems: Sequence[Problem], more: bool = False) -> None:
        text = "\n".join(map(str, problems)) + ("\nand more" if more else "")
        super().__init__(text)
        self.problems = tuple(problems)


@dataclass
class Findings:
    """The mistakes of one phase. Each is told once, however many values miss something because of it."""

    most: int
    problems: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Note a mistake; too many end the phase."""
        said = problem.message, problem.mark, problem.where
        if any(said == (known.message, known.mark, known.where) for known in self.problems):
            return
        self.problems.append(problem)
        if len(self.problems) >= self.most:
            raise Flawed(self.problems, more=True)

    def settle(self) -> None:
        """End the phase: raises when there were mistakes."""
        if self.problems:
            raise Flawed(self.problems)
