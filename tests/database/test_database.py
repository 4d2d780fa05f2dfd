"""The database beyond its face: group commit, publication, failures of the disk, the lock, one opener."""

import errno
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm.database import Database
from nm.errors import Conflict, DeviceFailed, Invalid
from nm.records import Record, changed, new
from nm.store import Published, Transaction
from tests.database.conftest import Opener
from tests.database.simulated_disk import SimulatedDisk

DB = Path("/db")


class HeldDisk(SimulatedDisk):
    """A disk whose syncs wait until they are let go, and then may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()
        self.waiting = threading.Event()
        self.syncs = 0
        self.error = 0

    def sync(self, fd: int) -> None:
        self.waiting.set()
        self.go.wait(10)
        self.syncs += 1
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        super().sync(fd)

    def hold(self) -> None:
        self.waiting.clear()
        self.go.clear()


def until(condition: Callable[[], Any], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.001)


def put(database: Database, *records: Record) -> None:
    def operation(tx: Transaction) -> None:
        for record in records:
            tx.put(record)

    database.transact(operation)


class Background:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.answer: Any = None
        self.error: Exception | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answer = self._call()
        except (DeviceFailed, Conflict, Invalid) as error:
            self.error = error

    @property
    def waits(self) -> bool:
        return self._thread.is_alive()

    def ends_within(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def join(self) -> "Background":
        self._thread.join(10)
        assert not self._thread.is_alive(), "it hangs"
        return self


@pytest.fixture
def disk() -> HeldDisk:
    return HeldDisk()


def queued(database: Database) -> int:
    return len(database._queue)  # what has gathered is seen nowhere else


def read_only(database: Database) -> bool:
    return database.failure is not None


def test_changes_that_wait_together_share_a_sync(opener: Opener, disk: HeldDisk) -> None:
    database = opener(DB, disk=disk)
    disk.hold()
    first = Background(lambda: put(database, new("node", 0, 1.0)))
    assert disk.waiting.wait(10)
    others = [Background(partial(put, database, new("node", number, 1.0))) for number in range(1, 21)]
    until(lambda: queued(database) == 20)
    before = disk.syncs
    disk.go.set()
    for call in [first, *others]:
        assert call.join().error is None
    assert disk.syncs == before + 2
    assert len(list(database.range("node"))) == 21


def test_nobody_sees_what_is_not_durable(opener: Opener, disk: HeldDisk) -> None:
    database = opener(DB, disk=disk)
    heard: list[Published] = []
    database.subscribe(heard.append)
    revision = database.revision
    disk.hold()
    writer = Background(lambda: put(database, new("node", 1, 1.0)))
    assert disk.waiting.wait(10)
    assert database.get("node_1") is None
    assert list(database.range("node")) == []
    assert (database.revision, heard, database.changes(revision)) == (revision, [], [])
    reader = Background(lambda: database.transact(lambda tx: tx.get("node_1")))
    lister = Background(lambda: database.transact(lambda tx: list(tx.range("node"))))

    def refused(tx: Transaction) -> None:
        if tx.get("node_1"):
            raise Conflict("node 1 is there")

    loser = Background(lambda: database.transact(refused))
    until(lambda: queued(database) == 3)
    assert writer.waits
    assert reader.waits
    # What does not depend on the change does not wait for it.
    assert database.transact(lambda tx: tx.get("vlan_1")) is None
    disk.go.set()
    writer.join()
    assert reader.join().answer == new("node", 1, 1.0)
    assert lister.join().answer == [new("node", 1, 1.0)]
    assert isinstance(loser.join().error, Conflict)
    assert [published.revision for published in heard] == [revision + 1]


def test_later_changes_build_on_queued_ones(opener: Opener, disk: HeldDisk) -> None:
    database = opener(DB, disk=disk)
    put(database, new("meta", "jobs", 1.0, last=0))
    disk.hold()

    def count() -> int:
        def operation(tx: Transaction) -> int:
            counter = tx.get("meta_jobs")
            assert counter is not None
            tx.put(changed(counter, 1.0, last=counter["last"] + 1))
            return int(counter["last"])

        return database.transact(operation)

    first = Background(count)
    assert disk.waiting.wait(10)
    second = Background(count)
    until(lambda: queued(database) == 1)
    third = Background(count)
    until(lambda: queued(database) == 2)
    disk.go.set()
    assert [call.join().answer for call in (first, second, third)] == [0, 1, 2]


def test_a_failed_sync_undoes_all_that_was_unpublished(opener: Opener, disk: HeldDisk) -> None:
    clock = [0.0]
    database = opener(DB, disk=disk, clock=lambda: clock[0])
    put(database, new("node", 1, 1.0, group=None))
    old = database.get("node_1")
    disk.hold()
    first = Background(lambda: put(database, new("node", 1, 2.0, group="alpha")))
    assert disk.waiting.wait(10)
    second = Background(lambda: put(database, new("node", 2, 2.0)))
    until(lambda: queued(database) == 1)
    disk.error = errno.EIO
    disk.go.set()
    for call in (first, second):
        assert isinstance(call.join().error, DeviceFailed)
    assert database.get("node_1") is old
    assert database.transact(lambda tx: tx.get("node_1")) is old
    assert database.transact(lambda tx: len(list(tx.range("node")))) == 1
    # Read-only, without troubling the disk, until it is time to try again.
    syncs = disk.syncs
    with pytest.raises(DeviceFailed, match="nothing can be written"):
        put(database, new("node", 3, 1.0))
    assert disk.syncs == syncs
    assert read_only(database)
    clock[0] += 5.0
    with pytest.raises(DeviceFailed):
        put(database, new("node", 3, 1.0))
    assert disk.syncs == syncs + 1
    disk.error = 0
    clock[0] += 5.0
    put(database, new("node", 4, 1.0))
    assert not read_only(database)
    again = opener(DB, disk=SimulatedDisk(disk.files()))
    assert {record["record_key"] for record in again.range("node")} == {"node_1", "node_4"}


def test_the_journal_that_failed_is_never_used_again(opener: Opener, disk: HeldDisk) -> None:
    clock = [0.0]
    database = opener(DB, disk=disk, clock=lambda: clock[0])
    put(database, new("node", 1, 1.0))
    journal = disk.names[DB / "database.journal"]
    disk.error = errno.EIO
    with pytest.raises(DeviceFailed):
        put(database, new("node", 2, 1.0))
    disk.error = 0
    clock[0] += 5.0
    put(database, new("node", 3, 1.0))
    assert disk.names[DB / "database.journal"] is not journal


class SlowSnapshotDisk(SimulatedDisk):
    """A disk on which snapshots that are written under way stop before their sync, until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped, self.go = threading.Event(), threading.Event()

    def sync(self, fd: int) -> None:
        if threading.current_thread().name == "snapshot":
            self.stopped.set()
            assert self.go.wait(10)
        super().sync(fd)


