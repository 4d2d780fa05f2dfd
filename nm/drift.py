"""Drift: what audits found, written down where it belongs, told, and mended. Pure.

A group's differences are in the group's record (recording.audited), those of the pool's things in their own:
`_drift` of a port or an account. Here are the marks of the pool, and the operations that ask for audits and
repairs and tell what is known.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nm import audits, debts, facts, groups, jobs, people, recording, views
from nm.calls import Call
from nm.errors import Conflict
from nm.facts import Outcome, Value
from nm.pool import sights
from nm.pool.common import need as need_in_pool
from nm.pool.common import need_port, tell
from nm.records import Record, changed, in_order, name_of, port_key, record_key
from nm.store import Event, Reader, Transaction
from nm.views import is_known

# ---- marks on things of the pool


def is_news(reader: Reader, fact: str, difference: Record | None) -> bool:
    """Whether the mark of that thing of the pool says something else."""
    record = reader.get(_key(fact))
    return record is not None and not _says(record, _mark(record, difference))


def _mark(record: Record, difference: Record | None) -> dict[str, Any]:
    """What the record of a thing of the pool says of that difference."""
    trust = {"_verified": difference is None} if record.get("trunk", "") is None else {}
    return {"_drift": difference, **trust}


def _says(record: Record, fields: Mapping[str, Any]) -> bool:
    return all(record.get(name) == value for name, value in fields.items())


def mark(
    tx: Transaction, found: Mapping[str, Record | None], seen: Mapping[str, Outcome], now: float
) -> None:
    """Write down what was found of things of the pool; a free port that carries something is not trusted.

    One that is seen isolated again is. At most as many as a transaction may write.
    """
    new_ones: dict[str, list[str]] = {}
    gone: dict[str, list[str]] = {}
    for fact, difference in found.items():
        record = tx.get(_key(fact))
        if record is None or not _still_pools(tx, record) or not _was_known(record):
            continue
        if fact in seen and audits.known_since(record, seen[fact].at):
            continue
        fields = _mark(record, difference)
        if not _says(record, fields):
            tx.put(changed(record, now, **fields))
            _note(record, difference, new_ones, gone)
    _tell(tx, "drift", new_ones)
    _tell(tx, "drift gone", gone)


def sighted(tx: Transaction, seen: Mapping[str, Outcome], now: float) -> None:
    """Write down what was read of ports, of whomever they are. At most as many as a transaction may write."""
    for fact, outcome in seen.items():
        record = tx.get(_key(fact))
        if record is not None and is_new_sight(tx, fact, outcome):
            at = min(outcome.at, now)
            tx.put(changed(record, now, _seen=_read(outcome), _read_at=at))


def is_new_sight(reader: Reader, fact: str, outcome: Outcome) -> bool:
    """Whether that is something else than what was last read of the port; what could not be read is not."""
    record = reader.get(_key(fact)) if fact.startswith("port/") else None
    if record is None or audits.known_since(record, outcome.at):
        return False
    readable = outcome.error is None or audits.is_missing(outcome)
    return bool(readable and record["_seen"] != _read(outcome))


def _read(outcome: Outcome) -> Record | None:
    """As a port's record keeps it; None where its switch says that there is no such port."""
    return _as_kept(outcome.seen) if outcome.error is None else None


def mended(tx: Transaction, done: Mapping[str, float], now: float) -> None:
    """These things of the pool were made as they should be, and read back then. A free port is trusted again.

    Not so one that somebody has looked at since.
    """
    gone: dict[str, list[str]] = {}
    for fact, at in done.items():
        record = tx.get(_key(fact))
        if record is None or not _still_pools(tx, record) or not _was_known(record):
            continue
        if audits.known_since(record, at):
            continue
        fields: dict[str, Any] = {"_drift": None}
        if record.get("trunk", "") is None:
            fields |= {"_verified": True, "_seen": _as_kept(None), "_read_at": min(at, now)}
        tx.put(changed(record, now, **fields))
        _note(record, None, {}, gone)
    _tell(tx, "drift gone", gone)


def unreadable(tx: Transaction, switch: str, error: str | None, now: float) -> None:
    """Why a switch could not be read; None when it could."""
    record = tx.get(record_key("switch", switch))
    if record is None:
        return
    tx.put(changed(record, now, _error=error))
    if bool(error) != bool(record["_error"]):
        tx.tell(Event("nm", f"switch {switch}", "error" if error else "readable again", error or ""))


def children(reader: Reader, parent: int) -> list[int]:
    """The jobs that a repair gave out, or follows, and that are not over."""
    return [
        job["id"] for job in reader.range("job") if parent in parents(job) and job["state"] not in jobs.OVER
    ]


