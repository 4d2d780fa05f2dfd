"""nmd is killed behind turns of its workers, while a domain comes to its group's VLAN, moves, and goes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.described.rack.conftest import House, housed
from tests.described.rack.test_networks import NODE, tag, text
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
