"""Families of jobs: a repair of many groups gives each its own job, and is over when all of these are.

It follows what groups' workers are at already, too, and whatever takes over from a job that it waits for.
Called by the patrol's thread only, which begins families and passes on what it hears of their jobs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nm import drift, jobs
from nm.audits import Scope
from nm.converge import Tools
from nm.errors import DeviceFailed
from nm.records import record_key


@dataclass(frozen=True)
class ChildOver:
    """A job that a repair gave out, or follows, is over."""

    parent: int
    number: int


@dataclass
class _Family:
    """A repair while the jobs that it waits for are under way."""

    scope: Scope
    open: set[int]
    done: int
    failed: list[str] = field(default_factory=list)


class Families:
    """All repairs that wait for other jobs, by their own job's number."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = tools.store
        self._families: dict[int, _Family] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._families

    def begin(
        self, number: int, scope: Scope, open: Iterable[int], done: int = 0, failed: Iterable[str] = ()
    ) -> None:
        """Let the job wait for those that are open. `failed`: what went wrong already, in words."""
        self._families[number] = _Family(scope, set(open), done, list(failed))

    def follow(self, number: int, group: str, scope: Scope) -> int | None:
        """Let the job wait for the one that a group's worker is at; None when that does nothing in scope."""
        now = self._tools.now()
        return self._store.transact(partial(drift.follow, group=group, scope=scope, parent=number, now=now))

    def child_over(self, item: ChildOver) -> None:
        """Written first and remembered after, so that it can be done again. Who took over is waited for."""
        family = self._families.get(item.parent)
        if family is None or item.number not in family.open:
            return
        job = self._store.get(record_key("job", item.number))
        heir = None
        if job is not None and job["state"] == "superseded" and job["group"] is not None:
            heir = self.follow(item.parent, job["group"], family.scope)
        done = family.done + (heir is None or heir in family.open)
        self._advance(item.parent, done=done, step=f"job {item.number} is over")
        family.open.discard(item.number)
        family.done = done
        if heir is not None:
            family.open.add(heir)
        if job is not None and job["state"] == "failed":
            family.failed.append(f"group {job['group']} (job {item.number}): {job['error']['text']}")

    def end(self) -> None:
        """End the jobs that wait for nothing more; one failed when something that it waited for did."""
        for number, family in list(self._families.items()):
            if family.open:
                continue
            if family.failed:
                more = f"; and {len(family.failed) - 3} more" if len(family.failed) > 3 else ""
                error = {"code": DeviceFailed.code, "text": "; ".join(family.failed[:3]) + more}
                self._advance(number, state="failed", error=error)
            else:
                self._advance(number, state="done", step="")
            del self._families[number]

    def _advance(self, number: int, **fields: Any) -> None:
        now = self._tools.now()
        self._store.transact(lambda tx: jobs.advance(tx, number, now, **fields))
