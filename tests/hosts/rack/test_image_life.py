"""A whole nm with a head node made from an image: planned, deployed, libvirtd killed, rebooted, its end."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import config, machine_xml, service
from tests.hosts.rack.conftest import HOST, kill_libvirtd, sh, start_libvirtd, tags
from tests.rack import Rack, rack
from tests.waiting import until

MAC = machine_xml.mac_of("vm", "nm-made")
CONSOLE = Path(machine_xml.console("nm-made"))
OTHER = machine_xml.mac_of("vm", "nm-more")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"


@pytest.fixture
def lab(tmp_path: Path, rack_folder: Path) -> Iterator[Rack]:
    folder = rack_folder / "life-images"
    folder.mkdir()
    disk = folder / "disk.qcow2"
    sh("qemu-img", "create", "-q", "-f", "qcow2", disk, "16M")
    pool = rack_folder / "life-pool"
    pool.mkdir(mode=0o711)
    sh("virsh", "pool-define-as", "life", "dir", "--target", pool)
    with rack(tmp_path, nodes=2) as made:
        made.stop()
        made.config = replace(
            made.config, images=config.Images((str(folder),)), startup=config.Startup(pause_seconds=0)
        )
        made.start()
        host = {"uri": HOST["uri"], "network": HOST["network"], "pool": "life", "emulate": True}
        made.call("UpdateHost", "vm", host)
        made.call("RegisterImage", "tiny", {"kind": "disk", "disk": str(disk), "memory": 32})
        made.call("RegisterHeadNode", "made", {"host": "vm", "image": "tiny", "address": "10.1.0.1/16"})
        made.call("RegisterHeadNode", "more", {"host": "vm", "image": "tiny"})
        yield made
    for head in ("made", "more"):
        sh("sh", "-c", f"virsh destroy nm-{head}; virsh undefine nm-{head}; true")
    sh("sh", "-c", f"virsh pool-destroy life; virsh pool-undefine life; rm -rf {pool} {folder} {CONSOLE}")


def heads(lab: Rack) -> dict[str, Any]:
    return {head["name"]: (head["state"], head["running"]) for head in lab.call("GetHeadNodes", {})}


def test_a_head_node_lives_and_goes_with_its_group(lab: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n0"], "vlan": 101, "headnode": "made", "keys": [KEY]})
    plan = lab.call("PlanDeploy", "a")
    said = "head node made: made from image tiny, on VLAN 101, running"
    assert said in [step["text"] for step in plan["steps"]]
    assert "running on VLAN 101, made from image tiny" in [change["after"] for change in plan["changes"]]
    lab.deploy("a")
    assert tags() == {MAC: "101"} and heads(lab)["made"] == ("joined", True)
    disk = Path(sh("virsh", "vol-path", "nm-made+disk", "life"))
    assert "Autostart:      disable" in sh("virsh", "dominfo", "nm-made")
    seed = Path(sh("virsh", "vol-path", "nm-made+seed", "life")).read_bytes()
    assert b'"address": "10.1.0.1/16"' in seed and KEY.encode() in seed and b'"instance-id": "a.' in seed
    CONSOLE.write_text("said by the guest\n")
    assert lab.call("GetConsole", "made") == {"text": "said by the guest\n", "next": 18}
    with pytest.raises(Exception, match="used by head node made"):
        lab.call("UnregisterImage", "tiny")

    # The machine reboots: all domains are off, and their bridge is gone.
    lab.stop()
    sh("virsh", "destroy", "nm-made")
    kill_libvirtd()
    started, inode = start_libvirtd(), disk.stat().st_ino
    monkeypatch.setattr(service, "_boot_id", lambda: "another boot")
    lab.start()
    lab.until(lambda: tags() == {MAC: "101"})
    lab.until(lambda: lab.call("GetStatus", "a")["state"] == "deployed")
    assert started and disk.stat().st_ino == inode

    lab.wait(lab.call("DestroyGroup", "a"))
    assert (tags(), sh("virsh", "list", "--all", "--name")) == ({}, "")
    assert not disk.exists() and heads(lab)["made"] == ("free", False)
    lab.call("CreateGroup", "b", {"vlan": 101, "headnode": "made"})
    assert lab.call("GetConsole", "made") == {"text": "", "next": 0}  # what it said to a
    lab.wait(lab.call("DestroyGroup", "b"))


def test_a_libvirtd_that_is_killed_while_groups_deploy(lab: Rack, rack_folder: Path) -> None:
    for group, vlan, head in (("a", 101, "more"), ("b", 102, "made")):
        lab.call("CreateGroup", group, {"vlan": vlan, "headnode": head})
    jobs = [lab.call("Deploy", group) for group in "ab"]
    pool = rack_folder / "life-pool"
    for moment in (pool / "nm-more+disk", Path("/run/libvirt/qemu/nm-made.xml"), pool / "nm-made+seed"):
        until(moment.exists)
        kill_libvirtd()
        start_libvirtd()
    assert [lab.wait(job, 60)["state"] for job in jobs] == ["done", "done"]
    joined = {OTHER: "101", MAC: "102"}
    # A libvirtd that comes back ends domains that it cannot follow, though they were reported as running.
    lab.until(lambda: lab.wait(lab.call("RepairAll"))["state"] == "done" and tags() == joined)
    assert sorted(path.name for path in pool.iterdir()) == [
        "nm-made+disk", "nm-made+list", "nm-made+seed", "nm-more+disk", "nm-more+list", "nm-more+seed",
    ]  # fmt: skip
    for job in [lab.call("DestroyGroup", group) for group in "ab"]:
        assert lab.wait(job, 60)["state"] == "done"
    assert (tags(), sh("virsh", "list", "--all", "--name")) == ({}, "")
