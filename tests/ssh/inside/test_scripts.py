"""Scripts of descriptions on another machine, by SSH: it has a network, a name and an sshd of its own."""

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

import pytest

from nm.configdescriptions import Descriptions
from tests.core.site_program import below
from tests.pools.daemon import Daemon
from tests.pools.scripted import (
    LINGERING,
    Scripts,
    described,
    killed_in_between,
    says,
    scratch,
    script,
    stages,
)
from tests.ssh.house import SSHD, House, run
from tests.waiting import until

USER, OTHER, ADDRESS = "worker", "other", "10.77.0.2"
BARE = 2200  # the port of an sshd whose sessions find no program
SERVER = """
hostname far
ip link set lo up
read go
ip addr add 10.77.0.2/24 dev far1
ip link set far1 up
/usr/sbin/sshd -D -e -f "$1" &
exec /usr/sbin/sshd -D -e -f "$2"
"""
SAYS = '["hostname >> FOLDER/said", "id -un >> FOLDER/said", "echo $NM_STAGE >> FOLDER/said"]'


class Far:
    """The machine."""

    def __init__(self, house: House) -> None:
        self.folder = house.private
        for name, port, more in (("far", 22, ""), ("bare", BARE, "SetEnv PATH=/none")):
            told = SSHD.replace("ListenAddress 127.0.0.1", f"ListenAddress {ADDRESS}")
            told = "\n".join(line for line in told.splitlines() if not line.startswith("Port "))
            text = f"HostKey {house.key('host').file}\nPort {port}\n{more}\n{told}\n"
            (self.folder / name).write_text(text)
        files = [str(self.folder / name) for name in ("far", "bare")]
        with house.sshd_log.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", "--uts", "sh", "-c", SERVER, "far", *files],
                stdin=subprocess.PIPE,
                stderr=log,
            )
        until(self._is_apart)
        run("ip", "link", "add", "far0", "type", "veth", "peer", "name", "far1",
            "netns", str(self.process.pid))  # fmt: skip
        run("ip", "addr", "add", "10.77.0.1/24", "dev", "far0")
        run("ip", "link", "set", "far0", "up")
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()

    def _is_apart(self) -> bool:
        return os.readlink(f"/proc/{self.process.pid}/ns/net") != os.readlink("/proc/self/ns/net")

    def logins(self) -> list[int]:
        """The processes of sshd that carry a login."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                said = Path("/proc", pid, "cmdline").read_bytes().partition(b"\0")[0]
                mine = os.readlink(f"/proc/{pid}/ns/net") == os.readlink(f"/proc/{self.process.pid}/ns/net")
            except OSError:
                continue
            if mine and said.startswith(b"sshd: ") and b"[listener]" not in said:
                found.append(int(pid))
        return found


@pytest.fixture(scope="session")
def far(house: House) -> Iterator[Far]:
    for number, name in enumerate((USER, OTHER)):
        house.user(name, 89_000 + number)
    house.authorize("root", Path(os.environ["HOME"]))
    made = Far(house)
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as made:
        yield made


def secret(house: House, place: Path, key: str) -> None:
    """Let nm log in by that key."""
    folder = place / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / key).write_text(house.key(key).file.read_text())
    (folder / key).chmod(0o600)


def settings(user: str, port: int = 22) -> dict[str, Any]:
    """The host, logged in to as that user, by their key."""
    return {
        "uri": f"qemu+ssh://{user}@{ADDRESS}:{port}/system",
        "network": {"kind": "ovs", "device": "br0"},
        "secrets": {"key": user},
    }


@pytest.fixture
def lab(house: House, far: Far, folder: Path, tmp_path: Path) -> Iterator[Scripts]:
    """nm with the host `far`."""
    for key in ("root", USER, OTHER):
        secret(house, tmp_path, key)
    made = Scripts(tmp_path, folder, user=USER)
    made.call("RegisterHost", "far", settings("root"))
    yield made
    made.stop()
    until(lambda: far.logins() == [])


def there(inside: str) -> str:
    """The same on the host `far`."""
    return f'sfProcessHost "far"; {inside}'


def test_scripts_run_there_as_the_account_that_the_site_names(lab: Scripts) -> None:
    inside = script("a", deployScript=SAYS, startScript=SAYS, terminateScript=SAYS)
    assert lab.applied(there(inside))["error"] is None
    assert lab.said() == ["far", USER, "deploy", "far", USER, "start"]
    assert lab.terminated()["error"] is None
    assert lab.said()[6:] == ["far", USER, "terminate"]
    assert lab.call("GetHosts", {"name": "far"})[0]["host_key"].startswith("ssh-ed25519 ")
    assert list(Path("/run/nm-runs").iterdir()) == []
    assert {one.stat().st_uid for one in lab.scratch.iterdir()} == {pwd.getpwnam(USER).pw_uid}


def test_who_logs_in_as_that_account_needs_no_root(lab: Scripts) -> None:
    lab.call("UpdateHost", "far", settings(USER))
    assert lab.applied(there(script("a", startScript=SAYS)))["error"] is None
    assert lab.said() == ["far", USER, "start"]
    lab.terminated()
    lab.call("UpdateHost", "far", settings(OTHER))
    job = lab.applied(there(script("a", startScript=SAYS)))
    assert f"{OTHER} cannot become {USER}" in job["error"]["text"]
    assert lab.said() == ["far", USER, "start"]


def test_what_goes_wrong_there_is_told_as_here(lab: Scripts) -> None:
    noise = '"head -c 1000000 /dev/zero; echo; echo no disk; exit 4"'
    job = lab.applied(there(script("a", startScript=noise)))
    assert "startScript ended with status 4: no disk" in job["error"]["text"]
    job = lab.applied(there(script("a", startScript=LINGERING, timeout="1")))
    assert "startScript did not end within 1 s" in job["error"]["text"]
    assert lab.said("alive") and below(lab.scratch) == []


def test_a_machine_without_python_says_so(lab: Scripts) -> None:
    lab.call("UpdateHost", "far", settings("root", BARE))
    job = lab.applied(there(script("a", startScript=SAYS)))
    assert "python3" in job["error"]["text"] and lab.said() == []


def test_a_connection_that_breaks_ends_the_script_and_it_is_run_anew(lab: Scripts, far: Far) -> None:
    job = lab.apply(there(script("a", startScript=LINGERING)))
    until(lambda: lab.said("runs") == ["began"] and len(lab.said("alive")) > 0)
    for pid in far.logins():
        os.kill(pid, signal.SIGKILL)
    until(lambda: lab.said("runs") == ["began", "began"])
    (lab.scratch / "finish").touch()
    assert lab.wait(job)["error"] is None
    assert lab.said("runs") == ["began", "began", "ended"]


def test_terminating_ends_a_script_that_is_being_run_there(lab: Scripts) -> None:
    lab.apply(there(script("a", startScript=LINGERING, terminateScript=says("cleared"))))
    until(lambda: lab.said("runs") == ["began"])
    assert lab.terminated()["error"] is None
    assert below(lab.scratch) == [] and lab.said() == ["cleared"]


def test_nmd_is_killed_while_a_script_runs_there(
    house: House, far: Far, folder: Path, tmp_path: Path
) -> None:
    secret(house, tmp_path, "root")
    daemon = Daemon(tmp_path, user=USER)
    try:
        daemon.call("RegisterHost", "far", settings("root"))
        text = described(folder, there(script("a", startScript=LINGERING)))
        killed_in_between(daemon, folder, "start", text)
    finally:
        daemon.kill()


# ---- who may


@contextmanager
def shells(house: House) -> Iterator[None]:
    """The site allows them meanwhile."""
    service = house.rack.service
    assert service is not None
    service.reload(replace(house.rack.config, descriptions=Descriptions(shells=True, user=USER)))
    try:
        yield
    finally:
        service.reload(house.rack.config)


def may(house: House, name: str, **limits: Any) -> Callable[..., Any]:
    """A delegate's calls, who may describe within these limits."""
    account = house.delegate(name)
    house.rack.call("SetRights", name, {"describe": limits})
    return partial(house.call, account, key=house.key(name))


def test_who_may_run_commands_on_hosts_is_a_right(house: House, far: Far, folder: Path) -> None:
    text = described(folder, stages("a"))
    plain, runner = may(house, "plain"), may(house, "runner", shells=True)
    with pytest.raises(Fault, match=r"descriptions\.shells"):
        runner("ApplyDescription", "mine", text, {}, {})
    with shells(house):
        with pytest.raises(Fault, match="plain may not run commands on hosts"):
            plain("ApplyDescription", "mine", text, {}, {})
        assert house.rack.wait(runner("ApplyDescription", "mine", text, {}, {}))["error"] is None
        house.rack.call("SetRights", "runner", {"describe": {}})
        with pytest.raises(Fault, match="runner may not run commands on hosts"):
            runner("SetAttribute", "mine", "a:terminateScript", "true")
        with pytest.raises(Fault, match="no description mine of plain"):
            plain("SetAttribute", "mine", "a:terminateScript", "true")
        assert house.rack.wait(runner("TerminateDescription", "mine"))["error"] is None
    assert (folder / "said").read_text().splitlines() == ["deploy a", "start a", "terminate a"]
