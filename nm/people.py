"""Accounts as records: how Unix accounts are named and numbered, and what rights they have. Pure.

One record an account, kept under its Unix name (`account_NAME`), so that a name is taken by a
compare-and-set of one record: delegates and the accounts of groups, head nodes and slivers, which nm makes,
and accounts of the machine that were given rights. Called inside transactions, by operations and by the door.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from nm import facts
from nm.calls import Call, Caller
from nm.counted import counted
from nm.errors import Conflict, Invalid, LimitReached, NotFound
from nm.records import Record, changed, name_of, new, record_key
from nm.specs import EMPTY, claims
from nm.store import Event, Reader, Transaction

# Types of accounts; the last is not nm's.
DELEGATE, GROUP, HEADNODE, UNIX = "delegate", "group", "headnode", "unix"
OF_GROUPS = (GROUP, HEADNODE)  # they come and go by their group's deploys
OF_SLIVERS = ("sliver.QEMU", "sliver.LXC", "controller")  # by their sliver's record; types of slivers, too
CONTROLLER = OF_SLIVERS[2]  # the one that calls the API, and has no guest
LIMITS = ("groups", "nodes", "lease")
DESCRIBED = (
    "pools",
    "components",
    "domains",
    "memory",
    "vcpus",
    "disk",
)  # limits of describe that are numbers
LISTED = ("images", "hosts")  # lists of names
LET = ("shells", "paths", "devices", "adopt")  # what it does not allow unless it says so
LIMITED: Mapping[str, tuple[str, ...]] = {"reserve": LIMITS, "describe": (*DESCRIBED, *LISTED, *LET)}
RIGHTS = ("spy", "reserve", "describe")
LARGEST = 2**31 - 1
UNITS = {"lease": "it is in seconds", "memory": "it is in MiB", "disk": "it is in MiB"}

SUBJECT = "accounts:"  # whose worker makes them all, one at a time: they are lines of one file

_UNIX_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def unix_name(name: str) -> str:
    """The Unix account's name for a name of the API: the same where Linux takes it, else a likeness.

    A likeness ends in a hash, so that Web.1 and web-1 have accounts of their own.
    """
    return name if _UNIX_NAME.fullmatch(name) else _likeness(name, name)


def _likeness(name: str, hashed: str) -> str:
    alike = re.sub("[^a-z0-9_-]", "-", name.lower())[:23]
    alike = alike if alike.startswith(tuple("_abcdefghijklmnopqrstuvwxyz")) else "_" + alike
    return f"{alike[:23]}-{hashlib.sha256(hashed.encode()).hexdigest()[:8]}"


def unix_names(kind: str, name: str) -> tuple[str, str]:
    """The name that the account of a group, head node or sliver has, and the one where that is taken.

    The name that others call it by is the first wherever possible: a group and a sliver may have the same.
    """
    wanted = f"head-{name}" if kind == HEADNODE else name
    return unix_name(wanted), _likeness(wanted, f"{kind.partition('.')[0]} {name}")


def account_key(name: str) -> str:
    """The key of the account's record, by its Unix name."""
    return record_key("account", name)


def account_of(reader: Reader, group: str) -> Record | None:
    """The group's own account; None where nm makes none."""
    return _of(reader, (GROUP,), group)


def sliver_account(reader: Reader, sliver: str) -> Record | None:
    """The sliver's account, or what is left of its last one; None where there is none."""
    return _of(reader, OF_SLIVERS, sliver)


def _of(reader: Reader, types: tuple[str, ...], name: str) -> Record | None:
    """One that is to be there comes before one that is to go."""
    records = (reader.get(account_key(account)) for account in unix_names(types[0], name))
    mine = [one for one in records if one is not None and one["type"] in types and one["name"] == name]
    return min(mine, key=lambda one: bool(one["destroying"]), default=None)


def accounts_of(reader: Reader, group: str, headnode: str | None) -> list[Record]:
    """The accounts that a deployed group has: its own, and that of its head node."""
    found = (account_of(reader, group), head_account(reader, group, headnode))
    return [account for account in found if account is not None]


def head_account(reader: Reader, group: str, headnode: str | None) -> Record | None:
    """The account that the group's head node calls nm by; None where it has none."""
    head = reader.get(record_key("headnode", headnode)) if headnode is not None else None
    name = head.get("account") if head is not None and head["group"] == group else None
    return reader.get(account_key(name)) if name is not None else None


def group_of(account: Record) -> str | None:
    """The group by whose deploys the account comes and goes; None when it is nobody's."""
    if account["type"] == HEADNODE:
        return str(account["group"])
    return str(account["name"]) if account["type"] == GROUP else None


