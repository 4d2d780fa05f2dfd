"""A group's worker: makes what was deployed true, step by step, until nothing is left to do.

It is driven by what comes into its queue: a wake-up, an answer of a hand. It never waits for a
device: orders go to the devices' own workers, and their answers come back into the queue. So a switch
that hangs costs the steps that go through it and nothing else. What it knows beside the database is
only which orders are under way; after a restart it begins from the records.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nm import debts, facts, hooks, jobs, plan, recording
from nm.errors import DeviceFailed, NMError
from nm.facts import Hand, Order, Outcome
from nm.plan import Step
from nm.records import Record, record_key
from nm.specs import NODES_A_CALL
from nm.store import Store
from nm.workers import Errand


@dataclass(frozen=True)
class Patience:
    """How long to try, in seconds."""

    deadline: float = 600.0  # after this a job that keeps failing ends as failed
    first_pause: float = 1.0
    longest_pause: float = 60.0

    def pause(self, tries: int) -> float:
        """Seconds before it is tried again what failed so often already: twice as long each time."""
        return min(self.first_pause * 2.0 ** min(tries, 60), self.longest_pause)


@dataclass
class Tools:
    """What group workers work with. `patience` is replaced when the configuration is read again."""

    store: Store
    send: Callable[[str, Any], None]  # Crew.send
    export: Hand
    now: Callable[[], float]
    up: Callable[[], float]  # a clock that nobody can set
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Wake:
    """Look at the group's record: there may be something to do; `urgent`: at once."""

    urgent: bool = False


@dataclass(frozen=True)
class Answer:
    """A hand has answered these steps. `generation`: of the switch that was asked."""

    done: Sequence[tuple[Step, Outcome]]
    subject: str = ""
    generation: int = 0


