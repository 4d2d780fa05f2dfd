"""How domains of descriptions hang on VLANs of groups, on one host.

The VLAN is asked of the records right before a domain is put on it, while nobody takes VLANs off this host
(`gate`): so a domain comes to no VLAN that its group has not, or is just to lose. `take_off` is the other
side: nothing of a description's is on a VLAN any more when that is given back, whatever became of the domain.
Called by nm/poolhand.py and nm/vm.py, on the host's worker threads; both hold the gate meanwhile.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from nm.errors import DeviceFailed
from nm.hostnet import HostNetwork, place_of
from nm.hypervisor import DomainState, Hypervisor, Nic, NotLive
from nm.pool_xml import PoolMark
from nm.pools.briefs import Brief
from nm.records import Record

_log = logging.getLogger(__name__)


def no_vlan(brief: Brief) -> int:
    """Where no group has a network."""
    raise DeviceFailed(f"group {brief.group_name} has no network here")


@dataclass(frozen=True)
class Wires:
    """network: the host's. vlan: that of the network on which a domain is to be; DeviceFailed: not there."""

    network: Record
    vlan: Callable[[Brief], int] = no_vlan
    gate: AbstractContextManager[object] = field(default_factory=nullcontext)

    def nic(self, brief: Brief, mac: str) -> Nic:
        """The domain's interface on its group's network. Only while the gate is held."""
        bridge, tag = place_of(self.network, self.vlan(brief))
        return Nic(mac, bridge, tag)


def move(hypervisor: Hypervisor, domain: str, wanted: Nic) -> None:
    """Bring a running domain's interface to where it is wanted: off where it is, read back, then there.

    NotLive when it must be restarted for that.
    """
    present = _nic(hypervisor.state(domain), wanted.mac)
    if present == wanted:
        return
    if present is not None and present.link_up:
        _set(hypervisor, domain, Nic(present.mac, present.bridge, present.vlan, link_up=False))
    _set(hypervisor, domain, Nic(wanted.mac, wanted.bridge, wanted.vlan, link_up=False))
    _set(hypervisor, domain, wanted)


def _set(hypervisor: Hypervisor, domain: str, nic: Nic) -> None:
    hypervisor.set_nic(domain, nic)
    if _nic(hypervisor.state(domain), nic.mac) != nic:
        raise NotLive(f"NIC {nic.mac} did not change while domain {domain} runs")


def _nic(state: DomainState | None, mac: str) -> Nic | None:
    return next((nic for nic in state.nics if nic.mac == mac), None) if state is not None else None


def take_off(hypervisor: Hypervisor, network: HostNetwork, vlan: int) -> None:
    """No domain of a description is on that VLAN, nor will be by its next start; read back."""

    def on(nics: tuple[Nic, ...]) -> list[Nic]:
        return [nic for nic in nics if network.vlan_at(nic.bridge, nic.vlan) == vlan]

    for one in hypervisor.listed(PoolMark.SPACE):
        state = hypervisor.state(one.name)
        if state is None:
            continue
        for nic in on(state.next_nics):
            hypervisor.set_next_nic(one.name, Nic(nic.mac, None, link_up=False))
        if state.running and on(state.nics):
            _cut(hypervisor, one.name, on(state.nics))
        left = hypervisor.state(one.name)
        if left is not None and (on(left.next_nics) or (left.running and on(left.nics))):
            raise DeviceFailed(f"domain {one.name} is not off VLAN {vlan} after it was taken off")


def _cut(hypervisor: Hypervisor, domain: str, nics: list[Nic]) -> None:
    """On nothing while it runs; where that cannot be, its power goes."""
    _log.warning("domain=%s is cut off: its group's network goes", domain)
    try:
        for nic in nics:
            _set(hypervisor, domain, Nic(nic.mac, None, link_up=False))
    except NotLive as reason:
        _log.warning("stop of domain=%s: %s", domain, reason.message)
        hypervisor.stop(domain)
