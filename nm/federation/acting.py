"""PerformOperationalAction: what slivers can be told to do, by the table of opstates.STATES. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from nm.federation.answers import Answer
from nm.federation.visits import Visit
from nm.store import Transaction


def perform(
    tx: Transaction,
    visit: Visit,
    given: Sequence[str],
    action: str,
    users: Sequence[Mapping[str, Any]] | None = None,
    best: bool = False,
) -> Answer:
    """Have slivers do it. `users`: [{urn, keys}] for geni_update_users.

    Unsupported when that is no action, or none of the state that they are in; Refused when users are to be
    changed of what is not ready.
    """
    raise NotImplementedError
