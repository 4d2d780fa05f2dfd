"""Registers the rack with its daemon as an administrator would, through the API.

Called by lifecycle, and by the demo, which also registers a rack of simulated switches. It waits
for the ports' reset, after which every node is verified and free.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from xmlrpc.client import Fault

from nm.client import connect
from nm.lab import bmc, images, management, pools, tree, watch
from nm.lab.errors import LabError
from nm.lab.layout import HOST, OTHER, POOL, VLANS, HeadNode, Layout, Node
from nm.lab.place import Lab

PATIENCE = 20  # seconds for the ports of a switch to be reset
SLIVERS = 60.0  # seconds for the source to be heard and slivers to start
BOOT = 60.0  # seconds for the second host
Settings = dict[str, Any]
Job = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """What is told of each part beside what the layout says."""

    switch: Callable[[str], Settings]
    host: Settings
    node: Callable[[Node], Settings] = lambda _node: {}
    head: Callable[[HeadNode], Settings] = lambda head: {"domain": head.name}


def pool(lab: Lab) -> None:
    """The lab's rack: Open vSwitch bridges, QEMU; of one that boots also BMCs and images."""
    layout = lab.layout
    parts = Parts(
        switch=lambda name: {"driver": "ovs", "address": "unix:/run/openvswitch/db.sock", "bridge": name},
        host={"uri": "qemu:///system", "network": {"kind": "ovs", "device": HOST}, "pool": POOL},
    )
    if layout.boot or layout.pools:  # the guests of a lab need no KVM, which may be there and not work
        parts = replace(parts, host={**parts.host, "emulate": True})
    if layout.boot:
        parts = replace(parts, node=partial(_node, layout.bmc), head=_head)
    if layout.geni:  # BOWL's portals name nodes by number
        numbers = {node.name: number for number, node in enumerate(layout.rack, 1)}
        told = parts.node
        parts = replace(parts, node=lambda node: {**told(node), "id": numbers[node.name]})
    with connect(str(lab.socket)) as nm:
        if layout.boot:
            for name, settings in images.settings().items():
                nm.RegisterImage(name, settings)
        if layout.slivers:
            nm.RegisterImage(tree.NAME, tree.settings())
        rack(nm, layout, parts)
        if layout.pools:
            nm.RegisterImage(pools.IMAGE, pools.image())
            watch.until(lambda: pools.is_up(lab.folder), BOOT, f"{OTHER} is up (log/{OTHER}.log)")
            nm.RegisterHost(OTHER, pools.other_host(lab.folder))
        if layout.slivers:
            _wait_for_slivers(nm)


def _wait_for_slivers(nm: Any) -> None:
    """Until those run that the PLC tells of, but for those that somebody is to create first."""

    def run() -> bool:
        found = nm.GetSlivers({"instantiation": "plc-instantiated"})
        return bool(found) and all(sliver["state"] == "running" for sliver in found)

    watch.until(run, SLIVERS, "the PLC's slivers run")


def _node(kind: str, node: Node) -> Settings:
    return {"management": bmc.management(kind, node), "image": images.NODE}


def _head(_head: HeadNode) -> Settings:
    return {"image": images.HEAD, "management_network": {"bridge": management.BRIDGE}}


def rack(nm: Any, layout: Layout, parts: Parts) -> None:
    """Everything of a rack: switches, ports, trunks, the host, nodes, VLANs, head nodes; ports reset."""
    try:
        _register(nm, layout, parts)
        resets = [nm.ResetPorts(switch, ports(layout, switch)) for switch in layout.switch_names]
        for job in resets:
            finish(nm, job, PATIENCE)
    except Fault as fault:
        raise LabError(f"the pool could not be registered: {fault.faultString}") from None


def _register(nm: Any, layout: Layout, parts: Parts) -> None:
    for switch in layout.switch_names:
        nm.RegisterSwitch(switch, parts.switch(switch))
        for port in ports(layout, switch):
            nm.RegisterPort(switch, port)
    nm.RegisterHost(HOST, parts.host)
    for trunk in layout.trunks:
        ends = [
            {"host": HOST, "device": port} if bridge == HOST else {"switch": bridge, "port": port}
            for bridge, port in trunk.ends
        ]
        nm.RegisterTrunk(trunk.name, {"ends": ends})
    for node in layout.rack:
        nic = {"name": "eth0", "mac": node.mac, "switch": node.switch, "port": node.port, "role": "boot"}
        nm.RegisterNode(node.name, {"nics": [nic], "ip": node.address, **parts.node(node)})
    for vlan in VLANS:
        nm.RegisterVlan(vlan)
    for head in layout.heads:
        nm.RegisterHeadNode(head.name, {"host": HOST, **parts.head(head)})


def ports(layout: Layout, switch: str) -> list[str]:
    """The names of a switch's ports: to nodes, then to its neighbours."""
    nodes = [node.port for node in layout.rack if node.switch == switch]
    return nodes + [port for trunk in layout.trunks for bridge, port in trunk.ends if bridge == switch]


def finish(nm: Any, job: int, seconds: int) -> Job:
    """Wait for the job to be done; LabError in its own words when it fails or takes longer."""
    seen: Job = nm.WaitJob(job, seconds)
    if seen["state"] != "done":
        error = seen["error"] or f"{seen['state']} at {seen['step'] or 'its beginning'}"
        raise LabError(f"job {job} of {seen['subject']} failed: {error}", "GetStatus and the log tell more")
    return seen
