"""The worker of all slivers: brings their accounts and guests to what their records mean.

The handler of "slivers:". One for all: it decides and writes, and waits for nobody. Guests are made by the
hand behind "guests:" and accounts by "accounts:", which take their time one after another, and answer into
its queue. What it knows beside the records is which orders are under way and what is tried again when. A wish
is a record, so none is lost, and a newer one overtakes: an order that waits is moot when its sliver is
meant otherwise by then. Before an order goes, `_made` is emptied: a daemon that is killed meanwhile orders
again. An unforeseen error at one sliver gives that one a pause and lets the others go on. It has helpers: for
accounts, to watch guests, and the book in which all of them write.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import (
    delivery,
    departures,
    facts,
    guestwork,
    loans,
    people,
    reservations,
    slicegroups,
    slivermarks,
    slivers,
)
from nm.calls import Call
from nm.converge import Tools
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome, Value
from nm.records import Record, record_key
from nm.slices import CONTROLLER_TYPE
from nm.sliveraccounts import SliverAccounts
from nm.sliverbook import SliverBook
from nm.slivers import Meaning
from nm.sliverwatch import SliverWatch
from nm.store import Reader
from nm.workers import Errand

log = logging.getLogger("nm.sliverwork")

SUBJECT = "slivers:"
LONGEST_NAP = 60.0  # seconds: how soon a clock that was set is noticed


@dataclass(frozen=True)
class Wake:
    """Look at these slivers, None: at all. `urgent`: somebody has asked, so no pause counts."""

    names: tuple[str, ...] | None = None
    urgent: bool = False


@dataclass(frozen=True)
class AccountChanged:
    """The record of that Unix account has changed, or is gone."""

    account: str


@dataclass(frozen=True)
class _Answer:
    """The hand has answered an order."""

    name: str
    value: Value | None
    outcome: Outcome


@dataclass(frozen=True)
class _Seen:
    """What a look at the guests has found."""

    found: guestwork.Found


@dataclass(frozen=True)
class Manner:
    """How slivers are seen to here. What may change while the daemon runs is asked for anew each time."""

    host: slivers.Host
    look: Callable[[], float]  # seconds between two looks at guests
    call: Callable[[], Call]  # as whom accounts are enrolled
    waits: Callable[[Reader, str], bool]  # whether a sliver's turn to be started is still to come
    grace: Callable[[], float]  # seconds for which one that is over is only stopped
    doubted: Callable[[], bool] = lambda: False  # whether the clock is not believed: then nothing is deleted
    looked: Callable[[], None] = lambda: None  # hears when it is written down which guests run


@dataclass
class _Task:
    """A sliver that there may be something to do about."""

    name: str
    sent: bool = False  # an order is under way
    tries: int = 0
    at: float = 0.0  # not before, by Tools.up, unless it is meant otherwise by then
    tried: Value | None = None  # what it was meant to be when it was given that pause


class SliversWorker:
    """Called by the slivers' thread only."""

    def __init__(self, tools: Tools, manner: Manner) -> None:
        self._tools = tools
        self._store = tools.store
        self._manner = manner
        self._book = SliverBook(tools)
        self._accounts = SliverAccounts(tools, manner.host, manner.call)
        report = lambda found: tools.send(SUBJECT, _Seen(found))  # noqa: E731
        self._watch = SliverWatch(tools, self._book, manner.host, manner.look, report)
        self._tasks: dict[str, _Task] = {}
        self._groups: dict[str, float] = {}  # sliver -> when to look at its slice's group again, by Tools.up
        self._ends: dict[str, float] = {}  # sliver -> when what it has here is deleted
        self._errands: list[tuple[_Task, Errand]] = []  # to be sent when what was written is durable
        self._woken: set[str] = set()  # slivers of which something was heard
        self._at_hand: list[_Task] = []
        self._current: _Task | None = None
        self._change_at: float | None = None  # when a reservation begins or ends

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Take in what came, do what is due, say when to look again."""
        for item in batch:
            self._take(item)
        self._flush()
        if any(isinstance(item, _Seen) and not isinstance(item.found, NMError) for item in batch):
            self._manner.looked()
        self._wake_by_the_clock()
        woken, self._woken = self._woken, set()
        self._at_hand = [task for name, task in self._tasks.items() if self._is_at_hand(task, name in woken)]
        for task in self._at_hand:
            self._try(task)
        self._flush()
        self._watch.look()
        return self._pause()

    def _is_at_hand(self, task: _Task, woken: bool) -> bool:
        """Nothing is computed for those who only wait, so that they cost nothing however many they are."""
        if task.at <= self._tools.up():
            return woken or not task.sent
        if not woken:
            return False
        record = self._store.get(record_key("sliver", task.name))
        return record is None or self._meant(record).value != task.tried

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Whose fault it is has a pause that grows; what was not written down of the others is done anew."""
        for task, _ in self._errands:
            task.sent = False
        self._errands = []
        self._book.drop()
        self._watch.lost()
        self._woken |= {task.name for task in self._at_hand}
        for item in batch:
            if isinstance(item, _Answer):
                self._task(item.name).sent = False
        for task in self._at_hand:
            self._tasks.setdefault(task.name, task)
        if self._current is not None:
            self._later(self._current)
        self._current = None

    def close(self) -> None:
        """Nothing to let go of."""

    @property
    def depth(self) -> int:
        """How many slivers there is something to do about."""
        return len(self._tasks)

    # ---- what came

    def _take(self, item: Any) -> None:
        if isinstance(item, Wake):
            self._wake(item)
        elif isinstance(item, AccountChanged):
            name = self._accounts.sliver_of(item.account)
            if name is not None:
                self._wake(Wake((name,), urgent=True))  # it may have waited for just that
        elif isinstance(item, _Answer):
            self._answered(item)
        elif isinstance(item, _Seen):
            self._saw(item.found)

    def _wake(self, wake: Wake) -> None:
        names: Iterable[str] | None = wake.names
        if names is None:
            names = [str(record["name"]) for record in self._store.range("sliver")]
            while self._store.transact(loans.settle):
                pass
        for name in names:
            task = self._task(name)
            if wake.urgent:
                task.at, task.tries = 0.0, 0

    def _task(self, name: str) -> _Task:
        self._woken.add(name)
        return self._tasks.setdefault(name, _Task(name))

    def _answered(self, answer: _Answer) -> None:
        """Write down what was read back, or why it could not be made."""
        task, outcome = self._task(answer.name), answer.outcome
        task.sent = False
        if outcome.moot:
            task.at = 0.0
        elif outcome.error is not None:
            self._fail(task, outcome.error)
        else:
            error = (people.sliver_account(self._store, answer.name) or {}).get("error")
            self._book.note(
                answer.name, _made=outcome.seen, _state=slivers.state_in(outcome.seen), _error=error
            )
            if outcome.seen == answer.value:
                task.tries, task.at = 0, 0.0
            elif slivers.is_ahead(outcome.seen, answer.value):
                log.warning("a guest is of a later life than its record", extra={"sliver": answer.name})
                self._book.note(answer.name, _life=(outcome.seen or {})["life"])
                task.at = 0.0
            else:
                how = slivers.difference(answer.value, outcome.seen)
                why = f"it was read back otherwise than it was made: {how}"
                self._fail(task, DeviceFailed(why, "it is tried again"))

    def _saw(self, found: guestwork.Found) -> None:
        """What differs is made again, after a pause."""
        busy = {name for name, task in self._tasks.items() if task.sent}
        for finding in self._watch.saw(found, busy):
            task = self._task(str(finding.record["name"]))
            if finding.pause is not None:
                self._rest(task, finding.record, finding.pause)

    def _wake_by_the_clock(self) -> None:
        """Those whose grace is over, and after a change of the reservations all."""
        now = self._tools.now()
        for name in [name for name, end in self._ends.items() if end <= now]:
            if not self._manner.doubted():
                del self._ends[name]
                self._task(name)
        for name in [name for name, again in self._groups.items() if again <= self._tools.up()]:
            self._task(name)
        if self._change_at is not None and self._change_at <= now:
            self._wake(Wake())
        policy = delivery.section(self._store, "reservation_policy")
        leases = delivery.section(self._store, "leases") if policy in reservations.POLICIES else None
        self._change_at = reservations.next_change(reservations.read_leases(leases), now)

    # ---- one sliver

    def _try(self, task: _Task) -> None:
        self._current = task
        try:
            rests = self._step(task)
        except NMError as error:
            self._fail(task, error)
            rests = False
        if rests and not task.sent:
            self._tasks.pop(task.name, None)
        self._current = None

    def _step(self, task: _Task) -> bool:
        """Do what is next. True when there is nothing to do before something else happens."""
        record = self._store.get(record_key("sliver", task.name))
        if record is None:
            self._accounts.forget(task.name)
            self._watch.forget(task.name)
            return True
        meaning = self._meant(record)
        resting = self._is_resting(record, meaning)
        self._book.note(
            task.name,
            _why=slivers.TURN if resting else meaning.why,
            _note=meaning.note,
            _unenforced={**slivers.unenforced(self._store, record), **self._watch.notes(task.name)},
            **({"_error": meaning.fault} if meaning.fault else {}),
        )
        self._keep_group(record)
        if self._is_left_alone(record):
            return True
        may_go_on = self._accounts.see_to(record, meaning.door)
        if not may_go_on:
            self._rest(task, record, self._tools.patience.longest_pause)
        meaning = self._meant(record)  # by which account it is entered is part of what it is told
        if task.sent or resting:
            return True
        if meaning.fault is not None:
            self._book.advance(record, state="failed", error=_told(DeviceFailed(meaning.fault)))
            return True
        if slivers.is_unmade(record, meaning):
            return self._order(task, record, meaning) if may_go_on else False
        return self._finish(task, record, meaning)

    def _meant(self, record: Record) -> Meaning:
        now, name = self._tools.now(), str(record["name"])
        if slivers.is_unwanted(record) != bool(record.get("_unwanted")):
            until = int(now + self._manner.grace()) if slivers.is_unwanted(record) else None
            self._book.note(name, _unwanted=until)
        end = slivers.end_of(record)
        if end is not None:
            self._ends[name] = end
        else:
            self._ends.pop(name, None)
        return slivers.meant(self._store, record, self._manner.host, now, self._is_due(record))

    def _is_left_alone(self, record: Record) -> bool:
        """Where no guests are made: the next configuration may name a libvirt again.

        One that has none here is forgotten all the same when it is to go.
        """
        if self._manner.host.type is not None:
            return False
        waits = record["type"] != CONTROLLER_TYPE and not self._is_due(record)
        return slivers.has_guest(record) or waits

    def _is_due(self, record: Record) -> bool:
        """Whether what it has here is to be deleted, if the clock is believed."""
        end = slivers.end_of(record)
        return end is not None and end <= self._tools.now() and not self._manner.doubted()

    def _is_resting(self, record: Record, meaning: Meaning) -> bool:
        """Whether it would be started, and has not had its turn."""
        starts = meaning.value is not None and meaning.value["running"]
        idle = slivers.state_of(record) != slivers.RUNNING
        return bool(starts and idle and self._manner.waits(self._store, str(record["name"])))

    def _order(self, task: _Task, record: Record, meaning: Meaning) -> bool:
        """Let the hand make the guest what it is to be."""
        if meaning.value is not None and not slivers.has_guest(record):
            key, now = record["record_key"], self._tools.now()
            self._book.write(partial(slivermarks.allot_to, key=key, now=now))
            return False  # the number is part of what it is to be: look at it again
        name, value, old = task.name, meaning.value, record.get("_made")
        task.sent = True
        self._book.note(name, _made=None, _image=slivers.choice(record, meaning))
        self._book.advance(record, state="running", total=1, step=slivers.step_of(value))
        order = Order(facts.name("sliver", name), value, old, partial(self._is_moot, name, value))
        self._errands.append((task, Errand([order], partial(self._reply, name, value))))
        return True

    def _reply(self, name: str, value: Value | None, outcomes: list[Outcome]) -> None:
        self._tools.send(SUBJECT, _Answer(name, value, outcomes[0]))

    def _is_moot(self, name: str, value: Value | None) -> bool:
        """Whether the sliver is meant otherwise by now; asked by the hand, in its own thread."""
        record = self._store.get(record_key("sliver", name))
        if record is None:
            return False
        now, due = self._tools.now(), self._is_due(record)
        return slivers.meant(self._store, record, self._manner.host, now, due).value != value

    def _finish(self, task: _Task, record: Record, meaning: Meaning) -> bool:
        """Its guest is as meant. What is left: its account, the end of its record, its job."""
        name, account = str(record["name"]), people.sliver_account(self._store, record["name"])
        if account is not None and account["error"] is not None:
            self._give_account_time(task, record, account["error"])
            return False
        if account is not None and (account["destroying"] or not account["_made"]):
            return True  # its worker is at it
        self._book.note(name, _error=None, _image=slivers.choice(record, meaning) or record.get("_image"))
        result = slivers.without_nil({"state": slivers.state_of(record), "why": meaning.why})
        self._book.advance(record, state="done", done=1, result=result)
        if self._is_due(record) and record.get("_gone"):
            self._book.write(partial(departures.forget, key=record["record_key"], now=self._tools.now()))
            self._flush()
            while self._store.transact(loans.settle):
                pass
        return True

    def _keep_group(self, record: Record) -> None:
        """Have the slice's group as its source says; what is not to be had yet is tried again."""
        name = str(record["name"])
        group = self._store.get(record_key("group", name))
        mine = group is not None and group.get("slice") == name and not group["destroying"]
        self._groups.pop(name, None)
        if not (mine or record["vlan"] is not None or record["nodes"]):
            return
        if departures.is_due(record, self._tools.now()) and self._manner.doubted():
            return
        keep = partial(slicegroups.keep_group, call=self._manner.call(), record=record)
        problems = self._store.transact(keep)
        self._book.note(name, _group=problems)
        if problems:
            self._groups[name] = self._tools.up() + self._tools.patience.longest_pause

    def _give_account_time(self, task: _Task, record: Record, error: str) -> None:
        """Its own worker tries again; here it is looked at now and then, for the job's sake."""
        if self._book.is_late(record):
            self._book.advance(record, state="failed", error=_told(DeviceFailed(error)))
        else:
            self._book.advance(record, step=f"to be tried again: its account: {error}"[:500])
        self._rest(task, record, self._tools.patience.longest_pause)

    def _pause(self) -> float | None:
        """When to be called again; None when there is nothing to do and nothing to look at."""
        up, now = self._tools.up(), self._tools.now()
        times = [task.at - up for task in self._tasks.values() if not task.sent]
        times += [again - up for again in self._groups.values()]
        if (look := self._watch.next_look) is not None:
            times.append(look - up)
        clock = [self._change_at] if self._change_at is not None else []
        if self._ends:
            soonest = min(self._ends.values())
            clock.append(soonest if soonest > now else now + LONGEST_NAP)  # the clock is not believed
        times += [min(max(end - now, 0.05), LONGEST_NAP) for end in clock]
        return max(min(times), 0.01) if times else None

    # ---- failures, and what is written

    def _fail(self, task: _Task, error: NMError) -> None:
        """Tell of it, and try again later: what does not pass may be mended by somebody all the same."""
        self._later(task)
        record = self._store.get(record_key("sliver", task.name))
        if record is None:
            return
        self._book.note(task.name, _error=str(error))
        passing = isinstance(error, DeviceFailed) and error.passing
        if passing and not self._book.is_late(record):
            self._book.advance(record, step=f"to be tried again: {error}"[:500])
        else:
            self._book.advance(record, state="failed", error=_told(error))

    def _later(self, task: _Task) -> None:
        patience = self._tools.patience
        pause = min(patience.first_pause * 2.0**task.tries, patience.longest_pause)
        record = self._store.get(record_key("sliver", task.name))
        task.tries, task.sent = min(task.tries + 1, 60), False
        self._tasks[task.name] = task
        self._rest(task, record, pause)

    def _rest(self, task: _Task, record: Record | None, pause: float) -> None:
        """Leave the sliver alone for so long, unless it is meant otherwise before."""
        task.at = self._tools.up() + pause
        task.tried = None if record is None else self._meant(record).value

    def _flush(self) -> None:
        self._book.flush()
        while self._errands:
            self._tools.send(guestwork.SUBJECT, self._errands[0][1])
            del self._errands[0]


def _told(error: NMError) -> Mapping[str, Any]:
    return {"code": error.code, "text": str(error)}
