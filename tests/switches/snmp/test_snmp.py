"""Switches driven by SNMP, on a real snmpd: few requests, refusals, silence, saving, and who may ask."""

import contextlib
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pysnmp import debug

from nm.errors import DeviceFailed, Invalid, NMError
from nm.records import Record
from nm.switch import PortState, SetPort
from nm.switches.snmp.cisco import EDIT_OPERATION, EDIT_OWNER
from nm.switches.snmp.client import Client, Community
from nm.switches.snmp.driver import Snmp
from nm.switches.snmp.mib import Write, bitmap, members, same
from tests.switches.benches import EPOCH, done, join, leave, no_vlan, trunk, vlan
from tests.switches.snmp import agent
from tests.switches.snmp.rack import (
    AUTH,
    COMMUNITY,
    PACKETS,
    PRIVACY,
    SETS,
    SnmpBench,
    SnmpRack,
    Wire,
    executor_of,
)

pytestmark = pytest.mark.real
ISOLATED = PortState()
WRONG = "wrong-phrase-Jh5"
V3 = {"user": "nm", "secrets": {"auth": AUTH, "privacy": PRIVACY}}


@pytest.fixture(params=["qbridge", "cisco"])
def bench(request: pytest.FixtureRequest) -> SnmpBench:
    """Each model in turn."""
    found: SnmpBench = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def large(snmp_rack: SnmpRack) -> Iterator[SnmpBench]:
    with contextlib.closing(SnmpBench(snmp_rack, "qbridge", 48, isolated=True)) as found:
        yield found


def failure(bench: SnmpBench, **changes: object) -> DeviceFailed:
    """Why a switch of that record (None: without the setting) cannot be used."""
    record = {key: value for key, value in {**bench.record, **changes}.items() if value is not None}
    executor = executor_of(record)
    try:
        with pytest.raises(DeviceFailed) as caught:
            executor.inspect()
    finally:
        executor.close()
    return caught.value


def passing(error: NMError | None) -> bool:
    assert isinstance(error, DeviceFailed)
    return error.passing


# --- few requests ---


def test_48_ports_join_in_four_requests_and_one_that_saves(large: SnmpBench) -> None:
    before = large.rack.count(SETS)
    done(large, vlan(101), *(join(port, 101) for port in large.ports))
    assert large.table() == dict.fromkeys(large.ports, PortState(101))
    assert large.rack.count(SETS) - before == len(["the VLAN", "its ports", "open", "save"])


def test_several_groups_moving_at_once_share_requests(large: SnmpBench) -> None:
    groups = [large.ports[first::4] for first in range(4)]
    numbers = [101, 102, 103, 104]
    orders = [join(port, number) for number, ports in zip(numbers, groups, strict=True) for port in ports]
    done(large, *map(vlan, numbers), *orders)
    before = large.rack.count(SETS)
    moved = [
        join(port, number) for number, ports in zip(numbers[::-1], groups, strict=True) for port in ports
    ]
    done(large, *moved)
    assert {large.table()[port] for port in groups[0]} == {PortState(104)}
    assert large.rack.count(SETS) - before == len(["shut", "leave", "join", "open", "save"])


def test_48_ports_are_read_in_a_few_requests(large: SnmpBench) -> None:
    large.executor.inspect()
    before = large.rack.count(PACKETS)
    large.executor.inspect()
    assert large.rack.count(PACKETS) - before <= 6  # the count itself is one


def test_a_request_that_is_too_big_is_halved(large: SnmpBench) -> None:
    large.faults(once=[[f"{agent.PVID}.40=101", "too-big"]])
    before = large.rack.count(SETS)
    done(large, vlan(101), *(join(port, 101) for port in large.ports))
    assert large.table() == dict.fromkeys(large.ports, PortState(101))
    assert large.rack.count(SETS) - before == 4 + len(["one half", "other half"])


def test_a_port_is_shut_while_it_changes_and_trunks_are_not(bench: SnmpBench) -> None:
    a, _, uplink, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), vlan(102), join(a, 101), trunk(uplink, 101))
    before = len(bench.journal())
    done(bench, join(a, 102), trunk(uplink, 102))
    told = [one for one in bench.journal()[before:] if not one.startswith((agent.SAVE, agent.COPY))]
    assert told[0] == f"{agent.ADMIN}.{bench.index(a)}=2"
    assert told[-1] == f"{agent.ADMIN}.{bench.index(a)}=1"
    assert len([one for one in told if one.startswith(agent.ADMIN)]) == 2


