"""A house with a libvirtd of its own for virtual machines and containers, in namespaces of this machine.

`in_a_house` runs a command in a new one (house.sh): /run, /var/lib, /etc/libvirt, processes, the network and
the cgroups are the house's own, so a domain's cgroups are too. $RACK is its scratch folder. With
`walls=ACCOUNTS` /etc is its own as well, as tests/ssh has it. `make_root` makes a tree for containers.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import until

PROJECT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ACCOUNTS = PROJECT / "tests" / "ssh" / "walls.sh"
TOOLS = (
    "unshare",
    "setpriv",
    "libvirtd",
    "virtlogd",
    "virsh",
    "qemu-system-x86_64",
    "qemu-img",
    "busybox",
    "ip",
)
DRIVERS = Path("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver")
PROGRAMS = (
    "dash", "mount", "umount", "pivot_root", "chroot", "cat", "mkdir", "chmod", "rm", "cp", "sleep",
    "hostname", "ls", "grep", "true",
)  # fmt: skip
LONG = bool(os.environ.get("NM_TEST_GUESTS"))  # whether also what takes its time is tried: make test-guests
LXC, QEMU = "lxc:///system", "qemu:///system"


# ---- outside


def missing() -> list[str]:
    """What this machine lacks for a house."""
    tools = [tool for tool in TOOLS if shutil.which(tool) is None]
    lxc = [] if (DRIVERS / "libvirt_driver_lxc.so").exists() else ["libvirt-daemon-driver-lxc"]
    return tools + lxc + ([] if os.geteuid() == 0 else ["root"])


def in_a_house(
    *command: str, seconds: float = 100.0, walls: Path = HERE / "walls.sh"
) -> subprocess.CompletedProcess[str]:
    """Run a command in a new house; when the time is up, or the caller ends, all in there is killed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [str(HERE / "house.sh"), *command],
        cwd=PROJECT,
        env={**kept, "WALLS": str(walls)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def pytest_in_a_house(
    *arguments: str | Path, seconds: float = 100.0, walls: Path = HERE / "walls.sh"
) -> subprocess.CompletedProcess[str]:
    """Run tests in a house."""
    tests = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, arguments))
    return in_a_house(*tests, seconds=seconds, walls=walls)


# ---- inside


def sh(*command: str | Path) -> str:
    """What a program says; it must end well."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def make_root(folder: Path) -> Path:
    """A tree for containers, of busybox alone."""
    for part in ("bin", "sbin", "proc", "sys", "dev", "mnt", "root", "etc", "tmp", "var", ".oldroot"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    shutil.copy("/usr/bin/busybox", folder / "bin" / "busybox")
    for applet in sh("busybox", "--list").split():
        if applet not in ("busybox", "init"):
            (folder / "bin" / applet).symlink_to("busybox")
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    return folder


def make_debian_root(folder: Path) -> Path:
    """A tree of this machine's own programs, as few as a container needs to start."""
    for part in ("proc", "sys", "dev", "mnt", "root", "etc", "tmp", "var", "usr/bin", ".oldroot"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    programs = [Path(found) for name in PROGRAMS if (found := shutil.which(name))]
    for program in programs:
        shutil.copy(program, folder / "usr" / "bin")
    for word in sh("ldd", *programs).split():
        if word.startswith("/") and not word.endswith(":"):
            library = folder / "usr" / word.removeprefix("/usr").lstrip("/")
            library.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, library)
    for part in ("bin", "sbin", "lib", "lib64"):
        (folder / "usr" / part).mkdir(exist_ok=True)
        (folder / part).symlink_to(f"usr/{part}")
    (folder / "usr" / "bin" / "sh").symlink_to("dash")
    return folder


def inside(domain: str, script: str) -> str:
    """What a shell says in a container."""
    enter = ("virsh", "-q", "-c", LXC, "lxc-enter-namespace", domain, "--noseclabel")
    done = subprocess.run(
        [*enter, "/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    return (done.stdout + done.stderr).strip()


def libvirtd() -> int:
    """Its process id."""
    return int(Path("/run/libvirtd.pid").read_text())


def kill_libvirtd() -> None:
    """As a crash does it; domains live on."""
    process = libvirtd()
    os.kill(process, signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{process}"))


def start_libvirtd() -> None:
    """Start it where none runs, and wait until it answers."""
    sh("libvirtd", "-d")
    until(
        lambda: (
            subprocess.run(["virsh", "-c", LXC, "version"], capture_output=True, check=False).returncode == 0
        )
    )
