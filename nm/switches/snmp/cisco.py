"""Cisco's own MIBs: VLANs through VTP's edit buffer, access ports by their VLAN, trunks by four bitmaps.

CISCO-VTP-MIB, CISCO-VLAN-MEMBERSHIP-MIB, CISCO-CONFIG-COPY-MIB. Called by the driver and its session only;
what talks to the switch does so through the client it is given. An isolated port is shut, an access port of
VLAN 1, and allows no VLAN as a trunk.
"""

from collections.abc import Iterable, Mapping, Sequence

from nm.errors import DeviceFailed
from nm.switch import Change, PortState, SetVlan
from nm.switches.snmp.mib import (
    CREATE_AND_GO,
    DESTROY,
    IF_ADMIN_STATUS,
    IF_NAME,
    Column,
    Oid,
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
    same,
)

_VTP = "1.3.6.1.4.1.9.9.46.1"
_COPY = "1.3.6.1.4.1.9.9.96.1.1.1.1"
VLAN_STATE = column("vtpVlanState", f"{_VTP}.3.1.1.2")
EDIT_OPERATION = column("vtpVlanEditOperation", f"{_VTP}.4.1.1.1")
APPLY_STATUS = column("vtpVlanApplyStatus", f"{_VTP}.4.1.1.2")
EDIT_OWNER = column("vtpVlanEditBufferOwner", f"{_VTP}.4.1.1.3", Syntax.OCTETS)
EDIT_TYPE = column("vtpVlanEditType", f"{_VTP}.4.2.1.3")
EDIT_NAME = column("vtpVlanEditName", f"{_VTP}.4.2.1.4", Syntax.OCTETS)
EDIT_SAID = column("vtpVlanEditDot10Said", f"{_VTP}.4.2.1.6", Syntax.OCTETS)
EDIT_ROW_STATUS = column("vtpVlanEditRowStatus", f"{_VTP}.4.2.1.11")
ENCAPSULATION = column("vlanTrunkPortEncapsulationType", f"{_VTP}.6.1.1.3")
ALLOWED = tuple(
    column(f"vlanTrunkPortVlansEnabled{part}", f"{_VTP}.6.1.1.{place}", Syntax.OCTETS)
    for part, place in [("", 4), ("2k", 17), ("3k", 18), ("4k", 19)]
)
NATIVE = column("vlanTrunkPortNativeVlan", f"{_VTP}.6.1.1.5")
MODE = column("vlanTrunkPortDynamicState", f"{_VTP}.6.1.1.13")
ACCESS_VLAN = column("vmVlan", "1.3.6.1.4.1.9.9.68.1.2.2.1.2")
VOICE_VLAN = column("vmVoiceVlanId", "1.3.6.1.4.1.9.9.68.1.5.1.1.1")
COPY_FROM = column("ccCopySourceFileType", f"{_COPY}.3")
COPY_TO = column("ccCopyDestFileType", f"{_COPY}.4")
COPY_STATE = column("ccCopyState", f"{_COPY}.10")
COPY_FAIL_CAUSE = column("ccCopyFailCause", f"{_COPY}.13")
COPY_ROW_STATUS = column("ccCopyEntryRowStatus", f"{_COPY}.14")

DOMAIN = 1  # of VTP; a switch has one
OPERATIONAL = 1  # vtpVlanState
ETHERNET = 1
COPY, APPLY, RELEASE = 2, 3, 4  # vtpVlanEditOperation
OWNER = b"nm"  # of the edit buffer
IN_PROGRESS, SUCCEEDED = 1, 2  # vtpVlanApplyStatus
APPLY_WORDS = {
    3: "configNumberError",
    4: "inconsistentEdit",
    5: "tooBig",
    6: "localNVStoreFail",
    7: "remoteNVStoreFail",
    8: "editBufferEmpty",
    9: "someOtherError",
}
ON, OFF, ON_NO_NEGOTIATE = 1, 2, 5  # vlanTrunkPortDynamicState
DOT1Q = 4
DEFAULT_VLAN = 1
NO_VOICE = 4096  # vmVoiceVlanId
PART = 1024  # VLANs in one bitmap
RESERVED = frozenset({0, 1002, 1003, 1004, 1005, 4095})  # always there, and never Ethernet's
EVERY = frozenset(range(2, 1002))  # a trunk that allows all of these was never told which