def parents(job: Mapping[str, Any]) -> list[int]:
    """The repairs that are over only when this job is."""
    own = job["arguments"].get("parent")
    return [*([own] if own is not None else []), *job.get("followers", ())]


def follow(tx: Transaction, group: str, scope: audits.Scope, parent: int, now: float) -> int | None:
    """Let a repair wait for the job that the group's worker is at; None when that does nothing in scope."""
    record = tx.get(record_key("group", group))
    job = tx.get(record_key("job", record["job"])) if record and record["job"] is not None else None
    if record is None or job is None or job["state"] in jobs.OVER or not audits.undone(tx, record, scope):
        return None
    if parent not in (job["id"], *parents(job)):
        jobs.advance(tx, job["id"], now, followers=[*job.get("followers", ()), parent])
    return int(job["id"]) if job["id"] != parent else None


def _key(fact: str) -> str:
    kind, *parts = facts.split(fact)
    return people.account_key(parts[0]) if kind == "account" else port_key(*parts)


def _still_pools(reader: Reader, record: Record) -> bool:
    """Whether nobody has taken the port meanwhile, and the account is still meant to be there."""
    if "port" in record:
        return record["trunk"] is not None or audits.is_idle(reader, record)
    return not people.unsettled(record)


def _was_known(record: Record) -> bool:
    """False for a free port that was never reset or adopted: whatever it carries is no drift."""
    free = "port" in record and record["trunk"] is None
    return not free or is_known(record)


def _as_kept(seen: Value | None) -> Record:
    return {"open": False, **(seen or {"untagged": None, "tagged": []})}


def _note(
    record: Record, after: Record | None, new_ones: dict[str, list[str]], gone: dict[str, list[str]]
) -> None:
    known = _drifted(record) if "port" in record else bool(record.get("_drift"))
    whose = f"switch {record['switch']}" if "port" in record else f"{_kind(record)} {record['name']}"
    what = f"port {record['port']}" if "port" in record else "its account"
    if after and not known:
        new_ones.setdefault(whose, []).append(what)
    elif record.get("_drift") and not after:
        gone.setdefault(whose, []).append(what)


def _kind(account: Record) -> str:
    return "sliver" if account["type"] in people.OF_SLIVERS else str(account["type"])


def _tell(tx: Transaction, word: str, whats: Mapping[str, list[str]]) -> None:
    for whose, what in whats.items():
        more = f" and {len(what) - 5} more" if len(what) > 5 else ""
        tx.tell(Event("nm", whose, word, ", ".join(what[:5]) + more))


# ---- operations


def start_audit(tx: Transaction, call: Call, group: str) -> int:
    """Compare what is deployed with what is there; changes nothing."""
    return _check(tx, call, group, "audit")


def repair(tx: Transaction, call: Call, group: str) -> int:
    """Audit, and make what differs as the target says."""
    return _check(tx, call, group, "repair")


def _check(tx: Transaction, call: Call, group: str, kind: str) -> int:
    """An audit or repair; the one that waits already, if there is one."""
    record = groups.need(tx, call, group)
    waiting = tx.get(record_key("job", record["checks"].get(kind, 0)))
    if waiting is not None and waiting["state"] == "queued":
        return int(waiting["id"])
    name = name_of(record["record_key"])
    job = jobs.submit(tx, call, f"group:{name}", kind, group=name)
    tx.put(changed(record, call.now, checks={**record["checks"], kind: job}))
    return job


def audit_all(tx: Transaction, call: Call) -> int:
    """Compare everything with what is there."""
    return jobs.submit(tx, call, "pool:", "audit")


def repair_all(tx: Transaction, call: Call) -> int:
    """Make everything as the database says."""
    return jobs.submit(tx, call, "pool:", "repair")


def repair_switch(tx: Transaction, call: Call, switch: str) -> int:
    """Make a switch as the database says: its groups' ports, its trunks, and its free ports."""
    need_in_pool(tx, "switch", switch)
    tell(tx, call, "switch", switch, "repair asked for")
    return jobs.submit(tx, call, f"switch:{switch}", "repair")


def repair_port(tx: Transaction, call: Call, switch: str, port: str) -> int:
    """The same for one port."""
    record = need_port(tx, call, switch, port)
    port = record["port"]
    if audits.unverified(tx, audits.Scope(switch=switch, port=port)) == [f"{switch} {port}"]:
        raise Conflict(f"port {port} of switch {switch} is unverified", "ResetPorts or AdoptPorts it first")
    tell(tx, call, "switch", switch, "repair asked for", record["port"])
    return jobs.submit(tx, call, f"switch:{switch}", "repair", port=port)


