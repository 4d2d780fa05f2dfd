"""Loans of nodes: a group lends some to another until a time, and gets them back by itself. Pure.

A loan is made in one transaction: the nodes leave the lender's wanted and target, and are promised to the
borrower (nm/promises.py). All that follows is done by the worker of promises (nm/promisework.py): `due` says
what, and `act` does it in one transaction that looks again. A node that was read back as isolated joins; one
whose time is over leaves the borrower; one that nobody waits for is free. So a restart goes on from the
records, and whatever takes a node from a group in between, by force or by its end, makes the next act due.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from nm import groups, groupvalues, jobs, people, plan, promises, releases, specs, views
from nm.calls import Call
from nm.errors import Conflict, Invalid, NotFound
from nm.promises import BACK, LENT, OUT
from nm.records import Record, changed, name_of, record_key
from nm.store import Event, Reader, Transaction

SUBJECT = "promises:"  # whose worker keeps them
LEND, RECALL = "lend", "recall"  # kinds of jobs
TAKE_HOME, JOIN, DROP = "take home", "join", "drop"  # acts of that worker
NODES_AT_ONCE = 30  # of one act; each may cost two writes, and a group a few more


# ---- calls


def lend_nodes(tx: Transaction, call: Call, group: str, to: str, nodes: list[str], until: float) -> int:
    """Lend nodes of the group until that time; 0 calls them back. Answers a job's id.

    Nodes that the borrower has already, or is to have, keep their loan with another end.
    """
    lender = groups.editable(tx, call, group)
    named = groupvalues.nodes(nodes)
    if not named:
        raise Invalid("no node is named", "name those that are to be lent")
    if until == 0:
        return _call_back(tx, call, lender, to, named)
    borrower = _borrower(tx, call, lender, to)
    _check_until(call, until, lender, borrower)
    kept = [node for node in named if _is_lent(tx, lender, borrower, node)]
    fresh = [node for node in named if node not in kept]
    job = _job(tx, call, LEND, lender, borrower, named, until=int(until))
    for node in kept:
        _renew(tx, call, node, until=int(until), job=job)
    if fresh:
        _lend(tx, call, lender, borrower, fresh, int(until), job)
    _tell(tx, call, lender, borrower, "nodes lent", named, until)
    return job


def _borrower(reader: Reader, call: Call, lender: Record, to: str) -> Record:
    borrower = groups.editable(reader, call, to)
    if borrower["record_key"] == lender["record_key"]:
        raise Invalid(f"group {to} cannot lend to itself", "name another group")
    return borrower


def _check_until(call: Call, until: float, lender: Record, borrower: Record) -> None:
    if not call.now < until <= groupvalues.LAST_SECOND:
        raise Invalid(
            "the end of the loan is in the past, or after 9999",
            "give whole seconds since 1970 UTC; 0 calls the nodes back",
        )
    for group in (lender, borrower):
        if group["expiry"] is not None and until > group["expiry"]:
            raise Conflict(
                f"the loan would end after the lease of group {name_of(group['record_key'])}",
                "choose an earlier end, or let the lease be renewed first",
            )


def _is_lent(reader: Reader, lender: Record, borrower: Record, node: str) -> bool:
    """Whether that loan is there already; else Conflict or NotFound when it cannot be made."""
    record, name = reader.get(record_key("node", node)), name_of(lender["record_key"])
    promise = promises.made(record) if record is not None else None
    if promise is not None and promises.is_party(lender, promise["lender"]):
        if promise["turn"] != BACK and promises.is_party(borrower, promise["borrower"]):
            return True
        to = promise["borrower"]["name"]
        if promise["turn"] == BACK:
            raise Conflict(f"node {node} is on its way back from group {to}", "wait until it is home")
        raise Conflict(f"node {node} is lent to group {to}", "call it back first, by LendNodes until 0")
    if record is None or node not in lender["wanted"]["nodes"]:
        raise NotFound(f"no node {node} in group {name}", "GetStatus lists the group's nodes")
    if promise is not None:
        owner = promise["lender"]["name"]
        raise Conflict(f"node {node} is borrowed from group {owner}", "who borrows a node cannot lend it on")
    if (state := views.node_state(reader, record)) in ("failed", "dirty", "out"):
        raise Conflict(f"node {node} is {state}", "GetNodes tells why; lend it when it is good again")
    return False


def _lend(
    tx: Transaction, call: Call, lender: Record, borrower: Record, nodes: list[str], until: int, job: int
) -> None:
    owing = changed(borrower, call.now, borrowed=_with(borrower.get("borrowed", ()), nodes))
    people.check_limits(tx, call, borrower, owing)
    target = _standing(borrower, borrows=True) or specs.EMPTY
    check_makeable(tx, borrower, _with_nodes(target, nodes, {}))
    tx.put(owing)
    images = lender["wanted"].get("images", {})
    for node in nodes:
        promise = {
            "lender": promises.party(lender),
            "borrower": promises.party(borrower),
            "until": until,
            "turn": OUT,
            "image": images.get(node),
            "job": job,
        }
        tx.put(changed(_node(tx, node), call.now, _promise=promise))
    _let_go(tx, call, lender, nodes, lent=_with(lender.get("lent", ()), nodes))


def _call_back(tx: Transaction, call: Call, lender: Record, to: str, nodes: list[str]) -> int:
    """The lender ends loans early. One that is on its way back already is waited for."""
    found = groups.find(tx, to)
    name = name_of(found["record_key"]) if found is not None else to
    for node in nodes:
        promise = promises.made(tx.get(record_key("node", node)) or {})
        mine = promise is not None and promises.is_party(lender, promise["lender"])
        if promise is None or not mine or promise["borrower"]["name"] != name:
            raise NotFound(f"node {node} is not lent to group {to}", "GetStatus lists what is, as lent")
    job = _job(tx, call, RECALL, lender, found, nodes)
    for node in nodes:
        _renew(tx, call, node, job=job)
    going = [node for node in nodes if _node(tx, node)["_promise"]["turn"] != BACK]
    if going:
        _take_home(tx, call, going, "called back")
    return job


def remove_nodes(tx: Transaction, call: Call, group: str, nodes: list[str]) -> int:
    """RemoveNodes. Those that the group has borrowed go home at once; the others are staged out of it."""
    record = groups.editable(tx, call, group)
    named = groupvalues.nodes(nodes)
    borrowed = [node for node in named if node in record["wanted"]["nodes"] and _is_borrowed(tx, node)]
    own = [node for node in named if node not in borrowed]
    if own or not borrowed:
        groups.remove_nodes(tx, call, group, own)
    if borrowed:
        _take_home(tx, call, borrowed, "given back")
    return 1


def _is_borrowed(reader: Reader, node: str) -> bool:
    promise = promises.made(_node(reader, node))
    return promise is not None and promise["turn"] == LENT


# ---- acts of the worker


def due(reader: Reader, nodes: Iterable[str], now: float | None) -> list[tuple[str, str, list[str]]]:
    """What is to be done about these nodes: (act, group, nodes). `now` None: the clock is not believed."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in nodes:
        node = reader.get(record_key("node", name))
        act = _due(reader, node, now) if node is not None else None
        if act is not None:
            found.setdefault(act, []).append(name)
    return [(act, group, names) for (act, group), names in found.items()]


