"""Delete, Shutdown, and what ends by itself. Pure."""

from collections.abc import Sequence

from nm.calls import Call
from nm.federation.answers import Answer
from nm.federation.visits import Visit
from nm.store import Transaction


def delete(tx: Transaction, visit: Visit, given: Sequence[str], best: bool = False) -> Answer:
    """Give slivers back; a slice with none left is gone. The answer has them as geni_unallocated."""
    raise NotImplementedError


def shutdown(tx: Transaction, visit: Visit, slice: str) -> Answer:
    """Emergency stop: its nodes are isolated and switched off, and kept, until an operator opens it again.

    The second time it changes nothing, and answers the same. NotFound when the slice has nothing here.
    """
    raise NotImplementedError


def expire(tx: Transaction, call: Call, name: str) -> int | None:
    """Take the slivers of a group back whose time is over, all of it when that was the last.

    A group that is no reservation ends. None when nothing is over any more. Called by nm/timekeeper.py.
    """
    raise NotImplementedError
