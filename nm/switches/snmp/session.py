"""One session of changes by SNMP: what leaves, VLANs, what joins, and at last the opening of ports.

Called by nm/switches/snmp/driver.py only; holds no lock. A port is shut, changed, read back, and opened only
when it is as it should be; so what is refused, or comes to nothing, leaves it shut. Trunks go on meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from nm.errors import DeviceFailed
from nm.switch import Change, PortState, SetPort, SetTrunk, SetVlan, successor
from nm.switches.snmp.mib import (
    DOWN,
    IF_ADMIN_STATUS,
    UP,
    Column,
    Model,
    Oid,
    Refusal,
    Setter,
    Table,
    Value,
    Wanted,
    Write,
    after,
    names,
    number,
)

Phase = Callable[[Sequence[Change]], list[Write]]  # what the changes need set, by the table as it is
Setting = Callable[[Sequence[Write]], dict[Write, Refusal]]


class Client(Setter, Protocol):
    """What a session needs of the client."""

    def walk(self, columns: tuple[Column, ...]) -> dict[Column, dict[Oid, Value]]:
        """All rows of the columns."""


def port_state(model: Model, table: Table, port: int) -> PortState:
    """What the port carries. One that is shut carries nothing."""
    return model.state(table, port) if _is_up(table, port) else PortState()


def _is_up(table: Table, port: int) -> bool:
    return number(table, IF_ADMIN_STATUS, port, default=UP) != DOWN


class Session:
    """The changes of one session; `table` is what is known of the switch meanwhile."""

    def __init__(self, who: str, model: Model, client: Client, look: Callable[[], Table]) -> None:
        self._who = who
        self._model = model
        self._client = client
        self._look = look
        self._table = look()
        self._ports = names(self._table, model.ports(self._table))
        self._rejected: dict[Change, DeviceFailed] = {}
        self._wrote = False

    def apply(self, changes: Sequence[Change]) -> dict[Change, DeviceFailed]:
        """Make the changes; answers those that were rejected."""
        self._check_ports(changes)
        self._set(self._shut, changes)
        self._set_in_two(self._leave, changes)
        if self._make_vlans(changes):
            self._set(self._make_vlans, changes, lambda writes: self._model.set_vlans(self._client, writes))
            self._table |= self._client.walk(self._model.vlan_group)
        self._check_vlans(changes)
        self._set_in_two(self._join, changes)
        if self._wrote:
            self._table = self._look()
        self._check_left(changes)
        self._set(self._open, changes)
        return self._rejected

    # --- setting ---

    def _set_in_two(self, phase: Phase, changes: Sequence[Change]) -> None:
        """Set what the phase says, and what it has to say after that: some values wait for others."""
        self._set(phase, changes)
        self._set(phase, changes)

    def _set(self, phase: Phase, changes: Sequence[Change], setting: Setting | None = None) -> None:
        """Set what the phase says; changes that are refused one value together are tried apart."""
        writes = phase(changes)
        if not writes:
            return
        self._wrote = True
        refused = (setting or self._client.set)(writes)
        if not refused:
            self._table = after(self._table, writes)
            return
        self._table = self._look()  # it may have set some all the same, or an earlier try of the request has
        refused = {write: why for write, why in refused.items() if not self._in_force(write)}
        doubted = {owner for write in refused if len(write.owners) > 1 for owner in write.owners}
        for write, why in refused.items():
            for owner in write.owners - doubted:
                self._rejected.setdefault(owner, self._failure(owner, f"{write}: {why.words}", why.passing))
        left = [change for change in changes if change in doubted]
        for part in (left[: len(left) // 2], left[len(left) // 2 :]):
            self._set(phase, part, setting)

    def _in_force(self, write: Write) -> bool:
        vlans = self._model.vlans(self._table)
        for owner in write.owners:
            if isinstance(owner, SetVlan):
                return (owner.vlan in vlans) == owner.present
        return self._table.get(write.column, {}).get(write.index) == write.value

    def _failure(self, change: Change, words: str, passing: bool = False) -> DeviceFailed:
        what = f"VLAN {change.vlan}" if isinstance(change, SetVlan) else f"port {change.port}"
        return DeviceFailed(
            f"{self._who} rejected {what}: {words}",
            "docs/drivers.md says what its agent must allow",
            passing=passing,
        )

    # --- what is wanted ---

    def _wanted(self, changes: Sequence[Change], rejected: bool = False) -> dict[int, Wanted]:
        """In which state the changes (those that were rejected too, if asked) leave each port they touch."""
        wanted: dict[int, Wanted] = {}
        for change in changes:
            if isinstance(change, SetVlan) or change.port not in self._ports:
                continue
            if change in self._rejected and not rejected:
                continue
            port = self._ports[change.port]
            known = wanted.get(port)
            state = known.state if known else port_state(self._model, self._table, port)
            wanted[port] = Wanted(successor(change, state), (*(known.changes if known else ()), change))
        return wanted

    def _unsettled(self, wanted: Mapping[int, Wanted]) -> set[Change]:
        """The changes that are not as they should be."""
        return {owner for write in self._model.writes(self._table, wanted) for owner in write.owners}

    # --- the phases ---

    def _leaving(self, changes: Sequence[Change]) -> dict[int, Wanted]:
        """The ports that are not as they should be, or should be isolated; to be so first of all.

        A port is, too, that could not even be shut.
        """
        wanted = {port: one for port, one in self._wanted(changes, rejected=True).items() if not one.trunk}
        unsettled = self._unsettled(wanted)
        return {
            port: Wanted(PortState(), one.changes)
            for port, one in wanted.items()
            if one.state.isolated or unsettled.intersection(one.changes)
        }

    def _shut(self, changes: Sequence[Change]) -> list[Write]:
        return [
            Write(IF_ADMIN_STATUS, (port,), DOWN, one.owners())
            for port, one in self._leaving(changes).items()
            if _is_up(self._table, port)
        ]

    def _leave(self, changes: Sequence[Change]) -> list[Write]:
        return self._model.writes(self._table, self._leaving(changes))

    def _make_vlans(self, changes: Sequence[Change]) -> list[Write]:
        vlans = [one for one in changes if isinstance(one, SetVlan) and one not in self._rejected]
        return self._model.vlan_writes(self._table, vlans)

    def _join(self, changes: Sequence[Change]) -> list[Write]:
        joining = {
            port: one for port, one in self._wanted(changes).items() if one.trunk or not one.state.isolated
        }
        return self._model.writes(self._table, joining)

    def _open(self, changes: Sequence[Change]) -> list[Write]:
        """Open what is as it should be, and shut."""
        wanted = {port: one for port, one in self._wanted(changes).items() if not one.state.isolated}
        unsettled = self._unsettled(wanted)
        return [
            Write(IF_ADMIN_STATUS, (port,), UP, one.owners())
            for port, one in wanted.items()
            if not unsettled.intersection(one.changes) and not _is_up(self._table, port)
        ]

    # --- what cannot be, or was not done ---

    def _check_ports(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if not isinstance(change, SetVlan) and change.port not in self._ports:
                self._rejected[change] = self._failure(change, "there is no such port")

    def _check_vlans(self, changes: Sequence[Change]) -> None:
        there = self._model.vlans(self._table)
        for change in changes:
            missing = [vlan for vlan in _vlans(change) if vlan not in there]
            if missing and change not in self._rejected:
                self._rejected[change] = self._failure(change, f"VLAN {missing[0]} does not exist")

    def _check_left(self, changes: Sequence[Change]) -> None:
        """A port that is shut looks isolated; whether it is still in a VLAN would come to light too late."""
        wanted = {
            port: one for port, one in self._wanted(changes).items() if one.state.isolated and not one.trunk
        }
        for change in self._unsettled(wanted):
            words = "it said yes, and left the port in its VLANs; the port is shut"
            self._rejected.setdefault(change, self._failure(change, words, passing=True))


def _vlans(change: Change) -> list[int]:
    """The VLANs that must exist for this change."""
    match change:
        case SetPort(_, state):
            return [*([] if state.untagged is None else [state.untagged]), *state.tagged]
        case SetTrunk(_, vlan, True):
            return [vlan]
    return []
