"""Every method for every kind of caller: what is refused, how, and that a refusal changes nothing.

The expectations are written out here and not taken from nm/rights.py; a method without a row fails.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest

from nm import rights
from nm.calls import NOBODY, Caller
from nm.errors import Conflict, Denied, Invalid, LimitReached, NMError, NotFound
from nm.methods import METHODS
from tests.api.test_methods import GOOD, SLIVERS, UIDS, Bench, refused
from tests.pool.world import ROOT

OWNER, WHOLE, ONE, OTHER = (Caller(uid, name) for name, uid in UIDS.items())
ADMIN = Caller(2000, "boss", admin=True)
SPY, RESERVER, DESCRIBER = Caller(2001, "snoop"), Caller(2002, "booker"), Caller(2003, "writer")
STRANGER = Caller(2004, "stranger")
NAMESAKE = Caller(2005, "alice")  # the owner's name, on another uid
SUCCESSOR = Caller(OWNER.uid, "eve")  # the owner's uid, by another name
HEADNODE = Caller(79_000, "head-duty")  # of alpha's head node
CALLERS = {
    "root": ROOT, "admin": ADMIN, "reader": SPY, "owner": OWNER, "whole": WHOLE, "one": ONE, "other": OTHER,
    "reserve": RESERVER, "describe": DESCRIBER, "account": Caller(0, "set below"), "namesake": NAMESAKE,
    "successor": SUCCESSOR,
    "stranger": STRANGER, "nobody": NOBODY, "headnode": HEADNODE,
}  # fmt: skip

PEOPLE = [who for who in CALLERS if who != "headnode"]
ALL = " ".join(PEOPLE)
ADMINS = "root admin"
OWNERS = f"{ADMINS} owner one"
MEMBERS = f"{OWNERS} whole account"
# Who may call each method on the group alpha (or its node, or its job).
ROWS: dict[str, str] = {
    ADMINS: """
        RegisterSwitch UpdateSwitch UnregisterSwitch RegisterPort UpdatePort UnregisterPort
        RegisterTrunk UpdateTrunk UnregisterTrunk
        RegisterImage UnregisterImage RegisterHost UpdateHost UnregisterHost RegisterNode UpdateNode
        UnregisterNode ConnectNic RegisterVlan
        UpdateVlan UnregisterVlan RegisterHeadNode UpdateHeadNode UnregisterHeadNode ClearHeadNode Backup
        InspectDomains InspectSwitch ResetPorts AdoptPorts ReleaseNode ReleaseSwitch ReplaceSwitch ClearNode
        ConfirmExpiry ConfirmSlivers GetHolds AskSource AdminTicket GeniReady GeniReopen
        Create CreateSliver Destroy DestroySliver DeleteSliver Start Stop ReCreate SetLoans
        AuditAll RepairAll RepairSwitch RepairPort CheckImport Import Export
        CreateDelegate DestroyDelegate SetDelegateKeys GetDelegates SetRights DryRun
        """,  # DryRun of a method that is administrators' only; test_dry_run.py tries all
    f"{ADMINS} reader": """
        GetDrift GetDrivers GetReservations GetSwitchState GetSource
        GetSSHKeys GetRSpec GetEffectiveRSpec GetLoans GetLoanStates
        """,
    "": "GetRecord",  # tests/slivers/test_rights.py has those whose slivers they are
    f"{ADMINS} reserve": "CreateGroup",
    f"{ADMINS} describe": """
        PlanDescription ApplyDescription SetAttribute RemoveAttribute TerminateDescription
        GetDescription TerminateComponent
        """,
    f"{ADMINS} describe reader": "GetComponents",
    OWNERS: "DestroyGroup SetDelegations SetKeys RenewGroup LendNodes",
    MEMBERS: """
        AddNodes RemoveNodes SetVlan SetNetworks SetHeadNode SetImage Deploy StartAudit Repair
        """,
    f"{MEMBERS} headnode": "PowerNode",
    f"{MEMBERS} reader": "PlanDeploy GetAudit GetJob WaitJob GetConsole",
    f"{MEMBERS} reader headnode": "GetStatus",
    ALL: """
        GetSwitches GetPorts GetTrunks GetHosts GetNodes GetVlans GetHeadNodes GetImages GetGroups GetJobs
        GetEvents GetSlivers GetXIDs GetDescriptions
        WhoAmI Ticket
        GetVersion Help system.listMethods system.methodHelp system.methodSignature
        """,
}
EXPECTED = {name: who for who, names in ROWS.items() for name in names.split()}
# Methods of a group, whose members only are told that it exists.
SECRET = {
    "DestroyGroup", "SetDelegations", "SetKeys", "RenewGroup", "AddNodes", "RemoveNodes", "SetVlan",
    "LendNodes",
    "SetNetworks", "SetHeadNode", "SetImage", "PlanDeploy", "Deploy", "GetStatus", "StartAudit", "GetAudit",
    "Repair", "PowerNode", "GetJob", "WaitJob", "GetConsole",
}  # fmt: skip


# Methods of a description: only its owner, and readers, are told that it is there.
DESCRIBED = {
    "SetAttribute",
    "RemoveAttribute",
    "TerminateDescription",
    "TerminateComponent",
    "GetDescription",
    "GetComponents",
}
# Methods of a sliver: nobody but its members is told whether there is one.
SLIVERS_OWN = SLIVERS - {"GetRecord", "GetSSHKeys", "ConfirmSlivers"}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def prepared(bench: Bench, method: str) -> dict[str, Caller]:
    """The callers, once alpha is alice's, bob's by delegation and carol's for this one method."""
    group = bench.get("group_alpha")
    account = Caller(group["account"]["uid"], group["account"]["name"])
    bench.edit(
        "group_alpha",
        owner={"name": OWNER.name, "uid": OWNER.uid},
        delegations=[
            {"name": WHOLE.name, "uid": WHOLE.uid, "method": None},
            {"name": ONE.name, "uid": ONE.uid, "method": method},
        ],
    )
    bench.edit("group_gamma", delegations=borrowers(method))
    bench.call("RegisterVlan", 103)
    bench.call("CreateGroup", "others", {"owner": OTHER.name, "vlan": 103})
    for caller, granted in ((SPY, "spy"), (RESERVER, "reserve"), (DESCRIBER, "describe")):
        key = f"account_{caller.name}"
        if bench.store.get(key) is None:
            bench.grant(caller, [granted])
        else:
            bench.edit(key, uid=caller.uid)
    bench.edit("job_1", group="alpha")
    bench.edit("pool_web", owner={"name": DESCRIBER.name, "uid": DESCRIBER.uid})
    serve(bench, "alpha")
    if method == "GetConsole":
        bench.edit("headnode_made", group="alpha")
    return {**CALLERS, "account": account}


