"""A session between two terminals: nothing is lost, and it ends when it should, whoever stops reading."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SESSION = """
import os, sys
from nm.relay import Session

master, terminal = os.openpty()
child = os.fork()
if child == 0:
    os.login_tty(terminal)
    os.execvp("sh", ["sh", "-c", sys.argv[1]])
os.close(terminal)
sys.exit(Session(child, os.pidfd_open(int(sys.argv[2])), True).relay(0, master))
"""


@contextmanager
def session(script: str, connection: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Its process, and the other end of its terminal."""
    here, terminal = os.openpty()
    words = [sys.executable, "-c", SESSION, script, str(connection)]
    with subprocess.Popen(words, stdin=terminal) as process:
        os.close(terminal)
        try:
            yield process, here
        finally:
            process.kill()
            os.close(here)


@pytest.fixture
def connection() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def until(true: object) -> None:
    deadline = time.monotonic() + 30
    assert callable(true)
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def child_of(pid: int) -> int | None:
    """Its first child, whether that has ended or not."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def is_over(process: subprocess.Popen[bytes], said: Path) -> bool:
    """Whether the session's own process has said its last word and has ended."""
    child = child_of(process.pid)
    return said.exists() and (child is None or ") Z " in Path(f"/proc/{child}/stat").read_text())


def read_all(descriptor: int) -> bytes:
    found = b""
    while True:
        try:
            more = os.read(descriptor, 1 << 16)
        except OSError:  # nobody has the terminal any more
            return found
        if not more:
            return found
        found += more


@pytest.mark.parametrize("size", [100, 15_000, 20_000])  # what two terminals hold for certain
def test_last_words_wait_for_who_reads_late(
    size: int, connection: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    script = f"head -c {size} /dev/zero | tr '\\0' a; : >{tmp_path}/said; exit 5"
    with session(script, connection.pid) as (process, here):
        until(lambda: is_over(process, tmp_path / "said"))
        assert read_all(here).count(b"a") == size
        assert process.wait(timeout=20) == 5


def test_who_never_reads_holds_up_no_end(connection: subprocess.Popen[bytes], tmp_path: Path) -> None:
    script = f"head -c 20000 /dev/zero | tr '\\0' a; : >{tmp_path}/said"
    with session(script, connection.pid) as (process, _):
        until(lambda: is_over(process, tmp_path / "said"))
        connection.kill()
        connection.wait()
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("by", ["connection", "signal"])
def test_it_ends_with_its_connection(by: str, connection: subprocess.Popen[bytes]) -> None:
    with session("trap '' HUP TERM; while :; do echo in; done", connection.pid) as (process, here):
        found = b""
        while b"in" not in found:
            found += os.read(here, 100)
        child = child_of(process.pid)
        if by == "connection":
            connection.kill()
            connection.wait()
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 128 + signal.SIGKILL
        assert not Path(f"/proc/{child}").exists()
