"""A host, an image of nothing, and a pool's worker; only inside rackns.sh, which sets RACK."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm import pool
from tests.hosts.rack.conftest import bridge, libvirtd, start_libvirtd  # noqa: F401 - a fixture
from tests.pools.lifetime import Lifetime, site

if "RACK" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
if "NM_TEST_POOLS" not in os.environ:
    collect_ignore = ["test_daemon.py"]

URI = "qemu:///system"
LONG = bool(os.environ.get("NM_TEST_POOLS"))  # whether also what takes its time is tried: make test-pools
long = pytest.mark.skipif(not LONG, reason="make test-pools runs it")


def virsh(*words: str) -> str:
    done = subprocess.run(["virsh", "-q", *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def domains(*flags: str) -> list[str]:
    return sorted(virsh("list", "--name", *flags).split())


@pytest.fixture(scope="session")
def folder() -> Path:
    """A folder that QEMU's user may read; it goes with the rack."""
    return Path(os.environ["RACK"])


@pytest.fixture(scope="session")
def images(folder: Path) -> Path:
    """Images without anything on them, and a place for disks."""
    made = folder / "images"
    made.mkdir(mode=0o755)
    for kind in ("qcow2", "raw"):
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, made / f"empty.{kind}", "8M"], check=True)
        (made / f"empty.{kind}").chmod(0o644)
    return made


class Rack(Lifetime):
    """One host, h0, whose disks lie in `disks`."""

    def __init__(self, folder: Path, images: Path, disks: Path) -> None:
        super().__init__(folder, site(str(images)), (str(images),))
        self.disks, self.images = disks, images
        network = {"kind": "ovs", "device": "rack0"}
        host = {"uri": URI, "network": network, "pool": "pools", "emulate": True}
        self.operate(pool.register_host, "h0", host, method="RegisterHost")
        image = {"kind": "disk", "disk": f"{images}/empty.qcow2", "format": "qcow2"}
        self.operate(pool.register_image, "empty", image, method="RegisterImage")

    def files(self) -> list[str]:
        return sorted(path.name for path in self.disks.iterdir())

    def no_kernel(self) -> Path:
        """A file with which QEMU starts nothing."""
        made = self.images / "no-kernel"
        made.write_bytes(b"this is none")
        made.chmod(0o644)
        return made

    def lose_answers(self) -> set[str]:
        """Go on until nothing waits, but be killed before the answer to each order is heard. Those orders."""
        self.done.clear()
        lost: set[str] = set()
        while self.queue:
            ordered = self.queue[0][0].startswith("domains:")
            self.turn()
            if ordered and self.done and self.done[-1] not in lost:
                lost.add(self.done[-1])
                self.crash()
        return lost


@pytest.fixture
def rack(tmp_path: Path, folder: Path, images: Path) -> Iterator[Rack]:
    disks = folder / "disks"
    disks.mkdir(mode=0o711)
    virsh("pool-define-as", "pools", "dir", "--target", str(disks))
    made = Rack(tmp_path, images, disks)
    yield made
    made.close()
    if not Path(f"/proc/{libvirtd()}").exists():
        start_libvirtd()
    for name in domains("--all"):
        subprocess.run(["virsh", "-q", "destroy", name], capture_output=True, check=False)
        subprocess.run(["virsh", "-q", "undefine", name], capture_output=True, check=False)
    subprocess.run(["virsh", "-q", "pool-destroy", "pools"], capture_output=True, check=False)
    subprocess.run(["virsh", "-q", "pool-undefine", "pools"], capture_output=True, check=False)
    subprocess.run(["rm", "-rf", disks], check=True)
