"""What the driver of command lines makes of a switch that is odd, locked, full, or somebody else."""

import io
import logging
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import paramiko
import pytest

from nm.errors import DeviceFailed, Invalid
from nm.facts import Outcome
from nm.switch import PortState, SetPort, SetVlan
from nm.switches import builtin, dialects
from nm.switches.breaker import MOST_FAILURES, Breaker
from nm.switches.cli import plan
from nm.switches.dialect import Reading, Seen, filled
from nm.switches.executor import Executor, make_executor
from tests.switches.benches import EPOCH, SWITCH, CliBench, done, executor_of, join, leave, no_vlan, vlan
from tests.switches.conftest import ELSEWHERE, TRIED
from tests.switches.fakes import FakeSwitch, start
from tests.switches.fakes.faults import Kind
from tests.switches.sshd import Sshd, missing
from tests.waiting import until

PASSWORD, ENABLE = "letmein-4711", "topsecret-4712"
ISOLATED = PortState()


@pytest.fixture
def ios(command_line: Callable[[str], CliBench]) -> CliBench:
    return command_line("cisco_ios")


@pytest.fixture
def locked() -> Iterator[FakeSwitch]:
    """A switch with an enable secret."""
    with start("cisco_ios", ports=5, password=PASSWORD, enable=ENABLE) as switch:
        yield switch


def executor(switch: FakeSwitch, timeout: float = 2.0, **record: object) -> Executor:
    """An executor of that switch, whose breaker's clock stands still."""
    settings = {
        "record_key": f"switch_{SWITCH}",
        "driver": "cli",
        "dialect": switch.cli.dialect,
        "address": "127.0.0.1",
        "port": switch.port,
        "user": switch.user,
        "timeout": timeout,
        "secrets": {"password": PASSWORD, "enable": ENABLE},
        **record,
    }
    return make_executor(settings, builtin(), lambda name: name, breaker=Breaker(lambda: 0.0))


def error_of(outcome: Outcome) -> DeviceFailed:
    assert isinstance(outcome.error, DeviceFailed)
    return outcome.error


# ---- who it is, and who is let in


def test_the_enable_secret_opens_the_privileged_mode(locked: FakeSwitch) -> None:
    hand = executor(locked)
    assert len(hand.inspect().ports) == 5
    hand.close()
    wrong = executor(locked, secrets={"password": PASSWORD, "enable": "no-4713"})
    (outcome,) = wrong.run([vlan(101)], EPOCH)
    assert "enable" in str(error_of(outcome))
    assert not {PASSWORD, "no-4713"} & {*str(outcome.error).replace("'", " ").split()}
    assert 101 not in locked.vlans()


