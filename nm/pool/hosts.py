"""Operations on hosts: the machines that run libvirt.

Pure; called through nm.pool. What nm may connect to is nm.hypervisor's to say.
"""

from typing import Any

from nm import hypervisor, paths, views
from nm.calls import Call
from nm.errors import Conflict
from nm.pool import values
from nm.pool.common import IN_SERVICE, SERVICE, claim, detail, need, need_new, service, tell, unclaim
from nm.records import Record, changed, in_order, new
from nm.store import Reader, Transaction


def uri(value: Any, what: str) -> str:
    """A libvirt URI that nm may use: no parameters, no password."""
    return hypervisor.check_uri(values.text()(value, what))


def _struct(value: Any, what: str) -> Record:
    return dict(values.of_type(dict, value, what))


def _pool(value: Any, what: str) -> str | None:
    """The name of a storage pool; "" for nm's own."""
    return values.domain(value, what) if values.of_type(str, value, what) else None


_HOST: dict[str, values.Check] = {
    "uri": uri,
    "network": _struct,
    "pool": _pool,
    "emulate": values.boolean,
    **SERVICE,
}


def register_host(tx: Transaction, call: Call, name: str, settings: Record) -> int:
    """Tell nm of a machine that runs libvirt."""
    need_new(tx, "host", name)
    given = values.struct(settings, f"host {name}", _HOST, ("uri", "network"))
    hypervisor.check_network(given["uri"], given["network"])
    record = {
        **new("host", name, call.now),
        "pool": None,
        "emulate": False,
        **given,
        **service(IN_SERVICE, given),
    }
    _claim_libvirt(tx, call, record)
    tx.put(record)
    tell(tx, call, "host", name, "registered")
    return 1


def _claim_libvirt(tx: Transaction, call: Call, record: Record) -> None:
    """Two names for one libvirt would let one domain be two head nodes."""
    hint = "register each libvirt once: use that host, or UnregisterHost it first"
    claim(tx, call, "uri", hypervisor.canonical_uri(record["uri"]), record["record_key"], hint)


def update_host(tx: Transaction, call: Call, name: str, changes: Record) -> int:
    """Change how a host is reached while no group uses it, or take it out of service."""
    record = need(tx, "host", name)
    given = values.changes(changes, f"host {name}", _HOST, {"pool": None, "emulate": False, "reason": ""})
    after = changed(record, call.now, **{**given, **service(record, given)})
    hypervisor.check_network(after["uri"], after["network"])
    if any(after.get(key) != record.get(key) for key in ("uri", "network", "pool", "emulate")):
        for head in _head_nodes(tx, name):
            if head["group"] is not None:
                raise Conflict(
                    f"host {name} runs head node {views.named(head)} of group {head['group']}",
                    "give the group another head node, or change only available and reason",
                )
    if hypervisor.canonical_uri(after["uri"]) != hypervisor.canonical_uri(record["uri"]):
        unclaim(tx, "uri", hypervisor.canonical_uri(record["uri"]))
        _claim_libvirt(tx, call, after)
    tx.put(after)
    tell(tx, call, "host", name, "changed", detail(given))
    return 1


def unregister_host(tx: Transaction, call: Call, name: str) -> int:
    """Forget a host that has no head nodes and no trunk."""
    record = need(tx, "host", name)
    for head in _head_nodes(tx, name):
        raise Conflict(f"host {name} has head node {views.named(head)}", "UnregisterHeadNode first")
    for trunk in tx.range("trunk"):
        if f"host:{name}" in paths.ends(trunk):
            raise Conflict(f"host {name} is an end of trunk {views.named(trunk)}", "UnregisterTrunk first")
    unclaim(tx, "uri", hypervisor.canonical_uri(record["uri"]))
    tx.delete(record["record_key"])
    tell(tx, call, "host", name, "unregistered")
    return 1


def _head_nodes(tx: Transaction, host: str) -> list[Record]:
    return in_order(head for head in tx.range("headnode") if head["host"] == host)


def get_hosts(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The hosts that the filter matches."""
    return views.find(reader, "host", filter, lambda record: views.host(call, record))
