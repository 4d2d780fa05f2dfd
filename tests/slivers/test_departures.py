"""How slivers end in a whole nm: expiry without a source, mass removals, grace, confirmation."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nm import leases
from nm.errors import Denied, NotFound
from nm.records import changed
from tests.slivers.node import Node, node, told
from tests.slivers.test_rights import STRANGER


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Node]:
    with node(tmp_path) as made:
        yield made


def at_once(lab: Node) -> None:
    """What ended is deleted at once from now on."""
    assert lab.service is not None
    lab.config = replace(lab.config, slivers=replace(lab.config.slivers, grace_seconds=0.0))
    lab.service.reload(lab.config)


def soon(seconds: float = 2.0) -> int:
    return int(time.time() + seconds)


def test_it_expires_while_its_source_is_away_and_comes_back(lab: Node) -> None:
    lab.hear(told("a", expires=soon()), told("b"))
    lab.until_runs("a", "b")
    lab.until_state("a", "stopped")
    found = lab.sliver("a")
    assert found["why"] == "it has expired" and found["deleted_at"] > time.time() + 6 * 86400
    assert lab.runs("b") and lab.guest("a") is not None
    lab.hear(told("a", expires=soon(3600)), told("b"))
    lab.until_runs("a")
    assert lab.sliver("a")["deleted_at"] is None


def test_after_the_grace_all_of_it_is_deleted(lab: Node) -> None:
    lab.hear(told("a", expires=soon()), told("b"))
    lab.until_runs("a", "b")
    lab.call("SetLoans", "a", [["b", "cpu_share", 8]])
    at_once(lab)
    lab.until(lambda: lab.call("GetSlivers", {"name": "a"}) == [])
    lab.until(lambda: lab.guest("a") is None)
    lab.until(lambda: (lab.guest("b") or {})["shares"] == 32)  # what it was lent has gone with its lender
    assert lab.runs("b")
    lab.hear(told("b"), told("c"))
    lab.until_runs("c")
    assert lab.sliver("c")["index"] == 1


def test_grace_that_ends_while_nmd_is_away(lab: Node) -> None:
    lab.config = replace(lab.config, slivers=replace(lab.config.slivers, grace_seconds=1.0))
    assert lab.service is not None
    lab.service.reload(lab.config)
    lab.hear(told("a"), told("b"))
    lab.until_runs("a", "b")
    lab.hear(told("b"))
    lab.until_state("a", "stopped")
    lab.stop()
    lab.start()
    lab.until(lambda: lab.guest("a") is None and lab.sliver("a")["state"] is None)
    assert lab.runs("b")


def test_one_that_is_not_instantiated_any_more_has_its_grace(lab: Node) -> None:
    """A source that says so of all of them destroys none at once."""
    lab.hear(told("a"), told("b"))
    lab.until_runs("a", "b")
    lab.hear(told("a", "not-instantiated"), told("b", "delegated"))
    lab.until_state("a", "stopped")
    assert lab.sliver("a")["why"] == "it is not-instantiated" and lab.guest("a") is not None
    lab.until(lab.at_rest)
    assert lab.runs("b")  # it is its people's now
    lab.hear(told("a"), told("b"))
    lab.until_runs("a")
    at_once(lab)
    lab.hear(told("a", "not-instantiated"), told("b", "delegated"))
    lab.until(lambda: lab.guest("a") is None)
    lab.until_state("a", "absent")


def test_one_that_becomes_a_controller_has_its_grace(lab: Node) -> None:
    """No word of a source's destroys all guests at once."""
    lab.hear(told("a"), told("b"))
    lab.until_runs("a", "b")
    made = lab.guest("a")
    lab.hear(told("a", "nm-controller"), told("b"))
    lab.until_state("a", "stopped")
    lab.until(lab.at_rest)
    assert lab.sliver("a")["why"] == "a controller has no guest" and lab.guest("a") is not None
    lab.hear(told("a"), told("b"))
    lab.until_runs("a")
    assert lab.guest("a") == made, "as before"
    at_once(lab)
    lab.hear(told("a", "nm-controller"), told("b"))
    lab.until(lambda: lab.guest("a") is None)
    lab.until(lambda: lab.sliver("a")["state"] == "absent")


def test_who_is_to_go_is_not_made_anew_first(lab: Node) -> None:
    lab.call("RegisterImage", "other", {"kind": "disk", "disk": "/var/lib/nm-images/other.qcow2"})
    lab.hear(told("a"), told("b"))
    lab.until_runs("a", "b")
    lab.hear(told("a", "not-instantiated", tags={"vref": "other"}), told("b"))
    lab.until_state("a", "stopped")
    lab.until(lab.at_rest)
    assert (lab.guest("a") or {})["image"] == "debian"


