"""The hand of pools on libvirt's stand-in: several lives of one part, and what is half made."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import libvirt
import pytest

from nm import libvirt_host
from nm.errors import DeviceFailed
from nm.facts import Value
from nm.hypervisor import Hypervisor
from nm.poolhand import PoolHand
from nm.pools.briefs import Brief, order_of
from tests import standin

HOST = {"uri": standin.URI, "network": {"kind": "ovs", "device": "br0"}, "pool": "default-pool"}


@pytest.fixture(autouse=True)
def nothing_else() -> Iterator[None]:
    """There is nothing before, and nothing is left."""
    standin.clear()
    yield
    standin.clear()
    with closing(libvirt.open(HOST["uri"])) as connection:
        for volume in connection.storagePoolLookupByName("default-pool").listAllVolumes():
            volume.delete()


def domains() -> list[str]:
    connection = libvirt.open(HOST["uri"])
    try:
        return sorted(domain.name() for domain in connection.listAllDomains() if domain.name() != "test")
    finally:
        connection.close()


def brief(name: str, life: int, **attributes: Any) -> Brief:
    given = {"hostname": name, "shutdownTimeout": 0, **attributes}
    return Brief("web", 1.0, ("vm",), "Domain", life, given)


def do(what: str, of: Brief, hand: PoolHand | None = None) -> Value | None:
    one = hand or PoolHand("h0", HOST, lambda name: None, ())
    try:
        [outcome] = one.run([order_of(what, of)], 1)
        if outcome.error is not None:
            raise outcome.error
        return outcome.seen
    finally:
        one.close()


def seen(*lives: Brief) -> list[Value | None]:
    one = PoolHand("h0", HOST, lambda name: None, ())
    try:
        return [outcome.seen for outcome in one.read([f"life/{life.identity}" for life in lives])]
    finally:
        one.close()


@pytest.mark.parametrize("order", [1, -1])
def test_a_life_is_not_taken_for_another_of_the_same_part(order: int) -> None:
    """One that was owed by its host, which is there again, and the one that came since."""
    for name, life in (("a", 1), ("b", 2))[::order]:
        do("deploy", brief(name, life))
    do("start", brief("a", 1))
    old, new, none = seen(brief("a", 1), brief("b", 2), brief("c", 3))
    assert old is not None and new is not None and none is None
    assert (old["running"], new["running"]) == (True, False)
    do("terminate", brief("a", 1))
    assert domains() == ["b"]


def test_what_is_half_made_goes_though_it_is_to_be_kept() -> None:
    kept = brief("a", 1, keepOnTerminate=True)

    def full(uri: str) -> Hypervisor:
        made: Any = libvirt_host.LibvirtHost(uri)

        def write(*arguments: Any) -> None:
            raise DeviceFailed("no space left")

        made.storage.write = write
        return made  # type: ignore[no-any-return]

    with pytest.raises(DeviceFailed, match="no space left"):
        do("deploy", kept, PoolHand("h0", HOST, lambda name: None, (), connect=full))
    do("terminate", kept)
    assert domains() == []


def test_what_is_to_be_changed_has_to_be_there() -> None:
    """Seen while nothing has changed yet; one that is to be made need not be there."""
    do("prepare", brief("a", 1))
    with pytest.raises(DeviceFailed, match="its domain is not there any more"):
        do("prepare", replace(brief("a", 1), stands=True))
    do("deploy", brief("a", 1))
    do("prepare", replace(brief("a", 1), stands=True))


def test_what_is_whole_is_let_go_when_it_is_to_be_kept() -> None:
    kept = brief("a", 1, keepOnTerminate=True)
    do("deploy", kept)
    do("start", kept)
    do("terminate", kept)
    assert domains() == ["a"] and seen(kept) == [None]


def given() -> tuple[int, int, int]:
    """What the domain a has while it runs: libvirt's number of it, its MiB and its processors."""
    with closing(libvirt.open(HOST["uri"])) as connection:
        found = connection.lookupByName("a")
        return found.ID(), found.info()[2] >> 10, found.info()[3]


def test_memory_and_processors_change_while_it_runs() -> None:
    sizes = {"memory": 512, "maxMemory": 1024, "vcpus": 1, "maxVcpus": 2}
    do("deploy", brief("a", 1, **sizes))
    do("start", brief("a", 1, **sizes))
    number, *before = given()
    do("change", brief("a", 1, **{**sizes, "memory": 768, "vcpus": 2}))
    assert (before, given()) == ([512, 1], (number, 768, 2))


def test_what_may_be_secret_is_not_in_an_orders_own_words() -> None:
    order = order_of("deploy", brief("a", 1, userData="hush"))
    assert "web" in repr(order) and "hush" not in repr(order)
