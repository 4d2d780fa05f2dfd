"""The story in full, in one long test: every boot of an emulated machine is dear."""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from nm.lab import bmc, watch
from nm.lab.layout import HEAD_ADDRESS
from nm.lab.place import Lab
from nm.lab.register import finish
from tests.boot.conftest import HEAD, PATIENCE, Up, api, deployed

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("NM_TEST_BOOT"), reason="minutes long: make test-boot"),
]


def test_nodes_boot_from_their_own_head_node_and_from_no_other(up: Up) -> None:
    lab = up(3)
    first, second, other = lab.layout.rack
    strangers = f"not ether src {other.mac}"
    began = time.monotonic()
    with api(lab) as nm, seen_processes(lab) as processes:
        deployed(nm, "beta", [other.name], headnode=None)
        with (
            watch.Capture(lab, other.port, strangers) as apart,
            watch.Capture(lab, first.port, f"ether src {other.mac}") as within,
            watch.Capture(lab, second.port, f"not ether src {second.mac}") as control,
        ):
            deployed(nm, "alpha", [first.name, second.name])
            watch.until(lambda: "DHCP, sockets bound" in watch.head_said(lab, HEAD), PATIENCE, "DHCP serves")
            for action in ("pxe", "cycle"):
                finish(nm, nm.PowerNode(other.name, action), 60)
            for node in (first, second):
                watch.until(partial(watch.called_home, lab, node, HEAD), PATIENCE, f"{node.name} calls home")
                print(f"\n{node.name} called home {time.monotonic() - began:.1f} s after Deploy")
            watch.until(lambda: watch.gave_up(lab, other), PATIENCE, "the other node gives up")
            assert apart.packets() == []
            assert within.packets() == []
            assert any(f"{HEAD_ADDRESS}.67 > " in line for line in control.packets())  # it sees such packets
        assert other.mac not in watch.head_said(lab, HEAD)
        assert "No more network devices" in watch.node_said(lab, other)

        # The group gains a node while its head node runs, and loses one.
        nm.RemoveNodes("beta", [other.name])
        finish(nm, nm.Deploy("beta"), 60)
        nm.AddNodes("alpha", [other.name])
        finish(nm, nm.Deploy("alpha"), 60)
        watch.until(lambda: watch.called_home(lab, other, HEAD), PATIENCE, "the node that joined calls home")
        assert cycled(lab) == {first.name: 1, second.name: 1, other.name: 1}
        nm.RemoveNodes("alpha", [second.name])
        finish(nm, nm.Deploy("alpha"), 90)
        assert finish(nm, nm.PowerNode(second.name, "status"), 30)["result"] == "off"
        deployed(nm, "gamma", [second.name], headnode=None)
        for action in ("pxe", "cycle"):
            finish(nm, nm.PowerNode(second.name, action), 60)
        watch.until(lambda: watch.gave_up(lab, second), PATIENCE, "the node that left gives up")

        # A head node that starts again cycles nothing.
        lab.run(["virsh", "-q", "-c", "qemu:///system", "reset", f"nm-{HEAD}"])
        starts = f"{HEAD}: started after"
        watch.until(lambda: watch.head_said(lab, HEAD).count(starts) == 2, PATIENCE, "the head node is back")
        served = "DHCP, sockets bound"
        watch.until(lambda: watch.head_said(lab, HEAD).count(served) == 2, PATIENCE, "DHCP serves again")
        assert cycled(lab) == {first.name: 1, second.name: 1, other.name: 1}
        assert_no_secret(lab, nm.GetEvents(0, 1000), processes)


def cycled(lab: Lab) -> dict[str, int]:
    """How often the head node had each node power-cycled."""
    found: dict[str, int] = {}
    for name in re.findall(r"linky: (\w+) was power-cycled", watch.head_said(lab, HEAD)):
        found[name] = found.get(name, 0) + 1
    return found


# ---- secrets


@contextmanager
def seen_processes(lab: Lab) -> Iterator[set[bytes]]:
    """The command lines and environments of all that run in the lab meanwhile, looked at all the time."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            for process in watch.inside(lab, "/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        seen.add((process / name).read_bytes())
                    except OSError:
                        continue

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def assert_no_secret(lab: Lab, events: object, processes: set[bytes]) -> None:
    """The BMCs' password is in no file of a head node's, no log, no event and no process's words."""
    secret = bmc.password(lab).encode()
    assert any(b"ipmitool" in words for words in processes)  # it was looked at the right place
    assert [words for words in processes if secret in words] == []
    assert secret not in repr(events).encode()
    given = [
        path for place in ("/run/nm-disks", "/var/log/libvirt") for path in files(watch.inside(lab, place))
    ]
    told = [*files(lab.folder / "log"), *files(lab.folder / "headnodes"), *files(lab.folder / "database")]
    assert any(path.name.endswith("+seed") for path in given)
    assert any(path.name == "nmd.log" for path in told)
    assert [path for path in (*given, *told) if secret in path.read_bytes()] == []
    key = re.search(rb"-----BEGIN OPENSSH PRIVATE KEY-----\n(\w+)", b"".join(map(head, given)))
    assert key is not None  # the seed has it, and it is nowhere else
    assert [path for path in told if b"OPENSSH PRIVATE KEY" in path.read_bytes()] == []
    assert [words for words in processes if b"OPENSSH PRIVATE KEY" in words] == []


def files(folder: Path) -> list[Path]:
    """All plain files below it."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def head(path: Path) -> bytes:
    """A seed's bytes."""
    return path.read_bytes() if path.name.endswith("+seed") else b""
