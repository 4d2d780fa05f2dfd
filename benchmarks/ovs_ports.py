"""1,000 ports of Open vSwitch put on VLANs: the executor's one transaction against one ovs-vsctl a port.

Both wait until ovs-vswitchd has applied the change; the executor also reads every port back. A private
Open vSwitch with the dummy datapath serves both, in the same run.
"""

import statistics
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from nm.facts import Order
from nm.switches import builtin
from nm.switches.executor import Executor, make_executor
from tests.switches.ovs_rack import OvsRack, missing

PORTS = 1000
SAMPLE = 50  # calls of ovs-vsctl that are measured; their time is extrapolated
PROMISED = 50
RUNS = 5


def main() -> bool:
    """Measure and print; True when the promise is not kept."""
    console = Console()
    if problem := missing():
        console.print(f"left out: {problem}")
        return False
    with OvsRack() as rack:
        ports = [f"p{number}" for number in range(PORTS)]
        rack.add_bridge("b", ports)
        record = {
            "record_key": "switch_b",
            "driver": "ovs",
            "address": rack.address,
            "bridge": "b",
            "timeout": 60,
        }
        executor = make_executor(record, builtin(), str)
        ours = statistics.median(_ours(executor, ports, turn) for turn in range(RUNS))
        single = _seconds(lambda: _one_by_one(rack, ports[:SAMPLE])) / SAMPLE * PORTS
        chained = _seconds(lambda: rack.vsctl(*_chained(ports)))
        executor.close()
    table = Table(
        "way",
        "seconds",
        "nm is faster by",
        title=f"{PORTS} ports, applied by ovs-vswitchd",
        title_justify="left",
    )
    table.add_row("nm: one session, read back", f"{ours:.3f}", "")
    table.add_row("one ovs-vsctl for all, not read back", f"{chained:.3f}", f"{chained / ours:.1f} x")
    table.add_row(f"one ovs-vsctl a port (from {SAMPLE})", f"{single:.1f}", f"{single / ours:.0f} x")
    console.print(table)
    kept = single / ours >= PROMISED
    console.print(f"promised: {PROMISED} x against one call a port; {'kept' if kept else 'NOT kept'}")
    return not kept


def _ours(executor: Executor, ports: list[str], turn: int) -> float:
    orders = [
        Order(f"port/b/{port}", {"untagged": 100 + (number + turn) % 1000, "tagged": []})
        for number, port in enumerate(ports)
    ]

    def run() -> None:
        assert not any(outcome.error for outcome in executor.run(orders, 1))

    executor.close()  # a session begins with its connection
    return _seconds(run)


def _one_by_one(rack: OvsRack, ports: list[str]) -> None:
    for number, port in enumerate(ports):
        rack.vsctl("set", "port", port, f"tag={1200 + number}")


def _chained(ports: list[str]) -> list[str]:
    return [word for n, port in enumerate(ports) for word in ("--", "set", "port", port, f"tag={1300 + n}")]


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    raise SystemExit(main())
