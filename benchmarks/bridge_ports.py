"""Ports of a Linux bridge put on VLANs: the executor's one session against one `bridge` command at a time.

The bridge is this kernel's, in a network namespace of its own. The executor reads every port before and
after. Where the kernel filters no VLANs this is left out; `make bench-kernel` has one that does, in a VM,
whose seconds say little, and whose ratio is the same.
"""

import statistics
import subprocess
import time
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table

from nm.facts import Order
from nm.switches import builtin
from nm.switches.executor import Executor, make_executor
from tests.switches.bridges import batch, own_network, sh

BRIDGE, PORTS, RUNS = "nmbench", 96, 5
SAMPLE = 24  # ports that are done one command at a time; their time is extrapolated
PROMISED = 5  # times


def main() -> bool:
    """Measure and print; True when the promise is not kept."""
    console = Console()
    with own_network():
        if problem := missing():
            console.print(f"left out: {problem}")
            return False
        ports = make()
        record = {"record_key": "switch_b", "driver": "linux", "bridge": BRIDGE, "timeout": 60}
        executor = make_executor(record, builtin(), str)
        ours = statistics.median(_ours(executor, ports, turn) for turn in range(RUNS))
        chained = statistics.median(_chained(ports, turn) for turn in range(RUNS))
        single = _seconds(lambda: _one_by_one(ports[:SAMPLE])) / SAMPLE * PORTS
    table = Table(
        "way", "seconds", "nm is faster by", title=f"{PORTS} ports of a bridge", title_justify="left"
    )
    table.add_row("nm: one session, read before and after", f"{ours:.3f}", "")
    table.add_row("one bridge -batch, not read back", f"{chained:.3f}", f"{chained / ours:.1f} x")
    table.add_row(f"two bridge commands a port (from {SAMPLE})", f"{single:.2f}", f"{single / ours:.0f} x")
    console.print(table)
    kept = single / ours >= PROMISED
    console.print(f"promised: {PROMISED} x against commands for each port; {'kept' if kept else 'NOT kept'}")
    return not kept


def missing() -> str:
    """Why it cannot be measured here; empty when it can."""
    try:
        sh(f"ip link add {BRIDGE} type bridge vlan_filtering 1 vlan_default_pvid 0")
    except (AssertionError, OSError):
        return "this kernel has no bridge that filters VLANs; see make bench-kernel"
    return ""


def make() -> list[str]:
    """Give the bridge its ports."""
    ports = [f"p{number}" for number in range(PORTS)]
    lines = [f"link add {port} type dummy" for port in ports]
    batch("ip", [*lines, *(f"link set {port} master {BRIDGE} up" for port in ports), f"link set {BRIDGE} up"])
    return ports


def _ours(executor: Executor, ports: list[str], turn: int) -> float:
    orders = [Order(f"port/b/{port}", {"untagged": 100 + turn, "tagged": []}) for port in ports]

    def run() -> None:
        assert not any(outcome.error for outcome in executor.run(orders, 1))
        executor.close()  # a session begins with its connection

    return _seconds(run)


def _chained(ports: list[str], turn: int) -> float:
    return _seconds(lambda: batch("bridge", _lines(ports, 300 + turn)))


def _lines(ports: Iterable[str], vlan: int) -> list[str]:
    """What puts the ports on another VLAN."""
    return [
        line
        for port in ports
        for line in (f"vlan del dev {port} vid 1-4094", f"vlan add dev {port} vid {vlan} pvid untagged")
    ]


def _one_by_one(ports: list[str]) -> None:
    for line in _lines(ports, 400):
        subprocess.run(["bridge", *line.split()], check=True)


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun
