"""libvirt's descriptions of domains: read the NICs, and change one and nothing else. Pure.

Used by nm/libvirt_host.py only. A NIC connected to nothing is an interface of type ethernet: libvirt
then makes a tap that hangs on no bridge, whoever starts the domain.
"""

import xml.etree.ElementTree as ET

from nm.hypervisor import Has, Nic

OVS = "openvswitch"  # as libvirt calls it
_OFFLOADS = {
    "host": ("csum", "gso", "tso4", "tso6", "ecn", "ufo"),
    "guest": ("csum", "tso4", "tso6", "ecn", "ufo"),
}


def nics(domain: str) -> tuple[Nic, ...]:
    """The NICs of a domain, in their order."""
    return tuple(_nic(interface) for interface in _parse(domain).findall("devices/interface"))


def has(domain: str) -> Has:
    """What the domain has by that description. Libvirt writes KiB."""
    root = _parse(domain)
    most = int(root.findtext("memory") or 0)
    vcpus = root.find("vcpu")
    count = 1 if vcpus is None else int(vcpus.get("current") or vcpus.text or 1)
    sources = (source for source in root.findall("devices/disk/source"))
    disks = tuple(path for source in sources if (path := source.get("file") or source.get("dev")))
    now = int(root.findtext("currentMemory") or most)
    return Has(now, most, count, tuple(map(_nic, root.findall("devices/interface"))), disks)


def with_nic(domain: str, nic: Nic) -> str:
    """The domain's configuration with that NIC in it, everything else (UUID, addresses) as it was."""
    root = _parse(domain)
    interface = _find(root, nic.mac)
    if interface is None:
        devices = root.find("devices")
        devices = ET.SubElement(root, "devices") if devices is None else devices
        interface = ET.SubElement(devices, "interface")
        _new(interface, nic.mac)
    if _nic(interface).bridge != nic.bridge:
        _disconnect(interface)
    _connect(interface, nic)
    if nic.vlan is not None or nic.trunk:
        plain_checksums(interface)
    return ET.tostring(root, encoding="unicode")


def changed_nic(domain: str, nic: Nic) -> str | None:
    """The running domain's interface as it is to become; None when the domain has none of that MAC."""
    interface = _find(_parse(domain), nic.mac)
    if interface is None:
        return None
    _connect(interface, nic)
    return ET.tostring(interface, encoding="unicode")


def new_nic(nic: Nic) -> str:
    """An interface to be attached to a running domain."""
    interface = ET.Element("interface")
    _new(interface, nic.mac)
    _connect(interface, nic)
    if nic.vlan is not None or nic.trunk:
        plain_checksums(interface)
    return ET.tostring(interface, encoding="unicode")


def with_boot(domain: str, device: str) -> str:
    """The domain's configuration booting from `device` ("network", "hd") before anything else."""
    root = _parse(domain)
    system = root.find("os")
    if system is None:
        system = ET.SubElement(root, "os")
    for boot in system.findall("boot"):
        system.remove(boot)
    for part in root.findall("devices/*"):
        for order in part.findall("boot"):  # libvirt allows either kind of order, not both
            part.remove(order)
    for kind in (device, "hd" if device == "network" else "network"):
        ET.SubElement(system, "boot", dev=kind)
    return ET.tostring(root, encoding="unicode")


def boots_from(domain: str) -> str | None:
    """What the domain's configuration boots from first: "network", "hd" or another of libvirt's words."""
    first = _parse(domain).find("os/boot")
    return None if first is None else first.get("dev")


def stand_in(name: str) -> str:
    """A small domain for libvirt's test driver."""
    root = ET.Element("domain", type="test")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "memory", unit="MiB").text = "64"
    ET.SubElement(ET.SubElement(root, "os"), "type").text = "hvm"
    return ET.tostring(root, encoding="unicode")


def guest_type(capabilities: str) -> str:
    """What domains are best run by, as the host's capabilities say: kvm, qemu, or another driver's own."""
    kinds = {part.get("type", "") for part in _parse(capabilities).findall("guest/arch/domain")}
    return next((kind for kind in ("kvm", "qemu") if kind in kinds), min(kinds, default="qemu"))


def _parse(xml: str) -> ET.Element:
    return ET.fromstring(xml)  # noqa: S314 - libvirt wrote it; expat itself refuses entity bombs


def _find(root: ET.Element, mac: str) -> ET.Element | None:
    for interface in root.findall("devices/interface"):
        if _mac(interface) == mac:
            return interface
    return None


def _mac(interface: ET.Element) -> str:
    return _attribute(interface, "mac", "address").lower()


def _attribute(element: ET.Element, path: str, name: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(name, "")


def _nic(interface: ET.Element) -> Nic:
    vlan = interface.find("vlan")
    tags = [] if vlan is None or vlan.get("trunk") == "yes" else vlan.findall("tag")
    tag = int(tags[0].get("id", "0")) if len(tags) == 1 else None
    return Nic(
        mac=_mac(interface),
        bridge=_bridge(interface),
        vlan=tag,
        link_up=_attribute(interface, "link", "state") != "down",
        trunk=tag is None and _attribute(interface, "virtualport", "type") == OVS,
    )


def _bridge(interface: ET.Element) -> str | None:
    """The bridge's name, None for a tap of its own, KIND:NAME for all other connections."""
    kind = interface.get("type", "")
    own_tap = _attribute(interface, "target", "managed") != "no" and interface.find("script") is None
    if kind == "ethernet" and own_tap:
        return None
    source = interface.find("source")
    places = {} if source is None else source.attrib
    if kind == "bridge" and "bridge" in places:
        return places["bridge"]
    return f"{kind}:{places.get('network') or places.get('dev') or _attribute(interface, 'target', 'dev')}"


def _new(interface: ET.Element, mac: str) -> None:
    ET.SubElement(interface, "mac", address=mac)
    ET.SubElement(interface, "model", type="virtio")


def _disconnect(interface: ET.Element) -> None:
    """Take away all that only fits the connection that it had."""
    for tag in ("source", "virtualport", "vlan", "script", "target", "filterref", "backend", "portForward"):
        for element in interface.findall(tag):
            interface.remove(element)


def _connect(interface: ET.Element, nic: Nic) -> None:
    """Write the connection and the link state; a virtualport that fits keeps its interface id."""
    interface.set("type", "ethernet" if nic.bridge is None else "bridge")
    port, by_ovs = interface.find("virtualport"), nic.vlan is not None or nic.trunk
    if port is not None and by_ovs and port.get("type") == OVS:
        interface.remove(port)
    else:
        port = None
    for tag in ("source", "virtualport", "vlan", "link"):
        for element in interface.findall(tag):
            interface.remove(element)
    if nic.bridge is not None:
        ET.SubElement(interface, "source", bridge=nic.bridge)
    if nic.vlan is not None:
        ET.SubElement(ET.SubElement(interface, "vlan"), "tag", id=str(nic.vlan))
    if by_ovs:
        interface.append(ET.Element("virtualport", type=OVS) if port is None else port)
    ET.SubElement(interface, "link", state="up" if nic.link_up else "down")


def plain_checksums(interface: ET.Element) -> None:
    """Let a virtio NIC fill in its checksums: OVS' userspace datapath sends them on as they are."""
    if not _attribute(interface, "model", "type").startswith("virtio"):
        return
    driver = interface.find("driver")
    driver = ET.SubElement(interface, "driver") if driver is None else driver
    for side, offloads in _OFFLOADS.items():
        part = driver.find(side)
        part = ET.SubElement(driver, side) if part is None else part
        for offload in offloads:
            part.set(offload, "off")
