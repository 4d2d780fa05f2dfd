"""Descriptions of domains for Xen, held against libvirt's own schema: there is no Xen to run them."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from nm.errors import Invalid
from nm.hypervisor import Volume, canonical_uri, check_uri, is_remote, machine_of
from nm.machine_xml import Nic
from nm.pool_xml import Disk, Guest, PoolMark, description

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
LOOKS = {"diskBus": "virtio", "diskTarget": None, "machine": None, "cpu": None, "graphics": "none"}
LOOKS |= {"onCrash": "destroy", "uuid": None}
KERNEL = {"kernel": "/boot/vmlinuz-2.6-xen", "initrd": "/boot/initrd", "cmdline": "root=/dev/xvda"}


def guest(kind: str, boot: dict[str, str | None], **looks: Any) -> str:
    mark = PoolMark("web", "web/a", "0123456789ab", "whole")
    disk = Disk(Volume("nm-pool-web-0123456789ab+disk", "/dev/vg/lv", block=True), "raw")
    seed = Disk(Volume("a+seed", "/images/a+seed", block=False), "raw", writable=False)
    nic = Nic("52:54:00:00:00:01", {"bridge": "xenbr0"})
    attributes = {**LOOKS, **looks}
    return description(Guest("a", kind, mark, 512, 1024, 1, 2, boot, attributes, nic, (disk, seed)))


@pytest.mark.skipif(not SCHEMA.exists(), reason="needs libvirt-daemon-system")
@pytest.mark.parametrize("kind", ["xen", "qemu", "kvm"])
@pytest.mark.parametrize("boot", [{}, KERNEL], ids=["disk", "kernel"])
@pytest.mark.parametrize("looks", [{}, {"graphics": "vnc"}, {"diskBus": "ide", "onCrash": "restart"}])
def test_libvirts_schema_takes_it(kind: str, boot: dict[str, str | None], looks: dict[str, Any]) -> None:
    """As virt-xml-validate holds it against that."""
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    assert schema.validate(etree.fromstring(guest(kind, boot, **looks))), schema.error_log


def test_with_a_kernel_it_is_paravirtual_and_else_has_firmware() -> None:
    with_kernel, whole = ET.fromstring(guest("xen", dict(KERNEL))), ET.fromstring(guest("xen", {}))
    assert [root.findtext("os/type") for root in (with_kernel, whole)] == ["xen", "hvm"]
    assert with_kernel.findtext("os/kernel") == KERNEL["kernel"] and whole.find("os/loader") is not None
    for root in (with_kernel, whole):
        assert root.get("type") == "xen"
        targets = [target.attrib for target in root.findall("devices/disk/target")]
        assert targets == [{"dev": "xvda", "bus": "xen"}, {"dev": "xvdb", "bus": "xen"}]


def test_its_uris_are_allowed_as_qemus_are() -> None:
    assert check_uri("xen:///system") == "xen:///system" and not is_remote("xen:///system")
    away = check_uri("xen+ssh://root@Machine9.example/system")
    assert is_remote(away) and machine_of(away) == "machine9.example"
    assert canonical_uri(away) != canonical_uri("qemu+ssh://machine9.example/system")
    for uri in ("xen:///", "xen:///system?command=x", "xen+ssh://h/session", "xen+tcp://h/system"):
        with pytest.raises(Invalid, match="is not allowed"):
            check_uri(uri)
