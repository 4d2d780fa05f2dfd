"""The worker of a described pool: leads it through its life, whatever comes in between.

The handler of "pool:NAME". It is driven by what comes into its queue: jobs, answers of hands, looks at
hosts. Each event goes through nm/pools/lifecycle.py; what follows is written down before any order of it goes
out, so after a crash "resumed" gives the orders again that were not answered. Orders go to the workers that
nm/poolcarriers.py names, mostly the hosts' own ("domains:HOST"), so hosts work beside each other; what needs
none is done at once. What passes (a libvirtd that is just being restarted) is tried again for as long as jobs
are; a taking down for ever.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nm import jobs
from nm.converge import Tools
from nm.errors import Conflict, DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.poolbook import Book, Finish, open_book
from nm.poolcarriers import CARRIERS, NOT_YET
from nm.pools import keeping, lifecycle
from nm.pools.kinds import KINDS
from nm.pools.life import STAGES, Entry, standing
from nm.pools.life import Order as Wanted
from nm.pools.lifecycle import Event
from nm.pools.plan import Step, plan, step_id
from nm.pools.tree import ROOT, Path, Tree, spell
from nm.poolwatch import PoolWatch
from nm.records import Record, changed
from nm.store import Transaction
from nm.workers import Errand

log = logging.getLogger("nm.poolwork")

HEAVY = 60  # records that are written before anything else is thought about
UNPREPARED = "prepare "  # how the words begin by which updating.py says that nothing has changed
MAKING = ("apply", "update", "set")


@dataclass(frozen=True)
class Wake:
    """There may be something to do, or to watch."""


@dataclass(frozen=True)
class _Answer:
    """A hand has answered an order."""

    sent: "_Sent"
    outcome: Outcome


@dataclass
class _Sent:
    """An order that is under way, or waits to be tried again. Only the newest one for a part counts."""

    wanted: Wanted
    begun: float  # by Tools.up
    unwanted: bool = False  # its part goes: whoever is at it may end it
    tries: int = 0
    again: float | None = None  # when, by Tools.up; None: it is under way
    error: str = ""


class PoolWorker:
    """Called by the pool's thread only."""

    def __init__(self, name: str, tools: Tools) -> None:
        self._name, self._tools, self._store = name, tools, tools.store
        self._book: Book | None = None
        self._sent: dict[Path, _Sent] = {}
        self._watch = PoolWatch(tools, name)
        self._begins: int | None = None  # the job that is begun with what is written next
        self._wake: float | None = None  # when time matters next, since 1970

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Take in what came, do what is due, say when to look again."""
        events: deque[Event] = deque()
        book = self._book
        if book is None:
            book = self._book = open_book(self._store, self._name, self._tools.now)
            events.append(Event("resumed"))
        if book is None:
            return None
        events.extend(event for item in batch for event in self._heard(book, item))
        events.extend(self._job(book))
        events.extend(self._due(book))
        if not self._live(book, events):
            self._forget()  # it is gone
            return None
        self._watch.look(book)
        return self._pause()

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Begin from the records the next time; answers that were lost are asked for again."""
        self._forget()

    def close(self) -> None:
        """It is opened anew when there is something to do."""
        self._forget()

    def _forget(self) -> None:
        self._book, self._sent, self._wake, self._begins = None, {}, None, None
        self._watch.forget()

    # ---- what came

    def _heard(self, book: Book, item: Any) -> list[Event]:
        if isinstance(item, _Answer):
            return self._answered(book, item)
        return self._watch.heard(book, item)

    def _answered(self, book: Book, answer: _Answer) -> list[Event]:
        sent, error = answer.sent, answer.outcome.error
        path, what = sent.wanted.path, sent.wanted.what
        if self._sent.get(path) is not sent:
            return []  # it was ordered anew since
        goes = bool(book.state.get(path, {}).get("going"))
        if error is not None and self._patient(sent, error, goes):
            sent.again = self._tools.up() + self._growing(sent)
            sent.tries, sent.error = sent.tries + 1, str(error)
            return [Event("failed", path, what, words=str(error))] if goes else []
        del self._sent[path]
        if error is not None:
            return [Event("failed", path, what, words=str(error))]
        book.done(path, what)
        return [Event("done", path, what)]

    def _patient(self, sent: _Sent, error: NMError, goes: bool) -> bool:
        """Whether it is tried again: what has to go, always; else what may pass, for a time."""
        if goes:
            return sent.wanted.what == "terminate"
        late = self._tools.up() - sent.begun > self._tools.patience.deadline
        return isinstance(error, DeviceFailed) and error.passing and not late

    def _growing(self, sent: _Sent) -> float:
        patience = self._tools.patience
        return min(patience.first_pause * 2.0 ** min(sent.tries, 60), patience.longest_pause)

    def _due(self, book: Book) -> list[Event]:
        """What is tried again, or not any more; and the time itself."""
        found = []
        for path, sent in list(self._sent.items()):
            what = sent.wanted.what
            if sent.again is None:
                continue
            if what != "terminate" and book.state.get(path, {}).get("going"):
                del self._sent[path]
                found.append(Event("failed", path, what, words=sent.error))
            elif sent.again <= self._tools.up():
                sent.again = None
                self._send(book, sent)
        if self._wake is not None and self._wake <= self._tools.now():
            found.append(Event("time"))
        return found

    # ---- jobs

    def _job(self, book: Book) -> list[Event]:
        """A job that waits is begun."""
        pool = keeping.find(self._store, self._name)
        job = keeping.busy(self._store, pool) if pool is not None else None
        if pool is None or job is None or job["state"] != "queued":
            return []
        try:
            events = self._begun(book, pool, job)
        except NMError as error:
            self._give_up(book, pool, job, error)
            return []
        self._begins = int(job["id"])
        return events

    def _begun(self, book: Book, pool: Record, job: Record) -> list[Event]:
        if job["kind"] == "terminate":
            return [Event("terminate", words="it was asked for")]
        known = book.target if book.pool is pool else None
        target = known if known is not None else keeping.target_parts(self._store, pool)
        book.pool = pool
        if job["kind"] == "apply":
            book.begin(target, anew=True)
            return [Event("deploy")]
        if (now_is := standing(book.state)) != "running":
            raise Conflict(f"the pool is {now_is}", "terminate it, or apply its description anew")
        reference = bool(pool["options"].get("reference"))
        standings = book.standings()
        if job["kind"] == "set":
            steps: Sequence[Step] = _in_place(tuple(job["arguments"]["path"]))
        else:
            steps = plan(Tree(target), standings, reference=reference).steps
        book.begin(target, anew=False)
        return [Event("update", steps=steps)]

    def _give_up(self, book: Book, pool: Record, job: Record, error: NMError) -> None:
        """A job that could not even begin."""
        log.error("a pool's job", extra={"pool": self._name, "why": str(error)})

        def write(tx: Transaction, record: Record, now: float) -> None:
            if pool["before"] is None:
                keeping.reached(tx, record, now, "failed", str(error))
            else:
                keeping.given_up(tx, record, now, str(error))
            _over(tx, job["id"], now, str(error))

        book.write(write)

    # ---- what follows

    def _live(self, book: Book, events: deque[Event]) -> bool:
        """Let all that has come have its consequences, then write them, then send the orders.

        False when the pool is gone.
        """
        orders: list[Wanted] = []
        while events:
            event = events.popleft()
            outcome = lifecycle.happened(book.tree, book.state, event, self._tools.now())
            book.take(outcome)
            self._wake = outcome.wake
            self._call_off(outcome.changes)
            for order in outcome.orders:
                if order.what == "construct" and event.name != "resumed":
                    book.born(order.path)
                elif order.what == "deploy" and book.tree.parts[order.path].kind == "Script":
                    book.to_deploy(order.path)
                answer = self._at_once(book, order)
                if answer is None:
                    orders.append(order)
                else:
                    events.append(answer)
            if book.weight >= HEAVY and events:
                self._put(book, _nothing)
        if not self._write(book):
            return False
        for order in orders:
            if book.state.get(order.path, {}).get("doing") == order.what:
                sent = self._sent[order.path] = _Sent(order, self._tools.up())
                self._send(book, sent)
        return True

    def _call_off(self, changes: Mapping[Path, Entry]) -> None:
        """What is just being made, and goes, is not wanted any more; whether that is ended is the hand's."""
        for path, entry in changes.items():
            if entry.get("going") and (sent := self._sent.get(path)) is not None:
                sent.unwanted = sent.wanted.what in STAGES

    def _at_once(self, book: Book, order: Wanted) -> Event | None:
        """The answer to an order for something that needs nobody (see nm/poolcarriers.py)."""
        part = book.part(order.path, order.what)
        if part.kind in CARRIERS:
            return None
        if part.kind in NOT_YET and order.what in ("construct", "prepare"):
            words = f"nm makes no {KINDS[part.kind].name} by descriptions yet"
            return Event("failed", order.path, order.what, words=words)
        book.done(order.path, order.what)
        return Event("done", order.path, order.what)

    def _send(self, book: Book, sent: _Sent) -> None:
        """To the worker that carries out orders for the part."""
        wanted = sent.wanted
        part = book.part(wanted.path, wanted.what)
        reply = partial(self._reply, sent)
        try:
            subject = CARRIERS[part.kind](self._store, self._name, part)
        except NMError as error:
            reply([Outcome(error=error)])
            return
        job = keeping.busy(self._store, book.pool)
        gentle = job is not None and job["kind"] == "set"
        brief = replace(book.brief(part), gentle=gentle)
        stale = lambda: self._sent.get(wanted.path) is not sent  # noqa: E731
        value = {"what": wanted.what, "brief": brief, "unwanted": lambda: sent.unwanted}
        order = Order(brief.fact, value, moot=stale)
        self._tools.send(subject, Errand([order], reply))

    def _reply(self, sent: _Sent, outcomes: list[Outcome]) -> None:
        self._tools.send(keeping.subject(self._name), _Answer(sent, outcomes[0]))

    # ---- what is written with it

    def _write(self, book: Book) -> bool:
        """Write what has changed, and how it stands now. False when the pool is gone."""
        pool = keeping.find(self._store, self._name)
        job = keeping.busy(self._store, pool) if pool is not None else None
        now_is, root = standing(book.state), book.state.get(ROOT, {})
        if pool is None:
            return False
        if job is not None and (job["state"] != "queued" or job["id"] == self._begins):
            if job["kind"] == "terminate" and now_is in keeping.GONE:
                book.delete(lambda tx, now: _over(tx, job["id"], now, None))
                return False
            if job["kind"] in MAKING and _is_over(book, now_is):
                return self._conclude(book, pool, job, now_is)
        shown = _shown(pool, job, now_is)
        if not book.weight and pool["state"] == shown and self._begins is None:
            return True
        return self._put(book, partial(_stands, shown=shown, words=root.get("words")))

    def _put(self, book: Book, finish: Finish) -> bool:
        """Write what has changed; and with it that a job was begun."""
        begins = self._begins

        def write(tx: Transaction, pool: Record, now: float) -> None:
            if begins is not None:
                jobs.advance(tx, begins, now, state="running")
            finish(tx, pool, now)

        there = book.write(write)
        self._begins = None
        return there

    def _conclude(self, book: Book, pool: Record, job: Record, now_is: str) -> bool:
        """The end of a job that makes something, good or bad."""
        root = book.state.get(ROOT, {})
        words = root.get("abandoned") if now_is == "running" else root.get("words")
        if now_is == "running" and words is None:
            words = _failures(book)
        if now_is == "running" and str(words or "").startswith(UNPREPARED) and pool["before"] is not None:
            book.settle(keeping.target_parts(self._store, {**pool, **pool["before"]}))
            end: Finish = partial(_given_up, words=str(words))
        else:
            if now_is == "running" and words is None and book.target is not None:
                book.settle(book.target)
            error = None if now_is == "ended" else words or (now_is == "failed" and "it failed") or None
            end = partial(_reached, state=now_is, error=error)

        def write(tx: Transaction, record: Record, now: float) -> None:
            if record["job"] == job["id"]:
                end(tx, record, now)
                _over(tx, job["id"], now, None if now_is == "ended" else words)

        return self._put(book, write)

    def _pause(self) -> float | None:
        up = self._tools.up()
        waits = [sent.again - up for sent in self._sent.values() if sent.again is not None]
        if self._wake is not None:
            waits.append(self._wake - self._tools.now())
        if (look := self._watch.next_look) is not None:
            waits.append(look - up)
        if self._sent and not waits:
            waits.append(self._tools.patience.longest_pause)  # the book stays open while answers are awaited
        return max(0.0, min(waits)) if waits else None


