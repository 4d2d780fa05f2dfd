"""machines.json and the kernels beside the list: what is written; mixtures and strangers are noticed."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nm import listdisk
from nm.errors import DeviceFailed, NMError
from nm.export import ExportHand
from nm.facts import Order, Value
from nm.records import Record

MAC = "52:54:00:bb:00:01"


def value(*images: dict[str, Any] | None) -> Value:
    machines = [
        {"name": f"n{n}", "mac": f"52:54:00:bb:00:{n:02}", "image": image}
        for n, image in enumerate(images, 1)
    ]
    document = {"version": 1, "group": "alpha", "networks": {}, "machines": machines}
    return {"machines": [[one["mac"], "10.1.1.11"] for one in machines], "document": document}


def booting(name: str) -> dict[str, Any]:
    paths = {file: f"boot/{name}/{file}" for file in ("kernel", "initrd")}
    return {"name": name, **paths, "cmdline": "quiet"}


class Bench:
    def __init__(self, folder: Path) -> None:
        self.place, self.images = folder / "lists" / "alpha", folder / "images"
        self.images.mkdir()
        self.records: dict[str, Record] = {}
        self.hand = ExportHand(folder / "lists", self.records.get, [self.images])
        for name in ("debian", "rescue"):
            self.image(name, name)

    def image(self, name: str, content: str) -> None:
        paths = {file: self.images / f"{name}.{file}" for file in ("kernel", "initrd")}
        for file, path in paths.items():
            path.write_text(f"{file} of {content}")
        self.records[name] = {"kind": "netboot", **{file: str(path) for file, path in paths.items()}}

    def run(self, told: Value | None, old: Value | None = None) -> Value | NMError | None:
        [outcome] = self.hand.run([Order("export/alpha", told, old)], 1)
        return outcome.error or outcome.seen

    def read(self) -> Value | NMError | None:
        [outcome] = self.hand.read(["export/alpha"])
        return outcome.error or outcome.seen

    def boot(self) -> dict[str, str]:
        found = (path for path in self.place.rglob("*") if path.is_file() and "boot" in path.parts)
        return {str(path.relative_to(self.place / "boot")): path.read_text() for path in found}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_document_has_the_checksums_of_all_other_files(bench: Bench) -> None:
    told = value(booting("debian"), None)
    assert bench.run(told) == bench.read() == told
    document = json.loads((bench.place / "machines.json").read_text())
    assert {key: document[key] for key in told["document"]} == told["document"]
    assert document["files"].keys() == {"machines.txt", "boot/debian/kernel", "boot/debian/initrd"}
    for path, known in document["files"].items():
        content = (bench.place / path).read_bytes()
        assert known == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_a_mixture_of_two_lists_is_noticed(bench: Bench) -> None:
    bench.run(value(None))
    text = (bench.place / "machines.txt").read_text()
    bench.run(value(None, None))
    (bench.place / "machines.txt").write_text(text)
    assert bench.read() != value(None) and bench.read() != value(None, None)
    assert bench.run(value(None)) == value(None)
    (bench.place / "machines.json").write_text("{}")
    assert bench.read() != value(None)


def test_a_list_of_an_older_nm_is_as_it_was_deployed(bench: Bench) -> None:
    old = {"machines": [[MAC, "10.1.1.11"]]}
    bench.run(value(booting("debian")))
    assert bench.run(old) == bench.read() == old
    assert bench.run(value(None)) == value(None)


def test_kernels_come_and_go_and_are_copied_only_when_they_changed(bench: Bench) -> None:
    bench.run(value(booting("debian"), booting("rescue")))
    assert bench.boot() == {
        f"{name}/{file}": f"{file} of {name}"
        for name in ("debian", "rescue")
        for file in ("kernel", "initrd")
    }
    before = (bench.place / "boot/debian/kernel").stat().st_ino
    bench.run(value(booting("debian")))
    assert bench.boot().keys() == {"debian/kernel", "debian/initrd"}
    assert (bench.place / "boot/debian/kernel").stat().st_ino == before
    bench.image("debian", "trixie")
    os.utime(bench.images / "debian.kernel", ns=(1, 1))
    assert bench.read() != value(booting("debian"))
    assert bench.run(value(booting("debian"))) == value(booting("debian")) == bench.read()
    assert bench.boot()["debian/kernel"] == "kernel of trixie"
    bench.run(value(None))
    assert not (bench.place / "boot").exists()
    bench.run(value(booting("debian")))
    bench.run(None)
    assert not bench.place.exists()


@pytest.mark.parametrize("way", ["elsewhere", "up", "link", "linked folder", "folder", "missing", "fifo"])
def test_only_plain_files_of_the_folders_of_images_are_given_out(bench: Bench, way: str) -> None:
    secret = bench.images.parent / "secret"
    secret.write_text("secret")
    path = bench.images / "kernel"
    if way == "elsewhere":
        path = secret
    elif way == "up":
        path = bench.images / ".." / "secret"
    elif way == "link":
        path.symlink_to(secret)
    elif way == "linked folder":
        (bench.images / "to").symlink_to(bench.images.parent)
        path = bench.images / "to" / "secret"
    elif way == "folder":
        path.mkdir()
    elif way == "fifo":
        os.mkfifo(path)
    bench.records["debian"] = {"kind": "netboot", "kernel": str(path), "initrd": None}
    told = value({"name": "debian", "kernel": "boot/debian/kernel", "cmdline": ""})
    failed = bench.run(told)
    assert isinstance(failed, DeviceFailed) and not failed.passing and "image debian" in failed.message
    assert bench.boot() == {}


def test_what_a_guest_puts_into_its_folder_leads_nowhere(bench: Bench) -> None:
    """By virtiofs its root can write there."""
    precious = bench.images.parent / "precious"
    precious.mkdir()
    (precious / "kernel").write_text("precious")
    bench.run(value(None))
    (bench.place / "boot").symlink_to(precious)
    failed = bench.run(value(booting("debian")))
    assert isinstance(failed, DeviceFailed) and "remove it" in failed.hint
    (bench.place / "boot").unlink()
    (bench.place / "boot").mkdir()
    (bench.place / "boot" / "debian").symlink_to(precious)
    assert isinstance(bench.run(value(booting("debian"))), DeviceFailed)
    (bench.place / "boot" / "debian").unlink()
    (bench.place / "boot" / "debian").mkdir()
    (bench.place / "boot" / "debian" / "kernel").symlink_to(precious / "kernel")
    assert bench.run(value(booting("debian"))) == value(booting("debian"))
    assert (precious / "kernel").read_text() == "precious"


STOLEN = {"size": 1, "sha256": ""}


@pytest.mark.parametrize(
    "path", ["../secret", "../../secret", "boot/../secret", "boot/debian/secret", "secret", ""]
)
def test_a_list_that_a_guest_wrote_speaks_of_nms_own_files_only(bench: Bench, path: str) -> None:
    """What it speaks of is copied into disks."""
    bench.run(value(None))
    (bench.place.parent / "secret").write_text("secret")
    document = bench.place / "machines.json"
    told = json.loads(document.read_text())
    document.write_text(json.dumps({**told, "files": {**told["files"], path: STOLEN}}))
    read = bench.read()
    assert isinstance(read, dict) and read["document"] == {"damaged": "no JSON of nm's"}
    with listdisk.opened(bench.place.parent, "alpha") as source:
        assert source.head.digest == ""  # no list that anybody is waiting for
        with source.image() as (image, _):
            assert b"secret" not in image.read().replace(path.encode(), b"")
    assert bench.run(value(None)) == value(None)


def test_no_list_that_a_guest_wrote_stops_the_worker(bench: Bench) -> None:
    bench.run(value(None))
    document = bench.place / "machines.json"
    told = json.loads(document.read_text())
    cases: tuple[dict[str, Any], ...] = ({"digest": None}, {"files": []}, {"files": {"machines.txt": 1}})
    for strange in cases:
        document.write_text(json.dumps({**told, **strange}))
        read = bench.read()
        assert isinstance(read, dict) and "damaged" in read["document"]
    del told["digest"]
    document.write_text(json.dumps(told))
    read = bench.read()
    assert isinstance(read, dict) and "damaged" in read["document"]


@pytest.mark.parametrize(
    "strange", ["machines.json/", ".machines.txt.new/", "boot", "boot/debian/x", "x", "boot/link"]
)
def test_what_a_guest_left_neither_keeps_its_group_nor_is_for_the_next(bench: Bench, strange: str) -> None:
    """By virtiofs its root can make any file there."""
    bench.run(value(booting("debian")) if "/debian" in strange else value(None))
    path = bench.place / strange
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    if strange.endswith("/"):
        path.mkdir()
    elif strange.endswith("link"):
        path.symlink_to(bench.images)
    else:
        path.write_text("for nobody else")
    assert bench.run(None, value(None)) is None and bench.read() is None
    [aside] = bench.place.parent.iterdir()
    assert aside.name.startswith(".alpha.") and aside.stat().st_mode & 0o777 == 0o700
    assert bench.hand.known() == []
    assert bench.run(value(None)) == value(None)
    assert {path.name for path in bench.place.iterdir()} == {"machines.txt", "machines.json"}
    assert len([*bench.images.iterdir()]) == 4
