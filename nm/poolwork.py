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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nm import jobs, poolgroupwatch
from nm.converge import Tools
from nm.errors import Conflict, DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.hypervisor import Died
from nm.poolbook import Book, Finish, open_book
from nm.poolcarriers import CARRIERS, LET_GO, TOGETHER
from nm.poolfollow import Follower
from nm.poolprogress import Progress
from nm.pools import keeping, leftovers, lifecycle, reality
from nm.pools.following import broken
from nm.pools.kinds import DISKS, DOMAINS
from nm.pools.life import STAGES, Entry, alive, standing
from nm.pools.life import Order as Wanted
from nm.pools.lifecycle import Event
from nm.pools.places import host_of
from nm.pools.plan import Step, plan, step_id
from nm.pools.tree import ROOT, Part, Path, Tree, spell
from nm.poolwatch import PoolWatch
from nm.records import Record, changed, name_of, record_key
from nm.store import Transaction
from nm.workers import Errand

log = logging.getLogger("nm.poolwork")

HEAVY = 60  # records that are written before anything else is thought about
STARTS = 3  # times a domain may be started whose own process ends at that
UNPREPARED = "prepare "  # how the words begin by which updating.py says that nothing has changed
ASKED = "it was asked for"  # why something goes
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
    unwanted: bool = False  # whoever is at it may end it
    tries: int = 0
    again: float | None = None  # when, by Tools.up; None: it is under way
    error: str = ""

    def called_off(self) -> bool:
        """Whether its part goes."""
        return self.unwanted


