"""What differs between a part as it is deployed and as it is described, and what each difference means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nm.pools.attributes import EFFECTS, Effect, Value, is_lazy
from nm.pools.kinds import KINDS, QUIET, SHOWN_NOT, told
from nm.pools.tree import Part

How = Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class Standing:
    """A part as it is deployed: `part` as it is described now, `state` of lifecycle.

    begun: the values with which it was started of what was changed since; None: it had none.
    """

    part: Part
    state: str
    begun: Mapping[str, Value] = field(default_factory=dict)

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return self.state == "running"

    @property
    def there(self) -> bool:
        """Whether something was made of it, if it runs or not: what a Finally keeps ready does not."""
        return self.state not in ("", "ended")

    @property
    def started(self) -> Mapping[str, Value]:
        """The attributes with which it was started."""
        return {**self.part.attributes, **self.begun} if self.begun else self.part.attributes


@dataclass(frozen=True)
class Difference:
    """One attribute that differs; old and new are None where there is none. quiet: not to be shown."""

    name: str
    how: How
    old: Value
    new: Value
    effect: Effect
    quiet: bool = False

    def public(self) -> dict[str, Any]:
        """For the API; without what there is not."""
        shown = {"old": told(self.old), "new": told(self.new)}
        if self.quiet:
            shown = dict.fromkeys(shown, SHOWN_NOT)
        shown.pop({"added": "old", "removed": "new"}.get(self.how, ""), None)
        return {"name": self.name, "how": self.how, "effect": self.effect, **shown}

    def __str__(self) -> str:
        shown = self.public()
        way = " -> ".join(
            SHOWN_NOT if self.quiet else _text(shown[key]) for key in ("old", "new") if key in shown
        )
        return f"{self.name} {way if self.how == 'changed' else f'{self.how}: {way}'}"


def _text(value: Value) -> str:
    """A value as it is written in a description, or nearly."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if is_lazy(value):
        return str(value["reference"])
    return "{...}" if isinstance(value, dict) else repr(value)


def same(one: Value, other: Value) -> bool:
    """Whether two values are the same, also by their types: 1, true and 1.0 are three."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is str:  # as most are
        return bool(one == other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(map(same, one.values(), map(other.__getitem__, one)))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def differences(old: Standing, new: Part, *, reference: bool = False) -> list[Difference]:
    """What differs. reference: what begins with sf means what it does in the reference implementation."""
    if new.needs == old.part.needs and same(old.part.attributes, new.attributes):
        return []
    return list(_differences(old, new, reference))


def _differences(old: Standing, new: Part, reference: bool) -> Iterator[Difference]:
    before, after = old.part.attributes, new.attributes
    known = KINDS[new.kind].known if new.kind in KINDS else {}
    for name in (*after, *(name for name in before if name not in after)):
        how: How = "added" if name not in before else "removed" if name not in after else "changed"
        leads_alike = old.part.needs.get(name) == new.needs.get(name)
        if how == "changed" and leads_alike and same(before[name], after[name]):
            continue
        one, other = before.get(name), after.get(name)
        attribute = known.get(name)
        if name.startswith("sf") and (reference or attribute is None):
            effect: Effect = "now" if how == "removed" else "replace"
        elif attribute is None or _as_good(attribute.default, one, other):
            effect = "now"
        else:
            effect = attribute.effect_of(old.started, one, other)
        yield Difference(name, how, one, other, effect, name in QUIET)


def _as_good(default: Value, one: Value, other: Value) -> bool:
    """Whether one value stands for the default that the other one says, or that is not said."""
    return same(*(default if value is None else value for value in (one, other))) and one is not other


def worst(found: list[Difference]) -> Effect | None:
    """The effect that decides what is done about them; None when nothing differs."""
    order: tuple[Effect, ...] = ("termination", *(effect for effect in EFFECTS if effect != "termination"))
    return max((difference.effect for difference in found), key=order.index, default=None)
