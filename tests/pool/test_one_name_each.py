"""A device has one name: a second switch or host that means the same one is refused."""

import pytest

from nm import pool
from nm.calls import Call, Site
from nm.errors import Conflict, Invalid
from nm.records import Record
from nm.store import Transaction
from nm.switches import builtin
from tests.pool.world import NOW, ROOT, PlainDriver, World

REAL = Call(ROOT, "Test", NOW, Site(drivers=builtin()))

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHbqJ7v4Hf5p5l0pG1b3c0cT6m4Jt8xq5l0pG1b3c0cT"

SAME = [
    ({"driver": "simulated", "file": "/run/a.json"}, {"driver": "simulated", "file": "/run//b/../a.json"}),
    ({"driver": "simulated", "file": "a.json"}, {"driver": "simulated", "file": "./a.json"}),
    ({"driver": "simulated", "file": "/run/a.json"}, {"driver": "simulated", "file": "//run/a.json"}),
    (
        {"driver": "ovs", "address": "unix:/run/db.sock", "bridge": "br0"},
        {"driver": "ovs", "address": "unix:/run/./db.sock", "bridge": "br0", "timeout": 3.0},
    ),
    *(
        (
            {"driver": "ovs", "address": one, "bridge": "br0"},
            {"driver": "ovs", "address": other, "bridge": "br0"},
        )
        for one, other in (
            ("tcp:127.0.0.1:6640", "tcp:127.0.0.1:06640"),
            ("tcp:127.0.0.1:6640", "tcp:[::ffff:127.0.0.1]:6640"),
            ("tcp:[::1]:6640", "tcp:[0:0::1]:6640"),
            ("tcp:[2001:db8::a]:6640", "tcp:[2001:DB8:0::0A]:6640"),
        )
    ),
]
OTHER = [
    ({"driver": "simulated", "file": "/run/a.json"}, {"driver": "simulated", "file": "/run/b.json"}),
    (
        {"driver": "ovs", "address": "unix:/run/db.sock", "bridge": "br0"},
        {"driver": "ovs", "address": "unix:/run/db.sock", "bridge": "br1"},
    ),
    (
        {"driver": "ovs", "address": "unix:/run/db", "bridge": "br 0"},
        {"driver": "ovs", "address": "unix:/run/db br", "bridge": "0"},
    ),
    (
        {"driver": "ovs", "address": "tcp:192.0.2.1:6640", "bridge": "br0"},
        {"driver": "ovs", "address": "tcp:192.0.2.1:6641", "bridge": "br0"},
    ),
]


def register(world: World, name: str, settings: Record) -> None:
    def operation(tx: Transaction) -> int:
        return pool.register_switch(tx, REAL, name, settings)

    world.store.transact(operation)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_switch_under_two_names(empty: World, one: Record, other: Record) -> None:
    for first, second in ((one, other), (other, one)):
        register(empty, "sw0", first)
        before = empty.dump()
        with pytest.raises(Conflict, match=r"device .* belongs to switch sw0") as caught:
            register(empty, "sw1", second)
        assert "UnregisterSwitch" in caught.value.hint
        assert empty.dump() == before
        empty.do(pool.unregister_switch, "sw0")
        assert empty.dump() == {}


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_switches_that_differ(empty: World, one: Record, other: Record) -> None:
    register(empty, "sw0", one)
    register(empty, "sw1", other)
    assert len(list(empty.store.range("claim"))) == 2


OVS = {"driver": "ovs", "address": "tcp:192.0.2.1:6640", "bridge": "br0"}
SIMULATED = {"driver": "simulated", "file": "/run/a.json"}
ADDRESSES = (
    "tcp:localhost:6640", "tcp:127.1:6640", "tcp:0x7f.0.0.1:6640", "tcp:127.0.0.01:6640",
    "tcp:2130706433:6640", "tcp:0.0.0.0:6640", "tcp:[::]:6640", "tcp:[127.0.0.1]:6640", "tcp:[1::2::3]:6640",
    "tcp:224.0.0.1:6640",
    "tcp:192.0.2.1:0", "tcp:192.0.2.1:65536", "tcp:192.0.2.1", "tcp: 192.0.2.1:6640", "db.sock",
)  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        *((OVS, {"address": address}) for address in ADDRESSES),
        *(
            (settings, {"timeout": timeout})
            for settings in (OVS, SIMULATED)
            for timeout in (-1, 0, 0.09, 3601.0, 1e300, float("nan"), float("inf"))
        ),
        *((SIMULATED, {"ports": ports}) for ports in ([[1]], [1], [""], ["p" * 129], [None], [" p"])),
    ],
)
def test_settings_that_mean_no_device(empty: World, settings: Record, wrong: Record) -> None:
    with pytest.raises(Invalid) as caught:
        register(empty, "sw0", {**settings, **wrong})
    assert caught.value.hint
    assert empty.dump() == {}
    register(empty, "sw0", settings)
    before = empty.dump()
    with pytest.raises(Invalid):
        empty.store.transact(lambda tx: pool.update_switch(tx, REAL, "sw0", wrong))
    assert empty.dump() == before


