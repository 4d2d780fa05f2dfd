"""What a pool's worker has ordered and nobody has answered: given, tried again, called off, let go.

A helper of the pool's worker. Orders go to the workers that nm/poolcarriers.py names, mostly the hosts' own
("domains:HOST"), so hosts work beside each other. What passes (a libvirtd that is just being restarted) is
tried again for as long as jobs are; a taking down for ever. None of this is in a record of its own: after a
crash the pool's life gives the orders again that were not answered.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nm.alarms import Alarms
from nm.converge import Tools, Wake
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.hypervisor import Died
from nm.poolbook import Book
from nm.poolcarriers import CARRIERS, LET_GO, TOGETHER
from nm.pools import keeping, leftovers
from nm.pools.briefs import order_of
from nm.pools.kinds import DISKS, DOMAINS
from nm.pools.life import STAGES, Entry
from nm.pools.life import Order as Wanted
from nm.pools.lifecycle import Event
from nm.pools.places import host_of
from nm.pools.tree import Path
from nm.records import name_of
from nm.workers import Errand

STARTS = 3  # times a domain may be started whose own process ends at that


@dataclass
class Sent:
    """An order that is under way, or waits to be tried again. Only the newest one for a part counts."""

    wanted: Wanted
    begun: float  # by Tools.up
    unwanted: bool = False  # whoever is at it may end it
    tries: int = 0
    died: int = 0  # how often the domain's own process ended at that
    error: str = ""

    def called_off(self) -> bool:
        """Whether its part goes."""
        return self.unwanted


@dataclass(frozen=True)
class Answer:
    """A hand has answered an order."""

    sent: Sent
    outcome: Outcome


class Orders:
    """Of one pool. Called by its thread only."""

    def __init__(self, tools: Tools, name: str) -> None:
        self._name, self._tools, self._store = name, tools, tools.store
        self.forget()

    def forget(self) -> None:
        """Nothing is under way any more; answers that come yet count for nothing."""
        self._sent: dict[Path, Sent] = {}
        self._again = Alarms[Path]()  # when what waits is tried again, by Tools.up
        self._loose: set[Path] = set()  # what goes, and nobody is at its order

    # ---- giving

    def give(self, book: Book, orders: Iterable[Wanted]) -> None:
        """Each replaces the one for the same part that was given before."""
        sent = {order.path: Sent(order, self._tools.up()) for order in orders}
        for path in sent:
            self._forget(path)
        self._sent |= sent
        for one in sent.values():
            self._note(book, one)
        self._send(book, sent.values())

    def _send(self, book: Book, sent: Iterable[Sent]) -> None:
        """To the workers that carry out orders for these parts; what is one change of a group's, together."""
        job = keeping.busy(self._store, book.pool)
        gentle = job is not None and job["kind"] == "set"
        options = book.pool["options"]
        adopt = tuple(options.get("folders", ())) if options.get("adopt") is True else None
        errands: dict[tuple[str, Path | None], list[tuple[Sent, Order]]] = {}
        for one in sent:
            wanted = one.wanted
            part = book.part(wanted.path, wanted.what)
            try:
                brief = replace(book.brief(part, wanted.what), gentle=gentle, adopt=adopt)
                subject = CARRIERS[part.kind](self._store, part, brief)
            except NMError as error:
                self._reply([one], [Outcome(error=error)])
                continue
            stale = partial(self._stale, one)
            order = order_of(wanted.what, brief, moot=stale, unwanted=one.called_off)
            apart = None if part.kind in TOGETHER else wanted.path
            errands.setdefault((subject, apart), []).append((one, order))
        for (subject, _), pairs in errands.items():
            reply = partial(self._reply, [one for one, _ in pairs])
            self._tools.send(subject, Errand([order for _, order in pairs], reply))

    def _stale(self, sent: Sent) -> bool:
        return self._sent.get(sent.wanted.path) is not sent

    def _reply(self, sent: Sequence[Sent], outcomes: list[Outcome]) -> None:
        for one, outcome in zip(sent, outcomes, strict=True):
            self._tools.send(keeping.subject(self._name), Answer(one, outcome))

    def call_off(self, book: Book, changes: Mapping[Path, Entry]) -> None:
        """What is just being made, and goes, is not wanted any more; whether that is ended is the hand's."""
        for path, entry in changes.items():
            if entry.get("going") and (sent := self._sent.get(path)) is not None:
                sent.unwanted = sent.wanted.what in STAGES
                self._note(book, sent)

    def _note(self, book: Book, sent: Sent) -> None:
        """Whether nobody wants it any more, and it is not just being done by a hand."""
        path, what = sent.wanted.path, sent.wanted.what
        if what == "terminate" or not book.state.get(path, {}).get("going"):
            return
        if path in self._again or book.part(path, what).kind in LET_GO:
            self._loose.add(path)

    def _forget(self, path: Path) -> None:
        """Of what was ordered for that part."""
        self._sent.pop(path, None)
        self._again.set(path, None)
        self._loose.discard(path)

    # ---- answers

    def answered(self, book: Book, answer: Answer) -> list[Event]:
        """What follows in the pool's life; while it is to be tried again, what is in the way."""
        sent, error = answer.sent, answer.outcome.error
        path, what = sent.wanted.path, sent.wanted.what
        if self._sent.get(path) is not sent:
            return []  # it was ordered anew since
        entry = book.state.get(path, {})
        goes = bool(entry.get("going"))
        if error is None or (goes and self._forgo(book, sent, str(error))):
            self._forget(path)
            return [Event("done", path, what)]
        sent.died += isinstance(error, Died)
        if self._patient(sent, error, goes, "again" in entry):
            self._again.set(path, self._tools.up() + self._tools.patience.pause(sent.tries))
            sent.tries, sent.error = sent.tries + 1, str(error)
            return [Event("failed" if goes else "hindered", path, what, words=str(error))]
        self._forget(path)
        return [Event("failed", path, what, words=str(error))]

    def _forgo(self, book: Book, sent: Sent, error: str) -> bool:
        """Whether a taking down by force goes on without this part, which is owed then."""
        path, what = sent.wanted.path, sent.wanted.what
        job = keeping.busy(self._store, book.pool)
        if what != "terminate" or not keeping.forced(job) or not _may_forgo(book, path):
            return False
        part = book.part(path, what)
        host = host_of(self._store, part.host) if part.kind in (*DOMAINS, *DISKS) else None
        if host is not None:
            brief, name = book.brief(part, what), name_of(host["record_key"])
            now = self._tools.now()
            self._store.transact(lambda tx: leftovers.owe(tx, book.pool, brief, name, error, now))
            self._tools.send(leftovers.SUBJECT, Wake())
        return True

    def _patient(self, sent: Sent, error: NMError, goes: bool, again: bool) -> bool:
        """Whether it is tried again: what has to go, always; else what may pass, for a time.

        Also always what ran before its host was booted: what it lacks may come yet, and its disk would go.
        """
        if goes:
            return sent.wanted.what == "terminate"
        dead = sent.died >= STARTS
        if again:
            return not dead
        late = self._tools.up() - sent.begun > self._tools.patience.deadline
        return isinstance(error, DeviceFailed) and error.passing and not late and not dead

    # ---- time

    def due(self, book: Book) -> list[Event]:
        """What is tried again, or not any more."""
        found = []
        for path in self._forgone(book):
            sent = self._sent[path]
            if self._forgo(book, sent, sent.error):
                self._forget(path)
                found.append(Event("done", path, sent.wanted.what))
        for path in [*self._loose]:
            sent = self._sent[path]
            self._forget(path)
            found.append(Event("failed", path, sent.wanted.what, words=sent.error))
        for path in self._again.due(self._tools.up()):
            self._again.set(path, None)
            self._send(book, [self._sent[path]])
        return found

    def _forgone(self, book: Book) -> list[Path]:
        """What waits to be tried again, and is not, for it is taken down by force."""
        if not keeping.forced(keeping.busy(self._store, book.pool)):
            return []
        ends = [path for path in self._again if self._sent[path].wanted.what == "terminate"]
        return [path for path in ends if _may_forgo(book, path)]

    def waits(self, book: Book) -> list[float]:
        """Seconds after which there is something to do, as far as that is known."""
        if self._loose or self._forgone(book):
            return [0.0]
        return [self._again.next - self._tools.up()] if self._again.next is not None else []

    @property
    def awaited(self) -> bool:
        """Whether an answer is."""
        return bool(self._sent)


def _may_forgo(book: Book, path: Path) -> bool:
    """Groups have ways of their own to be taken apart by force."""
    return book.part(path, "terminate").kind not in LET_GO
