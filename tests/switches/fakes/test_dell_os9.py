"""Dell OS9: ports are told of by their VLANs, and must be switchports first."""

from collections.abc import Iterator

import pytest
from netmiko import ConnectHandler
from netmiko.base_connection import BaseConnection

from nm.switch import PortState
from tests.switches.fakes import FakeSwitch, start
from tests.switches.fakes.keyboard import Keyboard
from tests.switches.fakes.state import Carried, Port

P1, P2, P3 = (f"GigabitEthernet 1/{number}" for number in (1, 2, 3))
FACTORY = Carried(shut=True)
ON_101 = Carried(101, (), mode="access")
SWITCHPORTS = ("interface range gigabitethernet 1/1 - 4", "switchport", "no shutdown", "exit")
ACCESS = ("interface vlan 101", "untagged GigabitEthernet 1/1-1/2", "exit")


@pytest.fixture
def switch() -> Iterator[FakeSwitch]:
    with start("dell_os9", ports=8) as found:
        yield found


@pytest.fixture
def keyboard(switch: FakeSwitch) -> Iterator[Keyboard]:
    with Keyboard(switch) as found:
        found.type("terminal length 0")
        yield found


@pytest.mark.parametrize("device_type", ["dell_os9", "dell_force10"])
def test_netmiko_logs_in_and_configures(device_type: str) -> None:
    with start("dell_os9", ports=8, enable="topsecret") as switch:
        connection: BaseConnection = ConnectHandler(
            device_type=device_type,
            host="127.0.0.1",
            port=switch.port,
            username=switch.user,
            password=switch.password,
            secret="topsecret",
            global_delay_factor=0.1,
        )
        try:
            connection.enable()
            assert connection.find_prompt() == "sw1#"
            connection.send_config_set([*SWITCHPORTS, *ACCESS])
            shown = str(connection.send_command("show running-config"))
            connection.save_config()
        finally:
            connection.disconnect()
        assert " untagged GigabitEthernet 1/1-1/2\n" in shown
        assert switch.startup_ports()[P1] == ON_101


def test_a_port_is_a_switchport_before_it_is_a_member(switch: FakeSwitch, keyboard: Keyboard) -> None:
    assert set(switch.ports().values()) == {FACTORY}
    keyboard.type("configure", "interface vlan 101")
    assert keyboard.prompt == "sw1(conf-if-vl-101)#"
    assert keyboard.type("untagged gi 1/1") == "% Error: Port is not in Layer-2 mode Gi 1/1.\n"
    keyboard.type("interface gigabitethernet 1/1")
    assert keyboard.prompt == "sw1(conf-if-gi-1/1)#"
    keyboard.type("switchport", "no shutdown")
    assert switch.ports()[P1] == Carried(1, (), mode="access")
    assert keyboard.type("interface vlan 101", "untagged gi 1/1") == ""
    assert switch.ports()[P1] == ON_101
    keyboard.type("no untagged gi 1/1")
    assert switch.ports()[P1].untagged == 1


