"""The jobs of a pool: one that waits is begun, and ends when the pool is where it was to come.

A helper of the pool's worker. What has changed of the pool is written with what that means for its job and
its state, so both are always of the same moment.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from nm import jobs
from nm.converge import Tools
from nm.errors import Conflict, DeviceFailed, NMError
from nm.poolbook import Book, Finish
from nm.poolprogress import Progress
from nm.pools import keeping, leftovers, reality, updating
from nm.pools.checking import findings, unfit
from nm.pools.life import Entry, alive, standing
from nm.pools.lifecycle import Event
from nm.pools.plan import Step, plan, step_id
from nm.pools.tree import ROOT, Path, Tree, spell
from nm.records import Record, changed, record_key
from nm.store import Transaction

log = logging.getLogger("nm.pooljobs")

UNPREPARED = "prepare "  # how the words begin by which updating.py says that nothing has changed
ASKED = "it was asked for"  # why something goes
MAKING = ("apply", "update", "set")


class PoolJobs:
    """Of one pool. Called by its thread only."""

    def __init__(self, tools: Tools, name: str) -> None:
        self._name, self._store = name, tools.store
        self.forget()

    def forget(self) -> None:
        """Begin anew, from the records."""
        self._progress: Progress | None = None  # of the job that is at work
        self._begins: int | None = None  # the job that is begun with what is written next

    def take_up(self, book: Book) -> None:
        """The job that is at work, if it is not known yet."""
        if self._progress is None and (job := keeping.busy(self._store, book.pool)) is not None:
            self._progress = Progress.of(job)

    def one(self) -> None:
        """One more order of it was carried out."""
        if self._progress is not None:
            self._progress.one()

    # ---- its beginning

    def next(self, book: Book) -> list[Event]:
        """A job that waits is begun."""
        pool = keeping.find(self._store, self._name)
        job = keeping.busy(self._store, pool) if pool is not None else None
        if pool is None or job is None or job["state"] != "queued":
            return []
        if job["kind"] in ("update", "set") and any(map(_is_under_way, book.state.values())):
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
        reference = bool(pool["options"].get("reference"))
        told = keeping.surroundings_of(self._store, pool)
        standings = reality.seen(self._store, self._name, book.standings())
        if job["kind"] == "set":
            _check_findings(Tree(target, surroundings=told), Tree(book.deployed(), surroundings=told))
            steps: Sequence[Step] = _in_place(tuple(job["arguments"]["path"]))
        else:
            steps = plan(Tree(target, surroundings=told), standings, reference=reference).steps
        updating.check(book.state, steps)
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

    # ---- what is written

    def write(self, book: Book) -> bool:
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
                return self.put(book, partial(_reached_and_over, state=now_is, job=job["id"]))
            if job["kind"] in MAKING and _is_over(book, now_is):
                return self._conclude(book, pool, job, now_is)
        shown = _shown(pool, job, now_is)
        if not book.weight and pool["state"] == shown and self._begins is None:
            return True
        return self.put(book, partial(_stands, shown=shown, words=root.get("words")))

    def put(self, book: Book, finish: Finish | None = None) -> bool:
        """Write what has changed, that a job was begun, and what `finish` says."""
        begins, progress = self._begins, self._progress
        news = progress.news() if progress is not None else {}

        def write(tx: Transaction, pool: Record, now: float) -> None:
            if begins is not None and progress is not None:
                jobs.advance(tx, begins, now, state="running", total=progress.total, **news)
            elif news and progress is not None:
                jobs.advance(tx, progress.job, now, **news)
            if finish is not None:
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
            book.pool = {**pool, **pool["before"]}
            book.settle(keeping.target_parts(self._store, book.pool))
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

        return self.put(book, write)


def _is_under_way(entry: Entry) -> bool:
    """Whether something is being done for a part; what cannot be taken down may last for ever."""
    return "doing" in entry and "trouble" not in entry


def _is_over(book: Book, now_is: str) -> bool:
    """Whether a job that makes something is; what was given up lets go of what it prepared first."""
    abandoned = "abandoned" in book.state.get(ROOT, {})
    return now_is in ("running", *keeping.GONE) and not (
        abandoned and any("doing" in entry for entry in book.state.values())
    )


def _check_findings(tree: Tree, before: Tree) -> None:
    """Conflict when anything would be wrong with what is set that was not before; links lead there."""
    if wrong := _errors(tree):
        known = set(_errors(before))
        if new := [one for one in wrong if one not in known]:
            raise Conflict("; ".join(new), "set it to what the description allows")


def _errors(tree: Tree) -> list[str]:
    found = [*unfit(tree.parts.values()), *findings(tree)]
    return [finding.words for finding in found if finding.level == "error"]


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
