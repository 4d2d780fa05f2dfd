"""The worker of all Unix accounts: they are lines of the same files, so one worker makes them, one at a time.

The handler of "accounts:". Whatever has gathered (groups' facts, jobs of delegates, new keys) is one
change, for which passwd is read once. A job says only that there is something to do: what is to be done
says the account's record as it is then, so an old job can never touch a new account of the same name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nm import facts, jobs, people
from nm.accounts import REFRESH, AccountsHand, System
from nm.converge import Tools
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.records import Record, record_key
from nm.workers import Errand, Job, Reading, answer_readings


@dataclass(frozen=True)
class _Work:
    """A job, and the record of its account as it was when the work began."""

    number: int
    record: Record


class AccountsWorker:
    """Called by the accounts' thread only."""

    def __init__(self, system: System, tools: Tools) -> None:
        self._store = tools.store
        self._tools = tools
        self._hand = AccountsHand(system, lambda name: self._store.get(people.account_key(name)))
        self._waiting: set[int] = set()  # jobs that are to be tried (again)
        self._tries = 0

    def handle(self, batch: Sequence[Any]) -> float | None:
        """All that has gathered in one go; what failed and may pass is tried again after a growing pause."""
        self._waiting.update(item.number for item in batch if isinstance(item, Job))
        works = [work for number in sorted(self._waiting) if (work := self._work(number)) is not None]
        errands = [item for item in batch if isinstance(item, Errand)]
        orders = [order for errand in errands for order in errand.orders]
        orders += map(_order, works)
        outcomes = iter(self._hand.run(orders, self._store.epoch) if orders else ())
        for errand in errands:
            errand.reply([next(outcomes) for _ in errand.orders])
        again = [self._ended(work, outcome) for work, outcome in zip(works, outcomes, strict=True)]
        answer_readings(self._hand, [item for item in batch if isinstance(item, Reading)])
        if not any(again):
            self._tries = 0
            return None
        self._tries += 1
        patience = self._tools.patience
        return min(patience.first_pause * 2.0 ** (self._tries - 1), patience.longest_pause)

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for ever: errands are answered with the error, jobs are tried again."""
        error = DeviceFailed(words, "it is tried again")
        for item in batch:
            if isinstance(item, Errand):
                item.reply([Outcome(error=error) for _ in item.orders])
            elif isinstance(item, Reading):
                item.reply([Outcome(error=error) for _ in item.facts])
            elif isinstance(item, Job):
                self._waiting.add(item.number)

    def close(self) -> None:
        """Forget what passwd said."""
        self._hand.close()

    def _work(self, number: int) -> _Work | None:
        """What a job means now; one whose account is gone is done."""
        job = self._store.get(record_key("job", number))
        record = self._store.get(people.account_key(job["subject"].partition(":")[2])) if job else None
        if record is None:
            self._waiting.discard(number)
            self._advance(number, state="done")
            return None
        self._advance(number, state="running", total=1)
        return _Work(number, record)

    def _ended(self, work: _Work, outcome: Outcome) -> bool:
        """Write down what came of a job. True when it is to be tried again."""
        error = outcome.error
        if work.record["type"] == people.DELEGATE:
            now = self._tools.now()
            self._store.transact(
                lambda tx: people.settled(tx, work.record, str(error) if error else None, now)
            )
        if error is not None:
            return self._again(work.number, error)
        self._waiting.discard(work.number)
        self._advance(work.number, state="done", done=1)
        return False

    def _again(self, number: int, error: NMError) -> bool:
        """Tell of a failure. What may pass is tried again, also after its job was called failed."""
        job = self._store.get(record_key("job", number))
        passing = isinstance(error, DeviceFailed) and error.passing
        late = job is None or self._tools.now() - job["created"] > self._tools.patience.deadline
        if late or not passing:
            self._advance(number, state="failed", error={"code": error.code, "text": str(error)})
        else:
            self._advance(number, step=f"to be tried again: {error}"[:500])
        if not passing:
            self._waiting.discard(number)
        return passing

    def _advance(self, number: int, **fields: Any) -> None:
        now = self._tools.now()
        self._store.transact(lambda tx: jobs.advance(tx, number, now, **fields))


def _order(work: _Work) -> Order:
    """Make the account what its record says; a group's is made by its deploy, and kept up to date here."""
    record = work.record
    fact, meant = facts.name("account", record["account"]), {"uid": record["uid"], "id": record["id"]}
    if record["type"] == people.GROUP:
        return Order(fact, REFRESH)
    return Order(fact, None, meant) if record["destroying"] else Order(fact, meant)
