"""Allocate: nodes are taken for a slice, and nothing is wired. Pure."""

from collections.abc import Sequence

from nm.federation.answers import Answer
from nm.federation.visits import Visit
from nm.store import Transaction


def allocate(tx: Transaction, visit: Visit, slice: str, text: str, wish: float | None = None) -> Answer:
    """Take what a request RSpec asks for, all or nothing; the slice is made when it has nothing yet.

    `wish`: the end that is asked for, seconds since 1970; a later one than may be had is cut. Invalid,
    Unsupported, NodesLacking, VlanUnavailable say what is in the way of the request, LimitReached which limit
    of the site's, Busy that the slice's last reservation is still going. The answer has a manifest of these.
    """
    raise NotImplementedError


def allocate_nodes(
    tx: Transaction, visit: Visit, slice: str, numbers: Sequence[int], wish: float | None = None
) -> Answer:
    """The same of the nodes of these numbers, as BOWL asks for them."""
    raise NotImplementedError
