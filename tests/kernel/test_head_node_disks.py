"""A head node's disks, mounted by what is installed there: the seed, and the list while nm overwrites it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nm_head.errors import HeadError
from nm_head.moc import Watch

from nm.seed import Seed, image
from tests.headnode.conftest import PROGRAM, mac
from tests.headnode.test_disks import DOOR, list_disk

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("losetup") is None,
    reason="needs root, and a kernel with ISO 9660: make test-kernel",
)


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    for module in ("loop", "isofs"):
        run("modprobe", module)
    (tmp_path / "head.conf").write_text(f"[head]\nmoc = {tmp_path}/moc\ndoor = {tmp_path}/door\n")
    yield tmp_path
    if os.path.ismount(tmp_path / "moc"):
        run("umount", tmp_path / "moc")


@pytest.fixture
def disk(work: Path) -> Iterator[Path]:
    """A disk's bytes, which nm would overwrite."""
    (work / "disk").write_bytes(list_disk(work / "lists", 1).ljust(8 << 20, b"\0"))
    device = run("losetup", "--find", "--show", work / "disk")
    yield work / "disk"
    run("losetup", "-d", device)


def program(work: Path, *words: str) -> None:
    environment = {**os.environ, "HEAD_CONF": str(work / "head.conf")}
    subprocess.run([sys.executable, "-I", PROGRAM, *words], env=environment, check=True)


def overwrite(disk: Path, content: bytes) -> None:
    """As nm does: in place, the beginning last."""
    with disk.open("r+b") as file:
        file.seek(2048)
        file.write(content[2048:])
        file.flush()
        file.seek(0)
        file.write(content[:2048])


def test_the_seed_is_taken_from_its_disk(work: Path) -> None:
    told = Seed("1", "h1", "alpha", mac(1), "10.0.0.1/8", door=DOOR)
    (work / "seed").write_bytes(image(told, cloud=False))
    device = run("losetup", "--find", "--show", work / "seed")
    try:
        program(work, "nm-head-seed")
        assert (work / "door/key").read_text() == "a key\n"
        overwrite(
            work / "seed", image(replace(told, door=replace(DOOR, key="another key\n", mark="mark2")), False)
        )
        program(work, "nm-head-seed")
    finally:
        run("losetup", "-d", device)
    names = {path.name for path in (work / "door").iterdir()}
    assert names == {"door.json", "key", "known_hosts"}
    assert (work / "door/key").read_text() == "another key\n"


def test_the_list_is_mounted_and_followed(work: Path, disk: Path) -> None:
    place = work / "moc"
    program(work, "mount.moc", "moc", str(place))
    assert mac(1) in (place / "machines.txt").read_text()
    program(work, "mount.moc", "moc", str(place))  # once is enough
    watch = Watch(place)
    first = watch.look()
    assert watch.look() == first
    content = list_disk(work / "lists", 2)
    overwrite(disk, content)
    assert watch.look() != first
    assert mac(2) in (place / "machines.txt").read_text()
    with disk.open("r+b") as file:  # nm was cut off before it wrote all
        file.write(list_disk(work / "lists", 3)[:2048])
    with pytest.raises(HeadError, match="half of a list"):
        watch.look()
    assert mac(2) in (place / "machines.txt").read_text()
    overwrite(disk, list_disk(work / "lists", 3))
    watch.look()
    assert mac(3) in (place / "machines.txt").read_text()
