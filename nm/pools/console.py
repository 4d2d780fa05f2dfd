"""What a console shows of a pool: of its tree what is unfolded, and all of the one that is chosen. Pure.

A pool may have 10,000 components, and whoever looks, looks again every second. So parts are read here as
they are kept, counted where they stand, and only those that are shown become structs: an answer is as large
as what is on the screen.

A DeployManagement in a description is a console of its own: of the part that `root` leads to, else of the
one that it is in, under the title that `nameDisplay` says, and to be looked at only when `screenEditable` is
false. That is how it is shown; what may be changed, rights say alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nm.calls import Call
from nm.descriptions.collection import uncollected
from nm.errors import Invalid, NotFound
from nm.pools import chunks, keeping, reality, showing
from nm.pools.attributes import Attribute, Value, is_component, of_unknown
from nm.pools.differences import Standing, waiting
from nm.pools.grouping import GROUP
from nm.pools.kinds import KINDS
from nm.pools.life import Entry
from nm.pools.operations import need
from nm.pools.tree import Path, is_around, spell, spelled
from nm.records import Record, name_of
from nm.store import Reader

VIEW = {"root": str, "open": list, "find": str, "most": int, "chosen": str}
MOST = 200  # components that are found at once, and that are shown of what is inside one
ROWS = 2000  # in one answer
BELOW = ("components", "running", "busy", "bad", "waiting", "drifted")  # what is counted
BAD = frozenset(("trouble", "hindered", "unreachable", "failed"))  # of an entry


@dataclass(slots=True)
class _Kept:
    """A component as it is kept, and what is inside it. below: of it and all inside it, by BELOW.

    drift: what of it is otherwise than described, in words.
    """

    path: Path
    part: Mapping[str, Any]
    begun: Mapping[str, Value]
    worth: Mapping[str, Value] | None
    late: Mapping[str, str]
    entry: Entry
    drift: str = ""
    below: tuple[int, ...] = ()
    inside: list["_Kept"] = field(default_factory=list)


# ---- what calls answer


def get_component_tree(reader: Reader, call: Call, name: str, view: Record | None = None) -> Record:
    """What is to be seen of a description's components; see VIEW."""
    pool, chosen_view = need(reader, name), _checked(view or {})
    with uncollected():  # it makes many objects again and again, and no garbage
        kept = _kept(reader, pool)
    console = _of_console(kept, spelled(chosen_view.get("root", "")))
    root = spelled(console["root"])
    if kept and root not in kept:
        raise NotFound(f"no component {spell(root)} in {name}", "GetDescriptions tells the consoles")
    rows, matching = _rows(kept, root, chosen_view) if kept else ([], 0)
    chosen = kept.get(spelled(chosen_view["chosen"])) if "chosen" in chosen_view else None
    return {
        "description": showing.description(
            reader, call, pool, ((one.path, one.part) for one in kept.values())
        ),
        **console,
        "rows": [_row(one) for one in rows],
        "matching": matching,
        "chosen": None if chosen is None else _chosen(chosen),
    }


def _checked(view: Record) -> Record:
    for key, value in view.items():
        if key not in VIEW:
            raise Invalid(f"a view has no {key[:70]!r}", f"it may say {', '.join(VIEW)}")
        if type(value) is not VIEW[key]:
            raise Invalid(
                f"{key} of a view is not of type {VIEW[key].__name__}", "as {'open': [['a:b', 50]]}"
            )
    for item in view.get("open", ()):
        if not (isinstance(item, list) and [type(one) for one in item] == [str, int]):
            raise Invalid("open of a view is not a list of [path, count]", "as {'open': [['a:b', 50]]}")
    return view


# ---- all that is kept


def _kept(reader: Reader, pool: Record) -> dict[Path, _Kept]:
    """Every component by its path, as they are described, each with what is inside it."""
    name, count = name_of(pool["record_key"]), pool["count"]
    lives = dict(chunks.items(reader.get, "life", name, count))
    pieces = chunks.items(reader.get, "piece", name, count)
    there = [(number, item) for number, item in pieces if item["part"] is not None]
    found: dict[Path, _Kept] = {}
    for number, item in sorted(there, key=lambda one: int(one[1]["part"]["place"])):
        path = tuple(item["path"])
        late, worth = item.get("late", {}), item.get("worth")
        found[path] = _Kept(path, item["part"], item["begun"], worth, late, lives.get(number, {}))
    for one in found.values():
        parent = one.part["parent"]
        if parent is not None and (around := found.get(tuple(parent))) is not None:
            around.inside.append(one)
    _compare(reader, name, found)
    _count(found)
    return found


def _compare(reader: Reader, name: str, found: Mapping[Path, _Kept]) -> None:
    """Note what was changed by hand: of domains and disks, of groups, and of what is in them."""
    ahead = [one for one in found.values() if one.part["kind"] == GROUP]
    standings = {one.path: _standing(one) for one in found.values() if "drift" in one.entry}
    while ahead:
        one = ahead.pop()
        standings[one.path] = _standing(one)
        ahead.extend(one.inside)
    for path, words in reality.drift(reader, name, standings).items():
        found[path].drift = words


