"""What resolving a pool costs: domains and their disks, with schemas, on hosts or in one Compound.

Each measurement is a process of its own, so that its memory is its own.
"""

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
    text = pool(count, hosts)
    steps = 0

    def work() -> None:
        nonlocal steps
        steps = compile_description("pool.sf", text, library=sflibrary.texts()).steps

    _, used = timed(work)
    return used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, steps


def main() -> bool:
    """Measure and print; True when the goal is missed."""
    table = Table(title="resolving domains and as many disks", title_justify="left")
    for name in ("domains", "hosts", "seconds", "MiB", "steps"):
        table.add_column(name, justify="right")
    missed = False
    for hosts in (HOSTS, 0):
        for count in SIZES:
            with multiprocessing.get_context("spawn").Pool(1) as process:
                used, memory, steps = process.apply(measured, (count, hosts))
            table.add_row(f"{count:,}", str(hosts or "-"), f"{used:.2f}", f"{memory:.0f}", f"{steps:,}")
            missed |= used > GOAL or memory > MEMORY
    Console(width=120).print(table)
    print(f"promised: at most {GOAL:.0f} s and {MEMORY} MiB; {'NOT kept' if missed else 'kept'}")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
