"""Operations on switches and their ports: registering them, and asking for their being read and reset.

Pure; called through nm.pool. Nothing here touches a device: what needs one is a job.
"""

import posixpath
import re
from typing import Any

from nm import jobs, views
from nm.calls import Call
from nm.errors import Conflict, Invalid
from nm.pool import sights, uses, values
from nm.pool.common import (
    IN_SERVICE,
    SERVICE,
    claim,
    detail,
    need,
    need_free_port,
    need_new,
    need_port,
    port_owner,
    service,
    tell,
    unclaim,
)
from nm.records import Record, changed, in_order, new, port_key, record_key
from nm.store import Reader, Transaction

MOST_AT_ONCE = 90  # ports that one call may change; a transaction has 100 writes
_UNREAD: Record = {"_vlans": None, "_read_at": None, "_model": "", "_error": None}
_PATH = re.compile(r"(unix:)?(\.{0,2}/.*)")


def register_switch(tx: Transaction, call: Call, name: str, settings: Record) -> int:
    """Tell nm of a switch. Only records: its ports stay untouched until they are reset or adopted."""
    need_new(tx, "switch", name)
    what = f"switch {name}"
    values.of_type(dict, settings, what)
    checks, required = _checks(call, kind := _kind(settings, what))
    given = values.struct(settings, what, checks, required)
    record = {
        **new("switch", name, call.now),
        "secrets": {},
        **given,
        **service(IN_SERVICE, given),
        **_UNREAD,
    }
    record["_device"] = _identity(call, record)
    _refuse_parked(tx, call, name, record["driver"])
    _claim_device(tx, call, record)
    tx.put(record)
    tell(tx, call, "switch", name, "registered", f"driver {kind}")
    return 1


def update_switch(tx: Transaction, call: Call, name: str, changes: Record) -> int:
    """Change how a switch is reached, or take it out of service.

    With another driver comes all that it needs; what the old one was told is forgotten.
    """
    record = need(tx, "switch", name)
    what = f"switch {name}"
    values.of_type(dict, changes, what)
    checks, required = _checks(call, kind := _kind({"driver": record["driver"], **changes}, what))
    defaults: Record = {"secrets": {}, "reason": ""}
    given = values.changes(changes, what, checks, defaults)
    if kind != record["driver"]:
        values.struct(changes, what, checks, required)
        _refuse_parked(tx, call, name, kind)
        own = call.site.drivers.kinds.get(record["driver"])
        record = {key: part for key, part in record.items() if own is None or key not in own.settings}
        record = {**record, "secrets": {}}
    device = {
        key for key in given if key not in SERVICE and key != "secrets" and given[key] != record.get(key)
    }
    after = changed(record, call.now, **{**given, **service(record, given)})
    if device:
        after |= _UNREAD  # what was seen, or was wrong, is the old one's
        after["_device"] = _identity(call, after)
        _another_device(tx, call, name, ", ".join(sorted(device)))
    if after["_device"] != record["_device"]:
        _unclaim_device(tx, record)
        _claim_device(tx, call, after)
    tx.put(after)
    tell(tx, call, "switch", name, "changed", detail(given))
    return 1


def unregister_switch(tx: Transaction, call: Call, name: str) -> int:
    """Forget a switch and its ports, when they serve nothing."""
    record = need(tx, "switch", name)
    ports = _ports(tx, name)
    for port in ports:
        if (holder := port_owner(port)) is not None:
            raise Conflict(
                f"port {port['port']} of switch {name} serves {holder}",
                "unregister that, or connect it elsewhere",
            )
    if len(ports) > MOST_AT_ONCE:
        raise Conflict(
            f"switch {name} has {len(ports)} ports", f"UnregisterPort them until {MOST_AT_ONCE} are left"
        )
    _unclaim_device(tx, record)
    for one in (record, *ports):
        tx.delete(one["record_key"])
    tell(tx, call, "switch", name, "unregistered", f"with {len(ports)} ports")
    return 1


def _kind(settings: Record, what: str) -> str:
    """The driver that the settings name."""
    named = {"driver": settings.get("driver")}
    return str(values.struct(named, what, {"driver": values.text(64)}, ["driver"])["driver"])