def borrowers(method: str) -> list[dict[str, Any]]:
    """Whom gamma delegates the method to: its members are asked, too, where it is lent to."""
    who = (OWNER, ONE) if method == "LendNodes" else ()
    return [{"name": one.name, "uid": one.uid, "method": method} for one in who]


def serve(bench: Bench, group: str) -> None:
    """Let the account of the head node `duty` be that of the group, which is deployed with it."""
    record = {**bench.get("account_snoop"), "record_key": "account_head-duty", "account": HEADNODE.name}
    record |= {"type": "headnode", "name": "duty", "group": group, "uid": HEADNODE.uid, "rights": {}}
    bench.store.transact(lambda tx: tx.put(record))
    bench.edit(f"group_{group}", target={**bench.get(f"group_{group}")["wanted"], "headnode": "duty"})


def test_every_method_has_a_row() -> None:
    assert set(EXPECTED) == set(METHODS) == set(rights.TABLE)
    for method in METHODS.values():
        assert method.right == rights.TABLE[method.name].words


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("who", CALLERS)
def test_cell(bench: Bench, name: str, who: str) -> None:
    caller = prepared(bench, name)[who]
    if who in EXPECTED[name].split():
        bench.call(name, *GOOD[name], caller=caller)
        return
    error = refused(bench, METHODS[name], GOOD[name], caller)
    assert caller.name in error.message
    knows = who in ("reader", "whole", "account") and name != "PowerNode"
    knows = who == "reader" if name in DESCRIBED else knows
    if who == "headnode" and name not in ("GetJob", "WaitJob"):
        assert isinstance(error, Denied) and "than a head node's" in error.message
    elif name in SECRET | DESCRIBED and not knows:
        assert isinstance(error, NotFound), error
        absent: Any = 4000 if isinstance(GOOD[name][0], int) else "absent"
        other = refused(bench, METHODS[name], [absent, *GOOD[name][1:]], caller)
        assert str(other) == re.sub(rf"\b{GOOD[name][0]}\b", str(absent), str(error), count=1)
    elif name in SLIVERS_OWN and who != "reader":
        assert isinstance(error, Invalid), error
        other = refused(bench, METHODS[name], ["absent", *GOOD[name][1:]], caller)
        assert str(other) == str(error).replace(GOOD[name][0], "absent")
    else:
        assert isinstance(error, Denied), error
        assert re.search("administrator|owner|member|own account|right (spy|reserve)", error.message)


