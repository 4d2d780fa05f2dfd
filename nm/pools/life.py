"""One event's way through the state of a tree: how parts are made, stage by stage, and taken down. Pure.

lifecycle.py says what the state is and what the rules are. What combinators do is not known here: they are
the `ways` that are given.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from nm.pools.kinds import KINDS, worth
from nm.pools.tree import ROOT, Path, Tree, spell

Entry = dict[str, Any]
State = Mapping[Path, Entry]
Status = Literal["normal", "abnormal"]
STAGES = ("construct", "deploy", "start")
OF_WHOLE = ("update", "abandoned")  # in the entry of the whole, and not about that part itself
NOTHING: Entry = {}


@dataclass(frozen=True)
class Order:
    """What a hand is to do for a part: one of STAGES, "terminate", or a step of an update."""

    what: str
    path: Path


@dataclass(frozen=True)
class End:
    """Why a part goes: the reference's termination record. first: the part that ended first."""

    status: Status
    words: str = ""
    first: Path | None = None
    cause: str = ""

    @classmethod
    def of(cls, path: Path, entry: Entry) -> "End":
        """That of a part which goes, or has gone."""
        words, cause = entry.get("words", ""), entry.get("cause", "")
        return cls(entry.get("going", "normal"), words, tuple(entry.get("first", path)), cause)


def alive(entry: Entry) -> bool:
    """Whether there is, or may be, something of that part."""
    return bool(entry) and entry["state"] != "ended"


def rests(entry: Entry) -> bool:
    """Whether that part runs, and nobody is at it."""
    return entry.get("state") == "running" and "doing" not in entry and "going" not in entry


def standing(state: State) -> str:
    """How it stands with the whole: absent, deploying, updating, running, terminating, ended, failed."""
    root = state.get(ROOT, {})
    if not root:
        return "absent"
    if root["state"] == "ended":
        return "failed" if root.get("going") == "abnormal" else "ended"
    if root.get("going"):
        return "terminating"
    if root.get("update"):
        return "updating"
    return "deploying" if root.get("stage") else "running"


class Ways(Protocol):
    """What depends on the kind of a part; combinators.py is that."""

    def started(self, life: "Life", path: Path) -> None:
        """A part runs, and what was made with it."""

    def child_passed(self, life: "Life", path: Path, child: Path, stage: str) -> None:
        """An action of a part, and all in it, are through a stage."""

    def group_passed(self, life: "Life", path: Path) -> None:
        """All actions of a part are through a stage together."""

    def child_gone(self, life: "Life", path: Path, child: Path) -> None:
        """A child is down, and its parent is not being taken down."""

    def last_act(self, life: "Life", path: Path) -> bool:
        """Whether a part that goes has something to do first; `acted` is called when that is done."""

    def acted(self, life: "Life", path: Path) -> None:
        """Something inside a part that goes has passed a stage."""

    def updated(self, life: "Life") -> None:
        """An update has come to its end: what it left out may have been somebody's turn."""

    def dropped(self, life: "Life", todo: Sequence[Any]) -> None:
        """What an update had to do for a part is not done, for the part goes."""


