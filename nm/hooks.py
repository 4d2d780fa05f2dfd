"""The site's own programs at well-defined moments of a node, as records. Pure.

`before_give`: the node is isolated and is to be given to a group, whose ports join when the program has
succeeded. `after_return`: it was taken from its group, is isolated, and switching it off was tried; when the
program has succeeded it is free. Which moments have a program is in the record `meta_hooks`, written when
nmd starts or reads its configuration again, so that a plan tells of them. They are run by nm/hookwork.py.
"""

import json
from collections.abc import Mapping
from typing import Any

from nm import jobs, views
from nm.calls import NM, Call
from nm.records import Record, changed, name_of, new, record_key
from nm.store import Event, Reader, Transaction

BEFORE, AFTER = "before_give", "after_return"
HAND = "hooks"  # in a plan's steps
RUNS_KEPT = 20  # in a job
OUTPUT_KEPT = 1000  # characters of a run's output in a job
OUTPUT_TOLD = 1500  # in an event
_KEY = record_key("meta", "hooks")


def subject(node: str) -> str:
    """Whose worker runs the programs of a node. Not the node's: a program may ask nm for its power."""
    return f"hooks:{node}"


def configured(reader: Reader, moment: str) -> bool:
    """Whether there is a program for that moment."""
    return bool((reader.get(_KEY) or {}).get(moment))


def configure(tx: Transaction, programs: Mapping[str, str], now: float) -> None:
    """Write down which moments have a program."""
    there = {moment: bool(programs[moment]) for moment in (BEFORE, AFTER)}
    if any(configured(tx, moment) != is_there for moment, is_there in there.items()):
        tx.put(new("meta", "hooks", now, **there))


def told(reader: Reader, node: Record, now: float) -> str:
    """What a program is told of its node: the struct of GetNodes, without secrets, as JSON."""
    return json.dumps(views.node(reader, Call(NM, "GetNodes", now), node)) + "\n"


def group_of(reader: Reader, node: Record) -> tuple[str | None, int | None]:
    """The group that gets the node, or had it, and the job that waits for the program."""
    debt = reader.get(record_key("debt", name_of(node["record_key"])))
    if debt is not None:
        return debt["group"], debt["job"]
    group = reader.get(record_key("group", node["group"])) if node["group"] is not None else None
    return node["group"], None if group is None else group["job"]


def began(tx: Transaction, node: str, moment: str, now: float) -> None:
    """The program of a moment starts."""
    if (record := tx.get(record_key("node", node))) is not None:
        group, job = group_of(tx, record)
        tx.tell(Event("nm", f"node {node}", "hook started", moment, group))
        if job is not None:
            jobs.advance(tx, job, now, step=f"node {node}: {moment} runs")


def ended(
    tx: Transaction, node: str, moment: str, seconds: float, error: str | None, output: str, now: float
) -> None:
    """The program has come to its end; `error`: why the node is not fit for what comes next.

    A node that was not prepared is failed until it is, or until an administrator clears it. One that was not
    wiped is marked with the step that frees it (nm/recording.py).
    """
    record = tx.get(record_key("node", node))
    if record is None:
        return
    group, job = group_of(tx, record)
    if moment == BEFORE:
        tx.put(changed(record, now, _unprepared=error and f"{BEFORE}: {error}"))
    what = "hook failed" if error else "hook done"
    said = ": ".join(filter(None, [moment, error])) + ("\n" + _tail(output, OUTPUT_TOLD) if output else "")
    tx.tell(Event("nm", f"node {node}", what, said, group))
    if job is not None and (of := tx.get(record_key("job", job))) is not None:
        run = {
            "node": node,
            "moment": moment,
            "seconds": int(seconds),
            "error": error,
            "output": _tail(output, OUTPUT_KEPT),
        }
        jobs.advance(tx, job, now, hooks=[*runs(of), run][-RUNS_KEPT:])


def runs(job: Record) -> list[dict[str, Any]]:
    """The last runs of programs for a job: {node, moment, seconds, error, output}."""
    found: list[dict[str, Any]] = job.get("hooks") or []
    return found


def _tail(text: str, most: int) -> str:
    return text if len(text) <= most else "…" + text[-most:]
