"""The worker of promises: what is due about lent nodes is done, act by act, and their jobs are followed.

The handler of "promises:". It is woken whenever a lent node, or a group that lent or borrowed one, has
changed, and sleeps until the next loan is over. lending.py decides; this room looks at the clock and runs
the transactions. A wall clock that is not believed (see leases.py) ends no loan.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import jobs, lending, promises
from nm.calls import NM, Call
from nm.converge import Tools
from nm.errors import NMError
from nm.records import Record, kind_of, name_of, record_key
from nm.workers import Job

log = logging.getLogger("nm.promisework")

LONGEST_NAP = 60.0  # seconds: how soon a clock that was set is noticed


@dataclass(frozen=True)
class Look:
    """See what is due. `nodes`: names of some that may be promised since."""

    nodes: tuple[str, ...] = ()


class PromiseWorker:
    """Keeps promises. `doubted`: whether the wall clock is not believed."""

    def __init__(self, tools: Tools, doubted: Callable[[], bool]) -> None:
        self._store = tools.store
        self._tools = tools
        self._doubted = doubted
        self._troubles: dict[str, str] = {}  # by node, why its act failed
        self._nodes: set[str] = set()
        self._jobs: set[int] = set()
        self._begin()

    def _begin(self) -> None:
        self._nodes = {
            name_of(node["record_key"]) for node in self._store.range("node") if node.get("_promise")
        }
        self._jobs = {
            job["id"]
            for job in self._store.range("job")
            if job["subject"] == lending.SUBJECT and job["state"] not in jobs.OVER
        }

    def concerned(self, key: str, record: Record | None) -> Look | None:
        """What a published change has to say to this worker; None when it is none of its business.

        Called by the publishing thread.
        """
        kind = kind_of(key)
        if kind == "node" and record is not None and promises.made(record) is not None:
            return Look((name_of(key),))
        if kind == "job" and record is not None and record["state"] in jobs.OVER and record["group"]:
            kind, record = "group", self._store.get(record_key("group", record["group"]))
        lends = record is None or record.get("lent") or record.get("borrowed")
        return Look() if kind == "group" and (lends or self._jobs) else None

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Do what is due until nothing is, follow the jobs, say when to look again."""
        for item in batch:
            if isinstance(item, Job):
                self._jobs.add(item.number)
                asked = self._store.get(record_key("job", item.number))
                self._nodes |= set(asked["arguments"]["nodes"]) if asked is not None else set()
            elif isinstance(item, Look):
                self._nodes |= set(item.nodes)
        self._troubles = {}
        certain = not self._doubted()
        self._act(certain)
        self._nodes = {name for name in self._nodes if self._promise(name) is not None}
        for number in sorted(self._jobs):
            now, troubles = self._tools.now(), dict(self._troubles)
            if self._store.transact(partial(lending.follow, number=number, troubles=troubles, now=now)):
                self._jobs.discard(number)
        return self._nap()

    def _act(self, certain: bool) -> None:
        """One act may make another due, on the same node; each makes it another kind's turn."""
        for _ in range(3):
            now = self._tools.now() if certain else None
            left = sorted(self._nodes - self._troubles.keys())
            found = lending.due(self._store, left, now)
            for act, _group, nodes in found:
                for start in range(0, len(nodes), lending.NODES_AT_ONCE):
                    self._try(act, nodes[start : start + lending.NODES_AT_ONCE], certain)
            if not found:
                return

    def _try(self, act: str, nodes: Sequence[str], certain: bool) -> None:
        """Together when that can be; else one by one, so that none keeps the others."""
        call = Call(NM, "LendNodes", self._tools.now())
        try:
            self._store.transact(partial(lending.act, call=call, act=act, nodes=nodes, certain=certain))
        except NMError as error:
            if len(nodes) > 1:
                for node in nodes:
                    self._try(act, [node], certain)
                return
            self._troubles[nodes[0]] = str(error)
            log.warning("a lent node has to wait", extra={"node": nodes[0], "why": str(error)})

    def _promise(self, name: str) -> Record | None:
        node = self._store.get(record_key("node", name))
        return promises.made(node) if node is not None else None

    def _nap(self) -> float | None:
        """Seconds; None when nothing is promised. What a node waits for may be no record of its own's."""
        found = [promise for promise in map(self._promise, self._nodes) if promise is not None]
        moving = any(promise["turn"] != promises.LENT for promise in found)
        now = self._tools.now()
        ends = [promise["until"] for promise in found if promise["turn"] != promises.BACK]
        naps = [end - now for end in ends if end > now]
        naps += [self._tools.patience.longest_pause] if moving or self._troubles else []
        return min([*naps, LONGEST_NAP]) if found else None

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """What is promised is read from the records again."""
        self._begin()

    def close(self) -> None:
        """Nothing to let go of."""
