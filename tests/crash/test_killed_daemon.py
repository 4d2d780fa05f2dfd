"""The short form of `python -m tests.crash.killed_daemon`."""

from pathlib import Path

from tests.crash.kill9 import run
from tests.crash.killed_daemon import DaemonTarget


def test_nothing_that_the_daemon_answered_is_lost(tmp_path: Path) -> None:
    result = run(DaemonTarget(tmp_path), times=8, seed=1)
    assert result.faults == [] and result.kills == 8 and result.answered > 50
