"""nmd itself, killed at any moment, and guests that start and answer; make test-pools runs it."""

import random
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from nm.lab import guest
from tests.descriptions.say import INCLUDES
from tests.hosts.rack.conftest import sh
from tests.pools.daemon import Daemon
from tests.pools.rack.conftest import URI, domains
from tests.pools.rack.test_life import pair
from tests.pools.scripted import LINGERING, described, lines, scratch, script, stages
from tests.waiting import until

KILLS = 12


@pytest.fixture
def daemon(tmp_path: Path, folder: Path, images: Path) -> Iterator[Daemon]:
    disks = folder / "disks"
    disks.mkdir(mode=0o711)
    sh("virsh", "pool-define-as", "pools", "dir", "--target", disks)
    made = Daemon(tmp_path, images)
    made.call("RegisterHost", "h0", {
        "uri": URI, "network": {"kind": "ovs", "device": "rack0"}, "pool": "pools", "emulate": True
    })  # fmt: skip
    made.call("RegisterImage", "empty", {"kind": "disk", "disk": f"{images}/empty.qcow2"})
    yield made
    made.stop()
    for name in domains("--all"):
        sh("sh", "-c", f"virsh destroy {name}; virsh undefine {name}; true")
    sh("sh", "-c", f"virsh pool-destroy pools; virsh pool-undefine pools; rm -rf {disks}; true")


@pytest.mark.timeout(900)
def test_killed_at_any_moment_it_comes_to_the_same(daemon: Daemon, folder: Path) -> None:
    chance, never = random.Random(), threading.Event()
    other = pair('graphics "vnc";', "swapSize 1048576L;")
    for _ in range(KILLS):
        for method, more, end in (
            ("ApplyDescription", (INCLUDES + pair(), {}), ["a", "other"]),
            (
                "ApplyDescription",
                (INCLUDES + other, {}),
                ["a", "other"],
            ),
            ("TerminateDescription", (), []),
        ):
            job = daemon.call(method, "web", *more)
            never.wait(chance.uniform(0, 1.5))
            daemon.kill()
            daemon.start()
            over = daemon.over(job)
            assert (over["state"], over["error"]) == ("done", None)
            assert domains() == end
        assert (domains("--all"), list((folder / "disks").iterdir())) == ([], [])
        assert daemon.call("GetDescriptions", {}) == []


def test_a_slow_script_holds_up_no_domain(daemon: Daemon) -> None:
    with scratch() as place:
        slow = described(place, script("a", startScript=LINGERING, timeout="600"))
        waiting = daemon.call("ApplyDescription", "slow", slow, {}, {})
        until(lambda: lines(place / "runs") == ["began"], 120)
        inside = pair().partition("sfSyncTerminate true;")[2].rpartition("}")[0]
        mixed = pair().replace(inside, f"{inside} sh extends BashShell; {stages('c')}")
        mixed = mixed.replace("FOLDER", str(place))
        assert daemon.over(daemon.call("ApplyDescription", "web", INCLUDES + mixed, {}, {}))["error"] is None
        assert domains() == ["a", "other"] and lines(place / "said") == ["deploy c", "start c"]
        assert daemon.call("GetJobs", {"id": waiting})[0]["state"] == "running"
        assert daemon.over(daemon.call("TerminateDescription", "web"))["error"] is None
        assert (domains("--all"), lines(place / "said")[2:]) == ([], ["terminate c"])
        assert daemon.over(daemon.call("TerminateDescription", "slow"))["error"] is None


@pytest.fixture
def bootable(images: Path) -> str:
    """An image whose guests take their addresses from their seeds."""
    for name in ("vmlinux", "initrd"):
        (images / name).write_bytes((guest.image() / name).read_bytes())
        (images / name).chmod(0o644)
    return "guests"


def test_guests_start_answer_and_shut_down(daemon: Daemon, images: Path, bootable: str) -> None:
    sh("ip", "link", "add", "lan0", "type", "bridge")
    sh("ip", "link", "set", "lan0", "up")
    sh("ip", "address", "add", "10.0.0.1/16", "dev", "lan0")
    boot = {"kernel": f"{images}/vmlinux", "initrd": f"{images}/initrd", "cmdline": guest.CMDLINE}
    settings = {"kind": "disk", "disk": f"{images}/empty.qcow2", **boot}
    daemon.call("RegisterImage", bootable, settings)
    text = """
    Small extends Domain { memory 96; maxMemory 96; bridge "lan0"; netmask "255.255.0.0"; }
    sfConfig extends Compound {
      sfSyncTerminate true;
      one extends LoopbackStorageBackend { baseImage "guests"; }
      a extends Small { hostname "a"; ip "10.0.0.2"; storageBackend LAZY ATTRIB one; }
      two extends LoopbackStorageBackend { baseImage "guests"; format "raw"; backing false; }
      b extends Small { hostname "b"; ip "10.0.0.3"; storageBackend LAZY ATTRIB two; }
    }
    """
    assert daemon.over(daemon.call("ApplyDescription", "lan", INCLUDES + text, {}))["error"] is None
    for address in ("10.0.0.2", "10.0.0.3"):
        until(partial(_answers, address), 120)
    job = daemon.over(daemon.call("TerminateDescription", "lan"))
    assert job["error"] is None and job["finished"] - job["started"] < 60  # they did it themselves
    assert domains("--all") == []
    sh("ip", "link", "del", "lan0")


def _answers(address: str) -> bool:
    done = subprocess.run(["ping", "-c", "1", "-W", "1", address], capture_output=True, check=False)
    return done.returncode == 0
