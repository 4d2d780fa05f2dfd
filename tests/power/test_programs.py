"""A power program of the site's own: what it says is bounded, and nothing of it outlives its run, or nmd."""

import fcntl
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.errors import DeviceFailed
from nm.management import KINDS, command
from nm.power import Manner, act
from tests.core.site_program import below
from tests.waiting import until

# A child that left the program's session and ignores signals; it holds the program's streams open.
_LINGERS = """
setsid sh -c 'trap "" TERM HUP; while :; do echo x >> {folder}/alive; sleep 0.02; done' &
until [ -e {folder}/alive ]; do sleep 0.02; done
"""
_ASKS = """
import sys
from pathlib import Path
from nm.management import KINDS, command
from nm.power import Manner, act
kinds = command.in_folder(KINDS, sys.argv[1], Path(sys.argv[2]))
act({"driver": "command", "program": "site", "address": "x"}, "off", manner=Manner(grace=0, kinds=kinds))
"""


class Program:
    """A program in a folder of its own, of a node whose power is in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "programs").mkdir(mode=0o755)
        (folder / "power").write_text("on\n")

    def write(self, before: str = "") -> None:
        """Let it do this first, and then what it is asked to."""
        path = self.folder / "programs" / "site"
        path.write_text(
            f"#!/bin/sh\ncd {self.folder}\n{before.replace('{folder}', str(self.folder))}\n"
            "case $2 in status) cat power ;; on | off) echo $2 > power ;; *) exit 3 ;; esac\n"
        )
        path.chmod(0o755)

    def ask(self, action: str, password: str = "") -> str:
        kinds = command.in_folder(KINDS, str(self.folder / "programs"), self.folder / "locks")
        told = {"driver": "command", "program": "site", "address": "x", "secrets": {"password": "bmc"}}
        secrets = {"password": password}
        return act(told, action, secrets=secrets, manner=Manner(limit=1, grace=0, kinds=kinds))


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    for pid in (left := below(tmp_path)):
        os.kill(pid, signal.SIGKILL)
    assert left == []


def test_what_it_says_is_bounded(program: Program) -> None:
    program.write("yes | head -c 30000000; yes | head -c 30000000 >&2; echo last >&2; exit 3")
    tracemalloc.start()
    try:
        with pytest.raises(DeviceFailed, match=r"status ended with status 3: last$"):
            program.ask("status")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_no_piece_of_the_password_is_told_where_what_it_says_is_cut_off(program: Program) -> None:
    program.write("read -r password; while :; do printf %s $password; done | head -c 30000 >&2; exit 3")
    with pytest.raises(DeviceFailed, match="status 3: ") as failure:
        program.ask("status", password="Aaaaaaaaaaz")
    words = str(failure.value).partition("status 3: ")[2]
    assert set(words.replace("(secret)", "")) <= set("(secret)")


def test_a_child_that_left_its_session_is_ended_at_the_time_limit(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "ANSWER", 0.5)
    program.write(_LINGERS + "sleep 600")
    with pytest.raises(DeviceFailed, match=r"did not end within 0\.5 s") as failure:
        program.ask("status")
    assert failure.value.passing
    assert below(program.folder) == []


def test_a_child_that_keeps_its_streams_open_does_not_keep_a_done_action(program: Program) -> None:
    program.write(_LINGERS)
    began = time.monotonic()
    assert program.ask("off") == "off"
    assert time.monotonic() - began < command.ANSWER
    assert below(program.folder) == []


def test_it_does_not_outlive_an_nmd_that_is_killed(program: Program) -> None:
    program.write("[ $2 != off ] || { touch began; until [ -e finish ]; do sleep 0.02; done; }")
    folders = [str(program.folder / name) for name in ("programs", "locks")]
    nmd = subprocess.Popen([sys.executable, "-c", _ASKS, *folders])
    try:
        until((program.folder / "began").exists)
    finally:
        nmd.send_signal(signal.SIGKILL)
        nmd.wait()
    until(lambda: below(program.folder) == [])
    (program.folder / "finish").touch()
    assert (program.folder / "power").read_text() == "on\n"


def test_a_run_does_not_begin_beside_an_old_one(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write("ls locks > lock")
    assert program.ask("status") == "on"
    assert list((program.folder / "locks").iterdir()) == []
    monkeypatch.setattr(command, "ANSWER", 0.3)
    lock = (program.folder / "lock").read_text().strip()
    with (program.folder / "locks" / lock).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DeviceFailed, match="the last one does not end") as failure:
            program.ask("status")
        assert failure.value.passing
    assert program.ask("status") == "on"
