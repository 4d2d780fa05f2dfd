"""Command lines that fail: every fault at every line of every operation, and what must hold nevertheless.

Whatever happens: what is told as done is so, in the running and in the startup configuration; a port that was
to join carries what was meant or nothing; and once the fault is gone three tries at most make all true.
One test an operation and a dialect tries all. `make test` takes some lines of each, `make test-switches` all.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import pytest

from nm.errors import LATEST
from nm.facts import Order, Outcome, split
from nm.switch import PortState
from nm.switches.breaker import Breaker
from nm.switches.executor import port_state
from tests.switches.benches import EPOCH, CliBench, executor_of, join, leave, no_trunk, no_vlan, trunk, vlan
from tests.switches.fakes.faults import Kind
from tests.waiting import until

ALL = os.environ.get("NM_TEST_SWITCHES") == "all"
TRIES = 3
TIMEOUT = 0.4  # seconds for which the switch may be silent
SLOW = 6  # times that: what 60 s are to a switch whose time-out is 10 s
ISOLATED = PortState()

FAULTS: list[tuple[Kind, bool]] = [
    ("reject", False),
    ("lie", False),
    ("cut", False),
    ("cut", True),
    ("silence", False),
    ("slow", False),  # done, and answered when nobody waits any more
]


class Operation(NamedTuple):
    """What is asked for, of a switch whose ports are in that state."""

    before: tuple[PortState, ...]
    orders: Callable[[list[str]], list[Order]]


OPERATIONS = {
    "join": Operation(
        (ISOLATED,) * 5, lambda p: [vlan(103), join(p[0], 103), join(p[1], 103), join(p[3], None, 101, 102)]
    ),
    "join both": Operation((ISOLATED,) * 5, lambda p: [join(p[0], 101, 102), join(p[2], 102)]),
    "move": Operation(
        (PortState(101),) * 2 + (PortState(None, (101,)),) * 3, lambda p: [join(p[0], 102), join(p[2], 102)]
    ),
    "leave": Operation(
        (PortState(101), PortState(102), PortState(101, (102,)), ISOLATED, ISOLATED),
        lambda p: [leave(p[0]), leave(p[2])],
    ),
    "trunk": Operation((PortState(101),) + (ISOLATED,) * 4, lambda p: [trunk(p[4], 101), trunk(p[4], 102)]),
    "trunk of an access port": Operation(
        (PortState(101), ISOLATED, ISOLATED, ISOLATED, PortState(102)), lambda p: [trunk(p[4], 101)]
    ),
    "trunk grows": Operation(
        (PortState(101), ISOLATED, ISOLATED, ISOLATED, PortState(None, (101,))), lambda p: [trunk(p[4], 102)]
    ),
    "trunk shrinks": Operation(
        (PortState(101), ISOLATED, ISOLATED, ISOLATED, PortState(None, (101, 102))),
        lambda p: [no_trunk(p[4], 102)],
    ),
    "all goes": Operation(
        (PortState(101), ISOLATED, ISOLATED, ISOLATED, PortState(None, (101,))),
        lambda p: [leave(p[0]), no_trunk(p[4], 101), no_vlan(101)],
    ),
}


def prepare(cli: CliBench, operation: Operation) -> list[Order]:
    """Put the switch into the state before, running and startup; what is asked for."""
    cli.executor.close()
    cli.switch.mend()
    cli.switch.reset()
    for port, state in zip(cli.ports, operation.before, strict=True):
        cli.switch.put(port, state)
    cli.switch.put(cli.ports[0], PortState(101, (102,)))  # both VLANs are there
    cli.switch.put(cli.ports[0], operation.before[0])
    cli.switch.save()
    cli.executor = executor_of(**cli.record)
    return operation.orders(cli.ports)


def run(cli: CliBench, orders: Sequence[Order]) -> list[Outcome]:
    """As if all pauses were over."""
    cli.executor.breaker = Breaker(lambda: 0.0)
    return cli.executor.run(orders, EPOCH)


def is_so(cli: CliBench, order: Order) -> bool:
    """Whether the switch has it, and would have it after a reboot."""
    kind, _, *rest = split(order.fact)
    if kind == "vlan":
        there = order.value is not None
        return (int(rest[0]) in cli.switch.vlans()) == there == (int(rest[0]) in cli.switch.startup_vlans())
    return carries(cli, order, cli.table()) and carries(cli, order, cli.startup())


def carries(cli: CliBench, order: Order, table: Mapping[str, PortState]) -> bool:
    """Whether it is so by this table of ports, or by the VLANs there are now."""
    kind, _, *rest = split(order.fact)
    if kind == "vlan":
        return (int(rest[0]) in cli.switch.vlans()) == (order.value is not None)
    if kind == "port":
        return table[rest[0]] == port_state(order.value)
    return (int(rest[0]) in table[rest[1]].tagged) == (order.value is not None)


def check_honest(cli: CliBench, orders: Iterable[Order], outcomes: Iterable[Outcome], what: str) -> None:
    """What is told as done is so; ports that were to join carry what was meant, or nothing."""
    for order, outcome in zip(orders, outcomes, strict=True):
        assert outcome.error is not None or is_so(cli, order), f"{what}: {order.fact} was told as done"


def on(state: PortState) -> set[int | str | None]:
    """The VLANs that a port carries; one that is open is on more than can be named."""
    return {*state.tagged, state.untagged, *(["others"] if state.open else [])} | {None}


def check_closed(cli: CliBench, operation: Operation, orders: Iterable[Order], what: str) -> None:
    """A port carries what it had, or what was meant, or nothing; never another VLAN, nor all."""
    table = cli.table()
    wanted = {
        split(order.fact)[-1]: port_state(order.value) for order in orders if order.fact.startswith("port/")
    }
    trunks = [split(order.fact) for order in orders if order.fact.startswith("trunk/") and order.value]
    for port, before in zip(cli.ports, operation.before, strict=True):
        may = (
            on(before)
            | on(wanted.get(port, before))
            | {int(number) for _, _, number, trunked in trunks if trunked == port}
        )
        if port in wanted:
            assert table[port] in (before, wanted[port], ISOLATED), f"{what}: {port} carries {table[port]}"
        assert on(table[port]) <= may, f"{what}: {port} carries {table[port]}"


def check_converges(cli: CliBench, orders: Sequence[Order], what: str) -> None:
    cli.switch.mend()
    for _ in range(TRIES):
        outcomes = run(cli, orders)
        check_honest(cli, orders, outcomes, what)
        if not any(outcome.error for outcome in outcomes):
            return
    raise AssertionError(f"{what}: {[str(outcome.error) for outcome in outcomes if outcome.error]}")


def lines_of(cli: CliBench, operation: Operation) -> int:
    """How many lines of configuration the operation takes when all is well."""
    orders = prepare(cli, operation)
    assert [outcome.error for outcome in run(cli, orders)] == [None] * len(orders)
    assert all(is_so(cli, order) for order in orders)
    return cli.switch.sessions[-1].configured


def some(lines: int) -> list[int]:
    """The lines that are tried: all, or the first, one in between, and the last."""
    return list(range(1, lines + 1)) if ALL else sorted({1, (lines + 1) // 2, lines})


@pytest.mark.timeout(900 if ALL else 120)
@pytest.mark.parametrize("name", OPERATIONS if ALL else ["join", "all goes"])
def test_every_line_may_fail(cli: CliBench, name: str) -> None:
    cli.record["timeout"] = TIMEOUT
    try_lines(cli, name)


@pytest.mark.skipif(not ALL, reason="a log-in over telnet takes 3 s")
@pytest.mark.timeout(900)
def test_every_line_may_fail_over_telnet(telnet: CliBench) -> None:
    telnet.record["timeout"] = 1.5
    try_lines(telnet, "leave")


def try_lines(cli: CliBench, name: str) -> None:
    """Let each line fail in each way, and see that what must hold does."""
    for line in some(lines_of(cli, OPERATIONS[name])):
        for kind, after in FAULTS:
            try_line(cli, name, kind, line, SLOW * TIMEOUT, after)


def try_line(cli: CliBench, name: str, kind: Kind, line: int, seconds: float, after: bool = False) -> None:
    """Let the line, or for 0 the log-in, fail in that way."""
    operation, what = OPERATIONS[name], f"{name}: {kind} {'after' if after else 'at'} line {line}"
    orders = prepare(cli, operation)
    cli.switch.fault(kind, line=line, after=after, seconds=seconds)
    outcomes = run(cli, orders)
    check_honest(cli, orders, outcomes, what)
    check_closed(cli, operation, orders, what)
    check_converges(cli, orders, what)


@pytest.mark.timeout(900 if ALL else 120)
@pytest.mark.parametrize("name", ["join", "leave"] if ALL else ["join"])
def test_lines_may_be_carried_out_when_nobody_waits_any_more(cli: CliBench, name: str) -> None:
    cli.record["timeout"] = TIMEOUT
    lines = lines_of(cli, OPERATIONS[name])
    for line in range(1, lines + 1) if ALL else [lines]:
        try_late(cli, name, line, 0)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["slow", "silence", "cut"])
def test_a_log_in_may_fail_at_its_prompt(cli: CliBench, kind: Kind) -> None:
    cli.record["timeout"] = TIMEOUT
    try_line(cli, "join", kind, 0, SLOW * TIMEOUT)


@pytest.mark.skipif(not ALL, reason="takes some minutes")
@pytest.mark.timeout(900)
def test_a_switch_may_be_slow_by_a_minute(command_line: Callable[[str], CliBench]) -> None:
    cli = command_line("cisco_ios")
    cli.record["timeout"] = 10.0
    lines = lines_of(cli, OPERATIONS["join"])
    for line in (0, 1, lines):
        try_line(cli, "join", "slow", line, 60.0)
    for line in (1, lines):
        try_late(cli, "join", line, 60.0)


def try_late(cli: CliBench, name: str, line: int, seconds: float) -> None:
    """Let the line be carried out so late, after another session: what it undoes is read, and mended."""
    operation, what = OPERATIONS[name], f"{name}: line {line} late by {seconds:g} s"
    orders = prepare(cli, operation)
    cli.switch.fault("late", line=line, seconds=seconds, times=1)
    outcomes = run(cli, orders)
    assert any(outcome.error for outcome in outcomes), f"{what}: nobody noticed"
    (late,) = cli.switch.open_sessions()
    for _ in range(2):  # the second time while it is still at that line
        check_honest(cli, orders, outcomes, what)
        check_closed(cli, operation, orders, what)
        outcomes = run(cli, orders)
    assert late.busy, f"{what}: it was not late enough"
    cli.executor.close()
    cli.switch.mend()
    until(lambda: not cli.switch.open_sessions(), seconds + 10)
    found = cli.executor.read([order.fact for order in orders])
    for order, outcome in zip(orders, found, strict=True):
        assert outcome.error is None
        assert (outcome.seen == order.value) == carries(cli, order, cli.table()), f"{what}: {order.fact}"
    check_converges(cli, orders, what)


UNDOING = [  # lines that take a port off what a later session has put it on; one dialect of each family
    ("aruba_aoscx", "^vlan access 1$"),
    ("cisco_ios", "^switchport trunk allowed vlan 101"),
    ("hp_procurve", "^untagged "),
    ("juniper_junos", "^commit confirmed"),
    ("ngs:netmiko_cisco_ios", "^no switchport access vlan"),
    ("ngs:netmiko_dell_os10", "^switchport mode"),
    ("sonic", "^sudo config vlan member add"),
    ("tplink_jetstream", "^switchport pvid 1$"),
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("dialect", "like"), UNDOING, ids=[dialect for dialect, _ in UNDOING])
def test_nothing_is_changed_while_a_line_that_was_given_up_may_be_carried_out(
    command_line: Callable[[str], CliBench], dialect: str, like: str
) -> None:
    """It would undo what was read back, and told as done."""
    cli, now = command_line(dialect), [0.0]
    cli.record["timeout"] = TIMEOUT
    operation = OPERATIONS["join"]
    orders = prepare(cli, operation)
    cli.executor.breaker = Breaker(lambda: now[0])
    cli.switch.fault("late", like=like, times=1)
    (gave_up, *_) = cli.executor.run(orders, EPOCH)
    assert "did not answer" in str(gave_up.error)
    (late,) = cli.switch.open_sessions()
    cli.executor.breaker.reset()  # whoever asks for it
    outcomes = cli.executor.run(orders, EPOCH)
    now[0] = TIMEOUT * LATEST - 0.001
    assert cli.executor.read([order.fact for order in orders])[0].error is None  # which harms nobody
    outcomes += cli.executor.run(orders, EPOCH)
    cli.executor.close()
    assert late.busy
    cli.switch.mend()
    until(lambda: not cli.switch.open_sessions(), 10)
    check_honest(cli, [*orders, *orders], outcomes, dialect)
    assert all("may yet carry it out" in str(outcome.error) for outcome in outcomes)
    now[0] = TIMEOUT * LATEST
    assert [str(outcome.error) for outcome in cli.executor.run(orders, EPOCH) if outcome.error] == []
    assert all(is_so(cli, order) for order in orders)


@pytest.mark.timeout(120)
def test_a_switch_that_only_could_not_be_read_is_changed_at_once(
    command_line: Callable[[str], CliBench],
) -> None:
    cli = command_line("cisco_ios")
    cli.record["timeout"] = TIMEOUT
    orders = prepare(cli, OPERATIONS["join"])
    cli.executor.breaker = Breaker(lambda: 0.0)
    cli.switch.fault("silence", like="^show running", times=1)
    assert all("did not answer" in str(outcome.error) for outcome in cli.executor.run(orders, EPOCH))
    assert not any(outcome.error for outcome in cli.executor.run(orders, EPOCH))
