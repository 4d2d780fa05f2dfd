"""What breaks in the middle of a deploy with a head node: nmd, libvirtd, the whole host."""

import os
import signal
from typing import Any

import pytest

from nm.lab import daemon, watch
from nm.lab.layout import HOST, POOL
from nm.lab.place import Lab
from nm.lab.register import finish
from tests.boot.conftest import HEAD, PATIENCE, Up, api, deployed

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not os.environ.get("NM_TEST_BOOT"), reason="minutes long: make test-boot"),
]
VIRSH = ("virsh", "-q", "-c", "qemu:///system")


def state(lab: Lab) -> dict[str, Any]:
    """What is there: facts as deployed, ports as the switches say, domains and volumes as libvirt says."""
    with api(lab) as nm:
        group = nm.GetStatus("alpha")
    ports = {node.port: lab.run(["ovs-vsctl", "get", "port", node.port, "tag"]) for node in lab.layout.rack}
    return {
        "facts": {name: value for name, value in group["deployed"].items() if not name.startswith("account")},
        "state": (group["state"], group["pending"], group["error"]),
        "ports": ports,
        "domains": running(lab, "nm-"),
        "volumes": sorted(lab.run([*VIRSH, "vol-list", POOL]).split()),
    }


def running(lab: Lab, beginning: str) -> list[str]:
    """The domains that run and are called so: head nodes' names begin with nm-, nodes' with n."""
    return [name for name in lab.run([*VIRSH, "list", "--name"]).split() if name.startswith(beginning)]


def destroyed(lab: Lab) -> None:
    with api(lab) as nm:
        finish(nm, nm.DestroyGroup("alpha"), 100)


def until_half_made(nm: Any, job: int, done: int) -> int:
    """Wait until so many steps are done: how many were."""
    while (seen := nm.GetJob(job))["done"] < done and seen["state"] in ("queued", "running"):
        pass
    return int(seen["done"])


def test_nmd_is_killed_at_every_step_and_all_ends_as_without_it(up: Up) -> None:
    lab = up(2)
    nodes = [node.name for node in lab.layout.rack]
    with api(lab) as nm:
        nm.CreateGroup("alpha", {"nodes": nodes, "headnode": HEAD})
        job = nm.Deploy("alpha")
        steps = finish(nm, job, 60)["total"]
    expected = state(lab)
    assert expected["state"] == ("deployed", False, None)
    destroyed(lab)
    killed_at = set()
    for step in range(steps):
        with api(lab) as nm:
            nm.CreateGroup("alpha", {"nodes": nodes, "headnode": HEAD})
            job = nm.Deploy("alpha")
            killed_at.add(until_half_made(nm, job, step))
            daemon.kill(lab)
        daemon.start(lab)
        with api(lab) as nm:
            finish(nm, job, 100)
        assert state(lab) == expected, step
        destroyed(lab)
        assert HEAD not in lab.run([*VIRSH, "list", "--all", "--name"])
    print(f"\nkilled after {sorted(killed_at)} of {steps} steps")


def test_libvirtd_is_killed_during_a_deploy_which_ends(up: Up) -> None:
    lab = up(2)
    nodes = [node.name for node in lab.layout.rack]
    with api(lab) as nm:
        nm.CreateGroup("alpha", {"nodes": nodes, "headnode": HEAD})
        job = nm.Deploy("alpha")
        until_half_made(nm, job, 1)
        end_libvirtd(lab)
        lab.run(["libvirtd", "--daemon"])
        finish(nm, job, 100)
    assert f"nm-{HEAD}" in state(lab)["domains"]
    first = lab.layout.rack[0]
    watch.until(lambda: watch.called_home(lab, first, HEAD), PATIENCE, "a node calls home all the same")


def end_libvirtd(lab: Lab, number: signal.Signals = signal.SIGKILL) -> None:
    pid = watch.inside(lab, "/run/libvirtd.pid").read_text().strip()
    lab.run(["sh", "-c", f"kill -{number.value} {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.02; done"])


def test_after_a_reboot_of_the_host_all_is_back_as_recorded(up: Up) -> None:
    lab = up(2)
    first, second = lab.layout.rack
    with api(lab) as nm:
        deployed(nm, "alpha", [first.name])
        deployed(nm, "beta", [second.name], headnode=None)
    watch.until(lambda: watch.called_home(lab, first, HEAD), PATIENCE, "the node calls home")
    before = state(lab)
    daemon.kill(lab)
    for domain in running(lab, "n"):  # nodes too: the power was cut
        lab.run([*VIRSH, "destroy", domain])
    end_libvirtd(lab)
    lab.run(["sh", "-c", "rm -rf /run/libvirt/* /run/libvirtd.pid"])
    for trunk in lab.layout.trunks:
        for bridge, port in trunk.ends:  # the ways of all VLANs are gone, also to the host
            if bridge == HOST:
                continue  # that end is the host's own, which no switch of nm's brings back
            lab.run(["ovs-vsctl", "clear", "port", port, "trunks", "--", "set", "port", port, "trunks=4094"])
    lab.run(["libvirtd", "--daemon"])
    daemon.start(lab, "--startup")
    watch.until(lambda: state(lab) == before, PATIENCE, "all is as it was")
    starts = f"{HEAD}: started after"
    watch.until(lambda: watch.head_said(lab, HEAD).count(starts) == 2, PATIENCE, "the head node is back")
    assert watch.head_said(lab, HEAD).count("was power-cycled") == 1
