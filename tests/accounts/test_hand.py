"""The hand: real useradd, usermod and userdel on a copy of this machine's files."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import guestaccounts
from nm.accounts import (
    LOOKS,
    REFRESH,
    REGISTRY,
    Account,
    AccountsHand,
    Registry,
)
from nm.errors import DeviceFailed
from nm.facts import Order, Outcome, Value
from nm.passwd import read_passwd
from nm.records import Record
from nm.unixaccounts import FORWARD, Places, System
from tests.accounts import CALLS, FIRST, LAST
from tests.accounts.logins import Login

KEY, OTHER = "ssh-ed25519 AAAAC3Nz alice", "ssh-ed25519 AAAAC3Na bob"


class Bench:
    """Records in a dict, and the hand that makes their accounts."""

    def __init__(self, places: Places) -> None:
        self.records: dict[str, Record] = {}
        self.ahead = 0.0
        self.system = System(places, lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + self.ahead)
        self.root = places.root
        self.hand = AccountsHand(self.system, self.records.get)

    def want(
        self, name: str, uid: int = FIRST, number: int = 1, type: str = "delegate", **more: Any
    ) -> Value:
        record = {
            "account": name,
            "name": name,
            "uid": uid,
            "id": number,
            "type": type,
            "keys": [KEY],
            "before": [],
            "destroying": False,
        }
        self.records[name] = {**record, **more}
        return {"uid": uid, "id": number}

    def later(self, seconds: float) -> None:
        """Let time pass for the hand."""
        self.ahead += seconds

    def make(self, name: str, **more: Any) -> Outcome:
        return self.hand.run([Order(f"account/{name}", self.want(name, **more))], 1)[0]

    def remove(self, name: str, **old: Any) -> Outcome:
        """As an order of that incarnation: the last one when none is named."""
        if not old or old["id"] == self.records[name]["id"]:
            self.records[name] = {**self.records[name], "destroying": True}
        return self.hand.run([Order(f"account/{name}", None, old or None)], 1)[0]

    def file(self, name: str) -> list[str]:
        return (self.root / "etc" / name).read_text().splitlines()

    def keys(self, name: str) -> list[str]:
        return (self.root / "homes" / name / ".ssh" / "authorized_keys").read_text().splitlines()

    def files(self) -> list[bytes]:
        return [(self.root / "etc" / name).read_bytes() for name in ("passwd", "group", "shadow", "gshadow")]


@pytest.fixture
def bench(places: Places) -> Bench:
    return Bench(places)


@pytest.fixture
def visitor() -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs as the uid FIRST, as a connection's would."""
    with subprocess.Popen(["setpriv", "--reuid", str(FIRST), "--clear-groups", "sleep", "60"]) as process:
        while os.stat(f"/proc/{process.pid}").st_uid != FIRST:
            assert process.poll() is None
        yield process
        process.kill()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter."""
    with tempfile.TemporaryDirectory(prefix="nm-accounts-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_an_account_is_made_as_it_should_be(bench: Bench) -> None:
    before = len(bench.file("passwd")), len(bench.file("group"))
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}
    assert f"snoop:x:{FIRST}:{FIRST}:nm delegate snoop:/homes/snoop:{FORWARD}" in bench.file("passwd")
    assert "snoop:*:" in next(line for line in bench.file("shadow") if line.startswith("snoop:"))
    assert [line for line in bench.file("group") if "snoop" in line] == [f"snoop:x:{FIRST}:"]
    assert (len(bench.file("passwd")), len(bench.file("group"))) == (before[0] + 1, before[1] + 1)
    assert bench.keys("snoop") == [f"{CALLS} {KEY}"]
    for place, mode in (("", 0o750), (".ssh", 0o750), (".ssh/authorized_keys", 0o640)):
        found = (bench.root / "homes/snoop" / place).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, FIRST, mode)


def test_what_is_made_already_is_not_made_again(bench: Bench) -> None:
    bench.make("snoop")
    files, keys = bench.files(), (bench.root / "homes/snoop/.ssh/authorized_keys").stat().st_ino
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}
    assert bench.files() == files
    assert (bench.root / "homes/snoop/.ssh/authorized_keys").stat().st_ino == keys


def test_drift_is_seen_and_mended(bench: Bench) -> None:
    bench.make("snoop")
    subprocess.run(["usermod", "--prefix", bench.root, "--shell", "/bin/bash", "snoop"], check=True)
    assert "differs" in (bench.hand.read(["account/snoop"])[0].seen or {})
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}
    (bench.root / "homes/snoop/.ssh/authorized_keys").write_text("ssh-ed25519 AAAA eve\n")
    assert "differs" in (bench.hand.read(["account/snoop"])[0].seen or {})
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}
    assert bench.keys("snoop") == [f"{CALLS} {KEY}"]


def test_a_strangers_account_is_not_touched(bench: Bench) -> None:
    subprocess.run(["useradd", "--prefix", bench.root, "--uid", str(FIRST + 7), "snoop"], check=True)
    (bench.root / "homes/snoop").mkdir(parents=True)
    files = bench.files()
    made = bench.make("snoop")
    assert isinstance(made.error, DeviceFailed) and not made.error.passing
    assert bench.remove("snoop").seen is None
    bench.hand.run([Order("account/snoop", REFRESH)], 1)
    assert bench.files() == files
    assert (bench.root / "homes/snoop").is_dir()


def test_a_uid_that_is_taken_is_told(bench: Bench) -> None:
    subprocess.run(["useradd", "--prefix", bench.root, "--uid", str(FIRST), "other"], check=True)
    error = bench.make("snoop").error
    assert error is not None and str(FIRST) in error.message
    assert "snoop" not in read_passwd(bench.root)


def test_new_keys_leave_connections_and_keys_taken_away_end_them(
    bench: Bench, visitor: subprocess.Popen[bytes]
) -> None:
    bench.make("snoop")
    bench.make("snoop", keys=[KEY, OTHER])
    assert visitor.poll() is None
    bench.make("snoop", keys=[OTHER])
    assert visitor.wait(10) == -9
    assert bench.keys("snoop") == [f"{CALLS} {OTHER}"]


def test_an_account_goes_with_its_connections_and_its_home(
    bench: Bench, visitor: subprocess.Popen[bytes]
) -> None:
    files = bench.files()
    bench.make("snoop")
    assert bench.remove("snoop", uid=FIRST, id=1).seen is None
    assert visitor.wait(10) == -9
    assert bench.files() == files and not (bench.root / "homes/snoop").exists()
    assert bench.remove("snoop").seen is None


def test_connections_end_though_the_daemon_ended_first(
    bench: Bench, visitor: subprocess.Popen[bytes]
) -> None:
    bench.make("snoop")
    bench.want("snoop", keys=[OTHER])
    account = REGISTRY.of_type("delegate")(bench.system, bench.records["snoop"])
    account.shut(account.lines)  # and no more
    assert bench.keys("snoop") == [] and visitor.poll() is None
    assert "differs" in (bench.hand.read(["account/snoop"])[0].seen or {})
    bench.make("snoop", keys=[OTHER])
    assert visitor.wait(10) == -9 and bench.keys("snoop") == [f"{CALLS} {OTHER}"]


def test_who_holds_up_an_end_does_not_hold_up_the_keys(
    bench: Bench, visitor: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that cannot be killed; the machine's, not ours, is what is pretended."""
    bench.make("snoop")
    monkeypatch.setattr("nm.processes.END_SECONDS", -1.0)
    error = bench.remove("snoop").error
    assert isinstance(error, DeviceFailed) and error.passing and str(visitor.pid) in error.message
    assert bench.keys("snoop") == [] and "snoop" in read_passwd(bench.root)
    monkeypatch.undo()
    assert bench.remove("snoop").seen is None and visitor.wait(10) == -9


