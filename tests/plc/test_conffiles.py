"""Configuration files of a PLC: which are taken, where they land, and that nothing else is touched."""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import conffiles, config
from nm.plcwork import _own_places
from tests.plc.authority import Authority
from tests.plc.fake_plc import FakePlc
from tests.plc.node import ROOT_FILES, Node, node

ENTRY: dict[str, Any] = {
    "enabled": True,
    "source": "PlanetLabConf/motd",
    "dest": "/etc/plc/motd",
    "file_permissions": "644",
    "file_owner": "root",
    "file_group": "root",
    "preinstall_cmd": "",
    "postinstall_cmd": "",
    "error_cmd": "",
}
CONTENT = b"welcome\n"


def taken(*changes: dict[str, Any]) -> tuple[list[str], str]:
    files, problems = conffiles.wanted([{**ENTRY, **one} for one in changes], ["/etc/plc"], ["/etc/plc/own"])
    return [file.dest for file in files], "\n".join(problems)


@pytest.mark.parametrize(
    "dest",
    [
        "/etc/shadow",
        "/etc/plc",
        "/etc/plc/",
        "/etc/plcs/motd",
        "/etc/plc/../shadow",
        "/etc/plc/./motd",
        "/etc/plc//motd",
        "//etc/plc/motd",
        "etc/plc/motd",
        "",
        "/etc/plc/a\0b",
        "/etc/plc/a\nb",
        "/etc/plc/own/key",
        None,
        ["/etc/plc/motd"],
        "/etc/plc/" + "x" * 1000,
    ],
)
def test_places_that_are_not_taken(dest: Any) -> None:
    found, problems = taken({"dest": dest})
    assert found == [] and "left as it is" in problems


@pytest.mark.parametrize("mode", ["4755", "2755", "1777", "07777", "rw", "64", "", "0o644", "-644", "999"])
def test_modes_that_are_not_taken(mode: str) -> None:
    found, problems = taken({"file_permissions": mode})
    assert found == [] and "mode" in problems


@pytest.mark.parametrize(
    "change", [{"source": ""}, {"source": "a b"}, {"file_owner": "a:b"}, {"file_group": "/"}]
)
def test_sources_and_owners_that_are_not_taken(change: dict[str, Any]) -> None:
    assert taken(change)[0] == []


def test_commands_are_not_run_and_that_is_told() -> None:
    found, problems = taken({"preinstall_cmd": "a", "postinstall_cmd": "service x restart", "error_cmd": " "})
    assert found == ["/etc/plc/motd"]
    assert "preinstall_cmd, postinstall_cmd not run" in problems


def test_what_is_switched_off_or_told_twice() -> None:
    assert taken({"enabled": False}) == ([], "")
    found, problems = taken({}, {"source": "other"})
    assert found == ["/etc/plc/motd"] and "told of twice" in problems
    assert conffiles.wanted(None, ["/etc"]) == conffiles.wanted("nonsense", ["/etc"]) == ([], [])


# ---- on a machine


