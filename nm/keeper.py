"""Keeps one run of a site's own program: a program of its own, so that nothing of the run outlives nmd.

nm/kept.py starts it (`python -I -S keeper.py`) for each run, writes one line of JSON to its standard
input and leaves that open; when it closes, because nmd says so or is dead, the run ends. All that the
program starts stays below the keeper (it is their subreaper) and is killed with it: at the time limit, at the
program's own end, at nmd's. It holds a lock on a file (of the node's, of the processor's) from before the
program starts until the last of its processes is gone, so that a new nmd's run cannot begin beside an old
one's.

In: {command, environment, input, seconds, lock, most, apart}. Out: {how, status, said}; how is "exit",
"signal", "time" (the limit), "stopped", "busy" (the last run does not end) or "error"; said is the last
`most` bytes of both streams together or, when they are to be kept apart, of each. Standard library only, for
it starts often; nobody imports it.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
NMD, PROGRAM = "nmd", "program"  # whom the keeper hears
LAST_SECONDS = 10.0  # for killed processes to be gone
PAUSE = 0.02

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _request() -> dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 1 << 16)
        if not more:
            raise SystemExit(0)  # nmd died before it had said what to do
        line += more
    request: dict[str, Any] = json.loads(line)
    return request


def _nmd_is_gone(selector: selectors.BaseSelector, seconds: float) -> bool:
    return any(key.data == NMD for key, _ in selector.select(seconds))


def _locked(file: int, seconds: float) -> str | None:
    """Lock the file: the node's last run has ended. Else why not: it is busy, or nmd stops the waiting."""
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ, NMD)
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return None
            if _nmd_is_gone(selector, PAUSE):
                return "stopped"
            if time.monotonic() > until:
                return "busy"


def _input(text: str) -> int:
    """A file with the text that is nowhere on a disk."""
    file = os.memfd_create("node")
    with os.fdopen(os.dup(file), "w", encoding="utf-8") as stream:
        stream.write(text)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _start(request: dict[str, Any], output: int, complaints: int) -> "subprocess.Popen[bytes]":
    given = _input(request["input"])
    try:
        return subprocess.Popen(
            request["command"],
            stdin=given,
            stdout=output,
            stderr=complaints,
            env=request["environment"],
            cwd="/",
            umask=0o077,
            start_new_session=True,
            preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - one thread
        )
    finally:
        os.close(given)


class _Tail:
    """The last bytes of a stream, at most so many; the rest is dropped as it comes."""

    def __init__(self, file: int, most: int) -> None:
        self.file = file
        self._most = most
        self._kept = b""
        self._cut = False
        os.set_blocking(file, False)

    def take(self) -> bool:
        """Take what is there now; False when there is none, or never will be."""
        try:
            more = os.read(self.file, 1 << 16)
        except BlockingIOError:
            return False
        self._cut = self._cut or len(self._kept) + len(more) > self._most
        self._kept = (self._kept + more)[-self._most :]
        return bool(more)

    def text(self) -> str:
        """What was kept."""
        return ("…" if self._cut else "") + self._kept.decode(errors="replace")


def _watch(process: "subprocess.Popen[bytes]", tails: list[_Tail], seconds: float) -> tuple[str, int]:
    """Wait for the program's end, its time limit or nmd's end."""
    until = time.monotonic() + seconds
    pidfd = os.pidfd_open(process.pid)
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ, NMD)
        selector.register(pidfd, selectors.EVENT_READ, PROGRAM)
        for tail in tails:
            selector.register(tail.file, selectors.EVENT_READ, tail)
        while (left := until - time.monotonic()) > 0:
            heard = {key.data for key, _ in selector.select(left)}
            for tail in tails:
                if tail in heard and not tail.take():
                    selector.unregister(tail.file)
            if PROGRAM in heard:
                status = process.wait()
                return ("exit", status) if status >= 0 else ("signal", -status)
            if NMD in heard:
                return "stopped", 0
    return "time", 0


def _children() -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", errors="replace") as file:
            if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(name))
    return found


def _end_all() -> None:
    """Kill all that is below the keeper: what loses its parent comes to the keeper and is killed next."""
    until = time.monotonic() + LAST_SECONDS
    while time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE / 10)


def _run(request: dict[str, Any]) -> dict[str, Any]:
    lock = os.open(request["lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if why := _locked(lock, request["seconds"]):
        return {"how": why, "status": 0, "said": [""]}
    pipes = [os.pipe() for _ in range(2 if request["apart"] else 1)]
    tails = [_Tail(reading, request["most"]) for reading, _ in pipes]
    try:
        process = _start(request, pipes[0][1], pipes[-1][1])
    except (OSError, subprocess.SubprocessError) as error:
        words = getattr(error, "strerror", None) or str(error)
        return {"how": "error", "status": 0, "said": [words]}
    finally:
        for _, writing in pipes:
            os.close(writing)
    how, status = _watch(process, tails, request["seconds"])
    _end_all()
    for tail in tails:
        while tail.take():
            pass
    return {"how": how, "status": status, "said": [tail.text() for tail in tails]}


def main() -> None:
    """One run, from its line of JSON to its answer."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # nmd ends it; a handler is not inherited by the program
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    answer = _run(_request())
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(answer))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
