"""nmd as a process: one instance, both modes, kill -9, signals, readiness, and a socket that is known."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.client import Unreachable, connect

NMD = [sys.executable, "-m", "nm.daemon"]


class Daemon:
    """Starts nmd in a folder of its own, and ends what it started, by pid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "nm.toml"
        self.socket = folder / "api.sock"
        self._started: list[subprocess.Popen[str]] = []
        self.write_config()

    def write_config(self, more: str = "") -> None:
        f = self.folder
        self.config.write_text(
            f'[daemon]\ndatabase = "{f}/db"\nlock = "{f}/lock"\n'
            f'pid_file = "{f}/nmd.pid"\nlog = "{f}/nmd.log"\n'
            f'[api]\nsocket = "{f}/api.sock"\ntcp = false\n[export]\nfolder = "{f}/export"\n{more}'
        )

    def start(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*NMD, "--config", str(self.config), *options],
            stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        self._started.append(process)
        return process

    def call(self, method: str, *arguments: Any) -> Any:
        with connect(str(self.socket)) as proxy:
            return getattr(proxy, method)(*arguments)

    def wait_ready(self) -> None:
        until(lambda: self.socket.exists() and self._answers())

    def _answers(self) -> bool:
        with contextlib.suppress(Unreachable):
            return bool(self.call("GetVersion"))
        return False

    @property
    def pid(self) -> int:
        return int((self.folder / "nmd.pid").read_text())

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(self.pid, signal.SIGKILL)


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not come true in time"
        signal.sigtimedwait([], 0.02)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def nmd(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    try:
        yield made
    finally:
        made.end()


def test_a_second_one_is_refused_and_kill_9_does_not_stop_the_next(nmd: Daemon) -> None:
    first = nmd.start()
    nmd.wait_ready()
    nmd.call("RegisterVlan", 101)
    second = nmd.start()
    _, said = second.communicate(timeout=20)
    assert second.returncode == 6 and f"pid {first.pid}" in said
    first.kill()
    first.wait()
    nmd.start()
    nmd.wait_ready()
    assert nmd.call("GetVlans", {})[0]["id"] == 101


def test_in_the_background_kill_9_leaves_a_pid_file_that_does_not_matter(nmd: Daemon) -> None:
    for _ in range(2):
        starter = nmd.start("--daemonize")
        assert starter.wait(timeout=20) == 0
        # It is ready when the starter ends: no waiting here.
        assert nmd.call("GetVersion")["api"] >= 1
        assert nmd.pid != starter.pid and os.getsid(nmd.pid) != os.getsid(0)
        pid = nmd.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: gone(pid))  # type: ignore[misc]
        assert (nmd.folder / "nmd.pid").exists()


def test_in_the_background_a_failed_start_is_told(nmd: Daemon) -> None:
    (nmd.folder / "db").mkdir(mode=0o700)
    (nmd.folder / "db" / "database.pickle").write_bytes(b"not ours")
    starter = nmd.start("-d")
    assert starter.wait(timeout=20) == 1
    assert "database" in (nmd.folder / "nmd.log").read_text()
    assert (nmd.folder / "db" / "database.pickle").read_bytes() == b"not ours"


def test_term_ends_it_cleanly(nmd: Daemon) -> None:
    process = nmd.start()
    nmd.wait_ready()
    nmd.call("RegisterVlan", 101)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=20)
    assert process.returncode == 0 and 'text="stopped"' in log
    assert not nmd.socket.exists()


def test_systemd_is_told(nmd: Daemon) -> None:
    address = str(nmd.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        ear.settimeout(20)
        process = nmd.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="300000")
        heard = [ear.recv(200).decode() for _ in range(3)]
        assert heard == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
        process.send_signal(signal.SIGTERM)
        while heard[-1] != "STOPPING=1":
            heard.append(ear.recv(200).decode())


def test_hangup_reloads_all_or_nothing(nmd: Daemon) -> None:
    nmd.start("--log")
    nmd.wait_ready()
    log = nmd.folder / "nmd.log"
    pid = int((nmd.folder / "lock").read_text())
    assert (nmd.folder / "lock").stat().st_mode & 0o777 == 0o600  # else anybody could hold it
    nmd.write_config("[jobs]\ndeadline_seconds = 5\n[leases]\nlongest_seconds = 77\n")
    os.kill(pid, signal.SIGHUP)
    until(lambda: "configuration reloaded" in log.read_text())
    nmd.write_config('[jobs]\ndeadline_seconds = "soon"\n')
    os.kill(pid, signal.SIGHUP)
    until(lambda: "jobs.deadline_seconds" in log.read_text())
    nmd.write_config("[database]\nsnapshot_megabytes = 1\n")
    os.kill(pid, signal.SIGHUP)
    until(lambda: "database.snapshot_megabytes cannot change" in log.read_text())
    log.rename(nmd.folder / "nmd.log.1")
    os.kill(pid, signal.SIGUSR2)
    until(log.exists)
    os.kill(pid, signal.SIGHUP)
    until(lambda: "not reloaded" in log.read_text())
    assert nmd.call("GetVersion")


def test_check_config(nmd: Daemon) -> None:
    good = nmd.start("--check-config")
    assert good.wait(timeout=20) == 0
    nmd.write_config("[jobs]\ncolour = 1\n")
    bad = nmd.start("--check-config")
    _, said = bad.communicate(timeout=20)
    assert bad.returncode == 3 and "jobs.colour" in said and "hint:" in said


def test_another_database_folder_by_option(nmd: Daemon) -> None:
    nmd.start("--database", str(nmd.folder / "deep" / "other"))
    nmd.wait_ready()
    nmd.call("RegisterVlan", 102)
    assert (nmd.folder / "deep" / "other" / "database.journal").exists() and not (nmd.folder / "db").exists()
