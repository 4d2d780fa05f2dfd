"""The first of docs/examples on a stock kernel: one domain on a file and one on a logical volume.

A machine in an emulated machine takes a minute to boot.
"""

import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from nm.lab import guest, pools
from tests.hosts.rack.conftest import kill_libvirtd
from tests.kernel.conftest import sh, volume_group, wait_for_libvirtd
from tests.pools.daemon import Daemon
from tests.waiting import until

EXAMPLE = Path(__file__).parents[2] / "docs/examples/localVirtualPool.sf"
GROUP = "guests"
TEXT = f'{EXAMPLE.read_text()}\nsfConfig:lvm:volumeGroup "{GROUP}";\n'
DOMAINS = ["machine9-dom1", "machine9-dom2"]
ADDRESSES = ["10.79.1.1", "10.79.1.2"]
PATIENCE = 1200.0


@pytest.fixture
def group(tmp_path: Path, libvirtd: None) -> Iterator[None]:
    """The volume group."""
    with volume_group(GROUP, str(tmp_path / "disk")):
        yield


@pytest.fixture
def daemon(tmp_path: Path, group: None) -> Iterator[Daemon]:
    """nmd, and what the example names."""
    disks = tmp_path / "disks"
    disks.mkdir(mode=0o711)
    sh(f"chmod a+x {tmp_path} {tmp_path.parent} {tmp_path.parent.parent}")
    sh(f"virsh -q pool-define-as disks dir --target {disks}")
    sh(f"mkdir -p {pools.FILES} && mount --bind {guest.image()} {pools.FILES}")
    sh(f"ip link add {pools.BRIDGE} type bridge && ip link set {pools.BRIDGE} up")
    sh(f"ip address add {pools.GATEWAY}/16 dev {pools.BRIDGE}")
    made = Daemon(tmp_path, Path(pools.FILES), patience=PATIENCE)
    network = {"kind": "linux", "device": pools.BRIDGE}
    made.call(
        "RegisterHost",
        "here",
        {"uri": "qemu:///system", "network": network, "pool": "disks", "emulate": True},
    )
    yield made
    made.stop()
    for name in sh("virsh -q list --all --name").split():
        sh(f"virsh destroy {name}; virsh undefine {name}; true")
    sh(f"virsh pool-destroy disks; virsh pool-undefine disks; lvremove -qfy {GROUP}; true")
    sh(f"ip link del {pools.BRIDGE}; umount {pools.FILES}")


def answers(address: str) -> bool:
    ping = ["busybox", "ping", "-c1", "-W1", address]
    return subprocess.run(ping, capture_output=True, check=False).returncode == 0


def all_answer() -> None:
    for address in ADDRESSES:
        try:
            until(partial(answers, address), PATIENCE)
        except AssertionError as error:
            error.add_note(sh("ip -br link; virsh list --all; tail -n 12 /var/log/libvirt/qemu/*"))
            raise


def killed(daemon: Daemon, job: int) -> None:
    """Both are killed in the middle of it, and it is done all the same."""
    until(lambda: daemon.call("GetJobs", {"id": job})[0]["state"] != "queued", PATIENCE)
    daemon.kill()
    kill_libvirtd()
    sh("libvirtd -d")
    wait_for_libvirtd()
    daemon.start()
    over = daemon.over(job)
    assert (over["state"], over["error"]) == ("done", None)


def processes() -> dict[str, str]:
    """Domain -> its QEMU: another one after each start."""
    return {name: Path(f"/run/libvirt/qemu/{name}.pid").read_text() for name in DOMAINS}


@pytest.mark.timeout(3000)
def test_two_domains_on_a_file_and_on_a_volume(daemon: Daemon, tmp_path: Path) -> None:
    killed(daemon, daemon.call("ApplyDescription", "web", TEXT, {}))
    assert sh("virsh -q list --name").split() == DOMAINS
    [volume] = sh(f"lvs --noheadings -o lv_name {GROUP}").split()
    assert re.fullmatch(r"nm-pool-web-\w+\+disk", volume)
    assert f"/dev/{GROUP}/{volume}" in sh(f"virsh -q domblklist {DOMAINS[1]}")
    assert f"{tmp_path}/disks/nm-pool-web-" in sh(f"virsh -q domblklist {DOMAINS[0]}")
    all_answer()

    before = processes()
    changed = f'{TEXT}sfConfig:domain1:memory 112;\nsfConfig:domain2:graphics "vnc";\n'
    killed(daemon, daemon.call("ApplyDescription", "web", changed, {}))
    after = processes()
    assert after[DOMAINS[0]] == before[DOMAINS[0]] and after[DOMAINS[1]] != before[DOMAINS[1]]
    assert f"<currentMemory unit='KiB'>{112 << 10}<" in sh(f"virsh dumpxml --inactive {DOMAINS[0]}")
    all_answer()

    killed(daemon, daemon.call("TerminateDescription", "web"))
    assert sh("virsh -q list --all --name") == "" and sh(f"lvs --noheadings {GROUP}") == ""
    assert list((tmp_path / "disks").iterdir()) == [] and daemon.call("GetDescriptions", {}) == []
