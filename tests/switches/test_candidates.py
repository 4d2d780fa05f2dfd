"""Switches whose lines become true by a commit: here a Junos that is nothing but its configuration."""

import re
from collections.abc import Callable

import pytest

from nm.errors import DeviceFailed
from nm.switch import Change, PortState, SetPort, SetVlan
from nm.switches import cli
from nm.switches.cli import CommandLine
from nm.switches.conversation import Say
from nm.switches.login import Session
from nm.switches.parsing import numbers
from tests.switches.benches import EPOCH, CliBench, done, vlan
from tests.switches.benches import join as port_joins

A, B, *_ = PORTS = [f"ge-0/0/{number}" for number in range(8)]
NO_VLAN = 666  # a port cannot be committed with it


class Junos:
    """Executes what it is told; a commit that nobody confirmed is undone when time passes."""

    def __init__(self) -> None:
        self.active = {f"interfaces {port} disable" for port in PORTS}
        self.candidate = set(self.active)
        self.before: set[str] | None = None  # where an unconfirmed commit came from
        self.commits: list[set[str]] = []
        self.tried = 0  # commits, be they refused or not
        self.full = False  # then it can commit nothing
        self.hangs_up_at = ""

    def time_passes(self) -> None:
        if self.before is not None:
            self.active, self.before = self.before, None

    def session(self, *_: object) -> Session:
        self.candidate = set(self.active)
        return Session({}, self.say, lambda: None)

    def say(self, say: Say) -> str:
        if say.line == self.hangs_up_at:
            raise DeviceFailed("it closed the connection")
        if ranged := re.fullmatch(r"wildcard range (.*)\[([\d,-]+)\](.*)", say.line):
            head, some, tail = ranged.groups()
            return "".join(self.edit(f"{head}{number}{tail}".split()) for number in sorted(numbers(some)))
        return self.edit(say.line.split())

    def edit(self, words: list[str]) -> str:
        match words:
            case ["show", "interfaces", "terse"]:
                return "".join(f"{port}    up    up\n" for port in PORTS)
            case ["show", "configuration", what, *_]:
                return "".join(f"set {line}\n" for line in sorted(self.active) if line.startswith(what))
            case ["configure", "exclusive"] | ["rollback", "0"]:
                self.candidate = set(self.active)
            case ["set", *rest]:
                self.candidate.add(" ".join(rest))
            case ["delete", *rest]:
                path = " ".join(rest)
                gone = {line for line in self.candidate if f"{line} ".startswith(f"{path} ")}
                self.candidate -= gone
                return "" if gone else "warning: statement not found"
            case ["commit", *confirmed]:
                return self.commit(bool(confirmed))
        return ""

    def commit(self, confirmed: bool) -> str:
        self.tried += 1
        if self.full:
            return "error: could not write /config: no space left on the device"
        if any(line.endswith(f"members {NO_VLAN}") for line in self.candidate):
            return f"[edit vlans]\n  vlan {NO_VLAN} is not there\nerror: configuration check-out failed"
        self.before = self.active if confirmed else None
        self.active = set(self.candidate)
        self.commits.append(self.active)
        return "commit complete"


@pytest.fixture
def junos(monkeypatch: pytest.MonkeyPatch) -> Junos:
    made = Junos()
    monkeypatch.setattr(cli, "log_in", made.session)
    return made


def driver() -> CommandLine:
    made = CommandLine("sw0", {"dialect": "juniper_junos", "address": "10.0.0.7", "user": "nm"}, {})
    made.open()
    return made


def join(port: str, vlan: int) -> SetPort:
    return SetPort(port, PortState(vlan))


def test_what_joins_is_read_back_before_a_commit_opens_it(junos: Junos) -> None:
    nm = driver()
    assert nm.apply([SetVlan(101, True), join(A, 101)], 1) == {}
    junos.time_passes()
    assert nm.read().ports == dict.fromkeys(PORTS, PortState()) | {A: PortState(101)}
    *_, closed, opened = junos.commits
    assert closed - opened == {f"interfaces {A} disable"}
    assert opened < closed


def test_what_a_lost_session_left_unconfirmed_is_confirmed_before_it_counts(junos: Junos) -> None:
    """Else the next session would find all done, and the switch would undo it a minute later."""
    nm = driver()
    nm.apply([], 1)
    junos.hangs_up_at = "commit"
    with pytest.raises(DeviceFailed):
        nm.apply([SetVlan(101, True)], 1)
    assert junos.before is not None
    junos.hangs_up_at = ""
    again = driver()
    assert again.apply([SetVlan(101, True)], 1) == {}
    junos.time_passes()
    assert again.read().vlans == frozenset({1, 101})


@pytest.mark.parametrize("in_time", [True, False])
def test_what_a_lost_session_left_opens_nothing_and_is_made_true(
    command_line: Callable[[str], CliBench], in_time: bool
) -> None:
    bench = command_line("juniper_junos")
    a, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    bench.switch.fault("cut", like="commit confirmed", after=True)
    (made, joined) = bench.executor.run([vlan(101), port_joins(a, 101)], EPOCH)
    assert made.error is not None
    assert joined.error is not None
    assert bench.table()[a].isolated
    if not in_time:
        bench.switch.let_pass(180)
    assert (101 in bench.switch.vlans()) == in_time
    bench.switch.mend()
    done(bench, vlan(101), port_joins(a, 101))
    bench.switch.let_pass(180)
    assert bench.table()[a] == bench.startup()[a] == PortState(101)


def test_a_commit_that_is_refused_is_refused_to_the_one_to_blame(junos: Junos) -> None:
    nm = driver()
    changes: list[Change] = [SetVlan(101, True), join(A, 101), join(B, NO_VLAN)]
    rejected = nm.apply(changes, 1)
    assert {change: error.passing for change, error in rejected.items()} == {changes[2]: False}
    assert "check-out failed" in rejected[changes[2]].message
    junos.time_passes()
    assert nm.read().ports == dict.fromkeys(PORTS, PortState()) | {A: PortState(101)}


def test_a_commit_that_is_refused_whatever_is_in_it_is_nobodys_fault_and_tried_again(junos: Junos) -> None:
    """And not once for each change: one after the other would take as long as they all are slow."""
    nm = driver()
    changes: list[Change] = [SetVlan(101, True), *(join(port, 101) for port in PORTS)]
    junos.full = True
    rejected = nm.apply(changes, 1)
    assert {change: error.passing for change, error in rejected.items()} == dict.fromkeys(changes, True)
    assert all("no space left" in error.message for error in rejected.values())
    assert junos.tried == 5  # all, each half, and one change of each
    junos.full = False
    assert nm.apply(changes, 1) == {}
    junos.time_passes()
    assert nm.read().ports == dict.fromkeys(PORTS, PortState(101))


def test_changes_that_are_refused_in_the_same_words_do_not_take_others_with_them(junos: Junos) -> None:
    nm = driver()
    bad = [join(A, NO_VLAN), join(PORTS[-1], NO_VLAN)]
    changes: list[Change] = [SetVlan(101, True), bad[0], *(join(port, 101) for port in PORTS[1:-1]), bad[1]]
    rejected = nm.apply(changes, 1)
    assert {change: error.passing for change, error in rejected.items()} == dict.fromkeys(bad, False)
    junos.time_passes()
    isolated = dict.fromkeys(PORTS, PortState())
    assert nm.read().ports == isolated | dict.fromkeys(PORTS[1:-1], PortState(101))
