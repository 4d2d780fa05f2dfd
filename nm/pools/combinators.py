"""What each kind does when it has started, when something in it has ended, when its time is over. Pure.

A combinator makes its actions itself, and has started when the first of them has; a Parallel that makes each
by itself has at once, and so has what waits for a time. What it remembers is `run` in its entry:

  tries  how many runs there were
  over   how many actions of a Parallel have ended
  group  the stage that a Parallel's actions pass together
  acted  whether a Finally had its action started
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nm.pools import updating
from nm.pools.kinds import ACTION, ACTIONS
from nm.pools.life import NOTHING, STAGES, End, Life, Status, alive
from nm.pools.tree import Path, spell

Step = Callable[[Life, Path], None]


def _kind(life: Life, path: Path) -> str:
    return life.tree.parts[path].kind


def _run(life: Life, path: Path) -> Mapping[str, Any]:
    run: Mapping[str, Any] = life.get(path).get("run", NOTHING)
    return run


def _remember(life: Life, path: Path, **values: Any) -> None:
    run = {**_run(life, path), **values}
    life.write(path, run={key: value for key, value in run.items() if value is not None} or None)


def finish(life: Life, path: Path, end: End) -> None:
    """A combinator has come to its end; while it is still being made, a bad one means that it cannot be."""
    if end.status == "abnormal" and "stage" in life.get(path):
        life.fail(path, end.words, end.first)
    elif end.status == "abnormal" or life.worth(path, "sfShouldTerminate") is not False:
        life.down(path, end)


# ---- when it has started


def started(life: Life, path: Path) -> None:
    """A part runs, and what was made with it."""
    STARTED.get(_kind(life, path), Life.passed)(life, path)


def _one_action(life: Life, path: Path) -> None:
    actions = life.tree.actions(path)
    if actions:
        life.launch(actions[0])
    else:
        life.passed(path)
        finish(life, path, End("normal"))


def _number(life: Life, path: Path, name: str) -> float:
    value = life.worth(path, name)
    return value if isinstance(value, int | float) else 0


def _in_time(life: Life, path: Path) -> None:
    life.write(path, wake=life.now + _number(life, path, "time") / 1000)
    _one_action(life, path)


def _delayed(life: Life, path: Path) -> None:
    life.write(path, wake=life.now + _number(life, path, "time") / 1000)
    life.passed(path)


def _all_alone(life: Life, path: Path) -> None:
    life.passed(path)
    entry = life.get(path)
    if not alive(entry) or entry.get("going"):
        return  # that was what somebody waited for, to take it down
    for action in life.tree.actions(path):
        life.launch(action)


def _parallel(life: Life, path: Path) -> None:
    actions = life.tree.actions(path)
    if not actions:
        _one_action(life, path)
    elif life.worth(path, "asynchCreateChild") is True:
        _all_alone(life, path)
    else:
        for action in actions:
            life.forget(action)
        _remember(life, path, group=STAGES[0])
        life.start_children(path, actions, STAGES[0])


def _terminator(life: Life, path: Path) -> None:
    target = life.tree.led(path, "kill")
    if target is None:
        life.fail(path, "what it is to end is not there")
        return
    life.passed(path)
    life.down(target, End("normal", f"it was ended by {spell(path)}", path))
    finish(life, path, End("normal"))


def _script(life: Life, path: Path) -> None:
    life.passed(path)
    if life.worth(path, "autoTerminate") is True:
        life.down(path, End("normal", "its script has run", path))


STARTED: Mapping[str, Step] = {
    "Script": _script,
    "Sequence": _one_action,
    "Retry": _one_action,
    "Repeat": _one_action,
    "Try": _one_action,
    "Finally": _one_action,
    "Run": _one_action,
    "Deployer": _one_action,
    "Timeout": _in_time,
    "During": _in_time,
    "Delay": _delayed,
    "Parallel": _parallel,
    "FireBreak": _all_alone,
    "Terminator": _terminator,
}


# ---- while its actions are made


def child_passed(life: Life, path: Path, child: Path, stage: str) -> None:
    """An action and all in it are through a stage."""
    if "group" in _run(life, path):
        life.count(path, child, stage)
        return
    ready = "deploy" if _kind(life, path) == "Finally" else "start"
    if stage != ready:
        life.begin(child, STAGES[STAGES.index(stage) + 1])
    elif "stage" in life.get(path):
        life.passed(path)


def group_passed(life: Life, path: Path) -> None:
    """All actions of a Parallel are through a stage together."""
    stage = _run(life, path)["group"]
    if stage == STAGES[-1]:
        _remember(life, path, group=None)
        life.passed(path)
        _all_over(life, path)
        return
    following = STAGES[STAGES.index(stage) + 1]
    _remember(life, path, group=following)
    life.start_children(path, life.tree.actions(path), following)


# ---- when something inside has ended


def child_gone(life: Life, path: Path, child: Path) -> None:
    """A child is down, and its parent is not being taken down."""
    entry, role = life.get(child), life.tree.parts[child].role
    end, kind = End.of(child, entry), _kind(life, path)
    if kind == "FireBreak" or _is_detached(life, path, child):
        _without(life, path, child)
        _destruct(life, path)
    elif role and child in life.tree.leaving:
        return  # the end of the update sees to what comes in its place
    elif role in {ACTIONS, ACTION}:
        ENDED[kind](life, path, child, end)
    elif role:
        finish(life, path, end)
    elif entry.get("failed") and life.worth(path, "keepOnFailure") is True:
        _without(life, path, child)
    else:
        life.down(path, end)


def _is_detached(life: Life, path: Path, child: Path) -> bool:
    """Whether it was, by a call; or a DetachingCompound that runs has let go of its parent, or of its parts.

    An action is not: its combinator would wait for it for ever.
    """
    if life.get(child).get("alone") and not life.tree.parts[child].role:
        return True
    upwards = _kind(life, child) == "DetachingCompound" and life.worth(child, "detachUpwards") is True
    if upwards and life.get(child).get("passed") == STAGES[-1] and not life.get(child).get("failed"):
        return True
    runs = life.get(path).get("state") == "running" and "stage" not in life.get(path)
    return runs and _lets_go(life, path)


def _lets_go(life: Life, path: Path) -> bool:
    return _kind(life, path) == "DetachingCompound" and life.worth(path, "detachDownwards") is True


def _destruct(life: Life, path: Path) -> None:
    """A DetachingCompound that is to, ends with the last of its parts."""
    wanted = _lets_go(life, path) and life.worth(path, "autoDestruct") is True
    if wanted and not any(alive(life.get(child)) for child in life.tree.inside(path)):
        finish(life, path, End("normal"))


def _without(life: Life, path: Path, child: Path) -> None:
    """Go on without a child; while children are being made, also without those that need it."""
    around = life.get(path)
    if "left" not in around:
        return
    stage: str = _run(life, path).get("group") or around["stage"]
    for other in life.tree.needing(child):
        if life.get(other).get("state") == "ended":
            continue
        why = End.of(child, life.get(child))
        end = End("abnormal", f"it needs {spell(child)}", why.first, why.words)
        life.fail_with(other, end)
        life.down(other, end)
    if life.get(child).get("passed") != stage:
        life.count(path, child, stage)


Ended = Callable[[Life, Path, Path, End], None]


def _next_turn(life: Life, path: Path, child: Path, end: End) -> None:
    actions = life.tree.actions(path)
    turn = actions.index(child) + 1
    if end.status == "abnormal" or turn == len(actions):
        finish(life, path, end)
    else:
        life.launch(actions[turn])


def _one_over(life: Life, path: Path, child: Path, end: End) -> None:
    failed = life.get(child).get("failed")
    name = "terminateOnAbnormalChildDeploy" if failed else "terminateOnAbnormalChildTermination"
    if end.status == "abnormal" and life.worth(path, name) is not False:
        finish(life, path, end)
        return
    _remember(life, path, over=_run(life, path).get("over", 0) + 1)
    if "group" in _run(life, path):
        _without(life, path, child)
    else:
        _all_over(life, path)


def _all_over(life: Life, path: Path) -> None:
    if _run(life, path).get("over") == len(life.tree.actions(path)):
        finish(life, path, End("normal"))


def _again(wanted: Status, attribute: str, more: int) -> Ended:
    """Run the action again when it ended like that, so many times as an attribute says and more."""

    def ended(life: Life, path: Path, child: Path, end: End) -> None:
        tries = _run(life, path).get("tries", 0) + 1
        if end.status == wanted and tries < _number(life, path, attribute) + more:
            _remember(life, path, tries=tries)
            life.launch(child)
        else:
            finish(life, path, end)

    return ended


def _handled(life: Life, path: Path, _child: Path, end: End) -> None:
    for other in life.tree.inside(path):
        if life.tree.parts[other].role == end.status:
            life.launch(other)
            return
    finish(life, path, end)


def _as_it(life: Life, path: Path, _child: Path, end: End) -> None:
    finish(life, path, end)


ENDED: Mapping[str, Ended] = {
    "Sequence": _next_turn,
    "Parallel": _one_over,
    "Retry": _again("abnormal", "retry", 1),
    "Repeat": _again("normal", "repeat", 0),
    "Try": _handled,
    "Timeout": _as_it,
    "During": _as_it,
    "Delay": _as_it,
    "Finally": _as_it,
    "Run": _as_it,
    "Deployer": _as_it,
}


# ---- when its time is over, and when it goes


def due(life: Life, path: Path) -> None:
    """The time has come that a part waited for."""
    kind = _kind(life, path)
    if kind == "Timeout":
        words = f"it took longer than {life.worth(path, 'time')} ms"
        finish(life, path, End("abnormal", words, path))
    elif kind == "During":
        finish(life, path, End("normal"))
    elif kind == "Delay":
        _one_action(life, path)


def last_act(life: Life, path: Path) -> bool:
    """Whether a part that goes has something to do first; `acted` is called when that is done."""
    if _kind(life, path) != "Finally" or _run(life, path).get("acted"):
        return False
    _remember(life, path, acted=True)
    actions = life.tree.actions(path)
    if not actions or not _is_ready(life, actions[0]):
        return False
    life.begin(actions[0], "start")
    return True


def _is_ready(life: Life, path: Path) -> bool:
    """Whether a part, and all inside it, could start now."""
    entry = life.get(path)
    deployed = entry.get("state") == "initialized" and entry.get("passed") == "deploy"
    return deployed and not any("doing" in life.get(inner) for inner in life.tree.below(path))


def acted(life: Life, path: Path) -> None:
    """Something inside a part that goes has passed a stage: a Finally had its action started."""
    if _run(life, path).get("acted") and "left" not in life.get(path):
        life.go_on(path)


def updated(life: Life) -> None:
    """An update has come to its end: what it left out may have been somebody's turn."""
    for path, part in life.tree.parts.items():
        if part.kind in ENDED and life.get(path).get("state") == "running" and not _is_to_go(life, path):
            _without_those(life, path)


def _is_to_go(life: Life, path: Path) -> bool:
    """Whether it, or something around it, goes."""
    return any(life.get(path[:depth]).get("going") for depth in range(len(path) + 1))


def _without_those(life: Life, path: Path) -> None:
    """Go on with the actions that are still described."""
    actions = life.tree.actions(path)
    ended = [action for action in actions if life.get(action).get("state") == "ended"]
    if _kind(life, path) == "Parallel":
        _remember(life, path, over=len(ended) or None)
        over = bool(ended) and len(ended) == len(actions)
    elif "wake" in life.get(path) and _kind(life, path) == "Delay":
        return
    else:
        over = bool(ended) and actions[-1] == ended[-1]
    if any(alive(life.get(child)) for child in life.tree.inside(path)):
        return
    if over or not actions:
        finish(life, path, End("normal"))
    elif _kind(life, path) != "Parallel":
        life.launch(actions[actions.index(ended[-1]) + 1 if ended else 0])


def dropped(life: Life, todo: Sequence[Any]) -> None:
    """What an update had to do for a part is not done, for the part goes."""
    updating.dropped(life, todo)
