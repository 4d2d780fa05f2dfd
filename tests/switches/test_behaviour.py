"""What every kind of switch does when an executor drives it. Each test runs over each kind."""

from nm.facts import Order
from nm.switch import PortState
from tests.switches.benches import (
    EPOCH,
    SWITCH,
    Bench,
    done,
    executor_of,
    join,
    leave,
    no_trunk,
    no_vlan,
    port_value,
    trunk,
    vlan,
)

ISOLATED = PortState()


def test_a_factory_new_port_is_read_as_it_is(bench: Bench) -> None:
    seen = bench.executor.inspect().ports
    assert seen == dict.fromkeys(bench.ports, bench.factory)
    neighbours = set() if bench.factory.isolated else set(bench.ports[1:])
    assert bench.reaches(bench.ports[0]) == neighbours


def test_isolated_ports_are_on_no_vlan(bench: Bench) -> None:
    result = bench.executor.isolate(bench.ports, EPOCH)
    assert result == dict.fromkeys(bench.ports, ISOLATED)
    assert bench.table() == dict.fromkeys(bench.ports, ISOLATED)
    for port in bench.ports:
        for tags in [(), (0,), (1,), (101,), (4094,), (4095,), (4095, 101), (0, 101)]:
            assert bench.reaches(port, *tags) == set()


def test_joined_ports_reach_each_other_and_nobody_else(bench: Bench) -> None:
    a, b, c, d, e = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), vlan(102), join(a, 101), join(b, 101), join(c, 102), join(d, 102))
    assert bench.table() == {
        a: PortState(101),
        b: PortState(101),
        c: PortState(102),
        d: PortState(102),
        e: ISOLATED,
    }
    assert [bench.reaches(port) for port in bench.ports] == [{b}, {a}, {d}, {c}, set()]


def test_orders_are_answered_with_what_was_read_back(bench: Bench) -> None:
    a, b, c, d, _ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    outcomes = done(
        bench, vlan(101), vlan(102), join(a, 101), join(b, None, 102, 101), trunk(c, 101, 7), leave(d)
    )
    assert [outcome.seen for outcome in outcomes[:2]] == [{}, {}]
    assert outcomes[3].seen == port_value(None, 101, 102)
    assert outcomes[4].seen == {"native": 7}


def test_one_port_with_untagged_and_tagged_vlans(bench: Bench) -> None:
    a, b, c, d, _ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    orders = [join(a, 101, 102), join(b, 101), join(c, 102), join(d, 103)]
    outcomes = done(bench, vlan(101), vlan(102), vlan(103), *orders)
    assert outcomes[3].seen == port_value(101, 102)
    assert bench.reaches(a) == {b}
    assert bench.reaches(a, 102) == {c}
    assert bench.reaches(a, 103) == set()
    assert bench.reaches(c) == {a}


def test_leaving_isolates_and_forgets_all_that_was_carried(bench: Bench) -> None:
    a, b, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), vlan(102), join(a, 101, 102), join(b, 101))
    (outcome,) = done(bench, leave(a))
    assert outcome.seen is None
    assert bench.table()[a] == ISOLATED
    assert bench.reaches(b) == set()


def test_joining_anew_replaces_what_was_carried(bench: Bench) -> None:
    a, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), vlan(102), vlan(103), join(a, 101, 102))
    done(bench, join(a, None, 103))
    assert bench.table()[a] == PortState(None, (103,))
    done(bench, join(a, 102))
    assert bench.table()[a] == PortState(102)


def test_a_trunk_carries_just_its_vlans(bench: Bench) -> None:
    a, b, uplink, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), vlan(102), join(a, 101), join(b, 102), trunk(uplink, 101))
    assert (bench.reaches(a), bench.reaches(b)) == ({uplink}, set())
    done(bench, trunk(uplink, 102))
    assert bench.table()[uplink] == PortState(None, (101, 102))
    done(bench, no_trunk(uplink, 101))
    assert (bench.reaches(a), bench.reaches(b)) == (set(), {uplink})
    assert bench.reaches(uplink) == set()


def test_a_trunk_that_lost_its_last_vlan_carries_none(bench: Bench) -> None:
    a, _, uplink, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101), trunk(uplink, 101))
    (outcome,) = done(bench, no_trunk(uplink, 101))
    assert outcome.seen is None
    assert bench.table()[uplink] == ISOLATED
    assert [bench.reaches(uplink, *tags) for tags in [(), (101,), (4095,)]] == [set()] * 3


def test_an_open_trunk_is_closed_by_its_first_vlan(bench: Bench) -> None:
    uplink = bench.ports[0]
    done(bench, vlan(101), trunk(uplink, 101))
    assert not bench.table()[uplink].open
    assert bench.table()[uplink].tagged == (101,)


def test_orders_that_wait_together_are_one_session(bench: Bench) -> None:
    bench.executor.isolate(bench.ports, EPOCH)
    before = bench.sessions()
    a, b, c, d, e = bench.ports
    orders = [vlan(number) for number in range(101, 109)] + [trunk(e, number) for number in range(101, 105)]
    done(bench, *orders, join(a, 101), join(b, 102), join(c, 103), leave(d))
    assert len(orders) + 4 == 16
    assert bench.sessions() == before + 1


