"""What resolving a pool costs: domains and their disks, with schemas, on hosts or in one Compound.

Each measurement is a process of its own, so that its memory is its own.
"""

import gc
import math
import multiprocessing
import resource

from rich.console import Console
from rich.table import Table

from benchmarks.turns import timed
from nm import sflibrary
from nm.descriptions.compiler import compile as compile_description

SIZES = (1_000, 10_000)
HOSTS = 200
GOAL, MEMORY = 6.0, 1024  # seconds and MiB for 10,000 domains and 10,000 disks
LINEAR = 1.2  # times the time of ten times as few, times ten; and of the same on hosts
RUNS = 5  # the fastest counts: the others shared the machine with somebody

START = """#include "ch/cern/openlab/smartdomains/components.sf"
#include "org/smartfrog/services/shellscript/components.sf"
Guest extends XenDomain { shell LAZY ATTRIB myShell; gateway "10.0.0.1"; netmask "255.0.0.0"; memory 512; }
Disk extends LoopbackStorageBackend { shell LAZY ATTRIB myShell; baseImage "/data/image"; }
"""


def pool(count: int, hosts: int) -> str:
    """A description of so many domains, on so many hosts; 0: all in one Compound."""
    pairs = [
        f'b{n} extends Disk; d{n} extends Guest {{ ip "10.0.{n // 250}.{n % 250}"; hostname "h{n}";'
        f" storageBackend LAZY ATTRIB b{n}; }}"
        for n in range(count)
    ]
    shell = "myShell extends BashShell;"
    if not hosts:
        return f"{START} sfConfig extends Compound {{ {shell} {' '.join(pairs)} }}"
    parts = [
        f'host{n} extends Compound {{ sfProcessHost "host{n}"; {shell} {" ".join(pairs[n::hosts])} }}'
        for n in range(hosts)
    ]
    return f"{START} sfConfig extends Compound {{ {' '.join(parts)} }}"


def measured(count: int, hosts: int) -> tuple[float, float, int]:
    """Seconds of processor time, MiB, and steps."""
    text, library = pool(count, hosts), sflibrary.texts()
    steps, best = 0, math.inf

    def work() -> None:
        nonlocal steps
        steps = compile_description("pool.sf", text, library=library).steps

    for _ in range(RUNS):
        best = min(best, timed(work)[1])
        gc.collect()
    return best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, steps


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    table = Table(title="resolving domains and as many disks", title_justify="left")
    for name in ("domains", "hosts", "seconds", "µs a domain", "MiB", "steps"):
        table.add_column(name, justify="right")
    seconds: dict[tuple[int, int], float] = {}
    missed = False
    for hosts in (HOSTS, 0):
        for count in SIZES:
            with multiprocessing.get_context("spawn").Pool(1) as process:
                used, memory, steps = process.apply(measured, (count, hosts))
            seconds[count, hosts] = used
            cells = (f"{used:.2f}", f"{used / count * 1e6:.0f}", f"{memory:.0f}", f"{steps:,}")
            table.add_row(f"{count:,}", str(hosts or "-"), *cells)
            missed |= used > GOAL or memory > MEMORY
    few, many = SIZES
    growth = max(seconds[many, hosts] / seconds[few, hosts] for hosts in (HOSTS, 0)) / (many / few)
    wide = seconds[many, 0] / seconds[many, HOSTS]
    missed |= growth > LINEAR or wide > LINEAR
    Console(width=120).print(table)
    print(f"time a domain, {many:,} to {few:,}: {growth:.2f}; in one Compound to on hosts: {wide:.2f}")
    said = f"at most {GOAL:.0f} s and {MEMORY} MiB, and {LINEAR} of both"
    print(f"promised: {said}; {'NOT kept' if missed else 'kept'}")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
