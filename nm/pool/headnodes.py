"""Operations on head nodes.

Pure; called through nm.pool.
"""

from typing import Any

from nm import facts, hypervisor, views
from nm.calls import Call
from nm.errors import Conflict, Invalid
from nm.pool import values
from nm.pool.common import IN_SERVICE, SERVICE, claim, claimed, detail, need, need_new, service, tell, unclaim
from nm.pool.images import need_kind
from nm.pools.holders import holder
from nm.records import Record, changed, name_of, new
from nm.store import Reader, Transaction

_NETWORKS: dict[str, values.Check] = {
    "bridge": hypervisor.check_device,
    "ovs": hypervisor.check_device,
    "network": values.domain,
}


def _network(value: Any, what: str) -> Record:
    """Where the NIC is that leads to nm: a bridge of the host's (ovs: Open vSwitch's), a libvirt network."""
    given = values.struct(value, what, _NETWORKS)
    if len(given) != 1:
        raise Invalid(f"{what} names {len(given)} networks", 'one, as {"bridge": "br0"}')
    return given


_OF_IMAGES: dict[str, values.Check] = {"address": values.interface, "management_network": _network}
_CHANGES: dict[str, values.Check] = {"management": values.macs, **_OF_IMAGES, **SERVICE}
_DEFAULTS: Record = {"management": [], "address": None, "management_network": None, "reason": ""}
_CHECKS: dict[str, values.Check] = {
    "host": values.legal_name,
    "domain": values.domain,
    "image": values.legal_name,
    **_CHANGES,
}


def register_head_node(tx: Transaction, call: Call, name: str, settings: Record) -> int:
    """Tell nm of a VM that can control a group: an existing domain, or one to be made from an image.

    `management` lists the MACs of those of its NICs that nm leaves alone.
    """
    need_new(tx, "headnode", name)
    given = values.struct(settings, f"head node {name}", _CHECKS, ["host"])
    if ("domain" in given) == ("image" in given):
        raise Invalid(
            f"head node {name} needs a domain or an image, and just one of them", "leave the other one out"
        )
    need(tx, "host", given["host"])
    if "image" in given:
        need_kind(tx, given["image"], "disk")
    _refuse_strange(name, given, given.get("image"))
    if (whose := holder(tx, given["host"], given["domain"]) if "domain" in given else None) is not None:
        raise Conflict(
            f"domain {given['domain']} of host {given['host']} is that of {whose}",
            "let the description let go of it (keepOnTerminate true), or name another domain",
        )
    record = new(
        "headnode",
        name,
        call.now,
        host=given["host"],
        domain=given.get("domain"),
        image=given.get("image"),
        management=given.get("management", []),
        address=given.get("address"),
        management_network=given.get("management_network"),
        group=None,
        _dirty=False,
        _running=None,
        **service(IN_SERVICE, given),
    )
    claim(tx, call, "domain", _domain(record), record["record_key"], "a domain is one head node only")
    tx.put(record)
    tell(tx, call, "headnode", name, "registered", f"on host {given['host']}")
    return 1


def _refuse_strange(name: str, given: Record, image: str | None) -> None:
    """An existing domain has its own addresses and NICs; one that nm makes has none but those nm gives it."""
    if image is None:
        strange, whose = [key for key in _OF_IMAGES if given.get(key)], "an existing domain"
    else:
        strange, whose = [key for key in ("management",) if given.get(key)], "made from an image"
    if strange:
        raise Invalid(f"head node {name} is {whose} and has no {strange[0]}", "leave it out")


def _domain(record: Record) -> str:
    domain = record["domain"] or facts.made_domain(name_of(record["record_key"]))
    return f"{record['host']}:{domain}"


def is_head_node(reader: Reader, host: str, domain: str) -> bool:
    """Whether that domain of the host is a head node, in use or not."""
    return claimed(reader, "domain", f"{host}:{domain}")


def update_head_node(tx: Transaction, call: Call, name: str, changes: Record) -> int:
    """Take a head node out of service, or change which NICs are not nm's while no group uses it."""
    record = need(tx, "headnode", name)
    given = values.changes(changes, f"head node {name}", _CHANGES, _DEFAULTS)
    _refuse_strange(name, given, record["image"])
    if any(given.get(key, record.get(key)) != record.get(key) for key in ("management", *_OF_IMAGES)):
        _refuse_in_use(record)
    tx.put(changed(record, call.now, **{**given, **service(record, given)}))
    tell(tx, call, "headnode", name, "changed", detail(given))
    return 1


def clear_head_node(tx: Transaction, call: Call, name: str) -> int:
    """Declare that a head node which a group has used is clean again."""
    record = need(tx, "headnode", name)
    _refuse_in_use(record)
    if not record["_dirty"]:
        raise Conflict(f"head node {name} is not dirty", "nothing needs clearing")
    tx.put(changed(record, call.now, _dirty=False))
    tell(tx, call, "headnode", name, "cleared")
    return 1


def unregister_head_node(tx: Transaction, call: Call, name: str) -> int:
    """Forget a head node that no group uses; an existing domain stays as it is."""
    record = need(tx, "headnode", name)
    _refuse_in_use(record)
    unclaim(tx, "domain", _domain(record))
    tx.delete(record["record_key"])
    tell(tx, call, "headnode", name, "unregistered")
    return 1


def _refuse_in_use(record: Record) -> None:
    if record["group"] is not None:
        raise Conflict(
            f"head node {views.named(record)} is used by group {record['group']}",
            "SetHeadNode another one and Deploy, or DestroyGroup",
        )


def get_head_nodes(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The head nodes that the filter matches."""
    return views.find(reader, "headnode", filter, lambda record: views.head_node(reader, call, record))
