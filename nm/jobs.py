"""Jobs as records: a piece of work for one subject's worker, and how far it is. Pure.

A job is submitted in the same transaction as the change that calls for it, so that a restart finds
it. States: queued, running, done, failed, superseded.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from nm.calls import Call
from nm.records import Record, changed, new, record_key
from nm.store import Transaction

KEPT = 7 * 86400  # seconds that a finished job is kept (api.md)
OVER = ("done", "failed", "superseded")


def submit(
    tx: Transaction, call: Call, subject: str, kind: str, group: str | None = None, **arguments: Any
) -> int:
    """Record a queued job and return its id. `subject`: "group:alpha", "switch:sw0", "node:n1"...

    `group`: the group whose members may see the job.
    """
    counter = tx.get("meta_jobs") or new("meta", "jobs", call.now, last=0)
    number = int(counter["last"]) + 1
    tx.put(changed(counter, call.now, last=number))
    tx.put(
        new(
            "job",
            number,
            call.now,
            id=number,
            subject=subject,
            kind=kind,
            group=group,
            arguments=arguments,
            who={"uid": call.caller.uid, "name": call.caller.name},
            state="queued",
            done=0,
            total=0,
            parts={},
            step="",
            result=None,
            error=None,
            created=call.now,
            started=None,
            finished=None,
        )
    )
    return number


def parts_of(job: Record) -> dict[str, Record]:
    """The job's parts; none in jobs of the time before there were any."""
    found: dict[str, Record] = job.get("parts") or {}
    return found


def planned(job: Record, totals: Mapping[str, int]) -> dict[str, Record]:
    """The job's parts with so many more steps ahead: subject -> {done, total, error or None, at or None}.

    A part is what one device's worker does for the job; `at` is when its last step so far was over.
    """
    parts = {
        name: {**part, "total": part["done"]} for name, part in parts_of(job).items() if part["done"] > 0
    }
    for name, count in totals.items():
        part = parts.get(name, {"done": 0, "total": 0, "error": None, "at": None})
        parts[name] = {**part, "total": part["total"] + count, "error": None}
    return parts


def progressed(job: Record, steps: Iterable[str], now: float) -> dict[str, Record]:
    """The job's parts after steps of these subjects were done."""
    parts = dict(parts_of(job))
    for name, count in Counter(steps).items():
        if (part := parts.get(name)) is not None:
            done = min(part["done"] + count, part["total"])
            parts[name] = {**part, "done": done, "error": None, "at": int(now)}
    return parts


def troubled(job: Record, errors: Mapping[str, str]) -> dict[str, Record]:
    """The job's parts with what went wrong in them."""
    return {name: {**part, "error": errors.get(name, part["error"])} for name, part in parts_of(job).items()}


def advance(tx: Transaction, number: int, now: float, **fields: Any) -> Record | None:
    """Change a job's fields; a job that is over stays as it is. Returns the record, if there is one."""
    job = tx.get(record_key("job", number))
    if job is None or job["state"] in OVER:
        return job
    if fields.get("state") == "running" and job["started"] is None:
        fields["started"] = now
    if fields.get("state") in OVER:
        fields["finished"] = now
        fields["expiry"] = int(now) + KEPT
    job = changed(job, now, **fields)
    tx.put(job)
    return job
