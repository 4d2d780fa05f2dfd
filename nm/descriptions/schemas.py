"""Schemas: what an attribute must be, and whether it is. Types go by the names of Java's classes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from nm.descriptions.functions import PACKAGES, described
from nm.descriptions.problems import Problem, Wrong
from nm.descriptions.values import Component, Float, Function, Long, Reference, Scope, Value, Vector, spoken

ANY = "anyClass"
ELEMENT = PACKAGES[0] + "CheckSchemaElement"
ABOUT = frozenset({"sfFunctionClass", "sfAssertionPhase"})  # what is no element of a schema
BINDINGS = ("anyBinding", "eager", "lazy")


def _reference(value: Value) -> bool:
    return isinstance(value, Reference | Function)


CLASSES: dict[str, tuple[str, Callable[[Value], bool]]] = {
    ANY: ("a value", lambda _value: True),
    "java.lang.Object": ("a value", lambda _value: True),
    "java.lang.Integer": ("an Integer", lambda value: type(value) is int),
    "java.lang.Long": ("a Long", lambda value: type(value) is Long),
    "java.lang.Float": ("a Float", lambda value: type(value) is Float),
    "java.lang.Double": ("a Double", lambda value: type(value) is float),
    "java.lang.Number": (
        "a number",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    ),
    "java.lang.String": ("a string", lambda value: isinstance(value, str)),
    "java.lang.Boolean": ("true or false", lambda value: isinstance(value, bool)),
    "java.util.Vector": ("a list", lambda value: isinstance(value, Vector)),
    "org.smartfrog.sfcore.componentdescription.ComponentDescription": (
        "a component",
        lambda value: isinstance(value, Scope | Component),
    ),
    "org.smartfrog.sfcore.reference.Reference": ("a reference", _reference),
    "org.smartfrog.sfcore.common.SFNull": ("NULL", lambda value: value is None),
    "org.smartfrog.sfcore.common.SFByteArray": ("bytes", lambda value: isinstance(value, bytes)),
}


class Rule(NamedTuple):
    """What a schema says of one attribute."""

    name: str
    classes: tuple[str, ...] = (ANY,)
    binding: str = BINDINGS[0]
    optional: bool = False
    description: str = ""


def rule(values: Mapping[str, Value]) -> Rule:
    """The rule that an element of a schema says."""
    name = values.get("name")
    binding, optional = values.get("binding", BINDINGS[0]), values.get("optional", False)
    classes, description = values.get("class", ANY), values.get("description", "")
    said = (classes,) if isinstance(classes, str) else tuple(classes) if isinstance(classes, Vector) else ()
    if not isinstance(name, str) or not said or any(kind not in CLASSES for kind in said):
        raise Wrong(
            Problem(f"the schema of {name} has class {described(classes)}", f"one of {', '.join(CLASSES)}")
        )
    if binding not in BINDINGS or not isinstance(optional, bool):
        raise Wrong(
            Problem(
                f"the schema of {name} has a wrong binding or optional",
                "binding is anyBinding, eager or lazy; optional true or false",
            )
        )
    return Rule(name, said, binding, optional, description if isinstance(description, str) else "")


def rules(component: Component) -> list[Rule] | None:
    """The rules of a whole schema; None when they depend on where it stands."""
    found = []
    for key, attribute in component.attributes.items():
        if key in ABOUT:
            continue
        element = attribute.value
        if not isinstance(element, Function) or element.lazy or element.data:
            return None
        values = {spoken(k): item.value for k, item in element.component.attributes.items()}
        if values.pop("sfFunctionClass", None) != ELEMENT or not all(map(_constant, values.values())):
            return None
        found.append(rule(values))
    return found


def _constant(value: Value) -> bool:
    return value is None or isinstance(value, bool | int | float | str | Vector)


def check(wanted: Rule, value: Value) -> None:
    """Raises Wrong unless the value is as the schema wants it."""
    said = f"{wanted.name} ({wanted.description})" if wanted.description else wanted.name
    valid = any(CLASSES[kind][1](value) for kind in wanted.classes)
    types = " or ".join(CLASSES[kind][0] for kind in wanted.classes)
    if _reference(value):
        if wanted.binding == "eager" and not valid:
            raise Wrong(Problem(f"{said} is lazy, and must be known now", f"give it {types}"))
        return
    if wanted.binding == "lazy":
        raise Wrong(
            Problem(f"{said} is {described(value)}, and must be a lazy reference", "write LAZY and a name")
        )
    if not valid:
        raise Wrong(Problem(f"{said} is {described(value)}, and must be {types}", f"give it {types}"))


def absent(wanted: Rule) -> None:
    """Raises Wrong unless the attribute may be left out."""
    if not wanted.optional:
        types = " or ".join(CLASSES[kind][0] for kind in wanted.classes)
        about = f" ({wanted.description})" if wanted.description else ""
        raise Wrong(Problem(f"{wanted.name}{about} is missing", f"give {wanted.name} {types}"))
