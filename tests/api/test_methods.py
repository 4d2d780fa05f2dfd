"""Every argument of every method in the table, given wrong: the right fault, a hint, nothing changed."""

import contextlib
import copy
import dataclasses
import inspect
import xmlrpc.client
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from nm import arguments, loans, marshal, people, slices, slivermethods, sources, tickets
from nm.api import Api, ApiSettings
from nm.arguments import Kind, Method, Param
from nm.calls import Caller
from nm.descriptiondesk import DescriptionDesk
from nm.errors import Denied, Invalid, NMError, NotFound, WrongArguments
from nm.federation import marks
from nm.identity import People
from nm.methods import METHODS, help_text
from nm.pool import values
from nm.records import Record
from nm.reference import reference
from nm.ticketdesk import TicketDesk
from tests.api.clients import EventsInMemory
from tests.memory_store import MemoryStore
from tests.pool.world import ALICE, BOB, ROOT, SITE, World, call, furnish
from tests.pools.deployed import bring_up
from tests.tickets.signers import SLIVER, signer, ticket

NOW, LATER = 1_800_000_000, 1_900_000_000
STRANGER = Caller(4711, "stranger")

TICKET_RULES = tickets.Rules(frozenset({"here"}), signer("openpgp").trusted)
TICKET = ticket("openpgp", node="here", timestamp=NOW, expires=NOW + 60)
ANSWER = marshal.answer({"timestamp": NOW, "slivers": [SLIVER]}).decode()

GUEST = '#include "ch/cern/openlab/smartdomains/components.sf"\nGuest extends Domain { memory 512; }'
POOL = '#include "common.sf"\nsfConfig extends Compound { a extends Guest { hostname "a"; } }'

