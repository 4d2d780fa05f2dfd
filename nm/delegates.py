"""Operations on accounts: delegates, and the rights that accounts have. Pure.

A delegate is a Unix account of nm's own making whose login shell passes calls to the API and does nothing
else. The Unix side is the accounts' worker's; here only records change.
"""

from typing import Any

from nm import jobs, people, views
from nm.calls import Call
from nm.errors import Conflict, NotFound
from nm.keys import parse_keys
from nm.records import Record, changed, check_name, record_key
from nm.store import Event, Reader, Transaction


def create_delegate(tx: Transaction, call: Call, name: str, keys: list[str], rights: Any) -> int:
    """Have a Unix account made. One that could not be made may be asked for again."""
    check_name(name, "delegate")
    if call.site.uids is None:
        raise Conflict(
            "this daemon makes no accounts", "name the forward shell in the configuration: accounts.shell"
        )
    granted, lines = people.parse_rights(rights), parse_keys(keys)
    if (failed := _failed(tx, name)) is not None:
        record = changed(failed, call.now, keys=lines, rights=granted, error=None)
    else:
        record = people.enroll(tx, call, people.DELEGATE, name, keys=lines, rights=granted)
    job = _submit(tx, call, record, "create")
    _tell(tx, call, name, "created", _detail(granted))
    return job


def _failed(reader: Reader, name: str) -> Record | None:
    """The delegate of that name that could not be made, and for which no job is under way."""
    record = _find(reader, name)
    if record is None or record["type"] != people.DELEGATE or record["name"] != name:
        return None
    job = reader.get(record_key("job", record["job"]))
    under_way = job is not None and job["state"] not in jobs.OVER
    return None if record["_made"] or record["destroying"] or under_way else record


def destroy_delegate(tx: Transaction, call: Call, name: str) -> int:
    """Have the Unix account removed."""
    record = _find(tx, name)
    if record is None or record["type"] != people.DELEGATE:
        raise NotFound(f"no delegate {name}", "GetDelegates lists them")
    if record["destroying"]:
        return int(record["job"])
    record = people.recall(tx, record, call.now)
    job = _submit(tx, call, record, "remove")
    _tell(tx, call, name, "destroyed")
    return job


def set_delegate_keys(tx: Transaction, call: Call, name: str, keys: list[str]) -> int:
    """Let a delegate in by these keys, and no others any more."""
    record = _find(tx, name)
    if record is None or record["type"] != people.DELEGATE or record["destroying"]:
        raise NotFound(f"no delegate {name}", "GetDelegates lists them")
    lines = parse_keys(keys)
    job = _submit(tx, call, changed(record, call.now, keys=lines), "keys")
    _tell(tx, call, name, "keys set", f"{len(lines)} of them")
    return job


def set_rights(tx: Transaction, call: Call, name: str, rights: Any) -> int:
    """Set all rights of an account, nm's own or the machine's; none, also of one that is gone."""
    granted = people.parse_rights(rights)
    record = _find(tx, name)
    machines = record is not None and record["type"] == people.UNIX
    if record is None or record["destroying"] or (machines and granted):
        record = _adopt(tx, call, name)
    if record["type"] == people.UNIX and not granted:
        tx.delete(record["record_key"])  # nothing is left to remember
    else:
        tx.put(changed(record, call.now, rights=granted))
    _tell(tx, call, name, "rights set", _detail(granted))
    return 1


def _adopt(reader: Reader, call: Call, name: str) -> Record:
    """A record of an account that the machine has, as it is today."""
    old = reader.get(people.account_key(name))
    uid = call.site.uid_of(name)
    if uid is None or (old is not None and old["type"] != people.UNIX):
        raise NotFound(f"no delegate {name}, and no account of that name", "GetDelegates lists the delegates")
    return people.machines_own(call, name, uid)


def get_delegates(reader: Reader, _call: Call, filter: Record) -> list[Record]:
    """The accounts that a caller of the API may be, but for those of groups and head nodes."""
    views.check_filter(filter, views.FIELDS["account"])
    found = (people.as_meant(reader, one["account"]) for one in reader.range("account") if _calls(one))
    records = [one for one in found if one is not None]
    structs = sorted((_view(one) for one in records), key=lambda struct: struct["name"])
    return views.select(structs, filter, views.FIELDS["account"])


def _calls(account: Record) -> bool:
    """Whether it is one by which somebody calls the API in their own name."""
    return account["type"] in (people.DELEGATE, people.CONTROLLER, people.UNIX)


def _view(record: Record) -> Record:
    names = ("name", "account", "uid", "type", "keys", "job", "error")
    rights = people.public_rights(record["rights"])
    return {**{name: record[name] for name in names}, "rights": rights, "state": _state(record)}


def _state(record: Record) -> str:
    if record["destroying"]:
        return "leaving"
    return "ready" if record["_made"] or record["type"] == people.UNIX else "making"


def _find(reader: Reader, name: str) -> Record | None:
    """The account by the name it was given, or its Unix name. Those of groups and slivers have no rights."""
    for key in (people.account_key(people.unix_name(name)), people.account_key(name)):
        record = reader.get(key)
        if record is not None and _calls(record) and name in (record["name"], record["account"]):
            return record
    return None


def _submit(tx: Transaction, call: Call, record: Record, kind: str) -> int:
    job = jobs.submit(tx, call, f"account:{record['account']}", kind, id=record["id"])
    tx.put(changed(record, call.now, job=job))
    return job


def _detail(rights: Record) -> str:
    return ", ".join(sorted(rights)) or "no rights"


def _tell(tx: Transaction, call: Call, name: str, what: str, detail: str = "") -> None:
    tx.tell(Event(call.caller.name, f"delegate {name}", what, detail))
