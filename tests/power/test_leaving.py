"""Power of a node that leaves its group: it goes, whatever was asked before, and whoever asked."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import config
from nm.errors import Conflict
from tests.rack import Rack, rack


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    """A group of n0, deployed."""
    with rack(tmp_path, switches=1, nodes=1, management=True) as made:
        made.call("CreateGroup", "alpha", {"nodes": ["n0"]})
        made.deploy("alpha")
        yield made


def processor(lab: Rack, **state: Any) -> None:
    new = lab.folder / "n0.new"
    new.write_text(json.dumps({"power": "on", **state}))
    new.rename(lab.folder / "n0.power")


def power(lab: Rack) -> str:
    return str(json.loads((lab.folder / "n0.power").read_text())["power"])


def test_what_was_asked_before_does_not_switch_it_on_again(lab: Rack) -> None:
    processor(lab, fault="silent")
    held = lab.call("PowerNode", "n0", "on")
    lab.until(lambda: lab.call("GetJob", held)["state"] == "running")
    late = lab.call("PowerNode", "n0", "on")
    lab.call("RemoveNodes", "alpha", ["n0"])
    leaving = lab.call("Deploy", "alpha")
    lab.until(lambda: lab.crew().depths().get("node:n0") == 2)
    processor(lab)
    assert lab.wait(held)["state"] == "done"
    assert lab.wait(leaving)["state"] == "done"
    assert "leaving" in lab.wait(late)["error"]["text"]
    assert power(lab) == "off"
    assert lab.call("GetNodes", {})[0]["state"] == "free"


def test_nobody_switches_it_whatever_else_is_said_of_it(lab: Rack) -> None:
    processor(lab)
    lab.call("UpdateNode", "n0", {"available": False, "reason": "to be moved"})
    lab.set_faults("sw0", down=True)
    lab.call("RemoveNodes", "alpha", ["n0"])
    lab.call("Deploy", "alpha")
    with pytest.raises(Conflict, match="leaving"):
        lab.call("PowerNode", "n0", "on")
    lab.set_faults("sw0")
    lab.until(lambda: lab.call("GetNodes", {})[0]["group"] is None)
    assert power(lab) == "off"


class RackOfCommands(Rack):
    """Its node is switched by a program that notes each try, and that says that the password is wrong."""

    def start(self) -> None:
        programs = self.folder / "programs"
        programs.mkdir(mode=0o755, exist_ok=True)
        (programs / "refuse").write_text(f"#!/bin/sh\necho $2 >> {self.folder}/tries\nexit 3\n")
        (programs / "refuse").chmod(0o755)
        self.config = replace(self.config, power=config.Power(programs=str(programs)))
        super().start()


def test_a_password_that_is_refused_is_shown_once_however_long_the_switch_is_silent(tmp_path: Path) -> None:
    lab = RackOfCommands(tmp_path, switches=1, nodes=1)
    tries = tmp_path / "tries"
    try:
        lab.register()
        management = {"driver": "command", "program": "refuse", "address": "x"}
        lab.call("UpdateNode", "n0", {"management": management})
        lab.call("CreateGroup", "alpha", {"nodes": ["n0"]})
        lab.deploy("alpha")
        lab.set_faults("sw0", fail_times=12)
        assert lab.wait(lab.call("DestroyGroup", "alpha"))["state"] == "done"
        assert tries.read_text().split() == ["status"]
        assert "ended with status 3" in lab.call("GetNodes", {})[0]["error"]
    finally:
        lab.stop()
