"""The patrol: all audits and repairs, of one group, one switch, one port, or everything.

The handler of "patrol:". A *round* asks each subject in its scope once for all that should be there, and is
judged when all have answered or its time is over: one device that hangs keeps nobody else's result back. A
repair then has two halves. First it closes: whatever carries what it should not is isolated, everywhere, in
one session a switch, and things of the pool are put right. Only then the groups' differing facts are put in
doubt, and their workers join them anew; so nothing is brought back beside a port that still stands open.

By itself the patrol makes a round of everything every ten minutes, which marks and tells and repairs nothing.
It never waits for a device. Called by its own thread only; a round that a restart cut off begins anew.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nm import audits, closing, drift, facts, jobs, recording
from nm.audits import Scope
from nm.closing import Closing
from nm.converge import Tools, Wake
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.families import ChildOver, Families
from nm.pool import sights
from nm.records import Record, port_key, record_key
from nm.store import portions
from nm.views import is_known
from nm.workers import Errand, Job, Reading

log = logging.getLogger("nm.patrol")

SUBJECT = "patrol:"
JITTER = 0.1

Reply = Callable[[list[Outcome]], None]


@dataclass(frozen=True)
class Rules:
    """How often everything is looked at by itself (0: never), and how long a round waits, in seconds."""

    every: float = 600.0
    wait: float = 120.0


@dataclass(frozen=True)
class Look:
    """See whether a round is due: the daemon has started, or the rules have changed."""


@dataclass(frozen=True)
class _Report:
    """What one subject answered."""

    ticket: int
    subject: str
    facts: Sequence[str]
    outcomes: Sequence[Outcome]


@dataclass
class _Round:
    """One look at everything in scope, and for a repair what follows from it."""

    scope: Scope
    job: int | None
    repairing: bool
    expected: audits.Expected
    readings: dict[str, list[str]]  # what is read of it, by subject
    at: float  # when it began, by the wall clock
    until: float = 0.0  # how long answers are waited for, by Tools.up
    awaited: dict[str, Sequence[str]] = field(default_factory=dict)  # subject -> facts
    seen: dict[str, Outcome] = field(default_factory=dict)
    pool: dict[str, Record | None] = field(default_factory=dict)  # what differs there: audits.judge_pool
    closing: list[Closing] | None = None  # None while it is read
    closed: dict[str, Outcome] = field(default_factory=dict)  # what came of these, by the orders' facts
    done: int = 0  # subjects that have answered
    left: list[str] = field(default_factory=list)  # unverified ports on groups' VLANs, in words

    def unread(self) -> dict[str, str | None]:
        """Each switch of which that is known now: why it could not be read; None for one that was.

        Where nothing but what a switch lacks was asked for, nothing is known of the switch.
        """
        found: dict[str, str | None] = {}
        for subject, named in self.readings.items():
            kind, _, name = subject.partition(":")
            errors = [self.seen[fact].error for fact in named] if kind == "switch" else []
            if errors and None in errors:
                found[name] = None
            elif errors and all(isinstance(error, DeviceFailed) and error.passing for error in errors):
                found[name] = str(errors[0])
        return found

    def read_at(self) -> dict[str, float]:
        """The switches of which all was read that audits read of them, and when."""
        if self.scope.port is not None:
            return {}
        return {
            subject.removeprefix("switch:"): min(self.seen[fact].at for fact in named)
            for subject, named in self.readings.items()
            if subject.startswith("switch:") and not any(audits.is_unread(self.seen[fact]) for fact in named)
        }

    def put_right(self) -> dict[str, float]:
        """The things of the pool that were closed, and when that was read back."""
        good = self.went_well()
        failed = {one.mends for one in self.closing or () if one.order.fact not in good}
        return {
            one.mends: self.closed[one.order.fact].at
            for one in self.closing or ()
            if one.mends and one.mends not in failed
        }

    def went_well(self) -> set[str]:
        """The facts of the orders that were carried out, and read back."""
        return {fact for fact, outcome in self.closed.items() if not (outcome.error or outcome.moot)}

    def failures(self) -> list[str]:
        """What of the pool could not be put right, in words."""
        good = self.put_right()
        found = [
            f"{one.mends}: {self.closed[one.order.fact].error}"
            for one in self.closing or ()
            if one.mends and self.closed[one.order.fact].error
        ]
        found += [
            f"{fact}: {self.seen[fact].error}"
            for fact, difference in self.pool.items()
            if difference and fact not in good and self.seen[fact].error
        ]
        return [*found, *self.left, *filter(None, self.unread().values())]


class Patrol:
    """Called by the thread of "patrol:". `chance` answers a random number from 0 to 1."""

    def __init__(self, tools: Tools, rules: Rules, chance: Callable[[], float]) -> None:
        self._tools = tools
        self._store = tools.store
        self._chance = chance
        self.rules = rules
        self._every = rules.every  # by which the next round was chosen
        self._next: float | None = None  # when the next round of everything is, by Tools.up
        self._ticket = 0
        self._rounds: dict[int, _Round] = {}  # by ticket
        self._busy: dict[Scope, _Round] = {}
        self._waiting: dict[Scope, list[int]] = {}  # jobs whose scope is looked at already
        self._silent: set[str] = set()  # subjects that still owe an answer from a round that is over
        self._families = Families(tools)
        self._again: list[Any] = []
        self._unsaid: dict[int, NMError] = {}

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Take in jobs and answers, end rounds whose time is over, begin the one that is due."""
        self._again = [*self._again, *batch]  # kept until all of it was taken in
        self._say()
        for item in self._again:
            if isinstance(item, Job):
                self._begin(item.number)
            elif isinstance(item, _Report):
                self._take(item)
            elif isinstance(item, ChildOver):
                self._families.child_over(item)
        self._again = []
        self._families.end()
        for ticket, round_ in list(self._rounds.items()):
            if self._tools.up() >= round_.until:
                self._expire(ticket, round_)
        self._look_by_itself()
        times = [round_.until for round_ in self._rounds.values()]
        times += [self._next] if self._next is not None else []
        return max(min(times) - self._tools.up(), 0.01) if times else None

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """The rounds under way are lost and their jobs fail; those that waited begin."""
        error = DeviceFailed(words, "ask for it again")
        lost = [item.number for item in batch if isinstance(item, Job)]
        lost += [round_.job for round_ in self._busy.values() if round_.job is not None]
        self._unsaid |= dict.fromkeys(lost, error)
        told = self._again or batch
        self._again = [item for item in told if not (isinstance(item, Job) and item.number in lost)]
        self._again += [Job(number) for numbers in self._waiting.values() for number in numbers]
        self._rounds, self._busy, self._waiting = {}, {}, {}

    def close(self) -> None:
        """Nothing to let go of."""

    def _say(self) -> None:
        """Write down which jobs failed by something unforeseen."""
        for number, error in list(self._unsaid.items()):
            self._advance(number, state="failed", error={"code": error.code, "text": str(error)})
            del self._unsaid[number]

    def _advance(self, number: int | None, **fields: Any) -> None:
        if number is not None:
            now = self._tools.now()
            self._store.transact(lambda tx: jobs.advance(tx, number, now, **fields))

    # ---- when rounds begin

    def _begin(self, number: int) -> None:
        """Start what a job asks for, or let it wait while its scope is looked at."""
        job = self._store.get(record_key("job", number))
        if job is None or job["state"] in jobs.OVER or number in self._families:
            return
        scope = audits.scope_of(job)
        group = self._store.get(record_key("group", scope.group)) if scope.group else None
        if group is not None and group["job"] == number:  # a repair that is past its audit already
            return
        if scope in self._busy:
            if self._busy[scope].job != number:
                self._waiting.setdefault(scope, []).append(number)
        else:
            self._start(scope, number, job["kind"] == "repair")

    def _look_by_itself(self) -> None:
        """Start a round of everything when it is due. The first one comes some time after the start."""
        every, up = self.rules.every, self._tools.up()
        if every != self._every:
            self._every, self._next = every, None
        if not every:
            return
        if self._next is None:
            self._next = up + every * (JITTER + (1 - JITTER) * self._chance())
        elif up >= self._next:
            if Scope() not in self._busy:
                self._start(Scope(), None, repairing=False)
            self._next = up + every * (1 + JITTER * (2 * self._chance() - 1))

    def _start(self, scope: Scope, job: int | None, repairing: bool) -> None:
        wanted = audits.expected(self._store, scope)
        readings = wanted.readings()
        self._advance(job, state="running", total=0 if scope.group else len(readings), done=0)
        round_ = self._busy[scope] = _Round(scope, job, repairing, wanted, readings, self._tools.now())
        # A member's repair may not make nm knock at a switch that may lock its account.
        urgent = job is not None and scope.group is None
        asked = {s: (named, partial(Reading, named, urgent=urgent)) for s, named in readings.items()}
        self._send(round_, asked)

    # ---- questions and answers

    def _send(self, round_: _Round, asked: Mapping[str, tuple[list[str], Callable[[Reply], Any]]]) -> None:
        """Ask each subject, by what the second of each pair makes of whom to reply to."""
        self._ticket += 1
        ticket = self._ticket
        self._rounds[ticket] = round_
        round_.until = self._tools.up() + self.rules.wait
        round_.awaited = {subject: named for subject, (named, _) in asked.items()}
        here = []
        for subject, (named, make) in asked.items():
            at = self._tools.now()
            if subject == "":
                outcomes = self._tools.export.read(named)
                here.append(_Report(ticket, subject, named, facts.stamped(outcomes, at)))
            elif subject in self._silent:
                error = DeviceFailed(f"{_spoken(subject)} owes the last audit an answer", "it hangs")
                here.append(_Report(ticket, subject, named, [Outcome(error=error, at=at)] * len(named)))
            else:
                self._tools.send(subject, make(self._reply(ticket, subject, named)))
        for report in here:
            self._collect(report)
        if not asked:
            self._go_on(ticket)

    def _reply(self, ticket: int, subject: str, named: list[str]) -> Reply:
        def reply(outcomes: list[Outcome]) -> None:
            stamped = facts.stamped(outcomes, self._tools.now())
            self._tools.send(SUBJECT, _Report(ticket, subject, named, stamped))

        return reply

    def _take(self, report: _Report) -> None:
        self._silent.discard(report.subject)
        self._collect(report)

    def _collect(self, report: _Report) -> None:
        """Keep an answer; the last one lets the round go on. One that comes too late is not needed."""
        round_ = self._rounds.get(report.ticket)
        if round_ is None or round_.awaited.pop(report.subject, None) is None:
            return
        answers = dict(zip(report.facts, report.outcomes, strict=True))
        if round_.closing is None:
            round_.seen |= answers
            self._share(answers)
        else:
            round_.closed |= answers
        if round_.closing is None and round_.scope.group is None:
            round_.done += 1
            self._advance(round_.job, done=round_.done, step=f"{_spoken(report.subject) or 'files'} read")
        if not round_.awaited:
            self._go_on(report.ticket)

    def _share(self, answers: Mapping[str, Outcome]) -> None:
        """What one round has read counts in every other that read the same before and is not judged yet."""
        for round_ in self._rounds.values():
            for fact in round_.seen.keys() & answers.keys() if round_.closing is None else ():
                if answers[fact].error is None and answers[fact].at > round_.seen[fact].at:
                    round_.seen[fact] = answers[fact]

    def _expire(self, ticket: int, round_: _Round) -> None:
        """Nobody waits any longer: what was not answered is an error."""
        for subject, named in list(round_.awaited.items()):
            self._silent.add(subject)
            words = f"no answer from {_spoken(subject)} within {self.rules.wait:g} s"
            error = DeviceFailed(words, "it hangs, or has much to do")
            outcome = Outcome(error=error, at=self._tools.now())
            self._collect(_Report(ticket, subject, named, [outcome] * len(named)))

    def _go_on(self, ticket: int) -> None:
        """All has been read: close, when it is a repair. All has been closed: write down what came of it."""
        round_ = self._rounds.pop(ticket)
        if round_.closing is None:
            round_.pool = audits.judge_pool(self._store, round_.expected, round_.seen)
            strangers = dict(self._idle_strangers(round_))
            self._mark({**round_.pool, **strangers}, round_)
            round_.closing = list(self._close(round_, strangers)) if round_.repairing else []
            orders: dict[str, list[Order]] = {}
            for one in round_.closing:
                orders.setdefault(one.subject, []).append(one.order)
            if orders:
                self._send(round_, {s: (_facts(some), partial(Errand, some)) for s, some in orders.items()})
                return
        self._settle(round_)

    def _close(self, round_: _Round, strangers: Iterable[str]) -> Iterator[Closing]:
        for name, group in self._groups(round_):
            found = audits.judge(self._store, group, round_.expected.groups[name], round_.seen)
            yield from closing.of_group(self._store, name, found, round_.seen)
        yield from closing.of_strangers(self._store, strangers)
        yield from closing.of_pool(self._store, round_.expected, round_.pool, round_.seen)

    def _idle_strangers(self, round_: _Round) -> Iterator[tuple[str, Record]]:
        """For a group alone: ports on its VLANs that serve nobody, as facts, each with its difference.

        In a wider scope these are things of the pool. What was never reset or adopted is nobody's to touch.
        """
        for name, group in self._groups(round_) if round_.scope.group else ():
            found = audits.judge(self._store, group, round_.expected.groups[name], round_.seen)
            for switch, port, vlan in found.strangers:
                record = self._store.get(port_key(switch, port))
                if audits.is_idle(self._store, record) and record and is_known(record):
                    yield facts.name("port", switch, port), audits.stranger(switch, port, vlan)

    def _groups(self, round_: _Round) -> Iterator[tuple[str, Record]]:
        """The groups that are still there."""
        for name in round_.expected.groups:
            group = self._store.get(record_key("group", name))
            if group is not None:
                yield name, group

    # ---- what is written down

    def _mark(self, found: Mapping[str, Record | None], round_: _Round) -> None:
        """Mark what differs of the pool, and switches that could not be read, as far as that is news."""
        now = self._tools.now()
        unlike = [fact for fact, one in round_.seen.items() if drift.is_new_sight(self._store, fact, one)]
        for some in portions(unlike):
            ones = {fact: round_.seen[fact] for fact in some}
            self._store.transact(partial(drift.sighted, seen=ones, now=now))
        news = [fact for fact, difference in found.items() if drift.is_news(self._store, fact, difference)]
        for some in portions(news):
            marks = {fact: found[fact] for fact in some}
            self._store.transact(partial(drift.mark, found=marks, seen=round_.seen, now=now))
        for name, error in round_.unread().items():
            switch = self._store.get(record_key("switch", name))
            if switch is not None and switch["_error"] != error:
                self._store.transact(partial(drift.unreadable, switch=name, error=error, now=now))

    def _settle(self, round_: _Round) -> None:
        """Write the result down, let the groups mend themselves, end the job or wait for theirs."""
        now = self._tools.now()
        done = round_.put_right()
        for some in portions(sorted(done)):
            ones = {fact: done[fact] for fact in some}
            self._store.transact(partial(drift.mended, done=ones, now=now))
        counts, children = self._settle_groups(round_, now)
        if round_.scope.group is None and round_.scope.port is None:
            at = round_.at if round_.scope.whole else None
            read = partial(sights.patrolled, read=round_.read_at(), now=now, at=at)
            self._store.transact(read)
        if round_.scope.whole:
            drifted = sum(map(bool, counts.values()))
            log.info("everything audited", extra={"groups": len(counts), "drifted": drifted})
        if round_.job is not None and round_.scope.group is None:
            self._end(round_, round_.job, counts, children)
        del self._busy[round_.scope]
        for number in self._waiting.pop(round_.scope, []):
            self._begin(number)

    def _settle_groups(self, round_: _Round, now: float) -> tuple[dict[str, int], list[int]]:
        """How much differs, by group; and the jobs that mend it."""
        counts: dict[str, int] = {}
        children: list[int] = []
        closed = round_.went_well() | round_.put_right().keys()
        alone = round_.job if round_.scope.group else None
        for name, wanted in round_.expected.groups.items():
            group = self._store.get(record_key("group", name))
            if alone is not None and group and group["destroying"] and self._left_to(alone, round_):
                continue
            found = audits.judge(self._store, group, wanted, round_.seen) if group else audits.NOTHING
            left = audits.left_alone(self._store, found)
            round_.left += [_open_beside(name, *one) for one in left]
            findings = recording.Findings(
                round_.at,
                found.differences,
                found.differing,
                round_.scope.covers,
                round_.repairing,
                job=alone,
                parent=None if alone else round_.job,
                stuck=name in round_.expected.stuck,
                closed=closed,
                read=round_.read_at() if alone else {},
                answered={fact: round_.seen[fact].at for fact in found.differing},
                unverified=sorted({f"{switch} {port}" for switch, port, _ in left}),
            )
            counts[name] = len(found.differences)
            if group is not None and not recording.is_news(group, findings):
                continue
            number = self._store.transact(partial(recording.audited, name=name, findings=findings, now=now))
            if number is not None:
                children.append(number)
                self._tools.send(f"group:{name}", Wake())
        return counts, children

    def _left_to(self, number: int, round_: _Round) -> bool:
        """Whether the group's repair waits for its end, which is under way and nobody's to take over."""
        name = str(round_.scope.group)
        under_way = self._families.follow(number, name, round_.scope) if round_.repairing else None
        if under_way is None:
            return False
        self._families.begin(number, round_.scope, {under_way})
        self._tools.send(f"group:{name}", Wake(urgent=True))
        return True

    def _end(self, round_: _Round, number: int, counts: Mapping[str, int], children: Sequence[int]) -> None:
        """End a job of more than one group, or let it wait for what it gave out, now or before a restart."""
        pool = [*filter(None, round_.pool.values()), *filter(None, round_.unread().values())]
        result = {
            "differences": sum(counts.values()) + len(pool),
            "groups": [name for name, count in counts.items() if count],
        }
        waited, failures = set(children), list[str]()
        if round_.repairing:
            self._follow(round_, number)
            result["unverified"] = audits.unverified(self._store, round_.scope)
            waited |= set(drift.children(self._store, number))
            failures = round_.failures()
        total = round_.done + len(waited)
        self._advance(number, total=total, done=round_.done, step="", result=result)
        self._families.begin(number, round_.scope, waited, round_.done, failures)
        self._families.end()

    def _follow(self, round_: _Round, number: int) -> None:
        """What groups' workers were at already is waited for, too: it may be another repair's."""
        for name, group in self._groups(round_):
            if not group["destroying"] and audits.undone(self._store, group, round_.scope):
                self._families.follow(number, name, round_.scope)
                self._tools.send(f"group:{name}", Wake(urgent=True))


def _facts(orders: Iterable[Order]) -> list[str]:
    return [order.fact for order in orders]


def _open_beside(group: str, switch: str, port: str, vlan: int) -> str:
    return f"port {port} of switch {switch} is unverified and on VLAN {vlan} of group {group}: ResetPorts it"


def _spoken(subject: str) -> str:
    """A subject in words, as "switch sw0"."""
    return subject.replace(":", " ").strip()
