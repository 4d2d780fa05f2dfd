"""What a call would do, told without doing it: the answer of DryRun. Pure.

The operation runs on a Scratch over the newest state, with the rights of who asks, so it is refused just as
the call itself would be. What it would have written becomes a list of changes; where a group would have got
another target, the steps that its worker would take are planned on the same scratch. A repair is told by what
is known to differ: what it will find, no records say.
"""

from collections.abc import Callable
from typing import Any

from nm import audits, drift, groups, plan, planwords
from nm.calls import Call
from nm.errors import NMError
from nm.pools.attributes import COUNTS
from nm.records import Record, kind_of, name_of
from nm.scratch import Scratch
from nm.store import Reader, check_writes

_UNSPOKEN = ("job", "meta", "claim")  # nm's own book-keeping
_ALWAYS = ("record_key", "timestamp")
_SPOKEN = ("_loans", "_rspec")  # of a sliver, by the names of GetRecord: what it lends, and has with loans
_PLAIN = (str, int, float, bool, type(None))


def dry_run(reader: Reader, call: Call, operation: Callable[[Scratch], Any]) -> dict[str, Any]:
    """Run the operation on a scratch; what it answers and would change. Raises what the call would raise."""
    scratch = Scratch(reader)
    answer = operation(scratch)
    check_writes(len(scratch.writes))
    changes = scratch.changes()
    jobs = [after for key, before, after in changes if kind_of(key) == "job" and before is None and after]
    plans = [_plan(scratch, key, before, after) for key, before, after in changes]
    plans += [_repair(scratch, audits.scope_of(job)) for job in jobs if job["kind"] == "repair"]
    return {
        "answer": None if jobs else answer,
        "changes": [
            _change(call, key, before, after)
            for key, before, after in changes
            if kind_of(key) not in _UNSPOKEN and _keys(before, after)
        ],
        "jobs": [{"kind": job["kind"], "subject": job["subject"]} for job in jobs],
        "steps": [step for plan in plans for step in plan.get("steps", ())],
        "plan": [change for plan in plans for change in plan.get("changes", ())],
        "remarks": [*_of_sets(jobs), *(remark for plan in plans for remark in plan.get("remarks", ()))],
    }


def _of_sets(jobs: list[Record]) -> list[str]:
    """When attributes count that would be set, and what else there is to say of that."""
    sets = [job["arguments"] for job in jobs if job["kind"] == "set"]
    return [words for said in sets for words in (COUNTS[said["effect"]], *said["remarks"])]


def _keys(before: Record | None, after: Record | None) -> list[str]:
    """The public keys in which they differ."""
    old, new = before or {}, after or {}
    return sorted(
        key
        for key in old.keys() | new.keys()
        if key not in _ALWAYS and _is_spoken(key) and old.get(key) != new.get(key)
    )


def _is_spoken(key: str) -> bool:
    return key in _SPOKEN or not key.startswith("_")


def _change(call: Call, key: str, before: Record | None, after: Record | None) -> dict[str, Any]:
    keys = _keys(before, after)
    change: dict[str, Any] = {
        "action": "add" if before is None else "remove" if after is None else "change",
        "kind": kind_of(key),
        "name": name_of(key),
        "keys": keys,
    }
    if call.reader and before is not None and after is not None:
        change["values"] = {
            name: [before.get(name), after.get(name)]
            for name in keys
            if isinstance(before.get(name), _PLAIN) and isinstance(after.get(name), _PLAIN)
        }
    return change


def _plan(scratch: Scratch, key: str, before: Record | None, after: Record | None) -> dict[str, Any]:
    """What the group's worker would do, when it got something to do."""
    if kind_of(key) != "group" or after is None or after["target"] is None:
        return {}
    if before is not None and before["revision"] == after["revision"]:
        return {}
    name = name_of(key)
    try:
        target = plan.expand(scratch, name, after["target"])
        steps = plan.plan(scratch, name, target, after["deployed"])
        changes = groups.changes(scratch, before, target) if before else planwords.changes(target, {})
    except NMError as error:  # the call would go through all the same, and its worker be told
        return {"remarks": [f"group {name} could not be brought there: {error}"]}
    return {"steps": [step.public() for step in steps], "changes": changes}


def _repair(reader: Reader, scope: audits.Scope) -> dict[str, Any]:
    """What a repair would mend, as far as the last audit told."""
    found, left = drift.to_mend(reader, scope)
    known = "this is what the last audit found" if found else "nothing is known to differ"
    return {
        "changes": [planwords.mended(one) for one in found],
        "remarks": [f"{known}; a repair looks first, and mends all that it finds", *left],
    }
