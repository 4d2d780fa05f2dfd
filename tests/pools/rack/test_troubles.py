"""What is in the way: libvirtd that is killed, hosts that cannot be reached, full disks, a hand cut short."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm import pool
from nm.errors import NMError
from nm.libvirt_host import LibvirtHost
from nm.poolhand import PoolHand
from nm.pools import keeping
from nm.pools.briefs import Brief, order_of
from nm.workers import HandWorker
from tests.hosts.rack.conftest import kill_libvirtd, libvirtd, start_libvirtd
from tests.hosts.rack.test_images import Killed, Mortal
from tests.pools.rack.conftest import LONG, URI, Rack, domains, long, virsh
from tests.pools.rack.test_life import pair


def handled(rack: Rack, orders: int) -> None:
    """Go on until so many orders were carried out."""
    rack.done.clear()
    while len(rack.done) < orders:
        rack.turn()


@pytest.mark.parametrize("orders", [0, 2, 4, 6, 8, 10] if LONG else [5])
def test_libvirtd_is_killed_while_a_pool_is_made_and_taken_down(rack: Rack, orders: int) -> None:
    job = rack.apply("web", pair())
    handled(rack, orders)
    kill_libvirtd()
    rack.later(5)
    start_libvirtd()
    assert rack.run(job)["state"] == "done" and domains() == ["a", "other"]
    job = rack.terminate("web")
    handled(rack, orders // 3)
    kill_libvirtd()
    rack.later(5)
    start_libvirtd()
    assert rack.run(job)["state"] == "done"
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


CHANGED = pair('memory 48; graphics "vnc";', "swapSize 1048576L;").replace(
    'format "raw"; backing false;', 'format "raw"; backing false; size 16777216L;'
)


@pytest.mark.parametrize("orders", [0, 1, 3, 5, 7, 9, 11, 13] if LONG else [6])
def test_libvirtd_is_killed_while_a_pool_is_changed(rack: Rack, orders: int) -> None:
    """A disk is made anew and one grows, domains are restarted; the end is as if nothing had been."""
    rack.run(rack.apply("web", pair()))
    before = virsh("domuuid", "a"), rack.files()
    job = rack.apply("web", CHANGED)
    handled(rack, orders)
    kill_libvirtd()
    rack.later(5)
    start_libvirtd()
    over = rack.run(job)
    assert (over["state"], over["error"]) == ("done", None)
    pool = rack.pool("web")
    assert pool is not None and (pool["state"], pool["deployed"]) == ("running", 2)
    assert domains() == ["a", "other"] and set(rack.states("web").values()) == {"running"}
    assert virsh("domblkinfo", "other", "vda").split()[1] == "16777216"
    for name in ("a", "other"):
        assert "type='vnc'" in virsh("dumpxml", name)
    purposes = sorted(name.rpartition("+")[2] for name in rack.files())
    assert purposes == ["disk", "disk", "seed", "seed", "swap"]
    assert virsh("domuuid", "a") == before[0] and rack.files() != before[1]
    assert rack.run(rack.terminate("web"))["state"] == "done"
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


@pytest.mark.parametrize("what", ["keep", pytest.param("terminate", marks=long)])
def test_a_host_that_cannot_be_reached(rack: Rack, what: str) -> None:
    rack.run(rack.apply("web", pair(f'whenUnreachable "{what}";')))
    kill_libvirtd()
    rack.later(50)
    found = rack.pool("web")
    assert found is not None
    word = "unreachable" if what == "keep" else "trouble"
    assert "qemu:///system" in keeping.entries(rack.database, found)["a",][word]
    start_libvirtd()
    rack.later(50)
    found = rack.pool("web")
    assert found is not None and found["state"] == ("running" if what == "keep" else "failed")
    assert word not in keeping.entries(rack.database, found)["a",]
    assert domains() == (["a", "other"] if what == "keep" else [])


def test_a_full_disk_leaves_nothing(rack: Rack) -> None:
    full = rack.images / "full.raw"
    full.write_bytes(b"x" * (8 << 20))
    full.chmod(0o644)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M,mode=711", "tmpfs", rack.disks], check=True)
    try:
        text = pair().replace('baseImage "empty"; format "raw"', f'baseImage "{full}"; format "raw"')
        job = rack.run(rack.apply("web", text))
        assert job["state"] == "failed" and "No space left" in job["error"]["text"]
        assert (domains("--all"), rack.files()) == ([], [])
    finally:
        subprocess.run(["umount", rack.disks], check=True)


def test_what_could_not_be_made_whole_does_not_stay_though_it_is_to_be_kept(rack: Rack) -> None:
    job = rack.run(rack.apply("web", pair(of_disks="size 4096L; keepOnTerminate true;")))
    assert job["state"] == "failed" and "its base holds" in job["error"]["text"]
    assert (domains("--all"), rack.files()) == ([], [])


def test_what_cannot_start_is_not_tried_for_long(rack: Rack) -> None:
    """QEMU itself has said why, and would say it again however often it is asked."""
    job = rack.run(rack.apply("web", pair(f'kernel "{rack.no_kernel()}";')))
    assert job["state"] == "failed" and "invalid kernel header" in job["error"]["text"]
    assert rack.done.count("start a") == 3  # room may have come meanwhile
    assert (domains("--all"), rack.files()) == ([], [])


ONE = """
sfConfig extends Compound {{
  disk extends LoopbackStorageBackend {{ baseImage "empty"; }}
  vm extends Domain {{ hostname "{name}"; memory 32; shutdownTimeout 0; storageBackend LAZY ATTRIB disk; }}
}}
"""


@long
def test_ten_pools_at_once_on_a_host(rack: Rack) -> None:
    """Among them some that want one name, of which one has it."""
    names = {f"p{number}": f"vm{max(number, 3)}" for number in range(10)}
    jobs = {pool: rack.apply(pool, ONE.format(name=name)) for pool, name in names.items()}
    over = {pool: rack.run(job) for pool, job in jobs.items()}
    lost = [pool for pool, job in over.items() if job["state"] == "failed"]
    assert len(lost) == 3 and set(lost) < {"p0", "p1", "p2", "p3"}
    assert all("choose another domainName" in over[pool]["error"]["text"] for pool in lost)
    assert domains() == sorted(set(names.values())) and len(rack.files()) == 2 * 7
    ends = [rack.terminate(pool) for pool in names]
    assert {rack.run(job)["state"] for job in ends} == {"done"}
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


def test_a_guest_that_takes_its_time_holds_up_no_other_pool(rack: Rack) -> None:
    """There is none that would shut down, so it is its host that ends it."""
    slow = ONE.format(name="slow").replace("shutdownTimeout 0", "shutdownTimeout 600; vcpus 2")
    rack.run(rack.apply("slow", slow))
    number = virsh("domid", "slow")
    changes = rack.apply("slow", slow.replace("vcpus 2", "vcpus 1"))
    assert rack.run(rack.apply("first", ONE.format(name="one")))["error"] is None
    assert rack.job(changes)["state"] == "running" and virsh("domid", "slow") == number
    virsh("destroy", "slow")
    assert rack.run(changes)["error"] is None and virsh("domid", "slow") != number
    rack.later(40)
    ends = rack.terminate("slow")
    assert rack.run(rack.apply("second", ONE.format(name="two")))["error"] is None
    assert rack.job(ends)["state"] == "running" and domains() == ["one", "slow", "two"]
    virsh("destroy", "slow")
    assert rack.run(ends)["error"] is None and domains() == ["one", "two"]


@long
def test_libvirtd_hangs_for_a_while(rack: Rack) -> None:
    """Nothing is done twice of what it was asked and yet does."""
    job = rack.apply("web", pair())
    handled(rack, 5)
    os.kill(libvirtd(), signal.SIGSTOP)
    wakes = threading.Timer(70, os.kill, (libvirtd(), signal.SIGCONT))
    wakes.start()
    try:
        rack.turn()  # for as long as a call may take
    finally:
        wakes.join()
    assert rack.run(job)["state"] == "done" and domains() == ["a", "other"]
    rack.run(rack.terminate("web"))
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


def test_two_hosts_know_nothing_of_each_other(rack: Rack) -> None:
    """The other one is libvirt's stand-in, over a connection of its own."""
    host = {"uri": "test:///default", "network": {"kind": "ovs", "device": "rack0"}, "pool": "default-pool"}
    rack.operate(pool.register_host, "h1", host, method="RegisterHost")
    text = pair() + "\n"
    there = (
        'Far extends Compound { sfSyncTerminate true; sfProcessHost "h1";'
        ' disk extends LoopbackStorageBackend { baseImage "empty"; }'
        ' far extends Domain { hostname "far"; storageBackend LAZY ATTRIB disk; } }'
    )
    text = there + text.replace("  two extends", "  far extends Far;\n  two extends", 1)
    job = rack.run(rack.apply("web", text))
    assert (job["state"], job["error"]) == ("done", None)
    assert rack.states("web")["far:far"] == "running" and domains() == ["a", "other"]
    assert {"construct one", "construct far:disk"} == set(rack.done[:2])  # both at once
    rack.later(40)
    job = rack.run(rack.terminate("web"))
    assert (job["state"], job["error"]) == ("done", None)
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


