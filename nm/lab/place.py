"""Where a lab lies on the machine, whether it lives, and the way into its namespaces.

A lab is a folder /run/nm-lab/NAME, seen inside as /run/nm, and a holder process: process 1 of the
namespaces that make the rack. Whatever runs in the lab ends with its holder. Takes no lock: that the
folder can be made only once decides who brings a lab up.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nm.lab import confinement
from nm.lab.errors import LabError
from nm.lab.layout import Layout

FOLDER = Path("/run/nm-lab")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OWN = f"{sys.prefix}/bin"  # nmctl and its like
SOURCE = Path(__file__).resolve().parents[2]  # what the lab's Python processes import nm from
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


def environment() -> dict[str, str]:
    """The environment of the lab's processes."""
    return {**os.environ, "PATH": f"{PATH}:{_OWN}", "PYTHONPATH": str(SOURCE), "LC_ALL": "C.UTF-8"}


def started_at(pid: int) -> int | None:
    """When that process began, in the kernel's ticks; None when there is none. Zombies count as none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


@dataclass(frozen=True)
class Lab:
    """One lab by its name; it need not exist."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise LabError(
                f"{self.name[:40]!r} cannot name a lab",
                "use 1 to 32 of A-Z a-z 0-9 _ . - and begin with a letter or digit",
            )

    @property
    def folder(self) -> Path:
        """Everything of the lab that is seen from outside."""
        return FOLDER / self.name

    @property
    def socket(self) -> Path:
        """The API of the lab's daemon."""
        return self.folder / "api.sock"

    @property
    def exists(self) -> bool:
        """True from the moment it was begun until it is cleaned away, alive or dead."""
        return self.folder.is_dir()

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was written down when the lab was begun: holder, its start, sizes. Empty when nothing was."""
        try:
            record = json.loads((self.folder / "lab.json").read_text())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def write_record(self, **fields: Any) -> None:
        """Write it down whole or not at all."""
        temporary = self.folder / "lab.json.new"
        temporary.write_text(json.dumps(fields, indent=1) + "\n")
        temporary.rename(self.folder / "lab.json")
        self.__dict__.pop("record", None)

    @property
    def layout(self) -> Layout:
        """The rack's sizes."""
        return Layout(**self.record["sizes"])

    @property
    def holder(self) -> int | None:
        """The holder's process id, when it lives and is the very process that was written down."""
        pid = self.record.get("holder")
        return pid if pid is not None and started_at(pid) == self.record["started"] else None

    def need(self) -> "Lab":
        """The lab, when it lives; else what to do."""
        if self.holder is not None:
            return self
        if self.exists:
            raise LabError(f"lab {self.name} is dead", f"clean up with: nmctl lab down {self.name}")
        here = ", ".join(sorted(lab.name for lab in labs())) or "none"
        raise LabError(f"there is no lab {self.name}", f"labs: {here}; `nmctl lab up` makes one")

    def enter(self, command: list[str], node: str | None = None) -> list[str]:
        """The command line that runs `command` in the lab, in that node's network when one is named."""
        holder = self.need().holder
        if node is not None and node not in (places := self.layout.places):
            raise LabError(f"lab {self.name} has no node {node}", f"nodes: {' '.join(places) or 'none'}")
        network = f"--net=/proc/{holder}/root/run/netns/{node}" if node else "--net"
        into = ("--mount", "--pid", "--ipc", "--uts", "--cgroup", network)
        entering = ["nsenter", f"--target={holder}", *into, "--", *command]
        groups = self.record.get("cgroups")
        return confinement.within(groups, entering) if groups else entering

    def run(self, command: list[str], node: str | None = None, timeout: float = 30) -> str:
        """What the command prints in the lab; LabError tells what it said when it fails."""
        done = subprocess.run(
            self.enter(command, node),
            check=False, env=environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-500:]
            raise LabError(f"{command[0]} failed in lab {self.name}: {said}", f"logs: {self.folder}/log")
        return done.stdout


def labs() -> list[Lab]:
    """All labs of this machine, also dead ones."""
    folders = FOLDER.iterdir() if FOLDER.is_dir() else ()
    return [Lab(folder.name) for folder in sorted(folders) if _NAME.fullmatch(folder.name)]


NEEDED = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "ovsdb-tool": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "libvirtd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
}
NEEDED_FOR_SLIVERS = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "sudo": "sudo",
    "groupadd": "passwd",
    "mke2fs": "e2fsprogs",
    "make": "make",
    "cc": "gcc",
    "tc": "iproute2",
}
NEEDED_FOR_POOLS = {"sshd": "openssh-server", "ssh": "openssh-client"}
NEEDED_TO_BOOT = {
    "ipmi_sim": "openipmi",
    "dnsmasq": "dnsmasq-base",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "mke2fs": "e2fsprogs",
    "make": "make",
    "ipmitool": "ipmitool",
    "tcpdump": "tcpdump",
}
IPXE = Path("/usr/lib/ipxe/qemu/efi-virtio.rom")  # what a node's NIC boots by


CONTAINERS = "libvirt/connection-driver/libvirt_driver_lxc.so"  # below /usr/lib/ARCHITECTURE


def obstacle(boot: bool = False, slivers: bool = False, pools: bool = False) -> LabError | None:
    """Why no lab, or none that boots or has slivers or described pools, can run here. None when one can."""
    if os.geteuid() != 0:
        return LabError("a lab needs root, for its namespaces", "run it with sudo")
    needed = NEEDED | (NEEDED_TO_BOOT if boot else {}) | (NEEDED_FOR_SLIVERS if slivers else {})
    needed |= NEEDED_FOR_POOLS if pools else {}
    missing = sorted({package for tool, package in needed.items() if not shutil.which(tool, path=PATH)})
    if boot and not IPXE.exists():
        missing.append("ipxe-qemu")
    if slivers and not any(Path("/usr/lib").glob(f"*/{CONTAINERS}")):
        missing.append("libvirt-daemon-driver-lxc")
    if not any(Path("/lib/modules").glob("*/modules.dep")) or not any(Path("/boot").glob("vmlinuz-*")):
        missing.append("linux-image-amd64")
    if missing:
        return LabError("a lab needs packages that are not here", f"apt-get install {' '.join(missing)}")
    return confinement.obstacle() if slivers else None
