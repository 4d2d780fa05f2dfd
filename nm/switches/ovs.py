"""Open vSwitch as a switch: one bridge, all changes of a session in one OVSDB transaction.

Called by the switch's executor as any driver is; holds no lock. Open vSwitch keeps no table of
VLANs. An isolated port is a trunk of the one VLAN id that no group can have, 4095, and protected:
a trunk without VLAN 0 drops what comes untagged, and protected ports pass nothing to each other, so
that not even frames tagged 4095 get from one isolated port to the next.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from nm.errors import DeviceFailed
from nm.switch import (
    Change,
    PortState,
    SetPort,
    SetTrunk,
    SetVlan,
    SwitchState,
    check_timeout,
    successor,
    vlans_of,
)
from nm.switches.ovsdb import Client, Operation, OperationFailed, canonical_address

Row = dict[str, Any]

PARKING = 4095  # never a VLAN of the pool, nor of any standard frame
ATTEMPTS = 5  # at a transaction that others keep changing under our hands
COLUMNS = ["_uuid", "name", "tag", "trunks", "vlan_mode", "protected"]


class OpenVSwitch:
    """Drives one bridge by its OVSDB server."""

    kind: ClassVar[str] = "ovs"
    settings: ClassVar[Mapping[str, type]] = {"address": str, "bridge": str, "timeout": float}
    required: ClassVar[frozenset[str]] = frozenset({"address", "bridge"})
    identity: ClassVar[tuple[str, ...]] = ("address", "bridge")
    parking: ClassVar[int | None] = None  # PARKING is no VLAN that the pool could have

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._name = name
        self._bridge = settings["bridge"]
        self._timeout = float(settings.get("timeout", 10))
        self._client = Client(f"switch {name}", settings["address"], self._timeout, secrets)

    @staticmethod
    def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with the address in its one spelling."""
        check_timeout(settings)
        return {**settings, "address": canonical_address(settings["address"])}

    def open(self) -> Mapping[str, str]:
        """The connection is made with the first request."""
        return {}

    def apply(self, changes: Sequence[Change], epoch: int) -> dict[Change, DeviceFailed]:
        """Make the changes in one transaction and wait until ovs-vswitchd has carried them out."""
        del epoch  # the database's own compare-and-set guards each change
        for _ in range(ATTEMPTS):
            rows, _ = self._look()
            wanted, rejected = self._fold(changes, rows)
            try:
                self._commit([_operations(rows[port], state) for port, state in wanted.items()])
            except OperationFailed as failure:
                if failure.error != "timed out":
                    raise
            else:
                return rejected
        raise DeviceFailed(
            f"switch {self._name}: somebody else kept changing the same ports",
            "look who else drives this bridge; it is tried again",
        )

    def read(self, ports: Iterable[str] | None = None) -> SwitchState:
        """The ports' states as the database has them."""
        rows, model = self._look()
        names = rows if ports is None else [port for port in ports if port in rows]
        return SwitchState(None, {name: port_state(rows[name]) for name in names}, model)

    def save(self) -> None:
        """ovsdb-server keeps what it was told."""

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def _look(self) -> tuple[dict[str, Row], str]:
        """The bridge's ports by name (but the bridge's own), and the model."""
        bridges, ports, system = self._client.transact(
            [
                _select("Bridge", ["ports"], [["name", "==", self._bridge]]),
                _select("Port", COLUMNS),
                _select("Open_vSwitch", ["ovs_version"]),
            ]
        )
        if not bridges["rows"]:
            raise DeviceFailed(
                f"switch {self._name} has no bridge {self._bridge}",
                "create it, or name another with UpdateSwitch",
                passing=False,
            )
        members = {uuid for _, uuid in _items(bridges["rows"][0]["ports"])}
        rows = {row["name"]: row for row in ports["rows"] if row["_uuid"][1] in members}
        rows.pop(self._bridge, None)
        return rows, " ".join(["Open vSwitch", *_items(system["rows"][0]["ovs_version"])])

    def _fold(
        self, changes: Sequence[Change], rows: Mapping[str, Row]
    ) -> tuple[dict[str, PortState], dict[Change, DeviceFailed]]:
        """The state in which the changes leave each port they touch, and what cannot be done."""
        wanted: dict[str, PortState] = {}
        rejected: dict[Change, DeviceFailed] = {}
        for change in changes:
            if isinstance(change, SetVlan):
                continue
            port = change.port
            refusal = _refusal(change, rows)
            if refusal:
                rejected[change] = DeviceFailed(
                    f"switch {self._name} rejected port {port}: {refusal}",
                    "InspectSwitch lists its ports",
                    passing=False,
                )
            else:
                wanted[port] = successor(change, wanted.get(port) or port_state(rows[port]))
        return wanted, rejected

    def _commit(self, updates: Sequence[Sequence[Operation]]) -> None:
        """Commit, then wait for ovs-vswitchd, as ovs-vsctl does."""
        if not updates:
            return
        operations = [operation for update in updates for operation in update]
        ask = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
        *_, answer = self._client.transact([*operations, ask, _select("Open_vSwitch", ["next_cfg"])])
        self._wait_applied(answer["rows"][0]["next_cfg"])

    def _wait_applied(self, number: int) -> None:
        """Wait until ovs-vswitchd says that it has carried out the configuration of that number."""
        deadline = time.monotonic() + self._timeout
        (answer,) = self._client.transact([_select("Open_vSwitch", ["cur_cfg"])])
        while (current := answer["rows"][0]["cur_cfg"]) < number:
            left = deadline - time.monotonic()
            changed = {
                "op": "wait",
                "timeout": max(0, int(left * 1000)),
                "table": "Open_vSwitch",
                "where": [],
                "columns": ["cur_cfg"],
                "until": "!=",
                "rows": [{"cur_cfg": current}],
            }
            try:
                _, answer = self._client.transact([changed, _select("Open_vSwitch", ["cur_cfg"])], left)
            except OperationFailed as failure:
                if failure.error != "timed out":
                    raise
                raise DeviceFailed(
                    f"switch {self._name}: ovs-vswitchd has not applied it within {self._timeout:g} s",
                    "look whether ovs-vswitchd runs; it is tried again",
                ) from failure


