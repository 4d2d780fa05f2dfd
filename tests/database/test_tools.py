"""Backup, restore, check and dump, on real files."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nm.database import Database
from nm.database_tools import check, dump, restore
from nm.disk import Disk
from nm.errors import Conflict, DeviceFailed, NotFound
from nm.records import new
from nm.store import Transaction
from tests.database import ledger
from tests.database.conftest import Opener


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "db"


def number(database: Database) -> int:
    record = database.get("node_w")
    return int(record["number"]) if record else 0


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_backup_is_the_database_of_its_moment(opener: Opener, folder: Path, tmp_path: Path) -> None:
    database = opener()
    ledger.write(database, "w", 1)
    database.backup(tmp_path / "backup")
    ledger.write(database, "w", 2)
    epoch = database.epoch
    database.close()
    restore(folder, tmp_path / "backup")
    again = opener()
    assert number(again) == 1
    assert again.epoch > epoch
    again.close()
    assert number_in_copy(opener, folder, tmp_path / "old") == 2
    elsewhere = tmp_path / "elsewhere"
    restore(elsewhere, tmp_path / "backup")
    assert number(opener(elsewhere)) == 1


def number_in_copy(opener: Opener, folder: Path, copy: Path) -> int:
    """What the files kept at restore hold, when they get their names back."""
    copy.mkdir()
    for name in ("database.pickle", "database.journal"):
        (copy / name).write_bytes((folder / f"{name}.before-restore").read_bytes())
    return number(opener(copy))


def test_a_second_restore_keeps_what_the_first_kept(opener: Opener, folder: Path, tmp_path: Path) -> None:
    database = opener()
    database.backup(tmp_path / "empty")
    ledger.write(database, "w", 1)
    database.close()
    restore(folder, tmp_path / "empty")
    first = (folder / "database.pickle.before-restore").read_bytes()
    restore(folder, tmp_path / "empty")
    assert (folder / "database.pickle.before-restore").read_bytes() == first
    assert (folder / "database.pickle.before-restore.2").exists()
    assert number(opener()) == 0


def test_the_previous_snapshot_can_be_restored(opener: Opener, folder: Path) -> None:
    for turn in (1, 2):
        database = opener()
        ledger.write(database, "w", turn)
        database.close()
    data = bytearray((folder / "database.pickle").read_bytes())
    data[-40] ^= 1
    (folder / "database.pickle").write_bytes(data)
    with pytest.raises(DeviceFailed, match="damaged"):
        opener()
    restore(folder, folder / "database.pickle.previous")
    assert number(opener()) == 1


def test_a_backup_replaces_nothing(opener: Opener, tmp_path: Path) -> None:
    database = opener()
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(Conflict, match="exists"):
        database.backup(tmp_path / "taken")
    with pytest.raises(DeviceFailed, match="could not be written"):
        database.backup(tmp_path / "nowhere" / "backup")
    assert (tmp_path / "taken").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["db", "taken"]


class StoppingDisk(Disk):
    """Real files; what is written outside the journal waits until it is let go."""

    def __init__(self) -> None:
        self.waiting, self.go = threading.Event(), threading.Event()

    def link(self, path: Path, new: Path) -> None:
        if new.name == "backup":
            self.waiting.set()
            assert self.go.wait(10)
        super().link(path, new)


def test_others_go_on_during_a_backup(opener: Opener, folder: Path, tmp_path: Path) -> None:
    disk = StoppingDisk()
    database = opener(disk=disk)
    ledger.write(database, "w", 1)
    thread = threading.Thread(target=database.backup, args=(tmp_path / "backup",))
    thread.start()
    assert disk.waiting.wait(10)
    ledger.write(database, "w", 2)
    assert not (tmp_path / "backup").exists()
    disk.go.set()
    thread.join()
    database.close()
    restore(folder, tmp_path / "backup")
    assert number(opener()) == 1


def test_restore_refuses_while_the_database_is_open(opener: Opener, folder: Path, tmp_path: Path) -> None:
    database = opener()
    ledger.write(database, "w", 1)
    database.backup(tmp_path / "backup")
    ledger.write(database, "w", 2)
    with pytest.raises(Conflict, match="in use"):
        restore(folder, tmp_path / "backup")
    ledger.write(database, "w", 3)
    database.close()
    assert number(opener()) == 3


def test_restore_refuses_a_bad_backup(opener: Opener, folder: Path, tmp_path: Path) -> None:
    opener().close()
    before = digest(folder)
    (tmp_path / "bad").write_bytes(b"nm database\n" + bytes(100))
    for name in ("bad", "absent"):
        with pytest.raises(DeviceFailed):
            restore(folder, tmp_path / name)
    assert digest(folder) == before


def test_check_tells_what_is_there(opener: Opener, folder: Path) -> None:
    database = opener(writer="nm 0.1")
    for turn in range(1, 4):
        ledger.write(database, f"w{turn}", 1)
    live = check(folder)
    assert (live.counts, live.revision, live.problems) == ({"node": 3, "vlan": 3}, 3, [])
    database.close()
    before = digest(folder)
    report = check(folder)
    assert report.head is not None
    assert (report.head.writer, report.head.epoch, report.head.format) == ("nm 0.1", 1, 1)
    assert (report.counts, report.revision, report.torn) == ({"node": 3, "vlan": 3}, 3, 0)
    assert report.sizes["database.pickle"] > 100
    assert digest(folder) == before


def test_check_tells_every_damage_and_changes_nothing(opener: Opener, folder: Path) -> None:
    database = opener()
    ledger.write(database, "w", 1)
    database.close()
    for name in ("database.pickle", "database.journal"):
        data = bytearray((folder / name).read_bytes())
        data[20] ^= 1
        (folder / name).write_bytes(data)
    before = digest(folder)
    report = check(folder)
    assert len(report.problems) == 2
    assert all("damaged at byte" in problem for problem in report.problems)
    assert digest(folder) == before


def test_check_tells_of_a_torn_tail(opener: Opener, folder: Path, tmp_path: Path) -> None:
    database = opener()
    ledger.write(database, "w", 1)
    ledger.write(database, "w", 2)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("database.pickle", "database.journal"):
        (copy / name).write_bytes((folder / name).read_bytes())
    data = (copy / "database.journal").read_bytes().rstrip(b"\0")
    (copy / "database.journal").write_bytes(data[:-10])
    report = check(copy)
    assert (report.revision, report.problems) == (1, [])
    assert report.torn > 50


def test_there_must_be_a_database(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no database"):
        check(tmp_path)
    with pytest.raises(NotFound, match="no database"):
        list(dump(tmp_path / "absent"))
    assert list(tmp_path.iterdir()) == []


def test_check_takes_a_backup_too(opener: Opener, tmp_path: Path) -> None:
    database = opener()
    ledger.write(database, "w", 1)
    database.backup(tmp_path / "backup")
    before = digest(tmp_path / "db")
    report = check(tmp_path / "backup")
    assert (report.counts, report.revision, report.problems) == ({"node": 1, "vlan": 1}, 1, [])
    assert list(report.sizes) == ["backup"]
    data = bytearray((tmp_path / "backup").read_bytes())
    data[-40] ^= 1
    (tmp_path / "backup").write_bytes(data)
    assert "damaged at byte" in check(tmp_path / "backup").problems[0]
    assert digest(tmp_path / "db") == before


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another account, which needs root")
@pytest.mark.parametrize("mode", [0o700, 0o711])
def test_who_may_not_read_is_told_so(opener: Opener, folder: Path, mode: int) -> None:
    """The folder may not be entered, or may, and its files not be read."""
    database = opener()
    ledger.write(database, "w", 1)
    database.close()
    folder.chmod(mode)
    script = (
        "import os, sys; from nm import database_tools as tools; from nm.errors import Denied\n"
        "os.setuid(65534)\n"
        "for use in (tools.check, lambda folder: list(tools.dump(folder))):\n"
        "    try: use(sys.argv[1])\n"
        "    except Denied as error: print(error)\n"
    )
    for above in folder.parents[:3]:
        above.chmod(0o755)
    command = [sys.executable, "-c", script, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    lines = ran.stdout.splitlines()
    assert len(lines) == 2, ran
    assert all(
        "could not be read: permission denied for /" in line and line.endswith("; run it as root")
        for line in lines
    )


def test_dump_lists_records_in_order(opener: Opener, folder: Path) -> None:
    database = opener()

    def operation(tx: Transaction) -> None:
        for name in ("n10", "n2", "n1"):
            tx.put(new("node", name, 1.0))
        tx.put(new("group", "a", 1.0))

    database.transact(operation)
    expected = ["group_a", "node_n1", "node_n2", "node_n10"]
    assert [record["record_key"] for record in dump(folder)] == expected
    assert [record["record_key"] for record in dump(folder, "node")] == expected[1:]
    assert list(dump(folder, "vlan")) == []
