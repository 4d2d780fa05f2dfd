"""What workers write down: finished steps, failures, ends of jobs. Pure.

Each function runs inside one transaction. They are the only ones that change a group's `deployed`.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from nm import debts, facts, jobs, people, plan, specs
from nm.calls import NM, Call, Caller
from nm.counted import counted
from nm.errors import NMError
from nm.facts import Outcome
from nm.plan import Step
from nm.records import Record, changed, name_of, port_key, record_key
from nm.store import Event, Reader, Transaction

Done = tuple[Step, Outcome]


def steps_done(
    tx: Transaction, name: str, done: Sequence[Done], now: float, unfit: Mapping[str, str] | None = None
) -> None:
    """Take finished steps into the group's deployed facts. At most specs.NODES_A_CALL of them.

    `unfit`: node -> why its power could not be confirmed off, or it was not wiped; it becomes failed when it
    is freed.
    """
    old = tx.get(record_key("group", name))
    if old is None:
        return
    deployed = dict(old["deployed"])
    for step, outcome in done:
        # By a moot order nothing was made. A port's is moot when the node is not the group's any more; nobody
        # has looked at the port.
        if not (outcome.moot and (step.value is not None or step.fact.startswith("port/"))):
            _take(tx, name, step, outcome, deployed, now)
    audit = _without(old["_audit"], {step.fact for step, outcome in done if not outcome.moot})
    new = changed(old, now, deployed=deployed, _audit=audit, _made=_made(old, done, deployed, now))
    specs.save(tx, old, new, now)
    _tell_drift(tx, name, differences(old), audit["differences"] if audit else ())
    for step, _ in done:
        node = facts.split(step.fact)[1]
        if step.action == "free" and unfit and node in unfit:
            _mark(tx, record_key("node", node), now, _failed=unfit[node])
            tx.tell(Event("nm", f"node {node}", "failed", unfit[node], name))
    if old["job"] is not None and (job := tx.get(record_key("job", old["job"]))) is not None:
        parts = jobs.progressed(job, (step.subject for step, _ in done), now)
        count = min(job["done"] + len(done), job["total"])
        jobs.advance(tx, old["job"], now, done=count, step=done[-1][0].text, parts=parts)


def _made(old: Record, done: Sequence[Done], deployed: plan.Facts, now: float) -> dict[str, float]:
    """When each of the deployed facts was made true, and read back."""
    times = dict(old.get("_made", {}))
    for step, outcome in done:
        if not (outcome.moot or plan.is_bookkeeping(step)):
            times[step.fact] = min(outcome.at, now)
    return {fact: at for fact, at in times.items() if fact in deployed}


def made_since(group: Record, fact: str, at: float) -> bool:
    """Whether the group's worker made the fact true later than that: an older answer says nothing of it."""
    return bool(group.get("_made", {}).get(fact, 0) > at)


def _take(
    tx: Transaction, group: str, step: Step, outcome: Outcome, deployed: plan.Facts, now: float
) -> None:
    kind, *parts = facts.split(step.fact)
    if (switch := facts.switch_of(step.fact)) is not None and debts.of_switch(tx, switch):
        deployed.pop(step.fact, None)  # the switch's debt has it; it may be another device that answered
        return
    if step.action in ("power-off", "wipe"):
        if step.fact in deployed and not outcome.moot:
            was = deployed[step.fact]
            off, wiped = {"power": False}, {"power": plan.powered(was), "given": False}
            deployed[step.fact] = off if step.action == "power-off" else wiped
    elif step.value is None:
        deployed.pop(step.fact, None)
    elif holds(tx, group, step.fact):
        deployed[step.fact] = step.value
        if kind == "node":
            _forget_refusal(tx, record_key("node", parts[0]), now)
    _note(tx, step, outcome, now)


