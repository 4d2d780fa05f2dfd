"""Runs each module of tests/guests/inside in a house of its own."""

from pathlib import Path

import pytest

from tests.guests.house import missing, pytest_in_a_house

MODULES = sorted(Path(__file__).with_name("inside").glob("test_*.py"))


@pytest.mark.real
@pytest.mark.timeout(260)
@pytest.mark.skipif(bool(missing()), reason=f"needs {', '.join(missing())}")
@pytest.mark.parametrize("module", MODULES, ids=[path.stem for path in MODULES])
def test_in_a_house(module: Path) -> None:
    done = pytest_in_a_house(module, seconds=250)
    assert done.returncode == 0, done.stdout + done.stderr