@pytest.mark.parametrize("name", sorted(SECRET - {"PowerNode", "GetJob", "WaitJob"}))
def test_a_whole_delegation_is_no_ownership(bench: Bench, name: str) -> None:
    caller = prepared(bench, name if name == "GetConsole" else "nothing")["whole"]
    if name in ("DestroyGroup", "SetDelegations", "SetKeys", "RenewGroup", "LendNodes"):
        assert "owner of group alpha" in refused(bench, METHODS[name], GOOD[name], caller).message
    else:
        bench.call(name, *GOOD[name], caller=caller)


def test_what_is_seen(bench: Bench) -> None:
    callers = prepared(bench, "GetNothing")

    def groups(who: str) -> list[str]:
        return [group["name"] for group in bench.call("GetGroups", {}, caller=callers[who])]

    for who in PEOPLE:
        expected = ["alpha"] * (who in ["root", "admin", "reader", "owner", "whole", "account"])
        expected += ["awaited"] * (who in ["root", "admin", "reader"])
        expected += ["gamma"] * (who in ["root", "admin", "reader"])
        expected += ["others"] * (who in ["root", "admin", "reader", "other"])
        expected += ["stopped"] * (who in ["root", "admin", "reader"])
        assert groups(who) == expected, who
    whole = {"root", "admin", "reader"}
    for method in ("GetSwitches", "GetPorts", "GetTrunks", "GetHosts"):
        seen = {who: bench.call(method, {}, caller=callers[who])[0].keys() for who in PEOPLE}
        least = seen["stranger"]
        assert all((seen[who] > least) == (who in whole) for who in PEOPLE), method
    members = {
        who for who in PEOPLE if "state" in bench.call("GetNodes", {"name": "n1"}, caller=callers[who])[0]
    }
    assert members == whole | {"owner", "whole", "account"}


def test_jobs_that_are_seen(bench: Bench) -> None:
    callers = prepared(bench, "GetNothing")
    bench.edit("job_1", group="alpha", who={"uid": STRANGER.uid, "name": STRANGER.name})
    for who in PEOPLE:
        seen = [job["id"] for job in bench.call("GetJobs", {"id": 1}, caller=callers[who])]
        sees = who in ("root", "admin", "reader", "owner", "whole", "account", "stranger")
        assert seen == [1] * sees, who
    everything = bench.call("GetJobs", {})
    assert [job["id"] for job in everything] == sorted(job["id"] for job in everything)
    assert bench.call("GetJobs", {"state": "nothing like that"}) == []


def test_who_am_i_tells_rights_and_groups(bench: Bench) -> None:
    callers = prepared(bench, "SetVlan")
    bench.call("SetRights", "dave", {"reserve": {"nodes": 3}, "spy": True})

    def found(who: str) -> tuple[list[str], list[str]]:
        answer = bench.call("WhoAmI", caller=callers[who])
        return answer["rights"], answer["groups"]

    assert found("root") == (["admin"], [])
    assert found("reader") == (["spy"], [])
    assert found("other") == (["reserve", "spy"], ["others"])
    assert bench.call("WhoAmI", caller=callers["other"])["limits"] == {"nodes": 3}
    for who in ("owner", "whole", "one", "account"):
        assert found(who) == ([], ["alpha"])
    assert found("namesake") == found("nobody") == ([], [])


def test_rights_end_with_the_uid(bench: Bench) -> None:
    bench.call("SetRights", "alice", ["spy"])
    assert bench.call("GetSwitchState", "sw0", caller=OWNER)
    refused(bench, METHODS["GetSwitchState"], ["sw0"], NAMESAKE)
    bench.call("SetRights", "alice", [])
    refused(bench, METHODS["GetSwitchState"], ["sw0"], OWNER)
    assert bench.store.get("account_alice") is None


