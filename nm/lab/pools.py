"""What described pools want of a lab: a bridge for domains, images, a second host that is reached by SSH.

The second host is a machine of its own as far as libvirt, disks, processes and sshd go (other-host.sh); it
hangs on the same bridge. Files that descriptions name lie in FILES and DISKS on both. Called by rack, daemon
and register.
"""

from pathlib import Path
from typing import Any

from nm.lab import guest
from nm.lab.archive import HERE
from nm.lab.door import ALGORITHMS
from nm.lab.layout import OTHER, POOL
from nm.lab.running import INSIDE, leave_running, run

BRIDGE = "pools0"
NETWORK_BITS = 16
GATEWAY, OTHER_ADDRESS = "10.79.0.1", "10.79.0.2"  # the lab's own machine on the bridge, and the other one
FILES, DISKS = "/srv/xen", "/srv/disks"
IMAGE = "guest"  # in the pool: the same files
NAMES = ("vmlinux", "initrd", "guest.img")  # of guest.image()
KEYS = "host-keys"  # in the lab's folder
SSH = f"""\
Host {OTHER} {OTHER_ADDRESS}
    IdentityFile {INSIDE}/{KEYS}/{OTHER}
    UserKnownHostsFile {INSIDE}/{KEYS}/known
    BatchMode yes
"""


def mount() -> None:
    """The files that descriptions name: a kernel and what belongs to it, and a folder for disks."""
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/srv")
    for path, mode in ((FILES, 0o755), (DISKS, 0o711)):
        Path(path).mkdir(mode=mode)
    run("mount", "--bind", str(guest.image()), FILES)


def build() -> None:
    """The bridge, and the second host on it; behind libvirtd's start here."""
    run("ip", "netns", "add", OTHER)
    here = (
        f"link add {BRIDGE} address 52:54:00:09:03:01 type bridge mcast_snooping 0",
        f"link add {OTHER}-0 type veth peer name eth0 netns {OTHER}",
        f"link set {OTHER}-0 master {BRIDGE} up",
        f"link set {BRIDGE} up",
        f"address add {GATEWAY}/{NETWORK_BITS} dev {BRIDGE}",
    )
    run("ip", "-batch", "-", said="\n".join(here))
    there = (
        "link set lo up",
        f"link add {BRIDGE} address 52:54:00:09:03:02 type bridge mcast_snooping 0",
        f"link set eth0 master {BRIDGE} up",
        f"link set {BRIDGE} up",
        f"address add {OTHER_ADDRESS}/{NETWORK_BITS} dev {BRIDGE}",
        f"route add default via {GATEWAY}",
    )
    run("ip", "-n", OTHER, "-batch", "-", said="\n".join(there))
    _make_keys()
    own = ("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")
    program = ("sh", str(HERE / "other-host.sh"), OTHER, OTHER_ADDRESS, f"{INSIDE}/{KEYS}", POOL, DISKS)
    leave_running(OTHER, "ip", "netns", "exec", OTHER, *own, *program)


def _make_keys() -> None:
    """The other host's, and the one by which root comes there."""
    keys = Path(INSIDE, KEYS)
    keys.mkdir(mode=0o700)
    for name in (OTHER, "sshd"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(keys / name))
    (keys / "known").write_text(f"{OTHER},{OTHER_ADDRESS} {_public('sshd')}\n")
    (keys / "sshd_config").write_text(
        f"ListenAddress {OTHER_ADDRESS}\nHostKey {keys}/sshd\nAuthorizedKeysFile {keys}/{OTHER}.pub\n"
        f"PidFile none\nUsePAM no\nPermitRootLogin prohibit-password\nStrictModes no\n{ALGORITHMS}"
    )
    secret = Path(INSIDE, "secrets", OTHER)  # nm logs in as well
    secret.parent.mkdir(mode=0o700, exist_ok=True)
    secret.touch(mode=0o600)
    secret.write_text((keys / OTHER).read_text())
    Path("/etc/ssh/ssh_config.d").mkdir(parents=True, exist_ok=True)
    Path("/etc/ssh/ssh_config.d/nm-lab.conf").write_text(SSH)
    with open("/etc/hosts", "a") as hosts:
        hosts.write(f"{OTHER_ADDRESS} {OTHER}\n")


def _public(name: str) -> str:
    kind, key, *_ = Path(INSIDE, KEYS, f"{name}.pub").read_text().split()
    return f"{kind} {key}"


def configuration() -> str:
    """What nmd's configuration says of descriptions."""
    return f"""\
[descriptions]
shells = true
folders = ["{FILES}", "{DISKS}"]
"""


def image() -> dict[str, Any]:
    """What nmd is told of the image."""
    boot = {"kernel": f"{FILES}/vmlinux", "initrd": f"{FILES}/initrd", "cmdline": guest.CMDLINE}
    return {"kind": "disk", "disk": f"{FILES}/guest.img", "format": "raw", "memory": guest.MEMORY, **boot}


def is_up(folder: Path) -> bool:
    """Whether one can log in on the second host; its libvirtd runs by then."""
    return "Server listening" in (folder / "log" / f"{OTHER}.log").read_text()


def other_host(folder: Path) -> dict[str, Any]:
    """What nmd is told of the second host; `folder`: the lab's, from outside."""
    kind, key, *_ = (folder / KEYS / "sshd.pub").read_text().split()
    return {
        "uri": f"qemu+ssh://root@{OTHER}/system",
        "network": {"kind": "linux", "device": "eth0"},
        "pool": POOL,
        "emulate": True,
        "host_key": f"{kind} {key}",
        "secrets": {"key": OTHER},
    }
