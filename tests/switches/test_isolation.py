"""Open vSwitch's own word (ofproto/trace) that nothing leaks, and that our model says the same."""

import random

import pytest

from nm.switch import PortState, SetPort, SwitchState
from nm.switches.ovs import OpenVSwitch, port_row, port_state
from nm.switches.reach import reaches, reaches_at_all
from tests.switches.benches import EPOCH, OvsBench, done, executor_of, join, trunk
from tests.switches.ovs_rack import OvsRack

HOSTILE = [(), (0,), (1,), (4095,), (101,), (102,), (0, 102), (4095, 102), (101, 102), (102, 102), (102, 101)]


@pytest.mark.real
def test_a_hostile_node_reaches_its_own_group_only(ovs: OvsBench) -> None:
    mine, friend, other, parked, both = ovs.ports
    ovs.executor.isolate(ovs.ports, EPOCH)
    done(ovs, join(mine, 101), join(friend, 101), join(other, 102), join(both, 101, 103))
    for tags in HOSTILE:
        assert ovs.reaches(mine, *tags) <= {friend, both}
        assert ovs.reaches(parked, *tags) == set()
        assert other not in ovs.reaches(both, *tags)


@pytest.mark.real
def test_parked_ports_do_not_meet_on_the_parking_vlan(ovs: OvsBench) -> None:
    a, b, c, uplink, _ = ovs.ports
    ovs.executor.isolate(ovs.ports, EPOCH)
    done(ovs, trunk(uplink, 101))
    for tags in [(4095,), (4095, 4095), (4095, 101), (0, 4095)]:
        assert [ovs.reaches(port, *tags) for port in (a, b, c)] == [set()] * 3


@pytest.mark.real
def test_a_parking_vlan_without_protection_is_no_isolation(ovs: OvsBench) -> None:
    a, b, *_ = ovs.ports
    ovs.executor.isolate(ovs.ports, EPOCH)
    ovs.rack.vsctl("set", "port", a, "protected=false", "--", "set", "port", b, "protected=false")
    assert ovs.reaches(a, 4095) >= {b}
    assert ovs.executor.inspect().ports[a].open


@pytest.mark.real
def test_vlans_cross_bridges_by_their_trunks_only(rack: OvsRack) -> None:
    one, two = OvsBench(rack, 3), OvsBench(rack, 3)
    left, right = f"{one.bridge}-up", f"{two.bridge}-up"
    try:
        rack.link((one.bridge, left), (two.bridge, right))
        for bench, uplink in ((one, left), (two, right)):
            a, b, _ = bench.ports
            bench.executor.isolate([*bench.ports, uplink], EPOCH)
            done(bench, join(a, 101), join(b, 102), trunk(uplink, 101))
        far = {(two.bridge, two.ports[0])}
        assert rack.trace(one.bridge, one.ports[0]) == far
        assert rack.trace(one.bridge, one.ports[1]) == set()
        for tags in HOSTILE:
            assert rack.trace(one.bridge, one.ports[0], *tags) <= far
            assert rack.trace(one.bridge, one.ports[2], *tags) == set()
    finally:
        for bench in (one, two):
            bench.executor.close()
            rack.vsctl("del-br", bench.bridge)


STATES = [
    PortState(),
    PortState(101),
    PortState(102),
    PortState(None, (101,)),
    PortState(None, (101, 102)),
    PortState(101, (102,)),
    PortState(102, (103, 104)),
]


@pytest.mark.real
@pytest.mark.parametrize("seed", range(6))
def test_the_model_says_what_open_vswitch_does(ovs: OvsBench, seed: int) -> None:
    chosen = random.Random(seed)
    driver = OpenVSwitch("sw0", ovs.record, {})
    driver.apply([SetPort(port, chosen.choice(STATES)) for port in ovs.ports], EPOCH)
    state = driver.read()
    driver.close()
    for port in ovs.ports:
        for tags in [*HOSTILE, (103,)]:
            model = reaches({"sw0": state}, [], ("sw0", port), tags)
            assert ovs.reaches(port, *tags) == {out for _, out in model}, (port, tags, state.ports)


