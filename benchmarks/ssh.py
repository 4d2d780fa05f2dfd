"""A call through SSH: nm.client and its kept connection against `ssh -T`, with ControlMaster and without.

All in turns, in one private sshd with the real login shell and nm behind it (tests/ssh/house.py), so it needs
root. What counts is the ratio: a program that keeps nm.client's connection is to be at least as fast as ssh
with ControlMaster, which starts a process a call.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nm import client
from tests.ssh.house import TOOLS, House, house, in_a_house

ROUNDS = 100
FRESH_EVERY = 5  # rounds; a new connection takes its time
REQUEST = xmlrpc.client.dumps(({},), "GetNodes").encode()
ACCOUNT = "runner"


def through_ssh(command: list[str]) -> Callable[[], Any]:
    """One call by a process."""

    def call() -> Any:
        done = subprocess.run(command, input=REQUEST, stdout=subprocess.PIPE, check=True)
        return xmlrpc.client.loads(done.stdout, use_builtin_types=True)[0][0]

    return call


@contextmanager
def shared_connection(made: House) -> Iterator[list[str]]:
    """A connection that ssh keeps for others; the command that uses it."""
    options = ["-o", f"ControlPath={made.private}/shared"]
    command = made.ssh_command(ACCOUNT, made.key(ACCOUNT), options=options)
    keep = [command[0], "-o", "ControlMaster=yes", "-N", *command[1:]]
    with subprocess.Popen(keep) as master:
        try:
            made.rack.until((made.private / "shared").exists)
            yield command
        finally:
            master.terminate()


def measure(made: House) -> dict[str, float]:
    """Median seconds of a call, by its way."""
    made.delegate(ACCOUNT, rights=["spy"])
    key = made.key(ACCOUNT)
    address, files = f"ssh://{ACCOUNT}@127.0.0.1", (str(key.file), str(made.known_hosts))

    def anew() -> Any:
        with client.connect(address, 75, *files) as proxy:
            return proxy.GetNodes({})

    with client.connect(address, 75, *files) as kept, shared_connection(made) as shared:
        ways: dict[str, Callable[[], Any]] = {
            "nm.client, kept": lambda: kept.GetNodes({}),
            "ssh, ControlMaster": through_ssh(shared),
            "nm.client, a connection a call": anew,
            "ssh, a connection a call": through_ssh(made.ssh_command(ACCOUNT, key)),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        expected = kept.GetNodes({})
        for number in range(ROUNDS):
            for way, call in ways.items():
                if number % FRESH_EVERY and "a call" in way:
                    continue
                begun = time.perf_counter()
                answer = call()
                times[way].append(time.perf_counter() - begun)
                assert answer == expected, way
    return {way: statistics.median(found) for way, found in times.items()}


def report() -> bool:
    """Print the table; true when ssh with ControlMaster is faster."""
    with house() as made:
        medians = measure(made)
    kept, shared, *_ = medians.values()
    print(f"{'':31} {'ms a call':>9} {'calls/s':>8} {'ratio':>6}   (goal: ControlMaster's is at least 1)")
    for way, seconds in medians.items():
        print(f"{way:31} {seconds * 1e3:9.2f} {1 / seconds:8.0f} {seconds / kept:6.1f}", flush=True)
    return shared < kept


def main() -> bool:
    """Run it in a house of its own."""
    if os.geteuid() != 0 or not all(map(shutil.which, TOOLS)):
        print(f"left out: needs root, {', '.join(TOOLS)}")
        return False
    done = in_a_house(sys.executable, "-m", "benchmarks.ssh")
    print(done.stdout + done.stderr, end="")
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(report())
