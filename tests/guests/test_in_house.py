"""Runs each module of tests/guests/inside, and of entered (accounts and an sshd), in a house of its own."""

import shutil
from pathlib import Path

import pytest

from tests.guests.house import ACCOUNTS, LONG, missing, pytest_in_a_house
from tests.ssh import house as accounts

MODULES = sorted(Path(__file__).with_name("inside").glob("test_*.py"))
ENTERED = sorted(Path(__file__).with_name("entered").glob("test_*.py"))
SECONDS = 800.0 if LONG else 250.0
LACKING = [*missing(), *(tool for tool in accounts.TOOLS if shutil.which(tool) is None)]


@pytest.mark.real
@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.skipif(bool(missing()), reason=f"needs {', '.join(missing())}")
@pytest.mark.parametrize("module", MODULES, ids=[path.stem for path in MODULES])
def test_in_a_house(module: Path) -> None:
    done = pytest_in_a_house(module, seconds=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.skipif(bool(LACKING), reason=f"needs {', '.join(LACKING)}")
@pytest.mark.parametrize("module", ENTERED, ids=[path.stem for path in ENTERED])
def test_entered_in_a_house(module: Path) -> None:
    done = pytest_in_a_house(module, seconds=SECONDS, walls=ACCOUNTS)
    assert done.returncode == 0, done.stdout + done.stderr
