"""A tree that runs is changed: the steps of a plan, done in their stages (see plan). Nothing stays half done.

Each part that has something to do has `todo` in its entry: for each of its steps what it is, its stage, how
many steps it still waits for, and the parts whose steps of that stage wait for it. The whole's `update` has
the stage and how many steps each stage still has. So a step that is done costs the entries that it concerns.

When something cannot be prepared, all that was prepared is told to forget it, and nothing has changed. When
something fails later the update ends there, and what is left to do is another plan; what becomes of what is
there is said by keepOnFailure, as when it was made (see Life.fail).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from nm.descriptions.surroundings import NOWHERE, Surroundings
from nm.errors import Conflict
from nm.pools.life import Entry, Life, State, alive, standing
from nm.pools.plan import STAGES, Step
from nm.pools.tree import ROOT, Part, Path, Tree, spell

LAST = max(STAGES.values())
WHAT, STAGE, WAITS, THEN = range(4)


def both(target: Iterable[Part], deployed: Iterable[Part], surroundings: Surroundings = NOWHERE) -> Tree:
    """The tree of an update: what is described, and what goes."""
    described = list(target)
    kept = {part.path for part in described}
    leaving = [part for part in deployed if part.path not in kept]
    return Tree([*described, *leaving], (part.path for part in leaving), surroundings)


def check(state: State, steps: Sequence[Step]) -> None:
    """Conflict while the whole does not simply run, or what the steps of a plan are about does not."""
    now = standing(state)
    if now != "running":
        raise Conflict(f"the pool is {now}", "wait until it runs, or terminate it and apply it anew")
    for step in steps:
        entry = state.get(step.path, {})
        if "doing" in entry or (alive(entry) and entry.get("going")):
            why = f": {entry['trouble']}" if "trouble" in entry else ""
            hint = "wait until that is over; where a host is dead for good, terminate all by force"
            raise Conflict(f"{spell(step.path)} is just made or taken down{why}", hint)


def begin(life: Life, steps: Sequence[Step]) -> None:
    """Begin with the steps of a plan, which `check` has let pass."""
    for step in steps:
        if not alive(life.get(step.path)):
            life.changes[step.path] = {}  # of a former life nothing counts
    left = [0] * (LAST + 1)
    then: dict[str, list[Path]] = {}
    for step in steps:
        left[step.stage] += 1
        for need in step.needs:
            then.setdefault(need, []).append(step.path)
    for step in steps:
        todo = [
            *life.get(step.path).get("todo", ()),
            [step.what, step.stage, len(step.needs), then.get(step.id, [])],
        ]
        life.write(step.path, todo=todo)
    life.write(ROOT, update={"stage": -1, "left": left}, abandoned=None)
    _next_stage(life)


def _next_stage(life: Life) -> None:
    update = life.get(ROOT)["update"]
    left = update["left"]
    stage = next((n for n in range(update["stage"] + 1, LAST + 1) if left[n]), None)
    if stage is None:
        life.write(ROOT, update=None)
        life.ways.updated(life)
        return
    life.write(ROOT, update={**update, "stage": stage})
    for path in life.tree.parts:
        todo = life.get(path).get("todo")
        if todo and todo[0][STAGE] == stage and todo[0][WAITS] == 0:
            life.order(path, todo[0][WHAT])


def done(life: Life, path: Path, what: str) -> None:
    """A step was done, or something that an update which was given up had ordered."""
    todo = life.get(path).get("todo")
    if not todo or todo[0][WHAT] != what:
        _late(life, path, what == "prepare")
        return
    if what == "terminate":
        life.clear(path)
    life.write(path, todo=todo[1:] or None)
    if what == "terminate" and len(todo) == 1:
        life.changes[path] = {}
    if what == "start":
        life.ways.started(life, path)
    _count(life, todo[0])


def _count(life: Life, item: Sequence[Any]) -> None:
    """One step less: who waited for it, and the next stage."""
    root = life.get(ROOT)
    if "update" not in root or root.get("going"):
        return
    update = root["update"]
    stage: int = item[STAGE]
    left = list(update["left"])
    left[stage] -= 1
    life.write(ROOT, update={**update, "left": left})
    for path in item[THEN]:
        todo = [list(other) for other in life.get(path).get("todo", ())]
        for other in todo:
            if other[STAGE] == stage:
                other[WAITS] -= 1
                life.write(path, todo=todo)
                if other[WAITS] == 0 and other is todo[0]:
                    life.order(path, other[WHAT])
    if left[stage] == 0 and update["stage"] == stage:
        _next_stage(life)


def _late(life: Life, path: Path, prepared: bool) -> None:
    """An answer of an update that was given up meanwhile; of what was to be new nothing is there."""
    if prepared:
        life.order(path, "abandon")
    elif not alive_at_all(life.get(path)):
        life.changes[path] = {}


def dropped(life: Life, todo: Sequence[Any]) -> None:
    """A part goes that had all this to do yet."""
    for item in todo:
        _count(life, item)


def failed(life: Life, path: Path, what: str, words: str) -> None:
    """A step could not be done."""
    if "todo" not in life.get(path):
        _late(life, path, False)
        return
    words = f"{what} {spell(path)} failed: {words}"
    if what == "prepare":
        _give_up(life, words)
        return
    _give_up(life, words, prepared=False)
    life.fail(path, words)
    life.ways.updated(life)


def _give_up(life: Life, words: str, *, prepared: bool = True) -> None:
    """Let nobody have anything to do any more."""
    for path in life.tree.parts:
        entry = life.get(path)
        if "todo" not in entry:
            continue
        what = [item[WHAT] for item in entry["todo"]]
        was_prepared = what[0] != "prepare" and what != ["terminate"]
        life.write(path, todo=None)
        if prepared and was_prepared and "doing" not in entry:
            life.order(path, "abandon")
        elif not alive_at_all(life.get(path)):
            life.changes[path] = {}
    life.write(ROOT, update=None, abandoned=words)


def will_be_made(entry: Entry) -> bool:
    """Whether an update has yet to make it."""
    return any(item[WHAT] == "construct" for item in entry.get("todo", ()))


def alive_at_all(entry: Entry) -> bool:
    """Whether something was made of a part, or is just being made."""
    return alive(entry) and (entry["state"] != "" or "doing" in entry)
