"""Workers: a queue per subject, and a thread while there is work.

A subject is a group, a switch, a host, a node or the pool ("group:alpha", "switch:sw0"). What is put
into its queue is handled by one thread, strictly in order, everything that has gathered at once: that
is how changes of several groups reach a switch in one session, and how a newer command finds an older
one before it has begun. An idle subject costs no thread and no memory.

Each worker has a lock for its queue; no lock is held while a handler runs. This is one of the two
places that catch every exception: an unforeseen error is logged and tried again, later and later.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from nm.errors import DeviceFailed, NMError
from nm.facts import Hand, Order, Outcome

T = TypeVar("T")
log = logging.getLogger("nm.workers")

AGAIN = 0.5  # seconds after which an order that takes its time comes again
LONGEST_PAUSE = 60.0  # seconds between two tries after unforeseen errors


class Handler(Protocol):
    """What a subject's thread does with what has gathered in its queue."""

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Do it. Returns seconds after which to be called again with an empty batch, or None."""

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """`handle` raised something unforeseen: tell those who wait for this batch."""

    def close(self) -> None:
        """The subject is idle: let go of connections."""


class Worker:
    """One subject's queue, and its thread while there is work."""

    def __init__(self, subject: str, handler: Handler, idle: Callable[["Worker"], bool]) -> None:
        self.subject = subject
        self._handler = handler
        self._idle = idle  # asked by the thread before it ends: True when the worker is let go
        self._condition = threading.Condition()
        self._queue: list[Any] = []
        self._thread: threading.Thread | None = None
        self._stopping = False

    def put(self, item: Any) -> None:
        """Add an item; starts the thread when there is none."""
        with self._condition:
            self._queue.append(item)
            if self._thread is None and not self._stopping:
                thread = threading.Thread(target=self._run, name=self.subject, daemon=True)
                thread.start()  # it raises where no thread can be had; then the next item tries again
                self._thread = thread
            self._condition.notify()

    @property
    def empty(self) -> bool:
        """True when nothing waits."""
        with self._condition:
            return not self._queue

    @property
    def depth(self) -> int:
        """How much waits: in the queue, and with a handler that gathers (it has a `depth` then)."""
        gathered: int = getattr(self._handler, "depth", 0)
        with self._condition:
            return len(self._queue) + gathered

    def stop(self) -> None:
        """Take nothing more; the thread ends after the batch it is at."""
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def join(self, seconds: float) -> bool:
        """Wait for the thread to end."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)
            return not thread.is_alive()
        return True

    def _run(self) -> None:
        pause: float | None = None
        errors = 0
        while (batch := self._next(pause)) is not None:
            went, pause = self._try(partial(self._handler.handle, batch))
            errors = 0 if went else errors + 1
            if not went:
                pause = min(2.0**errors, LONGEST_PAUSE)
                words = f"unforeseen error in {self.subject}; the log tells more"
                self._try(partial(self._handler.failed, batch, words))

    def _try(self, act: Callable[[], T]) -> tuple[bool, T | None]:
        """Whether it went without an unforeseen error, and its answer. The thread lives on in any case."""
        try:
            return True, act()
        except Exception:
            log.exception("unforeseen error in a worker", extra={"subject": self.subject})
            return False, None

    def _next(self, pause: float | None) -> list[Any] | None:
        """What has gathered; an empty list when the pause is over; None when the thread is to end."""
        while True:
            with self._condition:
                if not self._queue and not self._stopping and pause is not None:
                    self._condition.wait(pause)
                if not self._stopping and (self._queue or pause is not None):
                    batch, self._queue = self._queue, []
                    return batch
            self._try(self._handler.close)
            if self._stopping or self._idle(self):
                return None


class Crew:
    """All workers there are now, by subject; makes one when something is sent to it."""

    def __init__(self, make: Callable[[str], Handler]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._workers: dict[str, Worker] = {}
        self._stopping = False

    def send(self, subject: str, item: Any) -> None:
        """Put the item into the subject's queue."""
        with self._lock:
            if self._stopping:
                return
            worker = self._workers.get(subject)
            if worker is None:
                worker = self._workers[subject] = Worker(subject, self._make(subject), self._let_go)
            worker.put(item)

    def subjects(self) -> list[str]:
        """The subjects that have work now."""
        with self._lock:
            return sorted(self._workers)

    def depths(self) -> dict[str, int]:
        """How much waits, by subject."""
        with self._lock:
            workers = list(self._workers.values())
        return {worker.subject: worker.depth for worker in workers}

    def stop(self, seconds: float) -> bool:
        """Stop all workers after the batch they are at. True when all ended in time."""
        with self._lock:
            self._stopping = True
            workers = list(self._workers.values())
        for worker in workers:
            worker.stop()
        deadline = time.monotonic() + seconds
        return min((worker.join(max(deadline - time.monotonic(), 0)) for worker in workers), default=True)

    def _let_go(self, worker: Worker) -> bool:
        with self._lock:
            if worker.empty:
                self._workers.pop(worker.subject, None)
                return True
            return False