def _note(tx: Transaction, step: Step, outcome: Outcome, now: float) -> None:
    """What a finished step says of the thing itself, in its own record."""
    kind, *parts = facts.split(step.fact)
    if kind == "port":
        seen = outcome.seen or {"untagged": None, "tagged": []}
        isolated = {"_verified": True} if step.value is None else {}
        at = min(outcome.at, now)
        _mark(tx, port_key(*parts), now, _seen={**seen, "open": False}, _read_at=at, **isolated)
    elif kind in ("trunk", "vlan") and not (outcome.moot or plan.is_bookkeeping(step)):
        key = port_key(parts[0], parts[2]) if kind == "trunk" else record_key("switch", parts[0])
        _mark_vlan(tx, key, int(parts[1]), step.value is not None, now)
    elif kind == "account":
        _mark(tx, record_key("account", parts[0]), now, _made=step.value is not None, before=[])
    elif kind == "head":
        head = tx.get(record_key("headnode", parts[0]))
        existing = head is not None and head["image"] is None  # one made from an image is gone with its disks
        used = {"_dirty": True} if step.value is None and existing else {}
        _mark(tx, record_key("headnode", parts[0]), now, _running=step.value is not None, **used)


def holds(reader: Reader, group: str, fact: str) -> bool:
    """False for a fact of a node, or on a switch, that was taken from the group by force meanwhile."""
    kind, *parts = facts.split(fact)
    if (switch := facts.switch_of(fact)) is not None and debts.of_switch(reader, switch):
        return False
    if kind not in ("node", "port"):
        return True
    name: str | None = parts[0]
    if kind == "port":
        port = reader.get(port_key(*parts))
        name = port["node"] if port is not None else None
    node = reader.get(record_key("node", name)) if name else None
    return node is None or node["group"] == group


def awaits(reader: Reader, group: str, node: str) -> bool:
    """Whether the node is the group's and is to be: not when a Deploy, a destroy or the end took it away."""
    record = reader.get(record_key("group", group))
    spec = record["target"] if record is not None else None
    there = spec is not None and bool(spec["networks"]) and node in spec["nodes"]
    return there and holds(reader, group, facts.name("node", node))


def _mark_vlan(tx: Transaction, key: str, vlan: int, present: bool, now: float) -> None:
    """A VLAN was put on a trunk port or into a switch's table, or taken away, and that was read back."""
    record = tx.get(key)
    if record is None:
        return
    if "_seen" in record:
        seen = record["_seen"] or {"untagged": None, "tagged": [], "open": False}
        tagged = _with(seen["tagged"], vlan, present)  # it was read back, so it carries just what it names
        _mark(tx, key, now, _seen={**seen, "tagged": tagged, "open": False}, _read_at=now)
    elif record["_vlans"] is not None:
        _mark(tx, key, now, _vlans=_with(record["_vlans"], vlan, present), _read_at=now)


def _with(vlans: Sequence[int], vlan: int, present: bool) -> list[int]:
    return sorted({*vlans, vlan} if present else {*vlans} - {vlan})


def _forget_refusal(tx: Transaction, key: str, now: float) -> None:
    """What before_give said is over when the node is given out, also when the site asks it no more."""
    node = tx.get(key)
    if node is not None and node.get("_unprepared") is not None:
        tx.put(changed(node, now, _unprepared=None))


def _mark(tx: Transaction, key: str, now: float, **fields: object) -> None:
    record = tx.get(key)
    if record is not None:
        tx.put(changed(record, now, **fields))


def begin(tx: Transaction, name: str, totals: Mapping[str, int], now: float) -> None:
    """The group's job runs, with so many steps ahead for each subject (beside those it has done already)."""
    group = tx.get(record_key("group", name))
    job = tx.get(record_key("job", group["job"])) if group and group["job"] is not None else None
    if job is not None:
        total = job["done"] + sum(totals.values())
        jobs.advance(tx, job["id"], now, state="running", total=total, parts=jobs.planned(job, totals))


def finish(tx: Transaction, name: str, revision: int, now: float) -> bool:
    """The target of that revision is deployed. False when there is a newer one already."""
    old = tx.get(record_key("group", name))
    if old is None or old["revision"] != revision:
        return False
    if old["job"] is not None and (job := tx.get(record_key("job", old["job"]))) is not None:
        result = job["result"] or {"steps": job["done"]}
        jobs.advance(tx, old["job"], now, state="done", step="", done=job["total"], result=result)
    if old["destroying"]:
        specs.save(tx, old, None, now)
        people.disown(tx, old["owner"], name, now)
        if (account := people.account_of(tx, name)) is not None:
            _close(tx, account, now)
        if old["alias"] is not None:
            tx.delete(record_key("claim", f"alias:{old['alias']}"))
        for part in (old.get("federation") or {}).get("parts", ()):  # of a reservation
            tx.delete(record_key("request", part["request"]))
        tx.tell(Event("nm", f"group {name}", "gone", "everything is back in the pool", name))
        return True
    error = plan.waits_for(tx, name, old["target"])
    if old["deployed_revision"] != revision or old["error"] != error:
        tx.put(changed(old, now, deployed_revision=revision, error=error))
        tx.tell(Event("nm", f"group {name}", "deployed", f"revision {revision}", name))
    return True


