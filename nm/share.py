"""How the list of a group's machines gets into its head node's domain: by a folder, or by a disk.

A domain that has a <filesystem> for it (nm/share_xml.py says which) gets the group's folder there; every
other one, and all on other machines, get a small disk that nm overwrites when the list changes. Another
folder takes a restart; a disk is attached while the domain runs where that is possible. When the group is
over, a share leads to an empty folder and the disk is gone. Called by nm/vm.py, on the host's worker thread.
"""

from collections.abc import Callable
from pathlib import Path

from nm import listdisk
from nm.errors import DeviceFailed
from nm.facts import Order, Value
from nm.hypervisor import Hypervisor, Share, Shared, is_remote
from nm.records import Record
from nm.smalldisk import SmallDisks

EMPTY = ".none"  # beside the groups' folders, and no group's name


class Lists:
    """Makes `list/HEADNODE` true on one host. `stop` takes a running domain down, as gently as it goes."""

    def __init__(
        self, host: Record, hypervisor: Hypervisor, folder: Path, stop: Callable[[str], None]
    ) -> None:
        self._local = not is_remote(host["uri"])
        self._hypervisor = hypervisor
        self._disks = SmallDisks(hypervisor, host.get("pool"), "list", listdisk.MARK)
        self._folder = folder
        self._stop = stop

    def run(self, order: Order, domain: str, way: Callable[[], str]) -> Value | None:
        """Bring the list to the domain, or take it away; answers what is there then.

        `way`: by which a domain gets it that has none yet.
        """
        if order.value is None:
            self._take(domain)
            return None
        value = order.value
        seen = self._give(domain, value, way)
        if seen != value:
            raise DeviceFailed(f"the list of {value['group']} is not in reach of domain {domain}: {seen}")
        return seen

    def seen(self, domain: str, host: str) -> Value | None:
        """The list that is in reach of the domain, now and after its next start; None when there is none."""
        shared = self._hypervisor.shared(domain)
        if shared is None:  # it is yet to be made, or was removed: then it is its disk that counts
            head = self._head(domain)
            return None if head is None else self._value(host, domain, head.group, head.digest)
        found = self._in_reach(domain, shared)
        if found is None:
            return None
        alike = not shared.running or shared.now == shared.later
        return self._value(host, domain, found.group, found.digest if alike else "another one while it runs")

    @staticmethod
    def _value(host: str, domain: str, group: str, digest: str) -> Value:
        return {"host": host, "domain": domain, "group": group, "digest": digest}

    def prepare(self, domain: str, group: str, way: str) -> None:
        """Before its start a domain that was just made gets the list; `way`: what its image asks for."""
        shared = self._hypervisor.shared(domain)
        fresh = shared is not None and shared.later is None and not shared.running
        if fresh and (self._folder / group).exists():
            self._hypervisor.set_next_share(domain, self._wanted(domain, group, way))

    # ---- giving

    def _give(self, domain: str, value: Value, way: Callable[[], str]) -> Value | None:
        group, host = value["group"], value["host"]
        shared = self._hypervisor.shared(domain)
        share = shared and (shared.later or shared.now)
        wanted = self._wanted(domain, group, share.way if share else way())
        if shared is None and wanted.way != "disk":  # the folder is there before the domain is
            with listdisk.opened(self._folder, group) as source:
                return self._value(host, domain, group, source.head.digest)
        if shared is not None and (shared.later != wanted or (shared.running and shared.now != wanted)):
            self._change(domain, shared, wanted)
        return self.seen(domain, host)

    def _wanted(self, domain: str, group: str, way: str) -> Share:
        if way != "disk" and self._local:
            with listdisk.opened(self._folder, group):
                return Share(way, str(self._folder / group))
        return self._disk(domain, group)

    def _change(self, domain: str, shared: Shared, wanted: Share) -> None:
        """Let the domain have it, running or not as it was."""
        if shared.running:
            fresh = wanted.way == "disk" and shared.now is None and shared.later is None
            if fresh and self._disks.attach(domain, wanted):
                return
            self._stop(domain)
        self._hypervisor.set_next_share(domain, wanted)
        if shared.running:
            self._hypervisor.start(domain)

    def _disk(self, domain: str, group: str) -> Share:
        """The domain's disk, with the group's list in it; what is there already is not written again."""
        with listdisk.opened(self._folder, group) as source:
            there = listdisk.parsed(self._disks.own_head(domain))
            if there is None or not _same(there, source.head):
                with source.image() as (image, head):
                    room = listdisk.capacity(head.length)
                    first, last = listdisk.sector(listdisk.begun(head)), listdisk.sector(head)
                    self._disks.write(domain, image, listdisk.IMAGE, room, first, last)
        return self._disks.share(domain)

    # ---- looking

    def _in_reach(self, domain: str, shared: Shared) -> listdisk.Head | None:
        share = shared.later
        if share is None:
            return None
        if share.way == "disk":
            head = self._head(domain)
            return head if head and self._is_of_now(head) else None
        folder = Path(share.source)
        if folder.parent != self._folder or folder.name == EMPTY:
            return None
        try:
            with listdisk.opened(self._folder, folder.name) as source:
                return source.head
        except DeviceFailed:
            return None

    def _head(self, domain: str) -> listdisk.Head | None:
        return listdisk.parsed(self._disks.head(domain))

    def _is_of_now(self, head: listdisk.Head) -> bool:
        """Whether kernels beside the list are those of now as well."""
        try:
            with listdisk.opened(self._folder, head.group) as source:
                return source.head.digest != head.digest or source.head.document == head.document
        except DeviceFailed:
            return True

    # ---- taking away

    def _take(self, domain: str) -> None:
        shared = self._hypervisor.shared(domain)
        if shared is not None and (shared.later or shared.now):
            share = shared.later or shared.now
            if share is not None and share.way != "disk":
                if Path(share.source).parent == self._folder:
                    (self._folder / EMPTY).mkdir(mode=0o755, parents=True, exist_ok=True)
                    self._change(domain, shared, Share(share.way, str(self._folder / EMPTY)))
            else:
                if (head := self._head(domain)) is not None:
                    self._disks.clear(domain, head.length)
                if shared.running:
                    self._stop(domain)
                self._hypervisor.set_next_share(domain, None)
        self._disks.remove(domain)


def _same(one: listdisk.Head, other: listdisk.Head) -> bool:
    return (one.group, one.digest, one.document) == (other.group, other.digest, other.document)
