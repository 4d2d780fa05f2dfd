"""What holds for all tests."""

import os
import signal
from pathlib import Path

import pytest

# Where nm keeps things on a real machine; a test that writes there has no rack of its own.
DISKS = Path("/var/lib/nm-disks")
FOLDERS = (DISKS, Path("/var/lib/nm-images"), Path("/var/lib/nm"), Path("/etc/nm"))
PRIVATE = {"RACK", "HOUSE", "PYTEST_XDIST_WORKER"}  # where these are set, somebody else looks
_BEFORE = pytest.StashKey[set[Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C works in what tests start, also where the tests themselves run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_BEFORE] = _present()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run leaves nothing of nm's on the machine."""
    before = session.config.stash[_BEFORE]
    left = sorted(_present() - before)
    if left and not PRIVATE & set(os.environ):
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"left on this machine: {', '.join(map(str, left))}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _present() -> set[Path]:
    return {folder for folder in FOLDERS if folder.is_dir()} | set(DISKS.glob("*"))
