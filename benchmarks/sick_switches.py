"""A sick switch beside healthy ones: what their deploys cost while it hangs, chatters without end or refuses.

A real daemon, and fake switches over SSH in processes of their own (20 ms a command), so that the ratio
is of nm's own doing. A round deploys on all healthy switches at once, nodes in and out again, while all is
well and while a group's Deploy waits for the sick one; whoever goes first in one round goes second in the
next. Told is the median of the rounds' ratios.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.fake_switches import PASSWORD, Fake, fake
from benchmarks.nmd import Nmd, place

DIALECT, PORTS = "cisco_ios", 8
SLOWNESS = {"latency": 0.02, "login": 0.3, "save": 0.3}  # seconds
HEALTHY, ROUNDS = 3, 5
TIMEOUT = 60.0  # seconds; nmd would wait for the sick one for longer than a round takes
GOAL = 1.10  # times

ILLNESSES: dict[str, Callable[[Fake], None]] = {
    "hangs after its log-in": lambda sick: sick.fault("silence", like="show"),
    "chatters, 1000 lines a second": lambda sick: sick.fault("chatter", like="show", seconds=0.001),
    "chatters in its log-in": lambda sick: sick.fault("chatter", like="terminal", seconds=0.001),
    "refuses": lambda sick: sick.fault("refuse"),
}


class Rack:
    """Switches without trunks, a group on each; the last switch is the one that falls sick."""

    def __init__(self, nmd: Nmd, switches: Sequence[Fake]) -> None:
        self._nmd = nmd
        self._switches = switches
        self.sick = switches[-1]

    def register(self) -> None:
        """Everything, and a group on each switch."""
        call = self._nmd.call
        secret = self._nmd.secrets / "switch"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        for number, switch in enumerate(self._switches):
            settings = {**switch.settings, "timeout": TIMEOUT, "secrets": {"password": "switch"}}
            call("RegisterSwitch", f"sw{number}", settings)
            call("RegisterVlan", 101 + number)
            for node in self._nodes(number):
                call("RegisterPort", f"sw{number}", _port(node))
                call("RegisterNode", node, {"nics": [_nic(node, number)]})
            self.wait(call("ResetPorts", f"sw{number}"))
            call("CreateGroup", f"g{number}", {"vlan": 101 + number})
            self.wait(call("Deploy", f"g{number}"))

    def wait(self, job: int) -> None:
        """Wait until the job is done."""
        found = self._nmd.call("WaitJob", job, 60)
        assert found["state"] == "done", found

    def round(self) -> float:
        """All nodes of the healthy switches in, and out again; seconds."""
        groups = range(len(self._switches) - 1)
        taken = 0.0
        for change in ("AddNodes", "RemoveNodes"):
            for number in groups:
                self._nmd.call(change, f"g{number}", self._nodes(number))
            begun = time.perf_counter()
            for job in [self._nmd.call("Deploy", f"g{number}") for number in groups]:
                self.wait(job)
            taken += time.perf_counter() - begun
        return taken

    @contextlib.contextmanager
    def ill(self, fall: Callable[[Fake], None]) -> Iterator[None]:
        """The last switch is sick, and a Deploy waits for it."""
        call, last = self._nmd.call, len(self._switches) - 1
        there = call("GetStatus", f"g{last}")["wanted"]["nodes"]
        fall(self.sick)
        call("RemoveNodes" if there else "AddNodes", f"g{last}", self._nodes(last))
        job = call("Deploy", f"g{last}")
        try:
            yield
            assert call("GetJob", job)["state"] == "running"
        finally:
            self.sick.mend()
            self.sick.let_go()
        self.wait(job)

    def _nodes(self, number: int) -> list[str]:
        return [f"n{number}-{port}" for port in range(1, PORTS + 1)]


def _port(node: str) -> str:
    return f"GigabitEthernet1/0/{node.partition('-')[2]}"


def _nic(node: str, switch: int) -> dict[str, Any]:
    mac = f"52:54:00:00:{switch:02x}:{int(node.partition('-')[2]):02x}"
    return {"name": "eth0", "mac": mac, "switch": f"sw{switch}", "port": _port(node)}


def pairs(rack: Rack, fall: Callable[[Fake], None]) -> list[tuple[float, float]]:
    """The seconds of rounds with all well, and with one sick."""
    found = []
    for number in range(ROUNDS):
        if number % 2:
            well = rack.round()
        with rack.ill(fall):
            sick = rack.round()
        if not number % 2:
            well = rack.round()
        found.append((well, sick))
    return found


def main() -> bool:
    """Measure and print; True when the promise is not kept."""
    with contextlib.ExitStack() as stack:
        folder, lists = stack.enter_context(place())
        switches = [stack.enter_context(fake(DIALECT, ports=PORTS, **SLOWNESS)) for _ in range(HEALTHY + 1)]
        nmd = Nmd(folder, lists)
        stack.callback(nmd.kill)
        nmd.start()
        rack = Rack(nmd, switches)
        rack.register()
        rack.round()  # to warm up
        found = {name: pairs(rack, fall) for name, fall in ILLNESSES.items()}
        nmd.stop()
    return _report(found)


def _report(found: dict[str, list[tuple[float, float]]]) -> bool:
    table = Table(title=f"{HEALTHY} healthy switches beside one that is sick", title_justify="left")
    for column in ("the sick one", "all well, s", "one sick, s", "ratio", "promised", "kept"):
        table.add_column(column, justify="left" if column == "the sick one" else "right")
    short = False
    for name, rounds in found.items():
        ratio = statistics.median(sick / well for well, sick in rounds)
        short = short or ratio > GOAL
        seconds = [f"{statistics.median(times):.2f}" for times in zip(*rounds, strict=True)]
        table.add_row(name, *seconds, f"{ratio:.3f}", f"at most {GOAL:.2f}", "yes" if ratio <= GOAL else "NO")
    Console(width=110).print(table)
    return short


if __name__ == "__main__":
    raise SystemExit(main())
