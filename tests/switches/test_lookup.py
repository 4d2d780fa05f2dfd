"""Hosts known by name, where name servers answer, know nothing, or swallow what they are asked."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nm.errors import DeviceFailed
from nm.switches import lookup
from tests.switches.benches import CliBench, executor_of

# In namespaces of its own: a name server that takes what it is asked and says nothing. libc waits 300 s.
_SWALLOWED = """
import socket, threading
from nm.switches import lookup
from tests.switches.benches import EPOCH, executor_of, vlan

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
common = {"driver": "cli", "dialect": "cisco_ios", "user": "admin", "timeout": 0.2}
record = {**common, "secrets": {"password": "x"}}
for _ in range(2):  # the second waits for the first one's lookup
    (outcome,) = executor_of(address="switch.example", **record).run([vlan(101)], EPOCH)
    assert "no name server told its address within 0.2 s" in str(outcome.error), outcome
    assert [one.name for one in threading.enumerate()].count("lookup of switch.example") == 1
(outcome,) = executor_of(address="127.0.0.1", port=1, **record).run([vlan(101)], EPOCH)
assert "cannot be logged in to" in str(outcome.error) and "name server" not in str(outcome.error)
assert "Common causes" not in str(outcome.error)  # netmiko's advice, a screen long
print("asked", b"switch" in server.recv(512))
"""


def test_a_name_is_as_good_as_its_address(cli: CliBench) -> None:
    cli.executor = executor_of(**{**cli.record, "address": "localhost"})
    assert set(cli.executor.inspect().ports) == set(cli.ports)
    assert lookup._pending == {}


@pytest.mark.parametrize("name", ["nowhere.invalid", "no..where", "n" * 64])
def test_an_unknown_name_is_told(cli: CliBench, name: str) -> None:
    hand = executor_of(**{**cli.record, "address": name})
    with pytest.raises(
        DeviceFailed, match=rf"{re.escape(name)} cannot be logged in to: its address is not known"
    ):
        hand.inspect()
    assert lookup._pending == {}
    assert not any(thread.name.startswith("lookup") for thread in threading.enumerate())


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces take root's rights")
def test_a_name_server_that_hangs_holds_nobody_for_long(tmp_path: Path) -> None:
    settings = tmp_path / "resolv.conf"
    settings.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    order = f'mount --bind {settings} /etc/resolv.conf && ip link set lo up && exec "$0" -c "$1"'
    ran = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", order, sys.executable, _SWALLOWED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "asked True\n"), ran.stderr
