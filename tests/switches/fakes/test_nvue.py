"""NVUE: what is set is pending until it is applied, and applied is not saved."""

import json
from collections.abc import Iterator

import pytest
from netmiko import ConnectHandler
from netmiko.base_connection import BaseConnection

from nm.switch import PortState
from tests.switches.fakes import FakeSwitch, start
from tests.switches.fakes.keyboard import Keyboard
from tests.switches.fakes.state import Carried

VLANS = "nv set bridge domain br_default vlan 101-103"
ACCESS = "nv set interface swp1-2 bridge domain br_default access 101"
TRUNK = (
    "nv set interface swp3 bridge domain br_default untagged none",
    "nv set interface swp3 bridge domain br_default vlan 101-102",
)
DOWN = Carried(shut=True)
ON_101 = Carried(101, (), mode="access")


@pytest.fixture
def switch() -> Iterator[FakeSwitch]:
    with start("cumulus_nvue", ports=8, host="leaf01") as found:
        yield found


@pytest.fixture
def keyboard(switch: FakeSwitch) -> Iterator[Keyboard]:
    with Keyboard(switch) as found:
        yield found


def test_netmiko_logs_in_as_to_any_linux(switch: FakeSwitch) -> None:
    connection: BaseConnection = ConnectHandler(
        device_type=switch.cli.device_type,
        host="127.0.0.1",
        port=switch.port,
        username=switch.user,
        password=switch.password,
        global_delay_factor=0.1,
    )
    try:
        assert connection.find_prompt() == "admin@leaf01:mgmt:~$"
        for line in (VLANS, ACCESS):
            connection.send_command(line)
        assert "applied [rev_id: 2]" in str(connection.send_command("nv config apply -y"))
        shown = json.loads(str(connection.send_command("nv config show -o json")))
    finally:
        connection.disconnect()
    assert shown[1]["set"]["interface"]["swp1-2"]["bridge"] == {"domain": {"br_default": {"access": 101}}}
    assert switch.ports()["swp1"].state == PortState(101)


def test_nothing_is_true_before_it_is_applied(switch: FakeSwitch, keyboard: Keyboard) -> None:
    assert keyboard.prompt == "admin@leaf01:mgmt:~$ "
    assert set(switch.ports().values()) == {DOWN}
    assert keyboard.type(VLANS) == "created [rev_id: 2]\n"
    assert keyboard.type(ACCESS) == ""
    assert keyboard.type("nv config diff").splitlines()[:5] == [
        "- set:",
        "    bridge:",
        "      domain:",
        "        br_default:",
        "          vlan:",
    ]
    assert set(switch.ports().values()) == {DOWN}
    assert set(switch.vlans()) == {1}
    assert keyboard.type("nv config apply -y").endswith("applied [rev_id: 2]\n")
    assert switch.ports()["swp1"] == switch.ports()["swp2"] == ON_101
    assert set(switch.vlans()) == {1, 101, 102, 103}
    assert switch.reaches("swp1") == {"swp2"}
    assert "skipped" in keyboard.type("nv config apply")


def test_what_a_port_carries(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(
        VLANS, "nv set interface swp1,4-5,swp7", *TRUNK, "nv set interface swp8 bridge domain br_default"
    )
    keyboard.type("nv config apply -y")
    ports = switch.ports()
    assert [name for name, port in ports.items() if not port.shut] == [
        "swp1",
        "swp3",
        "swp4",
        "swp5",
        "swp7",
        "swp8",
    ]
    assert ports["swp1"] == Carried()
    assert ports["swp3"] == Carried(None, (101, 102), mode="trunk")
    assert ports["swp8"] == Carried(1, (), mode="trunk", open=True)
    keyboard.type("nv unset interface swp3 bridge domain br_default vlan 101")
    keyboard.type(
        "nv unset interface swp3 bridge domain br_default untagged", "nv set interface swp1 link state down"
    )
    keyboard.type("nv unset interface swp8 bridge", "nv unset interface swp4", "nv config apply --assume-yes")
    ports = switch.ports()
    assert ports["swp3"] == Carried(1, (102,), mode="trunk")
    assert ports["swp1"].shut and ports["swp4"].shut
    assert ports["swp8"] == Carried()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nv set interface swp1 bridge domain br_default access 5000", "'5000' is not a VLAN ID"),
        ("nv set bridge domain br_default vlan none", "'none' is not a VLAN ID"),
        (
            "nv set interface swp1 bridge domein br_default",
            "Error: Invalid Command: set interface swp1 bridge domein",
        ),
        ("nv set interface 1 link state up", "Error: '1' is not a valid interface name"),
        ("nv set interface swp1 link state sideways", "Error: Invalid Command"),
        ("nv frobnicate", "Error: Invalid Command: nv frobnicate"),
        ("nv show interface swp99", "Error: The requested item does not exist."),
    ],
)
def test_what_cannot_be_understood(switch: FakeSwitch, keyboard: Keyboard, line: str, words: str) -> None:
    before = switch.dump()["running"]
    assert words in keyboard.type(line)
    assert keyboard.type("echo $?") != "0\n"
    assert switch.dump()["running"] == before


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            [ACCESS, "nv set interface swp1 bridge domain br_default vlan 102"],
            "  swp1: bridge domain br_default access",
        ),
        (["nv set interface swp8-9 link state up"], "  swp9 does not exist on this platform"),
    ],
)
def test_an_apply_refuses_contradictions(
    switch: FakeSwitch, keyboard: Keyboard, lines: list[str], words: str
) -> None:
    keyboard.type(*lines)
    answer = keyboard.type("nv config apply -y").splitlines()
    assert answer[0] == "Invalid config [rev_id: 2]"
    assert answer[1].startswith(words)
    assert keyboard.type("echo $?") == "1\n"
    assert set(switch.ports().values()) == {DOWN}


