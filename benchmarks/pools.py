"""What planning a pool costs, and leading it through its life: domains, disks, on hosts or in one Compound.

The plan is that of one attribute that has changed: all of a PlanDescription, with compiling its text, and
without. The fastest of some counts, for others share the machine. Each measurement is a process of its own. A
life is what the pool's worker does to deploy it, and to take it down, every order answered at once: what nm
adds to what hands take. It is linear: an answer costs the same, however many parts there are.
"""

import gc
import multiprocessing
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from benchmarks.descriptions import HOSTS, SIZES, pool
from benchmarks.turns import timed
from nm import sflibrary
from nm.calls import Call, Caller, Describing, Site
from nm.descriptiondesk import DescriptionDesk
from nm.descriptions.compiler import compile as compile_description
from nm.records import new
from tests.memory_store import MemoryStore
from tests.pools.answered import Answered
from tests.pools.deployed import bring_up

GOAL = 1.0  # seconds for the plan among 10,000 domains and as many disks, behind compiling them
LINEAR = 1.5  # times what a turn of the pool's worker costs among the fewest domains
RUNS = 3
ROOT = Caller(0, "root", admin=True)


def planned(count: int, hosts: int) -> tuple[float, float, int]:
    """Seconds of processor time for a PlanDescription, those for compiling its text, and its changes."""
    store = MemoryStore()
    for number in range(hosts):
        host = new("host", f"host{number}", 0.0, uri="qemu:///system", network={})
        store.transact(lambda tx, host=host: tx.put(host))  # type: ignore[misc]
    desk, site = DescriptionDesk(store), Site(describing=Describing(True, ("/data",), components=50_000))
    first = pool(count, hosts)
    desk.apply(Call(ROOT, "ApplyDescription", 0.0, site), "pool", first, {})
    bring_up(store, "pool", 0.0)
    changed = first.replace('hostname "h77";', 'hostname "h77"; memory 600;')
    call, library, changes = Call(ROOT, "PlanDescription", 0.0, site), sflibrary.texts(), 0

    def whole() -> None:
        nonlocal changes
        changes = len(desk.plan(call, "pool", changed, {})["changes"])

    def compiled() -> None:
        compile_description("pool.sf", changed, library=library)

    return best(whole), best(compiled), changes


def best(work: Callable[[], object]) -> float:
    """The seconds of processor time that it takes when nobody disturbs it."""
    seconds = []
    for _ in range(RUNS):
        gc.collect()
        seconds.append(timed(work)[1])
    return min(seconds)


def lived(count: int, hosts: int) -> tuple[float, int]:
    """Seconds of processor time for a whole life, and the turns of the pool's worker in it."""
    world = Answered(MemoryStore(history=0), hosts)
    world.apply(pool(count, hosts))
    turns = 0

    def work() -> None:
        nonlocal turns
        turns = world.work()
        world.terminate()
        turns += world.work()

    return timed(work)[1], turns


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    table = Table(title="one attribute among domains and as many disks", title_justify="left")
    for name in (
        "domains",
        "hosts",
        "plan: s",
        "after compiling: s",
        "changes",
        "life: s",
        "turns",
        "us a turn",
    ):
        table.add_column(name, justify="right")
    missed = False
    for hosts in (HOSTS, 0):
        costs = []
        for count in SIZES:
            with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as process:
                whole, compiled, changes = process.apply(planned, (count, hosts))
                life, turns = process.apply(lived, (count, hosts))
            costs.append(life / turns)
            figures = (f"{whole:.2f}", f"{whole - compiled:.2f}", str(changes), f"{life:.1f}", f"{turns:,}")
            table.add_row(f"{count:,}", str(hosts or "-"), *figures, f"{costs[-1] * 1e6:.0f}")
            missed |= whole - compiled > GOAL
        missed |= costs[-1] > LINEAR * costs[0]
    Console(width=120).print(table)
    said = f"a plan in at most {GOAL:.0f} s of the processor after compiling, a turn at most {LINEAR:g} times"
    said += f" what it is among {SIZES[0]:,}"
    print(f"promised: {said}; {'NOT kept' if missed else 'kept'}")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
