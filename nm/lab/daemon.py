"""The lab's nmd: started, killed, started again. Called by lifecycle, the demo and tests.

nmd runs inside the namespaces and is adopted by the holder. Its process id there is written beside
its socket by the shell that becomes it.
"""

import contextlib
import sys
import time
from pathlib import Path

from nm.client import ClientError, connect
from nm.lab import management
from nm.lab.archive import CACHE, kept
from nm.lab.errors import LabError
from nm.lab.layout import HEAD_ADDRESS, PREFIX
from nm.lab.place import INSIDE, SOURCE, Lab
from nm.lab.running import run

PATIENCE = 15.0  # seconds until a started daemon must answer
FIRST_UID = 95_000  # apart from those of accounts that the machine's own nm may have made
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
[accounts]
homes = "/run/nm-homes"
first_uid = {FIRST_UID}
"""
_BOOT = f"""\
shell = "{{shell}}"
[images]
folders = ["{CACHE}"]
[headnodes]
address = "{HEAD_ADDRESS}/{PREFIX}"
door = "{management.DOOR}"
"""


def start(lab: Lab, *more: str) -> None:
    """Start nmd, with these options too, and wait until it answers. Does nothing when it runs."""
    if running(lab):
        return
    of_boot = _BOOT.format(shell=forwarder()) if lab.layout.boot else ""
    (lab.folder / "nm.toml").write_text(_CONFIG + of_boot)
    (lab.folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    program = [sys.executable, "-m", "nm.daemon"]
    options = ["--config", f"{INSIDE}/nm.toml", "--database", f"{INSIDE}/database"]
    lab.run(["sh", "-c", _START, "sh", *program, *options, *more])
    deadline = time.monotonic() + PATIENCE
    while not answers(lab):
        if not running(lab) or time.monotonic() > deadline:
            log = lab.folder / "log" / "nmd.log"
            said = log.read_text().strip()[-1500:] if log.exists() else "it was not started"
            raise LabError(f"nmd does not answer; the end of its log:\n{said}")
        time.sleep(0.05)


def forwarder() -> Path:
    """The login shell of accounts: the one that is installed with nm, or one that is built for labs."""
    installed = Path(sys.prefix, "forward_api_calls")
    if installed.is_file():
        return installed
    source = SOURCE / "forward_api_calls"
    files = sorted(path for path in source.glob("*") if path.is_file())

    def make(folder: Path) -> None:
        run("make", "--silent", "-C", str(source), f"BUILD={folder}", "all")

    return kept([path.read_bytes() for path in files], make) / "forward_api_calls"


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
