"""What guests may look at: what there is, and how their slices are. Pure; nothing is changed."""

from collections.abc import Sequence
from typing import Any

from nm import debts, views
from nm.federation import marks, names, states
from nm.federation.answers import Answer
from nm.federation.visits import Visit
from nm.geni.rspec import manifest
from nm.geni.rspec.advertisement import Offer
from nm.geni.rspec.matching import Pool
from nm.records import in_order, name_of
from nm.store import Reader


def offer(reader: Reader, visit: Visit) -> Offer:
    """What an advertisement tells: all nodes in service, free or not."""
    pool = pool_of(reader, visit)
    there = [node for node in pool.nodes if node["available"]]
    return Offer(there, pool.vlans, pool.trunks, list(pool.images))


def pool_of(reader: Reader, visit: Visit, host: str | None = None) -> Pool:
    """All that there is, as matching takes it. `host`: that of the head node."""
    call, owed = visit.call, debts.vlans(reader)
    images = [one for one in in_order(reader.range("image")) if one["kind"] == "netboot"]
    return Pool(
        [views.node(reader, call, node) for node in in_order(reader.range("node"))],
        [views.vlan(reader, call, vlan, owed) for vlan in in_order(reader.range("vlan"))],
        [views.trunk(call, trunk) for trunk in in_order(reader.range("trunk"))],
        [name_of(one["record_key"]) for one in images],
        host,
    )


def describe(reader: Reader, visit: Visit, given: Sequence[str]) -> Answer:
    """A slice, or some slivers of it, with all that a manifest tells. A slice without any is empty."""
    named = names.slice_of(reader, visit.rules.aggregate, given, visit.guest.door)
    group = names.find(reader, named)
    if named in given and (group is None or group["destroying"]):
        return Answer(named, (), manifest.Slice([], {}))
    chosen = names.pick(reader, visit, given)
    return states.answer(reader, visit, chosen.group, chosen.nodes, as_manifest=True)


def status(reader: Reader, visit: Visit, given: Sequence[str]) -> Answer:
    """How these slivers are. NotFound when the slice has none."""
    chosen = names.pick(reader, visit, given)
    names.check_any(chosen)
    return states.answer(reader, visit, chosen.group, chosen.nodes)


def nodes(
    reader: Reader, visit: Visit, slice: str | None = None, only_free: bool = False
) -> list[dict[str, Any]]:
    """BOWL's table of hosts: {id, hostname, default_mac, default_ip}, of one slice where it is named.

    `id` is the node's number; nodes without one cannot be named by BOWL's clients, and are left out.
    """
    group = names.find(reader, slice) if slice is not None else None
    mine = marks.slivers(group, visit.now) if group is not None else {}
    found = []
    for node in pool_of(reader, visit).nodes:
        if slice is not None and node["name"] not in mine:
            continue
        if node["id"] is None or not node["available"] or (only_free and not node["free"]):
            continue
        boot = next((nic["mac"] for nic in node["nics"] if nic["role"] == "boot"), "")
        told = {"id": node["id"], "hostname": node["hostname"] or node["name"]}
        found.append({**told, "default_mac": boot, "default_ip": node["ip"] or ""})
    return found
