"""A copy of this machine's account files in a folder, for the real tools to work on."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nm.unixaccounts import Places
from tests.accounts import FIRST, LAST
from tests.accounts.logins import Login

FILES = ("passwd", "group", "shadow", "gshadow", "login.defs")
MACHINES = [Path("/etc") / name for name in FILES if name != "login.defs"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    missing = [
        tool for tool in ("useradd", "usermod", "userdel", "setpriv", "unshare") if shutil.which(tool) is None
    ]
    for item in items:
        if here not in item.path.parents:
            continue
        if os.geteuid() != 0 or missing:
            item.add_marker(
                pytest.mark.skip(reason="needs root and " + ", ".join(missing or ["nothing more"]))
            )


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    before = [path.read_bytes() for path in MACHINES]
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for name in FILES:
        shutil.copy2(f"/etc/{name}", root / "etc" / name)
    yield root
    assert [path.read_bytes() for path in MACHINES] == before, "the machine's own accounts were touched"


@pytest.fixture
def places(root: Path) -> Places:
    return Places(root, "/homes", "/usr/lib/nm/forward_api_calls", FIRST, LAST)


@pytest.fixture
def logins() -> Iterator[Callable[[], Login]]:
    """Makes connections."""
    with contextlib.ExitStack() as made:

        def login() -> Login:
            new = Login()
            made.callback(new.close)
            return new

        yield login
