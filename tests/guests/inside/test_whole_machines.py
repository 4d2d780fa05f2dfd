"""A whole nm that makes real virtual machines of what a source tells: keys, limits, stop, another disk."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import briefs, config, machine_xml
from tests.guests.house import LONG, QEMU, sh
from tests.guests.inside.conftest import POOL, Site, names
from tests.hosts.rack import guest_image
from tests.slivers.node import KEY, Node, told

pytestmark = pytest.mark.skipif(not LONG, reason="make test-guests runs it")
DOMAIN, BRIDGE = "nm-sliver-pl_m", "slice0"
CONSOLE = Path(machine_xml.console(DOMAIN))
OTHER = KEY.replace("1xL alice", "1xM bob")
SMALL = {"disk_max": str(32 << 10), "memory": "112"}


class Machines(Node):
    """A node whose guests are virtual machines of libvirt's."""

    images = ""

    def start(self) -> None:
        self.config = replace(self.config, images=config.Images(folders=(self.images,)))
        super().start()

    def guest(self, name: str) -> dict[str, Any] | None:
        domain, running = f"nm-sliver-{name}", sh("virsh", "-c", QEMU, "list", "--name").split()
        return {"running": domain in running} if domain in names() else None


@pytest.fixture
def lab(site: Site, tmp_path: Path) -> Iterator[Machines]:
    settings = guest_image.make(site.folder / "images" / "machines")
    Machines.images = str(site.root.parent)
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    slivers = {"uri": QEMU, "image": "tiny", "pool": POOL, "emulate": True, "look_seconds": 1.0}
    lan = {"network": f"bridge:{BRIDGE}", "addresses": "10.20.0.1/24"}
    made = Machines(tmp_path, slivers={**slivers, **lan}, open_guests=briefs.open_guests)
    try:
        made.call("RegisterImage", "tiny", settings)
        yield made
    finally:
        made.stop()
        for name in names():
            subprocess.run(["virsh", "-c", QEMU, "destroy", name], capture_output=True, check=False)
        sh("ip", "link", "del", BRIDGE)
        CONSOLE.unlink(missing_ok=True)


def said(lab: Machines, boot: int) -> dict[str, str]:
    """What it said at that boot of its disk."""

    def read() -> str:
        return CONSOLE.read_text() if CONSOLE.exists() else ""

    lab.until(lambda: f"BOOT {boot}\n" in read() and read().rstrip().endswith("READY"), 240)
    text = read().rpartition(f"BOOT {boot}\n")[2]
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def keys(found: dict[str, str]) -> list[str]:
    kept: list[str] = json.loads(found["USER"])["ssh_authorized_keys"]
    return kept


def shares() -> int:
    found = sh("virsh", "-c", QEMU, "schedinfo", DOMAIN)
    return int(next(line.split()[-1] for line in found.splitlines() if line.startswith("cpu_shares")))


def test_a_machine_lives_as_its_source_and_its_people_say(lab: Machines) -> None:
    lab.hear(told("pl_m", tags=SMALL), told("d", "delegated"))
    lab.until(lambda: lab.runs("pl_m"), 120)
    first = said(lab, 1)
    assert keys(first) == [KEY] and json.loads(first["META"])["local-hostname"] == "pl-m"
    assert "10.20.0.11/24" in first["NETWORK"]
    assert f"master {BRIDGE}" in sh("ip", "link", "show", f"nms{lab.sliver('pl_m')['index']}")
    assert f"{112 << 10} KiB" in sh("virsh", "-c", QEMU, "dominfo", DOMAIN)
    usual = shares()
    lab.call("SetLoans", "pl_m", ["d", "cpu_share", 16])
    lab.until(lambda: 2 * shares() == usual, 30)
    lab.hear(told("pl_m", tags=SMALL, keys=[OTHER]), told("d", "delegated"))
    lab.until(lab.at_rest, 60)
    assert lab.guest("pl_m") == {"running": True}  # what it is told takes effect later
    lab.call("Stop", "pl_m")
    assert lab.wait(lab.sliver("pl_m")["job"], 120)["result"]["state"] == "stopped"
    assert lab.guest("pl_m") == {"running": False}
    lab.call("Start", "pl_m")
    assert lab.wait(lab.sliver("pl_m")["job"], 120)["state"] == "done"
    assert keys(said(lab, 2)) == [OTHER]
    assert 2 * shares() == usual
    lab.stop()
    sh("virsh", "-c", QEMU, "destroy", DOMAIN)
    lab.startup = True
    lab.start()
    lab.until(lambda: lab.guest("pl_m") == {"running": True} and lab.runs("pl_m"), 120)
    assert keys(said(lab, 3)) == [OTHER]
    lab.call("ReCreate", "pl_m")
    assert lab.wait(lab.sliver("pl_m")["job"], 120)["state"] == "done"
    assert keys(said(lab, 1)) == [OTHER]
    lab.hear(told("d", "delegated"))
    lab.until(lambda: lab.guest("pl_m") == {"running": False}, 120)
