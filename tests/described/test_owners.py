"""Two descriptions want the same group at the same moment: each acts by its own owner's rights alone."""

from pathlib import Path

from nm.calls import Caller
from tests.described.texts import group, nodes, the_group, whole
from tests.described.turns import TurnRack
from tests.rack import ROOT

NOBODY = Caller(65534, "nobody")  # an account that the machine has
HERS = group('groupName "x";' + nodes("n0"))


def gathered(here: TurnRack, pools: list[str]) -> None:
    """Let these descriptions' workers have their turns, so that what they order waits together."""
    for pool in pools:
        here.turns.waiting = {pool: here.turns.waiting.pop(pool), **here.turns.waiting}
        assert here.turns.turn() == pool


def test_what_two_order_together_is_done_in_each_ones_name(tmp_path: Path) -> None:
    here = TurnRack(tmp_path, nodes=2)
    try:
        here.register(range(101, 107))
        here.settle()
        here.call("SetRights", "nobody", {"describe": {}, "reserve": {"groups": 1}})
        theirs = here.call("ApplyDescription", "hers", whole(HERS), {}, caller=NOBODY)
        for _ in ("the group", "the node"):
            gathered(here, ["pool:hers"])
            assert here.turns.turn() == "described:x"  # it could be made
        here.call("ApplyDescription", "roots", whole(HERS), {}, caller=ROOT)
        gathered(here, ["pool:roots", "pool:hers"])
        assert here.turns.depths()["described:x"] == 2
        over = here.wait(theirs)
        assert over["state"] == "done", str(over["error"])
        assert the_group(here, "x")["owner"]["name"] == "nobody"
    finally:
        here.stop()
