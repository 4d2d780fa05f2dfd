"""A transaction that is never committed: what an operation would change, on top of what is there. Pure.

Used where somebody asks what a call would do. Its writes stay here; there may be any number of them.
"""

from collections.abc import Iterator

from nm.records import Record, kind_of
from nm.store import Event, Reader


class Scratch:
    """A Transaction over a Reader that keeps its writes to itself."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.writes: dict[str, Record | None] = {}
        self.events: list[Event] = []

    def get(self, key: str) -> Record | None:
        """The record as this transaction left it."""
        return self.writes[key] if key in self.writes else self._reader.get(key)

    def range(self, kind: str) -> Iterator[Record]:
        """The records of a kind as this transaction left them."""
        own = {key: record for key, record in self.writes.items() if kind_of(key) == kind}
        for record in self._reader.range(kind):
            if record["record_key"] not in own:
                yield record
        yield from (record for record in own.values() if record is not None)

    def put(self, record: Record) -> None:
        """Insert or replace, here only."""
        self.writes[record["record_key"]] = record

    def delete(self, key: str) -> None:
        """Remove, here only."""
        self.writes[key] = None

    def tell(self, event: Event) -> None:
        """Remember what would have been told."""
        self.events.append(event)

    def changes(self) -> list[tuple[str, Record | None, Record | None]]:
        """(record key, before, after) of all that differs now, in the order in which it was first written."""
        found = [(key, self._reader.get(key), after) for key, after in self.writes.items()]
        return [change for change in found if change[1] != change[2]]
