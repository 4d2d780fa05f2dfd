"""The phase link: every eager reference and function becomes its value, in what sfConfig reaches.

What an attribute is worth depends on its place, so values are kept in scopes, each computed once. A value
that is being computed and is asked for again is a loop. What has to do with lazy references stays for run
time: it becomes lazy itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from nm.descriptions import functions, schemas
from nm.descriptions.construction import CHECK_ALL, CLASS, DYNAMIC, WHEN
from nm.descriptions.finding import Finder, LazyMet
from nm.descriptions.limits import Budget, Exceeded
from nm.descriptions.literals import refuse_unless, single, wrapped
from nm.descriptions.problems import Findings, Problem, Unresolved, Wrong
from nm.descriptions.reading import Reader
from nm.descriptions.result import PENDING, Converter, Failed, in_a_circle, within_itself
from nm.descriptions.surroundings import Chance, Surroundings
from nm.descriptions.unknown import Vocabulary
from nm.descriptions.values import (
    DROPPED,
    Attribute,
    Component,
    Form,
    Function,
    Reference,
    Scope,
    Value,
    Vector,
    is_lazy,
)

STATIC, STATIC_LAZY = "static", "staticLazy"
SET = frozenset({"setMin", "setMax", "setInc", "setSize", "setElem", "setPrefix"})
A_COMPONENT = 4  # steps: a scope of its own takes the time of so many attributes


class Linker(Finder):
    """Computes what attributes are worth."""

    def __init__(
        self, budget: Budget, reader: Reader, surroundings: Surroundings, converter: Converter
    ) -> None:
        super().__init__(budget, surroundings.texts())
        self.findings = Findings(budget.limits.problems)
        self.vocabulary = Vocabulary()
        self._reader = reader
        self._surroundings = surroundings
        self._converter = converter
        self._walked: set[Scope] = set()
        self._open: set[int] = set()  # those whose insides are just computed
        self._schemas: dict[int, list[schemas.Rule] | None] = {}
        self._kept: dict[schemas.Rule, tuple[schemas.Rule]] = {}
        self._last_number = -1
        self._chance: Chance | None = None  # once a seed was given
        self.timed = False  # whether the moment at which it is compiled made a difference

    def link(self, scope: Scope) -> None:
        """Compute all that is inside; mistakes go into `findings`."""
        if scope in self._walked:
            return
        self._walked.add(scope)
        self._open.add(id(scope))
        self.budget.step(A_COMPONENT + len(scope.component.attributes))
        self.budget.down()
        for name, attribute in scope.component.attributes.items():
            if isinstance(name, tuple):
                continue
            try:
                value = self.read(scope, name)
            except Exceeded as error:
                raise error.at(attribute.mark, scope.path()) from None
            except Unresolved as error:
                self.findings.add(error.problem)
            else:
                if id(value) in self._open:
                    self.findings.add(within_itself(value).at(attribute.mark, scope.path()))
                elif isinstance(value, Scope):
                    self.link(value)
                elif isinstance(value, Vector) and value.components:
                    self._link_all(value)
        self.budget.up()
        self._open.discard(id(scope))

    def _link_all(self, vector: Vector) -> None:
        """Compute what is in the components of a list."""
        self.budget.step(len(vector))
        for item in vector:
            if isinstance(item, Scope):
                self.link(item)
            elif isinstance(item, Vector) and item.components:
                self._link_all(item)

    def read(self, scope: Scope, name: str) -> Value:
        """What the attribute is worth, computed when it is asked for first."""
        known = scope.values.get(name)
        if known is None and name not in scope.values:
            return self._computed(scope, name)
        if known is PENDING:
            raise in_a_circle(scope, name)
        if isinstance(known, Failed):
            raise known.error()
        return known

    def _computed(self, scope: Scope, name: str) -> Value:
        self.budget.step()
        attribute = scope.component.attributes[name]
        value = attribute.value
        if value is None or isinstance(value, str | int):  # plain values, by far the most
            scope.values[name] = value
            return value
        self.budget.down()
        scope.values[name] = PENDING
        try:
            value = self.worth(scope, name, value)
        except Exceeded:
            raise
        except Unresolved as error:
            problem = error.problem.at(attribute.mark, scope.path())
            scope.values[name] = Failed(problem, isinstance(error, Wrong))
            raise type(error)(problem) from None
        finally:
            self.budget.up()
        scope.values[name] = value
        return value

    def worth(self, scope: Scope, name: str, value: Value) -> Value:
        """What a value is worth in its place."""
        if isinstance(value, Function):
            return (
                self._asserted(scope, name, value)
                if value.form is Form.ASSERT
                else self._applied(scope, name, value)
            )
        if isinstance(value, Reference):
            self.vocabulary.mention(value)
        try:
            return super().worth(scope, name, value)
        except LazyMet:
            return replace(value, lazy=True)

    def property_value(self, text: str) -> Value:
        """The value that a property's text is."""
        return self._reader.value(text)

    # ---- functions

    def _applied(self, scope: Scope, name: str, function: Function) -> Value:
        if function.data or function.lazy:
            return function
        inner = scope.below(function.component, name)
        values, lazy = self._arguments(inner)
        if lazy:
            items = function.component.attributes
            kept = {
                key: item._replace(value=inner.values.get(key, item.value)) for key, item in items.items()
            }
            return replace(function, component=Component(kept), form=Form.APPLY, lazy=True)
        kind = self._class(inner)
        special = SPECIAL.get(kind.rpartition(".")[2]) if kind.startswith(functions.PACKAGES) else None
        if special is not None:
            return special(self, inner, values)
        if kind.endswith(".Concatenate") and len(values) > 1:
            values = {key: self._text_of(value) for key, value in values.items()}
        return functions.compute(kind, values, self.budget)

    def _arguments(self, inner: Scope) -> tuple[dict[str, Value], bool]:
        """The values of a function's arguments, and whether some are known at run time only."""
        values = {
            key: self.read(inner, key)
            for key in inner.component.attributes
            if isinstance(key, str) and key != CLASS
        }
        for value in values.values():
            self._complete(value)
        return values, any(map(is_lazy, values.values()))

    def _complete(self, value: Value) -> None:
        """Compute all that is in a function's argument: a mistake in there is one, whatever comes of it."""
        if isinstance(value, Scope):
            if id(value) in self._open:
                hint = "a function takes whole components; name the attribute that it is about"
                raise Wrong(Problem(f"{value.path()} is needed for itself", hint))
            self.link(value)
        elif isinstance(value, Vector) and value.components:
            self.budget.step(len(value))
            for item in value:
                self._complete(item)

    def _class(self, inner: Scope) -> str:
        kind = self.read(inner, CLASS) if CLASS in inner.component.attributes else None
        if not isinstance(kind, str):
            raise Wrong(
                Problem("a function without sfFunctionClass", "extend one of org/smartfrog/functions.sf")
            )
        return kind

    def _text_of(self, value: Value) -> Value:
        if isinstance(value, Vector) and value.components:
            return Vector(map(self._text_of, value))
        return self._converter.text(self._finished(value)) if isinstance(value, Scope) else value

    def _finished(self, scope: Scope) -> Scope:
        """The component, all of it computed."""
        before = len(self.findings.problems)
        self.link(scope)
        if len(self.findings.problems) > before:
            raise Unresolved(self.findings.problems[-1])
        return scope

    # ---- assertions

    def _asserted(self, scope: Scope, name: str, function: Function) -> Value:
        if function.data or function.lazy:
            return function
        inner = scope.below(function.component, name)
        when = self.read(inner, WHEN) if WHEN in function.component.attributes else DYNAMIC
        if when not in {STATIC, STATIC_LAZY, DYNAMIC}:
            raise Wrong(
                Problem(f"{WHEN} is {functions.described(when)}", "it is static, staticLazy or dynamic")
            )
        lazy = self._checked(scope, inner)
        if lazy and when == STATIC:
            raise Wrong(
                Problem("a static assertion about something lazy", f"make {WHEN} staticLazy or dynamic")
            )
        if when != DYNAMIC:
            return DROPPED
        items = {key: item for key, item in function.component.attributes.items() if key != WHEN}
        return replace(function, component=Component(items), lazy=True)

    def _checked(self, scope: Scope, inner: Scope) -> bool:
        """Check an assertion; True when something lazy leaves it open. Raises Wrong when it does not hold."""
        rules = self._rules(inner.component)
        if rules is not None:
            self.budget.step(len(rules))
            self._check_all(scope, rules)
            return False
        items = inner.component.attributes
        values = {
            key: self.read(inner, key) for key in items if isinstance(key, str) and key not in {CLASS, WHEN}
        }
        if any(map(is_lazy, values.values())):
            return True
        holds = functions.compute(self._class(inner), values, self.budget)
        if holds is not True:
            failed = ", ".join(key for key, value in values.items() if value is False)
            raise Wrong(
                Problem(
                    f"the assertion {failed} does not hold".replace("  ", " "), "correct what it is about"
                )
            )
        return False

    def _rules(self, component: Component) -> list[schemas.Rule] | None:
        """The schema that an assertion is, worked out once for all places that inherit it."""
        if id(component) not in self._schemas:
            said = component.attributes.get(CLASS, Attribute(None)).value
            self._schemas[id(component)] = schemas.rules(component) if said == CHECK_ALL else None
        return self._schemas[id(component)]

    def _check_all(self, holder: Scope, rules: list[schemas.Rule]) -> None:
        """Check a schema, and tell all that is wrong with its holder at once."""
        self.vocabulary.schema(holder, rules)
        problems: list[Problem] = []
        attributes = holder.component.attributes
        for rule in rules:
            if rule.optional and rule.name not in attributes:
                continue  # as most are
            try:
                self._check(holder, rule)
            except Exceeded:
                raise
            except Unresolved as error:
                problems.append(error.problem)
        for problem in problems[:-1]:
            self.findings.add(problem)
        if problems:
            raise Wrong(problems[-1])

    def _check(self, holder: Scope, rule: schemas.Rule) -> None:
        attribute = holder.component.attributes.get(rule.name)
        try:
            if attribute is None:
                schemas.absent(rule)
            else:
                schemas.check(rule, self.read(holder, rule.name))
        except Unresolved as error:
            if isinstance(error, Exceeded):
                raise
            mark = attribute.mark if attribute is not None else holder.component.mark
            if attribute is None or (
                rule.name in holder.values and not isinstance(holder.values[rule.name], Failed)
            ):
                raise Wrong(error.problem.at(mark, holder.path())) from None
            if not rule.optional:
                raise

    # ---- functions that need more than their arguments

    def next_number(self, _inner: Scope, values: Mapping[str, Value]) -> Value:
        """A number that no other call in this description gets: the next one, or base when that is larger."""
        base = values.get("base", 0)
        refuse_unless(type(base) is int, "base is no Integer", "give base a number")
        self._last_number = max(int(base), self._last_number + 1)
        return wrapped(self._last_number, long=False)

    def random(self, inner: Scope, values: Mapping[str, Value]) -> Value:
        """A Float from 0 to below 1; with `integer` an Integer from min to max, both among them.

        The first `seed` begins a series, as it does in the reference; what has none before it is left to
        chance.
        """
        given = {name: values[name] for name in ("min", "max") if name in values}
        bounded = all(type(bound) is int for bound in given.values())
        refuse_unless(bounded, "min or max is no Integer", "give them whole numbers")
        whole = values.get("integer", False)
        refuse_unless(isinstance(whole, bool), "integer is neither true nor false", "say true for an Integer")
        drawn = self._drawn(inner, values)
        if not whole:
            return single(drawn)
        low, high = given.get("min", 0), given.get("max", 10)
        return low + int(drawn * max(high - low + 1, 1))

    def _drawn(self, inner: Scope, values: Mapping[str, Value]) -> float:
        if "seed" in values and self._chance is None:
            seed = values["seed"]
            whole = isinstance(seed, int) and not isinstance(seed, bool)
            refuse_unless(whole, "seed is no Integer", "give seed a whole number")
            self._chance = Chance(seed)
        if self._chance is not None:
            return self._chance.next()
        self._moment("random")
        return self._surroundings.chance(inner.names()).next()

    def date(self, _inner: Scope, _values: Mapping[str, Value]) -> Value:
        """The time as Java writes it, of Greenwich."""
        return datetime.fromtimestamp(self._moment("date"), UTC).strftime("%a %b %d %H:%M:%S UTC %Y")

    def _moment(self, name: str) -> float:
        """When it is compiled, where that is told."""
        if self._surroundings.now is None:
            raise Unresolved(Problem(f"{name} is not to be had here", "write the value"))
        self.timed = True
        return self._surroundings.now

    def set_of(self, inner: Scope, values: Mapping[str, Value]) -> Value:
        """The function's own component, with copies of an element that are numbered."""
        prefix = values.get("setPrefix", "elem")
        most = self.budget.limits.name
        refuse_unless(
            isinstance(prefix, str) and len(prefix) <= most, "setPrefix is no name", "give it a word"
        )
        element = values.get("setElem")
        if not isinstance(element, Scope):
            raise Unresolved(Problem("a set without setElem", "give it setElem extends { ... }"))
        # As data; one for all, for they are the same.
        element = Scope(replace(element.component, data=True), element.parent, element.name, element.values)
        others = {
            key: item for key, item in inner.component.attributes.items() if key != CLASS and key not in SET
        }
        made = inner.below(Component(others), "set")
        made.values |= {key: inner.values[key] for key in others}
        numbers = _numbers(values)
        self.budget.step(len(others) + len(numbers))
        for number in numbers:
            made.component.attributes[f"{prefix}{number}"] = Attribute(element)
            made.values[f"{prefix}{number}"] = element
        return made

    def reference(self, inner: Scope, values: Mapping[str, Value]) -> Value:
        """The reference that a string says, followed from the component that holds the function."""
        text = values.get("reference", next(iter(values.values()), None))
        if not isinstance(text, str):
            raise Unresolved(Problem("no string to make a reference of", 'give one, as reference "a:b"'))
        found = self._reader.reference(text)
        if values.get("lazy") is True:
            found = replace(found, lazy=True)
        return self.worth(inner.parent or inner, "reference", found)

    def schema_element(self, inner: Scope, values: Mapping[str, Value]) -> Value:
        """One element of a schema that has to be computed in its place."""
        holder = inner.parent and inner.parent.parent
        if holder is None:
            raise Wrong(Problem("a schema's element outside a schema", "extend Schema around it"))
        rule = schemas.rule(values)
        self.vocabulary.schema(holder, self._kept.setdefault(rule, (rule,)))
        self._check(holder, rule)
        return True


def _numbers(values: Mapping[str, Value]) -> range:
    """The numbers of a set's elements: so many as setSize says, or up to setMax."""
    low, step = values.get("setMin", 0), values.get("setInc", 1)
    given = [values[name] for name in ("setSize", "setMax") if name in values]
    refuse_unless(len(given) == 1, "a set without bounds", "give it setSize or setMax, not both")
    whole = all(type(bound) is int for bound in (low, step, *given))
    refuse_unless(whole and step, "what bounds a set is a number, and setInc is not 0", "correct it")
    count = given[0] if "setSize" in values else 1 + int((given[0] - low) / step)
    refuse_unless(count >= 0, "a set of less than nothing", "correct setSize, setMax or setInc")
    return range(low, low + count * step, step)


SPECIAL: dict[str, Callable[[Linker, Scope, Mapping[str, Value]], Value]] = {
    "Next": Linker.next_number,
    "Random": Linker.random,
    "Date": Linker.date,
    "Set": Linker.set_of,
    "Ref": Linker.reference,
    "CheckSchemaElement": Linker.schema_element,
}