# ---- a hand that is cut short


class CutShort(Mortal):
    """What the hand of pools does, step by step."""

    STEPS = ("define", "undefine", "set_autostart", "start", "stop")
    OF_DISKS = ("make_from", "copy", "grow", "write", "remove", "make_empty")


def _do(images: Path, what: str, brief: Brief, at: int = 0) -> None:
    """at: the step at which the hand is killed; 0: never."""
    host = {"uri": URI, "network": {"kind": "ovs", "device": "br0"}, "pool": "pools", "emulate": True}
    connect: Any = (lambda uri: CutShort(uri, at)) if at else LibvirtHost
    one = PoolHand("h0", host, lambda name: None, (str(images),), connect=connect)
    try:
        [outcome] = one.run([order_of(what, brief)], 1)
        assert outcome.error is None
    finally:
        one.close()


@long
def test_a_hand_is_killed_at_every_step(rack: Rack, images: Path) -> None:
    size = {"baseImage": f"{images}/empty.qcow2", "size": 16 << 20, "swapSize": 1 << 20}
    disk = Brief("web", 1.0, ("disk",), "LoopbackStorageBackend", 1, size)
    small = {"hostname": "a", "memory": 32, "shutdownTimeout": 0}
    domain = Brief("web", 1.0, ("a",), "Domain", 1, small, disk=disk)
    do = partial(_do, images)
    seed = f"nm-pool-web-{domain.identity}+seed"
    made = {seed, f"nm-pool-web-{disk.identity}+disk", f"nm-pool-web-{disk.identity}+swap"}
    for what, brief, steps in (
        ("deploy", disk, 4),
        ("deploy", domain, 5),
        ("start", domain, 3),
        ("stop", domain, 1),
        ("terminate", domain, 4),
        ("terminate", disk, 1),
    ):
        for at in range(1, steps + 1):
            with pytest.raises(Killed):
                do(what, brief, at)
            if at < steps:  # so that the next kill has something to be in the way of
                do(what, brief)
                _undo(do, what, brief)
        do(what, brief, 99)
        there = {"deploy": made if brief is domain else made - {seed}}.get(what)
        assert there is None or set(rack.files()) == there, what
    assert (domains("--all"), rack.files()) == ([], [])


