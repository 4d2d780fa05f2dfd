"""Command lines over telnet: the same as over SSH, of which some behaviours are tried, and each fault."""

import contextlib
import os
import resource
from collections.abc import Callable
from typing import Literal

import pytest

from tests.switches import test_behaviour, test_cli
from tests.switches.benches import EPOCH, Bench, CliBench, done, executor_of, vlan
from tests.switches.test_cli_faults import ALL as EVERYTHING

MANY = 1100  # more than select() can name

SAME: list[Callable[[Bench], None]] = [
    test_behaviour.test_joined_ports_reach_each_other_and_nobody_else,
    test_behaviour.test_a_trunk_carries_just_its_vlans,
    test_behaviour.test_what_somebody_else_changed_is_read,
]


@pytest.mark.parametrize("behaviour", SAME)
def test_it_does_the_same(telnet: CliBench, behaviour: Callable[[Bench], None]) -> None:
    behaviour(telnet)
    assert telnet.switch.counts.most_sessions == 1


@pytest.mark.parametrize("kind", ["noise", "trail"])
def test_lines_of_its_log_in_between_do_no_harm(telnet: CliBench, kind: Literal["noise", "trail"]) -> None:
    test_cli.test_lines_of_its_log_in_between_do_no_harm(telnet, kind)


def test_it_works_where_very_many_files_are_open(telnet: CliBench) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * MANY:
        pytest.skip("no process may open so many files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY), hard))
    with contextlib.ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(MANY):
            files.enter_context(open(os.devnull))
        done(telnet, vlan(101))
        telnet.executor.close()
    assert 101 in telnet.switch.startup_vlans()


@pytest.mark.skipif(not EVERYTHING, reason="netmiko takes 25 s to give up")
def test_a_wrong_password_is_told_without_it(telnet: CliBench) -> None:
    hand = executor_of(**{**telnet.record, "timeout": 20.0, "secrets": {"password": "wrong-and-told"}})
    (outcome,) = hand.run([vlan(101)], EPOCH)
    assert "refuses the log-in of admin" in str(outcome.error)
    assert "and-told" not in str(outcome.error)
    assert 101 not in telnet.switch.vlans()
