"""Runs a folder of tests beside a libvirtd and an Open vSwitch of their own (rackns.sh)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WALLS = Path(__file__).with_name("rackns.sh")
NEEDED = ("ovsdb-server", "ovs-vswitchd", "libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "unshare")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make namespaces")
needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)),
    reason="needs openvswitch-switch, libvirt-daemon-system, qemu-system-x86, qemu-utils",
)


def passes(folder: Path, seconds: float) -> None:
    """All tests in the folder pass in that time."""
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [str(WALLS), *tests],
        cwd=WALLS.parents[2],
        env=inherited,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
