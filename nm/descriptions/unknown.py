"""Attributes that their component does not know: warned of, not refused, for they may serve something else.

A component knows what its schemas name. What some link of the description names serves that link, so it is
not warned of; neither are components inside, nor what is [sfTemp] and so gone in the result.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from nm.descriptions.components import CLASS, KINDS
from nm.descriptions.problems import Problem
from nm.descriptions.result import TEMPORARY
from nm.descriptions.schemas import Rule
from nm.descriptions.values import DROPPED, Component, Function, Key, Reference, Scope, Value

GENERAL = frozenset({"", "Prim"})  # kinds that mean nothing by themselves, and know whatever they are given
LISTED = 12  # names in a hint


class Vocabulary:
    """Collects, while links are followed, which names components know and links mention."""

    def __init__(self) -> None:
        self._mentioned: set[str] = set()
        self._schemas: dict[int, tuple[Scope, list[Sequence[Rule]]]] = {}
        self._names: dict[tuple[int, ...], frozenset[str]] = {}

    def schema(self, holder: Scope, rules: Sequence[Rule]) -> None:
        """The component has a schema with these rules. They are kept by whoever calls."""
        self._schemas.setdefault(id(holder), (holder, []))[1].append(rules)

    def mention(self, reference: Reference) -> None:
        """A link names attributes."""
        for part in reference.parts:
            self._mentioned.add(part.name)

    def warnings(self, most: int) -> tuple[Problem, ...]:
        """What no component knows; each attribute once, in however many places it was inherited."""
        found: dict[tuple[str, Value], Problem] = {}
        for holder, schemas in self._schemas.values():
            kind = KINDS.get(said if isinstance(said := holder.values.get(CLASS), str) else "", "")
            if kind in GENERAL:
                continue
            known = self._known(schemas)
            for name in self._unknown(holder, known):
                mark = holder.component.attributes[name].mark
                if (name, mark) not in found:
                    found[name, mark] = _warning(holder, name, kind, known)
                if len(found) == most:
                    return tuple(found.values())
        return tuple(found.values())

    def _known(self, schemas: list[Sequence[Rule]]) -> frozenset[str]:
        key = tuple(map(id, schemas))
        if key not in self._names:
            self._names[key] = frozenset({CLASS}.union(*({rule.name for rule in rules} for rules in schemas)))
        return self._names[key]

    def _unknown(self, holder: Scope, known: frozenset[str]) -> Iterator[str]:
        attributes = holder.component.attributes
        strange: set[Key] = attributes.keys() - known
        if not strange:
            return
        for name in attributes:
            if isinstance(name, str) and name in strange and not name.startswith("--"):
                value = holder.values.get(name)
                serves = name in self._mentioned or TEMPORARY in attributes[name].tags
                if (
                    not serves
                    and value is not DROPPED
                    and not isinstance(value, Scope | Component | Function)
                ):
                    yield name


def _warning(holder: Scope, name: str, kind: str, known: frozenset[str]) -> Problem:
    mark = holder.component.attributes[name].mark
    guess = partial(advice, name, known)
    return Problem(f"{kind} knows no {name}", mark=mark, where=holder.path(), guess=guess)


def advice(name: str, known: Iterable[str]) -> str:
    """What may have been meant by a name that is none of those that are known."""
    near = difflib.get_close_matches(name[:60], sorted(known), 1, 0.7)
    if near:
        return f"did you mean {near[0]}?"
    own = sorted(word for word in known if not word.startswith("sf"))
    listed = ", ".join(own[:LISTED]) + (", ..." if len(own) > LISTED else "")
    return f"it knows {listed}" if own else "remove it, or write [sfTemp] before it"
