"""Q-BRIDGE-MIB (RFC 4363): VLANs as rows with bitmaps of bridge ports, and each port's PVID.

Pure but for `set_vlans`; called by the driver and its session only. An isolated port is shut, in no VLAN's
bitmaps, and its PVID is 1. A port that carries something drops frames of VLANs that it is not in (ingress
filtering), so untagged ones too when it has no untagged VLAN, for it is never in VLAN 1 then.
"""

from collections.abc import Iterable, Mapping, Sequence

from nm.switch import Change, PortState, SetVlan
from nm.switches.snmp.mib import (
    CREATE_AND_GO,
    DESTROY,
    IF_ADMIN_STATUS,
    IF_NAME,
    Column,
    Refusal,
    Setter,
    Syntax,
    Table,
    Wanted,
    Write,
    bitmap,
    changed,
    column,
    members,
    number,
    octets,
)

_Q = "1.3.6.1.2.1.17.7.1.4"
PORT_IF_INDEX = column("dot1dBasePortIfIndex", "1.3.6.1.2.1.17.1.4.1.2")
PVID = column("dot1qPvid", f"{_Q}.5.1.1", Syntax.UNSIGNED)
FRAME_TYPES = column("dot1qPortAcceptableFrameTypes", f"{_Q}.5.1.2")
FILTERING = column("dot1qPortIngressFiltering", f"{_Q}.5.1.3")
NAME = column("dot1qVlanStaticName", f"{_Q}.3.1.1", Syntax.OCTETS)
EGRESS = column("dot1qVlanStaticEgressPorts", f"{_Q}.3.1.2", Syntax.OCTETS)
UNTAGGED = column("dot1qVlanStaticUntaggedPorts", f"{_Q}.3.1.4", Syntax.OCTETS)
ROW_STATUS = column("dot1qVlanStaticRowStatus", f"{_Q}.3.1.5")

ACTIVE = 1  # RowStatus
TRUE = 1  # TruthValue
ADMIT_ALL, ADMIT_TAGGED = 1, 2
PARKED = 1  # the PVID of ports without an untagged VLAN: VLAN 1 is always there, and never nm's


class QBridge:
    """The model of switches that implement the standard."""

    name = "qbridge"
    vlan_group: tuple[Column, ...] = (ROW_STATUS, EGRESS, UNTAGGED)
    groups: Sequence[tuple[Column, ...]] = (
        (IF_NAME, IF_ADMIN_STATUS),
        (PORT_IF_INDEX, PVID, FRAME_TYPES, FILTERING),
        vlan_group,
    )

    def ports(self, table: Table) -> Iterable[int]:
        """The interfaces behind the bridge's ports."""
        return _bridge_ports(table)

    def vlans(self, table: Table) -> frozenset[int]:
        """The active rows."""
        return frozenset(vlan for (vlan,), status in table.get(ROW_STATUS, {}).items() if status == ACTIVE)

    def state(self, table: Table, port: int) -> PortState:
        """By the bitmaps it is in. Whatever PortState has no words for makes it `open`."""
        bridge_port = _bridge_ports(table)[port]
        carried = {vlan for vlan in self.vlans(table) if bridge_port in _ports(table, EGRESS, vlan)}
        bare = {vlan for vlan in carried if bridge_port in _ports(table, UNTAGGED, vlan)}
        admits = number(table, FRAME_TYPES, bridge_port, default=ADMIT_ALL) != ADMIT_TAGGED
        entered = number(table, PVID, bridge_port) if admits else None  # by what comes untagged
        untagged = entered if entered in bare else None
        filtering = number(table, FILTERING, bridge_port, default=TRUE) == TRUE
        asymmetric = bool(bare - {untagged}) or entered in carried - bare
        return PortState(untagged, tuple(sorted(carried - bare)), open=asymmetric or not filtering)

    def writes(self, table: Table, wanted: Mapping[int, Wanted]) -> list[Write]:
        """First what sets the VLANs' bitmaps, all ports of a VLAN in one value, then what sets the ports."""
        bridge_ports = _bridge_ports(table)
        ports = {bridge_ports[port]: one for port, one in wanted.items()}
        writes = [*self._bitmaps(table, ports)]
        for port, one in ports.items():
            for cell, value in _cells(one.state):
                if (port,) in table.get(cell, {}):  # some agents lack some of them
                    writes.append(Write(cell, (port,), value, one.owners()))
        return [write for write in writes if changed(table, write)]

    def _bitmaps(self, table: Table, ports: Mapping[int, Wanted]) -> Iterable[Write]:
        width = max((len(octets(table, EGRESS, *index)) for index in table.get(EGRESS, {})), default=0)
        for vlan in sorted(self.vlans(table)):
            out = _ports(table, EGRESS, vlan)
            bare = _ports(table, UNTAGGED, vlan)
            joining = {port for port, one in ports.items() if _carries(one.state, vlan)}
            new_out = out - set(ports) | joining
            new_bare = bare - set(ports) | {port for port in joining if ports[port].state.untagged == vlan}
            touched = (out ^ new_out) | (bare ^ new_bare)
            owners: frozenset[Change] = frozenset().union(*(ports[port].owners(vlan) for port in touched))
            both = [
                Write(EGRESS, (vlan,), bitmap(new_out, width, 1), owners),
                Write(UNTAGGED, (vlan,), bitmap(new_bare, width, 1), owners),
            ]
            if touched:  # untagged ports are always among the others, so those that go leave them first
                yield from reversed(both) if out - new_out else both

    def vlan_writes(self, table: Table, changes: Iterable[SetVlan]) -> list[Write]:
        """Rows that are made or destroyed."""
        there = self.vlans(table)
        writes = []
        for change in changes:
            index, owner = (change.vlan,), frozenset({change})
            if change.present and change.vlan not in there:
                writes.append(Write(ROW_STATUS, index, CREATE_AND_GO, owner))
                writes.append(Write(NAME, index, b"nm%d" % change.vlan, owner))
            elif not change.present and change.vlan in there:
                writes.append(Write(ROW_STATUS, index, DESTROY, owner))
        return writes

    def set_vlans(self, client: Setter, writes: Sequence[Write]) -> dict[Write, Refusal]:
        """As any other value."""
        return client.set(writes)


def _bridge_ports(table: Table) -> dict[int, int]:
    """The number of the bridge's port by ifIndex."""
    return {value: port for (port,), value in table.get(PORT_IF_INDEX, {}).items() if isinstance(value, int)}


def _ports(table: Table, column: Column, vlan: int) -> frozenset[int]:
    return members(octets(table, column, vlan), 1)


def _carries(state: PortState, vlan: int) -> bool:
    return vlan == state.untagged or vlan in state.tagged


def _cells(state: PortState) -> Iterable[tuple[Column, int]]:
    """What the port's own row says of that state. What comes bare and has no VLAN is filtered out."""
    yield FILTERING, TRUE
    if state.untagged:
        yield FRAME_TYPES, ADMIT_ALL
    yield PVID, state.untagged or PARKED
