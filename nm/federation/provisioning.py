"""Provision, Renew: what was allocated is set up, and how long it lasts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from nm.errors import NotFound
from nm.federation import changing, marks, names, states, telling, terms, userkeys
from nm.federation.answers import Answer
from nm.federation.names import Chosen
from nm.federation.visits import Visit
from nm.geni.refusals import Refused
from nm.records import Record
from nm.store import Transaction


def provision(
    tx: Transaction,
    visit: Visit,
    given: Sequence[str],
    wish: float | None = None,
    users: Sequence[Mapping[str, Any]] | None = None,
    best: bool = False,
) -> Answer:
    """Set up allocated slivers: wire them and switch them on, or (manual) ask an operator to.

    Of a slice just those that are allocated; NotFound when there are none. `users`: [{urn, keys}], whose
    keys are installed. `best`: what cannot be provisioned has an error in the answer, and the others go on
    without it. The answer has a manifest.
    """
    people = userkeys.parse(users)
    chosen = names.pick(tx, visit, given)
    nodes = _allocated(chosen)
    group = _with_people(tx, visit, chosen.group, people)
    key = group["record_key"]
    refused = changing.most(tx, nodes, best, partial(_set_up, visit=visit, key=key, wish=wish))
    group = changing.at(tx, key)
    done = [node for node in nodes if node not in refused]
    what = "nodes wait to be set up for" if visit.rules.manual else "nodes provisioned for"
    mail = telling.told(tx, visit, group, "provisioned", what, done, always=visit.rules.manual)
    answer = states.answer(tx, visit, group, nodes, mail, as_manifest=True)
    return with_errors(answer, refused)


def _allocated(chosen: Chosen) -> list[str]:
    """The nodes that are meant. NotFound when a slice was named that has none to provision."""
    if not chosen.whole:
        return list(chosen.nodes)
    nodes = [node for node in chosen.nodes if not marks.provisioned(chosen.group, node)]
    if not nodes:
        raise NotFound(
            "no sliver of the slice is just allocated", "Allocate first; Renew extends what there is"
        )
    return nodes


def _with_people(tx: Transaction, visit: Visit, group: Record, more: userkeys.Users) -> Record:
    field = marks.need(group)
    field["users"] = userkeys.merged(field["users"], more)
    group, _ = userkeys.install(tx, visit.call, group, userkeys.keys(field["users"]))
    return changing.noted(tx, visit.call, group, field)


def _set_up(tx: Transaction, nodes: Sequence[str], visit: Visit, key: str, wish: float | None) -> None:
    """Deploy these, or let an operator do it."""
    group = changing.at(tx, key)
    field = marks.need(group)
    for node in nodes:
        mark = field["nodes"][node]
        if marks.provisioned(group, node):
            raise Refused(f"the sliver on {node} is provisioned already", "Renew extends it")
        default = max(mark["ends"], visit.now + visit.rules.provisioned)
        ends = terms.end(visit, wish, default)
        more = {"ends": ends, "awaiting": visit.rules.manual, "doing": marks.ON, "job": None, "error": None}
        field = marks.with_marks(field, {node: {**mark, **more}})
    if visit.rules.manual:
        changing.noted(tx, visit.call, group, field)
    else:
        changing.deployed(tx, visit.call, group, field, nodes)


def renew(
    tx: Transaction,
    visit: Visit,
    given: Sequence[str],
    until: float,
    as_long_as_possible: bool = False,
    best: bool = False,
) -> Answer:
    """Another end, earlier or later. What cannot be had is Invalid, or cut when that is asked for."""
    chosen = names.pick(tx, visit, given)
    names.check_any(chosen)
    key = chosen.group["record_key"]
    act = partial(_renew, visit=visit, key=key, until=until, cut=as_long_as_possible)
    refused = changing.most(tx, chosen.nodes, best, act)
    group = changing.at(tx, key)
    done = [node for node in chosen.nodes if node not in refused]
    mail = telling.told(tx, visit, group, "renewed", "nodes renewed for", done)
    return with_errors(states.answer(tx, visit, group, chosen.nodes, mail), refused)


def _renew(tx: Transaction, nodes: Sequence[str], visit: Visit, key: str, until: float, cut: bool) -> None:
    group = changing.at(tx, key)
    field, ends = marks.need(group), terms.renewed(visit, until, cut)
    moved = {node: {**field["nodes"][node], "ends": ends} for node in nodes}
    changing.noted(tx, visit.call, group, marks.with_marks(field, moved))


def with_errors(answer: Answer, refused: Mapping[str, str]) -> Answer:
    """The answer with what was not done, at the slivers to which it was not."""
    slivers = (replace(one, error=refused.get(one.node, one.error)) for one in answer.slivers)
    return replace(answer, slivers=tuple(slivers))
