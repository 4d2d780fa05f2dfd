"""What slivers of a lab really get: processor time, and bytes that arrive. For the demo and benchmarks."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nm.lab import slices, source, watch, world
from nm.lab.errors import LabError
from nm.lab.layout import WORLD
from nm.lab.place import Lab, environment
from nm.lab.register import finish
from nm.lab.running import INSIDE

DELEGATED = "demo_deleg"  # the sliver of the reply that is made by Create
PATIENCE = 60  # seconds
USAGE = "/sys/fs/cgroup/cpuacct/machine"
BUSY = "exec taskset 1 sh -c 'while :; do :; done'"  # all that one processor has, and no other
_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # what enters a lab has a child that would outlive it
_RECEIVE = """
import socket, sys, time
address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
door = socket.create_server((address, port))
print("listens", flush=True)
incoming, _ = door.accept()
begin = time.monotonic() + 1
while time.monotonic() < begin:
    incoming.recv(65536)
total, begin = 0, time.monotonic()
while time.monotonic() < begin + seconds:
    total += len(incoming.recv(65536))
print(total * 8 / (time.monotonic() - begin))
"""


def session(account: str, command: str, person: str = slices.PEOPLE[0]) -> list[str]:
    """The command line, in the lab, of somebody who enters a sliver's guest by ssh and does that."""
    key = f"{INSIDE}/{slices.KEYS}/{person}"
    quiet = ("-n", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i", key)
    return ["ssh", *quiet, f"{account}@{world.HOST}", command]


def begin(lab: Lab, nm: Any, tags: Mapping[str, Mapping[str, str]]) -> None:
    """Have the PLC tell these tags of slivers, and all of them run, the delegated one too."""

    def change(reply: dict[str, Any]) -> None:
        for sliver, told in tags.items():
            for tag, value in told.items():
                source.set_tag(reply, sliver, tag, value)

    source.edit(lab, change)
    finish(nm, nm.AskSource(), PATIENCE)
    nm.Create(DELEGATED)
    watch.until(
        lambda: nm.GetSlivers({"name": DELEGATED})[0]["state"] == "running", PATIENCE, f"{DELEGATED} runs"
    )


@contextmanager
def doing(lab: Lab, command: str, *accounts: str) -> Iterator[None]:
    """Somebody in each of these slivers does that, until the end of the block."""
    people = [
        subprocess.Popen(
            lab.enter([*_WITH_US, *session(account, command)], WORLD),
            env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for account in accounts
    ]  # fmt: skip
    try:
        yield
    finally:
        for person in people:
            person.terminate()
        for person in people:
            person.wait(30)


def processor_seconds(lab: Lab, slivers: Sequence[str]) -> list[float]:
    """The processor time that each of these has used since its start."""
    names = [f"{USAGE}/*-nm-sliver-{name.replace('_', '')}.libvirt-lxc/cpuacct.usage" for name in slivers]
    said = lab.run(["sh", "-c", f"cat {' '.join(names)}"]).split()
    return [int(value) / 1e9 for value in said]


def parts(lab: Lab, slivers: Sequence[str], seconds: float) -> list[float]:
    """How the processor time that these use within so many seconds divides among them; 1 in all."""
    before = processor_seconds(lab, slivers)
    time.sleep(seconds)
    used = [after - used for after, used in zip(processor_seconds(lab, slivers), before, strict=True)]
    if not (total := sum(used)):
        raise LabError(f"none of {', '.join(slivers)} uses a processor", "see whether they run")
    return [one / total for one in used]


def rate(lab: Lab, sliver: str, address: str, seconds: float, port: int = 5001) -> float:
    """How fast a sliver sends by TCP to an address of the world, after its first second: bit/s of payload."""
    receive = [sys.executable, "-c", _RECEIVE, address, str(port), str(seconds)]
    receiver = subprocess.Popen(
        lab.enter([*_WITH_US, *receive], WORLD),
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert receiver.stdout is not None
    try:
        receiver.stdout.readline()
        with doing(lab, f"exec nc {address} {port} </dev/zero", sliver):
            return float(receiver.stdout.readline())
    finally:
        receiver.kill()
        receiver.wait()
