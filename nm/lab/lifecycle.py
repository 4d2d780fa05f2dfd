"""Brings a lab up, tells how it is, takes it down. Called by nmctl, the demo and tests.

`up` makes the lab's folder first, so that two of the same name cannot be; `down` ends exactly the
process that `up` wrote down, and the kernel ends everything else with it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nm.lab import confinement, daemon, holder, register, source
from nm.lab.errors import LabError
from nm.lab.layout import Layout
from nm.lab.place import FOLDER, Lab, environment, obstacle, started_at

PATIENCE = 30.0  # seconds for the holder to build, or to end
_NEW = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")
_UNSHARE = ("unshare", *_NEW, "--fork", "--kill-child", "--mount-proc")
_held: dict[str, subprocess.Popen[str]] = {}  # the labs that this very process brought up


def up(name: str, layout: Layout) -> Lab:
    """A rack with its daemon running and its pool registered. Nothing is left of it when that fails."""
    lab = Lab(name)
    if (why := obstacle(layout.boot, layout.slivers, layout.pools)) is not None:
        raise why
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    try:
        lab.folder.mkdir(mode=0o755)
    except FileExistsError:
        state = "is up already" if lab.holder else "lies here dead"
        raise LabError(f"lab {name} {state}", f"take it down first: nmctl lab down {name}") from None
    try:
        _hold(lab, layout)
        if layout.slivers:
            source.start(lab)
        daemon.start(lab)
        register.pool(lab)
    except BaseException:
        down(name)
        raise
    return lab


def _hold(lab: Lab, layout: Layout) -> None:
    """Start the holder and wait until the rack is built."""
    sizes = asdict(layout)
    command = [*_UNSHARE, sys.executable, "-m", "nm.lab.holder", lab.name, json.dumps(sizes)]
    record: dict[str, Any] = {"sizes": sizes}
    if layout.slivers:
        name = confinement.a_name(lab.name)
        record["cgroups"] = name
        lab.write_record(**record)  # before there is anything to be removed
        confinement.make(name)
        command = confinement.within(name, command)
    outer = subprocess.Popen(
        command, env=environment(), cwd="/", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    _held[lab.name] = outer
    pid = _child_of(outer)
    lab.write_record(holder=pid, started=started_at(pid), **record)
    assert outer.stdout is not None
    with outer.stdout as said:
        lines = []
        for line in said:
            if line.strip() == holder.READY:
                return
            lines.append(line)
    raise LabError(f"the rack could not be built: {''.join(lines).strip()[-1000:]}")


def _child_of(process: subprocess.Popen[str]) -> int:
    """The process that unshare has started: the holder, as this side numbers it."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.005)
    raise LabError(
        f"no namespaces: {process.communicate()[0].strip()[-500:]}",
        "a container needs the right to make namespaces and mounts (privileged)",
    )


def down(name: str) -> bool:
    """End the lab and remove what is left of it, also of a dead one. False when there was none."""
    lab = Lab(name)
    if not lab.exists:
        return False
    pid = lab.holder
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        _wait_for_end(lab, pid)
    if (outer := _held.pop(name, None)) is not None:
        outer.kill()  # it lives only if the holder was not known yet
        outer.wait(PATIENCE)
    if "cgroups" in lab.record:
        confinement.remove(lab.record["cgroups"])
    shutil.rmtree(lab.folder)
    return True


@contextmanager
def passing(name: str, layout: Layout) -> Iterator[Lab]:
    """A lab that is there as long as the block, and gone behind it, whatever happens."""
    try:
        yield up(name, layout)
    finally:
        down(name)


def _wait_for_end(lab: Lab, pid: int) -> None:
    """A process 1 ends only after all others of its namespace have."""
    deadline = time.monotonic() + PATIENCE
    while lab.holder is not None:
        if time.monotonic() > deadline:
            raise LabError(f"lab {lab.name}: process {pid} does not end", "see `ps` for what it waits for")
        time.sleep(0.01)


def running_domains(lab: Lab) -> set[str]:
    """Names of the domains that run now."""
    return set(lab.run(["virsh", "-q", "-c", "qemu:///system", "list", "--name"]).split())
