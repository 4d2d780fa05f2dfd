"""The images of a lab that boots, made from Debian's files: one for head nodes, one that nodes boot.

The head nodes' is a small disk with busybox, Python, dnsmasq, ssh and what `make -C headnode install` puts
there, and a kernel that is started directly. The nodes' is the same kernel as Debian packs it, and an initial
file system that calls home. Both lie in the lab's cache, from where nmd takes them. Called by register.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nm.lab.archive import HERE, archive, base, busybox, kept, kernel, unpacked
from nm.lab.errors import LabError
from nm.lab.place import PATH, SOURCE
from nm.lab.running import run

HEAD, NODE = "head", "node"  # their names in the pool
MEMORY = 192  # MiB of a head node
DISK = 160  # MiB
CMDLINE = "console=ttyS0 quiet panic=1 mitigations=off cryptomgr.notests"
HEADNODE = SOURCE / "headnode"  # what nm has for head nodes
MODULES = (
    "virtio_pci", "virtio_net", "virtio_blk", "crc32c_generic", "ext4", "isofs",
    "9p", "9pnet_virtio", "virtiofs", "button", "evdev",
)  # fmt: skip
NODE_MODULES = ("virtio_pci", "virtio_net", "button", "evdev")
PYTHON = "/usr/bin/python3"  # Debian's: its files are where its packages put them
PROGRAMS = ("dnsmasq", "ssh", "ip")
# Of Python's own library what no program of a head node uses.
_UNUSED = {
    "test", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "distutils", "pydoc_data", "unittest",
    "curses", "sqlite3", "dbm", "ctypes", "venv", "wsgiref", "asyncio", "dist-packages", "site-packages",
}  # fmt: skip
_FOLDERS = (
    "dev", "proc", "sys", "run", "tmp", "root", "srv", "etc", "var/lib/misc", "var/log", "var/tmp",
    "usr/bin", "usr/sbin", "usr/lib", "usr/lib64",
)  # fmt: skip
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"


def settings() -> dict[str, dict[str, Any]]:
    """What nmd is told of the images, by their names; they are made when they are not there."""
    node, head = _node(), _head()
    return {
        NODE: {
            "kind": "netboot", "kernel": f"{node}/vmlinuz", "initrd": f"{node}/initrd", "cmdline": CMDLINE,
        },
        HEAD: {
            "kind": "disk", "disk": f"{head}/disk", "format": "raw", "memory": MEMORY,
            "kernel": f"{head}/vmlinux", "initrd": f"{head}/initrd", "cmdline": CMDLINE,
        },
    }  # fmt: skip


def _node() -> Path:
    packed, modules = kernel()
    lease = ("lease.sh", 0o100755, (HERE / "lease.sh").read_bytes())
    initrd = archive([*base(HERE / "node-init.sh", modules, NODE_MODULES), lease])

    def make(folder: Path) -> None:
        shutil.copy(packed, folder / "vmlinuz")
        (folder / "vmlinuz").chmod(0o644)
        (folder / "initrd").write_bytes(initrd)

    return kept([packed.read_bytes(), initrd], make)


def _head() -> Path:
    if not (HEADNODE / "Makefile").is_file():
        raise LabError("what head nodes run is not beside this nm", "use nmctl in a copy of nm's sources")
    packed, modules = kernel()
    initrd = archive(base(HERE / "head-init.sh", modules, MODULES))
    files = sorted({*_debian(), *_own()})
    parts = [packed.read_bytes(), initrd, Path(__file__).read_bytes()]  # the recipe counts as well
    parts += [part for name, source in files for part in (name.encode(), source.read_bytes())]
    parts += [part for path in _ours() for part in (str(path).encode(), path.read_bytes())]

    def make(folder: Path) -> None:
        (folder / "vmlinux").write_bytes(unpacked(packed.read_bytes()))
        (folder / "initrd").write_bytes(initrd)
        tree = folder / "tree"
        _plant(tree, files)
        size = ("-E", "root_owner=0:0", f"{folder}/disk", f"{DISK}M")
        run("mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", str(tree), *size)
        shutil.rmtree(tree)

    return kept(parts, make)


def _ours() -> list[Path]:
    """What nm has for head nodes, but for what was made from it."""
    return sorted(
        path
        for path in HEADNODE.rglob("*")
        if path.is_file() and not {"build", "__pycache__"} & {*path.relative_to(HEADNODE).parts}
    )


def _own() -> Iterator[tuple[str, Path]]:
    """The lab's own files on a head node."""
    yield "usr/sbin/init", HERE / "head-start.sh"
    yield "usr/lib/lease.sh", HERE / "lease.sh"
    yield "srv/home/cgi-bin/home", HERE / "head-home.sh"
    yield "etc/rc.local", HEADNODE / "rc.local"


def _debian() -> Iterator[tuple[str, Path]]:
    """Files of Debian packages: where they are to be, and where they are."""
    yield "usr/bin/busybox", busybox()
    programs = [Path(PYTHON).resolve()]
    yield "usr/bin/python3", programs[0]
    for name in PROGRAMS:
        if (found := shutil.which(name, path=PATH)) is None:
            raise LabError(
                f"the lab's head nodes need {name}", "apt-get install dnsmasq-base openssh-client iproute2"
            )
        programs.append(Path(found).resolve())
        yield f"usr/bin/{name}", programs[-1]
    where = [PYTHON, "-Sc", "import os; print(os.path.dirname(os.__file__))"]
    library = Path(subprocess.check_output(where, text=True).strip())
    extensions = []
    for folder, below, names in os.walk(library):
        below[:] = [name for name in below if name not in _UNUSED and not name.startswith("config-")]
        for name in names:
            path = Path(folder, name)
            if path.suffix == ".so":
                extensions.append(path)
            if path.suffix in (".py", ".so"):
                yield str(path).lstrip("/"), path.resolve()
    for needed in _libraries([*programs, *extensions]):
        yield f"usr/lib{'64' if needed.name.startswith('ld-') else ''}/{needed.name}", needed.resolve()


def _libraries(programs: list[Path]) -> set[Path]:
    """The shared libraries of these, by the names under which they are asked for."""
    said = subprocess.run(["ldd", *map(str, programs)], check=False, capture_output=True, text=True).stdout
    words = {word for line in said.splitlines() if not line.endswith(":") for word in line.split()}
    return {Path(word) for word in words if word.startswith("/")}


def _plant(tree: Path, files: list[tuple[str, Path]]) -> None:
    """The head nodes' file system as a folder."""
    for name in _FOLDERS:
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    for name, source in files:
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        runs = source.suffix == ".sh" or source.stat().st_mode & 0o111
        target.chmod(0o755 if runs else 0o644)
    applets = subprocess.check_output([str(busybox()), "--list"], text=True).split()
    for applet in applets:
        link = tree / "usr/bin" / applet
        if applet not in ("init", "busybox") and not link.exists():
            link.symlink_to("busybox")
    (tree / "etc/passwd").write_text(_ACCOUNTS)
    (tree / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n")
    run("make", "--silent", "-C", str(HEADNODE), "install", f"DESTDIR={tree}")
    # Python compiles at each start what nobody has compiled: seconds, in an emulated machine.
    where = ("-s", str(tree), "-p", "/", "--invalidation-mode", "unchecked-hash")
    run(PYTHON, "-m", "compileall", "-q", *where, str(tree))
