"""An image for head nodes, made on the spot: a small disk, a Debian kernel, busybox."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from nm.lab import guest

MODULES = (*guest.MODULES, "virtio_blk", "isofs", "nls_utf8")
INIT = Path(__file__).parent / "guest-init.sh"
CMDLINE = "console=ttyS0 quiet panic=1 mitigations=off cryptomgr.notests"


def make(folder: Path) -> dict[str, Any]:
    """The settings of an image whose files lie in the folder, which QEMU's user can reach."""
    folder.mkdir(mode=0o755, exist_ok=True)
    kernel, modules = guest._kernel()
    (folder / "vmlinux").write_bytes(guest._unpacked(kernel.read_bytes()))
    (folder / "initrd").write_bytes(guest._archive(_files(modules)))
    disk = folder / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"], check=True)
    for file in folder.iterdir():
        file.chmod(0o644)
    boot = {"kernel": str(folder / "vmlinux"), "initrd": str(folder / "initrd"), "cmdline": CMDLINE}
    return {"kind": "disk", "disk": str(disk), "memory": 96, **boot}


def _files(modules: Path) -> Iterator[tuple[str, int, bytes]]:
    busybox = shutil.which("busybox")
    assert busybox is not None
    for name in ("bin", "dev", "proc", "sys", "modules"):
        yield name, 0o040755, b""
    yield "bin/busybox", 0o100755, Path(busybox).read_bytes()
    yield "init", 0o100755, INIT.read_bytes()
    with mock.patch.object(guest, "MODULES", MODULES):
        for number, path in enumerate(guest._load_order(modules)):
            yield f"modules/{number:02}-{path.name}", 0o100644, path.read_bytes()
