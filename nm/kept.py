"""Runs of programs, kept: bounded in time and in what they say, and none outlives nmd.

Each run is below a process of its own (nm/keeper.py), which ends all of it. Used by those who run programs:
nm/hookwork.py, nm/management/command.py and nm/scripts.py.
"""

import contextlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from nm.facts import never

KEEPER = Path(__file__).with_name("keeper.py")
MOST_OUTPUT = 8192  # bytes of a stream that are looked at; the last ones
CUT = "…"  # begins a text of which more was said
LATE = 15.0  # seconds that a keeper may take beyond the time limit to end all
LOOK = 0.2  # seconds between two looks whether the run is still wanted


@dataclass(frozen=True)
class Run:
    """What to run: no two runs with the same `lock` (a file) at once. `apart`: keep its two streams apart.

    folder: where it runs. user: the account that it runs as; "" is nmd's own.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    input: str
    seconds: float
    lock: str
    apart: bool = False
    most: int = MOST_OUTPUT
    folder: str = "/"
    user: str = ""

    @property
    def line(self) -> bytes:
        """As its keeper reads it."""
        return json.dumps(vars(self)).encode() + b"\n"


@dataclass(frozen=True)
class Ended:
    """How it ended (see nm/keeper.py; "killed": the keeper was), and what it said last: one text a stream."""

    how: str
    status: int
    said: Sequence[str]

    def failure(self, seconds: float) -> str | None:
        """Why the run counts as failed, in words, with the last line that it said. `seconds`: its limit."""
        if self.how == "exit" and self.status == 0:
            return None
        words = {
            "exit": f"ended with status {self.status}",
            "signal": f"was ended by signal {self.status}",
            "time": f"did not end within {seconds:g} s",
            "busy": "did not run: the last one does not end",
            "killed": "was ended: somebody killed its keeper",
            "error": "could not be started",
            "stopped": "was ended: it is not wanted any more",
        }[self.how]
        last = self.said[-1].strip().rpartition("\n")[2].strip()[:200]
        return f"{words}: {last}" if last else words


def keep(run: Run, unwanted: Callable[[], bool] = never) -> Ended:
    """Have a keeper run it. `unwanted` is asked all the while: when it says so, all is ended ("stopped")."""
    until = time.monotonic() + 2 * run.seconds + LATE  # it may wait for the last run first
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(KEEPER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={},
        start_new_session=True,
    )
    with keeper:
        to, back = cast("IO[bytes]", keeper.stdin), cast("IO[bytes]", keeper.stdout)
        with contextlib.suppress(BrokenPipeError):
            to.write(run.line)
            to.flush()
        answered = select.poll()
        answered.register(back, select.POLLIN | select.POLLHUP)
        while not answered.poll(LOOK * 1000):
            if unwanted() and not to.closed:
                to.close()
                until = time.monotonic() + LATE
            if time.monotonic() > until:
                keeper.kill()
        said = back.read()
    return ended(said)


def ended(said: bytes | str) -> Ended:
    """What a keeper answers; nothing, when it was killed."""
    try:
        return Ended(**json.loads(said))
    except ValueError:
        return Ended("killed", 0, [""])
