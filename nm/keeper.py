"""Keeps one run of a program: a program of its own, so that nothing of the run outlives who wants it.

nm/kept.py starts it (`python -I -S keeper.py`) for each run, nm/keptthere.py on another machine; they write
one line of JSON to its standard input and leave that open. When it closes, because nmd says so, is dead, or
its connection ended, the run ends. All that the program starts stays below the keeper (it is their subreaper)
and is killed with it: at the time limit, at the program's own end, at nmd's. It holds a lock on a file (of a
node, of a processor) from before the program starts until the last of its processes is gone, so that a new
nmd's run cannot begin beside an old one's; then it removes the file.

In: {command, environment, input, seconds, lock, most, apart, folder, user}. Out: {how, status, said}; how is
"exit", "signal", "time" (the limit), "stopped", "busy" (the last run does not end) or "error"; said is the
last `most` bytes of both streams together or, when they are to be kept apart, of each. `user`: the account
that the program runs as, never root, with no rights or Unix groups of the keeper's and no way to more; "": as
the keeper. Standard library only, for it starts often; nobody imports it.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pwd
import resource
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
NMD, PROGRAM = "nmd", "program"  # whom the keeper hears
MOST_PROCESSES = 1000  # of an account that programs run as, so that the keeper can end them, and nmd go on
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


def _lock(path: str) -> int | None:
    """The file, locked; None while another run holds it. Not one that the last run has just removed."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.stat(path, follow_symlinks=False)):
            return file
    os.close(file)
    return None


def _locked(path: str, seconds: float) -> str | None:
    """Lock the file: the last run has ended. Else why not: it is busy, or nmd stops the waiting."""
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    if os.stat(os.path.dirname(path), follow_symlinks=False).st_uid != os.geteuid():
        raise PermissionError(0, f"{os.path.dirname(path)} is somebody else's folder")
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ, NMD)
        while _lock(path) is None:
            if _nmd_is_gone(selector, PAUSE):
                return "stopped"
            if time.monotonic() > until:
                return "busy"
    return None


def _input(text: str) -> int:
    """A file with the text that is nowhere on a disk."""
    file = os.memfd_create("node")
    with os.fdopen(os.dup(file), "w", encoding="utf-8") as stream:
        stream.write(text)
    os.lseek(file, 0, os.SEEK_SET)
    return file


class _Somebody:
    """Who the program is to be. KeyError: nobody has that name; PermissionError: it cannot be."""

    def __init__(self, name: str) -> None:
        entry = pwd.getpwnam(name)
        self.uid, self.gid = entry.pw_uid, entry.pw_gid
        self.environment = {"HOME": entry.pw_dir, "USER": name, "LOGNAME": name}
        if 0 in (self.uid, self.gid):
            raise PermissionError(0, f"{name} is root, and root runs none")
        if os.geteuid() not in (0, self.uid):
            raise PermissionError(0, f"{pwd.getpwuid(os.geteuid()).pw_name} cannot become {name}")

    def become(self) -> None:
        """Be nobody else any more, of counted processes, and the first to go where memory is short."""
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        most = MOST_PROCESSES if most == resource.RLIM_INFINITY else min(most, MOST_PROCESSES)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _somebody(name: str) -> _Somebody | None:
    try:
        return _Somebody(name) if name else None
    except KeyError:
        raise PermissionError(0, f"there is no account {name}") from None


def _begin(user: _Somebody | None, folder: str) -> None:
    """In the program's process, before it is the program: what fails here is the last that it says."""
    try:
        if user is not None:
            user.become()
        os.chdir(folder)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # behind the change of user, which would clear it
    except OSError as error:
        os.write(2, f"{error.strerror}: {error.filename or 'change of user'}\n".encode())
        os._exit(126)


def _start(request: dict[str, Any], output: int, complaints: int) -> "subprocess.Popen[bytes]":
    user = _somebody(request["user"])
    given = _input(request["input"])
    try:
        return subprocess.Popen(
            request["command"],
            stdin=given,
            stdout=output,
            stderr=complaints,
            env={**(user.environment if user else {}), **request["environment"]},
            umask=0o077,
            start_new_session=True,
            preexec_fn=lambda: _begin(user, request["folder"]),  # noqa: PLW1509 - one thread
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
    """Between lock and answer. OSError when it could not be started."""
    if why := _locked(request["lock"], request["seconds"]):
        return {"how": why, "status": 0, "said": [""]}
    pipes = [os.pipe() for _ in range(2 if request["apart"] else 1)]
    tails = [_Tail(reading, request["most"]) for reading, _ in pipes]
    try:
        process = _start(request, pipes[0][1], pipes[-1][1])
        for _, writing in pipes:
            os.close(writing)
        how, status = _watch(process, tails, request["seconds"])
        _end_all()
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(request["lock"])
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
    try:
        answer = _run(_request())
    except (OSError, ValueError, subprocess.SubprocessError) as error:  # ValueError: what no text here holds
        words = getattr(error, "strerror", None) or str(error)
        answer = {"how": "error", "status": 0, "said": [words]}
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(answer))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
