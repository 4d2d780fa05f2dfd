"""Operations on switches and their ports: registering them, and asking for their being read and reset.

Pure; called through nm.pool. Nothing here touches a device: what needs one is a job.
"""

import posixpath
import re
from typing import Any

from nm import debts, jobs, releases, views
from nm.calls import NM, Call
from nm.counted import counted
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
    spelled,
    tell,
    unclaim,
)
from nm.pools import claims
from nm.records import Record, changed, in_order, new, port_key, record_key
from nm.store import Reader, Transaction

MOST_AT_ONCE = 90  # ports that one call may change; a transaction has 100 writes
_REPLACE = (
    "ReplaceSwitch says that another device stands there, isolates its ports and lets groups join again"
)
_UNREAD: Record = {
    "_host_key": None,
    "_health": views.HEALTHY,
    "_vlans": None,
    "_read_at": None,
    "_model": "",
    "_error": None,
}
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
    record = _identified(call, record)
    _refuse_parked(tx, call, name, record["driver"])
    _claim_device(tx, call, record)
    tx.put(record)
    tell(tx, call, "switch", name, "registered", f"driver {kind}")
    return 1


def update_switch(tx: Transaction, call: Call, name: str, changes: Record) -> int:
    """Change how a switch is reached, or take it out of service.

    With another driver comes all that it needs; what the old one was told is forgotten.
    """
    if device := _change(tx, call, name, changes):
        _another_device(tx, call, name, ", ".join(sorted(device)))
    return 1


def replace_switch(tx: Transaction, call: Call, name: str, changes: Record | None = None) -> int:
    """Another device stands in the switch's place, reached as the changes say.

    Nothing that nm knew of the old one is believed of it: its ports are isolated and read back first, all
    that were ever reset or adopted, and then the groups join again. This is the one place that says "another
    device": the host key is forgotten, and the next one that is shown is pinned, unless the changes name one.
    """
    if changes:
        _change(tx, call, name, changes)
    record = need(tx, "switch", name)
    after = changed(record, call.now, **_UNREAD)
    if "host_key" not in (changes or {}):
        after.pop("host_key", None)
    _reclaim_device(tx, call, record, after)
    tx.put(after)
    tell(tx, call, "switch", name, "replaced")
    return releases.owe_switch(tx, call, name, "replace", takes=False, another=True)


def release_switch(tx: Transaction, call: Call, name: str, force: bool = False) -> int:
    """Take everything that groups have on a switch back, now; it is undone when the switch answers."""
    need(tx, "switch", name)
    debt = debts.of_switch(tx, name)
    if debt is not None and debt["takes"]:
        hint = f"GetJob {debt['job']} tells how far it is"
        raise Conflict(f"switch {name} is being taken back already", hint)
    users = sorted(set(uses.ports(tx, _ports(tx, name)).values()))
    if users and not force:
        raise Conflict(
            f"switch {name} is used by {_some(users)}",
            "take these out in order while it answers; force takes all of it back at once and owes the rest",
        )
    return releases.owe_switch(tx, call, name, "release", takes=True)


def _change(tx: Transaction, call: Call, name: str, changes: Record) -> set[str]:
    """Change a switch's settings; answers those behind which another device may stand."""
    before = record = need(tx, "switch", name)
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
    telling = {"driver", *call.site.drivers.find(kind).identity}
    device = {key for key in given if key in telling and given[key] != record.get(key)}
    after = _identified(call, changed(record, call.now, **{**given, **service(record, given)}))
    if "host_key" in given:
        after["_host_key"] = None  # whoever names a key vouches that it is the same device's
    if device:
        after |= _UNREAD  # what was seen, or was wrong, is the old one's
    _reclaim_device(tx, call, before, after)
    tx.put(after)
    tell(tx, call, "switch", name, "changed", detail(given))
    return device


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
    releases.forgive_switch(tx, name, call.now)
    for one in (record, *ports):
        tx.delete(one["record_key"])
    tell(tx, call, "switch", name, "unregistered", f"with {counted(len(ports), 'port')}")
    return 1


def _kind(settings: Record, what: str) -> str:
    """The driver that the settings name."""
    named = {"driver": settings.get("driver")}
    return str(values.struct(named, what, {"driver": values.text(64)}, ["driver"])["driver"])


def _checks(call: Call, kind: str) -> tuple[dict[str, values.Check], frozenset[str]]:
    driver = call.site.drivers.find(kind)
    own = {key: values.plain(type_) for key, type_ in driver.settings.items()}
    return {"driver": values.text(64), "secrets": values.secrets, **own, **SERVICE}, driver.required


def _identified(call: Call, record: Record) -> Record:
    """The record with what tells its device from all others, in one spelling; its settings are checked here.

    `_device`: which one the settings mean; None when the driver does not say.
    """
    keys = call.site.drivers.find(record["driver"]).identity
    settings = call.site.drivers.canonical(record["driver"], record)
    parts = [record["driver"], *(_plain_path(str(settings.get(key, ""))) for key in keys)]
    device = " ".join(part.replace("%", "%25").replace(" ", "%20") for part in parts) if keys else None
    host_key = {"host_key": settings["host_key"]} if settings.get("host_key") else {}
    return {**record, **host_key, "_device": device}


