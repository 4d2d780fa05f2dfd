"""A node's worker: its power, and taking it back by force.

The handler of "node:NAME". Power goes through the power hand at once (it is bounded in time). A debt is
paid through the workers of the switches, as often as it takes: until every port is read back as
isolated the node is not free, and neither are the VLANs that it may still be on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nm import facts, groups, jobs, plan
from nm.converge import Tools
from nm.errors import Conflict, DeviceFailed, NMError, NotFound
from nm.facts import Hand, Order, Outcome
from nm.records import Record, changed, port_key, record_key
from nm.store import Event
from nm.workers import Errand, HandWorker


@dataclass(frozen=True)
class _Paid:
    """A switch has answered what was asked for the debt."""

    facts: Sequence[str]
    outcomes: Sequence[Outcome]


class NodeWorker:
    """Called by the node's thread only."""

    def __init__(
        self,
        name: str,
        tools: Tools,
        open_hand: Callable[[], Hand],
        act: Callable[[Record, str], str],
    ) -> None:
        self._name = name
        self._store = tools.store
        self._tools = tools
        self._act = act
        self._hands = HandWorker(open_hand, tools.store.epoch, self._do_job, self._fail_job)
        self._owed: dict[str, facts.Value] = {}
        self._asked: set[str] = set()
        self._unpowered: str | None = None
        self._job: int | None = None
        self._tries = 0
        self._ask_at = 0.0  # by Tools.up

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Power orders and jobs first, then what is owed."""
        for item in batch:
            if isinstance(item, _Paid):
                self._take(item)
        self._hands.handle([item for item in batch if not isinstance(item, _Paid)])
        return self._pay()

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Answer those who wait, and ask again for what is owed."""
        self._hands.failed(batch, words)
        self._asked.clear()

    def close(self) -> None:
        """Let go of the hand."""
        self._hands.close()

    def _do_job(self, hand: Hand, number: int) -> None:
        job = self._store.get(record_key("job", number))
        if job is not None and job["kind"] == "release":
            self._begin(hand, number)
            return
        if job is None or job["state"] in jobs.OVER:
            return
        node = self._node()
        if job["state"] == "running" and job["arguments"]["action"] == "cycle":
            raise Conflict("the daemon was restarted meanwhile", "ask for the node's state, then decide")
        if job["group"] not in (None, node["group"]):
            raise Conflict(f"node {self._name} left group {job['group']} meanwhile", "nothing was done")
        self._advance(number, state="running", total=1)
        state = self._act(node, job["arguments"]["action"])
        self._advance(number, state="done", done=1, result=state)
        who, action = job["who"]["name"], job["arguments"]["action"]
        event = Event(who, f"node {self._name}", f"power {action}", state, job["group"])
        self._store.transact(lambda tx: tx.tell(event))

    def _fail_job(self, number: int, error: NMError) -> None:
        self._advance(number, state="failed", error={"code": error.code, "text": str(error)})

    def _advance(self, number: int, **fields: Any) -> None:
        now = self._tools.now()
        self._store.transact(lambda tx: jobs.advance(tx, number, now, **fields))

    def _node(self) -> Record:
        node = self._store.get(record_key("node", self._name))
        if node is None:
            raise NotFound(f"no node {self._name}", "it was unregistered meanwhile")
        return node

    # ---- debts

    def _begin(self, hand: Hand, number: int) -> None:
        """Take up the debt. Its job may have ended as failed long ago; it is paid all the same."""
        debt = self._store.get(record_key("debt", self._name))
        self._advance(number, state="running", total=1)
        self._job, self._tries, self._unpowered = number, 0, None
        self._owed = dict(debt["owed"]) if debt else {}
        power = self._owed.pop(facts.name("node", self._name), None)
        if power is not None and plan.powered(power):
            outcome = hand.run([Order(facts.name("node", self._name), None, power)], self._store.epoch)[0]
            # The network goes regardless of the power.
            self._unpowered = str(outcome.error) if outcome.error else None
        self._ask_at = 0.0

    def _ask(self) -> None:
        by_subject: dict[str, list[str]] = {}
        for fact, value in self._owed.items():
            if fact not in self._asked:
                by_subject.setdefault(plan.subject_of(fact, value), []).append(fact)
        for subject, wanted in by_subject.items():
            self._asked.update(wanted)
            orders = [Order(fact, None, moot=self._settled) for fact in wanted]
            self._tools.send(subject, Errand(orders, self._taker(wanted)))

    def _settled(self) -> bool:
        """Whether the debt is no more: its ports may be somebody else's by now."""
        debt = self._store.get(record_key("debt", self._name))
        return debt is None or debt["job"] != self._job

    def _taker(self, wanted: list[str]) -> Callable[[list[Outcome]], None]:
        return lambda outcomes: self._tools.send(f"node:{self._name}", _Paid(wanted, outcomes))

    def _take(self, paid: _Paid) -> None:
        for fact, outcome in zip(paid.facts, paid.outcomes, strict=True):
            self._asked.discard(fact)
            if outcome.error is None:
                self._owed.pop(fact, None)
                if not outcome.moot:
                    self._seen_isolated(fact)
            elif self._job is not None:
                self._advance(self._job, step=f"to be tried again: {outcome.error}"[:500])

    def _seen_isolated(self, fact: str) -> None:
        now = self._tools.now()
        key = port_key(*facts.split(fact)[1:])
        seen: facts.Value = {"untagged": None, "tagged": [], "open": False}

        def mark(tx: Any) -> None:
            port = tx.get(key)
            if port is not None:
                tx.put(changed(port, now, _seen=seen, _read_at=now, _verified=True))

        self._store.transact(mark)

    def _pay(self) -> float | None:
        """Done when nothing is owed; else ask again after a growing pause."""
        if self._job is None:
            return None
        if self._owed and self._settled():
            self._advance(self._job, state="done", done=1, result="settled by an administrator")
            self._owed, self._job = {}, None
            return None
        if not self._owed:
            now, number, failed = self._tools.now(), self._job, self._unpowered
            self._store.transact(lambda tx: groups.pay_debt(tx, self._name, now, failed))
            self._advance(number, state="done", done=1, result="failed" if failed else "free")
            self._job = None
            return None
        left = self._ask_at - self._tools.up()
        if left > 0:
            return left
        self._ask()
        self._watch_deadline(self._job)
        patience = self._tools.patience
        pause = min(patience.first_pause * 2.0**self._tries, patience.longest_pause)
        self._tries += 1
        self._ask_at = self._tools.up() + pause
        return pause

    def _watch_deadline(self, number: int) -> None:
        job = self._store.get(record_key("job", number))
        if job is not None and self._tools.now() - job["created"] > self._tools.patience.deadline:
            text = f"not yet paid, it goes on: {job['step']}"
            self._advance(number, state="failed", error={"code": DeviceFailed.code, "text": text})