# --- refusals ---


def test_a_refused_value_fails_just_its_own_change(bench: SnmpBench) -> None:
    a, b, c, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    cell = (
        f"{agent.PVID}.{bench.place(b)}" if bench.model == "qbridge" else f"{agent.ACCESS}.{bench.index(b)}"
    )
    bench.faults(reject=[[f"{cell}=101", "wrong-value"]])
    outcomes = bench.executor.run([vlan(101), join(a, 101), join(b, 101), join(c, 101)], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [True, True, False, True]
    assert not passing(outcomes[2].error)
    assert "wrongValue" in str(outcomes[2].error) and b in str(outcomes[2].error)
    assert (bench.table()[a], bench.table()[b], bench.table()[c]) == (
        PortState(101),
        ISOLATED,
        PortState(101),
    )
    bench.faults(reject=[])
    done(bench, join(b, 101))


def test_a_port_that_cannot_be_shut_leaves_its_vlans_all_the_same(bench: SnmpBench) -> None:
    a, b, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101), join(b, 101))
    bench.faults(reject=[[f"{agent.ADMIN}.*=2", "not-writable"]])
    (outcome,) = bench.executor.run([leave(a)], EPOCH)
    assert "notWritable" in str(outcome.error) and not passing(outcome.error)
    assert (bench.reaches(a), bench.reaches(b)) == (set(), set())


def test_a_refused_value_of_many_ports_fails_just_the_port_that_is_the_cause(large: SnmpBench) -> None:
    bad = large.ports[4]  # the fifth: 0x08 in the first octet
    large.faults(reject=[[f"{agent.EGRESS}.101=?[89a-f]*", "inconsistent-value"]])
    before = large.rack.count(SETS)
    orders = [vlan(101), *(join(port, 101) for port in large.ports)]
    outcomes = large.executor.run(orders, EPOCH)
    failed = [order.fact for order, outcome in zip(orders, outcomes, strict=True) if outcome.error]
    assert failed == [join(bad, 101).fact]
    assert large.table() == {**dict.fromkeys(large.ports, PortState(101)), bad: ISOLATED}
    assert large.rack.count(SETS) - before <= 20  # found by halving


def test_ports_that_are_refused_cost_one_request_each(large: SnmpBench) -> None:
    large.faults(reject=[[f"{agent.PVID}.{place}=101", "wrong-value"] for place in (1, 2, 47, 48)])
    before = large.rack.count(SETS)
    outcomes = large.executor.run([vlan(101), *(join(port, 101) for port in large.ports)], EPOCH)
    assert [bool(outcome.error) for outcome in outcomes] == [False, *[True] * 2, *[False] * 44, *[True] * 2]
    assert large.rack.count(SETS) - before == 4 + 4


def test_a_vlan_that_is_refused_fails_those_who_need_it_and_nobody_else(bench: SnmpBench) -> None:
    a, b, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    row = f"{agent.ROW}.102" if bench.model == "qbridge" else f"{agent.EDIT_ROW}.1.102"
    bench.faults(reject=[[f"{row}=4", "resource-unavailable"]])
    outcomes = bench.executor.run([vlan(101), vlan(102), join(a, 101), join(b, 102)], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, False]
    assert passing(outcomes[1].error)
    assert "resourceUnavailable" in str(outcomes[1].error)
    assert (bench.table()[a], bench.table()[b]) == (PortState(101), ISOLATED)


def test_a_port_that_joins_a_vlan_that_is_not_there_stays_shut(bench: SnmpBench) -> None:
    a, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    (outcome,) = bench.executor.run([join(a, None, 150)], EPOCH)
    assert "VLAN 150 does not exist" in str(outcome.error)
    assert f"{agent.ADMIN}.{bench.index(a)}=1" not in bench.journal()


def test_vlans_are_not_edited_while_somebody_else_does(cisco: SnmpBench) -> None:
    cisco.executor.isolate(cisco.ports, EPOCH)
    with contextlib.closing(cisco.rack.client()) as somebody:
        somebody.set([Write(EDIT_OPERATION, (1,), 2), Write(EDIT_OWNER, (1,), b"somebody")])
        (outcome,) = cisco.executor.run([vlan(101)], EPOCH)
        assert passing(outcome.error) and "somebody else" in str(outcome.error)
        somebody.set([Write(EDIT_OPERATION, (1,), 4)])
    done(cisco, vlan(101))


