"""What comes out of a compiled tree: plain data, and the list of components that are to be deployed.

Here the language ends. What the components mean, and what is done for them, others say: they take `pieces`.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from nm.descriptions.finding import Finder, LazyMet
from nm.descriptions.limits import Budget, Limits
from nm.descriptions.printer import value_text
from nm.descriptions.problems import Unresolved
from nm.descriptions.values import TBD, Component, Function, Reference, Scope, Value, Vector, spoken

CLASS = "sfClass"
CORE = "org.smartfrog.sfcore."
COMBINATORS = (
    "Sequence", "Parallel", "Retry", "Repeat", "Try", "Timeout", "During", "Delay", "Finally", "FireBreak",
    "DetachingCompound", "Terminator", "Run", "Deployer",
)  # fmt: skip
OWN = (
    "Domain",
    "XenDomain",
    "LoopbackStorageBackend",
    "LVMStorageBackend",
    "Group",
    "Node",
    "Vlan",
    "HeadNode",
)
GIVEN = ("sfHost", "sfLivenessDelay", "sfLivenessFactor")  # attributes that every component has when it runs
KINDS = {
    f"{CORE}prim.PrimImpl": "Prim",
    f"{CORE}compound.CompoundImpl": "Compound",
    "org.smartfrog.services.shellscript.ScriptExecutionImpl": "Shell",
    "org.smartfrog.services.shellscript.SFScriptImpl": "Script",
    "org.smartfrog.services.display.SFDisplay": "Display",
    "org.smartfrog.services.management.SFDeployDisplay": "DeployManagement",
    **{f"{CORE}workflow.combinators.{name}": name for name in COMBINATORS},
    **{f"nm.{name}": name for name in OWN},
}

Written = tuple[str, int, int]  # a place in a text: file, line, column
NO_PLACE: Written = ("", 0, 0)
PLAIN = (str, bool, bytes)  # what is as plain as it is


@dataclass(frozen=True)
class Piece:
    """A component to be deployed.

    path: the names that lead to it; () is the whole. kind: one of KINDS, by its sfClass; "" when it has none
    that nm knows. attributes: as in `plain`, without the components to be deployed inside it. needs: for each
    lazy reference, by the names that lead to it, the path of the component to which it leads, or to one of
    whose attributes; None when it leads nowhere in this description. written: where it is described.
    inside: where the components are that stand in it as data.
    """

    path: tuple[str, ...]
    kind: str
    attributes: dict[str, Value]
    needs: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    written: Written = NO_PLACE
    inside: Mapping[str, "Inside"] = field(default_factory=dict)


class Inside(NamedTuple):
    """Where a component is described that stands in another as data, and those in it."""

    written: Written
    inside: Mapping[str, "Inside"]


def plain(component: Component) -> dict[str, Value]:
    """The tree in builtin types: {"attributes": {name: value}, "data": bool, "tags": {name: [tag]}}.

    A value is None, bool, int, float, str, bytes, a list of values, such a struct, {"reference": text}
    or {"tbd": True}. Before its prototypes have given their attributes a component has "prototypes", too: a
    list of references and structs.
    """
    items = component.attributes
    made: dict[str, Value] = {
        "attributes": {spoken(key): plain_value(item.value) for key, item in items.items()},
        "data": component.data,
        "tags": {spoken(key): sorted(item.tags) for key, item in items.items() if item.tags},
    }
    if component.prototypes:
        made["prototypes"] = [
            plain_value(item if isinstance(item, Component) else item[0]) for item in component.prototypes
        ]
    return made


def plain_value(value: Value) -> Value:
    """One value of it."""
    if value is None or isinstance(value, PLAIN):
        return value
    if isinstance(value, Component):
        return plain(value)
    if isinstance(value, (Reference, Function)):
        return {"reference": value_text(value)}
    if value is TBD:
        return {"tbd": True}
    if isinstance(value, Vector):
        return [plain_value(item) for item in value]
    return float(value) if isinstance(value, float) else int(value)


def kind_of(its_class: Value) -> str:
    """The kind of a component with that sfClass; "" when nm knows none."""
    return KINDS.get(its_class, "") if isinstance(its_class, str) else ""


def pieces(tree: Component) -> list[Piece]:
    """The components that are to be deployed: around before inside, then in the order of their attributes.

    Data is not deployed, nor is what is inside data.
    """
    finder = _Through(
        Budget(Limits(steps=sys.maxsize))
    )  # each walk is short, and there are as many as lazy references
    return list(_pieces(finder, Scope(tree), ()))


def _pieces(finder: Finder, scope: Scope, path: tuple[str, ...]) -> Iterator[Piece]:
    inner: dict[str, Component] = {}
    own: dict[str, Value] = {}
    others: dict[str, Value] = {}  # those of own that are not as plain as they are
    for key, item in scope.component.attributes.items():
        value, name = item.value, spoken(key)
        if value is None or isinstance(value, PLAIN):
            own[name] = value
        elif isinstance(value, Component) and not value.data:
            inner[name] = value
        else:
            own[name], others[name] = plain_value(value), value
    its_kind, needs = kind_of(own.get(CLASS)), dict(_needs(finder, scope, others, ""))
    yield Piece(path, its_kind, own, needs, _written(scope.component), _inside(others.items()))
    for name, component in inner.items():
        yield from _pieces(finder, scope.below(component, name), (*path, name))


def _written(component: Component) -> Written:
    mark = component.mark
    return (mark.source.name, *mark.source.position(mark.offset)) if mark else NO_PLACE


def _inside(items: Iterable[tuple[str, Value]]) -> dict[str, Inside]:
    found = {name: value for name, value in items if isinstance(value, Component)}
    return {
        name: Inside(
            _written(value),
            _inside((spoken(key), item.value) for key, item in value.attributes.items()),
        )
        for name, value in found.items()
    }


class _Through(Finder):
    """Goes on behind a lazy reference to where that leads."""

    def worth(self, scope: Scope, name: str, value: Value) -> Value:
        if isinstance(value, Reference) and value.lazy and not value.data:
            return self.follow(scope, replace(value, lazy=False))
        return super().worth(scope, name, value)


def _needs(
    finder: Finder, scope: Scope, values: dict[str, Value], before: str
) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    for name, value in values.items():
        if value is None or isinstance(value, PLAIN):
            continue
        if isinstance(value, Reference) and value.lazy and not value.data:
            yield before + name, _target(finder, scope, value)
        elif isinstance(value, Component):
            yield from _inner_needs(finder, scope.below(value, name), f"{before}{name}:")
        elif isinstance(value, Function) and value.lazy and not value.data:
            yield from _inner_needs(finder, scope.below(value.component, name), f"{before}{name}:")


def _inner_needs(finder: Finder, scope: Scope, before: str) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    inner = {spoken(key): item.value for key, item in scope.component.attributes.items()}
    yield from _needs(finder, scope, inner, before)


def _target(finder: Finder, scope: Scope, reference: Reference) -> tuple[str, ...] | None:
    """The component that a lazy reference leads to, as far as the description tells."""
    for parts in (reference.parts, reference.parts[:-1]):
        try:
            found = finder.follow(scope, Reference(parts)) if parts else None
        except LazyMet:
            continue  # known when that is followed: whose attribute it is counts
        except Unresolved:
            if parts and parts[-1].name in GIVEN and parts is reference.parts:
                continue
            return None
        if isinstance(found, Scope):
            return found.names()
    return _holder(scope, reference)


def _holder(scope: Scope, reference: Reference) -> tuple[str, ...] | None:
    """The component that has the one attribute which a reference names."""
    look: Scope | None = scope
    while look is not None and reference.parts[0].name not in look.component.attributes:
        look = look.parent
    return look.names() if look is not None else None
