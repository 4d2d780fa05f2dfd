"""A staged group has adopted a node; then that node, or its switch, is taken back by force."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.isolation import crossings
from tests.rack import Rack, rack

ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}
JOINED = {**ISOLATED, "untagged": 110}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    """Staged group s has n3 of sw1, which carries its VLAN."""
    with rack(tmp_path, switches=2, nodes=4) as made:
        made.call("CreateGroup", "s", {"vlan": 110})
        with made.edit("sw1") as table:
            table["ports"]["p3"] = JOINED
        assert made.wait(made.call("AdoptPorts", "sw1", ["p3"]))["result"] == {"p3": "in group s"}
        yield made


def group(lab: Rack) -> Any:
    return lab.call("GetGroups", {"name": "s"})[0]


def comes_free(lab: Rack) -> None:
    lab.until(lambda: lab.call("GetNodes", {"name": "n3"})[0]["state"] == "free")
    assert group(lab)["nodes"] == [] and lab.ports("sw1")["p3"] == ISOLATED


def test_it_is_back_after_the_switch_was_replaced(lab: Rack) -> None:
    with lab.edit("sw1") as table:
        table["ports"] = {port: {**ISOLATED, "open": True} for port in table["ports"]}
    assert lab.wait(lab.call("ReplaceSwitch", "sw1"))["state"] == "done"
    lab.until(lambda: group(lab)["state"] == "deployed")
    assert lab.ports("sw1")["p3"] == JOINED
    assert lab.service is not None
    assert crossings(lab.service.database, lab.states(), lab.links()) == []


def test_it_is_free_after_the_switch_was_released(lab: Rack) -> None:
    assert lab.wait(lab.call("ReleaseSwitch", "sw1", True))["state"] == "done"
    comes_free(lab)


@pytest.mark.parametrize("force", [False, True])
def test_it_is_taken_back_alone(lab: Rack, force: bool) -> None:
    assert lab.wait(lab.call("ReleaseNode", "n3", force))["state"] == "done"
    comes_free(lab)
