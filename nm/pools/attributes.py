"""What a component is given: one attribute, its type, and what a change of it means while it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Value = Any  # as descriptions.components.plain_value makes them
Wrong = tuple[str, str]  # what is wrong, and what to do
Effect = Literal["now", "restart", "refused", "replace", "termination"]
Type = Literal["Any", "Boolean", "CD", "Integer", "Long", "Reference", "String", "Vector"]
# What is changed takes effect: in the running component; when it starts again, which an update sees to; not
# at all, for something would be lost; in another component that takes its place; when it ends, which nothing
# has to be done for.
EFFECTS: tuple[Effect, ...] = get_args(Effect)
Rule = Callable[[Mapping[str, Value], Value, Value], Effect]
COUNTS: Mapping[str, str] = {
    "now": "it counts at once",
    "restart": "it counts when the component starts again",
    "refused": "it is refused, for something would be lost",
    "replace": "it needs another component",
    "termination": "it counts when the component ends",
}


@dataclass(frozen=True)
class Attribute:
    """One attribute of a kind.

    default: what it is worth when it is not given, or words for people where that depends on others.
    effect: of a change; a Rule when that depends on the attributes with which the component was started, on
    the old value and on the new one, None being not given. lazy: only a lazy reference will do. quiet: its
    value may hold secrets and is shown to nobody.
    """

    name: str
    type: Type
    text: str
    effect: Effect | Rule
    must: bool = False
    default: Value = None
    lazy: bool = False
    quiet: bool = False
    effects: tuple[Effect, ...] = ()  # those that a Rule may choose, for people

    def effect_of(self, started: Mapping[str, Value], old: Value, new: Value) -> Effect:
        """What changing it from `old` to `new` means."""
        return self.effect(started, old, new) if callable(self.effect) else self.effect

    def fits(self, value: Value) -> bool:
        """Whether a value is of its type. What a lazy reference leads to is seen when it is followed."""
        if is_lazy(value):
            return True
        if value is None:
            return not self.must
        return not self.lazy and self.type != "Reference" and _FITS[self.type](value)


def of_unknown(name: str) -> Effect:
    """What a change of an attribute means that a component does not know."""
    return "replace" if name.startswith("sf") else "now"


def is_lazy(value: Value) -> bool:
    """Whether a plain value is a reference, or something computed, that is followed at run time."""
    return isinstance(value, dict) and "reference" in value


def last_name(reference: Value) -> str:
    """The last name of a lazy reference: that of a part, or of an attribute of one."""
    return str(reference["reference"]).replace(":", " ").split()[-1]


def leads(value: Value) -> bool:
    """Whether something of a plain value is followed at run time."""
    if is_component(value):
        return any(map(leads, value["attributes"].values()))
    return is_lazy(value) or (isinstance(value, list) and any(map(leads, value)))


def is_component(value: Value) -> bool:
    """Whether a plain value is a component, or data that is written as one."""
    return isinstance(value, dict) and "attributes" in value


def _whole(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(bits: int) -> Callable[[Value], bool]:
    return lambda value: _whole(value) and -(1 << bits) <= value < 1 << bits


_FITS: Mapping[Type, Callable[[Value], bool]] = {
    "Any": lambda value: True,
    "Boolean": lambda value: isinstance(value, bool),
    "CD": is_component,
    "Integer": _within(31),
    "Long": _within(63),
    "String": lambda value: isinstance(value, str),
    "Vector": lambda value: isinstance(value, list),
}


# ---- rules for what depends


def within(most: Callable[[Mapping[str, Value]], int], default: int) -> Rule:
    """In place up to the limit with which the component was started, behind that at its next start."""

    def rule(started: Mapping[str, Value], _old: Value, new: Value) -> Effect:
        new = default if new is None else new
        return "now" if _whole(new) and new <= most(started) else "restart"

    return rule


def growing(_started: Mapping[str, Value], old: Value, new: Value) -> Effect:
    """What is larger grows in place; nothing is made smaller, for nobody can say what may be cut off."""
    return "refused" if _whole(old) and _whole(new) and new < old else "now"
