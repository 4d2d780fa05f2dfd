"""Builds the rack: mounts, switches, nodes, libvirt with its domains. Runs inside the lab's namespaces.

Called once, by the holder's child. All that the programs here write lies on file systems in memory
that only the lab sees, but for the logs, which lie in the lab's folder.
"""

import array
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from nm.lab import guest
from nm.lab.errors import LabError
from nm.lab.layout import HOST, PREFIX, Layout, Node
from nm.lab.place import INSIDE, Lab

OWN_FOLDERS = ("/etc/libvirt", "/etc/openvswitch", "/var/lib/libvirt")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
DATABASE = "/run/openvswitch/conf.db"
# No cgroups and no file's owner changed: libvirt must not reach out of the lab.
QEMU_CONF = """\
security_driver = "none"
dynamic_ownership = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""


def build(lab: Lab, layout: Layout) -> None:
    """The whole rack, every switch port as it comes from the factory, every domain off."""
    _mount(lab)
    _start_switches(layout)
    _start_nodes(layout.rack)
    _start_libvirt(layout)


def _mount(lab: Lab) -> None:
    folder = os.open(lab.folder, os.O_PATH)
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for path in (INSIDE, "/run/lock", "/run/openvswitch", "/run/libvirt", "/run/netns", guest.AGENTS):
        Path(path).mkdir()
    _run("mount", "--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{folder}", INSIDE)
    os.close(folder)
    _run("mount", "-t", "sysfs", "sysfs", "/sys")
    for path in OWN_FOLDERS:
        if Path(path).is_dir():
            _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    for path, log in (("/var/log/libvirt", "libvirt"), ("/var/log/openvswitch", "openvswitch")):
        (Path(INSIDE, "log", log)).mkdir(parents=True)
        _run("mount", "--bind", f"{INSIDE}/log/{log}", path)
    cache = guest.CACHE / "libvirt"  # what QEMU can do, asked once a machine: it takes a second
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    _run("mount", "--bind", str(cache), "/var/cache/libvirt")


def _start_switches(layout: Layout) -> None:
    _run("ovsdb-tool", "create", DATABASE, SCHEMA)
    quiet = ("--pidfile", "--detach", "--no-chdir", "-vconsole:off")
    _run("ovsdb-server", DATABASE, "--remote=punix:/run/openvswitch/db.sock", "--log-file", *quiet)
    _run("ovs-vsctl", "--no-wait", "init")
    _run("ovs-vswitchd", "--log-file", *quiet)
    _run("ip", "link", "set", "lo", "up")
    for node in layout.rack:
        _run("ip", "link", "add", node.port, "up", "type", "veth", "peer", "name", f"{node.name}-nic")
    commands: list[list[str]] = []
    for bridge in (HOST, *layout.switch_names):
        commands.append(["add-br", bridge])
        commands.append(["set", "bridge", bridge, "datapath_type=netdev", "mcast_snooping_enable=false"])
    commands += [["add-port", node.switch, node.port] for node in layout.rack]
    for trunk in layout.trunks:
        for (bridge, port), (_, peer) in (trunk.ends, trunk.ends[::-1]):
            commands.append(["add-port", bridge, port])
            commands.append(["set", "interface", port, "type=patch", f"options:peer={peer}"])
    _run("ovs-vsctl", *(word for command in commands for word in ("--", *command)))


def _start_nodes(nodes: list[Node]) -> None:
    """Each a network namespace that knows its own NIC and nothing else."""
    for node in nodes:
        _run("ip", "netns", "add", node.name)
        _compute_checksums(f"{node.name}-nic")
    batch = [f"link set {node.name}-nic netns {node.name} name eth0 address {node.mac}" for node in nodes]
    _run("ip", "-batch", "-", said="\n".join(batch))
    for node in nodes:
        address = f"address add {node.address}/{PREFIX} dev eth0"
        _run("ip", "-n", node.name, "-batch", "-", said=f"link set lo up\n{address}\nlink set eth0 up")


def _compute_checksums(nic: str) -> None:
    """Have TCP's and UDP's checksums written by the sender: user-space OVS hands frames on as they are."""
    value = array.array("I", (ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP16x", nic.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        fcntl.ioctl(anything, SIOCETHTOOL, request)


def _start_libvirt(layout: Layout) -> None:
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    Path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')
    Path("/var/log/libvirt/qemu").mkdir()
    shutil.chown(guest.AGENTS, "libvirt-qemu")
    _run("libvirtd", "--daemon")
    if layout.heads:
        image = guest.image()
        with tempfile.TemporaryDirectory() as folder:
            commands = []
            for head in layout.heads:
                path = Path(folder, f"{head.name}.xml")
                path.write_text(guest.domain(head, image))
                commands.append(f"define {path}")
            _run("virsh", "-q", "-c", "qemu:///system", "; ".join(commands))


def _run(*command: str, said: str | None = None) -> None:
    """Run it; LabError with its own words when it fails."""
    source = subprocess.DEVNULL if said is None else None
    done = subprocess.run(
        command, check=False, input=said, stdin=source,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"{' '.join(command)[:200]}: {done.stdout.strip()[-500:]}")
