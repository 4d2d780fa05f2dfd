"""Delete, Shutdown, and what ends by itself. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from nm import groups, specs
from nm.calls import Call
from nm.errors import NotFound
from nm.federation import changing, marks, names, states, telling, userkeys
from nm.federation.answers import UNALLOCATED, Answer
from nm.federation.provisioning import with_errors
from nm.federation.visits import Visit
from nm.geni.rspec.opstates import PENDING
from nm.records import Record, name_of, record_key
from nm.store import Transaction


def delete(tx: Transaction, visit: Visit, given: Sequence[str], best: bool = False) -> Answer:
    """Give slivers back; a slice with none left is gone. The answer has them as geni_unallocated."""
    chosen = names.pick(tx, visit, given)
    names.check_any(chosen)
    before = states.answer(tx, visit, chosen.group, chosen.nodes)
    key = chosen.group["record_key"]
    refused = changing.most(tx, chosen.nodes, best, partial(_delete, visit=visit, key=key))
    done = [node for node in chosen.nodes if node not in refused]
    mail = telling.told(tx, visit, chosen.group, "deleted", "nodes given back of", done)
    gone = (
        one if one.node in refused else replace(one, allocation=UNALLOCATED, operational=PENDING, error="")
        for one in before.slivers
    )
    return with_errors(replace(before, slivers=tuple(gone), mail=mail), refused)


def _delete(tx: Transaction, nodes: Sequence[str], visit: Visit, key: str) -> None:
    group = changing.at(tx, key)
    if marks.slivers(group, visit.now).keys() <= {*nodes}:
        groups.destroy_group(tx, visit.call, name_of(key))
    else:
        changing.shrunk(tx, visit.call, group, nodes)


# ---- the emergency stop


def shutdown(tx: Transaction, visit: Visit, slice: str) -> Answer:
    """Emergency stop: its nodes are isolated and switched off, and kept, until an operator opens it again.

    Nobody's keys open anything of it. The second time it changes nothing, and answers the same. NotFound when
    the slice has nothing here.
    """
    group = names.find(tx, slice)
    if group is None or group["destroying"]:
        raise NotFound(f"slice {slice[:120]} has nothing here", "there is nothing to shut down")
    told = Answer(str(group["federation"]["slice"]))
    if group["federation"]["shut"] is not None:
        return told
    call, name = visit.call, name_of(group["record_key"])
    group, _ = userkeys.install(tx, call, group, [])
    field = marks.need(group)
    there = [node for node in field["nodes"] if marks.is_target(group, node)]
    lit = [node for node in there if _is_lit(field["nodes"][node])]
    off = {"doing": marks.OFF, "job": None, "error": None}
    field = marks.with_marks(field, {node: {**field["nodes"][node], **off} for node in there})
    field["shut"] = {"at": int(visit.now), "by": visit.guest.urn or visit.guest.door, "on": lit}
    if group["target"] is None:
        group = changing.noted(tx, call, group, field)
    else:
        networks = group["target"]["networks"]
        apart = {network: {**entry, "nics": []} for network, entry in networks.items()}
        group = changing.retargeted(tx, call, group, {**group["target"], "networks": apart}, field)
    groups.tell(tx, call, name, "shut down", "an emergency stop: an administrator may open it again")
    return replace(told, mail=telling.mailed(tx, visit, group, "emergency stop of", there))


def _is_lit(mark: marks.Mark) -> bool:
    """Whether a node is on, or to be."""
    return mark["doing"] in (marks.ON, marks.CYCLE) or (mark["doing"] is None and mark["power"] != marks.OFF)


# ---- the end of leases


def expire(tx: Transaction, call: Call, name: str) -> int | None:
    """Take the slivers of a group back whose time is over, all of it when that was the last.

    A group that is no reservation ends. None when nothing is over any more, and of what was shut down, which
    is kept. Called by nm/timekeeper.py.
    """
    group = tx.get(record_key("group", name))
    if group is None or marks.of(group) is None or not _is_over(group, call.now):
        return groups.expire_group(tx, call, name)
    if group["federation"]["shut"] is not None:
        return None
    known = marks.all_of(group)
    over = [node for node, mark in known.items() if mark["ends"] <= call.now]
    if len(over) == len(known):
        return groups.expire_group(tx, call, name)
    if not over:
        changing.noted(tx, call, group, marks.need(group))
        return None
    over = over[: specs.NODES_A_CALL]  # the others have their turn right after that
    groups.tell(tx, call, name, "slivers expired", ", ".join(over))
    job = changing.shrunk(tx, call, group, over)["job"]
    return int(job) if job is not None else None


def takes_nothing(group: Record, now: float) -> bool:
    """Whether nothing that is set up ends with what is over: then many may end at once."""
    if marks.of(group) is None:
        return False
    known = marks.all_of(group)
    over = [node for node, mark in known.items() if mark["ends"] <= now]
    left = group["target"] is None or (0 < len(over) < len(known))
    return left and not any(marks.is_target(group, node) for node in over)


def _is_over(group: Record, now: float) -> bool:
    return not group["destroying"] and group["expiry"] is not None and group["expiry"] <= now
