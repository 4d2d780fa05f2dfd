"""The descriptions of domains that were adopted: as they are, but for what their components give. Pure."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from nm.machine_xml import add

PLACES = {"kernel": "kernel", "ramdisk": "initrd", "cmdline": "cmdline"}  # attributes, and elements of os


def described(description: str, given: Mapping[str, Any]) -> str:
    """The description with these attributes of kinds.DOMAIN put over it; all else stays as it is.

    What a guest is known or its disks are attached by is the domain's own, and so is where its NIC is: that
    is changed elsewhere.
    """
    root = ET.fromstring(description)  # noqa: S314 - libvirt wrote it
    _memory(root, given.get("memory"), given.get("maxMemory"))
    _processors(root, given.get("vcpus"), given.get("maxVcpus"))
    _system(root, given)
    if (crash := given.get("onCrash")) is not None:
        _child(root, "on_crash").text = str(crash)
    if (model := given.get("cpu")) is not None:
        for old in root.findall("cpu"):
            root.remove(old)
        add(add(root, "cpu", mode="custom", match="exact"), "model", str(model), fallback="forbid")
    if (graphics := given.get("graphics")) is not None:
        _graphics(_child(root, "devices"), str(graphics))
    return ET.tostring(root, encoding="unicode")


def _child(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found


def _memory(root: ET.Element, now: int | None, most: int | None) -> None:
    """In MiB. What is as much already is not written anew: it may be an odd number of KiB."""
    held = _child(root, "memory")
    if most is not None or (now is not None and now > _mib(held)):
        _give(held, max(most or 0, now or 0))
    if now is not None:
        _give(_child(root, "currentMemory"), now)


def _give(element: ET.Element, mib: int) -> None:
    if _mib(element) != mib:
        element.set("unit", "MiB")
        element.text = str(mib)


def _mib(element: ET.Element) -> int:
    """Libvirt writes KiB."""
    return int(element.text or 0) >> (0 if element.get("unit") == "MiB" else 10)


def _processors(root: ET.Element, now: int | None, most: int | None) -> None:
    found = _child(root, "vcpu")
    whole = int(found.text or 1)
    if now is None and most is None:
        return
    now = now if now is not None else int(found.get("current", whole))
    found.text = str(max(now, most if most is not None else whole))
    found.set("current", str(now))


def _system(root: ET.Element, given: Mapping[str, Any]) -> None:
    system = _child(root, "os")
    for name, tag in PLACES.items():
        if (value := given.get(name)) is not None:
            _child(system, tag).text = str(value)
    kind = system.find("type")
    if kind is not None and (machine := given.get("machine")) is not None:
        kind.set("machine", str(machine))


def _graphics(devices: ET.Element, kind: str) -> None:
    found = devices.findall("graphics")
    if [one.get("type") for one in found] == ([] if kind == "none" else [kind]):
        return
    for old in found:
        devices.remove(old)
    if kind != "none":
        add(devices, "graphics", type=kind, autoport="yes", listen="127.0.0.1")
