"""Texts by their names: the description's own, what came with it, nm's library; includes are spliced in.

An included name is looked up among what came with the description as it is written, then in the library
without its leading slash. It is never relative to the file that includes it.
"""

from collections.abc import Mapping
from functools import partial
from itertools import count, pairwise

from nm.descriptions.lexer import Report, refuse, source, tokens
from nm.descriptions.limits import Budget, Exceeded
from nm.descriptions.literals import Decimals
from nm.descriptions.parser import ANONYMOUS, Items, Parser, Place
from nm.descriptions.problems import Findings, Mark, Problem, Source, Wrong
from nm.descriptions.values import Component, Reference, Value
from nm.descriptions.values import Function as Call


class Reader:
    """Reads the texts of one description."""

    def __init__(
        self,
        files: Mapping[str, str],
        library: Mapping[str, str],
        budget: Budget,
        decimals: Decimals = "double",
    ) -> None:
        self._files = files
        self._library = library
        self._budget = budget
        self._decimals: Decimals = decimals
        self._numbers = count(1)
        self._open: list[
            str
        ] = []  # the names of the texts that are just read, each included by the one before it
        self._spliced: dict[tuple[str, Place], Items] = {}
        self._texts = 0
        self.findings = Findings(budget.limits.problems)

    def read(self, name: str, text: str) -> Component:
        """The attributes of a text, with those of what it includes. Raises Flawed with all that is wrong."""
        component = self._text(name, text, None)
        self.findings.settle()
        return component

    def value(self, text: str) -> Value:
        """The value that a property's text is."""
        return self._parser(source("property", text)).primitive()

    def constant(self, text: str) -> Value:
        """The value that a text is which has nothing to be computed."""
        return self._parser(source("value", text)).constant()

    def reference(self, text: str) -> Reference | Call:
        """The reference that a string is."""
        return self._parser(source("reference", text)).reference()

    def find(self, name: str) -> str | None:
        """The text of that name."""
        text = self._files.get(name)
        return self._library.get(name.removeprefix("/")) if text is None else text

    def _text(self, name: str, text: str, place: Place | None) -> Component:
        self._open.append(name)
        try:
            return self._parser(source(name, text), self.findings.add, place).file()
        except Exceeded:
            raise
        except Wrong as error:
            self.findings.add(error.problem)
            return Component()
        finally:
            self._open.pop()

    def _parser(self, read: Source, report: Report = refuse, place: Place | None = None) -> Parser:
        self._budget.read(len(read.written))
        self._count_text()
        number = self._numbers.__next__
        words = tokens(read, report)
        return Parser(read, words, self._budget, self._include, number, self._decimals, report, place)

    def _count_text(self) -> None:
        self._texts += 1
        if self._texts > self._budget.limits.includes:
            most = self._budget.limits.includes
            raise Exceeded(f"more than {most} texts to read", "include fewer files")

    def _include(self, name: str, optional: bool, mark: Mark, place: Place) -> Items:
        if name in self._open:
            way = " -> ".join([*self._open[self._open.index(name) :], name])
            raise Wrong(Problem(f"files include each other: {way}", "remove one of the includes", mark))
        if (name, place) in self._spliced:  # files of prototypes include the same ones again and again
            self._count_text()
            return self._spliced[name, place]
        text = self.find(name)
        if text is None:
            if optional:
                return {}
            raise Wrong(
                Problem(
                    f"no file {name} came with the description", mark=mark, guess=partial(self._nearest, name)
                )
            )
        self._budget.down()
        included = self._text(name, text, place).attributes
        self._budget.up()
        if not any((key if isinstance(key, str) else key[-1]).startswith(ANONYMOUS) for key in included):
            self._spliced[name, place] = included  # those without a name are new ones each time
        return included

    def _nearest(self, name: str) -> str:
        from difflib import get_close_matches

        known = sorted({*self._library, *self._files})
        near = get_close_matches(name[:100], known, 1, 0.8)
        there = f"did you mean {near[0]}? " if near else ""
        return f"{there}nmctl looks from the folder in which it is called, then in nm's library"


def included_names(text: str) -> list[str]:
    """The names that a text includes, for who sends them along; also of one with mistakes, told elsewhere."""
    from nm.descriptions.lexer import unescaped

    try:
        words = list(tokens(source("", text), lambda _problem: None))
    except Wrong:
        return []
    after = pairwise(words)
    return [
        unescaped(name)
        for word, name in after
        if word.kind in {"#include", "#include?"} and name.kind in {"string", "text"}
    ]
