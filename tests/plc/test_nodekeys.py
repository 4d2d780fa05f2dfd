"""Keys of a PLC in accounts of its node: beside those that are there, in named accounts only."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nm import config, nodekeys, nolinks
from nm.nodekeys import BEGIN, END
from tests.plc.authority import Authority
from tests.plc.conftest import SAMPLE
from tests.plc.fake_plc import FakePlc
from tests.plc.node import ROOT_FILES, Node, node

ALICE, BOB = SAMPLE["node1.demo.org"]["accounts"][0]["keys"]
OWN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMiWPVaeixWLTNqCoJwlKqw9ILfN2SP260ISfMr+rmv/ mine"


# ---- what is wanted


def test_only_named_accounts_are_told_of() -> None:
    told = [{"name": "root", "keys": [ALICE]}, {"name": "site_admin", "keys": [BOB, BOB]}]
    assert nodekeys.wanted(told, ["site_admin"]) == ({"site_admin": [BOB]}, [])
    assert nodekeys.wanted(told, ["other"]) == ({"other": []}, [])
    assert nodekeys.wanted(None, ["site_admin"]) == ({}, [])
    assert nodekeys.wanted([{"name": ["a"]}, {"name": None}, 5], ["a"]) == ({"a": []}, [])


def test_what_is_no_key_is_left_out_and_told() -> None:
    bad = [f'command="reboot" {ALICE}', "nonsense", f"{ALICE}\n{BOB}", 7]
    found, problems = nodekeys.wanted([{"name": "a", "keys": [*bad, BOB]}], ["a"])
    assert found == {"a": [BOB]} and len(problems) == len(bad)


def test_others_lines_stay_as_they_are() -> None:
    strange = "# \x0c \u2028 mine\r\n" + OWN
    first = nodekeys.merged(strange, [ALICE])
    assert first == f"{strange}\n{BEGIN}\n{ALICE}\n{END}\n"
    assert nodekeys.merged(first, [ALICE]) == first
    more = f"{first}{OWN} later\n"
    assert nodekeys.merged(more, [BOB]) == more.replace(ALICE, BOB)
    assert nodekeys.merged(more, []) == f"{strange}\n{OWN} later\n"
    assert nodekeys.merged("", []) == ""


def test_a_last_line_that_was_taken_away_takes_nothing_with_it() -> None:
    assert nodekeys.merged(f"{BEGIN}\n{OWN}\n", [ALICE]) == f"{BEGIN}\n{ALICE}\n{END}\n{OWN}\n"


# ---- on a machine

UID, GID = 5555, 6666


@pytest.fixture
def here(plc: FakePlc, authority: Authority, tmp_path: Path) -> Iterator[Node]:
    """A node whose PLC may set the keys of site_admin, which has a key already."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for name, text in ROOT_FILES.items():
        (root / "etc" / name).write_text(text.format(uid=UID, gid=GID))
    for home in ("root", "home/site_admin"):
        (root / home / ".ssh").mkdir(parents=True, mode=0o700)
        (root / home).chmod(0o755)
        (root / home / ".ssh" / "authorized_keys").write_text(f"{OWN}\n")
    for path in (root / "home/site_admin", *(root / "home/site_admin").rglob("*")):
        os.chown(path, UID, GID)
    accounts = config.Accounts(shell="", root=str(root))
    with node(tmp_path, plc, authority, accounts=accounts, accounts_named=("site_admin",)) as made:
        yield made


def keys(here: Node, home: str = "home/site_admin") -> Path:
    return here.folder / "root" / home / ".ssh" / "authorized_keys"


def set_keys(plc: FakePlc, *lines: str) -> None:
    plc.reply["accounts"] = [{"name": "site_admin", "keys": list(lines)}, {"name": "root", "keys": [ALICE]}]
    plc.reply["timestamp"] += 1


def asked(here: Node) -> str:
    assert here.ask()["state"] == "done"
    return "\n".join(here.source()["problems"])


