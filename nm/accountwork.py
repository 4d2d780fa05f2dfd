"""The worker of all Unix accounts: they are lines of the same files, so one worker makes them, one at a time.

The handler of "accounts:". What has gathered (groups' facts, jobs, slivers that changed) is handled in
bites, for each of which the files are read twice; what takes somebody's access away goes first, so that it
waits for one bite at most, however many accounts are being made. A job says only that there is something to
do: what is to be done says the account's record as it is then, so an old job can never touch a new account
of the same name. After a key went the account is looked at again later, by a task without a job.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nm import (
    facts,
    guestaccounts,  # noqa: F401 - registers the types of slivers' accounts
    jobs,
    people,
)
from nm.accounts import REFRESH, AccountsHand
from nm.converge import Tools
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.records import Record, record_key
from nm.store import Event, Transaction
from nm.unixaccounts import System
from nm.workers import Errand, Job, Reading, answer_readings

log = logging.getLogger("nm.accountwork")

BITE = 20  # accounts, and seldom more: half a second or so
_WRITES = 30  # in a transaction, each of at most three records
_NAMED = 10  # of strangers, in one event
_KEYS, _GOING, _COMING = range(3)  # what goes first

Write = Callable[[Transaction], object]


@dataclass(frozen=True)
class Settle:
    """Make an account what its record says; for what is left over and has no job any more."""

    account: str  # its Unix name


@dataclass(frozen=True)
class Follow:
    """A sliver's record has changed: its account follows where that means anything to it."""

    sliver: str


@dataclass(frozen=True)
class Survey:
    """After a start: end connections that were to end, renew options of keys, tell of accounts like nm's."""


@dataclass
class _Task:
    """An account whose record has changed, or whose connections are to be looked at again."""

    account: str
    jobs: set[int] = field(default_factory=set)
    tries: int = 0
    at: float = 0.0  # not before, by Tools.up