def _close(tx: Transaction, account: Record, now: float) -> None:
    """A group is gone, its account with it; a predecessor of that name may still have to go."""
    if not account["before"]:
        tx.delete(account["record_key"])
        return
    job = jobs.submit(tx, Call(NM, "DestroyGroup", now), f"account:{account['account']}", "remove")
    tx.put(changed(people.recall(tx, account, now), now, type=people.DELEGATE, job=job))


def fail(
    tx: Transaction,
    name: str,
    revision: int,
    error: str,
    code: int,
    final: bool,
    now: float,
    errors: Mapping[str, str] | None = None,
) -> None:
    """Something of the target could not be made. `final`: the job ends as failed. `errors`: by subject."""
    old = tx.get(record_key("group", name))
    if old is None or old["revision"] != revision:
        return
    if old["error"] != error:
        tx.put(changed(old, now, error=error))
        tx.tell(Event("nm", f"group {name}", "error", error, name))
    job = tx.get(record_key("job", old["job"])) if old["job"] is not None else None
    if job is not None:
        parts = jobs.troubled(job, errors or {})
        if final:
            failed = {"code": code, "text": error}
            jobs.advance(tx, job["id"], now, state="failed", error=failed, parts=parts)
        else:
            jobs.advance(tx, job["id"], now, step=f"to be tried again: {error}"[:500], parts=parts)


def words(failures: Sequence[tuple[Step, NMError]]) -> str:
    """Failures in one line: the first three steps, the rest counted. What several fail of is said once."""
    errors: dict[str, list[str]] = {}
    for step, error in failures[:3]:
        errors.setdefault(str(error), []).append(step.text)
    said = [f"{', '.join(texts)}: {error}" for error, texts in errors.items()]
    return "; ".join(said) + (f"; and {len(failures) - 3} more" if len(failures) > 3 else "")


@dataclass(frozen=True)
class Findings:
    """What an audit found of one group."""

    at: float
    differences: Sequence[Record]
    differing: plan.Facts  # facts, with the values that they were expected to have
    covers: Callable[[str], bool]  # which facts were looked at
    repairing: bool = False
    job: int | None = None  # the group's own audit or repair
    parent: int | None = None  # a repair of more than this group
    stuck: bool = False  # its worker gave up on something that such a repair is about
    closed: Collection[str] = ()  # facts that the round itself has isolated or put right
    answered: Mapping[str, float] = field(default_factory=dict)  # when it was answered what differs, by fact
    read: Mapping[str, float] = field(default_factory=dict)  # switches of which all of the group's was read
    unverified: Sequence[str] = ()  # ports on its VLANs that a repair leaves alone, as "sw0 p1"

    def result(self, found: Sequence[Record]) -> Record:
        """What its job tells."""
        left = {"unverified": list(self.unverified)} if self.repairing else {}
        return {"differences": len(found), **left}

    def left(self, found: Sequence[Record]) -> list[Record]:
        """Of these differences those that are still there. Its own port, isolated by now, has yet to join."""
        return [one for one in found if facts.of(one) in self.differing or facts.of(one) not in self.closed]


def is_news(group: Record, findings: Findings) -> bool:
    """Whether there is something to write down, or to mend."""
    known = [one for one in differences(group) if findings.covers(facts.of(one))]
    mending = findings.repairing and (bool(findings.differing) or findings.stuck)
    return findings.job is not None or mending or known != findings.left(findings.differences)


