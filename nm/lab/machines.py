"""Nodes that boot: QEMU machines, off at first, whose NICs hang on the switches' ports. Called by rack.

A port is a tap that outlives the machine's power, and so do its place in the switch and its VLAN, as with
real machines. The machine boots by the iPXE that QEMU's NIC carries, or from a disk that it has not got.
"""

import uuid
from collections.abc import Sequence

from nm.lab.layout import Node
from nm.lab.running import run

MEMORY = 256  # MiB


def add_ports(nodes: Sequence[Node]) -> None:
    """The taps, as yet in no switch."""
    for node in nodes:
        run("ip", "tuntap", "add", "dev", node.port, "mode", "tap")
        run("ip", "link", "set", node.port, "up")


def console(node: Node) -> str:
    """What the machine has printed since it was last switched on; a file inside the lab."""
    return f"/var/log/libvirt/qemu/{node.name}.console"


def identity(node: Node) -> str:
    """The machine's UUID: the same in every lab."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{node.name}.lab"))


def domain(node: Node) -> str:
    """The machine's description. User-space OVS hands frames on as they are, so it computes its checksums."""
    return f"""<domain type="qemu">
  <name>{node.name}</name>
  <uuid>{identity(node)}</uuid>
  <memory unit="MiB">{MEMORY}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
    <boot dev="hd"/>
    <bios useserial="yes"/>
  </os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <interface type="ethernet">
      <mac address="{node.mac}"/>
      <target dev="{node.port}" managed="no"/>
      <model type="virtio"/>
      <driver>
        <host csum="off" gso="off" tso4="off" tso6="off" ecn="off" ufo="off"/>
        <guest csum="off" tso4="off" tso6="off" ecn="off" ufo="off"/>
      </driver>
    </interface>
    <serial type="file"><source path="{console(node)}"/><target port="0"/></serial>
    <memballoon model="none"/>
  </devices>
</domain>
"""
