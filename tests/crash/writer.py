"""A process with eight threads that write to a database and tell what was answered, until it is stopped.

    python -m tests.crash.writer FOLDER JOURNAL_LIMIT

It prints `ready EPOCH`, then `WRITER NUMBER` for every answered change. Used by kill9 and powercut, through
Writers.
"""

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

from nm.database import Database
from nm.database_tools import dump
from nm.errors import DeviceFailed
from nm.records import Record
from tests import untraced
from tests.database import ledger

NAMES = tuple(f"w{number}" for number in range(8))


def main() -> None:
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    database = Database.open(folder, journal_limit=limit)
    say(f"ready {database.epoch}")

    def write(writer: str) -> None:
        record = database.get(f"node_{writer}")
        number = record["number"] if record else 0
        with contextlib.suppress(DeviceFailed):  # the power has gone
            while True:
                number += 1
                ledger.write(database, writer, number, "x" * (number * 37 % 500))
                say(f"{writer} {number}")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)


def say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


class Writers:
    """The process as its parent sees it."""

    def __init__(self, folder: Path, journal_limit: int) -> None:
        command = [sys.executable, "-m", "tests.crash.writer", str(folder), str(journal_limit)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdout=pipe, stderr=pipe, env=untraced.environment())
        self._said = b""

    def listen(self, seconds: float) -> None:
        """Take in what it says for that long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._take(left)

    def until_ready(self) -> None:
        """Take in what it says until it is up; an error when it does not come up."""
        deadline = time.monotonic() + 30
        while b"\n" not in self._said:
            if not self._take(deadline - time.monotonic()):
                raise AssertionError(f"it does not start: {self.kill()[1]}")

    def _take(self, seconds: float) -> bool:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], max(0.0, seconds))[0]:
            return False
        said = os.read(self._process.stdout.fileno(), 65536)
        self._said += said
        return bool(said)

    def kill(self) -> tuple[dict[str, int], str]:
        """Kill -9; the last number that each writer was answered, and what went to stderr."""
        self._process.kill()
        rest, errors = self._process.communicate(timeout=30)
        answered: dict[str, int] = {}
        for line in (self._said + rest).splitlines():
            writer, number = line.decode().split()
            if writer in NAMES:
                answered[writer] = int(number)
        return answered, errors.decode()


class Found:
    """The records of files that nobody uses: what the ledger reads."""

    def __init__(self, folder: Path) -> None:
        self._records = {record["record_key"]: record for record in dump(folder)}

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def numbers(self) -> dict[str, int]:
        """How far each writer is."""
        nodes = {writer: self.get(f"node_{writer}") for writer in NAMES}
        return {writer: record["number"] for writer, record in nodes.items() if record}


def lost(found: Found, answered: dict[str, int]) -> list[str]:
    """What is wrong when each writer was answered so far and may have asked for one more."""
    asked = {writer: answered.get(writer, 0) + 1 for writer in NAMES}
    return ledger.faults(found, asked, answered)


if __name__ == "__main__":
    main()
