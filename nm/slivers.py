"""What a sliver's record means for this machine: its guest, its account, and why it does not run. Pure.

A sliver is a slice's share of this machine: a guest of libvirt's and a Unix account that enters it. A
controller has the account only. What the guest is to be is the value of the fact `sliver/NAME`, which the
hand makes true and reads back. All follows from the record, so a daemon that ends anywhere goes on from it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nm import delivery, departures, facts, people, reservations, rspec
from nm.calls import Call, Caller
from nm.facts import Value
from nm.records import Record, name_of, record_key
from nm.slices import CONTROLLER, CONTROLLER_TYPE, DELEGATED, NOT
from nm.store import Reader

OPEN, SHUT, NONE = "open", "shut", "none"  # how an account is meant: let in, let nobody in, not there
ABSENT, STOPPED, RUNNING = "absent", "stopped", "running"  # what was read back of a guest
ENFORCERS = "meta_enforcers"
ASKED = "it was stopped by Stop"
TURN = "it waits for its turn to be started"


@dataclass(frozen=True)
class Host:
    """What this machine does with slivers. `type` is sliver.QEMU or sliver.LXC, None where it runs none."""

    type: str | None = None
    image: str = ""  # for those whose own is not registered here
    addresses: str = ""  # their network, with the gateway's address; "": they are given none


@dataclass(frozen=True)
class Meaning:
    """What a record means. `value` is that of the fact `sliver/NAME`, None when there is to be no guest."""

    value: Value | None = None
    door: str = NONE  # of the account
    why: str | None = None  # it does not run, or is not there
    fault: str | None = None  # what stands in the way; what is there stays as it is
    note: str | None = None  # what people should know although it works


def meant(reader: Reader, record: Record, host: Host, now: float, due: bool = False) -> Meaning:
    """What the sliver is to be here and now. `due`: what it has here is to be deleted."""
    door = _door(record, due)
    absent = _absent(record, host, due)
    if absent is not None:
        return Meaning(door=door, why=absent)
    image, note = image_of(reader, record, host)
    if image is None:
        return Meaning(door=door, why="there is no image for it", fault=note)
    why = _rests(reader, record, now)
    if why is None and host.addresses and address_of(host, record.get("_index") or 1) is None:
        why = fault = f"the network {host.addresses} has no address left: widen slivers.addresses"
        return Meaning(door=door, why=why, fault=fault)
    value = _value(record, host, image, why is None, people.sliver_account(reader, record["name"]))
    return Meaning(value, door, why, note=note)


def _absent(record: Record, host: Host, due: bool) -> str | None:
    """Why there is no guest; None when there is one."""
    instantiation = record["instantiation"]
    if (why := _unwanted(record)) and (due or not has_guest(record)):
        return why
    if record.get("_gone") and (due or not has_guest(record)):
        return str(record["_gone"]["why"])
    if host.type is None:
        return "this machine runs no slivers (slivers.uri)"
    if instantiation == DELEGATED and not record.get("_created"):
        return "it is delegated, and nobody has created it"
    return None


def _door(record: Record, due: bool) -> str:
    """How its account is meant. One that is to go lets nobody in; a controller's enters no guest."""
    if record["type"] == CONTROLLER_TYPE and not record.get("_gone"):
        return OPEN
    if due or (record["instantiation"] == NOT and not has_guest(record)):
        return NONE
    if record["instantiation"] == DELEGATED and not record.get("_created"):
        return NONE
    return SHUT if record.get("_gone") or record["instantiation"] == NOT else OPEN


def _rests(reader: Reader, record: Record, now: float) -> str | None:
    """Why the guest does not run; None when it does."""
    if (halted := departures.halted(record)) is not None:
        return halted
    if (why := _unwanted(record)) is not None:
        return why
    if record.get("_stopped"):
        return ASKED
    leases = reservations.read_leases(delivery.section(reader, "leases"))
    return reservations.waits(record, delivery.section(reader, "reservation_policy"), leases, now)


