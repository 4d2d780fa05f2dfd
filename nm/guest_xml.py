"""The descriptions of slivers' guests: virtual machines and containers, and nm's mark in them. Pure.

The mark is all that nm knows of a guest without asking elsewhere: what it was made from, and what it was told
last to be. It is written after that was done, so what was cut short is done again.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nm import guestinit, machine_xml
from nm.hypervisor import Volume
from nm.machine_xml import Machine, Nic, add

EMULATOR = "/usr/lib/libvirt/libvirt_lxc"


@dataclass(frozen=True)
class GuestMark:
    """What was last made true of a guest, as the fact's value has it; all of it text."""

    SPACE: ClassVar[str] = "urn:nm:sliver:1"
    TAG: ClassVar[str] = "guest"

    sliver: str
    image: str
    life: str
    state: str
    index: str
    told: str
    shares: str
    reserve: str
    cores: str
    memory: str
    disk: str


@dataclass(frozen=True)
class Guest:
    """What a guest is to be. `image` is the image's record."""

    domain: str
    kind: str  # as libvirt calls it: lxc, kvm, qemu
    mark: GuestMark
    image: Mapping[str, Any]
    memory: int  # MiB
    nic: Nic | None
    address: str | None = None
    gateway: str | None = None
    volumes: tuple[Volume, ...] = ()


def description(guest: Guest) -> str:
    """The description for libvirt."""
    if guest.kind == "lxc":
        return _container(guest)
    image = {**guest.image, "memory": guest.memory}
    nics = (guest.nic,) if guest.nic is not None else ()
    machine = Machine(guest.domain, guest.mark, guest.mark.life, guest.kind, image, nics, guest.volumes)
    return machine_xml.description(machine)


def _container(guest: Guest) -> str:
    root = machine_xml.begun(guest.kind, guest.domain, guest.mark, guest.mark.life)
    add(root, "memory", str(guest.memory), unit="MiB")
    system = add(root, "os")
    add(system, "type", "exe", arch="x86_64")
    add(system, "init", "/bin/sh")
    add(system, "initarg", f"{guestinit.SEED}/{guestinit.INIT}")
    add(add(root, "features"), "privnet")  # without it one that has no NIC would have the host's
    devices = add(root, "devices")
    add(devices, "emulator", EMULATOR)
    _filesystem(devices, "mount", "dir", guest.image["root"], "/", readonly=True)
    for volume, place in zip(guest.volumes, (guestinit.DISK, guestinit.SEED), strict=False):
        kind, source = ("block", "dev") if volume.block else ("file", "file")
        _filesystem(devices, kind, source, volume.path, place, readonly=place == guestinit.SEED)
    if guest.nic is not None:
        _nic(devices, guest.nic, guest.address, guest.gateway)
    add(devices, "console", type="pty")
    return ET.tostring(root, encoding="unicode")


def _filesystem(devices: ET.Element, kind: str, source: str, path: str, place: str, readonly: bool) -> None:
    found = add(devices, "filesystem", type=kind, accessmode="passthrough")
    if kind == "file":
        add(found, "driver", type="loop", format="raw")
    add(found, "source", **{source: path})
    add(found, "target", dir=place)
    if readonly:
        add(found, "readonly")


def _nic(devices: ET.Element, nic: Nic, address: str | None, gateway: str | None) -> None:
    """A veth pair; libvirt gives the end in the container its address."""
    if nic.place is None:
        return
    kind, name = next(iter(nic.place.items()))
    found = add(devices, "interface", type=kind)
    add(found, "mac", address=nic.mac)
    add(found, "source", **{kind: name})
    if nic.device is not None:
        add(found, "target", dev=nic.device)
    add(found, "guest", dev="eth0")
    if address is not None:
        host, _, prefix = address.partition("/")
        family = "ipv6" if ":" in host else "ipv4"
        add(found, "ip", address=host, prefix=prefix, family=family)
        if gateway is not None:
            everywhere = "::" if family == "ipv6" else "0.0.0.0"  # noqa: S104 - a route, nothing listens
            add(found, "route", family=family, address=everywhere, prefix="0", gateway=gateway)