# Arguments with which each method succeeds in the world below.
GOOD: dict[str, list[Any]] = {
    "RegisterSwitch": ["sw9", {"driver": "plain", "address": "sw9.example"}],
    "UpdateSwitch": ["sw0", {"available": False, "reason": "moved"}],
    "UnregisterSwitch": ["empty"],
    "GetSwitches": [{"name": "sw0"}],
    "GetDrivers": [],
    "RegisterPort": ["sw0", "p9", {}],
    "UnregisterPort": ["sw0", "p3"],
    "GetPorts": [{"switch": "sw0"}],
    "UpdatePort": ["sw0", "p3", {"description": "to the roof"}],
    "UpdateTrunk": ["th", {"native": 3}],
    "RegisterTrunk": ["t9", {"ends": [{"switch": "sw0", "port": "p3"}, {"switch": "empty", "port": "p1"}]}],
    "UnregisterTrunk": ["th"],
    "GetTrunks": [{"name": ["t0", "th"]}],
    "RegisterHost": ["h9", {"uri": "test:///default", "network": {"kind": "ovs", "device": "br0"}}],
    "UpdateHost": ["h0", {"available": False}],
    "UnregisterHost": ["h1"],
    "GetHosts": [{}],
    "RegisterNode": [
        "n9",
        {"nics": [{"name": "eth0", "mac": "52:54:00:00:99:00", "switch": "sw0", "port": "p3"}]},
    ],
    "UpdateNode": ["n1", {"location": "rack 2"}],
    "UnregisterNode": ["n10"],
    "GetNodes": [{"state": ["free", "unverified"]}],
    "ConnectNic": ["n3", "eth0", "sw0", "p3"],
    "RegisterVlan": [109, {"shared": True}],
    "UpdateVlan": [102, {"available": False}],
    "UnregisterVlan": [102],
    "GetVlans": [{"id": [101, 102]}],
    "RegisterImage": ["newer", {"kind": "disk", "disk": "/images/newer.qcow2"}],
    "UnregisterImage": ["spare"],
    "GetConsole": ["made", None, 10],
    "GetImages": [{"kind": "disk"}],
    "RegisterHeadNode": ["vm9", {"host": "h0", "domain": "vm9"}],
    "UpdateHeadNode": ["made", {"available": False}],
    "UnregisterHeadNode": ["made"],
    "GetHeadNodes": [{"free": True}],
    "ClearHeadNode": ["used"],
    "InspectSwitch": ["sw0"],
    "GetSwitchState": ["sw0"],
    "ResetPorts": ["sw0", ["p3"]],
    "AdoptPorts": ["sw0", ["p3"]],
    "ReleaseNode": ["n1", False],
    "ReleaseSwitch": ["empty", True],
    "ReplaceSwitch": ["sw0", {"address": "new.example"}],
    "ClearNode": ["n3"],
    "CreateGroup": ["beta", {"nodes": ["n2"]}],
    "AddNodes": ["alpha", ["n2"], "netboot"],
    "RemoveNodes": ["alpha", ["n1"]],
    "LendNodes": ["alpha", "gamma", ["n1"], 1_840_000_000],
    "SetVlan": ["alpha", 102],
    "SetNetworks": ["alpha", {"main": {"vlan": 102, "nics": ["boot"]}}],
    "SetHeadNode": ["alpha", "head"],
    "SetImage": ["alpha", "netboot", ["n1"]],
    "PlanDeploy": ["alpha"],
    "Deploy": ["alpha", {}],
    "DestroyGroup": ["alpha"],
    "SetDelegations": ["alpha", ["alice"]],
    "SetKeys": [
        "alpha",
        ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"],
    ],
    "RenewGroup": ["alpha", LATER],
    "GetGroups": [{"name": "alpha"}],
    "GetStatus": ["alpha"],
    "StartAudit": ["alpha"],
    "GetAudit": ["alpha"],
    "Repair": ["alpha"],
    "AuditAll": [],
    "GetDrift": [],
    "RepairAll": [],
    "RepairSwitch": ["sw0"],
    "RepairPort": ["sw0", "p1"],
    "PowerNode": ["n1", "status"],
    "ConfirmExpiry": [[]],
    "GetHolds": [],
    "Create": ["demo_new"],
    "CreateSliver": ["demo_new"],
    "Destroy": ["demo_web"],
    "DestroySliver": ["demo_web"],
    "DeleteSliver": ["demo_web"],
    "Start": ["demo_web"],
    "Stop": ["demo_web"],
    "ReCreate": ["demo_web"],
    "GetRSpec": ["demo_web"],
    "GetEffectiveRSpec": ["demo_web"],
    "GetLoans": ["demo_web"],
    "GetLoanStates": ["demo_web"],
    "SetLoans": ["demo_web", [["demo_new", "cpu_min", 10]]],
    "GetRecord": [],
    "GetSlivers": [{"name": "demo_web"}],
    "GetXIDs": [],
    "GetSSHKeys": [],
    "ConfirmSlivers": [[]],
    "GetReservations": [{"slice": "urn:y"}],
    "GeniReady": ["awaited.n20.1"],
    "GeniReopen": ["stopped"],
    "GetSource": [],
    "AskSource": [{"older": True}],
    "Ticket": [TICKET],
    "AdminTicket": [ANSWER],
    "PlanDescription": ["fresh", POOL, {"common.sf": GUEST}, {"reference": False}],
    "ApplyDescription": ["fresh", POOL, {"common.sf": GUEST}, {"reference": False, "host": ""}],
    "TerminateDescription": ["web", False],
    "TerminateComponent": ["web", "a", {"detach": True}],
    "InspectDomains": ["h0", ["web"]],
    "GetDescriptions": [{"name": "web"}],
    "GetDescription": ["web"],
    "GetComponents": ["web", "a"],
    "SetAttribute": ["web", "a:memory", 600],
    "RemoveAttribute": ["web", "a:memory"],
    "CreateDelegate": [
        "new",
        ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL carol"],
        {"spy": True, "reserve": {"nodes": 2}},
    ],
    "DestroyDelegate": ["snoop"],
    "SetDelegateKeys": [
        "snoop",
        ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL carol"],
    ],
    "GetDelegates": [{"name": "snoop"}],
    "SetRights": ["snoop", ["spy", "reserve"]],
    "CheckImport": ['{"vlans": {"200-209": {}}}'],
    "Import": ['{"vlans": {"200-209": {}}}'],
    "Export": [],
    "GetJob": [1],
    "WaitJob": [1, 0],
    "GetJobs": [{}],
    "DryRun": ["RegisterVlan", [109, {"shared": True}]],
    "GetEvents": [0, 10],
    "Backup": ["/nowhere/copy"],
    "WhoAmI": [],
    "GetVersion": [],
    "Help": [],
    "system.listMethods": [],
    "system.methodHelp": ["Deploy"],
    "system.methodSignature": ["Deploy"],
}

