"""Libvirt's domains as a description: what `virsh dumpxml` wrote becomes components. Pure.

What a Domain can say is taken; what it cannot is told, so that nobody takes the description for all there is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from nm.shell.failures import USAGE, Failure

WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
UNITS = {"b": 1, "bytes": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1000, "m": 1 << 20, "mib": 1 << 20,
         "mb": 10**6, "g": 1 << 30, "gib": 1 << 30, "gb": 10**9, "t": 1 << 40, "tib": 1 << 40}  # fmt: skip
PLAIN = {
    "kernel": "os/kernel", "ramdisk": "os/initrd", "cmdline": "os/cmdline", "uuid": "uuid",
    "onCrash": "on_crash",
}  # fmt: skip
KNOWN = {"emulator", "disk", "interface", "graphics", "console", "serial", "controller", "input", "video",
         "memballoon", "rng", "channel", "audio", "watchdog"}  # fmt: skip

Value = str | int


@dataclass
class Found:
    """One domain: its attributes, those of its disk (None: it has none), and what is left out."""

    name: str
    attributes: dict[str, Value] = field(default_factory=dict)
    disk: str | None = None
    left: list[str] = field(default_factory=list)


def read(text: str, source: str) -> Found:
    """The domain that libvirt's XML tells of."""
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException) as error:
        raise Failure(
            f"{source}: no XML of libvirt's: {error}", "give what virsh dumpxml writes", USAGE
        ) from None
    name = root.findtext("name")
    if root.tag != "domain" or not name:
        raise Failure(f"{source}: this describes no domain", "give what virsh dumpxml writes", USAGE)
    found = Found(name)
    found.attributes |= {"hostname": name, "domainName": name, "memory": _mib(root.find("memory"))}
    found.attributes["vcpus"] = int(root.findtext("vcpu") or 1)
    for attribute, path in PLAIN.items():
        if value := root.findtext(path):
            found.attributes[attribute] = value
    if (machine := root.find("os/type")) is not None and machine.get("machine"):
        found.attributes["machine"] = machine.get("machine", "")
    _disks(root, found)
    _interfaces(root, found)
    _rest(root, found)
    return found


def _mib(memory: Element | None) -> int:
    if memory is None:
        return 512
    return int(memory.text or 0) * UNITS.get(memory.get("unit", "KiB").lower(), 1 << 10) >> 20


def _disks(root: Element, found: Found) -> None:
    disks = [disk for disk in root.findall("devices/disk") if disk.get("device", "disk") == "disk"]
    for disk in disks[:1]:
        source = disk.find("source")
        found.disk = next(
            (value for key in ("file", "dev") if source is not None and (value := source.get(key))), None
        )
        target = disk.find("target")
        if target is not None:
            found.attributes["diskTarget"] = target.get("dev", "vda")
            found.attributes["diskBus"] = target.get("bus", "virtio")
    found.left += [f"disk {number}" for number, _ in enumerate(disks[1:], 2)]


def _interfaces(root: Element, found: Found) -> None:
    interfaces = root.findall("devices/interface")
    for interface in interfaces[:1]:
        source, mac = interface.find("source"), interface.find("mac")
        for kind in ("bridge", "network"):
            if source is not None and (value := source.get(kind)):
                found.attributes[kind] = value
        if mac is not None:
            found.attributes["mac"] = mac.get("address", "")
    found.left += [f"interface {number}" for number, _ in enumerate(interfaces[1:], 2)]


def _rest(root: Element, found: Found) -> None:
    graphics = root.find("devices/graphics")
    if graphics is not None and graphics.get("type") in ("vnc", "spice"):
        found.attributes["graphics"] = graphics.get("type", "")
    crash = found.attributes.get("onCrash")
    if crash not in (None, "destroy", "restart"):
        found.left.append(f"on_crash {crash}")
        del found.attributes["onCrash"]
    devices = root.find("devices")
    found.left += sorted(
        {device.tag for device in devices if device.tag not in KNOWN} if devices is not None else ()
    )


def description(domains: Sequence[Found], host: str | None) -> str:
    """A text that describes these domains, in canonical layout."""
    place = [f"  sfProcessHost {_text(host)};"] if host else []
    lines = [
        '#include "ch/cern/openlab/smartdomains/components.sf"',
        "",
        "sfConfig extends Compound {",
        "  sfSyncTerminate true;",
        *place,
        *(line for domain in domains for line in _components(domain)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _components(found: Found) -> Iterator[str]:
    name = found.name if WORD.fullmatch(found.name) else _text(found.name)
    disk = f"{found.name}-disk"
    yield ""
    for what in found.left:
        yield f"  // not taken over: {what}"
    if found.disk is not None:
        yield f"  {disk if WORD.fullmatch(disk) else _text(disk)} extends LoopbackStorageBackend {{"
        yield f"    baseImage {_text(found.disk)};"
        yield "    keepOnTerminate true;"
        yield "  }"
    yield f"  {name} extends Domain {{"
    for attribute, value in found.attributes.items():
        yield f"    {attribute} {value if isinstance(value, int) else _text(value)};"
    if found.disk is not None:
        yield f"    storageBackend LAZY ATTRIB {disk if WORD.fullmatch(disk) else _text(disk)};"
    yield "  }"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
