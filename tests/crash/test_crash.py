"""The short forms of kill -9 and of the power cuts; `make crash` runs the full ones."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.kill9 import DatabaseTarget, run


def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    result = run(DatabaseTarget(tmp_path / "db"), 15, 1)
    assert result.faults == []
    assert result.kills == 15
    assert result.answered > 200


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.skipif(
    not (shutil.which("mkfs.ext4") and shutil.which("unshare")), reason="e2fsprogs is missing"
)
def test_power_cuts_lose_nothing() -> None:
    command = [sys.executable, "-m", "tests.crash.powercut", "6", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("6 cuts") == 2, done.stdout
