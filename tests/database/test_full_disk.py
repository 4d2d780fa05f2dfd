"""A real file system that is really full."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is missing")
def test_a_full_file_system_loses_nothing(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=5m tmpfs "$1" && exec "$2" -m tests.database.full_disk "$1"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "good"
    assert list(tmp_path.iterdir()) == []
