"""The worker of reservations: switches on what is wired, and notes what became of it.

The handler of "federation:". It is woken whenever a reservation, a job of its group or a node of it has
changed; following.py decides and writes, this room only runs transactions. After a restart it looks at all.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import jobs
from nm.calls import NM, Call, Site
from nm.converge import Tools
from nm.errors import NMError
from nm.federation import following
from nm.records import Record, kind_of, name_of, record_key

log = logging.getLogger("nm.federationwork")


@dataclass(frozen=True)
class Look:
    """See what is due. `group`: just about that one; None: all."""

    group: str | None = None


class FederationWorker:
    """Lets follow what follows by itself."""

    def __init__(self, tools: Tools) -> None:
        self._store = tools.store
        self._tools = tools

    def concerned(self, key: str, record: Record | None) -> Look | None:
        """What a published change has to say to this worker; None when it is none of its business.

        Called by the publishing thread.
        """
        kind = kind_of(key)
        if record is None or kind not in ("group", "job", "node"):
            return None
        name = name_of(key) if kind == "group" else record["group"]
        if name is None or (kind == "job" and record["state"] not in jobs.OVER):
            return None
        group = record if kind == "group" else self._store.get(record_key("group", name))
        return Look(name) if group is not None and following.is_busy(group) else None

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Do what is due; whatever is due after that is told by another change."""
        looks = {item.group for item in batch if isinstance(item, Look)}
        names = {name for name in looks if name is not None}
        if None in looks:
            names |= {name_of(group["record_key"]) for group in self._store.range("group")}
        for name in sorted(names):
            self._follow(name)
        return None

    def _follow(self, name: str) -> None:
        while (group := self._store.get(record_key("group", name))) is not None:
            if not following.due(self._store, group):
                return
            call = Call(NM, "PowerNode", self._tools.now(), Site())
            try:
                self._store.transact(partial(following.follow, call=call, name=name))
            except NMError as error:  # a disk that takes no writes; the next change comes back to it
                log.error("a reservation was not followed", extra={"group": name, "why": str(error)})
                return

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Whoever waits sees it in the log; the next change of the group comes back to it."""

    def close(self) -> None:
        """Nothing to let go of."""