def test_one_look_through_proc_serves_all(bench: Bench, visitor: subprocess.Popen[bytes]) -> None:
    values = {f"a{at}": bench.want(f"a{at}", uid=FIRST + at, number=at + 1) for at in range(5)}
    bench.hand.run([Order(f"account/{name}", value) for name, value in values.items()], 1)
    assert bench.system.processes.scans == 0
    for record in bench.records.values():
        record["keys"] = []
    bench.hand.run([Order(f"account/{name}", REFRESH) for name in values], 1)
    assert bench.system.processes.scans == 2 and visitor.wait(10) == -9  # the second sees that all are gone


def cut_off(bench: Bench, *files: str) -> None:
    """As a tool leaves it that was killed before it came to these files."""
    for name in files:
        lines = [line for line in bench.file(name) if not line.startswith("snoop:")]
        (bench.root / "etc" / name).write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("missing", [("shadow", "group", "gshadow"), ("group", "gshadow"), ("gshadow",)])
def test_what_a_useradd_left_half_made_is_made(bench: Bench, missing: tuple[str, ...]) -> None:
    bench.make("snoop")
    whole = [sorted(file.splitlines()) for file in bench.files()]
    cut_off(bench, *missing)
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}
    if "group" in missing:
        assert [sorted(file.splitlines()) for file in bench.files()] == whole
    assert bench.keys("snoop") == [f"{CALLS} {KEY}"]


