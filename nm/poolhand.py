"""The hand of described pools on one host: makes domains and their disks pass the stages of their lives.

Orders are those of nm/pools/briefs.order_of. Any may come again after a crash, and does no harm then.
construct and prepare look whether it can be done, and make nothing; deploy makes, start starts, wire puts a
running domain on its group's VLAN, terminate leaves nothing but what is to be kept. Called by the one
worker thread of the host's pools; holds no lock.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from nm import libvirt_host, machine_xml
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome, Value
from nm.hypervisor import Hypervisor, Listed, NotYet, is_remote
from nm.pool_xml import PoolMark
from nm.pooladopting import Adopter, is_adopted, no_head
from nm.pooldisks import Disks, Image
from nm.pooldomains import Domains
from nm.pools import existing
from nm.pools.briefs import Brief, brief_in, what_in
from nm.pools.existing import Existing
from nm.pools.guests import domain_name
from nm.pools.kinds import DISKS, DOMAINS
from nm.poolwires import Wires, no_vlan
from nm.records import Record
from nm.thin import Tools
from nm.waiting import REAL, Clock

log = logging.getLogger("nm.poolhand")

Act = Callable[[Brief], Value | None]


class PoolHand:
    """Parts of pools on a host. `image`: an image's record by name; `folders`: where bases may lie.

    `vlan`, `gate`: see nm/poolwires.py. `tools`: of the host's, for logical volumes. `is_head`: whether a
    domain is a head node; one that was there before has no mark of nm's.
    """

    def __init__(
        self,
        name: str,
        host: Record,
        image: Image,
        folders: tuple[str, ...],
        *,
        connect: Callable[[str], Hypervisor] = libvirt_host.connect,
        clock: Clock = REAL,
        vlan: Callable[[Brief], int] = no_vlan,
        gate: AbstractContextManager[object] | None = None,
        tools: Tools | None = None,
        is_head: Callable[[str], bool] = no_head,
    ) -> None:
        self._hypervisor, self._is_head = connect(host["uri"]), is_head
        wires = Wires(host["network"], vlan, gate or nullcontext())
        disks = Disks(self._hypervisor, host.get("pool"), image, folders, is_remote(host["uri"]), tools)
        self._disks = disks
        adopter = Adopter(name, self._hypervisor, is_head)
        self._domains = Domains(name, host, self._hypervisor, disks, folders, clock, wires, adopter)
        domains = self._domains
        of_domains: Mapping[str, Act] = {
            "prepare": domains.check,
            "construct": domains.check,
            "deploy": domains.make,
            "start": domains.start,
            "change": domains.change,
            "wire": domains.wire,
            "stop": domains.stop,
            "terminate": domains.remove,
        }
        of_disks: Mapping[str, Act] = {
            "prepare": self._prepare_disk,
            "construct": disks.check,
            "deploy": disks.make,
            "change": self._grow,
            "look": disks.look,
            "terminate": disks.remove,
        }
        kinds = [*((kind, of_domains) for kind in DOMAINS), *((kind, of_disks) for kind in DISKS)]
        self._acts = dict(kinds)

    # ---- a hand's face

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders, each by itself; one that waits for a guest is to come again.

        look is a disk's: how many bytes it holds.
        """
        self._disks.look_around(brief_in(order) for order in orders if what_in(order) == "look")
        return [_outcome(order, self._one) for order in orders]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """Of a life's domain {"running", "shut_down", "unheard"}, or None: there is none; by one listing.

        Of one that runs also what it has (a Listed), and whether it was there before: "listed", "adopted".
        """
        lives = [fact.partition("/")[2] for fact in facts]
        asked = frozenset(lives)
        try:
            listed = self._hypervisor.listed(PoolMark.SPACE, lambda mark: _mark(mark).identity in asked)
        except NMError as error:
            return [Outcome(error=error) for _ in facts]
        marks = ((_mark(one.mark), one) for one in listed)
        found = {mark.identity: _looks(one, mark) for mark, one in marks}
        return [Outcome(seen=found.get(life)) for life in lives]

    def domains(self, names: Sequence[str]) -> list[Existing]:
        """The domains of these names as they are; all that run, when none is named."""
        found = self._hypervisor.descriptions(names)
        told = (existing.read(text, running=runs) for text, runs in found if names or runs)
        return [replace(one, nm=one.nm or self._is_head(one.name)) for one in told]

    def close(self) -> None:
        """Let go of the host."""
        self._hypervisor.close()

    # ---- one order

    def _one(self, order: Order) -> Value | None:
        if order.moot():
            return None
        brief, what = brief_in(order), what_in(order)
        act = self._acts[brief.kind].get(what)
        return (act(brief) if act is not None else None) or {}

    def _prepare_disk(self, brief: Brief) -> None:
        self._disks.check(brief)
        self._disks.check_growth(brief)

    def _grow(self, brief: Brief) -> None:
        user = brief.user
        domain = domain_name(user.attributes) if user is not None else None
        self._disks.grow(brief, domain)


def _mark(element: str) -> PoolMark:
    return machine_xml.mark_in(element, PoolMark)


def _looks(one: Listed, mark: PoolMark) -> Value:
    seen = {"running": one.running, "shut_down": one.shut_down, "unheard": one.unheard}
    return {**seen, "listed": one, "adopted": is_adopted(mark)}


def _outcome(order: Order, act: Callable[[Order], Value | None]) -> Outcome:
    """What comes of one order, which is nobody else's trouble."""
    try:
        return Outcome(seen=act(order))
    except NotYet:
        return Outcome(later=True)
    except NMError as error:
        return Outcome(error=error)
    except ValueError as error:  # neither libvirt nor a file takes every character
        name = brief_in(order).name
        log.warning("what is described cannot be told to the host", extra={"part": name}, exc_info=error)
        return Outcome(error=DeviceFailed(f"{name}: {error}", "correct the description", passing=False))
