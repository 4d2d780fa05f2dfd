"""The lab's nmd: started, killed, started again. Called by lifecycle, the demo and tests.

Its configuration is written anew at each start.
"""

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from nm.client import ClientError, connect
from nm.lab import federation, management, pools, sessions, slices
from nm.lab.archive import CACHE
from nm.lab.errors import LabError
from nm.lab.layout import HEAD_ADDRESS, PREFIX, Layout
from nm.lab.place import Lab
from nm.lab.programs import Program
from nm.lab.running import INSIDE

PATIENCE = 15.0  # seconds until a started daemon must answer
FIRST_UID = 95_000  # apart from those of accounts that the machine's own nm may have made
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
_SHELL = """\
shell = "{forwarder}"
"""
_ENTERED = """\
sliver_shell = "{folder}/sliver_shell"
"""
_IMAGES = """\
[images]
folders = {folders}
"""
_HEADS = f"""\
[headnodes]
address = "{HEAD_ADDRESS}/{PREFIX}"
door = "{management.DOOR}"
"""


def start(lab: Lab, *more: str) -> None:
    """Start nmd, with these options too, and wait until it answers. Does nothing when it runs."""
    if running(lab):
        return
    (lab.folder / "nm.toml").write_text(_configuration(lab.layout))
    (lab.folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    options = ["--config", f"{INSIDE}/nm.toml", "--database", f"{INSIDE}/database"]
    nmd = _program(lab)
    nmd.start([sys.executable, "-m", nmd.module, *options, *more])
    deadline = time.monotonic() + PATIENCE
    while not answers(lab):
        if not nmd.is_running() or time.monotonic() > deadline:
            raise LabError(f"nmd does not answer; the end of its log:\n{nmd.log}")
        time.sleep(0.05)


def _configuration(layout: Layout) -> str:
    """Accounts come last of what all labs have: their section goes on."""
    parts = [_CONFIG]
    if layout.boot or layout.slivers:
        parts += [_SHELL.format(forwarder=forwarder())]
    if layout.slivers:
        parts += [_ENTERED.format(folder=sessions.shells()), slices.configuration()]
    if layout.boot or layout.slivers or layout.pools:
        parts += [_IMAGES.format(folders=json.dumps([str(CACHE), *([pools.FILES] if layout.pools else [])]))]
    if layout.pools:
        parts += [pools.configuration()]
    if layout.geni:
        parts += [federation.configuration(layout.boot)]
    return "".join([*parts, *([_HEADS] if layout.boot else [])])


def forwarder() -> Path:
    """The login shell that passes calls on: installed with nm, or built for labs."""
    installed = Path(sys.prefix, "forward_api_calls")
    return installed if installed.is_file() else sessions.shells() / "forward_api_calls"


def kill(lab: Lab) -> None:
    """End it by kill -9, as a power cut or the kernel's memory killer would. Does nothing when none runs."""
    _program(lab).signal("KILL")


def stop(lab: Lab) -> None:
    """Ask nmd to finish what it has begun and to end."""
    _program(lab).signal("TERM")


def running(lab: Lab) -> bool:
    """Whether the nmd that was started last lives."""
    return _program(lab).is_running()


def _program(lab: Lab) -> Program:
    return Program(lab, "nmd", "nm.daemon")


def slivers(lab: Lab) -> dict[str, str]:
    """Sliver -> its state; none when the API does not answer."""
    nm: Any  # its methods are whatever the daemon has
    with contextlib.suppress(ClientError), connect(str(lab.socket), timeout=5) as nm:
        return {sliver["name"]: sliver["state"] for sliver in nm.GetSlivers({})}
    return {}


def answers(lab: Lab) -> bool:
    """Whether the API answers now."""
    with contextlib.suppress(ClientError), connect(str(lab.socket), timeout=5) as nm:
        return bool(nm.GetVersion())
    return False
