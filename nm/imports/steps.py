"""The steps of an import: the operations that it calls, and how each is undone. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nm import delegates, groups, people, pool, recording, specs
from nm.calls import Call
from nm.errors import Conflict, Invalid, NMError, NotFound
from nm.records import Record, changed, check_name
from nm.scratch import Scratch
from nm.store import Reader, Transaction

Step = list[Any]  # the API's word for a call: a method's name and its arguments
NODES_A_STEP = 60  # so that making a group with them, or unmaking it, fits into a bite
ROOM = 95  # writes that the steps of one bite may have, beside the job's own


def tried(reader: Reader, call: Call, steps: Sequence[Step]) -> Scratch:
    """The scratch in which these steps are done. Raises what stands in the way."""
    scratch = Scratch(reader)
    for step in steps:
        _take(scratch, call, step)
    return scratch


def spoken(step: Step) -> str:
    """A step in short words."""
    return " ".join(map(str, step[:2]))


def _take(tx: Transaction, call: Call, step: Step) -> None:
    """Do one step. Accounts that were made in the same import can own groups before the machine has them."""
    method, *arguments = step
    operation, _ = _OPERATIONS[method]
    site = replace(call.site, uid_of=lambda name: _uid_of(tx, call, name))
    operation(tx, replace(call, site=site, method=method), *arguments)


def _uid_of(reader: Reader, call: Call, name: str) -> int | None:
    record = reader.get(people.account_key(name))
    known = record is not None and record["type"] == people.DELEGATE and people.is_live(record)
    return int(record["uid"]) if known and record is not None else call.site.uid_of(name)


@dataclass(frozen=True)
class Undone:
    """What undoing a step would write; what stays all the same, in words; whether it is over with that."""

    scratch: Scratch
    stays: list[str] = field(default_factory=list)
    over: bool = True


def undone(reader: Reader, call: Call, step: Step) -> Undone:
    """Undo a step on a scratch, or the next part of it."""
    method, *arguments = step
    _, undo = _OPERATIONS[method]
    attempt = Scratch(reader)
    try:
        over = bool(undo(attempt, call, *arguments))
    except NotFound:
        return Undone(Scratch(reader))  # somebody was quicker
    except NMError as error:
        return Undone(Scratch(reader), [error.message])
    if len(attempt.writes) > ROOM:
        return Undone(Scratch(reader), [f"{spoken(step)} has grown too large to be undone"])
    return Undone(attempt, over=over)


def _create_group(tx: Transaction, call: Call, name: str, told: Record) -> int:
    """As it is: a node that was not reset yet, or is out of service, may be in it."""
    return groups.make_group(tx, call, name, told, as_it_is=True)


def _remove_group(tx: Transaction, call: Call, name: str, _told: Record) -> bool:
    """In parts, for somebody may have added nodes meanwhile. False when there is more to do."""
    group = _staged(tx, call, name)
    if len(group["wanted"]["nodes"]) > NODES_A_STEP:
        _set_nodes(tx, call, group, group["wanted"]["nodes"][:-NODES_A_STEP])
        return False
    tx.put(changed(group, call.now, destroying=True))
    return recording.finish(tx, name, group["revision"], call.now)


def _staged(tx: Transaction, call: Call, name: str) -> Record:
    group = groups.need(tx, call, name)
    if group["target"] is not None:
        raise Conflict(f"group {name} was deployed meanwhile", "DestroyGroup")
    return group


def _add_nodes(tx: Transaction, call: Call, name: str, nodes: list[str]) -> None:
    group = groups.need(tx, call, name)
    if twice := next((node for node in nodes if node in group["wanted"]["nodes"]), None):
        raise Invalid(f"node {twice} is named twice", "name each node once")
    _set_nodes(tx, call, group, [*group["wanted"]["nodes"], *(check_name(node, "node") for node in nodes)])


def _drop_nodes(tx: Transaction, call: Call, name: str, nodes: list[str]) -> bool:
    group = _staged(tx, call, name)
    _set_nodes(tx, call, group, [node for node in group["wanted"]["nodes"] if node not in nodes])
    return True


def _set_nodes(tx: Transaction, call: Call, group: Record, nodes: list[str]) -> None:
    after = changed(group, call.now, wanted=specs.dated(group, specs.with_nodes(group["wanted"], nodes)))
    specs.save(tx, group, after, call.now, as_it_is=True)


def _same_image(*_step: Any) -> bool:
    """It goes with the nodes, and with the group."""
    return True


def _give_rights(tx: Transaction, call: Call, name: str, rights: Any) -> int:
    """Only where nothing is known of the account, as it was judged: others were set meanwhile."""
    there = tx.get(people.account_key(name))
    if there is not None and not there["destroying"]:
        raise Conflict(f"account {name} was given rights meanwhile", "CheckImport tells how they differ")
    return delegates.set_rights(tx, call, name, rights)


def _take_rights(tx: Transaction, call: Call, name: str, rights: Any) -> bool:
    """Those that the import gave; others are somebody's word."""
    there = tx.get(people.account_key(name))
    if there is None:
        return True
    if there["rights"] != people.parse_rights(rights):
        raise Conflict(f"the rights of {name} were set meanwhile", "SetRights")
    return bool(delegates.set_rights(tx, call, name, []))


def _first(undo: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    """An operation that takes but the first arguments of the step that it undoes."""
    return lambda tx, call, *arguments: undo(tx, call, *arguments[:count])


# What does a thing, and what undoes it: that answers something false when there is more to be undone.
_OPERATIONS: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "RegisterSwitch": (pool.register_switch, _first(pool.unregister_switch)),
    "RegisterPort": (pool.register_port, _first(pool.unregister_port, 2)),
    "RegisterHost": (pool.register_host, _first(pool.unregister_host)),
    "RegisterVlan": (pool.register_vlan, _first(pool.unregister_vlan)),
    "RegisterTrunk": (pool.register_trunk, _first(pool.unregister_trunk)),
    "RegisterImage": (pool.register_image, _first(pool.unregister_image)),
    "RegisterNode": (pool.register_node, _first(pool.unregister_node)),
    "RegisterHeadNode": (pool.register_head_node, _first(pool.unregister_head_node)),
    "CreateDelegate": (delegates.create_delegate, _first(delegates.destroy_delegate)),
    "SetRights": (_give_rights, _take_rights),
    "CreateGroup": (_create_group, _remove_group),
    "AddNodes": (_add_nodes, _drop_nodes),
    "SetImage": (groups.set_image, _same_image),
}