def test_edited_vlans_that_could_not_be_applied_are_an_error(cisco: SnmpBench) -> None:
    cisco.faults(apply=6)
    (outcome,) = cisco.executor.run([vlan(101)], EPOCH)
    assert "localNVStoreFail" in str(outcome.error)
    cisco.faults(apply=2)
    done(cisco, vlan(101))
    done(cisco, no_vlan(101))


@pytest.mark.parametrize("cell", ["row", "edit", "copy", "join", "save"])
def test_what_a_first_try_did_whose_answer_was_lost_is_no_error(bench: SnmpBench, cell: str) -> None:
    a, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    cells = {
        "row": f"{agent.ROW}.101=4" if bench.model == "qbridge" else f"{agent.EDIT_ROW}.1.101=4",
        "edit": f"{agent.NAME}.101=*" if bench.model == "qbridge" else f"{agent.OPERATION}.1=2",
        "copy": f"{agent.EGRESS}.101=*" if bench.model == "qbridge" else f"{agent.OPERATION}.1=3",
        "join": f"{agent.PVID}.1=101" if bench.model == "qbridge" else f"{agent.ACCESS}.10101=101",
        "save": f"{agent.EGRESS}.101=00*" if bench.model == "qbridge" else f"{agent.COPY_ROW}.*=4",
    }
    bench.faults(late=[[cells[cell], "inconsistent-value"]])
    done(bench, vlan(101), join(a, 101))
    assert bench.table()[a] == PortState(101)
    bench.rack.ask("restart")
    assert bench.table()[a] == PortState(101)
    done(bench, leave(a), no_vlan(101))


# --- yes, and nothing done ---


def test_a_port_that_was_not_changed_is_not_opened(bench: SnmpBench) -> None:
    a, b, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    cell = (
        f"{agent.PVID}.{bench.place(a)}" if bench.model == "qbridge" else f"{agent.ACCESS}.{bench.index(a)}"
    )
    bench.faults(lie=[f"{cell}=*"])
    outcomes = bench.executor.run([vlan(101), join(a, 101), join(b, 101)], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "said yes and did nothing" in str(outcomes[1].error)
    assert bench.table()[a] == ISOLATED
    assert f"{agent.ADMIN}.{bench.index(a)}=1" not in bench.journal()


def test_a_port_that_is_shut_and_was_left_in_its_vlan_is_an_error(bench: SnmpBench) -> None:
    a, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101))
    cell = f"{agent.EGRESS}.101" if bench.model == "qbridge" else f"{agent.ACCESS}.{bench.index(a)}"
    bench.faults(lie=[f"{cell}=*", f"{agent.UNTAGGED}.101=*"])
    (outcome,) = bench.executor.run([leave(a)], EPOCH)
    assert "left the port in its VLANs" in str(outcome.error)
    assert bench.table()[a] == ISOLATED
    bench.faults(lie=[])
    done(bench, leave(a), no_vlan(101))


# --- silence ---


def test_silence_passes_and_late_answers_harm_nobody(bench: SnmpBench) -> None:
    a, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    row = f"{agent.ROW}.101" if bench.model == "qbridge" else f"{agent.EDIT_ROW}.1.101"
    hasty = executor_of({**bench.record, "timeout": 1.0})
    try:
        bench.faults(hush=f"{row}=*")
        outcomes = hasty.run([vlan(101), join(a, 101)], EPOCH)
    finally:
        bench.faults(**agent.NO_FAULTS)
        hasty.close()
    assert [passing(outcome.error) for outcome in outcomes] == [True, True]
    assert "no answer within 1 s" in str(outcomes[0].error)
    (at_once,) = hasty.run([vlan(101)], EPOCH)
    assert "may yet carry it out" in str(at_once.error)
    done(bench, vlan(101), join(a, 101))
    assert bench.table()[a] == PortState(101)


@pytest.mark.parametrize("copies", [1, 2], ids=["lost answers", "doubled requests"])
def test_what_is_asked_twice_is_done_once(bench: SnmpBench, copies: int) -> None:
    a, *_ = bench.ports
    with contextlib.closing(Wire(bench.rack.port, copies)) as wire:
        executor = executor_of({**bench.record, "port": wire.port, "timeout": 6.0 if copies == 2 else 0.9})
        try:
            executor.isolate(bench.ports, EPOCH)
            wire.lose = 2 - copies
            outcomes = executor.run([vlan(101), join(a, 101)], EPOCH)
            wire.lose = 2 - copies
            outcomes += executor.run([leave(a), no_vlan(101)], EPOCH)
        finally:
            executor.close()
    assert [outcome.error for outcome in outcomes] == [None] * 4


