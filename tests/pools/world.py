"""A world that carries out the orders of a life, as it is told to; and how tests say what was ordered.

A trace is a text: what was ordered, in order. `construct a b` are two orders, one after the other; `a+b` were
given at once. The whole is called `.`; orders of other kinds follow behind ` | `.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from nm.descriptions.compiler import compile as compile_description
from nm.pools.differences import Standing
from nm.pools.life import Entry, Order, State, standing
from nm.pools.lifecycle import Event, Outcome, happened
from nm.pools.plan import Plan, plan
from nm.pools.tree import Part, Path, Tree, parts_of
from nm.pools.updating import both
from tests.descriptions.say import INCLUDES, LIBRARY


@cache
def parts(text: str) -> list[Part]:
    """The parts of a description; what it includes is there already.

    P is a Prim, C a Compound that is taken down one after the other, A one that is taken down at once.
    """
    short = "P extends Prim; C extends Compound { sfSyncTerminate true; } A extends Compound;"
    return parts_of(compile_description("pool.sf", f"{INCLUDES}{short}{text}", library=LIBRARY).pieces())


@cache
def pool(inside: str, kind: str = "C") -> Tree:
    """The tree of an sfConfig with that inside."""
    return Tree(parts(f"sfConfig extends {kind} {{ {inside} }}"))


def path_of(name: str) -> Path:
    """The path that a name of a trace means."""
    return () if name == "." else tuple(name.split(":"))


def name_of(path: Path) -> str:
    """The name of a path in a trace."""
    return ":".join(path) or "."


def timers(state: State) -> list[tuple[float, Path]]:
    """When which parts are to be told the time, the first first."""
    return sorted((entry["wake"], path) for path, entry in state.items() if "wake" in entry)


class World:
    """Carries orders out one after the other; `fails` names those that fail, each as often as it is named."""

    def __init__(self, tree: Tree, fails: Iterable[str] = (), *, silent: Iterable[str] = ()) -> None:
        self.tree = tree
        self.state: dict[Path, Entry] = {}
        self.made: set[Path] = set()  # what is there, whatever the state says
        self.now = 0.0
        self.fails, self._silent = list(fails), set(silent)
        self.waiting: list[Order] = []
        self.pick: Callable[[int], int] = lambda count: 0  # which of so many is answered next
        self.widest = 0  # entries that one event has written, at most
        self.batches: list[list[Order]] = []
        self.crash_at: int | None = None  # all but the state is lost before that answer
        self.answered = 0
        self._before = tree  # the tree that an update began with

    def tell(self, event: Event) -> None:
        """Let something happen, and carry out what is ordered, until nothing is."""
        self.happen(event)
        self.work()

    def work(self, most: int = 1_000_000) -> bool:
        """Carry out so many orders; whether there were as many."""
        for _ in range(most):
            if not self.waiting:
                return False
            self.answered += 1
            if self.answered == self.crash_at:
                self.crash()
                continue
            order = self.waiting.pop(self.pick(len(self.waiting)))
            said = f"{order.what} {name_of(order.path)}"
            if said in self._silent:
                continue  # never answered
            if said in self.fails:
                self.fails.remove(said)
                if order.what == "construct":
                    self.made.discard(order.path)  # one that fails leaves nothing
                self.happen(Event("failed", order.path, order.what, words="no room"))
            else:
                self.carry_out(order)
                self.happen(Event("done", order.path, order.what))
        return True

    def carry_out(self, order: Order) -> None:
        """What it does in this world."""
        if order.what == "construct":
            self.made.add(order.path)
        elif order.what == "terminate":
            self.made.discard(order.path)

    def crash(self) -> None:
        """Forget all but the state, which is what was stored; the last order may have been carried out."""
        if self.waiting:
            self.carry_out(self.waiting[0])
        self.waiting.clear()
        self.happen(Event("resumed"))

    def happen(self, event: Event) -> None:
        outcome: Outcome = happened(self.tree, self.state, event, self.now)
        self.state = {path: entry for path, entry in {**self.state, **outcome.changes}.items() if entry}
        self.widest = max(self.widest, len(outcome.changes))
        self.waiting.extend(outcome.orders)
        if outcome.orders:
            self.batches.append(outcome.orders)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for at, path in timers(self.state):
            if at <= self.now:
                self.happen(Event("time", path))
        self.work()

    def update(self, text: Sequence[Part]) -> Plan:
        """Change what runs to what is described; the plan of that."""
        made = self.begin_update(text)
        self.work()
        self.end_update(text)
        return made

    def begin_update(self, text: Sequence[Part]) -> Plan:
        """Order what changes it first."""
        self._before = self.tree
        deployed = {path: part for path, part in self.tree.parts.items() if self.state.get(path)}
        standings = {path: Standing(part, self.state[path]["state"]) for path, part in deployed.items()}
        made = plan(Tree(text), standings)
        self.tree = both(text, deployed.values())
        self.happen(Event("update", steps=made.steps))
        return made

    def end_update(self, text: Sequence[Part]) -> None:
        """What is deployed then, as far as it is known."""
        if self.standing != "running":
            return
        words = self.state[()].get("abandoned")
        if words is None:
            self.tree = Tree(text)
        elif words.startswith("prepare"):
            self.tree = self._before
        self.state = {path: entry for path, entry in self.state.items() if path in self.tree.parts}

    @property
    def standing(self) -> str:
        """How it stands with the whole."""
        return standing(self.state)

    @property
    def running(self) -> str:
        """What runs."""
        running = (path for path in self.tree.parts if self.state.get(path, {}).get("state") == "running")
        return " ".join(map(name_of, running))

    def trace(self) -> str:
        """What was ordered since it was asked last."""
        said, last = "", ""
        for batch in self.batches:
            for n, order in enumerate(batch):
                joint = "+" if n and order.what == last else " "
                if order.what != last:
                    said += f" | {order.what}"
                    joint, last = " ", order.what
                said += joint + name_of(order.path)
        self.batches = []
        return said.removeprefix(" | ")
