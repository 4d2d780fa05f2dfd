"""The control groups of a lab that runs slivers: one of its own in each hierarchy; it sees nothing beyond.

Outside, `make` makes them before the lab begins, `within` is how its first process gets into them, and
`remove` takes them away when nobody is left in there. Inside, `mount` puts them in the machine's place.
Only hierarchies of version 1 are used: beside them the lab's libvirt would look into version 2, too.
"""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from nm.lab.errors import LabError
from nm.lab.running import run

PATIENCE = 10.0  # seconds for the last processes to end
ROOT = "/sys/fs/cgroup"
NEEDED = {"cpu", "cpuacct", "cpuset", "devices", "freezer", "memory"}  # what containers of libvirt's want
_COMMON = {"rw", "ro", "relatime", "noatime", "nosuid", "nodev", "noexec", "xattr"}
_JOIN = 'for place in $PLACES; do echo $$ >"$place/cgroup.procs"; done; unset PLACES; exec "$@"'


def _hierarchies() -> Iterator[tuple[str, list[str]]]:
    """Where each is mounted, and what it controls (or its name, as name=systemd)."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup":
            words = options.split(",")
            yield place, [word for word in words if word not in _COMMON and "agent=" not in word]


def obstacle() -> LabError | None:
    """Why containers cannot be held to limits here; None when they can."""
    there = {word for _, words in _hierarchies() for word in words}
    if there >= NEEDED:
        return None
    return LabError(
        "a lab with slivers needs control groups of version 1, with " + ", ".join(sorted(NEEDED - there)),
        "start the kernel with systemd.unified_cgroup_hierarchy=0, or run it in a container that has them",
    )


def a_name(lab: str) -> str:
    """A name for a lab's: the same hierarchies are seen from everywhere, so nobody else may have it."""
    return f"nm-lab-{lab}-{secrets.token_hex(4)}"


def _folders(name: str) -> list[Path]:
    return [Path(place, name) for place, _ in _hierarchies()]


def make(name: str) -> None:
    """Those of that name, with all processors and memory that the machine has."""
    for folder in _folders(name):
        folder.mkdir()
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (folder / file).exists():
                (folder / file).write_text((folder.parent / file).read_text())


def within(name: str, command: list[str]) -> list[str]:
    """The command line that runs `command` in there."""
    places = " ".join(str(folder / "") for folder in _folders(name))
    return ["env", f"PLACES={places}", "sh", "-ec", _JOIN, "lab", *command]


def remove(name: str) -> None:
    """Take them away; does nothing where there are none. Who is in there is ending, and waited for."""
    deadline = time.monotonic() + PATIENCE
    for folder in _folders(name):
        while folder.exists():
            below = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
            try:
                for path in [*below, folder]:  # the deepest first
                    path.rmdir()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabError(f"{folder} cannot be removed: {error}", "see its cgroup.procs") from None
                time.sleep(0.01)


def mount() -> None:
    """In the lab, whose namespace of control groups begins at its own: have these, not the machine's."""
    hierarchies = list(_hierarchies())
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", ROOT)
    for place, words in hierarchies:
        Path(place).mkdir()
        only = ["none", *words] if words[0].startswith("name=") else words
        run("mount", "-t", "cgroup", "-o", ",".join(only), "cgroup", place)
