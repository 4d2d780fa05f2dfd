"""The hand that makes a domain from an image, and takes it away again: a head node's, or a sliver's guest.

Its steps can be cut short anywhere. The domain is defined first, with nm's mark and the word that it is
half made; then come its volumes, then the whole domain. So volumes are nm's as long as a domain with the mark
speaks of them, and what is half made is taken away and made anew. A domain or volume of such a name that has
no mark is somebody else's and is never touched. Called by nm/vm.py and nm/guesthand.py, on the one worker
thread of the host or of the guests.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from nm import machine_xml, seed
from nm.errors import DeviceFailed
from nm.hypervisor import Hypervisor, Storage, Volume, is_remote
from nm.machine_xml import DISK, HALF, SEED, WHOLE, Machine, Mark, Marked, Nic
from nm.records import Record

M = TypeVar("M", bound=Marked)
N_contra = TypeVar("N_contra", bound=Marked, contravariant=True)


class NotOurs(DeviceFailed):
    """There is a domain of that name, and somebody else has it."""


class Plan(Protocol[N_contra]):
    """What a domain is made from, and as what it is described."""

    @property
    def domain(self) -> str:
        """What libvirt calls it."""

    def fits(self, mark: N_contra) -> bool:
        """Whether what has that mark is it, whole."""

    def check(self) -> None:
        """DeviceFailed when the image's files are not where they may be; asked where nm sees them."""

    def fill(self, storage: Storage, pool: str | None) -> tuple[Volume, ...]:
        """Make its volumes, of which there are none."""

    def describe(self, kind: str, state: str, volumes: tuple[Volume, ...] = ()) -> str:
        """The description, with a mark of that state."""


@dataclass(frozen=True)
class Blueprint:
    """What a head node is made from. `image` is the image's record, `folders` where images may lie."""

    headnode: str
    domain: str
    image_name: str
    image: Mapping[str, Any]
    seed: seed.Seed
    management: Mapping[str, str] | None
    folders: tuple[str, ...]

    def mark(self, state: str) -> Mark:
        """The mark of a domain that was made by this."""
        return Mark(self.headnode, self.image_name, self.seed.instance, state)

    def fits(self, mark: Mark) -> bool:
        """Of this life, and of this image."""
        return mark == self.mark(WHOLE)

    def check(self) -> None:
        """The image's disk, and what it is started by."""
        check_files(self.image_name, self.image, self.folders)

    def fill(self, storage: Storage, pool: str | None) -> tuple[Volume, ...]:
        """A disk and a seed."""
        disk = machine_xml.volume(self.domain, DISK)
        return (
            storage.make_from(pool, disk, self.image["disk"], self.image["format"]),
            storage.write(pool, machine_xml.volume(self.domain, SEED), seed.image(self.seed)),
        )

    def describe(self, kind: str, state: str, volumes: tuple[Volume, ...] = ()) -> str:
        """A machine with a NIC on nothing yet, and another one that leads to nm."""
        if kind == "xen":
            raise DeviceFailed(
                f"head node {self.headnode}: nm makes none on Xen", "choose another host", passing=False
            )
        nics = [Nic(self.seed.mac)]
        if self.management is not None and self.seed.management_mac is not None:
            nics.append(Nic(self.seed.management_mac, self.management, alone=True))
        mark = self.mark(state)
        machine = Machine(self.domain, mark, mark.instance, kind, self.image, tuple(nics), volumes)
        return machine_xml.description(machine)


