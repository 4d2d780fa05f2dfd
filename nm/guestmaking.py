"""What a sliver's guest is made from: a disk by copy-on-write, a seed, a description. A plan of nm/making.py.

A virtual machine's disk is an overlay of the image, as large as the sliver may have it, and never smaller
than the image. A container has the image's tree read-only, and on a disk of its own what it changes of it.
Used by nm/guesthand.py.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nm import guest_xml, guestdisk, guestinit, guestseed, machine_xml
from nm.errors import DeviceFailed
from nm.facts import Value
from nm.guest_xml import Guest, GuestMark
from nm.guestseed import Told
from nm.hypervisor import Storage, Volume
from nm.machine_xml import DISK, SEED, WHOLE, Nic
from nm.making import check_files

MACHINE, CONTAINER = "sliver.QEMU", "sliver.LXC"
KINDS: Mapping[str, str] = {MACHINE: "disk", CONTAINER: "root"}
"""Type of a sliver -> kind of the images that its guests are made from."""

HOST = "slivers"  # what MACs of their NICs are made of, beside the domain's name
_UNIT = 1 << 20  # bytes


def room_of(disk_max: int) -> int:
    """Bytes of the disk of a guest that may have so many KiB."""
    return max(disk_max << 10, guestdisk.LEAST)


@dataclass(frozen=True)
class Brief:
    """What a guest is made of and told, beside its fact's value. `image`: the record; `folders` of images.

    `address` has its prefix. `place` is {"bridge": NAME} or {"network": NAME}; None: no NIC. `user`, `entry`
    (a line), `host_key` and `host_public`: whom nm enters, by which key of its own, and what the guest's sshd
    is known by.
    """

    image: Mapping[str, Any]
    folders: tuple[str, ...]
    hostname: str
    keys: tuple[str, ...] = ()
    initscript: str | None = None
    address: str | None = None
    gateway: str | None = None
    place: Mapping[str, str] | None = None
    user: str = "root"
    entry: str | None = None
    host_key: str | None = None
    host_public: str | None = None

    def __repr__(self) -> str:
        return f"Brief({self.hostname!r})"  # it holds secrets


@dataclass(frozen=True)
class GuestPlan:
    """A guest as it is to be. `scratch`: a folder of root's own, for files of a moment."""

    sliver: str
    value: Value
    brief: Brief
    scratch: Path | None = None

    @property
    def domain(self) -> str:
        """As the value says."""
        return str(self.value["domain"])

    @property
    def memory(self) -> int:
        """MiB; the image's where the sliver asks for none."""
        return int(self.value["memory"] or self.brief.image["memory"])

    @property
    def room(self) -> int:
        """Bytes of its disk."""
        return room_of(int(self.value["disk"]))

    def mark(self, state: str) -> GuestMark:
        """The mark of what is as this says."""
        noted = ("image", "life", "index", "told", "shares", "reserve", "cores", "memory", "disk")
        return GuestMark(sliver=self.sliver, state=state, **{key: str(self.value[key]) for key in noted})

    def fits(self, mark: GuestMark) -> bool:
        """Of this life, and of this image; all else can be changed while it lives."""
        mine = self.mark(WHOLE)
        return (mark.sliver, mark.image, mark.life, mark.state) == (
            mine.sliver, mine.image, mine.life, mine.state,
        )  # fmt: skip

    def is_behind(self, mark: GuestMark) -> bool:
        """Of an earlier life: lives only grow, so it is this that is not of today."""
        return (mark.sliver, mark.state) == (self.sliver, WHOLE) and int(mark.life) > self.value["life"]

    def check(self) -> None:
        """The image suits, and is where images may be."""
        name, image, kind = self.value["image"], self.brief.image, KINDS[self.value["type"]]
        if image["kind"] != kind:
            raise DeviceFailed(
                f"image {name} is of kind {image['kind']}, and slivers of type {self.value['type']} are made"
                f" from images of kind {kind}",
                "name another image, or another type",
                passing=False,
            )
        check_files(name, image, self.brief.folders)

    def fill(self, storage: Storage, pool: str | None) -> tuple[Volume, ...]:
        """The disk, and the seed."""
        return self._disk(storage, pool), self.write_seed(storage, pool)

    def _disk(self, storage: Storage, pool: str | None) -> Volume:
        name = machine_xml.volume(self.domain, DISK)
        if self.value["type"] == MACHINE:
            volume = storage.make_from(pool, name, self.brief.image["disk"], self.brief.image["format"])
            storage.grow(pool, name, self.room)
            return volume
        volume = storage.make_empty(pool, name, self.room)
        for offset, content in guestdisk.ext4(self.room, guestinit.FOLDERS, {}, self.scratch):
            storage.put(pool, name, offset, io.BytesIO(content))
        return volume

    def write_seed(self, storage: Storage, pool: str | None) -> Volume:
        """Another one in place of the one that there was; what runs has read that already."""
        name = machine_xml.volume(self.domain, SEED)
        storage.remove(pool, [name])
        return storage.write(pool, name, self._seed())

    def _seed(self) -> bytes:
        told = self._told()
        if self.value["type"] == MACHINE:
            return guestseed.image(told)
        files = guestseed.files(told) | guestinit.SCRIPTS
        needed = 2 * sum(len(text.encode()) for text, _ in files.values()) + _UNIT
        return guestdisk.whole(-(-needed // _UNIT) * _UNIT, files, self.scratch)

    def _told(self) -> Told:
        brief = self.brief
        return Told(
            sliver=self.sliver,
            life=self.value["life"],
            hostname=brief.hostname,
            mac=machine_xml.mac_of(HOST, self.domain),
            address=brief.address,
            gateway=brief.gateway,
            keys=brief.keys,
            initscript=brief.initscript,
            user=brief.user,
            entry=brief.entry,
            host_key=brief.host_key,
            host_public=brief.host_public,
            digest=self.value["told"],
        )

    def describe(self, kind: str, state: str, volumes: tuple[Volume, ...] = ()) -> str:
        """With its NIC, when it has one, under a name that tells whose it is."""
        nic = None
        if self.brief.place is not None:
            mac = machine_xml.mac_of(HOST, self.domain)
            nic = Nic(mac, self.brief.place, device_of(self.value["index"]))
        guest = Guest(
            self.domain, kind, self.mark(state), self.brief.image, self.memory, nic,
            self.brief.address, self.brief.gateway, volumes,
        )  # fmt: skip
        return guest_xml.description(guest)


def device_of(index: int) -> str:
    """What the host calls the NIC of the sliver with that index."""
    return f"nms{index}"
