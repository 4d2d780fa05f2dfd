"""How domains of descriptions hang on VLANs of groups, on one host.

The VLAN is asked of the records right before a domain is put on it, while nobody takes VLANs off this host
(`gate`): so a domain comes to no VLAN that its group has not, or is just to lose. `check_off` is the other
side: no VLAN is given back while a domain of a description is on it, whatever became of its group. Called by
nm/poolhand.py and nm/vm.py, on the host's worker threads; both hold the gate meanwhile.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from nm.errors import DeviceFailed
from nm.hostnet import HostNetwork, place_of
from nm.hypervisor import Hypervisor, Nic, NotLive
from nm.pool_xml import PoolMark
from nm.pools.briefs import Brief
from nm.records import Record


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
    present = _seen(hypervisor, domain, wanted.mac)
    if present == wanted:
        return
    if present is not None and present.link_up:
        _set(hypervisor, domain, Nic(present.mac, present.bridge, present.vlan, link_up=False))
    _set(hypervisor, domain, Nic(wanted.mac, wanted.bridge, wanted.vlan, link_up=False))
    _set(hypervisor, domain, wanted)


def take_off(hypervisor: Hypervisor, domain: str, mac: str) -> None:
    """Let that interface be on nothing, at the next start and, if it runs, at once.

    NotLive when it must be restarted for that.
    """
    state = hypervisor.state(domain)
    if state is not None and _nic(state.next_nics, mac) is not None:
        hypervisor.set_next_nic(domain, nowhere(mac))
    if state is not None and state.running and _nic(state.nics, mac) is not None:
        move(hypervisor, domain, nowhere(mac))


def nowhere(mac: str) -> Nic:
    """That interface on nothing."""
    return Nic(mac, None, link_up=False)


def _set(hypervisor: Hypervisor, domain: str, nic: Nic) -> None:
    hypervisor.set_nic(domain, nic)
    if _seen(hypervisor, domain, nic.mac) != nic:
        raise NotLive(f"NIC {nic.mac} did not change while domain {domain} runs")


def _seen(hypervisor: Hypervisor, domain: str, mac: str) -> Nic | None:
    state = hypervisor.state(domain)
    return _nic(state.nics, mac) if state is not None else None


def _nic(nics: tuple[Nic, ...], mac: str) -> Nic | None:
    return next((nic for nic in nics if nic.mac == mac), None)


def check_off(hypervisor: Hypervisor, network: HostNetwork, vlan: int) -> None:
    """No domain of a description is on that VLAN, nor will be by its next start; else DeviceFailed, for now.

    One that runs is moved, or taken down, by its description; then this is tried again.
    """

    def on(nics: tuple[Nic, ...]) -> list[Nic]:
        return [nic for nic in nics if network.vlan_at(nic.bridge, nic.vlan) == vlan]

    for one in hypervisor.listed(PoolMark.SPACE):
        state = hypervisor.state(one.name)
        if state is None:
            continue
        if state.running and on(state.nics):
            raise DeviceFailed(
                f"VLAN {vlan} stays on the host: domain {one.name} of a description is on it",
                "it goes when its description has taken the domain off it",
            )
        for nic in on(state.next_nics):  # it is described anew before it starts
            hypervisor.set_next_nic(one.name, nowhere(nic.mac))
        left = hypervisor.state(one.name)
        if left is not None and on(left.next_nics):
            raise DeviceFailed(f"domain {one.name} is not off VLAN {vlan} after it was taken off")
