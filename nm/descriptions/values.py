"""What a description consists of, from the first phase to the last.

A value is one of Python's own: None (NULL), bool, int (Integer), float (Double), str, bytes; or Long, Float,
Vector, Reference, Function, Component, TBD. Values other than components are never changed in place. A
component is changed by the phase that works on it, unless it is `shared`: then it stands in several places at
once, because it was inherited there, and whoever changes it in one place makes a copy for that place first.
So inheriting costs the attributes of one level, however large a tree hangs below them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Any, NamedTuple, Self

from nm.descriptions.problems import Mark

Value = Any
Key = str | tuple[str, ...]  # a name, or the path of an attribute that is still to be placed
NO_TAGS: frozenset[str] = frozenset()
# What follows the first name of a reference's part, and what stands alone.
NAMED = frozenset(
    {"ATTRIB", "HERE", "PROPERTY", "IPROPERTY", "ENVPROPERTY", "IENVPROPERTY", "CONSTANT", "HOST"}
)
ALONE = frozenset({"ROOT", "PARENT", "THIS", "PROCESS"})


class Long(int):
    """A 64-bit integer."""


class Float(float):
    """A 32-bit floating point number."""


class Vector(tuple[Value, ...]):  # noqa: SLOT001 (tuples cannot have any)
    """A list of values.

    weight: about its characters when it is written, components in it aside. depth: of lists in lists.
    components, lazy: whether any are in it, or in lists in it. All are known from the first, for lists may
    share what they hold, and looking through it would take as long as if each had its own.
    """

    weight: int
    depth: int
    components: bool
    lazy: bool

    def __new__(cls, items: Iterable[Value] = ()) -> Self:
        """A vector of these."""
        vector = super().__new__(cls, items)
        weight, depth, components, lazy = 2, 0, False, False
        for item in vector:
            if type(item) is int:  # by far the most in long ones
                weight += 8
                continue
            weight += weight_of(item)
            lazy |= is_lazy(item)
            if isinstance(item, Vector):
                depth = max(depth, item.depth)
                components |= item.components
            elif isinstance(item, Scope | Component):
                components = True
        vector.weight, vector.depth, vector.components, vector.lazy = weight, depth + 1, components, lazy
        return vector

    @classmethod
    def joined(cls, vectors: Sequence["Vector"]) -> Self:
        """One vector of what is in these."""
        joined = super().__new__(cls, chain.from_iterable(vectors))
        joined.weight = 2 + sum(vector.weight - 2 for vector in vectors)
        joined.depth = max((vector.depth for vector in vectors), default=1)
        joined.components = any(vector.components for vector in vectors)
        joined.lazy = any(vector.lazy for vector in vectors)
        return joined


def is_lazy(value: Value) -> bool:
    """Whether it is known at run time only."""
    if isinstance(value, Vector):
        return value.lazy
    return isinstance(value, Reference | Function) and value.lazy and not value.data


def weight_of(value: Value) -> int:
    """About as many characters as it takes to write the value down."""
    if isinstance(value, str | bytes):
        return 4 + len(value)
    if isinstance(value, Vector):
        return value.weight
    if isinstance(value, Reference):
        return 10 + sum(10 + len(part.name) for part in value.parts)
    if isinstance(value, Function):  # as data, in a list
        items = value.component.attributes.items()
        return 10 + sum(4 + len(spoken(key)) + weight_of(item.value) for key, item in items)
    return 8


class Tbd:
    """A value that is to be defined by who uses the prototype."""

    def __repr__(self) -> str:
        return "TBD"


TBD = Tbd()


class Dropped:
    """What an assertion is worth that holds and is not needed any more: its attribute goes."""

    def __repr__(self) -> str:
        return "DROPPED"


DROPPED = Dropped()


class Part(NamedTuple):
    """One step of a reference: `kind` is one of NAMED with its name, or one of ALONE."""

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A link to another attribute. Lazy ones are followed at run time, data ones never."""

    parts: tuple[Part, ...]
    lazy: bool = False
    data: bool = False
    optional: bool = False
    default: Value = None  # what an optional one is worth when it leads nowhere


class Form(Enum):
    """How a function was written, for the printer."""

    APPLY = "APPLY {...}"
    ASSERT = "ASSERT {...}"
    OPERATOR = "(a + b)"
    VECTOR = "[a, b]"
    IF = "IF a THEN b ELSE c FI"
    SWITCH = "SWITCH IF a THEN b ENDSWITCH"


@dataclass(frozen=True, slots=True)
class Function:
    """Something to be computed from the attributes of `component`, one level below its own attribute."""

    component: "Component"
    form: Form = Form.APPLY
    operator: str = ""
    lazy: bool = False
    data: bool = False


class Attribute(NamedTuple):
    """A value with its tags, and where it was written."""

    value: Value
    mark: Mark | None = None
    tags: frozenset[str] = NO_TAGS


class State(Enum):
    """How far the prototypes of a component are resolved."""

    RAW = 0
    INHERITING = 1  # its prototypes are just looked for
    INHERITED = 2  # it has all its attributes, what is inside them may be raw
    OPEN = 3  # what is inside is just resolved
    DONE = 4


@dataclass(slots=True, eq=False)
class Component:
    """A list of attributes in order, and the prototypes that still have to give it theirs.

    `prototypes`: from left to right, references and lists of attributes; its own attributes stand right of
    them all.
    """

    attributes: dict[Key, Attribute] = field(default_factory=dict)
    prototypes: list["tuple[Reference, Mark] | Component"] = field(default_factory=list)
    data: bool = False
    mark: Mark | None = None
    shared: bool = False
    state: State = State.RAW

    def share(self) -> None:
        """Everything that hangs here hangs elsewhere too, from now on."""
        for attribute in self.attributes.values():
            if (inner := inside(attribute.value)) is not None:
                inner.shared = True

    def copy(self) -> "Component":
        """A component for one place; what is below is shared."""
        self.share()
        return Component(dict(self.attributes), list(self.prototypes), self.data, self.mark, state=self.state)


@dataclass(slots=True, eq=False)
class Scope:
    """A component in its place: what `PARENT` is depends on it, and so does what a link finds.

    `values` is what the attributes turned out to be; filled when links are followed.
    """

    component: Component
    parent: "Scope | None" = None
    name: Key = ""
    values: dict[Key, Value] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """The names that lead to it from the root."""
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None and scope.parent is not None:
            names.append(spoken(scope.name))
            scope = scope.parent
        return tuple(reversed(names))

    def path(self) -> str:
        """The names that lead to it, for people."""
        return ":".join(self.names())

    def below(self, component: Component, name: Key) -> "Scope":
        """A component that stands in this one."""
        return Scope(component, self, name)


def inside(value: Value) -> Component | None:
    """The component that a value is, or that has the arguments of an operator, a list, an IF or a SWITCH."""
    if isinstance(value, Function):
        return None if value.form in {Form.APPLY, Form.ASSERT} else value.component
    return value if isinstance(value, Component) else None


def spoken(key: Key) -> str:
    """A name, or a path, for people."""
    return key if isinstance(key, str) else ":".join(key)