@pytest.mark.parametrize("gone", [("passwd",), ("passwd", "shadow"), ("passwd", "shadow", "group")])
def test_what_a_userdel_left_half_removed_goes(bench: Bench, gone: tuple[str, ...]) -> None:
    before = bench.file("passwd"), bench.file("group"), {path.name for path in bench.root.iterdir()}
    old = bench.make("snoop").seen
    cut_off(bench, *gone)
    assert bench.remove("snoop").seen is None
    assert (bench.file("passwd"), bench.file("group")) == before[:2]
    new = bench.want("snoop", uid=FIRST + 1, number=2, before=[old])
    assert bench.hand.run([Order("account/snoop", new)], 1)[0].seen == new
    assert not (bench.root / "homes/snoop").stat().st_mode & 0o007


def test_a_unix_group_with_the_accounts_number_is_a_strangers(bench: Bench) -> None:
    subprocess.run(["groupadd", "--prefix", bench.root, "--gid", str(FIRST), "lab"], check=True)
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}
    gid = read_passwd(bench.root)["snoop"].gid
    assert gid != FIRST and (bench.root / "homes/snoop/.ssh/authorized_keys").stat().st_gid == gid
    assert bench.remove("snoop").seen is None
    assert [line for line in bench.file("group") if line.startswith(("lab:", "snoop:"))] == [
        f"lab:x:{FIRST}:"
    ]


def test_a_unix_group_of_that_name_is_a_conflict(bench: Bench) -> None:
    subprocess.run(["groupadd", "--prefix", bench.root, "snoop"], check=True)
    files = bench.files()
    error = bench.make("snoop").error
    assert isinstance(error, DeviceFailed) and not error.passing and "group snoop exists" in error.message
    bench.remove("snoop")
    assert bench.files() == files


def test_none_goes_whose_record_does_not_say_so(bench: Bench) -> None:
    value = bench.make("snoop").seen
    files = bench.files()
    error = bench.hand.run([Order("account/snoop", None, value)], 1)[0].error
    assert isinstance(error, DeviceFailed) and not error.passing
    assert bench.files() == files and bench.keys("snoop") == [f"{CALLS} {KEY}"]


def test_processes_of_others_are_never_ended(bench: Bench) -> None:
    with pytest.raises(DeviceFailed, match="none of nm's"):
        bench.system.processes.end(os.getuid())


def test_no_old_order_touches_a_new_account_of_the_name(bench: Bench) -> None:
    old = bench.want("snoop")
    bench.make("snoop")
    new = bench.want("snoop", uid=FIRST + 1, number=2, before=[old])
    assert bench.remove("snoop", **old).seen is None  # the old one is gone
    assert bench.hand.run([Order("account/snoop", new)], 1)[0].seen == new
    assert bench.remove("snoop", **old).seen == new
    assert bench.hand.run([Order("account/snoop", old)], 1)[0].seen == new
    assert bench.keys("snoop") == [f"{CALLS} {KEY}"]