def test_leaves_come_before_joins_whatever_the_order(bench: Bench) -> None:
    a, b, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101))
    done(bench, join(b, 102), vlan(102), leave(a), no_vlan(101))
    assert (bench.table()[a], bench.table()[b]) == (ISOLATED, PortState(102))


def test_repeating_orders_changes_nothing(bench: Bench) -> None:
    a, _, uplink, *_ = bench.ports
    orders = [vlan(101), trunk(uplink, 101), join(a, 101)]
    first = done(bench, *orders)
    table = bench.table()
    assert done(bench, *orders) == first
    assert done(bench, *orders, *orders) == first * 2
    assert bench.table() == table


def test_a_port_that_is_not_there_fails_just_its_order(bench: Bench) -> None:
    a, *_ = bench.ports
    outcomes = bench.executor.run([vlan(101), join("nowhere", 101), join(a, 101), leave("gone")], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, False]
    for outcome in (outcomes[1], outcomes[3]):
        assert outcome.error is not None
        assert not outcome.error.passing  # type: ignore[attr-defined]
    assert "nowhere" in str(outcomes[1].error)
    assert bench.table()[a] == PortState(101)


def test_reading_tells_and_changes_nothing(bench: Bench) -> None:
    a, b, uplink, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101), trunk(uplink, 101, 9))
    sessions = bench.sessions()
    facts = [
        f"port/{SWITCH}/{a}",
        f"port/{SWITCH}/{b}",
        f"trunk/{SWITCH}/101/{uplink}",
        f"trunk/{SWITCH}/102/{uplink}",
    ]
    outcomes = bench.executor.read([*facts, f"vlan/{SWITCH}/101", f"port/{SWITCH}/nowhere"])
    assert [outcome.seen for outcome in outcomes] == [port_value(101), None, {"native": 9}, None, {}, None]
    assert [outcome.error is None for outcome in outcomes] == [True] * 5 + [False]
    assert bench.sessions() == sessions


def test_what_somebody_else_changed_is_read(bench: Bench) -> None:
    a, b, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    bench.put(a, PortState(105, (106, 107)))
    if bench.opens:
        bench.put(b, PortState(None, (), open=True))
    outcomes = bench.executor.read([f"port/{SWITCH}/{a}", f"port/{SWITCH}/{b}"])
    assert outcomes[0].seen == port_value(105, 106, 107)
    assert ((outcomes[1].seen or {}).get("open") is True) == bench.opens
    done(bench, leave(a))
    assert bench.table()[a] == ISOLATED


def test_native_vlans_are_known_beforehand_where_the_switch_cannot_tell(bench: Bench) -> None:
    uplink = bench.ports[0]
    bench.executor.isolate([uplink], EPOCH)
    done(bench, vlan(101), vlan(102), trunk(uplink, 101, 9), trunk(uplink, 102, 9))
    executor = executor_of({uplink: 9}, **bench.record)
    facts = [f"trunk/{SWITCH}/101/{uplink}"]
    assert executor.read(facts)[0].seen == {"native": 9}
    executor.run([Order(f"trunk/{SWITCH}/102/{uplink}", None)], EPOCH)
    assert executor.read(facts)[0].seen == {"native": 9}
    executor.close()


def test_a_vlan_or_trunk_vlan_that_others_need_stays(bench: Bench) -> None:
    a, _, uplink, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101), trunk(uplink, 101))
    asked: list[str] = []

    def keep() -> bool:
        asked.append("keep")
        return True

    kept = [
        Order(f"trunk/{SWITCH}/101/{uplink}", None, {"native": 1}, keep),
        Order(f"vlan/{SWITCH}/101", None, {}, keep),
    ]
    sessions = bench.sessions()
    done(bench, *kept)
    assert asked == ["keep"] * 2
    assert bench.sessions() == sessions
    assert bench.reaches(a) == {uplink}


def test_one_group_leaving_and_another_coming_to_a_shared_vlan_in_one_run(bench: Bench) -> None:
    a, b, uplink, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101), trunk(uplink, 101))
    done(bench, leave(a), no_trunk(uplink, 101), no_vlan(101), vlan(101), trunk(uplink, 101), join(b, 101))
    assert bench.reaches(b) == {uplink}
    assert bench.table()[a] == ISOLATED


def test_a_port_asked_to_leave_and_to_join_at_once_is_isolated(bench: Bench) -> None:
    a, b, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), vlan(102), join(a, 101))
    for orders in ([join(a, 102), leave(a)], [leave(a), join(a, 101)], [join(a, 101), join(a, 102)]):
        outcomes = bench.executor.run([*orders, join(b, 101)], EPOCH)
        assert bench.table()[a] == ISOLATED
        for order, outcome in zip(orders, outcomes, strict=False):
            assert outcome.seen is None
            assert (outcome.error is None) == (order.value is None)
        assert outcomes[2].error is None


def test_a_new_executor_goes_on_where_another_stopped(bench: Bench) -> None:
    a, _, uplink, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101), trunk(uplink, 101))
    bench.executor.close()
    other = executor_of(**bench.record)
    try:
        outcomes = other.run([no_trunk(uplink, 101), leave(a)], EPOCH)
    finally:
        other.close()
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert (bench.table()[uplink], bench.table()[a]) == (ISOLATED, ISOLATED)
