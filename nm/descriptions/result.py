"""The end, "compile": one tree by itself, in which each holder of a component has its own.

Temporary attributes and assertions that hold are left out. Trees that were linked to from several places are
shared by the result, so it is not larger than the description; its weight counts them wherever they stand.
"""

from dataclasses import dataclass

from nm.descriptions.javatext import component_text
from nm.descriptions.limits import Budget
from nm.descriptions.problems import Problem, Unresolved, Wrong
from nm.descriptions.values import (
    DROPPED,
    Attribute,
    Component,
    Function,
    Key,
    Scope,
    State,
    Value,
    Vector,
    spoken,
    weight_of,
)

TEMPORARY = "sfTemp"
PENDING = object()  # what an attribute is worth while it is being computed


@dataclass(frozen=True, eq=False)
class Failed:
    """What an attribute is worth that could not be computed. `fatal`: no OPTIONAL excuses it."""

    problem: Problem
    fatal: bool

    def error(self) -> Unresolved:
        """To be raised by whoever needs it."""
        return (Wrong if self.fatal else Unresolved)(self.problem)


def in_a_circle(scope: Scope, name: Key) -> Wrong:
    """To be raised when an attribute is needed for itself."""
    hint = f"{spoken(name)} needs itself; to mean one further out, write PARENT:{spoken(name)}"
    return Wrong(Problem(f"{scope.path()}:{spoken(name)} goes round in a circle".lstrip(":"), hint))


def within_itself(scope: Scope) -> Problem:
    """What is wrong when a component is linked to from inside."""
    hint = "a link gives a copy, so it leads to nothing around it; write LAZY, or name one attribute"
    return Problem(f"{scope.path()} would contain itself", hint)


class Converter:
    """Makes components of scopes whose values are known. temporary: whether temporary attributes stay."""

    def __init__(self, budget: Budget, temporary: bool = False) -> None:
        self._budget = budget
        self._temporary = temporary
        self._done: dict[int, tuple[Scope, Component, int]] = {}  # by the scope's id; and the weight
        self._open: set[int] = set()

    def component(self, scope: Scope) -> Component:
        """The component as it is in its place."""
        return self._converted(scope)[0]

    def text(self, scope: Scope) -> str:
        """The component's text, for a function that wants one."""
        component, weight = self._converted(scope)
        self._budget.weigh(weight)
        return component_text(component)

    def _converted(self, scope: Scope) -> tuple[Component, int]:
        done = self._done.get(id(scope))
        if done is not None:
            return done[1], done[2]
        if id(scope) in self._open:
            raise Wrong(within_itself(scope))
        self._open.add(id(scope))
        self._budget.down()
        try:
            made, weight = self._made(scope)
        finally:
            self._budget.up()
            self._open.discard(id(scope))
        self._done[id(scope)] = scope, made, weight
        return made, weight

    def _made(self, scope: Scope) -> tuple[Component, int]:
        items: dict[Key, Attribute] = {}
        weight = 20
        for name, attribute in scope.component.attributes.items():
            value = scope.values.get(name, attribute.value)
            if value is PENDING:
                raise in_a_circle(scope, name)
            if isinstance(value, Failed):
                raise value.error()
            if value is DROPPED or (TEMPORARY in attribute.tags and not self._temporary):
                continue
            try:
                value, part = self._value(value)
            except Wrong as error:
                error.problem = error.problem.at(attribute.mark, scope.path())
                raise
            items[name] = attribute if value is attribute.value else attribute._replace(value=value)
            weight += part + len(spoken(name)) + self._budget.depth
            if attribute.tags:
                weight += tags_weight(attribute, self._budget)
        self._budget.step(1 + len(items))
        self._budget.weigh(weight)
        return Component(items, [], scope.component.data, scope.component.mark, state=State.DONE), weight

    def _value(self, value: Value) -> tuple[Value, int]:
        if isinstance(value, Scope):
            return self._converted(value)
        if isinstance(value, Component):  # inside a function that stays
            return self._converted(Scope(value))
        if isinstance(value, Function):
            inner, weight = self._converted(Scope(value.component))
            return Function(inner, value.form, value.operator, value.lazy, value.data), weight
        if isinstance(value, Vector) and value.components:
            self._budget.step(len(value))
            made = [self._value(item) for item in value]
            return Vector(item for item, _ in made), 2 + sum(weight for _, weight in made)
        return value, weight_of(value)


def tags_weight(attribute: Attribute, budget: Budget) -> int:
    """About how many characters its tags take."""
    budget.step(len(attribute.tags))
    return sum(4 + len(tag) for tag in attribute.tags)


def weight(root: Component, budget: Budget) -> int:
    """About how many characters a tree takes that is not linked yet. Shared parts are looked at once."""
    known: dict[int, int] = {}

    def look(value: Value) -> int:
        if isinstance(value, Function):
            return 10 + look(value.component)
        if not isinstance(value, Component):
            return weight_of(value)
        if id(value) not in known:
            budget.down()
            budget.step(1 + len(value.attributes))
            total = 20 + sum(look(p if isinstance(p, Component) else p[0]) for p in value.prototypes)
            for key, item in value.attributes.items():
                total += len(spoken(key)) + look(item.value) + budget.depth + tags_weight(item, budget)
            known[id(value)] = total
            budget.up()
        return known[id(value)]

    return look(root)