def test_refreshing_makes_nothing(bench: Bench) -> None:
    bench.want("alpha", type="group")
    assert bench.hand.run([Order("account/alpha", REFRESH)], 1)[0].seen is None
    assert "alpha" not in read_passwd(bench.root)


def test_an_order_that_is_moot_is_not_carried_out(bench: Bench) -> None:
    order = Order("account/snoop", bench.want("snoop"), moot=lambda: True)
    assert bench.hand.run([order], 1)[0].seen is None


@pytest.mark.parametrize("count", [5, 40])
def test_passwd_is_read_once_a_change_and_not_once_an_account(bench: Bench, count: int) -> None:
    values = {f"a{at}": bench.want(f"a{at}", uid=FIRST + at, number=at + 1) for at in range(count)}
    made = bench.hand.run([Order(f"account/{name}", value) for name, value in values.items()], 1)
    assert [outcome.seen for outcome in made] == list(values.values())
    assert bench.system.reads == 2
    for record in bench.records.values():
        record["destroying"] = True
    gone = bench.hand.run([Order(f"account/{name}", None, value) for name, value in values.items()], 1)
    assert [outcome.seen for outcome in gone] == [None] * count
    assert bench.system.reads == 4
    assert not any((bench.root / "homes").iterdir())


def test_types_are_registered_by_both_marks() -> None:
    callers = {"delegate", "group", "headnode", "controller"}
    assert {kind.TYPE for kind in REGISTRY.of_shell(FORWARD)} == callers
    assert {kind.TYPE for kind in REGISTRY.of_shell(guestaccounts.SHELL)} == {"sliver.LXC", "sliver.QEMU"}
    assert REGISTRY.of_shell("/bin/bash") == []
    with pytest.raises(DeviceFailed, match="no account type"):
        REGISTRY.of_type("sliver.VServer")
    registry = Registry()

    @registry.register
    class Sliver(Account):
        TYPE, SHELL = "sliver.LXC", "/usr/sbin/vsh"

    assert registry.of_type("sliver.LXC") is Sliver and registry.of_shell("/usr/sbin/vsh") == [Sliver]
    with pytest.raises(ValueError, match="twice"):
        registry.register(Sliver)


def test_the_five_duties(bench: Bench) -> None:
    bench.want("snoop")
    account = REGISTRY.of_type("delegate")(bench.system, bench.records["snoop"])
    account.create()
    assert not account.as_wanted()
    assert account.start(delay=3600) == 3600 and not account.as_wanted()  # nobody waits here
    assert account.start() == 0 and account.as_wanted()
    account.stop()
    assert not bench.keys("snoop")
    account.configure()
    assert bench.keys("snoop") == [f"{CALLS} {KEY}"]
    account.destroy()
    assert "snoop" not in read_passwd(bench.root)


def test_a_tool_that_fails_is_told(bench: Bench) -> None:
    (bench.root / "etc/gshadow").rename(bench.root / "etc/away")
    (bench.root / "etc/gshadow").mkdir()
    error = bench.make("snoop").error
    assert isinstance(error, DeviceFailed) and error.passing and "useradd" in error.message


def test_on_an_etc_of_its_own(bench: Bench, open_folder: Path) -> None:
    """Without --prefix, in a mount namespace whose /etc is a copy."""
    etc = open_folder / "etc"
    shutil.copytree("/etc", etc, symlinks=True)
    program = f'"{sys.executable}" -m tests.accounts.real_etc "{open_folder}/homes" {FIRST}'
    inside = f'mount --bind "{etc}" /etc && exec {program}'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", inside],
        capture_output=True, text=True, timeout=50, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# ---- connections