SLIVERS = {method.name for method in slivermethods.SLIVERS}
OWN = Caller(70_500, "demo_web")  # a sliver's own account

DATE, BINARY = xmlrpc.client.DateTime("20260101T00:00:00"), xmlrpc.client.Binary(b"x")
TEXTS: list[Any] = ["", "x", "two words", "x" * 65, "x" * 300, "ü", "-a", "a\nb", "../a", "a/b", "a;b"]
ALL: list[Any] = [
    None,
    True,
    7,
    -1,
    2**31,
    1.5,
    float("nan"),
    float("inf"),
    "x",
    [],
    [1],
    {},
    {"a": 1},
    DATE,
    BINARY,
]
NOT_NAMES = ["", "two words", "x" * 65, "ü", "-a", "a\nb", "../a", "a/b", "a;b", "a\0", "a "]


def without(*kinds: type) -> list[Any]:
    """Values of all other types."""
    return [value for value in ALL if type(value) not in kinds]


DEEP: list[Any] = [{"a": [{"b": bad}]} for bad in (2**31, float("nan"), DATE, BINARY)]
SENSELESS: list[Any] = [DEEP[0], [[]], "x" * (64 << 10), [1.5], {"a": {}}]
WRONG: dict[str, list[Any]] = {
    "NAME": [*without(str), *NOT_NAMES],
    "NAME_OR_NIL": [*without(str, type(None)), *NOT_NAMES],
    "NAMES": [*without(list), [1], [None], ["a", "a"], [["a"]], ["x" * 65], [f"n{n}" for n in range(1001)]],
    "GROUP": [*without(str), "", "x" * 257, "ü" * 129, "a\nb"],
    "PORT": [*without(str), "", " ", "p1 ", "p\n1", "x" * 129, "p\x7f", "p\u200b"],
    "PORTS": [*without(list), [1], [None], ["p1", "p1"], ["x" * 129], [f"p{n}" for n in range(1001)]],
    "VLAN": [*without(int), "101", 2**31, 2**70],
    "COUNT": [*without(int), "1", -1, 2**31],
    "COUNT_OR_NIL": [*without(int, type(None)), "1", -1, 2**31],
    "FLAG": without(bool),
    "TEXT": [*without(str), "", "x" * 257, "a\nb"],
    "TIME": [*without(int, float), "tomorrow", float("nan"), float("inf"), -1, -1.0, 2**53, 10**400],
    "SECONDS": [*without(int, float), "1", float("nan"), float("inf"), -1],
    "STRUCT": [*without(dict), *DEEP],
    "LIST": [*without(list), [0] * 1001, [[2**31]], *[[bad] for bad in DEEP]],
    "KEYS": [*without(list), ["x" * (65 << 10)], [DATE]],
    "RIGHTS": [*without(list, dict), [0] * 1001],
    "SITE": [*without(str), ""],
    "DESCRIPTION": [*without(str), ""],
    "ATTRIBUTE": [*without(str), "", "x" * 4097, "a\nb"],
    "VALUE": [None, {}, {"a": 1}, DATE, BINARY, 2**31, float("nan"), [2**31], [DATE]],
    "TICKET": [*without(str), "", "x" * ((1 << 20) + 1)],
    "PATH": [*without(str), "", "relative/path", "/a\0b", "/a\nb", "/" + "x" * 4096],
}
KINDS = {id(getattr(arguments, name)): name for name in WRONG}


def kind_name(kind: Kind) -> str:
    return KINDS[id(kind)]


UIDS = {"alice": ALICE.uid, "bob": BOB.uid, "carol": 1003, "dave": 1004}


