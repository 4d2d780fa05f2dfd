"""What would be done: `nmctl plan`, and --dry-run of every command that changes something.

Lines begin with + for what comes, ~ for what changes and - for what goes, and end with the counts. A plan's
exit status is 2 when there is something to do and 0 when there is nothing, so that scripts can ask.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nm.shell.failures import OK
from nm.shell.output import Block, Line
from nm.shell.session import Session
from nm.shell.table import Command, Options, parameters

TO_DO = 2  # the exit status when a plan is not empty
MARKS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}
STAGES = {
    1: "leave and confirm",
    2: "VLANs, trunks and bridges",
    3: "join",
    4: "machine list, head node, account",
    5: "clear away",
}

Struct = Mapping[str, Any]


def plan(session: Session, command: Command, options: Options) -> int:
    """Show the plans of the groups that are named, or of all that have something staged."""
    names = options.group or [
        group["name"] for group in session.call("GetGroups", {"pending": True, "state": _EDITABLE})
    ]
    plans = [{"group": name, **session.call(command.method, name)} for name in names]
    to_do = any(found["changes"] for found in plans)
    if session.output.json:
        session.output.result(plans)
    else:
        session.output.show([block for found in plans for block in _plan(found)] or [Line(NOTHING)])
    return TO_DO if to_do else OK


NOTHING = "nothing to do: what is wanted is what is deployed"
_EDITABLE = ["staged", "deploying", "deployed", "failed"]


def _plan(found: Struct) -> Sequence[Block]:
    blocks: list[Block] = [Line(f"group {found['group']}", "bold")]
    if not found["changes"]:
        return [*blocks, Line(f"  {NOTHING}")]
    return [
        *blocks,
        *(line for change in found["changes"] for line in _change(change)),
        Line("  in this order:"),
        *_steps(found["steps"]),
        Line(counted("Plan", found["changes"]), "bold"),
        Line(f"to do just this: nmctl deploy {found['group']} --if-plan {found['hash']}"),
    ]


def _change(change: Struct) -> list[Line]:
    mark, style = MARKS[change["action"]]
    since = " (drift)" if change.get("drift") else ""
    said = f"  {mark} {change['what']} {change['target']}: {change['before']} → {change['after']}{since}"
    return [Line(said, style), *(Line(f"      {line}", style) for line in change.get("lines", ()))]


def _steps(steps: Sequence[Struct]) -> list[Line]:
    lines: list[Line] = []
    stage = 0
    for step in steps:
        if step["stage"] != stage:
            stage = step["stage"]
            lines.append(Line(f"    {stage} {STAGES.get(stage, '')}"))
        lines.append(Line(f"      {step['text']}"))
    return lines


def counted(title: str, changes: Sequence[Struct]) -> str:
    """How many come, change and go."""
    counts = Counter(change["action"] for change in changes)
    return f"{title}: {counts['add']} to add, {counts['change']} to change, {counts['remove']} to remove."


# ---- dry runs


def dry_run(session: Session, command: Command, options: Options) -> int:
    """Tell what the command would change, and change nothing."""
    told = [
        session.call("DryRun", command.method, list(params)) for _, params in parameters(command, options)
    ]
    if session.output.json:
        session.output.result(told)
    else:
        blocks = [line for one in told for line in _dry(one)]
        changes = [change for one in told for change in [*one["changes"], *one["plan"]]]
        session.output.show([*blocks, Line(counted("Dry run, nothing was done", changes), "bold")])
    return OK


def _dry(told: Struct) -> list[Line]:
    lines = [_record(change) for change in told["changes"]]
    lines += [line for change in told["plan"] for line in _change(change)]
    lines += [Line(f"  {remark}") for remark in told.get("remarks", ())]
    return lines + [Line(f"  a job would be started: {_job(job)}") for job in told["jobs"]]


def _job(job: Struct) -> str:
    """Its kind, and its subject, where that is one thing and not a worker of many."""
    return job["kind"] if job["subject"].endswith(":") else f"{job['kind']} {job['subject']}"


def _record(change: Struct) -> Line:
    mark, style = MARKS[change["action"]]
    values = change.get("values", {})
    keys = [
        f"{key}: {_word(values[key][0])} → {_word(values[key][1])}" if key in values else key
        for key in change["keys"]
    ]
    said = f" ({', '.join(keys)})" if change["action"] == "change" else ""
    return Line(f"  {mark} {change['kind']} {change['name']}{said}", style)


def _word(value: Any) -> str:
    return "-" if value in (None, "") else str(value)
