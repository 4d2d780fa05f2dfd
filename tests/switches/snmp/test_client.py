"""What the client of SNMP makes of agents that no snmpd can be."""

import contextlib
from collections.abc import Mapping, Sequence

import pytest

from nm.errors import DeviceFailed
from nm.switches.snmp.client import LARGEST, Client, Community
from nm.switches.snmp.mib import Column, Oid, Value
from nm.switches.snmp.qbridge import PVID


class Endless(Client):
    """Its agent has one more row after each."""

    told = 0

    def _rows_after(
        self, columns: tuple[Column, ...], last: Mapping[Column, Oid]
    ) -> Sequence[tuple[Oid, Value | None]]:
        assert self.told <= 2 * LARGEST, "nobody minds"
        rows = range(self.told + 1, self.told + 65)
        self.told += len(rows)
        return [((*PVID.oid, row), 1) for row in rows]


def test_a_table_without_end_is_an_error() -> None:
    client = Endless("switch sw0", ("127.0.0.1", 161), Community("public"), 1.0)
    with contextlib.closing(client), pytest.raises(DeviceFailed, match="has no end of rows of dot1qPvid"):
        client.walk((PVID,))
