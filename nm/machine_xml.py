"""Descriptions of virtual machines that nm makes from images, and nm's marks in descriptions. Pure.

A mark says whose the domain is and whether its disks are all there. A domain without it is not nm's,
whatever it is called; nor is one whose mark is of another kind than it is looked for.
A head node's NIC on the group's network is put where it belongs by nm/vm.py.
"""

import hashlib
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeVar

from nm.domain_xml import OVS, plain_checksums
from nm.hypervisor import Volume

CONSOLES = "/var/log/libvirt/qemu"  # on the host; virtlogd writes there, and bounds what it writes
SLOTS = 8  # PCIe ports that wait for devices attached while it runs
DISK, SEED = "disk", "seed"  # what volumes are for; a guest sees it in their serial numbers
HALF, WHOLE = "half", "whole"


class Marked(Protocol):
    """What nm notes in a domain of one kind: fields of text, one of which is how far it is made."""

    SPACE: ClassVar[str]
    TAG: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def state(self) -> str:
        """HALF or WHOLE."""


M = TypeVar("M", bound=Marked)


@dataclass(frozen=True)
class Mark:
    """From which image a head node's domain was made, in which life of the head node, how far."""

    SPACE: ClassVar[str] = "urn:nm:head-node:1"
    TAG: ClassVar[str] = "head"

    headnode: str
    image: str
    instance: str
    state: str


@dataclass(frozen=True)
class Nic:
    """A NIC: where it is, as {"bridge": NAME}, `ovs` or `network`; None: on nothing, and down.

    `device` is its name on the host. `alone`: see `add_nic`. `vlan`: its tag, on a bridge of Open vSwitch.
    """

    mac: str
    place: Mapping[str, str] | None = None
    device: str | None = None
    alone: bool = False
    vlan: int | None = None


@dataclass(frozen=True)
class Machine:
    """What a domain is to be. `image` is the image's record; `disks` are in the order of their letters.

    `instance` is of this life of it alone.
    """

    name: str
    mark: Marked
    instance: str
    kind: str
    image: Mapping[str, Any]
    nics: tuple[Nic, ...] = ()
    disks: tuple[Volume, ...] = ()


def volume(domain: str, purpose: str) -> str:
    """The name of one of the domain's volumes. No name of a head node has a + in it, so none is another's."""
    return f"{domain}+{purpose}"


def mac_of(host: str, domain: str) -> str:
    """A MAC for a NIC that nm adds: always the same for the same domain, in QEMU's own range."""
    digest = hashlib.sha256(f"{host}/{domain}".encode()).hexdigest()
    return f"52:54:00:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"


def management_mac_of(host: str, domain: str) -> str:
    """The MAC of the NIC that leads to nm."""
    return mac_of(host, f"{domain}/management")


def console(domain: str) -> str:
    """The file on the host that keeps what the domain's serial console said."""
    return f"{CONSOLES}/{console_name(domain)}"


def console_name(domain: str) -> str:
    """Its name alone."""
    return volume(domain, "console.log")


def mark_of(description: str | None, kind: type[M]) -> M | None:
    """The mark of that kind in a domain's description; None when it has none, or there is no domain."""
    if description is None:
        return None
    found = ET.fromstring(description).find(f"metadata/{{{kind.SPACE}}}{kind.TAG}")  # noqa: S314 - libvirt wrote it
    return None if found is None else _mark(found, kind)


def element_of(mark: Marked) -> str:
    """The mark as the element that libvirt keeps in a domain's metadata; it adds the namespace."""
    found = ET.Element(mark.TAG, {field.name: str(getattr(mark, field.name)) for field in fields(mark)})
    return ET.tostring(found, encoding="unicode")


def mark_in(element: str, kind: type[M]) -> M:
    """The mark that is this element of a domain's metadata."""
    return _mark(ET.fromstring(element), kind)  # noqa: S314 - libvirt wrote it


def _mark(found: ET.Element, kind: type[M]) -> M:
    return kind(**{field.name: found.get(field.name, "") for field in fields(kind)})


def half(description: str, kind: type[M]) -> str:
    """The same description with a mark that says that the domain is half there."""
    root = ET.fromstring(description)  # noqa: S314 - libvirt wrote it
    found = root.find(f"metadata/{{{kind.SPACE}}}{kind.TAG}")
    if found is not None:
        found.set("state", HALF)
    return ET.tostring(root, encoding="unicode")