RUNNING, STARTUP = 4, 3  # file types of CISCO-CONFIG-COPY-MIB
COPY_ROW = (0x6E6D,)  # nm's own
COPIED, COPY_FAILED = 3, 4  # ccCopyState
CAUSES = {
    2: "badFileName",
    3: "timeout",
    4: "noMem",
    5: "noConfig",
    6: "unsupportedProtocol",
    7: "someConfigApplyFailed",
    8: "systemNotReady",
    9: "requestAborted",
}


class Cisco:
    """The model of Catalyst switches and their like."""

    name = "cisco"
    vlan_group: tuple[Column, ...] = (VLAN_STATE,)
    groups: Sequence[tuple[Column, ...]] = (
        (IF_NAME, IF_ADMIN_STATUS),
        (MODE, ENCAPSULATION, NATIVE, *ALLOWED),
        (ACCESS_VLAN, VOICE_VLAN),
        vlan_group,
    )

    def ports(self, table: Table) -> Iterable[int]:
        """The interfaces that could be trunks."""
        return [port for (port,) in table.get(MODE, {})]

    def vlans(self, table: Table) -> frozenset[int]:
        """Those that are operational."""
        return frozenset(
            vlan for (_, vlan), state in table.get(VLAN_STATE, {}).items() if state == OPERATIONAL
        )

    def state(self, table: Table, port: int) -> PortState:
        """By its mode. One that negotiates may become a trunk; one for telephones has a VLAN more."""
        mode = number(table, MODE, port)
        access = number(table, ACCESS_VLAN, port, default=DEFAULT_VLAN)
        if mode == OFF:
            return PortState(access, open=number(table, VOICE_VLAN, port, default=NO_VOICE) != NO_VOICE)
        if mode not in (ON, ON_NO_NEGOTIATE):
            return PortState(access, open=True)
        allowed, native = _allowed(table, port), number(table, NATIVE, port)
        untagged = native if native in allowed else None
        if allowed >= EVERY:
            return PortState(untagged, open=True)
        return PortState(untagged, tuple(sorted(allowed - {native})))

    def writes(self, table: Table, wanted: Mapping[int, Wanted]) -> list[Write]:
        """Each port's own cells, in the order in which the switch takes them."""
        writes = []
        for port, one in wanted.items():
            trunk = bool(one.state.tagged) or one.trunk
            cells = self._trunk(table, port, one.state) if trunk else self._access(table, port, one.state)
            writes += [Write(cell, (port,), value, one.owners()) for cell, value in cells]
        return [write for write in writes if changed(table, write)]

    def _access(self, table: Table, port: int, state: PortState) -> Iterable[tuple[Column, int | bytes]]:
        yield MODE, OFF
        yield from _allow(table, port, frozenset())
        if (port,) in table.get(VOICE_VLAN, {}):
            yield VOICE_VLAN, NO_VOICE
        if number(table, MODE, port) not in (ON, ON_NO_NEGOTIATE):  # a trunk has no such cell
            yield ACCESS_VLAN, state.untagged or DEFAULT_VLAN

    def _trunk(self, table: Table, port: int, state: PortState) -> Iterable[tuple[Column, int | bytes]]:
        """A native VLAN that is not allowed carries nothing."""
        if (port,) in table.get(ENCAPSULATION, {}):
            yield ENCAPSULATION, DOT1Q
        native = number(table, NATIVE, port, default=DEFAULT_VLAN)
        carried = frozenset(state.tagged) | ({state.untagged} if state.untagged else frozenset())
        yield from _allow(table, port, carried)
        yield NATIVE, state.untagged or (DEFAULT_VLAN if native in carried else native)
        mode = number(table, MODE, port)
        if number(table, ENCAPSULATION, port, default=DOT1Q) == DOT1Q:  # else it cannot be a trunk yet
            yield MODE, mode if mode == ON_NO_NEGOTIATE else ON

    def vlan_writes(self, table: Table, changes: Iterable[SetVlan]) -> list[Write]:
        """Rows of the edit buffer that are made or destroyed."""
        there = self.vlans(table)
        writes = []
        for change in changes:
            index, owner = (DOMAIN, change.vlan), frozenset({change})
            if change.present and change.vlan not in there:
                cells: list[tuple[Column, int | bytes]] = [
                    (EDIT_ROW_STATUS, CREATE_AND_GO),
                    (EDIT_TYPE, ETHERNET),
                    (EDIT_NAME, b"nm%d" % change.vlan),
                    (EDIT_SAID, (100_000 + change.vlan).to_bytes(4, "big")),
                ]
            elif not change.present and change.vlan in there:
                cells = [(EDIT_ROW_STATUS, DESTROY)]
            else:
                continue
            writes += [Write(cell, index, value, owner) for cell, value in cells]
        return writes

    def set_vlans(self, client: Setter, writes: Sequence[Write]) -> dict[Write, Refusal]:
        """Copy VTP's table to the edit buffer, change it there, and apply it: all or nothing."""
        if why := _take(client, frozenset().union(*(write.owners for write in writes))):
            words = f"{why.words} (somebody else may be editing its VLANs)"
            return dict.fromkeys(writes, Refusal(words, passing=True))
        refused = client.set(writes)
        failure = _apply(client)
        client.set([Write(EDIT_OPERATION, (DOMAIN,), RELEASE)])
        return refused | (dict.fromkeys(writes, failure) if failure else {})


