"""Operations on trunks: links between switches, or a switch and a host, that carry several VLANs.

Pure; called through nm.pool. Trunks form a tree, and their native VLAN is none of the pool's.
"""

import re
from typing import Any

from nm import paths, views
from nm.calls import Call
from nm.errors import Conflict, Invalid
from nm.pool import uses, values
from nm.pool.common import claim, detail, need, need_free_port, need_new, need_port, spelled, tell, unclaim
from nm.pools import claims
from nm.records import Record, changed, new, record_key
from nm.store import Reader, Transaction

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


def _device(value: Any, what: str) -> str:
    if not _DEVICE.fullmatch(values.of_type(str, value, what)):
        raise Invalid(f"{what} is no name of a network device", "use 1 to 15 of A-Z a-z 0-9 _ . -")
    return str(value)


def _end(value: Any, what: str) -> Record:
    values.of_type(dict, value, what)
    checks: dict[str, values.Check] = {"switch": values.legal_name, "port": values.port_name}
    if "host" in value or "device" in value:
        checks = {"host": values.legal_name, "device": _device}
    return values.struct(value, what, checks, checks)


def _ends(value: Any, what: str) -> list[Record]:
    if len(values.of_type(list, value, what)) != 2:
        raise Invalid(
            f"{what} has {len(value)} of them", "a trunk has two ends: {switch, port} or {host, device}"
        )
    return [_end(end, f"{what} {number}") for number, end in enumerate(value, 1)]


_TRUNK: dict[str, values.Check] = {"ends": _ends, "native": values.integer(1, 4094)}


def register_trunk(tx: Transaction, call: Call, name: str, settings: Record) -> int:
    """Tell nm of a link that carries several VLANs. Trunks form a tree; a host has one trunk."""
    need_new(tx, "trunk", name)
    given = _spelled(tx, call, values.struct(settings, f"trunk {name}", _TRUNK, ["ends"]))
    record = {**new("trunk", name, call.now), "native": 1, **given}
    _connect(tx, call, record, record["ends"])
    tell(tx, call, "trunk", name, "registered", " - ".join(paths.ends(record)))
    return 1


def update_trunk(tx: Transaction, call: Call, name: str, changes: Record) -> int:
    """Change the ends or the native VLAN of a trunk that no group's wiring lies on."""
    before = need(tx, "trunk", name)
    given = _spelled(tx, call, values.changes(changes, f"trunk {name}", _TRUNK, {"native": 1}))
    _refuse_in_use(tx, name)
    after = changed(before, call.now, **given)
    _disconnect(tx, call, [end for end in before["ends"] if end not in after["ends"]])
    tx.delete(before["record_key"])  # it closes no loop with itself
    _connect(tx, call, after, [end for end in after["ends"] if end not in before["ends"]])
    tell(tx, call, "trunk", name, "changed", detail(given))
    return 1


def _spelled(tx: Transaction, call: Call, given: Record) -> Record:
    """With the ports of the ends as their switches spell them."""
    if "ends" not in given:
        return given
    ends = [
        {**end, "port": spelled(tx, call, end["switch"], end["port"])} if "switch" in end else end
        for end in given["ends"]
    ]
    return {**given, "ends": ends}


def _connect(tx: Transaction, call: Call, record: Record, ends: list[Record]) -> None:
    """Record a trunk whose new ends these are."""
    name = views.named(record)
    _check_trunk(tx, call, name, record, ends)
    for end in ends:
        if "switch" in end:
            port = need_free_port(tx, call, end["switch"], end["port"])
            tx.put(changed(port, call.now, trunk=name))
        else:
            hint = "let the host have one trunk, a LAG when it has several links"
            claim(tx, call, "uplink", end["host"], record["record_key"], hint)
    tx.put(record)


def _disconnect(tx: Transaction, call: Call, ends: list[Record]) -> None:
    """Free what the ends hold; their ports are unverified then."""
    for end in ends:
        if "switch" in end:
            port = need_port(tx, call, end["switch"], end["port"])
            tx.put(changed(port, call.now, trunk=None, _verified=False))
        else:
            unclaim(tx, "uplink", end["host"])


def _check_trunk(tx: Transaction, call: Call, name: str, record: Record, ends: list[Record]) -> None:
    for end in ends:
        if "switch" in end:
            need_free_port(tx, call, end["switch"], end["port"])
        else:
            need(tx, "host", end["host"])
    if all("host" in end for end in record["ends"]):
        raise Invalid(f"trunk {name} joins two hosts", "one end must be a switch's port")
    if paths.would_loop(tx.range("trunk"), record["ends"]):
        one, other = paths.ends(record)
        raise Conflict(
            f"trunk {name} would close a loop: {one} and {other} are joined already",
            "trunks form a tree; make parallel links a LAG and register that",
        )
    if tx.get(record_key("vlan", record["native"])) is not None:
        raise Conflict(
            f"the native VLAN {record['native']} of trunk {name} is in the pool",
            "use another native VLAN, or UnregisterVlan it",
        )
    claims.check_free(tx, record["native"])


def unregister_trunk(tx: Transaction, call: Call, name: str) -> int:
    """Forget a trunk that no group's wiring lies on. Its ports are unverified then."""
    record = need(tx, "trunk", name)
    _refuse_in_use(tx, name)
    _disconnect(tx, call, record["ends"])
    tx.delete(record["record_key"])
    tell(tx, call, "trunk", name, "unregistered")
    return 1


def _refuse_in_use(tx: Transaction, name: str) -> None:
    if (group := uses.trunks(tx).get(name)) is not None:
        raise Conflict(
            f"trunk {name} carries group {group}",
            f"take the nodes or the head node behind it out of group {group} and Deploy, or DestroyGroup",
        )


def get_trunks(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The trunks that the filter matches."""
    return views.find(reader, "trunk", filter, lambda record: views.trunk(call, record))