@pytest.mark.real
@pytest.mark.parametrize("state", STATES)
def test_a_row_that_is_written_is_read_as_it_was_meant(state: PortState) -> None:
    row = port_row(state)
    assert port_state({"tag": ["set", []], **row}) == state


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({}, PortState(open=True)),
        ({"tag": 5}, PortState(5)),
        ({"trunks": 5}, PortState(None, (5,))),
        ({"vlan_mode": "access"}, PortState(open=True)),
        ({"tag": 5, "vlan_mode": "native-untagged"}, PortState(5, open=True)),
        ({"tag": 5, "trunks": ["set", [5, 6]], "vlan_mode": "native-untagged"}, PortState(5, (6,))),
        ({"tag": 5, "trunks": ["set", [5, 6]], "vlan_mode": "native-tagged"}, PortState(5, (5, 6))),
        ({"tag": 5, "vlan_mode": "dot1q-tunnel"}, PortState(5, open=True)),
        ({"trunks": ["set", [0, 5]]}, PortState(None, (5,), open=True)),
        ({"trunks": 4095, "vlan_mode": "trunk"}, PortState(open=True)),
        ({"trunks": 4095, "vlan_mode": "trunk", "protected": True}, PortState()),
        ({"tag": 5, "trunks": 4095, "vlan_mode": "trunk", "protected": True}, PortState()),
    ],
)
def test_rows_that_others_wrote(row: dict[str, object], state: PortState) -> None:
    empty = {"tag": ["set", []], "trunks": ["set", []], "vlan_mode": ["set", []], "protected": False}
    assert port_state({**empty, **row}) == state


# ---- the model alone


def switch(vlans: set[int] | None = None, **ports: PortState) -> SwitchState:
    return SwitchState(None if vlans is None else frozenset(vlans), ports)


def test_a_vlan_that_the_switch_does_not_know_passes_nothing() -> None:
    assert reaches({"s": switch({1}, a=PortState(101), b=PortState(101))}, [], ("s", "a")) == frozenset()
    assert reaches({"s": switch({101}, a=PortState(101), b=PortState(101))}, [], ("s", "a")) == {("s", "b")}


def test_a_frame_crosses_trunks_and_ends_at_the_edge() -> None:
    states = {
        "s": switch(a=PortState(101), t=PortState(None, (101,))),
        "m": switch(t=PortState(None, (101,)), u=PortState(None, (101, 102)), x=PortState()),
        "e": switch(u=PortState(None, (101, 102)), b=PortState(101), c=PortState(102)),
    }
    links = [(("s", "t"), ("m", "t")), (("m", "u"), ("e", "u"))]
    assert reaches(states, links, ("s", "a")) == {("e", "b")}
    assert reaches(states, links, ("e", "c")) == frozenset()
    assert reaches(states, links, ("nowhere", "a")) == frozenset()


def test_a_ring_of_links_ends() -> None:
    states = {
        name: switch(l=PortState(None, (5,)), r=PortState(None, (5,)), p=PortState(5)) for name in "abc"
    }
    links = [((one, "r"), (two, "l")) for one, two in ("ab", "bc", "ca")]
    assert reaches(states, links, ("a", "p")) == {("b", "p"), ("c", "p")}


def test_a_tag_inside_a_tag_hops_over_a_native_vlan() -> None:
    native = PortState(7, (8,))
    states = {"s": switch(n=PortState(None, (7,)), t=native), "e": switch(t=native, victim=PortState(8))}
    links = [(("s", "t"), ("e", "t"))]
    assert reaches(states, links, ("s", "n"), (8,)) == frozenset()
    assert reaches(states, links, ("s", "n"), (7, 8)) == {("e", "victim")}
    assert reaches_at_all(states, links, ("s", "n")) == {("e", "victim")}


def test_open_ports_reach_everything() -> None:
    factory = PortState(1, open=True)
    states = {"s": switch({1, 101}, a=factory, b=PortState(101), c=factory)}
    assert reaches(states, [], ("s", "a")) == {("s", "c")}
    assert reaches_at_all(states, [], ("s", "a")) == {("s", "b"), ("s", "c")}


@pytest.mark.real
def test_settings_are_what_the_driver_takes(rack: OvsRack) -> None:
    executor = executor_of(driver="ovs", address=rack.address, bridge="nowhere")
    with pytest.raises(Exception, match="no bridge nowhere"):
        executor.inspect()
    executor.close()
