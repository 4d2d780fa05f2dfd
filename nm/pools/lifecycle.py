"""The life of a tree of parts: events in, orders out, and all that must be remembered in plain dicts. Pure.

`happened(tree, state, event, now)` answers what has changed in the state and what is to be ordered. The state
has an entry for each part that ever came to be, and is all there is: stored after every event, it can be
taken up anywhere by the event "resumed", which gives again whatever was ordered and not answered. Who carries
orders out does one for a part at a time, and the same one again without harm.

An entry, of which keys that say nothing are left out (an empty one: there is nothing of that part):
  state    "" (just being constructed), "created", "initialized", "running", "ended"
  doing    what was ordered and not answered yet
  stage    the stage through which it and all inside it are passing; passed: the last that they are through
  left     how many parts inside are still to pass the stage, or to end before it may
  going    it is being taken down, or ended so; "normal" or "abnormal"
  clear    it ended in its turn, so nothing is left that had to go before it
  alone    it was detached before it is taken down, so that nothing around it follows
  failed   its making failed, so what is around it was never told that it is there
  words    why it goes, or what is in the way; trouble: what taking it down met; hindered: what was in the
           way of what is ordered, which is tried again
  first    the part that ended first, when that was another one; cause: why that one did (see life.End)
  run      what its combinator remembers (see combinators); wake: when that is to be told the time
  todo     what an update still has to do for it; update: how far it is, in the whole's entry (see updating);
           abandoned: there too, why the last one came to its end before it was done
  again    it starts again, for its host was booted
  unreachable  its host cannot be reached, and it may be running
  drift    what was changed by hand since, as it is now (see drifting)

Making: the whole tree passes one stage, what is around before what is inside, before the next begins. When a
part fails in that, all that was made is taken down again; in a Compound that says keepOnFailure only what was
made for the child concerned, and what needs it. Taking down: what is inside before what is around it. With
sfSyncTerminate one child after the other in the reverse order, each with all inside it, though not across
hosts; else all at once, but for what others need. A part that ends takes its parent with it, unless that is
of a kind that goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nm.pools import combinators, updating
from nm.pools.attributes import Value
from nm.pools.life import End, Entry, Life, Order, State, Status, alive
from nm.pools.plan import Step
from nm.pools.tree import ROOT, Path, Tree

BECOMES = {"construct": "created", "deploy": "initialized", "start": "running", "stop": "initialized"}


@dataclass(frozen=True)
class Event:
    """What happened.

    deploy: the tree is to be made. done, failed: an order was carried out, or was not (`what`, `words`).
    hindered: it was not, and is tried again.
    ended: a part ended by itself, or was found dead (`status`). unreachable, reached: the host of a part.
    rebooted: the host of a part was booted, so that part is off and is to start again.
    looked: what of a part was changed by hand (`drift`), or nothing any more.
    terminate: somebody wants a part taken down, the whole mostly; alone: nothing around it follows.
    time: that for which a part waits has come. resumed: after a restart.
    update: the steps of a plan are to be done; the tree has what goes as well as what comes (`both`).
    """

    name: Literal[
        "deploy",
        "done",
        "failed",
        "hindered",
        "ended",
        "unreachable",
        "reached",
        "rebooted",
        "looked",
        "terminate",
        "time",
        "resumed",
        "update",
    ]
    path: Path = ROOT
    what: str = ""
    status: Status = "normal"
    words: str = ""
    steps: Sequence[Step] = ()
    alone: bool = False
    drift: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What follows: entries that have changed, and orders."""

    changes: dict[Path, Entry]
    orders: list[Order]


def happened(tree: Tree, state: State, event: Event, now: float) -> Outcome:
    """What follows from an event. now: seconds since 1970. Neither argument is changed."""
    life = Life(tree, state, now, combinators)
    TAKERS[event.name](life, event)
    while life.unmade:
        _done(life, Event("done", life.unmade.popleft(), "terminate"))
    return Outcome(life.changes, life.orders)