def test_rights_of_a_delegate(bench: Bench) -> None:
    found = bench.call("GetDelegates", {"name": "snoop"})[0]
    caller = Caller(found["uid"], found["account"])
    assert found["rights"] == {"spy": True} and found["state"] == "making"
    assert bench.call("GetSwitchState", "sw0", caller=caller)
    bench.call("SetRights", "snoop", {"reserve": {"groups": 1}, "spy": False})
    assert bench.call("GetDelegates", {})[0]["rights"] == {"reserve": {"groups": 1}}
    refused(bench, METHODS["GetSwitchState"], ["sw0"], caller)
    bench.call("DestroyDelegate", "snoop")
    assert bench.call("WhoAmI", caller=caller)["rights"] == []
    with pytest.raises(NotFound):
        bench.call("SetRights", "snoop", ["spy"])


def refuses(wrong: type[NMError], match: str, act: Callable[[], Any]) -> None:
    with pytest.raises(wrong, match=match):
        act()


def test_limits_of_reserve(bench: Bench) -> None:
    now = 1_800_000_000
    for vlan in (103, 104):
        bench.call("RegisterVlan", vlan)
    bench.call("SetRights", "alice", {"reserve": {"groups": 2, "nodes": 1, "lease": 1000}})

    def call(name: str, *arguments: Any) -> Any:
        return bench.call(name, *arguments, caller=OWNER)

    refuses(Denied, "1000 s", lambda: call("CreateGroup", "a", {"expires": now + 1001}))
    refuses(Denied, "somebody else", lambda: call("CreateGroup", "a", {"owner": "bob"}))
    refuses(LimitReached, "1 node,", lambda: call("CreateGroup", "a", {"nodes": ["n2", "n10"]}))
    call("CreateGroup", "a", {"nodes": ["n2"]})
    group = call("GetGroups", {})[0]
    assert group["owner"] == {"name": "alice", "uid": OWNER.uid} and group["expires"] == now + 1000
    call("CreateGroup", "b", {"expires": now + 10, "delegations": ["bob"]})
    refuses(LimitReached, "2 groups", lambda: call("CreateGroup", "c", {}))
    refuses(LimitReached, "1 node,", lambda: call("AddNodes", "b", ["n10"]))
    refuses(LimitReached, "1 node,", lambda: bench.call("AddNodes", "b", ["n10"], caller=WHOLE))
    refuses(Denied, "1000 s", lambda: call("RenewGroup", "b", now + 1001))
    call("RemoveNodes", "a", ["n2"])
    call("AddNodes", "b", ["n10"])
    bench.call("AddNodes", "b", ["n2"])  # an administrator may
    call("RemoveNodes", "b", ["n2"])  # and what is too much may become less


def test_limits_of_describe_are_kept_and_told(bench: Bench) -> None:
    limits = {"domains": 3, "memory": 4096, "images": ["spare"], "hosts": [], "shells": True}
    bench.call("SetRights", "snoop", {"describe": limits})
    assert bench.call("GetDelegates", {})[0]["rights"] == {"describe": limits}
    bench.call("SetRights", "snoop", ["describe"])
    assert bench.call("GetDelegates", {})[0]["rights"] == {"describe": True}


@pytest.mark.parametrize(
    "given",
    [
        ["admin"], [1], {"spy": 1}, {"spy": {}}, {"reserve": {"cats": 1}}, {"reserve": {"nodes": -1}},
        {"reserve": {"nodes": "1"}}, {"reserve": {"nodes": True}}, {"describe": "x"}, {"": True},
        {"describe": {"nodes": 1}}, {"describe": {"hosts": "h0"}}, {"describe": {"hosts": [1]}},
        {"describe": {"shells": 1}}, {"describe": {"memory": -1}}, {"describe": {"domains": True}},
    ],
)  # fmt: skip
def test_rights_that_make_no_sense(bench: Bench, given: Any) -> None:
    assert isinstance(refused(bench, METHODS["SetRights"], ["snoop", given]), Invalid)