class GroupWorker:
    """The handler of "group:NAME". Called by that subject's thread only."""

    def __init__(self, name: str, tools: Tools) -> None:
        self._name = name
        self._tools = tools
        self._revision = -1  # of the plan that is being carried out
        self._steps: dict[str, Step] = {}  # by id, all of the plan
        self._done: set[str] = set()
        self._failed: dict[str, NMError] = {}
        self._running: dict[str, str] = {}  # fact -> step id, also of orders from an older plan
        self._unfit: dict[str, dict[str, NMError]] = {}  # node -> action -> why it is not free when it leaves
        self._hooked_at = 0.0  # when one of the site's programs last ended
        self._tries = 0
        self._retry_at: float | None = None  # by Tools.up

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Take in answers, plan anew where needed, send what is ready."""
        stale = self._take_answers([item for item in batch if isinstance(item, Answer)])
        group = self._tools.store.get(record_key("group", self._name))
        if group is None or not recording.unfinished(group):
            self._steps = {}
            return None
        urgent = any(isinstance(item, Wake) and item.urgent for item in batch)
        due = self._retry_at is not None and (urgent or self._tools.up() >= self._retry_at)
        anew = group["revision"] != self._revision or stale or due or not self._steps
        if anew and not self._plan(group):
            return None
        self._send_ready()
        return self._rest(group)

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Begin from the records the next time."""
        self._steps, self._running = {}, {}

    def close(self) -> None:
        """Nothing to let go of."""

    # ---- answers

    def _take_answers(self, answers: Sequence[Answer]) -> bool:
        """Record what was answered. True when the plan is not the one to go on with any more."""
        answered = {step.fact for answer in answers for step, _ in answer.done}
        self._running = {fact: step for fact, step in self._running.items() if fact not in answered}
        known = [one for one in answers if one.generation == debts.generation(self._tools.store, one.subject)]
        stale = len(known) < len(answers)
        good: list[tuple[Step, Outcome]] = []
        for step, outcome in (pair for answer in known for pair in answer.done):
            # An order of the plan before counts in this one when all that comes before it here is done, too.
            current = self._steps.get(step.id) == step and step.needs <= self._done
            undone = outcome.moot and step.value is not None  # it may be wanted again by now
            stale = stale or undone or not current
            self._hooked_at = self._tools.now() if step.hand == hooks.HAND else self._hooked_at
            if outcome.error is None:
                good.append((step, outcome))
                self._unfit.get(step.target, {}).pop(step.action, None)
            elif step.action in ("power-off", "wipe"):
                # The node leaves regardless; it will be marked when it is freed.
                self._unfit.setdefault(step.target, {})[step.action] = outcome.error
            elif current:
                self._failed[step.id] = outcome.error
            if current and not undone and step.id not in self._failed:
                self._done.add(step.id)
        for start in range(0, len(good), NODES_A_CALL // 2):
            self._write(good[start : start + NODES_A_CALL // 2])
        return stale

    def _write(self, done: list[tuple[Step, Outcome]]) -> None:
        now = self._tools.now()
        unfit = {node: "; ".join(map(str, why.values())) for node, why in self._unfit.items() if why}
        self._tools.store.transact(lambda tx: recording.steps_done(tx, self._name, done, now, unfit))
        for step, _ in done:
            if step.action == "free":
                self._unfit.pop(step.target, None)  # when it comes again, it is another story

    # ---- planning and sending

    def _plan(self, group: Record) -> bool:
        """Make the plan; False when there can be none, which is told."""
        store = self._tools.store
        kept, again = self._judged_by_the_site(), group["revision"] == self._revision
        if not again:
            self._tries, kept = 0, {}
        self._revision, self._retry_at = group["revision"], None
        self._done, self._failed = set(), {}
        try:
            target = plan.expand(store, self._name, group["target"])
            steps = plan.plan(store, self._name, target, group["deployed"])
        except NMError as error:
            self._steps = {}
            self._give_up(str(error), error.code)
            return False
        self._steps = {step.id: step for step in steps}
        self._failed = {step: error for step, error in kept.items() if step in self._steps}
        self._done |= set(filter(self._is_refused, self._steps if again else ()))
        now = self._tools.now()
        totals = Counter(step.subject for step in steps)
        store.transact(lambda tx: recording.begin(tx, self._name, totals, now))
        return True

    def _judged_by_the_site(self) -> dict[str, NMError]:
        """Nodes that the site's own program refused: it is not run again because something else failed."""
        return {
            step: error
            for step, error in self._failed.items()
            if step in self._steps and self._steps[step].hand == hooks.HAND and not _passing(error)
        }

    def _is_refused(self, step: str) -> bool:
        """Whether a processor refused to switch the node off; asked over and over, it may lock nm out."""
        node, action = self._steps[step].target, self._steps[step].action
        error = self._unfit.get(node, {}).get(action) if action == "power-off" else None
        return error is not None and not _passing(error)

    def _ready(self) -> list[Step]:
        over = self._done | self._failed.keys()
        return [
            step
            for step in self._steps.values()
            if step.id not in over
            and step.fact not in self._running
            and step.needs <= self._done
            and step.after <= over
        ]

    def _send_ready(self) -> None:
        """Send all that is ready; what needs no device is done at once and may make more ready."""
        while ready := self._ready():
            at_once = [step for step in ready if step.subject == ""]
            errands: dict[str, list[Step]] = {}
            for step in ready:
                if step.subject:
                    self._running[step.fact] = step.id
                    errands.setdefault(step.subject, []).append(step)
            for subject, steps in errands.items():
                errand = Errand([self._order(step) for step in steps], self._answer(subject, steps))
                self._tools.send(subject, errand)
            if at_once:
                self._take_answers([Answer([(step, self._do_here(step)) for step in at_once])])

    def _do_here(self, step: Step) -> Outcome:
        """Bookkeeping, and the machine list: neither can hang."""
        if plan.is_bookkeeping(step):
            return Outcome(seen=step.value)
        outcomes = self._tools.export.run([self._order(step)], self._tools.store.epoch)
        return facts.stamped(outcomes, self._tools.now())[0]

    def _order(self, step: Step) -> Order:
        old = None if step.old and "doubt" in step.old else step.old
        return Order(step.fact, step.value, old, self._moot(step))

    def _moot(self, step: Step) -> Callable[[], bool]:
        """When the step need not, or must not, be done any more; asked by the hand at the last moment."""
        store, name = self._tools.store, self._name
        if step.value is None:
            return lambda: (
                not recording.holds(store, name, step.fact) or plan.needed_by_others(store, name, step.fact)
            )
        if step.hand == hooks.HAND:  # it may take an hour, and ends when the node is to come no more
            return lambda: not recording.awaits(store, name, step.target)
        return lambda: not recording.holds(store, name, step.fact)

    def _answer(self, subject: str, steps: list[Step]) -> Callable[[list[Outcome]], None]:
        here, asked = f"group:{self._name}", debts.generation(self._tools.store, subject)

        def answer(outcomes: list[Outcome]) -> None:
            stamped = facts.stamped(outcomes, self._tools.now())
            self._tools.send(here, Answer(list(zip(steps, stamped, strict=True)), subject, asked))

        return answer

    # ---- the end, or a pause

    def _rest(self, group: Record) -> float | None:
        """Finish, give up, or say when to look again."""
        now = self._tools.now()
        if self._retry_at is not None and not self._running:
            return max(self._retry_at - self._tools.up(), 0.01)
        if self._running:
            return self._watch_deadline(group, now)
        if len(self._done) == len(self._steps) and not self._failed:
            if self._steps or recording.unfinished(group):
                self._finish(now)
            return None
        return self._pause(group, now)

    def _finish(self, now: float) -> None:
        revision = self._revision
        if not self._tools.store.transact(lambda tx: recording.finish(tx, self._name, revision, now)):
            self._tools.send(f"group:{self._name}", Wake())
        self._steps = {}

    def _pause(self, group: Record, now: float) -> float | None:
        """Some steps failed: try again later when that may help, else give up."""
        failures = [(self._steps[step], error) for step, error in self._failed.items()]
        if not failures:
            return None
        text, code = recording.words(failures), failures[0][1].code
        if not any(_passing(error) for _, error in failures):
            self._give_up(text, code)
            return None
        pause = self._tools.patience.pause(self._tries)
        self._tries += 1
        self._retry_at = self._tools.up() + pause
        self._tell(text, code, final=self._too_long(group, now))
        return pause

    def _watch_deadline(self, group: Record, now: float) -> float:
        """Orders are under way. A job whose time is over ends, the orders go on."""
        if self._too_long(group, now):
            subjects = sorted(
                {self._steps[step].subject for step in self._running.values() if step in self._steps}
            )
            failures = [(self._steps[step], error) for step, error in self._failed.items()]
            known = [recording.words(failures)] if failures else []
            self._tell(
                "; ".join([*known, f"no answer from {', '.join(subjects)}"]), DeviceFailed.code, final=True
            )
        return min(self._tools.patience.longest_pause, self._tools.patience.deadline)

    def _too_long(self, group: Record, now: float) -> bool:
        job = self._tools.store.get(record_key("job", group["job"])) if group["job"] is not None else None
        if any(
            self._steps[step].hand == hooks.HAND for step in self._running.values() if step in self._steps
        ):
            return False  # the site's programs have time limits of their own
        if job is None or job["state"] in jobs.OVER:
            return False
        return bool(now - max(job["created"], self._hooked_at) > self._tools.patience.deadline)

    def _give_up(self, text: str, code: int) -> None:
        self._tell(text, code, final=True)

    def _tell(self, text: str, code: int, final: bool) -> None:
        now, revision = self._tools.now(), self._revision
        failed = ((self._steps.get(step), error) for step, error in self._failed.items())
        errors = {step.subject: str(error) for step, error in failed if step is not None}
        self._tools.store.transact(
            lambda tx: recording.fail(tx, self._name, revision, text, code, final, now, errors)
        )


def _passing(error: NMError) -> bool:
    return isinstance(error, DeviceFailed) and error.passing
