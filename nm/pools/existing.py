"""Domains that libvirt has already, as what their components would be given: read of their XML. Pure.

What a Domain can say is taken; what it cannot is told, so that nobody takes the description for all there is.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from nm.errors import Invalid
from nm.pools.kinds import FILE_DISK, LVM_DISK

SPACE = "urn:nm:"  # begins the namespaces of all marks of nm's
UNITS = {"b": 1, "bytes": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1000, "m": 1 << 20, "mib": 1 << 20,
         "mb": 10**6, "g": 1 << 30, "gib": 1 << 30, "gb": 10**9, "t": 1 << 40, "tib": 1 << 40}  # fmt: skip
PLAIN = {
    "kernel": "os/kernel", "ramdisk": "os/initrd", "cmdline": "os/cmdline", "uuid": "uuid",
    "onCrash": "on_crash",
}  # fmt: skip
KNOWN = {"emulator", "disk", "interface", "graphics", "console", "serial", "controller", "input", "video",
         "memballoon", "rng", "channel", "audio", "watchdog"}  # fmt: skip
VOLUME = re.compile(r"/dev/(?!mapper/|disk/)[^/]+/[^/]+")  # of a group, both as LVM names them
BUSES = ("virtio", "scsi", "sata", "ide")
MOST_TOLD = 80
FORMATS = ("raw", "qcow2")

Value = str | int | bool


@dataclass(frozen=True)
class Existing:
    """A domain: the attributes of its component, those of its disk's, and what neither can say.

    disk: {} when it has none that a component could have; `disk_kind` is that component's. running: whether
    it does. nm: whether some hand of nm's has it already.
    """

    name: str
    attributes: Mapping[str, Value]
    disk_kind: str = FILE_DISK
    disk: Mapping[str, Value] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    running: bool = False
    nm: bool = False

    def struct(self) -> dict[str, Any]:
        """For an answer of the API."""
        return {
            **asdict(self),
            "attributes": dict(self.attributes),
            "disk": dict(self.disk),
            "left": [*self.left],
        }

    @classmethod
    def of(cls, struct: Mapping[str, Any]) -> "Existing":
        """What such a struct tells."""
        return cls(**{**struct, "left": tuple(struct["left"])})


def read(text: str, *, running: bool = False) -> Existing:
    """The domain that libvirt's XML tells of. Invalid when it tells of none."""
    hint = "give what virsh dumpxml writes"
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException) as error:
        raise Invalid(f"no XML of libvirt's: {error}", hint) from None
    name = root.findtext("name")
    if root.tag != "domain" or not name:
        raise Invalid("this describes no domain", hint)
    try:
        return _read(root, name, running)
    except ValueError as error:  # of a number
        raise Invalid(f"no XML of libvirt's: {str(error)[:MOST_TOLD]}", hint) from None


def _read(root: Element, name: str, running: bool) -> Existing:
    left: list[str] = []
    most, now = _mib(root.find("memory")), _mib(root.find("currentMemory"))
    vcpus = root.find("vcpu")
    most_vcpus = int(vcpus.text or 1) if vcpus is not None else 1
    attributes: dict[str, Value] = {"hostname": name, "domainName": name, "memory": now or most or 512}
    attributes |= {"maxMemory": most} if now and most > now else {}
    attributes["vcpus"] = int(vcpus.get("current", most_vcpus)) if vcpus is not None else 1
    attributes |= {"maxVcpus": most_vcpus} if most_vcpus > int(attributes["vcpus"]) else {}
    attributes |= {attribute: value for attribute, path in PLAIN.items() if (value := root.findtext(path))}
    if (machine := root.find("os/type")) is not None and machine.get("machine"):
        attributes["machine"] = machine.get("machine", "")
    disk_kind, disk = _disk(root, attributes, left)
    _interface(root, attributes, left)
    _rest(root, attributes, left)
    marks = root.findall("metadata/*")
    ours = any(mark.tag.startswith(f"{{{SPACE}") for mark in marks)
    return Existing(name, attributes, disk_kind, disk, tuple(left), running, ours)


