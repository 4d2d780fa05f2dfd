"""The plan: a description minus what is deployed, as changes and as a graph of steps.

A change is what becomes of one part, and why; steps are what hands do for it, in the stages of an update:

0 prepare    whether it can be done at all is seen; nothing has changed yet
1 take down  what goes, what is replaced and what starts again: in the reverse order, what needs it first
2 change     what runs on is changed in place, what stands still may be, too
3 construct, 4 deploy, 5 start: what is new, in the order of the tree; what stands still starts

A step waits for all of the stages before its own, and for the steps that it `needs` in it. Steps on different
hosts need nothing of each other but where lazy references say so.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from nm.pools.attributes import COUNTS, Effect
from nm.pools.differences import Difference, Standing, differences, worst
from nm.pools.grouping import NETWORK
from nm.pools.kinds import KINDS, OF_GROUPS, worth
from nm.pools.tree import ROOT, Part, Path, Tree, is_around, spell

Action = Literal["create", "adopt", "change", "restart", "replace", "destroy", "later"]
What = Literal["prepare", "stop", "terminate", "change", "construct", "deploy", "start"]
STAGES: dict[What, int] = {
    "prepare": 0, "stop": 1, "terminate": 1, "change": 2, "construct": 3, "deploy": 4, "start": 5
}  # fmt: skip
STEPS: Mapping[Action, tuple[What, ...]] = {
    "create": ("prepare", "construct", "deploy", "start"),
    "adopt": ("prepare", "construct", "deploy", "start"),  # what is there is taken, and starts if it is off
    "change": ("prepare", "change"),
    "restart": ("prepare", "stop", "change", "start"),
    "replace": ("prepare", "terminate", "construct", "deploy", "start"),
    "destroy": ("terminate",),
    "later": (),  # its combinator makes it when its turn comes
}
BY_EFFECT: Mapping[Effect | None, Action | None] = {
    None: None, "termination": "change", "now": "change", "refused": "change", "restart": "restart",
    "replace": "replace",
}  # fmt: skip
MAKES_INSIDE = ("create", "replace", "later", "destroy")
INSIDE = "the order inside"  # a name that no attribute has
MAKING = ("create", "adopt", "replace", "later")
HARDER: tuple[Action | None, ...] = (None, "change", "restart", "replace")
SIGNS: Mapping[Action, str] = {
    "create": "+", "adopt": "*", "change": "~", "restart": "~", "replace": "-/+", "destroy": "-", "later": "."
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """What becomes of one part. why: what it follows from, when not from its own differences."""

    path: Path
    kind: str
    action: Action
    host: str = ""
    differences: tuple[Difference, ...] = ()
    why: str = ""

    def public(self) -> dict[str, Any]:
        """For the API."""
        differing = [difference.public() for difference in self.differences]
        said = {"path": spell(self.path), "kind": self.kind, "action": self.action, "host": self.host}
        return {**said, "differences": differing, "why": self.why}


@dataclass(frozen=True)
class Step:
    """One thing that a hand does for one part."""

    id: str
    path: Path
    what: What
    stage: int
    needs: frozenset[str] = frozenset()

    def public(self) -> dict[str, Any]:
        """For the API."""
        said = {"id": self.id, "path": spell(self.path), "what": self.what, "stage": self.stage}
        return {**said, "needs": sorted(self.needs)}


@dataclass(frozen=True)
class Plan:
    """Changes in the order of the tree, those that destroy behind them; steps in an order that may be gone.

    refused: why it may not be carried out; nothing is then. made: all that is said of what is made, for there
    is nothing that it differs from.
    """

    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    refused: tuple[str, ...] = field(default=())
    made: tuple[Mapping[str, Any], ...] = ()

    def hash(self) -> str:
        """Names this plan: another world makes another one."""
        said = json.dumps([self.public(), self.made], sort_keys=True, default=repr)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def public(self) -> dict[str, Any]:
        """For the API and for --json."""
        return {
            "changes": [change.public() for change in self.changes],
            "steps": [step.public() for step in self.steps],
            "refused": list(self.refused),
        }

    def lines(self) -> Iterator[str]:
        """The changes for people."""
        for change in self.changes:
            place = f" on {change.host}" if change.host else ""
            why = f": {change.why}" if change.why else ""
            yield f"{SIGNS[change.action]:3} {change.action} {spell(change.path)} ({change.kind}){place}{why}"
            for difference in change.differences:
                yield f"      {difference} ({difference.effect})"


def plan(
    target: Tree | None,
    deployed: Mapping[Path, Standing],
    *,
    reference: bool = False,
    adopted: Collection[Path] = (),
) -> Plan:
    """What is to be done so that `target` is deployed; None: nothing is to be.

    deployed: what is recorded, by path, around before inside. adopted: of what is not, that which takes what
    is there already. reference: updates are as strict as those of
    the reference implementation: every component says sfUpdatable true, what begins with sf is not changed.
    """
    if target is None:
        target = Tree(())
    comparison = _Comparison(target, deployed, reference)
    changes = {path: _taken(change, adopted) for path, change in comparison.changes().items()}
    steps = tuple(_steps(changes, target, deployed))
    made = [target.parts[one.path].attributes for one in changes.values() if one.action in MAKING]
    return Plan(tuple(changes.values()), steps, tuple(comparison.refused(changes)), tuple(made))


def _taken(change: Change, adopted: Collection[Path]) -> Change:
    """The change, in the word for what is not made but taken."""
    takes = change.action == "create" and change.path in adopted
    return replace(change, action="adopt") if takes else change


class _Comparison:
    """Finds what becomes of each part."""

    def __init__(self, target: Tree, deployed: Mapping[Path, Standing], reference: bool) -> None:
        self._target, self._deployed, self._reference = target, deployed, reference
        self._found: dict[Path, Change] = {}
        self._resting: set[Path] = set()  # what a combinator makes at its turn, or made, with all inside
        self._children: dict[Path | None, list[Path]] = {}  # of those that are deployed
        for path, standing in sorted(deployed.items(), key=lambda item: _as_described(item[1].part)):
            self._children.setdefault(standing.part.parent, []).append(path)

    def changes(self) -> dict[Path, Change]:
        """The changes by path, in the order of the tree."""
        for path, part in self._target.parts.items():
            self._compare(path, part)
        self._follow()
        ordered = {path: self._found[path] for path in self._target.parts if path in self._found}
        gone = (path for path in self._deployed if path not in self._target.parts)
        for path in gone:
            if self._deployed[path].there:
                part = self._deployed[path].part
                ordered[path] = Change(path, part.kind, "destroy", part.host)
        return ordered

    def _compare(self, path: Path, part: Part) -> None:
        around = self._found.get(part.parent) if part.parent is not None else None
        standing = self._deployed.get(path)
        rests_around = part.parent in self._resting
        if around is not None and around.action in MAKES_INSIDE and not rests_around:
            self._made_with(around, part, standing)
        elif self._rests(part, standing):
            self._resting.add(path)
            found = self._differences(standing, part) if standing is not None else []
            if found or standing is None:
                told = tuple(replace(difference, effect="now") for difference in found)
                self._found[path] = Change(path, part.kind, "later", part.host, told)
        elif standing is None or not standing.up:
            self._make(part, standing)
        elif found := self._differences(standing, part):
            action = BY_EFFECT[worst(found)]
            if action is not None:
                self._found[path] = Change(path, part.kind, action, part.host, tuple(found))

    def _rests(self, part: Part, standing: Standing | None) -> bool:
        """Whether its turn has not come, or is over; that of what is inside something is that thing's."""
        state = standing.state if standing is not None and part.role else None
        return part.parent in self._resting or state == "ended" or (state == "" and self._has_turn(part))

    def _has_turn(self, part: Part) -> bool:
        """Whether a combinator makes it when it comes to it: a Parallel that runs makes it at once."""
        around = self._deployed.get(part.parent) if part.parent is not None else None
        return bool(part.role) and not (around is not None and around.part.kind == "Parallel")

    def _differences(self, standing: Standing, part: Part) -> list[Difference]:
        found = differences(standing, part, self._target.worths(part), reference=self._reference)
        return [*found, *self._reordered(part.path)]

    def _reordered(self, path: Path) -> Iterator[Difference]:
        """That what is inside is in another order, or that something goes which is not there yet."""
        described = self._target.parts
        old = [
            child
            for child in self._children.get(path, ())
            if child in described or not self._deployed[child].state
        ]
        kept = (child for child in self._target.inside(path) if child in self._deployed)
        new = sorted(kept, key=lambda child: _as_described(described[child]))
        if old != new:
            before, after = ([child[-1] for child in some] for some in (old, new))
            yield Difference(INSIDE, "changed", before, after, "now")

    def _made_with(self, around: Change, part: Part, standing: Standing | None) -> None:
        """What is inside something new is new as well; a combinator makes its actions when it has started."""
        there = standing is not None and standing.there
        action: Action = "replace" if there else "create"
        if part.role or around.action in {"later", "destroy"}:
            action = "destroy" if there else "later"
        self._found[part.path] = Change(part.path, part.kind, action, part.host, why=_why(around))

    def _make(self, part: Part, standing: Standing | None) -> None:
        """What is not there, or did not get to run. What ended in a combinator had its turn."""
        state = standing.state if standing is not None else ""
        if part.role and state:
            return  # its combinator sees to it
        action: Action = "later" if self._has_turn(part) else "create"
        found: list[Difference] = []
        if standing is not None and state in {"created", "initialized"}:
            found = self._differences(standing, part)
            action = "replace" if worst(found) == "replace" else "create"
        why = {"": "", "ended": "it has ended"}.get(state, "it was left half made")
        self._found[part.path] = Change(part.path, part.kind, action, part.host, tuple(found), why)

    def _follow(self) -> None:
        """What needs something that is made anew starts again, or is made anew itself."""
        waiting = [change for change in self._found.values() if _is_followed(change)]
        if not waiting:
            return
        needed = self._needed()
        while waiting:
            change = waiting.pop()
            if change.action == "replace":
                waiting.extend(self._replace_inside(change))
            for path, name in needed.get(change.path, ()):
                if (action := self._follows(change, path, name)) is not None:
                    waiting.extend(self._harden(path, action, change))

    def _follows(self, change: Change, path: Path, name: str) -> Action | None:
        """What becomes of a part that needs what changes by that attribute; None: nothing.

        A domain leaves the network of a group that is made anew before that goes.
        """
        if name == NETWORK and change.kind in OF_GROUPS:
            return "change" if change.action == "change" else "restart"
        action = BY_EFFECT[self._effect(path, name)] if change.action != "change" else None
        return action if action in {"restart", "replace"} else None

    def _needed(self) -> dict[Path, list[tuple[Path, str]]]:
        """Who needs a part, and by which attribute; of one that leads to a value only the value counts."""
        needed: dict[Path, list[tuple[Path, str]]] = {}
        for path, part in self._target.parts.items():
            values = self._target.worths(part)
            for name, other in part.needs.items():
                attribute = name.partition(":")[0]
                apart = other is not None and not is_around(other, path) and not is_around(path, other)
                if other is not None and apart and attribute not in values:
                    needed.setdefault(other, []).append((path, attribute))
        return needed

    def _effect(self, path: Path, name: str) -> Effect:
        kind = KINDS.get(self._target.parts[path].kind)
        attribute = kind.known.get(name) if kind is not None else None
        standing = self._deployed.get(path)
        started = standing.started if standing is not None else {}
        return attribute.effect_of(started, None, None) if attribute is not None else "now"

    def _harden(self, path: Path, action: Action, cause: Change) -> Iterator[Change]:
        """Let at least that be done to a part that runs; yields it when it has to be made anew."""
        standing, old = self._deployed.get(path), self._found.get(path)
        if standing is None or not standing.up:
            return
        if HARDER.index(action) > HARDER.index(old.action if old is not None else None):
            part = self._target.parts[path]
            found = old.differences if old is not None else ()
            new = Change(path, part.kind, action, part.host, found, _why(cause))
            self._found[path] = new
            if action == "replace":
                yield new

    def _replace_inside(self, cause: Change) -> Iterator[Change]:
        """What is inside something that is made anew, is made anew with it, or by it when it has started."""
        for child in self._target.inside(cause.path):
            part, standing = self._target.parts[child], self._deployed.get(child)
            if part.role and standing is not None and standing.there:
                self._made_with(cause, part, standing)
            else:
                yield from self._harden(child, "replace", cause)

    def refused(self, changes: Mapping[Path, Change]) -> Iterator[str]:
        """Why an update may not be made."""
        if not self._deployed:
            return
        for path, standing in self._deployed.items():
            part, change = standing.part, changes.get(path)
            strict = (
                self._reference and changes and standing.up and standing.now.get("sfUpdatable") is not True
            )
            touched = change is not None and change.action in {"change", "restart", "replace"}
            kind = KINDS.get(part.kind)
            if strict or (touched and kind is not None and worth(kind, standing.now, "sfUpdatable") is False):
                yield f"{spell(path)} is not updatable: it does not say sfUpdatable true"
            yield from _lossy(change)
        root = changes.get(ROOT)
        if self._reference and root is not None and root.action == "replace":
            yield "the whole refuses the update: what begins with sf differs"


