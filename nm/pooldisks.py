"""Disks of a described pool's domains, by libvirt's storage API: made from a base, grown, removed, or kept.

A back end's volumes are called by the identity of its part, so nobody else has such names, and what is half
made is removed and made anew. Called by nm/poolhand.py, on the one worker thread of the host's pools.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from nm.errors import DeviceFailed
from nm.facts import Value
from nm.hypervisor import Hypervisor, Storage, Volume
from nm.machine_xml import DISK
from nm.making import check_files
from nm.pool_xml import Disk, volume_of
from nm.pools.briefs import Brief
from nm.pools.drifting import ROUNDED
from nm.pools.kinds import LVM_DISK
from nm.thin import Tools

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*")  # of groups and volumes of LVM's
SWAP = "swap"
QCOW2, RAW = "qcow2", "raw"
HEAD = 1 << 16  # bytes of a qcow2 file within which it says what it lies upon
LONGEST_CHAIN = 8
AGAIN = "apply again when a look has found that"
Image = Callable[[str], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Base:
    """What a disk begins as: a file or block device, of that kind. boot: what a guest of it is started by."""

    path: str
    kind: str
    boot: Mapping[str, str | None]


def below_of(path: str, head: bytes) -> str | None:
    """What a file that begins so lies upon, if it is qcow2; a relative name is one beside it."""
    if not head.startswith(b"QFI\xfb") or len(head) < 20:
        return None
    start, length = int.from_bytes(head[8:16]), int.from_bytes(head[16:20])
    said = head[start : start + length].decode(errors="replace")
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), said)) if start else None


def volume(brief: Brief, purpose: str = DISK) -> str:
    """The name of one of its volumes."""
    return volume_of(brief.pool, brief.identity, purpose)


def refused(brief: Brief, text: str, hint: str) -> DeviceFailed:
    """What cannot be, however often it is tried."""
    return DeviceFailed(f"{brief.name}: {text}", hint, passing=False)


class Disks:
    """The disks on one host. `image`: an image's record by its name; `folders`: where bases may lie.

    `tools`: of the host's, for what libvirt's storage cannot; None: there are none.
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        pool: str | None,
        image: Image,
        folders: tuple[str, ...],
        remote: bool,
        tools: Tools | None = None,
    ) -> None:
        self._given_tools = tools
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
        if (pool := brief.attributes.get("thinPool")) is not None:
            self._check_thin(brief, str(pool), base)
        if not self._remote and (folder := brief.attributes.get("imageDir")) and not os.path.isdir(folder):
            raise refused(brief, f"there is no folder {folder}", "make it there")
        self._home(brief)
        if brief.stands:
            self.of(brief)
        if brief.lost and self._found(brief) is not None:
            raise refused(brief, "its disk was gone, and is there again", AGAIN)
        size = brief.attributes.get("size")
        if size is not None and size <= 0:
            raise refused(brief, f"size {size} is no number of bytes", "leave it out, or write one")
        if size is not None and brief.worth("snapshot") is True and not _is_thin(brief):
            words = "a snapshot that is not thin is as large as its base, whatever room it has"
            raise refused(brief, f"size says nothing of it: {words}", "leave size out, or write thinPool")

    def _check_place(self, brief: Brief, base: Base) -> None:
        if not str(brief.attributes["baseImage"]).startswith("/"):
            raise refused(brief, "an image is no domain's disk", "leave inPlace out: a disk is made of it")
        if brief.attributes.get("swapSize"):
            raise refused(brief, "a disk in place gets no swap disk", "leave swapSize out")
        if self._found(brief) is None:
            hint = "name the disk as it lies on the host; of a thin volume write thinPool, too"
            raise refused(brief, f"there is no {base.path}", hint)
        if brief.kind != LVM_DISK and brief.worth("format") == QCOW2:
            self._check_chain(brief, base.path)

    def _check_chain(self, brief: Brief, path: str) -> None:
        """What a disk in place says it lies upon: a guest may have written that, and it would be read."""
        for _ in range(LONGEST_CHAIN):
            home = self._storage.folder(posixpath.dirname(path))
            below = below_of(path, self._storage.get(home, posixpath.basename(path), HEAD))
            if below is None:
                return
            path = below
            if not any(path.startswith(f"{folder}/") for folder in self._folders):
                hint = "put it into one of descriptions.folders"
                raise refused(brief, f"its disk lies upon {path}, which is in no folder of images", hint)
            self._check(path, {"disk": path})
        raise refused(brief, f"its disk lies upon more than {LONGEST_CHAIN} others", "flatten it (qemu-img)")

    def _check_thin(self, brief: Brief, pool: str, base: Base) -> None:
        group = brief.attributes.get("volumeGroup")
        if not group or not (NAME.fullmatch(str(group)) and NAME.fullmatch(pool)):
            raise refused(brief, "a thin pool is one of a volume group", "write volumeGroup and thinPool")
        if not self._tools(brief).is_thin_pool(str(group), pool):
            raise refused(brief, f"volume group {group} has no thin pool {pool}", "make it there (lvcreate)")
        if brief.worth("snapshot") is True and posixpath.dirname(base.path) != f"/dev/{group}":
            hint = f"name a thin volume as /dev/{group}/VOLUME, or leave snapshot out"
            raise refused(brief, f"{base.path} is no volume of group {group}", hint)

    def check_growth(self, brief: Brief) -> None:
        """A logical volume that is there grows by the host's own tools, and only in a group that is named."""
        held, size = self._size(brief), brief.attributes.get("size")
        if brief.kind == LVM_DISK and size is not None and 0 < held < size:
            self._tools(brief), self._group(brief)

    def _tools(self, brief: Brief) -> Tools:
        if self._given_tools is None:
            raise refused(brief, "its host's own lvm cannot be used", "leave thinPool out, and size as it is")
        return self._given_tools

    def _group(self, brief: Brief) -> str:
        """The volume group of an LVM disk, which has to be told by its component."""
        folder = posixpath.dirname(str(brief.attributes["baseImage"])) if in_place(brief) else ""
        group = brief.attributes.get("volumeGroup") or folder.removeprefix("/dev/")
        if not group or not NAME.fullmatch(str(group)):
            raise refused(brief, "it does not say in which group its volume is", "write volumeGroup")
        return str(group)

    def make(self, brief: Brief) -> None:
        """Its volumes, of which what was left half made goes first; on a full disk nothing stays."""
        base, home = self.base(brief), self._home(brief)
        if in_place(brief):
            self._check_place(brief, base)
            return
        self._clear(brief)
        try:
            self._fill(brief, base, home)
            self._check_size(brief)
        except DeviceFailed:
            self._clear(brief)
            raise

    def _fill(self, brief: Brief, base: Base, home: str | None) -> None:
        name, size = volume(brief), brief.attributes.get("size")
        if brief.attributes.get("thinPool"):
            self._fill_thin(brief, base, name, size)
        elif brief.kind == LVM_DISK:
            if brief.worth("snapshot") is True:
                self._storage.snapshot(str(home), name, base.path)
            else:
                self._storage.copy(home, name, base.path, base.kind, RAW, size)
        elif self._shares(brief):
            self._storage.make_from(home, name, base.path, base.kind)
            if size is not None:
                self._storage.grow(home, name, size)
        else:
            self._storage.copy(home, name, base.path, base.kind, str(brief.worth("format")), size)
        if swap := brief.attributes.get("swapSize"):
            self._storage.make_empty(home, volume(brief, SWAP), swap)

    def _check_size(self, brief: Brief) -> None:
        """Who says how large a disk is gets no larger one; a group of LVM's rounds up."""
        size = brief.attributes.get("size")
        if size is not None and self._size(brief) > size + ROUNDED.get(brief.kind, 0):
            raise refused(
                brief, f"its base holds {self._size(brief)} bytes", f"write a size larger than {size}"
            )

    def _fill_thin(self, brief: Brief, base: Base, name: str, size: int | None) -> None:
        """By the host's lvm; libvirt sees it from its next look on."""
        tools, group = self._tools(brief), self._group(brief)
        if brief.worth("snapshot") is True:
            tools.snapshot(group, name, posixpath.basename(base.path))
        else:
            held = tools.size_of(base.path, base.kind)
            tools.make(group, str(brief.attributes["thinPool"]), name, max(held, size or 0))
            tools.copy(base.path, base.kind, f"/dev/{group}/{name}")
        if self._size(brief) < (size or 0):
            tools.grow(group, name, int(size or 0))

    def _shares(self, brief: Brief) -> bool:
        """Only a qcow2 file can share its base."""
        return brief.worth("format") == QCOW2 and brief.worth("backing") is not False

    def grow(self, brief: Brief, domain: str | None) -> None:
        """To the size that it says now, also while a domain runs by it."""
        size, found = brief.attributes.get("size"), self._found(brief)
        home, name = self._home(brief), self._names(brief)[0]
        if size is not None and brief.kind == LVM_DISK and 0 < self._size(brief) < size:
            self._tools(brief).grow(self._group(brief), name, size)  # before a domain hears of it
        if size is None or found is None:
            return
        if domain and self._hypervisor.tuning.grow_disk(domain, found.path, size):
            return
        if brief.kind != LVM_DISK and self._size(brief) < size:
            self._storage.grow(home, name, size)

    def look_around(self, briefs: Iterable[Brief]) -> None:
        """Let libvirt see what is there of these disks by now: one look for each of its pools."""
        homes = set()
        for brief in briefs:
            with suppress(DeviceFailed):  # `look` says it
                if not _is_thin(brief) and (home := self._home(brief)) not in homes:
                    homes.add(home)
                    self._storage.find(home, [])

    def look(self, brief: Brief) -> Value:
        """{"size": how many bytes the disk holds}; 0: there is none."""
        return {"size": self._size(brief)}

    def remove(self, brief: Brief) -> None:
        """Its volumes, unless they are to be kept."""
        if not _stays(brief):
            self._clear(brief)

    def _clear(self, brief: Brief) -> None:
        """Let there be none of its volumes."""
        names = self._names(brief)
        if _is_thin(brief):
            self._tools(brief).remove(self._group(brief), names.pop(0))
        if names:
            self._storage.remove(self._home(brief), names)

    # ---- what a domain has of it

    def of(self, brief: Brief) -> tuple[Disk, ...]:
        """The disks of a back end. DeviceFailed when they are not there."""
        main = self._found(brief)
        if main is None:
            raise refused(brief, "its disk is not there any more", AGAIN)
        kind = RAW if main.block or brief.kind == LVM_DISK else str(brief.worth("format"))
        disks = [Disk(replace(main, name=volume(brief)), kind)]
        disks += [Disk(swap, RAW) for swap in self._storage.find(self._home(brief), self._names(brief)[1:])]
        return tuple(disks)

    def _found(self, brief: Brief) -> Volume | None:
        """The disk itself; None when there is none. libvirt sees no thin volumes."""
        name = self._names(brief)[0]
        if not _is_thin(brief):
            return next(iter(self._storage.find(self._home(brief), [name])), None)
        there = self._tools(brief).size(self._group(brief), name)
        return Volume(name, f"/dev/{self._group(brief)}/{name}", block=True) if there else None

    def _size(self, brief: Brief) -> int:
        """How many bytes the disk itself holds; 0 when there is none."""
        name = self._names(brief)[0]
        if brief.kind == LVM_DISK and self._given_tools is not None and brief.attributes.get("volumeGroup"):
            return self._given_tools.size(self._group(brief), name)
        return self._storage.size(self._home(brief), name)

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
        if brief.kind != LVM_DISK:
            return self._storage.folder(folder)
        group = folder.removeprefix("/dev/")
        if not group or "/" in group or group == "mapper":
            raise refused(brief, f"{folder} is no volume group", "name the disk as /dev/GROUP/VOLUME")
        return self._storage.volume_group(group)


def _is_thin(brief: Brief) -> bool:
    return brief.attributes.get("thinPool") is not None


def in_place(brief: Brief) -> bool:
    """Whether its disk was there before."""
    return brief.worth("inPlace") is True


def _stays(brief: Brief) -> bool:
    """Whether its disk stays when the part ends; it does when a domain does that has it.

    What is half made is of no use to anybody, and what was there before was not taken yet.
    """
    if brief.half:
        return in_place(brief)
    if brief.user is not None and brief.user.attributes.get("keepOnTerminate") is True:
        return True
    said = brief.attributes.get("keepOnTerminate")
    return said if isinstance(said, bool) else in_place(brief)


def seed_disk(seed: Volume) -> Disk:
    """The seed as a disk."""
    return Disk(seed, RAW, writable=False)
