"""How far a pool's job is: orders that were carried out, of those that it takes. Helps the pool's worker.

What combinators do over and over is not known before, so a job may be told as nearly done for long. A pool
of ten thousand parts writes it a hundred times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nm.pools.life import STAGES, State, alive
from nm.pools.lifecycle import Event
from nm.pools.tree import ROOT, Path, Tree, is_around
from nm.records import Record

TOLD = 100  # times that it is written, at most


@dataclass
class Progress:
    """Of one job. told: what was written last."""

    job: int
    done: int
    total: int
    told: int

    @classmethod
    def of(cls, job: Record) -> "Progress":
        """That of a job that was begun already."""
        return cls(int(job["id"]), job["done"], job["total"], job["done"])

    @classmethod
    def begun(cls, job: int, events: Sequence[Event], tree: Tree, state: State) -> "Progress":
        """That of a job that begins with these events."""
        return cls(job, 0, sum(_orders(event, tree, state) for event in events), 0)

    def one(self) -> None:
        """One more was carried out."""
        self.done = min(self.done + 1, self.total)

    def news(self) -> dict[str, Any]:
        """What is to be written of it; nothing when that is not much."""
        if self.done - self.told <= self.total // TOLD:
            return {}
        self.told = self.done
        return {"done": self.done}


def _orders(event: Event, tree: Tree, state: State) -> int:
    if event.name == "deploy":
        return len(STAGES) * len(_made_with(tree))
    if event.name == "terminate":
        return sum(is_around(event.path, path) and alive(entry) for path, entry in state.items())
    return len(event.steps)


def _made_with(tree: Tree) -> list[Path]:
    """The parts that are made with the whole, not by a combinator later."""
    made: set[Path] = set()
    for path, part in tree.parts.items():
        if path == ROOT or (not part.role and part.parent in made):
            made.add(path)
    return list(made)