@long
def test_a_hand_is_killed_at_every_step_of_a_restart(rack: Rack, images: Path) -> None:
    """What is stopped for a change runs again: off it would be taken for ended, and all taken down."""
    given = {"hostname": "a", "memory": 32, "shutdownTimeout": 0, "maxVcpus": 2}
    two = Brief("web", 1.0, ("a",), "Domain", 1, {**given, "vcpus": 2}, stands=True)
    one = replace(two, attributes={**given, "vcpus": 1})  # no guest is there that would give one away
    for what in ("deploy", "start"):
        _do(images, what, two)
    for at in range(1, 7):
        number = virsh("domid", "a")
        with pytest.raises(Killed):
            _do(images, "change", one, at)
        _do(images, "change", one)
        assert domains() == ["a"] and virsh("domid", "a") != number
        _do(images, "change", two)
    _do(images, "terminate", two)
    assert (domains("--all"), rack.files()) == ([], [])


def _undo(do: Callable[..., None], what: str, brief: Brief) -> None:
    """Go back to before that order."""
    before = {"start": ("stop",), "stop": ("start",), "deploy": ("terminate",)}
    for other in before.get(what, ("deploy",)):
        do(other, brief)


KEPT = """
sfConfig extends Compound {
  sfProcessHost "h0";
  disk extends LoopbackStorageBackend { baseImage "empty"; backing false; keepOnTerminate true; }
}
"""


