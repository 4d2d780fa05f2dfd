"""A whole nm that makes real containers of what a source tells, and what becomes of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import briefs, config
from tests.guests.house import LXC, inside, kill_libvirtd, sh, start_libvirtd
from tests.guests.inside.conftest import POOL, Site, names
from tests.slivers.node import Node, told
from tests.waiting import until

SMALL = {"disk_max": str(16 << 10)}


class RealNode(Node):
    """A node whose guests are libvirt's."""

    images = ""

    def start(self) -> None:
        self.config = replace(self.config, images=config.Images(folders=(self.images,)))
        super().start()

    def guest(self, name: str) -> dict[str, Any] | None:
        domain, running = f"nm-sliver-{name}", sh("virsh", "-c", LXC, "list", "--name").split()
        return {"running": domain in running} if domain in names() else None


@pytest.fixture
def lab(site: Site, tmp_path: Path) -> Iterator[RealNode]:
    RealNode.images = str(site.root.parent)
    settings = {"uri": LXC, "image": "tiny", "pool": POOL, "look_seconds": 1.0}
    made = RealNode(tmp_path, slivers=settings, open_guests=briefs.open_guests)
    try:
        made.call("RegisterImage", "tiny", {"kind": "root", "root": str(site.root), "memory": 48})
        yield made
    finally:
        made.stop()


def until_rests(lab: RealNode) -> None:
    lab.until(lab.at_rest, 60)


def shares(domain: str) -> int:
    found = sh("virsh", "-c", LXC, "schedinfo", domain)
    return int(next(line.split()[-1] for line in found.splitlines() if line.startswith("cpu_shares")))


def test_from_a_source_to_running_containers_and_back(lab: RealNode) -> None:
    script = "#!/bin/sh\necho begun >/begun\n"
    first = told("pl_a", tags={**SMALL, "initscript_code": script})
    lab.hear(first, told("d", "delegated", tags=SMALL))
    lab.until(lambda: lab.runs("pl_a"), 60)
    until(lambda: inside("nm-sliver-pl_a", "cat /begun") == "begun")
    assert inside("nm-sliver-pl_a", "hostname") == "pl-a"
    assert lab.ask("Create", "d")["result"] == {"state": "running"}
    weights = shares("nm-sliver-pl_a"), shares("nm-sliver-d")
    assert weights[0] == weights[1]
    lab.call("SetLoans", "pl_a", ["d", "cpu_share", 16])
    lab.until(lambda: shares("nm-sliver-d") == 3 * shares("nm-sliver-pl_a"), 10)
    inside("nm-sliver-d", "echo mine >/kept")
    assert lab.ask("Stop", "d")["result"]["why"] == "it was stopped by Stop"
    assert lab.guest("d") == {"running": False}
    lab.ask("Start", "d")
    until(lambda: inside("nm-sliver-d", "cat /kept") == "mine")
    lab.ask("ReCreate", "d")
    until(lambda: "No such file" in inside("nm-sliver-d", "cat /kept"))
    assert lab.ask("Destroy", "d")["state"] == "done"
    assert names() == ["nm-sliver-pl_a"] and lab.sliver("d")["state"] == "absent"


def test_one_that_was_killed_and_a_restart_of_nmd(lab: RealNode) -> None:
    lab.hear(told("a", tags=SMALL), told("b", tags=SMALL))
    lab.until(lambda: lab.runs("a") and lab.runs("b"), 60)
    until_rests(lab)
    sh("virsh", "-c", LXC, "destroy", "nm-sliver-a")
    lab.until(lambda: lab.guest("a") == {"running": True} and lab.runs("a"), 60)
    lab.stop()
    sh("virsh", "-c", LXC, "destroy", "nm-sliver-b")
    assert lab.guest("a") == {"running": True}  # they live without nmd
    lab.start()
    lab.until(lambda: lab.guest("b") == {"running": True} and lab.runs("b"), 60)
    lab.hear(told("b", tags=SMALL))
    lab.until(lambda: lab.guest("a") == {"running": False}, 60)
    lab.until_state("a", "stopped")
    assert lab.sliver("a")["why"] == "its source lists it no more"


def test_libvirtd_is_killed_while_slivers_come_and_change(lab: RealNode) -> None:
    lab.hear(told("a", tags=SMALL), told("d", "delegated", tags=SMALL))
    lab.call("Create", "d")
    kill_libvirtd()
    lab.call("Stop", "d")
    start_libvirtd()
    lab.until(lambda: lab.runs("a"), 60)
    until_rests(lab)
    assert lab.guest("d") == {"running": False}
    pid = sh("virsh", "-c", LXC, "domid", "nm-sliver-a")
    lab.call("Start", "d")
    kill_libvirtd()
    lab.until(lambda: lab.sliver("d")["error"] is not None, 90)
    start_libvirtd()
    lab.until(lambda: lab.runs("a") and lab.runs("d"), 60)
    until_rests(lab)
    assert sh("virsh", "-c", LXC, "domid", "nm-sliver-a") == pid  # it never stopped
    assert lab.sliver("d")["error"] is None
