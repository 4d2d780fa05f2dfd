"""The list as a disk: what is on it, and that half of two is noticed; and the parts of domains for lists."""

import hashlib
import io
from pathlib import Path

import pytest
from pycdlib import PyCdlib

from nm import listdisk, share_xml
from nm.errors import DeviceFailed
from nm.export import ExportHand
from nm.facts import Order
from nm.hypervisor import Share

DOMAIN = "<domain type='qemu'><name>d</name><devices>{}</devices></domain>"
TAGGED = "<filesystem type='mount'><source dir='/a'/><target dir='moc'/></filesystem>"
OTHER = "<filesystem type='mount'><driver type='virtiofs'/><source dir='/b'/><target dir='x'/></filesystem>"
DISK = "<disk type='block'><source dev='/dev/v'/><target dev='vda'/><serial>nm-list</serial></disk>"


def written(folder: Path, *macs: str) -> bytes:
    """The bytes of a disk with the list of these machines."""
    document = {"version": 1, "group": "alpha", "networks": {}, "machines": []}
    told = {"machines": [[mac, ""] for mac in macs], "document": document}
    assert ExportHand(folder).run([Order("export/alpha", told)], 1)[0].error is None
    with listdisk.opened(folder, "alpha") as source, source.image() as (image, head):
        content = image.read()
        assert head.length == listdisk.IMAGE + len(content)
        return listdisk.sector(head).ljust(listdisk.IMAGE, b"\0") + content


def is_whole(disk: bytes) -> bool:
    """As a guest sees it."""
    head = listdisk.parsed(disk[: listdisk.HEAD])
    return head is not None and hashlib.sha256(disk[listdisk.IMAGE : head.length]).hexdigest() == head.sha256


def test_a_guest_finds_the_files_on_it(tmp_path: Path) -> None:
    disk = written(tmp_path, "52:54:00:bb:00:01")
    image = PyCdlib()
    image.open_fp(io.BytesIO(disk))
    assert image.pvd.volume_identifier.strip() == b"moc"
    for name in ("machines.txt", "machines.json"):
        out = io.BytesIO()
        image.get_file_from_iso_fp(out, rr_path=f"/{name}")
        assert out.getvalue() == (tmp_path / "alpha" / name).read_bytes()
    image.close()
    assert is_whole(disk)


def test_half_of_two_lists_is_noticed_wherever_it_was_cut(tmp_path: Path) -> None:
    old, new = written(tmp_path, "52:54:00:bb:00:01"), written(tmp_path, *["52:54:00:bb:00:02"] * 400)
    old = old.ljust(len(new), b"\0")
    assert is_whole(old) and is_whole(new)
    differing = [place for place in range(listdisk.IMAGE, len(new)) if old[place] != new[place]]
    for place in differing[1 :: len(differing) // 50]:
        half = old[: listdisk.IMAGE] + new[listdisk.IMAGE : place] + old[place:]
        assert not is_whole(half)
    assert not is_whole(old[: listdisk.IMAGE] + new[listdisk.IMAGE :])  # the line comes last


def test_what_is_not_nms_is_known(tmp_path: Path) -> None:
    assert listdisk.parsed(written(tmp_path)[:2048]) is not None
    for sector in (b"", b"NM-LIST", b"NM-LIST {", b'NM-LIST {"group": 1}\n', b"NM-LIST []\n"):
        assert listdisk.parsed(sector) is None
    with pytest.raises(DeviceFailed, match="cannot be read"), listdisk.opened(tmp_path, "nobody"):
        pass


@pytest.mark.parametrize(
    ("devices", "folders", "found"),
    [
        ("", True, None),
        (OTHER + DISK + TAGGED, True, Share("9p", "/a")),
        (OTHER + DISK, True, Share("disk", "/dev/v", block=True)),
        (OTHER, True, Share("virtiofs", "/b")),
        (OTHER + TAGGED, False, None),
        (TAGGED + DISK, False, Share("disk", "/dev/v", block=True)),
    ],
)
def test_which_part_of_a_domain_is_for_the_list(devices: str, folders: bool, found: Share | None) -> None:
    assert share_xml.share(DOMAIN.format(devices), folders) == found


@pytest.mark.parametrize("devices", ["", TAGGED, DISK, OTHER])
@pytest.mark.parametrize("wanted", [Share("9p", "/c"), Share("virtiofs", "/c"), Share("disk", "/d.img")])
def test_a_domain_gets_another_one_and_keeps_all_else(devices: str, wanted: Share) -> None:
    disk = "<disk type='file'><source file='/root.img'/><target dev='vda'/></disk>"
    way = (share := share_xml.share(DOMAIN.format(devices), folders=True)) and share.way
    if way in ("9p", "virtiofs") and way != wanted.way:
        return  # nm gives a domain the list by the way that it has
    after = share_xml.with_share(DOMAIN.format(disk + devices), wanted)
    assert share_xml.share(after, folders=True) == wanted
    assert "/root.img" in after and after.count("nm-list") == (wanted.way == "disk")
    assert ("memfd" in after) == (wanted.way == "virtiofs")
    assert ("<readonly" in after) == (wanted.way != "virtiofs")


def test_taken_away_the_disk_is_gone() -> None:
    assert share_xml.share(share_xml.with_share(DOMAIN.format(DISK), None), folders=True) is None
