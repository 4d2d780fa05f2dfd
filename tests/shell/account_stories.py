"""The stories of accounts; test_commands.py tells them."""

from pathlib import Path

from tests.shell.conftest import Nmctl


def rights_of_accounts(nmctl: Nmctl, folder: Path) -> None:
    nmctl("rights", "set", "daemon", "spy", "reserve.groups=2", "reserve.lease=3600")
    assert nmctl.one("GetDelegates", name="daemon")["rights"] == {
        "spy": True,
        "reserve": {"groups": 2, "lease": 3600},
    }
    assert "daemon  daemon   1    unix  ready" in nmctl("delegate", "list").out
    assert nmctl("delegate", "show", "daemon", "--json").json["result"]["type"] == "unix"
    assert "say --none" in nmctl("rights", "set", "daemon", status=2).err
    nmctl("rights", "set", "daemon", "--none")
    assert nmctl.rack.call("GetDelegates", {}) == []


def delegates(nmctl: Nmctl, folder: Path) -> None:
    assert "makes no accounts" in nmctl("delegate", "create", "snoop", "spy", status=6).err
    assert "no delegate snoop" in nmctl("delegate", "destroy", "snoop", status=5).err
    assert "no delegate snoop" in nmctl("delegate", "keys", "snoop", "--none", status=5).err
