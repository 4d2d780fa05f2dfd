"""Nothing by mass: whatever is wrong with the database or the clock, accounts stay until somebody says so."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from nm import config, leases
from nm.database import Database
from nm.database_tools import restore
from nm.errors import Conflict, NMError, NotFound
from nm.store import Transaction
from tests.accounts import CALLS, FIRST, LAST
from tests.accounts.test_in_rack import KEY, SHELL, found, keys
from tests.rack import Rack, rack

GROUPS = [f"g{at}" for at in range(6)]
WEEK = 7 * 86400


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[Rack]:
    accounts = config.Accounts(shell=SHELL, homes="/homes", root=str(root), first_uid=FIRST, last_uid=LAST)
    with rack(tmp_path, nodes=2, accounts=accounts) as made:
        yield made


@pytest.fixture
def peopled(lab: Rack, root: Path) -> Rack:
    """Six groups with leases, and two delegates."""
    for name in GROUPS:
        lab.call("CreateGroup", name, {"keys": [KEY], "expires": time.time() + WEEK})
    jobs = [lab.call("Deploy", name) for name in GROUPS]
    jobs += [lab.call("CreateDelegate", name, [KEY], []) for name in ("ann", "bob")]
    assert {lab.wait(job)["state"] for job in jobs} == {"done"}
    assert set(found(root)) == {*GROUPS, "ann", "bob"}
    return lab


def quiet(lab: Rack) -> None:
    """Wait until the daemon has nothing more to do of its own accord."""
    lab.until(lambda: set(lab.crew().subjects()) <= {"pool:"})


def another_folder(lab: Rack, folder: Path) -> None:
    """Let the next daemon work on that database."""
    lab.config = replace(lab.config, daemon=config.Daemon(database=str(folder), log=""))


def events(lab: Rack) -> list[str]:
    return [f"{one['subject']}: {one['detail']}" for one in lab.call("GetEvents", 0, 1000)]


def test_an_empty_database_removes_nothing(peopled: Rack, root: Path, tmp_path: Path) -> None:
    before = found(root)
    peopled.stop()
    another_folder(peopled, tmp_path / "empty")
    peopled.start()
    quiet(peopled)
    assert any(
        "8 look like nm's" in event and f"ann ({before['ann'].uid})" in event for event in events(peopled)
    )
    with pytest.raises(NotFound):
        peopled.call("DestroyDelegate", "ann")
    with pytest.raises(NotFound):
        peopled.call("DestroyGroup", "g0")
    with pytest.raises(Conflict, match="which nm did not make"):
        peopled.call("CreateDelegate", "ann", [], [])
    peopled.wait(peopled.call("CreateDelegate", "new", [], []))
    peopled.wait(peopled.call("DestroyDelegate", "new"))
    assert found(root) == before and keys(root, "ann") == [f"{CALLS} {KEY}"]


def test_a_damaged_database_is_refused_and_removes_nothing(peopled: Rack, root: Path) -> None:
    before = found(root)
    peopled.stop()
    file = peopled.folder / "db" / "database.pickle"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    file.write_bytes(damaged)
    with pytest.raises(NMError, match="damaged"):
        peopled.start()
    assert found(root) == before and keys(root, "g0") == [f"{CALLS} {KEY}"]


def test_an_old_copy_touches_nothing_that_it_does_not_know(peopled: Rack, root: Path, tmp_path: Path) -> None:
    """Since the copy ann has been made again, carol has come, and g0 is another one."""
    peopled.call("Backup", str(tmp_path / "copy"))
    for method, name in (("DestroyDelegate", "ann"), ("DestroyGroup", "g0")):
        peopled.wait(peopled.call(method, name))
    peopled.call("CreateGroup", "g0", {"keys": [KEY]})
    jobs = [peopled.call("CreateDelegate", name, [KEY], []) for name in ("carol", "ann")]
    assert {peopled.wait(job)["state"] for job in [*jobs, peopled.call("Deploy", "g0")]} == {"done"}
    before = found(root)
    peopled.stop()
    restore(peopled.folder / "db", tmp_path / "copy")
    peopled.start()
    quiet(peopled)
    assert found(root) == before
    assert any("3 look like nm's" in event and "carol" in event for event in events(peopled))
    assert peopled.wait(peopled.call("DestroyDelegate", "ann"))["state"] == "done"  # the one of the copy
    peopled.wait(peopled.call("DestroyGroup", "g0"))
    assert found(root) == before


def test_no_uid_is_used_again_after_a_restore(peopled: Rack, root: Path, tmp_path: Path) -> None:
    """Neither that of an account which came and went after the copy was made."""
    peopled.call("Backup", str(tmp_path / "copy"))
    used = {entry.uid for entry in found(root).values()}
    for _ in range(2):
        peopled.wait(peopled.call("CreateDelegate", "carol", [], []))
        used.add(found(root)["carol"].uid)
        peopled.wait(peopled.call("DestroyDelegate", "carol"))
    assert len(used) == 10
    peopled.stop()
    restore(peopled.folder / "db", tmp_path / "copy")
    for name in ("dave", "eve"):
        peopled.start()
        assert peopled.wait(peopled.call("CreateDelegate", name, [], []))["state"] == "done"
        assert found(root)[name].uid not in used
        used.add(found(root)[name].uid)
        peopled.stop()
    assert max(used) < FIRST + 30  # but for a restore numbers follow each other
    peopled.start()


def test_the_database_of_another_machine_removes_nothing(peopled: Rack, root: Path, tmp_path: Path) -> None:
    """The other machine's groups and delegates have the same names, and other uids."""
    before = found(root)
    peopled.stop()
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root / "etc", elsewhere / "etc")
    far = peopled.config
    peopled.config = replace(far, accounts=replace(far.accounts, root=str(elsewhere), first_uid=FIRST + 500))
    another_folder(peopled, tmp_path / "far")
    for file in (elsewhere / "etc").glob("*"):
        shutil.copy2(f"/etc/{file.name}", file)
    peopled.start()
    jobs = [peopled.call("CreateDelegate", name, [KEY], []) for name in ("ann", "bob")]
    assert {peopled.wait(job)["state"] for job in jobs} == {"done"}
    peopled.call("DestroyDelegate", "bob")
    peopled.stop()
    another_folder(peopled, tmp_path / "far")
    peopled.config = replace(peopled.config, accounts=far.accounts)
    peopled.start()
    quiet(peopled)
    peopled.wait(peopled.call("DestroyDelegate", "ann"))
    assert found(root) == before