class PoolWorker:
    """Called by the pool's thread only."""

    def __init__(self, name: str, tools: Tools) -> None:
        self._name, self._tools, self._store = name, tools, tools.store
        self._book: Book | None = None
        self._sent: dict[Path, _Sent] = {}
        self._watch = PoolWatch(tools, name)
        self._progress: Progress | None = None  # of the job that is at work
        self._follower = Follower(tools, name)
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
        if self._progress is None and (job := keeping.busy(self._store, book.pool)) is not None:
            self._progress = Progress.of(job)
        events.extend(event for item in batch for event in self._heard(book, item))
        events.extend(poolgroupwatch.ended(self._store, book, self._tools.now()))
        events.extend(self._due(book))
        if not self._live(book, events) or not self._live(book, deque(self._job(book))):
            self._forget()  # it is gone
            return None
        self._watch.look(book)
        self._follower.look(book)
        return self._pause(book)

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Begin from the records the next time; answers that were lost are asked for again."""
        self._forget()

    def close(self) -> None:
        """It is opened anew when there is something to do."""
        self._forget()

    def _forget(self) -> None:
        self._book, self._sent, self._wake, self._begins = None, {}, None, None
        self._progress = None
        self._watch.forget()
        self._follower.forget()

    # ---- what came

    def _heard(self, book: Book, item: Any) -> list[Event]:
        if isinstance(item, _Answer):
            return self._answered(book, item)
        self._follower.heard(item)
        return self._watch.heard(book, item)

    def _answered(self, book: Book, answer: _Answer) -> list[Event]:
        sent, error = answer.sent, answer.outcome.error
        path, what = sent.wanted.path, sent.wanted.what
        if self._sent.get(path) is not sent:
            return []  # it was ordered anew since
        goes = bool(book.state.get(path, {}).get("going"))
        if error is not None and goes and self._forgo(book, sent, str(error)):
            del self._sent[path]
            return [Event("done", path, what)]
        if error is not None and self._patient(sent, error, goes):
            sent.again = self._tools.up() + self._growing(sent)
            sent.tries, sent.error = sent.tries + 1, str(error)
            return [Event("failed", path, what, words=str(error))] if goes else []
        del self._sent[path]
        if error is not None:
            return [Event("failed", path, what, words=str(error))]
        if what in ("stop", "terminate"):
            self._follower.left(book, path)
        self._carried_out(book, path, what, str((answer.outcome.seen or {}).get("waits", "")))
        self._follower.placed(path, answer.outcome)
        return [Event("done", path, what)]

    def _forgo(self, book: Book, sent: _Sent, error: str) -> bool:
        """Whether a taking down by force goes on without this part, which is owed then."""
        path, what = sent.wanted.path, sent.wanted.what
        job = keeping.busy(self._store, book.pool)
        if what != "terminate" or not keeping.forced(job) or not self._may_forgo(book, path):
            return False
        part = book.part(path, what)
        host = host_of(self._store, part.host) if part.kind in (*DOMAINS, *DISKS) else None
        if host is not None:
            brief, name = book.brief(part, what), name_of(host["record_key"])
            now = self._tools.now()
            self._store.transact(lambda tx: leftovers.owe(tx, book.pool, brief, name, error, now))
            self._tools.send(leftovers.SUBJECT, Wake())
        return True

    def _may_forgo(self, book: Book, path: Path) -> bool:
        """Groups have ways of their own to be taken apart by force."""
        return book.part(path, "terminate").kind not in LET_GO

    def _carried_out(self, book: Book, path: Path, what: str, waits: str = "") -> None:
        book.done(path, what, waits=waits)
        if self._progress is not None:
            self._progress.one()

    def _patient(self, sent: _Sent, error: NMError, goes: bool) -> bool:
        """Whether it is tried again: what has to go, always; else what may pass, for a time."""
        if goes:
            return sent.wanted.what == "terminate"
        late = self._tools.up() - sent.begun > self._tools.patience.deadline
        dead = isinstance(error, Died) and sent.tries + 1 >= STARTS
        return isinstance(error, DeviceFailed) and error.passing and not late and not dead

    def _growing(self, sent: _Sent) -> float:
        patience = self._tools.patience
        return min(patience.first_pause * 2.0 ** min(sent.tries, 60), patience.longest_pause)

    def _due(self, book: Book) -> list[Event]:
        """What is tried again, or not any more; and the time itself."""
        found = []
        for path, sent in list(self._sent.items()):
            what = sent.wanted.what
            if sent.again is not None and self._forgo(book, sent, sent.error):
                del self._sent[path]
                found.append(Event("done", path, what))
            elif self._is_let_go(book, sent):
                del self._sent[path]
                found.append(Event("failed", path, what, words=sent.error))
            elif sent.again is not None and sent.again <= self._tools.up():
                sent.again = None
                self._send(book, [sent])
        if self._wake is not None and self._wake <= self._tools.now():
            found.append(Event("time"))
        return found

    def _is_let_go(self, book: Book, sent: _Sent) -> bool:
        """Whether nobody wants it any more, and it is not just being done by a hand."""
        path, what = sent.wanted.path, sent.wanted.what
        if what == "terminate" or not book.state.get(path, {}).get("going"):
            return False
        return sent.again is not None or book.part(path, what).kind in LET_GO

    # ---- jobs

    def _job(self, book: Book) -> list[Event]:
        """A job that waits is begun."""
        pool = keeping.find(self._store, self._name)
        job = keeping.busy(self._store, pool) if pool is not None else None
        if pool is None or job is None or job["state"] != "queued":
            return []
        if job["kind"] in ("update", "set") and any("doing" in entry for entry in book.state.values()):
            return []  # what combinators make, or what has ended, is done first; its answers come here
        try:
            events = self._begun(book, pool, job)
        except NMError as error:
            self._give_up(book, pool, job, error)
            return []
        self._begins = int(job["id"])
        self._progress = Progress.begun(self._begins, events, book.tree, book.state)
        return events

    def _begun(self, book: Book, pool: Record, job: Record) -> list[Event]:
        if job["kind"] == "terminate":
            return [Event("terminate", words=ASKED)]
        if job["kind"] == "end":
            asked = job["arguments"]
            return [Event("terminate", tuple(asked["path"]), words=ASKED, alone=asked["detach"])]
        known = book.target if book.pool is pool else None
        target = known if known is not None else keeping.target_parts(self._store, pool)
        book.pool = pool
        if job["kind"] == "apply":
            book.begin(target, anew=True)
            return [Event("deploy")]
        if (now_is := standing(book.state)) != "running":
            raise Conflict(f"the pool is {now_is}", "terminate it, or apply its description anew")
        reference = bool(pool["options"].get("reference"))
        standings = reality.seen(self._store, self._name, book.standings())
        if job["kind"] == "set":
            _check_assertions(target)
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
        going = [order for order in orders if book.state.get(order.path, {}).get("doing") == order.what]
        sent = {order.path: _Sent(order, self._tools.up()) for order in going}
        self._sent |= sent
        self._send(book, sent.values())
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
        self._carried_out(book, order.path, order.what)
        return Event("done", order.path, order.what)

    def _send(self, book: Book, sent: Iterable[_Sent]) -> None:
        """To the workers that carry out orders for these parts; what is one change of a group's, together."""
        job = keeping.busy(self._store, book.pool)
        gentle = job is not None and job["kind"] == "set"
        adopt = book.pool["options"].get("adopt") is True
        errands: dict[tuple[str, Path | None], list[tuple[_Sent, Order]]] = {}
        for one in sent:
            wanted = one.wanted
            part = book.part(wanted.path, wanted.what)
            try:
                brief = replace(book.brief(part, wanted.what), gentle=gentle, adopt=adopt)
                subject = CARRIERS[part.kind](self._store, part, brief)
            except NMError as error:
                self._reply([one], [Outcome(error=error)])
                continue
            value = {"what": wanted.what, "brief": brief, "unwanted": one.called_off}
            order = Order(brief.fact, value, moot=partial(self._stale, one))
            apart = None if part.kind in TOGETHER else wanted.path
            errands.setdefault((subject, apart), []).append((one, order))
        for (subject, _), pairs in errands.items():
            reply = partial(self._reply, [one for one, _ in pairs])
            self._tools.send(subject, Errand([order for _, order in pairs], reply))

    def _stale(self, sent: _Sent) -> bool:
        return self._sent.get(sent.wanted.path) is not sent

    def _reply(self, sent: Sequence[_Sent], outcomes: list[Outcome]) -> None:
        for one, outcome in zip(sent, outcomes, strict=True):
            self._tools.send(keeping.subject(self._name), _Answer(one, outcome))

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
                total = self._progress.total if self._progress is not None else 0
                left = leftovers.of_pool(self._store, self._name, pool["created"])
                book.delete(lambda tx, now: _over(tx, job["id"], now, None, total, {"left": left}))
                return False
            if job["kind"] == "end" and _is_down(book, tuple(job["arguments"]["path"]), now_is):
                return self._put(book, partial(_reached_and_over, state=now_is, job=job["id"]))
            if job["kind"] in MAKING and _is_over(book, now_is):
                return self._conclude(book, pool, job, now_is)
        shown = _shown(pool, job, now_is)
        if not book.weight and pool["state"] == shown and self._begins is None:
            return True
        return self._put(book, partial(_stands, shown=shown, words=root.get("words")))

    def _put(self, book: Book, finish: Finish) -> bool:
        """Write what has changed; and with it that a job was begun."""
        begins, progress = self._begins, self._progress
        news = progress.news() if progress is not None else {}

        def write(tx: Transaction, pool: Record, now: float) -> None:
            if begins is not None and progress is not None:
                jobs.advance(tx, begins, now, state="running", total=progress.total, **news)
            elif news and progress is not None:
                jobs.advance(tx, progress.job, now, **news)
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

    def _pause(self, book: Book) -> float | None:
        up = self._tools.up()
        waits = [sent.again - up for sent in self._sent.values() if sent.again is not None]
        waits += [0.0 for sent in self._sent.values() if self._is_let_go(book, sent)]
        if keeping.forced(keeping.busy(self._store, book.pool)):
            tried = (sent.wanted for sent in self._sent.values() if sent.again is not None)
            waits += [0.0 for one in tried if one.what == "terminate" and self._may_forgo(book, one.path)]
        if self._wake is not None:
            waits.append(self._wake - self._tools.now())
        looks = (self._watch.next_look, self._follower.next_look)
        waits += [look - up for look in looks if look is not None]
        if self._sent and not waits:
            waits.append(self._tools.patience.longest_pause)  # the book stays open while answers are awaited
        return max(0.0, min(waits)) if waits else None


