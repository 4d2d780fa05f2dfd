"""A pool's worker and its hosts' hands over a real database, without threads: a turn at a time.

What is sent waits in `queue` until `turn` gives it to whom it is for. `crash` forgets all that is not in the
database, as kill -9 does.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nm import hands, jobs, people
from nm.calls import Call, Caller, Describing, Site
from nm.converge import Patience, Tools, Wake
from nm.database import Database
from nm.descriptiondesk import DescriptionDesk
from nm.export import ExportHand
from nm.leftoverwork import LeftoverWorker
from nm.pools import keeping, leftovers, operations
from nm.pools.briefs import Brief, brief_in, what_in
from nm.pools.tree import spell
from nm.poolwork import PoolWorker
from nm.records import Record, name_of, record_key
from nm.workers import Errand, Handler, Job
from tests.descriptions.say import INCLUDES

ROOT = Caller(0, "root", admin=True)


class Lifetime:
    """nm, as far as pools go. `site`: what calls know of the installation."""

    def __init__(self, folder: Path, site: Site, bases: tuple[str, ...] = ()) -> None:
        self.database = Database.open(folder / "db")
        self._site, self._bases, self.caller = site, bases, ROOT
        self.up = 0.0
        self.patience = Patience(deadline=60.0, first_pause=1.0, longest_pause=8.0)
        self._tools = Tools(
            self.database, self.send, ExportHand(folder), time.time, lambda: self.up, self.patience
        )
        self.queue: deque[tuple[str, Any]] = deque()
        self.workers: dict[str, Handler] = {}
        self.wakes: dict[str, float] = {}  # subject -> when it is to be called again, by `up`
        self.done: list[str] = []  # orders that were carried out, as "what path"
        self.open_hand: Callable[[str], Handler] = lambda host: hands.pools_worker(
            host, self.database, lambda: self._bases, str
        )

    # ---- calls

    def call(self, method: str) -> Call:
        rights = people.rights_of(self.database, self.caller)
        return Call(self.caller, method, time.time(), self._site, rights)

    def grant(self, caller: Caller, folders: tuple[str, ...], **describe: Any) -> None:
        """Let that be who calls from now on, with that right to describe, where the site allows these."""
        self._site = replace(self._site, describing=replace(self._site.describing, folders=folders))
        record = people.machines_own(self.call("Update"), caller.name, caller.uid or 0)
        self.database.transact(lambda tx: tx.put({**record, "rights": {"describe": describe}}))
        self.caller = caller

    def operate(self, operation: Callable[..., Any], *arguments: Any, method: str = "Update") -> Any:
        call = self.call(method)
        return self.database.transact(lambda tx: operation(tx, call, *arguments))

    def apply(self, name: str, text: str, **options: Any) -> int:
        """The job, which is begun with the next turn."""
        desk = DescriptionDesk(self.database)
        job = desk.apply(self.call("ApplyDescription"), name, INCLUDES + text, {}, options)
        self.send(keeping.subject(name), Job(job))
        return job

    def plan(self, name: str, text: str) -> list[Record]:
        """The changes that applying it would make."""
        desk = DescriptionDesk(self.database)
        found = desk.plan(self.call("PlanDescription"), name, INCLUDES + text, {})
        changes: list[Record] = found["changes"]
        return changes

    def set(self, name: str, path: str, value: Any) -> int:
        job: int = self.operate(operations.set_attribute, name, path, value)
        self.send(keeping.subject(name), Job(job))
        return job

    def terminate(self, name: str, force: bool = False) -> int:
        job: int = self.operate(operations.terminate, name, force)
        self.send(keeping.subject(name), Job(job))
        return job

    def owe(self) -> None:
        """Let what is owed be taken away, as a start of nmd does."""
        self.send(leftovers.SUBJECT, Wake())

    # ---- what is there

    def job(self, number: int) -> Record:
        record = self.database.get(record_key("job", number))
        assert record is not None
        return record

    def pool(self, name: str) -> Record | None:
        return keeping.find(self.database, name)

    def states(self, name: str) -> dict[str, str]:
        """The state of each part there is, by its path."""
        pool = self.pool(name)
        entries = keeping.entries(self.database, pool) if pool is not None else {}
        return {spell(path): entry["state"] for path, entry in entries.items()}

    def left(self) -> list[str]:
        """The keys of all records of pools."""
        kinds = ("pool", "text", "piece", "life")
        return [record["record_key"] for kind in kinds for record in self.database.range(kind)]

    # ---- time

    def send(self, subject: str, item: Any) -> None:
        """What is ordered is written by then, so that a crash right behind this would lose nothing."""
        for order in item.orders if isinstance(item, Errand) else ():
            assert self._is_written(what_in(order), brief_in(order)), _said(order)
        self.queue.append((subject, item))

    def _is_written(self, what: str, brief: Brief) -> bool:
        """Whether records tell of it: the life of a part, or what is owed. Looks are not written."""
        pool = self.pool(brief.pool)
        entries = keeping.entries(self.database, pool) if pool is not None else {}
        owed = self.database.get(leftovers.key(brief)) is not None
        return what == "look" or owed or entries.get(brief.path, {}).get("doing") == what

    def turn(self) -> None:
        """Give the first that waits to whom it is for."""
        subject, item = self.queue.popleft()
        if isinstance(item, Errand):
            orders = [order for order in item.orders if (order.value or {}).get("what") != "look"]
            self.done += [_said(order) for order in orders if not order.moot()]
        pause = self.worker(subject).handle([item])
        self._rest(subject, pause)

    def _rest(self, subject: str, pause: float | None) -> None:
        """As nm/workers.py has it: a pool that waits for nothing is not kept in memory."""
        self.wakes.pop(subject, None)
        if pause is not None:
            self.wakes[subject] = self.up + pause
        elif subject.startswith("pool:") and all(subject != waiting for waiting, _ in self.queue):
            self.workers.pop(subject).close()

    def settle(self, most: int = 2000) -> None:
        """Go on until nothing waits."""
        while self.queue:
            self.turn()
            most -= 1
            assert most > 0, "it does not come to an end"

    def later(self, seconds: float) -> None:
        """Let time pass, and what is due then happen."""
        end = self.up + seconds
        self.settle()
        while (due := min(self.wakes.values(), default=end)) < end:
            self.up = max(self.up, due)
            for subject in [subject for subject, at in self.wakes.items() if at <= self.up]:
                pause = self.worker(subject).handle([])
                self._rest(subject, None if pause is None else max(pause, 0.01))
            self.settle()
        self.up = end

    def run(self, job: int, seconds: float = 300.0) -> Record:
        """The job, over."""
        self.settle()
        while self.job(job)["state"] not in jobs.OVER and seconds > 0:
            self.later(1.0)
            seconds -= 1.0
        return self.job(job)

    def crash(self) -> None:
        """nmd is killed, and started again."""
        self.queue.clear()
        self.wakes.clear()
        self.workers.clear()
        for record in list(self.database.range("pool")):
            self.send(keeping.subject(name_of(record["record_key"])), Wake())

    def worker(self, subject: str) -> Handler:
        """Whoever takes what is sent to that subject."""
        if subject not in self.workers:
            kind, _, name = subject.partition(":")
            makers: dict[str, Callable[[], Handler]] = {
                "pool": lambda: PoolWorker(name, self._tools),
                "leftovers": lambda: LeftoverWorker(self._tools),
            }
            self.workers[subject] = makers.get(kind, lambda: self.open_hand(name))()
        return self.workers[subject]

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
        self.database.close()


def site(*folders: str) -> Site:
    return Site(image_folders=folders, describing=Describing(shells=True, folders=folders))


def _said(order: Any) -> str:
    return f"{order.value['what']} {order.fact.split('/', 2)[2]}"
