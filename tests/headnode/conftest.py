"""A head node's folders, with everything below one of the test's own."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from nm_head.settings import Settings
from pycdlib import PyCdlib

PROGRAM = Path(__file__).parents[2] / "headnode/run"
DEBIAN = {
    "name": "debian",
    "kernel": "boot/debian/kernel",
    "initrd": "boot/debian/initrd",
    "cmdline": "quiet",
}
CENTOS = {"name": "centos", "profile": "centos"}


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


def machine(number: int, image: Any = None, **more: Any) -> dict[str, Any]:
    """A machine as the list has it."""
    told = {"name": f"n{number}", "mac": mac(number), "address": "", "ip": f"192.168.10.{10 + number}"}
    return {**told, "hostname": f"node{number}", "image": image, "nics": [], **more}


def write_list(folder: Path, machines: Sequence[Any], **more: Any) -> None:
    """A list, whole, as nm puts it there."""
    folder.mkdir(exist_ok=True)
    told = {"version": 1, "group": "alpha", "networks": {}, "machines": list(machines), **more}
    new = folder / ".new"
    new.write_text(json.dumps(told))
    new.rename(folder / "machines.json")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("moc", "tftp", "state", "door", "run", "loaders"):
        (tmp_path / name).mkdir()
    return Settings(
        moc=tmp_path / "moc", tftp=tmp_path / "tftp", state=tmp_path / "state", door=tmp_path / "door",
        run=tmp_path / "run", loaders=tmp_path / "loaders", interface="lo", ipv6="",
    )  # fmt: skip


def unpacked(image: bytes, folder: Path) -> Path:
    """The files of an ISO 9660 image, below that folder."""
    disk = PyCdlib()
    disk.open_fp(io.BytesIO(image))
    for place, _, names in disk.walk(rr_path="/"):
        (folder / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for name in names:
            with (folder / place.lstrip("/") / name).open("wb") as file:
                disk.get_file_from_iso_fp(file, rr_path=f"{place.rstrip('/')}/{name}")
    disk.close()
    return folder