class AccountsWorker:
    """Called by the accounts' thread only."""

    def __init__(self, system: System, tools: Tools) -> None:
        self._store = tools.store
        self._tools = tools
        self._hand = AccountsHand(system, lambda name: people.as_meant(self._store, name))
        self._tasks: dict[str, _Task] = {}
        self._errands: list[Errand] = []
        self._readings: list[Reading] = []
        self._followed: dict[str, Record] = {}  # what accounts of slivers were last handled by

    def handle(self, batch: Sequence[Any]) -> float | None:
        """One bite of what there is to do. What failed and may pass is tried again after a growing pause."""
        for item in batch:
            self._take(item)
        errands, tasks = self._bite()
        works = self._begin(tasks)
        orders = [order for errand in errands for order in errand.orders]
        orders += [_order(record) for _, record in works]
        done = self._hand.run(orders, self._store.epoch) if orders else []
        outcomes = iter(done)
        for errand in errands:
            self._errands.remove(errand)
            errand.reply([next(outcomes) for _ in errand.orders])
        self._end(works, outcomes)
        self._come_back(orders, done)
        self._read()
        return self._pause()

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for ever: errands are answered with the error, accounts are tried again."""
        error = DeviceFailed(words, "it is tried again")
        errands, self._errands = self._errands, []
        readings, self._readings = self._readings, []
        for errand in errands:
            errand.reply([Outcome(error=error) for _ in errand.orders])
        for reading in readings:
            reading.reply([Outcome(error=error) for _ in reading.facts])

    def close(self) -> None:
        """Forget what the files said."""
        self._hand.close()

    @property
    def depth(self) -> int:
        """How much waits here, beside what is in the queue."""
        return len(self._tasks) + len(self._errands)

    # ---- what there is to do

    def _take(self, item: Any) -> None:
        if isinstance(item, Errand):
            self._errands.append(item)
        elif isinstance(item, Reading):
            self._readings.append(item)
        elif isinstance(item, Survey):
            self._survey()
        elif isinstance(item, Follow):
            self._follow(item.sliver)
        elif isinstance(item, Settle):
            self._task(item.account)
        elif isinstance(item, Job) and (job := self._store.get(record_key("job", item.number))):
            self._task(job["subject"].partition(":")[2]).jobs.add(item.number)

    def _task(self, account: str) -> _Task:
        """The account's task; it is due at once, whatever pause it was in."""
        task = self._tasks.setdefault(account, _Task(account))
        task.at = 0.0
        return task

    def _follow(self, sliver: str) -> None:
        """A sliver's record changes often; most of it is nothing to its account."""
        account = people.sliver_account(self._store, sliver)
        meant = people.as_meant(self._store, account["account"]) if account is not None else None
        if meant is not None and self._followed.get(meant["account"]) != _meaning(meant):
            self._task(meant["account"])

    def _due(self) -> list[_Task]:
        now = self._tools.up()
        return [task for task in self._tasks.values() if task.at <= now]

    def _bite(self) -> tuple[list[Errand], list[_Task]]:
        """What is done now: what is most urgent, in the order it came, and nothing that would hold it up."""
        all_due: list[Errand | _Task] = [*self._errands, *self._due()]
        due = [(self._urgency(one), one) for one in all_due]
        first = min((urgency for urgency, _ in due), default=None)
        chosen = [one for urgency, one in due if urgency == first][:BITE]
        errands = [one for one in chosen if isinstance(one, Errand)]
        return errands, [one for one in chosen if isinstance(one, _Task)]

    def _urgency(self, what: Errand | _Task) -> int:
        if isinstance(what, Errand):
            return _COMING if any(order.value is not None for order in what.orders) else _GOING
        record = people.as_meant(self._store, what.account)
        if record is None or record["destroying"] or record["before"]:
            return _GOING
        return _KEYS if record["_made"] else _COMING

    def _pause(self) -> float | None:
        """None when nothing is left to do."""
        if self._errands:
            return 0.0
        first = min((task.at for task in self._tasks.values()), default=None)
        return None if first is None else max(first - self._tools.up(), 0.0)

    # ---- accounts whose records have changed

    def _begin(self, tasks: Sequence[_Task]) -> list[tuple[_Task, Record]]:
        """The records of these accounts as they are now. A task whose account is gone is done."""
        works, writes = [], []
        for task in tasks:
            record = people.as_meant(self._store, task.account)
            self._followed.pop(task.account, None)
            if record is not None and record["type"] in people.OF_SLIVERS:
                self._followed[task.account] = _meaning(record)
            if record is not None and record["type"] != people.UNIX:
                works.append((task, record))
                writes += self._advance(task, state="running", total=1)
            else:
                writes += self._advance(task, state="done")
                del self._tasks[task.account]
        self._write(writes)
        return works

    def _end(self, works: Sequence[tuple[_Task, Record]], outcomes: Iterator[Outcome]) -> None:
        """Write down what came of it."""
        writes: list[Write] = []
        now = self._tools.now()
        for (task, record), outcome in zip(works, outcomes, strict=True):
            error = outcome.error
            words = str(error) if error is not None else None
            writes.append(partial(people.settled, seen=record, error=words, now=now))
            if error is None:
                writes += self._advance(task, state="done", done=1)
            else:
                writes += self._failed(task, error)
            if error is None or not _passing(error):
                del self._tasks[task.account]
        self._write(writes)

    def _come_back(self, orders: Sequence[Order], outcomes: Sequence[Outcome]) -> None:
        """Where a key went connections are looked at again; what failed comes again in any case."""
        for order, outcome in zip(orders, outcomes, strict=True):
            account = facts.split(order.fact)[1]
            if outcome.error is None and (pause := self._hand.again(account)) is not None:
                at = self._tools.up() + pause
                task = self._tasks.setdefault(account, _Task(account, at=at))
                task.at = min(task.at, at)

    def _failed(self, task: _Task, error: NMError) -> list[Write]:
        """Tell of a failure. What may pass is tried again, also after its jobs were called failed."""
        patience = self._tools.patience
        pause = patience.pause(task.tries)
        task.tries, task.at = task.tries + 1, self._tools.up() + pause
        writes = []
        for number in sorted(task.jobs):
            job = self._store.get(record_key("job", number))
            late = job is not None and self._tools.now() - job["created"] > patience.deadline
            if late or not _passing(error):
                told: dict[str, Any] = {"state": "failed", "error": {"code": error.code, "text": str(error)}}
            else:
                told = {"step": f"to be tried again: {error}"[:500]}
            writes += self._advance(task, number, **told)
        return writes

    def _advance(self, task: _Task, *numbers: int, **fields: Any) -> list[Write]:
        now = self._tools.now()
        return [partial(_advance, number, now, fields) for number in sorted(numbers or task.jobs)]

    def _write(self, writes: Sequence[Write]) -> None:
        for start in range(0, len(writes), _WRITES):
            self._store.transact(partial(_all, writes[start : start + _WRITES]))

    # ---- looking

    def _read(self) -> None:
        """Answer all who want to know, from one look."""
        readings, self._readings = self._readings, []
        answer_readings(self._hand, readings)

    def _survey(self) -> None:
        ours = [one["account"] for one in self._store.range("account") if one["type"] != people.UNIX]
        for account in (*self._hand.ending(), *self._hand.outdated(ours)):
            self._task(account)
        try:
            found = people.strangers(self._store, self._hand.alike())
            if found:
                more = ", ..." if len(found) > _NAMED else ""
                words = f"{len(found)} look like nm's and are in no record: {', '.join(found[:_NAMED])}{more}"
                event = Event("nm", "accounts", "error", f"{words}; nm leaves them alone")
                self._store.transact(lambda tx: tx.tell(event))
        except NMError as error:
            log.warning("accounts were not looked through", extra={"why": str(error)})


def _passing(error: NMError) -> bool:
    return isinstance(error, DeviceFailed) and error.passing


def _advance(number: int, now: float, fields: dict[str, Any], tx: Transaction) -> None:
    jobs.advance(tx, number, now, **fields)


def _all(writes: Sequence[Write], tx: Transaction) -> None:
    for write in writes:
        write(tx)


def _meaning(account: Record) -> Record:
    """What of a sliver its account depends on."""
    return {name: account[name] for name in ("id", "destroying", "keys", "guest")}


def _order(record: Record) -> Order:
    """Make the account what its record says; a group's is made by its deploy, and kept up to date here."""
    fact, meant = facts.name("account", record["account"]), facts.of_account(record)
    if record["type"] in people.OF_GROUPS:
        return Order(fact, REFRESH)
    return Order(fact, None, meant) if record["destroying"] else Order(fact, meant)