def test_the_repair_does_not_wait_for_a_change(opener: Opener, disk: HeldDisk) -> None:
    """A change that failed may stand whole in the journal: it must not stay there when the disk is good."""
    now = [0.0]
    database = opener(DB, disk=disk, clock=lambda: now[0])
    put(database, new("node", "a", 1))
    disk.error = errno.EIO
    with pytest.raises(DeviceFailed, match="after a crash"):
        put(database, new("node", "b", 1))
    assert Database.open(DB, disk=SimulatedDisk(disk.files())).get("node_b"), "the doubt is real"
    disk.error = 0
    now[0] += 10
    until(lambda: database.failure is None)
    after = Database.open(DB, disk=SimulatedDisk(disk.files()))
    assert after.get("node_a")
    assert after.get("node_b") is None


def test_a_repair_waits_for_the_snapshot_under_way(opener: Opener) -> None:
    """Both write the same temporary file."""
    disk, clock = SlowSnapshotDisk(), [0.0]
    database = opener(DB, disk=disk, journal_limit=600, clock=lambda: clock[0])
    number = 0
    while not disk.stopped.is_set():
        number += 1
        put(database, new("node", number % 7, 1.0, number=number))
    disk.fails = lambda _, call: errno.EIO if call == "write" else 0
    with pytest.raises(DeviceFailed):
        put(database, new("node", "lost", 1.0))
    disk.fails = lambda _, call: 0
    clock[0] += 5.0
    writer = Background(lambda: put(database, new("node", "later", 1.0)))
    assert not writer.ends_within(0.3)
    disk.go.set()
    assert writer.join().error is None
    expected = {record["record_key"]: record for record in database.range("node")}
    assert "node_later" in expected
    assert "node_lost" not in expected
    again = opener(DB, disk=SimulatedDisk(disk.files()))
    assert {record["record_key"]: record for record in again.range("node")} == expected


def test_no_thread_for_a_snapshot_is_nobody_s_error(
    opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    start = threading.Thread.start

    def start_no_snapshot(thread: threading.Thread) -> None:
        started.append(thread.name)
        if thread.name == "snapshot" and started.count("snapshot") <= 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_no_snapshot)
    database = opener(journal_limit=1000)
    with ThreadPoolExecutor(1) as pool:  # not the main thread: it would leave the turn to the journal's
        for number in range(40):
            pool.submit(put, database, new("node", number, 1, text="x" * 300)).result(10)
    assert 3 <= started.count("snapshot") < 20
    assert database.failure is None
    database.close()
    assert len(list(opener().range("node"))) == 40


def test_an_operation_that_always_collides_gets_through(opener: Opener) -> None:
    database = opener()
    put(database, new("meta", "jobs", 1.0, last=0))
    runs: list[int] = []

    def disturb() -> None:
        put(database, new("meta", "jobs", 1.0, last=len(runs) * 100))

    def operation(tx: Transaction) -> int:
        runs.append(1)
        counter = tx.get("meta_jobs")
        assert counter is not None
        if len(runs) <= 3:
            Background(disturb).join()
        tx.put(changed(counter, 2.0, last=counter["last"] + 1))
        return int(counter["last"]) + 1

    assert database.transact(operation) == 301
    assert len(runs) == 4


