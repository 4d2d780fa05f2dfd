"""Disks of a described pool's domains, by libvirt's storage API: made from a base, grown, removed, or kept.

A back end's volumes are called by the identity of its part, so nobody else has such names, and what is half
made is removed and made anew. Called by nm/poolhand.py, on the one worker thread of the host's pools.
"""

import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nm import machine_xml
from nm.errors import DeviceFailed
from nm.hypervisor import Hypervisor, Storage, Volume
from nm.machine_xml import DISK
from nm.making import check_files
from nm.pool_xml import Disk
from nm.pools.briefs import Brief

LVM = "LVMStorageBackend"
SWAP = "swap"
QCOW2, RAW = "qcow2", "raw"
Image = Callable[[str], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Base:
    """What a disk begins as: a file or block device, of that kind. boot: what a guest of it is started by."""

    path: str
    kind: str
    boot: Mapping[str, str | None]


def stem(brief: Brief) -> str:
    """Begins the names of its volumes; it tells people whose they are."""
    return f"nm-pool-{brief.pool}-{brief.identity}"


def volume(brief: Brief, purpose: str = DISK) -> str:
    """The name of one of its volumes."""
    return machine_xml.volume(stem(brief), purpose)


def refused(brief: Brief, text: str, hint: str) -> DeviceFailed:
    """What cannot be, however often it is tried."""
    return DeviceFailed(f"{brief.name}: {text}", hint, passing=False)


class Disks:
    """The disks on one host. `image`: an image's record by its name; `folders`: where bases may lie."""

    def __init__(
        self, hypervisor: Hypervisor, pool: str | None, image: Image, folders: tuple[str, ...], remote: bool
    ) -> None:
        self._hypervisor = hypervisor
        self._pool = pool
        self._image = image
        self._folders = folders
        self._remote = remote

    @property
    def _storage(self) -> Storage:
        return self._hypervisor.storage

    # ---- what it is made from

    def base(self, brief: Brief) -> Base:
        """The base of a back end. DeviceFailed when there is none, or it may not be used."""
        name = str(brief.attributes["baseImage"])
        if name.startswith("/"):
            found = Base(name, QCOW2 if name.endswith(f".{QCOW2}") else RAW, {})
            self._check(name, {"disk": name})
            return found
        record = self._image(name)
        if record is None or record["kind"] != "disk":
            raise refused(brief, f"no image {name} of kind disk", "RegisterImage, or name another one")
        boot = {key: record.get(key) for key in ("kernel", "initrd", "cmdline")}
        self._check(name, {"disk": record["disk"], **boot})
        return Base(record["disk"], record["format"], boot)

    def _check(self, name: str, files: Mapping[str, Any]) -> None:
        """Elsewhere the folders' owner is trusted."""
        if not self._remote:
            files = {key: path for key, path in files.items() if key != "cmdline"}
            check_files(name, files, self._folders)

    # ---- what is done for a back end

    def check(self, brief: Brief) -> None:
        """Whether it could be made, or changed, as far as that can be seen beforehand."""
        base = self.base(brief)
        if in_place(brief):
            self._check_place(brief, base)
        if brief.attributes.get("thinPool"):
            raise refused(
                brief,
                "libvirt's storage makes no volumes in thin pools",
                "leave thinPool out; snapshot true shares a base as well",
            )
        if not self._remote and (folder := brief.attributes.get("imageDir")) and not os.path.isdir(folder):
            raise refused(brief, f"there is no folder {folder}", "make it there")
        self._home(brief)
        size = brief.attributes.get("size")
        if size is not None and size <= 0:
            raise refused(brief, f"size {size} is no number of bytes", "leave it out, or write one")

    def _check_place(self, brief: Brief, base: Base) -> None:
        if not str(brief.attributes["baseImage"]).startswith("/"):
            raise refused(brief, "an image is no domain's disk", "leave inPlace out: a disk is made of it")
        if brief.attributes.get("swapSize"):
            raise refused(brief, "a disk in place gets no swap disk", "leave swapSize out")
        if not self._storage.find(*self._main(brief)):
            raise refused(brief, f"there is no {base.path}", "name the disk as it lies on the host")

    def check_growth(self, brief: Brief) -> None:
        """A logical volume that is there cannot grow by libvirt's storage."""
        home, [name] = self._main(brief)
        held, size = self._storage.size(home, name), brief.attributes.get("size")
        if brief.kind == LVM and size is not None and 0 < held < size:
            raise refused(brief, "a logical volume does not grow by libvirt", "terminate it, apply it anew")

    def make(self, brief: Brief) -> None:
        """Its volumes, of which what was left half made goes first; on a full disk nothing stays."""
        base, home = self.base(brief), self._home(brief)
        if in_place(brief):
            self._check_place(brief, base)
            return
        names = self._names(brief)
        self._storage.remove(home, names)
        try:
            self._fill(brief, base, home)
        except DeviceFailed:
            self._storage.remove(home, names)
            raise

    def _fill(self, brief: Brief, base: Base, home: str | None) -> None:
        name, size = volume(brief), brief.attributes.get("size")
        if brief.kind == LVM:
            if brief.worth("snapshot") is True:
                self._storage.snapshot(str(home), name, base.path, size)
            else:
                self._storage.copy(home, name, base.path, RAW, size)
        elif self._shares(brief):
            self._storage.make_from(home, name, base.path, base.kind)
            if size is not None:
                self._storage.grow(home, name, size)
        else:
            self._storage.copy(home, name, base.path, str(brief.worth("format")), size)
        if swap := brief.attributes.get("swapSize"):
            self._storage.make_empty(home, volume(brief, SWAP), swap)

    def _shares(self, brief: Brief) -> bool:
        """Only a qcow2 file can share its base."""
        return brief.worth("format") == QCOW2 and brief.worth("backing") is not False

    def grow(self, brief: Brief, domain: str | None, target: str) -> None:
        """To the size that it says now, also while a domain runs by it, to which it is `target`."""
        size = brief.attributes.get("size")
        if size is None or (domain and self._hypervisor.tuning.grow_disk(domain, target, size)):
            return
        home, [name] = self._main(brief)
        if self._storage.size(home, name) < size:
            self._storage.grow(home, name, size)

    def remove(self, brief: Brief) -> None:
        """Its volumes, unless they are to be kept."""
        if not _stays(brief):
            self._storage.remove(self._home(brief), self._names(brief))

    # ---- what a domain has of it

    def of(self, brief: Brief) -> tuple[Disk, ...]:
        """The disks of a back end. DeviceFailed when they are not there."""
        found = {one.name: one for one in self._storage.find(self._home(brief), self._names(brief))}
        main = found.get(self._names(brief)[0])
        if main is None:
            raise refused(brief, "its disk is not there any more", "terminate the pool, and apply it anew")
        kind = RAW if main.block or brief.kind == LVM else str(brief.worth("format"))
        disks = [Disk(replace(main, name=volume(brief)), kind)]
        if (swap := found.get(volume(brief, SWAP))) is not None:
            disks.append(Disk(swap, RAW))
        return tuple(disks)

    def _main(self, brief: Brief) -> tuple[str | None, list[str]]:
        """Libvirt's pool, and the name of the disk itself there."""
        return self._home(brief), self._names(brief)[:1]

    def _names(self, brief: Brief) -> list[str]:
        if in_place(brief):
            return [posixpath.basename(str(brief.attributes["baseImage"]))]
        return [volume(brief), volume(brief, SWAP)]

    def _home(self, brief: Brief) -> str | None:
        """Libvirt's pool in which its volumes are."""
        if in_place(brief):
            return self._around(brief, posixpath.dirname(str(brief.attributes["baseImage"])))
        if group := brief.attributes.get("volumeGroup"):
            return self._storage.volume_group(str(group))
        if folder := brief.attributes.get("imageDir"):
            return self._storage.folder(str(folder))
        return self._pool

    def _around(self, brief: Brief, folder: str) -> str:
        """The pool that is the folder, or the volume group, in which a disk in place lies."""
        if brief.kind != LVM:
            return self._storage.folder(folder)
        group = folder.removeprefix("/dev/")
        if not group or "/" in group or group == "mapper":
            raise refused(brief, f"{folder} is no volume group", "name the disk as /dev/GROUP/VOLUME")
        return self._storage.volume_group(group)


def in_place(brief: Brief) -> bool:
    """Whether its disk was there before."""
    return brief.worth("inPlace") is True


def _stays(brief: Brief) -> bool:
    """Whether its disk stays when the part ends; it does when a domain does that has it."""
    if brief.user is not None and brief.user.attributes.get("keepOnTerminate") is True:
        return True
    said = brief.attributes.get("keepOnTerminate")
    return said if isinstance(said, bool) else in_place(brief)


def seed_disk(seed: Volume) -> Disk:
    """The seed as a disk."""
    return Disk(seed, RAW, writable=False)
