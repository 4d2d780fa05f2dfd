"""An image for head nodes, made on the spot: a small disk, and a Debian kernel with busybox."""

import subprocess
from pathlib import Path
from typing import Any

from nm.lab import archive, guest

MODULES = (*guest.MODULES, "virtio_blk", "isofs", "nls_utf8")
INIT = Path(__file__).parent / "guest-init.sh"
CMDLINE = "console=ttyS0 quiet panic=1 mitigations=off cryptomgr.notests"


def make(folder: Path) -> dict[str, Any]:
    """The settings of an image whose files lie in the folder, which QEMU's user can reach."""
    folder.mkdir(mode=0o755, exist_ok=True)
    kernel, modules = archive.kernel()
    (folder / "vmlinux").write_bytes(archive.unpacked(kernel.read_bytes()))
    (folder / "initrd").write_bytes(archive.archive(archive.base(INIT, modules, MODULES)))
    disk = folder / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"], check=True)
    for file in folder.iterdir():
        file.chmod(0o644)
    boot = {"kernel": str(folder / "vmlinux"), "initrd": str(folder / "initrd"), "cmdline": CMDLINE}
    return {"kind": "disk", "disk": str(disk), "memory": 96, **boot}