def test_nobody_there_is_silence(bench: SnmpBench) -> None:
    error = failure(bench, port=9, timeout=0.2)
    assert error.passing
    assert "127.0.0.1, UDP port 9" in error.message


def test_workers_of_several_switches_do_not_meet(qbridge: SnmpBench) -> None:
    def read() -> set[str]:
        executor = executor_of(qbridge.record)
        try:
            return set(executor.inspect().ports) & set(executor.inspect().ports)
        finally:
            executor.close()

    with ThreadPoolExecutor(4) as workers:
        found = [worker.result() for worker in [workers.submit(read) for _ in range(4)]]
    assert found == [set(qbridge.ports)] * 4


def test_the_library_is_loaded_only_when_a_switch_needs_it() -> None:
    program = "import sys, nm.switches; sys.exit('pysnmp' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


# --- saving ---


def test_a_run_ends_by_saving(bench: SnmpBench) -> None:
    a, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    done(bench, vlan(101), join(a, 101))
    assert bench.startup()[f"{agent.ADMIN}.{bench.index(a)}"] == 1
    bench.rack.ask("restart")
    assert bench.table() == {**dict.fromkeys(bench.ports, ISOLATED), a: PortState(101)}


def test_what_could_not_be_saved_is_not_done(bench: SnmpBench) -> None:
    bench.faults(save="no space")
    (outcome,) = bench.executor.run([vlan(101)], EPOCH)
    assert "would forget it at a power cut" in str(outcome.error)
    assert ("noMem" if bench.model == "cisco" else "commitFailed") in str(outcome.error)
    bench.faults(save="")
    done(bench, vlan(101))
    bench.rack.ask("restart")
    assert 101 in (bench.executor.inspect().vlans or ())


def test_a_save_that_is_refused_is_an_error(cisco: SnmpBench) -> None:
    cisco.faults(reject=[[f"{agent.COPY_ROW}.*=4", "not-writable"]])
    (outcome,) = cisco.executor.run([vlan(101)], EPOCH)
    assert "refused to save" in str(outcome.error) and "notWritable" in str(outcome.error)


def test_a_switch_that_cannot_be_told_to_save_forgets(snmp_rack: SnmpRack) -> None:
    with contextlib.closing(SnmpBench(snmp_rack, "qbridge", save="none")) as bench:
        done(bench, vlan(101))
        bench.rack.ask("restart")
        assert bench.executor.inspect().vlans == frozenset({1})


def test_how_a_standard_switch_saves_must_be_said(qbridge: SnmpBench) -> None:
    settings = {"address": "192.0.2.1", "mib": "qbridge"}
    with pytest.raises(Invalid, match="save is missing"):
        Snmp.canonical(settings)
    error = failure(qbridge, mib=None, save=None)
    assert "needs the setting save" in error.message and not error.passing


# --- who asks ---


@pytest.mark.parametrize(
    "user",
    [V3, {**V3, "user": "strong", "auth_protocol": "SHA256"}, {**V3, "user": "old", "auth_protocol": "MD5"}],
    ids=["SHA", "SHA256", "MD5"],
)
def test_a_user_of_version_3_may_do_it_all(snmp_rack: SnmpRack, user: Record) -> None:
    with contextlib.closing(SnmpBench(snmp_rack, "qbridge", **user)) as bench:
        a, *_ = bench.ports
        bench.executor.isolate(bench.ports, EPOCH)
        done(bench, vlan(101), join(a, 101))
        assert bench.table()[a] == PortState(101)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"secrets": {"auth": WRONG, "privacy": PRIVACY}}, "wrongDigest"),
        ({"user": "nobody"}, "unknownUserName"),
        ({"user": "old"}, "wrongDigest"),  # MD5 must be asked for
        ({"privacy_protocol": "none"}, "authorizationError"),
    ],
)
def test_a_user_who_is_not_let_in_is_told_why(qbridge: SnmpBench, changes: Record, word: str) -> None:
    error = failure(qbridge, **{**V3, **changes})
    assert word in error.message
    assert not error.passing