def _due(reader: Reader, node: Record, now: float | None) -> tuple[str, str] | None:
    promise = promises.made(node)
    if promise is None:
        return None
    if promises.returns(reader, node, now) is not None:
        return TAKE_HOME, promise["borrower"]["name"]
    if promises.is_void(reader, node):
        return DROP, promise["borrower"]["name"]
    joining = promises.joins(reader, node) is not None and _is_fit(reader, node)
    return (JOIN, promises.next_party(promise)["name"]) if joining else None


def _is_fit(reader: Reader, node: Record) -> bool:
    """Whether nothing but the promise is between the node and the group that is to get it."""
    return node["group"] is not None or views.node_state(reader, node) == promises.STATE


def act(tx: Transaction, call: Call, act: str, nodes: Iterable[str], certain: bool) -> None:
    """Do it to those of the nodes for which it is still due. At most NODES_AT_ONCE of them."""
    for what, group, names in due(tx, nodes, call.now if certain else None):
        if what != act:
            continue
        if act == TAKE_HOME:
            _end(tx, call, names, certain)
        elif act == DROP:
            _drop(tx, call, names)
        else:
            _join(tx, call, names, group)


def _end(tx: Transaction, call: Call, nodes: list[str], certain: bool) -> None:
    why: dict[str, list[str]] = {}
    for node in nodes:
        words = promises.returns(tx, _node(tx, node), call.now if certain else None)
        why.setdefault(str(words), []).append(node)
    for words, names in why.items():
        _take_home(tx, call, names, words)


def _take_home(tx: Transaction, call: Call, nodes: list[str], why: str) -> None:
    """The loan of these is over: whoever borrowed them lets go, and their lender is next."""
    of: dict[tuple[str, float], list[str]] = {}
    for node in nodes:
        record = _node(tx, node)
        borrower = record["_promise"]["borrower"]
        of.setdefault((borrower["name"], borrower["created"]), []).append(node)
        tx.put(changed(record, call.now, _promise={**record["_promise"], "turn": BACK}))
        groups.tell(tx, call, record["_promise"]["lender"]["name"], "loan ends", f"{node}: {why}")
    for (name, created), names in of.items():
        groups.tell(tx, call, name, "loan ends", f"{', '.join(names)}: {why}")
        group = promises.group_of(tx, {"name": name, "created": created})
        if group is not None and not group["destroying"]:
            held = {*group["wanted"]["nodes"], *(group["target"] or specs.EMPTY)["nodes"]}
            if going := [node for node in names if node in held]:
                _let_go(tx, call, group, going)


