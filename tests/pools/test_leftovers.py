"""What a pool has left by force: told by its host, and taken away in an order that harms nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nm import pool
from nm.errors import DeviceFailed
from nm.facts import Outcome
from nm.workers import Errand
from tests.pools.lifetime import Lifetime, site

HOST = {"uri": "qemu:///system", "network": {"kind": "ovs", "device": "br0"}}
TEXT = (
    "sfConfig extends Compound { sfSyncTerminate true;"
    ' disk extends LoopbackStorageBackend { baseImage "/images/x"; }'
    ' vm extends Domain { hostname "vm"; storageBackend LAZY ATTRIB disk; } }'
)


class Host:
    """A host's worker: what is there of each kind, and what of it does not go away."""

    def __init__(self) -> None:
        self.there: list[str] = []
        self.away = False
        self.sticks: set[str] = set()

    def handle(self, batch: Sequence[Any]) -> float | None:
        for item in batch:
            if isinstance(item, Errand):
                item.reply([self._outcome(order.value or {}) for order in item.orders])
        return None

    def _outcome(self, value: dict[str, Any]) -> Outcome:
        what, brief = value["what"], value["brief"]
        if self.away or (what == "terminate" and brief.path[-1] in self.sticks):
            return Outcome(error=DeviceFailed("nobody is there" if self.away else "it is busy"))
        if what == "deploy":
            self.there.append(brief.path[-1])
        elif what == "terminate" and brief.path[-1] in self.there:
            self.there.remove(brief.path[-1])
        return Outcome(seen={"running": True})

    def failed(self, batch: Sequence[Any], words: str) -> None:
        raise AssertionError(words)

    def close(self) -> None:
        pass


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def here(tmp_path: Path, host: Host) -> Iterator[Lifetime]:
    made = Lifetime(tmp_path, site("/images"))
    made.open_hand = lambda name: host
    made.operate(pool.register_host, "h0", HOST, method="RegisterHost")
    assert made.run(made.apply("web", TEXT, host="h0"))["error"] is None
    host.away = True
    assert made.run(made.terminate("web", force=True))["state"] == "done"
    host.away = False
    yield made
    made.close()


def left(here: Lifetime) -> dict[str, str]:
    """What the host's struct says, path by path."""
    [struct] = here.database.transact(lambda tx: pool.get_hosts(tx, here.call("GetHosts"), {}))
    assert {(one["pool"], one["since"] > 0) for one in struct["left"]} <= {("web", True)}
    return {one["path"]: one["error"] for one in struct["left"]}


def test_a_host_tells_what_was_left_on_it(here: Lifetime, host: Host) -> None:
    assert (left(here), sorted(host.there)) == (
        dict.fromkeys(("disk", "vm"), "nobody is there"),
        ["disk", "vm"],
    )
    here.later(3.0)
    assert (left(here), host.there) == ({}, [])


def test_it_is_tried_again_soon_and_then_later(here: Lifetime, host: Host) -> None:
    host.sticks = {"vm"}
    here.later(3.0)
    assert left(here)["vm"] == "it is busy"
    host.sticks = set()
    here.later(here.patience.longest_pause / 2)
    assert (left(here), host.there) == ({}, [])


def test_a_disk_stays_for_as_long_as_its_domain_does(here: Lifetime, host: Host) -> None:
    host.sticks = {"vm"}
    here.later(100.0)
    assert sorted(host.there) == ["disk", "vm"] == sorted(left(here))


def test_what_is_forgotten_is_not_said_to_be_taken_away(here: Lifetime, host: Host) -> None:
    said: list[str] = []
    here.database.subscribe(lambda published: said.extend(event.what for event in published.events))
    here.operate(pool.unregister_host, "h0", method="UnregisterHost")
    here.later(100.0)
    assert list(here.database.range("leftover")) == [] and sorted(host.there) == ["disk", "vm"]
    assert "forgotten" in said and "taken away later" not in said
