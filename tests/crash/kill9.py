"""Kill -9 at random moments under eight writers: every restart is good, nothing that was answered is lost.

    python -m tests.crash.kill9 [TIMES] [--seed N]

What is killed stands behind `Target`, so that a daemon with clients can be put in the database's place.
"""

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nm.errors import NMError
from tests.crash.writer import Found, Writers, lost

_JOURNAL_LIMIT = 40_000  # so that snapshots are under way often
_START = 0.2  # seconds within which some kills hit the start itself


class Target(Protocol):
    """Something that writes durably while it is told to, and can be killed."""

    def start(self) -> None:
        """Bring it up on the files that are there and let the writers write."""

    def write(self, seconds: float, *, ready: bool) -> None:
        """Let it run on for that long; `ready`: from when it is up (an error when it does not come up)."""

    def kill(self) -> dict[str, int]:
        """Kill -9; the last number that each writer was answered in this life."""

    def lost(self, answered: dict[str, int]) -> list[str]:
        """What is lost, torn or made up, when so much was answered."""

    def numbers(self) -> dict[str, int]:
        """How far each writer is, by the files."""


class DatabaseTarget:
    """A process of threads that use the database itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> None:
        self._writers = Writers(self._folder, _JOURNAL_LIMIT)

    def write(self, seconds: float, *, ready: bool) -> None:
        if ready:
            self._writers.until_ready()
        self._writers.listen(seconds)

    def kill(self) -> dict[str, int]:
        return self._writers.kill()[0]

    def lost(self, answered: dict[str, int]) -> list[str]:
        return lost(Found(self._folder), answered)

    def numbers(self) -> dict[str, int]:
        return Found(self._folder).numbers()


@dataclass
class Result:
    """What came of it."""

    kills: int = 0
    answered: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        faults = len(self.faults)
        return f"{self.kills} kills, {self.answered} answered changes, {faults} faults, {self.seconds:.0f} s"


def run(target: Target, times: int, seed: int) -> Result:
    """Start, write, kill, look; over and over on the same files, until the first fault."""
    chance, result, begun = random.Random(seed), Result(), time.monotonic()
    answered: dict[str, int] = {}
    while result.kills < times and not result.faults:
        target.start()
        try:
            if result.kills and chance.random() < 0.2:
                target.write(chance.random() * _START, ready=False)
            else:
                target.write(chance.random() * 0.06, ready=True)
        except AssertionError as error:
            result.faults.append(str(error))
        new = target.kill()
        result.kills += 1
        result.answered += sum(number - answered.get(writer, 0) for writer, number in new.items())
        answered.update(new)
        try:
            result.faults += target.lost(answered)
            answered = target.numbers()
        except NMError as error:
            result.faults.append(str(error))
    result.seconds = time.monotonic() - begun
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nm-kill9-") as folder:
        result = run(DatabaseTarget(Path(folder) / "db"), options.times, options.seed)
    print(f"kill9: {result} (seed {options.seed})")
    print(*result.faults, sep="\n", end="\n" if result.faults else "")
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
