"""Operations on hosts: the machines that run libvirt.

Pure; called through nm.pool. What nm may connect to is nm.hypervisor's to say.
"""

from typing import Any

from nm import hypervisor, keys, paths, views
from nm.calls import NM, Call
from nm.errors import Conflict
from nm.pool import uses, values
from nm.pool.common import IN_SERVICE, SERVICE, claim, detail, need, need_new, service, tell, unclaim
from nm.pools import claims, holders, leftovers
from nm.records import Record, changed, in_order, name_of, new
from nm.store import Reader, Transaction


def uri(value: Any, what: str) -> str:
    """A libvirt URI that nm may use: no parameters, no password."""
    return hypervisor.check_uri(values.text()(value, what))


def _struct(value: Any, what: str) -> Record:
    return dict(values.of_type(dict, value, what))


def _host_key(value: Any, what: str) -> str:
    return value and keys.canonical_key(values.text(4096)(value, what))


def _pool(value: Any, what: str) -> str | None:
    """The name of a storage pool; "" for nm's own."""
    return values.domain(value, what) if values.of_type(str, value, what) else None


_HOST: dict[str, values.Check] = {
    "uri": uri,
    "network": _struct,
    "host_key": _host_key,
    "secrets": values.secrets,
    "pool": _pool,
    "emulate": values.boolean,
    **SERVICE,
}
_DEFAULTS: Record = {"host_key": "", "secrets": {}, "pool": None, "emulate": False}


def _check(record: Record) -> None:
    hypervisor.check_network(record["network"])
    hypervisor.check_way(record)


def register_host(tx: Transaction, call: Call, name: str, settings: Record) -> int:
    """Tell nm of a machine that runs libvirt."""
    need_new(tx, "host", name)
    given = values.struct(settings, f"host {name}", _HOST, ("uri", "network"))
    own: Record = {**_DEFAULTS, "_host_key": None}
    record = {**new("host", name, call.now), **own, **given, **service(IN_SERVICE, given)}
    _check(record)
    _claim_libvirt(tx, call, record)
    tx.put(record)
    claims.check_hosts(tx, call)
    tell(tx, call, "host", name, "registered")
    return 1


def _claim_libvirt(tx: Transaction, call: Call, record: Record) -> None:
    """Two names for one libvirt would let one domain be two head nodes."""
    hint = "register each libvirt once: use that host, or UnregisterHost it first"
    claim(tx, call, "uri", hypervisor.canonical_uri(record["uri"]), record["record_key"], hint)


def update_host(tx: Transaction, call: Call, name: str, changes: Record) -> int:
    """Change how a host is reached while nobody uses it, or take it out of service."""
    record = need(tx, "host", name)
    given = values.changes(changes, f"host {name}", _HOST, {"reason": "", **_DEFAULTS})
    after = changed(record, call.now, **{**given, **service(record, given)})
    _check(after)
    if {"uri", "host_key"} & given.keys():
        after["_host_key"] = None  # who names another machine, or its key, vouches for what it shows
    if any(after.get(key) != record.get(key) for key in ("uri", "network", "pool", "emulate")):
        for head in _head_nodes(tx, name):
            if head["group"] is not None:
                raise Conflict(
                    f"host {name} runs head node {views.named(head)} of group {head['group']}",
                    "give the group another head node, or change only available and reason",
                )
        _check_unused(tx, name)
    if hypervisor.canonical_uri(after["uri"]) != hypervisor.canonical_uri(record["uri"]):
        unclaim(tx, "uri", hypervisor.canonical_uri(record["uri"]))
        _claim_libvirt(tx, call, after)
    tx.put(after)
    if {"uri", "network"} & given.keys():
        claims.check_hosts(tx, call)
    tell(tx, call, "host", name, "changed", detail(given))
    return 1


def pin_host_key_of_host(tx: Transaction, name: str, key: str, now: float) -> None:
    """A host has shown itself by that key over SSH; it is expected of it from now on."""
    record = need(tx, "host", name)
    if not (record.get("host_key") or record.get("_host_key")):
        tx.put(changed(record, now, _host_key=key))
        tell(tx, Call(NM, "", now), "host", name, "host key pinned", key.partition(" ")[0])


def unregister_host(tx: Transaction, call: Call, name: str) -> int:
    """Forget a host that has no head nodes, no trunk, and nothing of a description."""
    record = need(tx, "host", name)
    for head in _head_nodes(tx, name):
        raise Conflict(f"host {name} has head node {views.named(head)}", "UnregisterHeadNode first")
    for trunk in tx.range("trunk"):
        if f"host:{name}" in paths.ends(trunk):
            raise Conflict(f"host {name} is an end of trunk {views.named(trunk)}", "UnregisterTrunk first")
    _check_unused(tx, name)
    unclaim(tx, "uri", hypervisor.canonical_uri(record["uri"]))
    tx.delete(record["record_key"])
    tell(tx, call, "host", name, "unregistered")
    return 1


def _check_unused(tx: Transaction, name: str) -> None:
    """Conflict while a group has its network there, or a description a component."""
    if (group := uses.host(tx, name)) is not None:
        raise Conflict(
            f"host {name} has the network of group {group}",
            "take its head node or domains away, or destroy it",
        )
    if (component := holders.on_host(tx, name)) is not None:
        raise Conflict(
            f"host {name} has component {component}",
            "terminate that, or describe it on another host; available and reason can change meanwhile",
        )


def _head_nodes(tx: Transaction, host: str) -> list[Record]:
    return in_order(head for head in tx.range("headnode") if head["host"] == host)


def get_hosts(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The hosts that the filter matches."""

    def view(record: Record) -> Record:
        return views.host(call, record, leftovers.on_host(reader, name_of(record["record_key"])))

    return views.find(reader, "host", filter, view)
