"""What a domain's description has for Xen in place of what QEMU gets: paravirtual with a kernel, else whole.

Checked by libvirt's own schema, and never run: nm has seen no Xen. Pure.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from nm.machine_xml import add

KIND = "xen"  # as libvirt calls such domains
NIC_MODEL = "netfront"
LOADER = "/usr/lib/xen/boot/hvmloader"  # which Xen's own tools bring


def add_system(root: ET.Element, boot: Mapping[str, str | None], on_crash: str) -> None:
    """How it starts: by its kernel in a paravirtual machine, or from its disk in one that has firmware."""
    system = add(root, "os")
    if boot.get("kernel"):
        add(system, "type", "xen", arch="x86_64", machine="xenpv")
        for key in ("kernel", "initrd", "cmdline"):
            if boot.get(key):
                add(system, key, boot[key])
    else:
        add(system, "type", "hvm", arch="x86_64", machine="xenfv")
        add(system, "loader", LOADER, type="rom")
        add(system, "boot", dev="hd")
        features = add(root, "features")
        for feature in ("acpi", "apic", "pae"):
            add(features, feature)
    add(root, "on_reboot", "restart")
    add(root, "on_crash", on_crash)


def bus(chosen: str) -> str:
    """How a disk is attached: Xen's own way in place of virtio, which guests of Xen's do not know."""
    return "xen" if chosen == "virtio" else chosen


def add_console(devices: ET.Element, *, paravirtual: bool) -> None:
    """A console, of Xen's own or a serial one; a balloon."""
    if paravirtual:
        add(add(devices, "console", type="pty"), "target", type="xen", port="0")
    else:
        add(add(devices, "serial", type="pty"), "target", port="0")
    add(devices, "memballoon", model="xen")
