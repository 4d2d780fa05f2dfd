"""Runs each module of tests/ssh/inside in a house of its own."""

import os
import shutil
from pathlib import Path

import pytest

from tests.ssh.house import TOOLS, pytest_in_a_house

MACHINES = [Path("/etc") / name for name in ("passwd", "group", "shadow", "gshadow")]
MODULES = sorted(Path(__file__).with_name("inside").glob("test_*.py"))


@pytest.mark.real
@pytest.mark.timeout(240)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make namespaces")
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
@pytest.mark.parametrize("module", MODULES, ids=[path.stem for path in MODULES])
def test_in_a_house(module: Path) -> None:
    before = [path.read_bytes() for path in MACHINES]
    done = pytest_in_a_house(module)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.read_bytes() for path in MACHINES] == before, "the machine's own accounts were touched"
