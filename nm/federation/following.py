"""What follows by itself: wired nodes are switched on, and it is noted what became of that. Pure."""

from nm.calls import Call
from nm.records import Record
from nm.store import Reader, Transaction

SUBJECT = "federation:"  # whose worker does it


def due(reader: Reader, group: Record) -> bool:
    """Whether anything is."""
    raise NotImplementedError


def follow(tx: Transaction, call: Call, name: str) -> None:
    """Do what is due about that group, as much as one transaction takes."""
    raise NotImplementedError
