"""The processes of accounts that nm made: who runs as whom, since when they are connected, and their end.

Called by the accounts' one worker; holds no lock.
"""

import contextlib
import math
import os
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from nm.errors import DeviceFailed

END_SECONDS = 10.0  # for the processes of an account to be gone
_TICKS = os.sysconf("SC_CLK_TCK")  # a second, in /proc/PID/stat


class Processes:
    """The machine's processes that run as uids of this range, which is nm's own.

    `scans` counts how often /proc was looked through.
    """

    def __init__(self, uids: range, proc: Path = Path("/proc")) -> None:
        self._uids = uids
        self._proc = proc
        self._running: dict[int, list[int]] | None = None
        self.scans = 0

    @property
    def running(self) -> dict[int, list[int]]:
        """Their pids by uid. One look through /proc serves all accounts."""
        if self._running is None:
            self.scans += 1
            self._running = {}
            for pid in map(int, filter(str.isdigit, os.listdir(self._proc))):
                for uid in self._uids_of(pid):
                    if uid in self._uids:
                        self._running.setdefault(uid, []).append(pid)
        return self._running

    def look_again(self) -> None:
        """Somebody may have come in since /proc was looked through."""
        self._running = None

    def end(self, uid: int, since: float = math.inf) -> None:
        """Kill what runs as that uid of nm's and belongs to connections that were there then.

        `since` is in seconds since boot; left out, all of them end. Beginnings are known to a hundredth of a
        second: who began in the same one ends as well.
        """
        if uid not in self._uids:
            raise DeviceFailed(f"uid {uid} is none of nm's", "nothing was done", passing=False)
        until = time.monotonic() + END_SECONDS
        while pids := [pid for pid in self.running.get(uid, ()) if self._connected(pid, uid) <= since]:
            if (left := until - time.monotonic()) <= 0:
                raise DeviceFailed(f"process {pids[0]} of uid {uid} cannot be ended", "it is tried again")
            self._kill(uid, pids, left)
            self.look_again()

    def _kill(self, uid: int, pids: Sequence[int], seconds: float) -> None:
        """Kill these and wait until they are gone; a number that is another's by now is left alone."""
        gone, left = select.poll(), 0
        with contextlib.ExitStack() as descriptors:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    descriptor = os.pidfd_open(pid)
                    descriptors.callback(os.close, descriptor)
                    if uid in self._uids_of(pid):
                        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                        gone.register(descriptor, select.POLLIN)
                        left += 1
            while left and (ended := gone.poll(seconds * 1000)):
                for descriptor, _ in ended:
                    gone.unregister(descriptor)
                    left -= 1

    def _connected(self, pid: int, uid: int) -> float:
        """When the connection of a process began, in seconds since boot.

        sshd has a process of root's for each connection, from before it looks at any key: that is the first
        ancestor that runs as somebody else. An orphan counts by itself.
        """
        began = math.inf
        while pid > 1 and (seen := self._stat(pid)) is not None:
            parent, began = seen
            if uid not in self._uids_of(pid):
                break
            pid = parent
        return began

    def _stat(self, pid: int) -> tuple[int, float] | None:
        """A process's parent, and when it began; None when it is gone."""
        try:
            fields = (self._proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return int(fields[1]), int(fields[19]) / _TICKS

    def _uids_of(self, pid: int) -> set[int]:
        """As whom a process runs; nobody when it has ended."""
        try:
            lines = (self._proc / str(pid) / "status").read_text(errors="replace").splitlines()
        except OSError:
            return set()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return set() if fields.get("State", "Z").startswith("Z") else set(map(int, fields["Uid"].split()))