def test_too_many_ends_at_once_wait_for_a_word(peopled: Rack, root: Path) -> None:
    before = found(root)
    over(peopled)
    peopled.until(lambda: len(peopled.call("GetHolds")) == 6)
    quiet(peopled)
    assert found(root) == before
    peopled.call("ConfirmExpiry", ["g1"])
    peopled.until(lambda: "g1" not in found(root))
    quiet(peopled)
    assert set(found(root)) == set(before) - {"g1"}
    peopled.call("ConfirmExpiry", [])
    peopled.until(lambda: set(found(root)) == {"ann", "bob"})


def test_what_an_old_copy_takes_for_over_waits(peopled: Rack, root: Path, tmp_path: Path) -> None:
    """Few enough to end by themselves; but they may have been renewed after the copy was made."""
    peopled.call("Backup", str(tmp_path / "copy"))
    before = found(root)
    peopled.stop()
    restore(peopled.folder / "db", tmp_path / "copy")
    with closing(Database.open(peopled.folder / "db")) as store:
        end(store, GROUPS[:2])
    for _ in range(2):
        peopled.start()
        peopled.until(lambda: len(peopled.call("GetHolds")) == 2)
        quiet(peopled)
        assert found(root) == before
        assert {hold["reason"] for hold in peopled.call("GetHolds")} == {leases.COPY}
        peopled.stop()
    peopled.start()
    peopled.call("ConfirmExpiry", ["g0"])
    peopled.until(lambda: "g0" not in found(root))
    quiet(peopled)
    assert set(found(root)) == set(before) - {"g0"}


def test_a_restart_does_not_forget_that_a_word_is_needed(peopled: Rack, root: Path) -> None:
    before = found(root)
    over(peopled)
    peopled.until(lambda: len(peopled.call("GetHolds")) == 6)
    peopled.stop()
    peopled.start()
    quiet(peopled)
    assert found(root) == before and len(peopled.call("GetHolds")) == 6


def test_a_clock_that_jumped_removes_nothing(peopled: Rack, root: Path) -> None:
    """While no daemon ran the clock was set on by a year: even few ends wait then."""
    before = found(root)
    for name in GROUPS[1:]:
        peopled.call("RenewGroup", name, time.time() + 5 * 365 * 86400)
    peopled.stop()
    peopled.start()
    service = peopled.service
    assert service is not None
    real = service._clocks
    service._timekeeper._clocks = leases.Clocks(lambda: real.now() + 365 * 86400, real.up, real.boot)
    peopled.crew().send("pool:", leases.Look())
    peopled.until(lambda: len(peopled.call("GetHolds")) == 1)
    quiet(peopled)
    assert [hold["reason"] for hold in peopled.call("GetHolds")] == [leases.JUMPED]
    assert found(root) == before


def test_an_administrators_calls_are_their_word(peopled: Rack, root: Path) -> None:
    jobs = [peopled.call("DestroyGroup", name) for name in GROUPS]
    jobs += [peopled.call("DestroyDelegate", name) for name in ("ann", "bob")]
    assert {peopled.wait(job)["state"] for job in jobs} == {"done"}
    assert found(root) == {} and not peopled.call("GetHolds")


def test_few_ends_go_by_themselves(peopled: Rack, root: Path) -> None:
    over(peopled, GROUPS[:2])
    peopled.until(lambda: set(found(root)) == {*GROUPS[2:], "ann", "bob"})
    assert peopled.call("GetHolds") == []


def over(lab: Rack, names: list[str] = GROUPS) -> None:
    """The leases of those groups are over, all in the same second."""
    assert lab.service is not None
    end(lab.service.database, names)


def end(store: Database, names: list[str]) -> None:
    def write(tx: Transaction) -> None:
        for name in names:
            record = tx.get(f"group_{name}")
            assert record is not None
            tx.put({**record, "expiry": int(time.time())})

    store.transact(write)
