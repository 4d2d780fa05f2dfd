"""A world in which whatever a pool's worker orders is done at once: what is left is the worker's own cost."""

from collections import deque
from pathlib import Path
from typing import Any

from nm.calls import Call, Caller, Describing, Site
from nm.converge import Patience, Tools
from nm.descriptiondesk import DescriptionDesk
from nm.export import ExportHand
from nm.facts import Outcome
from nm.pools import keeping, operations
from nm.poolwork import PoolWorker
from nm.records import new
from nm.store import Store
from nm.workers import Errand, Job

NAME = "pool"
ROOT = Caller(0, "root", admin=True)


class Answered:
    """One pool, described on so many hosts; answers come one by one, as orders do."""

    def __init__(self, store: Store, hosts: int = 0) -> None:
        self._store = store
        site = Site(describing=Describing(True, ("/data",), components=50_000))
        self._call = Call(ROOT, "ApplyDescription", 0.0, site)
        for number in range(max(hosts, 1)):  # the last resort of a text that names none
            host = new("host", f"host{number}", 0.0, uri="qemu:///system", network={})
            store.transact(lambda tx, host=host: tx.put(host))  # type: ignore[misc]
        self.waiting: deque[Any] = deque()
        self.worker = PoolWorker(NAME, Tools(store, self._send, ExportHand(Path()), float, float, Patience()))

    def _send(self, subject: str, item: Any) -> None:
        if subject == keeping.subject(NAME):
            self.waiting.append(item)
        elif isinstance(item, Errand):
            item.reply([Outcome(seen={}) for _ in item.orders])

    def apply(self, text: str) -> None:
        """Let the text be applied; `work` does it."""
        self.waiting.append(Job(DescriptionDesk(self._store).apply(self._call, NAME, text, {})))

    def terminate(self) -> None:
        """Let it be taken down; `work` does it."""
        job = self._store.transact(lambda tx: operations.terminate(tx, self._call, NAME, False))
        self.waiting.append(Job(job))

    def work(self) -> int:
        """Let the worker do all that there is to do, a turn for each answer; the number of turns."""
        turns = 0
        while self.waiting:
            turns += 1
            while self.worker.handle([self.waiting.popleft()]) == 0.0:
                pass
        return turns

    @property
    def state(self) -> str:
        """That of the pool; "" when it is gone."""
        pool = keeping.find(self._store, NAME)
        return str(pool["state"]) if pool is not None else ""
