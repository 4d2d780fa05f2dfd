"""The kernel's control groups, as far as libvirt does not tell or change them. Ground.

Version 1 has a folder a controller below /sys/fs/cgroup, version 2 one tree for all of them. Both are read;
the one thing written is the processors of a container, for which libvirt's LXC driver has no call.
"""

import os
from pathlib import Path

from nm.errors import DeviceFailed

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = "cgroup.controllers"  # version 2 names its controllers in it
_CPUS = "cpuset.cpus"


def version() -> int:
    """1 or 2: which one domains are in."""
    return 2 if (ROOT / CONTROLLERS).exists() else 1


def controllers() -> frozenset[str]:
    """Those that there are, as {"cpu", "cpuset", "memory"}."""
    try:
        if version() == 2:
            return frozenset((ROOT / CONTROLLERS).read_text().split())
        parts = [part for folder in ROOT.iterdir() for part in folder.name.split(",") if folder.is_dir()]
        return frozenset(parts)
    except OSError:
        return frozenset()


def writable() -> bool:
    """Whether containers' processors can be changed; a service is often kept from it."""
    return "cpuset" in controllers() and os.access(ROOT / "cpuset" if version() == 1 else ROOT, os.W_OK)


def processors(process: int) -> frozenset[int] | None:
    """Which ones the domain with that process may use; None when nothing tells."""
    try:
        return parsed((_place(process) / _CPUS).read_text())
    except (OSError, ValueError):
        return None


def let_use(process: int, wanted: frozenset[int]) -> None:
    """Let the domain with that process use just these processors. DeviceFailed when it cannot be."""
    try:
        place = _place(process)
        below = [path.parent for path in place.rglob(_CPUS) if path.parent != place]
        for folder in (*below, place, *reversed(below)):  # a part may have no more than the whole has
            try:
                (folder / _CPUS).write_text(written(wanted))
            except OSError:
                if folder == place:
                    raise
    except OSError as error:
        raise DeviceFailed(
            f"the cgroup of process {process}: {error.strerror}", "let nmd write there"
        ) from None


def parsed(cpus: str) -> frozenset[int]:
    """The numbers of a list as "0-2,5"."""
    found: set[int] = set()
    for part in filter(None, cpus.strip().split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def written(cpus: frozenset[int]) -> str:
    """The list as "0,2"."""
    return ",".join(map(str, sorted(cpus)))


def _place(process: int) -> Path:
    """The domain's folder of the controller cpuset."""
    for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if (version() == 1 and "cpuset" in names.split(",")) or (version() == 2 and not names):
            base = ROOT / "cpuset" if version() == 1 else ROOT
            inner = Path(path.lstrip("/"))
            return base / (inner.parent if inner.name == "libvirt" else inner)
    raise FileNotFoundError(2, "there is no controller cpuset", str(ROOT))
