"""The components of a description in their places and in the order in which they are made.

A *part* is a component as it is deployed: a piece of the description, or a component that stands as data in a
combinator's `actions` or `action` and is made when that has started. Its path is that of the description.

A tree says of each part which of its siblings are made before it: those that stand before it, on a host
where it has something too, for a host does one thing after the other (nm's own things are on none, so
nodes of a group come and go together); and those that it, or something in
it, needs by a lazy reference, wherever they stand. So siblings on different hosts know nothing of each other.
What is taken down goes the same ways backwards.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nm.descriptions.components import CLASS, NO_PLACE, Piece, Written, kind_of
from nm.descriptions.surroundings import NOWHERE, Surroundings
from nm.errors import NotFound
from nm.pools.attributes import Value, is_component, is_lazy, last_name, leads
from nm.pools.following import Led, Live, nearest
from nm.pools.kinds import ACTION, ACTIONS, DOMAINS, HOST, KINDS, OF_GROUPS

Path = tuple[str, ...]
Needs = dict[str, Path | None]
ROOT: Path = ()


@dataclass(frozen=True)
class Part:
    """A component as it is deployed.

    parent: the part that it is inside of; None for the whole. role: the attribute of the parent through which
    it is made: ACTIONS, ACTION, a handler's name, or "" for a plain part. attributes: plain values, without
    the components that are parts themselves. needs: as of a Piece. host: where it is made, as sfProcessHost
    of it or around it says; "" where nmd runs. written: where it is described. place: how many are described
    before it.
    """

    path: Path
    parent: Path | None
    kind: str
    attributes: dict[str, Value]
    role: str = ""
    needs: Needs = field(default_factory=dict)
    host: str = ""
    written: Written = NO_PLACE
    place: int = 0

    def record(self) -> dict[str, Any]:
        """The part in builtin types."""
        needs = {name: None if path is None else list(path) for name, path in self.needs.items()}
        parent = None if self.parent is None else list(self.parent)
        return {
            "path": list(self.path),
            "parent": parent,
            "kind": self.kind,
            "attributes": self.attributes,
            "role": self.role,
            "needs": needs,
            "host": self.host,
            "line": list(self.written),
            "place": self.place,
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Part":
        """The part that such a record tells of."""
        needs = {name: None if path is None else tuple(path) for name, path in record["needs"].items()}
        parent = None if record["parent"] is None else tuple(record["parent"])
        file, line, *column = record["line"]
        return cls(
            tuple(record["path"]), parent, record["kind"], record["attributes"], record["role"], needs,
            record["host"], (file, line, column[0] if column else 1), record["place"],
        )  # fmt: skip


def spell(path: Path) -> str:
    """A path for people and for the API; the whole is called as it is in the description."""
    return ":".join(path) or "sfConfig"


def spelled(text: str) -> Path:
    """The path that a text says: `a:b`, or `sfConfig:a:b` as in descriptions; sfConfig is the whole."""
    path = tuple(text.split(":")) if text else ROOT
    return path[1:] if path[:1] == ("sfConfig",) else path


def by_place(part: Part) -> tuple[int, int]:
    """What parts are sorted by: around before inside, else as they are described."""
    return len(part.path), part.place


def is_around(outer: Path, inner: Path) -> bool:
    """Whether a path leads into what another leads to, or to the same."""
    return inner[: len(outer)] == outer


# ---- from pieces to parts


def parts_of(pieces: Sequence[Piece], surroundings: Surroundings = NOWHERE) -> list[Part]:
    """The parts of a description, around before inside, in the order in which they are described."""
    made: dict[Path, Part] = {}
    for piece in pieces:
        parent = piece.path[:-1] if piece.path else None
        role = _role_of_piece(made[parent].kind if parent is not None else "")
        for part in _expanded(piece, parent, role):
            made[part.path] = part
    return _placed(made, surroundings)


def _role_of_piece(kind: str) -> str:
    """Components that stand in a combinator as they are, are its actions as well."""
    return ACTIONS if kind in KINDS and KINDS[kind].inside == "actions" else ""


def _expanded(piece: Piece, parent: Path | None, role: str) -> Iterator[Part]:
    """The part of a piece, and those of its actions."""
    own, needs = piece.attributes, piece.needs
    makes = [name for name, value in own.items() if is_component(value) and _makes(piece.kind, name, value)]
    if makes:
        own = {name: value for name, value in own.items() if name not in makes}
        needs = {name: path for name, path in needs.items() if name.partition(":")[0] in own}
    yield Part(piece.path, parent, piece.kind, own, role, needs, written=piece.written)
    for name in makes:
        for inner, its_role in _inside(piece, name):
            yield from _expanded(inner, piece.path, its_role)


def _makes(kind: str, name: str, value: Mapping[str, Any]) -> bool:
    """Whether a component makes others of that one, which is an attribute of it."""
    if (known := KINDS.get(kind)) is None:
        return False
    return not value["data"] or name in known.handlers or (name in {ACTIONS, ACTION} and known.acts)


def _is_known(value: Value) -> bool:
    return value is not None and not isinstance(value, dict)


def _inside(piece: Piece, name: str) -> Iterator[tuple[Piece, str]]:
    """The pieces that a component makes of one of its attributes, and their role."""
    value = piece.attributes[name]
    if name != ACTIONS:
        yield _piece(piece, (name,), value), name if value["data"] else _role_of_piece(piece.kind)
        return
    for key, inner in value["attributes"].items():
        if is_component(inner):
            yield _piece(piece, (name, key), inner), ACTIONS


def _piece(outer: Piece, names: Path, value: Value) -> Piece:
    before = ":".join(names) + ":"
    needs = {name.removeprefix(before): path for name, path in outer.needs.items() if name.startswith(before)}
    attributes = value["attributes"]
    written, inside = outer.written, outer.inside
    for name in names:
        written, inside = inside[name]
    return Piece((*outer.path, *names), kind_of(attributes.get(CLASS)), attributes, needs, written, inside)


def _placed(parts: Mapping[Path, Part], surroundings: Surroundings) -> list[Part]:
    """The parts in their places, each with its own host, else with that of what is around it."""
    live, hosts = Live(parts, surroundings), dict[Path | None, str]({None: ""})
    for path, part in parts.items():
        named = part.attributes.get(HOST)
        host = _led_to(live, path) if leads(named) else named
        hosts[path] = host if isinstance(host, str) else hosts[part.parent]
    return [replace(part, host=hosts[path], place=place) for place, (path, part) in enumerate(parts.items())]


def _led_to(live: Live, path: Path) -> Value:
    try:
        return live.worth(path, HOST)
    except NotFound:
        return None  # which is told when it is checked


# ---- the tree


class Tree:
    """Parts in the order in which they are made; see the module. It is never changed.

    leaving: those that an update leaves out, which the tree has until it is done; they are given last, so
    nothing that is described waits for them. surroundings: what its text was told, for what is lazy.
    """

    def __init__(
        self, parts: Iterable[Part], leaving: Iterable[Path] = (), surroundings: Surroundings = NOWHERE
    ) -> None:
        described = {part.path: part for part in parts}
        self.surroundings = surroundings
        self.leaving = frozenset(leaving)
        self._children: dict[Path, list[Path]] = {}
        self._chosen: dict[tuple[Path, str], list[Path]] = {}
        for part in described.values():
            if part.parent is not None:
                self._children.setdefault(part.parent, []).append(part.path)
        self._before: dict[Path, tuple[Path, ...]] = {}
        self._after: dict[Path, list[Path]] = {}
        self.misplaced: set[tuple[Path, Path]] = set()  # what needs something behind it, and that
        self.circular: set[tuple[Path, Path]] = set()  # needs that cannot be met in any order
        self._described = described
        hosts = self._hosts()
        needs = self._sibling_needs()
        self._needed: dict[Path, set[Path]] = {}
        self._needing: dict[Path, list[Path]] = {}
        for parent in self._children:
            self._arrange(parent, hosts, needs)
        walk = self.below(ROOT) if ROOT in described else ()
        self.parts: dict[Path, Part] = {path: described[path] for path in walk}

    @cached_property
    def groups(self) -> tuple[Path, ...]:
        """Where its Groups are; found once."""
        return tuple(path for path, part in self.parts.items() if part.kind == OF_GROUPS[0])

    def users(self, path: Path, name: str) -> Sequence[Path]:
        """The domains of which the attribute of that name leads to a part, as to a disk or a network."""
        return self._users.get((path, name), ())

    @cached_property
    def _users(self) -> dict[tuple[Path | None, str], list[Path]]:
        found: dict[tuple[Path | None, str], list[Path]] = {}
        for part in self.parts.values():
            if part.kind in DOMAINS:
                for name, target in part.needs.items():
                    found.setdefault((target, name), []).append(part.path)
        return found

    def inside(self, path: Path) -> Sequence[Path]:
        """The parts directly inside one, in their order."""
        return self._children.get(path, ())

    def before(self, path: Path) -> Sequence[Path]:
        """The last of its siblings that must be made before it: those before them are, then."""
        return self._before.get(path, ())

    def after(self, path: Path) -> Sequence[Path]:
        """The first of its siblings that it must be made before."""
        return self._after.get(path, ())

    def needed(self, path: Path) -> Iterable[Path]:
        """The siblings that it, or something in it, needs, or something in them; they are made before it."""
        return self._needed.get(path, ())

    def needing(self, path: Path) -> Iterable[Path]:
        """The siblings that need it, or something in it."""
        return self._needing.get(path, ())

    def below(self, path: Path) -> Iterator[Path]:
        """It and all inside it, in their order."""
        waiting = [path]
        while waiting:
            path = waiting.pop()
            yield path
            waiting.extend(reversed(self.inside(path)))

    def plain(self, path: Path) -> Sequence[Path]:
        """The parts inside one that are made with it, without those that leave."""
        return self._of_role(path, "plain", {""})

    def actions(self, path: Path) -> Sequence[Path]:
        """The parts inside one that it makes when it has started, without handlers and those that leave."""
        return self._of_role(path, ACTIONS, {ACTIONS, ACTION})

    def _of_role(self, path: Path, name: str, roles: set[str]) -> Sequence[Path]:
        """Found once: a wide combinator asks again and again."""
        if path not in self._children:
            return ()
        if (path, name) not in self._chosen:
            chosen = [
                child
                for child in self.inside(path)
                if self.parts[child].role in roles and child not in self.leaving
            ]
            self._chosen[path, name] = chosen
        return self._chosen[path, name]

    def value(self, path: Path, name: str) -> Value:
        """The value of a part's attribute, or of that to which a lazy one leads; None: none."""
        return self._found(self.parts[path], name)

    def around(self, path: Path, name: str) -> Value:
        """What an attribute that every component has is worth: a part's own, or the nearest around it."""
        return nearest(path, name, lambda at, name: self.value(at, name) if at in self.parts else None)

    def led(self, path: Path, name: str) -> Path | None:
        """The part to which a part's attribute leads now; None when that is none."""
        try:
            found = self._live().worth(path, name)
        except NotFound:
            return None
        return found.path if isinstance(found, Led) else None

    def followed(self, part: Part, name: str) -> Value:
        """The same of a part that may be another one than the tree has; None when it leads to a part.

        NotFound when what it should lead to is not there.
        """
        value: Any = part.attributes.get(name)
        if not leads(value):
            return value
        needed = part.needs.get(name, part.path)
        target = self.parts.get(needed) if is_lazy(value) and needed is not None else None
        if target is not None and target.path != part.path:  # as most are, and quickly found
            last = last_name(value)
            if last not in target.attributes and target.path[-1:] == (last,):
                return None
            if target.path[-1:] != (last,) and _is_known(found := target.attributes.get(last)):
                return found
        led = self._live().worth(part.path, name, part)
        return None if isinstance(led, Led) else led

    def worths(self, part: Part) -> dict[str, Value]:
        """What those of its lazy attributes are worth that count for it and lead to values."""
        led = [name for name, value in part.attributes.items() if leads(value)]
        known = KINDS[part.kind].known if led and part.kind in KINDS else {}
        found = {name: self._found(part, name) for name in led if name in known and not known[name].lazy}
        return {name: value for name, value in found.items() if value is not None}

    def _live(self) -> Live:
        return Live(self.parts, self.surroundings)

    def _found(self, part: Part, name: str) -> Value:
        try:
            return self.followed(part, name)
        except NotFound:
            return None

    def _hosts(self) -> dict[Path, frozenset[str]]:
        """On which hosts a part and all inside it have something."""
        hosts: dict[Path, frozenset[str]] = {}
        alone = {host: frozenset({host}) for host in {part.host for part in self._described.values()}}
        nowhere: frozenset[str] = frozenset()
        for path in reversed(self._described):
            children = self._children.get(path)
            if children is None:
                part = self._described[path]
                hosts[path] = nowhere if part.kind in OF_GROUPS else alone[part.host]
            else:
                hosts[path] = frozenset().union(*{hosts[child] for child in children})
        return hosts

    def _sibling_needs(self) -> dict[Path, set[Path]]:
        """For each part the siblings that it, or something inside it, needs, or something inside of."""
        needed: dict[Path, set[Path]] = {}
        for path, part in self._described.items():
            for target in part.needs.values():
                if target is None or target not in self._described:
                    continue
                if is_around(target, path) or is_around(path, target):
                    continue  # what is around is made before anyway
                alike = part.parent == self._described[target].parent
                mine, its = (path, target) if alike else self._siblings(path, target)
                needed.setdefault(mine, set()).add(its)
        return needed

    def _siblings(self, one: Path, other: Path) -> tuple[Path, Path]:
        """The two parts around these, or they themselves, that are inside the same part."""
        mine, its = self._line(one), self._line(other)
        depth = next(n for n, (a, b) in enumerate(zip(mine, its, strict=False)) if a != b)
        return mine[depth], its[depth]

    def _line(self, path: Path) -> list[Path]:
        line = [path]
        while (parent := self._described[line[-1]].parent) is not None:
            line.append(parent)
        return line[::-1]

    def _arrange(
        self, parent: Path, hosts: Mapping[Path, frozenset[str]], needed: Mapping[Path, set[Path]]
    ) -> None:
        """Put siblings into order, what is needed first, and note who comes before whom."""
        children = self._children[parent]
        place = {child: n for n, child in enumerate(children)}
        ordered = self._needed_first(children, needed, place) if needed else children
        self._children[parent] = ordered
        done: set[Path] = set()
        last: dict[str, Path] = {}
        for child in ordered:
            mine = hosts[child]
            before = {last[host] for host in mine if host in last}
            if child in needed:
                self._needed[child] = met = needed[child] & done
                before |= met
                for path in met:
                    self._needing.setdefault(path, []).append(child)
            if before:
                self._before[child] = tuple(sorted(before, key=place.__getitem__))
            for path in before:
                self._after.setdefault(path, []).append(child)
            last |= dict.fromkeys(mine, child)
            done.add(child)

    def _needed_first(
        self, children: list[Path], needed: Mapping[Path, set[Path]], place: Mapping[Path, int]
    ) -> list[Path]:
        """The siblings as they are described, but each behind what it needs. Circles are left as they are."""
        ordered: list[Path] = []
        done: set[Path] = set()
        for first in children:
            if needed.get(first, done) <= done:
                if first not in done:
                    ordered.append(first)
                    done.add(first)
                continue
            waiting, opened = [first], set[Path]()
            while waiting:
                child = waiting[-1]
                if child in done:
                    waiting.pop()
                    continue
                missing = sorted(needed.get(child, set()) - done, key=place.__getitem__)
                opened.add(child)
                self.circular |= {(child, path) for path in missing if path in opened}
                missing = [path for path in missing if path not in opened]
                if missing:
                    self.misplaced |= {(child, path) for path in missing if place[path] > place[child]}
                    waiting.extend(reversed(missing))
                    continue
                ordered.append(waiting.pop())
                done.add(child)
        return ordered