def get_status(reader: Reader, call: Call, group: str) -> dict[str, Any]:
    """The group's struct, its three states, and what was last read of its ports."""
    record = groups.need(reader, call, group)
    deployed = [fact.removeprefix("node/") for fact in record["deployed"] if fact.startswith("node/")]
    names = dict.fromkeys([*record["wanted"]["nodes"], *deployed])
    nodes = {name: node for name in names if (node := reader.get(record_key("node", name))) is not None}
    return {
        **groups.view(reader, record),
        "wanted": record["wanted"],
        "target": record["target"],
        "deployed": record["deployed"],
        "node_states": {name: views.node_state(reader, node) for name, node in nodes.items()},
        "ports": [port for name, node in nodes.items() for port in _ports_of(reader, name, node)],
    }


def _ports_of(reader: Reader, name: str, node: Record) -> Iterator[Record]:
    """What was last read of a node's ports."""
    times = sights.audited(reader)
    for nic in node["nics"]:
        port = reader.get(port_key(nic["switch"], nic["port"])) if nic["switch"] else None
        if port is not None:
            last = views.seen(debts.of_switch(reader, nic["switch"]), sights.refreshed(reader, port, times))
            yield {"node": name, "nic": nic["name"], "switch": nic["switch"], "port": nic["port"], **last}


def get_audit(reader: Reader, call: Call, group: str) -> dict[str, Any]:
    """The last audit of a group: {at, differences}; at 0 when there was none."""
    record = groups.need(reader, call, group)
    known = record["_audit"] or {"at": 0, "differences": []}
    patrolled = sights.patrolled_at(reader)
    at = max(known["at"], patrolled if patrolled >= record["created"] else 0)
    return {"at": at, "differences": known["differences"]}


def get_drift(reader: Reader, _call: Call) -> dict[str, Any]:
    """All differences that are known: {at, groups, pool}; at 0 when everything was never looked at."""
    everything = audits.Scope()
    return {
        "at": sights.patrolled_at(reader),
        "groups": dict(_of_groups(reader, everything)),
        "pool": [*_silent(reader, everything), *_of_pool(reader, everything)],
    }


def to_mend(reader: Reader, scope: audits.Scope) -> tuple[list[Record], list[str]]:
    """What is known to differ and a repair would mend; and in words what it would leave, or do beside."""
    found = {facts.of(one): one for one in _of_pool(reader, scope)}
    strangers = []
    for name, differences in _of_groups(reader, scope):
        deployed = (reader.get(record_key("group", name)) or {})["deployed"]
        for one in differences:
            if facts.of(one) in deployed or _is_mendable(reader, one):
                found.setdefault(facts.of(one), one)
            else:
                strangers.append(one)
    left = [one for one in strangers if facts.of(one) not in found]
    stuck = [group for group in audits.in_scope(reader, scope) if audits.stuck_in(reader, group, scope)]
    return list(found.values()), [
        *(f"switch {one['target']} could not be read: {one['seen']}" for one in _silent(reader, scope)),
        *(f"{one['hand']} {one['target']} is left as it is: {one['seen']}" for one in left),
        *(f"group {name_of(group['record_key'])}: what failed is tried again" for group in stuck),
    ]


def _is_mendable(reader: Reader, stranger: Record) -> bool:
    """Whether a repair isolates that stranger on a group's VLAN; false for what serves somebody."""
    port = reader.get(port_key(*stranger["target"].split("/", 1)))
    return port is not None and audits.is_idle(reader, port) and views.is_known(port)


def _of_groups(reader: Reader, scope: audits.Scope) -> Iterator[tuple[str, list[Record]]]:
    for group in audits.in_scope(reader, scope):
        found = [one for one in recording.differences(group) if scope.covers(facts.of(one))]
        if found:
            yield name_of(group["record_key"]), found


def _of_pool(reader: Reader, scope: audits.Scope) -> Iterator[Record]:
    if scope.group is not None:
        return
    for port in in_order(reader.range("port")):
        if scope.switch in (None, port["switch"]) and scope.port in (None, port["port"]) and _drifted(port):
            yield port["_drift"]
    for account in in_order(reader.range("account")) if scope.whole else ():
        if account.get("_drift"):
            yield account["_drift"]


def _silent(reader: Reader, scope: audits.Scope) -> Iterator[Record]:
    """The switches that could not be read."""
    for switch in in_order(reader.range("switch")) if scope.group is None else ():
        name = name_of(switch["record_key"])
        if switch["_error"] and scope.switch in (None, name):
            yield {"hand": "switch", "target": name, "wanted": "readable", "seen": switch["_error"]}


def _drifted(port: Record) -> bool:
    """A free port that was reset or adopted since it was seen has not drifted any more."""
    return bool(port.get("_drift")) and (port["trunk"] is not None or not port["_verified"])
