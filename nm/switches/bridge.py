"""The VLAN table of a Linux bridge, and what turns it into what was asked for. Pure.

Between nm/switches/linux.py, which knows of changes and states of ports, and the two ways to a kernel
(netlink.py, iproute2.py), which carry edits there and bring the table back. The bridge's own port, by which
the machine itself hangs on the bridge, is a port like any other; it has the bridge's name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from nm.switch import Change, PortState, SetPort, SetTrunk, SetVlan, successor, vlans_of
from nm.switches.parsing import spans

PVID, UNTAGGED = 2, 4  # a VLAN's flags on a port, as the kernel numbers them (linux/if_bridge.h)
IDS = 4094  # VLANs there are, from 1
INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,14}")  # names without a meaning for any tool

Entries = Mapping[int, int]  # a port's VLANs and their flags


@dataclass(frozen=True)
class Bridge:
    """What a kernel says of a bridge."""

    name: str
    filtering: bool  # whether it looks at the tags of 802.1q at all
    default: int  # the VLAN that a port gets when it comes to the bridge; 0 for none
    ports: Mapping[str, Entries]


@dataclass(frozen=True)
class Edit:
    """Put the VLANs from `first` to `last` on the port with those flags, or take them away."""

    port: str
    add: bool
    first: int
    last: int
    flags: int = 0


class Refusal(NamedTuple):
    """Why a change cannot be made, and what to do about it."""

    words: str
    hint: str = "InspectSwitch lists its ports"


class Way(Protocol):
    """The way to the kernel that has the bridge. All of it may raise DeviceFailed."""

    def open(self) -> Mapping[str, str]:
        """Log in, where that is needed; as Driver.open."""

    def look(self) -> Bridge:
        """The bridge as it is now."""

    def edit(self, edits: Sequence[Edit]) -> dict[Edit, str]:
        """Make the edits in order, right after a look; the kernel's words about those that it refused."""

    def close(self) -> None:
        """Let go of it. Raises nothing."""


def model(bridge: Bridge) -> str:
    """What it is, and what it lacks."""
    if not bridge.filtering:
        return "Linux bridge that does not filter VLANs"
    return f"Linux bridge, new ports on VLAN {bridge.default}" if bridge.default else "Linux bridge"


def port_state(bridge: Bridge, port: str) -> PortState:
    """What the port carries. What no PortState tells, as a VLAN that is untagged one way only, is `open`."""
    entries = bridge.ports[port]
    if not bridge.filtering or len(entries) == IDS:
        return PortState(open=True)
    untagged = next((vlan for vlan, flags in entries.items() if flags & PVID), None)
    tagged = tuple(sorted(vlan for vlan in entries if vlan != untagged))
    return PortState(untagged, tagged, any(flags not in (0, PVID | UNTAGGED) for flags in entries.values()))


def plan(bridge: Bridge, changes: Sequence[Change]) -> tuple[list[Edit], dict[Change, Refusal]]:
    """The edits that make the changes, and why some cannot be made.

    All that is taken away comes before all that is added, whatever ports it is on.
    """
    wanted: dict[str, PortState] = {}
    refused: dict[Change, Refusal] = {}
    for change in changes:
        if isinstance(change, SetVlan):
            continue  # a VLAN is there as long as a port is on it
        if refusal := _refusal(bridge, change):
            refused[change] = refusal
        else:
            state = wanted.get(change.port) or port_state(bridge, change.port)
            wanted[change.port] = successor(change, state)
    edits = [edit for port, state in wanted.items() for edit in _edits(bridge, port, _entries(state))]
    return sorted(edits, key=lambda edit: edit.add), refused


def blame(edit: Edit, changes: Iterable[Change]) -> list[Change]:
    """The changes that wanted the edit: those of its port that name a VLAN of it, or else all of its port."""
    own = [change for change in changes if not isinstance(change, SetVlan) and change.port == edit.port]
    naming = [change for change in own if any(edit.first <= vlan <= edit.last for vlan in vlans_of(change))]
    return list(naming or own)


def _refusal(bridge: Bridge, change: SetPort | SetTrunk) -> Refusal | None:
    """Why the change cannot be made; None when it can."""
    command = (
        f"ip link set {bridge.name} type bridge vlan_filtering 1 vlan_default_pvid 0; see docs/drivers.md"
    )
    if change.port not in bridge.ports:
        return Refusal("there is no such port on the bridge")
    if not INTERFACE.fullmatch(change.port):
        return Refusal("nm drives no interface of such a name", "rename it: letters, digits and ._+-")
    if not bridge.filtering:
        return Refusal(
            f"bridge {bridge.name} does not filter VLANs of 802.1q: all its ports are open", command
        )
    bad = [vlan for vlan in vlans_of(change) if not 0 < vlan <= IDS]
    if bad:
        return Refusal(f"{bad[0]} is no VLAN id", "use VLANs from 1 to 4094")
    if bridge.default and not successor(change, PortState()).isolated:
        return Refusal(
            f"bridge {bridge.name} puts new ports on VLAN {bridge.default}, as all are after a reboot",
            command,
        )
    return None


def _entries(state: PortState) -> Entries:
    untagged = {} if state.untagged is None else {state.untagged: PVID | UNTAGGED}
    return {**dict.fromkeys(state.tagged, 0), **untagged}


def _edits(bridge: Bridge, port: str, wanted: Entries) -> Iterator[Edit]:
    """From what the port has to what is wanted. What is to have other flags is taken away and put back."""
    entries = bridge.ports[port]
    gone = [vlan for vlan, flags in entries.items() if wanted.get(vlan) != flags]
    come = {vlan: flags for vlan, flags in wanted.items() if entries.get(vlan) != flags}
    for first, last in spans(gone):
        yield Edit(port, False, first, last)
    for first, last in spans(vlan for vlan, flags in come.items() if not flags):
        yield Edit(port, True, first, last)
    for vlan, flags in come.items():
        if flags:
            yield Edit(port, True, vlan, vlan, flags)
