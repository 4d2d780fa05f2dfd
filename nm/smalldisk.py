"""Small disks of nm's in a domain: a volume that nm overwrites while a guest reads it.

The list of machines is one (nm/share.py), what leads to nm's door another (nm/seeds.py). A line at the
disk's beginning says what is on it; it is written last. A disk is attached while the domain runs, where that
is possible. Called by the host's one worker thread.
"""

import io
import logging
from typing import BinaryIO

from nm import iso
from nm.errors import DeviceFailed
from nm.hypervisor import Hypervisor, NotLive, Share
from nm.machine_xml import volume

HEAD = 2048  # bytes in which the line stands, filled up with zeros

_log = logging.getLogger(__name__)


class SmallDisks:
    """Those of one host that serve a purpose; lines on them begin with `mark`. `pool` None: nm's own."""

    def __init__(self, hypervisor: Hypervisor, pool: str | None, purpose: str, mark: bytes) -> None:
        self.serial = f"nm-{purpose}"
        self._hypervisor = hypervisor
        self._storage = hypervisor.storage
        self._pool = pool
        self._purpose = purpose
        self._mark = mark

    def head(self, domain: str) -> bytes:
        """What the domain's disk begins with; b"" when there is none."""
        return self._storage.get(self._pool, self._name(domain), HEAD)

    def own_head(self, domain: str) -> bytes:
        """The same. DeviceFailed when something would be lost by overwriting it."""
        found = self.head(domain)
        if self._is_own(found):
            return found
        raise DeviceFailed(
            f"there is a volume {self._name(domain)} that is no {self._purpose} of nm's",
            "rename or delete it",
            passing=False,
        )

    def write(
        self, domain: str, image: BinaryIO, offset: int, capacity: int, begun: bytes, head: bytes
    ) -> None:
        """Write the rest of `image` from `offset` on, then the head. `capacity`: of a new volume.

        `begun`: what the disk begins with meanwhile, so that half of an image is never taken for the old one.
        """
        name, start = self._name(domain), image.tell()
        length = offset + image.seek(0, io.SEEK_END) - start
        image.seek(start)
        size = self._storage.size(self._pool, name)
        if size < length:
            if size:
                self._refuse_to_grow(domain)
                self._storage.remove(self._pool, [name])
            self._storage.make_empty(self._pool, name, capacity)
        self._storage.put(self._pool, name, 0, io.BytesIO(begun))
        self._storage.put(self._pool, name, offset, image)
        self._storage.put(self._pool, name, 0, io.BytesIO(head))

    def _refuse_to_grow(self, domain: str) -> None:
        state = self._hypervisor.state(domain)
        if state is not None and state.running:
            raise DeviceFailed(
                f"the {self._purpose} does not fit any more into its disk at domain {domain}",
                "shut the domain down, and Deploy: it gets a larger one",
                passing=False,
            )

    def share(self, domain: str) -> Share:
        """The disk, as a domain is given it."""
        for found in self._storage.find(self._pool, [self._name(domain)]):
            return Share("disk", found.path, found.block)
        raise DeviceFailed(f"there is no volume {self._name(domain)} after it was made")

    def attach(self, domain: str, share: Share) -> bool:
        """Give it to the running domain, which has none. False when that takes a restart."""
        try:
            self._hypervisor.attach_disk(domain, self.serial, share)
        except NotLive as reason:
            _log.info("restart of domain=%s for its %s: %s", domain, self._purpose, reason.message)
            return False
        return True

    def clear(self, domain: str, length: int | None = None) -> None:
        """Nothing is on the disk (or on so much of it) any more, whoever reads it."""
        size = self._storage.size(self._pool, self._name(domain))
        if size:
            with iso.anonymous() as nothing:
                nothing.truncate(size if length is None else length)
                self._storage.put(self._pool, self._name(domain), 0, nothing)

    def remove(self, domain: str) -> None:
        """Let there be no such volume of nm's; one of that name that is somebody else's stays."""
        if self._is_own(self.head(domain)):
            self._storage.remove(self._pool, [self._name(domain)])

    def _is_own(self, head: bytes) -> bool:
        """Whether nothing is lost when the disk is overwritten: it is nm's, or was never written to."""
        return head.startswith(self._mark) or not head.strip(b"\0")

    def _name(self, domain: str) -> str:
        return volume(domain, self._purpose)
