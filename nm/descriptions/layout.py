"""A description's text in canonical layout: one attribute a line, its comments kept, its words as they are.

Only blanks, line ends and the ; behind values change, so the text means what it meant. The parser says where
attributes begin; all else follows from the words. A comment on a line of its own stays there, another stays
behind what it stands behind. An empty line between attributes stays, several become one.
"""

import re
from itertools import count

from nm.descriptions.lexer import END, source, tokens
from nm.descriptions.limits import Budget, Limits
from nm.descriptions.parser import Parser
from nm.descriptions.printer import INDENT
from nm.descriptions.problems import Findings, Source, Unresolved

WIDTH = 110  # columns; a longer line is broken behind a comma or an operator
CLOSE_BEFORE = frozenset({":", ",", ";", ")", "]"})  # no blank before these
CLOSE_BEHIND = frozenset({":", "(", "[", ""})  # none behind these
BREAK_BEHIND = frozenset({",", "++", "+", "*", "&&", "||", "<>", "->", "x|"})
LINE_END = re.compile(r"\r\n?|\n")
COMMENT = "comment"


def laid_out(name: str, text: str, limits: Limits | None = None) -> str:
    """The text in canonical layout. name: for errors. Raises Flawed when it is no description."""
    read = source(name, text)
    return _Writer(read, _beginnings(read, limits or Limits())).written()


def _beginnings(read: Source, limits: Limits) -> set[int]:
    """The offsets of attributes and includes; what is included is not looked at."""
    findings, budget = Findings(limits.problems), Budget(limits)
    offsets: set[int] = set()
    try:
        budget.read(len(read.written))
        words = tokens(read, findings.add)
        number = count().__next__
        Parser(read, words, budget, lambda *_: {}, number, report=findings.add, begins=offsets.add).file()
    except Unresolved as error:
        findings.add(error.problem)
    findings.settle()
    return offsets


class _Writer:
    """Goes over the words once, and writes them down."""

    def __init__(self, read: Source, beginnings: set[int]) -> None:
        self._source = read
        self._beginnings = beginnings
        self._words = list(tokens(read, left_out=frozenset()))
        self._lines: list[str] = []
        self._line = ""  # the one that is being written
        self._ending = [
            ""
        ]  # of each open body, and the file: what its attribute still wants; "": none is open
        self._word = self._last = ""  # the kind of the last word, and of the last word or comment
        self._ends = 0  # line ends before the next word or comment

    def written(self) -> str:
        """The whole text."""
        for index, token in enumerate(self._words):
            if token.kind == "blank":
                self._ends += len(LINE_END.findall(token.text))
                continue
            if token.kind == COMMENT:
                self._comment(index)
            elif token.kind != END:
                self._put_word(index)
            self._ends = 0
        self._end_attribute()
        self._break()
        return "\n".join([*self._lines, ""]) if self._lines else ""

    # ---- words

    def _put_word(self, index: int) -> None:
        token = self._words[index]
        if token.offset in self._beginnings:
            self._end_attribute()
            self._break(empty=self._ends > 1)
            self._ending[-1] = "\n" if token.kind.startswith("#") else ";"
        elif token.kind == ";":
            self._end_attribute()
            return
        elif token.kind == "}":
            self._end_attribute()
            self._ending.pop()
            if self._last != "{":
                self._break()
        self._put(index)
        if token.kind == "{":
            self._ending.append("")

    def _put(self, index: int) -> None:
        """Write a word behind the last one, or on a new line where it does not fit."""
        kind, text = self._words[index].kind, self._said(index)
        if (
            self._word in BREAK_BEHIND
            and self._word == self._last
            and self._column() + self._ahead(index) > WIDTH
        ):
            self._break()
        if not self._line:
            begins = self._words[index].offset in self._beginnings or kind in {"{", "}"}
            self._line = self._indent(1 if self._ending[-1] and not begins else 0)
        elif kind not in CLOSE_BEFORE and self._last not in CLOSE_BEHIND:
            self._line += " "
        self._line += text
        self._word = self._last = kind

    def _end_attribute(self) -> None:
        """Write the ; that ends the attribute which is open in the innermost body."""
        if self._ending[-1] == ";" and self._word != "}":
            self._line += ";"
            self._word = self._last = ";"
        self._ending[-1] = ""

    def _ahead(self, index: int) -> int:
        """How many columns there are to the next place where the line may be broken."""
        width = 0
        for place in range(index, len(self._words)):
            kind = self._words[place].kind
            if kind == "blank":
                continue
            if place > index and (
                kind in {COMMENT, END, "{", "}", ";"} or self._words[place].offset in self._beginnings
            ):
                break
            width += len(self._words[place].text) + (kind not in CLOSE_BEFORE)
            if kind in BREAK_BEHIND:
                break
        return width

    # ---- comments

    def _comment(self, index: int) -> None:
        follows = next(t for t in self._words[index + 1 :] if t.kind not in {"blank", COMMENT})
        if follows.kind in {";", "}", END} or follows.offset in self._beginnings:
            self._end_attribute()  # before the comment
        if self._ends or not self._line:
            self._break(empty=self._ends > 1 and not self._ending[-1])
        alone, deeper = not self._line, 1 if self._ending[-1] else 0
        first, *others = (line.rstrip() for line in LINE_END.split(self._said(index)))
        self._line += f" {first}" if self._line else self._indent(deeper) + first
        for line in others:
            self._lines.append(self._line)
            starred = line.lstrip().startswith("*")
            self._line = f"{self._indent(deeper)} {line.lstrip()}" if starred else line
        self._last = COMMENT
        if alone or first.startswith("//"):
            self._break()

    # ---- lines

    def _break(self, empty: bool = False) -> None:
        """End the line; `empty`: leave one free, but not behind a {."""
        if self._line:
            self._lines.append(self._line)
            self._line = ""
        if empty and self._lines and self._lines[-1] and self._last != "{":
            self._lines.append("")

    def _indent(self, deeper: int) -> str:
        return INDENT * (len(self._ending) - 1 + deeper)

    def _column(self) -> int:
        return len(self._line) - self._line.rfind("\n")

    def _said(self, index: int) -> str:
        """The word as it was written, its escapes and all."""
        token = self._words[index]
        return self._source.as_written(token.offset, token.offset + len(token.text))
