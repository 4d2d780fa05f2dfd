"""A switch that hangs: what reads, and deploys on the other switches, cost meanwhile and while all is well.

A real daemon drives simulated switches. Rounds take turns: in every other one, a group's Deploy waits for
a switch that does not answer. In each round `wrk` reads, then groups on the other switches are deployed,
then both happen at once.
"""

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xmlrpc.client import dumps

from rich.console import Console
from rich.table import Table

from benchmarks.nmd import Nmd, place, wrk
from nm.switches.simulated import set_faults

SWITCHES, NODES = 3, 12  # the last switch is the one that hangs
HANG, TIMEOUT = 60, 120  # seconds; nmd would wait longer than any round
CLIENTS, ROUNDS, SECONDS, DEPLOYS = 8, 6, 1, 8
GOAL = 2.0  # times
MEASURES = ("reads a second", "reads p99 ms", "deploy ms", "reads p99 ms beside deploys")

_SCRIPT = f"wrk.body = [[{dumps(({'name': 'n0'},), 'GetNodes')}]]"


class Rack:
    """Switches without trunks: each group is on one of them."""

    def __init__(self, nmd: Nmd) -> None:
        self._nmd = nmd
        self.hanging = f"sw{SWITCHES - 1}"

    def table(self, switch: str) -> Path:
        """The file that is the switch."""
        return self._nmd.folder / f"{switch}.json"

    def register(self) -> None:
        """Everything, and a group on each switch."""
        call = self._nmd.call
        for vlan in range(101, 101 + SWITCHES):
            call("RegisterVlan", vlan)
        for number in range(SWITCHES):
            self._register_switch(f"sw{number}")
        for number in range(SWITCHES * NODES):
            nic = {
                "name": "eth0",
                "mac": f"52:54:00:00:00:{number:02x}",
                "switch": f"sw{number % SWITCHES}",
                "port": f"p{number}",
            }
            call("RegisterNode", f"n{number}", {"nics": [nic]})
        for number in range(SWITCHES):
            self.wait(call("ResetPorts", f"sw{number}"))
            call("CreateGroup", f"g{number}", {"vlan": 101 + number})
            self.wait(call("Deploy", f"g{number}"))

    def _register_switch(self, name: str) -> None:
        ports = [f"p{number}" for number in range(SWITCHES * NODES) if f"sw{number % SWITCHES}" == name]
        settings = {
            "driver": "simulated",
            "file": str(self.table(name)),
            "ports": ports,
            "timeout": float(TIMEOUT),
        }
        self._nmd.call("RegisterSwitch", name, settings)
        for port in ports:
            self._nmd.call("RegisterPort", name, port)

    def wait(self, job: int) -> None:
        """Wait until the job is done."""
        found = self._nmd.call("WaitJob", job, 30)
        assert found["state"] == "done", found

    def deploy(self, number: int) -> float:
        """Nodes in or out of a group; the seconds from Deploy to its being done."""
        call = self._nmd.call
        group = f"g{number % (SWITCHES - 1)}"
        nodes = [f"n{number % (SWITCHES - 1) + SWITCHES * position}" for position in range(4)]
        there = call("GetStatus", group)["wanted"]["nodes"]
        call("RemoveNodes" if there else "AddNodes", group, nodes)
        begun = time.perf_counter()
        self.wait(call("Deploy", group))
        return time.perf_counter() - begun

    @contextmanager
    def hung(self) -> Iterator[None]:
        """The last switch does not answer, and a Deploy waits for it."""
        call, group = self._nmd.call, f"g{SWITCHES - 1}"
        set_faults(self.table(self.hanging), hang=HANG)
        there = call("GetStatus", group)["wanted"]["nodes"]
        call("RemoveNodes" if there else "AddNodes", group, [f"n{SWITCHES - 1}"])
        job = call("Deploy", group)
        try:
            yield
            assert call("GetJob", job)["state"] == "running"
        finally:
            set_faults(self.table(self.hanging), hang=0)
        self.wait(job)


def round_(nmd: Nmd, rack: Rack) -> list[float]:
    """All of MEASURES once."""
    reads = wrk(nmd.url, _SCRIPT, "<name>nics</name>", CLIENTS, SECONDS)
    deploys = [rack.deploy(number) for number in range(DEPLOYS)]
    over = threading.Event()

    def go_on() -> None:
        number = 0
        while not over.is_set():
            rack.deploy(number := number + 1)

    beside = threading.Thread(target=go_on)
    beside.start()
    try:
        busy = wrk(nmd.url, _SCRIPT, "<name>nics</name>", CLIENTS, SECONDS)
    finally:
        over.set()
        beside.join()
    return [reads.rate, reads.p99, statistics.median(deploys) * 1000, busy.p99]


def measure(nmd: Nmd) -> tuple[list[list[float]], list[list[float]]]:
    """Rounds with all well and with a switch hung."""
    rack = Rack(nmd)
    rack.register()
    round_(nmd, rack)  # to warm up
    well, hung = [], []
    for number in range(ROUNDS):
        # Whoever goes first in one round goes second in the next.
        for hangs in (False, True) if number % 2 else (True, False):
            if not hangs:
                well.append(round_(nmd, rack))
            else:
                with rack.hung():
                    hung.append(round_(nmd, rack))
    assert json.loads(rack.table(rack.hanging).read_text())["faults"]["hang"] == 0
    return well, hung


def main() -> bool:
    """Measure and print; True when the promise is not kept."""
    with place() as (folder, lists):
        nmd = Nmd(folder, lists, tcp=True)
        try:
            nmd.start()
            well, hung = measure(nmd)
            nmd.stop()
        finally:
            nmd.kill()
    table = Table(title=f"one of {SWITCHES} switches hangs", title_justify="left")
    for column in ("", "all well", "one hung", "ratio", "promised", "kept"):
        table.add_column(column, justify="left" if not column else "right")
    short = False
    for number, name in enumerate(MEASURES):
        before, after = ([one[number] for one in rounds] for rounds in (well, hung))
        slower = statistics.median(two / one for one, two in zip(before, after, strict=True))
        slower = 1 / slower if number == 0 else slower
        short = short or slower > GOAL
        cells = (f"{statistics.median(before):,.1f}", f"{statistics.median(after):,.1f}", f"{slower:.2f} x")
        table.add_row(name, *cells, f"at most {GOAL:g} x", "yes" if slower <= GOAL else "NO")
    Console(width=110).print(table)
    return short


if __name__ == "__main__":
    raise SystemExit(main())
