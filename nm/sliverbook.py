"""What the worker of slivers and its helpers write down: of slivers, of their jobs, of what happened.

It is kept until it is flushed, and then written in few transactions, in the order in which it came. Nothing
is kept of what a record says already.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nm import jobs, slivermarks
from nm.converge import Tools
from nm.records import Record, record_key
from nm.store import Transaction

_WRITES = 12  # in a transaction, each of at most six records

Write = Callable[[Transaction], object]


class SliverBook:
    """Used by the slivers' thread only."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = tools.store
        self._writes: list[Write] = []

    def write(self, write: Write) -> None:
        """Have that done in a transaction."""
        self._writes.append(write)

    def note(self, name: str, **fields: Any) -> None:
        """What was seen of a sliver."""
        key, now = record_key("sliver", name), self._tools.now()
        record = self._store.get(key)
        if record is not None and any(record.get(field) != value for field, value in fields.items()):
            self.write(lambda tx: slivermarks.note(tx, key, now, **fields))

    def advance(self, record: Record, **fields: Any) -> None:
        """How the sliver's job stands, if it has one."""
        job, now = self._job(record), self._tools.now()
        if job is not None and any(job[key] != value for key, value in fields.items()):
            self.write(lambda tx: jobs.advance(tx, job["id"], now, **fields))

    def is_late(self, record: Record) -> bool:
        """Whether the sliver has a job that should be over."""
        job = self._job(record)
        return job is not None and self._tools.now() - job["created"] > self._tools.patience.deadline

    def _job(self, record: Record) -> Record | None:
        """The sliver's newest job, while it is not over."""
        number = record.get("_job")
        job = None if number is None else self._store.get(record_key("job", number))
        return None if job is None or job["state"] in jobs.OVER else job

    def flush(self) -> None:
        """Write what is kept. It is durable then."""
        writes, self._writes = self._writes, []
        for start in range(0, len(writes), _WRITES):
            self._store.transact(partial(_all, writes[start : start + _WRITES]))

    def drop(self) -> None:
        """Forget what is kept."""
        self._writes = []


def _all(writes: Sequence[Write], tx: Transaction) -> None:
    for write in writes:
        write(tx)
