"""The story of nodes that are lent; test_commands.py tells it."""

from pathlib import Path

from tests.shell.conftest import Nmctl


def loans_of_nodes(nmctl: Nmctl, folder: Path) -> None:
    for group, nodes in (("alpha", ["n0", "n1"]), ("beta", ["n2"])):
        nmctl.rack.call("CreateGroup", group, {"nodes": nodes})
        nmctl.rack.deploy(group)
    assert "done" in nmctl("lend", "alpha", "beta", "n1", "--until", "+2h", "--wait").out
    assert nmctl.one("GetGroups", name="beta")["nodes"] == ["n2", "n1"]
    assert "n1    lent to beta  " in nmctl("group", "show", "alpha").out
    assert "n1    borrowed from alpha  " in nmctl("group", "status", "beta").out
    assert "cannot lend it on" in nmctl("lend", "beta", "alpha", "n1", "--until", "+1h", status=6).err
    assert "for ever" in nmctl("lend", "alpha", "beta", "n0", "--until", "never", status=2).err
    nmctl("lend", "alpha", "beta", "n0", status=2)  # for how long?
    nmctl("group", "lend", "alpha", "beta", "n1", "--until", "now", "--wait")
    assert nmctl.one("GetGroups", name="alpha")["nodes"] == ["n0", "n1"]
    assert nmctl.one("GetNodes", name="n1")["state"] == "joined"
