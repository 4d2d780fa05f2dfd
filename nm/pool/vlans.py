"""Operations on the pool's VLANs.

Pure; called through nm.pool.
"""

from typing import Any

from nm import debts, views
from nm.calls import Call
from nm.errors import Conflict, NotFound
from nm.pool import values
from nm.pool.common import IN_SERVICE, SERVICE, detail, service, tell
from nm.pools import claims, tags
from nm.records import Record, changed, new, record_key
from nm.store import Reader, Transaction

_CHECKS: dict[str, values.Check] = {"shared": values.boolean, **SERVICE}
_id = values.integer(2, 4094)


def register_vlan(tx: Transaction, call: Call, id: int, settings: Record | None = None) -> int:
    """Add a VLAN to the pool. A shared one may be used by several groups, which then are not isolated."""
    if tx.get(record_key("vlan", _id(id, "the VLAN"))) is not None:
        raise Conflict(f"VLAN {id} is registered already", "UnregisterVlan removes it, UpdateVlan changes it")
    given = values.struct({} if settings is None else settings, f"VLAN {id}", _CHECKS)
    if (why := tags.reserved(tx, call, id)) is not None:
        raise Conflict(*why)
    claims.check_free(tx, id)
    tx.put(
        new(
            "vlan",
            id,
            call.now,
            id=id,
            shared=given.get("shared", False),
            group=None,
            groups=[],
            **service(IN_SERVICE, given),
        )
    )
    tell(tx, call, "vlan", id, "registered", "shared" if given.get("shared") else "")
    return 1


def update_vlan(tx: Transaction, call: Call, id: int, changes: Record) -> int:
    """Take a VLAN out of service, or change whether it is shared while nobody uses it."""
    record = _need(tx, id)
    given = values.changes(changes, f"VLAN {id}", _CHECKS, {"shared": False, "reason": ""})
    if given.get("shared", record["shared"]) != record["shared"]:
        _refuse_in_use(tx, record)
    tx.put(changed(record, call.now, **{**given, **service(record, given)}))
    tell(tx, call, "vlan", id, "changed", detail(given))
    return 1


def unregister_vlan(tx: Transaction, call: Call, id: int) -> int:
    """Take a VLAN that nobody uses out of the pool."""
    record = _need(tx, id)
    _refuse_in_use(tx, record)
    tx.delete(record["record_key"])
    tell(tx, call, "vlan", id, "unregistered")
    return 1


def _need(tx: Transaction, id: Any) -> Record:
    record = tx.get(record_key("vlan", _id(id, "the VLAN")))
    if record is None:
        raise NotFound(f"no VLAN {id} in the pool", "GetVlans lists them")
    return record


def _refuse_in_use(reader: Reader, record: Record) -> None:
    for group in [record["group"]] if record["group"] is not None else record["groups"]:
        raise Conflict(
            f"VLAN {record['id']} is used by group {group}",
            "give the group another VLAN and Deploy, or destroy it",
        )
    if (whose := debts.vlans(reader).get(record["id"])) is not None:
        raise Conflict(
            f"VLAN {record['id']} may still be on a port of {whose}",
            "wait until the switch answers and the debt is paid",
        )


def get_vlans(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The VLANs that the filter matches."""
    owed = debts.vlans(reader)
    return views.find(reader, "vlan", filter, lambda record: views.vlan(reader, call, record, owed))
