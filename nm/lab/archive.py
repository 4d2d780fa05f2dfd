"""What the lab's guests are made of: a kernel, initial file systems, and the cache in which they lie.

All is made of files of Debian packages and of scripts that lie here, and kept below /var/cache/nm/lab under a
name made from its content; labs share it and none changes it. Called by what makes guests and images.
"""

import hashlib
import lzma
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from nm.lab.errors import LabError
from nm.lab.place import PATH

CACHE = Path("/var/cache/nm/lab")
HERE = Path(__file__).parent
File = tuple[str, int, bytes]  # name, mode, content


def kept(parts: Iterable[bytes], make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, under a name made from the parts; made when it is not there."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    folder = CACHE / digest.hexdigest()[:20]
    if not folder.is_dir():
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=CACHE))
        try:
            make(making)
            making.chmod(0o755)
            making.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another lab was faster
                raise
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return folder


def kernel() -> tuple[Path, Path]:
    """The newest kernel in /boot that has its modules, and their folder."""
    for kernel in sorted(
        Path("/boot").glob("vmlinuz-*"), key=lambda path: path.stat().st_mtime, reverse=True
    ):
        modules = Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-")
        if (modules / "modules.dep").is_file():
            return kernel, modules
    raise LabError("no kernel in /boot has its modules in /lib/modules", "apt-get install linux-image-amd64")


def unpacked(kernel: bytes) -> bytes:
    """The kernel as QEMU starts it at once; unpacking it in an emulated machine takes half of the boot.

    The places are those of Linux's boot protocol. One that is packed otherwise is left as it is.
    """
    offset, length = struct.unpack_from("<II", kernel, 0x248)
    begin = ((kernel[0x1F1] or 4) + 1) * 512 + offset
    payload = kernel[begin : begin + length]
    if not payload.startswith(b"\xfd7zXZ\0"):
        return kernel
    return lzma.LZMADecompressor().decompress(payload)


def base(init: Path, modules: Path, names: Sequence[str]) -> Iterator[File]:
    """An initial file system: busybox, that script as process 1, modules in order of loading."""
    for folder in ("bin", "dev", "proc", "sys", "modules"):
        yield folder, 0o040755, b""
    yield "bin/busybox", 0o100755, busybox().read_bytes()
    yield "init", 0o100755, init.read_bytes()
    for number, path in enumerate(_load_order(modules, names)):
        content = path.read_bytes()
        if path.suffix == ".xz":
            content = lzma.decompress(content)
        yield f"modules/{number:02}-{path.name.partition('.')[0]}.ko", 0o100644, content


def busybox() -> Path:
    """The one program that needs no library."""
    found = shutil.which("busybox", path=PATH)
    if found is None:
        raise LabError("the lab's guests need busybox", "apt-get install busybox-static")
    return Path(found)


def _load_order(modules: Path, names: Sequence[str]) -> list[Path]:
    """The files of the modules of these names and of what they need, each after what it needs."""
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        name, _, needed = line.partition(":")
        needs[Path(name).name.partition(".")[0]] = [*reversed(needed.split()), name]
    order = {path: None for module in names for path in needs.get(module, ())}
    return [modules / path for path in order]


def archive(files: Iterable[File]) -> bytes:
    """A cpio archive (newc) as the kernel unpacks it; the same for the same files."""
    entries = [_entry(number, *file) for number, file in enumerate(files, 1)]
    return b"".join([*entries, _entry(0, "TRAILER!!!", 0, b"")])


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    path = name.encode() + b"\0"
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + path
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)
