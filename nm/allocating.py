"""Allocate, as doors of federation call it: nodes are looked for outside of transactions, and taken in one.

To look costs as much as the pool is large; to take, as much as is taken. What was found may be gone by then:
it is looked at again in the transaction, and the search begins anew. Whoever allocates waits for whoever
does so already (_TURN, which is held while looking and taking, and by nobody else): ten at once would
all find the same nodes.
"""

import threading
from collections.abc import Sequence
from functools import partial

from nm.federation import reserving
from nm.federation.answers import Answer
from nm.federation.reserving import TakenMeanwhile
from nm.federation.visits import Visit, transacted
from nm.store import Store

TRIES = 5  # others than guests take nodes, too

_TURN = threading.Lock()


def allocate(store: Store, visit: Visit, slice: str, text: str, wish: float | None = None) -> Answer:
    """Take what a request RSpec asks for, all or nothing; the slice is made when it has nothing yet.

    `wish`: the end that is asked for, seconds since 1970; a later one than may be had is cut. Invalid,
    Unsupported, NodesLacking, VlanUnavailable say what is in the way of the request, Refused which limit
    of the site's, Busy that the slice's last reservation is still going, or that others are always faster.
    The answer has a manifest of these.
    """
    wanted = reserving.read(visit, slice, text, wish)
    with _TURN:
        for left in reversed(range(TRIES)):
            found = reserving.find(store, visit, wanted)
            try:
                return transacted(store, visit, partial(reserving.take, found=found))
            except TakenMeanwhile:
                if not left:
                    raise
    raise AssertionError  # the last try answers or raises


def allocate_nodes(
    store: Store, visit: Visit, slice: str, numbers: Sequence[int], wish: float | None = None
) -> Answer:
    """The same of the nodes of these numbers, as BOWL asks for them."""
    return allocate(store, visit, slice, reserving.text_of(numbers), wish)