def _checks(call: Call, kind: str) -> tuple[dict[str, values.Check], frozenset[str]]:
    driver = call.site.drivers.find(kind)
    own = {key: values.plain(type_) for key, type_ in driver.settings.items()}
    return {"driver": values.text(64), "secrets": values.secrets, **own, **SERVICE}, driver.required


def _identity(call: Call, record: Record) -> str | None:
    """Which device the (checked here) settings mean, in one spelling; None when the driver does not say."""
    keys = call.site.drivers.find(record["driver"]).identity
    settings = call.site.drivers.canonical(record["driver"], record)
    parts = [record["driver"], *(_plain_path(str(settings.get(key, ""))) for key in keys)]
    return " ".join(part.replace("%", "%25").replace(" ", "%20") for part in parts) if keys else None


def _plain_path(text: str) -> str:
    """The text; a path without what goes round about, like // or /x/.."""
    path = _PATH.fullmatch(text)
    if path is None:
        return text
    return (path[1] or "") + re.sub("^//", "/", posixpath.normpath(path[2]))


def _claim_device(tx: Transaction, call: Call, record: Record) -> None:
    """Two names for one device would let one port serve two groups."""
    if record["_device"] is not None:
        hint = "register each device once: use that switch, or UnregisterSwitch it first"
        claim(tx, call, "device", record["_device"], record["record_key"], hint)


def _unclaim_device(tx: Transaction, record: Record) -> None:
    if record["_device"] is not None:
        unclaim(tx, "device", record["_device"])


def _refuse_parked(tx: Transaction, call: Call, name: str, kind: str) -> None:
    parking = call.site.drivers.find(kind).parking
    if parking is not None and tx.get(record_key("vlan", parking)) is not None:
        raise Conflict(
            f"switch {name} would park isolated ports on VLAN {parking}, which is in the pool",
            f"UnregisterVlan {parking}, then register the switch",
        )


def _another_device(tx: Transaction, call: Call, name: str, keys: str) -> None:
    """Behind changed settings may stand another device: nobody may rely on the old one's state."""
    ports = _ports(tx, name)
    used = uses.ports(tx, ports)
    for port in ports:
        if (user := used.get(port["record_key"])) is not None:
            raise Conflict(
                f"{keys} of switch {name} cannot change: port {port['port']} is used by {user}",
                "release what uses the switch first; secrets and available can change at any time",
            )
    verified = [port for port in ports if port["_verified"]]
    if len(verified) > MOST_AT_ONCE:
        raise Conflict(
            f"switch {name} has {len(verified)} verified ports, too many for one change of {keys}",
            f"unregister ports until {MOST_AT_ONCE} are left, and register them again behind the change",
        )
    for port in verified:
        tx.put(changed(port, call.now, _verified=False))


def _ports(reader: Reader, switch: str) -> list[Record]:
    return in_order(port for port in reader.range("port") if port["switch"] == switch)


