"""Where references lead: the walk over a reference's parts. Phases differ in how they read values.

A first name is looked for in the component that holds the reference, then upwards; the first hit counts, and
is not left again when a later part is missing there. Later names are those of the component that the walk has
come to.
"""

from collections.abc import Mapping
from functools import partial

from nm.descriptions.constants import constant
from nm.descriptions.limits import Budget
from nm.descriptions.printer import reference_text
from nm.descriptions.problems import Problem, Unresolved, Wrong
from nm.descriptions.values import TBD, Component, Function, Part, Reference, Scope, Value, Vector

LOCAL = "sfLocal"
WITHIN = "refer to a component of this description, or write the value: nm follows links no further"
OUTSIDE = {  # what leads out of the description: what it is called, and where the site says it
    "PROPERTY": ("property", "descriptions.properties"),
    "ENVPROPERTY": ("environment variable", "descriptions.environment"),
}
GUESSES, GUESSED = 200, 60  # names looked at for a hint, and their characters


Texts = Mapping[str, Mapping[str, str]]  # by the words of OUTSIDE, then by name
NOTHING: Texts = {}


class LazyMet(Exception):
    """The walk came to a lazy reference: what it would find is known at run time only."""


class Finder:
    """Follows references in a tree as it stands. `outside`: what PROPERTY names, and its like."""

    def __init__(self, budget: Budget, outside: Texts = NOTHING) -> None:
        self.budget = budget
        self._texts = outside

    def read(self, scope: Scope, name: str) -> Value:
        """What the attribute is worth; a Scope when it is a component. Raises Unresolved, LazyMet."""
        self.budget.down()
        try:
            return self.worth(scope, name, scope.component.attributes[name].value)
        finally:
            self.budget.up()

    def worth(self, scope: Scope, name: str, value: Value) -> Value:
        """What a value is worth that stands in this scope under that name."""
        if isinstance(value, Component):
            return scope.below(value, name)
        if isinstance(value, Reference) and not value.data:
            return self.follow(scope, value)
        if value is TBD or (isinstance(value, Vector) and TBD in value):
            raise Unresolved(
                Problem(f"{name} is still to be defined", f"give {name} a value here, or in a prototype")
            )
        return value

    def follow(self, scope: Scope, reference: Reference) -> Value:
        """What a reference leads to, from the component that holds it."""
        if reference.lazy:
            raise LazyMet
        self.budget.step(len(reference.parts))
        try:
            return self._walk(scope, reference)
        except Wrong:
            raise
        except Unresolved:
            if reference.optional:
                return reference.default
            raise

    def missing(self, scope: Scope, name: str, upwards: bool) -> bool:
        """Called when there is no such attribute; True when looking again makes sense."""
        return False

    def _walk(self, scope: Scope, reference: Reference) -> Value:
        here: Value = scope
        for index, part in enumerate(reference.parts):
            if not isinstance(here, Scope):
                self._stuck(here, reference, index)
            here = self._step(here, part, reference, index)
        if isinstance(here, Reference | Function) and here.lazy and not here.data:
            raise LazyMet
        return here

    def _stuck(self, value: Value, reference: Reference, index: int) -> None:
        if isinstance(value, Reference | Function) and value.lazy:
            raise LazyMet
        way = reference_text(Reference(reference.parts[:index]))
        raise Unresolved(
            Problem(
                f"{reference_text(reference)}: {way} is no component",
                f"only components have a {_said(reference, index)}",
            )
        )

    def _step(self, here: Scope, part: Part, reference: Reference, index: int) -> Value:
        kind, name = part
        if kind == "HERE":
            return self._here(here, name, reference, index)
        if kind == "ATTRIB":
            return self._upwards(here, name, reference)
        if kind == "THIS":
            return here
        if kind == "PARENT":
            if here.parent is None:
                raise Unresolved(
                    Problem(f"{reference_text(reference)}: the file itself has no parent", "one PARENT less")
                )
            return here.parent
        if kind == "ROOT":
            while here.parent is not None:
                here = here.parent
            return here
        return self._outside(part)

    def _here(self, here: Scope, name: str, reference: Reference, index: int) -> Value:
        attribute = here.component.attributes.get(name)
        if attribute is None and self.missing(here, name, upwards=False):
            attribute = here.component.attributes.get(name)
        if attribute is None:
            place = here.path() or "the file"
            said = f"{reference_text(reference)}: {place} has no {name}"
            raise Unresolved(Problem(said, guess=partial(_nearest, name, here)))
        if index and LOCAL in attribute.tags:
            raise Unresolved(
                Problem(f"{reference_text(reference)}: {name} is local", "it is [sfLocal] to its component")
            )
        return self.read(here, name)

    def _upwards(self, here: Scope, name: str, reference: Reference) -> Value:
        for _attempt in range(2):
            scope: Scope | None = here
            while scope is not None:
                self.budget.step()
                if name in scope.component.attributes:
                    return self.read(scope, name)
                scope = scope.parent
            if not self.missing(here, name, upwards=True):
                break
        where = "" if len(reference.parts) == 1 else f"{reference_text(reference)}: "
        said = f"{where}no {name} here, nor in any component around"
        raise Unresolved(Problem(said, guess=partial(_nearest, name, here)))

    def _outside(self, part: Part) -> Value:
        """What the machine or the running system would have to say."""
        kind, name = part
        if kind in {"HOST", "PROCESS"}:
            raise Unresolved(Problem(f"{kind} is known at run time only", WITHIN))
        if kind == "CONSTANT":
            return constant(name)
        word = kind.removeprefix("I")
        text = self._texts.get(word, {}).get(name)
        if text is None:
            called, key = OUTSIDE[word]
            hint = f"write OPTIONAL (default) {kind} {name}; where it is deployed, {key} says what there is"
            raise Unresolved(Problem(f"{kind} {name}: there is no such {called}", hint))
        return text if kind == word else self.property_value(text)

    def property_value(self, text: str) -> Value:
        """The value that a property's text is."""
        return text


def _said(reference: Reference, index: int) -> str:
    part = reference.parts[index]
    return part.name or part.kind


def _nearest(name: str, here: Scope) -> str:
    """What may have been meant."""
    import difflib

    known: set[str] = set()
    scope: Scope | None = here
    while scope is not None and len(known) < 1000:
        known |= {key for key in list(scope.component.attributes)[:200] if isinstance(key, str)}
        scope = scope.parent
    near = difflib.get_close_matches(name[:60], sorted(known), 1)
    return f"did you mean {near[0]}?" if near else f"define {name}, or include the file that does"
