"""Paying debts: what was taken back by force is isolated, as often as it takes, until it was read back.

The Payer asks the devices' workers for what is owed and keeps count; a node's worker (nm/nodework.py) has one
for what the node owes. Here is also the handler of "debt:SWITCH", which sees a switch's debt through: groups
let go, everything that may carry something is isolated, and then the groups join anew, each by a job of its
own. It begins from the records, so a restart goes on with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import debts, drift, facts, jobs, plan, releases
from nm.audits import Scope
from nm.calls import NM, Call, Caller
from nm.converge import Tools, Wake
from nm.errors import DeviceFailed, NoPort
from nm.facts import Order, Outcome, Value
from nm.records import Record, name_of, port_key, record_key
from nm.store import portions
from nm.workers import Errand, Job

KINDS = ("release", "replace")  # of the jobs that pay a switch's debt


def subject(switch: str) -> str:
    """The subject that pays the switch's debt."""
    return f"debt:{switch}"


def switch_of(job: Record) -> str | None:
    """The switch whose debt the job pays; None for other jobs."""
    kind, _, name = job["subject"].partition(":")
    return name if kind == "switch" and job["kind"] in KINDS else None


@dataclass(frozen=True)
class Paid:
    """A device's worker has answered what was asked for a debt."""

    job: int
    facts: Sequence[str]
    outcomes: Sequence[Outcome]


class Payer:
    """What is owed, and to whom it was said. Called by the thread of `subject`, to which answers come."""

    def __init__(self, subject: str, key: str, tools: Tools) -> None:
        """`key`: of the debt's record; the debt is settled when it is another job's, or gone."""
        self._subject = subject
        self._key = key
        self._tools = tools
        self.job: int | None = None
        self.owed: dict[str, Value] = {}
        self._asked: set[str] = set()
        self._tries = 0
        self._ask_at = 0.0  # by Tools.up

    def begin(self, number: int, owed: Mapping[str, Value]) -> None:
        """Take up a debt. Its job may have ended as failed long ago; it is paid all the same."""
        self.job, self.owed, self._tries, self._ask_at = number, dict(owed), 0, 0.0
        self._asked.clear()

    def end(self) -> None:
        """There is nothing to pay any more."""
        self.job, self.owed = None, {}

    def ask_again(self) -> None:
        """What was asked may have been lost."""
        self._asked.clear()

    def advance(self, **fields: Any) -> None:
        """Write down how far the job is."""
        number, now = self.job, self._tools.now()
        if number is not None:
            self._tools.store.transact(lambda tx: jobs.advance(tx, number, now, **fields))

    def settled(self, number: int | None = None) -> bool:
        """Whether the debt is no more: its ports may be somebody else's by now."""
        debt = self._tools.store.get(self._key)
        return debt is None or debt["job"] != (self.job if number is None else number)

    def take(self, paid: Paid) -> list[str]:
        """Count what was paid; answers the facts that were read back as gone."""
        if paid.job != self.job:
            return []
        gone, errors = [], []
        for fact, outcome in zip(paid.facts, paid.outcomes, strict=True):
            self._asked.discard(fact)
            if outcome.error is None or isinstance(outcome.error, NoPort):
                self.owed.pop(fact, None)
                gone += [] if outcome.moot or outcome.error else [fact]
            else:
                errors.append(str(outcome.error))
        if errors:
            self.advance(step=f"to be tried again: {errors[0]}"[:500])
        return gone

    def ask(self) -> float:
        """Ask for what is owed when it is time; answers after how long to come back."""
        left = self._ask_at - self._tools.up()
        if left > 0:
            return left
        self._send()
        self._watch_deadline()
        patience = self._tools.patience
        pause = min(patience.first_pause * 2.0**self._tries, patience.longest_pause)
        self._tries += 1
        self._ask_at = self._tools.up() + pause
        return pause

    def _send(self) -> None:
        by_subject: dict[str, list[str]] = {}
        for fact, value in self.owed.items():
            if fact not in self._asked:
                by_subject.setdefault(plan.subject_of(fact, value), []).append(fact)
        for whose, wanted in by_subject.items():
            self._asked.update(wanted)
            orders = [Order(fact, None, moot=partial(self._moot, self.job, fact)) for fact in wanted]
            self._tools.send(whose, Errand(orders, self._taker(wanted)))

    def _moot(self, number: int | None, fact: str) -> bool:
        """Whether the debt is settled, or the port is not in the pool any more."""
        kind, *parts = facts.split(fact)
        return self.settled(number) or (kind == "port" and self._tools.store.get(port_key(*parts)) is None)

    def _taker(self, wanted: list[str]) -> Callable[[list[Outcome]], None]:
        number = int(self.job or 0)
        return lambda outcomes: self._tools.send(self._subject, Paid(number, wanted, outcomes))

    def _watch_deadline(self) -> None:
        job = self._tools.store.get(record_key("job", self.job or 0))
        if job is not None and self._tools.now() - job["created"] > self._tools.patience.deadline:
            text = f"not yet paid, it goes on: {job['step']}"
            self.advance(state="failed", error={"code": DeviceFailed.code, "text": text})


