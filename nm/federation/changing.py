"""How the group of a reservation changes: nodes come, are deployed, and leave. Pure.

Nothing here asks who may, or how long: that is the calls' to do.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from nm import groups, groupvalues, lending, releases, specs
from nm.calls import Call
from nm.errors import Invalid, NMError, NotFound
from nm.federation import marks
from nm.federation.marks import Field
from nm.geni.rspec.matching import MAIN, Placement
from nm.records import Record, changed
from nm.scratch import Scratch
from nm.store import Transaction


def noted(tx: Transaction, call: Call, old: Record, field: Field) -> Record:
    """The group with another field, and the lease that follows from it."""
    group = changed(old, call.now, federation=field, expiry=marks.first_end(field, old["expiry"]))
    tx.put(group)
    return group


def grown(tx: Transaction, call: Call, old: Record, placement: Placement, field: Field) -> Record:
    """The group wants what was placed, too. Such a node's past in its networks is forgotten."""
    wanted = _fewer(old["wanted"], placement.nodes.values())
    given = {"networks": {**wanted["networks"], **placement.networks}}
    networks = groupvalues.networks(tx, call, given, wanted["networks"])
    more = specs.with_nodes({**wanted, "networks": networks}, [*wanted["nodes"], *placement.nodes.values()])
    more = specs.with_images(more, wanted.get("image"), {**wanted.get("images", {}), **placement.images})
    fields = {"federation": field, "expiry": marks.first_end(field, old["expiry"])}
    group = changed(old, call.now, wanted=specs.dated(old, more), **fields)
    specs.save(tx, old, group, call.now)
    return group


def deployed(tx: Transaction, call: Call, old: Record, field: Field, nodes: Collection[str]) -> Record:
    """These of the nodes that it wants are in its target, too, and no others."""
    there = (old["target"] or specs.EMPTY)["nodes"]
    target = specs.with_nodes(
        old["wanted"], [node for node in old["wanted"]["nodes"] if node in there or node in nodes]
    )
    lending.check_makeable(tx, old, target)
    return retargeted(tx, call, old, target, field)


def retargeted(
    tx: Transaction, call: Call, old: Record, target: specs.Spec, field: Field, **more: Any
) -> Record:
    """The group with another target, and a job that leads there."""
    fields = {"federation": field, "expiry": marks.first_end(field, old["expiry"]), **more}
    groups.retarget(tx, call, old, target, "deploy", deployed=releases.known(tx, old), **fields)
    return at(tx, old["record_key"])


def shrunk(tx: Transaction, call: Call, old: Record, nodes: Collection[str]) -> Record:
    """The group without these: what was deployed of them is taken back, what was not is free at once."""
    _check_few(old, nodes)
    field, wanted = forgotten(tx, old, nodes), _fewer(old["wanted"], nodes)
    if old["target"] is not None and any(node in nodes for node in old["target"]["nodes"]):
        return retargeted(tx, call, old, _fewer(old["target"], nodes), field, wanted=wanted)
    fields = {"federation": field, "expiry": marks.first_end(field, old["expiry"])}
    group = changed(old, call.now, wanted=wanted, **fields)
    specs.save(tx, old, group, call.now)
    return group


def _check_few(group: Record, nodes: Collection[str]) -> None:
    """Invalid when more nodes would be free at once than one transaction can write."""
    if sum(not marks.is_target(group, node) for node in nodes) > specs.NODES_A_CALL:
        raise Invalid(
            f"{len(nodes)} slivers in one call", f"give back at most {specs.NODES_A_CALL} at a time"
        )


def _fewer(spec: specs.Spec, nodes: Collection[str]) -> specs.Spec:
    """A spec without these nodes, their NICs, and the networks of which nothing is left."""
    networks = {}
    for name, network in spec["networks"].items():
        kept = [nic for nic in network["nics"] if nic.partition(":")[0] not in nodes or ":" not in nic]
        if kept or name == MAIN or kept == network["nics"]:
            networks[name] = {**network, "nics": kept}
    return specs.with_nodes({**spec, "networks": networks}, [n for n in spec["nodes"] if n not in nodes])


def forgotten(tx: Transaction, old: Record, nodes: Collection[str]) -> Field:
    """The field of the group without these nodes; requests of which nothing is left are gone."""
    field = _without(marks.need(old), nodes)
    for key in marks.request_keys(old) - marks.request_keys({"federation": field}):
        tx.delete(key)
    return field


def _without(field: Field, nodes: Collection[str]) -> Field:
    """The field without the marks of these, and without what requests say of them."""
    left = {node: mark for node, mark in field["nodes"].items() if node not in nodes}
    parts = []
    for part in field["parts"]:
        placed = part["placement"]["nodes"]
        kept = {client_id: node for client_id, node in placed.items() if node not in nodes}
        if kept:
            parts.append({**part, "placement": {**part["placement"], "nodes": kept}})
    return {**field, "nodes": left, "parts": parts}


def at(tx: Transaction, key: str) -> Record:
    """The group of that key as the transaction has it by now."""
    found = tx.get(key)
    if found is None:
        raise NotFound(f"no {key}", "it has just ended")
    return found


def most(
    tx: Transaction, nodes: Sequence[str], best: bool, act: Callable[[Transaction, Sequence[str]], object]
) -> dict[str, str]:
    """Let `act` do it to all of the nodes, or (`best`) to as many as can be; why not to others, in words."""
    if not best or _goes(tx, nodes, act):
        act(tx, nodes)
        return {}
    found: list[str] = []
    refused: dict[str, str] = {}
    for node in nodes:
        try:
            act(Scratch(tx), [*found, node])
            found.append(node)
        except NMError as error:
            refused[node] = str(error)
    if found:
        act(tx, found)
    return refused


def _goes(tx: Transaction, nodes: Sequence[str], act: Callable[[Transaction, Sequence[str]], object]) -> bool:
    """Whether all of it can be done: the usual case, which costs two tries and not one for each node."""
    try:
        act(Scratch(tx), nodes)
    except NMError:
        return False
    return True
