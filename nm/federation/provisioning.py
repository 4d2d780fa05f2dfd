"""Provision, Renew: what was allocated is set up, and how long it lasts. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from nm.federation.answers import Answer
from nm.federation.visits import Visit
from nm.store import Transaction


def provision(
    tx: Transaction,
    visit: Visit,
    given: Sequence[str],
    wish: float | None = None,
    users: Sequence[Mapping[str, Any]] | None = None,
    best: bool = False,
) -> Answer:
    """Set up allocated slivers: wire them and switch them on, or (manual) ask an operator to.

    Of a slice just those that are allocated; NotFound when there are none. `users`: [{urn, keys}], whose keys
    are installed. `best`: what cannot be provisioned has an error in the answer, and the others go on without
    it. The answer has a manifest.
    """
    raise NotImplementedError


def renew(
    tx: Transaction,
    visit: Visit,
    given: Sequence[str],
    until: float,
    as_long_as_possible: bool = False,
    best: bool = False,
) -> Answer:
    """Another end, earlier or later. What cannot be had is Invalid, or cut when that is asked for."""
    raise NotImplementedError
