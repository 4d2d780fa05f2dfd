"""The worker of a described pool: leads it through its life, whatever comes in between.

The handler of "pool:NAME". It is driven by what comes into its queue: jobs, answers of hands, looks at
hosts. Each event goes through nm/pools/lifecycle.py; what follows is written down (nm/pooljobs.py) before any
order of it goes out (nm/poolorders.py), so after a crash "resumed" gives the orders again that were not
answered. What needs nobody is done at once.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from nm import poolgroupwatch
from nm.converge import Tools, Wake
from nm.poolbook import Book, open_book
from nm.poolcarriers import CARRIERS
from nm.poolfollow import Follower
from nm.pooljobs import PoolJobs
from nm.poolorders import Answer, Orders
from nm.pools import lifecycle
from nm.pools.life import Order
from nm.pools.lifecycle import Event
from nm.poolwatch import PoolWatch

HEAVY = 60  # records that are written before anything else is thought about
MOST = 5000  # events of one turn; what came meanwhile is heard behind them


class PoolWorker:
    """Called by the pool's thread only."""

    def __init__(self, name: str, tools: Tools) -> None:
        self._name, self._tools = name, tools
        self._orders, self._jobs = Orders(tools, name), PoolJobs(tools, name)
        self._watch, self._follower = PoolWatch(tools, name), Follower(tools, name)
        self._book: Book | None = None
        self._answers: deque[Event] = deque()  # of what needed nobody, and not heard yet

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Take in what came, do what is due, say when to look again."""
        events, self._answers = self._answers, deque()
        book = self._book
        if book is None:
            book = self._book = open_book(self._tools.store, self._name, self._tools.now)
            events.append(Event("resumed"))
        if book is None:
            return None
        self._jobs.take_up(book)
        events.extend(event for item in batch for event in self._heard(book, item))
        events.extend(self._due(book))
        if not self._live(book, events) or not self._live(book, deque(self._jobs.next(book))):
            self._forget()  # it is gone
            return None
        self._look(book)
        return self._pause(book)

    def _look(self, book: Book) -> None:
        """See to what has changed, and to nothing else: there is an event for each of many thousand parts."""
        news = book.news()
        self._answers.extend(poolgroupwatch.ended(self._tools.store, book, news, self._tools.now()))
        self._watch.look(book, news)
        self._follower.look(book, news)

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Begin from the records the next time; answers that were lost are asked for again."""
        self._forget()

    def close(self) -> None:
        """It is opened anew when there is something to do."""
        self._forget()

    def _forget(self) -> None:
        self._book, self._answers = None, deque()
        for helper in (self._orders, self._jobs, self._watch, self._follower):
            helper.forget()

    # ---- what came

    def _heard(self, book: Book, item: Any) -> list[Event]:
        if isinstance(item, Wake):
            book.stir()  # it is about something outside: a group
        if isinstance(item, Answer):
            return self._answered(book, item)
        self._follower.heard(book, item)
        return self._watch.heard(book, item)

    def _answered(self, book: Book, answer: Answer) -> list[Event]:
        events = self._orders.answered(book, answer)
        if any((event.name, event.what) == ("failed", "prepare") for event in events):
            self._watch.hasten()
        if events and answer.outcome.error is None:
            self._follower.answered(book, answer.sent.wanted, answer.outcome)
            self._carried_out(book, answer.sent.wanted, str((answer.outcome.seen or {}).get("waits", "")))
        return events

    def _carried_out(self, book: Book, order: Order, waits: str = "") -> None:
        book.done(order.path, order.what, waits)
        self._jobs.one()

    def _due(self, book: Book) -> list[Event]:
        """What is not tried any more; and who waited for the time that it is."""
        late = book.wakes.due(self._tools.now())
        return [*self._orders.due(book), *(Event("time", path) for path in late)]

    # ---- what follows

    def _live(self, book: Book, events: deque[Event]) -> bool:
        """Let all that has come have its consequences, then write them, then send the orders.

        What needs nobody may go on for ever, so the rest of that is for the next turn. False when the pool is
        gone.
        """
        orders: list[Order] = []
        most = max(MOST, len(events))
        while events and most:
            most -= 1
            event = events.popleft()
            outcome = lifecycle.happened(book.tree, book.state, event, self._tools.now())
            book.take(outcome)
            self._orders.call_off(book, outcome.changes)
            for order in outcome.orders:
                if order.what == "construct" and event.name != "resumed":
                    book.construct(order.path)
                elif order.what == "deploy" and book.tree.parts[order.path].kind == "Script":
                    book.to_deploy(order.path)
                answer = self._at_once(book, order)
                if answer is None:
                    orders.append(order)
                else:
                    events.append(answer)
            if book.weight >= HEAVY and events:
                self._jobs.put(book)
        self._answers += events
        if not self._jobs.write(book):
            return False
        going = [order for order in orders if book.state.get(order.path, {}).get("doing") == order.what]
        self._orders.give(book, going)
        return True

    def _at_once(self, book: Book, order: Order) -> Event | None:
        """The answer to an order for something that needs nobody (see nm/poolcarriers.py)."""
        part = book.part(order.path, order.what)
        if part.kind in CARRIERS:
            return None
        self._carried_out(book, order)
        return Event("done", order.path, order.what)

    def _pause(self, book: Book) -> float | None:
        waits = self._orders.waits(book)
        waits += [0.0] if self._answers else []
        waits += [book.wakes.next - self._tools.now()] if book.wakes.next is not None else []
        looks = (self._watch.next_look, self._follower.next_look)
        waits += [look - self._tools.up() for look in looks if look is not None]
        if not waits and any(helper.awaited for helper in (self._orders, self._watch, self._follower)):
            waits.append(self._tools.patience.longest_pause)  # the book stays open while answers are awaited
        return max(0.0, min(waits)) if waits else None
