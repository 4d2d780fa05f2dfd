"""The worker of reservations: switches on what is wired, and notes what became of it.

The handler of "federation:". It is woken whenever a reservation, a job of its group or a node of it has
changed; following.py decides and writes, this room only runs transactions. After a restart it looks at all.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import jobs
from nm.calls import NM, Call
from nm.converge import Tools
from nm.errors import NMError
from nm.federation import following, marks
from nm.records import Record, kind_of, name_of, record_key

log = logging.getLogger("nm.federationwork")

PAUSE = 30.0  # seconds before what could not be written is tried again


@dataclass(frozen=True)
class Look:
    """See what is due. `group`: just about that one; None: all."""

    group: str | None = None


@dataclass(frozen=True)
class Switched:
    """The power of a node of that group was switched."""

    group: str
    node: str
    action: str


class FederationWorker:
    """Lets follow what follows by itself."""

    def __init__(self, tools: Tools) -> None:
        self._store = tools.store
        self._tools = tools
        self._todo: set[str] = set()  # groups to be looked at, still there when one goes wrong

    def concerned(self, key: str, record: Record | None) -> Look | Switched | None:
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
        if group is None or marks.of(group) is None:
            return None
        if kind == "job" and (switched := _switched(name, record)) is not None:
            return switched
        return Look(name) if following.is_busy(group) else None

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Do what is due; whatever is due after that is told by another change."""
        for item in batch:
            if isinstance(item, Switched):
                self._do(item.group, partial(following.observe, node=item.node, action=item.action))
                self._todo.add(item.group)
            elif isinstance(item, Look) and item.group is not None:
                self._todo.add(item.group)
            elif isinstance(item, Look):
                self._todo |= {name_of(group["record_key"]) for group in self._store.range("group")}
        late = set()
        while self._todo:
            name = self._todo.pop()
            while following.due(self._store, name):
                if not self._do(name, following.follow):
                    late.add(name)
                    break
        self._todo |= late
        return PAUSE if late else None

    def _do(self, name: str, act: Callable[..., None]) -> bool:
        """Whether it could be written."""
        call = Call(NM, "PowerNode", self._tools.now())
        try:
            self._store.transact(partial(act, call=call, name=name))
        except NMError as error:
            log.error("a reservation was not followed", extra={"group": name, "why": str(error)})
            return False
        return True

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Whoever waits sees it in the log; the next change of the group comes back to it."""

    def close(self) -> None:
        """Nothing to let go of."""


def _switched(group: str, job: Record) -> Switched | None:
    """What a job that is over has done to the power of a node."""
    action = job["arguments"].get("action") if job["kind"] == "power" and job["state"] == "done" else None
    if action not in (marks.ON, marks.OFF, marks.CYCLE):
        return None
    return Switched(group, job["subject"].partition(":")[2], action)
