"""What was taken back by force is nobody's until it was read back as isolated: an import gets it neither."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.errors import Conflict
from tests.rack import Rack, rack

OWED = "still on a port that could not be reached"


@pytest.fixture
def indebted(tmp_path: Path) -> Iterator[Rack]:
    """VLAN 101 is nobody's, and still on the port of node n0, which its switch does not isolate."""
    with rack(tmp_path) as made:
        try:
            made.call("CreateGroup", "before", {"nodes": ["n0"], "vlan": 101})
            made.deploy("before")
            made.set_faults("sw0", reject=["p0"])
            made.call("ReleaseNode", "n0", True)
            yield made
        finally:
            made.set_faults("sw0")


def problems(made: Rack, **settings: Any) -> list[str]:
    told = made.call("CheckImport", json.dumps({"groups": {"after": settings}}))
    return [problem["message"] for problem in told["problems"]]


def test_an_import_takes_nothing_that_is_in_debt(indebted: Rack) -> None:
    indebted.wait(indebted.call("DestroyGroup", "before"))
    assert indebted.ports("sw0")["p0"]["untagged"] == 101
    for settings, owed in (({"nodes": ["n0"]}, "node n0"), ({"vlan": 101, "nodes": ["n2"]}, "VLAN 101")):
        assert problems(indebted, **settings) == [f"{owed} cannot be given out: it is {OWED}"]
        with pytest.raises(Conflict, match=OWED):
            indebted.call("Import", json.dumps({"groups": {"after": settings}}))
    assert problems(indebted, nodes=["n2"]) == []  # the VLAN that it is given is not the indebted one


def test_a_group_that_has_the_vlan_is_still_the_same(indebted: Rack) -> None:
    told = indebted.call("CheckImport", indebted.call("Export"))
    assert (told["add"], told["problems"]) == ([], [])