def _plain_path(text: str) -> str:
    """The text; a path without what goes round about, like // or /x/.."""
    path = _PATH.fullmatch(text)
    if path is None:
        return text
    return (path[1] or "") + re.sub("^//", "/", posixpath.normpath(path[2]))


def _claim_device(tx: Transaction, call: Call, record: Record) -> None:
    """Two names for one device would let one port serve two groups."""
    hint = "register each device once: use that switch, or UnregisterSwitch it first"
    for what, value in _shown_by(record).items():
        claim(tx, call, what, value, record["record_key"], hint)


def _reclaim_device(tx: Transaction, call: Call, before: Record, after: Record) -> None:
    if _shown_by(after) != _shown_by(before):
        _unclaim_device(tx, before)
        _claim_device(tx, call, after)


def _unclaim_device(tx: Transaction, record: Record) -> None:
    for what, value in _shown_by(record).items():
        unclaim(tx, what, value)


def _shown_by(record: Record) -> dict[str, str]:
    """By what the device is told from all others, as far as that is known."""
    known = {"device": record["_device"], "host key": record.get("host_key") or record.get("_host_key")}
    return {what: value for what, value in known.items() if value}


def pin_host_key(tx: Transaction, name: str, key: str, now: float) -> None:
    """A switch has shown itself by that key; it is expected of it from now on, and of no other switch.

    Conflict when it is another switch's key already.
    """
    record = need(tx, "switch", name)
    if "host key" not in _shown_by(record):
        after = changed(record, now, _host_key=key)
        call = Call(NM, "", now)
        _reclaim_device(tx, call, record, after)
        tx.put(after)
        tell(tx, call, "switch", name, "host key pinned", key.partition(" ")[0])


def _refuse_parked(tx: Transaction, call: Call, name: str, kind: str) -> None:
    parking = call.site.drivers.find(kind).parking
    if parking is not None and tx.get(record_key("vlan", parking)) is not None:
        raise Conflict(
            f"switch {name} would park isolated ports on VLAN {parking}, which is in the pool",
            f"UnregisterVlan {parking}, then register the switch",
        )
    if parking is not None:
        claims.check_free(tx, parking)


def _another_device(tx: Transaction, call: Call, name: str, keys: str) -> None:
    """Behind changed settings may stand another device: nobody may rely on the old one's state."""
    if debts.of_switch(tx, name) is not None:
        raise Conflict(f"{keys} of switch {name} cannot change: what was on it is owed", _REPLACE)
    ports = _ports(tx, name)
    used = uses.ports(tx, ports)
    for port in ports:
        if (user := used.get(port["record_key"])) is not None:
            raise Conflict(
                f"{keys} of switch {name} cannot change: port {port['port']} is used by {user}",
                _REPLACE,
            )
    verified = [port for port in ports if port["_verified"]]
    if len(verified) > MOST_AT_ONCE:
        raise Conflict(
            f"switch {name} has {len(verified)} verified ports, too many for one change of {keys}",
            _REPLACE,
        )
    for port in verified:
        tx.put(changed(port, call.now, _verified=False))


def _ports(reader: Reader, switch: str) -> list[Record]:
    return in_order(port for port in reader.range("port") if port["switch"] == switch)


def get_switches(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The switches that the filter matches."""
    return views.find(reader, "switch", filter, lambda record: views.switch(reader, call, record))


def get_drivers(reader: Reader, call: Call) -> Record:
    """The kinds of switches that this daemon can drive, and what each needs."""
    del reader  # it is the program that knows
    return call.site.drivers.told()


# ---- ports ----------------------------------------------------------------------------------------------


def register_port(tx: Transaction, call: Call, switch: str, port: str, settings: Record | None = None) -> int:
    """Tell nm of one port of a switch, by the switch's own name for it."""
    port = spelled(tx, call, switch, port)
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
    record = need_port(tx, call, switch, port)
    what = f"port {port} of switch {switch}"
    given = values.changes(changes, what, {"description": values.text(256)}, {"description": ""})
    tx.put(changed(record, call.now, **given))
    tell(tx, call, "switch", switch, "port changed", port)
    return 1


def unregister_port(tx: Transaction, call: Call, switch: str, port: str) -> int:
    """Forget a port that serves no NIC and no trunk."""
    record = need_free_port(tx, call, switch, port)
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
    record, debt = need(reader, "switch", name), debts.of_switch(reader, name)
    times = sights.audited(reader)
    ports = in_order(
        sights.refreshed(reader, port, times)
        for port in reader.range("port")
        if port["switch"] == name and views.seen(debt, port)["seen"] is not None
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
    chosen = _all_unused(tx, switch, kind) if ports is None else _named_unused(tx, call, switch, ports, kind)
    number = jobs.submit(tx, call, f"switch:{switch}", kind, ports=[port["port"] for port in chosen])
    tell(tx, call, "switch", switch, f"{kind} asked for", _some([port["port"] for port in chosen]))
    return number


def _named_unused(tx: Transaction, call: Call, switch: str, names: Any, kind: str) -> list[Record]:
    if not values.of_type(list, names, "ports"):
        raise Invalid(
            "ports is an empty list", "name at least one, or leave the list out for all that are not in use"
        )
    found = [need_port(tx, call, switch, name) for name in names]
    chosen = list({port["record_key"]: port for port in found}.values())
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
