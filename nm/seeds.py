"""Seeds of head nodes in reach of their domains, with the way to nm's door on them. A hand's part.

A head node made from an image has its seed from its making on (nm/making.py); an existing domain gets a small
disk when the site has a door. Either is overwritten where it lies when it is to lead in another way, and what
was there for a group is gone before the next one has the domain. Called by nm/vm.py.
"""

import io
from collections.abc import Callable

from nm import iso, seed
from nm.errors import DeviceFailed
from nm.hypervisor import Hypervisor, Shared
from nm.machine_xml import SEED
from nm.records import Record
from nm.seed import Seed
from nm.smalldisk import HEAD, SmallDisks


class Seeds:
    """Those of one host. `stop` takes a running domain down, as gently as it goes."""

    def __init__(self, host: Record, hypervisor: Hypervisor, stop: Callable[[str], None]) -> None:
        self._hypervisor = hypervisor
        self._disks = SmallDisks(hypervisor, host.get("pool"), SEED, seed.MARK)
        self._stop = stop

    def door(self, domain: str) -> str | None:
        """The mark of the door to which the seed leads; None when it leads to none."""
        return seed.door_of(self._disks.head(domain))

    def door_in_reach(self, domain: str) -> str | None:
        """The same of an existing domain, which has it now and after its next start."""
        shared = self._shared(domain)
        if shared is None or shared.later is None or (shared.running and shared.now != shared.later):
            return None
        return self.door(domain)

    def renew(self, domain: str, told: Seed, cloud: bool = True) -> None:
        """Let the seed lead to the door that it is told. One that does so is left as it is."""
        head = self._disks.own_head(domain) if not cloud else self._disks.head(domain)
        wanted = told.door.mark if told.door is not None else None
        if seed.door_of(head) == wanted:
            return
        content = seed.image(told, cloud)
        image = io.BytesIO(content)
        image.seek(iso.SYSTEM_AREA)
        self._disks.write(domain, image, iso.SYSTEM_AREA, len(content), bytes(HEAD), content[:HEAD])

    def bring(self, domain: str, told: Seed) -> None:
        """Give an existing domain its disk. One that must be stopped for that is left off."""
        if told.door is None:
            if (shared := self._shared(domain)) is not None and (shared.now or shared.later):
                self.take(domain)
            return
        self.renew(domain, told, cloud=False)
        share = self._disks.share(domain)
        shared = self._shared(domain)
        if shared is None:
            raise DeviceFailed(f"there is no domain {domain} to give its seed to")
        if shared.running and shared.now != share:
            if shared.now is None and shared.later is None and self._disks.attach(domain, share):
                return
            self._stop(domain)
        if shared.later != share:
            self._hypervisor.set_next_disk(domain, self._disks.serial, share)

    def take(self, domain: str) -> None:
        """Nothing leads to the door any more. What runs keeps an empty disk until its next start."""
        self._disks.clear(domain)
        shared = self._shared(domain)
        if shared is not None and (shared.now or shared.later):
            self._hypervisor.set_next_disk(domain, self._disks.serial, None)
        if shared is None or not (shared.running and shared.now):
            self._disks.remove(domain)
        if self.door(domain) is not None:
            raise DeviceFailed(f"the seed of domain {domain} leads to nm's door after it was emptied")

    def _shared(self, domain: str) -> Shared | None:
        return self._hypervisor.disk(domain, self._disks.serial)
