"""These change the machine's own network, so they run in a VM only: make test-kernel."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.waiting import until

if "NM_KERNEL" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


def sh(command: str) -> str:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (command, done.stdout + done.stderr)
    return done.stdout.strip()


@pytest.fixture(scope="session")
def libvirtd() -> None:
    """The device mapper, udev and libvirtd; they end with the VM."""
    for module in ("dm_mod", "dm_thin_pool", "loop", "dummy", "tun"):
        sh(f"modprobe {module}")
    sh("/lib/systemd/systemd-udevd --daemon; mkdir -p /run/lock/lvm /run/libvirt /var/lib/libvirt/qemu")
    sh("mountpoint -q /dev/pts || mount -t devpts devpts /dev/pts")
    sh("virtlogd -d && libvirtd -d")
    wait_for_libvirtd()


def wait_for_libvirtd() -> None:
    """Until it answers."""
    asks = ["virsh", "-q", "version"]
    until(lambda: subprocess.run(asks, capture_output=True, check=False).returncode == 0, 100)


@contextmanager
def volume_group(name: str, disk: str) -> Iterator[None]:
    """A volume group of that name on a loop device, and libvirt's pool of it. The disk is in memory."""
    device = sh(f"truncate -s 256M {disk} && losetup --find --show {disk}")
    sh(f"pvcreate -q {device} && vgcreate -q {name} {device}")
    sh(f"virsh -q pool-define-as {name} logical --source-name {name} --target /dev/{name}")
    try:
        yield
    finally:
        sh(f"virsh pool-destroy {name}; virsh pool-undefine {name}; vgremove -qfy {name}; true")
        sh(f"pvremove -qfy {device}; losetup -d {device}; rm {disk}")