def begun(kind: str, name: str, mark: Marked, instance: str, chosen: str | None = None) -> ET.Element:
    """The beginning of a domain's description: its name, its UUID in this life or a chosen one, the mark."""
    ET.register_namespace("nm", mark.SPACE)
    root = ET.Element("domain", type=kind)
    add(root, "name", name)
    add(root, "uuid", chosen or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{mark.SPACE}/{name}/{instance}")))
    noted = ET.SubElement(ET.SubElement(root, "metadata"), f"{{{mark.SPACE}}}{mark.TAG}")
    for field in fields(mark):
        noted.set(field.name, str(getattr(mark, field.name)))
    return root


def description(machine: Machine) -> str:
    """The domain's description for libvirt."""
    root = begun(machine.kind, machine.name, machine.mark, machine.instance)
    add(root, "memory", str(machine.image["memory"]), unit="MiB")
    add(root, "vcpu", str(machine.image["cpus"]))
    _system(root, machine)
    devices = ET.SubElement(root, "devices")
    add_controllers(devices, machine.kind)
    for letter, volume in zip("abcdefgh", machine.disks, strict=False):
        _disk(devices, volume, f"vd{letter}")
    for nic in machine.nics:
        add_nic(devices, nic)
    add_console(devices, machine.name)
    return ET.tostring(root, encoding="unicode")


def add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    """A new element in another one."""
    found = ET.SubElement(parent, tag, attributes)
    found.text = text
    return found


def _system(root: ET.Element, machine: Machine) -> None:
    image = machine.image
    system = ET.SubElement(root, "os")
    real = machine.kind in ("kvm", "qemu")
    add(system, "type", "hvm", **({"arch": "x86_64", "machine": "q35"} if real else {}))
    for key in ("kernel", "initrd", "cmdline"):
        if image[key]:
            add(system, key, image[key])
    if not image["kernel"]:
        add(system, "boot", dev="hd")
    if real:
        features = ET.SubElement(root, "features")
        for feature in ("acpi", "apic"):
            add(features, feature)
        add(root, "cpu", mode="host-passthrough" if machine.kind == "kvm" else "maximum")
    add(root, "on_reboot", "restart")
    add(root, "on_crash", "restart")


def add_controllers(devices: ET.Element, kind: str) -> None:
    """Of what QEMU runs: no USB, and ports for what is attached later."""
    if kind in ("kvm", "qemu"):
        add(devices, "controller", type="usb", model="none")
        add(devices, "controller", type="pci", model="pcie-root")
        for _ in range(SLOTS):
            add(devices, "controller", type="pci", model="pcie-root-port")


def _disk(devices: ET.Element, volume: Volume, target: str) -> None:
    """A disk whose serial number in the guest is nm-disk, nm-seed; only the first can be written."""
    purpose = volume.name.rpartition("+")[2]
    writable = purpose == DISK
    disk = add(devices, "disk", type="block" if volume.block else "file", device="disk")
    raw = volume.block or not writable
    add(disk, "driver", name="qemu", type="raw" if raw else "qcow2", discard="unmap")
    add(disk, "source", **{"dev" if volume.block else "file": volume.path})
    add(disk, "target", dev=target, bus="virtio")
    add(disk, "serial", f"nm-{purpose}")
    if not writable:
        add(disk, "readonly")


def add_nic(devices: ET.Element, wanted: Nic, model: str = "virtio") -> None:
    """A NIC on a bridge (of Open vSwitch: ovs) or a libvirt network; without a place on nothing, and down.

    One that is `alone` shares its place with NICs of others, from which it is kept apart on a Linux bridge:
    each reaches what hangs on ports of other kinds, as the uplink and the host itself. libvirt cannot do it
    on Open vSwitch.
    """
    kind, name = ("ethernet", None) if wanted.place is None else next(iter(wanted.place.items()))
    nic = add(devices, "interface", type="bridge" if kind == "ovs" else kind)
    add(nic, "mac", address=wanted.mac)
    add(nic, "model", type=model)
    if wanted.device is not None:
        add(nic, "target", dev=wanted.device)
    if name is None:
        add(nic, "link", state="down")
    else:
        add(nic, "source", **{nic.get("type", ""): name})
        if kind != "ovs" and wanted.alone:
            add(nic, "port", isolated="yes")
    if kind == "ovs":
        if wanted.vlan is not None:
            add(add(nic, "vlan"), "tag", id=str(wanted.vlan))
        add(nic, "virtualport", type=OVS)
        plain_checksums(nic)


def add_console(devices: ET.Element, domain: str) -> None:
    """A serial console whose output is kept; a balloon, and chance."""
    serial = add(devices, "serial", type="pty")
    add(serial, "log", file=console(domain), append="on")
    add(serial, "target", port="0")
    add(devices, "memballoon", model="virtio")
    add(add(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
