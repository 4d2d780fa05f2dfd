"""Domains of a described pool: made by nm/making.py, started, changed while they run, shut down, removed.

What a running domain does not take is given to it by a restart, and the log says why. Called by
nm/poolhand.py, on the one worker thread of the host's pools.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nm import poolseed
from nm.errors import DeviceFailed
from nm.facts import Value
from nm.hypervisor import DomainState, Hypervisor, NotLive, NotYet, Storage, Volume
from nm.hypervisor import Nic as Seen
from nm.machine_xml import HALF, SEED, WHOLE, Nic, mac_of
from nm.making import Maker, NotOurs, check_files
from nm.pool_xml import Disk, Guest, PoolMark, description
from nm.pooladopting import ADOPTED, Adopter, is_adopted
from nm.pooldisks import AGAIN, Base, Disks, refused, seed_disk, volume
from nm.pools import guests
from nm.pools.briefs import Brief
from nm.pools.guests import domain_name
from nm.pools.kinds import most
from nm.poolseed import Told
from nm.poolwires import Wires, move, take_off
from nm.records import Record
from nm.waiting import Clock

ASK_AGAIN = 5.0  # seconds after which a guest is asked again to shut down: it may just have been starting
GONE = "its domain is not there any more"
SHOWN = ("diskBus", "diskTarget", "machine", "cpu", "graphics", "onCrash", "uuid")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a domain's NIC is: its bridge, None: nowhere; ovs: Open vSwitch's, vlan: its tag there."""

    bridge: str | None = None
    ovs: bool = False
    vlan: int | None = None

    def described(self, mac: str) -> Nic:
        """The NIC for a description."""
        kind = "ovs" if self.ovs else "bridge"
        return Nic(mac, None if self.bridge is None else {kind: self.bridge}, vlan=self.vlan)

    def seen(self, mac: str) -> Seen:
        """The NIC as it is read of a domain that runs."""
        trunk = self.ovs and self.vlan is None
        return Seen(mac, self.bridge, self.vlan, link_up=self.bridge is not None, trunk=trunk)


@dataclass(frozen=True)
class DomainPlan:
    """A domain as it is to be; a plan of nm/making.py. place: where its NIC is; base: of its disk."""

    brief: Brief
    disks: tuple[Disk, ...]
    base: Base | None
    mac: str
    place: Place
    folders: tuple[str, ...]

    @property
    def domain(self) -> str:
        """As its attributes say."""
        return domain_name(self.brief.attributes)

    def mark(self, state: str) -> PoolMark:
        """The mark of this part in this life."""
        brief = self.brief
        return PoolMark(brief.pool, brief.fact.partition("/")[2], brief.identity, state)

    def fits(self, mark: PoolMark) -> bool:
        """What it was made with is in the identity; all else is described anew when it starts."""
        return mark == self.mark(WHOLE)

    def check(self) -> None:
        """The kernel that it names itself; its disk's was looked at with that."""
        attributes = self.brief.attributes
        files = {"kernel": attributes.get("kernel"), "initrd": attributes.get("ramdisk")}
        check_files(self.brief.name, files, self.folders)

    def fill(self, storage: Storage, pool: str | None) -> tuple[Volume, ...]:
        """A seed, in place of what is left of one: the disk is the back end's."""
        storage.remove(pool, [seed_of(self.brief)])
        return (storage.write(pool, seed_of(self.brief), poolseed.image(self._told())),)

    def _told(self) -> Told:
        attributes = self.brief.attributes
        return Told(
            instance=f"{self.brief.pool}.{self.brief.identity}",
            hostname=str(attributes["hostname"]),
            mac=self.mac,
            address=guests.address_of(attributes),
            gateway=guests.gateway_of(attributes),
            keys=self.brief.keys,
            user_data=attributes.get("userData"),
            meta_data=attributes.get("metaData"),
        )

    def describe(self, kind: str, state: str, volumes: tuple[Volume, ...] = ()) -> str:
        """With the back end's disks first, and the seed behind them."""
        worth = self.brief.worth
        memory, vcpus = int(worth("memory")), int(worth("vcpus"))
        guest = Guest(
            name=self.domain,
            kind=kind,
            mark=self.mark(state),
            memory=memory,
            most_memory=most(self.brief.attributes, "memory"),
            vcpus=vcpus,
            most_vcpus=most(self.brief.attributes, "vcpus"),
            boot=self._boot(),
            attributes=looks(self.brief),
            nic=self.place.described(self.mac),
            disks=(*self.disks, *map(seed_disk, volumes)) if state == WHOLE else (),
        )
        return description(guest)

    def _boot(self) -> dict[str, str | None]:
        """What it says itself; else what its disk's image says."""
        own = self.brief.attributes
        given = {"kernel": own.get("kernel"), "initrd": own.get("ramdisk"), "cmdline": own.get("cmdline")}
        base = dict(self.base.boot) if self.base is not None and not given["kernel"] else {}
        return {**base, **{key: value for key, value in given.items() if value is not None}}


