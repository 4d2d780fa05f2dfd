import xml.etree.ElementTree as ET

import pytest

from nm import domain_xml
from nm.hypervisor import Nic

MAC = "52:54:00:aa:00:01"


def domain(*interfaces: str, devices: str = "") -> str:
    inner = f"<devices>{''.join(interfaces)}{devices}</devices>"
    return f"<domain type='qemu'><name>d</name><uuid>u</uuid>{inner}</domain>"


def interface(kind: str, inner: str, mac: str = MAC) -> str:
    return f"<interface type='{kind}'><mac address='{mac.upper()}'/>{inner}</interface>"


@pytest.mark.parametrize(
    ("kind", "inner", "seen"),
    [
        ("bridge", "<source bridge='br1'/>", Nic(MAC, "br1")),
        ("bridge", "<source bridge='br1'/><link state='down'/>", Nic(MAC, "br1", link_up=False)),
        ("bridge", "<source bridge='br1'/><vlan><tag id='7'/></vlan>", Nic(MAC, "br1", 7)),
        ("bridge", "<source bridge='br1'/><vlan trunk='yes'><tag id='7'/></vlan>", Nic(MAC, "br1")),
        ("bridge", "<source bridge='br1'/><vlan><tag id='7'/><tag id='8'/></vlan>", Nic(MAC, "br1")),
        ("network", "<source network='default' bridge='virbr0'/>", Nic(MAC, "network:default")),
        ("direct", "<source dev='eth1' mode='vepa'/>", Nic(MAC, "direct:eth1")),
        ("user", "", Nic(MAC, "user:")),
        ("ethernet", "", Nic(MAC, None)),
        ("ethernet", "<target dev='swp1' managed='no'/>", Nic(MAC, "ethernet:swp1")),
        ("ethernet", "<script path='/etc/plug'/>", Nic(MAC, "ethernet:")),
    ],
)
def test_reading(kind: str, inner: str, seen: Nic) -> None:
    assert domain_xml.nics(domain(interface(kind, inner))) == (seen,)


@pytest.mark.parametrize("kind", ["bridge", "network", "direct", "user", "ethernet"])
@pytest.mark.parametrize("nic", [Nic(MAC, "br9", 9), Nic(MAC, "nmbr9"), Nic(MAC, None, link_up=False)])
def test_writing_keeps_all_else(kind: str, nic: Nic) -> None:
    other = '<interface type="bridge"><mac address="52:54:00:aa:00:02" /><source bridge="br1" /></interface>'
    kept = "<model type='virtio'/><address type='pci' slot='0x03'/><boot order='1'/>"
    places = (
        "<source bridge='br1' network='n' dev='e'/><target dev='t0' managed='no'/><vlan><tag id='3'/></vlan>"
    )
    old = interface(kind, places + kept)
    text = domain_xml.with_nic(domain(other, old), nic)
    assert domain_xml.nics(text) == (Nic("52:54:00:aa:00:02", "br1"), nic)
    root = ET.fromstring(text)
    assert root.findtext("uuid") == "u"
    assert other in text
    changed = root.findall("devices/interface")[1]
    assert [changed.find(tag) is not None for tag in ("model", "address", "boot")] == [True] * 3


def test_a_port_of_open_vswitch_keeps_its_id_and_loses_its_offloads() -> None:
    port = (
        "<virtualport type='openvswitch'><parameters interfaceid='11'/></virtualport><model type='virtio'/>"
    )
    text = domain_xml.with_nic(
        domain(interface("bridge", f"<source bridge='br0'/>{port}")), Nic(MAC, "br0", 5)
    )
    root = ET.fromstring(text)
    assert [found.get("interfaceid") for found in root.iter("parameters")] == ["11"]
    assert [found.get("csum") for found in (*root.iter("host"), *root.iter("guest"))] == ["off", "off"]
    plain = ET.fromstring(domain_xml.with_nic(text, Nic(MAC, "nmbr5")))
    assert list(plain.iter("virtualport")) == []


def test_an_emulated_card_has_no_offloads_to_switch() -> None:
    old = interface("bridge", "<source bridge='br0'/><model type='e1000'/>")
    assert "csum" not in domain_xml.with_nic(domain(old), Nic(MAC, "br0", 5))


def test_a_nic_that_is_not_there_is_added() -> None:
    assert domain_xml.nics(domain_xml.with_nic("<domain/>", Nic(MAC, "br0", 5))) == (Nic(MAC, "br0", 5),)
    assert domain_xml.changed_nic(domain(), Nic(MAC, "br0", 5)) is None
    assert domain_xml.nics(domain(domain_xml.new_nic(Nic(MAC, "br0", 5)))) == (Nic(MAC, "br0", 5),)


def test_the_order_of_boot_devices() -> None:
    old = domain(devices="<disk><boot order='2'/></disk>")
    root = ET.fromstring(domain_xml.with_boot(old, "network"))
    assert [boot.get("dev") for boot in root.iter("boot")] == ["network", "hd"]
    root = ET.fromstring(domain_xml.with_boot(ET.tostring(root, encoding="unicode"), "hd"))
    assert [boot.get("dev") for boot in root.iter("boot")] == ["hd", "network"]