def _deploy(life: Life, _event: Event) -> None:
    if not alive(life.get(ROOT)) and ROOT in life.tree.parts:
        life.launch(ROOT)


def _done(life: Life, event: Event) -> None:
    entry = life.get(event.path)
    if entry.get("doing") != event.what:
        return  # an answer to what nobody asks any more
    entry = life.write(event.path, doing=None, trouble=None, hindered=None)
    if event.what != "prepare":
        entry.pop("drift", None)  # it was made as it is described
    entry["state"] = BECOMES.get(event.what, entry["state"])
    if entry.get("going"):
        life.gone(event.path) if event.what == "terminate" else life.go_on(event.path)
    elif "again" in entry:
        life.write(event.path, again=None)
    elif "stage" in entry:
        life.stage_done(event.path, event.what)
    else:
        updating.done(life, event.path, event.what)


def _failed(life: Life, event: Event) -> None:
    entry = life.get(event.path)
    if entry.get("doing") != event.what:
        return
    if event.what == "terminate" and entry.get("going"):
        life.write(event.path, trouble=event.words)  # asked again, until it is down
        return
    life.write(event.path, doing=None, hindered=None, words=event.words)
    if entry.get("going"):
        life.go_on(event.path)
    elif "again" in entry:
        life.write(event.path, again=None)
        life.down(event.path, End("abnormal", event.words, event.path))
    elif "stage" in entry:
        life.fail(event.path, event.words)
    else:
        updating.failed(life, event.path, event.what, event.words)


def _hindered(life: Life, event: Event) -> None:
    if life.get(event.path).get("doing") == event.what:
        life.write(event.path, hindered=event.words)


def _ended(life: Life, event: Event) -> None:
    if event.alone and alive(life.get(event.path)):
        life.write(event.path, alone=True)
    life.down(event.path, End(event.status, event.words, event.path))


def _unreachable(life: Life, event: Event) -> None:
    if not alive(life.get(event.path)):
        return
    if life.tree.around(event.path, "whenUnreachable") == "terminate":
        life.down(event.path, End("abnormal", event.words, event.path))
    else:
        life.write(event.path, unreachable=event.words or "its host cannot be reached")


def _reached(life: Life, event: Event) -> None:
    if "unreachable" in life.get(event.path):
        life.write(event.path, unreachable=None)


def _rebooted(life: Life, event: Event) -> None:
    entry = life.get(event.path)
    if entry.get("state") == "running" and not {"doing", "going", "todo"} & set(entry):
        life.write(event.path, again=True, unreachable=None)
        life.order(event.path, "start")


def _looked(life: Life, event: Event) -> None:
    if life.get(event.path).get("state") == "running":
        life.write(event.path, drift=dict(event.drift) or None)


def _time(life: Life, event: Event) -> None:
    entry = life.get(event.path)
    if "wake" not in entry or entry["wake"] > life.now:
        return
    life.write(event.path, wake=None)
    if alive(entry) and not entry.get("going"):
        combinators.due(life, event.path)


def _resumed(life: Life, _event: Event) -> None:
    """Nothing is under way any more: what was ordered is ordered again, or its undoing."""
    under_way = {path: life.get(path)["doing"] for path in life.tree.parts if "doing" in life.get(path)}
    for path, what in under_way.items():
        entry = life.get(path)
        if entry.get("going") and what != "terminate":
            life.write(path, doing=None, state=entry["state"] or "created")
            life.go_on(path)
        else:
            life.orders.append(Order(what, path))


def _update(life: Life, event: Event) -> None:
    updating.begin(life, event.steps)


TAKERS: Mapping[str, Callable[[Life, Event], None]] = {
    "deploy": _deploy,
    "done": _done,
    "failed": _failed,
    "hindered": _hindered,
    "ended": _ended,
    "terminate": _ended,
    "unreachable": _unreachable,
    "reached": _reached,
    "rebooted": _rebooted,
    "looked": _looked,
    "time": _time,
    "resumed": _resumed,
    "update": _update,
}
