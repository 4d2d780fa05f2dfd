"""Who may do what with a sliver: a table of callers and methods, through the door."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm import people
from nm.calls import Call, Caller
from nm.errors import Denied, Invalid, NMError
from nm.rights import TABLE
from tests.rack import ROOT
from tests.slivers.node import Node, node, told

CHANGES = ("Create", "CreateSliver", "Destroy", "DestroySliver", "DeleteSliver", "Start", "Stop", "ReCreate")
LOOKS = ("GetRSpec", "GetEffectiveRSpec", "GetLoans", "GetLoanStates")
SPY = Caller(3000, "spy")
STRANGER = Caller(3001, "stranger")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Sliver a, which delegates itself to c (a controller), bob, and just GetRSpec and Start to d and eve."""
    with node(tmp_path_factory.mktemp("rights"), slivers={"uri": ""}) as made:
        delegations = ["c", "bob", "carol", ["d", "GetRSpec"], ["eve", "Start"], "alpha", "head-x"]
        made.hear(
            told("a", "delegated", delegations=delegations),
            told("d", "delegated"),
            told("Big.Name", "delegated"),
            told("c", "nm-controller"),
        )
        store = made.service.database if made.service else None
        assert store is not None
        for account, kind, name in (("alpha", people.GROUP, "alpha"), ("head-x", people.HEADNODE, "x")):
            store.transact(partial(_account, account=account, kind=kind, name=name))
        store.transact(partial(_account, account="carol", kind=people.DELEGATE, name="carol"))
        store.transact(partial(_account, account="spy", kind=people.DELEGATE, name="spy", rights={"spy": {}}))
        yield made


def _account(tx: Any, account: str, kind: str, name: str, rights: Any = None) -> None:
    call = Call(ROOT, "x", 1.0)
    uid = {"alpha": 4001, "head-x": 4002, "carol": 4003, "spy": 3000}[account]
    record = {**people.machines_own(call, account, uid), "type": kind, "name": name, "rights": rights or {}}
    tx.put({**record, "group": "g"} if kind == people.HEADNODE else record)


@pytest.fixture(scope="module")
def callers(lab: Node) -> dict[str, Caller]:
    own, other, controller = (
        lab.enroll(name, kind, uid)
        for name, kind, uid in (
            ("a", "sliver.QEMU", 5000),
            ("d", "sliver.QEMU", 5100),
            ("c", "controller", 5200),
        )
    )
    return {
        "own": own,
        "d": other,
        "c": controller,
        "bob": Caller(3002, "bob"),
        "eve": Caller(3003, "eve"),
        "spy": SPY,
        "stranger": STRANGER,
        "the group's account": Caller(4001, "alpha"),
        "a head node's account": Caller(4002, "head-x"),
        "carol": Caller(4003, "carol"),
        "a former carol": Caller(9997, "carol"),
        "another of the name": Caller(9999, "a"),
        "a former controller": Caller(9998, "c"),
        "root": ROOT,
    }


MEMBERS = {"own", "c", "bob", "carol", "root"}


def allowed(lab: Node, caller: Caller, method: str, *arguments: Any) -> bool:
    """Whether the call gets past the rights: what stands in the way behind them is another story."""
    try:
        lab.call(method, *arguments, caller=caller)
    except (Denied, Invalid) as error:
        assert "a" in str(error)
        return False
    except NMError:
        return True
    return True


def who_may(lab: Node, callers: dict[str, Caller], method: str, *arguments: Any) -> set[str]:
    return {name for name, caller in callers.items() if allowed(lab, caller, method, *arguments)}


@pytest.mark.parametrize("method", CHANGES)
def test_changes_are_members(lab: Node, callers: dict[str, Caller], method: str) -> None:
    more = {"eve"} if method == "Start" else set()
    assert who_may(lab, callers, method, "a") == MEMBERS | more


@pytest.mark.parametrize("method", LOOKS)
def test_looks_are_members_and_readers(lab: Node, callers: dict[str, Caller], method: str) -> None:
    more = {"d"} if method == "GetRSpec" else set()
    assert who_may(lab, callers, method, "a") == MEMBERS | {"spy"} | more


def test_loans(lab: Node, callers: dict[str, Caller]) -> None:
    assert who_may(lab, callers, "SetLoans", "a", []) == MEMBERS
    assert who_may(lab, callers, "SetLoans", []) == {"own", "d"}
    assert who_may(lab, callers, "GetRecord") == {"own", "d", "c"}


def test_lists(lab: Node, callers: dict[str, Caller]) -> None:
    assert who_may(lab, callers, "GetXIDs") == set(callers) - {"a head node's account"}
    assert who_may(lab, callers, "GetSSHKeys") == {"spy", "root"}
    assert who_may(lab, callers, "ConfirmSlivers", []) == {"root"}
    seen = {
        name: [sliver["name"] for sliver in lab.call("GetSlivers", {}, caller=caller)]
        for name, caller in callers.items()
        if name != "a head node's account"
    }
    everything = ["Big.Name", "a", "c", "d"]
    assert seen == {
        **{name: [] for name in seen},
        "root": everything,
        "spy": everything,
        "own": ["a"],
        "bob": ["a"],
        "carol": ["a"],
        "c": ["a", "c"],
        "d": ["d"],
    }


@pytest.mark.parametrize("method", [*CHANGES, *LOOKS])
@pytest.mark.parametrize("name", ["nobody", "c", "a"])
def test_strangers_learn_nothing(lab: Node, callers: dict[str, Caller], method: str, name: str) -> None:
    """What there is, and what there is not, is the same to them; and a controller is no sliver to anybody."""
    words = f"{name} is no sliver that stranger may act for"
    with pytest.raises(Invalid, match=words):
        lab.call(method, name, caller=STRANGER)
    if name != "a":
        with pytest.raises(Invalid, match=f"{name} is no sliver of this node"):
            lab.call(method, name)
    if name == "c":
        with pytest.raises(Invalid, match="but a controller"):
            lab.call(method, name)


def test_every_method_of_slivers_is_in_the_table() -> None:
    assert {*CHANGES, *LOOKS, "SetLoans", "GetRecord", "GetXIDs", "GetSSHKeys"} <= TABLE.keys()


def test_jobs_and_events_are_the_members(lab: Node, callers: dict[str, Caller], tmp_path: Path) -> None:
    with node(tmp_path) as made:
        made.hear(told("a", delegations=["bob"]), told("d"))
        own = made.enroll("a")
        made.call("Stop", "a", caller=own)
        bob = callers["bob"]
        assert [job["kind"] for job in made.call("GetJobs", {}, caller=bob)] == ["stop"]
        assert made.call("GetJobs", {}, caller=STRANGER) == []
        subjects = {event["subject"] for event in made.call("GetEvents", 0, 100, caller=bob)}
        assert subjects == {"sliver a"}
        assert made.call("GetEvents", 0, 100, caller=STRANGER) == []
