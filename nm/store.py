"""The database's face: what operations, workers and doors may ask of it.

Ground: protocols only, so that the pure rooms never import a disk. `nm.database.Database` is the
implementation of record; tests/memory_store.py is a second, trivial one that proves the face.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from nm.errors import Invalid
from nm.records import Record

T = TypeVar("T")
Thing = TypeVar("Thing")

MOST_WRITES = 100  # of one transaction; so that a store which allows no more can stand behind this face
ROOMY = 90  # writes of one transaction that leave room for what goes with them


def portions(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    """As many as one transaction may write, again and again."""
    rest = list(things)
    for start in range(0, len(rest), ROOMY):
        yield rest[start : start + ROOMY]


def check_writes(count: int) -> None:
    """Invalid when a transaction would have more writes than any may have."""
    if count > MOST_WRITES:
        raise Invalid(
            f"{count} writes in one transaction; {MOST_WRITES} are allowed", "do it in several smaller calls"
        )


@dataclass(frozen=True)
class Event:
    """What happened, for people: told by an operation, written when its transaction is durable."""

    who: str
    subject: str  # "group alpha", "switch sw0" ...
    what: str  # one word or two: "created", "deploy started", "failed"
    detail: str = ""
    group: str | None = None  # the group whose members may read it


@dataclass(frozen=True)
class Published:
    """One durable transaction, told to the subscribers in the order of revisions."""

    revision: int
    changes: dict[str, Record | None]  # record key -> new record, None when deleted
    events: Sequence[Event] = field(default=())


class Reader(Protocol):
    """Reads of records. Records are shared: nobody changes one in place."""

    def get(self, key: str) -> Record | None:
        """The record of that key, or None."""

    def range(self, kind: str) -> Iterator[Record]:
        """All records of a kind, in no order that may be relied on (see records.in_order)."""


class Transaction(Reader, Protocol):
    """A Reader of the newest state, own writes included, that gathers writes.

    Whether what was read is still so is checked when the transaction is committed.
    """

    def put(self, record: Record) -> None:
        """Insert or replace the record under its own `record_key`."""

    def delete(self, key: str) -> None:
        """Remove the record; no error when there is none."""

    def tell(self, event: Event) -> None:
        """Let the event be written when this transaction has become durable."""


class Store(Reader, Protocol):
    """The records as published, and the one way to change them."""

    @property
    def epoch(self) -> int:
        """Grows with every start of a daemon on this database; carried by every call of a hand."""

    @property
    def revision(self) -> int:
        """The revision of the published state."""

    def transact(self, operation: Callable[[Transaction], T]) -> T:
        """Run `operation`, make its writes durable and visible, return its answer.

        `operation` works on values only and may be run more than once; only its last run counts.
        What it raises is raised here and nothing has changed. At most 100 writes (Invalid).
        DeviceFailed when the disk failed: then nothing has changed either.
        """

    def changes(self, after: int) -> list[Published] | None:
        """What was published after that revision, or None when that is no longer known."""

    def subscribe(self, listener: Callable[[Published], None]) -> None:
        """Call `listener` for every publication, in order, from the publishing thread.

        It must be quick and must not transact.
        """