class Bench(World):
    """A furnished pool with a group, behind a door without sockets."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self._copied_at, self._copy = -1, dict[str, Record]()
        super().__init__(self.memory)
        desk = TicketDesk(self.memory, lambda: TICKET_RULES, slices.Reading)
        descriptions = DescriptionDesk(self.memory)
        settings = ApiSettings(
            backup=lambda path: None,
            ticket=desk.take,
            admin_ticket=desk.take_unsigned,
            plan_description=descriptions.plan,
            apply_description=descriptions.apply,
        )
        site = dataclasses.replace(SITE, uid_of=UIDS.get, uids=(70_000, 79_999), slivers=True)
        self.api = Api(self.memory, EventsInMemory(), site, People(), settings, lambda: float(NOW))
        furnish(self)
        self.switch("empty", "p1")
        self.host("h1")
        self.node("n3", 3)
        self.edit("node_n3", _failed="its power could not be confirmed")
        self.call("RegisterHeadNode", "used", {"host": "h0", "domain": "vm3"})
        self.edit("headnode_used", _dirty=True)
        self.verify(("sw0", "p1"), ("sw0", "p2"), ("sw1", "p1"), ("sw1", "p2"))
        self.call("CreateGroup", "alpha", {"vlan": 101, "nodes": ["n1"], "expires": 1_850_000_000})
        self.call("RegisterVlan", 150)
        self.call("CreateGroup", "gamma", {"vlan": 150, "expires": 1_850_000_000})
        self.edit("group_gamma", owner={"name": "zoe", "uid": 4242})
        self.reservations()
        self.call("InspectSwitch", "sw0")
        self.call("CreateDelegate", "snoop", [], ["spy"])
        for name in ("demo_web", "demo_new"):
            self.sliver(name, _created=name == "demo_web")
        self.call("ApplyDescription", "web", POOL, {"common.sf": GUEST})
        bring_up(self.memory, "web", NOW)
        account = {**people.machines_own(call(OWN), OWN.name, OWN.uid or 0), "type": "sliver.QEMU"}
        self.store.transact(lambda tx: tx.put(account))
        self.store.transact(partial(sources.configure, address="/nowhere/slices.json", now=NOW))

    def reservations(self) -> None:
        """Two slices: a sliver of `awaited` is to be set up by an operator, `stopped` was shut down."""
        self.node("n20", 20, ("sw1", "p3"))
        self.verify(("sw1", "p3"))
        field = marks.born("geni", {"urn": "urn:x", "email": "", "name": ""}, "urn:y", "1")
        mark = {**marks.marked("1", 1_850_000_000), "awaiting": True}
        for name, vlan, nodes, more in (
            ("awaited", 151, ["n20"], {"nodes": {"n20": mark}}),
            ("stopped", 152, [], {"shut": {"at": NOW, "by": "urn:x", "on": []}}),
        ):
            self.call("RegisterVlan", vlan)
            self.call("CreateGroup", name, {"vlan": vlan, "nodes": nodes, "expires": 1_850_000_000})
            owner = {"name": "zoe", "uid": 4242}
            self.edit(f"group_{name}", federation={**field, **more}, owner=owner)

    def sliver(self, name: str, **own: Any) -> None:
        """A delegated sliver that a source has told of."""
        told = {"name": name, "instantiation": "delegated", "keys": []}
        record = slices.read_sliver(told, 1_700_000_000, None, slices.Reading())
        self.store.transact(lambda tx: loans.place(tx, {**record, **own}))

    def call(self, name: str, *arguments: Any, caller: Caller = ROOT) -> Any:
        return self.api.call(caller, name, list(arguments))

    def grant(self, caller: Caller, rights: list[str]) -> None:
        """Give rights to an account that this machine does not have."""
        record = people.machines_own(call(caller), caller.name, caller.uid or 0)
        self.store.transact(lambda tx: tx.put({**record, "rights": people.parse_rights(rights)}))

    def before(self) -> dict[str, Record]:
        """A deep copy of all records as they are now; the same one until something is written."""
        if self._copied_at != self.memory.revision:
            self._copied_at, self._copy = self.memory.revision, copy.deepcopy(self.memory._records)
        return self._copy


@pytest.fixture
def bench() -> Bench:
    return Bench()


METHOD = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
ARGUMENT = pytest.mark.parametrize(
    ("method", "place"),
    [
        pytest.param(method, place, id=f"{method.name}-{parameter.name}")
        for method in METHODS.values()
        for place, parameter in enumerate(method.parameters)
    ],
)


def refused(bench: Bench, method: Method, given: list[Any], caller: Caller = ROOT) -> NMError:
    """The error of a call that must fail and change nothing."""
    before = bench.before()
    with pytest.raises(NMError) as raised:
        bench.call(method.name, *given, caller=caller)
    assert bench.memory._records == before
    error = raised.value
    assert error.message
    assert error.hint, f"{error.message}: no word about what to do"
    assert len(str(error)) < 4000
    return error


@METHOD
def test_good_arguments_work(bench: Bench, method: Method) -> None:
    caller = OWN if method.name == "GetRecord" else ROOT
    answer = bench.call(method.name, *GOOD[method.name], caller=caller)
    assert marshal.answer(answer)
    words = {"int": int, "array": list, "struct": dict, "string": str}
    assert type(answer) is words[method.result]


@METHOD
def test_optional_arguments_may_be_left_out(bench: Bench, method: Method) -> None:
    good, first = GOOD[method.name], method.parameters[:1]
    given = good[1:] if first and first[0].optional else good[: method.required]
    caller = OWN if method.name in ("GetRecord", "SetLoans") else ROOT
    marshal.answer(bench.call(method.name, *given, caller=caller))


@METHOD
def test_wrong_number_of_arguments(bench: Bench, method: Method) -> None:
    good = GOOD[method.name]
    for given in (
        [*good, "more"],
        [*good, *["x"] * 100],
        good[: method.required - 1] if method.required else ["x"] * (len(method.parameters) + 1),
    ):
        error = refused(bench, method, given)
        assert isinstance(error, WrongArguments)
        assert method.usage in error.hint


@ARGUMENT
def test_wrong_form(bench: Bench, method: Method, place: int) -> None:
    parameter = method.parameters[place]
    for wrong in WRONG[kind_name(parameter.kind)]:
        given = [*GOOD[method.name]]
        given[place:] = [wrong, *given[place + 1 :]]
        error = refused(bench, method, given)
        assert isinstance(error, Invalid), f"{wrong!r}: {error}"
        assert f"argument {place + 1} ({parameter.name})" in error.message


def references(method: Method) -> Iterator[tuple[int, Param]]:
    """Arguments that name something that must exist."""
    makes = method.name.startswith(("Register", "Create", "PlanDesc", "ApplyDesc"))
    for place, parameter in enumerate(method.parameters):
        if parameter.name in ("settings", "action", "path", "offset", "bytes"):
            continue
        if not (makes and place == (1 if method.name == "RegisterPort" else 0)):
            yield place, parameter


@METHOD
def test_unknown_things(bench: Bench, method: Method) -> None:
    unknown: dict[str, Any] = {
        "NAME": "unknown", "NAME_OR_NIL": "unknown", "NAMES": ["unknown"], "GROUP": "unknown",
        "PORT": "unknown", "PORTS": ["unknown"], "VLAN": 4000, "COUNT": 4000, "TEXT": "unknown",
    }  # fmt: skip
    for place, parameter in references(method):
        kind = kind_name(parameter.kind)
        if kind not in unknown or method.name == "GetEvents":
            continue
        given = [*GOOD[method.name]]
        given[place] = unknown[kind]
        error = refused(bench, method, given)
        expected = 100 if method.name.startswith(("system.", "DryRun")) else 106
        expected = 102 if method.name in SLIVERS - {"ConfirmSlivers"} else expected  # as PlanetLab had it
        assert error.code == expected, f"{parameter.name}: {error}"
        assert (
            str(unknown[kind] if not isinstance(unknown[kind], list) else unknown[kind][0]) in error.message
        )


@METHOD
def test_unknown_keys_and_values_within(bench: Bench, method: Method) -> None:
    """Structs with a key that nobody knows, or a known one with values of all wrong kinds."""
    for place, parameter in enumerate(method.parameters):
        if kind_name(parameter.kind) != "STRUCT":
            continue
        good = GOOD[method.name][place] if place < len(GOOD[method.name]) else {}
        for bad in ({**good, "no_such_key": 1}, {**good, "": 1}, {**good, "x" * 300: "y"}):
            given = [*GOOD[method.name]]
            given[place] = bad
            assert refused(bench, method, given).code == 102, f"{bad}"
        for key in good:
            for value in SENSELESS:
                given = [*GOOD[method.name]]
                given[place] = {**good, key: value}
                if method.writes:
                    assert refused(bench, method, given).code in (102, 106), f"{key}={str(value)[:60]}"
                else:
                    harmless(bench, method, given)


def harmless(bench: Bench, method: Method, given: list[Any]) -> None:
    """The call is answered or refused, and changes nothing."""
    before = bench.before()
    with contextlib.suppress(Invalid, NotFound):
        bench.call(method.name, *given)
    assert bench.memory._records == before


@METHOD
def test_twice(bench: Bench, method: Method) -> None:
    """What makes or removes a thing cannot do so twice."""
    good = GOOD[method.name]
    if method.name in SLIVERS:
        return  # they say how it is to be
    if method.name.startswith(("Register", "Create")):
        expected = 105
    elif method.name.startswith("Unregister"):
        expected = 106
    elif method.name == "DestroyGroup":
        expected = 106 if bench.call(*["DestroyGroup", "alpha"]) is None else 105
    else:
        return
    if method.name != "DestroyGroup":
        bench.call(method.name, *good)
        assert refused(bench, method, good).code == expected


@METHOD
def test_strangers_are_refused(bench: Bench, method: Method) -> None:
    """A caller without rights changes nothing, and learns of groups and jobs neither yes nor no."""
    good = GOOD[method.name]
    if method.right == "admin":
        error = refused(bench, method, good, STRANGER)
        assert isinstance(error, Denied)
        assert "stranger" in error.message
    elif method.right.startswith(("member", "owner", "who")) and method.parameters[0].name != "filter":
        there = refused(bench, method, good, STRANGER)
        assert isinstance(there, Invalid if method.name in SLIVERS else NotFound)
        if method.name != "PowerNode":
            number_or_name: Any = 4000 if method.parameters[0].kind is arguments.COUNT else "unknown"
            absent = refused(bench, method, [number_or_name, *good[1:]], STRANGER)
            assert str(absent) == str(there).replace(str(good[0]), str(number_or_name))
    elif method.right.startswith("member"):  # those that list what the caller may see
        assert bench.call(method.name, *good, caller=STRANGER) == []


def test_table_and_operations_agree() -> None:
    """Each operation takes what its row says: names in order, the optional ones with defaults."""
    for method in METHODS.values():
        if method.operation is None:
            continue
        taken = list(inspect.signature(method.operation).parameters.values())
        assert taken[0].name == ("tx" if method.writes else "reader"), method.name
        names = [parameter.name for parameter in taken[2:]]
        assert len(names) == len(method.parameters), method.name
        for parameter, own in zip(taken[2:], method.parameters, strict=True):
            assert own.name in (parameter.name, "id", "filter"), method.name  # names of builtins may differ
            leading = own is method.parameters[0] and method.required  # it is nil when it is left out
            defaults = own.optional and not leading
            assert (parameter.default is not parameter.empty) == defaults, method.name


def test_every_method_is_documented_and_tried() -> None:
    assert set(GOOD) == set(METHODS)
    printed = "\n".join(reference())
    for method in METHODS.values():
        assert method.doc.endswith(".")
        assert method.help() in help_text()
        assert method.usage in printed


def test_owner_may(bench: Bench) -> None:
    bench.edit("group_alpha", owner={"name": ALICE.name, "uid": ALICE.uid})
    assert bench.call("SetVlan", "alpha", 102, caller=ALICE) == 1
    assert bench.call("GetStatus", "alpha", caller=ALICE)["vlan"] == 102
    assert bench.call("WhoAmI", caller=ALICE)["groups"] == ["alpha"]


def test_whoever_is_delegated_one_method_may_call_just_that(bench: Bench) -> None:
    bench.edit("group_alpha", delegations=[{"name": ALICE.name, "uid": ALICE.uid, "method": "SetVlan"}])
    assert bench.call("SetVlan", "alpha", 102, caller=ALICE) == 1
    with pytest.raises(NotFound):
        bench.call("GetStatus", "alpha", caller=ALICE)


@pytest.mark.parametrize(
    "name",
    ["", " ", "p1", "p 1", " p1", "p1 ", "x" * 128, "x" * 129, "ü", "p\n1", "p\x7f", "p\u200b", 7, None],
)
def test_the_door_takes_just_the_ports_names_that_operations_take(name: Any) -> None:
    try:
        values.port_name(name, "port")
    except Invalid:
        assert arguments.PORT.problem(name)
        assert arguments.PORTS.problem([name])
    else:
        assert not arguments.PORT.problem(name)
        assert not arguments.PORTS.problem([name])
