"""Rights: who may call what. One table, checked in one place, before any operation runs.

A row says for a method which right it needs; the reference and the tests are made from the same rows. What
depends on values (how long a lease, how many nodes) is the operations' business. Pure; called by the door
inside the transaction of a call that writes, so that what was checked is still so when it is committed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nm import groups, loans, people, slivers
from nm.calls import SERVING, Call
from nm.errors import Invalid, NotFound
from nm.jobs import KEPT
from nm.pools.allowing import ADOPT, Allowed
from nm.records import Record, record_key
from nm.store import Reader

HEAD_NODES = SERVING | {"GetJob", "WaitJob"}  # all that a head node may call, of its own group and jobs

Check = Callable[[Reader, Call, Sequence[Any]], None]


@dataclass(frozen=True)
class Right:
    """What a method needs. `words` is how the reference says it; `check` raises when it is missing."""

    words: str
    check: Check


def authorize(reader: Reader, call: Call, arguments: Sequence[Any]) -> Call:
    """The call with what the caller's account grants; Denied or NotFound when that is not enough."""
    call = replace(
        call, rights=people.rights_of(reader, call.caller), caller=people.serving(reader, call.caller)
    )
    if call.caller.serves is not None and call.method not in HEAD_NODES:
        raise call.denied("another account than a head node's")
    TABLE[call.method].check(reader, call, arguments)
    return call


# ---- the checks


def _anyone(_reader: Reader, _call: Call, _arguments: Sequence[Any]) -> None:
    """Nothing is needed; what is answered may still depend on who asks."""


def _admin(_reader: Reader, call: Call, _arguments: Sequence[Any]) -> None:
    if not call.caller.admin:
        raise call.denied("an administrator")


def _reader(_reader: Reader, call: Call, _arguments: Sequence[Any]) -> None:
    if not call.reader:
        raise call.denied("an administrator or the right spy")


def _reserve(_reader: Reader, call: Call, _arguments: Sequence[Any]) -> None:
    if not (call.caller.admin or "reserve" in call.rights):
        raise call.denied("an administrator or the right reserve")


