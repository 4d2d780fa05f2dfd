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
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nm.lab import (
    bmc,
    confinement,
    door,
    federation,
    guest,
    machines,
    management,
    pools,
    sessions,
    slices,
    world,
)
from nm.lab.archive import CACHE
from nm.lab.layout import HOST, POOL, PREFIX, Layout, Node
from nm.lab.place import Lab
from nm.lab.running import INSIDE, run

OWN_FOLDERS = ("/etc/libvirt", "/etc/openvswitch", "/var/lib/libvirt")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
DATABASE = "/run/openvswitch/conf.db"
DISKS = "/run/nm-disks"
# No cgroups for machines: they need none. It gives QEMU the files of domains, of which
# the lab has its own, but for those in the cache, which is read-only.
QEMU_CONF = """\
security_driver = "none"
dynamic_ownership = 1
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""


def build(lab: Lab, layout: Layout) -> None:
    """The whole rack, every switch port as it comes from the factory, every domain off."""
    image = guest.image() if layout.heads and not layout.boot else Path()
    if layout.pools:
        pools.mount()
    _mount(lab)
    _be_deaf()
    run("ip", "link", "set", "lo", "up")
    if layout.outside:
        world.build()
    if layout.geni:
        federation.prepare(Path(INSIDE))
    if layout.slivers:
        confinement.mount()
        sessions.allow()
        slices.prepare(Path(INSIDE))
    _build_machines(layout, image)
    if layout.pools:
        pools.build()
    accounts = layout.boot or layout.slivers
    doors = [management.DOOR] * layout.boot + [world.HOST] * (accounts and layout.outside)
    if doors:
        door.start(doors)


def _build_machines(layout: Layout, image: Path) -> None:
    """What the rack consists of."""
    if layout.boot:
        machines.add_ports(layout.rack)
        _start_switches(layout)
        _start_libvirt({node.name: machines.domain(node) for node in layout.rack})
        management.start()
        bmc.start(layout.bmc, layout.rack)
        return
    _add_veths(layout.rack)
    _start_switches(layout)
    _start_nodes(layout.rack)
    _start_libvirt({head.name: guest.domain(head, image) for head in layout.heads})


def _mount(lab: Lab) -> None:
    folder = os.open(lab.folder, os.O_PATH)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for path in (INSIDE, "/run/lock", "/run/openvswitch", "/run/libvirt", "/run/netns", guest.AGENTS):
        Path(path).mkdir()
    run("mount", "--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{folder}", INSIDE)
    os.close(folder)
    Path("/run/etc").mkdir()  # accounts of the lab's are none of this machine's
    run("cp", "-a", "/etc/.", "/run/etc")
    run("mount", "--bind", "/run/etc", "/etc")
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    for path in OWN_FOLDERS:
        if Path(path).is_dir():
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    for path, log in (("/var/log/libvirt", "libvirt"), ("/var/log/openvswitch", "openvswitch")):
        (Path(INSIDE, "log", log)).mkdir(parents=True)
        run("mount", "--bind", f"{INSIDE}/log/{log}", path)
    cache = CACHE / "libvirt"  # what QEMU can do, asked once a machine: it takes a second
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    run("mount", "--bind", str(cache), "/var/cache/libvirt")
    run("mount", "--bind", str(CACHE), str(CACHE))  # labs share what lies there, and none changes it
    run("mount", "-o", "remount,bind,ro", str(CACHE))


def _be_deaf() -> None:
    """User-space OVS leaves what comes in to the lab's own kernel, too, which is to answer nothing."""
    for name, value in {
        "ipv4/conf/all/rp_filter": 1,
        "ipv4/conf/all/arp_ignore": 1,
        "ipv6/conf/default/disable_ipv6": 1,
    }.items():
        Path("/proc/sys/net", name).write_text(f"{value}\n")


def _start_switches(layout: Layout) -> None:
    run("ovsdb-tool", "create", DATABASE, SCHEMA)
    quiet = ("--pidfile", "--detach", "--no-chdir", "-vconsole:off")
    run("ovsdb-server", DATABASE, "--remote=punix:/run/openvswitch/db.sock", "--log-file", *quiet)
    run("ovs-vsctl", "--no-wait", "init")
    run("ovs-vswitchd", "--log-file", *quiet)
    commands: list[list[str]] = []
    for bridge in (HOST, *layout.switch_names):
        commands.append(["add-br", bridge])
        commands.append(["set", "bridge", bridge, "datapath_type=netdev", "mcast_snooping_enable=false"])
    commands += [["add-port", node.switch, node.port] for node in layout.rack]
    for trunk in layout.trunks:
        for (bridge, port), (_, peer) in (trunk.ends, trunk.ends[::-1]):
            commands.append(["add-port", bridge, port])
            commands.append(["set", "interface", port, "type=patch", f"options:peer={peer}"])
    run("ovs-vsctl", *(word for command in commands for word in ("--", *command)))


def _add_veths(nodes: list[Node]) -> None:
    for node in nodes:
        run("ip", "link", "add", node.port, "up", "type", "veth", "peer", "name", f"{node.name}-nic")


def _start_nodes(nodes: list[Node]) -> None:
    """Each a network namespace that knows its own NIC and nothing else."""
    for node in nodes:
        run("ip", "netns", "add", node.name)
        _compute_checksums(f"{node.name}-nic")
    batch = [f"link set {node.name}-nic netns {node.name} name eth0 address {node.mac}" for node in nodes]
    run("ip", "-batch", "-", said="\n".join(batch))
    for node in nodes:
        address = f"address add {node.address}/{PREFIX} dev eth0"
        run("ip", "-n", node.name, "-batch", "-", said=f"link set lo up\n{address}\nlink set eth0 up")


def _compute_checksums(nic: str) -> None:
    """Have TCP's and UDP's checksums written by the sender: user-space OVS hands frames on as they are."""
    value = array.array("I", (ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP16x", nic.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        fcntl.ioctl(anything, SIOCETHTOOL, request)


def _start_libvirt(domains: Mapping[str, str]) -> None:
    """libvirtd, and the descriptions of domains by their names."""
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    Path("/etc/libvirt/lxc.conf").write_text('security_driver = "none"\n')
    Path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')
    for kind in ("qemu", "lxc"):
        Path("/var/log/libvirt", kind).mkdir()
    shutil.chown(guest.AGENTS, "libvirt-qemu")
    run("libvirtd", "--daemon")
    with tempfile.TemporaryDirectory() as folder:
        commands = []
        for name, text in domains.items():
            path = Path(folder, f"{name}.xml")
            path.write_text(text)
            commands.append(f"define {path}")
        if commands:
            run("virsh", "-q", "-c", "qemu:///system", "; ".join(commands))
    _add_pool()


def _add_pool() -> None:
    """Where head nodes' disks lie: in memory, like everything of the lab's."""
    Path(DISKS).mkdir(mode=0o711)
    virsh = ("virsh", "-q", "-c", "qemu:///system")
    run(*virsh, "pool-define-as", POOL, "dir", "--target", DISKS)
    run(*virsh, "pool-start", POOL)