class Life:
    """The state before an event, and what has become of it so far."""

    def __init__(self, tree: Tree, state: State, now: float, ways: Ways) -> None:
        self.tree, self._state, self.now, self.ways = tree, state, now, ways
        self.changes: dict[Path, Entry] = {}
        self.orders: list[Order] = []
        self.unmade: deque[Path] = deque()  # of these nothing was made, and they go: what follows is next

    # ---- the state

    def get(self, path: Path) -> Entry:
        """The entry of a part, to be read; empty when there is none."""
        entry = self.changes.get(path)
        return self._state.get(path, NOTHING) if entry is None else entry

    def write(self, path: Path, **values: Any) -> Entry:
        """The entry of a part, with these values; None takes one away."""
        entry = self.changes.get(path)
        if entry is None:
            entry = self.changes[path] = {"state": "", **self._state.get(path, NOTHING)}
        entry.setdefault("state", "")  # it may have been cleared
        for key, value in values.items():
            if value is None:
                entry.pop(key, None)
            else:
                entry[key] = value
        return entry

    def worth(self, path: Path, name: str) -> Any:
        """What an attribute of a part is worth."""
        value = self.tree.value(path, name)
        kind = KINDS.get(self.tree.parts[path].kind)
        return worth(kind, {name: value}, name) if kind is not None else value

    def clear(self, path: Path) -> None:
        """There is nothing of a part any more, and it has more to become."""
        kept = self.get(path)
        self.changes[path] = {"state": "", **{key: kept[key] for key in OF_WHOLE if key in kept}}

    def order(self, path: Path, what: str) -> None:
        """Let that be done; the answer is an event."""
        self.write(path, doing=what, hindered=None)
        self.orders.append(Order(what, path))

    # ---- making

    def launch(self, path: Path) -> None:
        """Make a part and all inside it, from the beginning; nothing of it is there."""
        self.forget(path)
        self.begin(path, "construct")

    def forget(self, path: Path) -> None:
        """Of a former life of a part, and of all inside it, nothing counts."""
        for inner in self.tree.below(path):
            if self.get(inner):
                self.changes[inner] = {}

    def begin(self, path: Path, stage: str) -> None:
        """Let a part and all inside it pass a stage."""
        self.write(path, stage=stage)
        self.order(path, stage)

    def stage_done(self, path: Path, stage: str) -> None:
        """A part itself has passed a stage; now what is inside it."""
        children = self.tree.plain(path)
        if children:
            self.start_children(path, children, stage)
        elif stage == "start":
            self.ways.started(self, path)
        else:
            self.passed(path)

    def start_children(self, path: Path, children: Sequence[Path], stage: str) -> None:
        """Let these pass a stage, each behind those that come before it."""
        living = [child for child in children if stage == "construct" or alive(self.get(child))]
        self.write(path, left=len(living))
        if not living:
            self.all_passed(path)
        for child in living:
            if not self._must_wait(child, stage):
                self.begin(child, stage)

    def _must_wait(self, path: Path, stage: str) -> bool:
        """Whether a sibling has to pass the stage before it; but plain parts and actions are apart."""
        plain = not self.tree.parts[path].role
        return any(
            self._awaited(other, stage)
            for other in self.tree.before(path)
            if plain == (not self.tree.parts[other].role)
        )

    def _awaited(self, path: Path, stage: str) -> bool:
        entry = self.get(path)
        return entry.get("state") != "ended" and entry.get("passed") != stage

    def passed(self, path: Path) -> None:
        """A part and all inside it are through the stage."""
        entry = self.get(path)
        if "stage" not in entry:
            return  # it was started by an update, or goes
        stage = entry["stage"]
        self.write(path, left=None, stage=None, passed=stage)
        part = self.tree.parts[path]
        if part.parent is None:
            following = STAGES[STAGES.index(stage) + 1 :]
            if following:
                self.begin(ROOT, following[0])
        elif self.get(part.parent).get("going"):
            self.ways.acted(self, part.parent)
        elif part.role:
            self.ways.child_passed(self, part.parent, path, stage)
        else:
            self.count(part.parent, path, stage)

    def count(self, parent: Path, child: Path, stage: str) -> None:
        """One more child is through the stage, or will never be; who waited for it goes on."""
        entry = self.write(parent)
        entry["left"] -= 1
        for other in self.tree.after(child):
            if other in self.tree.leaving:
                continue
            known = self.get(other)
            begun = known.get("stage") == stage or known.get("passed") == stage
            if begun or known.get("going") or (stage != "construct" and not alive(known)):
                continue
            if not self._must_wait(other, stage):
                self.begin(other, stage)
        if entry["left"] == 0:
            self.all_passed(parent)

    def all_passed(self, path: Path) -> None:
        """All that were to pass a stage inside a part are through it."""
        entry = self.write(path, left=None)
        if "group" in entry.get("run", NOTHING):
            self.ways.group_passed(self, path)
        elif entry.get("stage") == "start":
            self.ways.started(self, path)
        else:
            self.passed(path)

    # ---- failing

    def fail(self, path: Path, words: str, first: Path | None = None) -> None:
        """A part could not be made: what was made with it is taken down, as far as the description says.

        first: the part inside it because of which that is so.
        """
        head = path
        while (parent := self.tree.parts[head].parent) is not None:
            if self.tree.parts[head].role or self.worth(parent, "keepOnFailure") is True:
                break
            head = parent
        end = End("abnormal", words, path if first is None else first)
        self.fail_with(head, end)
        self.down(head, end)

    def fail_with(self, path: Path, end: End) -> None:
        """It has failed, and so have all that need it, or need those; they go first."""
        self.write(path, failed=True)
        ends, found = {path: end}, [path]
        for needed in found:
            why = ends[needed]
            for other in self.tree.needing(needed):
                if other not in ends and alive(self.get(other)) and not self.get(other).get("going"):
                    self.write(other, failed=True)
                    ends[other] = End("abnormal", f"it needs {spell(needed)}", why.first, why.words)
                    found.append(other)
        for other in reversed(found[1:]):
            self.down(other, ends[other])

    # ---- taking down

    def down(self, path: Path, end: End) -> None:
        """Take a part down, with all inside it."""
        entry = self.get(path)
        if not alive(entry) or entry.get("going"):
            return
        words = end.words or entry.get("words", "")
        first = end.first if end.first not in (None, path) else None
        todo = entry.get("todo", ())
        self.write(path, going=end.status, words=words or None, first=first, cause=end.cause or None)
        entry = self.write(path, stage=None, left=None, todo=None)
        if path == ROOT:
            self.write(ROOT, update=None)
        self.ways.dropped(self, todo)
        if "doing" not in entry:  # else its answer is waited for: one thing at a time for a part
            self.go_on(path)

    def go_on(self, path: Path) -> None:
        """Take down what is inside a part that goes, and then the part; but first who needs that goes."""
        entry = self.get(path)
        if self.ways.last_act(self, path) or self._waits(path):
            return
        living = [child for child in self.tree.inside(path) if alive(self.get(child))]
        if not living:
            self._take_away(path)
            return
        self.write(path, left=len(living))
        for child in reversed(living):
            if not self._needed_yet(child):
                self.down(child, End.of(path, entry))

    def _take_away(self, path: Path) -> None:
        """Nothing is inside any more; what was never constructed needs no taking down."""
        if self._waits(path):
            return
        if self.get(path)["state"] == "":
            self.write(path, doing="terminate")
            self.unmade.append(path)
        else:
            self.order(path, "terminate")

    def _waits(self, path: Path) -> bool:
        """Whether those are there yet that need it, or something in it, and go as well."""
        parent = self.tree.parts[path].parent
        all_go = parent is not None and self.get(parent).get("going")
        others = [self.get(other) for other in self.tree.needing(path)]
        return any(alive(other) and (all_go or other.get("going")) for other in others)

    def _sync(self, path: Path) -> bool:
        """Whether it and its siblings are taken down one after the other."""
        parent = self.tree.parts[path].parent
        return parent is not None and self.worth(parent, "sfSyncTerminate") is True

    def _needed_yet(self, path: Path) -> bool:
        """Whether a sibling that is there must go before it."""
        if not self._sync(path):
            return any(alive(self.get(other)) for other in self.tree.needing(path))
        waiting, seen = list(self.tree.after(path)), set[Path]()
        while waiting:
            other = waiting.pop()
            if other in seen:
                continue
            seen.add(other)
            entry = self.get(other)
            if alive(entry):
                return True
            if "clear" not in entry:
                waiting.extend(self.tree.after(other))
        return False

    def gone(self, path: Path) -> None:
        """A part is down; what waited for that goes on."""
        entry = self.write(
            path, state="ended", doing=None, left=None, stage=None, unreachable=None, wake=None
        )
        parent = self.tree.parts[path].parent
        if parent is None:
            return
        went = self.get(parent).get("going")
        if entry.get("failed"):  # all that failed with it is cleared away before anything else is made
            self._free_needed(path)
        if went or not self.get(parent).get("going"):  # else its parent has begun to go without it
            self._tell_around(parent, path)
        self._free_needed(path)

    def _tell_around(self, parent: Path, path: Path) -> None:
        around = self.get(parent)
        if not around.get("going"):
            self.ways.child_gone(self, parent, path)
        elif "left" in around:
            self.write(path, clear=True)
            self._one_less(parent, path)
        elif "doing" not in around:
            self.go_on(parent)

    def _free_needed(self, path: Path) -> None:
        for other in self.tree.needed(path):
            self._if_free(other)

    def _if_free(self, path: Path) -> None:
        """Go on with a part that goes, if it waited for nothing but what has gone now."""
        entry = self.get(path)
        if alive(entry) and entry.get("going") and "doing" not in entry and "left" not in entry:
            self.go_on(path)

    def _one_less(self, parent: Path, path: Path) -> None:
        around = self.write(parent)
        around["left"] -= 1
        if around["left"] == 0:
            self.write(parent, left=None)
            self._take_away(parent)
            return
        for other in self._before(path):
            if not self.get(other).get("going") and not self._needed_yet(other):
                self.down(other, End.of(parent, around))

    def _before(self, path: Path) -> list[Path]:
        """The living siblings that may have waited for it to go."""
        if not self._sync(path):
            return [other for other in self.tree.needed(path) if alive(self.get(other))]
        found: dict[Path, None] = {}
        waiting, seen = list(self.tree.before(path)), set[Path]()
        while waiting:
            other = waiting.pop()
            if other in seen:
                continue
            seen.add(other)
            if alive(self.get(other)):
                found[other] = None
            else:
                waiting.extend(self.tree.before(other))
        return list(found)