def _is_over(book: Book, now_is: str) -> bool:
    """Whether a job that makes something is; what was given up lets go of what it prepared first."""
    abandoned = "abandoned" in book.state.get(ROOT, {})
    return now_is in ("running", *keeping.GONE) and not (
        abandoned and any("doing" in entry for entry in book.state.values())
    )


def _check_assertions(parts: Sequence[Part]) -> None:
    """Conflict when one does not hold with what is set."""
    wrong = [f"{spell(path)}: {words}" for path, words in broken({part.path: part for part in parts}).items()]
    if wrong:
        raise Conflict("; ".join(wrong), "set it to what the description allows")


def _is_down(book: Book, path: Path, now_is: str) -> bool:
    """Whether a part that was to end has, and what follows of that, too."""
    return not alive(book.state.get(path, {})) and now_is in ("running", *keeping.GONE)


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


def _reached_and_over(tx: Transaction, pool: Record, now: float, state: str, job: int) -> None:
    keeping.reached(tx, pool, now, state)
    _over(tx, job, now, None)


def _given_up(tx: Transaction, pool: Record, now: float, words: str) -> None:
    keeping.given_up(tx, pool, now, words)


def _over(
    tx: Transaction, job: int, now: float, words: str | None, total: int = 0, result: Any = None
) -> None:
    if words is None:
        known = tx.get(record_key("job", job)) or {"total": 0}
        total = max(total, known["total"])
        jobs.advance(tx, job, now, state="done", done=total, total=total, result=result)
    else:
        jobs.advance(tx, job, now, state="failed", error={"code": DeviceFailed.code, "text": words})