@pytest.mark.parametrize("force", [False, pytest.param(True, marks=long)])
def test_a_disk_that_is_half_made_is_not_kept(rack: Rack, force: bool) -> None:
    """nmd is killed while it is copied, and nobody wants it any more."""
    whole = rack.open_hand
    rack.open_hand = lambda host: HandWorker(lambda: _mortal(rack, 2), 1, lambda hand, number: None, _fail)
    rack.apply("web", KEPT)
    while rack.done[-1:] != ["construct disk"] or not rack.queue[0][0].startswith("domains:"):
        rack.turn()
    job = rack.terminate("web", force=force)
    rack.queue.rotate(1)  # before the copy is over
    with pytest.raises(Killed):
        rack.settle()
    assert len(rack.files()) == 1
    rack.open_hand = whole
    if force:
        kill_libvirtd()
    rack.crash()
    assert rack.run(job)["state"] == "done"
    if force:
        start_libvirtd()
        rack.owe()
        rack.later(60)
    assert (rack.files(), rack.left()) == ([], [])
    rack.run(rack.apply("web", KEPT))
    rack.run(rack.terminate("web"))
    assert len(rack.files()) == 1  # what was made whole is kept


def _mortal(rack: Rack, dies_at: int) -> PoolHand:
    host = rack.database.get("host_h0")
    image = rack.database.get("image_empty")
    assert host is not None
    connect: Any = lambda uri: CutShort(uri, dies_at)  # noqa: E731 - as PoolHand wants it
    return PoolHand("h0", host, lambda name: image, (str(rack.images),), connect=connect)


def _fail(number: int, error: NMError) -> None:
    raise error


@long
def test_a_stranger_of_that_name_stays(rack: Rack) -> None:
    xml = "<domain type='qemu'><name>other</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    subprocess.run(["virsh", "-q", "define", "/dev/stdin"], input=xml, text=True, check=True)
    job = rack.run(rack.apply("web", pair()))
    assert job["state"] == "failed" and "not nm's own" in job["error"]["text"]
    assert domains("--all") == ["other"] and rack.files() == []
    rack.run(rack.terminate("web"))
    assert domains("--all") == ["other"] and virsh("domstate", "other") == "shut off"


@pytest.mark.parametrize("more", ['format "raw";', "backing false;"])
def test_what_is_written_in_a_raw_disk_leads_to_no_other_file(rack: Rack, more: str) -> None:
    """A guest can write what a qcow2 file begins with, and that names a file under it."""
    other, written = rack.images.parent / "other", rack.images / "written.img"
    other.write_bytes(b"another's".ljust(1 << 20))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", other, written], check=True)
    disk = f'd extends LoopbackStorageBackend {{ sfProcessHost "h0"; baseImage "{written}"; {more} }}'
    job = rack.run(rack.apply("web", f"sfConfig extends Compound {{ {disk} }}"))
    written.unlink()
    other.unlink()
    assert job["state"] == "failed" and "is to be raw, and what is in it is qcow2" in job["error"]["text"]
    assert rack.files() == []


def test_a_base_may_lie_where_somebody_has_a_pool_already(rack: Rack) -> None:
    """Which knows nothing of a file that came since it was looked at."""
    place = rack.images / "theirs"
    place.mkdir()
    virsh("pool-create-as", "theirs", "dir", "--target", str(place))
    subprocess.run(["cp", rack.images / "empty.raw", place / "new.raw"], check=True)
    disk = f'd extends LoopbackStorageBackend {{ baseImage "{place}/new.raw"; backing false; }}'
    job = rack.run(rack.apply("web", f'sfConfig extends Compound {{ sfProcessHost "h0"; {disk} }}'))
    assert (job["error"], len(rack.files())) == (None, 1)
    rack.run(rack.terminate("web"))
    virsh("pool-destroy", "theirs")


def test_folders_of_like_names_are_two(rack: Rack) -> None:
    places = [rack.images / "a-b", rack.images / "a" / "b"]
    for place in places:
        place.mkdir(parents=True)
    disks = "".join(
        f'd{number} extends LoopbackStorageBackend {{ baseImage "empty"; imageDir "{place}"; }}'
        for number, place in enumerate(places)
    )
    job = rack.run(rack.apply("web", f'sfConfig extends Compound {{ sfProcessHost "h0"; {disks} }}'))
    found = [len(list(place.iterdir())) for place in places]
    rack.run(rack.terminate("web"))
    assert (job["state"], found) == ("done", [1, 1])
    assert [list(place.iterdir()) for place in places] == [[], []]
