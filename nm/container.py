"""The inside of a container of libvirt's, entered by its first process, as one of its own processes.

Of nm-enter alone (nm/enter.py): standard library only, and the kernel by ctypes, for Python 3.11 has no
setns. Who enters has the container's limits (cgroups), its security label, its namespaces and no right that
its first process could not have; only then is there a process that the container can see. What stays behind
of nm-enter is in its cgroups and sees its files, but is no process of it.

From `enter` on nothing is to be believed that a path leads to, so all of the host's that is needed is read
before; and nothing is imported any more.
"""

import ctypes
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUNNING = Path("/run/libvirt/lxc")  # where libvirt_lxc keeps its pid, DOMAIN.pid
PROC = Path("/proc")
NAMESPACES = {
    "user": 0x10000000, "mnt": 0x00020000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x08000000,
    "uts": 0x04000000, "cgroup": 0x02000000, "time": 0x00000080,
}  # fmt: skip
CAPBSET_READ, CAPBSET_DROP, SET_DUMPABLE, SET_NO_NEW_PRIVS = 23, 24, 4, 38  # of prctl
CAP_AMBIENT, AMBIENT_CLEAR_ALL = 47, 4
CAPSET_VERSION = 0x20080522
TIOCSPTLCK, TIOCGPTPEER = 0x40045431, 0x5441
PTMX = os.makedev(5, 2)
MOST = 1 << 16  # bytes of a file of the container's that are read

_libc = ctypes.CDLL(None, use_errno=True)


class NotThere(Exception):
    """The container cannot be entered; the text says why."""


@dataclass(frozen=True)
class First:
    """The first process of a container: a folder of /proc, that cannot become another process's."""

    pid: int
    folder: int

    def read(self, name: str) -> str:
        """What a file of the folder says."""
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.folder)
        with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def status(self, field: str) -> list[str]:
        """The words of a line of `status`."""
        lines = (line.partition(":") for line in self.read("status").splitlines())
        return next((words.split() for name, _, words in lines if name == field), [])

    @property
    def parent(self) -> int:
        """Its parent's pid."""
        return int(self.status("PPid")[0])


def first_process(domain: str) -> First:
    """That of the container of that name."""
    try:
        keeper = int((RUNNING / f"{domain}.pid").read_text())
        children = (PROC / f"{keeper}/task/{keeper}/children").read_text().split()
        folders = (os.open(PROC / child, os.O_DIRECTORY | os.O_CLOEXEC) for child in children)
        found = [First(int(child), folder) for child, folder in zip(children, folders, strict=False)]
        firsts = [one for one in found if one.status("NSpid")[1:] == ["1"] and one.parent == keeper]
    except (OSError, ValueError):
        firsts = []
    if len(firsts) != 1:
        raise NotThere("its container is not there")
    return firsts[0]