def test_a_wrong_password_is_told_without_it_and_not_tried_for_ever(
    locked: FakeSwitch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hand = executor(locked, secrets={"password": "wrong-and-told"})
    for _ in range(MOST_FAILURES + 4):
        (outcome,) = hand.run([vlan(101)], EPOCH)
        assert "refuses the log-in of admin" in str(error_of(outcome))
        assert error_of(outcome).passing
        assert "and-told" not in str(outcome.error)
    assert locked.counts.refused_logins == MOST_FAILURES
    assert hand.breaker.pause > 0
    words, hint = str(outcome.error).split("; ", 1)  # as a client reads it
    assert "tried again in" in words and hint == error_of(outcome).hint
    assert "and-told" not in caplog.text
    hand.breaker.reset()  # somebody asks for a try
    with pytest.raises(DeviceFailed, match="refuses the log-in"):
        hand.inspect()
    assert locked.counts.refused_logins == MOST_FAILURES + 1


def test_one_that_hangs_up_right_after_the_log_in_is_a_failure_like_others(
    locked: FakeSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What paramiko says when the connection ends just before the host key is looked at again."""
    looks, look = [0], paramiko.Transport.get_remote_server_key

    def gone(transport: paramiko.Transport) -> paramiko.PKey:
        looks[0] += 1
        if looks[0] == 1:  # paramiko's own
            return look(transport)
        raise paramiko.SSHException("No existing session")

    hand = executor(locked)
    with monkeypatch.context() as patch:
        patch.setattr(paramiko.Transport, "get_remote_server_key", gone)
        (outcome,) = hand.run([vlan(101)], EPOCH)
    assert "cannot be logged in to: No existing session" in str(error_of(outcome))
    assert error_of(outcome).passing
    (outcome,) = hand.run([vlan(101)], EPOCH)  # and nothing of that session is in the way
    assert outcome.error is None
    hand.close()


def test_where_nobody_is_let_in_nothing_was_isolated_and_nothing_is_saved(locked: FakeSwitch) -> None:
    hand = executor(locked, secrets={"password": "wrong-and-told"})
    (result,) = hand.isolate(["Gi1/0/1"], EPOCH).values()
    assert "refuses the log-in of admin" in str(result) and "applied" not in str(result)
    assert hand.unsaved is None
    assert locked.counts.refused_logins == 1


def test_a_log_in_leaves_no_secret_in_the_log(locked: FakeSwitch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hand = executor(locked)
    hand.inspect()
    hand.close()
    assert PASSWORD not in caplog.text
    assert ENABLE not in caplog.text


@pytest.mark.parametrize("passphrase", [None, "open-4715"])
def test_a_private_key_is_used_from_its_secret(passphrase: str | None) -> None:
    key = paramiko.ECDSAKey.generate()
    text = io.StringIO()
    key.write_private_key(text, passphrase)
    with start("cisco_ios", ports=2, keys=[f"{key.get_name()} {key.get_base64()}"]) as switch:
        secrets = {"key": text.getvalue()} | ({"passphrase": passphrase} if passphrase else {})
        hand = executor(switch, secrets=secrets)
        assert len(hand.inspect().ports) == 2
        hand.close()
        (outcome,) = executor(switch, secrets={"key": "no key at all"}).run([vlan(101)], EPOCH)
        assert "holds no private key" in str(error_of(outcome))


def test_a_key_comes_before_a_password() -> None:
    key = paramiko.ECDSAKey.generate()
    text = io.StringIO()
    key.write_private_key(text)
    with start("cisco_ios", ports=2, keys=[f"{key.get_name()} {key.get_base64()}"]) as switch:
        hand = executor(switch, secrets={"key": text.getvalue(), "password": "wrong-4716"})
        assert len(hand.inspect().ports) == 2
        hand.close()
        assert switch.counts.refused_logins == 0


def test_an_agents_key_is_used_when_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, place = tmp_path / "key", tmp_path / "agent"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    public = (tmp_path / "key.pub").read_text().rsplit(" ", 1)[0]
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    with subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL) as agent:
        try:
            until(place.exists)
            subprocess.run(["ssh-add", "-q", file], check=True)
            with start("cisco_ios", ports=2, keys=[public]) as switch:
                hand = executor(switch, secrets={}, agent=True)
                assert len(hand.inspect().ports) == 2
                hand.close()
                (outcome,) = executor(switch, secrets={}).run([vlan(101)], EPOCH)
                assert outcome.error is not None
        finally:
            agent.terminate()


def test_an_agent_that_says_nothing_holds_nobody_up(
    tmp_path: Path, ios: CliBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "agent")
    monkeypatch.setenv("SSH_AUTH_SOCK", place)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(place)
        silent.listen()
        hand = executor(ios.switch, timeout=0.3, secrets={}, agent=True)
        asking = threading.Thread(target=hand.run, args=([vlan(101)], EPOCH), daemon=True)
        asking.start()
        asking.join(20)
        assert not asking.is_alive()
    assert hand.breaker.failures == 1


@pytest.mark.skipif(bool(missing()), reason=missing() or "there is an sshd")
def test_of_several_keys_a_host_is_asked_for_the_pinned_one(tmp_path: Path) -> None:
    sshd = Sshd(tmp_path)
    sshd._make_key("host-rsa", "rsa")
    sshd.start("ed25519", "ecdsa", "rsa")
    try:
        for kind in ("rsa", "ecdsa", "ed25519"):
            record = {"driver": "cli", "dialect": "sonic", "address": "127.0.0.1", "port": sshd.port}
            record |= {"user": "root", "secrets": {"password": "wrong"}, "host_key": sshd.host_key(kind)}
            hand = make_executor({"record_key": "switch_sw0", **record}, builtin(), lambda name: name)
            (outcome,) = hand.run([vlan(101)], EPOCH)
            assert "refuses the log-in" in str(outcome.error)  # so it was asked for one
    finally:
        sshd.stop()


def test_the_first_host_key_is_shown_and_another_one_is_refused(locked: FakeSwitch) -> None:
    shown: list[str] = []
    record = {"driver": "cli", "dialect": "cisco_ios", "address": "127.0.0.1", "port": locked.port}
    record |= {"user": "admin", "secrets": {"password": PASSWORD, "enable": ENABLE}, "timeout": 2.0}
    hand = make_executor(
        {"record_key": "switch_sw0", **record},
        builtin(),
        lambda name: name,
        meet=lambda found: shown.append(found["host_key"]),
    )
    hand.inspect()
    hand.close()
    assert shown == [locked.host_key]
    pinned = executor(locked, host_key=shown[0])
    assert len(pinned.inspect().ports) == 5
    pinned.close()
    locked.replace()
    before = locked.counts.logins
    (outcome,) = pinned.run([vlan(101)], EPOCH)
    assert "another host key" in str(error_of(outcome))
    assert locked.counts.logins == before


def test_a_key_that_was_met_is_expected_from_the_next_log_in_on(locked: FakeSwitch) -> None:
    hand = executor(locked)
    hand.inspect()
    locked.replace()
    locked.server.cut()
    before = locked.counts.logins
    for _ in range(2):  # the first one finds the session cut
        (outcome,) = hand.run([vlan(101)], EPOCH)
    assert "another host key" in str(error_of(outcome))
    assert locked.counts.logins == before  # so it has not been told the password


def test_what_is_pinned_is_used_when_no_key_was_given(locked: FakeSwitch) -> None:
    key = locked.host_key
    locked.replace()
    (outcome,) = executor(locked, _host_key=key).run([vlan(101)], EPOCH)
    assert "another host key" in str(error_of(outcome))


def test_nothing_is_asked_of_a_switch_that_nobody_wants_to_meet(locked: FakeSwitch) -> None:
    def refuse(shown: object) -> None:
        raise Invalid("it is another one's already")

    hand = executor(locked)
    hand._meet = refuse
    (outcome,) = hand.run([vlan(101)], EPOCH)
    assert "another one's" in str(outcome.error)
    assert 101 not in locked.vlans()


# ---- sessions


@pytest.mark.parametrize("fault", ["refuse", "full", "silent", "password", "key"])
def test_a_switch_that_lets_nobody_in_is_told_and_comes_back(cli: CliBench, fault: str) -> None:
    known = cli.switch.host_key
    if fault == "full":
        cli.switch.max_sessions = 0
    elif fault == "key":
        cli.switch.server.replace_host_key()
    else:
        kinds: dict[str, Kind] = {"refuse": "refuse", "silent": "silence", "password": "password"}
        cli.switch.fault(kinds[fault], line=0 if fault == "silent" else None)
    cli.executor = executor_of(**{**cli.record, "timeout": 0.5, "host_key": known})
    (outcome,) = cli.executor.run([vlan(101)], EPOCH)
    assert error_of(outcome).passing
    assert PASSWORD not in str(outcome.error)
    assert 101 not in cli.switch.vlans()
    cli.switch.max_sessions = 16
    cli.switch.mend()
    cli.executor = executor_of(**{**cli.record, "host_key": cli.switch.host_key})
    done(cli, vlan(101))
    assert 101 in cli.switch.vlans()


@pytest.mark.parametrize("dialect", TRIED)
def test_forty_eight_ports_are_one_session_one_save_and_few_lines(dialect: str) -> None:
    """Few where a line may name a range of ports; else some a port."""
    most = 30 if dialects.find(dialect).several else 48 * 7
    with start(ELSEWHERE.get(dialect, dialect), ports=48) as switch:
        bench = CliBench(switch, dialect)
        bench.executor.isolate(bench.ports, EPOCH)
        saves, lines = switch.counts.saves, len(switch.lines())
        done(bench, vlan(101), *(join(port, 101) for port in bench.ports))
        assert set(bench.startup().values()) == {PortState(101)}
        assert (switch.counts.logins, switch.counts.most_sessions) == (1, 1)
        assert switch.counts.saves == saves + 1
        assert len(switch.lines()) - lines < most
        bench.executor.close()


LINES = {"cisco_ios": 80, "dell_os10": 253, "juniper_junos": 113}


@pytest.mark.parametrize("dialect", LINES)
def test_sixteen_groups_at_once_are_one_session_too(dialect: str) -> None:
    with start(dialect, ports=48) as switch:
        bench = CliBench(switch)
        bench.executor.isolate(bench.ports, EPOCH)
        saves, lines = switch.counts.saves, len(switch.lines())
        orders = [vlan(101 + number) for number in range(16)]
        orders += [join(port, 101 + at % 16) for at, port in enumerate(bench.ports)]
        done(bench, *orders)
        assert [bench.startup()[port] for port in bench.ports] == [
            PortState(101 + at % 16) for at in range(48)
        ]
        assert (switch.counts.logins, switch.counts.saves) == (1, saves + 1)
        assert len(switch.lines()) - lines == LINES[dialect]
        bench.executor.close()


# ---- what it says


def test_one_rejected_port_of_a_range_fails_alone(ios: CliBench) -> None:
    a, b, c, *_ = ios.ports
    ios.executor.isolate(ios.ports, EPOCH)
    ios.switch.fault("reject", like="^interface range")
    ios.switch.fault("reject", like=f"^interface {b}$")
    outcomes = ios.executor.run([vlan(101), *(join(port, 101) for port in (a, b, c))], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [True, True, False, True]
    assert "Invalid input" in str(error_of(outcomes[2]))
    assert not error_of(outcomes[2]).passing
    assert [ios.table()[port] for port in (a, b, c)] == [PortState(101), ISOLATED, PortState(101)]


def test_ports_stay_shut_when_their_vlan_was_refused(ios: CliBench) -> None:
    a, b, *_ = ios.ports
    ios.executor.isolate(ios.ports, EPOCH)
    ios.switch.fault("reject", like="^vlan 102")
    outcomes = ios.executor.run([vlan(102), vlan(103), join(a, 102), join(b, 103)], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [False, True, False, True]
    assert "vlan 102" in str(error_of(outcomes[2]))
    assert (ios.table()[a], ios.table()[b]) == (ISOLATED, PortState(103))


@pytest.mark.parametrize("kind", ["noise", "trail"])
def test_lines_of_its_log_in_between_do_no_harm(cli: CliBench, kind: Literal["noise", "trail"]) -> None:
    a, b, *_ = cli.ports
    cli.switch.fault(kind)
    cli.executor.isolate(cli.ports, EPOCH)
    done(cli, vlan(101), vlan(102), join(a, 101), join(b, 102))
    assert (cli.startup()[a], cli.startup()[b]) == (PortState(101), PortState(102))


def test_a_slow_line_is_waited_for(ios: CliBench) -> None:
    ios.switch.fault("slow", like="switchport access", seconds=0.3)
    ios.executor = executor_of(**{**ios.record, "timeout": 1.0})
    ios.executor.isolate(ios.ports, EPOCH)
    done(ios, vlan(101), join(ios.ports[0], 101))


def test_what_is_isolated_is_told_nothing_more(cli: CliBench) -> None:
    cli.executor.isolate(cli.ports, EPOCH)
    told = cli.switch.sessions[-1].configured
    assert cli.executor.isolate(cli.ports, EPOCH) == dict.fromkeys(cli.ports, ISOLATED)
    assert cli.switch.sessions[-1].configured == told


@pytest.mark.parametrize("name", ["cisco_ios", "hp_procurve", "sonic"])
def test_a_port_that_is_shut_leaves_its_vlans_too(name: str) -> None:
    """A session that was cut off left it so, and who opens it by hand must open nothing."""
    dialect = dialects.find(name)
    for state, left in ((PortState(101), 1), (PortState(dialect.home), 0)):
        reading = Reading({"p": Seen(state, shut=True)}, frozenset({1, 101}))
        assert len(plan(dialect, reading, [SetPort("p", PortState())]).leaving) == left


# ---- saving


def test_what_is_not_saved_is_not_done_and_saved_the_next_time(cli: CliBench) -> None:
    a, *_ = cli.ports
    cli.executor.isolate(cli.ports, EPOCH)
    cli.switch.fault("save")
    outcomes = cli.executor.run([vlan(101), join(a, 101)], EPOCH)
    words, kept = ("would forget it", PortState(101)) if cli.saves else ("rejected", ISOLATED)
    assert all(words in str(error_of(outcome)) for outcome in outcomes)
    assert (cli.table()[a], cli.startup()[a]) == (kept, ISOLATED)
    cli.switch.mend()
    done(cli, vlan(101), join(a, 101))  # nothing is to be changed, and it is saved
    assert cli.startup()[a] == PortState(101)


def test_a_new_session_saves_what_an_old_one_left(cli: CliBench) -> None:
    a, *_ = cli.ports
    cli.executor.isolate(cli.ports, EPOCH)
    cli.switch.fault("save")
    cli.executor.run([vlan(101), join(a, 101)], EPOCH)
    cli.executor.close()
    cli.switch.mend()
    cli.executor = executor_of(**cli.record)
    done(cli, vlan(101), join(a, 101))
    assert cli.startup()[a] == PortState(101)


def test_what_an_old_session_left_is_saved_though_a_new_vlan_may_wait(cli: CliBench) -> None:
    a, *_ = cli.ports
    cli.executor.isolate(cli.ports, EPOCH)
    cli.switch.fault("save", times=1)
    cli.executor.run([vlan(101), join(a, 101)], EPOCH)
    done(cli, vlan(102))
    done(cli, vlan(101), join(a, 101))
    assert cli.startup()[a] == PortState(101)


def test_a_vlan_that_ports_are_on_already_is_saved_at_once() -> None:
    """Some switches let a port be on a VLAN that is not there."""
    dialect, make = dialects.find("cisco_nxos"), [SetVlan(101, True)]
    for carried, idle in [(1, True), (101, False)]:
        reading = Reading({"Ethernet1/1": Seen(PortState(carried))}, frozenset({1}))
        assert plan(dialect, reading, make).only_idle_vlans == idle


def test_an_isolated_port_carries_nothing_even_when_it_was_not_shut(cli: CliBench) -> None:
    dialect = dialects.find(cli.switch.cli.dialect)
    if dialect.home is not None:
        pytest.skip("there a port is always on some VLAN")
    a, b, *_ = cli.ports
    cli.executor.isolate(cli.ports, EPOCH)
    done(cli, vlan(101), vlan(102), join(a, 101), join(b, 101, 102))
    (closing,) = filled(dialect.shut)
    pattern = re.escape(closing.line).replace(re.escape("{ports}"), ".*")
    cli.switch.fault("lie", like=f"^(?:wildcard range )?{pattern}$")
    cli.executor.run([leave(a), leave(b)], EPOCH)
    assert (cli.table()[a], cli.table()[b]) == (ISOLATED, ISOLATED)
    assert not cli.switch.ports()[a].shut


def test_a_vlan_stays_when_a_port_could_not_leave_it(cli: CliBench) -> None:
    """Who is on a VLAN that goes falls to VLAN 1 on many switches, and would be open there."""
    a, b, *_ = cli.ports
    cli.executor.isolate(cli.ports, EPOCH)
    done(cli, vlan(101), vlan(102), join(a, 101), join(b, 101))
    done(cli, leave(b))
    cli.switch.fault("reject", like=rf"{re.escape(a)}\b")
    outcomes = cli.executor.run([leave(a), no_vlan(101), no_vlan(102)], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [False, False, True]
    assert cli.table()[a] == PortState(101)
    assert 101 in cli.switch.vlans()


def test_by_policy_nothing_is_saved_and_a_reboot_is_seen(cli: CliBench) -> None:
    if not cli.saves:
        pytest.skip("what is made true is saved at once")
    ios, (a, *_) = cli, cli.ports
    ios.executor.isolate(ios.ports, EPOCH)
    ios.executor.close()
    ios.executor = executor_of(**{**ios.record, "save": "never"})
    done(ios, vlan(101), join(a, 101))
    assert ios.startup()[a] == ISOLATED
    ios.switch.reboot()
    (outcome,) = ios.executor.read([f"port/{SWITCH}/{a}"])
    assert outcome.error is not None  # the session was cut
    (outcome,) = ios.executor.read([f"port/{SWITCH}/{a}"])
    assert (outcome.seen, outcome.error) == (None, None)
    done(ios, vlan(101), join(a, 101))
    assert ios.table()[a] == PortState(101)


def test_reading_saves_nothing(ios: CliBench) -> None:
    saves = ios.switch.counts.saves
    ios.executor.inspect()
    ios.executor.read([f"port/{SWITCH}/{ios.ports[0]}"])
    ios.executor.close()
    assert ios.switch.counts.saves == saves


# ---- settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dialect": "klingon"}, "no dialect"),
        ({"transport": "pigeon"}, "transport"),
        ({"transport": "telnet"}, "has SSH"),
        ({"port": 0}, "port is 0"),
        ({"save": "sometimes"}, "save is"),
        ({"address": "a b"}, "address is"),
        ({"host_key": "ssh-rsa AAAA"}, "host_key is no host key"),
        ({"host_key": "nonsense"}, "host_key is no host key"),
        ({"timeout": 0.0}, "timeout"),
    ],
)
def test_settings_are_checked_before_anything_is_reached(changes: dict[str, object], words: str) -> None:
    settings = {"dialect": "cisco_ios", "address": "192.0.2.1", "user": "admin", **changes}
    with pytest.raises(Invalid, match=words):
        builtin().canonical("cli", settings)


def test_one_device_is_one_identity_however_it_is_spelled() -> None:
    settings = {"dialect": "cisco_ios", "user": "admin"}
    one = builtin().canonical("cli", {**settings, "address": "SW1.lab"})
    assert (one["address"], one["port"]) == ("sw1.lab", 22)
    two = builtin().canonical("cli", {**settings, "address": "2001:db8:0::1"})
    assert two["address"] == "2001:db8::1"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("Gi1/0/1", "GigabitEthernet1/0/1"),
        ("gigabitethernet 1/0/1", "GigabitEthernet1/0/1"),
        ("Te1/1/4", "TenGigabitEthernet1/1/4"),
        ("Po5", "Port-channel5"),
    ],
)
def test_ports_are_spelled_in_full(name: str, full: str) -> None:
    assert builtin().port_name("cli", {"dialect": "cisco_ios"}, name) == full


@pytest.mark.parametrize("name", ["G1/0/1", "Vlan101", "1/0/1", "Gi", "Gi1/0/1 ; reload", "Gi1/0/1\nreload"])
def test_no_line_is_smuggled_in_by_a_ports_name(name: str) -> None:
    with pytest.raises(Invalid, match="has no port"):
        builtin().port_name("cli", {"dialect": "cisco_ios"}, name)


def test_a_vlan_that_nothing_is_on_yet_is_saved_with_what_joins_it_or_at_the_end(cli: CliBench) -> None:
    a, b, *_ = cli.ports
    cli.executor.isolate(cli.ports, EPOCH)
    saves = cli.switch.counts.saves
    done(cli, vlan(101), leave(a), leave(b))  # they are isolated already
    done(cli, join(a, 101), join(b, 101))
    assert cli.switch.counts.saves == saves + (1 if cli.saves else 2)
    done(cli, vlan(102))
    cli.executor.close()
    assert 102 in cli.switch.startup_vlans()
    assert cli.startup()[a] == PortState(101)


def test_a_vlan_that_could_not_be_saved_at_the_end_is_told_and_saved_later(cli: CliBench) -> None:
    if not cli.saves:
        pytest.skip("what is made true is saved at once")
    cli.executor.isolate(cli.ports, EPOCH)
    done(cli, vlan(101))
    cli.switch.fault("save")
    cli.executor.close()
    assert "would forget it" in str(cli.executor.unsaved)
    cli.switch.mend()
    done(cli, vlan(101), leave(cli.ports[0]))
    assert cli.executor.unsaved is None
    assert 101 in cli.switch.startup_vlans()
