"""Users at the prompt, on a copy of this machine's account files."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm import config
from nm.passwd import read_passwd
from tests.accounts.conftest import root  # noqa: F401
from tests.rack import rack
from tests.shell.spl.conftest import Spl, spl_on

TOOLS = ("useradd", "usermod", "userdel", "setpriv", "unshare")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="needs root and " + ", ".join(TOOLS)
)


@pytest.fixture
def spl(tmp_path: Path, root: Path) -> Iterator[Spl]:  # noqa: F811
    accounts = config.Accounts(shell="/usr/lib/nm/forward_api_calls", homes="/homes", root=str(root))
    with rack(tmp_path, nodes=2, accounts=accounts) as made, spl_on(made) as shell:
        yield shell


def test_a_users_life(spl: Spl, root: Path, tmp_path: Path) -> None:  # noqa: F811
    keys = tmp_path / "alice.pub"
    keys.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL\n")
    refused = spl.run("create user alice hunter2")
    assert (refused.status, refused.out) == (2, "")
    assert "passwords are not taken" in refused.err and "hunter2" not in refused.err
    assert "--key-file" in refused.err
    assert "alice" not in read_passwd(root)

    spl.does(f"create user alice reserve --key-file {keys}")
    assert read_passwd(root)["alice"].shell == "/usr/lib/nm/forward_api_calls"
    user = spl.one("GetDelegates", name="alice")
    assert (user["state"], user["rights"]) == ("ready", {"reserve": True})
    assert "alice  alice" in spl.does("show user").out
    spl.does("change user alice spy")
    assert spl.one("GetDelegates", name="alice")["rights"] == {"spy": True}
    assert spl.run("create user alice").status == 6
    spl.does("destroy user alice")
    assert "alice" not in read_passwd(root)
    assert spl.run("destroy user alice").status == 5
