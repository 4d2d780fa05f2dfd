"""ProCurve: a key at the door, escapes everywhere, and ports that are always in some VLAN."""

from collections.abc import Iterator

import pytest
from netmiko import ConnectHandler
from netmiko.base_connection import BaseConnection

from nm.switch import PortState
from tests.switches.fakes import FakeSwitch, start
from tests.switches.fakes.keyboard import Keyboard
from tests.switches.fakes.state import Carried, Port

FACTORY = Carried(1)
KEY = "Press any key to continue$"


@pytest.fixture
def switch() -> Iterator[FakeSwitch]:
    with start("hp_procurve", ports=24) as found:
        yield found


@pytest.fixture
def keyboard(switch: FakeSwitch) -> Iterator[Keyboard]:
    with log_in(switch) as found:
        found.type("no page", "configure")
        yield found


def log_in(switch: FakeSwitch) -> Keyboard:
    found = Keyboard(switch, first=KEY)
    found.send(" ")
    found.wait()
    return found


def test_netmiko_logs_in_and_configures() -> None:
    with start("hp_procurve", ports=24, enable="topsecret") as switch:
        connection: BaseConnection = ConnectHandler(
            device_type=switch.cli.device_type,
            host="127.0.0.1",
            port=switch.port,
            username=switch.user,
            password=switch.password,
            secret="topsecret",
            global_delay_factor=0.1,
        )
        try:
            assert connection.find_prompt() == "sw1#"
            connection.send_config_set(["vlan 101", "untagged 1-4", "tagged 24", "exit"])
            shown = str(connection.send_command("show running-config"))
            connection.save_config()
        finally:
            connection.disconnect()
        assert '   name "VLAN101"\n   untagged 1-4\n   tagged 24\n' in shown
        assert switch.startup_ports()["1"] == Carried(101)
        assert (switch.counts.logins, switch.counts.saves) == (1, 1)


def test_prompts_and_echoes_are_full_of_escapes(switch: FakeSwitch) -> None:
    raw = ""
    with Keyboard(switch, first=KEY) as keyboard:
        keyboard.send(" configure\n")
        while "(config)# \x1b" not in raw:
            raw += keyboard._shell.recv(65536).decode()
    assert "c\x1b[24;1H\x1b[?25h\x1b[24;1Ho\x1b[24;1H" in raw


def test_membership_is_the_vlans(switch: FakeSwitch, keyboard: Keyboard) -> None:
    assert set(switch.ports().values()) == {FACTORY}
    assert keyboard.prompt == "sw1(config)# "
    keyboard.type("vlan 101")
    assert keyboard.prompt == "sw1(vlan-101)# "
    assert keyboard.type("untagged 1-4,7") == ""
    assert [name for name, port in switch.ports().items() if port.untagged == 101] == [
        "1",
        "2",
        "3",
        "4",
        "7",
    ]
    keyboard.type("vlan 102", "untagged 1", "tagged 2,24", "exit")
    assert switch.ports()["1"] == Carried(102)  # taken out of VLAN 101 by that
    assert switch.ports()["2"] == Carried(101, (102,))
    assert switch.ports()["24"] == Carried(1, (102,))
    assert switch.reaches("2") == {"3", "4", "7"}
    keyboard.type("vlan 101 no untagged 2", "vlan 101 no untagged 3")
    assert keyboard.prompt == "sw1(config)# "
    assert switch.ports()["2"] == Carried(None, (102,))
    assert switch.ports()["3"] == FACTORY  # it was nowhere else
    keyboard.type("vlan 1 no untagged 24", "vlan 102 no tagged 2")
    assert switch.ports()["24"] == Carried(None, (102,))
    assert switch.ports()["2"] == FACTORY
    assert "at least one VLAN" in keyboard.type("vlan 1 no untagged 9")
    keyboard.type("vlan 102 tagged 1", "interface 5-6 untagged vlan 101", "interface 5 tagged vlan 102")
    assert switch.ports()["1"] == Carried(None, (102,))
    assert switch.ports()["5"] == Carried(101, (102,))


def test_ports_are_disabled_in_lists(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("interface 1-4,7 disable", "interface 4")
    assert keyboard.prompt == "sw1(eth-4)# "
    keyboard.type("enable", "exit")
    assert [name for name, port in switch.ports().items() if port.shut] == ["1", "2", "3", "7"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("frobnicate", "Invalid input: frobnicate"),
        ("vlan", "Incomplete input: vlan"),
        ("vlan 5000", "Invalid input: 5000"),
        ("no vlan 7", "Invalid input: 7"),
        ("no vlan 1", "default VLAN"),
        ("interface 99 disable", "Module not present for port or invalid port: 99"),
        ("vlan 101 untagged 1-99", "Module not present for port or invalid port: 1-99"),
        ("vlan 101 name " + "x" * 33, "too long. Allowed length is 32."),
        ("vlan 200", "Maximum number of VLANs (3) has already been reached."),
    ],
)
def test_errors(switch: FakeSwitch, keyboard: Keyboard, line: str, words: str) -> None:
    switch.options["max_vlans"] = 3
    keyboard.type("vlan 101", "exit", "vlan 102", "exit")
    before = switch.dump()["running"]
    assert words in keyboard.type(line)
    assert keyboard.prompt == "sw1(config)# "
    assert switch.dump()["running"] == before


