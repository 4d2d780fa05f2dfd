import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm import libvirt_host
from nm.errors import DeviceFailed
from nm.facts import Order
from nm.hypervisor import Nic
from nm.libvirt_host import LibvirtHost
from nm.power import Manner, act
from nm.vm import HostHand
from nm.waiting import STUCK
from tests.hosts.rack.conftest import (
    BRIDGE,
    HOST,
    Domains,
    interface,
    kill_libvirtd,
    libvirtd,
    qemu,
    start_libvirtd,
    tags,
)
from tests.waiting import until

OURS = "52:54:00:0b:00:02"


def head(domain: str, host: LibvirtHost) -> HostHand:
    return HostHand("vmhost", HOST, lambda _: {"domain": domain}, connect=lambda _: host, grace=0.2)


def order(domain: str, vlan: int) -> list[Order]:
    return [Order("head/h", {"host": "vmhost", "domain": domain, "vlan": vlan})]


def works_again(hand: HostHand, domain: str, vlan: int) -> None:
    """A second for a call is little on a busy machine; who was not answered in it asks again."""

    def done() -> bool:
        error = hand.run(order(domain, vlan), 1)[0].error
        assert error is None or (isinstance(error, DeviceFailed) and error.passing)
        return error is None

    until(done, 60)


@pytest.fixture
def running(domains: Domains) -> str:
    domain = domains.define(interface(OURS))
    domains.find(domain).create()
    return domain


@pytest.fixture
def stopped() -> Iterator[list[int]]:
    """Processes to stop with SIGSTOP; they go on at the end."""
    processes: list[int] = []
    yield processes
    for process in processes:
        os.kill(process, signal.SIGCONT)


def test_a_killed_libvirtd_is_an_error_that_passes_and_is_met_again(running: str) -> None:
    hand = head(running, LibvirtHost(HOST["uri"]))
    assert hand.run(order(running, 101), 1)[0].error is None
    process = qemu(running)
    kill_libvirtd()
    try:
        failed = hand.run(order(running, 102), 1)[0].error
        assert isinstance(failed, DeviceFailed)
        assert failed.passing
    finally:
        start_libvirtd()
    assert hand.run(order(running, 102), 1)[0].error is None
    assert (tags(), qemu(running)) == ({OURS: "102"}, process)
    kill_libvirtd()
    start_libvirtd()
    assert (
        hand.run(order(running, 103), 1)[0].error is None
    )  # the old handle is dead, within one call a new one
    assert (tags(), qemu(running)) == ({OURS: "103"}, process)
    hand.close()


def test_a_hung_libvirtd_is_an_error_in_time_and_others_go_on(running: str, stopped: list[int]) -> None:
    host = LibvirtHost(HOST["uri"], open_seconds=0.5, call_seconds=1)
    hand = head(running, host)
    assert host.state(running) is not None
    os.kill(libvirtd(), signal.SIGSTOP)
    stopped.append(libvirtd())
    answers: list[Exception | None] = []
    waiting = threading.Thread(target=lambda: answers.append(hand.run(order(running, 101), 1)[0].error))
    began = time.monotonic()
    waiting.start()
    other = HostHand("other", {**HOST, "uri": "test:///default"}, lambda _: {"domain": "t1"})
    assert other.run([Order("head/o", {"host": "other", "domain": "t1", "vlan": 7})], 1)[0].error is None
    waiting.join()
    assert isinstance(answers[0], DeviceFailed)
    assert answers[0].passing
    for _ in range(STUCK):
        with pytest.raises(DeviceFailed, match=r"hangs|did not answer"):
            host.state(running)
    assert time.monotonic() - began < 25
    assert sum(thread.name.startswith("asks qemu") for thread in threading.enumerate()) == STUCK
    os.kill(libvirtd(), signal.SIGCONT)
    until(lambda: not any(thread.name.startswith("asks qemu") for thread in threading.enumerate()))
    works_again(hand, running, 101)
    assert tags() == {OURS: "101"}
    hand.close()


def test_keepalive_ends_a_call_that_waits_for_a_dead_host(
    running: str, stopped: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt_host, "ALIVE_SECONDS", 1)
    monkeypatch.setattr(libvirt_host, "ALIVE_COUNT", 1)
    host = LibvirtHost(HOST["uri"], open_seconds=0.3, call_seconds=30)
    assert host.state(running) is not None
    os.kill(libvirtd(), signal.SIGSTOP)
    stopped.append(libvirtd())
    began = time.monotonic()
    with pytest.raises(
        DeviceFailed, match="did not answer within 0 s"
    ):  # the old one died, the new one hangs
        host.state(running)
    assert 0.5 < time.monotonic() - began < 25


def test_a_hung_qemu_holds_its_own_domain_only(domains: Domains, running: str, stopped: list[int]) -> None:
    host = LibvirtHost(HOST["uri"], call_seconds=1)
    other = domains.define(interface("52:54:00:0b:00:03"))
    os.kill(qemu(running), signal.SIGSTOP)
    stopped.append(qemu(running))
    with pytest.raises(DeviceFailed, match="did not answer within 1 s"):
        host.set_nic(running, Nic(OURS, BRIDGE, 101, link_up=False))
    hand = head(other, host)
    works_again(hand, other, 102)
    assert tags()["52:54:00:0b:00:03"] == "102"
    hand.close()


def test_power_of_a_node_that_is_a_domain(domains: Domains) -> None:
    domain = domains.define(interface(OURS))
    management = {"driver": "libvirt", "uri": HOST["uri"], "domain": domain}
    assert act(management, "status") == "off"
    assert act(management, "pxe") == "off"
    assert act(management, "on") == "on"
    assert "<boot dev='network'/>\n    <boot dev='hd'/>" in domains.find(domain).XMLDesc(0)
    process = qemu(domain)
    assert act(management, "cycle") == "on"
    assert qemu(domain) != process
    domains.find(domain).managedSave()
    assert act(management, "on") == "on"
    assert b"-incoming" not in Path(f"/proc/{qemu(domain)}/cmdline").read_bytes()  # not from saved memory
    assert act(management, "disk") == "on"
    assert act(management, "off", manner=Manner(grace=0.5)) == "off"  # no system is there to be asked
    assert "<boot dev='hd'/>\n    <boot dev='network'/>" in domains.find(domain).XMLDesc(0)
    with pytest.raises(DeviceFailed, match="no domain ghost"):
        act({**management, "domain": "ghost"}, "status")
