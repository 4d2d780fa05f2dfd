"""A transaction that is never committed: what an operation would change, on top of what is there. Pure.

Used where somebody asks what a call would do, and by imports, which try many calls on top of each other. Its
writes stay here, unless they are applied to another transaction; there may be any number of them.
"""

from collections.abc import Iterator

from nm.records import Record, kind_of
from nm.store import Event, Reader, Transaction


class Scratch:
    """A Transaction over a Reader that keeps its writes to itself."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.writes: dict[str, Record | None] = {}
        self.events: list[Event] = []
        self._kinds: dict[str, dict[str, None]] = {}  # the keys written, by kind: a range costs its own kind

    def get(self, key: str) -> Record | None:
        """The record as this transaction left it."""
        return self.writes[key] if key in self.writes else self._reader.get(key)

    def range(self, kind: str) -> Iterator[Record]:
        """The records of a kind as this transaction left them."""
        own = {key: self.writes[key] for key in self._kinds.get(kind, ())}
        for record in self._reader.range(kind):
            if record["record_key"] not in own:
                yield record
        yield from (record for record in own.values() if record is not None)

    def put(self, record: Record) -> None:
        """Insert or replace, here only."""
        self._write(record["record_key"], record)

    def delete(self, key: str) -> None:
        """Remove, here only."""
        self._write(key, None)

    def _write(self, key: str, record: Record | None) -> None:
        self.writes[key] = record
        self._kinds.setdefault(kind_of(key), {})[key] = None

    def tell(self, event: Event) -> None:
        """Remember what would have been told."""
        self.events.append(event)

    def apply(self, tx: Transaction) -> None:
        """Let all of it be done to another transaction."""
        for key, record in self.writes.items():
            if record is None:
                tx.delete(key)
            else:
                tx.put(record)
        for event in self.events:
            tx.tell(event)

    def changes(self) -> list[tuple[str, Record | None, Record | None]]:
        """(record key, before, after) of all that differs now, in the order in which it was first written."""
        found = [(key, self._reader.get(key), after) for key, after in self.writes.items()]
        return [change for change in found if change[1] != change[2]]


class Nothing:
    """A Reader of an empty world."""

    def get(self, key: str) -> Record | None:
        """There is none."""
        return None

    def range(self, kind: str) -> Iterator[Record]:
        """There are none."""
        return iter(())
