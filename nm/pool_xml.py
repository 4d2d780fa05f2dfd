"""The descriptions of a described pool's domains, and nm's mark in them. Pure.

The mark is of a namespace of its own, so no other hand takes such a domain for its own, and none of theirs is
taken for one of a pool's.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any, ClassVar

from nm import machine_xml, xen_xml
from nm.hypervisor import Volume
from nm.machine_xml import SEED, Nic, add

REAL = ("kvm", "qemu")
DEVICES = {
    "virtio": "vd",
    "scsi": "sd",
    "sata": "sd",
    "ide": "hd",
    "xen": "xvd",
}  # bus: how its disks are called
SPARE = "abcdefgh"


def volume_of(pool: str, identity: str, purpose: str = machine_xml.DISK) -> str:
    """The name of a volume of that life of a part; it tells people whose it is."""
    return machine_xml.volume(f"nm-pool-{pool}-{identity}", purpose)


@dataclass(frozen=True)
class PoolMark:
    """Which part of which pool a domain is, in which life, and how far it is made."""

    SPACE: ClassVar[str] = "urn:nm:pool:1"
    TAG: ClassVar[str] = "part"

    pool: str
    part: str
    identity: str
    state: str


@dataclass(frozen=True)
class Disk:
    """A disk: its volume, its format, and whether the guest may write to it."""

    volume: Volume
    format: str
    writable: bool = True


@dataclass(frozen=True)
class Guest:
    """What a domain is to be.

    attributes: those of kinds.DOMAIN that say how (diskBus, diskTarget, machine, cpu, graphics, onCrash,
    uuid), with their defaults. memory, most_memory: MiB. boot: kernel, initrd and cmdline, of which any may
    be empty.
    """

    name: str
    kind: str  # as libvirt calls it: kvm, qemu, test, xen
    mark: PoolMark
    memory: int
    most_memory: int
    vcpus: int
    most_vcpus: int
    boot: dict[str, str | None]
    attributes: dict[str, Any]
    nic: Nic
    disks: tuple[Disk, ...] = ()


def description(guest: Guest) -> str:
    """The description for libvirt."""
    root = machine_xml.begun(
        guest.kind, guest.name, guest.mark, guest.mark.identity, guest.attributes.get("uuid")
    )
    add(root, "memory", str(guest.most_memory), unit="MiB")
    add(root, "currentMemory", str(guest.memory), unit="MiB")
    add(root, "vcpu", str(guest.most_vcpus), current=str(guest.vcpus))
    xen = guest.kind == xen_xml.KIND
    if xen:
        xen_xml.add_system(root, guest.boot, str(guest.attributes["onCrash"]))
    else:
        _system(root, guest)
    devices = add(root, "devices")
    bus = str(guest.attributes["diskBus"])
    bus = xen_xml.bus(bus) if xen else bus
    if bus != "ide":
        machine_xml.add_controllers(devices, guest.kind)
    if bus == "scsi":
        add(devices, "controller", type="scsi", model="virtio-scsi")
    for disk, target in zip(guest.disks, _targets(guest, bus), strict=False):
        _disk(devices, disk, bus, target)
    machine_xml.add_nic(devices, guest.nic, xen_xml.NIC_MODEL if xen else "virtio")
    if xen:
        xen_xml.add_console(devices, paravirtual=bool(guest.boot.get("kernel")))
    else:
        machine_xml.add_console(devices, guest.name)
    _graphics(devices, str(guest.attributes["graphics"]))
    return ET.tostring(root, encoding="unicode")


def _targets(guest: Guest, bus: str) -> list[str]:
    """One name each: the first one may be chosen."""
    first = str(guest.attributes.get("diskTarget") or f"{DEVICES[bus]}a")
    return [first, *(name for letter in SPARE if (name := f"{DEVICES[bus]}{letter}") != first)]


def _system(root: ET.Element, guest: Guest) -> None:
    system, real = add(root, "os"), guest.kind in REAL
    usual = "pc" if guest.attributes["diskBus"] == "ide" else "q35"
    machine = str(guest.attributes.get("machine") or usual)
    add(system, "type", "hvm", **({"arch": "x86_64", "machine": machine} if real else {}))
    for key in ("kernel", "initrd", "cmdline"):
        if guest.boot.get(key):
            add(system, key, guest.boot[key])
    if not guest.boot.get("kernel"):
        add(system, "boot", dev="hd")
    if real:
        features = add(root, "features")
        for feature in ("acpi", "apic"):
            add(features, feature)
        _processor(root, guest)
    add(root, "on_reboot", "restart")
    add(root, "on_crash", str(guest.attributes["onCrash"]))


def _processor(root: ET.Element, guest: Guest) -> None:
    model = guest.attributes.get("cpu")
    if model is None:
        add(root, "cpu", mode="host-passthrough" if guest.kind == "kvm" else "maximum")
        return
    add(add(root, "cpu", mode="custom", match="exact"), "model", str(model), fallback="forbid")


def _disk(devices: ET.Element, disk: Disk, bus: str, target: str) -> None:
    volume = disk.volume
    found = add(devices, "disk", type="block" if volume.block else "file", device="disk")
    add(found, "driver", name="qemu", type=disk.format, **({} if bus == "xen" else {"discard": "unmap"}))
    add(found, "source", **{"dev" if volume.block else "file": volume.path})
    add(found, "target", dev=target, bus=bus)
    if bus != "xen":
        add(found, "serial", f"nm-{volume.name.rpartition('+')[2] or SEED}")
    if not disk.writable:
        add(found, "readonly")


def _graphics(devices: ET.Element, kind: str) -> None:
    if kind != "none":
        add(devices, "graphics", type=kind, autoport="yes", listen="127.0.0.1")
        add(add(devices, "video"), "model", type="vga")
