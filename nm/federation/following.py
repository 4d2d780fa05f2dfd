"""What follows by itself: wired nodes are switched on, and it is noted what became of that. Pure.

A restart is two jobs, off and on, so that a daemon that is killed in between takes it up where it was.
"""

from nm import facts, groups, jobs, views
from nm.calls import Call
from nm.errors import NMError
from nm.federation import changing, marks, states
from nm.federation.marks import CYCLE, OFF, ON, USERS, Mark
from nm.records import Record, record_key
from nm.scratch import Scratch
from nm.store import Reader, Transaction

SUBJECT = "federation:"  # whose worker does it
AT_ONCE = 40  # nodes of one transaction; each costs a job


def due(reader: Reader, name: str) -> list[str]:
    """The nodes of that group about which something is; none when it is no reservation."""
    group = reader.get(record_key("group", name))
    return [] if group is None else _due(reader, group)


def _due(reader: Reader, group: Record) -> list[str]:
    return [node for node, mark in _busy(group).items() if _is_due(reader, group, node, mark)]


def is_busy(group: Record) -> bool:
    """Whether anything may be due about a group, now or later. Cheap."""
    return bool(_busy(group))


def _busy(group: Record) -> dict[str, Mark]:
    if marks.of(group) is None or group["destroying"]:
        return {}
    known = marks.all_of(group).items()
    return {node: mark for node, mark in known if mark["doing"] is not None and marks.is_target(group, node)}


def _is_due(reader: Reader, group: Record, name: str, mark: Mark) -> bool:
    if mark["job"] is not None:
        job = reader.get(record_key("job", mark["job"]))
        return job is None or job["state"] in jobs.OVER
    node = reader.get(record_key("node", name))
    if node is None:
        return False
    if mark["doing"] == OFF:
        return facts.name("node", name) in group["deployed"]
    return states.is_wired(group, node) and views.failure(node) is None


def follow(tx: Transaction, call: Call, name: str) -> None:
    """Do what is due about that group, as much as one transaction takes."""
    group = tx.get(record_key("group", name))
    if group is None:
        return
    known = marks.all_of(group)
    found = {node: _next(tx, call, node, known[node]) for node in _due(tx, group)[:AT_ONCE]}
    if found:
        changing.noted(tx, call, group, marks.with_marks(marks.need(group), found))


def observe(tx: Transaction, call: Call, name: str, node: str, action: str) -> None:
    """Somebody else has switched a node: its head node, an operator. What is under way here counts more."""
    group = tx.get(record_key("group", name))
    if group is None or marks.of(group) is None or group["destroying"]:
        return
    mark, power = marks.all_of(group).get(node), OFF if action == OFF else ON
    if mark is None or mark["doing"] is not None or (mark["power"], mark["error"]) == (power, None):
        return
    more = {node: {**mark, "power": power, "error": None}}
    changing.noted(tx, call, group, marks.with_marks(marks.need(group), more))


def _next(tx: Transaction, call: Call, name: str, mark: Mark) -> Mark:
    """The mark of a node when that was done."""
    job = tx.get(record_key("job", mark["job"])) if mark["job"] is not None else None
    if mark["job"] is None:
        return _begun(tx, call, mark, name, OFF if mark["doing"] == CYCLE else mark["doing"])
    if job is not None and job["state"] == "failed":
        return {**mark, "doing": None, "job": None, "error": states.failure_of(job)}
    if mark["doing"] == CYCLE and job is not None and job["arguments"].get("action") == OFF:
        return _begun(tx, call, mark, name, ON)
    power = {} if mark["doing"] == USERS else {"power": OFF if mark["doing"] == OFF else ON}
    return {**mark, **power, "doing": None, "job": None, "error": None}


def _begun(tx: Transaction, call: Call, mark: Mark, name: str, action: str) -> Mark:
    """Its power is being switched; what has no management is left as it is."""
    node = tx.get(record_key("node", name))
    if node is None or node["management"] is None:
        return {**mark, "doing": None, "job": None}
    attempt = Scratch(tx)
    try:
        job = groups.power_node(attempt, call, name, action)
    except NMError as error:
        return {**mark, "doing": None, "job": None, "error": str(error)}
    attempt.apply(tx)
    return {**mark, "job": job}
