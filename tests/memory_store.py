"""The second, trivial implementation of the database's face: a dict and a lock."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from nm.records import Record, kind_of
from nm.store import Event, Published, Transaction, check_writes

T = TypeVar("T")


class MemoryTransaction:
    """Reads through to the store, gathers writes."""

    def __init__(self, records: dict[str, Record]) -> None:
        self._records = records
        self.writes: dict[str, Record | None] = {}
        self.events: list[Event] = []

    def get(self, key: str) -> Record | None:
        return self.writes[key] if key in self.writes else self._records.get(key)

    def range(self, kind: str) -> Iterator[Record]:
        merged = {**self._records, **self.writes}
        return (record for key, record in merged.items() if record is not None and kind_of(key) == kind)

    def put(self, record: Record) -> None:
        self.writes[record["record_key"]] = record

    def delete(self, key: str) -> None:
        self.writes[key] = None

    def tell(self, event: Event) -> None:
        self.events.append(event)


class MemoryStore:
    """Records in memory; durable as long as the process. history: transactions that are remembered."""

    epoch = 1

    def __init__(self, history: int | None = None) -> None:
        self.revision = 0
        self._records: dict[str, Record] = {}
        self._log = deque[Published](maxlen=history)
        self._listeners: list[Callable[[Published], None]] = []
        self._lock = threading.Lock()

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def range(self, kind: str) -> Iterator[Record]:
        return (record for key, record in list(self._records.items()) if kind_of(key) == kind)

    def transact(self, operation: Callable[[Transaction], T]) -> T:
        with self._lock:
            transaction = MemoryTransaction(self._records)
            answer = operation(transaction)
            check_writes(len(transaction.writes))
            for key, record in transaction.writes.items():
                if record is None:
                    self._records.pop(key, None)
                else:
                    self._records[key] = record
            self.revision += 1
            published = Published(self.revision, transaction.writes, tuple(transaction.events))
            self._log.append(published)
            for listener in self._listeners:
                listener(published)
        return answer

    def changes(self, after: int) -> list[Published] | None:
        unknown = self.revision - len(self._log)
        return list(self._log)[after - unknown :] if after >= unknown else None

    def subscribe(self, listener: Callable[[Published], None]) -> None:
        self._listeners.append(listener)
