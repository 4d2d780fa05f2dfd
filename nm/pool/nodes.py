"""Operations on nodes and their NICs.

Pure; called through nm.pool. Registering a node touches its own record, and a port and a claim for
each NIC; it never looks at other nodes.
"""

from typing import Any

from nm import promises, releases, views
from nm.calls import Call
from nm.counted import counted
from nm.errors import Conflict, Invalid, NotFound
from nm.pool import uses, values
from nm.pool.common import (
    IN_SERVICE,
    SERVICE,
    claim,
    detail,
    need,
    need_free_port,
    need_new,
    service,
    tell,
    unclaim,
)
from nm.processor import Settings, missing
from nm.records import Record, changed, new, port_key, record_key
from nm.store import Reader, Transaction

MOST_NICS = 24  # moving one costs four writes, of its MACs' claims and ports; a transaction has 100
LARGEST_ID = 2**31 - 1
ROLES = ("boot", "data", "none")

_NIC: dict[str, values.Check] = {
    "name": values.legal_name,
    "mac": values.mac,
    "switch": values.legal_name,
    "port": values.port_name,
    "role": values.one_of(*ROLES),
}
_TEXTS = {"hostname": "", "ip": "", "hardware_type": "", "location": "", "image": ""}
_DEFAULTS: Record = {**_TEXTS, "management": None, "id": None, "metadata": {}, "reason": ""}


def _checks(call: Call) -> dict[str, values.Check]:
    return {
        "nics": _nics,
        "management": lambda value, what: _management(call, value, what),
        "id": values.integer(0, LARGEST_ID),
        "hostname": values.hostname,
        "ip": values.address,
        "hardware_type": values.text(64),
        "location": values.text(256),
        "metadata": values.metadata,
        "image": _image,
        **SERVICE,
    }


def _image(value: Any, what: str) -> str:
    return values.legal_name(value, what) if values.of_type(str, value, what) else ""


def _nics(value: Any, what: str) -> list[Record]:
    """NICs as they are kept: unique names and MACs, just one of the role boot."""
    nics = [_nic(nic, f"{what} {number}") for number, nic in enumerate(values.of_type(list, value, what), 1)]
    if not 1 <= len(nics) <= MOST_NICS:
        raise Invalid(f"{what}: {len(nics)} NICs", f"a node has 1 to {MOST_NICS}")
    for key in ("name", "mac"):
        named = [nic[key] for nic in nics]
        if twice := next((one for one in named if named.count(one) > 1), None):
            raise Invalid(f"{what}: the {key} {twice} is there twice", "give each NIC its own")
    return _with_boot(nics, what)


def _nic(value: Any, what: str) -> Record:
    given = values.struct(value, what, _NIC, ("name", "mac"))
    if ("switch" in given) != ("port" in given):
        raise Invalid(
            f"{what} has a switch or a port but not both", "name both, or neither when it is not connected"
        )
    return {"switch": None, "port": None, "role": None, **given}


def _with_boot(nics: list[Record], what: str) -> list[Record]:
    named = [nic for nic in nics if nic["role"] == "boot"]
    open_ = [nic for nic in nics if nic["role"] is None]
    if len(named) > 1 or not (named or open_):
        raise Invalid(
            f"{what}: {len(named)} NICs have the role boot", "give it to just one, or to none for the first"
        )
    boot = (named or open_)[0]
    return [{**nic, "role": "boot" if nic is boot else nic["role"] or "data"} for nic in nics]


def _management(call: Call, value: Any, what: str) -> Record:
    drivers = call.site.power
    kind = values.of_type(dict, value, what).get("driver")
    if type(kind) is not str or kind not in drivers:
        known = ", ".join(sorted(drivers)) or "none is configured"
        raise Invalid(f"{what} names no power driver that there is", f"set driver to one of: {known}")
    for key in value:
        values.refuse_secret(str(key), what)
    told = values.struct(value, what, _told_of(drivers[kind]))
    if lacking := missing(drivers[kind], told):
        raise Invalid(f"{what} lacks {', '.join(lacking)}", "docs/power.md has an example of each driver")
    drivers[kind].check(told)
    return told


def _told_of(settings: Settings) -> dict[str, values.Check]:
    """The checks of what a driver may be told: what all may be, and its own."""
    return {
        "driver": values.text(64),
        "address": values.text(256),
        "port": values.integer(1, 65535),
        "user": values.text(64),
        "secrets": values.secrets,
        **{key: values.declared(kind) for key, kind in settings.own.items()},
    }


# ---- registering ----------------------------------------------------------------------------------------


def register_node(tx: Transaction, call: Call, name: str, settings: Record) -> int:
    """Tell nm of a machine and of where its NICs are connected."""
    need_new(tx, "node", name)
    what = f"node {name}"
    given = values.struct(settings, what, _checks(call), ["nics"])
    own = {"group": None, "_failed": None, "_dirty": False, "_debt": False}
    record = {**new("node", name, call.now), **_DEFAULTS, **given, **service(IN_SERVICE, given), **own}
    _claim_id(tx, call, record)
    tx.put(_connected(tx, call, record))
    tell(tx, call, "node", name, "registered", counted(len(record["nics"]), "NIC"))
    return 1