def _count(found: Mapping[Path, _Kept]) -> None:
    """Count each, and all inside it."""
    for one in found.values():
        one.below = _own(one)
    outer = [one for one in found.values() if one.inside]
    for one in sorted(outer, key=lambda one: len(one.path), reverse=True):  # inside before around
        one.below = tuple(map(sum, zip(one.below, *(inner.below for inner in one.inside), strict=True)))


def _own(one: _Kept) -> tuple[int, ...]:
    """What it counts itself, as BELOW has it."""
    entry = one.entry
    waits = bool(one.begun) and bool(_waiting(one))
    return 1, entry.get("state") == "running", "doing" in entry, _is_bad(entry), waits, bool(one.drift)


def _is_bad(entry: Entry) -> bool:
    return entry.get("going") == "abnormal" or not BAD.isdisjoint(entry)


def _standing(one: _Kept) -> Standing:
    part = {**one.part, "path": list(one.path)}
    return keeping.standing({"part": part, "begun": one.begun, "worth": one.worth}, one.entry)


def _waiting(one: _Kept) -> list[str]:
    """The attributes that count when the component starts again."""
    return waiting(_standing(one), one.late)


def _notes(one: _Kept) -> Record:
    """What there is to say of it."""
    late = {"waits": "; ".join(sorted(set(one.late.values())))} if one.late else {}
    return {**showing.notes(one.entry), **late, **({"drift": one.drift} if one.drift else {})}


# ---- what of that is shown


def _of_console(kept: Mapping[Path, _Kept], root: Path) -> Record:
    """What is shown: of a component that is a console what that shows, else the component itself."""
    one = kept.get(root)
    if one is not None and one.part["kind"] == showing.CONSOLE:
        return showing.console(root, one.part)
    return {"path": spell(root), "root": spell(root), "title": spell(root), "editable": True}


def _rows(kept: Mapping[Path, _Kept], root: Path, view: Record) -> tuple[list[_Kept], int]:
    """What is shown, and of how many it is when something is looked for."""
    words = str(view.get("find", "")).lower().split()
    if words:
        found = [one for one in kept.values() if is_around(root, one.path) and _matches(one, words)]
        return found[: min(view.get("most", MOST), ROWS)], len(found)
    unfolded = {spelled(path): most for path, most in view.get("open", [[spell(root), MOST]])}
    return list(_unfolded(kept[root], unfolded)), 0


def _matches(one: _Kept, words: Iterable[str]) -> bool:
    kind, host = one.part["kind"], one.part["host"]
    texts = " ".join((spell(one.path), kind, host, one.entry.get("state", "absent"))).lower()
    return all(word in texts for word in words)


def _unfolded(root: _Kept, unfolded: Mapping[Path, int]) -> Iterator[_Kept]:
    """The root and what is unfolded in it, as a tree is read from the top."""
    left = ROWS
    ahead = [root]
    while ahead and left > 0:
        one = ahead.pop()
        yield one
        left -= 1
        ahead.extend(reversed(one.inside[: max(0, unfolded.get(one.path, 0))]))


def _row(one: _Kept) -> Record:
    part, entry = one.part, one.entry
    return {
        "path": spell(one.path),
        "parent": None if part["parent"] is None else spell(tuple(part["parent"])),
        "kind": part["kind"],
        "host": part["host"],
        "state": entry.get("state") or "absent",
        "doing": entry.get("doing"),
        "going": entry.get("going"),
        "notes": _notes(one),
        "waiting": _waiting(one) if one.begun else [],
        "inside": len(one.inside),
        "below": dict(zip(BELOW, one.below, strict=True)),
    }


def _chosen(one: _Kept) -> Record:
    """The component as GetComponents has it; what changes of it wait; what else it may be given."""
    standing = _standing(one)
    kind, attributes = KINDS.get(standing.part.kind), standing.part.attributes
    known = kind.known if kind is not None else {}
    return {
        **showing.component(standing, one.entry),
        "notes": _notes(one),
        "waiting": _waiting(one),
        "locked": [name for name, value in attributes.items() if _is_locked(known, name, value)],
        "known": [_known(attribute) for attribute in known.values() if _may_be_set(attribute)],
    }


def _is_locked(known: Mapping[str, Attribute], name: str, value: Value) -> bool:
    """Whether no value can be set in its place while the component is there."""
    attribute = known.get(name)
    free = _may_be_set(attribute) if attribute is not None else of_unknown(name) != "replace"
    return is_component(value) or not free


def _may_be_set(attribute: Attribute) -> bool:
    """Whether a call may set it, to some value at least."""
    plain = attribute.type not in ("CD", "Reference") and not attribute.lazy
    return plain and attribute.name != "sfClass" and attribute.effect != "replace"


def _known(attribute: Attribute) -> Record:
    return {
        "name": attribute.name,
        "type": attribute.type,
        "must": attribute.must,
        "default": "" if attribute.default is None else str(attribute.default),
        "effect": showing.effects(attribute.name, attribute),
        "text": attribute.text,
    }