def test_what_is_pending_stays_when_its_session_ends_until_detached(switch: FakeSwitch) -> None:
    with Keyboard(switch) as one:
        one.type(ACCESS)
    with Keyboard(switch) as two:
        assert "swp1-2" in two.type("nv config diff")
        two.type("nv config detach")
        assert two.type("nv config diff") == ""
        two.type("nv set interface swp5", "nv config apply -y")
    assert [name for name, port in switch.ports().items() if port != DOWN] == ["swp5"]


def test_saving_and_rebooting(switch: FakeSwitch) -> None:
    with Keyboard(switch) as keyboard:
        keyboard.type(VLANS, ACCESS, "nv config apply -y")
        assert switch.startup_ports()["swp1"] == DOWN
        switch.fault("save")
        assert "No space left on device" in keyboard.type("nv config save")
        switch.mend()
        assert "saved" in keyboard.type("nv set interface swp6", "nv config save")
        keyboard.type("nv set interface swp5", "nv config apply -y")
        switch.reboot()
    assert switch.ports()["swp1"] == ON_101
    assert switch.ports()["swp5"] == switch.ports()["swp6"] == DOWN
    with Keyboard(switch) as keyboard:
        assert keyboard.type("nv config diff") == ""
    assert switch.counts.saves == 1


def test_auto_save(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.options["auto_save"] = True
    keyboard.type(VLANS, ACCESS)
    assert keyboard.type("nv config apply -y").endswith("applied_and_saved [rev_id: 2]\n")
    assert switch.startup_ports()["swp1"] == ON_101


def test_files_that_somebody_changed_are_asked_for(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.options["files_changed"] = True
    keyboard.type(ACCESS)
    keyboard.type("nv config apply", until=r"Are you sure\? \[y/N\] $")
    keyboard.type("n")
    assert switch.ports()["swp1"] == DOWN
    keyboard.type("nv config apply -y")
    assert switch.ports()["swp1"] == ON_101


def test_an_apply_that_fails_in_the_end(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.options["apply_fails"] = True
    keyboard.type(ACCESS)
    assert "Unable to restart services" in keyboard.type("nv config apply", until=r"Ignore\? \[y/N\] $")
    assert "apply_fail [rev_id: 2]\n  Rolling back to" in keyboard.type("n")
    answer = keyboard.type("nv config apply -y")
    assert "Unable to restart services" in answer and answer.endswith("applied [rev_id: 2]\n")
    assert switch.ports()["swp1"] == DOWN


def test_the_configuration_in_three_shapes(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(VLANS, ACCESS, "nv set interface swp5 bridge domain br_default access 101", *TRUNK)
    keyboard.type("nv config apply -y")
    found = json.loads(keyboard.type("nv config show -o json"))
    assert list(found[1]["set"]["interface"]) == ["swp1-2,5", "swp3"]
    assert found[1]["set"]["bridge"]["domain"]["br_default"]["vlan"] == {"101": {}, "102": {}, "103": {}}
    assert "    interface:\n      swp1-2,5:\n        bridge:\n" in keyboard.type("nv config show")
    assert json.loads(keyboard.type("nv config show -r startup -o json"))[1]["set"] == {
        "system": {"hostname": "leaf01"}
    }
    lines = keyboard.type("nv config show -o commands").splitlines()
    assert "nv set interface swp3 bridge domain br_default vlan 101-102" in lines
    with start("cumulus_nvue", ports=8) as other, Keyboard(other) as typing:
        typing.type(*lines, "nv config apply -y")
        assert other.ports() == switch.ports()
        assert other.vlans() == switch.vlans()


def test_what_is_in_force(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(VLANS, ACCESS, *TRUNK, "nv set interface swp5 link state down", "nv config apply -y")
    found = json.loads(keyboard.type("nv show interface -o json"))
    assert [found[f"swp{number}"]["link"]["admin-status"] for number in (1, 5, 6)] == ["up", "down", "down"]
    assert "bridge" not in found["swp1"]
    applied = json.loads(keyboard.type("nv show interface --rev=applied -o json"))
    assert applied["swp1"]["bridge"]["domain"]["br_default"] == {"access": 101}
    assert "swp6" not in applied
    vlans = json.loads(keyboard.type("nv show bridge port-vlan -o json"))["domain"]["br_default"]["port"]
    assert vlans["swp1"] == {"vlan": {"101": {"tag-state": "untagged"}}}
    assert vlans["swp3"] == {"vlan": {"101": {"tag-state": "tagged"}, "102": {"tag-state": "tagged"}}}
    assert set(json.loads(keyboard.type("nv show bridge domain br_default vlan -o json"))) == {
        "1",
        "101",
        "102",
        "103",
    }


def test_a_line_is_rejected_or_lied_about(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.fault("reject", line=1)
    switch.fault("lie", like="config apply", times=1)
    assert "Invalid Command" in keyboard.type(ACCESS)
    keyboard.type(ACCESS)
    assert "applied" in keyboard.type("nv config apply -y")
    assert switch.ports()["swp1"] == DOWN
    keyboard.type("nv config apply -y")
    assert switch.ports()["swp1"] == ON_101


@pytest.mark.parametrize(
    "state",
    [PortState(), PortState(101), PortState(None, (101,)), PortState(101, (102,)), PortState(None, (), True)],
)
def test_somebody_else_changes_a_port(switch: FakeSwitch, keyboard: Keyboard, state: PortState) -> None:
    switch.put("swp1", PortState(102, (101,)))
    switch.put("swp1", state)
    assert switch.ports()["swp1"].state == state
    keyboard.type("nv set interface swp8", "nv config apply -y")
    assert switch.ports()["swp1"].state == state