def test_a_setting_is_kept_as_it_was_given(empty: World) -> None:
    register(empty, "sw0", {**OVS, "address": "tcp:192.0.2.1:06640", "timeout": 3600})
    assert empty.get("switch_sw0")["address"] == "tcp:192.0.2.1:06640"
    empty.store.transact(lambda tx: pool.update_switch(tx, REAL, "sw0", {"address": OVS["address"]}))
    assert len(list(empty.store.range("claim"))) == 1


def test_a_switch_that_moves_takes_its_claim_along(world: World) -> None:
    with pytest.raises(Conflict, match=r"device plain sw1\.example .*belongs to switch sw1"):
        world.do(pool.update_switch, "sw0", {"address": "sw1.example"})
    world.do(pool.update_switch, "sw0", {"address": "new.example"})
    world.do(pool.update_switch, "sw1", {"address": "sw0.example"})
    world.do(pool.update_switch, "sw1", {"slots": 4, "fast": True})
    devices = {claim["owner"]: claim["record_key"] for claim in world.store.range("claim")}
    assert devices["switch_sw0"] == "claim_device:plain new.example "
    assert devices["switch_sw1"] == "claim_device:plain sw0.example 4"


def test_a_switch_can_go_when_its_driver_is_gone(empty: World) -> None:
    register(empty, "sw0", {"driver": "simulated", "file": "/run/a.json"})
    empty.do(pool.unregister_switch, "sw0")  # by a site that knows the driver `plain` only
    assert empty.dump() == {}


def test_a_host_key_is_free_again_when_the_switch_gets_another_driver(empty: World) -> None:
    settings: Record = {"driver": "cli", "dialect": "cisco_ios", "address": "10.0.0.1", "user": "nm"}
    settings |= {"host_key": HOST_KEY, "secrets": {"password": "sw"}}
    empty.store.transact(lambda tx: pool.register_switch(tx, REAL, "sw0", settings))
    empty.store.transact(lambda tx: pool.update_switch(tx, REAL, "sw0", {"driver": "none"}))
    empty.store.transact(lambda tx: pool.register_switch(tx, REAL, "sw1", settings))
    assert empty.get("switch_sw1")["host_key"] == HOST_KEY


def test_kinds_that_name_no_device_claim_none(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlainDriver, "identity", ())
    for name in ("sw0", "sw1"):
        empty.do(pool.register_switch, name, {"driver": "plain", "address": "x"})
    assert not list(empty.store.range("claim"))
    empty.do(pool.unregister_switch, "sw0")


NETWORK = {"kind": "ovs", "device": "br0"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("test:///default", "test:///default"),
        ("qemu:///system", "qemu:///system"),
        ("lxc:///", "lxc:///system"),
        ("qemu+ssh://vm1/system", "qemu+ssh://root@VM1:22/system"),
        ("qemu+ssh://vm1/system", "qemu+ssh://vm1./system"),
        ("qemu+ssh://vm1/system", "qemu+ssh://vm1:022/system"),
        ("qemu+ssh://192.0.2.1/system", "qemu+ssh://[::ffff:c000:201]/system"),
        ("qemu+ssh://[2001:db8::1]/system", "qemu+ssh://[2001:DB8:0::1]:22/system"),
        *(
            ("qemu:///system", f"qemu+ssh://{place}/system")
            for place in ("localhost", "me@LOCALHOST.:0022", "127.0.0.1", "127.9.9.9", "[::1]", "[0::1]:22")
        ),
        ("qemu+ssh://localhost:2222/system", "qemu+ssh://127.0.0.1:02222/system"),
    ],
)
def test_a_libvirt_under_two_names(empty: World, one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        empty.do(pool.register_host, "h1", {"uri": first, "network": NETWORK})
        empty.do(pool.register_host, "h2", {"uri": "qemu+ssh://vm2/system", "network": NETWORK})
        for operation, name in ((pool.register_host, "h3"), (pool.update_host, "h2")):
            before = empty.dump()
            with pytest.raises(Conflict, match=r"uri .* belongs to host h1") as caught:
                empty.do(operation, name, {"uri": second, "network": NETWORK})
            assert "UnregisterHost" in caught.value.hint
            assert empty.dump() == before
        empty.do(pool.update_host, "h1", {"uri": "qemu+ssh://vm1:2222/system"})
        empty.do(pool.update_host, "h2", {"uri": second})
        for name in ("h1", "h2"):
            empty.do(pool.unregister_host, name)
        assert empty.dump() == {}


def test_a_vlan_for_parking_is_none_of_the_pool(empty: World) -> None:
    parking = PlainDriver.parking
    empty.do(pool.register_vlan, parking)
    with pytest.raises(Conflict, match=f"on VLAN {parking}, which is in the pool") as caught:
        empty.switch("sw0")
    assert "UnregisterVlan" in caught.value.hint
    register(empty, "sw0", {"driver": "simulated", "file": "/run/a.json"})
    empty.do(pool.unregister_vlan, parking)
    empty.switch("sw1")
    with pytest.raises(Conflict, match=f"switch sw1 parks isolated ports on VLAN {parking}"):
        empty.do(pool.register_vlan, parking)
    empty.do(pool.unregister_switch, "sw1")
    assert empty.do(pool.register_vlan, parking) == 1
