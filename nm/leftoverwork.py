"""What pools that were taken down by force have left on hosts is taken away when these answer again.

The handler of "leftovers:". It asks the hosts' own workers, again and again, later and later, and begins
from the records, so a restart goes on with it. A pool's disks wait until its domains on that host are gone.
What is of a host that is registered no more is forgotten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm.converge import Tools
from nm.facts import Outcome
from nm.poolcarriers import domains_of
from nm.pools import leftovers
from nm.pools.briefs import order_of
from nm.pools.kinds import DOMAINS
from nm.records import Record, record_key
from nm.store import Transaction
from nm.workers import Errand


@dataclass(frozen=True)
class _Answer:
    """A host's worker has answered what was asked of it."""

    host: str
    keys: Sequence[str]
    outcomes: Sequence[Outcome]


class LeftoverWorker:
    """Called by its subject's thread only."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._asked: set[str] = set()  # hosts that have not answered yet
        self._tries: dict[str, int] = {}
        self._next: dict[str, float] = {}  # host -> when to ask it, by Tools.up

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Take in answers, ask hosts whose time has come, say when to look again."""
        for item in batch:
            if isinstance(item, _Answer):
                self._take(item)
        by_host: dict[str, list[Record]] = {}
        for record in self._tools.store.range("leftover"):
            by_host.setdefault(record["host"], []).append(record)
        for host, records in by_host.items():
            if self._tools.store.get(record_key("host", host)) is None:
                self._forget(records)
            elif host not in self._asked and self._next.get(host, 0.0) <= self._tools.up():
                self._ask(host, records)
        return min(map(self._pause, by_host), default=None)

    def _pause(self, host: str) -> float:
        """How long nothing is to be done for that host; an answer comes by itself."""
        if host in self._asked:
            return self._tools.patience.longest_pause
        return max(0.0, self._next.get(host, 0.0) - self._tools.up())

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """What was asked is asked again."""
        self._asked.clear()

    def close(self) -> None:
        """Nothing to let go of."""

    def _ask(self, host: str, records: list[Record]) -> None:
        """For what may go now."""
        self._asked.add(host)
        lived = {_life(record) for record in records if record["part"] in DOMAINS}
        due = [record for record in records if record["part"] in DOMAINS or _life(record) not in lived]
        briefs = [leftovers.brief_of(record) for record in due]
        orders = [order_of("terminate", brief) for brief in briefs]
        reply = partial(self._reply, host, [record["record_key"] for record in due])
        self._tools.send(domains_of(host), Errand(orders, reply))

    def _reply(self, host: str, keys: Sequence[str], outcomes: list[Outcome]) -> None:
        self._tools.send(leftovers.SUBJECT, _Answer(host, keys, outcomes))

    def _take(self, answer: _Answer) -> None:
        self._asked.discard(answer.host)
        failed = False
        for key, outcome in zip(answer.keys, answer.outcomes, strict=True):
            if outcome.error is not None:
                failed = True
                self._write(partial(leftovers.stays, record_key=key, error=str(outcome.error)))
            else:
                self._write(partial(leftovers.paid, record_key=key))
        tries = self._tries[answer.host] = self._tries.get(answer.host, 0) + 1 if failed else 0
        pause = self._tools.patience.pause(tries) if failed else 0.0
        self._next[answer.host] = self._tools.up() + pause

    def _forget(self, records: Sequence[Record]) -> None:
        for record in records:
            self._write(partial(leftovers.forgotten, record_key=record["record_key"]))

    def _write(self, what: Callable[[Transaction], None]) -> None:
        self._tools.store.transact(what)


def _life(record: Record) -> tuple[str, float]:
    """Which pool's it is, of which birth."""
    return record["pool"], record["born"]
