"""The host keys of switches: the first is pinned, it is one switch's only, and who lets go of it."""

import pytest

from nm import pool
from nm.calls import Call, Caller, Site
from nm.errors import Conflict
from nm.records import Record
from nm.switches import builtin
from tests.memory_store import MemoryStore

NOW = 1_800_000_000.0
ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5Tk1gYvGdbxK4MJdOrgDOgEXtoXDtsjAJFbCWHZwLv"
TWO = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKyYQy3ELfbKfPHvX0kBVbVpOeiWBQtLMjZ6Dsob3U2n"


class World:
    """Two switches with a command line."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.call = Call(Caller(0, "root", admin=True), "Test", NOW, Site(drivers=builtin()))
        self.register("sw0", "192.0.2.1")
        self.register("sw1", "192.0.2.2")

    def register(self, name: str, address: str, **settings: str) -> None:
        told = {"driver": "cli", "dialect": "cisco_ios", "address": address, "user": "nm", **settings}
        self.store.transact(lambda tx: pool.register_switch(tx, self.call, name, told))

    def shows(self, name: str, key: str) -> None:
        self.store.transact(lambda tx: pool.pin_host_key(tx, name, key, NOW))

    def update(self, name: str, **changes: str) -> None:
        self.store.transact(lambda tx: pool.update_switch(tx, self.call, name, changes))

    def replace(self, name: str, **changes: str) -> None:
        self.store.transact(lambda tx: pool.replace_switch(tx, self.call, name, changes))

    def key(self, name: str) -> str | None:
        """The key that is expected of it."""
        (struct,) = pool.get_switches(self.store, self.call, {"name": name})
        found: str | None = struct["host_key"]
        return found

    def record(self, name: str) -> Record:
        found = self.store.get(f"switch_{name}")
        assert found is not None
        return found


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_key_is_pinned_and_stays(world: World) -> None:
    assert world.key("sw0") is None
    world.shows("sw0", ONE)
    world.shows("sw0", TWO)
    assert world.key("sw0") == ONE


def test_one_device_under_two_names_is_refused(world: World) -> None:
    world.shows("sw0", ONE)
    with pytest.raises(Conflict, match="belongs to switch sw0"):
        world.shows("sw1", ONE)
    assert world.key("sw1") is None
    with pytest.raises(Conflict, match="belongs to switch sw0"):
        world.register("sw2", "192.0.2.3", host_key=ONE)


def test_a_key_may_be_named_beforehand(world: World) -> None:
    world.register("sw2", "192.0.2.3", host_key=TWO)
    world.shows("sw2", TWO)
    assert world.key("sw2") == TWO
    with pytest.raises(Conflict, match="belongs to switch sw2"):
        world.shows("sw0", TWO)


def test_a_key_is_one_devices_however_it_is_written(world: World) -> None:
    world.register("sw2", "192.0.2.3", host_key=f"{ONE} root@tor2")
    assert world.key("sw2") == ONE
    with pytest.raises(Conflict, match="belongs to switch sw2"):
        world.shows("sw0", ONE)
    with pytest.raises(Conflict, match="belongs to switch sw2"):
        world.update("sw1", host_key=f"{ONE} another comment")


def test_a_new_key_of_the_same_switch_leaves_its_ports_alone(world: World) -> None:
    world.shows("sw0", ONE)
    world.store.transact(lambda tx: pool.register_port(tx, world.call, "sw0", "Gi1/0/1"))
    port = world.store.get("port_sw0:GigabitEthernet1/0/1")
    assert port is not None
    world.store.transact(lambda tx: tx.put({**port, "_verified": True}))
    world.update("sw0", host_key=TWO)
    assert world.key("sw0") == TWO
    after = world.store.get("port_sw0:GigabitEthernet1/0/1")
    assert after is not None and after["_verified"]
    world.shows("sw1", ONE)  # nobody's any more


def test_another_address_or_another_device_is_met_anew(world: World) -> None:
    world.shows("sw0", ONE)
    world.update("sw0", address="192.0.2.9")
    assert world.key("sw0") is None
    world.shows("sw0", TWO)
    world.replace("sw0")
    assert world.key("sw0") is None
    world.shows("sw1", TWO)
    world.replace("sw1", host_key=ONE)
    assert world.key("sw1") == ONE


def test_a_switch_that_is_forgotten_leaves_its_key(world: World) -> None:
    world.shows("sw0", ONE)
    world.store.transact(lambda tx: pool.unregister_switch(tx, world.call, "sw0"))
    world.shows("sw1", ONE)
    assert world.key("sw1") == ONE
