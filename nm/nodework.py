"""A node's worker: its power, and taking it back by force.

The handler of "node:NAME". Power goes through the power hand at once (it is bounded in time). A debt is
paid through the workers of the switches, as often as it takes: until every port is read back as
isolated the node is not free, and neither are the VLANs that it may still be on. Then the site's program that
wipes it is run, where there is one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nm import debts, facts, hooks, jobs, plan, releases, views
from nm.converge import Tools
from nm.debtwork import Paid, Payer
from nm.errors import Conflict, NMError, NotFound
from nm.facts import Hand, Order, Outcome
from nm.records import Record, record_key
from nm.store import Event, Transaction
from nm.workers import Errand, HandWorker


@dataclass(frozen=True)
class Wiped:
    """The site's program has ended, for that job's debt."""

    job: int
    outcome: Outcome


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
        self._payer = Payer(f"node:{name}", debts.node_key(name), tools)
        self._unfit: list[str] = []  # why it is not free though it is isolated
        self._to_wipe = self._wiping = False

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Power orders and jobs first, then what is owed."""
        for item in batch:
            if isinstance(item, Paid):
                for fact in self._payer.take(item):
                    self._seen_isolated(fact)
            elif isinstance(item, Wiped) and item.job == self._payer.job:
                self._to_wipe = self._wiping = False
                self._unfit += [str(item.outcome.error)] if item.outcome.error else []
        self._hands.handle([item for item in batch if not isinstance(item, Paid | Wiped)])
        return self._pay()

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Answer those who wait, and ask again for what is owed."""
        self._hands.failed(batch, words)
        self._payer.ask_again()

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
        known = job["arguments"].get("leaving", False) and views.is_isolated(self._store, node)
        if (
            views.is_leaving(self._store, node) and not known
        ):  # it may have been switched off for that already
            raise Conflict(f"node {self._name} is leaving its group", "nothing was done")
        self._advance(number, state="running", total=1)
        state = self._act(node, job["arguments"]["action"])
        self._done(job, state)

    def _done(self, job: Record, state: str) -> None:
        """The job's end and who asked for it, in one transaction: neither is known without the other."""
        who, action, now = job["who"]["name"], job["arguments"]["action"], self._tools.now()
        event = Event(who, f"node {self._name}", f"power {action}", state, job["group"])

        def write(tx: Transaction) -> None:
            jobs.advance(tx, job["id"], now, state="done", done=1, result=state)
            tx.tell(event)

        self._store.transact(write)

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
        """Take up the debt."""
        debt = self._store.get(debts.node_key(self._name))
        owed = dict(debt["owed"]) if debt else {}
        power = owed.pop(facts.name("node", self._name), None)
        self._payer.begin(number, owed)
        self._payer.advance(state="running", total=1)
        self._unfit, self._wiping = [], False
        after = hooks.configured(self._store, hooks.AFTER)
        self._to_wipe = after and power is not None and plan.given(power)
        if power is not None and plan.powered(power):
            outcome = hand.run([Order(facts.name("node", self._name), None, power)], self._store.epoch)[0]
            # The network goes regardless of the power.
            self._unfit += [str(outcome.error)] if outcome.error else []

    def _seen_isolated(self, fact: str) -> None:
        now = self._tools.now()
        self._store.transact(lambda tx: releases.read_back(tx, [fact], now))

    def _pay(self) -> float | None:
        """Done when nothing is owed; else ask again after a growing pause."""
        if self._payer.job is None:
            return None
        if self._payer.owed and not self._payer.settled():
            return self._payer.ask()
        if self._to_wipe and not self._payer.settled():
            return self._wipe(self._payer.job)
        if self._payer.owed:
            self._payer.advance(state="done", done=1, result="settled by an administrator")
        else:
            now, failed = self._tools.now(), "; ".join(self._unfit) or None
            self._store.transact(lambda tx: releases.pay_debt(tx, self._name, now, failed))
            self._payer.advance(state="done", done=1, result="failed" if failed else "free")
        self._payer.end()
        return None

    def _wipe(self, number: int) -> float:
        """Have the site's program run; its end is put into this worker's queue, which stays until then."""
        if not self._wiping:
            self._wiping = True
            order = Order(facts.name("node", self._name), None, moot=partial(self._payer.settled, number))
            here, send = f"node:{self._name}", self._tools.send
            errand = Errand([order], lambda outcomes: send(here, Wiped(number, outcomes[0])))
            send(hooks.subject(self._name), errand)
        return self._tools.patience.longest_pause
