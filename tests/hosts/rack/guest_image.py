"""An image for head nodes, made on the spot: a small disk, and a Debian kernel with busybox."""

import subprocess
from pathlib import Path
from typing import Any

from nm.lab import archive, guest

INIT = Path(__file__).parent / "guest-init.sh"


def make(folder: Path) -> dict[str, Any]:
    """The settings of an image whose files lie in the folder, which QEMU's user can reach."""
    folder.mkdir(mode=0o755, exist_ok=True)
    kernel, modules = archive.kernel()
    (folder / "vmlinux").write_bytes(archive.unpacked(kernel.read_bytes()))
    (folder / "initrd").write_bytes(archive.archive(archive.base(INIT, modules, guest.MODULES)))
    disk = folder / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"], check=True)
    for file in folder.iterdir():
        file.chmod(0o644)
    boot = {"kernel": str(folder / "vmlinux"), "initrd": str(folder / "initrd"), "cmdline": guest.CMDLINE}
    return {"kind": "disk", "disk": str(disk), "memory": 96, **boot}
