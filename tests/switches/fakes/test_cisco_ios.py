"""The framework of the fakes, tried on the dialect that has every habit; and that dialect's own."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncssh
import paramiko
import pytest

from tests.switches.fakes import FakeSwitch, start
from tests.switches.fakes.keyboard import Keyboard, Silence
from tests.switches.fakes.state import Carried, Port

ROOT = Path(__file__).parents[3]
P1, P2 = "GigabitEthernet1/0/1", "GigabitEthernet1/0/2"
JOIN = (
    "configure terminal",
    "interface Gi1/0/1",
    "switchport mode access",
    "switchport access vlan 101",
    "end",
)


@pytest.fixture
def switch() -> Iterator[FakeSwitch]:
    with start("cisco_ios", ports=8) as found:
        yield found


@pytest.fixture
def keyboard(switch: FakeSwitch) -> Iterator[Keyboard]:
    with Keyboard(switch) as found:
        yield found


def on(number: int) -> Carried:
    return Carried(number, (), mode="access")


def test_a_port_joins_a_vlan_which_comes_to_be(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(*JOIN[:3])
    assert keyboard.type(JOIN[3]) == "% Access VLAN does not exist. Creating vlan 101\n"
    assert switch.ports()[P1] == on(101)
    assert switch.vlans()[101] == "VLAN0101"
    assert switch.startup_ports()[P1].untagged == 1  # not saved
    assert switch.startup_vlans()[101] == "VLAN0101"  # VLANs are, at once


def test_what_was_not_saved_is_lost_by_a_reboot(switch: FakeSwitch) -> None:
    with Keyboard(switch) as keyboard:
        keyboard.type(*JOIN, "write memory", "conf t", "interface Gi1/0/2", "switchport mode access")
        switch.reboot()
        with pytest.raises((EOFError, OSError)):
            keyboard.type("end")
    assert switch.ports()[P1] == on(101)
    assert switch.ports()[P2].mode == "dynamic auto"
    assert switch.counts.saves == 1


def test_saving_by_copy_asks_where_to(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(*JOIN)
    keyboard.type("copy running-config startup-config", until=r"\[startup-config\]\? $")
    assert "[OK]" in keyboard.type("")
    assert switch.startup_ports()[P1] == on(101)


def test_words_are_abbreviated_and_errors_point_at_the_word(keyboard: Keyboard) -> None:
    keyboard.type("conf t", "int gi1/0/1")
    answer = keyboard.type("sw acc vlan 5000")
    assert answer.splitlines() == [
        " " * (len("sw1(config-if)#") + len("sw acc vlan ")) + "^",
        "% Invalid input detected at '^' marker.",
        "",
    ]
    assert keyboard.type("switchport mode") == "% Incomplete command.\n\n"
    assert keyboard.type("s mode access").startswith("% Ambiguous command:")
    assert "Invalid input" in keyboard.type("interface GigabitEthernet1/0/99")
    assert keyboard.prompt == "sw1(config-if)#"  # and stays where it was


def test_a_range_is_a_list_of_five_pieces_at_most(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("conf t", "interface range Gi1/0/1 - 3 , Gi1/0/6", "switchport mode trunk")
    assert [port.mode == "trunk" for port in switch.ports().values()] == [
        number in (1, 2, 3, 6) for number in range(1, 9)
    ]
    six = ",".join(f"Gi1/0/{number}" for number in range(1, 7))
    assert "Invalid input" in keyboard.type(f"interface range {six}")
    assert keyboard.prompt == "sw1(config-if-range)#"


def test_a_trunk_allows_all_until_told_otherwise(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("conf t", "interface Gi1/0/1", "switchport mode trunk")
    assert switch.ports()[P1] == Carried(1, (), mode="trunk", open=True)
    keyboard.type("switchport trunk allowed vlan none", "switchport trunk allowed vlan add 5,10-12")
    keyboard.type("switchport trunk native vlan 11", "switchport trunk allowed vlan remove 5")
    assert switch.ports()[P1] == Carried(11, (10, 12), mode="trunk")
    keyboard.type("no switchport trunk allowed vlan")
    assert switch.ports()[P1].open


def test_with_vtp_off_vlans_are_saved_with_the_rest(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("conf t", "vtp mode transparent", "vlan 7", "end", "write memory")
    keyboard.type("conf t", "vlan 8", "name eight", "end", "terminal length 0")
    assert " name eight" in keyboard.type("show running-config | section vlan")
    assert (7 in switch.startup_vlans(), 8 in switch.startup_vlans()) == (True, False)


def test_older_switches_want_an_encapsulation_first(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("conf t", "interface Gi1/0/1")
    assert "Invalid input" in keyboard.type("switchport trunk encapsulation dot1q")
    switch.options["encapsulation"] = True
    assert "Command rejected" in keyboard.type("switchport mode trunk")
    assert keyboard.type("switchport trunk encapsulation dot1q", "switchport mode trunk") == ""
    assert switch.ports()[P1].mode == "trunk"


def test_a_voice_vlan_is_tagged_and_a_default_interface_is_as_new(
    switch: FakeSwitch, keyboard: Keyboard
) -> None:
    keyboard.type("conf t", "interface Gi1/0/1")
    assert "Command rejected" in keyboard.type("switchport nonegotiate")
    keyboard.type("switchport mode access", "switchport nonegotiate", "switchport voice vlan 20", "shutdown")
    assert switch.ports()[P1] == Carried(1, (20,), shut=True, mode="access")
    assert switch.ports()[P1].state.isolated
    keyboard.type("default interface Gi1/0/1")
    assert switch.ports()[P1] == Carried(1, (), mode="dynamic auto", open=True)


def test_a_long_list_is_shown_in_several_lines(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.running.ports[P1].allowed = frozenset(range(2, 400, 3))
    keyboard.type("terminal length 0")
    shown = re.findall(r"allowed vlan (?:add )?(\S+)", keyboard.type("show running-config interface Gi1/0/1"))
    assert len(shown) > 5
    assert {int(number) for line in shown for number in line.split(",")} == switch.running.ports[P1].allowed


def test_a_vlan_is_made_when_its_mode_is_left(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("conf t", "vlan 7", "name seven")
    assert 7 not in switch.vlans()
    keyboard.type("exit")
    assert switch.vlans()[7] == "seven"
    keyboard.type("no vlan 7")
    assert 7 not in switch.vlans()
    assert "may not be deleted" in keyboard.type("no vlan 1")


def test_a_vlan_that_is_gone_carries_nothing(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("conf t", "interface range Gi1/0/1 - 8", "switchport mode access")
    keyboard.type("interface range Gi1/0/1 - 2", "switchport access vlan 101")
    assert switch.reaches(P1) == {P2}
    keyboard.type("no vlan 101")
    assert switch.reaches(P1) == set()


def test_the_enable_secret_is_asked_and_wrong_ones_are_refused() -> None:
    with start("cisco_ios", enable="top") as switch, Keyboard(switch) as keyboard:
        assert keyboard.prompt == "sw1>"
        assert "Invalid input" in keyboard.type("configure terminal")
        keyboard.type("enable", until="Password: $")
        keyboard.type("wrong", "wrong", until="Password: $")
        assert "% Bad secrets" in keyboard.type("wrong")
        keyboard.type("enable", until="Password: $")
        assert keyboard.type("top") == ""
        assert keyboard.prompt == "sw1#"
        assert "top" not in switch.lines()


def test_output_stops_at_every_page(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.running.ports.update({str(number): Port(str(number)) for number in range(99)})
    first = keyboard.type("show running-config", until=" --More-- $")
    assert len(first.splitlines()) == 23
    keyboard.send(" ")
    keyboard.wait(" --More-- $")
    keyboard.send("q")
    keyboard.wait()
    keyboard.type("terminal length 0")
    assert keyboard.type("show running-config").rstrip().endswith("end")


def test_a_long_line_scrolls_unless_the_terminal_is_wide(switch: FakeSwitch, keyboard: Keyboard) -> None:
    line = "interface range " + " , ".join(f"GigabitEthernet1/0/{number}" for number in range(1, 6))
    keyboard.type("conf t")
    keyboard.send(line + "\n")
    assert "$" in keyboard.wait()
    keyboard.type("do terminal width 511")
    keyboard.send(line + "\n")
    assert keyboard.wait() == line + "\n"
    assert keyboard.prompt == "sw1(config-if-range)#"


def test_a_long_host_name_is_cut_in_configuration() -> None:
    name = "a-switch-with-a-very-long-name"
    with start("cisco_ios", host=name, banner="Keep out") as switch, Keyboard(switch) as keyboard:
        assert "Keep out" in keyboard.greeting
        assert keyboard.prompt == f"{name}#"
        keyboard.type("conf t")
        assert keyboard.prompt == f"{name[:20]}(config)#"


def test_one_session_too_many_is_refused_after_logging_in() -> None:
    with start("cisco_ios", max_sessions=2) as switch, Keyboard(switch), Keyboard(switch):
        with pytest.raises(EOFError, match="Too many"):
            Keyboard(switch)
        assert (switch.counts.logins, switch.counts.sessions, switch.counts.most_sessions) == (3, 2, 2)


def test_a_place_is_free_again_when_a_session_ends() -> None:
    with start("cisco_ios", max_sessions=1) as switch:
        for _ in range(3):
            with Keyboard(switch) as keyboard, pytest.raises(EOFError):
                keyboard.type("exit")
        assert switch.counts.sessions == 3


def test_a_key_logs_in(switch: FakeSwitch, tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "key")
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    kind, base64 = switch.host_key.split()
    entry = paramiko.hostkeys.HostKeyEntry.from_line(f"[127.0.0.1]:{switch.port} {kind} {base64}")
    assert entry is not None and entry.key is not None
    client.get_host_keys().add(entry.hostnames[0], kind, entry.key)

    def log_in() -> None:
        path = str(tmp_path / "key")
        client.connect("127.0.0.1", switch.port, "admin", key_filename=path, allow_agent=False)

    with client:
        with pytest.raises(paramiko.AuthenticationException):
            log_in()
        switch.keys.append(key.export_public_key().decode())
        log_in()
        switch.replace()
        with pytest.raises(paramiko.BadHostKeyException):
            log_in()


def test_faults_of_logging_in(switch: FakeSwitch) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        Keyboard(switch, password="wrong")
    switch.fault("password")
    with pytest.raises(paramiko.AuthenticationException):
        Keyboard(switch)
    switch.fault("refuse")
    with pytest.raises(OSError, match="Unable to connect"):
        Keyboard(switch)
    switch.fault("silence", line=0)
    switch.mend()
    Keyboard(switch).close()
    switch.fault("silence", line=0)
    with pytest.raises(Silence):
        Keyboard(switch, patience=0.5)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_cut_before_and_after_a_line(switch: FakeSwitch, line: int, after: bool) -> None:
    switch.fault("cut", line=line, after=after)
    with Keyboard(switch) as keyboard, pytest.raises((EOFError, OSError)):
        keyboard.type(*JOIN)
    done = line if after else line - 1
    assert switch.ports()[P1].mode == ("access" if done >= 2 else "dynamic auto")
    assert switch.ports()[P1].untagged == (101 if done >= 3 else 1)
    assert switch.sessions[0].configured == line


def test_silence_lasts_as_long_as_the_session(switch: FakeSwitch) -> None:
    switch.fault("silence", line=3)
    with Keyboard(switch, patience=0.5) as keyboard:
        with pytest.raises(Silence):
            keyboard.type(*JOIN)
        switch.mend()
        with pytest.raises(Silence):
            keyboard.type("end")
    assert switch.ports()[P1].untagged == 1
    with Keyboard(switch) as keyboard:
        keyboard.type(*JOIN)
    assert switch.ports()[P1] == on(101)


def test_a_line_is_rejected_or_lied_about(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.fault("reject", like="access vlan", times=1)
    switch.fault("lie", like="mode access")
    keyboard.type(*JOIN[:2])
    assert keyboard.type(JOIN[2]) == ""
    assert "Invalid input" in keyboard.type(JOIN[3])
    assert switch.ports()[P1] == Carried(1, (), mode="dynamic auto", open=True)
    keyboard.type(JOIN[3])
    assert switch.ports()[P1].untagged == 101
    switch.fault("lie", like="vlan 7")
    keyboard.type("vlan 7", "exit")
    assert 7 not in switch.vlans()


def test_saving_fails(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.fault("save")
    keyboard.type(*JOIN)
    assert "open failed" in keyboard.type("write memory")
    assert switch.startup_ports()[P1].untagged == 1
    assert switch.counts.saves == 0


def test_log_messages_break_in(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.fault("noise", like="show")
    assert "%LINK-3-UPDOWN" in keyboard.type("show vlan brief")
    switch.fault("trail", like="version")
    keyboard.type("show version", until="changed state to up\n$")


def test_a_slow_line_is_executed_before_it_is_answered(switch: FakeSwitch) -> None:
    switch.fault("slow", like="access vlan", seconds=60)
    with Keyboard(switch, patience=0.5) as keyboard, pytest.raises(Silence):
        keyboard.type(*JOIN)
    assert switch.ports()[P1] == on(101)


def test_many_at_once() -> None:
    switches = [start("cisco_ios") for _ in range(8)]

    def join(switch: FakeSwitch) -> None:
        with Keyboard(switch) as keyboard:
            keyboard.type(*JOIN, "write memory")

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(join, switches))
        assert [switch.startup_ports()[P1] for switch in switches] == [on(101)] * 8
    finally:
        for switch in switches:
            switch.stop()


def test_all_of_it_is_json(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(*JOIN)
    dump = json.loads(json.dumps(switch.dump()))
    assert dump["ports"][P1]["untagged"] == 101
    assert dump["running"]["ports"][P1]["allowed"] == "1-4094"
    assert dump["sessions"][0]["lines"] == list(JOIN)


def test_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tests.switches.fakes", "cisco_ios", "--ports", "4"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        port = int(process.stdout.readline().split()[1])
        assert process.stdout.readline().startswith("host key ssh-ed25519 ")
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            client.connect("127.0.0.1", port, "admin", "letmein", look_for_keys=False, allow_agent=False)
        process.stdin.write("dump\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["counts"]["logins"] == 1
        process.terminate()