def _as_described(part: Part) -> tuple[int, Path]:
    return part.place, part.path


def _lossy(change: Change | None) -> Iterator[str]:
    """What of a change would lose something; of what is made anew, or was never used, nothing would."""
    if change is None or change.action in MAKING:
        return
    for difference in change.differences:
        if difference.effect == "refused":
            yield f"{spell(change.path)}: {difference}: {COUNTS['refused']}; describe another component"


def _is_followed(change: Change) -> bool:
    """Whether what needs it has to do with the change: it is another one, or a network on another VLAN."""
    moved = any(difference.name == "vlan" for difference in change.differences)
    return change.action in {"create", "replace"} or (change.kind in OF_GROUPS and moved)


def _why(cause: Change) -> str:
    words = {"create": "created", "change": "changed"}
    return f"{spell(cause.path)} is {words.get(cause.action, 'made anew')}"


# ---- steps


def step_id(what: str, path: Path) -> str:
    """The name of a step."""
    return f"{what} {spell(path)}"


def _steps(changes: Mapping[Path, Change], target: Tree, deployed: Mapping[Path, Standing]) -> Iterator[Step]:
    """All steps, in an order in which one hand alone could do them."""
    todo: dict[What, set[Path]] = {what: set() for what in STAGES}
    for path, change in changes.items():
        for what in STEPS[change.action]:
            todo[what].add(path)
    if not deployed:
        todo["prepare"] = set()  # constructing it is seeing whether it can be done
    down = todo["stop"] | todo["terminate"]
    for path in (path for path in target.parts if path in todo["prepare"]):
        yield Step(step_id("prepare", path), path, "prepare", 0)
    if down:
        yield from _taken_down(
            _tree_of(down, deployed), {path: "stop" if path in todo["stop"] else "terminate" for path in down}
        )
    ups: tuple[What, ...] = ("change", "construct", "deploy", "start")
    for what in ups:
        if todo[what]:
            yield from _made(target, what, todo[what])