def _is_over(book: Book, now_is: str) -> bool:
    """Whether a job that makes something is; what was given up lets go of what it prepared first."""
    abandoned = "abandoned" in book.state.get(ROOT, {})
    return now_is in ("running", *keeping.GONE) and not (
        abandoned and any("doing" in entry for entry in book.state.values())
    )


def _in_place(path: Path) -> list[Step]:
    """The steps by which an attribute is set: nothing stops for it."""
    first = Step(step_id("prepare", path), path, "prepare", 0)
    return [first, Step(step_id("change", path), path, "change", 2)]


def _failures(book: Book) -> str | None:
    """What was left out, where others are kept when one fails."""
    failed = [(path, entry) for path, entry in book.state.items() if entry.get("failed")]
    return "; ".join(f"{spell(path)}: {entry.get('words', 'it failed')}" for path, entry in failed) or None


def _shown(pool: Record, job: Record | None, now_is: str) -> str:
    """The state that the pool's record has: a job that is at it says more."""
    if job is None or now_is == "terminating":
        return now_is
    return str(pool["state"])


# ---- what is done in the transaction that writes


def _nothing(tx: Transaction, pool: Record, now: float) -> None:
    """Only what has changed of parts."""


def _stands(tx: Transaction, pool: Record, now: float, shown: str, words: str | None) -> None:
    error = words if shown in ("failed", "terminating") else pool["error"]
    if (pool["state"], pool["error"]) != (shown, error):
        tx.put(changed(pool, now, state=shown, error=error))


def _reached(tx: Transaction, pool: Record, now: float, state: str, error: str | None) -> None:
    keeping.reached(tx, pool, now, state, error)


def _given_up(tx: Transaction, pool: Record, now: float, words: str) -> None:
    keeping.given_up(tx, pool, now, words)


def _over(tx: Transaction, job: int, now: float, words: str | None) -> None:
    if words is None:
        jobs.advance(tx, job, now, state="done")
    else:
        jobs.advance(tx, job, now, state="failed", error={"code": DeviceFailed.code, "text": words})