def _unwanted(record: Record) -> str | None:
    """Why its source wants no guest of it here; None when it does."""
    if record["type"] == CONTROLLER_TYPE:
        return "a controller has no guest"
    return f"it is {NOT}" if record["instantiation"] == NOT else None


def image_of(reader: Reader, record: Record, host: Host) -> tuple[str | None, str | None]:
    """The image that it is made from, and what is to be said of that; None when there is none.

    One that was made keeps what it was made from, whatever is registered since: its disk is wiped for another
    reference only, and when there is an image of it; never that of one that is to go.
    """
    wanted, before = record["reference"], record.get("_image")
    kept = before if before is not None and has_guest(record) else None
    if kept is not None and (kept["chosen"] == _chosen(record) or _unwanted(record) is not None):
        return str(kept["image"]), kept["note"]
    if wanted and reader.get(record_key("image", wanted)) is not None:
        return str(wanted), None
    if kept is not None and kept["chosen"][1] == _chosen(record)[1]:
        image = str(kept["image"])
        note = f"image {wanted} is not registered here: its disk stays, made from {image}"
        return image, note if wanted else None
    usual = host.image if host.image and reader.get(record_key("image", host.image)) is not None else None
    missing = f"image {wanted} is not registered here" if wanted else "it names no image"
    if usual is None:
        return None, f"{missing}, and slivers.image names none that is: register it with RegisterImage"
    return usual, f"{missing}: it is made from {usual}" if wanted else None


def _chosen(record: Record) -> list[Any]:
    """What the choice of an image is made for: another one is chosen when this changes."""
    return [record["reference"], record.get("_life") or 1]


def choice(record: Record, meaning: Meaning) -> Record | None:
    """What is remembered of the image that is chosen."""
    if meaning.value is None:
        return None
    return {"chosen": _chosen(record), "image": meaning.value["image"], "note": meaning.note}


def _value(record: Record, host: Host, image: str, running: bool, account: Record | None) -> Value:
    given = rspec.complete(record.get("_rspec") or record["rspec"])
    cores, _ = rspec.cores(str(given["cpu_cores"]))
    return {
        "domain": facts.sliver_domain(record["account"]),
        "type": host.type,
        "image": image,
        "life": record.get("_life") or 1,
        "running": running,
        "frozen": bool(running and given["cpu_freezable"] and not cores),
        "index": record.get("_index") or 0,
        "shares": given["cpu_share"],
        "reserve": given["cpu_min"],
        "cores": given["cpu_cores"],
        "memory": given["memory"],
        "disk": given["disk_max"],
        "told": _digest(record, host, account),
    }


def _digest(record: Record, host: Host, account: Record | None) -> str:
    """Of what the guest is told beside its settings, and by which account it is entered."""
    address, entry = address_of(host, record.get("_index") or 0), account and account["id"]
    told = [record["keys"], record["initscript"], hostname_of(record), address, entry]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def hostname_of(record: Record) -> str:
    """What the guest calls itself: a host's name has no underscores."""
    return str(record["name"]).replace("_", "-").replace(".", "-").lower()[:63].rstrip("-")


def address_of(host: Host, index: int) -> str | None:
    """The guest's address with its network's length, as 10.20.0.11/16; None when it has none."""
    return facts.sliver_address(host.addresses, index)


# ---- who that is, and who may act for it


def own(reader: Reader, caller: Caller) -> Record | None:
    """The sliver whose account the caller is; None for everybody else."""
    if caller.uid is None:
        return None
    account = reader.get(people.account_key(caller.name))
    if account is None or account["type"] not in people.OF_SLIVERS or not people.is_live(account):
        return None
    return reader.get(record_key("sliver", account["name"])) if caller.is_(people.person(account)) else None


def is_member(reader: Reader, caller: Caller, record: Record, method: str) -> bool:
    """Administrator, the sliver's own account, or one that it delegates itself or just this method to."""
    if caller.admin:
        return True
    if caller.uid is None or caller.serves is not None:
        return False
    mine = own(reader, caller)
    if mine is not None and mine["record_key"] == record["record_key"]:
        return True
    names = {entry if isinstance(entry, str) else entry[0] for entry in _delegations(record, method)}
    return bool(names) and _called(reader, caller, mine) in names


