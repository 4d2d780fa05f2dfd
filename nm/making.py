"""The hand that makes a head node's domain from an image, and takes it away again.

Its steps can be cut short anywhere. The domain is defined first, with nm's mark and the word that it is
half made; then come its volumes, then the whole domain. So volumes are nm's as long as a domain with the mark
speaks of them, and what is half made is taken away and made anew. A domain or volume of such a name that has
no mark is somebody else's and is never touched. Called by nm/vm.py, on the host's one worker thread.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nm import machine_xml, seed
from nm.errors import DeviceFailed
from nm.hypervisor import Hypervisor, is_remote
from nm.machine_xml import DISK, HALF, SEED, WHOLE, Machine, Mark
from nm.records import Record


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


class Maker:
    """Makes and removes domains on one host, as its record says where."""

    def __init__(self, name: str, host: Record, hypervisor: Hypervisor) -> None:
        self._host = name
        self._remote = is_remote(host["uri"])
        self._pool: str | None = host.get("pool")  # None: nm's own
        self._emulate = bool(host.get("emulate"))
        self._hypervisor = hypervisor

    def mark(self, domain: str) -> Mark | None:
        """The domain's mark; None when there is no such domain. DeviceFailed when it is not nm's own."""
        description = self._hypervisor.description(domain)
        mark = machine_xml.mark_of(description)
        if description is not None and mark is None:
            raise DeviceFailed(
                f"host {self._host} has a domain {domain} that is not nm's own",
                "rename it there (virsh domrename), or remove it: nm makes one of that name",
                passing=False,
            )
        return mark

    def make(self, plan: Blueprint) -> None:
        """Let there be the domain, whole; one of another life of the head node, or half a one, goes first."""
        mark = self.mark(plan.domain)
        if mark == plan.mark(WHOLE):
            return
        self._check_files(plan)
        if mark is not None:
            self.remove(plan.domain)
        self._refuse_strangers(plan.domain)
        machine = self._machine(plan)
        self._hypervisor.define(machine_xml.description(machine))
        self._forget_console(plan.domain)
        storage, domain = self._hypervisor.storage, plan.domain
        disk = machine_xml.volume(domain, DISK)
        disks = (
            storage.make_from(self._pool, disk, plan.image["disk"], plan.image["format"]),
            storage.write(self._pool, machine_xml.volume(domain, SEED), seed.image(plan.seed)),
        )
        self._hypervisor.set_autostart(domain, self._remote)  # where nmd runs, it starts them itself
        whole = replace(machine, mark=plan.mark(WHOLE), disks=disks)
        self._hypervisor.define(machine_xml.description(whole))

    def _machine(self, plan: Blueprint) -> Machine:
        return Machine(
            name=plan.domain,
            mark=plan.mark(HALF),
            kind="qemu" if self._emulate else self._hypervisor.guest_type(),
            image=plan.image,
            mac=plan.seed.mac,
            management=plan.management,
            management_mac=machine_xml.management_mac_of(self._host, plan.domain),
        )

    def remove(self, domain: str) -> None:
        """Take the domain and its volumes away, when it is nm's own. The last thing to go is the mark."""
        mark = self.mark(domain)
        if mark is None:
            self._forget_console(domain)
            return
        self._hypervisor.stop(domain)
        description = self._hypervisor.description(domain)
        if description is not None and mark.state != HALF:
            self._hypervisor.define(machine_xml.marked(description, HALF))
        self._hypervisor.storage.remove(self._pool, _volumes(domain))
        self._forget_console(domain)
        self._hypervisor.undefine(domain)
        if self.mark(domain) is not None:
            raise DeviceFailed(f"domain {domain} on host {self._host} is there after it was removed")

    def _forget_console(self, domain: str) -> None:
        """What it said is its group's; the head node's next group is to see nothing of it."""
        self._hypervisor.storage.forget_console(machine_xml.console_name(domain))

    def _refuse_strangers(self, domain: str) -> None:
        """No domain speaks of these volumes, so they are not nm's to overwrite."""
        for volume in self._hypervisor.storage.find(self._pool, _volumes(domain)):
            raise DeviceFailed(
                f"host {self._host} has a volume {volume.name} ({volume.path}) that is no domain's of nm's",
                "move it away, or delete it there (virsh vol-delete): nm makes one of that name",
                passing=False,
            )

    def _check_files(self, plan: Blueprint) -> None:
        """The image's files lie in the folders of images, and no link leads out, as far as nm sees."""
        for key in () if self._remote else ("disk", "kernel", "initrd"):
            if plan.image[key]:
                _check_file(plan.image_name, plan.image[key], plan.folders)


def _volumes(domain: str) -> list[str]:
    return [machine_xml.volume(domain, purpose) for purpose in (DISK, SEED)]


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