def update_node(tx: Transaction, call: Call, name: str, changes: Record) -> int:
    """Change what is known of a node; its NICs only while no group uses it."""
    before = need(tx, "node", name)
    what = f"node {name}"
    given = values.changes(changes, what, _checks(call), _DEFAULTS)
    after = changed(before, call.now, **{**given, **service(before, given)})
    if after["id"] != before["id"]:
        _unclaim_id(tx, before)
        _claim_id(tx, call, after)
    if after["nics"] != before["nics"]:
        _refuse_in_use(before)
        _disconnect(tx, call, before)
        after = _connected(tx, call, after)
    tx.put(after)
    tell(tx, call, "node", name, "changed", detail(given))
    return 1


def connect_nic(tx: Transaction, call: Call, node: str, nic: str, switch: str, port: str) -> int:
    """Tell nm that a NIC is connected to that port, and to no other any more."""
    record = need(tx, "node", node)
    values.legal_name(nic, "NIC")
    moved = next((one for one in record["nics"] if one["name"] == nic), None)
    if moved is None:
        known = ", ".join(one["name"] for one in record["nics"])
        raise NotFound(f"node {node} has no NIC {nic}", f"its NICs: {known}")
    _refuse_in_use(record)
    target = need_free_port(tx, call, switch, port)
    if moved["switch"] is not None:
        _set_owner(tx, call, moved["switch"], moved["port"], None, None)
    tx.put(changed(target, call.now, node=node, nic=nic))
    nics = [
        {**one, "switch": switch, "port": target["port"]} if one is moved else one for one in record["nics"]
    ]
    tx.put(changed(record, call.now, nics=nics))
    tell(tx, call, "node", node, "NIC connected", f"{nic} to port {target['port']} of switch {switch}")
    return 1


def unregister_node(tx: Transaction, call: Call, name: str) -> int:
    """Forget a node that no group uses, and free its ports."""
    record = need(tx, "node", name)
    _refuse_in_use(record)
    if promises.made(record) is not None:
        raise Conflict(f"node {name} is lent", "wait until it is home, or call it back by LendNodes until 0")
    _disconnect(tx, call, record)
    _unclaim_id(tx, record)
    tx.delete(record["record_key"])
    tell(tx, call, "node", name, "unregistered")
    return 1


def _refuse_in_use(record: Record) -> None:
    if (user := uses.node(record)) is not None:
        raise Conflict(
            f"node {views.named(record)} is used by {user}",
            "RemoveNodes and Deploy, or ReleaseNode; a debt of a switch that is gone is dropped by ClearNode",
        )


def _claim_id(tx: Transaction, call: Call, record: Record) -> None:
    if record["id"] is not None:
        claim(tx, call, "nodeid", record["id"], record["record_key"], "give each node an id of its own")


def _unclaim_id(tx: Transaction, record: Record) -> None:
    if record["id"] is not None:
        unclaim(tx, "nodeid", record["id"])


def _connected(tx: Transaction, call: Call, record: Record) -> Record:
    """Claim the MACs and the ports of all NICs; the record, with the ports as their switches spell them."""
    nics = []
    for nic in record["nics"]:
        claim(
            tx,
            call,
            "mac",
            nic["mac"],
            record["record_key"],
            "look at the NIC's label, or unregister the other node",
        )
        if nic["switch"] is not None:
            port = need_free_port(tx, call, nic["switch"], nic["port"])
            tx.put(changed(port, call.now, node=views.named(record), nic=nic["name"]))
            nics.append({**nic, "port": port["port"]})
        else:
            nics.append(nic)
    return {**record, "nics": nics}


def _disconnect(tx: Transaction, call: Call, record: Record) -> None:
    for nic in record["nics"]:
        unclaim(tx, "mac", nic["mac"])
        if nic["switch"] is not None:
            _set_owner(tx, call, nic["switch"], nic["port"], None, None)


def _set_owner(
    tx: Transaction, call: Call, switch: str, port: str, node: str | None, nic: str | None
) -> None:
    record = tx.get(port_key(switch, port))
    if record is not None:
        tx.put(changed(record, call.now, node=node, nic=nic))


# ---- judging --------------------------------------------------------------------------------------------


def clear_node(tx: Transaction, call: Call, node: str) -> int:
    """Declare a failed or dirty node good.

    What a switch still owes is dropped only when that switch was taken out of service, which says
    that it is gone; the node's ports are unverified then.
    """
    record = need(tx, "node", node)
    if not (views.failure(record) is not None or record["_dirty"] or record["_debt"]):
        raise Conflict(f"node {node} is neither failed nor dirty", "nothing needs clearing")
    if record["_debt"]:
        _drop_debt(tx, call, record)
        record = need(tx, "node", node)
    tx.put(changed(record, call.now, _failed=None, _unprepared=None, _dirty=False))
    tell(tx, call, "node", node, "cleared")
    return 1


def _drop_debt(tx: Transaction, call: Call, record: Record) -> None:
    for nic in views.wired(record):
        switch = tx.get(record_key("switch", nic["switch"]))
        if switch is not None and switch["available"]:
            raise Conflict(
                f"switch {nic['switch']} has yet to isolate port {nic['port']} of node {views.named(record)}",
                "that is tried again by itself; when the switch is gone: UpdateSwitch with available=False",
            )
    releases.pay_debt(tx, views.named(record), call.now, None)
    for nic in views.wired(record):
        port = tx.get(port_key(nic["switch"], nic["port"]))
        if port is not None:
            tx.put(changed(port, call.now, _verified=False))


def get_nodes(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The nodes that the filter matches."""
    return views.find(reader, "node", filter, lambda record: views.node(reader, call, record))