def _delegations(record: Record, method: str) -> list[Any]:
    return [one for one in record["delegations"] if isinstance(one, str) or one[1] == method]


def _called(reader: Reader, caller: Caller, sliver: Record | None) -> str | None:
    """The name by which a sliver may delegate to the caller: of its slice, or of an account of the machine.

    Accounts of groups and head nodes have none, whatever they are called.
    """
    if sliver is not None:
        return str(sliver["name"])
    account = reader.get(people.account_key(caller.name))
    if account is None:
        return caller.name
    machines = account["type"] in (people.DELEGATE, people.UNIX) and not account["destroying"]
    return caller.name if machines and caller.is_(people.person(account)) else None


def sees(reader: Reader, call: Call, name: str) -> bool:
    """Whether the caller sees that sliver: a reader, or a member."""
    record = reader.get(record_key("sliver", name))
    return call.reader or (record is not None and is_member(reader, call.caller, record, call.method))


# ---- what is enforced


def unenforced(reader: Reader, record: Record) -> dict[str, str]:
    """Resource -> why nothing on this machine holds the sliver to it."""
    if record["type"] == CONTROLLER_TYPE:
        return {}
    found = reader.get(ENFORCERS) or {}
    words = {word for part in ("guests", "network") for word in found.get(part, ())}
    return rspec.unenforced(record.get("_rspec") or rspec.complete(record["rspec"]), words)


def is_unwanted(record: Record) -> bool:
    """Whether its source lists it, and wants it here no more: it is stopped, and deleted later."""
    return _unwanted(record) is not None and has_guest(record)


def end_of(record: Record) -> float | None:
    """When what it has here is deleted; None when it stays."""
    gone = record.get("_gone")
    if gone is not None:
        return float(gone["until"])
    end: float | None = record.get("_unwanted") if is_unwanted(record) else None
    return end


def has_guest(record: Record) -> bool:
    """Whether there may be something of its guest on this machine."""
    return bool(record.get("_index"))


def exists(record: Record) -> bool:
    """Whether it is a sliver that may be started: made by its source, or created by somebody."""
    if record["instantiation"] in (CONTROLLER, NOT):
        return False
    return record["instantiation"] != DELEGATED or bool(record.get("_created"))


def state_of(record: Record) -> str:
    """What was last read back of its guest."""
    return str(record.get("_state") or ABSENT)


def name(record: Record) -> str:
    """The sliver's name."""
    return name_of(record["record_key"])


def without_nil(value: Any) -> Any:
    """The value without what is None, for clients that have no word for it."""
    if isinstance(value, Mapping):
        return {key: without_nil(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [without_nil(one) for one in value if one is not None]
    return value


# ---- what was made, and what was read back


def is_unmade(record: Record, meaning: Meaning) -> bool:
    """Whether the guest is to be made otherwise than it was, or taken away."""
    if meaning.value is None:
        return has_guest(record)
    return not has_guest(record) or record.get("_made") != meaning.value


def state_in(seen: Value | None) -> str:
    """Of a guest, as its value was read back."""
    if seen is None:
        return ABSENT
    return RUNNING if seen["running"] else STOPPED


def is_ahead(seen: Value | None, wanted: Value | None) -> bool:
    """Whether the guest had a newer disk when the records were of an older copy: its disk is kept."""
    return bool(seen and wanted and (seen["life"] or 0) > wanted["life"])


def step_of(value: Value | None) -> str:
    """What is done to make that true, in words."""
    if value is None:
        return "taking its guest away"
    return "making and starting its guest" if value["running"] else "making its guest, which does not run"


def difference(wanted: Value | None, seen: Value | None) -> str:
    """In words."""
    if wanted is None or seen is None:
        return "it is there" if seen is not None else "it is not there"
    keys = [key for key in wanted if wanted[key] != seen.get(key)]
    return ", ".join(f"{key} {seen.get(key)!r} and not {wanted[key]!r}" for key in keys)
