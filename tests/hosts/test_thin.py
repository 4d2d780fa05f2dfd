"""What lvm and qemu-img are asked, here and over SSH: what they say comes back, and why they refuse."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.errors import DeviceFailed
from nm.hostlogin import Login
from nm.thin import Tools
from tests.switches.bridges import own_network
from tests.switches.sshd import HOST, Sshd, missing

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not all(map(shutil.which, ("lvs", "qemu-img"))), reason="needs lvm2, qemu-utils"),
]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if problem := missing():
        pytest.skip(problem)
    with own_network(), Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(params=["here", "there"])
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> Tools:
    if request.param == "here":
        return Tools("h1", tmp_path / "locks")
    sshd: Sshd = request.getfixturevalue("sshd")
    host = {"uri": f"qemu+ssh://root@{HOST}:{sshd.port}/system", "secrets": {"key": "h1"}}
    return Tools("h1", tmp_path / "locks", lambda: Login(host, "host h1", lambda name: sshd.key))


def test_a_base_is_measured_and_copied(tools: Tools, tmp_path: Path) -> None:
    base, disk = tmp_path / "base.qcow2", tmp_path / "disk"
    raw = tmp_path / "raw"
    raw.write_bytes(b"first".ljust(1 << 20, b"\0"))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, base], check=True)
    assert tools.size_of(str(base), "qcow2") == 1 << 20
    with open(disk, "wb") as made:
        made.truncate(2 << 20)
    tools.copy(str(base), "qcow2", str(disk))
    assert disk.read_bytes() == raw.read_bytes().ljust(2 << 20, b"\0")
    told = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", disk]))
    assert told["actual-size"] < 1 << 20  # what is zero takes no room


@pytest.mark.parametrize("name", ["no-such-group", "--help me", "a;touch x"])
def test_what_is_refused_is_told_in_its_words(tools: Tools, name: str) -> None:
    with pytest.raises(DeviceFailed, match="host h1: lvs ended with status") as refused:
        tools.size(name, "x")
    assert not refused.value.passing and not Path("x").exists()


def test_a_machine_that_does_not_answer_passes(sshd: Sshd, tmp_path: Path) -> None:
    host = {"uri": f"qemu+ssh://root@{HOST}:1/system"}
    tools = Tools("h1", tmp_path, lambda: Login(host, "host h1", str))
    with pytest.raises(DeviceFailed) as failed:
        tools.is_thin_pool("group", "pool")
    assert failed.value.passing
