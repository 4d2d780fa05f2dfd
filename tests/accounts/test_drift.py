"""Accounts that were changed by hand: found by one audit, mended by one repair."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import config
from tests.rack import Rack, rack

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f mallory"
SHELL = "/usr/lib/nm/forward_api_calls"


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[Rack]:
    accounts = config.Accounts(shell=SHELL, homes="/homes", root=str(root))
    with rack(tmp_path, nodes=2, accounts=accounts) as made:
        made.call("CreateGroup", "team", {"keys": [KEY]})
        made.deploy("team")
        assert made.wait(made.call("CreateDelegate", "snoop", [KEY], ["spy"]))["state"] == "done"
        yield made


def world(root: Path) -> list[Any]:
    """The two accounts and their keys."""
    lines = (root / "etc/passwd").read_text().splitlines()
    files = [root / "homes" / name / ".ssh/authorized_keys" for name in ("team", "snoop")]
    return [
        sorted(line for line in lines if line.startswith(("team:", "snoop:"))),
        [(file.read_text(), file.stat().st_mode) for file in files],
    ]


def add_key(root: Path, name: str) -> None:
    with (root / "homes" / name / ".ssh/authorized_keys").open("a") as file:
        file.write(f"{OTHER}\n")


def change_shell(root: Path, name: str) -> None:
    passwd = root / "etc/passwd"
    lines = passwd.read_text().splitlines(keepends=True)
    changed = [line.replace(SHELL, "/bin/sh") if line.startswith(name) else line for line in lines]
    passwd.write_text("".join(changed))


@pytest.mark.parametrize("change", [add_key, change_shell])
def test_an_account_changed_by_hand(lab: Rack, root: Path, change: Callable[[Path, str], None]) -> None:
    before = world(root)
    assert lab.wait(lab.call("AuditAll"))["result"]["differences"] == 0
    for name in ("team", "snoop"):
        change(root, name)
    assert lab.wait(lab.call("AuditAll"))["result"]["differences"] == 2
    drift = lab.call("GetDrift")
    assert [one["hand"] for one in drift["groups"]["team"]] == ["account"]
    assert [(one["hand"], one["target"]) for one in drift["pool"]] == [("account", "snoop")]
    assert lab.wait(lab.call("RepairAll"))["state"] == "done"
    assert world(root) == before
    assert lab.call("GetDrift")["groups"] == {} and lab.call("GetDrift")["pool"] == []
    assert lab.wait(lab.call("AuditAll"))["result"]["differences"] == 0
    lab.until(lambda: _told(lab) == [("delegate snoop", "drift"), ("delegate snoop", "drift gone"),
                                     ("group team", "drift"), ("group team", "drift gone")])  # fmt: skip


def _told(lab: Rack) -> list[tuple[str, str]]:
    events = lab.call("GetEvents", 0, 1000)
    return sorted((one["subject"], one["what"]) for one in events if one["what"].startswith("drift"))


def test_a_delegate_that_is_going_has_not_drifted(lab: Rack, root: Path) -> None:
    assert lab.wait(lab.call("DestroyDelegate", "snoop"))["state"] == "done"
    assert lab.wait(lab.call("AuditAll"))["result"]["differences"] == 0