def save(client: Setter, who: str) -> None:
    """Copy the running configuration to the startup configuration. DeviceFailed when it fails."""
    status = COPY_ROW_STATUS
    client.set([Write(status, COPY_ROW, DESTROY)])  # the row of the last time; there may be none
    cells = [(COPY_FROM, RUNNING), (COPY_TO, STARTUP), (status, CREATE_AND_GO)]
    refused = client.set([Write(cell, COPY_ROW, value) for cell, value in cells])
    state, cause = COPY_STATE.oid + COPY_ROW, COPY_FAIL_CAUSE.oid + COPY_ROW
    seen: dict[Oid, object] = {}

    def ended() -> bool:
        seen.update(client.get([state, cause]))
        return seen.get(state) in (None, COPIED, COPY_FAILED)

    in_time = client.wait(ended)
    if refused and state not in seen:  # else an earlier try of the request has begun it
        write, why = next(iter(refused.items()))
        words = f"{who} refused to save its configuration: {write}: {why.words}"
        raise DeviceFailed(words, passing=why.passing)
    if not in_time:
        raise DeviceFailed(f"{who} has not finished saving its configuration in time", "it is tried again")
    if seen.get(state) != COPIED:
        reason = seen.get(cause)
        words = CAUSES.get(reason, "unknown") if isinstance(reason, int) else "unknown"
        raise DeviceFailed(f"{who} could not save its configuration: {words}", "it is tried again")


def _take(client: Setter, owners: frozenset[Change]) -> Refusal | None:
    """Take the edit buffer; why it cannot be had.

    It may be nm's still, from a session that was cut, or from a first try of this request.
    """
    copy = Write(EDIT_OPERATION, (DOMAIN,), COPY, owners)
    owner = Write(EDIT_OWNER, (DOMAIN,), OWNER, owners)
    refused = client.set([copy, owner])
    if copy in refused and client.get([owner.oid]).get(owner.oid) == OWNER:
        client.set([Write(EDIT_OPERATION, (DOMAIN,), RELEASE)])
        refused = client.set([copy, owner])
    return refused.get(copy)


def _apply(client: Setter) -> Refusal | None:
    """Let the edit buffer be the switch's VLANs; why it is not."""
    refused = client.set([Write(EDIT_OPERATION, (DOMAIN,), APPLY)])
    if refused:
        return next(iter(refused.values()))
    place = (*APPLY_STATUS.oid, DOMAIN)
    seen: dict[Oid, object] = {}

    def ended() -> bool:
        seen.update(client.get([place]))
        return seen.get(place) != IN_PROGRESS

    if not client.wait(ended):
        return Refusal("its VLANs were not applied in time", passing=True)
    status = seen.get(place)
    if status == SUCCEEDED:
        return None
    return Refusal(APPLY_WORDS.get(status, "unknown") if isinstance(status, int) else "no status")


def _allowed(table: Table, port: int) -> frozenset[int]:
    """The VLANs that the port carries as a trunk."""
    parts = (members(octets(table, column, port), PART * place) for place, column in enumerate(ALLOWED))
    return frozenset().union(*parts) - RESERVED


def _allow(table: Table, port: int, vlans: frozenset[int]) -> Iterable[tuple[Column, bytes]]:
    """The bitmaps that are not yet so. The reserved VLANs' bits are the switch's own affair."""
    for place, cell in enumerate(ALLOWED):
        first = PART * place
        there = octets(table, cell, port)
        kept = members(there, first) & RESERVED
        new = bitmap({one for one in vlans if first <= one < first + PART} | kept, PART // 8, first)
        if not same(new, there):
            yield cell, new
