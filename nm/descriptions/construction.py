"""The phase function: components that say `phase.function` become what computes or checks something.

Independent of where a component stands, so a component that is shared is turned once.
"""

from collections.abc import Mapping

from nm.descriptions.limits import Budget
from nm.descriptions.problems import Problem, Wrong
from nm.descriptions.values import Attribute, Component, Form, Function, Key, State, Value, spoken

PHASE = "phase.function"
PHASES = "org.smartfrog.sfcore.languages.sf."
FUNCTION, SCHEMA, ASSERTIONS = (
    PHASES + name for name in ("ConstructFunction", "ConstructSchema", "ConstructAssertions")
)
CLASS, WHEN = "sfFunctionClass", "sfAssertionPhase"
ABOUT = frozenset({PHASE, WHEN, "sfSchemaDescription"})  # what is said about a schema, all else are elements
CHECK_ALL = PHASES + "functions.CheckAssertions"
CHECKING = Attribute(CHECK_ALL)
DYNAMIC = "dynamic"
Items = Mapping[Key, Attribute]


def construct_functions(root: Component, budget: Budget) -> Component:
    """The tree, its functions constructed."""
    return _Constructor(budget).turned(root)


class _Constructor:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._done: dict[int, tuple[Component, Component]] = {}  # the first of each keeps its id its own

        self._functions: dict[int, tuple[Component, Component | Function]] = {}

    def turned(self, component: Component) -> Component:
        """The component, all functions inside it constructed; itself when there are none."""
        if id(component) in self._done:
            return self._done[id(component)][1]
        self._budget.step(1 + len(component.attributes))
        self._budget.down()
        changed: dict[Key, Attribute] = {}
        for key, attribute in component.attributes.items():
            if isinstance(attribute.value, Component | Function):
                value = self._value(key, attribute)
                if value is not attribute.value:
                    changed[key] = attribute._replace(value=value)
        self._budget.up()
        made = component
        if changed:
            made = Component(
                component.attributes | changed, [], component.data, component.mark, state=State.DONE
            )
        self._done[id(component)] = component, made
        return made

    def _value(self, key: Key, attribute: Attribute) -> Value:
        value = attribute.value
        if isinstance(value, Function):
            if path := next((k for k in value.component.attributes if isinstance(k, tuple)), None):
                hint = "attributes of a function are given by their name alone"
                raise Wrong(Problem(f"{spoken(path)} cannot be placed from in here", hint, attribute.mark))
            inner = self.turned(value.component)
            return (
                value
                if inner is value.component
                else Function(inner, value.form, value.operator, value.lazy, value.data)
            )
        made = self.turned(value)
        if id(made) not in self._functions:
            action = next((k for k in made.attributes if isinstance(k, str) and k.startswith(PHASE)), None)
            try:
                turned = (
                    made if action is None else _constructed(made.attributes, made.attributes[action].value)
                )
            except Wrong as error:
                raise Wrong(error.problem.at(attribute.mark, spoken(key))) from None
            self._functions[id(made)] = made, turned
        return self._functions[id(made)][1]


def _constructed(items: Items, action: Value) -> Function:
    if action == FUNCTION:
        lazy = (given := items.get("sfFunctionLazy")) is not None and given.value is True
        kept = {key: item for key, item in items.items() if not spoken(key).startswith(PHASE)}
        return Function(Component(kept, state=State.DONE), Form.APPLY, lazy=lazy)
    if action == SCHEMA:
        elements = {key: item for key, item in items.items() if key not in ABOUT}
        named = {key: _named(key, item) for key, item in elements.items()}
        return _assertion({**named, CLASS: CHECKING, WHEN: items.get(WHEN, Attribute(DYNAMIC))})
    if action == ASSERTIONS:
        checks = {
            key: item for key, item in items.items() if key != CLASS and not spoken(key).startswith(PHASE)
        }
        return _assertion({CLASS: CHECKING, **checks})
    hint = "nm has ConstructFunction, ConstructSchema and ConstructAssertions; it runs no classes of others"
    raise Wrong(Problem(f"{PHASE} says {action!r}, which nm does not know", hint))


def _named(key: Key, item: Attribute) -> Attribute:
    """An element of a schema, told which attribute it is to look at."""
    if not isinstance(item.value, Function):
        hint = "write it as memory extends Integer { }"
        raise Wrong(
            Problem(f"{spoken(key)} of the schema is no description of an attribute", hint, item.mark)
        )
    inner = item.value.component
    named = Component(
        {**inner.attributes, "name": Attribute(key, item.mark)}, mark=inner.mark, state=State.DONE
    )
    return item._replace(value=Function(named, item.value.form, lazy=item.value.lazy))


def _assertion(items: dict[Key, Attribute]) -> Function:
    return Function(Component(items, state=State.DONE), Form.ASSERT)
