"""What workers write down: finished steps, failures, ends of jobs. Pure.

Each function runs inside one transaction. They are the only ones that change a group's `deployed`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from nm import facts, jobs, people, plan, specs
from nm.calls import NM, Call
from nm.errors import NMError
from nm.facts import Outcome
from nm.plan import Step
from nm.records import Record, changed, port_key, record_key
from nm.store import Event, Reader, Transaction

Done = tuple[Step, Outcome]


def steps_done(
    tx: Transaction, name: str, done: Sequence[Done], now: float, unpowered: Mapping[str, str] | None = None
) -> None:
    """Take finished steps into the group's deployed facts. At most specs.NODES_A_CALL of them.

    `unpowered`: node -> why its power could not be confirmed off; it becomes failed when it is freed.
    """
    old = tx.get(record_key("group", name))
    if old is None:
        return
    deployed = dict(old["deployed"])
    for step, outcome in done:
        # A port's order is moot when the node is not the group's any more; nobody has looked at the port.
        if not (outcome.moot and step.fact.startswith("port/")):
            _take(tx, name, step, outcome, deployed, now)
    specs.save(tx, old, changed(old, now, deployed=deployed), now)
    for step, _ in done:
        node = facts.split(step.fact)[1]
        if step.action == "free" and unpowered and node in unpowered:
            _mark(tx, record_key("node", node), now, _failed=unpowered[node])
            tx.tell(Event("nm", f"node {node}", "failed", unpowered[node], name))
    if old["job"] is not None and (job := tx.get(record_key("job", old["job"]))) is not None:
        last = done[-1][0].text
        jobs.advance(tx, old["job"], now, done=min(job["done"] + len(done), job["total"]), step=last)


def _take(
    tx: Transaction, group: str, step: Step, outcome: Outcome, deployed: plan.Facts, now: float
) -> None:
    kind, *parts = facts.split(step.fact)
    if step.action == "power-off":
        if step.fact in deployed:
            deployed[step.fact] = {"power": False}
    elif step.value is None:
        deployed.pop(step.fact, None)
    elif holds(tx, group, step.fact):
        deployed[step.fact] = step.value
    if kind == "port":
        seen = outcome.seen or {"untagged": None, "tagged": []}
        _mark(tx, port_key(*parts), now, _seen={**seen, "open": False}, _read_at=now)
    elif kind == "trunk":
        _mark_vlan(tx, port_key(parts[0], parts[2]), int(parts[1]), step.value is not None, now)
    elif kind == "vlan":
        _mark_vlan(tx, record_key("switch", parts[0]), int(parts[1]), step.value is not None, now)
    elif kind == "account":
        _mark(tx, record_key("account", parts[0]), now, _made=step.value is not None, before=[])
    elif kind == "head":
        used = {"_dirty": True} if step.value is None else {}
        _mark(tx, record_key("headnode", parts[0]), now, _running=step.value is not None, **used)


def holds(reader: Reader, group: str, fact: str) -> bool:
    """False for a fact of a node that was taken from the group by force meanwhile."""
    kind, *parts = facts.split(fact)
    if kind not in ("node", "port"):
        return True
    name: str | None = parts[0]
    if kind == "port":
        port = reader.get(port_key(*parts))
        name = port["node"] if port is not None else None
    node = reader.get(record_key("node", name)) if name else None
    return node is None or node["group"] == group


def _mark_vlan(tx: Transaction, key: str, vlan: int, present: bool, now: float) -> None:
    """A VLAN was put on a trunk port or into a switch's table, or taken away, and that was read back."""
    record = tx.get(key)
    if record is None:
        return
    if "_seen" in record:
        seen = record["_seen"] or {"untagged": None, "tagged": [], "open": False}
        _mark(tx, key, now, _seen={**seen, "tagged": _with(seen["tagged"], vlan, present)}, _read_at=now)
    elif record["_vlans"] is not None:
        _mark(tx, key, now, _vlans=_with(record["_vlans"], vlan, present), _read_at=now)


def _with(vlans: Sequence[int], vlan: int, present: bool) -> list[int]:
    return sorted({*vlans, vlan} if present else {*vlans} - {vlan})


def _mark(tx: Transaction, key: str, now: float, **fields: object) -> None:
    record = tx.get(key)
    if record is not None:
        tx.put(changed(record, now, **fields))