def test_an_untagged_or_a_tagged_port_unless_it_is_hybrid(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("configure", *SWITCHPORTS, *ACCESS, "interface vlan 102")
    assert "% Error: Port is untagged in another Vlan Gi 1/1." in keyboard.type("untagged gi 1/1")
    assert "% Error: Port is untagged in another Vlan Gi 1/1." in keyboard.type("tagged gi 1/1")
    assert keyboard.type("tagged gi 1/3-1/4") == ""
    assert switch.ports()[P3] == Carried(None, (102,), mode="trunk")
    keyboard.type("interface gigabitethernet 1/1")
    assert keyboard.type("portmode hybrid") == "% Error: Port is in Layer-2 mode Gi 1/1.\n"
    assert "Port is in a non-default Vlan Gi 1/1" in keyboard.type("no switchport")
    keyboard.type("interface vlan 101", "no untagged gi 1/1", "interface gi 1/1", "no switchport")
    assert keyboard.type("portmode hybrid", "switchport", "interface vlan 102", "tagged gi 1/1") == ""
    assert switch.ports()[P1] == Carried(1, (102,), mode="hybrid")  # untagged in VLAN 1 nevertheless
    keyboard.type("interface vlan 101", "untagged gi 1/1")
    assert switch.ports()[P1] == Carried(101, (102,), mode="hybrid")
    assert switch.reaches(P1) == {P2}


def test_errors(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("configure", *SWITCHPORTS, *ACCESS)
    before = switch.dump()["running"]
    caret, words = keyboard.type("interfaces vlan 5").splitlines()
    assert (caret.index("^"), words) == (len("sw1(conf)#"), '% Error: Invalid input at "^" marker.')
    assert 'Invalid input at "^" marker' in keyboard.type("interface vlan 5000")
    assert keyboard.type("interface gi 1/99") == "% Error: No such interface gi 1/99.\n"
    assert keyboard.type("no interface vlan 7") == "% Error: No such interface Vlan 7.\n"
    assert keyboard.type("no interface vlan 1") == "% Error: Default VLAN cannot be removed.\n"
    assert keyboard.type("interface") == "% Error: Incomplete command.\n"
    keyboard.type("interface vlan 101")
    assert "No such interface" in keyboard.type("untagged gi 1/1,1/99")
    assert "Port is not tagged in this Vlan Gi 1/1." in keyboard.type("no tagged gi 1/1")
    assert switch.dump()["running"] == before
    keyboard.type("interface vlan 1")
    assert "Default VLAN" in keyboard.type("untagged gi 1/1")


def test_a_vlan_that_goes_leaves_its_ports_to_vlan_1(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("configure", *SWITCHPORTS, *ACCESS, "no interface vlan 101")
    assert 101 not in switch.vlans()
    assert switch.ports()[P1] == Carried(1, (), mode="access")


def test_saving_and_rebooting(switch: FakeSwitch) -> None:
    with Keyboard(switch) as keyboard:
        keyboard.type("configure", *SWITCHPORTS, *ACCESS, "end")
        assert keyboard.type("write memory") == "!\n"
        keyboard.type("copy running-config startup-config", until=r"\[confirm yes/no\]: $")
        assert "bytes successfully copied" in keyboard.type("yes")
        keyboard.type("configure", "interface gi 1/1", "shutdown", "end")
        switch.fault("save")
        assert "% Error" in keyboard.type("write memory")
        switch.reboot()
    assert switch.ports()[P1] == ON_101
    assert switch.counts.saves == 2


def test_what_is_shown(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(
        "configure", *SWITCHPORTS, *ACCESS, "interface vlan 102", "name web", "tagged gi 1/4", "end"
    )
    rows = keyboard.type("show vlan").splitlines()
    assert rows[-4:] == [
        "    NUM    Status    Description                     Q Ports",
        "*   1      Active                                    U Gi 1/3",
        "    101    Active                                    U Gi 1/1-1/2",
        "    102    Active    web                             T Gi 1/4",
    ]
    running = keyboard.type("show running-config")
    assert "interface GigabitEthernet 1/8\n no ip address\n shutdown\n!" in running
    assert "interface Vlan 1\n!untagged GigabitEthernet 1/3\n!" in running
    assert keyboard.type("show running-config interface vlan 101").splitlines() == [
        "interface Vlan 101",
        " no ip address",
        " untagged GigabitEthernet 1/1-1/2",
        " shutdown",
    ]
    assert "System Type: S4048-ON" in keyboard.type("show version")
    assert "Gi 1/4" in keyboard.type("show interfaces status")
    with start("dell_os9", ports=8) as other, Keyboard(other) as typing:
        typing.type("configure")
        for line in running.splitlines()[8:]:
            if line.strip() and not line.startswith("!"):
                typing.type(line.strip())
        assert other.ports() == switch.ports()


def test_lines_are_rejected_and_pages_stop(switch: FakeSwitch) -> None:
    switch.running.ports.update(
        {f"TenGigabitEthernet 1/{n}": Port(f"TenGigabitEthernet 1/{n}") for n in range(20)}
    )
    with Keyboard(switch) as keyboard:
        switch.fault("reject", line=1)
        assert "% Error: Invalid input" in keyboard.type("configure", "interface vlan 101")
        keyboard.type("end")
        assert 101 not in switch.vlans()
        keyboard.send("show running-config\n")
        keyboard.wait("--More-- $")
        keyboard.send("q")
        keyboard.wait()


@pytest.mark.parametrize(
    "state", [PortState(), PortState(1), PortState(101), PortState(None, (101,)), PortState(101, (102,))]
)
def test_somebody_else_changes_a_port(switch: FakeSwitch, state: PortState) -> None:
    switch.put(P1, PortState(102, (101,)))
    switch.put(P1, state)
    assert switch.ports()[P1].state == state