def audited(tx: Transaction, name: str, findings: Findings, now: float) -> int | None:
    """Write an audit's result down. When repairing, what differs is in doubt and a new revision begins.

    Answers the job that mends the group; None when there is nothing to mend.
    """
    old = tx.get(record_key("group", name))
    if old is None:
        if findings.job is not None:
            gone = {"code": 106, "text": f"group {name} is gone"}
            jobs.advance(tx, findings.job, now, state="failed", error=gone)
        return None
    still = {
        fact
        for fact, value in findings.differing.items()
        if old["deployed"].get(fact) == value
        and not made_since(old, fact, findings.answered.get(fact, math.inf))
    }
    stale = findings.differing.keys() - still
    found = [one for one in findings.differences if facts.of(one) not in stale]
    before = differences(old)
    after = [*(one for one in before if not findings.covers(facts.of(one))), *findings.left(found)]
    read = {**(old["_audit"] or {}).get("read", {}), **findings.read}
    group = changed(old, now, _audit={"at": int(findings.at), "differences": after, "read": read})
    number = _mend(tx, old, findings, still, now) if findings.repairing else None
    if number is not None:
        deployed = {fact: plan.doubt(v) if fact in still else v for fact, v in old["deployed"].items()}
        group = changed(group, now, deployed=deployed, revision=old["revision"] + 1, job=number, error=None)
        jobs.advance(tx, number, now, state="running", result=findings.result(found))
    elif findings.job is not None:
        jobs.advance(tx, findings.job, now, state="done", result=findings.result(found), done=1, total=1)
    if findings.job is not None or number is not None or after != before:
        specs.save(tx, old, group, now)
    for fact in still:
        if fact.startswith("head/"):
            _mark(tx, record_key("headnode", facts.split(fact)[1]), now, _running=None)
    _tell_drift(tx, name, before, after)
    return number


def _mend(
    tx: Transaction, old: Record, findings: Findings, differing: Collection[str], now: float
) -> int | None:
    """The job that makes the group's target true again; it takes over from the one that is under way."""
    if old["target"] is None or not (
        findings.job is not None or differing or (findings.stuck and stuck(tx, old))
    ):
        return None
    number = findings.job
    if number is None:
        name = name_of(old["record_key"])
        parent = tx.get(record_key("job", findings.parent)) if findings.parent is not None else None
        caller = Caller(parent["who"]["uid"], parent["who"]["name"], admin=True) if parent else NM
        call = Call(caller, "Repair", now)
        number = jobs.submit(tx, call, f"group:{name}", "repair", group=name, parent=findings.parent)
    if old["job"] not in (None, number):
        jobs.advance(tx, old["job"], now, state="superseded", step="a repair took over")
    return number


def differences(group: Record) -> list[Record]:
    """What of the group the last audits found to differ, and nothing has mended since."""
    return list(group["_audit"]["differences"]) if group["_audit"] else []


def _without(audit: Record | None, mended: Collection[str]) -> Record | None:
    """The audit's result when these facts were made true, and read back, since then."""
    if audit is None:
        return None
    left = [one for one in audit["differences"] if facts.of(one) not in mended]
    return audit if len(left) == len(audit["differences"]) else {**audit, "differences": left}


def _tell_drift(tx: Transaction, name: str, before: Sequence[Record], after: Sequence[Record]) -> None:
    """Tell when something differs that did not before, and when nothing does any more."""
    known = set(map(facts.of, before))
    if any(facts.of(one) not in known for one in after):
        tx.tell(Event("nm", f"group {name}", "drift", counted(len(after), "difference"), name))
    elif before and not after:
        tx.tell(Event("nm", f"group {name}", "drift gone", "", name))


def reap(tx: Transaction, key: str, now: float) -> None:
    """Forget a record (a finished job) whose time is over."""
    record = tx.get(key)
    if record is not None and record["expiry"] is not None and record["expiry"] <= now:
        tx.delete(key)


def stuck(reader: Reader, group: Record) -> bool:
    """True when the group has something to do, and its worker gave up on it."""
    job = reader.get(record_key("job", group["job"])) if group["job"] is not None else None
    return unfinished(group) and (job is None or job["state"] in jobs.OVER)


def unfinished(group: Record) -> bool:
    """True when a group's worker has something to do."""
    return bool(group["target"] is not None and group["revision"] != group["deployed_revision"])
