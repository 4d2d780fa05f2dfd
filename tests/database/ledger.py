"""What writers were told, and whether a database agrees: for the enumeration, kill -9 and the power cuts.

Each writer counts up. Every count is one transaction that puts it into two records, of two kinds: so a change
that happened in half, was lost, or was never asked for shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nm.records import Record, new
from nm.store import Store, Transaction


class Reader(Protocol):
    def get(self, key: str) -> Record | None: ...


def write(store: Store, writer: str, number: int, padding: str = "") -> None:
    """One transaction of that writer."""

    def count(tx: Transaction) -> None:
        for kind in ("node", "vlan"):
            tx.put(new(kind, writer, 1.0, number=number, padding=padding))

    store.transact(count)


@dataclass
class Ledger:
    """How far each writer has asked, and been answered."""

    asked: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "Ledger":
        return Ledger(dict(self.asked), dict(self.answered))

    def write(self, store: Store, writer: str, padding: str = "") -> None:
        self.asked[writer] = self.asked.get(writer, 0) + 1
        write(store, writer, self.asked[writer], padding)
        self.answered[writer] = self.asked[writer]

    def faults(self, reader: Reader) -> list[str]:
        """What the database has lost, torn or made up."""
        return faults(reader, self.asked, self.answered)


def _number(record: Record | None) -> int:
    return int(record["number"]) if record else 0


def faults(reader: Reader, asked: Mapping[str, int], answered: Mapping[str, int]) -> list[str]:
    found = []
    for writer in asked:
        node, vlan = (_number(reader.get(f"{kind}_{writer}")) for kind in ("node", "vlan"))
        low, high = answered.get(writer, 0), asked[writer]
        if node != vlan:
            found.append(f"{writer}: half of a change: {node} and {vlan}")
        elif not low <= node <= high:
            found.append(f"{writer}: {node} is there, {low} was answered, {high} was asked for")
    return found
