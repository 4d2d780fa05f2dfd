"""What the operations of every kind of thing in the pool share: finding, claiming, telling.

Pure; called by the modules of this package only.
"""

from collections.abc import Mapping
from typing import Any

from nm.calls import Call
from nm.errors import Conflict, Invalid, NotFound
from nm.pool import values
from nm.records import Record, check_name, name_of, new, port_key, record_key
from nm.store import Event, Reader, Transaction

SPOKEN = {"headnode": "head node", "vlan": "VLAN"}
_METHOD = {"switch": "Switch", "headnode": "HeadNode"}

SERVICE: Mapping[str, values.Check] = {"available": values.boolean, "reason": values.text(256)}
IN_SERVICE = {"available": True, "reason": ""}


def spoken(kind: str, name: str | int) -> str:
    """How people call it: "head node h1"."""
    return f"{SPOKEN.get(kind, kind)} {name}"


def method(verb: str, kind: str, plural: bool = False) -> str:
    """The API's method, as UnregisterHeadNode or GetSwitches."""
    noun = _METHOD.get(kind, kind.capitalize())
    ending = "" if not plural else "es" if noun.endswith("ch") else "s"
    return f"{verb}{noun}{ending}"


def need(reader: Reader, kind: str, name: str) -> Record:
    """The record of that kind and name; NotFound when there is none."""
    record = reader.get(record_key(kind, check_name(name, spoken(kind, "name"))))
    if record is None:
        raise NotFound(f"no {spoken(kind, name)}", f"{method('Get', kind, plural=True)} lists them")
    return record


def need_new(reader: Reader, kind: str, name: str) -> None:
    """Conflict when there is one of that kind and name."""
    if reader.get(record_key(kind, check_name(name, spoken(kind, "name")))) is not None:
        raise Conflict(
            f"{spoken(kind, name)} is registered already", f"{method('Unregister', kind)} removes it"
        )


def tell(tx: Transaction, call: Call, kind: str, name: str | int, what: str, detail: str = "") -> None:
    """Let the event log say that the caller did this."""
    tx.tell(Event(call.caller.name, spoken(kind, name), what, detail))


def service(before: Record, given: Record) -> Record:
    """`available` and `reason` after the changes given; in service there is no reason."""
    available = given.get("available", before["available"])
    if available and given.get("reason"):
        raise Invalid(
            "reason says why a thing is out of service, and this one is in service",
            "set available to False as well, or leave reason out",
        )
    reason = "" if available else given.get("reason", before["reason"])
    return {"available": available, "reason": reason}


def detail(given: Record) -> str:
    """What an event says of changes: the keys, and whether the thing is in service; never values."""
    words = ", ".join(sorted(given))
    if "available" in given:
        words += " (in service)" if given["available"] else f" (out of service: {given.get('reason', '')})"
    return words


def port_owner(port: Record) -> str | None:
    """Who holds a port, in words; None when nobody does."""
    if port["trunk"] is not None:
        return f"trunk {port['trunk']}"
    return None if port["node"] is None else f"NIC {port['nic']} of node {port['node']}"


def spelled(reader: Reader, call: Call, switch: str, port: str) -> str:
    """A port's name as its switch spells it in full; Invalid when the switch can have no such port."""
    record = need(reader, "switch", switch)
    return call.site.drivers.port_name(record["driver"], record, values.port_name(port, "port"))


def need_port(reader: Reader, call: Call, switch: str, port: str) -> Record:
    """The record of a port, in whatever way it is spelled; NotFound says how to register it."""
    port = spelled(reader, call, switch, port)
    record = reader.get(port_key(switch, port))
    if record is None:
        raise NotFound(
            f"switch {switch} has no port {port}", "RegisterPort tells nm of it, GetPorts lists those known"
        )
    return record


def need_free_port(reader: Reader, call: Call, switch: str, port: str) -> Record:
    """The record of a port that serves nothing yet; Conflict names its holder."""
    record = need_port(reader, call, switch, port)
    if (holder := port_owner(record)) is not None:
        raise Conflict(
            f"port {port} of switch {switch} serves {holder}", "use another port, or free this one first"
        )
    return record


def claim(tx: Transaction, call: Call, what: str, value: Any, owner: str, hint: str) -> None:
    """Let a value belong to one record only, the one of the key `owner`."""
    holder = tx.get(record_key("claim", f"{what}:{value}"))
    if holder is not None:
        kind, name = holder["owner"].partition("_")[0], name_of(holder["owner"])
        raise Conflict(f"{what} {value} belongs to {spoken(kind, name)}", hint)
    tx.put(new("claim", f"{what}:{value}", call.now, owner=owner))


def claimed(reader: Reader, what: str, value: Any) -> bool:
    """Whether a value is some record's."""
    return reader.get(record_key("claim", f"{what}:{value}")) is not None


def unclaim(tx: Transaction, what: str, value: Any) -> None:
    """Give the value back."""
    tx.delete(record_key("claim", f"{what}:{value}"))