def test_many_at_once_wait_for_an_administrator(lab: Node) -> None:
    names = [f"s{number}" for number in range(8)]
    lab.hear(*map(told, names))
    lab.until_runs(*names)
    lab.hear(told("s0"))
    lab.until(lab.at_rest)
    assert all(map(lab.runs, names))
    held = lab.call("GetHolds")
    assert [hold["sliver"] for hold in held] == names[1:]
    assert {hold["reason"] for hold in held} == {leases.MANY}
    assert {(hold["what"], hold["group"]) for hold in held} == {("removals", None)}
    with pytest.raises(Denied):
        lab.call("ConfirmSlivers", [], caller=STRANGER)
    with pytest.raises(NotFound, match="the end of sliver s0 is not held back"):
        lab.call("ConfirmSlivers", ["s0"])
    assert lab.call("ConfirmSlivers", ["s1"]) == 1
    lab.until_state("s1", "stopped")  # at once: no source need speak
    assert lab.sliver("s1")["why"] == "its source lists it no more" and lab.runs("s2")
    lab.call("ConfirmSlivers", [])
    lab.until(lambda: {lab.sliver(name)["state"] for name in names[1:]} == {"stopped"})
    assert lab.call("GetHolds") == [] and lab.runs("s0")


def test_an_empty_list_stops_nobody(lab: Node) -> None:
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.hear()
    lab.until(lab.at_rest)
    assert lab.runs("a") and len(lab.call("GetHolds")) == 1
    lab.hear(told("a"))
    assert lab.call("GetHolds") == []


def test_many_that_expire_at_once_wait_too(lab: Node) -> None:
    names = [f"s{number}" for number in range(6)]
    end = soon()
    lab.hear(*(told(name, expires=end) for name in names))
    lab.until_runs(*names)
    lab.until(lambda: len(lab.call("GetHolds")) == 6)
    lab.until(lab.at_rest)
    assert all(map(lab.runs, names))
    lab.call("ConfirmSlivers", names[:1])
    lab.until_state("s0", "stopped")
    assert all(map(lab.runs, names[1:]))


def test_a_clock_that_jumped_ends_and_deletes_nothing(lab: Node) -> None:
    lab.hear(told("a", expires=soon(3600)), told("b"), told("c"))
    lab.until_runs("a", "b", "c")
    lab.hear(told("a", expires=soon(3600)), told("b"))
    lab.until_state("c", "stopped")
    lab.until(lambda: lab.service is not None and lab.service.database.get(leases.CLOCK) is not None)
    assert lab.service is not None
    store = lab.service.database
    clock, gone = store.get(leases.CLOCK), store.get("sliver_c")
    assert clock is not None and gone is not None
    lab.stop()
    lab.start()
    store = lab.service.database
    # By the clock of the records two hours have passed since a boot of half an hour ago.
    store.transact(lambda tx: tx.put(changed(clock, 1.0, wall=clock["wall"] - 8 * 86400)))
    past = {**gone["_gone"], "until": soon(-10)}
    lab.stop()
    lab.start()
    store = lab.service.database
    store.transact(lambda tx: tx.put({**(tx.get("sliver_c") or {}), "_gone": past}))
    store.transact(lambda tx: tx.put({**(tx.get("sliver_a") or {}), "expiry": soon(-10)}))
    lab.until(lambda: [hold["reason"] for hold in lab.call("GetHolds")] == [leases.JUMPED])
    lab.until(lab.at_rest)
    assert lab.runs("a") and lab.guest("c") is not None
    lab.call("ConfirmSlivers", ["a"])
    lab.until_state("a", "stopped")


def test_a_reservation_stops_others_and_lets_them_run_again(lab: Node) -> None:
    lease = {"name": "a", "t_from": soon(-100), "t_until": soon(3)}
    more = {"leases": [lease], "reservation_policy": "lease_or_shared"}
    lab.hear(told("a"), told("b"), told("s", tags={"system": "1"}), **more)
    lab.until_runs("a", "s")
    lab.until(lambda: lab.sliver("b")["why"] == "the node is reserved for a")
    lab.until_runs("b")  # when the lease is over, without anybody's word
    idle = {"leases": [], "reservation_policy": "lease_or_idle"}
    lab.hear(told("a"), told("b"), told("s", tags={"system": "1"}), **idle)
    lab.until_state("a", "stopped")
    lab.until_state("b", "stopped")
    assert lab.sliver("a")["why"] == "the node runs reserved slivers only" and lab.runs("s")