def test_agents_are_silent_to_a_wrong_community_or_privacy_password(qbridge: SnmpBench) -> None:
    for changes in ({"secrets": {"community": WRONG}}, {**V3, "secrets": {"auth": AUTH, "privacy": WRONG}}):
        error = failure(qbridge, **{**changes, "timeout": 0.3})
        assert error.passing
        assert "to a wrong one agents give no answer" in error.hint


def test_a_community_that_may_only_read_is_told_so(qbridge: SnmpBench) -> None:
    executor = executor_of({**qbridge.record, "secrets": {"community": "read-only"}})
    try:
        assert executor.inspect().ports
        (outcome,) = executor.run([vlan(101)], EPOCH)
    finally:
        executor.close()
    assert "noAccess" in str(outcome.error) and not passing(outcome.error)


def test_secrets_must_be_there(qbridge: SnmpBench) -> None:
    assert "needs a secret community" in failure(qbridge, secrets={}).message
    assert "needs a secret privacy" in failure(qbridge, user="nm", secrets={"auth": AUTH}).message
    short = failure(qbridge, user="nm", secrets={"auth": "short7c", "privacy": PRIVACY})
    assert "secret auth is too short" in short.message and "short7c" not in str(short)


def test_what_is_no_snmp_is_silence_and_reaches_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "gehéim-ł-community"
    begin = bytes.fromhex("65ff0131")  # at this pysnmp stumbles in the event loop, which would log it all
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.settimeout(10)
        client = Client("switch sw0", stranger.getsockname(), Community(secret), 1)

        def babble() -> None:
            _, asker = stranger.recvfrom(65536)
            for garbage in (
                b"",
                begin + secret.encode(),
                b"\x30\x03\x02\x01\x01" + secret.encode(),
                secret.encode(),
            ):
                stranger.sendto(garbage, asker)

        thread = threading.Thread(target=babble)
        thread.start()
        with contextlib.closing(client), pytest.raises(DeviceFailed, match="no answer"):
            client.get([(1, 3, 6, 1, 2, 1, 1, 1, 0)])
        thread.join()
    assert "sent what is no SNMP" in caplog.text
    assert secret not in caplog.text and repr(secret.encode())[2:-1] not in caplog.text


