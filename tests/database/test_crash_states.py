"""A power cut at every step of all that writes: every legal disk state loads, no answered write is lost."""

import errno
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nm.database import Database
from nm.database_tools import restore
from nm.errors import DeviceFailed
from nm.snapshot import read_snapshot
from tests.database.ledger import Ledger, write
from tests.database.simulated_disk import Files, Image, SimulatedDisk

DB = Path("/db")
BACKUP = Path("/db/backup")


class Recorder:
    """Takes an image of the disk before every call, with what had been asked and answered by then."""

    def __init__(self, disk: SimulatedDisk, ledger: Ledger) -> None:
        self._disk, self._ledger = disk, ledger
        self.images: list[tuple[Image, Ledger]] = []
        disk.before = self.take

    def take(self, call: str) -> None:
        self.images.append((self._disk.image(call), self._ledger.copy()))

    def states(self) -> Iterator[tuple[str, Files, Ledger]]:
        """All distinct disk states, each with the ledger that it must agree with."""
        self.take("the end")
        seen = set()
        for image, ledger in self.images:
            for files in image.states():
                mark = hashlib.sha256(repr((sorted(files.items()), ledger)).encode()).digest()
                if mark not in seen:
                    seen.add(mark)
                    yield image.call, files, ledger


def opened(disk: SimulatedDisk, journal_limit: int = 1 << 20) -> Database:
    return Database.open(DB, disk=disk, journal_limit=journal_limit, now=lambda: 1.0)


def check_all(recorder: Recorder, least: int) -> None:
    """Open the database from every state, look, write, open it again."""
    number = 0
    for call, files, ledger in recorder.states():
        number += 1
        disk = SimulatedDisk(files)
        database = opened(disk)
        try:
            assert ledger.faults(database) == [], f"power cut before: {call}"
            epoch = database.epoch
        finally:
            database.close()
        after = opened(SimulatedDisk(disk.files()))
        try:
            assert ledger.faults(after) == [], f"second start after a power cut before: {call}"
            assert after.epoch == epoch + 1
        finally:
            after.close()
    assert number >= least, f"only {number} states: does the recorder still see the disk's calls?"


def test_creation_and_appends() -> None:
    disk, ledger = SimulatedDisk(), Ledger()
    recorder = Recorder(disk, ledger)
    database = opened(disk)
    for padding in ("", "long" * 200, "", ""):
        ledger.write(database, "w", padding)
    database.close()
    check_all(recorder, 90)


def test_open_of_a_journal_with_changes() -> None:
    disk, ledger = SimulatedDisk(), Ledger()
    database = opened(disk)
    for _ in range(3):
        ledger.write(database, "w")
    killed = SimulatedDisk(disk.files())  # as after kill -9
    recorder = Recorder(killed, ledger)
    again = opened(killed)
    ledger.write(again, "w")
    again.close()
    database.close()
    check_all(recorder, 60)


def test_snapshot_while_writers_go_on() -> None:
    disk, ledger = SimulatedDisk(), Ledger()
    database = opened(disk, journal_limit=1500)
    recorder = Recorder(disk, ledger)
    for _ in range(40):
        ledger.write(database, "w")
    database.close()
    replaced = [
        image.call for image, _ in recorder.images if image.call.startswith("rename database.journal")
    ]
    assert len(replaced) >= 3, "the journal was not replaced under way"
    check_all(recorder, 200)