def test_a_range_that_grew_is_a_collision(opener: Opener) -> None:
    database = opener()
    runs: list[int] = []

    def operation(tx: Transaction) -> int:
        runs.append(1)
        number = len(list(tx.range("node")))
        if len(runs) == 1:
            Background(lambda: put(database, new("node", 1, 1.0))).join()
        tx.put(new("vlan", 1, 1.0, number=number))
        return number

    assert database.transact(operation) == 1
    assert len(runs) == 2


def test_an_error_from_stale_reads_is_not_believed(opener: Opener) -> None:
    database = opener()
    runs: list[int] = []

    def operation(tx: Transaction) -> str:
        runs.append(1)
        node = tx.get("node_1")
        if len(runs) == 1:
            Background(lambda: put(database, new("node", 1, 1.0))).join()
        if node is None:
            raise Conflict("there is no node 1")
        return "found"

    assert database.transact(operation) == "found"


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        object(),
        Path("/x"),
        lambda: 0,
        1j,
        bytearray(b"x"),
        {"a": [{"b": (set(),)}]},
        {(1, 2): 3},
        os.system,
    ],
)
def test_only_plain_data_is_taken(database: Database, value: object) -> None:
    revision = database.revision
    with pytest.raises(Invalid, match="node_1"):
        put(database, new("node", 1, 1.0, value=value))
    put(database, new("node", 2, 1.0))
    assert database.get("node_1") is None
    assert database.revision == revision + 1


def test_circular_and_misplaced_records_are_refused(database: Database) -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(Invalid, match="nested"):
        put(database, new("node", 1, 1.0, value=circle))
    with pytest.raises(Invalid, match="record key"):
        put(database, {"record_key": "plain", "timestamp": 1, "expiry": None})


def test_plain_data_comes_back_as_it_was(opener: Opener) -> None:
    value = {"a": [1, 2.5, True, None, "ä\0", b"\xff", (1, ("x",))], "": {}, "deep": {"er": [[[]]]}}
    database = opener()
    put(database, new("node", 1, 1.0, value=value))
    database.close()
    record = opener().get("node_1")
    assert record is not None
    assert record["value"] == value
    assert type(record["value"]["a"][6]) is tuple


def test_a_subscriber_that_fails_hurts_nobody(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Published] = []

    def bad(published: Published) -> None:
        raise RuntimeError("oh dear")

    database.subscribe(bad)
    database.subscribe(heard.append)
    with caplog.at_level(logging.ERROR):
        put(database, new("node", 1, 1.0))
        put(database, new("node", 2, 1.0))
    assert [list(published.changes) for published in heard] == [["node_1"], ["node_2"]]
    assert "oh dear" in caplog.text


def test_a_subscriber_must_not_transact(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    database.subscribe(lambda published: put(database, new("node", 2, 1.0)))
    put(database, new("node", 1, 1.0))
    assert "must not transact" in caplog.text
    assert database.get("node_2") is None


def test_changes_too_old_are_not_known(database: Database) -> None:
    for number in range(1010):
        put(database, new("node", number % 3, 1.0))
    assert database.changes(0) is None
    assert database.changes(database.revision + 1) is None
    known = database.changes(database.revision - 1000)
    assert known is not None
    assert len(known) == 1000
    assert known[-1].revision == database.revision


def test_every_start_has_a_greater_epoch(opener: Opener) -> None:
    epochs = []
    for _ in range(3):
        database = opener()
        epochs.append(database.epoch)
        database.close()
    assert epochs == [1, 2, 3]


def test_one_opener_at_a_time(opener: Opener, tmp_path: Path) -> None:
    database = opener()
    script = "import sys; from nm.database import Database; Database.open(sys.argv[1]).close()"
    command = [sys.executable, "-c", script, str(tmp_path / "db")]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 1
    assert "in use" in refused.stderr
    with pytest.raises(Conflict, match="in use"):
        opener()
    database.close()
    subprocess.run(command, check=True, timeout=30)


def test_files_are_private(opener: Opener, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        database = opener()
        put(database, new("node", 1, 1.0))
        database.backup(tmp_path / "backup")
        database.close()
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "db").iterdir()}
    assert set(modes) == {"database.pickle", "database.pickle.previous", "database.journal", "database.lock"}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "db").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600


def test_a_closed_database_takes_no_changes(opener: Opener) -> None:
    database = opener()
    put(database, new("node", 1, 1.0))
    database.close()
    with pytest.raises(DeviceFailed, match="closed"):
        put(database, new("node", 2, 1.0))
    assert database.get("node_1") is not None


def test_holds_of_the_lock_are_measured(database: Database) -> None:
    for number in range(50):
        put(database, new("node", number, 1.0))
    holds = database.lock_holds()
    assert holds.count >= 150
    assert 0 < holds.p99 <= holds.longest < 1
    assert holds.longest_purpose
