"""Waiting for jobs: bars on a terminal, one for each device at work; plain lines elsewhere.

Ctrl-C ends the watching only.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nm.shell import times, wording
from nm.shell.failures import CONFLICT, CONFLICT_CODE, INTERRUPTED, UNREACHABLE, Failure, of_fault
from nm.shell.session import Session

SLICE = 0.5  # seconds that one WaitJob waits; so often is progress shown
OVER = ("done", "failed", "superseded")
HERE = "machine list, pool"  # the part that no device has

Job = dict[str, Any]


def wait(session: Session, number: int, title: str, seconds: float | None = None) -> Job:
    """The job when it is over (or `seconds` have passed), its progress shown meanwhile."""
    try:
        return _watch(session, number, title, seconds)
    except KeyboardInterrupt:
        raise Failure(
            f"stopped watching; job {number} goes on", f"nmctl job wait {number}", INTERRUPTED
        ) from None
    except Failure as failure:
        if failure.status != UNREACHABLE:
            raise
        hint = f"the job goes on when nmd is back: `nmctl job wait {number}` watches it then"
        hint = "; ".join(filter(None, (hint, failure.hint)))
        words = f"job {number} cannot be watched any more: {failure.message}"
        raise Failure(words, hint, failure.status, failure.code) from None


def _watch(session: Session, number: int, title: str, seconds: float | None) -> Job:
    if session.output.json or session.output.quiet:
        return _last(_states(session, number, seconds))
    if session.output.terminal:
        return _bars(session, number, title, seconds)
    return _lines(session, number, title, seconds)


def _states(session: Session, number: int, seconds: float | None) -> Iterator[Job]:
    end = None if seconds is None else session.clock() + seconds
    while True:
        left = SLICE if end is None else min(SLICE, max(0.0, end - session.clock()))
        job = session.call("WaitJob", number, left)
        yield job
        if job["state"] in OVER or (end is not None and session.clock() >= end):
            return


def _last(states: Iterator[Job]) -> Job:
    job: Job = {}
    for job in states:  # noqa: B007
        pass
    return job


def _lines(session: Session, number: int, title: str, seconds: float | None) -> Job:
    """A line whenever the job has come further, and one for each part that is over or in trouble."""
    shown = ""
    told: dict[str, str] = {}
    job: Job = {}
    for job in _states(session, number, seconds):
        for name, part in parts(job).items():
            line = part_line(name, part, job)
            if line and told.get(name) != line:
                session.output.note(line)
                told[name] = line
        line = progress(job, title)
        if line != shown:
            session.output.note(line)
            shown = line
    return job


def parts(job: Job) -> dict[str, Mapping[str, Any]]:
    """The job's parts under names for people, devices first; none for a job that is not a group's."""
    found = {named(subject): part for subject, part in sorted((job.get("parts") or {}).items()) if subject}
    if "" in (job.get("parts") or {}) and found:
        found[HERE] = job["parts"][""]
    return found


def named(subject: str) -> str:
    """A subject as people call it: `switch:sw0` is switch sw0."""
    kind, _, name = subject.partition(":")
    return f"{kind} {name}".strip()


def part_line(name: str, part: Mapping[str, Any], job: Job) -> str:
    """What there is to tell of a part: that it is over, or what went wrong; else nothing."""
    if part["error"]:
        return f"  {name}: {part['done']}/{part['total']}, to be tried again: {wording.spoken(part['error'])}"
    if part["done"] < part["total"]:
        return ""
    return f"  {name}: {part['done']}/{part['total']} done{took(part, job)}"


def took(part: Mapping[str, Any], job: Job) -> str:
    """How long after the job's start the part was over."""
    if part["at"] is None or job["started"] is None:
        return ""
    return f" after {times.length(max(part['at'] - job['started'], 0))}"


def progress(job: Job, title: str) -> str:
    """Where a job is, in one line."""
    count = f" {job['done']}/{job['total']}" if job["total"] else ""
    step = f": {job['step']}" if job["step"] and job["state"] not in OVER else ""
    return f"job {job['id']} {title}: {job['state']}{count}{step}"


def _bars(session: Session, number: int, title: str, seconds: float | None) -> Job:
    """A bar for the job, and below it one for each part. They go when it is over; a summary stays."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    job: Job = {}
    console = Console(file=session.output.stderr)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}", markup=False, style="dim"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        whole = bars.add_task(f"job {number} {title}", total=None, step="")
        tasks: dict[str, Any] = {}
        for job in _states(session, number, seconds):
            bars.update(whole, total=job["total"] or None, completed=job["done"], step=job["step"])
            for name, part in parts(job).items():
                if name not in tasks:
                    tasks[name] = bars.add_task(f"  {name}", total=part["total"], step="")
                step = f"to be tried again: {wording.spoken(part['error'])}" if part["error"] else ""
                bars.update(tasks[name], total=part["total"], completed=part["done"], step=step)
    for name, part in parts(job).items():
        if line := part_line(name, part, job):
            session.output.note(line)
    return job


def ended(job: Job, title: str) -> str:
    """How a job ended, in one line."""
    took = ""
    if None not in (job["started"], job["finished"]) and job["finished"] > job["started"]:
        took = f" in {times.length(job['finished'] - job['started'])}"
    return f"job {job['id']} {title}: {job['state']}{took}"


def trouble(job: Job, title: str) -> Failure | None:
    """Why a job that is over counts as failed; None when it is done (or still going on)."""
    if job["state"] == "superseded":
        hint = "`nmctl group status` shows the job that took over"
        return Failure(f"job {job['id']} {title}: a newer command took over", hint, CONFLICT, CONFLICT_CODE)
    if job["state"] == "failed":
        error = job["error"] or {"code": 107, "text": "no reason was told"}
        failure = of_fault(error["code"], error["text"])
        failure.message = f"job {job['id']} {title} failed: {failure.message}"
        return failure
    return None
