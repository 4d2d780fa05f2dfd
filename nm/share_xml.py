"""The parts of a domain's description through which its list of machines comes, and small disks. Pure.

That is the <filesystem> whose target is `moc`, or a disk with the serial number `nm-list`, or else the first
<filesystem> of a folder, as head nodes of old had it. Used by nm/libvirt_host.py only.
"""

import xml.etree.ElementTree as ET

from nm.hypervisor import Share

SERIAL = "nm-list"
TAG = "moc"
_TARGETS = tuple(f"vd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")


def share(domain: str, folders: bool) -> Share | None:
    """How the list comes into the domain. `folders`: it may be by a folder, for the host is this machine."""
    found = _find(_parse(domain), folders)
    if found is None:
        return None
    if found.tag == "disk":
        return _disk(found)
    source, driver = found.find("source"), found.find("driver")
    virtiofs = driver is not None and driver.get("type") == "virtiofs"
    return Share("virtiofs" if virtiofs else "9p", "" if source is None else source.get("dir", ""))


def with_share(domain: str, wanted: Share | None) -> str:
    """The domain with the list coming by that way; None: no disk of nm's."""
    root = _parse(domain)
    devices = root.find("devices")
    devices = ET.SubElement(root, "devices") if devices is None else devices
    found = _find(root, wanted is None or wanted.way != "disk")
    if found is not None and found.tag == "disk":
        devices.remove(found)
        found = None
    if wanted is None:
        return ET.tostring(root, encoding="unicode")
    if wanted.way == "disk":
        devices.append(_new_disk(SERIAL, wanted, _free_target(devices)))
    else:
        _set_folder(ET.SubElement(devices, "filesystem", type="mount") if found is None else found, wanted)
        if wanted.way == "virtiofs":
            _share_memory(root)
    return ET.tostring(root, encoding="unicode")


def disk(domain: str, serial: str) -> Share | None:
    """The domain's disk with that serial number."""
    return next(map(_disk, _disks(_parse(domain), serial)), None)


def with_disk(domain: str, serial: str, wanted: Share | None) -> str:
    """The domain with that disk, or without it."""
    root = _parse(domain)
    devices = root.find("devices")
    devices = ET.SubElement(root, "devices") if devices is None else devices
    for found in _disks(root, serial):
        devices.remove(found)
    if wanted is not None:
        devices.append(_new_disk(serial, wanted, _free_target(devices)))
    return ET.tostring(root, encoding="unicode")


def new_disk(domain: str, serial: str, wanted: Share) -> str:
    """A disk to be attached to the running domain."""
    devices = _parse(domain).find("devices")
    free = _TARGETS[0] if devices is None else _free_target(devices)
    return ET.tostring(_new_disk(serial, wanted, free), encoding="unicode")


def _disks(root: ET.Element, serial: str) -> list[ET.Element]:
    return [one for one in root.findall("devices/disk") if one.findtext("serial") == serial]


def _parse(xml: str) -> ET.Element:
    return ET.fromstring(xml)  # noqa: S314 - libvirt wrote it; expat itself refuses entity bombs


def _find(root: ET.Element, folders: bool) -> ET.Element | None:
    mounts = [one for one in root.findall("devices/filesystem") if one.get("type", "mount") == "mount"]
    tagged = [one for one in mounts if _attribute(one, "target", "dir") == TAG]
    disks = _disks(root, SERIAL)
    order = [*tagged, *disks, *mounts] if folders else disks
    return next(iter(order), None)


def _attribute(element: ET.Element, path: str, name: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(name, "")


def _disk(disk: ET.Element) -> Share:
    source = disk.find("source")
    block = disk.get("type") == "block"
    return Share("disk", "" if source is None else source.get("dev" if block else "file", ""), block)


def _new_disk(serial: str, wanted: Share, target: str) -> ET.Element:
    disk = ET.Element("disk", type="block" if wanted.block else "file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type="raw", cache="writeback")  # nm writes beside QEMU
    ET.SubElement(disk, "source", {"dev" if wanted.block else "file": wanted.source})
    ET.SubElement(disk, "target", dev=target, bus="virtio")
    ET.SubElement(disk, "readonly")
    ET.SubElement(disk, "serial").text = serial
    return disk


def _free_target(devices: ET.Element) -> str:
    """The last name that is free: the first ones are for what the guest starts from."""
    used = {target.get("dev") for target in devices.findall("disk/target")}
    return next(target for target in reversed(_TARGETS) if target not in used)


def _set_folder(found: ET.Element, wanted: Share) -> None:
    if found.find("target") is None:
        found.set("accessmode", "passthrough" if wanted.way == "virtiofs" else "squash")
        ET.SubElement(found, "driver", type="virtiofs" if wanted.way == "virtiofs" else "path")
        ET.SubElement(found, "target", dir=TAG)
    for source in found.findall("source"):
        found.remove(source)
    ET.SubElement(found, "source", dir=wanted.source)
    if wanted.way == "9p" and found.find("readonly") is None:  # libvirt 9 refuses it for virtiofs
        ET.SubElement(found, "readonly")


def _share_memory(root: ET.Element) -> None:
    """The guest's memory is shared, so that virtiofsd can answer in it."""
    backing = root.find("memoryBacking")
    backing = ET.SubElement(root, "memoryBacking") if backing is None else backing
    if _attribute(backing, "access", "mode") == "shared":
        return
    for tag in ("source", "access"):
        for one in backing.findall(tag):
            backing.remove(one)
    ET.SubElement(backing, "source", type="memfd")
    ET.SubElement(backing, "access", mode="shared")