@pytest.fixture
def here(plc: FakePlc, authority: Authority, tmp_path: Path) -> Iterator[Node]:
    """A node that lets its PLC write below `conf`."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files to root")
    etc = tmp_path / "root" / "etc"
    etc.mkdir(parents=True)
    for name, text in ROOT_FILES.items():
        (etc / name).write_text(text.format(uid=5555, gid=6666))
    conf = tmp_path / "conf"
    conf.mkdir()
    plc.pages["/PlanetLabConf/motd"] = CONTENT
    tell(plc, dest=f"{conf}/motd")
    accounts = config.Accounts(shell="", root=str(tmp_path / "root"))
    with node(tmp_path, plc, authority, accounts=accounts, conf_folders=(str(conf),)) as made:
        yield made


def tell(plc: FakePlc, **changes: Any) -> None:
    plc.reply["conf_files"] = [{**ENTRY, **changes}]
    plc.reply["timestamp"] += 1


def asked(here: Node) -> str:
    """What is told of once the source was asked again."""
    assert here.ask()["state"] == "done"
    return "\n".join(here.source()["problems"])


def test_a_file_is_written_once_and_again_when_it_changes(here: Node, plc: FakePlc) -> None:
    file = here.folder / "conf" / "motd"
    first = file.stat()
    assert file.read_bytes() == CONTENT and stat.S_IMODE(first.st_mode) == 0o644
    assert asked(here) == "" and file.stat() == first, "not touched"
    assert here.whats("file ") == ["written"]
    plc.pages["/PlanetLabConf/motd"] = b"changed"
    asked(here)
    assert file.read_bytes() == b"changed"
    file.chmod(0o600)
    asked(here)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert here.whats("file ") == ["written"] * 3
    assert sorted(path.name for path in file.parent.iterdir()) == ["motd"], "nothing is left beside it"


def test_one_that_is_told_of_no_more_stays(here: Node, plc: FakePlc) -> None:
    plc.reply["conf_files"] = []
    plc.reply["timestamp"] += 1
    assert asked(here) == "" and (here.folder / "conf" / "motd").read_bytes() == CONTENT


def test_mode_and_owner_are_as_told_and_folders_between_are_made(here: Node, plc: FakePlc) -> None:
    file = here.folder / "conf" / "a" / "b" / "motd"
    tell(plc, dest=str(file), file_permissions="640", file_owner="site_admin", file_group="staff")
    assert asked(here) == ""
    status = file.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (5555, 6666, 0o640)
    assert (file.parent.stat().st_uid, stat.S_IMODE(file.parent.stat().st_mode)) == (0, 0o755)


def test_owners_that_there_are_not(here: Node, plc: FakePlc) -> None:
    tell(plc, dest=f"{here.folder}/conf/other", file_owner="nobody-here")
    assert "there is no account nobody-here" in asked(here)
    tell(plc, dest=f"{here.folder}/conf/other", file_group="nobody-here")
    assert "there is no Unix group nobody-here" in asked(here)
    assert not (here.folder / "conf" / "other").exists()


def test_no_link_is_followed(here: Node, plc: FakePlc) -> None:
    outside = here.folder / "outside"
    outside.mkdir()
    (outside / "motd").write_text("mine")
    conf = here.folder / "conf"
    (conf / "way").symlink_to(outside)
    (conf / "link").symlink_to(outside / "motd")
    for dest in ("way/motd", "way/new/motd", "link"):
        tell(plc, dest=f"{conf}/{dest}")
        assert "is a link" in asked(here)
    (conf / "folder").mkdir()
    os.mkfifo(conf / "pipe")
    for dest in ("folder", "pipe"):
        tell(plc, dest=f"{conf}/{dest}")
        assert "file " in asked(here)
    os.link(outside / "motd", conf / "hard")
    tell(plc, dest=f"{conf}/hard")
    assert asked(here) == ""
    assert [path.name for path in outside.iterdir()] == ["motd"]
    assert (outside / "motd").read_text() == "mine", "another name of it was replaced, not its content"


def test_a_source_elsewhere_or_missing_or_large(here: Node, plc: FakePlc) -> None:
    dest = f"{here.folder}/conf/other"
    tell(plc, dest=dest, source="https://elsewhere.example.org/motd")
    assert "is not the PLC" in asked(here)
    tell(plc, dest=dest, source="nothing/there")
    assert "status 404" in asked(here)
    plc.pages["/large"] = b"x" * ((1 << 20) + 1)
    tell(plc, dest=dest, source="/large")
    assert "more than" in asked(here)
    assert not Path(dest).exists() and here.source()["online"]


def test_without_folders_nothing_is_asked_for_or_told(here: Node, plc: FakePlc) -> None:
    assert here.service is not None
    gets = [call for call in plc.calls if call.startswith("GET")]
    here.service.reload(replace(here.config, plc=replace(here.config.plc, conf_folders=())))
    tell(plc, dest="/etc/shadow", postinstall_cmd="reboot")
    assert asked(here) == ""
    assert [call for call in plc.calls if call.startswith("GET")] == gets


def test_nms_own_places_are_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "disk")
    made = replace(
        config.Config(),
        daemon=config.Daemon(database=f"{tmp_path}/way"),
        hooks=config.Hooks(before_give="/srv/site//wipe"),
        plc=config.Plc(ca="/srv/site/ca.pem"),
    )
    for dest in (
        "/etc/nm/nm.toml", "/etc/nm/secrets/x", "/etc/nm/ticket-keys/x.asc", "/var/lib/nm-images/x/bin/sh",
        f"{tmp_path}/disk/database.pickle", f"{tmp_path}/way/x", "/srv/site/wipe", "/srv/site/ca.pem",
        "/run/nm/guests/70000.json", "/usr/lib/nm/nm-enter",
    ):  # fmt: skip
        folders = ["/etc", "/var/lib", "/srv", "/run", "/usr", str(tmp_path)]
        files, problems = conffiles.wanted([{**ENTRY, "dest": dest}], folders, _own_places(made))
        assert files == [] and "nm's own" in problems[0], dest


def test_files_that_cannot_be_fetched_hold_up_no_keys(here: Node, plc: FakePlc) -> None:
    """As where a file stands in the PLC's place."""
    assert here.service is not None
    told = here.folder / "told.json"
    told.write_text(json.dumps({**plc.reply, "accounts": [{"name": "ghost", "keys": []}]}))
    here.stop()
    here.config = replace(here.config, plc=replace(here.config.plc, address=str(told), accounts=("ghost",)))
    here.start()
    here.until(lambda: here.source()["address"] == str(told) and here.source()["tried"] is not None)
    problems = "\n".join(here.source()["problems"])
    assert "no address of a source" in problems and "there is no such account" in problems


def test_what_could_not_be_written_is_told_and_tried_again(here: Node, plc: FakePlc) -> None:
    file = here.folder / "conf" / "late"
    tell(plc, dest=str(file), source="late")
    assert "status 404" in asked(here) and not file.exists()
    plc.pages["/late"] = CONTENT
    assert asked(here) == "" and file.read_bytes() == CONTENT, "though the reply is the same"