def test_group_commit() -> None:
    disk, ledger = SimulatedDisk(), Ledger()
    database = opened(disk)
    recorder = Recorder(disk, ledger)
    guard = threading.Lock()
    taken = recorder.take

    def take(call: str) -> None:
        with guard:
            taken(call)

    disk.before = take

    def run(writer: str) -> None:
        for number in range(1, 6):
            with guard:
                ledger.asked[writer] = number
            write(database, writer, number)
            with guard:
                ledger.answered[writer] = number

    threads = [threading.Thread(target=run, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    disk.before = lambda call: None
    database.close()
    check_all(recorder, 15)  # how many depends on what gathered


def test_backup() -> None:
    disk, ledger = SimulatedDisk(), Ledger()
    database = opened(disk)
    for _ in range(3):
        ledger.write(database, "w")
    recorder = Recorder(disk, ledger)
    database.backup(BACKUP)
    disk.before = lambda call: None
    database.close()
    for call, files, _ in list(recorder.states()):
        if BACKUP in files:
            head, kinds = read_snapshot(SimulatedDisk(files), BACKUP)
            assert (head.revision, kinds["node"]["node_w"]["number"]) == (3, 3), call
    recorder.images.pop()
    check_all(recorder, 5)


@pytest.mark.parametrize("cleanly", [True, False])
def test_restore(cleanly: bool) -> None:
    disk, ledger = SimulatedDisk(), Ledger()
    database = opened(disk)
    for _ in range(3):
        ledger.write(database, "w")
    database.backup(BACKUP)
    for _ in range(2):
        ledger.write(database, "w")
    if cleanly:
        database.close()
    disk = SimulatedDisk(disk.files())
    either = Ledger({"w": 5}, {"w": 3})
    recorder = Recorder(disk, either)
    restore(DB, BACKUP, disk=disk, now=lambda: 1.0)
    for call, files, _ in list(recorder.states()):
        state = opened(SimulatedDisk(files))
        record = state.get("node_w")
        state.close()
        assert record is not None and record["number"] in (3, 5), call
    recorder.images.pop()
    check_all(recorder, 20)
    after = opened(SimulatedDisk(disk.files()))
    record = after.get("node_w")
    assert record is not None and record["number"] == 3
    after.close()
    if not cleanly:
        database.close()
    kept = {path.name for path in disk.files() if "before-restore" in path.name}
    assert kept == {"database.pickle.before-restore", "database.journal.before-restore"}


def test_restore_from_the_previous_snapshot_can_be_repeated() -> None:
    """The damaged snapshot must not take the place of the good one from which it is being restored."""
    disk, ledger = SimulatedDisk(), Ledger()
    for _ in range(2):
        database = opened(disk)
        ledger.write(database, "w")
        database.close()
    files = disk.files()
    pickled, previous = DB / "database.pickle", DB / "database.pickle.previous"
    disk = SimulatedDisk({**files, pickled: files[pickled][:-1]})
    recorder = Recorder(disk, ledger)
    restore(DB, previous, disk=disk, now=lambda: 1.0)
    for call, state, _ in recorder.states():
        again = SimulatedDisk(state)
        restore(DB, previous, disk=again, now=lambda: 1.0)
        database = opened(again)
        assert Ledger({"w": 1}, {"w": 1}).faults(database) == [], call
        database.close()


def test_a_change_that_failed_stays_away_once_the_repair_has_begun() -> None:
    """Its entry may lie in the journal that failed: no state behind the fresh snapshot may bring it back."""
    disk, clock = SimulatedDisk(), [0.0]
    database = Database.open(DB, disk=disk, now=lambda: 1.0, clock=lambda: clock[0])
    ledger = Ledger()
    ledger.write(database, "w")
    disk.fails = lambda number, call: errno.EIO if call == "sync" else 0
    with pytest.raises(DeviceFailed):
        ledger.write(database, "failed")
    disk.fails = lambda number, call: 0
    clock[0] += 10
    recorder = Recorder(disk, ledger)
    ledger.write(database, "w")
    disk.before = lambda call: None
    database.close()
    ledger.asked["failed"] = 0
    checked = 0
    for image, at in recorder.images:
        if image.call == "open database.journal.new":
            at.asked["failed"] = 0
            for state in image.states():
                after = opened(SimulatedDisk(state))
                assert at.faults(after) == []
                after.close()
                checked += 1
    assert checked > 3


FAULTS: list[Callable[[int, int], Callable[[int, str], int]]] = [
    lambda nth, code: lambda number, call: code if number == nth else 0,
    lambda nth, code: lambda number, call: code if nth <= number < nth + 3 else 0,
]


def life(disk: SimulatedDisk, ledger: Ledger, clock: list[float]) -> int:
    """Open, write until there are snapshots under way, back up, close. The number of errors met."""
    failures = 0
    for _ in range(2):
        try:
            database = Database.open(
                DB, disk=disk, journal_limit=1200, now=lambda: 1.0, clock=lambda: clock[0]
            )
        except DeviceFailed:
            failures += 1
            continue
        try:
            for turn in range(12):
                before = database.get("node_w")
                try:
                    ledger.write(database, "w")
                except DeviceFailed as error:
                    failures += 1
                    assert error.hint
                    assert database.get("node_w") is before, "a change that failed can be read"
                    clock[0] += 10.0
                if turn == 6:
                    try:
                        database.backup(DB / f"backup{disk.calls}")
                    except DeviceFailed:
                        failures += 1
        finally:
            database.close()
    return failures


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_fails_once(code: int, fault: Callable[[int, int], Callable[[int, str], int]]) -> None:
    nth, failures = 0, 0
    while True:
        nth += 1
        disk, ledger, clock = SimulatedDisk(), Ledger(), [0.0]
        disk.fails = fault(nth, code)
        failures += life(disk, ledger, clock)
        if disk.calls < nth:
            break
        for files in disk.image().states():
            database = opened(SimulatedDisk(files))
            try:
                assert ledger.faults(database) == [], f"call {nth}"
            finally:
                database.close()
    assert nth > 60
    assert failures > 60
