"""nmd is killed behind each turn of a worker, while a description with groups is made, changed and ended."""

from pathlib import Path

from tests.described.texts import group, left, nodes, planned, the_group, untagged, whole
from tests.described.turns import TurnRack, some_of

FIRST = group(nodes("n0", "n1") + 'h extends HeadNode { headNode "h1"; }')
THEN = group(nodes("n1", "n2") + 'data extends Vlan { network "data"; }') + group(nodes("n3"), "more")


def steps(here: TurnRack, kills_behind: int | None, first: bool = True) -> list[int]:
    """Make it, change it, end it; killed once behind that turn of each. How many turns each took."""
    taken = []
    for text, states in ((FIRST, ("grp",)), (THEN, ("grp", "more"))):
        job, turns = here.run(here.call("ApplyDescription", "web", whole(text), {}), kills_behind)
        assert (job["state"], job["error"]) == ("done", None), (kills_behind, job)
        assert {one["name"] for one in here.call("GetGroups", {})} == set(states), kills_behind
        assert planned(here, text) == [] and not the_group(here)["pending"]
        taken.append(turns)
    assert sorted(the_group(here)["nodes"]) == ["n1", "n2"] and untagged(here, "n0") is None
    assert untagged(here, "n3") == the_group(here, "more")["vlan"]
    job, turns = here.run(here.call("TerminateDescription", "web"), kills_behind)
    assert job["state"] == "done"
    left(here)
    here.call("ClearHeadNode", "h1")
    return [*taken, turns]


def test_killed_behind_any_turn_it_comes_to_the_same(tmp_path: Path) -> None:
    here = TurnRack(tmp_path, nodes=4)
    try:
        here.register(range(101, 107))
        most = max(steps(here, None))
        assert most > 10
        for behind in some_of(most):
            steps(here, behind)
    finally:
        here.stop()
