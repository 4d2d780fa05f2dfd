"""The worker of promises: what is due about lent nodes is done, act by act, and their jobs are followed.

The handler of "promises:". It is woken whenever a lent node, or a group that lent or borrowed one, has
changed, and sleeps until the next loan is over. It looks at what changed, at what is over, and at what is on
its way (a switch or a port may be in that one's way, of which nothing is told here); the others cost nothing.
lending.py decides; this room looks at the clock and runs the transactions. A wall clock that is not believed
(see leases.py) ends no loan.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import jobs, lending, promises
from nm.calls import NM, Call
from nm.converge import Tools
from nm.errors import NMError
from nm.records import Record, kind_of, name_of, record_key
from nm.workers import Job

LONGEST_NAP = 60.0  # seconds: how soon a clock that was set is noticed


@dataclass(frozen=True)
class Look:
    """See what is due. `nodes`: names of those that changed, and may be promised since; None: all."""

    nodes: tuple[str, ...] | None = None


class PromiseWorker:
    """Keeps promises. `doubted`: whether the wall clock is not believed."""

    def __init__(self, tools: Tools, doubted: Callable[[], bool]) -> None:
        self._store = tools.store
        self._tools = tools
        self._doubted = doubted
        self._promises: dict[str, Record] = {}  # by node, as last read
        self._changed: set[str] = set()  # nodes that are to be looked at
        self._troubles: dict[str, str] = {}  # by node, why its act failed
        self._told: dict[str, str] = {}  # those of before
        self._jobs: set[int] = set()
        self._begin()

    def _begin(self) -> None:
        nodes = (node for node in self._store.range("node") if promises.made(node) is not None)
        self._changed = {name_of(node["record_key"]) for node in nodes}
        self._read(self._changed)
        self._jobs = {
            job["id"]
            for job in self._store.range("job")
            if job["subject"] == lending.SUBJECT and job["state"] not in jobs.OVER
        }

    def _read(self, nodes: Iterable[str]) -> None:
        """What these are promised now."""
        for name in nodes:
            node = self._store.get(record_key("node", name))
            promise = promises.made(node) if node is not None else None
            if promise is not None:
                self._promises[name] = promise
            else:
                self._promises.pop(name, None)

    def concerned(self, key: str, record: Record | None) -> Look | None:
        """What a published change has to say to this worker; None when it is none of its business.

        Called by the publishing thread.
        """
        kind = kind_of(key)
        if kind == "node" and record is not None and promises.made(record) is not None:
            return Look((name_of(key),))
        if kind == "job" and record is not None and record["state"] in jobs.OVER and record["group"]:
            kind, record = "group", self._store.get(record_key("group", record["group"]))
        if kind != "group":
            return None
        if record is None:  # whoever lent to it, or borrowed from it
            return Look()
        nodes = (*record.get("lent", ()), *record.get("borrowed", ()))
        return Look(nodes) if nodes or self._jobs else None

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Do what is due until nothing is, follow the jobs, say when to look again."""
        for item in batch:
            if isinstance(item, Job):
                self._jobs.add(item.number)
                asked = self._store.get(record_key("job", item.number))
                self._changed |= set(asked["arguments"]["nodes"]) if asked is not None else set()
            elif isinstance(item, Look):
                self._changed |= {*self._promises} if item.nodes is None else {*item.nodes}
        self._read(self._changed)
        self._act(self._at_issue(), certain=not self._doubted())
        for number in sorted(self._jobs):
            now, troubles = self._tools.now(), dict(self._troubles)
            if self._store.transact(partial(lending.follow, number=number, troubles=troubles, now=now)):
                self._jobs.discard(number)
        self._changed.clear()
        return self._nap()

    def _at_issue(self) -> set[str]:
        """The nodes about which something may be due."""
        now = self._tools.now()
        return {
            name
            for name, promise in self._promises.items()
            if name in self._changed or promise["turn"] != promises.LENT or promise["until"] <= now
        }

    def _act(self, nodes: set[str], certain: bool) -> None:
        """One act may make another due, on the same node; each makes it another kind's turn."""
        self._told, self._troubles = self._troubles, {}
        for _ in range(3):
            now = self._tools.now() if certain else None
            found = lending.due(self._store, sorted(nodes - self._troubles.keys()), now)
            for act, _group, names in found:
                for start in range(0, len(names), lending.NODES_AT_ONCE):
                    self._try(act, names[start : start + lending.NODES_AT_ONCE], certain)
            if not found:
                break
        self._read(nodes)

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
            if self._told.get(nodes[0]) != str(error):
                self._store.transact(partial(lending.wait, call=call, node=nodes[0], why=str(error)))

    def _nap(self) -> float | None:
        """Seconds; None when nothing is promised. What a node waits for may be no record of its own's."""
        found, now = self._promises.values(), self._tools.now()
        if not found:
            return None
        moving = any(promise["turn"] != promises.LENT for promise in found)
        ends = [float(promise["until"]) for promise in found if promise["turn"] != promises.BACK]
        naps = [end - now for end in ends if end > now]
        naps += [self._tools.patience.longest_pause] if moving or self._troubles else []
        return min([*naps, LONGEST_NAP])

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """What is promised is read from the records again."""
        self._begin()

    def close(self) -> None:
        """Nothing to let go of."""
