"""What operators do about reservations: rows of nm's own API. Pure."""

from collections.abc import Mapping
from typing import Any

from nm.calls import Call
from nm.store import Reader, Transaction

FIELDS: Mapping[str, type] = {
    "slice": str, "group": str, "node": str, "sliver": str, "door": str, "user": str,
    "allocation": str, "operational": str, "shut": bool,
}  # fmt: skip


def get_reservations(reader: Reader, call: Call, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Slivers, as structs of FIELDS, expires and error; `sliver` is the last part of its URN."""
    raise NotImplementedError


def ready(tx: Transaction, call: Call, sliver: str) -> int:
    """An operator has set a sliver up that awaits it: it is wired now. Answers the deploy's job."""
    raise NotImplementedError


def reopen(tx: Transaction, call: Call, slice: str) -> int:
    """End a shutdown: nodes are wired again, those that were on switched on. Answers the deploy's job."""
    raise NotImplementedError
