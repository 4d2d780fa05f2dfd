"""Domains that were there already, taken into described pools as they are, and let go again.

A domain that no hand of nm's has gets the mark of its part, while it runs or is off, and nothing else of it
changes. From then on it is told from those that nm made by the mark's state: what it is, it says itself, and
what its component gives is put over that. Called by nm/pooldomains.py.
"""

from collections.abc import Callable

from nm import adopted_xml, machine_xml
from nm.errors import DeviceFailed
from nm.hypervisor import Hypervisor
from nm.pool_xml import PoolMark
from nm.pooldisks import refused
from nm.pools import existing
from nm.pools.briefs import Brief
from nm.pools.files import EVERYWHERE, unnameable
from nm.pools.guests import domain_name

ADOPTED = "adopted"  # the state of a mark


def is_adopted(mark: PoolMark | None) -> bool:
    """Whether the domain with this mark was there before."""
    return mark is not None and mark.state == ADOPTED


def no_head(_name: str) -> bool:
    """Where nm has no head nodes."""
    return False


class Adopter:
    """Takes and lets go domains of one host, as that calls itself. is_head: whether one is a head node."""

    def __init__(self, host: str, hypervisor: Hypervisor, is_head: Callable[[str], bool] = no_head) -> None:
        self._host = host
        self._hypervisor = hypervisor
        self._is_head = is_head

    def free(self, name: str) -> bool:
        """Whether there is such a domain, and no hand of nm's has it."""
        text = self._hypervisor.description(name)
        return text is not None and not existing.read(text).nm and not self._is_head(name)

    def check(self, brief: Brief) -> None:
        """Whether the domain of its name is the one that is meant."""
        name = domain_name(brief.attributes)
        text = self._hypervisor.description(name)
        if text is None:
            return
        found = existing.read(text)
        uuid = brief.attributes.get("uuid")
        if uuid is not None and str(uuid).lower() != str(found.attributes.get("uuid", "")).lower():
            raise refused(brief, f"domain {name} on host {self._host} has another uuid", "correct it")
        if brief.disk is None:
            return
        path = brief.disk.attributes.get("baseImage")
        if brief.disk.worth("inPlace") is not True or path not in existing.sources(text):
            raise refused(
                brief,
                f"domain {name} is there, and its disk is not that of {brief.disk.name}",
                "let nmctl sf import describe it: the disk that it has, inPlace true",
            )

    def check_free(self, brief: Brief) -> None:
        """Whether who takes one that is nobody's yet could have named all its drives."""
        name, folders = domain_name(brief.attributes), brief.adopt or ()
        text = self._hypervisor.description(name)
        for drive in existing.drives(text) if text is not None and folders != EVERYWHERE else ():
            what = f"domain {name} on host {self._host} cannot be taken"
            if drive is None:
                raise refused(brief, f"{what}: a drive of it is no file", "ask an administrator")
            if (why := unnameable(drive, folders)) is not None:
                raise refused(brief, f"{what}: {why[0]}", why[1])

    def take(self, brief: Brief, mark: PoolMark) -> None:
        """Let it have the mark, read back."""
        name = domain_name(brief.attributes)
        self.check(brief)
        self._hypervisor.note(name, PoolMark.SPACE, machine_xml.element_of(mark))
        if machine_xml.mark_of(self._hypervisor.description(name), PoolMark) != mark:
            raise DeviceFailed(f"domain {name} on host {self._host} does not keep nm's mark")

    def describe(self, brief: Brief) -> None:
        """Let it be stored as its component says, from its next start on."""
        name = domain_name(brief.attributes)
        text = self._hypervisor.description(name)
        if text is not None:
            self._hypervisor.define(adopted_xml.described(text, brief.attributes))

    def let_go(self, name: str) -> None:
        """It goes on as it is, and is nobody's."""
        self._hypervisor.note(name, PoolMark.SPACE, None)
