"""The lab's nmd: started, killed, started again. Called by lifecycle, the demo and tests.

nmd runs inside the namespaces and is adopted by the holder. Its process id there is written beside
its socket by the shell that becomes it.
"""

import contextlib
import sys
import time
from pathlib import Path

from nm.client import ClientError, connect
from nm.lab.errors import LabError
from nm.lab.place import INSIDE, Lab

PATIENCE = 15.0  # seconds until a started daemon must answer
_START = f'setsid "$@" < /dev/null >> {INSIDE}/log/nmd.log 2>&1 & echo $! > {INSIDE}/daemon.pid'
_CONFIG = f"""\
# The configuration of a lab's nmd; written anew at each start.
[daemon]
lock = "{INSIDE}/nmd.lock"
pid_file = "{INSIDE}/nmd.pid"
log_level = "debug"
[api]
socket = "{INSIDE}/api.sock"
[jobs]
retry_first_seconds = 0.5
retry_longest_seconds = 5
[export]
folder = "{INSIDE}/headnodes"
[secrets]
folder = "{INSIDE}/secrets"
"""


def start(lab: Lab) -> None:
    """Start nmd and wait until it answers. Does nothing when it runs."""
    if running(lab):
        return
    (lab.folder / "nm.toml").write_text(_CONFIG)
    (lab.folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    program = [sys.executable, "-m", "nm.daemon"]
    options = ["--config", f"{INSIDE}/nm.toml", "--database", f"{INSIDE}/database"]
    lab.run(["sh", "-c", _START, "sh", *program, *options])
    deadline = time.monotonic() + PATIENCE
    while not answers(lab):
        if not running(lab) or time.monotonic() > deadline:
            log = lab.folder / "log" / "nmd.log"
            said = log.read_text().strip()[-1500:] if log.exists() else "it was not started"
            raise LabError(f"nmd does not answer; the end of its log:\n{said}")
        time.sleep(0.05)


def kill(lab: Lab) -> None:
    """End it by kill -9, as a power cut or the kernel's memory killer would. Does nothing when none runs."""
    _signal(lab, "KILL")


def stop(lab: Lab) -> None:
    """Ask nmd to finish what it has begun and to end."""
    _signal(lab, "TERM")


def _signal(lab: Lab, signal: str) -> None:
    if not running(lab):
        return
    lab.run(["sh", "-c", f"kill -s {signal} {_pid(lab)}"])
    deadline = time.monotonic() + PATIENCE
    while running(lab):
        if time.monotonic() > deadline:
            raise LabError(f"nmd does not end on SIG{signal}", f"see {lab.folder}/log/nmd.log")
        time.sleep(0.02)


def _pid(lab: Lab) -> str:
    """Its process id inside the lab, "none" when none was ever started."""
    try:
        return (lab.folder / "daemon.pid").read_text().strip() or "none"
    except OSError:
        return "none"


def running(lab: Lab) -> bool:
    """Whether the nmd that was started last lives."""
    try:
        process = Path(f"/proc/{lab.holder}/root/proc/{_pid(lab)}")
        line = (process / "cmdline").read_bytes()
        # While one program gives way to another (exec) a living process has no command line.
        return b"nm.daemon" in line or (not line and b") Z " not in (process / "stat").read_bytes())
    except OSError:
        return False


def answers(lab: Lab) -> bool:
    """Whether the API answers now."""
    with contextlib.suppress(ClientError), connect(str(lab.socket), timeout=5) as nm:
        return bool(nm.GetVersion())
    return False