def get_switches(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The switches that the filter matches."""
    return views.find(reader, "switch", filter, lambda record: views.switch(call, record))


# ---- ports ----------------------------------------------------------------------------------------------


def register_port(tx: Transaction, call: Call, switch: str, port: str, settings: Record | None = None) -> int:
    """Tell nm of one port of a switch, by the switch's own name for it."""
    need(tx, "switch", switch)
    values.port_name(port, "port")
    what = f"port {port} of switch {switch}"
    if tx.get(port_key(switch, port)) is not None:
        raise Conflict(f"{what} is registered already", "UnregisterPort removes it")
    given = values.struct({} if settings is None else settings, what, {"description": values.text(256)})
    owner = {"node": None, "nic": None, "trunk": None}
    seen = {"_verified": False, "_seen": None, "_read_at": None}
    record = new(
        "port", f"{switch}:{port}", call.now, switch=switch, port=port, description="", **owner, **seen
    )
    tx.put({**record, **given})
    tell(tx, call, "switch", switch, "port registered", port)
    return 1


def update_port(tx: Transaction, call: Call, switch: str, port: str, changes: Record) -> int:
    """Change what is known of a port: what is at its other end, in words."""
    record = need_port(tx, switch, port)
    what = f"port {port} of switch {switch}"
    given = values.changes(changes, what, {"description": values.text(256)}, {"description": ""})
    tx.put(changed(record, call.now, **given))
    tell(tx, call, "switch", switch, "port changed", port)
    return 1


def unregister_port(tx: Transaction, call: Call, switch: str, port: str) -> int:
    """Forget a port that serves no NIC and no trunk."""
    record = need_free_port(tx, switch, port)
    tx.delete(record["record_key"])
    tell(tx, call, "switch", switch, "port unregistered", port)
    return 1


def get_ports(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The ports that the filter matches."""
    times = sights.audited(reader)

    def view(port: Record) -> Record:
        return views.port(reader, call, sights.refreshed(reader, port, times))

    return views.find(reader, "port", filter, view)


# ---- what needs the device ------------------------------------------------------------------------------


def inspect_switch(tx: Transaction, call: Call, name: str) -> int:
    """Let a switch be read; the job's result: model, ports, VLANs, differences."""
    need(tx, "switch", name)
    return jobs.submit(tx, call, f"switch:{name}", "inspect", ports=[])


def get_switch_state(reader: Reader, _call: Call, name: str) -> Record:
    """What was last read of a switch: {vlans or nil, ports, read_at or nil}; ports by their names."""
    record = need(reader, "switch", name)
    times = sights.audited(reader)
    ports = in_order(
        sights.refreshed(reader, port, times)
        for port in reader.range("port")
        if port["switch"] == name and port["_seen"] is not None
    )
    return {
        "vlans": record["_vlans"],
        "ports": {port["port"]: {**port["_seen"], "read_at": port["_read_at"]} for port in ports},
        "read_at": record["_read_at"],
    }


def reset_ports(tx: Transaction, call: Call, switch: str, ports: list[str] | None = None) -> int:
    """Let ports be isolated and counted as verified; without a list all that no group uses."""
    return _verify(tx, call, switch, ports, "reset")


def adopt_ports(tx: Transaction, call: Call, switch: str, ports: list[str] | None = None) -> int:
    """Let ports be counted as verified as they are; without a list all that no group uses."""
    return _verify(tx, call, switch, ports, "adopt")


def _verify(tx: Transaction, call: Call, switch: str, ports: list[str] | None, kind: str) -> int:
    need(tx, "switch", switch)
    chosen = _all_unused(tx, switch, kind) if ports is None else _named_unused(tx, switch, ports, kind)
    number = jobs.submit(tx, call, f"switch:{switch}", kind, ports=[port["port"] for port in chosen])
    tell(tx, call, "switch", switch, f"{kind} asked for", _some([port["port"] for port in chosen]))
    return number


def _named_unused(tx: Transaction, switch: str, names: Any, kind: str) -> list[Record]:
    if not values.of_type(list, names, "ports"):
        raise Invalid(
            "ports is an empty list", "name at least one, or leave the list out for all that are not in use"
        )
    for name in names:
        values.port_name(name, "port")
    chosen = [need_port(tx, switch, name) for name in dict.fromkeys(names)]
    kept = uses.reserved(tx, chosen)
    for port in chosen:
        if (user := kept.get(port["record_key"])) is not None:
            raise Conflict(
                f"port {port['port']} of switch {switch} cannot be {kind}: it is used by {user}", _FREE_IT
            )
    return chosen


def _all_unused(tx: Transaction, switch: str, kind: str) -> list[Record]:
    ports = _ports(tx, switch)
    kept = uses.reserved(tx, ports)
    chosen = [port for port in ports if port["record_key"] not in kept]
    if not chosen:
        raise Conflict(f"switch {switch} has no port to {kind}", "RegisterPort tells nm of its ports")
    return chosen


_FREE_IT = "release what uses it first; Repair mends the ports of a group"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def distrust(tx: Transaction, keys: list[str], now: float, drifted: bool = False) -> None:
    """Of these ports, those on which no group has anything are unverified from now on. At most 90 of them.

    `drifted`: they were just seen to carry what they should not, so a repair may isolate them.
    """
    ports = [port for key in keys if (port := tx.get(key)) is not None]
    used = uses.carrying(tx, ports)
    for port in ports:
        if port["_verified"] and port["record_key"] not in used:
            marks = {"_drift": _carrying(port)} if drifted else {}
            tx.put(changed(port, now, _verified=False, **marks))


def _carrying(port: Record) -> Record:
    """The difference that a free port is which carries something."""
    target = f"{port['switch']}/{port['port']}"
    return {"hand": "port", "target": target, "wanted": "isolated", "seen": port["_seen"]}
