"""nm-enter, as far as it needs no root: who calls, where that leads, and what it says to ssh."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nm import enter
from nm.enter import Asked, Refused

MACHINE = {
    "sliver": "web",
    "type": "sliver.QEMU",
    "running": True,
    "why": None,
    "address": "10.20.0.11",
    "user": "debian",
}
SUDO = {"SUDO_UID": "70001", "SUDO_GID": "70001"}


def asked(command: str | None = None, terminal: bool = False) -> Asked:
    return Asked(70001, 70001, command, terminal, {}, -1)


def test_it_loads_the_standard_library_and_two_rooms_of_nms() -> None:
    """In front of each session: nothing that takes long, and nothing that others change."""
    words = [sys.executable, "-I", "-c", "import sys; import nm.enter; print(*sys.modules)"]
    told = subprocess.run(words, env={}, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(name for name in told if name.startswith("nm.")) == ["nm.container", "nm.enter", "nm.relay"]
    assert not {"subprocess", "asyncio", "logging", "typing_extensions"} & set(told)


@pytest.mark.parametrize("environment", [{}, {"SUDO_UID": "1"}, {"SUDO_GID": "1"}])
def test_who_comes_another_way_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(Refused, match="by sudo"):
        enter.ask([], environment)


@pytest.mark.parametrize("arguments", [["-c"], ["x"], ["-c", "a", "b"], ["--help"]])
def test_other_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(Refused, match="COMMAND"):
        enter.ask(arguments, SUDO)


def test_harmless_variables_come_along() -> None:
    told = enter.ask(
        ["-c", "x"], {**SUDO, "TERM": "vt100", "LC_ALL": "C", "LANG": "a b", "PATH": "/x", "LC_A": "$(id)"}
    )
    assert (told.uid, told.command, told.language) == (70001, "x", {"TERM": "vt100", "LC_ALL": "C"})
    assert enter.ask([], {**SUDO, "TERM": "unknown"}).language == {}


def test_where_an_account_leads_is_told_by_its_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enter, "FOLDER", tmp_path)
    with pytest.raises(Refused, match="no guest") as refused:
        enter.find(70001)
    assert refused.value.status == 126
    (tmp_path / "70001.json").write_text(json.dumps({**MACHINE, "running": False, "why": "enabled is 0"}))
    with pytest.raises(Refused, match="sliver web does not run: enabled is 0") as refused:
        enter.find(70001)
    assert refused.value.status == 1
    (tmp_path / "70001.json").write_text(json.dumps(MACHINE))
    assert enter.find(70001) == MACHINE


@pytest.mark.parametrize("command", ["-oProxyCommand=id", "--", "a b", "", "-v", "x" * 9000])
def test_what_somebody_says_is_behind_the_address(command: str) -> None:
    words = enter.ssh(MACHINE, "/run/nm/guests/70001", asked(command))
    assert words[-3:] == ["--", "10.20.0.11", command]
    assert command not in words[:-1] or command == "--"


@pytest.mark.parametrize(
    ("command", "sftp"),
    [
        ("internal-sftp", True), ("internal-sftp -u 0027", True), ("/usr/lib/openssh/sftp-server", True),
        ("/usr/libexec/sftp-server -l INFO", True), ("sftp-server", False), ("echo internal-sftp", False),
        ("echo /x/sftp-server", False), (None, False), ("internal-sftpx", False),
    ],
)  # fmt: skip
def test_files_are_asked_for_by_the_name_that_every_guest_knows(command: str | None, sftp: bool) -> None:
    words = enter.ssh(MACHINE, "/x", asked(command))
    assert (words[-1] == "sftp" and "-s" in words) == sftp


def test_a_terminal_is_asked_for_when_there_is_one() -> None:
    given: dict[bool, list[Any]] = {
        told: enter.ssh(MACHINE, "/x", asked(None, told)) for told in (True, False)
    }
    assert "-tt" in given[True] and "-T" in given[False]
    assert all(words[-2:] == ["--", "10.20.0.11"] for words in given.values())
