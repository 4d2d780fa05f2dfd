"""`ssh SLIVER@HOST` into a container that libvirt runs and nm's hand has made."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nm.container import first_process
from nm.facts import sliver_domain
from tests.guests.house import inside
from tests.guests.inside.conftest import Site, container
from tests.ssh import slivers
from tests.ssh.house import ENTER, House
from tests.waiting import until

WEB = "princeton_web"
DOMAIN = sliver_domain(WEB)
NAMES = ("ipc", "mnt", "net", "pid", "uts")


@pytest.fixture(scope="module", autouse=True)
def account(house: House, site: Site) -> Iterator[str]:
    site.told(hostname="web", keys=(house.key(WEB).public,))
    site.make(WEB, container(WEB))
    until(lambda: "authorized_keys" in inside(DOMAIN, "ls /root/.ssh"))
    yield str(slivers.put(house, WEB, "sliver.LXC")["account"])
    site.make(WEB, None)


def said(house: House, command: str) -> str:
    done = house.ssh(WEB, command)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode()


def cgroups(text: str) -> dict[str, str]:
    """Where a process is in each hierarchy that counts something."""
    found = dict(line.split(":", 2)[1:] for line in text.splitlines())
    return {name: path for name, path in found.items() if name and not name.startswith("name=")}


def test_one_is_root_in_there(house: House) -> None:
    assert said(house, "hostname; id -u; pwd") == "web\n0\n/root\n"
    assert said(house, "cat /root/.ssh/authorized_keys").strip() == house.key(WEB).public


@contextmanager
def session(house: House, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who is in, and does that; gone at the end."""
    words = house.ssh_command(WEB, house.key(WEB), f"echo in; exec {command}")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
        try:
            assert ssh.stdout is not None and ssh.stdout.readline() == b"in\n"
            yield ssh
        finally:
            ssh.kill()


def status_of(text: str) -> dict[str, list[str]]:
    lines = (line.partition(":") for line in text.splitlines())
    return {name: words.split() for name, _, words in lines}


def test_it_has_the_limits_rights_and_places_of_the_first_process(house: House) -> None:
    first = first_process(DOMAIN)
    with session(house, "sleep 4900"):
        until(lambda: bool(slivers.running("sleep 4900")))
        (pid,) = slivers.running("sleep 4900")
        there = cgroups(first.read("cgroup"))
        assert cgroups(Path(f"/proc/{pid}/cgroup").read_text()) == there
        assert there != cgroups(Path("/proc/self/cgroup").read_text())
        for name in NAMES:
            assert os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"ns/{name}", dir_fd=first.folder)
        assert os.readlink(f"/proc/{pid}/root") == os.readlink("root", dir_fd=first.folder)
        mine, its = (status_of(Path(f"/proc/{who}/status").read_text()) for who in ("self", pid))
        assert its["CapBnd"] == its["CapEff"] == first.status("CapBnd") != mine["CapBnd"]
    until(lambda: not slivers.running("sleep 4900"))
    os.close(first.folder)


def test_a_session_ends_with_its_container_and_there_is_another_in_the_next(house: House, site: Site) -> None:
    said(house, "echo mine >/kept; sync")
    with session(house, "sleep 4901") as ssh:
        site.make(WEB, container(WEB, running=False))
        assert ssh.wait(timeout=30) != 0
    until(lambda: not slivers.running(ENTER))
    done = house.ssh(WEB, "hostname")
    assert (done.returncode, b"its container is not there" in done.stderr) == (126, True)
    site.make(WEB, container(WEB))
    until(lambda: "authorized_keys" in inside(DOMAIN, "ls /root/.ssh"))
    assert said(house, "cat /kept") == "mine\n"


def test_there_is_a_terminal(house: House) -> None:
    with house.connection(WEB) as connection, connection.open_session(timeout=20) as channel:
        channel.settimeout(20)
        channel.get_pty("vt100", 99, 33)
        channel.exec_command("tty; stty size")
        text = b"".join(iter(lambda: channel.recv(100), b"")).decode()
    assert text.startswith("/dev/pts/") and text.endswith("33 99\r\n")
