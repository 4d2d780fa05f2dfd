"""What an audit compares, on records alone: no device is asked."""

from functools import partial
from typing import Any

import pytest

from nm import plan, pool
from nm.audits import MOST_STRANGERS, Scope, expected, judge, judge_pool, unverified
from nm.errors import DeviceFailed
from nm.facts import Outcome
from nm.records import Record, changed, port_key
from nm.store import Transaction
from tests.idle import CALL, NOW, add_group, add_nodes
from tests.memory_store import MemoryStore

PORT = "port/sw0/p0"
ISOLATED = Outcome()


@pytest.fixture
def store() -> MemoryStore:
    """Group a with nodes n0 and n1 on VLAN 101; n2 and n3 are free."""
    made = MemoryStore()
    add_nodes(made, range(4))
    made.transact(lambda tx: pool.register_vlan(tx, CALL, 101))
    made.transact(lambda tx: pool.register_vlan(tx, CALL, 102))
    made.transact(lambda tx: add_group(tx, "a", 101, [0, 1]))
    return made


def group(store: MemoryStore, **fields: Any) -> Record:
    """The group's record, with some fields changed."""
    found = store.get("group_a")
    assert found is not None
    return changed(found, NOW, **fields)


def seen(wanted: plan.Facts, differing: dict[str, Outcome]) -> dict[str, Outcome]:
    """All as it should be, but for these."""
    return {**{fact: Outcome(value) for fact, value in wanted.items()}, **differing}


def mark(store: MemoryStore, port: str, **fields: Any) -> None:
    def put(tx: Transaction) -> None:
        record = tx.get(port_key("sw0", port))
        assert record is not None
        tx.put(changed(record, NOW, **fields))

    store.transact(put)


def test_what_is_expected(store: MemoryStore) -> None:
    everything = expected(store, Scope())
    assert everything.groups["a"].keys() == {"vlan/sw0/101", PORT, "port/sw0/p1", "export/a"}
    assert everything.pool == {"port/sw0/p2": None, "port/sw0/p3": None}
    assert expected(store, Scope(group="a")).pool == {}
    assert "export/a" not in expected(store, Scope(switch="sw0")).groups["a"]
    one = expected(store, Scope(switch="sw0", port="p0"))
    assert one.groups == {"a": {PORT: {"untagged": 101, "tagged": []}}} and one.pool == {}
    mark(store, "p2", _verified=False)
    mark(store, "p3", _verified=False, _drift={"hand": "port"})
    assert expected(store, Scope()).pool == {"port/sw0/p3": None}
    assert unverified(store, Scope()) == ["sw0 p2"]


def test_a_port_whose_name_is_a_vlans() -> None:
    assert not Scope(switch="sw0", port="101").covers("vlan/sw0/101")
    assert Scope(switch="sw0", port="101").covers("trunk/sw0/5/101")


def test_each_fact_is_read_once(store: MemoryStore) -> None:
    store.transact(lambda tx: pool.register_vlan(tx, CALL, 200, {"shared": True}))
    store.transact(lambda tx: add_group(tx, "b", 200, [2]))
    store.transact(lambda tx: add_group(tx, "c", 200, [3]))
    readings = expected(store, Scope()).readings()
    assert readings.keys() == {"switch:sw0", ""}
    assert len(readings["switch:sw0"]) == len(set(readings["switch:sw0"])) == 6


def test_what_differs(store: MemoryStore) -> None:
    wanted = expected(store, Scope()).groups["a"]
    assert judge(store, group(store), wanted, seen(wanted, {})).differences == []
    found = judge(store, group(store), wanted, seen(wanted, {PORT: ISOLATED}))
    assert found.differing == {PORT: wanted[PORT]}
    error = Outcome(error=DeviceFailed("it is down"))
    [told] = judge(store, group(store), wanted, seen(wanted, {PORT: error})).differences
    assert told["seen"].startswith("unreadable: it is down")


