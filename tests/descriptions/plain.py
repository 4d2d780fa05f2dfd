"""What a description means, restated as plainly as can be: trees are copied, moved and replaced in place.

No sharing, no budget, no hints; slow, and with the phases that the language has. Reading, printing and what
single functions compute are nm's own. Schemas, Set, ref and next are left out.
"""

from dataclasses import dataclass, field, replace

from nm.descriptions import functions
from nm.descriptions.javatext import component_text
from nm.descriptions.limits import Budget, Limits
from nm.descriptions.printer import text_of
from nm.descriptions.problems import Flawed, Unresolved
from nm.descriptions.reading import Reader
from nm.descriptions.values import (
    TBD,
    Attribute,
    Component,
    Form,
    Function,
    Key,
    Part,
    Reference,
    Value,
    Vector,
)
from tests.descriptions.say import LIBRARY

CLASS, PHASE = "sfFunctionClass", "phase.function"
WRITTEN = (Form.OPERATOR, Form.VECTOR, Form.IF, Form.SWITCH)


class Mistake(Exception):
    """It means nothing. `phase`: the one that ends there."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.phase = phase


class Missing(Exception):
    """A reference leads nowhere."""


class Lazy(Exception):
    """A reference leads to something lazy."""


@dataclass(eq=False)
class Call:
    """A function in the tree."""

    node: "Node"
    form: Form
    lazy: bool = False
    data: bool = False


@dataclass(eq=False)
class Node:
    """A component in the tree. types: prototypes that still have to give it their attributes."""

    data: bool = False
    parent: "Node | None" = None
    items: dict[Key, tuple[Value, frozenset[str]]] = field(default_factory=dict)
    types: "list[Reference | Node]" = field(default_factory=list)

    def put(self, key: Key, value: Value, tags: frozenset[str]) -> None:
        """Set an attribute; what is a component there is in this one from now on."""
        if isinstance(value, Node):
            value.parent = self
        elif isinstance(value, Call):
            value.node.parent = self
        self.items[key] = value, tags

    def copies(self) -> "dict[Key, tuple[Value, frozenset[str]]]":
        """Copies of its attributes, for another."""
        return {key: (_copied(value), tags) for key, (value, tags) in self.items.items()}


def _copied(value: Value) -> Value:
    if isinstance(value, Call):
        return Call(_copied(value.node), value.form, value.lazy, value.data)
    if not isinstance(value, Node):
        return value
    made = Node(value.data, types=list(value.types))
    for key, (inner, tags) in value.copies().items():
        made.put(key, inner, tags)
    return made


def _node(component: Component) -> Node:
    made = Node(component.data)
    for key, item in component.attributes.items():
        value = item.value
        if isinstance(value, Component):
            value = _node(value)
        elif isinstance(value, Function):
            value = Call(_node(value.component), value.form, value.lazy, value.data)
        made.put(key, value, item.tags)
    made.types = [_node(p) if isinstance(p, Component) else p[0] for p in component.prototypes]
    return made


def meaning(text: str) -> str:
    """The canonical text of what it means. Raises Mistake."""
    try:
        root = _node(Reader({}, LIBRARY, Budget(Limits()), "double").read("t.sf", text))
    except (Unresolved, Flawed):
        raise Mistake("raw") from None
    tree = Tree()
    tree.resolve(root)
    tree.place(root)
    tree.construct(root)
    try:
        config = tree.follow(root, Reference((Part("HERE", "sfConfig"),)))
    except (Missing, Lazy, Mistake):
        raise Mistake("sfConfig") from None
    if not isinstance(config, Node):
        raise Mistake("sfConfig")
    tree.link(config)
    return text_of(Component({"sfConfig": Attribute(replace(tree.finished(config), data=False))}))


class Tree:
    """One tree on its way through the phases."""

    def __init__(self) -> None:
        self._computing = False  # whether functions are computed, as in the phase link
        self._open: list[object] = []  # what is just resolved, computed or linked
        self._linked: set[Node] = set()

    # ---- references

    def follow(self, holder: Node, reference: Reference) -> Value:
        """What a reference leads to. Raises Missing, Lazy."""
        if reference.lazy:
            raise Lazy
        here: Value = holder
        try:
            for index, part in enumerate(reference.parts):
                if _is_lazy(here):
                    raise Lazy
                if not isinstance(here, Node):
                    raise Missing
                here = self._step(here, part, index)
        except Missing:
            if not reference.optional:
                raise
            return reference.default
        return here

    def _step(self, here: Node, part: Part, index: int) -> Value:
        kind, name = part
        found: Node | None = here
        if kind == "PARENT":
            found = here.parent
        elif kind == "ROOT":
            while found is not None and found.parent is not None:
                found = found.parent
        elif kind == "HERE":
            if index and name in here.items and "sfLocal" in here.items[name][1]:
                raise Missing
            found = here if name in here.items else None
        elif kind == "ATTRIB":
            while found is not None and name not in found.items:
                found = found.parent
        elif kind != "THIS":
            raise Missing
        if found is None:
            raise Missing
        return self._worth(found, name) if kind in {"HERE", "ATTRIB"} else found

    def _worth(self, node: Node, name: str) -> Value:
        value = node.items[name][0]
        if value is TBD:
            raise Missing
        if (
            isinstance(value, Node)
            or not _is_open(value)
            or (isinstance(value, Call) and not self._computing)
        ):
            return value
        if (node, name) in self._open:
            raise Mistake("link")
        self._open.append((node, name))
        try:
            return self.follow(node, value) if isinstance(value, Reference) else self._computed(node, value)
        finally:
            self._open.pop()

    # ---- the phase type

    def resolve(self, node: Node) -> None:
        """Give it the attributes of its prototypes, from the right, and all inside theirs."""
        if node in self._open:
            raise Mistake("type")
        self._open.append(node)
        while node.types:
            given = self._given(node, node.types[-1])
            node.types.pop()
            own, node.items = node.items, {}
            for key, (value, tags) in given.items():
                node.put(key, value, tags)
            for key, (value, tags) in own.items():
                before = node.items[key][1] if key in node.items else frozenset[str]()
                if "sfFinal" in before:
                    raise Mistake("type")
                node.put(key, value, tags | before)
        for value, _ in list(node.items.values()):
            if isinstance(value, Node):
                self.resolve(value)
            elif isinstance(value, Call):
                self.resolve(value.node)
        self._open.pop()

    def _given(self, node: Node, prototype: "Reference | Node") -> dict[Key, tuple[Value, frozenset[str]]]:
        if isinstance(prototype, Node):
            return prototype.copies()
        try:
            found = self.follow(node, prototype)
        except (Missing, Lazy, Mistake):
            raise Mistake("type") from None
        if not isinstance(found, Node):
            raise Mistake("type")
        self.resolve(found)
        return found.copies()

    # ---- the phase place

    def place(self, root: Node) -> None:
        """Move attributes with paths until none moves any more."""
        while self._place_in(root):
            pass
        if self._unplaced(root):
            raise Mistake("place")

    def _place_in(self, node: Node) -> bool:
        moved = False
        for key in list(node.items):
            value, tags = node.items[key]
            if isinstance(key, tuple):
                moved |= self._moved(node, key, value, tags)
            elif (inner := _inside(value)) is not None:
                moved |= self._place_in(inner)
        return moved

    def _moved(self, node: Node, path: tuple[str, ...], value: Value, tags: frozenset[str]) -> bool:
        try:
            target = self.follow(node, Reference(tuple(Part("HERE", name) for name in path[:-1])))
        except (Missing, Lazy):
            return False
        except Mistake:
            raise Mistake("place") from None
        if not isinstance(target, Node):
            return False
        before = target.items[path[-1]][1] if path[-1] in target.items else frozenset[str]()
        if "sfFinal" in before:
            raise Mistake("place")
        del node.items[path]
        target.put(path[-1], value, tags | before)
        return True

    def _unplaced(self, node: Node) -> bool:
        return any(
            isinstance(key, tuple) or ((inner := _inside(value)) is not None and self._unplaced(inner))
            for key, (value, _) in node.items.items()
        )

    # ---- the phase function

    def construct(self, node: Node) -> None:
        """Make functions of the components that are some."""
        for key, (value, tags) in list(node.items.items()):
            inner = value.node if isinstance(value, Call) else value
            if not isinstance(inner, Node):
                continue
            self.construct(inner)
            if isinstance(value, Node) and value.items.pop(PHASE, None) is not None:
                node.put(key, Call(value, Form.APPLY), tags)

    # ---- the phase link

    def link(self, node: Node) -> None:
        """Replace what is inside by what it is worth."""
        self._computing = True
        if node in self._open:
            raise Mistake("link")
        if node in self._linked:
            return
        self._open.append(node)
        for key, (value, tags) in list(node.items.items()):
            if isinstance(key, str) and not (isinstance(value, Call | Reference) and not _is_open(value)):
                node.items[key] = self._linked_value(node, key), tags
        self._open.pop()
        self._linked.add(node)

    def _linked_value(self, node: Node, name: str) -> Value:
        value = node.items[name][0]
        try:
            found = self._worth(node, name)
            if _is_lazy(found):
                raise Lazy
        except Missing:
            raise Mistake("link") from None
        except Lazy:
            return _lazy(value)
        self._link_within(found)
        return found

    def _link_within(self, value: Value) -> None:
        if isinstance(value, Node):
            self.link(value)
        elif isinstance(value, Vector):
            for item in value:
                self._link_within(item)

    def _computed(self, holder: Node, call: Call) -> Value:
        call.node.parent = holder
        arguments: dict[str, Value] = {}
        for key, (value, tags) in list(call.node.items.items()):
            if key == CLASS or not isinstance(key, str):
                continue
            try:
                arguments[key] = self._worth(call.node, key)
                if _is_lazy(arguments[key]):
                    raise Lazy
            except Lazy:
                call.lazy = True
                call.node.items[key] = _lazy(value), tags
            else:
                call.node.items[key] = arguments[key], tags
                self._link_within(arguments[key])
        if call.lazy:
            raise Lazy
        name = self._worth(call.node, CLASS)
        if name.endswith(".Concatenate") and len(arguments) > 1:
            arguments = {key: self._text(value) for key, value in arguments.items()}
        try:
            return functions.compute(name, arguments, Budget(Limits()))
        except (Unresolved, TypeError):  # the second: a component in a list, which is none of nm's own here
            raise Missing from None

    def _text(self, value: Value) -> Value:
        if isinstance(value, Vector):
            return Vector(map(self._text, value))
        return component_text(self.finished(value)) if isinstance(value, Node) else value

    # ---- the end

    def finished(self, node: Node) -> Component:
        """The component that it has become; each holder has its own."""
        kept = {key: item for key, item in node.items.items() if "sfTemp" not in item[1]}
        items = {key: Attribute(self._finished(value), None, tags) for key, (value, tags) in kept.items()}
        return Component(items, [], node.data)

    def _finished(self, value: Value) -> Value:
        if isinstance(value, Node):
            return self.finished(value)
        if isinstance(value, Call):
            return Function(self.finished(value.node), Form.APPLY, "", value.lazy, value.data)
        return Vector(map(self._finished, value)) if isinstance(value, Vector) else value


def _inside(value: Value) -> Node | None:
    if isinstance(value, Call):
        return value.node if value.form in WRITTEN else None
    return value if isinstance(value, Node) else None


def _is_open(value: Value) -> bool:
    return isinstance(value, Reference | Call) and not value.data


def _is_lazy(value: Value) -> bool:
    if isinstance(value, Vector):
        return any(map(_is_lazy, value))
    return _is_open(value) and bool(value.lazy)


def _lazy(value: Value) -> Value:
    if isinstance(value, Reference):
        return replace(value, lazy=True)
    if isinstance(value, Call):
        value.lazy = True
    return value