def enter(first: First) -> None:
    """Be where that process is: from now on all children of ours are the container's, and have its rights."""
    pidfd = os.pidfd_open(first.pid)
    root = os.open("root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=first.folder)
    rights = int(first.status("CapBnd")[0], 16)
    no_more = first.status("NoNewPrivs") == ["1"]
    kinds = [kind for kind in NAMESPACES if _differs(first, kind)]
    if not {"mnt", "pid"} <= set(kinds):
        raise NotThere("its container has no files or processes of its own")
    _join_cgroups(first)
    _take_label(first)
    os.setgroups([])
    sys.meta_path.clear()
    _call("setns", pidfd, sum(NAMESPACES[kind] for kind in kinds))
    os.fchdir(root)
    os.chroot(".")
    for descriptor in (pidfd, root, first.folder):
        os.close(descriptor)
    _be_root(rights, no_more)


def _differs(first: First, kind: str) -> bool:
    try:
        return os.readlink(f"ns/{kind}", dir_fd=first.folder) != os.readlink(PROC / f"self/ns/{kind}")
    except FileNotFoundError:  # a kind that this kernel does not know
        return False


def _be_root(rights: int, no_more: bool) -> None:
    """Root as the container knows it. A right that is gone from the bounding set never comes back."""
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    for right in range(64):
        if not rights >> right & 1 and _libc.prctl(CAPBSET_READ, right, 0, 0, 0) == 1:
            _call("prctl", CAPBSET_DROP, right, 0, 0, 0)
    _call("prctl", CAP_AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0)
    _keep_rights(rights)
    if no_more:
        _call("prctl", SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", SET_DUMPABLE, 0, 0, 0, 0)  # nobody in there looks at us, or through us


def _keep_rights(rights: int) -> None:
    """Let go of all others; none is inherited."""
    header = (ctypes.c_uint32 * 2)(CAPSET_VERSION, 0)
    now = (ctypes.c_uint32 * 6)()
    _call("capget", header, now)
    kept = [now[at] & (rights >> 32 * (at // 3)) & 0xFFFFFFFF for at in (0, 1, 3, 4)]
    _call("capset", header, (ctypes.c_uint32 * 6)(kept[0], kept[1], 0, kept[2], kept[3], 0))


# ---- limits, and the label


def _join_cgroups(first: First) -> None:
    """Its limits are ours, in every hierarchy."""
    mounts = dict(_cgroup_mounts())
    ours = dict(_cgroups((PROC / "self/cgroup").read_text()))
    for hierarchy, path in _cgroups(first.read("cgroup")):
        if ours.get(hierarchy) == path:
            continue
        place = next((mounts[name] for name in hierarchy.split(",") if name in mounts), None)
        if place is None:
            raise NotThere(f"its limits ({hierarchy or 'cgroup2'}) are not in reach")
        try:
            Path(f"{place}{path}/cgroup.procs").write_text(str(os.getpid()))
        except OSError as error:
            raise NotThere(f"its limits ({hierarchy or 'cgroup2'}): {error.strerror}") from None


def _cgroups(text: str) -> Iterator[tuple[str, str]]:
    """Hierarchy and path, of lines as `4:memory:/guest`; "" is the unified hierarchy."""
    for line in text.splitlines():
        _, hierarchy, path = line.split(":", 2)
        yield hierarchy, path


def _cgroup_mounts() -> Iterator[tuple[str, str]]:
    """Where a hierarchy, or one of its controllers, is mounted as a whole."""
    for line in (PROC / "self/mountinfo").read_text(errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        fields, (kind, _, options) = left.split(), right.split(" ", 2)
        if fields[3] != "/":
            continue
        if kind == "cgroup2":
            yield "", fields[4]
        if kind == "cgroup":
            yield from ((name, fields[4]) for name in options.split(",") if name not in ("rw", "ro", "xattr"))


def _take_label(first: First) -> None:
    """What AppArmor or SELinux calls the container, from the next exec on; nothing where neither is there."""
    try:
        label = first.read("attr/current").strip("\0\n ").partition(" (")[0]
    except OSError:
        return
    if label in ("", "unconfined", "kernel"):
        return
    word = f"exec {label}" if Path("/sys/kernel/security/apparmor").is_dir() else label
    try:
        (PROC / "self/attr/exec").write_text(word)
    except OSError as error:
        raise NotThere(f"its security label: {error.strerror}") from None


# ---- what is asked of the inside


def open_terminal() -> tuple[int, int]:
    """A new terminal of the container's: both of its ends. Nothing of its own naming is believed."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        master = os.open("/dev/pts/ptmx", flags)
        found = os.fstat(master)
        if not stat.S_ISCHR(found.st_mode) or found.st_rdev != PTMX:
            raise NotThere("its /dev/pts/ptmx is none")
        fcntl.ioctl(master, TIOCSPTLCK, bytes(4))
        return master, fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise NotThere(f"it has no terminals ({error.strerror}); try `ssh -T`") from None


def home_and_shell() -> tuple[str, str]:
    """Root's, as the container's passwd has them."""
    try:
        descriptor = os.open("/etc/passwd", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            lines = file.read(MOST).decode(errors="replace").splitlines()
    except OSError:
        lines = []
    fields = next((line.split(":") for line in lines if line.startswith("root:")), [])
    home, shell = fields[5:7] if len(fields) == 7 else ("/root", "")
    return home or "/root", shell if shell.startswith("/") and os.access(shell, os.X_OK) else "/bin/sh"


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
