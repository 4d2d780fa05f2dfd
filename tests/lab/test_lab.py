"""`nmctl lab` for real: racks in namespaces, used through nmctl and the API, and gone without a trace."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nm.lab import daemon, lifecycle, place, probe
from nm.lab.errors import LabError
from nm.lab.place import FOLDER, Lab
from nm.lab.register import finish
from nm.shell import offline
from tests.lab.conftest import api

pytestmark = pytest.mark.real
SIZES = ("--switches", "2", "--nodes", "4", "--headnodes", "1")


def nmctl(*words: str) -> subprocess.CompletedProcess[str]:
    """What `nmctl lab` of those words says and answers."""
    return subprocess.run(
        [sys.executable, "-m", "nm.shell.main", "lab", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


def namespace(pid: int | str) -> str:
    """The process namespace that the process is in; empty when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def processes_in(space: str) -> list[str]:
    """The processes of a namespace."""
    return [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and namespace(entry.name) == space
    ]


def assert_no_trace(name: str, space: str) -> None:
    """Nothing is left of that lab: no process, no mount, no folder."""
    assert processes_in(space) == []
    assert name not in Path("/proc/self/mountinfo").read_text()
    assert not (FOLDER / name).exists()


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Poll until it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


def machine() -> list[str]:
    """What a lab must not change: the machine's devices, and the files of its OVS and libvirt."""
    folders = [Path(path) for path in ("/run/openvswitch", "/run/libvirt", "/run/netns", "/etc/libvirt")]
    files = [str(file) for folder in folders if folder.exists() for file in folder.rglob("*")]
    return sorted([*(entry.name for entry in Path("/sys/class/net").iterdir()), *files])


def test_a_lab_comes_is_used_and_goes_without_a_trace(lab_name: str) -> None:
    before = machine()
    up = nmctl("up", "--name", lab_name, *SIZES)
    assert "--node n1" in up.stdout
    assert up.returncode == 0, up.stderr
    assert "2 switches, 4 nodes, 1 head node\n" in up.stdout
    space = namespace(Lab(lab_name).holder or 0)
    assert len(processes_in(space)) > 4
    assert machine() == before

    status = nmctl("status", lab_name).stdout
    assert "daemon     answers" in status
    assert "n3\t10.9.0.3" in status
    assert "h1\t10.9.1.1\t52:54:00:09:01:01\toff" in status
    assert lab_name in nmctl("status").stdout
    assert "sw0\nsw1\n" in nmctl("exec", lab_name, "--", "ovs-vsctl", "list-br").stdout
    assert "10.9.0.2/16" in nmctl("exec", lab_name, "--node", "n2", "--", "ip", "-br", "-4", "address").stdout
    assert nmctl("exec", lab_name, "--", "sh", "-c", "exit 7").returncode == 7
    assert nmctl("exec", lab_name, "--", "echo", "a", "--", "b", "--").stdout == "a -- b --\n"

    down = nmctl("down", lab_name)
    assert (down.returncode, down.stdout) == (0, f"lab {lab_name} is gone\n")
    assert_no_trace(lab_name, space)
    assert machine() == before
    assert nmctl("down", lab_name).returncode == 0


def test_where_there_is_no_lab_it_is_said_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        monkeypatch.setattr(place, "FOLDER", folder)
        assert offline.lab(["status"]) == 0
        assert "`nmctl lab up` builds one" in capsys.readouterr().out


def test_everything_is_registered_verified_and_free(lab: Lab) -> None:
    with api(lab) as nm:
        assert [node["name"] for node in nm.GetNodes({"free": True})] == ["n1", "n2", "n3", "n4"]
        assert [head["name"] for head in nm.GetHeadNodes({"free": True})] == ["h1"]
        assert len(nm.GetVlans({"free": True})) == 99
        assert len(nm.GetTrunks({})) == 2


def test_packets_stay_in_their_group(lab: Lab) -> None:
    groups = {"alpha": {"n1", "n2", "h1"}, "beta": {"n3", "n4"}}
    with api(lab) as nm:
        nm.CreateGroup("alpha", {"nodes": ["n1", "n2"], "headnode": "h1"})
        nm.CreateGroup("beta", {"nodes": ["n3", "n4"]})
        for job in [nm.Deploy(name) for name in groups]:
            finish(nm, job, 30)
    wait_until(lambda: probe.answers(lab, "h1"), 40)
    everybody = groups["alpha"] | groups["beta"]
    mates = {name: members - {name} for members in groups.values() for name in members}
    wait_until(lambda: probe.reached(lab, mates) == mates)
    assert probe.reached(lab, {name: everybody - {name} for name in everybody}) == mates


