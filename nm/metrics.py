"""What nm measures, as text for Prometheus on a local endpoint of its own; off unless the site wants it.

The service makes it, tells it of calls and of jobs that are over, and hands it the rest, to be read when
somebody asks. prometheus_client is imported here only; it holds the counters, and its locks are held for one
addition. Its own HTTP server would take any number of connections, and keep them; so the page is served by
ours. Labels are methods, kinds and results: nothing that a caller chooses.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from nm import api
from nm.calls import Caller
from nm.disk import Disk
from nm.http import Server
from nm.httpreading import Limits, Resource
from nm.identity import Kernel, People
from nm.lock import LockHolds
from nm.records import Record

ADDRESS = "127.0.0.1"
PATHS, CONTENTS = (b"/metrics",), (CONTENT_TYPE_LATEST.encode(),)
LIMITS = Limits(body=0, connections=32, connections_per_user=8, reserved_for_admins=0)

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 60)  # a call's; WaitJob waits


class Metrics:
    """The counters, and the endpoint."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Histogram(
            "nm_call_seconds",
            "How long calls took, by method.",
            ["method"],
            registry=self._registry,
            buckets=SECONDS,
        )
        self._jobs = Counter(
            "nm_jobs", "Jobs that are over, by kind and result.", ["kind", "result"], registry=self._registry
        )
        self._synced = Gauge(
            "nm_last_sync_timestamp_seconds",
            "When a change was last synced to the disk.",
            registry=self._registry,
        )
        self._sync = Histogram(
            "nm_sync_seconds", "How long such a sync took.", registry=self._registry, buckets=SECONDS
        )
        self._server: Server[Caller] | None = None

    # ---- what happens

    def called(self, method: str, seconds: float) -> None:
        """A call was answered."""
        self._calls.labels(method).observe(seconds)

    def job_over(self, kind: str, result: str) -> None:
        """A job is over."""
        self._jobs.labels(kind, result).inc()

    def disk(self) -> Disk:
        """A disk for the database whose syncs are measured."""
        return _TimedDisk(self._note_sync)

    def _note_sync(self, seconds: float) -> None:
        self._sync.observe(seconds)
        self._synced.set_to_current_time()

    # ---- the endpoint

    def serve(
        self,
        port: int,
        people: People,
        lock_holds: Callable[[], LockHolds],
        depths: Callable[[], Mapping[str, int]],
        groups: Callable[[], Iterable[Record]],
    ) -> None:
        """Answer on that port of localhost until it is closed; the rest is read when somebody asks.

        Conflict when something else listens there.
        """
        listener = api.listen_tcp(ADDRESS, port, "metrics.port")
        self._registry.register(_Read(lock_holds, depths, groups))
        page = Resource[Caller](lambda *_: generate_latest(self._registry), b"GET", PATHS, CONTENTS)
        self._server = Server([page], Kernel(people), LIMITS)
        self._server.start([listener])

    def close(self) -> None:
        """End the endpoint."""
        if self._server is not None:
            self._server.stop()


class _TimedDisk(Disk):
    """A disk whose syncs are measured."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell

    def sync(self, fd: int) -> None:
        """The file's data is on the disk when this returns."""
        began = time.perf_counter()
        super().sync(fd)
        self._tell(time.perf_counter() - began)


class _Read(Collector):
    """What is not counted but looked up when somebody asks."""

    def __init__(
        self,
        lock_holds: Callable[[], LockHolds],
        depths: Callable[[], Mapping[str, int]],
        groups: Callable[[], Iterable[Record]],
    ) -> None:
        self._lock_holds = lock_holds
        self._depths = depths
        self._groups = groups

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing, so that registering does not ask the sources."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The present state."""
        holds = self._lock_holds()
        yield GaugeMetricFamily(
            "nm_lock_hold_p99_seconds", "99 of 100 holds of the lock were shorter.", holds.p99
        )
        yield GaugeMetricFamily(
            "nm_lock_hold_longest_seconds", "The longest hold of the lock.", holds.longest
        )
        queues = GaugeMetricFamily(
            "nm_queue_items", "What waits for workers, by kind of subject.", labels=["kind"]
        )
        for kind, depth in _by_kind(self._depths()).items():
            queues.add_metric([kind], depth)
        yield queues
        groups = list(self._groups())
        drifted = sum(bool(group["_audit"] and group["_audit"]["differences"]) for group in groups)
        yield GaugeMetricFamily("nm_groups", "Groups.", len(groups))
        yield GaugeMetricFamily("nm_groups_drifted", "Groups whose last audit found differences.", drifted)
        yield GaugeMetricFamily(
            "nm_groups_in_error", "Groups with an error.", sum(bool(group["error"]) for group in groups)
        )


def _by_kind(depths: Mapping[str, int]) -> Mapping[str, int]:
    """Depths of queues by subject, as sums by kind of subject."""
    sums = Tally(dict.fromkeys(("group", "switch", "host", "node", "pool", "accounts", "startup"), 0))
    for subject, depth in depths.items():
        sums[subject.partition(":")[0]] += depth
    return sums
