"""Operations on slivers: what their people and the node's administrators ask for. Pure.

A call changes a wish in the sliver's record and submits a job; the slivers' worker does the rest. A newer
wish supersedes an older one's job. Names and meanings are those of PlanetLab's node managers.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from nm import departures, jobs, leases, loans, people, quotas, rspec, slivers, views
from nm.calls import Call
from nm.errors import Conflict, NotFound
from nm.loans import Loan
from nm.records import Record, record_key
from nm.rspec import Rspec
from nm.slices import DELEGATED, TYPES
from nm.store import Event, Reader, Transaction

HOLDS = (departures.REMOVALS, departures.EXPIRIES)


# ---- wishes


def create(tx: Transaction, call: Call, name: str) -> int:
    """Have a delegated sliver made here."""
    record = _delegated(tx, call, name)
    _present(record)
    if not record.get("_created"):
        record = departures.observed(record, _created=True, _stopped=False)
    return _wish(tx, call, record, "create")


def destroy(tx: Transaction, call: Call, name: str) -> int:
    """Have a delegated sliver unmade, its disk too; its record and its loans stay."""
    record = _delegated(tx, call, name)
    if record.get("_created"):  # the next one begins with a disk of its own, however soon it comes
        record = departures.observed(record, _created=False, _life=(record.get("_life") or 1) + 1)
    return _wish(tx, call, record, "destroy")


def start(tx: Transaction, call: Call, name: str) -> int:
    """Have it run, as far as nothing else is in the way."""
    record = _present(_existing(tx, call, name))
    return _wish(tx, call, departures.observed(record, _stopped=False), "start")


def stop(tx: Transaction, call: Call, name: str) -> int:
    """Have it stopped, until somebody starts it."""
    record = _existing(tx, call, name)
    return _wish(tx, call, departures.observed(record, _stopped=True), "stop")


def recreate(tx: Transaction, call: Call, name: str) -> int:
    """Have its disk made anew from the image, and start it."""
    record = _present(_existing(tx, call, name))
    fresh = departures.observed(record, _life=(record.get("_life") or 1) + 1, _stopped=False)
    return _wish(tx, call, fresh, "recreate")


def _delegated(tx: Transaction, call: Call, name: str) -> Record:
    record = loans.sliver(tx, name)
    if record["instantiation"] != DELEGATED:
        raise Conflict(
            f"sliver {name} is {record['instantiation']}: {call.method} is for delegated ones",
            "its source makes it and takes it away; Start and Stop are for all",
        )
    return _here(call, record)


def _existing(tx: Transaction, call: Call, name: str) -> Record:
    record = loans.sliver(tx, name)
    if not slivers.exists(record):
        delegated = record["instantiation"] == DELEGATED
        raise Conflict(
            f"sliver {name} does not exist here: it is {record['instantiation']}",
            "create it with Create" if delegated else "have its source instantiate it",
        )
    return _here(call, record)


def _here(call: Call, record: Record) -> Record:
    if not call.site.slivers:
        raise Conflict("this machine runs no slivers", "an administrator sets slivers.uri in nm.toml")
    return record


def _present(record: Record) -> Record:
    """Conflict for one that is to go."""
    if gone := record.get("_gone"):
        raise Conflict(f"sliver {record['name']} is to go: {gone['why']}", "renew it at its source")
    return record


def _wish(tx: Transaction, call: Call, record: Record, kind: str) -> int:
    """Write the wish down, with a job that takes over from the last one."""
    last = record.get("_job")
    if last is not None:
        jobs.advance(tx, last, call.now, state="superseded")
    number = jobs.submit(tx, call, f"sliver:{record['name']}", kind)
    tx.put(departures.observed(record, _job=number))
    tx.tell(Event(call.caller.name, f"sliver {record['name']}", f"{kind} asked"))
    return 1


# ---- resources and loans


def set_loans(tx: Transaction, call: Call, name: str | None, loans: object) -> int:
    """The sliver, or without a name the caller's own, lends this and nothing else from now on."""
    lender = name if name is not None else str(_own(tx, call)["name"])
    return _lend(tx, call, lender, loans)


_lend = loans.set_loans


def get_loans(reader: Reader, _call: Call, name: str) -> list[Loan]:
    """What it means to lend."""
    return loans.get_loans(reader, name)


def get_loan_states(reader: Reader, _call: Call, name: str) -> list[Record]:
    """The same, and which of that is in force."""
    return loans.get_loan_states(reader, name)