def test_who_was_on_the_way_in_when_the_key_went_is_found_later(
    bench: Bench, logins: Callable[[], Login]
) -> None:
    bench.make("snoop")
    late, latest = logins(), logins()
    assert bench.make("snoop", keys=[OTHER]).seen == {"uid": FIRST, "id": 1}
    assert 0 < (bench.hand.again("snoop") or 0) <= LOOKS[0]
    late.enter()
    after = logins()
    after.enter()
    assert late.stays() and after.stays()
    bench.later(LOOKS[0])
    bench.make("snoop", keys=[OTHER])
    assert not late.stays() and after.stays()
    assert 0 < (bench.hand.again("snoop") or 0) <= LOOKS[1] - LOOKS[0]
    latest.enter()
    bench.later(LOOKS[1])
    bench.make("snoop", keys=[OTHER])
    assert not latest.stays() and after.stays()
    assert bench.hand.again("snoop") is None and bench.hand.ending() == []


def test_a_second_key_that_goes_is_looked_after_as_long(bench: Bench, logins: Callable[[], Login]) -> None:
    bench.make("snoop", keys=[KEY, OTHER])
    bench.make("snoop", keys=[OTHER])
    between = logins()
    between.enter()
    bench.later(LOOKS[1] - 1)
    bench.make("snoop", keys=[])
    assert not between.stays()
    assert (bench.hand.again("snoop") or 0) > 1


def test_a_moment_by_the_clock_of_an_earlier_boot_counts_as_now(bench: Bench) -> None:
    bench.later(10**6)
    bench.make("snoop")
    bench.make("snoop", keys=[])
    assert bench.hand.ending() == ["snoop"]
    bench.later(-(10**6))
    bench.make("snoop", keys=[])
    assert (bench.hand.again("snoop") or 10**6) <= LOOKS[0]


def test_who_comes_in_while_keys_go_is_seen(bench: Bench, logins: Callable[[], Login]) -> None:
    bench.make("snoop")
    login = logins()
    assert bench.system.processes.running.get(FIRST) is None
    login.enter()
    bench.want("snoop", keys=[])
    REGISTRY.of_type("delegate")(bench.system, bench.records["snoop"]).configure()
    assert not login.stays()


def test_a_number_that_is_anothers_by_now_is_left_alone(
    bench: Bench, visitor: subprocess.Popen[bytes]
) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        bench.system.processes.running[FIRST].append(other.pid)
        bench.system.processes.end(FIRST)
        assert visitor.wait(10) == -9 and other.poll() is None
        other.kill()


def test_processes_end_though_the_line_in_passwd_went_first(
    bench: Bench, visitor: subprocess.Popen[bytes]
) -> None:
    bench.make("snoop")
    cut_off(bench, "passwd")
    assert bench.remove("snoop") == Outcome()
    assert visitor.wait(10) == -9


def test_processes_of_who_has_the_uid_now_are_not_ended(
    bench: Bench, visitor: subprocess.Popen[bytes]
) -> None:
    bench.make("snoop")
    cut_off(bench, "passwd", "group")
    subprocess.run(["useradd", "--prefix", bench.root, "--uid", str(FIRST), "other"], check=True)
    assert bench.remove("snoop") == Outcome()
    assert visitor.poll() is None


# ---- what is read back, and what is in the way