@pytest.mark.parametrize(
    ("what", "differs"), [("rest", True), ("move", False), ("other", False), ("stay", True)]
)
def test_what_its_worker_is_changing_does_not_differ(store: MemoryStore, what: str, differs: bool) -> None:
    wanted = expected(store, Scope()).groups["a"]
    now = group(store)
    if what == "move":  # to another VLAN, and the port is isolated already
        target = {**now["target"], "networks": {"main": {**now["target"]["networks"]["main"], "vlan": 102}}}
        now = group(store, revision=2, target=target)
    elif what == "other":  # it has been moved since it was read
        now = group(store, deployed={**now["deployed"], PORT: {"untagged": 102, "tagged": []}})
    elif what == "stay":  # something else is changed
        now = group(store, revision=2, target={**now["target"], "nodes": ["n0"]})
    found = judge(store, now, wanted, seen(wanted, {PORT: ISOLATED}))
    assert (PORT in found.differing) is differs


def test_strangers_are_told_up_to_a_number(store: MemoryStore) -> None:
    wanted = expected(store, Scope()).groups["a"]
    carriers = ("p0", "p1", *(f"x{number}" for number in range(40)))
    vlan = Outcome({}, carriers=carriers)
    found = judge(store, group(store), wanted, seen(wanted, {"vlan/sw0/101": vlan}))
    assert [port for _, port, _ in found.strangers] == list(carriers[2:])
    assert len(found.differences) == MOST_STRANGERS + 1
    assert found.differences[-1]["seen"] == "30 more ports on it"


def test_the_pool(store: MemoryStore) -> None:
    wanted = expected(store, Scope())
    carrying = Outcome({"untagged": 1, "tagged": [], "open": True})
    gone = Outcome(error=DeviceFailed("no such port", passing=False))
    down = Outcome(error=DeviceFailed("it is down"))
    found = judge_pool(store, wanted, {"port/sw0/p2": carrying, "port/sw0/p3": gone})
    assert [one and one["wanted"] for one in found.values()] == ["isolated", "isolated"]
    assert judge_pool(store, wanted, {"port/sw0/p2": ISOLATED, "port/sw0/p3": down}) == {"port/sw0/p2": None}


def test_a_trunk_may_carry_what_a_group_has_there(store: MemoryStore) -> None:
    driver = {"driver": "simulated", "file": "/none"}
    ends = [{"switch": "sw0", "port": "t0"}, {"switch": "sw9", "port": "t9"}]
    for step in (
        partial(pool.register_switch, call=CALL, name="sw9", settings=driver),
        partial(pool.register_port, call=CALL, switch="sw0", port="t0"),
        partial(pool.register_port, call=CALL, switch="sw9", port="t9"),
        partial(pool.register_trunk, call=CALL, name="t", settings={"ends": ends, "native": 5}),
    ):
        store.transact(step)
    mark(store, "t0", _verified=True)
    wanted = expected(store, Scope(switch="sw0"))
    assert wanted.trunks == {"port/sw0/t0": set()}

    def strays(**carried: Any) -> Any:
        outcomes = dict.fromkeys(wanted.pool, ISOLATED)
        found = judge_pool(store, wanted, {**outcomes, "port/sw0/t0": Outcome({"untagged": None, **carried})})
        return found["port/sw0/t0"] and found["port/sw0/t0"]["hand"]

    assert strays(tagged=[]) is None and strays(tagged=[], untagged=5) is None
    assert strays(tagged=[7]) == strays(tagged=[], untagged=101) == strays(tagged=[], open=True) == "trunk"
    # A group that is about to use it does no wrong, nor one that has it by now.
    moving = {**group(store)["deployed"], "trunk/sw0/101/t0": {"native": 5}}
    store.transact(lambda tx: tx.put(group(store, deployed=moving)))
    assert strays(tagged=[101]) is None
    assert expected(store, Scope()).trunks == {"port/sw0/t0": {101}}