def test_keys_come_beside_those_that_are_there(here: Node, plc: FakePlc) -> None:
    file = keys(here)
    assert file.read_text() == f"{OWN}\n{BEGIN}\n{ALICE}\n{BOB}\n{END}\n"
    assert keys(here, "root").read_text() == f"{OWN}\n", "root is not named"
    before = file.stat()
    assert (before.st_uid, before.st_gid) == (UID, GID) and not before.st_mode & 0o022
    assert asked(here) == "" and file.stat() == before, "only on change"
    set_keys(plc, BOB)
    asked(here)
    assert file.read_text() == f"{OWN}\n{BEGIN}\n{BOB}\n{END}\n"
    set_keys(plc)
    asked(here)
    assert file.read_text() == f"{OWN}\n"
    assert here.whats("account ") == ["keys set"] * 3


def test_the_folder_is_made_for_the_first_key(here: Node, plc: FakePlc) -> None:
    file = keys(here)
    file.unlink()
    file.parent.rmdir()
    set_keys(plc)
    assert asked(here) == "" and not file.parent.exists(), "no key, no folder"
    set_keys(plc, BOB)
    assert asked(here) == ""
    assert file.read_text() == f"{BEGIN}\n{BOB}\n{END}\n"
    for path, mode in ((file.parent, 0o700), (file, 0o600)):
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (UID, mode)


def test_root_only_when_it_is_named(here: Node, plc: FakePlc) -> None:
    assert here.service is not None
    here.service.reload(replace(here.config, plc=replace(here.config.plc, accounts=("root",))))
    set_keys(plc, BOB)
    assert asked(here) == ""
    assert ALICE in keys(here, "root").read_text() and BOB not in keys(here).read_text().split(BEGIN)[0]


def test_no_link_is_followed(here: Node, plc: FakePlc) -> None:
    file = keys(here)
    victim = here.folder / "victim"
    victim.write_text("secret")
    file.unlink()
    file.symlink_to(victim)
    set_keys(plc, BOB)
    assert "is a link" in asked(here)
    file.unlink()
    os.link(victim, file)
    os.chown(file, UID, GID)
    assert "another name" in asked(here)
    file.unlink()
    file.parent.rmdir()
    elsewhere = here.folder / "elsewhere"
    elsewhere.mkdir()
    file.parent.symlink_to(elsewhere)
    assert "is a link" in asked(here)
    assert victim.read_text() == "secret" and not list(elsewhere.iterdir())


def test_what_others_may_write_to_or_is_not_there(here: Node, plc: FakePlc) -> None:
    file = keys(here)
    file.parent.chmod(0o777)
    set_keys(plc, BOB)
    assert "others may write" in asked(here)
    file.parent.chmod(0o700)
    (here.folder / "root" / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    assert "no such account" in asked(here)
    first = here.config.accounts.first_uid
    line = f"site_admin:x:{first}:{GID}::/home/site_admin:/bin/sh\n"
    (here.folder / "root" / "etc" / "passwd").write_text(line)
    assert "one that nm makes" in asked(here)
    (here.folder / "root" / "etc" / "passwd").write_text(f"site_admin:x:{UID}:{GID}::/:/bin/sh\n")
    assert "no home folder of its own" in asked(here)


def test_no_list_changes_nothing(here: Node, plc: FakePlc) -> None:
    del plc.reply["accounts"]
    plc.reply["timestamp"] += 1
    before = keys(here).read_text()
    assert asked(here) == "" and keys(here).read_text() == before


def test_a_folder_that_is_put_in_the_place_of_a_new_one_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever owns the home would be given what root keeps there."""
    roots = tmp_path / "roots"
    roots.mkdir(mode=0o750)
    (roots / "letter").write_text("root's")
    make = os.mkdir

    def make_and_swap(name: str, mode: int, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        (tmp_path / name).rmdir()
        roots.rename(tmp_path / name)

    monkeypatch.setattr(os, "mkdir", make_and_swap)
    home = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="another folder"):
            nolinks.make_folder(home, ".ssh", 0o700)
    finally:
        os.close(home)
    assert stat.S_IMODE((tmp_path / ".ssh").stat().st_mode) == 0o750