def _group(reader: Reader, account: Record) -> Record | None:
    name = group_of(account)
    return None if name is None else reader.get(record_key("group", name))


# ---- rights


def serving(reader: Reader, caller: Caller) -> Caller:
    """The caller; if that is a head node's account, with the group that it serves."""
    record = None if caller.uid is None else as_meant(reader, caller.name)
    if record is None or record["type"] != HEADNODE or not caller.is_(person(record)):
        return caller
    return replace(caller, serves="" if record["destroying"] else record["group"])


def parse_rights(given: Any) -> dict[str, Any]:
    """Rights as records keep them, from a list of their names or a struct of name to limits.

    `reserve` takes limits of groups, nodes and lease (seconds), `describe` of pools, components, domains,
    vcpus, memory and disk (MiB) and images; one that is not named does not limit. `describe` lists hosts, and
    says what else is allowed.
    """
    pairs = dict.fromkeys(given, True) if _is_words(given) else given
    if not isinstance(pairs, Mapping):
        raise Invalid(
            "rights are neither a list of words nor a struct", 'as ["spy"] or {"reserve": {"nodes": 4}}'
        )
    rights: dict[str, Any] = {}
    for name, value in pairs.items():
        if name not in RIGHTS:
            raise Invalid(f"no right {str(name)[:70]!r}", f"rights are {', '.join(RIGHTS)}")
        if value is False or value is None:
            continue
        if isinstance(value, Mapping) and name in LIMITED:
            rights[name] = _limits(name, value)
        elif value is True:
            rights[name] = {}
        else:
            raise Invalid(f"right {name}: not true or false" + _or_limits(name), "give true, or leave it out")
    return rights


def _is_words(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(word, str) for word in given)


def _or_limits(name: str) -> str:
    return f", nor a struct of {', '.join(LIMITED[name])}" if name in LIMITED else ""