# ---- what is sent to the workers of hands


@dataclass(frozen=True)
class Errand:
    """Orders for a hand, and whom to tell the outcomes (one an order, in order)."""

    orders: Sequence[Order]
    reply: Callable[[list[Outcome]], None]


@dataclass(frozen=True)
class Reading:
    """Facts to be read back by a hand; nothing is changed. `urgent`: an administrator waits for it."""

    facts: Sequence[str]
    reply: Callable[[list[Outcome]], None]
    urgent: bool = False


@dataclass(frozen=True)
class Job:
    """A job's record is queued for this subject."""

    number: int


def answer_readings(hand: Hand, readings: Sequence[Reading]) -> None:
    """Answer them all by one look at the device."""
    wanted = list(dict.fromkeys(fact for reading in readings for fact in reading.facts))
    seen = dict(zip(wanted, hand.read(wanted), strict=True)) if wanted else {}
    for reading in readings:
        reading.reply([seen[fact] for fact in reading.facts])


@dataclass
class _Begun:
    """An errand, and what came of its orders so far."""

    errand: Errand
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    @property
    def left(self) -> list[int]:
        """Which of its orders are to be carried out yet."""
        return [number for number in range(len(self.errand.orders)) if number not in self.outcomes]

    def answer(self, error: NMError | None = None) -> None:
        """Tell what came of it; of what is not done the error."""
        numbers = range(len(self.errand.orders))
        self.errand.reply([self.outcomes.get(number, Outcome(error=error)) for number in numbers])


class HandWorker:
    """The handler of a subject that has a hand: merges the errands that wait into one run."""

    def __init__(
        self,
        open_hand: Callable[[], Hand],
        epoch: int,
        do_job: Callable[[Hand, int], None],
        fail_job: Callable[[int, NMError], None],
        note: Callable[[Hand], None] = lambda hand: None,
        device: Callable[[], object] = lambda: None,
        try_now: Callable[[], None] = lambda: None,
    ) -> None:
        """`note` is called after each batch, to write down how the hand's device is.

        `device`: what the hand was opened for; it is opened anew when that is something else.
        `try_now`: called when somebody asks for the device, which may just be left alone for a while.
        """
        self._open = open_hand
        self._note = note
        self._device = device
        self._try_now = try_now
        self._opened_for: object = None
        self._hand: Hand | None = None
        self._epoch = epoch
        self._do_job = do_job
        self._fail_job = fail_job
        self._begun: list[_Begun] = []  # of which something takes its time
        self._unsaid: dict[int, NMError] = {}  # jobs that failed when the database took no writes

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Run all errands in one go, then the readings, then the jobs.

        What takes its time comes again soon, so nothing else waits for it.
        """
        self._begun += [_Begun(item) for item in batch if isinstance(item, Errand)]
        self._say()
        try:
            hand = self._opened()
        except NMError as error:
            self._refuse(batch, error)
            self._say()
            return None
        if any(isinstance(item, Job) or (isinstance(item, Reading) and item.urgent) for item in batch):
            self._try_now()
        self._run(hand)
        answer_readings(hand, [item for item in batch if isinstance(item, Reading)])
        for item in batch:
            if isinstance(item, Job):
                try:
                    self._do_job(hand, item.number)
                except NMError as error:
                    self._unsaid[item.number] = error
        self._say()
        self._note(hand)
        return AGAIN if self._begun else None

    def _run(self, hand: Hand) -> None:
        """Carry out what is not done yet, and answer the errands of which all is."""
        todo = [(one, number) for one in self._begun for number in one.left]
        if todo:
            outcomes = hand.run([one.errand.orders[number] for one, number in todo], self._epoch)
            for (one, number), outcome in zip(todo, outcomes, strict=True):
                if not outcome.later:
                    one.outcomes[number] = outcome
        begun, self._begun = self._begun, [one for one in self._begun if one.left]
        for one in begun:
            if not one.left:
                one.answer()

    def _opened(self) -> Hand:
        device = self._device()
        if device != self._opened_for and self._hand is not None:
            self._hand.close()  # how that one is is nobody's concern any more
            self._hand = None
        if self._hand is None:
            self._hand, self._opened_for = self._open(), device
        return self._hand

    def _say(self) -> None:
        """Write down which jobs failed; where that fails too, the worker comes back to it."""
        for number, error in list(self._unsaid.items()):
            self._fail_job(number, error)
            del self._unsaid[number]

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for ever: all that was asked is answered with the error."""
        self._refuse(batch, DeviceFailed(words, "it is tried again"))

    def _refuse(self, batch: Sequence[Any], error: NMError) -> None:
        begun, self._begun = self._begun, []
        for one in begun:
            one.answer(error)
        for item in batch:
            if isinstance(item, Reading):
                item.reply([Outcome(error=error) for _ in item.facts])
            elif isinstance(item, Job):
                self._unsaid.setdefault(item.number, error)

    def close(self) -> None:
        """Let go of the hand's connections."""
        hand, self._hand = self._hand, None
        if hand is not None:
            hand.close()
            self._note(hand)
