"""Runs the benchmarks one after another: python -m benchmarks [NAME...].

Each module here with a `main` is one; it prints its own table and returns a true value when it fell
short of what it promises. Modules without `main` are helpers.
"""

import argparse
import importlib
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent
Benchmark = Callable[[], object]


def names() -> list[str]:
    """The modules of this folder, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def find(name: str) -> Benchmark | None:
    """The benchmark of that name, or None for a helper."""
    benchmark: Benchmark | None = getattr(importlib.import_module(f"benchmarks.{name}"), "main", None)
    return benchmark


def machine() -> str:
    """One line on what the numbers were measured with; without it they say little."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def run(name: str, benchmark: Benchmark) -> bool:
    """Run one under a heading; True when it reached what it promises."""
    print(f"== {name.replace('_', ' ')} ==", flush=True)
    begun = time.monotonic()
    failed = bool(benchmark())
    print(f"-- {'FELL SHORT' if failed else 'done'} in {time.monotonic() - begun:.0f} s\n", flush=True)
    return not failed


def main() -> int:
    """Run those that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure nm on this machine.")
    parser.add_argument("name", nargs="*", default=names(), help="which to run: " + ", ".join(names()))
    chosen = parser.parse_args().name
    if unknown := set(chosen) - set(names()):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(names())}")
    benchmarks = {name: find(name) for name in chosen}
    print(machine(), flush=True)
    results = [run(name, benchmark) for name, benchmark in benchmarks.items() if benchmark is not None]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
