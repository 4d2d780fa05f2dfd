"""What libvirt's storage cannot do with logical volumes: thin ones, and larger ones; by the host's own tools.

lvm and qemu-img run where the volumes are: here, or there over SSH, both kept (nm/kept.py), so that none
outlives nmd or its time. Only what is made here is nm's; removing volumes is libvirt's storage's.
Called by nm/pooldisks.py.
"""

import json
from collections.abc import Callable
from pathlib import Path

from nm.errors import DeviceFailed
from nm.hostlogin import Login
from nm.kept import Run
from nm.keptat import keep_at

SECONDS = 60.0  # for a change of lvm's
COPY_SECONDS = 1800.0  # for a whole copy
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "LVM_SUPPRESS_FD_WARNINGS": "1"}
WHERE = "on the machine of nmd itself the service's walls keep lvm from devices (docs/limits.md)"


class Tools:
    """Lvm and qemu-img of one host. `login`: how it is logged in to; None: it is this machine.

    `locks`: a folder for files by which no two runs for the same host are at once.
    """

    def __init__(self, host: str, locks: Path, login: Callable[[], Login] | None = None) -> None:
        self._host = host
        self._locks = locks
        self._login = login

    def is_thin_pool(self, group: str, pool: str) -> bool:
        """Whether the group has a thin pool of that name."""
        said = self._said("lvs", "--noheadings", "-o", "lv_name,lv_attr", group)
        rows = (line.split() for line in said.splitlines())
        return any(row[0] == pool and row[1].startswith("t") for row in rows if len(row) == 2)

    def make(self, group: str, pool: str, name: str, size: int) -> None:
        """A thin volume of so many bytes, all of them zero."""
        named = ("-n", name, "-V", f"{size}b", "--thinpool", pool, group)
        self._said("lvcreate", "-q", "-y", "-kn", "-Wn", *named)

    def snapshot(self, group: str, name: str, base: str) -> None:
        """A thin snapshot of a thin volume of the same group."""
        self._said("lvcreate", "-q", "-y", "-kn", "-s", "-n", name, f"{group}/{base}")

    def copy(self, base: str, kind: str, device: str) -> None:
        """Write a base of that kind into a volume of zeros; what is zero in it takes no room."""
        way = ("-n", "--target-is-zero", "-f", kind, "-O", "raw", base, device)
        self._said("qemu-img", "convert", "-q", *way, seconds=COPY_SECONDS)

    def size(self, group: str, name: str) -> int:
        """How many bytes the volume holds; 0 when there is none. libvirt sees no thin ones."""
        said = self._said("lvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "lv_name,lv_size", group)
        found = dict(line.split() for line in said.splitlines() if len(line.split()) == 2)
        return int(found.get(name, 0))

    def remove(self, group: str, name: str) -> None:
        """Let there be no such volume."""
        if self.size(group, name):
            self._said("lvremove", "-q", "-f", "-y", f"{group}/{name}")

    def size_of(self, base: str, kind: str) -> int:
        """How many bytes a guest sees of a base."""
        told = json.loads(self._said("qemu-img", "info", "-U", "--output=json", "-f", kind, base))
        return int(told["virtual-size"])

    def grow(self, group: str, name: str, size: int) -> None:
        """Let a volume, thin or not, hold so many bytes; it holds fewer."""
        self._said("lvextend", "-q", "-y", "-L", f"{size}b", f"{group}/{name}")

    def _said(self, *command: str, seconds: float = SECONDS) -> str:
        """What the command says. DeviceFailed with its last words when it fails."""
        run = Run(command, ENVIRONMENT, "", seconds, f"lvm-{self._host}", apart=True)
        ended = keep_at(self._login() if self._login is not None else None, self._locks, run)
        if (why := ended.failure(seconds)) is not None:
            words = f"host {self._host}: {command[0]} {why}"
            raise DeviceFailed(words, WHERE if self._login is None else "", passing=ended.how != "exit")
        return ended.said[0]