@contextlib.contextmanager
def tools_that(line: str) -> Iterator[None]:
    """Instead of the machine's tools there are others, which do nothing but this."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("useradd", "usermod", "userdel", "groupdel"):
            (Path(folder) / name).write_text(f"#!/bin/sh\n{line}\n")
            (Path(folder) / name).chmod(0o755)
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield


def test_a_tool_that_did_nothing_is_found_out(bench: Bench) -> None:
    bench.make("snoop")
    value = {"uid": FIRST, "id": 1}
    with tools_that("exit 0"):
        errors = [bench.make("other", uid=FIRST + 1, number=2).error, bench.remove("snoop").error]
        bench.records["snoop"] |= {"destroying": False, "name": "renamed"}
        errors += [bench.hand.run([Order("account/snoop", to)], 1)[0].error for to in (value, REFRESH)]
    assert all(isinstance(error, DeviceFailed) and error.passing for error in errors), errors


def test_keys_are_written_whole_or_not_at_all(bench: Bench) -> None:
    many = [f"ssh-ed25519 {'A' * 200} {at}" for at in range(500)]
    bench.make("snoop", keys=[KEY])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, limits[1]))  # as a full disk: part of it is written
    try:
        assert isinstance(bench.make("snoop", keys=[KEY, *many]).error, DeviceFailed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert bench.keys("snoop") == [f"{CALLS} {KEY}"]
    assert bench.make("snoop", keys=[KEY, *many]).error is None
    assert len(bench.keys("snoop")) == 501


@pytest.mark.parametrize("owner", [(4242, 4242), (0, 0), (4242, FIRST)])
def test_a_home_that_nm_did_not_make_is_left_alone(bench: Bench, owner: tuple[int, int]) -> None:
    home = bench.root / "homes/snoop"
    home.mkdir(parents=True)
    (home / "file").write_text("theirs")
    os.chown(home, *owner)
    files, mode = bench.files(), home.stat().st_mode
    error = bench.make("snoop").error
    assert isinstance(error, DeviceFailed) and not error.passing and "move it away" in str(error)
    assert bench.files() == files
    assert bench.remove("snoop") == Outcome()
    found = home.stat()
    assert (found.st_uid, found.st_gid, found.st_mode) == (*owner, mode)
    assert (home / "file").read_text() == "theirs"


def test_a_home_of_nms_that_was_given_away_is_taken_back(bench: Bench) -> None:
    bench.make("snoop")
    home = bench.root / "homes/snoop"
    os.chown(home, FIRST, FIRST)
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}
    assert home.stat().st_uid == 0


def test_what_was_cut_off_after_its_home_was_begun_is_made(bench: Bench) -> None:
    (bench.root / "homes/snoop").mkdir(parents=True)
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}


@pytest.mark.parametrize("name", [".ssh", ".hushlogin"])
def test_no_link_in_a_home_is_followed(bench: Bench, name: str, tmp_path: Path) -> None:
    """As a restore from a bad backup could leave it."""
    bench.make("snoop")
    aim, link = tmp_path / "aim", bench.root / "homes/snoop" / name
    if link.is_dir():
        shutil.rmtree(link)
        aim.mkdir(mode=0o700)
    else:
        link.unlink()
    before = aim.stat() if aim.exists() else None
    link.symlink_to(aim)
    assert bench.make("snoop").error is not None
    assert (aim.stat() if aim.exists() else None) == before


def test_a_whole_path_to_the_homes_can_be_entered(root: Path) -> None:
    bench = Bench(Places(root, "/srv/people/homes", FORWARD, FIRST, LAST))
    umask = os.umask(0o077)
    try:
        assert bench.make("snoop").error is None
    finally:
        os.umask(umask)
    for folder in ("srv", "srv/people", "srv/people/homes"):
        assert (root / folder).stat().st_mode & 0o777 == 0o755


def test_lines_that_only_name_a_directory_are_passed_over(bench: Bench) -> None:
    for name, line in (("passwd", "+::::::\n"), ("group", "+:::\n")):
        with (bench.root / "etc" / name).open("a") as file:
            file.write(line)
    assert bench.make("snoop").seen == {"uid": FIRST, "id": 1}
    assert bench.remove("snoop") == Outcome()


@pytest.mark.parametrize(("line", "asked"), [("exit 1", 1), ("exit 10", 1), ("exit 9", 5)])
def test_held_files_are_waited_for_once(bench: Bench, line: str, asked: int) -> None:
    """With 1 and 10 the tools say, after 15 s, that somebody else holds the files; 9 concerns one account."""
    values = {f"a{at}": bench.want(f"a{at}", uid=FIRST + at, number=at + 1) for at in range(5)}
    orders = [Order(f"account/{name}", value) for name, value in values.items()]
    with tools_that(line):
        held = bench.hand.run(orders, 1)
    assert bench.system.runs == asked
    assert all(isinstance(one.error, DeviceFailed) for one in held)
    assert [one.seen for one in bench.hand.run(orders, 1)] == list(values.values())