def _join(tx: Transaction, call: Call, nodes: list[str], group: str) -> None:
    """These join the group, in what it wants and in what is deployed: on their way out, or home."""
    home = [node for node in nodes if _node(tx, node)["_promise"]["turn"] == BACK]
    away = [node for node in nodes if node not in home]
    for node in away:
        record = _node(tx, node)
        tx.put(changed(record, call.now, _promise={**record["_promise"], "turn": LENT}))
    if away:
        _enter(tx, call, group, away, {})
        groups.tell(tx, call, group, "nodes borrowed", ", ".join(away))
    images = {node: _image(tx, _node(tx, node)["_promise"]["image"]) for node in home}
    if home:
        _enter(tx, call, group, home, images)
        _forget(tx, call, home)
        groups.tell(tx, call, group, "nodes are back", ", ".join(home))


def wait(tx: Transaction, call: Call, node: str, why: str) -> None:
    """Let both groups know why what is due about the node cannot be done yet."""
    promise = promises.made(tx.get(record_key("node", node)) or {})
    for party in (promise["lender"], promise["borrower"]) if promise is not None else ():
        groups.tell(tx, call, party["name"], "loan waits", f"{node}: {why}")


def _image(reader: Reader, name: str | None) -> str | None:
    """What the node booted before, if there still is such an image."""
    return name if name is not None and reader.get(record_key("image", name)) is not None else None


def _enter(
    tx: Transaction, call: Call, group: str, nodes: list[str], images: Mapping[str, str | None]
) -> None:
    old = tx.get(record_key("group", group))
    if old is None:
        return
    wanted = _with_nodes(old["wanted"], nodes, images)
    wanted = specs.dated(old, wanted)
    target = _standing(old, borrows=not images)
    if target is None:
        specs.save(tx, old, changed(old, call.now, wanted=wanted), call.now)
        return
    target = specs.with_since(
        _with_nodes(target, nodes, images), {**wanted["since"], **target.get("since", {})}
    )
    check_makeable(tx, old, target)
    groups.retarget(tx, call, old, target, "deploy", deployed=releases.known(tx, old), wanted=wanted)


def _standing(group: Record, borrows: bool) -> specs.Spec | None:
    """The target that the nodes are added to; of a lender that was never deployed none: they are staged."""
    stands = groups.standing(group)
    if stands is None and borrows:
        return {**specs.with_nodes(group["wanted"], []), "headnode": None}
    return stands


def _with_nodes(spec: specs.Spec, nodes: list[str], images: Mapping[str, str | None]) -> specs.Spec:
    spec = specs.with_nodes(spec, _with(spec["nodes"], nodes))
    for node, image in images.items():
        spec = specs.with_image(spec, image, [node]) if image is not None else spec
    return spec


def check_makeable(reader: Reader, group: Record, target: specs.Spec) -> None:
    """Conflict or NotFound when the group's worker could not make that target."""
    wanted = plan.expand(reader, name_of(group["record_key"]), target)
    if unverified := plan.unverified_trunks(reader, wanted):
        raise Conflict(
            f"the trunk at switch {unverified[0]} is unverified", "ResetPorts or AdoptPorts on it first"
        )


def _drop(tx: Transaction, call: Call, nodes: list[str]) -> None:
    """The lender has ended: the nodes are nobody's."""
    _forget(tx, call, nodes)
    for node in nodes:
        tx.tell(Event("nm", f"node {node}", "loan over", "its lender has ended: it is free"))


def _forget(tx: Transaction, call: Call, nodes: list[str]) -> None:
    """The promises of these are over."""
    for node in nodes:
        record = _node(tx, node)
        promise = record["_promise"]
        tx.put(changed(record, call.now, _promise=None))
        for role, field in (("lender", "lent"), ("borrower", "borrowed")):
            group = promises.group_of(tx, promise[role])
            if group is not None:
                left = [name for name in group.get(field, ()) if name != node]
                tx.put(changed(group, call.now, **{field: left}))


def _let_go(tx: Transaction, call: Call, old: Record, nodes: list[str], **fields: Any) -> None:
    """The group wants these no more, at once; they are its own until they are isolated."""
    wanted, stands = releases.without(old["wanted"], nodes), groups.standing(old)
    if stands is None:
        specs.save(tx, old, changed(old, call.now, wanted=wanted, **fields), call.now)
        return
    target, there = releases.without(stands, nodes), releases.known(tx, old)
    groups.retarget(tx, call, old, target, "deploy", deployed=there, wanted=wanted, **fields)


