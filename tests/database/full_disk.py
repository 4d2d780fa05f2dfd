"""Run by test_full_disk.py in a mount namespace: fill a file system under a database, then make room.

python -m tests.database.full_disk FOLDER
"""

import errno
import os
import sys
from pathlib import Path

from nm.database import Database
from nm.errors import DeviceFailed
from tests.database.ledger import Ledger


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error


def write_until_full(database: Database, ledger: Ledger) -> DeviceFailed:
    for _ in range(1000):
        before = database.get("node_w")
        try:
            ledger.write(database, "w", "x" * 10_000)
        except DeviceFailed as error:
            assert database.get("node_w") is before
            return error
    raise AssertionError("the disk was never full")


def main() -> None:
    folder, ledger, clock = Path(sys.argv[1]), Ledger(), [0.0]
    database = Database.open(folder / "db", clock=lambda: clock[0])
    for _ in range(2):
        ledger.write(database, "w")
        fill(folder / "filler")
        error = write_until_full(database, ledger)
        assert "No space left" in error.message, error
        assert "make room" in error.hint, error
        try:
            database.backup(folder / "backup")
        except DeviceFailed as failed:
            assert "make room" in failed.hint, failed
        else:
            raise AssertionError("a backup on a full disk")
        clock[0] += 10
        write_until_full(database, ledger)
        os.unlink(folder / "filler")
        clock[0] += 10
        ledger.write(database, "w")
    fill(folder / "filler")
    write_until_full(database, ledger)
    database.close()  # no room for a snapshot: the journal has it all
    os.unlink(folder / "filler")
    database = Database.open(folder / "db")
    assert ledger.faults(database) == [], ledger.faults(database)
    database.close()
    assert {path.name for path in folder.iterdir()} == {"db"}, list(folder.iterdir())
    print("good")


if __name__ == "__main__":
    main()
