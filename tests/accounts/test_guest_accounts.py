"""Slivers' accounts by the real tools: shell, Unix group, keys, and the files that tell where they lead."""

import json
from pathlib import Path
from typing import Any

import pytest

from nm.errors import DeviceFailed
from nm.facts import Outcome, sliver_address
from nm.guestaccounts import GROUP, SHELL
from nm.guestkeys import Guest
from nm.unixaccounts import Places
from tests.accounts import CALLS, FIRST, LAST
from tests.accounts.keyfiles import public_of
from tests.accounts.test_hand import KEY, OTHER, Bench

LXC, QEMU = "sliver.LXC", "sliver.QEMU"
LINE = 'restrict,pty,command="enter"'
GUEST = {"state": "running", "why": None, "index": 1, "life": 1, "domain": "nm-sliver-web"}


@pytest.fixture
def bench(root: Path) -> Bench:
    groups = root / "etc/group"
    groups.write_text(f"{groups.read_text()}{GROUP}:x:{LAST + 1}:\n")
    more: dict[str, Any] = {
        "guest_network": "10.20.0.1/24",
        "guest_user": "debian",
        "head_keys": str(root / "db"),
    }
    return Bench(Places(root, "/homes", "/usr/lib/nm/forward_api_calls", FIRST, LAST, **more))


def make(bench: Bench, type: str = LXC, **more: Any) -> Outcome:
    return bench.make("web", type=type, **{"guest": GUEST, **more})


def place(bench: Bench, ending: str = "json") -> Path:
    return bench.root / f"run/nm/guests/{FIRST}.{ending}"


def told(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place(bench).read_text())
    return found


def members(bench: Bench) -> str:
    return next(line for line in bench.file("group") if line.startswith(f"{GROUP}:")).rpartition(":")[2]


def test_it_enters_and_does_nothing_else(bench: Bench) -> None:
    assert make(bench).seen == {"uid": FIRST, "id": 1}
    assert f"web:x:{FIRST}:{FIRST}:nm {LXC} web:/homes/web:{SHELL}" in bench.file("passwd")
    assert members(bench) == "web"
    assert bench.keys("web") == [f"{LINE} {KEY}"]
    assert told(bench) == {
        "sliver": "web", "type": LXC, "running": True, "why": None, "incarnation": 1,
        "domain": "nm-sliver-web",
    }  # fmt: skip
    assert place(bench).parent.stat().st_mode & 0o777 == 0o711
    assert place(bench).stat().st_mode & 0o777 == 0o600
    assert bench.hand.read(["account/web"])[0].seen == {"uid": FIRST, "id": 1}


def test_it_goes_without_a_trace(bench: Bench) -> None:
    before = bench.files()
    make(bench, QEMU)
    assert bench.remove("web").seen is None
    assert bench.files() == before
    assert list(place(bench).parent.iterdir()) == [] and not (bench.root / "homes/web").exists()


def test_what_somebody_took_from_it_comes_back(bench: Bench) -> None:
    make(bench)
    group = bench.root / "etc/group"
    group.write_text(group.read_text().replace(":web\n", ":\n"))
    seen = bench.hand.read(["account/web"])[0].seen
    assert seen is not None and "differs" in seen
    assert make(bench).error is None and members(bench) == "web"


def test_without_the_unix_group_the_error_names_it(bench: Bench) -> None:
    group = bench.root / "etc/group"
    group.write_text(group.read_text().replace(GROUP, "others"))
    error = make(bench).error
    assert isinstance(error, DeviceFailed) and GROUP in str(error)


def test_a_machine_is_entered_by_keys_that_its_guest_is_told(bench: Bench) -> None:
    make(bench, QEMU)
    assert (told(bench)["address"], told(bench)["user"]) == ("10.20.0.11", "debian")
    keys, guest = bench.system.guest_keys, Guest("web", 1, 1)
    assert place(bench, "known_hosts").read_text() == f"guest {keys.host_public(guest)}\n"
    assert public_of(place(bench, "key").read_text(), bench.root) == keys.entry_public(guest).split()[1]
    for ending in ("key", "known_hosts"):
        found = place(bench, ending).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, FIRST, 0o640)
    before = place(bench, "key").stat()
    make(bench, QEMU)
    assert place(bench, "key").stat() == before  # nothing is new


@pytest.mark.parametrize(
    ("guest", "why"),
    [
        ({**GUEST, "state": "stopped", "why": "enabled is 0"}, "enabled is 0"),
        ({**GUEST, "state": "starting"}, "it is starting"),
        ({**GUEST, "state": None}, "it is not there yet"),
        (None, "it is not there yet"),
    ],
)
def test_why_nobody_can_enter_is_told(bench: Bench, guest: dict[str, Any] | None, why: str) -> None:
    assert make(bench, guest=guest).error is None
    assert (told(bench)["running"], told(bench)["why"]) == (False, why)


def test_a_successor_of_another_type_has_no_files_of_the_last_one(bench: Bench) -> None:
    make(bench, QEMU)
    bench.records["web"] = {}
    more = {"uid": FIRST + 1, "number": 2, "before": [{"uid": FIRST, "id": 1}], "guest": GUEST}
    assert bench.make("web", type=LXC, **more).error is None
    assert [file.name for file in place(bench).parent.iterdir()] == [f"{FIRST + 1}.json"]
    assert members(bench) == "web"


@pytest.mark.parametrize("type", ["controller", "delegate"])
def test_a_successor_that_has_no_guest_leaves_no_key_of_the_last_one(bench: Bench, type: str) -> None:
    make(bench, QEMU)
    bench.records["web"] = {}
    before = [{"uid": FIRST, "id": 1, "type": QEMU}]
    assert bench.make("web", type=type, uid=FIRST + 1, number=2, before=before).error is None
    assert list(place(bench).parent.iterdir()) == []


def test_a_key_that_changes_leaves_the_other(bench: Bench) -> None:
    make(bench, keys=[KEY, OTHER])
    make(bench, keys=[OTHER])
    assert bench.keys("web") == [f"{LINE} {OTHER}"]


def test_a_controller_calls_and_enters_nothing(bench: Bench) -> None:
    make(bench, "controller")
    assert f"web:x:{FIRST}:{FIRST}:nm controller web:/homes/web:/usr/lib/nm/forward_api_calls" in bench.file(
        "passwd"
    )
    assert (bench.keys("web"), members(bench), place(bench).exists()) == ([f"{CALLS} {KEY}"], "", False)


@pytest.mark.parametrize(
    ("network", "index", "address"),
    [
        ("10.20.0.1/16", 1, "10.20.0.11/16"), ("10.20.0.1/16", 1000, "10.20.3.242/16"),
        ("10.20.0.1/28", 4, "10.20.0.14/28"), ("10.20.0.1/28", 5, None), ("", 1, None),
        ("10.20.0.1/16", 0, None), ("fd00::1/64", 1, "fd00::b/64"),
    ],
)  # fmt: skip
def test_addresses_follow_from_numbers(network: str, index: int, address: str | None) -> None:
    assert sliver_address(network, index) == address