def _made(tree: Tree, what: What, paths: set[Path]) -> Iterator[Step]:
    """The steps that do something for each of these, what is around and what is needed first."""
    last: dict[str | Path, Path] = {}
    done: set[Path] = set()
    for path in (path for path in tree.parts if path in paths):
        part = tree.parts[path]
        place = _place(part)
        needs = {part.parent, *part.needs.values(), last.get(place)} & done
        yield Step(step_id(what, path), path, what, STAGES[what], _ids(what, needs))
        last[place] = path
        done.add(path)


def _place(part: Part) -> str | Path:
    """Where one thing is done after the other: its host; nm's own things are on none, each by itself."""
    return part.path if part.kind in OF_GROUPS else part.host


def _tree_of(paths: Iterable[Path], deployed: Mapping[Path, Standing]) -> Tree:
    """These parts with all that is around them, in the order in which they were made."""
    wanted = {path[:depth] for path in paths for depth in range(len(path) + 1)}
    return Tree(deployed[path].part for path in deployed if path in wanted)


def _taken_down(tree: Tree, down: Mapping[Path, What]) -> Iterator[Step]:
    """The steps that take these down, what is inside and what needs them first."""
    first: dict[Path, set[Path]] = {path: set() for path in down}
    last: dict[str | Path, Path] = {}
    done: set[Path] = set()
    for path in reversed([path for path in tree.parts if path in down]):
        part, what = tree.parts[path], down[path]
        place = _place(part)
        needs = {*first[path], last.get(place)}
        ids = frozenset(step_id(down[other], other) for other in done & needs)
        yield Step(step_id(what, path), path, what, STAGES[what], ids)
        last[place] = path
        done.add(path)
        for outer in first.keys() & {part.parent, *part.needs.values()}:
            first[outer].add(path)


def _ids(what: What, paths: Iterable[Path | None]) -> frozenset[str]:
    return frozenset(step_id(what, path) for path in paths if path is not None)