def test_secrets_reach_no_log_and_no_error(
    qbridge: SnmpBench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    debug.set_logger(debug.Debug("io", "msgproc", "secmod", "app"))
    try:
        errors = [failure(qbridge, **{**V3, "secrets": {"auth": WRONG, "privacy": PRIVACY}})]
        errors += [failure(qbridge, secrets={"community": WRONG}, timeout=0.2)]
        for user in ({}, V3):
            executor = executor_of({**qbridge.record, **user})
            qbridge.faults(reject=[[f"{agent.ROW}.102=4", "bad-value"]])
            outcomes = executor.run([vlan(101), vlan(102), join(qbridge.ports[0], 101)], EPOCH)
            errors += [outcome.error for outcome in outcomes if isinstance(outcome.error, DeviceFailed)]
            executor.close()
    finally:
        debug.set_logger(0)
    assert len(errors) == 4
    printed = capfd.readouterr()
    told = caplog.text + printed.out + printed.err + "".join(map(repr, errors))
    for secret in (COMMUNITY, AUTH, PRIVACY, WRONG):
        assert secret not in told
        assert secret.encode().hex() not in told.lower()


# --- what it is ---


def test_the_model_is_guessed_by_what_the_agent_says_it_is(bench: SnmpBench) -> None:
    executor = executor_of({key: value for key, value in bench.record.items() if key != "mib"})
    try:
        state = executor.inspect()
    finally:
        executor.close()
    assert set(state.ports) == set(bench.ports)
    assert state.model == f"Fake switch with {bench.model}"


def test_a_switch_without_the_mib_says_so(qbridge: SnmpBench) -> None:
    error = failure(qbridge, mib="cisco")
    assert "mib=cisco" in error.message and not error.passing


def test_ports_without_ifname_go_by_what_describes_them(snmp_rack: SnmpRack) -> None:
    with contextlib.closing(SnmpBench(snmp_rack, "qbridge", named=False)) as bench:
        assert set(bench.executor.inspect().ports) == {f"Ethernet {number}" for number in range(1, 6)}
        bench.rack.ask("put", cells={f"{agent.IF_DESCR}.10102": b"Ethernet 1".hex()})
        assert {"10101", "10102", "Ethernet 3"} < set(bench.executor.inspect().ports)


def test_trunks_carry_vlans_of_all_four_bitmaps(cisco: SnmpBench) -> None:
    a, *_ = cisco.ports
    cisco.executor.isolate(cisco.ports, EPOCH)
    numbers = [2, 1023, 1024, 2047, 2048, 3072, 4094]
    done(cisco, *map(vlan, numbers), *(trunk(a, number) for number in numbers))
    assert cisco.table()[a] == PortState(None, tuple(numbers))


def test_a_trunk_whose_native_vlan_is_to_be_tagged_gets_another(cisco: SnmpBench) -> None:
    uplink = cisco.ports[0]
    cisco.executor.isolate(cisco.ports, EPOCH)
    cisco.put(uplink, PortState(101, (102,)))
    done(cisco, vlan(103), trunk(uplink, 103))
    assert cisco.table()[uplink] == PortState(None, (102, 103))
    done(cisco, trunk(uplink, 101))
    assert cisco.table()[uplink] == PortState(None, (101, 102, 103))


def test_a_port_with_a_voice_vlan_is_open_until_it_joins(cisco: SnmpBench) -> None:
    a, *_ = cisco.ports
    cisco.executor.isolate(cisco.ports, EPOCH)
    cisco.put(a, PortState(105))
    cisco.rack.ask("put", cells={f"{agent.VOICE}.{cisco.index(a)}": 200})
    assert cisco.executor.inspect().ports[a] == PortState(105, open=True)
    done(cisco, join(a, 105))
    assert cisco.executor.inspect().ports[a] == PortState(105)
    assert cisco.cells()[f"{agent.VOICE}.{cisco.index(a)}"] == 4096


def test_asymmetric_ports_are_open(qbridge: SnmpBench) -> None:
    a, *_ = qbridge.ports
    qbridge.executor.isolate(qbridge.ports, EPOCH)
    qbridge.put(a, PortState(105))
    qbridge.rack.ask("put", cells={f"{agent.PVID}.{qbridge.place(a)}": 1})  # in by VLAN 1, out by 105
    assert qbridge.executor.inspect().ports[a] == PortState(None, open=True)
    done(qbridge, join(a, 105))
    assert qbridge.table()[a] == PortState(105)


def test_a_change_for_a_port_that_is_not_there_touches_nothing(qbridge: SnmpBench) -> None:
    qbridge.executor.inspect()
    outcome = qbridge.executor.isolate(["nowhere"], EPOCH)["nowhere"]
    assert isinstance(outcome, DeviceFailed) and "no such port" in outcome.message
    assert [one for one in qbridge.journal() if not one.startswith(agent.SAVE)] == []


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"address": "192.0.2.1"}, ("192.0.2.1", 161)),
        ({"address": "2001:DB8:0::1", "port": 10161}, ("2001:db8::1", 10161)),
        ({"address": "::ffff:192.0.2.1"}, ("192.0.2.1", 161)),
    ],
)
def test_addresses_have_one_spelling(settings: Record, address: tuple[str, int]) -> None:
    full = Snmp.canonical(settings)
    assert (full["address"], full["port"]) == address


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "switch.example.org"},
        {"address": "0.0.0.0"},
        {"port": 0},
        {"mib": "other"},
        {"auth_protocol": "sha"},
        {"privacy_protocol": "ROT13"},
        {"save": "sometimes"},
        {"timeout": 0.0},
        {"user": ""},
    ],
)
def test_wrong_settings_are_refused(wrong: Record) -> None:
    with pytest.raises(Invalid):
        Snmp.canonical({"address": "192.0.2.1", **wrong})


def test_bitmaps_go_both_ways() -> None:
    assert bitmap({1, 8, 9}, 1, 1) == b"\x81\x80"
    assert members(b"\x81\x80", 1) == {1, 8, 9}
    assert members(bitmap({1024, 2047}, 128, 1024), 1024) == {1024, 2047}
    assert same(b"\x80", b"\x80\0\0") and not same(b"\x80", b"\x81")


def test_a_driver_that_is_not_open_says_so() -> None:
    driver = Snmp("sw0", {"address": "192.0.2.1"}, {})
    with pytest.raises(DeviceFailed, match="not open"):
        driver.apply([SetPort("p1", ISOLATED)], EPOCH)
    driver.close()
