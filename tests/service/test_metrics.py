"""What nm measures, as Prometheus reads it."""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xmlrpc.client import dumps

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nm import config, daemon
from nm.errors import Conflict
from nm.metrics import LIMITS
from nm.service import Service
from tests.core.test_daemon import Daemon
from tests.rack import ROOT, Rack, rack


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def measured(tmp_path: Path, port: int) -> Iterator[Rack]:
    with rack(tmp_path, switches=1, nodes=2) as found:
        found.stop()
        found.config = replace(found.config, metrics=config.Metrics(port=port))
        found.start()
        yield found


def read(port: int) -> dict[tuple[str, ...], float]:
    """Every sample: its name and the values of its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


def call(found: Rack, method: str, *arguments: Any) -> None:
    """As from outside, so that it is measured."""
    assert found.service is not None
    found.service._api.answer(ROOT, dumps(arguments, method, allow_none=True).encode())


def test_calls_jobs_drift_and_syncs(measured: Rack, port: int) -> None:
    before = read(port)
    call(measured, "CreateGroup", "alpha", {"nodes": ["n0"], "vlan": 101})
    call(measured, "NoSuchMethod")
    measured.deploy("alpha")
    with measured.edit("sw0") as table:
        table["ports"]["p0"]["untagged"] = 120
    measured.wait(measured.call("StartAudit", "alpha"))
    # A change can be read a moment before it is counted.
    measured.until(lambda: ("nm_jobs_total", "audit", "done") in read(port))
    now = read(port)
    assert now["nm_call_seconds_count", "CreateGroup"] == now["nm_call_seconds_count", "?"] == 1
    assert ("nm_call_seconds_count", "NoSuchMethod") not in now
    assert now["nm_jobs_total", "deploy", "done"] == now["nm_jobs_total", "audit", "done"] == 1
    assert now["nm_groups",] == now["nm_groups_drifted",] == 1
    assert now["nm_groups_in_error",] == 0
    assert now["nm_sync_seconds_count",] > before["nm_sync_seconds_count",]
    assert now["nm_last_sync_timestamp_seconds",] > before["nm_last_sync_timestamp_seconds",]
    assert 0 < now["nm_lock_hold_p99_seconds",] <= now["nm_lock_hold_longest_seconds",]


def test_queues_are_seen_by_kind(measured: Rack, port: int) -> None:
    measured.set_faults("sw0", delay=2)
    first = measured.call("ResetPorts", "sw0", ["p0"])
    measured.until(lambda: bool(measured.call("GetJob", first)["state"] == "running"))
    measured.call("InspectSwitch", "sw0")
    measured.until(lambda: read(port)["nm_queue_items", "switch"] > 0, 5)


def test_workers_that_are_idle_have_a_depth_too(measured: Rack, port: int) -> None:
    assert {kind for name, *kinds in read(port) for kind in kinds if name == "nm_queue_items"} == {
        "group", "switch", "host", "node", "pool", "accounts", "startup",
    }  # fmt: skip


def ask(port: int, request: str) -> str:
    """The first line of the answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(f"{request}\r\n\r\n".encode())
        return client.makefile().readline().rstrip()


def test_who_holds_connections_open_holds_up_nobody_else(measured: Rack, port: int) -> None:
    """Root alone is not limited to some of them; so here all are taken."""
    assert measured.service is not None
    with contextlib.ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for _ in range(LIMITS.connections + 20)
        ]
        measured.until(lambda: "503" in ask(port, "GET /metrics HTTP/1.0"))
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("api-")]
        assert len(threads) <= LIMITS.connections
        assert idle[-1].recv(12) == b"HTTP/1.1 503"
    measured.until(lambda: "200 OK" in ask(port, "GET /metrics HTTP/1.0"))


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("GET /metrics HTTP/1.1\r\nHost: localhost:9812", "200 OK"),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example", "403 Forbidden"),
        ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example", "403 Forbidden"),
        ("GET /other HTTP/1.0", "404 Not Found"),
        ("POST /metrics HTTP/1.0\r\nContent-Type: text/xml", "405 Method Not Allowed"),
        ("GET /metrics HTTP/1.0\r\nContent-Length: 1", "413 Content Too Large"),
    ],
)
def test_only_a_local_get_of_the_page_is_answered(
    measured: Rack, port: int, request_: str, answer: str
) -> None:
    assert ask(port, request_).partition(" ")[2] == answer


def test_the_port_is_taken(measured: Rack, port: int, tmp_path: Path) -> None:
    other = replace(
        measured.config,
        daemon=replace(measured.config.daemon, database=str(tmp_path / "other")),
        api=replace(measured.config.api, socket=str(tmp_path / "other.sock")),
    )
    service = Service(other)
    with pytest.raises(Conflict, match=r"port.*configure another metrics.port"):
        service.start()
    service.stop(5)


def test_a_taken_port_ends_nmd_so_that_systemd_tries_again(tmp_path: Path, port: int) -> None:
    nmd = Daemon(tmp_path)
    nmd.write_config(f"[metrics]\nport = {port}\n")
    with socket.create_server(("127.0.0.1", port)):
        try:
            assert nmd.start().wait(60) == daemon.GENERAL
        finally:
            nmd.end()


def test_off_by_default_and_gone_when_stopped(measured: Rack, port: int) -> None:
    assert config.Config().metrics.port == 0
    measured.stop()
    with pytest.raises(OSError, match="refused"):
        read(port)