class Maker(Generic[M]):
    """Makes and removes domains on one host, as its record says where; `kind` is of their marks."""

    def __init__(
        self,
        name: str,
        host: Record,
        hypervisor: Hypervisor,
        kind: type[M],
        consoles: bool = True,
        volumes: Sequence[str] = (DISK, SEED),
    ) -> None:
        """`consoles`: whether what its domains say is kept, in files of the host's.

        `volumes`: what those are for that are called by a domain's name; a plan sees to others.
        """
        self._host = name
        self._remote = is_remote(host["uri"])
        self._pool: str | None = host.get("pool")  # None: nm's own
        self._emulate = bool(host.get("emulate"))
        self._hypervisor = hypervisor
        self._kind = kind
        self._consoles = consoles
        self._purposes = volumes

    def mark(self, domain: str) -> M | None:
        """The domain's mark; None when there is no such domain. NotOurs when it is not nm's own."""
        description = self._hypervisor.description(domain)
        mark = machine_xml.mark_of(description, self._kind)
        if description is not None and mark is None:
            raise NotOurs(
                f"host {self._host} has a domain {domain} that is not nm's own",
                "rename it there (virsh domrename), or remove it: nm makes one of that name",
                passing=False,
            )
        return mark

    def make(self, plan: Plan[M]) -> None:
        """Let there be the domain, whole; one of another life of it, or half a one, goes first."""
        mark = self.mark(plan.domain)
        if mark is not None and plan.fits(mark):
            return
        if not self._remote:
            plan.check()
        if mark is not None:
            self.remove(plan.domain)
        self._refuse_strangers(plan.domain)
        domain, kind = plan.domain, self.domain_type()
        self._hypervisor.define(plan.describe(kind, HALF))
        self._forget_console(domain)
        volumes = plan.fill(self._hypervisor.storage, self._pool)
        self._hypervisor.set_autostart(domain, self._remote)  # where nmd runs, it starts them itself
        self._hypervisor.define(plan.describe(kind, WHOLE, volumes))

    def describe_anew(self, plan: Plan[M]) -> None:
        """Let a domain that is there be described as the plan says, from its next start on."""
        names = self._volumes(plan.domain)
        volumes = self._hypervisor.storage.find(self._pool, names)
        if len(volumes) < len(names):
            raise DeviceFailed(
                f"a disk of domain {plan.domain} on host {self._host} is not there any more",
                "put it back, or let nm make the domain anew",
                passing=False,
            )
        self._hypervisor.define(plan.describe(self.domain_type(), WHOLE, tuple(volumes)))

    def domain_type(self) -> str:
        """What its domains are run by."""
        return "qemu" if self._emulate else self._hypervisor.guest_type()

    def remove(self, domain: str) -> None:
        """Take the domain and its volumes away, when it is nm's own. The last thing to go is the mark."""
        mark = self.mark(domain)
        if mark is None:
            self._forget_console(domain)
            return
        self._hypervisor.stop(domain)
        description = self._hypervisor.description(domain)
        if description is not None and mark.state != HALF:
            self._hypervisor.define(machine_xml.half(description, self._kind))
        if names := self._volumes(domain):
            self._hypervisor.storage.remove(self._pool, names)
        self._forget_console(domain)
        self._hypervisor.undefine(domain)
        if self.mark(domain) is not None:
            raise DeviceFailed(f"domain {domain} on host {self._host} is there after it was removed")

    def _forget_console(self, domain: str) -> None:
        """What it said is of those who had it; who has the name next is to see nothing of it."""
        if self._consoles:
            self._hypervisor.storage.forget_console(machine_xml.console_name(domain))

    def _refuse_strangers(self, domain: str) -> None:
        """No domain speaks of these volumes, so they are not nm's to overwrite."""
        names = self._volumes(domain)
        for volume in self._hypervisor.storage.find(self._pool, names) if names else ():
            raise DeviceFailed(
                f"host {self._host} has a volume {volume.name} ({volume.path}) that is no domain's of nm's",
                "move it away, or delete it there (virsh vol-delete): nm makes one of that name",
                passing=False,
            )

    def _volumes(self, domain: str) -> list[str]:
        return [machine_xml.volume(domain, purpose) for purpose in self._purposes]


def check_files(image: str, record: Mapping[str, Any], folders: tuple[str, ...]) -> None:
    """DeviceFailed unless the image's files lie in the folders of images, and no link leads out."""
    for key in ("disk", "kernel", "initrd", "root"):
        if record.get(key):
            _check_file(image, record[key], folders)


def _check_file(image: str, path: str, folders: tuple[str, ...]) -> None:
    folder = next((one for one in folders if path.startswith(f"{one}/")), None)
    if folder is None:
        raise DeviceFailed(
            f"image {image}: {path} is in no folder of images", "see images.folders", passing=False
        )
    if path.startswith("/dev/"):  # names there are links to what they name, and a service sees few of them
        return
    if not os.path.exists(path):
        raise DeviceFailed(f"image {image}: there is no {path}", "put the image there", passing=False)
    if os.path.realpath(path) != os.path.realpath(folder) + path.removeprefix(folder):
        raise DeviceFailed(
            f"image {image}: {path} is a link, or lies behind one", "put the file itself there", passing=False
        )
