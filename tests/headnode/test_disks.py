"""What nm writes onto a head node's disks, read as a head node reads it. Mounting is in tests/kernel."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from nm_head import disks, moc, network, seed
from nm_head.errors import HeadError
from nm_head.settings import Settings

from nm import listdisk
from nm.export import ExportHand
from nm.facts import Order
from nm.seed import Door, Seed, image
from tests.headnode.conftest import mac, unpacked

DOOR = Door("nm.example", 22, "head-h1", "a key\n", "nm.example ssh-ed25519 AAAA\n", "mark1")


def seeded(folder: Path, door: Door | None, cloud: bool = False) -> Path:
    told = Seed("1", "h1", "alpha", mac(1), "192.168.10.1/24", door=door)
    return unpacked(image(told, cloud), folder) / "nm"


def test_the_door_comes_from_the_seed(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/key").write_text("an older key")
    (tmp_path / "etc/key").chmod(0o644)
    assert seed.put(seeded(tmp_path / "seed", DOOR), tmp_path / "etc")
    assert (tmp_path / "etc/key").read_text() == "a key\n"
    assert stat.S_IMODE((tmp_path / "etc/key").stat().st_mode) == 0o600
    assert '"account": "head-h1"' in (tmp_path / "etc/door.json").read_text()


def test_a_seed_without_a_door_and_half_a_door(tmp_path: Path) -> None:
    place = seeded(tmp_path / "one", None, cloud=True)
    assert seed.put(place, tmp_path / "etc") and not (tmp_path / "etc/door.json").exists()
    assert not seed.put(tmp_path / "nothing", tmp_path / "etc")
    place = seeded(tmp_path / "two", DOOR)
    (place / "key").unlink()
    with pytest.raises(HeadError, match="lacks key"):
        seed.put(place, tmp_path / "etc2")
    assert not (tmp_path / "etc2").exists()


def test_disks_are_known_by_their_labels(tmp_path: Path) -> None:
    (tmp_path / "seed").write_bytes(image(Seed("1", "h1", "alpha", mac(1), "10.0.0.1/8"), cloud=False))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "other").write_bytes(bytes(100_000))
    assert [disks.label(tmp_path / name) for name in ("seed", "empty", "other", "none")] == [
        "NMHEAD",
        "",
        "",
        "",
    ]


def list_disk(folder: Path, number: int) -> bytes:
    """The bytes of a disk with a list of one machine."""
    told = {"version": 1, "group": "alpha", "networks": {}, "machines": []}
    order = Order("export/alpha", {"machines": [[mac(number), "10.0.0.9"]], "document": told})
    assert ExportHand(folder).run([order], 1)[0].error is None
    with listdisk.opened(folder, "alpha") as source, source.image() as (out, head):
        return listdisk.sector(head).ljust(listdisk.IMAGE, b"\0") + out.read() + bytes(4096)


def test_half_of_a_list_on_a_disk_is_noticed(tmp_path: Path) -> None:
    device = tmp_path / "disk"
    one, two = list_disk(tmp_path / "lists", 1), list_disk(tmp_path / "lists", 2)
    device.write_bytes(one)
    disks.check(device, moc.line(device), "list")
    device.write_bytes(one[: listdisk.HEAD] + two[listdisk.HEAD :])
    with pytest.raises(HeadError, match="half of a list"):
        disks.check(device, moc.line(device), "list")
    device.write_bytes(two)
    disks.check(device, moc.line(device), "list")
    device.write_bytes(bytes(100_000))
    with pytest.raises(HeadError, match="no list of machines yet"):
        moc.line(device)


def test_another_seed_is_noticed_once_and_half_of_one_is_not_taken(tmp_path: Path) -> None:
    device = tmp_path / "disk"
    watch = seed.Watch(lambda: device if device.exists() else None)
    assert not watch.is_new()
    told = Seed("1", "h1", "alpha", mac(1), "10.0.0.1/8", door=DOOR)
    one, other = (image(replace(told, door=replace(DOOR, key=key, mark=key))) for key in ("one", "other"))
    for content in (one, other):
        device.write_bytes(content)
        assert [watch.is_new(), watch.is_new()] == [True, False]
        disks.check(device, disks.line(device, b"NM-SEED "), "seed")
    device.write_bytes(other[: listdisk.HEAD] + one[listdisk.HEAD :])
    with pytest.raises(HeadError, match="half of a seed"):
        disks.check(device, disks.line(device, b"NM-SEED "), "seed")
    device.write_bytes(bytes(len(one)))
    assert not watch.is_new()


def test_while_nm_writes_another_list_it_is_the_one_that_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "disk"
    mounted: list[bytes] = []
    one, two = list_disk(tmp_path / "lists", 1), list_disk(tmp_path / "lists", 2)
    monkeypatch.setattr(moc, "find", lambda: device)
    monkeypatch.setattr(disks, "is_mounted", lambda place: bool(mounted))
    monkeypatch.setattr(disks, "mount_anew", lambda device, place: mounted.append(device.read_bytes()))
    watch = moc.Watch(tmp_path / "moc")
    head = listdisk.parsed(two[: listdisk.HEAD])
    assert head is not None
    begun = listdisk.sector(listdisk.begun(head))
    device.write_bytes(begun + two[listdisk.HEAD :])
    with pytest.raises(HeadError, match="half of a list"):
        watch.look()  # there is none before it
    device.write_bytes(one)
    first = watch.look()
    device.write_bytes(begun + two[listdisk.HEAD :])
    assert watch.look() == first and mounted == [one]
    device.write_bytes(two)
    assert watch.look() != first and mounted == [one, two]


def test_the_interface_is_found_by_the_seeds_mac_or_by_its_name(settings: Settings) -> None:
    assert str(network.find(settings).address) == "127.0.0.1/8"
    own = network._interfaces()
    if own:
        name, address = next(iter(own.items()))
        (settings.door / "head.json").write_text(f'{{"mac": "{address.upper()}"}}')
        assert network._by_mac(settings) == name
    with pytest.raises(HeadError, match="no IPv4 address"):
        network.find(Settings(interface="nothing0"))