def _limits(right: str, given: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        if name not in LIMITED[right]:
            known = ", ".join(LIMITED[right])
            raise Invalid(f"{right} has no limit {str(name)[:70]!r}", f"limits are {known}")
        if name in LISTED:
            if not _is_words(value):
                raise Invalid(f"limit {name} is no list of names", f"as [] or the names of {name}")
        elif name in LET:
            if type(value) is not bool:
                raise Invalid(f"{name} is neither true nor false", "leave it out for false")
        elif type(value) is not int or not 0 <= value <= LARGEST:
            raise Invalid(f"limit {name} is not an int from 0 to {LARGEST}", UNITS.get(name, "as 4"))
    return {name: list(value) if name in LISTED else value for name, value in given.items()}


def rights_of(reader: Reader, caller: Caller) -> Mapping[str, Any]:
    """What the caller's account was granted; nothing when the name belongs to another uid by now."""
    if caller.uid is None:
        return {}
    record = reader.get(account_key(caller.name))
    return record["rights"] if record is not None and caller.is_(person(record)) else {}


def is_live(account: Record) -> bool:
    """Whether the account is meant to exist."""
    return not account["destroying"]


def is_own(reader: Reader, uids: tuple[int, int] | None, name: str, uid: int) -> bool:
    """Whether nm made the account, or its uid is of those (first, last) that nm gives out."""
    record = reader.get(account_key(name))
    made = record is not None and record["type"] != UNIX and record["uid"] == uid
    return made or (uids is not None and uids[0] <= uid <= uids[1])


def person(account: Record) -> dict[str, Any]:
    """Who that is, as owners and delegations are kept."""
    return {"name": account["account"], "uid": account["uid"]}


def public_rights(rights: Mapping[str, Any]) -> dict[str, Any]:
    """Rights as answers give them: a right without limits is true."""
    return {name: dict(limits) if limits else True for name, limits in sorted(rights.items())}


# ---- owners and delegations


def named(reader: Reader, call: Call, name: object) -> dict[str, Any]:
    """The account of that name, as owners are kept."""
    if not isinstance(name, str):
        raise Invalid(f"{name!r} is not the name of an account", "give a Unix account's name")
    uid = call.site.uid_of(name)
    if uid is None or _is_secret(reader, call, name):
        raise NotFound(f"no account {name} on this machine", "make it first, or name another")
    return {"name": name, "uid": uid}


def _is_secret(reader: Reader, call: Call, account: str) -> bool:
    """Whether it is the account of a group that the caller may not know of."""
    record = reader.get(account_key(account))
    if record is None or record["type"] not in OF_GROUPS or call.reader:
        return False
    group = _group(reader, record)
    return group is None or not call.caller.member_of(group, call.method)


def parse_delegations(reader: Reader, call: Call, given: object) -> list[dict[str, Any]]:
    """Delegations as groups keep them: of the whole group, or of one method."""
    if not isinstance(given, list):
        raise Invalid("delegations is not a list", 'as ["alice", {"name": "bob", "method": "Deploy"}]')
    result = []
    for entry in given:
        pair = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(pair, Mapping) or set(pair) - {"name", "method"} or "name" not in pair:
            raise Invalid(
                "a delegation is neither a name nor a struct {name, method}",
                'as "alice" or {"name": "bob", "method": "Deploy"}',
            )
        method = pair.get("method")
        if method is not None and method not in (call.site.methods or (method,)):
            raise Invalid(f"{str(method)[:70]!r} is no method", 'as "Deploy"; system.listMethods lists them')
        result.append({**named(reader, call, pair["name"]), "method": method})
    return result


# ---- limits that come with `reserve`


def longest_lease(reader: Reader, call: Call, owner: Mapping[str, Any], reserved: bool) -> int | None:
    """How long a lease of this owner's group may be, in seconds; None for any.

    `reserved`: the group was made by the right to reserve, and not by an administrator.
    """
    if call.caller.admin:
        return None
    limits = [call.site.longest_lease, _limits_of(reader, owner, reserved).get("lease")]
    return min((limit for limit in limits if limit is not None), default=None)


def _limits_of(reader: Reader, owner: Mapping[str, Any], reserved: bool) -> Mapping[str, int]:
    """By name. Whoever has lost the right holds what there is, and no more."""
    nothing = dict.fromkeys(LIMITS, 0) if reserved else {}
    found: Mapping[str, int] = rights_of(reader, Caller(owner["uid"], owner["name"])).get("reserve", nothing)
    return found


def check_limits(reader: Reader, call: Call, old: Record | None, group: Record) -> None:
    """LimitReached when the owner would hold more groups or nodes than allowed. Not for administrators."""
    if call.caller.admin:
        return
    owner = group["owner"]
    limits = _limits_of(reader, owner, group.get("reserved", False))
    most_groups, most_nodes = limits.get("groups"), limits.get("nodes")
    if most_groups is None and most_nodes is None:
        return
    others = [record for name in owned(reader, owner) if (record := reader.get(record_key("group", name)))]
    others = [record for record in others if record["record_key"] != group["record_key"]]
    if old is None and most_groups is not None and len(others) + 1 > most_groups:
        raise LimitReached(
            f"{owner['name']} may have {counted(most_groups, 'group')}",
            "destroy one, or ask an administrator",
        )
    nodes = sum(map(_nodes, [*others, group]))
    if most_nodes is not None and nodes > most_nodes and nodes > sum(map(_nodes, others)) + _nodes(old):
        raise LimitReached(
            f"{owner['name']} may have {counted(most_nodes, 'node')}, this makes {nodes}",
            "remove some (those that were deployed count until they are isolated), or ask an administrator",
        )


def _nodes(group: Record | None) -> int:
    """How many nodes a group holds: in wanted, in target, or deployed; and those that it lent or borrowed."""
    promised = [*(group or {}).get("lent", ()), *(group or {}).get("borrowed", ())]
    keys = claims(group) | {record_key("node", node) for node in promised}
    return sum(key.startswith("node_") for key in keys)


def owned(reader: Reader, owner: Mapping[str, Any]) -> list[str]:
    """The names of the owner's groups."""
    index = reader.get(_owned_key(owner))
    return list(index["groups"]) if index is not None else []


def own(tx: Transaction, owner: Mapping[str, Any], group: str, now: float) -> None:
    """The owner has one group more."""
    _put_owned(tx, owner, [*owned(tx, owner), group], now)


def disown(tx: Transaction, owner: Mapping[str, Any], group: str, now: float) -> None:
    """The group is gone."""
    _put_owned(tx, owner, [name for name in owned(tx, owner) if name != group], now)


def _put_owned(tx: Transaction, owner: Mapping[str, Any], groups: list[str], now: float) -> None:
    key = _owned_key(owner)
    if groups:
        tx.put(new("meta", key.removeprefix("meta_"), now, groups=groups))
    else:
        tx.delete(key)


def _owned_key(owner: Mapping[str, Any]) -> str:
    return record_key("meta", f"groups:{owner['name']}:{owner['uid']}")


# ---- accounts that nm makes


def enroll(tx: Transaction, call: Call, type: str, name: str, **fields: Any) -> Record:
    """A record for an account that is to be made: its Unix name, its uid, its incarnation.

    Uids are never given out twice. A name whose account is still being removed may be taken again: what is
    left of the predecessor is in `before`, and goes first. A name that gives a Unix group's rights to whoever
    has it is refused. A sliver's account takes its other name then, and a group's where a sliver came first.
    """
    account, other = unix_names(type, name)
    why = _why_not(tx, call, type, account)
    yields = type in OF_SLIVERS or (type in OF_GROUPS and _is_slivers(tx.get(account_key(account))))
    if why is not None and yields:
        account, why = other, _why_not(tx, call, type, other)
    if why is not None:
        raise _taken(call, *why, account)
    old = tx.get(account_key(account))
    uid, number = _numbers(tx, call)
    before = [*old["before"], {name: old[name] for name in ("uid", "id", "type")}] if old is not None else []
    record = changed(_account(call, type, account, name, uid, number), call.now, before=before, **fields)
    tx.put(record)
    return record


def _is_slivers(record: Record | None) -> bool:
    return record is not None and record["type"] in OF_SLIVERS


def _why_not(reader: Reader, call: Call, type: str, account: str) -> tuple[str, str] | None:
    """Why that Unix name cannot be taken, and what to do; None when it can."""
    old, hint = reader.get(account_key(account)), "choose another name"
    if old is not None and old["type"] == UNIX:
        hint = "choose another name; if that account is gone, take its rights away with SetRights"
        return f"account {account} of this machine has rights", hint
    if old is not None and (is_live(old) or type == HEADNODE):
        return f"account {account} exists already, for {old['type']} {old['name']}", hint
    if old is None and call.site.uid_of(account) is not None:
        return f"this machine has an account {account} already, which nm did not make", hint
    if old is None and call.site.has_group(account):
        return f"this machine has a Unix group {account} already", hint
    if call.site.is_listed(account) and not _is_slivers(old):
        return f"{account} is a member of a Unix group by its name", hint
    return None


def enroll_sliver(tx: Transaction, call: Call, name: str, kind: str) -> Record:
    """The account of that sliver, of one of the types OF_SLIVERS: what there is, or a new record.

    One of another type is recalled, and its successor is a new account. Its keys are the sliver's (see
    `as_meant`). Conflict where nm makes no accounts, or both its names are somebody else's. The caller wakes
    the accounts' worker.
    """
    if call.site.uids is None:
        raise Conflict("this daemon makes no accounts", "set accounts.shell in the configuration")
    account = sliver_account(tx, name)
    if account is not None and is_live(account) and account["type"] == kind:
        return account
    if account is not None and is_live(account):
        recall(tx, account, call.now)
    return enroll(tx, call, kind, name)


def enroll_head(tx: Transaction, call: Call, group: str, headnode: str | None) -> None:
    """An account for the head node that the group holds; it goes when the group lets go (see specs.py)."""
    record = tx.get(record_key("headnode", headnode)) if headnode is not None else None
    if record is None or record.get("account") is not None or not call.site.head_accounts:
        return
    made = enroll(tx, call, HEADNODE, name_of(record["record_key"]), group=group)
    tx.put(changed(record, call.now, account=made["account"]))


def _taken(call: Call, why: str, hint: str, account: str) -> Conflict:
    """Who does not see everything is told nothing of the group whose account it may be."""
    if call.reader:
        return Conflict(why, hint)
    return Conflict(f"account {account} exists already", "choose another name")


def machines_own(call: Call, name: str, uid: int) -> Record:
    """A record of an account that the machine has, so that it can have rights."""
    return _account(call, UNIX, name, name, uid, 0)


def _account(call: Call, type: str, account: str, name: str, uid: int, number: int) -> Record:
    return new(
        "account", account, call.now, type=type, account=account, name=name, uid=uid, id=number, before=[],
        destroying=False, keys=[], rights={}, job=None, error=None, _made=False,
    )  # fmt: skip


def _numbers(tx: Transaction, call: Call) -> tuple[int, int]:
    """The next uid and incarnation."""
    first, last = call.site.uids or (0, -1)
    counter = tx.get("meta_accounts") or new("meta", "accounts", call.now, uid=first - 1, id=0)
    uid = call.site.free_uid(max(counter["uid"] + 1, first), last)
    if uid is None:
        raise LimitReached(
            "no uid is left for another account",
            "set accounts.first_uid and accounts.last_uid to a wider range that is nm's alone",
        )
    tx.put(changed(counter, call.now, uid=uid, id=counter["id"] + 1))
    return uid, counter["id"] + 1


def skip_numbers(tx: Transaction, uids: tuple[int, int], now: float) -> None:
    """The records are an old copy's: more may have been given out since, to accounts that are gone by now.

    A hundredth of the range stays unused for that, so that nobody inherits files, or rights elsewhere.
    """
    first, last = uids
    counter = tx.get("meta_accounts") or new("meta", "accounts", now, uid=first - 1, id=0)
    skipped = max((last - first + 1) // 100, 1)
    uid = min(max(counter["uid"], first - 1) + skipped, last)
    tx.put(changed(counter, now, uid=max(uid, counter["uid"]), id=counter["id"] + skipped))


def recall(tx: Transaction, account: Record, now: float) -> Record:
    """The account is to go; its record stays until it is gone."""
    record = changed(account, now, destroying=True, rights={}, keys=[])
    tx.put(record)
    return record


def as_meant(reader: Reader, account: str) -> Record | None:
    """The record of an account as its worker is to see it: a group's goes when its group is going.

    A head node's goes as soon as its group's target has another one, or none. A sliver's has the keys of its
    sliver, unless that is gone and only kept for a while; and `guest`, what is known of where it leads.
    """
    record = reader.get(account_key(account))
    if record is not None and record["type"] in OF_SLIVERS:
        return _as_sliver(reader, record)
    if record is None or record["type"] not in OF_GROUPS:
        return record
    group = _group(reader, record)
    going = group is not None and group["destroying"]
    if group is not None and record["type"] == HEADNODE:
        going = going or (group["target"] or EMPTY)["headnode"] != record["name"]
    return {**record, "destroying": going}


def _as_sliver(reader: Reader, account: Record) -> Record:
    sliver = reader.get(record_key("sliver", account["name"]))
    if sliver is None or account["destroying"]:
        return {**account, "keys": [], "guest": None}
    guest = {name: sliver.get(f"_{name}") for name in ("state", "why", "index", "life")}
    guest["domain"] = facts.sliver_domain(sliver["account"])
    unwanted = sliver.get("_unwanted") and account["type"] != CONTROLLER
    going = sliver.get("_gone") or unwanted
    return {**account, "keys": [] if going else sliver["keys"], "guest": guest}


def settled(tx: Transaction, seen: Record, error: str | None, now: float) -> None:
    """What became of an account: `seen` is the record that was acted on. A newer one is not touched."""
    record = tx.get(seen["record_key"])
    if record is None or record["id"] != seen["id"]:
        return
    fields: dict[str, Any] = {"error": error, "before": [] if error is None else record["before"]}
    if error is None:
        fields["_read_at"] = now  # the hand reads back what it did
    if record["type"] in OF_SLIVERS:
        _tell_sliver(tx, record, error)
    if record["type"] in OF_GROUPS:  # its deploy makes it, and says so
        _tell_group(tx, record, error, now)
    elif record["destroying"] != seen["destroying"]:
        return
    elif error is None and record["destroying"]:
        tx.delete(record["record_key"])
        return
    elif error is None:
        fields["_made"] = True
    if error is not None and error != record["error"]:
        tx.tell(Event("nm", f"account {record['account']}", "error", error, group_of(record)))
    if any(record.get(name) != value for name, value in fields.items()):
        tx.put(changed(record, now, **fields))


def _tell_group(tx: Transaction, account: Record, error: str | None, now: float) -> None:
    """What is wrong with a group's account is its group's error, until it is mended."""
    group = _group(tx, account)
    if group is not None and group["error"] in (None, account["error"]) and group["error"] != error:
        tx.put(changed(group, now, error=error))


def _tell_sliver(tx: Transaction, account: Record, error: str | None) -> None:
    """The same of a sliver's; its record's time is its source's."""
    sliver = tx.get(record_key("sliver", account["name"]))
    if sliver is None or sliver.get("_error") not in (None, account["error"]):
        return
    if sliver.get("_error") != error:
        tx.put({**sliver, "_error": error})


def unsettled(account: Record) -> bool:
    """Whether something is still to be done about an account, beside what its group's deploy does."""
    if account["type"] in (DELEGATE, *OF_SLIVERS):
        return bool(account["destroying"] or not account["_made"] or account["error"])
    return account["type"] in OF_GROUPS and bool(account["error"] or account["before"])


def at_start(account: Record) -> bool:
    """Whether each start sees to it: where a sliver's leads is told in /run, which a reboot empties."""
    return unsettled(account) or account["type"] in OF_SLIVERS


def strangers(reader: Reader, found: Iterable[tuple[str, int]]) -> list[str]:
    """Those (name, uid) of `found` that no record knows, in words. nm leaves them alone."""
    known = {
        (record["account"], one["uid"])
        for record in reader.range("account")
        for one in (record, *record["before"])
    }
    return [f"{name} ({uid})" for name, uid in found if (name, uid) not in known]
