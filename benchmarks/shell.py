"""nmctl and its shell with 1,000 nodes: from the start of the process to the end of the answer.

What counts is how many starts of Python each takes: `python -c pass` runs in turn with what is measured. On
an idle machine of today, where that is 20 ms, the promises are 300 ms for each show, 100 ms for a completion,
150 ms for the help.
"""

import contextlib
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from nm.shell.output import Output
from nm.shell.session import Choice, Session
from nm.shell.spl.completion import candidates
from nm.shell.spl.interpreter import Interpreter
from tests.rack import Rack

NODES, SWITCHES = 1000, 20
ROUNDS = 9
PROGRAM = (sys.executable, "-m", "nm.shell.main")
SHOW, TAB, HELP = 15.0, 5.0, 7.5  # starts of Python
LINES = (
    """
    show all, show free, show node, show free node, show port, show vlan, show group, show switch, show vm,
    show trunk, show host, show user, show group g0, show node n7, show switch sw0
""".strip()
    .replace("\n    ", " ")
    .split(", ")
)
TABS = ("show node n", "add n", "nic connect n", "create group g vlan ", "cre")


@contextlib.contextmanager
def rack() -> Iterator[Rack]:
    """A whole nm with 1,000 nodes, as many VLANs and ports, and 40 groups."""
    with tempfile.TemporaryDirectory() as folder:
        made = Rack(Path(folder), switches=SWITCHES, nodes=NODES)
        os.environ["PYTHONPYCACHEPREFIX"] = folder  # compiled once, as an installed program is
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            made.register(range(2, 2 + NODES))
            for number in range(40):
                made.call("CreateGroup", f"g{number}", {"nodes": made.nodes[number * 20 : number * 20 + 20]})
            yield made
        finally:
            made.stop()


def row(name: str, action: Callable[[], object], most: float) -> bool:
    """Measure and print a line; whether it takes longer than promised."""
    python, ours = [], []
    for _ in range(ROUNDS):
        python.append(ms(program((sys.executable, "-c", "pass"))))
        ours.append(ms(action))
    took, base = statistics.median(ours), statistics.median(python)
    print(f"{name:38} {took:8.1f} {base:10.1f} {took / base:8.1f} {most:6.1f}", flush=True)
    return took > most * base


def ms(action: Callable[[], object]) -> float:
    """How long that takes, in ms."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def program(words: Sequence[str], terminal: bool = False) -> Callable[[], object]:
    """Runs the program to its end, its answer on a pipe or a terminal."""

    def run() -> None:
        ours, theirs = pty.openpty() if terminal else os.pipe()
        with subprocess.Popen(words, stdout=theirs, stderr=subprocess.DEVNULL) as process:
            os.close(theirs)
            with contextlib.suppress(OSError):  # a terminal ends so
                while os.read(ours, 65536):
                    pass
        os.close(ours)
        assert process.returncode == 0, words

    return run


def main() -> int:
    """Print the table; 1 when something takes longer than promised."""
    missed = False
    with rack() as made:
        os.environ["NM_ADDRESS"] = made.config.api.socket
        print(f"{'':38} {'ms':>8} {'python ms':>10} {'ratio':>8} {'most':>6}")
        missed |= row("nmctl --help", program((*PROGRAM, "--help")), HELP)
        for line in LINES:
            missed |= row(line, program((*PROGRAM, "shell", "-c", line)), SHOW)
        for line in LINES[:3]:
            missed |= row(f"{line}, on a terminal", program((*PROGRAM, "shell", "-c", line), True), SHOW)
        shell = Interpreter(Session(Choice(made.config.api.socket), Output()))
        for line in TABS:
            missed |= row(f"{line}<Tab>, the first", partial(first, shell, line), TAB)
            missed |= row(f"{line}<Tab>, again", partial(candidates, shell, line), TAB)
        shell.session.close()
    return int(missed)


def first(shell: Interpreter, line: str) -> None:
    """What Tab takes behind a change, when the names must be fetched."""
    shell.names.forget()
    assert candidates(shell, line)