def port_state(row: Mapping[str, Any]) -> PortState:
    """What a port of that row carries (ovs-vswitchd.conf.db(5), Port)."""
    tag = next(iter(_items(row["tag"])), None)
    trunks = sorted(_items(row["trunks"]))
    mode = next(iter(_items(row["vlan_mode"])), "trunk" if tag is None else "access")
    if mode == "access":
        return PortState(untagged=tag, open=tag is None)
    if mode == "dot1q-tunnel":
        return PortState(untagged=tag, open=True)
    parked = PARKING in trunks and not any(_items(row["protected"]))
    native = tag if mode.startswith("native") else None
    tagged = tuple(
        vlan for vlan in trunks if 0 < vlan < PARKING and (vlan != native or mode == "native-tagged")
    )
    return PortState(native, tagged, open=not trunks or 0 in trunks or parked)


def port_row(state: PortState) -> Row:
    """The columns that let a port carry just that."""
    row: Row = {"tag": ["set", []], "protected": state.isolated}
    if state.untagged is not None:
        row["tag"] = state.untagged
    if state.tagged or state.isolated:
        row["vlan_mode"] = "trunk" if state.untagged is None else "native-untagged"
        row["trunks"] = ["set", list(state.tagged or [PARKING])]
    else:
        row["vlan_mode"] = "access"
        row["trunks"] = ["set", []]
    return row


def _refusal(change: SetPort | SetTrunk, rows: Mapping[str, Row]) -> str:
    """Why the change cannot be made; empty when it can."""
    if change.port not in rows:
        return "there is no such port on the bridge"
    bad = [vlan for vlan in vlans_of(change) if not 0 < vlan < PARKING]
    return f"{bad[0]} is no VLAN id" if bad else ""


def _operations(row: Row, state: PortState) -> list[Operation]:
    """Set the port's row, provided that it is still as it was read."""
    where = [["_uuid", "==", row["_uuid"]]]
    columns = [column for column in COLUMNS if column != "_uuid"]
    unchanged = {
        "op": "wait",
        "timeout": 0,
        "table": "Port",
        "where": where,
        "columns": columns,
        "until": "==",
        "rows": [{column: row[column] for column in columns}],
    }
    return [unchanged, {"op": "update", "table": "Port", "where": where, "row": port_row(state)}]


def _select(table: str, columns: list[str], where: list[list[Any]] | None = None) -> Operation:
    return {"op": "select", "table": table, "where": where or [], "columns": columns}


def _items(value: Any) -> list[Any]:
    """The members of an OVSDB value: a set written out, or a single atom."""
    if isinstance(value, list) and value[0] == "set":
        return list(value[1])
    return [value]
