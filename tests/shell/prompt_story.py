"""The story of `nmctl shell`, told by test_commands.py; tests/shell/spl has the rest."""

from pathlib import Path

from tests.shell.conftest import Nmctl


def the_shell(nmctl: Nmctl, folder: Path) -> None:
    nmctl("shell", "-c", "create group alpha vlan 105", "-c", "add n0-n1 to alpha")
    assert nmctl.one("GetGroups", name="alpha")["nodes"] == ["n0", "n1"]