class SwitchDebtWorker:
    """Called by the switch debt's thread only. Beside the records it knows what was read back so far."""

    def __init__(self, switch: str, tools: Tools) -> None:
        self._switch = switch
        self._store = tools.store
        self._tools = tools
        self._payer = Payer(subject(switch), debts.switch_key(switch), tools)
        self._total = 0  # of ports and VLANs that were owed
        self._gone: set[str] = set()  # ports that were read back as isolated, as facts

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Take in jobs and answers, then go on as far as it goes."""
        for item in batch:
            if isinstance(item, Job):
                self._begin(item.number)
            elif isinstance(item, Paid):
                self._take(item)
        return self._go_on()

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Begin from the records again."""
        for item in batch:
            if isinstance(item, Job):
                self._begin(item.number)
        self._payer.ask_again()

    def close(self) -> None:
        """Nothing to let go of."""

    def _begin(self, number: int) -> None:
        """Take up a debt, or the rest of a job whose debt is paid."""
        if number == self._payer.job:
            return
        debt, job = self._debt(), self._store.get(record_key("job", number))
        if debt is not None and debt["job"] != number:
            return  # a newer one took over
        if debt is None and (job is None or job["state"] in jobs.OVER):
            return  # so it did, and may be waiting for its groups by now
        self._gone = set()
        tables = [facts.name("vlan", self._switch, vlan) for vlan in (debt["vlans"] if debt else ())]
        self._payer.begin(number, {fact: {} for fact in [*(debt["owed"] if debt else ()), *tables]})
        self._total = len(self._payer.owed)
        self._payer.advance(state="running", **({"total": self._total} if debt else {}))

    def _debt(self) -> Record | None:
        return self._store.get(debts.switch_key(self._switch))

    def _take(self, paid: Paid) -> None:
        gone = [fact for fact in self._payer.take(paid) if fact.startswith("port/")]
        now = self._tools.now()
        for some in portions(gone):
            self._store.transact(partial(releases.read_back, ports=some, now=now))
        self._gone |= set(gone)
        if paid.job == self._payer.job:
            self._payer.advance(done=self._total - len(self._payer.owed))

    def _go_on(self) -> float | None:
        """Groups let go; what is owed is paid; groups join again; their jobs are waited for."""
        number, debt = self._payer.job, self._debt()
        if number is None:
            return None
        if debt is not None and debt["job"] != number:
            self._payer.end()
            return None
        if debt is not None:
            let_go = partial(releases.let_go, call=self._call(number), switch=self._switch)
            while self._store.transact(let_go):
                pass
            if not debt["paid"] and self._payer.owed:
                return self._payer.ask()
            self._pay(number)
        self._wait_for_groups(number)
        return None

    def _call(self, number: int) -> Call:
        """What is done in the name of who asked for it."""
        job = self._store.get(record_key("job", number))
        caller = Caller(job["who"]["uid"], job["who"]["name"], admin=True) if job is not None else NM
        return Call(caller, "ReleaseSwitch", self._tools.now())

    def _pay(self, number: int) -> None:
        """Everything is isolated: the switch counts again, and its groups join anew."""
        now = self._tools.now()
        ports = (port for port in self._store.range("port") if port["switch"] == self._switch)
        strange = [
            port["record_key"]
            for port in ports
            if facts.name("port", self._switch, port["port"]) not in self._gone
        ]
        if debts.of_switch(self._store, self._switch):
            for some in portions(strange):
                self._store.transact(partial(releases.distrust, ports=some, now=now))
        self._store.transact(partial(releases.pay_switch, switch=self._switch, job=number, now=now))
        for group in [name_of(group["record_key"]) for group in self._store.range("group")]:
            rejoin = partial(
                releases.rejoin, call=self._call(number), group=group, switch=self._switch, parent=number
            )
            if self._store.transact(rejoin) is not None:
                self._tools.send(f"group:{group}", Wake())
        self._store.transact(partial(releases.strike_out, switch=self._switch, job=number))

    def _wait_for_groups(self, number: int) -> None:
        """The job is over when the groups have joined; who took a group's job over is waited for."""
        family = [job for job in self._store.range("job") if number in drift.parents(job)]
        for job in family:
            if job["state"] == "superseded":
                follow = partial(
                    drift.follow,
                    group=job["group"],
                    scope=Scope(switch=self._switch),
                    parent=number,
                    now=self._tools.now(),
                )
                self._store.transact(follow)
        if drift.children(self._store, number):
            return
        failed = [
            f"group {one['group']}: {one['error']['text']}" for one in family if one["state"] == "failed"
        ]
        if failed:
            text = "; ".join(failed[:3]) + (f"; and {len(failed) - 3} more" if len(failed) > 3 else "")
            self._payer.advance(state="failed", error={"code": DeviceFailed.code, "text": text})
        else:
            groups = sorted({job["group"] for job in family})
            self._payer.advance(state="done", step="", result={"groups": groups})
        self._payer.end()