# ---- jobs


def follow(tx: Transaction, number: int, troubles: Mapping[str, str], now: float) -> bool:
    """Write down how far a loan's job is; whether it is over. `troubles`: why an act failed, by node."""
    job = tx.get(record_key("job", number))
    if job is None or job["state"] in jobs.OVER:
        return True
    states = {node: _state(tx, job, node, troubles) for node in job["arguments"]["nodes"]}
    done = sum(state == DONE for state in states.values())
    fields: dict[str, Any] = {"state": "running", "done": done, "total": len(states), "step": ""}
    failed = [f"node {node}: {state[1:]}" for node, state in states.items() if state.startswith("!")]
    waiting = [f"node {node} {state}" for node, state in states.items() if state != DONE]
    if REPLACED in states.values():
        fields |= {"state": "superseded", "step": "a newer call took over"}
    elif failed:
        fields |= {"state": "failed", "error": {"code": Conflict.code, "text": "; ".join(failed[:3])}}
    elif waiting:
        fields["step"] = "; ".join(waiting[:3])
    else:
        fields["state"] = "done"
    if any(job[key] != value for key, value in fields.items()):
        jobs.advance(tx, number, now, **fields)
    return fields["state"] in jobs.OVER


DONE, REPLACED = "", "is in another call's hands"


def _state(reader: Reader, job: Record, name: str, troubles: Mapping[str, str]) -> str:
    """How far one node is: DONE, REPLACED, why it cannot go on (behind a !), or what it waits for."""
    node = reader.get(record_key("node", name))
    promise = promises.made(node) if node is not None else None
    ours = promise is not None and promise["job"] == job["id"]
    if node is None or (promise is not None and not ours):
        return REPLACED
    if job["kind"] == LEND and (promise is None or promise["turn"] == BACK):
        return f"!its loan ended before group {job['arguments']['to']} had it"
    to = str(job["group"] if job["kind"] == RECALL else job["arguments"]["to"])
    if promise is None or promise["turn"] == LENT:
        return _arrived(reader, node, to)
    if (why := views.failure(node)) is not None:
        return f"!{why}; group {to} gets it when it is cleared"
    if node["group"] is not None:
        return _trouble(reader, node["group"]) or f"leaves group {node['group']}"
    return f"waits: {troubles.get(name) or views.node_state(reader, node)}"


def _arrived(reader: Reader, node: Record, group: str) -> str:
    """The group that was to get the node has it, as far as calls can tell; its worker makes it so."""
    record, name = reader.get(record_key("group", group)), name_of(node["record_key"])
    spec = record["target"] if record is not None else None
    if record is None or spec is None or name not in spec["nodes"]:
        return DONE  # it was only staged there, or has left since
    if views.state_in(record, node) == "joined":
        return DONE
    return _trouble(reader, group) or f"joins group {group}"


def _trouble(reader: Reader, group: str) -> str | None:
    record = reader.get(record_key("group", group))
    if record is None or groups.state(reader, record) != "failed":
        return None
    return f"!group {group}: {record['error']}"


# ---- helpers


def _job(
    tx: Transaction, call: Call, kind: str, lender: Record, borrower: Record | None, nodes: list[str],
    **more: Any,
) -> int:  # fmt: skip
    to = name_of(borrower["record_key"]) if borrower is not None else ""
    return jobs.submit(
        tx, call, SUBJECT, kind, group=name_of(lender["record_key"]), to=to, nodes=nodes, **more
    )


def _node(reader: Reader, name: str) -> Record:
    record = reader.get(record_key("node", name))
    if record is None:
        raise NotFound(f"no node {name}", "GetNodes lists the pool's nodes")
    return record


def _renew(tx: Transaction, call: Call, node: str, **fields: Any) -> None:
    record = _node(tx, node)
    tx.put(changed(record, call.now, _promise={**record["_promise"], **fields}))


def _with(names: Iterable[str], more: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*names, *more]))


def _tell(
    tx: Transaction, call: Call, lender: Record, borrower: Record, what: str, nodes: list[str], until: float
) -> None:
    end = f"until {datetime.fromtimestamp(int(until), UTC):%Y-%m-%d %H:%M} UTC"
    one, other = name_of(lender["record_key"]), name_of(borrower["record_key"])
    groups.tell(tx, call, one, what, f"{', '.join(nodes)} to group {other} {end}")
    groups.tell(tx, call, other, what, f"{', '.join(nodes)} by group {one} {end}")