def _mib(memory: Element | None) -> int:
    if memory is None:
        return 0
    return int(memory.text or 0) * UNITS.get(memory.get("unit", "KiB").lower(), 1 << 10) >> 20


def disks(root: Element) -> list[Element]:
    """The disks of a domain, without drives for media."""
    return [disk for disk in root.findall("devices/disk") if disk.get("device", "disk") == "disk"]


def source_of(disk: Element) -> str | None:
    """The file or block device that a disk is; None when it is neither."""
    source = disk.find("source")
    return next((value for key in ("file", "dev") if source is not None and (value := source.get(key))), None)


def sources(text: str) -> list[str]:
    """The files and block devices that are the disks of a domain, by its XML."""
    found = map(source_of, disks(fromstring(text, forbid_dtd=True)))
    return [source for source in found if source is not None]


def drives(text: str) -> list[str | None]:
    """What its drives of any sort hold: files, devices; None: something else, as a disk in the network."""
    found = fromstring(text, forbid_dtd=True).findall("devices/disk")
    return [source_of(drive) for drive in found if drive.find("source") is not None]


def _disk(root: Element, attributes: dict[str, Value], left: list[str]) -> tuple[str, dict[str, Value]]:
    """The first disk; the others are left out."""
    found = disks(root)
    left += [f"disk {number}" for number, _ in enumerate(found[1:], 2)]
    path = source_of(found[0]) if found else None
    if path is None:
        left += ["disk 1"] if found else []
        return FILE_DISK, {}
    target, driver = found[0].find("target"), found[0].find("driver")
    if target is not None:
        attributes["diskTarget"] = target.get("dev", "vda")
        bus = target.get("bus", "virtio")
        left += [] if bus in BUSES else [f"diskBus {bus}"]
        attributes |= {"diskBus": bus} if bus in BUSES else {}
    told: dict[str, Value] = {"baseImage": path, "inPlace": True, "keepOnTerminate": True}
    if found[0].get("type") == "block":
        if not VOLUME.fullmatch(path):
            left.append("disk 1, which is no logical volume")
            return FILE_DISK, {}
        return LVM_DISK, told
    form = driver.get("type", "raw") if driver is not None else "raw"
    if form not in FORMATS:
        left.append(f"disk 1, whose format is {form}")
        return FILE_DISK, {}
    return FILE_DISK, {**told, "format": form}


def _interface(root: Element, attributes: dict[str, Value], left: list[str]) -> None:
    interfaces = root.findall("devices/interface")
    for interface in interfaces[:1]:
        source, mac, port = interface.find("source"), interface.find("mac"), interface.find("virtualport")
        tags = interface.findall("vlan/tag")
        for kind in ("bridge", "network"):
            if interface.get("type") == kind and source is not None and (value := source.get(kind)):
                attributes[kind] = value
        if port is not None and port.get("type") == "openvswitch" and "bridge" in attributes:
            attributes["bridgeKind"] = "ovs"
            attributes |= {"vlan": int(tags[0].get("id", "0"))} if len(tags) == 1 else {}
        if mac is not None:
            attributes["mac"] = mac.get("address", "")
    left += [f"interface {number}" for number, _ in enumerate(interfaces[1:], 2)]


def _rest(root: Element, attributes: dict[str, Value], left: list[str]) -> None:
    graphics = root.find("devices/graphics")
    if graphics is not None and graphics.get("type") in ("vnc", "spice"):
        attributes["graphics"] = graphics.get("type", "")
    crash = attributes.get("onCrash")
    if crash not in (None, "destroy", "restart"):
        left.append(f"on_crash {crash}")
        del attributes["onCrash"]
    devices = root.find("devices")
    left += sorted(
        {device.tag for device in devices if device.tag not in KNOWN} if devices is not None else ()
    )
