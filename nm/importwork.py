"""The worker of imports: takes the one that is going on further, bite by bite, until it is over.

The handler of "import:". What is to be done says the database, never the queue, so a restart, a second wake
and a failed write all end in the same place.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nm import imports
from nm.calls import NM, Call, Site
from nm.errors import DeviceFailed, NMError
from nm.store import Store

PAUSE = 1.0  # seconds until a database that took no writes is tried again


class ImportWorker:
    """Called by the imports' thread only."""

    def __init__(self, store: Store, site: Callable[[], Site]) -> None:
        self._store = store
        self._site = site

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Carry on to the end."""
        try:
            carry_out(self._store, self._site)
        except DeviceFailed:
            return PAUSE
        return None

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """It is tried again by itself; meanwhile the job is as it was."""

    def close(self) -> None:
        """Nothing to let go of."""


def carry_out(store: Store, site: Callable[[], Site]) -> None:
    """Carry on with the import that is going on, if there is one, until it is over.

    DeviceFailed passes: then it goes on where it was. Whatever else is raised would be raised every time.
    """
    try:
        while store.transact(partial(imports.carry_on, call=_call(site))):
            pass
    except DeviceFailed:
        raise
    except NMError as error:
        store.transact(partial(imports.give_up, call=_call(site), error=error))


def _call(site: Callable[[], Site]) -> Call:
    return Call(NM, "Import", time.time(), site())