def begin(tx: Transaction, name: str, total: int, now: float) -> None:
    """The group's job runs, with that many steps ahead (beside those it has done already)."""
    group = tx.get(record_key("group", name))
    job = tx.get(record_key("job", group["job"])) if group and group["job"] is not None else None
    if job is not None:
        jobs.advance(tx, job["id"], now, state="running", total=job["done"] + total)


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
        tx.tell(Event("nm", f"group {name}", "gone", "everything is back in the pool", name))
        return True
    if old["deployed_revision"] != revision or old["error"]:
        tx.put(changed(old, now, deployed_revision=revision, error=None))
        tx.tell(Event("nm", f"group {name}", "deployed", f"revision {revision}", name))
    return True


def _close(tx: Transaction, account: Record, now: float) -> None:
    """A group is gone, its account with it; a predecessor of that name may still have to go."""
    if not account["before"]:
        tx.delete(account["record_key"])
        return
    job = jobs.submit(tx, Call(NM, "DestroyGroup", now), f"account:{account['account']}", "remove")
    tx.put(changed(people.recall(tx, account, now), now, type=people.DELEGATE, job=job))


def fail(tx: Transaction, name: str, revision: int, error: str, code: int, final: bool, now: float) -> None:
    """Something of the target could not be made. `final`: the job ends as failed."""
    old = tx.get(record_key("group", name))
    if old is None or old["revision"] != revision:
        return
    if old["error"] != error:
        tx.put(changed(old, now, error=error))
        tx.tell(Event("nm", f"group {name}", "error", error, name))
    if old["job"] is not None:
        if final:
            jobs.advance(tx, old["job"], now, state="failed", error={"code": code, "text": error})
        else:
            jobs.advance(tx, old["job"], now, step=f"to be tried again: {error}"[:500])


def words(failures: Sequence[tuple[Step, NMError]]) -> str:
    """Failures in one line: the first three whole, the rest counted."""
    said = [f"{step.text}: {error}" for step, error in failures[:3]]
    return "; ".join(said) + (f"; and {len(failures) - 3} more" if len(failures) > 3 else "")


def audited(
    tx: Transaction,
    name: str,
    job: int,
    differences: list[Record],
    differing: Collection[str],
    strangers: Iterable[tuple[str, str]],
    repairing: bool,
    now: float,
) -> None:
    """An audit's result. When repairing, what differs is in doubt and a new revision begins.

    `strangers`: (switch, port) on a VLAN of the group that are none of its ports. Those that serve nobody
    are not trusted any more, and isolated when repairing.
    """
    old = tx.get(record_key("group", name))
    if old is None:
        jobs.advance(tx, job, now, state="failed", error={"code": 106, "text": f"group {name} is gone"})
        return
    group = changed(old, now, _audit={"at": int(now), "differences": differences})
    result = {"differences": len(differences)}
    if repairing and old["target"] is not None:
        deployed = dict(old["deployed"])
        for fact in differing:
            if fact in deployed:
                deployed[fact] = plan.doubt(deployed[fact])
        if old["job"] not in (None, job):
            jobs.advance(tx, old["job"], now, state="superseded", step="a repair took over")
        group = changed(group, now, deployed=deployed, revision=old["revision"] + 1, job=job, error=None)
        jobs.advance(tx, job, now, state="running", result=result)
    else:
        jobs.advance(tx, job, now, state="done", result=result, done=1, total=1)
    specs.save(tx, old, group, now)
    _distrust(tx, strangers, repairing, now)
    for fact in differing:
        if fact.startswith("head/"):
            _mark(tx, record_key("headnode", facts.split(fact)[1]), now, _running=None)
    if differences:
        tx.tell(Event("nm", f"group {name}", "drift", f"{len(differences)} differences", name))


def _distrust(tx: Transaction, strangers: Iterable[tuple[str, str]], repairing: bool, now: float) -> None:
    idle: dict[str, list[str]] = {}
    for switch, port in strangers:
        record = tx.get(port_key(switch, port))
        node = tx.get(record_key("node", record["node"])) if record and record["node"] else None
        if record is not None and record["trunk"] is None and (node is None or node["group"] is None):
            _mark(tx, record["record_key"], now, _verified=False)
            idle.setdefault(switch, []).append(port)
    for switch, ports in idle.items() if repairing else ():
        jobs.submit(tx, Call(NM, "Repair", now), f"switch:{switch}", "reset", ports=ports)


def reap(tx: Transaction, key: str, now: float) -> None:
    """Forget a record (a finished job) whose time is over."""
    record = tx.get(key)
    if record is not None and record["expiry"] is not None and record["expiry"] <= now:
        tx.delete(key)


def unfinished(group: Record) -> bool:
    """True when a group's worker has something to do."""
    return bool(group["target"] is not None and group["revision"] != group["deployed_revision"])
