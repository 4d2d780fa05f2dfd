"""What planning a pool costs, and leading it through its life: domains, disks, on hosts or in one Compound.

The plan is that of one attribute that has changed, from the resolved description on. Each measurement is a
process of its own. A life is every order of a deployment, answered at once: what nm adds to what hands take.
"""

import gc
import multiprocessing
from collections import deque

from rich.console import Console
from rich.table import Table

from benchmarks.descriptions import HOSTS, SIZES, pool
from benchmarks.turns import timed
from nm import sflibrary
from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.components import Piece
from nm.pools.differences import Standing
from nm.pools.life import Entry
from nm.pools.lifecycle import Event, happened
from nm.pools.plan import plan
from nm.pools.tree import Path, Tree, parts_of

GOAL = 1.0  # seconds for the plan among 10,000 domains and as many disks


def resolved(text: str) -> list[Piece]:
    """The pieces of a description."""
    return compile_description("pool.sf", text, library=sflibrary.texts()).pieces()


def planned(count: int, hosts: int) -> tuple[float, float, int]:
    """Seconds passed and of processor time for a plan, and its changes."""
    text = pool(count, hosts)
    deployed = {part.path: Standing(part, "running") for part in parts_of(resolved(text))}
    deployed = {path: deployed[path] for path in Tree(s.part for s in deployed.values()).parts}
    pieces = resolved(text.replace('hostname "h77";', 'hostname "h77"; memory 600;'))
    gc.collect()
    changes = 0

    def work() -> None:
        nonlocal changes
        changes = len(plan(Tree(parts_of(pieces)), deployed).changes)

    return *timed(work), changes


def lived(count: int, hosts: int) -> tuple[float, int]:
    """Seconds of processor time for the events of a deployment, and their number."""
    tree = Tree(parts_of(resolved(pool(count, hosts))))
    events = 0

    def work() -> None:
        nonlocal events
        events = deploy(tree)

    return timed(work)[1], events


def deploy(tree: Tree) -> int:
    """Deploy it in a world in which all goes well; the number of events."""
    state: dict[Path, Entry] = {}
    events, waiting = 0, deque([Event("deploy")])
    while waiting:
        outcome = happened(tree, state, waiting.popleft(), 0)
        state.update(outcome.changes)
        waiting.extend(Event("done", order.path, order.what) for order in outcome.orders)
        events += 1
    return events


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    table = Table(title="one attribute among domains and as many disks", title_justify="left")
    for name in (
        "domains",
        "hosts",
        "plan: s",
        "processor: s",
        "changes",
        "life: s",
        "events",
        "us an event",
    ):
        table.add_column(name, justify="right")
    missed = False
    for hosts in (HOSTS, 0):
        for count in SIZES:
            with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as process:
                passed, used, changes = process.apply(planned, (count, hosts))
                life, events = process.apply(lived, (count, hosts))
            figures = (f"{passed:.2f}", f"{used:.2f}", str(changes), f"{life:.1f}", f"{events:,}")
            table.add_row(f"{count:,}", str(hosts or "-"), *figures, f"{life / events * 1e6:.0f}")
            missed |= used > GOAL
    Console(width=120).print(table)
    print(f"promised: a plan in at most {GOAL:.0f} s of the processor; {'NOT kept' if missed else 'kept'}")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
