"""PerformOperationalAction: what slivers can be told to do, by the table of opstates.STATES. Pure."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nm import views
from nm.errors import Invalid
from nm.federation import changing, marks, names, states, telling, userkeys
from nm.federation.answers import Answer
from nm.federation.provisioning import with_errors
from nm.federation.visits import Visit
from nm.geni.refusals import Refused, Unsupported
from nm.geni.rspec.opstates import STATES
from nm.records import Record, record_key
from nm.store import Reader, Transaction

START, RESTART, STOP = "geni_start", "geni_restart", "geni_stop"
UPDATE, CANCEL = "geni_update_users", "geni_updating_users_cancel"

_POWER = {START: marks.ON, RESTART: marks.CYCLE, STOP: marks.OFF}
_KNOWN = {action for state in STATES.values() for action in state.actions}


def perform(
    tx: Transaction,
    visit: Visit,
    given: Sequence[str],
    action: str,
    users: Sequence[Mapping[str, Any]] | None = None,
    best: bool = False,
) -> Answer:
    """Have slivers do it. `users`: [{urn, keys}] for geni_update_users.

    Unsupported when that is no action, or none of the state that they are in; Refused when users are to be
    changed of what is not ready.
    """
    chosen = names.pick(tx, visit, given)
    if action not in _KNOWN:
        raise Unsupported(f"no action {action[:40]!r}", f"actions are {', '.join(sorted(_KNOWN))}")
    names.check_any(chosen)
    people = userkeys.merged([], userkeys.parse(users))
    if action == UPDATE and users is None:
        raise Invalid(f"{UPDATE} needs geni_users", "name the people of the slice, with their keys")
    key = chosen.group["record_key"]
    act = partial(_act, visit=visit, key=key, action=action, people=people)
    refused = changing.most(tx, chosen.nodes, best, act)
    group = changing.at(tx, key)
    done = [node for node in chosen.nodes if node not in refused]
    mail = telling.told(tx, visit, group, action, f"{action} of nodes of", done)
    return with_errors(states.answer(tx, visit, group, chosen.nodes, mail), refused)


def _act(
    tx: Transaction, nodes: Sequence[str], visit: Visit, key: str, action: str, people: userkeys.Users
) -> None:
    group = changing.at(tx, key)
    for node in nodes:
        _check(tx, group, node, action)
    more: dict[str, Any] = {"doing": _POWER.get(action), "job": None, "error": None}
    if action == UPDATE:
        group, job = userkeys.install(tx, visit.call, group, userkeys.keys(people))
        more = {"doing": marks.USERS if job is not None else None, "job": job}
    elif action == CANCEL:
        more = {"doing": None, "job": None}
    field = marks.need(group)
    if action == UPDATE:
        field["users"] = people
    field = marks.with_marks(field, {node: {**field["nodes"][node], **more} for node in nodes})
    if action == START and any(_is_stuck(tx, group, node) for node in nodes):
        changing.deployed(tx, visit.call, group, field, ())
    else:
        changing.noted(tx, visit.call, group, field)


def _is_stuck(reader: Reader, group: Record, name: str) -> bool:
    """Whether its deploy has failed, so that nobody is wiring it any more."""
    node = reader.get(record_key("node", name))
    return node is not None and states.trouble(reader, group, node) is not None


def _check(reader: Reader, group: Record, node: str, action: str) -> None:
    """Whether a sliver may be told that in the state that it is in."""
    if not marks.provisioned(group, node):
        raise _not_now(action, f"the sliver on {node} is just allocated", "Provision it first")
    state, _ = states.operational(reader, group, node)
    if action not in STATES[state].actions:
        raise _not_now(
            action, f"{action} cannot be done while the sliver on {node} is {state}", "ask for Status"
        )
    record = reader.get(record_key("node", node))
    if record is None or views.failure(record) is not None:
        raise Refused(f"node {node} is failed", "Delete the sliver; the people of the site see why")
    if action in _POWER and record["management"] is None and states.is_wired(group, record):
        raise Unsupported(f"the power of node {node} cannot be switched from here", "log in, and do it there")


def _not_now(action: str, message: str, hint: str) -> Unsupported | Refused:
    return Refused(message, hint) if action == UPDATE else Unsupported(message, hint)
