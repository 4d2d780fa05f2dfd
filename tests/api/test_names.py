"""Look-ups of names and uids: what the machine's files say, and that no transaction waits for an answer."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm.calls import Site, UnansweredError
from nm.database import Database
from nm.errors import DeviceFailed, LimitReached
from nm.names import look_ups
from nm.store import Transaction
from tests.api.test_methods import Bench

PASSWD = """root:x:0:0:root:/root:/bin/sh
ann:x:70000:70000::/:/bin/sh
+@lab::::::
+::::::
"""
GROUP = """root:x:0:
staff:x:50:ann,ghost
ann:x:70000:
odd:x:70002:
+:::
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path / "etc"


def test_what_the_files_say(etc: Path) -> None:
    found = look_ups(etc.parent)
    assert [found["uid_of"](name) for name in ("root", "ann", "ghost", "+")] == [0, 70_000, None, None]
    assert [found["has_group"](name) for name in ("staff", "ghost", "+")] == [True, False, False]
    assert [found["is_listed"](name) for name in ("ann", "ghost", "root", "bob")] == [
        True,
        True,
        False,
        False,
    ]
    assert found["free_uid"](70_000, 70_009) == 70_001
    assert found["free_uid"](70_002, 70_009) == 70_003  # a group has 70002
    assert found["free_uid"](70_000, 70_000) is None
    (etc / "group").unlink()
    with pytest.raises(DeviceFailed):
        found["has_group"]("staff")


PRINT = """
from pathlib import Path
from nm.names import look_ups
found = look_ups(Path("/"))
print([found["uid_of"](name) for name in ("root", "ann", "ghost", "a\\0")])
print([found["has_group"](name) for name in ("staff", "ghost")])
print([found["is_listed"](name) for name in ("ann", "ghost", "root", "bob")])
print(found["free_uid"](70_000, 70_009), found["free_uid"](70_002, 70_009), found["free_uid"](0, 0))
"""


@pytest.mark.real
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is missing")
def test_what_the_machine_says(etc: Path) -> None:
    script = 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, str(etc), sys.executable, "-c", PRINT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout.splitlines() == [
        "[0, 70000, None, None]",
        "[True, False]",
        "[True, True, False, False]",
        "70001 70003 None",
    ], done.stderr


def test_uids_that_only_a_directory_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def known(uid: int) -> object:
        asked.append(uid)
        if uid in (50_000, 50_003):
            return object()
        raise KeyError(uid)

    free = look_ups(Path("/"))["free_uid"]
    monkeypatch.setattr("pwd.getpwuid", known)
    assert [free(first, 50_009) for first in (50_000, 50_003, 50_005)] == [50_001, 50_004, 50_005]
    monkeypatch.setattr("grp.getgrgid", lambda gid: known(50_000 if gid == 50_006 else gid))
    assert free(50_006, 50_009) == 50_007
    asked.clear()
    monkeypatch.setattr("pwd.getpwuid", lambda uid: known(50_000))
    assert free(50_000, 90_000) is None
    assert len(asked) == 1000  # who asks waits, but not for ever


class Machine:
    """Counts questions; fails when one comes in a transaction."""

    def __init__(self, bench: Bench) -> None:
        self.asked: list[Any] = []
        self._store = bench.memory
        site = bench.api._site
        bench.api._site = replace(
            site,
            uid_of=self._answer("uid_of", site.uid_of),
            free_uid=self._answer("free_uid", site.free_uid),
            has_group=self._answer("has_group", site.has_group),
            is_listed=self._answer("is_listed", site.is_listed),
        )

    def _answer(self, name: str, look_up: Callable[..., Any]) -> Callable[..., Any]:
        def answer(*question: Any) -> Any:
            assert not self._store._lock.locked(), f"{name}{question} was asked in a transaction"
            self.asked.append((name, *question))
            return look_up(*question)

        return answer


def test_nothing_is_asked_in_a_transaction_and_nothing_twice() -> None:
    bench = Bench()
    machine = Machine(bench)
    bench.call("SetDelegations", "alpha", ["alice", "bob", {"name": "alice", "method": "Deploy"}])
    assert machine.asked == [("uid_of", "alice"), ("uid_of", "bob")]
    machine.asked.clear()
    bench.call("CreateDelegate", "new", [], [])
    bench.call("CreateGroup", "beta", {"owner": "carol"})
    bench.call("SetRights", "carol", ["spy"])
    assert {name for name, *_ in machine.asked} == {"uid_of", "free_uid", "has_group", "is_listed"}


def test_a_uid_that_was_given_out_meanwhile_is_not_given_twice() -> None:
    bench = Bench()
    site = bench.api._site

    def slow(first: int, last: int) -> int | None:
        """While this one waits for its answer another account is made."""
        bench.api._site = site
        if bench.memory.get("account_other") is None:
            bench.call("CreateDelegate", "other", [], [])
        return first

    bench.api._site = replace(site, free_uid=slow)
    bench.call("CreateDelegate", "new", [], [])
    found = {one["name"]: one["uid"] for one in bench.call("GetDelegates", {})}
    assert len(set(found.values())) == len(found) == 3


def test_no_uid_is_left() -> None:
    bench = Bench()
    bench.api._site = replace(bench.api._site, free_uid=lambda first, last: None)
    with pytest.raises(LimitReached, match="no uid is left"):
        bench.call("CreateDelegate", "new", [], [])


def test_transactions_of_the_store_pass_the_question_on(tmp_path: Path) -> None:
    """Also the real database's, which holds back what an operation raises until its reads are checked."""
    store = Database.open(tmp_path / "db")
    site = Site(uid_of={"ann": 7}.get).remembering()

    def act(tx: Transaction) -> int | None:
        return site.uid_of("ann")

    try:
        with pytest.raises(UnansweredError) as raised:
            store.transact(act)
        raised.value.ask()
        assert store.transact(act) == 7
    finally:
        store.close()
