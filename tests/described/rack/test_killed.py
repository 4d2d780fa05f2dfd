"""nmd is killed behind turns of its workers, while a domain comes to its group's VLAN, moves, and goes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.described.rack.conftest import House, housed
from tests.described.rack.test_networks import NODE, OFF_AT_ONCE, PLACE, tag, text, vm
from tests.described.turns import TurnRack, some_of
from tests.hosts.rack.conftest import sh


class TurnHouse(TurnRack, House):
    """The house, a turn at a time."""


@pytest.fixture
def turns(tmp_path: Path, images: Path) -> Iterator[TurnHouse]:
    yield from housed(TurnHouse, tmp_path, images)


def steps(here: TurnHouse, kills_behind: int | None) -> int:
    """Made, moved, ended; killed once behind that turn of each. The most turns that one took."""
    most = 0
    for vlan in (105, 106):
        apply = here.call("ApplyDescription", "web", text(f"vlan {vlan}; {NODE}"), {})
        job, taken = here.run(apply, kills_behind)
        assert (job["state"], job["error"]) == ("done", None), (kills_behind, job)
        assert tag() == str(vlan) and here.trunks() == {vlan}, kills_behind
        most = max(most, taken)
    job, taken = here.run(here.call("TerminateDescription", "web"), kills_behind)
    assert job["state"] == "done" and here.trunks() == set()
    assert sh("virsh", "-q", "list", "--all", "--name") == ""
    assert here.call("GetGroups", {}) == [] and here.call("GetVlans", {"id": 106})[0]["free"]
    return max(most, taken)


@pytest.mark.timeout(900)
def test_killed_behind_any_turn_a_domain_comes_to_the_same(turns: TurnHouse) -> None:
    for behind in some_of(steps(turns, None)):
        steps(turns, behind)


def test_a_domain_that_is_off_is_let_be(turns: TurnHouse) -> None:
    """Nobody watches it, so nobody knows; where it is to be is asked for now and again, not all the time."""
    unwatched = vm(PLACE, more=f"{OFF_AT_ONCE} sfLivenessDelay 0;")
    made = turns.wait(turns.call("ApplyDescription", "web", text("vlan 105;", place="", more=unwatched), {}))
    assert made["state"] == "done"
    sh("virsh", "destroy", "vm")
    turns.kill()
    for _ in range(300):
        if not turns.turns.waiting:
            break
        turns.turns.turn()
    assert turns.turns.subjects() == []
    assert turns.wait(turns.call("TerminateDescription", "web"))["state"] == "done"


def test_what_was_started_and_not_answered_follows_its_group(turns: TurnHouse) -> None:
    """The VLAN is changed before nmd knows that the domain runs; and then it is killed."""
    job = turns.call("ApplyDescription", "web", text(f"vlan 105; {NODE}"), {})
    while tag() != "105":
        turns.turns.turn()
    turns.call("SetVlan", "grp", 106)
    turns.call("Deploy", "grp")
    turns.kill()
    assert turns.wait(job)["state"] == "done"
    turns.settle()
    assert tag() == "106" and turns.trunks() == {106}
    assert turns.wait(turns.call("TerminateDescription", "web"))["state"] == "done"