def test_tcp_passes_between_nodes(lab: Lab) -> None:
    with api(lab) as nm:
        nm.CreateGroup("alpha", {"nodes": ["n1", "n2"]})
        finish(nm, nm.Deploy("alpha"), 30)
    lab.run(["sh", "-c", "busybox nc -l -p 7000 -e echo hello >/dev/null 2>&1 &"], node="n1")
    wait_until(lambda: probe.reached(lab, {"n2": ["n1"]}) == {"n2": {"n1"}})
    assert lab.run(["busybox", "nc", "-w", "5", "10.9.0.1", "7000"], node="n2") == "hello\n"


def test_two_labs_at_once_know_nothing_of_each_other(lab: Lab, make_lab: Callable[[], Lab]) -> None:
    other = make_lab()
    with api(lab) as nm:
        nm.CreateGroup("alpha", {"nodes": ["n1"]})
        finish(nm, nm.Deploy("alpha"), 30)
    with api(other) as nm:
        assert nm.GetGroups({}) == []
    assert lab.run(["ovs-vsctl", "get", "port", "sw0-p1", "tag"]) == "101\n"
    assert other.run(["ovs-vsctl", "get", "port", "sw0-p1", "tag"]) == "[]\n"
    lifecycle.down(other.name)
    assert daemon.answers(lab)


def test_a_lab_without_nodes_names_none(lab_name: str) -> None:
    up = nmctl("up", "--name", lab_name, "--switches", "1", "--nodes", "0", "--headnodes", "0")
    assert up.returncode == 0, up.stderr
    assert "--node" not in up.stdout


def test_a_name_is_taken_once(lab: Lab) -> None:
    refused = nmctl("up", "--name", lab.name, *SIZES)
    assert refused.returncode != 0
    assert f"lab {lab.name} is up already" in refused.stderr
    assert daemon.answers(lab)


def test_a_lab_whose_holder_was_killed_is_cleaned_up(make_lab: Callable[[], Lab]) -> None:
    lab = make_lab()
    holder = lab.holder
    assert holder is not None
    space = namespace(holder)
    os.kill(holder, signal.SIGKILL)
    wait_until(lambda: lab.holder is None)
    assert f"{lab.name}\tdead" in nmctl("status").stdout or "is dead" in nmctl("status").stderr
    with pytest.raises(LabError, match="is dead; clean up with: nmctl lab down"):
        lab.enter(["true"])
    assert lifecycle.down(lab.name)
    assert_no_trace(lab.name, space)
    assert not lifecycle.down(lab.name)


def test_down_ends_no_process_but_the_one_that_up_wrote_down(lab_name: str) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        lab = Lab(lab_name)
        lab.folder.mkdir(parents=True)
        lab.write_record(holder=stranger.pid, started=1, sizes={})
        assert lifecycle.down(lab_name)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_up_leaves_nothing(lab_name: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nm.shell.main", "lab", "up", "--name", lab_name, *SIZES],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as up:  # fmt: skip
        wait_until(lambda: Lab(lab_name).holder is not None)
        space = namespace(Lab(lab_name).holder or 0)
        up.send_signal(signal.SIGINT)
        assert up.wait(30) != 0
    assert_no_trace(lab_name, space)


def test_the_daemon_is_killed_and_started_with_what_it_knew(lab: Lab) -> None:
    with api(lab) as nm:
        nm.CreateGroup("alpha", {"nodes": ["n1"]})
    daemon.kill(lab)
    assert not daemon.running(lab)
    assert "daemon     does not answer" in nmctl("status", lab.name).stdout
    daemon.start(lab)
    with api(lab) as nm:
        assert [group["name"] for group in nm.GetGroups({})] == ["alpha"]


@pytest.mark.parametrize(
    "words", [("exec", "no-such-lab", "--", "true"), ("status", "no-such-lab"), ("up", "--name", "../x")]
)
def test_what_cannot_be_says_what_to_do(words: tuple[str, ...]) -> None:
    refused = nmctl(*words)
    assert refused.returncode == 1
    assert refused.stderr.startswith("nmctl: ")
    assert ";" in refused.stderr or "hint:" in refused.stderr