def _owner(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    """The owner, or whom the owner gave just this method; a delegation of the whole group is not enough."""
    group = _visible(reader, call, arguments[0])
    if not (call.caller.owns(group) or call.caller.delegated(group, call.method)):
        raise call.denied(f"the owner of group {arguments[0]}")


def _member(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    group = _visible(reader, call, arguments[0])
    if not call.caller.member_of(group, call.method):
        raise call.denied(f"a member of group {arguments[0]}")


def _changer(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    """A member; but people of a slice change it by the door that it came through, whose rules hold there."""
    _member(reader, call, arguments)
    group = _visible(reader, call, arguments[0])
    if group.get("federation") is not None and call.caller.is_account_of(group):
        raise call.denied(f"the owner of group {arguments[0]}, or the call of a door of federation")


def _lender(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    """The owner of the lender; and a member of the borrower, for that gets another target.

    Calling nodes back needs nobody's leave, and the borrower may be gone.
    """
    _owner(reader, call, arguments)
    _, to, _, until = arguments
    if until != 0:
        _member(reader, call, [to])


def _member_or_reader(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    _visible(reader, call, arguments[0])


def _visible(reader: Reader, call: Call, name: str) -> Record:
    group = groups.find(reader, name)
    if group is None or not (call.reader or call.caller.member_of(group, call.method)):
        raise call.no_group(name)
    return group


def _node_member(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    """A member of the node's group. Nodes are no secret, but who has them is."""
    if call.caller.admin:
        return
    node = reader.get(record_key("node", arguments[0]))
    group = groups.find(reader, node["group"]) if node is not None and node["group"] else None
    if group is None or not call.caller.member_of(group, call.method):
        raise NotFound(
            f"no node {arguments[0]} in a group of {call.caller.name}'s", "GetGroups lists your groups' nodes"
        )


def _head_member_or_reader(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    """A member of the head node's group, or a reader. Head nodes are no secret, but who has them is."""
    head = reader.get(record_key("headnode", arguments[0]))
    if call.reader:
        if head is None:
            raise NotFound(f"no head node {arguments[0]}", "GetHeadNodes lists them")
        return
    group = groups.find(reader, head["group"]) if head is not None and head["group"] else None
    if group is None or not call.caller.member_of(group, call.method):
        raise NotFound(
            f"no head node {arguments[0]} of a group of {call.caller.name}'s", "GetGroups lists your groups"
        )


def _describe(_reader: Reader, call: Call, _arguments: Sequence[Any]) -> None:
    if not (call.caller.admin or "describe" in call.rights):
        raise call.denied("an administrator or the right describe")


def _adopter(_reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    """Who may take domains of that host into descriptions, and so learn which there are."""
    allowed = Allowed.to(call)
    if not (allowed.has(ADOPT) and allowed.lists("hosts", arguments[0], unsaid=False)):
        raise call.denied("an administrator, or the right describe with adopt and that host")


def _describer(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    """Who described it, and may so still."""
    _pool_owner(reader, call, arguments)
    _describe(reader, call, arguments)


def _pool_owner(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    if not call.caller.owns(_visible_pool(reader, call, arguments[0])):
        raise call.denied(f"the owner of description {arguments[0]}")


def _pool_look(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    _visible_pool(reader, call, arguments[0])


def _visible_pool(reader: Reader, call: Call, name: str) -> Record:
    pool = reader.get(record_key("pool", name))
    if pool is None or not (call.reader or call.caller.owns(pool)):
        raise NotFound(
            f"no description {name} of {call.caller.name}'s", "GetDescriptions lists those you may use"
        )
    return pool


def _owns_pool(reader: Reader, call: Call, name: str, time: float) -> bool:
    """Whether it is the caller's, and was there at that time."""
    pool = reader.get(record_key("pool", name))
    return pool is not None and int(pool["created"]) <= time and call.caller.owns(pool)


def _sliver_member(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    """A member of the sliver; without a name, the account of one. What there is, strangers are not told."""
    _sliver(reader, call, arguments[0], readers=False)


def _sliver_member_or_reader(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    _sliver(reader, call, arguments[0], readers=True)


def _sliver(reader: Reader, call: Call, name: str | None, readers: bool) -> None:
    if name is None:
        if slivers.own(reader, call.caller) is None:
            raise call.denied("a sliver's own account, or the name of the sliver that lends")
        return
    if call.reader:
        loans.sliver(reader, name)
    record = reader.get(record_key("sliver", name))
    known = record if record is not None and loans.has_resources(record) else None
    if known is not None and slivers.is_member(reader, call.caller, known, call.method):
        return
    if call.reader and readers:
        return
    if call.reader:
        raise call.denied(f"a member of sliver {name}")
    raise Invalid(f"{name} is no sliver that {call.caller.name} may act for", "GetSlivers lists yours")


def _own_sliver(reader: Reader, call: Call, _arguments: Sequence[Any]) -> None:
    if slivers.own(reader, call.caller) is None:
        raise call.denied("a sliver's own account")


def _job(reader: Reader, call: Call, arguments: Sequence[Any]) -> None:
    visible_job(reader, call, arguments[0])


# ---- what the door asks while it answers


def visible_job(reader: Reader, call: Call, number: int) -> Record:
    """The job, when the caller submitted it, is a member of its group, or sees everything."""
    job = reader.get(record_key("job", number))
    if job is None or not sees_job(reader, call, job):
        raise NotFound(
            f"no job {number} that {call.caller.name} may see", f"jobs are kept for {KEPT // 86400} days"
        )
    return job


def sees_job(reader: Reader, call: Call, job: Record) -> bool:
    """Whether the caller submitted the job, is a member of its group, or sees everything."""
    kind, _, name = job["subject"].partition(":")
    return (
        call.reader
        or call.caller.is_(job["who"])
        or _was_member(reader, call, job)
        or (kind == "sliver" and slivers.sees(reader, call, name))
        or (kind == "pool" and _owns_pool(reader, call, name, job["created"]))
    )


def _was_member(reader: Reader, call: Call, job: Record) -> bool:
    return job["group"] is not None and was_member(reader, call, job["group"], job["created"])


def sees_event(reader: Reader, call: Call, event: Record) -> bool:
    """Whether the event is one of a group of the caller's, or the caller sees everything."""
    group = event.get("group")
    kind, _, name = event["subject"].partition(" ")
    if kind == "sliver" and slivers.sees(reader, call, name):
        return True
    if kind == "pool" and _owns_pool(reader, call, name, event["time"]):
        return True
    return call.reader or (group is not None and was_member(reader, call, group, event["time"]))


def was_member(reader: Reader, call: Call, name: str, time: float) -> bool:
    """Whether the caller is a member of the group that had the name at that time."""
    group = reader.get(record_key("group", name))
    return group is not None and int(group["created"]) <= time and call.caller.member_of(group, call.method)


# ---- the table

ANYONE = Right("anyone", _anyone)
SEEN = Right("anyone (names and availability), reader", _anyone)
OWN_CALLS = Right("what the method itself needs", _anyone)
OWN_GROUPS = Right("member (own groups), reader", _anyone)
OWN_JOBS = Right("who submitted them, members for their groups, reader", _anyone)
OWN_EVENTS = Right("reader, members for their groups", _anyone)
ADMIN = Right("admin", _admin)
READER = Right("reader", _reader)
RESERVE = Right("admin, or reserve (within its limits; the caller is the owner)", _reserve)
OWNER = Right("owner", _owner)
LENDER = Right("owner, and member of the group that gets them", _lender)
MEMBER = Right("member", _member)
CHANGER = Right("member (of a reservation's group, others than its own account)", _changer)
LOOK = Right("member, reader", _member_or_reader)
STATUS = Right("member, reader, head node", _member_or_reader)
NODE_MEMBER = Right("member of the node's group, its head node", _node_member)
HEAD_LOOK = Right("member of the head node's group, reader", _head_member_or_reader)
SLIVER = Right("member of the sliver", _sliver_member)
SLIVER_LOOK = Right("member of the sliver, reader", _sliver_member_or_reader)
OWN_SLIVER = Right("a sliver's own account", _own_sliver)
OWN_SLIVERS = Right("members (own slivers), reader", _anyone)
DESCRIBE = Right("admin, or describe (within its limits; the caller is the owner)", _describe)
ADOPTER = Right("admin, or describe with adopt (on hosts that it lists)", _adopter)
DESCRIBER = Right("owner of the description, with the right describe", _describer)
POOL_OWNER = Right("owner of the description", _pool_owner)
POOL_LOOK = Right("owner of the description, reader", _pool_look)
OWN_POOLS = Right("owners (own descriptions), reader", _anyone)
JOB = Right("who submitted it, members of its group, reader", _job)

_ROWS: Mapping[Right, str] = {
    ADMIN: """
        RegisterSwitch UpdateSwitch UnregisterSwitch RegisterPort UpdatePort UnregisterPort
        RegisterTrunk UpdateTrunk UnregisterTrunk
        RegisterHost UpdateHost UnregisterHost RegisterNode UpdateNode UnregisterNode ConnectNic
        RegisterVlan UpdateVlan UnregisterVlan RegisterHeadNode UpdateHeadNode UnregisterHeadNode
        RegisterImage UnregisterImage
        ClearHeadNode InspectSwitch ResetPorts AdoptPorts ReleaseNode ReleaseSwitch ReplaceSwitch ClearNode
        ConfirmExpiry ConfirmSlivers GetHolds Backup
        AuditAll RepairAll RepairSwitch RepairPort CheckImport Import Export
        CreateDelegate DestroyDelegate SetDelegateKeys GetDelegates SetRights
        AskSource AdminTicket GeniReady GeniReopen
        """,
    READER: "GetDrift GetDrivers GetReservations GetSwitchState GetSSHKeys GetSource",
    SEEN: "GetSwitches GetPorts GetTrunks GetHosts GetNodes GetVlans GetHeadNodes GetImages",
    RESERVE: "CreateGroup",
    OWNER: "DestroyGroup SetDelegations SetKeys RenewGroup",
    LENDER: "LendNodes",
    CHANGER: "AddNodes RemoveNodes SetVlan SetNetworks SetHeadNode SetImage Deploy",
    MEMBER: "StartAudit Repair",
    LOOK: "PlanDeploy GetAudit",
    STATUS: "GetStatus",
    NODE_MEMBER: "PowerNode",
    HEAD_LOOK: "GetConsole",
    OWN_GROUPS: "GetGroups",
    SLIVER: """
        Create CreateSliver Destroy DestroySliver DeleteSliver Start Stop ReCreate SetLoans
        """,
    SLIVER_LOOK: "GetRSpec GetEffectiveRSpec GetLoans GetLoanStates",
    OWN_SLIVER: "GetRecord",
    OWN_SLIVERS: "GetSlivers",
    OWN_CALLS: "DryRun",
    OWN_JOBS: "GetJobs",
    OWN_EVENTS: "GetEvents",
    DESCRIBE: "PlanDescription ApplyDescription",
    ADOPTER: "InspectDomains",
    DESCRIBER: "SetAttribute RemoveAttribute",
    POOL_OWNER: "TerminateDescription TerminateComponent GetDescription",
    POOL_LOOK: "GetComponents",
    OWN_POOLS: "GetDescriptions",
    JOB: "GetJob WaitJob",
    ANYONE: """
        GetXIDs Ticket WhoAmI GetVersion Help system.listMethods system.methodHelp system.methodSignature
        """,
}
TABLE: dict[str, Right] = {name: right for right, names in _ROWS.items() for name in names.split()}
