"""Runs tests/described/rack beside a libvirtd and an Open vSwitch of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WALLS = HERE.parent / "hosts" / "rackns.sh"
SECONDS = 1200.0 if os.environ.get("NM_TEST_POOLS") else 300.0
NEEDED = ("ovsdb-server", "ovs-vswitchd", "libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "unshare")


@pytest.mark.real
@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make namespaces")
@pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)),
    reason="needs openvswitch-switch, libvirt-daemon-system, qemu-system-x86, qemu-utils",
)
def test_domains_on_vlans_of_groups() -> None:
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "rack")]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [str(WALLS), *tests],
        cwd=HERE.parents[1],
        env=inherited,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
