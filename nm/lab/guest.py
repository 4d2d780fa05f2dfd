"""The head nodes' guest: a Debian kernel with busybox, and the domain that runs it.

The image is made of files of Debian packages and two scripts that lie here, and is kept below
/var/cache/nm/lab under a name made from its content; labs share it and none changes it.
"""

import hashlib
import lzma
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nm.lab.errors import LabError
from nm.lab.layout import PREFIX, HeadNode
from nm.lab.place import PATH

CACHE = Path("/var/cache/nm/lab")
AGENTS = "/run/nm-agents"  # inside the lab: the sockets of the guests' second serial ports
MEMORY = 96  # MiB
CMDLINE = "console=ttyS0 quiet panic=1 mitigations=off cryptomgr.notests"
MODULES = ("virtio_pci", "virtio_net", "button", "evdev")
_HERE = Path(__file__).parent


def image() -> Path:
    """The folder with vmlinux and initrd, made when it is not there."""
    kernel, modules = _kernel()
    packed = kernel.read_bytes()
    initrd = _archive(_files(modules))
    folder = CACHE / hashlib.sha256(packed + initrd).hexdigest()[:20]
    if not folder.is_dir():
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=CACHE))
        (making / "vmlinux").write_bytes(_unpacked(packed))
        (making / "initrd").write_bytes(initrd)
        making.chmod(0o755)
        try:
            making.rename(folder)
        except OSError:  # another lab was faster
            shutil.rmtree(making)
    return folder


def _kernel() -> tuple[Path, Path]:
    """The newest kernel in /boot that has its modules, and their folder."""
    for kernel in sorted(
        Path("/boot").glob("vmlinuz-*"), key=lambda path: path.stat().st_mtime, reverse=True
    ):
        modules = Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-")
        if (modules / "modules.dep").is_file():
            return kernel, modules
    raise LabError("no kernel in /boot has its modules in /lib/modules", "apt-get install linux-image-amd64")


def _unpacked(kernel: bytes) -> bytes:
    """The kernel as QEMU starts it at once; unpacking it in an emulated machine takes half of the boot.

    The places are those of Linux's boot protocol. One that is packed otherwise is left as it is.
    """
    offset, length = struct.unpack_from("<II", kernel, 0x248)
    begin = ((kernel[0x1F1] or 4) + 1) * 512 + offset
    payload = kernel[begin : begin + length]
    if not payload.startswith(b"\xfd7zXZ\0"):
        return kernel
    return lzma.LZMADecompressor().decompress(payload)


def _files(modules: Path) -> Iterator[tuple[str, int, bytes]]:
    """Name, mode and content of all in the initial file system; modules named in the order of loading."""
    busybox = shutil.which("busybox", path=PATH)
    if busybox is None:
        raise LabError("head nodes need busybox", "apt-get install busybox-static")
    for folder in ("bin", "dev", "proc", "sys", "modules"):
        yield folder, 0o040755, b""
    yield "bin/busybox", 0o100755, Path(busybox).read_bytes()
    yield "init", 0o100755, (_HERE / "guest-init.sh").read_bytes()
    yield "reach.sh", 0o100644, (_HERE / "reach.sh").read_bytes()
    for number, path in enumerate(_load_order(modules)):
        content = path.read_bytes()
        if path.suffix == ".xz":
            content = lzma.decompress(content)
        yield f"modules/{number:02}-{path.name.partition('.')[0]}.ko", 0o100644, content


def _load_order(modules: Path) -> list[Path]:
    """The files of MODULES and of what they need, each after what it needs."""
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        name, _, needed = line.partition(":")
        needs[Path(name).name.partition(".")[0]] = [*reversed(needed.split()), name]
    order = {path: None for module in MODULES for path in needs.get(module, ())}
    return [modules / path for path in order]


def _archive(files: Iterator[tuple[str, int, bytes]]) -> bytes:
    """A cpio archive (newc) as the kernel unpacks it; the same for the same files."""
    entries = [_entry(number, *file) for number, file in enumerate(files, 1)]
    return b"".join([*entries, _entry(0, "TRAILER!!!", 0, b"")])


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    path = name.encode() + b"\0"
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + path
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def agent(name: str) -> str:
    """The socket of that head node's agent, inside the lab."""
    return f"{AGENTS}/{name}"


def domain(head: HeadNode, folder: Path) -> str:
    """The domain's description; its NIC is connected to nothing until nm connects it."""
    return f"""<domain type="qemu">
  <name>{head.name}</name>
  <memory unit="MiB">{MEMORY}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
    <kernel>{folder}/vmlinux</kernel>
    <initrd>{folder}/initrd</initrd>
    <cmdline>{CMDLINE} lab.address={head.address}/{PREFIX}</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <interface type="ethernet">
      <mac address="{head.mac}"/>
      <model type="virtio"/>
      <link state="down"/>
    </interface>
    <serial type="file"><source path="/var/log/libvirt/qemu/{head.name}.console"/><target port="0"/></serial>
    <serial type="unix"><source mode="bind" path="{agent(head.name)}"/><target port="1"/></serial>
    <memballoon model="none"/>
  </devices>
</domain>
"""