def test_deleting_a_vlan_asks_when_ports_would_come_to_vlan_1(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("vlan 101 untagged 1-2", "vlan 102 tagged 1")
    assert keyboard.type("no vlan 102") == ""
    asked = keyboard.type("no vlan 101", until=r"\[y/n\] $")
    assert asked == "The following ports will be moved to the default VLAN:\n1-2\nDo you want to continue?\n"
    keyboard.send("n")
    keyboard.wait()
    assert 101 in switch.vlans()
    keyboard.type("no vlan 101", until=r"\[y/n\] $")
    keyboard.send("y")
    keyboard.wait()
    assert set(switch.vlans()) == {1}
    assert switch.ports()["1"] == FACTORY


def test_saving_says_nothing_and_leaving_asks(switch: FakeSwitch) -> None:
    with log_in(switch) as keyboard:
        keyboard.type("configure", "vlan 101 untagged 1", "exit")
        assert keyboard.type("write memory") == ""
        switch.fault("save")
        assert keyboard.type("write memory") != ""
        switch.mend()
        keyboard.type("configure", "vlan 101 untagged 2", "exit")
        keyboard.type("logout", until=r"log out \(y/n\)\? $")
        keyboard.send("y")
        keyboard.wait(r"save current configuration \(y/n/\^C\)\? $")
        keyboard.send("n")
        with pytest.raises(EOFError):
            keyboard.wait()
    switch.reboot()
    assert (switch.ports()["1"], switch.ports()["2"]) == (Carried(101), FACTORY)
    assert switch.counts.saves == 1


def test_what_is_shown(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("vlan 101", 'name "blue"', "untagged 1-4", "tagged 24", "vlan 1 no untagged 24")
    keyboard.type("interface 7-8 disable", "exit")
    rows = keyboard.type("show vlans").splitlines()
    assert "  101     blue                             | Port-based No    No   " in rows
    rows = keyboard.type("show vlans 101").splitlines()
    assert " Status and Counters - VLAN Information - VLAN 101" in rows
    assert [row.split()[:2] for row in rows[-6:-1]] == [[str(n), "Untagged"] for n in range(1, 5)] + [
        ["24", "Tagged"]
    ]
    assert "Port-based No    No    Tagged" in keyboard.type("show vlans ports 24 detail")
    assert "  7            100/1000T  | No        No      Down" in keyboard.type("show interfaces brief")
    assert "YA.16.11.0026" in keyboard.type("show version")
    running = keyboard.type("show running-config")
    assert "interface 7\n   disable\n   exit\n" in running
    assert '   name "DEFAULT_VLAN"\n   no untagged 1-4,24\n   untagged 5-23\n' in running
    with start("hp_procurve", ports=24) as other, log_in(other) as typing:
        typing.type("configure")
        _, head, body = running.partition("vlan 101\n")  # first, for VLAN 1 is not left for nothing
        for line in [head, *body.splitlines(), *running.splitlines()]:
            if line.strip() and not line.startswith(";"):
                typing.type(line.strip())
        assert other.ports() == switch.ports()
        assert other.vlans() == switch.vlans()


def test_lines_are_rejected_and_pages_stop(switch: FakeSwitch) -> None:
    switch.running.ports.update({str(number): Port(str(number), shut=True) for number in range(1, 60)})
    with log_in(switch) as keyboard:
        switch.fault("reject", line=1)
        assert "Invalid input" in keyboard.type("configure", "vlan 101")
        keyboard.type("exit")
        assert 101 not in switch.vlans()
        keyboard.send("show running-config\n")
        keyboard.wait("-- MORE --, next page: Space, next line: Enter, quit: Control-C$")
        keyboard.send("\x03")
        keyboard.wait()


@pytest.mark.parametrize(
    "state", [PortState(), PortState(1), PortState(101), PortState(None, (101,)), PortState(101, (102,))]
)
def test_somebody_else_changes_a_port(switch: FakeSwitch, state: PortState) -> None:
    switch.put("1", PortState(102, (101,)))
    switch.put("1", state)
    assert switch.ports()["1"].state == state