def seed_of(brief: Brief) -> str:
    """The volume that is the seed of that life of a domain, and of no other."""
    return volume(brief, SEED)


def looks(brief: Brief) -> dict[str, Any]:
    """How its domain looks, with defaults."""
    worth = {name: brief.worth(name) for name in SHOWN}
    return worth | {"diskTarget": brief.attributes.get("diskTarget")}


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


def _place(brief: Brief, nic: Seen, adopted: bool = False) -> Value | None:
    """Which NIC it has, and where that is; of one that was adopted only when its component says."""
    if adopted and not _says(brief, nic):
        return None
    return {"mac": nic.mac, "place": [nic.bridge, nic.vlan]}


def _says(brief: Brief, wanted: Seen) -> bool:
    """Whether the component of a domain that was adopted says which NIC is to be where."""
    return brief.group is not None or (bool(brief.attributes.get("mac")) and wanted.bridge is not None)


def _by_network(brief: Brief, wanted: Seen) -> Seen:
    """How the NIC of one that was adopted may be there: in a network by its name, and not by its bridge."""
    return replace(wanted, bridge=f"network:{brief.attributes.get('network')}")


class Domains:
    """The domains on one host."""

    def __init__(
        self,
        name: str,
        host: Record,
        hypervisor: Hypervisor,
        disks: Disks,
        folders: tuple[str, ...],
        clock: Clock,
        wires: Wires,
        adopter: Adopter,
    ) -> None:
        self._host = name
        self._wires = wires
        self._pool: str | None = host.get("pool")
        self._hypervisor = hypervisor
        self._disks = disks
        self._folders = folders
        self._clock = clock
        self._maker = Maker(name, host, hypervisor, PoolMark, volumes=())
        self._adopter = adopter
        network = host.get("network") or {}
        self._ovs = network.get("device") if network.get("kind") == "ovs" else None
        self._asked: dict[str, tuple[float, float]] = {}  # life -> when it was first, and last, asked to stop

    # ---- looking

    def check(self, brief: Brief) -> None:
        """Whether it could be made here, as far as that can be seen beforehand."""
        for words, hint in guests.wrong(brief.attributes):
            raise refused(brief, words, hint)
        for word in ("memory", "vcpus"):
            if int(brief.worth(word)) < 1:
                raise refused(brief, f"{word} is {brief.worth(word)}", "write a positive number")
        if brief.disk is not None:
            self._disks.base(brief.disk)
        mark = self._own(brief)
        if mark is None and brief.adopt is not None:
            self._adopter.check_free(brief)
        if is_adopted(mark) or (mark is None and brief.adopt is not None):
            self._adopter.check(brief)
        self._plan(brief, ()).check()
        self._check_standing(brief, mark)

    def _check_standing(self, brief: Brief, mark: PoolMark | None) -> None:
        """Whether what is to be changed is there, before anything else is."""
        if brief.stands and mark is None:
            raise refused(brief, GONE, AGAIN)
        if brief.disk is not None and brief.disk.stands:
            self._disks.of(brief.disk)

    def _own(self, brief: Brief) -> PoolMark | None:
        """The mark of its domain, of whichever life; NotOurs when what has its name is another's."""
        if brief.adopt is not None and self._adopter.free(domain_name(brief.attributes)):
            return None
        mark = self._maker.mark(domain_name(brief.attributes))
        if mark is not None and (mark.pool, mark.part) != (brief.pool, brief.fact.partition("/")[2]):
            name = domain_name(brief.attributes)
            text = f"{brief.name}: host {self._host} has a domain {name}, of {mark.part}"
            raise NotOurs(text, "choose another domainName", passing=False)
        return mark

    def _mine(self, brief: Brief) -> PoolMark | None:
        """The mark of what this life of the part has; None: nothing, whatever has come in its place since."""
        try:
            mark = self._own(brief)
        except NotOurs:
            return None
        return mark if mark is not None and mark.identity == brief.identity else None

    # ---- making

    def make(self, brief: Brief) -> None:
        """Described, with its seed; off. One that is there already is taken as it is."""
        mark, plan = self._own(brief), self._plan(brief, self._disks_of(brief))
        fresh = mark is None and brief.adopt is not None and self._adopter.free(plan.domain)
        if fresh:
            self._adopter.check_free(brief)
        if fresh or is_adopted(mark):
            self._adopter.take(brief, plan.mark(ADOPTED))
        else:
            self._maker.make(plan)

    def start(self, brief: Brief) -> Value | None:
        """As it is described now; read back. Answers where its NIC is.

        One that runs already, for nmd was killed before it knew, follows its group's network.
        """
        if not self._is_asked(brief):
            try:
                return self._start(brief)
            except NotLive as reason:
                self._say(brief, reason)
        return self._restart(brief)

    def _start(self, brief: Brief) -> Value | None:
        name = domain_name(brief.attributes)
        with self._placed(brief) as wanted:
            self._define(brief, wanted)
            if brief.group is not None and self._runs(name):
                move(self._hypervisor, name, wanted)
            self._hypervisor.start(name)
            self._asked.pop(brief.identity, None)
            state = self._state(name)
            if state is None or not state.running or state.paused:
                raise DeviceFailed(f"domain {name} does not run after its start", "see its log on the host")
            if brief.group is not None and wanted not in state.nics:
                raise DeviceFailed(f"NIC {wanted.mac} of domain {name} is not where it was put")
        return _place(brief, wanted, is_adopted(self._own(brief)))

    def change(self, brief: Brief) -> Value | None:
        """Let it be as its attributes say now: at once where it runs and can, else by a restart.

        Answers where its NIC is, or why it `waits` for the next start when nothing may be stopped for it.
        """
        mark = self._own(brief)
        if mark is None:
            raise refused(brief, GONE, AGAIN)
        if self._is_asked(brief):
            return self._restart(brief)
        name = domain_name(brief.attributes)
        state = self._state(name)
        if state is None or not state.running:
            if brief.stands and not brief.gentle:
                return self.start(brief)  # a restart was cut short
            return None  # it is described anew when it starts, when its disk is there again
        try:
            with self._placed(brief) as wanted:
                self._define(brief, wanted)
                self._change_nic(brief, name, state, wanted, is_adopted(mark))
                self._change_live(brief, name, is_adopted(mark))
            return _place(brief, wanted, is_adopted(mark))
        except NotLive as reason:
            self._say(brief, reason)
            if brief.gentle:
                return {"waits": reason.message}
        return self._restart(brief)

    def _say(self, brief: Brief, reason: NotLive) -> None:
        what, name = "next start" if brief.gentle else "restart", domain_name(brief.attributes)
        _log.info("%s of domain=%s host=%s: %s", what, name, self._host, reason.message)

    def wire(self, brief: Brief) -> Value | None:
        """Let its NIC be where its group's network is by now; nothing else changes."""
        name = domain_name(brief.attributes)
        if self._own(brief) is None or not self._runs(name):
            return None
        with self._placed(brief) as wanted:
            self._hypervisor.set_next_nic(name, wanted)
            move(self._hypervisor, name, wanted)
        return _place(brief, wanted)

    @contextmanager
    def _placed(self, brief: Brief) -> Iterator[Seen]:
        """Where its NIC is to be. A network of a group's stays there for as long as this lasts."""
        mac = self._mac(brief)
        if brief.group is not None:
            with self._wires.gate:
                yield self._wires.nic(brief, mac)
            return
        yield self._chosen(brief).seen(mac)

    def _change_nic(self, brief: Brief, name: str, state: DomainState, wanted: Seen, adopted: bool) -> None:
        """Of one that was adopted only when its component says which NIC is to be where."""
        if adopted and not _says(brief, wanted):
            return
        there = next((nic for nic in state.nics if nic.mac == wanted.mac), None)
        if there is None and (state.nics or brief.group is not None):
            raise NotLive(f"domain {name} has no NIC {wanted.mac}")
        if brief.group is not None:
            move(self._hypervisor, name, wanted)
        elif there not in (wanted, _by_network(brief, wanted)):
            self._hypervisor.set_nic(name, wanted)

    def _change_live(self, brief: Brief, name: str, adopted: bool) -> None:
        """Memory and processors; of one that was adopted those that its component gives."""
        worth = brief.attributes.get if adopted else brief.worth
        self._hypervisor.tuning.give(name, _whole(worth("memory")), _whole(worth("vcpus")))

    def _define(self, brief: Brief, wanted: Seen) -> None:
        """Described anew. On a VLAN it is put behind that, never on a bridge of all VLANs first."""
        plan = self._plan(brief, self._disks_of(brief))
        if is_adopted(self._own(brief)):
            self._define_adopted(brief, wanted)
            return
        storage = self._hypervisor.storage
        seed = storage.find(self._pool, [seed_of(brief)]) or plan.fill(storage, self._pool)
        self._hypervisor.define(plan.describe(self._maker.domain_type(), WHOLE, tuple(seed)))
        if brief.group is not None:
            self._hypervisor.set_next_nic(plan.domain, wanted)
        self._hypervisor.set_autostart(plan.domain, brief.worth("autostart") is True)

    def _define_adopted(self, brief: Brief, wanted: Seen) -> None:
        name = domain_name(brief.attributes)
        self._adopter.describe(brief)
        state = self._state(name)
        there = state.next_nics if state is not None else ()
        if _says(brief, wanted) and not {wanted, _by_network(brief, wanted)} & set(there):
            self._hypervisor.set_next_nic(name, wanted)
        if (autostart := brief.attributes.get("autostart")) is not None:
            self._hypervisor.set_autostart(name, autostart is True)

    def _plan(self, brief: Brief, disks: tuple[Disk, ...]) -> DomainPlan:
        base = self._disks.base(brief.disk) if brief.disk is not None else None
        return DomainPlan(brief, disks, base, self._mac(brief), self._chosen(brief), self._folders)

    def _disks_of(self, brief: Brief) -> tuple[Disk, ...]:
        return self._disks.of(brief.disk) if brief.disk is not None else ()

    def _mac(self, brief: Brief) -> str:
        chosen = brief.attributes.get("mac")
        return str(chosen).lower() if chosen else mac_of(self._host, f"{brief.pool}/{brief.fact}")

    def _chosen(self, brief: Brief) -> Place:
        """Where its NIC is, as its attributes say. DeviceFailed where it may not be."""
        network, vlan = brief.attributes.get("network"), brief.attributes.get("vlan")
        if not (bridge := brief.attributes.get("bridge")):
            return Place(self._hypervisor.bridge_of(str(network)) if network else None)
        if bridge == self._ovs and vlan is None:
            raise refused(
                brief, f"on bridge {bridge} without a VLAN it would be on all of them", "write vlan"
            )
        kind = brief.attributes.get("bridgeKind")
        ovs = kind == "ovs" or (kind is None and (vlan is not None or bridge == self._ovs))
        return Place(str(bridge), ovs, None if vlan is None else int(vlan))

    # ---- taking down

    def stop(self, brief: Brief) -> None:
        """Off: by the guest itself, when it does so in its time. NotYet while it has time."""
        name, now = domain_name(brief.attributes), self._clock.now()
        state = self._state(name) if self._mine(brief) is not None else None
        if state is None or not state.running:
            self._asked.pop(brief.identity, None)
            return
        first, last = self._asked.get(brief.identity, (now, -math.inf))
        if not state.paused and now < first + float(brief.worth("shutdownTimeout")):
            if now >= last + ASK_AGAIN:
                self._hypervisor.ask_to_stop(name)
                last = now
            self._asked[brief.identity] = first, last
            raise NotYet(f"domain {name} on host {self._host} was asked to shut down")
        self._asked.pop(brief.identity, None)
        self._hypervisor.stop(name)
        if self._runs(name):
            raise DeviceFailed(f"domain {name} on host {self._host} runs after it was stopped")

    def _is_asked(self, brief: Brief) -> bool:
        """Whether what was begun waits for its guest to shut down."""
        return brief.identity in self._asked

    def _restart(self, brief: Brief) -> Value | None:
        self.stop(brief)
        return self._start(brief)

    def remove(self, brief: Brief) -> None:
        """Gone, or let go; another's of that name stays."""
        mark, name = self._mine(brief), domain_name(brief.attributes)
        if mark is not None and self._stays(brief, mark):
            if brief.network or (not is_adopted(mark) and self._is_on_shared(name)):
                self._take_off(brief)
            self._adopter.let_go(name)
            return
        if mark is not None:
            self.stop(brief)
            self._hypervisor.undefine(name) if is_adopted(mark) else self._maker.remove(name)
        if mark is not None or brief.attributes.get("keepOnTerminate") is not True:  # it was let go then
            self._hypervisor.storage.remove(self._pool, [seed_of(brief)])

    def _take_off(self, brief: Brief) -> None:
        """Off its VLAN, which may go to others: nobody would look for a domain that was let go."""
        name = domain_name(brief.attributes)
        if not self._is_asked(brief):
            try:
                take_off(self._hypervisor, name, self._mac(brief))
                return
            except NotLive as reason:
                self._say(brief, reason)
        self.stop(brief)
        self._hypervisor.start(name)

    def _is_on_shared(self, name: str) -> bool:
        """Whether it is, or would be, on the bridge that the host shares with nm."""
        state = self._state(name)
        nics = (*state.nics, *state.next_nics) if state is not None else ()
        return self._ovs is not None and any(nic.bridge == self._ovs for nic in nics)

    def _stays(self, brief: Brief, mark: PoolMark) -> bool:
        """Whether it stays as it is when its part ends; what is half made is of no use to anybody."""
        if mark.state == HALF:
            return False
        said = brief.attributes.get("keepOnTerminate")
        return said if isinstance(said, bool) else is_adopted(mark)

    def _state(self, name: str) -> DomainState | None:
        """Without a stand-in being made of that name."""
        if self._hypervisor.description(name) is None:
            return None
        return self._hypervisor.state(name)

    def _runs(self, name: str) -> bool:
        state = self._state(name)
        return state is not None and state.running
