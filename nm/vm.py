"""The hand of a VM host: bridges of VLANs, and head nodes that run with one NIC on their group's VLAN.

What a head node is made from, and how it is taken away, is nm/making.py's; here is the rest, which is the
same for an existing domain.

A head node's NIC leaves its old VLAN with its link down before it comes to the new one. The NIC that
is nm's is the first one whose MAC is not among the head node's `management`; all others, and all
other domains, are left as they are. Called by the host's one worker thread; holds no lock.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from nm import hostnet, libvirt_host
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome, Value, made_domain, split
from nm.hypervisor import DomainState, Hypervisor, Nic, NotLive
from nm.listfolder import FOLDER
from nm.machine_xml import WHOLE, Mark, mac_of, management_mac_of
from nm.making import Blueprint, Maker
from nm.poolwires import check_off
from nm.records import Record
from nm.seed import Seed
from nm.seeds import Seeds
from nm.share import Lists
from nm.waiting import REAL, Clock, wait_until

GRACE = 20.0  # seconds that a guest gets to shut down by itself

_log = logging.getLogger(__name__)


class HostHand:
    """Makes `bridge/HOST/ID`, `head/NAME` and `list/NAME` true on one host.

    `headnode` answers a head node's record by its name; `blueprint` what one is made from; `seed` what an
    existing one is told; `lists` is where nm/export.py writes; `connect` opens a hypervisor; `gate` is held
    while a VLAN is taken away (nm/poolwires.py).
    """

    def __init__(
        self,
        name: str,
        host: Record,
        headnode: Callable[[str], Record | None],
        blueprint: Callable[[str], Blueprint] | None = None,
        *,
        seed: Callable[[str], Seed] | None = None,
        lists: Path = FOLDER,
        connect: Callable[[str], Hypervisor] = libvirt_host.connect,
        network: Callable[[Record], hostnet.HostNetwork] = hostnet.network_of,
        grace: float = GRACE,
        clock: Clock = REAL,
        gate: AbstractContextManager[object] | None = None,
    ) -> None:
        self._name = name
        self._gate = gate or nullcontext()
        self._headnode = headnode
        self._network = network(host)
        self._hypervisor = connect(host["uri"])
        self._blueprint = blueprint
        self._maker = Maker(name, host, self._hypervisor, Mark)
        self._lists = Lists(host, self._hypervisor, lists, self._stop)
        self._seed = seed
        self._seeds = Seeds(host, self._hypervisor, self._stop)
        self._grace = grace
        self._clock = clock

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders, each by itself."""
        return [_outcome(partial(self._one, order)) for order in orders]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """Each head node and bridge as it is now."""
        return [_outcome(partial(self._seen, fact)) for fact in facts]

    def close(self) -> None:
        """Let go of the host's connections."""
        self._hypervisor.close()
        self._network.close()

    def _one(self, order: Order) -> Value | None:
        if order.moot():
            return None
        kind, *parts = split(order.fact)
        if kind == "bridge":
            return self._bridge(int(parts[1]), order)
        told = order.value or order.old or {}
        domain = told.get("domain") or _domain(parts[0], self._record(parts[0]))
        if kind == "list":
            return self._lists.run(order, domain, partial(self._way, parts[0])) if domain else None
        if order.value is not None:
            return self._make_head(parts[0], order.value)
        return self._unmake_head(parts[0], domain) if domain else None

    def _seen(self, fact: str) -> Value | None:
        kind, *parts = split(fact)
        if kind == "bridge":
            return {} if self._network.present(int(parts[1])) else None
        record = self._record(parts[0])
        domain = _domain(parts[0], record)
        if kind == "list":
            return self._lists.seen(domain, self._name) if domain else None
        return self._head_seen(parts[0], domain, self._management(parts[0], record)) if domain else None

    def _bridge(self, vlan: int, order: Order) -> Value | None:
        if order.value is not None:
            self._network.make(vlan)
            if not self._network.present(vlan):
                raise DeviceFailed(f"host {self._name}: VLAN {vlan} is not there after it was made")
            return {}
        with self._gate:
            check_off(self._hypervisor, self._network, vlan)
            self._network.unmake(vlan)
        return None

    def _record(self, name: str) -> Record:
        record = self._headnode(name)
        if record is None:
            raise DeviceFailed(
                f"head node {name} is not in the pool", "RegisterHeadNode first", passing=False
            )
        return record

    def _management(self, name: str, record: Record) -> frozenset[str]:
        """The MACs of those NICs that are not on the group's network."""
        if record.get("image"):
            return frozenset({management_mac_of(self._name, made_domain(name))})
        return frozenset(mac.lower() for mac in record.get("management") or ())

    def _way(self, name: str) -> str:
        """By which the list gets into a domain that has no place for it yet."""
        if self._blueprint is None or not self._record(name).get("image"):
            return "disk"
        return str(self._blueprint(name).image["share"])

    def _make_head(self, name: str, value: Value) -> Value:
        domain, vlan = value["domain"], value["vlan"]
        if not domain:
            raise DeviceFailed(
                f"head node {name} has no domain", "name one with UpdateHeadNode", passing=False
            )
        if value.get("image") and self._blueprint is not None:
            plan = self._blueprint(name)
            self._maker.make(plan)
            self._seeds.renew(domain, plan.seed)
            self._lists.prepare(domain, plan.seed.group, plan.image["share"])
        elif self._seed is not None:
            self._seeds.bring(domain, self._seed(name))
        management = self._management(name, self._record(name))
        state = self._state(domain)
        mac = _ours(state, management) or mac_of(self._name, domain)
        bridge, tag = self._network.place(vlan)
        wanted = Nic(mac, bridge, tag)
        if state.running:
            self._move(domain, wanted, state)
        else:
            self._set_next(domain, wanted, state)
        self._hypervisor.start(domain)
        image = {"image": value["image"]} if value.get("image") else {}
        return {**self._confirmed(name, domain, wanted), **image, **self._door(name, domain, value)}

    def _door(self, name: str, domain: str, value: Value) -> Value:
        """To which door its seed leads, read back."""
        made = bool(value.get("image"))
        seen = self._seeds.door(domain) if made else self._seeds.door_in_reach(domain)
        if seen != value.get("door"):
            raise DeviceFailed(
                f"head node {name}: its seed leads to another door of nm's than was planned",
                "the records have changed meanwhile; it is tried again",
            )
        return {} if seen is None else {"door": seen}

    def _confirmed(self, name: str, domain: str, wanted: Nic) -> Value:
        state = self._state(domain)
        if not state.running or state.paused:
            raise DeviceFailed(f"head node {name}: domain {domain} does not run after its start")
        if _nic(state.nics, wanted.mac) != wanted or _nic(state.next_nics, wanted.mac) != wanted:
            raise DeviceFailed(
                f"head node {name}: NIC {wanted.mac} of domain {domain} is not where it was put"
            )
        vlan = self._network.vlan_at(wanted.bridge, wanted.vlan)
        return {"host": self._name, "domain": domain, "vlan": vlan}

    def _move(self, domain: str, wanted: Nic, state: DomainState) -> None:
        """Bring a running domain's NIC to where it is wanted; by a restart when nothing else works."""
        try:
            self._move_live(domain, wanted, _nic(state.nics, wanted.mac))
            self._set_next(domain, wanted, state)
        except NotLive as reason:
            _log.info("restart of domain=%s host=%s: %s", domain, self._name, reason.message)
            self._stop(domain)
            self._set_next(domain, wanted, state)

    def _move_live(self, domain: str, wanted: Nic, present: Nic | None) -> None:
        if present == wanted:
            return
        down = Nic(wanted.mac, wanted.bridge, wanted.vlan, link_up=False)
        if present is not None:
            self._set_live(domain, Nic(present.mac, present.bridge, present.vlan, link_up=False))
        self._set_live(domain, down)
        self._set_live(domain, wanted)

    def _set_live(self, domain: str, nic: Nic) -> None:
        """Change the running domain's NIC and read it back."""
        self._hypervisor.set_nic(domain, nic)
        if _nic(self._state(domain).nics, nic.mac) != nic:
            raise NotLive(f"NIC {nic.mac} did not change while domain {domain} runs")

    def _set_next(self, domain: str, wanted: Nic, state: DomainState) -> None:
        if _nic(state.next_nics, wanted.mac) != wanted:
            self._hypervisor.set_next_nic(domain, wanted)

    def _unmake_head(self, name: str, domain: str) -> Value | None:
        """Off the VLAN. One that nm made goes at once, with its disks: nothing is to be kept of it."""
        record = self._headnode(name) or {}
        management = self._management(name, record)
        if _is_made(name, domain, record):
            self._maker.remove(domain)
        else:
            self._put_off(domain, management)
            self._seeds.take(domain)
        if self._head_seen(name, domain, management) is not None:
            raise DeviceFailed(
                f"head node {name}: domain {domain} is not off its VLAN after it was taken off"
            )
        return None

    def _put_off(self, domain: str, management: frozenset[str]) -> None:
        """Cut the NIC off, stop the domain, and let its next start find the NIC on nothing."""
        state = self._hypervisor.state(domain)
        if state is None:
            return  # a domain that is gone is on no VLAN
        mac = _ours(state, management)
        if state.running:
            self._cut(domain, _nic(state.nics, mac or ""))
            self._stop(domain)
        if mac and self._hypervisor.state(domain) is not None:  # a transient one went with its stop
            self._hypervisor.set_next_nic(domain, Nic(mac, None, link_up=False))

    def _cut(self, domain: str, nic: Nic | None) -> None:
        """Link down at once, so that the guest's way of shutting down happens off the VLAN."""
        if nic is None or not nic.link_up:
            return
        try:
            self._set_live(domain, Nic(nic.mac, nic.bridge, nic.vlan, link_up=False))
        except NotLive as reason:  # then its power goes at once
            _log.info("stop of domain=%s host=%s: %s", domain, self._name, reason.message)
            self._hypervisor.stop(domain)

    def _stop(self, domain: str) -> None:
        """Off, by the guest itself when it does so in time."""
        self._hypervisor.ask_to_stop(domain)
        if not wait_until(lambda: not self._runs(domain), self._grace, self._clock):
            self._hypervisor.stop(domain)
        if self._runs(domain):
            raise DeviceFailed(f"domain {domain} on host {self._name} runs after it was stopped")

    def _runs(self, domain: str) -> bool:
        state = self._hypervisor.state(domain)
        return state is not None and state.running

    def _head_seen(self, name: str, domain: str, management: frozenset[str]) -> Value | None:
        """None when it is off and its NIC on nothing; vlan None when it is anything in between.

        One that nm made is absent when it is gone, and in between while it is half made.
        """
        made = _is_made(name, domain, self._headnode(name) or {})
        mark = self._maker.mark(domain) if made else None
        state = self._hypervisor.state(domain) if mark is not None or not made else None
        if state is None:
            return None
        mac = _ours(state, management) or ""
        later = _nic(state.next_nics, mac)
        if not made and not state.running and (later is None or later.bridge is None):
            return None
        now = _nic(state.nics, mac)
        runs = state.running and not state.paused
        on_vlan = runs and now is not None and now == later and now.link_up
        vlan = self._network.vlan_at(now.bridge, now.vlan) if now is not None and on_vlan else None
        seen = self._seeds.door_in_reach(domain) if mark is None else self._seeds.door(domain)
        door = {"door": seen} if seen is not None else {}
        if mark is None:
            return {"host": self._name, "domain": domain, "vlan": vlan, **door}
        vlan = vlan if mark.state == WHOLE else None
        return {"host": self._name, "domain": domain, "vlan": vlan, "image": mark.image, **door}

    def _state(self, domain: str) -> DomainState:
        state = self._hypervisor.state(domain)
        if state is None:
            raise DeviceFailed(
                f"host {self._name} has no domain {domain}",
                "define it there (virsh define), or name another one with UpdateHeadNode",
                passing=False,
            )
        return state


def _outcome(act: Callable[[], Value | None]) -> Outcome:
    try:
        return Outcome(seen=act())
    except NMError as error:
        return Outcome(error=error)


def _nic(nics: Sequence[Nic], mac: str) -> Nic | None:
    return next((nic for nic in nics if nic.mac == mac), None)


def _ours(state: DomainState, management: frozenset[str]) -> str | None:
    """MAC of the first NIC that is not a management NIC."""
    return next((nic.mac for nic in (*state.nics, *state.next_nics) if nic.mac not in management), None)


def _domain(name: str, record: Record) -> str | None:
    """What libvirt calls the head node's domain; None when nothing is known of one."""
    return made_domain(name) if record.get("image") else record.get("domain")


def _is_made(name: str, domain: str, record: Record) -> bool:
    """Whether the domain is one that nm makes for the head node; not one that was there already."""
    return domain == made_domain(name) and not record.get("domain")
