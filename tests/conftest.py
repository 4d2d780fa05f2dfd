"""What holds for all tests."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from coverage import Coverage

# Where nm keeps things on a real machine; a test that writes there has no rack of its own.
DISKS = Path("/var/lib/nm-disks")
FOLDERS = (DISKS, Path("/var/lib/nm-images"), Path("/var/lib/nm"), Path("/etc/nm"))
PRIVATE = {"RACK", "HOUSE", "PYTEST_XDIST_WORKER"}  # where these are set, somebody else looks
T = TypeVar("T")
_BEFORE = pytest.StashKey[set[Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C works in what tests start, also where the tests themselves run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_BEFORE] = _present()
    if hasattr(config, "workerinput"):
        _trace_once()


@pytest.hookimpl(trylast=True)  # when they are in this run's random order
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests go first. Random ones cover nothing for certain; untraced they take a third of the time."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(pytest.mark.no_cover)
    usual = float(config.getini("timeout"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = in_turn(items, lambda item: _patience(item, usual) > usual, workers)


def _trace_once() -> None:
    """End what traces a worker before pytest-cov does: it would go on where that pauses."""
    while (running := Coverage.current()) is not None:
        running.stop()


def in_turn(items: Sequence[T], is_long: Callable[[T], bool], workers: int) -> list[T]:
    """The items so that, cut into as many stretches as workers, every other stretch begins with long ones.

    So none is left alone with one at the end, and what waits runs beside what computes.
    """
    long = [item for item in items if is_long(item)]
    short = [item for item in items if not is_long(item)]
    stretch = -(-len(items) // workers)
    burdened = -(-workers // 2)
    ordered: list[T] = []
    for worker in range(workers):
        begun = long[worker // 2 :: burdened] if worker % 2 == 0 else []
        room = max(stretch - len(begun), 0)
        ordered += [*begun, *short[:room]]
        del short[:room]
    return ordered + short


def _patience(item: pytest.Item, usual: float) -> float:
    """Seconds that the test may take."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else usual


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
