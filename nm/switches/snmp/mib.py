"""The words of SNMP that the driver, its client and its models share: columns, tables, writes.

Pure; holds no lock. A model turns a table that was read, and what ports are to carry, into writes; it says
nothing of how they are sent (nm/switches/snmp/client.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Protocol

from nm.switch import Change, PortState, SetPort, SetTrunk, SetVlan

Oid = tuple[int, ...]
Value = int | bytes | Oid


class Syntax(Enum):
    """How a value is written."""

    INTEGER = "INTEGER"
    UNSIGNED = "Unsigned32"
    OCTETS = "OCTET STRING"


@dataclass(frozen=True)
class Column:
    """One column of a MIB's table, by the MIB's own name. A scalar is a column whose index is in its OID."""

    name: str
    oid: Oid
    syntax: Syntax = Syntax.INTEGER


Table = dict[Column, dict[Oid, Value]]  # what was read: the rows of each column by their index


@dataclass(frozen=True)
class Write:
    """A value to be set, and the changes that want it."""

    column: Column
    index: Oid
    value: int | bytes
    owners: frozenset[Change] = frozenset()

    @property
    def oid(self) -> Oid:
        """Where it is set."""
        return self.column.oid + self.index

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, int) else f"0x{self.value.hex().rstrip('0') or '0'}"
        return f"{self.column.name}.{'.'.join(map(str, self.index))} = {value}"


@dataclass(frozen=True)
class Refusal:
    """Why the agent did not set a value, in its own word."""

    words: str
    passing: bool = False


class Setter(Protocol):
    """What a model needs of the client to change and to save."""

    def get(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """The values there are."""

    def set(self, writes: Iterable[Write]) -> dict[Write, Refusal]:
        """Set the values, in order; answers those that were refused.

        What nobody wants but those who were refused something is not set.
        """

    def wait(self, look: Callable[[], bool]) -> bool:
        """Whether that came true within the time-out; looks again and again."""


@dataclass(frozen=True)
class Wanted:
    """What a port is to carry, and the changes that want it."""

    state: PortState
    changes: tuple[SetPort | SetTrunk, ...]

    @property
    def trunk(self) -> bool:
        """Whether only a trunk's changes concern the port. It is not shut, and a trunk when empty."""
        return all(isinstance(change, SetTrunk) for change in self.changes)

    def owners(self, vlan: int | None = None) -> frozenset[Change]:
        """Who wants it; of one VLAN's membership, those who speak of that VLAN."""
        speaking = [one for one in self.changes if isinstance(one, SetPort) or one.vlan == vlan]
        return frozenset(speaking or self.changes)


class Model(Protocol):
    """How one family of MIBs tells and changes ports and VLANs. Ports are known by their ifIndex."""

    name: str
    groups: Sequence[tuple[Column, ...]]  # columns that are read together, for they have the same rows
    vlan_group: tuple[Column, ...]  # that which tells of VLANs

    def ports(self, table: Table) -> Iterable[int]:
        """The ifIndexes of the ports that can carry VLANs."""

    def vlans(self, table: Table) -> frozenset[int]:
        """The VLANs there are."""

    def state(self, table: Table, port: int) -> PortState:
        """What the port carries when it is up."""

    def writes(self, table: Table, wanted: Mapping[int, Wanted]) -> list[Write]:
        """What must be set so that the ports are configured just so; none when they are."""

    def vlan_writes(self, table: Table, changes: Iterable[SetVlan]) -> list[Write]:
        """What must be set so that the VLANs are there, or are not."""

    def set_vlans(self, client: Setter, writes: Sequence[Write]) -> dict[Write, Refusal]:
        """Set what vlan_writes said."""


def column(name: str, oid: str, syntax: Syntax = Syntax.INTEGER) -> Column:
    """A column whose OID is written out in dots."""
    return Column(name, tuple(map(int, oid.split("."))), syntax)


SYS_DESCR = column("sysDescr", "1.3.6.1.2.1.1.1.0", Syntax.OCTETS)
SYS_OBJECT_ID = column("sysObjectID", "1.3.6.1.2.1.1.2.0")
IF_DESCR = column("ifDescr", "1.3.6.1.2.1.2.2.1.2", Syntax.OCTETS)
IF_ADMIN_STATUS = column("ifAdminStatus", "1.3.6.1.2.1.2.2.1.7")
IF_NAME = column("ifName", "1.3.6.1.2.1.31.1.1.1.1", Syntax.OCTETS)
UP, DOWN = 1, 2  # ifAdminStatus
CREATE_AND_GO, DESTROY = 4, 6  # RowStatus


def number(table: Table, column: Column, *index: int, default: int = 0) -> int:
    """The number in that cell; the default when there is none."""
    value = table.get(column, {}).get(index, default)
    return value if isinstance(value, int) else default


def octets(table: Table, column: Column, *index: int) -> bytes:
    """The octets in that cell; none when there is no such cell."""
    value = table.get(column, {}).get(index, b"")
    return value if isinstance(value, bytes) else b""


def after(table: Table, writes: Iterable[Write]) -> Table:
    """The table with those values set."""
    result = dict(table)
    for write in writes:
        result[write.column] = {**result.get(write.column, {}), write.index: write.value}
    return result


def changed(table: Table, write: Write) -> bool:
    """Whether the write would change anything."""
    return table.get(write.column, {}).get(write.index) != write.value


def names(table: Table, ports: Iterable[int]) -> dict[str, int]:
    """The ports by ifName; by ifDescr where there is none, by number where neither tells them apart."""
    said = {port: octets(table, IF_NAME, port) or octets(table, IF_DESCR, port) for port in ports}
    texts = {port: name.decode(errors="replace").strip() for port, name in said.items()}
    often = list(texts.values())
    return {name if name and often.count(name) == 1 else str(port): port for port, name in texts.items()}


@lru_cache(maxsize=2048)  # a VLAN's is looked at for each port
def members(bits: bytes, first: int = 0) -> frozenset[int]:
    """The numbers whose bits are set; the highest bit of the first octet stands for `first`."""
    return frozenset(
        first + 8 * place + bit
        for place, octet in enumerate(bits)
        if octet
        for bit in range(8)
        if octet & 0x80 >> bit
    )


def bitmap(numbers: Iterable[int], length: int, first: int = 0) -> bytes:
    """The bitmap of those numbers, at least so many octets long."""
    result = bytearray(length)
    for one in numbers:
        place, bit = divmod(one - first, 8)
        result.extend(bytes(max(place + 1 - len(result), 0)))
        result[place] |= 0x80 >> bit
    return bytes(result)


def same(one: Any, other: Any) -> bool:
    """Whether two bitmaps say the same; zeros at the end say nothing."""
    return bytes(one).rstrip(b"\0") == bytes(other).rstrip(b"\0")
