"""What containers that run get of the processors: measured by what the kernel has counted."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from nm import rspec
from nm.facts import Order, Value
from nm.guesthand import GuestHand
from nm.libvirt_host import LibvirtHost
from tests.guests.house import LONG, LXC, sh
from tests.guests.inside.conftest import Site, container
from tests.waiting import until

A, B, C = "nm-sliver-a", "nm-sliver-b", "nm-sliver-c"
BUSY = "while true; do :; done"


def used(domain: str) -> int:
    """Nanoseconds of processor time that it has had."""
    lines = Path(f"/proc/{sh('virsh', '-c', LXC, 'domid', domain)}/cgroup").read_text().splitlines()
    [place] = [line.split(":")[2] for line in lines if line.split(":")[1] == "cpuacct"]
    return int(Path(f"/sys/fs/cgroup/cpuacct{place}/cpuacct.usage").read_text())


def until_shared(one: str, other: str, ratio: float, within: float) -> None:
    """Wait until the first has had so many times what the second had, since this began.

    It is no matter of luck: what both have had comes ever nearer to their weights, and with other weights to
    another ratio. On a busy machine that takes more turns of the scheduler. The second has some at least.
    """
    before, enough = (used(one), used(other)), 1.5 if LONG else 0.7
    seen: list[tuple[int, int]] = []

    def is_so() -> bool:
        first, second = used(one) - before[0], used(other) - before[1]
        seen[:] = [(first, second)]
        return (
            first + second > enough * 1e9 and second > 1e8 and abs(first / second - ratio) <= within * ratio
        )

    try:
        until(is_so, 60)
    except AssertionError as error:
        raise AssertionError(f"{one}, {other} had {seen} ns, not {ratio} to 1") from error


class Watched(LibvirtHost):
    """Notes whose weights are set."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.weighed: list[str] = []
        weigh = self.tuning.weigh

        def noted(wanted: Mapping[str, int]) -> list[str]:
            changed = weigh(wanted)
            self.weighed += changed
            return changed

        self.tuning.weigh = noted  # type: ignore[method-assign]


def on_one_core(*domains: str) -> None:
    """Let them share one processor; the hand is told of no cores, and so leaves them where they are."""
    connection = LibvirtHost(LXC)
    for domain in domains:
        connection.tuning.pin(domain, frozenset({0}))
    connection.close()


@pytest.fixture
def busy(site: Site) -> Site:
    """A site whose guests want all they can get."""
    site.told(initscript=BUSY)
    return site


def run(hand: GuestHand, *values: Value) -> None:
    """Make them true, by one run; they are read back so."""
    names = [value["domain"].removeprefix("nm-sliver-") for value in values]
    outcomes = hand.run(
        [Order(f"sliver/{name}", value) for name, value in zip(names, values, strict=True)], 1
    )
    assert [outcome.error for outcome in outcomes] == [None] * len(values)
    assert [outcome.seen for outcome in outcomes] == list(values)


def test_two_busy_ones_share_a_core_by_their_shares(busy: Site) -> None:
    hand = busy.hand()
    run(hand, container("a", 1, shares=32), container("b", 2, shares=64))
    on_one_core(A, B)
    until_shared(B, A, 2, 0.15)
    run(hand, container("a", 1, shares=128))
    on_one_core(A, B)
    until_shared(A, B, 2, 0.15)
    hand.close()


def test_it_says_what_slivers_can_be_held_to_here(site: Site) -> None:
    hand = site.hand()
    assert hand.enforcers() == ["cores", "disk", "memory", "reservation", "shares", "start"]
    assert set(hand.enforcers()) <= rspec.ENFORCERS.keys()
    hand.close()


def test_only_weights_that_differ_are_set(site: Site) -> None:
    host = Watched(LXC)
    hand = site.hand(lambda uri: host if uri == LXC else LibvirtHost(uri))
    run(hand, container("a", 1), container("b", 2), container("c", 3, shares=64))
    assert host.weighed == [C]  # the others weigh as much as the kernel gives to any
    run(hand, container("a", 1, shares=16))
    assert host.weighed == [C, A]
    sh("virsh", "-c", LXC, "schedinfo", B, "--live", "cpu_shares=77")  # somebody's hand
    [outcome] = hand.read(["sliver/b"])
    assert outcome.seen == {**container("b", 2), "shares": None, "reserve": None}
    assert hand.states() == {"a": True, "b": True, "c": True}
    assert host.weighed == [C, A, B]
    assert hand.read(["sliver/b"])[0].seen == container("b", 2)
    hand.close()


def test_a_reservation_weighs_more_than_shares(busy: Site) -> None:
    hand = busy.hand()
    count = os.cpu_count() or 1
    run(hand, container("a", 1, reserve=900 * count), container("b", 2))
    on_one_core(A, B)
    until_shared(A, B, 19, 0.3)
    run(hand, container("b", 2, reserve=900 * count))
    assert set(hand.notes()) == {"a", "b"} and "more is reserved" in hand.notes()["a"]["cpu_min"]
    hand.close()


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs a core beside the one that is left")
def test_cores_of_its_own_are_given_and_kept(site: Site) -> None:
    hand = site.hand()
    host, every = LibvirtHost(LXC), frozenset(range(os.cpu_count() or 1))
    run(hand, container("a", 1), container("b", 2, cores="1"))
    last = frozenset({max(every)})
    assert (host.tuning.pinned(A), host.tuning.pinned(B)) == (every - last, last)
    hand.close()
    hand = site.hand()  # of another daemon
    run(hand, container("c", 3, cores=f"{len(every)}b"))
    assert host.tuning.pinned(B) == last
    assert "one is left for all" in hand.notes()["c"]["cpu_cores"]
    run(hand, container("b", 2), container("c", 3))
    assert [host.tuning.pinned(one) for one in (A, B, C)] == [every] * 3
    hand.close()
    host.close()