def test_names_of_accounts(bench: Bench) -> None:
    bench.call("CreateDelegate", "Web.1", [], [])
    account = bench.call("GetDelegates", {"name": "Web.1"})[0]["account"]
    assert re.fullmatch("web-1-[0-9a-f]{8}", account)
    bench.call("CreateDelegate", "web-1", [], [])
    long = (
        bench.call("CreateDelegate", "9" * 64, [], []) and bench.call("GetDelegates", {"name": "9" * 64})[0]
    )
    assert re.fullmatch("[a-z_][a-z0-9_-]{0,31}", long["account"])
    for taken in ("alice", "snoop", "alpha"):
        error = refused(bench, METHODS["CreateDelegate"], [taken, [], []])
        assert isinstance(error, Conflict) and taken in error.message
    assert isinstance(refused(bench, METHODS["CreateGroup"], ["bob", {}]), Conflict)


def test_a_name_made_again_is_another_incarnation(bench: Bench) -> None:
    first = bench.get("account_snoop")
    bench.call("DestroyDelegate", "snoop")
    bench.call("CreateDelegate", "snoop", [], [])
    second = bench.get("account_snoop")
    assert second["uid"] > first["uid"] and second["id"] > first["id"]
    assert second["before"] == [{"uid": first["uid"], "id": first["id"], "type": "delegate"}]
    assert second["rights"] == {}


# ---- head nodes


def test_a_head_node_sees_its_own_jobs_and_no_others(bench: Bench) -> None:
    callers = prepared(bench, "nothing")
    mine = bench.call("PowerNode", "n1", "cycle", caller=HEADNODE)
    theirs = bench.call("PowerNode", "n1", "status", caller=callers["owner"])
    assert bench.call("GetJob", mine, caller=HEADNODE)["kind"] == "power"
    assert bench.call("WaitJob", mine, 0, caller=HEADNODE)["group"] == "alpha"
    assert isinstance(refused(bench, METHODS["GetJob"], [theirs], HEADNODE), NotFound)
    assert bench.get(f"job_{mine}")["who"] == {"uid": HEADNODE.uid, "name": HEADNODE.name}


def test_a_head_node_has_its_own_group_only(bench: Bench) -> None:
    prepared(bench, "nothing")
    bench.call("AddNodes", "others", ["n2"])
    for method, arguments in (("GetStatus", ["others"]), ("PowerNode", ["n2", "off"])):
        assert isinstance(refused(bench, METHODS[method], arguments, HEADNODE), NotFound)
    bench.edit("group_others", target={**bench.get("group_others")["wanted"], "headnode": "duty"})
    assert isinstance(refused(bench, METHODS["GetStatus"], ["others"], HEADNODE), NotFound)


@pytest.mark.parametrize(
    "gone",
    [{"target": None}, {"destroying": True}, {"target": {"networks": {}, "nodes": [], "headnode": "x"}}],
)
def test_a_head_node_that_goes_may_do_nothing_at_once(bench: Bench, gone: dict[str, Any]) -> None:
    prepared(bench, "nothing")
    bench.edit("group_alpha", **gone)
    for method in ("GetStatus", "PowerNode"):
        assert isinstance(refused(bench, METHODS[method], GOOD[method], HEADNODE), NotFound)
    assert isinstance(refused(bench, METHODS["Deploy"], GOOD["Deploy"], HEADNODE), Denied)


def test_no_secret_reaches_a_head_node(bench: Bench) -> None:
    prepared(bench, "nothing")
    secrets = [name for one in bench.memory._records.values() for name in _secrets(one)]
    assert "bmc-n1" in secrets
    number = bench.call("PowerNode", "n1", "status", caller=HEADNODE)
    told = [bench.call("GetStatus", "alpha", caller=HEADNODE), bench.call("GetJob", number, caller=HEADNODE)]
    assert not [name for name in secrets if name in repr(told)]


def _secrets(record: Any) -> list[str]:
    """The names of secrets in a record."""
    if not isinstance(record, dict):
        return []
    named = list((record.get("secrets") or {}).values()) if isinstance(record.get("secrets"), dict) else []
    return named + [name for value in record.values() for name in _secrets(value)]


def test_nobody_delegates_to_a_head_nodes_account(bench: Bench) -> None:
    prepared(bench, "nothing")
    assert [one["name"] for one in bench.call("GetDelegates", {})] == ["booker", "snoop", "writer"]
    for method in ("SetDelegateKeys", "SetRights"):
        assert isinstance(refused(bench, METHODS[method], ["head-duty", []]), NotFound)
    assert isinstance(refused(bench, METHODS["DestroyDelegate"], ["head-duty"]), NotFound)
