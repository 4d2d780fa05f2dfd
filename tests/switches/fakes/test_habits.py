"""What each dialect does otherwise than all others: the traps that a driver must know."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.switches.fakes import FakeSwitch, start
from tests.switches.fakes.keyboard import Keyboard, Silence
from tests.switches.fakes.state import Carried


@contextmanager
def session(dialect: str, **settings: object) -> Iterator[tuple[FakeSwitch, Keyboard]]:
    """A privileged session with a switch of four ports."""
    with start(dialect, ports=4, **settings) as switch, Keyboard(switch) as keyboard:
        if keyboard.prompt.endswith(">"):
            keyboard.type("enable")
        yield switch, keyboard


def first(switch: FakeSwitch) -> Carried:
    return next(iter(switch.ports().values()))


def test_nxos_puts_a_port_on_a_vlan_that_does_not_exist_without_a_word() -> None:
    with session("cisco_nxos") as (switch, keyboard):
        keyboard.type("configure terminal", "interface Ethernet1/1-2")
        assert keyboard.prompt == "sw1(config-if-range)# "
        assert keyboard.type("switchport access vlan 101") == ""
        assert switch.reaches("Ethernet1/1") == set()
        keyboard.type("vlan 101")
        assert switch.reaches("Ethernet1/1") == {"Ethernet1/2"}


def test_nxos_saves_vlans_with_the_rest_and_shows_while_it_configures() -> None:
    with session("cisco_nxos") as (switch, keyboard):
        keyboard.type("configure terminal", "vlan 101-103", "name x")
        assert "vlan 1,101-103" in keyboard.type("show running-config | include vlan")
        assert keyboard.prompt == "sw1(config-vlan)# "
        assert 101 not in switch.startup_vlans()
        keyboard.type("copy running-config startup-config")
        assert switch.startup_vlans()[102] == "x"


def test_eos_names_the_interfaces_in_its_prompt_and_makes_missing_vlans() -> None:
    with session("arista_eos") as (switch, keyboard):
        assert keyboard.type("terminal width 511") == "Width set to 511 columns.\n"
        assert keyboard.type("terminal length 0") == "Pagination disabled.\n"
        keyboard.type("configure", "interface Ethernet1-2,4")
        assert keyboard.prompt == "sw1(config-if-Et1-2,4)#"
        assert "Creating vlan 101" in keyboard.type("switchport access vlan 101")
        assert keyboard.type("switchport access nonsense") == "% Invalid input (at token 2: 'nonsense')\n"
        keyboard.type("vlan 7,101")
        assert keyboard.prompt == "sw1(config-vlan-7,101)#"
        assert "vlan 7,101" in keyboard.type("show running-config")
        assert [port.untagged for port in switch.ports().values()] == [101, 101, 1, 101]


def test_os6_enables_without_a_secret_and_knows_no_trunk_of_none() -> None:
    with start("dell_os6") as switch, Keyboard(switch) as keyboard:
        assert keyboard.prompt == "sw1>"
        keyboard.type("enable", "configure", "interface gigabitethernet 1/0/1")
        assert keyboard.prompt == "sw1(config-if-Gi1/0/1)#"
        assert keyboard.type("switchport access vlan 101") == "VLAN ID not found.\n\n"
        keyboard.type("switchport mode trunk")
        assert "Invalid input" in keyboard.type("switchport trunk allowed vlan none")
        assert "Command not found" in keyboard.type("nonsense")
        assert first(switch).open


def test_os6_shows_no_defaults() -> None:
    with session("dell_os6") as (_, keyboard):
        keyboard.type("terminal length 0")
        assert "interface" not in keyboard.type("show running-config")
        keyboard.type("configure", "interface range gi1/0/2-3", "shutdown", "end")
        shown = keyboard.type("show running-config")
        assert "interface Gi1/0/2\nshutdown\nexit\n!\ninterface Gi1/0/3\nshutdown\nexit" in shown


def test_os6_saves_by_one_key() -> None:
    with session("dell_os6") as (switch, keyboard):
        for key, saves in (("n", 0), ("y", 1)):
            keyboard.type("copy running-config startup-config", until=r"\(y/n\) $")
            keyboard.send(key)
            keyboard.wait()
            assert switch.counts.saves == saves
        keyboard.type("write memory", until=r"\(y/n\) $")
        keyboard.send("y\n")
        keyboard.wait("Saved!\nsw1#\nsw1#$")  # the end of line was a line of its own


def test_os6_general_ports_leak_where_pvid_and_membership_differ() -> None:
    with session("dell_os6") as (switch, keyboard):
        keyboard.type("configure", "vlan 101", "exit", "interface Gi1/0/1", "switchport mode general")
        assert first(switch) == Carried(1, (), mode="general")
        keyboard.type("switchport general allowed vlan add 101")
        assert first(switch).open
        keyboard.type("switchport general pvid 101", "switchport general allowed vlan remove 1")
        assert first(switch) == Carried(101, (), mode="general")


def test_powerconnect_asks_in_the_terminal_who_is_there() -> None:
    with start("dell_powerconnect") as switch:
        with pytest.raises(Silence, match="authentication failed"):
            Keyboard(switch, password="wrong", patience=1)
        assert (switch.counts.refused_logins, switch.counts.sessions) == (1, 0)
        Keyboard(switch).close()
        assert (switch.counts.logins, switch.counts.sessions) == (1, 1)


def test_powerconnect_makes_vlans_in_their_database() -> None:
    with session("dell_powerconnect") as (switch, keyboard):
        keyboard.type("configure", "interface gi1/0/1")
        assert keyboard.type("switchport access vlan 101") == "VLAN was not created by user.\n"
        keyboard.type("vlan database", "vlan 101", "exit", "interface gi1/0/1", "switchport access vlan 101")
        assert first(switch).untagged == 101
        keyboard.type("vlan database", "no vlan 101")
        assert first(switch).untagged == 1
        keyboard.type(
            "exit", "interface gi1/0/1", "switchport mode trunk", "switchport trunk native vlan none"
        )
        assert first(switch).untagged is None


def test_os10_makes_and_removes_vlans_by_ranges() -> None:
    with session("dell_os10") as (switch, keyboard):
        keyboard.type("configure terminal", "interface range vlan 21-23,25")
        assert keyboard.prompt == "sw1(conf-range-vl-21-23,25)# "
        keyboard.type("exit", "interface ethernet1/1/1", "switchport access vlan 22", "exit")
        keyboard.type("no interface range vlan 20-23")
        assert (set(switch.vlans()), first(switch).untagged) == ({1, 25}, 1)


def test_os10_adds_to_a_trunk_and_forgets_it_with_the_mode() -> None:
    with session("dell_os10") as (switch, keyboard):
        keyboard.type(
            "configure terminal", "interface vlan 101", "interface vlan 102", "interface ethernet1/1/1"
        )
        assert keyboard.prompt == "sw1(conf-if-eth1/1/1)# "
        keyboard.type("switchport mode trunk", "switchport trunk allowed vlan 101")
        keyboard.type("switchport trunk allowed vlan 102", "no switchport access vlan")
        assert first(switch) == Carried(None, (101, 102), mode="trunk")
        keyboard.type("switchport mode access", "switchport access vlan 101")
        assert first(switch) == Carried(101, (), mode="access")
        assert "does not exist" in keyboard.type("switchport access vlan 103")
        keyboard.type("no interface vlan 101")
        assert first(switch).untagged == 1


def test_aoscx_ports_fall_back_to_vlan_1() -> None:
    with session("aruba_aoscx") as (switch, keyboard):
        keyboard.type("configure terminal", "vlan 101,102", "interface 1/1/1", "vlan trunk native 1")
        assert first(switch) == Carried(1, (), mode="trunk", open=True)
        keyboard.type("vlan trunk allowed 101", "vlan trunk allowed 102")
        assert first(switch) == Carried(None, (101, 102), mode="trunk")
        keyboard.type("no vlan trunk allowed 101,102")
        assert first(switch) == Carried(1, (), mode="access")
        keyboard.type("vlan access 101", "no vlan 101")
        assert first(switch).untagged == 1
        switch.running.ports["1/1/1"].extra["routed"] = True
        keyboard.type("interface 1/1/1")
        assert "routing enabled" in keyboard.type("vlan access 102")
        keyboard.type("no routing", "vlan access 102")
        assert first(switch).untagged == 102


def test_jetstream_wants_a_carriage_return_and_vlan_1_to_be_left() -> None:
    with session("tplink_jetstream") as (switch, keyboard):
        keyboard.send("configure\n\r")
        keyboard.wait(r"\(config\)#$")
        keyboard.type("vlan 101", "exit", "interface gigabitEthernet 1/0/1")
        keyboard.type("switchport general allowed vlan 101 untagged", "switchport pvid 101")
        assert first(switch).open
        keyboard.type("no switchport general allowed vlan 1")
        assert first(switch) == Carried(101, (), mode="general")
        assert "does not exist" in keyboard.type("switchport pvid 102")
        assert switch.lines().count("configure") == 1
