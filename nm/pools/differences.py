"""What differs between a part as it is deployed and as it is described, and what each difference means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nm.pools.attributes import EFFECTS, Attribute, Effect, Value, is_lazy, of_unknown
from nm.pools.kinds import HOST, KINDS, ON_HOSTS, QUIET, SHOWN_NOT, told
from nm.pools.tree import Part

How = Literal["added", "changed", "removed"]
WAITING = ("restart", "replace")  # a change that counts when the component starts again


@dataclass(frozen=True)
class Standing:
    """A part as it is deployed: `part` as it is described now, `state` of lifecycle.

    begun: the values with which it was started of what was changed since; None: it had none. worth: what its
    lazy attributes were worth when a hand was last told of it, as Tree.worths; None: nobody knows any more.
    drift: what was changed by hand since, as it is now (see drifting).
    """

    part: Part
    state: str
    begun: Mapping[str, Value] = field(default_factory=dict)
    worth: Mapping[str, Value] | None = None
    drift: Mapping[str, Value] = field(default_factory=dict)

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return self.state == "running"

    @property
    def there(self) -> bool:
        """Whether something was made of it, if it runs or not: what a Finally keeps ready does not."""
        return self.state not in ("", "ended")

    @property
    def now(self) -> Mapping[str, Value]:
        """The attributes of which a hand was last told, lazy ones as what they were worth."""
        return {**self.part.attributes, **self.worth} if self.worth else self.part.attributes

    @property
    def started(self) -> Mapping[str, Value]:
        """Those with which it was started."""
        return {**self.now, **self.begun} if self.begun else self.now


@dataclass(frozen=True)
class Difference:
    """One attribute that differs; old and new are None where there is none. quiet: not to be shown.

    Where both are the same lazy reference, it leads to another value now. What that is may be secret.
    """

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
        if same(self.old, self.new):
            return f"{self.name} {_text(self.new)} leads to another value"
        shown = self.public()
        way = " -> ".join(
            SHOWN_NOT if self.quiet else _text(shown[key]) for key in ("old", "new") if key in shown
        )
        return f"{self.name} {way if self.how == 'changed' else f'{self.how}: {way}'}"


def waiting(standing: Standing, late: Mapping[str, str]) -> list[str]:
    """The attributes that were changed since the part started, and count when it starts again.

    late: those that were to change in place and could not.
    """
    if not standing.up:
        return []
    known = KINDS[standing.part.kind].known if standing.part.kind in KINDS else {}
    return [
        name for name, old in standing.begun.items() if _waits(standing, late, known.get(name), name, old)
    ]


def _waits(
    standing: Standing, late: Mapping[str, str], known: Attribute | None, name: str, old: Value
) -> bool:
    new = standing.now.get(name)
    if same(old, new):
        return False
    return name in late or (known is not None and known.effect_of(standing.started, old, new) in WAITING)


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


def differences(
    old: Standing, new: Part, worth: Mapping[str, Value], *, reference: bool = False
) -> list[Difference]:
    """What differs. worth: what lazy attributes of the new one are worth, as Tree.worths says.

    reference: what begins with sf means what it does in the reference implementation.
    """
    alike = old.part.host == new.host and (old.worth is None or same(old.worth, worth))
    if alike and new.needs == old.part.needs and same(old.part.attributes, new.attributes):
        return []
    return list(_differences(old, new, worth, reference))


def _differences(
    old: Standing, new: Part, worth: Mapping[str, Value], reference: bool
) -> Iterator[Difference]:
    before, after = old.part.attributes, new.attributes
    moved = new.kind in ON_HOSTS and old.part.host != new.host
    for name in (*after, *(name for name in before if name not in after)):
        how: How = "added" if name not in before else "removed" if name not in after else "changed"
        one, other = before.get(name), after.get(name)
        leads_alike = old.part.needs.get(name) == new.needs.get(name)
        worth_alike = old.worth is None or same(old.worth.get(name), worth.get(name))
        if how == "changed" and leads_alike and worth_alike and same(one, other):
            continue
        effect = effect_of(old, name, worth.get(name, other), reference=reference)
        moved = moved and name != HOST
        yield Difference(name, how, one, other, effect, name in QUIET)
    if moved:
        yield Difference(HOST, "changed", old.part.host, new.host, "replace")


def effect_of(old: Standing, name: str, new: Value, *, reference: bool = False) -> Effect:
    """What it means that an attribute is worth that from now on; None: that it is not given."""
    kind, was = KINDS.get(old.part.kind), old.now.get(name)
    known = kind.known.get(name) if kind is not None else None
    if known is None or (reference and name.startswith("sf")):
        return of_unknown(name) if new is not None else "now"
    return "now" if _as_good(known.default, was, new) else known.effect_of(old.started, was, new)


def _as_good(default: Value, one: Value, other: Value) -> bool:
    """Whether one value stands for the default that the other one says, or that is not said."""
    return (one is None) != (other is None) and same(default, other if one is None else one)


def worst(found: list[Difference]) -> Effect | None:
    """The effect that decides what is done about them; None when nothing differs."""
    order: tuple[Effect, ...] = ("termination", *(effect for effect in EFFECTS if effect != "termination"))
    return max((difference.effect for difference in found), key=order.index, default=None)
