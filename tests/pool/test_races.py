"""Eight threads want the same thing: one gets it, the others are told who has it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from nm import pool
from nm.errors import Conflict, NMError, NotFound
from nm.records import Record
from tests.pool.invariants import check
from tests.pool.world import PlainDriver, World, mac

THREADS = 8
ROUNDS = 6
Task = tuple[Callable[..., Any], list[Any]]


def race(world: World, *tasks: Task) -> list[Any]:
    """What each operation answers or raises, all having begun at once; the pool is whole afterwards."""
    answers: list[Any] = [None] * len(tasks)
    start = threading.Barrier(len(tasks))

    def run(at: int) -> None:
        operation, arguments = tasks[at]
        start.wait(10)
        try:
            answers[at] = world.do(operation, *arguments)
        except NMError as error:
            answers[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    check(world.store)
    return answers


def wins(answers: list[Any], others: type[NMError] = Conflict) -> int:
    assert all(answer == 1 or isinstance(answer, others) for answer in answers), answers
    return answers.count(1)


def nic(number: int, **settings: Any) -> Record:
    return {"nics": [{"name": "a", "mac": mac(number), **settings}]}


def wish(what: str, turn: int, at: int) -> Task:
    """What thread `at` asks for, so that all threads of one turn want the same `what`."""
    own, unique = f"n{turn}-{at}", turn * THREADS + at
    if what == "name":
        return pool.register_node, [f"n{turn}", nic(unique)]
    if what == "port":
        return pool.register_node, [own, nic(unique, switch="sw0", port=f"p{turn}")]
    if what == "mac":
        return pool.register_node, [own, nic(turn)]
    if what == "id":
        return pool.register_node, [own, {**nic(unique), "id": turn}]
    if what == "vlan":
        return pool.register_vlan, [100 + turn]
    if what == "device":
        return pool.register_switch, [own, {"driver": "plain", "address": f"/run/{at}/../{turn}"}]
    if what == "libvirt":
        uri = f"qemu+ssh://u{at}@vm{turn}/system"
        return pool.register_host, [own, {"uri": uri, "network": {"kind": "ovs", "device": "br0"}}]
    return pool.register_head_node, [own, {"host": "h0", "domain": f"d{turn}"}]


@pytest.mark.parametrize("what", ["name", "port", "mac", "id", "vlan", "domain", "device", "libvirt"])
def test_one_of_eight_gets_it(bare: World, what: str) -> None:
    bare.switch("sw0", *(f"p{turn}" for turn in range(ROUNDS)))
    bare.host()
    for turn in range(ROUNDS):
        assert wins(race(bare, *(wish(what, turn, at) for at in range(THREADS)))) == 1


def test_a_port_serves_a_node_or_a_trunk_or_goes(bare: World) -> None:
    bare.switch("sw0", *(f"p{at}" for at in range(ROUNDS)))
    bare.node("mover", 200)
    for turn in range(ROUNDS):
        port = f"p{turn}"
        bare.switch(f"sw{turn + 1}", "up")
        ends = [{"switch": "sw0", "port": port}, {"switch": f"sw{turn + 1}", "port": "up"}]
        answers = race(
            bare,
            (pool.register_node, [f"n{turn}", nic(turn, switch="sw0", port=port)]),
            (pool.register_trunk, [f"t{turn}", {"ends": ends}]),
            (pool.connect_nic, ["mover", "eth0", "sw0", port]),
            (pool.unregister_port, ["sw0", port]),
        )
        assert wins(answers, NMError) == 1


def test_trunks_raced_close_no_loop(bare: World) -> None:
    names = [f"sw{at}" for at in range(4)]
    for name in names:
        bare.switch(name, *names)
    pairs = [(one, other) for one in names for other in names if one < other]
    for turn in range(ROUNDS):
        tasks: list[Task] = [
            (pool.register_trunk, [f"t{one}{other}", {"ends": both_ends(one, other)}]) for one, other in pairs
        ]
        assert wins(race(bare, *tasks)) == 3, turn
        for trunk in list(bare.store.range("trunk")):
            bare.do(pool.unregister_trunk, trunk["record_key"].partition("_")[2])


def both_ends(one: str, other: str) -> list[Record]:
    return [{"switch": one, "port": other}, {"switch": other, "port": one}]


def test_a_switch_that_goes_while_ports_come(bare: World) -> None:
    for turn in range(ROUNDS):
        bare.switch("sw0", "a")
        answers = race(
            bare,
            (pool.unregister_switch, ["sw0"]),
            *((pool.register_port, ["sw0", f"p{at}"]) for at in range(4)),
            (pool.register_node, [f"n{turn}", nic(turn, switch="sw0", port="a")]),
        )
        assert wins(answers, NMError) >= 1
        assert all(answer == 1 or isinstance(answer, Conflict | NotFound) for answer in answers)
        for key, operation in (
            (f"node_n{turn}", pool.unregister_node),
            ("switch_sw0", pool.unregister_switch),
        ):
            if bare.store.get(key) is not None:
                bare.do(operation, key.partition("_")[2])


def test_a_parking_vlan_raced_with_the_pool(bare: World) -> None:
    parking = PlainDriver.parking
    for _ in range(ROUNDS):
        switch = {"driver": "plain", "address": "x"}
        tasks: list[Task] = [(pool.register_vlan, [parking]), (pool.register_switch, ["sw0", switch])]
        assert wins(race(bare, *tasks)) == 1
        if bare.store.get("switch_sw0") is not None:
            bare.do(pool.unregister_switch, "sw0")
        else:
            bare.do(pool.unregister_vlan, parking)


def test_devices_raced_between_old_and_new(bare: World) -> None:
    bare.switch("sw0")
    bare.switch("sw1")
    for turn in range(ROUNDS):
        answers = race(
            bare,
            *((pool.update_switch, [name, {"address": f"a{turn}"}]) for name in ("sw0", "sw1")),
            (pool.register_switch, ["sw2", {"driver": "plain", "address": f"a{turn}"}]),
        )
        assert wins(answers) == 1
        if bare.store.get("switch_sw2") is not None:
            bare.do(pool.unregister_switch, "sw2")


def test_a_native_vlan_raced_with_the_pool(bare: World) -> None:
    bare.switch("sw0", "sw1")
    bare.switch("sw1", "sw0")
    for vlan in range(100, 100 + ROUNDS):
        trunk = {"ends": both_ends("sw0", "sw1"), "native": vlan}
        assert wins(race(bare, (pool.register_vlan, [vlan]), (pool.register_trunk, ["t", trunk]))) == 1
        if bare.store.get("trunk_t") is not None:
            bare.do(pool.unregister_trunk, "t")
