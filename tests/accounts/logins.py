"""Connections without sshd: root's process, and the account's below it."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.accounts import FIRST


def next_tick() -> None:
    """Wait until whoever starts now starts measurably later than what was before."""
    until = time.clock_gettime(time.CLOCK_BOOTTIME) + 1 / os.sysconf("SC_CLK_TCK")
    while time.clock_gettime(time.CLOCK_BOOTTIME) <= until:
        time.sleep(0.001)


class Login:
    """Root's process of a connection, as sshd has one; by `enter` somebody is in, as the account."""

    def __init__(self) -> None:
        next_tick()
        program = f'read go; setpriv --reuid {FIRST} --clear-groups sh -c "echo in; exec sleep 60"; :'
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(["sh", "-c", program], stdin=pipe, stdout=pipe, text=True)

    def enter(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        print("go", file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "in\n"

    def stays(self) -> bool:
        """Whether it runs as the account still; asked when all that is to end has ended."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return any(os.stat(f"/proc/{child}").st_uid == FIRST for child in children)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGKILL)
        self.process.kill()
        self.process.communicate()
