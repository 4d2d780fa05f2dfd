"""A switch gets another driver: all that the new one needs, nothing of what the old one was told."""

import dataclasses
from typing import Any

import pytest

from nm import pool
from nm.errors import Conflict, DeviceFailed, Invalid, NMError
from nm.switch import Registry
from nm.switches.none import NoDriver
from tests.memory_store import MemoryStore
from tests.pool.world import SITE, PlainDriver, World, call, furnish, spec


@pytest.fixture
def world() -> World:
    """A furnished pool, and a daemon that knows the kind `none` too."""
    made = World(MemoryStore())
    furnish(made)
    return made


def update(world: World, name: str, changes: dict[str, Any]) -> None:
    drivers = Registry()
    drivers.register(PlainDriver)  # type: ignore[arg-type]
    drivers.register(NoDriver)
    told = dataclasses.replace(call(), site=dataclasses.replace(SITE, drivers=drivers))
    world.store.transact(lambda tx: pool.update_switch(tx, told, name, changes))


def test_there_and_back(world: World) -> None:
    world.verify(("sw0", "p3"))
    world.edit("switch_sw0", secrets={"password": "old"})
    update(world, "sw0", {"driver": "none", "available": False, "reason": "broken"})
    switch = world.get("switch_sw0")
    assert (switch["driver"], switch["secrets"], switch["reason"]) == ("none", {}, "broken")
    assert "address" not in switch and switch["_device"] is None
    assert world.store.get("claim_device:plain sw0.example ") is None
    assert not world.get("port_sw0:p3")["_verified"]
    update(world, "sw0", {"driver": "plain", "address": "new.example", "available": True})
    switch = world.get("switch_sw0")
    assert (switch["driver"], switch["address"], switch["reason"]) == ("plain", "new.example", "")
    assert world.get("claim_device:plain new.example ")["owner"] == "switch_sw0"


SEEN = {"_vlans": [101], "_read_at": 5, "_model": "old one", "_error": "not read"}


@pytest.mark.parametrize("changes", [{"driver": "none"}, {"address": "new.example"}])
def test_what_was_seen_of_another_device_is_forgotten(world: World, changes: dict[str, Any]) -> None:
    world.edit("switch_sw0", **SEEN)
    update(world, "sw0", {"available": False})
    assert {key: world.get("switch_sw0")[key] for key in SEEN} == SEEN
    update(world, "sw0", changes)
    unread = {"_vlans": None, "_read_at": None, "_model": "", "_error": None}
    assert {key: world.get("switch_sw0")[key] for key in SEEN} == unread


@pytest.mark.parametrize(
    ("changes", "fault", "match"),
    [
        ({"driver": "plain"}, Invalid, "lacks address"),
        ({"driver": "plain", "address": "sw1.example"}, Conflict, "belongs to switch sw1"),
        ({"driver": "plain", "address": "x", "speed": 1}, Invalid, "no key 'speed'"),
        ({"driver": "cisco"}, Invalid, "no switch driver 'cisco'"),
    ],
)
def test_what_the_new_driver_needs(
    world: World, changes: dict[str, Any], fault: type[NMError], match: str
) -> None:
    update(world, "sw0", {"driver": "none"})
    before = world.dump()
    with pytest.raises(fault, match=match):
        update(world, "sw0", changes)
    assert world.dump() == before


def test_not_while_a_group_relies_on_it(world: World) -> None:
    world.verify(("sw0", "p1"))
    world.group("alpha", spec("n1"))
    before = world.dump()
    with pytest.raises(Conflict, match="port p1 is used by group alpha"):
        update(world, "sw0", {"driver": "none"})
    assert world.dump() == before


def test_its_parking_vlan_must_not_be_in_the_pool(world: World) -> None:
    update(world, "sw0", {"driver": "none"})
    update(world, "sw1", {"driver": "none"})
    world.do(pool.register_vlan, 4000)
    with pytest.raises(Conflict, match="would park isolated ports on VLAN 4000"):
        update(world, "sw0", {"driver": "plain", "address": "x"})


def test_without_a_driver_nothing_is_ever_taken_for_done() -> None:
    driver = NoDriver("sw0", {}, {})
    for ask in (lambda: driver.apply([], 1), driver.read, lambda: driver.read(["p1"])):
        with pytest.raises(DeviceFailed, match="switch sw0 has no driver") as raised:
            ask()
        assert not raised.value.passing
    driver.close()
