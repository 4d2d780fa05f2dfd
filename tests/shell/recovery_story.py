"""The story of `switch release` and `switch replace`: a switch that died, and one that was replaced."""

from pathlib import Path

from nm.switches.simulated import read_table
from tests.shell.conftest import Nmctl, run


def a_dead_switch(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"]})
    nmctl.rack.deploy("alpha")
    refused = run("switch", "release", "sw0")
    assert "used by group alpha by node n0" in refused.err and "force" in refused.err
    nmctl("switch", "release", "sw0", "--force", "--wait")
    assert "n0" not in nmctl.one("GetGroups", name="alpha")["nodes"]
    nmctl.rack.until(lambda: nmctl.one("GetNodes", name="n0")["state"] == "free")  # its group lets it go
    file = folder / "another.json"
    nmctl("switch", "replace", "sw1", f"file={file}", "--wait")
    assert read_table(file)["ports"]["p1"]["untagged"] == 101
    nmctl("switch", "replace", "sw1", "--wait")