def get_rspec(reader: Reader, _call: Call, name: str) -> Rspec:
    """What it was given."""
    return loans.get_rspec(reader, name)


def get_effective_rspec(reader: Reader, _call: Call, name: str) -> Rspec:
    """What it has, with its loans."""
    return loans.get_effective_rspec(reader, name)


# ---- looking


def _own(reader: Reader, call: Call) -> Record:
    record = slivers.own(reader, call.caller)
    if record is None:
        raise call.denied("a sliver's own account")
    return record


def get_record(reader: Reader, call: Call) -> Record:
    """The caller's own sliver, whole; what has no value is left out."""
    record = _own(reader, call)
    sources = {key: value for key, value in record.items() if not key.startswith("_")}
    told = {**sources, **_own_view(reader, record), "quota": quotas.told(reader, record["name"], call.now)}
    return slivers.without_nil(told)  # type: ignore[no-any-return]


def _own_view(reader: Reader, record: Record) -> Record:
    lends = loans.has_resources(record)
    return {
        **_struct(reader, record),
        "rspec": rspec.complete(record["rspec"]) if lends else {},
        "_rspec": record.get("_rspec") if lends else None,
        "_loans": loans.get_loans(reader, record["name"]) if lends else None,
        "loans": loans.get_loan_states(reader, record["name"]) if lends else None,
    }


def _struct(reader: Reader, record: Record) -> Record:
    account = people.sliver_account(reader, record["name"])
    made = record.get("_made") or {}
    return {
        "name": record["name"],
        "type": record["type"],
        "instantiation": record["instantiation"],
        "account": None if account is None else account["account"],
        "uid": None if account is None else account["uid"],
        "enabled": bool(record["enabled"]),
        "expires": record["expiry"],
        "state": slivers.state_of(record),
        "why": record.get("_why"),
        "error": record.get("_error"),
        "note": record.get("_note"),
        "image": made.get("image"),
        "index": record.get("_index"),
        "job": record.get("_job"),
        "deleted_at": (record.get("_gone") or {}).get("until"),
        "problems": [*record["problems"], *record.get("_group", ())],
        "unenforced": dict(record.get("_unenforced") or slivers.unenforced(reader, record)),
    }


def get_slivers(reader: Reader, call: Call, filter: Mapping[str, Any]) -> list[Record]:
    """The slivers that the caller may see, in the order of their names."""
    view = partial(_struct, reader)
    if call.reader:
        return views.find(reader, "sliver", filter, view)
    views.check_filter(filter, views.FIELDS["sliver"])
    mine = [
        record
        for record in reader.range("sliver")
        if slivers.is_member(reader, call.caller, record, call.method)
    ]
    structs = sorted(map(view, mine), key=lambda struct: str(struct["name"]))
    return views.select(structs, filter, views.FIELDS["sliver"])


def get_xids(reader: Reader, _call: Call) -> dict[str, int]:
    """Sliver -> uid of its account."""
    records = (one for one in reader.range("account") if one["type"] in TYPES and people.is_live(one))
    return {record["name"]: record["uid"] for record in records}


def get_ssh_keys(reader: Reader, _call: Call) -> dict[str, str]:
    """Sliver -> the keys of its people, as lines of authorized_keys."""
    return {
        record["name"]: "".join(f"{key}\n" for key in record["keys"]) for record in reader.range("sliver")
    }


# ---- the administrator's word


def get_holds(reader: Reader, call: Call) -> list[Record]:
    """Everything whose end is held back: groups, then slivers."""
    found = [{**hold, "sliver": None, "what": "ends"} for hold in leases.get_holds(reader, call)]
    for of in HOLDS:
        for name, entry in sorted(leases.held(reader, of).items()):
            record = reader.get(record_key("sliver", name))
            if record is not None:
                told = {"group": None, "sliver": name, "what": of.what, "expires": record["expiry"]}
                found.append({**told, "reason": entry["reason"], "since": entry["since"]})
    return found


def confirm_slivers(tx: Transaction, call: Call, names: list[str]) -> int:
    """Let the slivers go whose removal or expiry was held back; an empty list means all of them."""
    held = {of: leases.held(tx, of) for of in HOLDS}
    for name in names:
        if not any(name in found for found in held.values()):
            raise NotFound(f"the end of sliver {name} is not held back", "GetHolds lists those that are")
    for of, found in held.items():
        these = [name for name in names if name in found] if names else list(found)
        if these:
            leases.confirm(tx, call, these, of)
    return 1
