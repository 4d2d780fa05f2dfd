"""Many calls through the forwarder, and what they leave in the daemon.

By itself, 10,000 or as many as are named: python -m tests.forward.many_calls [COUNT].
"""

import gc
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.forward.conftest import Forwarder, compiled
from tests.rack import rack

ROOM = 8192  # KiB that Python's memory may grow by, however many calls: what it keeps for itself differs


@dataclass(frozen=True)
class Left:
    """What the daemon has more after the calls than before."""

    descriptors: int
    threads: int
    memory: int
    """KiB."""

    def check(self) -> None:
        """AssertionError when anything was left behind."""
        # What went to rest meanwhile, as a worker without work does, is no leak.
        assert self.descriptors <= 0 and self.threads <= 0, self
        assert self.memory < ROOM, self


def usage() -> tuple[int, int, int]:
    """Descriptors, threads and memory in KiB of this process, in which the daemon runs."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        pages * os.sysconf("SC_PAGE_SIZE") // 1024,
    )


def leaks(forwarder: Forwarder, count: int) -> Left:
    """Make so many calls, after some to get warm."""
    for _ in range(100):
        forwarder.call("GetNodes", {})
    before = settled()
    for _ in range(count):
        result = forwarder.call("GetNodes", {})
        assert result.status == 0
        assert len(result.value) == 2
    after = settled()
    return Left(*(late - early for early, late in zip(before, after, strict=True)))


def settled() -> tuple[int, int, int]:
    """The usage once the last connection's thread has ended."""
    until = time.monotonic() + 10
    while any(thread.name.startswith("api-") for thread in threading.enumerate()):
        assert time.monotonic() < until, "a connection's thread goes on"
        time.sleep(0.005)
    return usage()


def main() -> None:
    """Both builds; prints what was left, and fails when that is too much."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for kind in ("hardened", "sanitized"):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "nm").mkdir()
            program = compiled(Path(folder) / "build", kind)
            with rack(Path(folder) / "nm", switches=1, nodes=2):
                left = leaks(Forwarder(program, Path(folder) / "nm"), count)
                print(count, kind, left, flush=True)
                left.check()


if __name__ == "__main__":
    main()
