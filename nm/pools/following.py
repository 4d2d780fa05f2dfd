"""What lazy values are worth while a pool runs: links and functions, followed from part to part. Pure.

The language's own linker does it, over parts as they are now. A part's attributes are looked at when a walk
comes to them, so following one reference costs the same in a small pool and in a large one. Beside what is
described, each part has what its place gives it (`GIVEN`), as it has in the reference implementation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from nm.descriptions.components import CLASS, kind_of, plain_value
from nm.descriptions.finding import WITHIN
from nm.descriptions.limits import Budget, Limits
from nm.descriptions.linking import Linker
from nm.descriptions.problems import Problem, Unresolved, Wrong
from nm.descriptions.reading import Reader
from nm.descriptions.result import Converter
from nm.descriptions.schemas import Rule, absent
from nm.descriptions.surroundings import NOWHERE, Surroundings
from nm.descriptions.values import (
    TBD,
    Attribute,
    Component,
    Function,
    Key,
    Long,
    Reference,
    Scope,
    Vector,
)
from nm.descriptions.values import Part as Step
from nm.errors import NotFound
from nm.pools.attributes import Value, is_component, is_lazy
from nm.pools.kinds import ACTIONS, COMMON, HOST, KINDS

Path = tuple[str, ...]
ASSERTS = "LAZY ASSERT "
INT_MAX = 2**31 - 1
WIDER: Mapping[type, str] = {int: "java.lang.Long", float: "java.lang.Float"}  # it may have been that


class Placed(Protocol):
    """A part, as far as this is concerned."""

    @property
    def attributes(self) -> Mapping[str, Value]:
        """Plain values."""

    @property
    def host(self) -> str:
        """Where it is made."""


@dataclass(frozen=True)
class Led:
    """A part to which a reference leads."""

    path: Path


class Live:
    """Parts as they are now. What was found is kept, so a Live is over with the next change."""

    def __init__(self, parts: Mapping[Path, Placed], surroundings: Surroundings = NOWHERE) -> None:
        self._parts = parts
        budget = Budget(Limits())
        reader = Reader({}, {}, budget)
        self._linker = _RunTime(budget, reader, surroundings, _Texts(budget))
        self._root = Scope(Component(_Place(self, (), parts.get(()))))

    def worth(self, path: Path, name: str, part: Placed | None = None) -> Value | Led:
        """What an attribute is worth; `part`: as which the part at that path is taken.

        NotFound when a link leads nowhere, a function has no such arguments, or an assertion does not hold.
        """
        try:
            return self._plain(self._linker.read(self._scope(path, part), name))
        except Unresolved as error:
            problem = error.problem
            hint = problem.hint or (problem.guess() if problem.guess else "")
            raise NotFound(problem.message, hint or "correct the description") from None

    def attribute(self, path: Path, part: Placed | None, name: str) -> Attribute | None:
        """An attribute that a part has, or the place of a part inside it."""
        inner = (*path, name)
        if inner in self._parts:
            return Attribute(Component(_Place(self, inner, self._parts[inner])))
        if part is not None and name in part.attributes:
            return Attribute(_raw(part.attributes[name]))
        given = GIVEN.get(name)
        if given is not None and part is not None:
            return Attribute(given(self, path, name))
        if name == ACTIONS and part is not None and _acts(part):
            return Attribute(Component(_Place(self, inner, None), data=True))
        return None

    def around(self, path: Path, name: str) -> Value:
        """What is looked for upwards."""
        return nearest(path, name, self._own)

    def _own(self, path: Path, name: str) -> Value:
        part = self._parts.get(path)
        value = part.attributes.get(name) if part is not None else None
        return self._linker.read(self._scope(path, None), name) if is_lazy(value) else value

    def host(self, path: Path, _name: str) -> Value:
        """The host of a part, as sfHost has it."""
        return self._parts[path].host or nearest(path, HOST, self._own) or "localhost"

    def _scope(self, path: Path, part: Placed | None) -> Scope:
        """The place of a part."""
        scope = self._root
        for name in path if part is None else path[:-1]:
            found = self._linker.read(scope, name)
            if not isinstance(found, Scope):
                raise NotFound(f"{':'.join(path)} is no component any more", "look at what runs")
            scope = found
        if part is None:
            return scope
        component = Component(_Place(self, path, part))
        return scope.below(component, path[-1]) if path else Scope(component)

    def _plain(self, value: Any) -> Value | Led:
        if isinstance(value, Scope):
            if value.names() in self._parts:
                return Led(value.names())
            inner = value.component
            attributes = {
                str(key): self._plain(self._linker.read(value, key))
                for key in inner.attributes
                if isinstance(key, str)
            }
            return {"attributes": attributes, "data": inner.data, "tags": {}}
        if isinstance(value, Vector):
            return [self._plain(item) for item in value]
        return True if isinstance(value, Function) else plain_value(value)


GIVEN: Mapping[str, Callable[[Live, Path, str], Value]] = {
    "sfHost": Live.host,
    **dict.fromkeys(("sfLivenessDelay", "sfLivenessFactor"), Live.around),
}


def nearest(path: Path, name: str, own: Callable[[Path, str], Value]) -> Value:
    """What one of COMMON is worth for a part: its own, or that of the nearest around it; else the default.

    own: what it is worth of a part itself; None when that has none.
    """
    known = COMMON[name]
    for depth in range(len(path), -1, -1):
        value = own(path[:depth], name)
        if value is not None and known.fits(value):
            return value
    return known.default


def is_assertion(value: Value) -> bool:
    """Whether it is to be checked while the pool runs."""
    return is_lazy(value) and str(value["reference"]).startswith(ASSERTS)


def broken(parts: Mapping[Path, Placed], surroundings: Surroundings = NOWHERE) -> dict[Path, str]:
    """The parts of which an assertion does not hold, and the words for it."""
    live, found = Live(parts, surroundings), {}
    for path, part in parts.items():
        for name, value in part.attributes.items():
            if not isinstance(value, dict) or not is_assertion(value):
                continue  # as nearly all
            try:
                live.worth(path, name)
            except NotFound as error:
                found[path] = error.message
    return found


def _acts(part: Placed) -> bool:
    kind = KINDS.get(kind_of(part.attributes.get(CLASS)))
    return kind is not None and kind.acts


class _Place(dict[Key, Attribute]):
    """The attributes of a part, each made when somebody looks for it."""

    def __init__(self, live: Live, path: Path, part: Placed | None) -> None:
        super().__init__()
        self._live, self._path, self._part = live, path, part

    def get(self, name: Key, default: Any = None) -> Any:
        """The attribute of that name."""
        found = self._live.attribute(self._path, self._part, name) if isinstance(name, str) else None
        return default if found is None else found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __getitem__(self, name: Key) -> Attribute:
        found: Attribute | None = self.get(name)
        if found is None:
            raise KeyError(name)
        return found


class _Texts(Converter):
    """The texts of components; a part has none, for it would tell all that is around as well."""

    def _made(self, scope: Scope) -> tuple[Component, int]:
        if isinstance(scope.component.attributes, _Place):
            words = f"{scope.path() or 'the whole'} is a component that runs, of which there is no text"
            raise Wrong(Problem(words, "name the attribute of it that is meant"))
        return super()._made(scope)


class _RunTime(Linker):
    """The linker when nothing is lazy any more, and numbers have lost by what name they were written."""

    def _outside(self, part: Step) -> Any:
        if part.kind in {"HOST", "PROCESS"}:
            raise Unresolved(Problem(f"LAZY {part.kind} leads nowhere", WITHIN))
        return super()._outside(part)

    def _check(self, holder: Scope, rule: Rule) -> None:
        attribute = holder.component.attributes.get(rule.name)
        if attribute is None:
            return absent(rule)
        if rule.binding == "lazy" or any(name.endswith(".Reference") for name in rule.classes):
            return None
        value = self.read(holder, rule.name)
        return None if WIDER.get(type(value)) in rule.classes else super()._check(holder, rule)


# ---- plain values as the linker has them


def _raw(value: Value) -> Any:
    if is_lazy(value):
        return _read(value["reference"])
    if is_component(value):
        items: dict[Key, Attribute] = {
            name: Attribute(_raw(inner)) for name, inner in value["attributes"].items()
        }
        return Component(items, data=value["data"])
    if isinstance(value, dict):
        return TBD
    if isinstance(value, list):
        return Vector(map(_raw, value))
    if isinstance(value, int) and not isinstance(value, bool) and not -INT_MAX <= value <= INT_MAX:
        return Long(value)
    return value


@lru_cache(maxsize=1024)
def _read(text: str) -> Any:
    """What a reference's text is, to be followed now."""
    read = Reader({}, {}, Budget(Limits())).read("", f"value {text};")
    return _eager(read.attributes["value"].value)


def _eager(value: Any) -> Any:
    if isinstance(value, Reference):
        return value if value.data else replace(value, lazy=False)
    if isinstance(value, Function):
        return value if value.data else replace(value, component=_eager(value.component), lazy=False)
    if isinstance(value, Component):
        items = {key: item._replace(value=_eager(item.value)) for key, item in value.attributes.items()}
        return Component(items, data=value.data)
    return value
