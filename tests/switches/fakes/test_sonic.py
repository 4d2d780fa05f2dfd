"""SONiC: a bash, sudo, and commands of Click's that end with a status."""

import json
from collections.abc import Iterator

import pytest
from netmiko import ConnectHandler
from netmiko.base_connection import BaseConnection

from nm.switch import PortState
from tests.switches.fakes import FakeSwitch, start
from tests.switches.fakes.keyboard import Keyboard
from tests.switches.fakes.state import Carried

P0, P4, P8 = "Ethernet0", "Ethernet4", "Ethernet8"
VLANS = ("sudo config vlan add 101", "sudo config vlan add 102")
ACCESS = f"sudo config vlan member add -u 101 {P0}"


@pytest.fixture
def switch() -> Iterator[FakeSwitch]:
    with start("sonic", ports=8, host="sonic") as found:
        yield found


@pytest.fixture
def keyboard(switch: FakeSwitch) -> Iterator[Keyboard]:
    with Keyboard(switch) as found:
        yield found


def status(keyboard: Keyboard) -> int:
    return int(keyboard.type("echo $?"))


def usage(command: str, arguments: str, message: str) -> str:
    return f'Usage: {command} [OPTIONS] {arguments}\nTry "{command} -h" for help.\n\nError: {message}\n'


def test_netmiko_logs_in_as_to_any_linux(switch: FakeSwitch) -> None:
    switch.options["sudo_password"] = True
    connection: BaseConnection = ConnectHandler(
        device_type=switch.cli.device_type,
        host="127.0.0.1",
        port=switch.port,
        username=switch.user,
        password=switch.password,
        secret=switch.password,
        global_delay_factor=0.1,
    )
    try:
        assert connection.find_prompt() == "admin@sonic:~$"
        connection.enable()
        assert connection.find_prompt() == "root@sonic:/home/admin#"
        for line in (*VLANS, ACCESS):
            connection.send_command(line.removeprefix("sudo "))
        connection.exit_enable_mode()
        shown = connection.send_command("show vlan config")
    finally:
        connection.disconnect()
    assert "Vlan101" in str(shown)
    assert switch.ports()[P0].state == PortState(101)
    assert switch.password not in switch.lines()


def test_members_of_vlans(switch: FakeSwitch, keyboard: Keyboard) -> None:
    assert keyboard.prompt == "admin@sonic:~$ "
    assert switch.ports()[P0] == Carried(mode="routed")
    assert switch.vlans() == {}
    for line in (
        *VLANS,
        ACCESS,
        f"sudo config vlan member add 102 {P0}",
        f"sudo config vlan member add 102 {P4}",
    ):
        assert keyboard.type(line) == ""
        assert status(keyboard) == 0
    assert switch.ports()[P0] == Carried(101, (102,), mode="trunk")
    assert switch.reaches(P0, 102) == {P4}
    assert keyboard.type(f"sudo config vlan member del 101 {P0}") == ""
    assert switch.ports()[P0] == Carried(None, (102,), mode="trunk")


@pytest.mark.parametrize(
    ("line", "command", "arguments", "message"),
    [
        ("vlan add 101", "vlan add", "<vid>", "Vlan101 already exists."),
        ("vlan add 1", "vlan add", "<vid>", "Vlan1 is default VLAN"),
        ("vlan add 4095", "vlan add", "<vid>", "Invalid VLAN ID 4095 (2-4094)"),
        ("vlan add 103-104", "vlan add", "<vid>", "103-104 is not integer"),
        ("vlan add", "vlan add", "<vid>", 'Missing argument "<vid>".'),
        ("vlan add -x 5", "vlan add", "<vid>", "no such option: -x"),
        ("vlan add 5 6", "vlan add", "<vid>", "Got unexpected extra argument (6)"),
        ("vlan del 7", "vlan del", "<vid>", "Vlan7 does not exist"),
        (
            "vlan del 101",
            "vlan del",
            "<vid>",
            "VLAN ID 101 can not be removed. First remove all members assigned to this VLAN.",
        ),
        (f"vlan member add 7 {P0}", "vlan member add", "<vid> port", "Vlan7 does not exist"),
        ("vlan member add 101 Ethernet99", "vlan member add", "<vid> port", "Ethernet99 does not exist"),
        (
            f"vlan member add 101 {P0}",
            "vlan member add",
            "<vid> port",
            f"{P0} is already a member of Vlan101",
        ),
        (
            f"vlan member add -u 102 {P0}",
            "vlan member add",
            "<vid> port",
            f"{P0} is already untagged member!",
        ),
        (f"vlan member add -u 102 {P8}", "vlan member add", "<vid> port", f"{P8} is a router interface!"),
        (f"vlan member del 102 {P0}", "vlan member del", "<vid> <port>", f"{P0} is not a member of Vlan102"),
        (
            "interface shutdown Ethernet99",
            "interface shutdown",
            "<interface_name>",
            "Interface name is invalid. Please enter a valid interface name!!",
        ),
    ],
)
def test_refusals_in_clicks_words_end_with_2(
    switch: FakeSwitch, keyboard: Keyboard, line: str, command: str, arguments: str, message: str
) -> None:
    switch.running.ports[P8].extra["ip"] = ["10.0.0.2/31"]
    keyboard.type(*VLANS, ACCESS)
    before = switch.dump()["running"]
    assert keyboard.type(f"sudo config {line}") == usage(f"config {command}", arguments, message)
    assert status(keyboard) == 2
    assert switch.dump()["running"] == before


def test_what_is_no_command(keyboard: Keyboard) -> None:
    answer = keyboard.type("sudo config vlan frobnicate 5")
    assert answer == usage("config vlan", "COMMAND [ARGS]...", 'No such command "frobnicate".')
    assert status(keyboard) == 2
    assert keyboard.type("frobnicate") == "-bash: frobnicate: command not found\n"
    assert status(keyboard) == 127
    assert keyboard.type("config vlan add 101") == "Root privileges are required for this operation\n"
    assert status(keyboard) == 1


def test_lists_stop_at_the_first_that_is_refused(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("sudo config vlan add 103", "sudo config vlan add -m 101-104,200")
    assert set(switch.vlans()) == {101, 102, 103}
    keyboard.type(f"sudo config vlan member add -m 101-102 {P0}", f"sudo config vlan member add 101 -u {P4}")
    assert switch.ports()[P0].tagged == (101, 102)
    assert "more than one untagged" in keyboard.type(f"sudo config vlan member add -u -m 101,102 {P8}")
    keyboard.type(f"sudo config vlan member del all {P0}", "sudo config vlan del -m 102-103")
    assert (switch.ports()[P0].tagged, set(switch.vlans())) == ((), {101})


def test_ports_of_a_list_go_down_and_those_that_are_not_there_are_passed_over(
    switch: FakeSwitch, keyboard: Keyboard
) -> None:
    assert keyboard.type("sudo config interface shutdown Ethernet0-8,Ethernet20,Ethernet99") == ""
    assert [name for name, port in switch.ports().items() if port.shut] == [P0, P4, P8, "Ethernet20"]
    keyboard.type(f"sudo config interface startup {P4}")
    assert not switch.ports()[P4].shut


def test_a_router_interface_joins_when_its_address_is_gone(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(*VLANS, f"sudo config interface ip add {P0} 10.0.0.0/31")
    assert "is a router interface!" in keyboard.type(ACCESS)
    keyboard.type(f"sudo config interface ip remove {P0} 10.0.0.0/31", ACCESS)
    assert switch.ports()[P0].untagged == 101
    assert "is a member of vlan\nAborting!" in keyboard.type(f"sudo config interface ip add {P0} 10.0.0.0/31")


def test_sudo_asks_for_the_password_once(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.options["sudo_password"] = True
    assert keyboard.type("sudo -n config vlan add 101") == "sudo: a password is required\n"
    asked = r"\[sudo\] password for admin: $"
    keyboard.type(VLANS[0], until=asked)
    assert keyboard.type("wrong", until=asked) == "Sorry, try again.\n"
    keyboard.type("wrong", until=asked)
    assert keyboard.type("wrong") == "sudo: 3 incorrect password attempts\n"
    assert status(keyboard) == 1
    keyboard.type(VLANS[0], until=asked)
    assert keyboard.type(switch.password) == ""
    assert keyboard.type(VLANS[1]) == ""
    assert set(switch.vlans()) == {101, 102}


def test_lists_of_commands(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("sudo config vlan add 101 && sudo config vlan add 101 && sudo config vlan add 102")
    assert set(switch.vlans()) == {101}
    assert keyboard.type("sudo config vlan del 101; echo status $?") == "status 0\n"
    assert keyboard.type("false || echo no; true && echo yes") == "no\nyes\n"
    assert keyboard.type("show version | grep -i hwsku") == "HwSKU: Accton-AS7326-56X\n"


def test_saving_and_rebooting(switch: FakeSwitch) -> None:
    with Keyboard(switch) as keyboard:
        keyboard.type(*VLANS, ACCESS)
        keyboard.type("sudo config save", until=r"continue\? \[y/N\]: $")
        assert keyboard.type("n") == "Aborted!\n"
        assert switch.counts.saves == 0
        assert "/etc/sonic/config_db.json" in keyboard.type("sudo config save -y")
        keyboard.type(f"sudo config interface shutdown {P0}")
        switch.fault("save")
        assert "No space left on device" in keyboard.type("sudo config save -y")
        assert status(keyboard) == 1
        switch.reboot()
    assert switch.ports()[P0] == Carried(101, (), mode="trunk")
    assert switch.counts.saves == 1


def test_tables_and_the_database(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(
        *VLANS, ACCESS, f"sudo config vlan member add 101 {P4}", f"sudo config interface shutdown {P4}"
    )
    brief = keyboard.type("show vlan brief").splitlines()
    assert (
        brief[1]
        == "|   VLAN ID | IP Address   | Ports     | Port Tagging   | Proxy ARP   | DHCP Helper Address   |"
    )
    assert (
        brief[3]
        == "|       101 |              | Ethernet0 | untagged       | disabled    |                       |"
    )
    assert (
        brief[4]
        == "|           |              | Ethernet4 | tagged         |             |                       |"
    )
    assert keyboard.type("show vlan config").splitlines() == [
        "Name       VID  Member     Mode",
        "-------  -----  ---------  --------",
        "Vlan101    101  Ethernet0  untagged",
        "Vlan101    101  Ethernet4  tagged",
        "Vlan102    102",
    ]
    shown = keyboard.type("show interfaces status").splitlines()
    assert shown[3].split()[0] == P4 and shown[3].split()[6:9] == ["trunk", "down", "down"]
    found = json.loads(keyboard.type("show runningconfiguration all"))
    assert found["VLAN"] == {"Vlan101": {"vlanid": "101"}, "Vlan102": {"vlanid": "102"}}
    assert found["VLAN_MEMBER"] == {
        f"Vlan101|{P0}": {"tagging_mode": "untagged"},
        f"Vlan101|{P4}": {"tagging_mode": "tagged"},
    }
    assert (found["PORT"][P0]["admin_status"], found["PORT"][P4]["admin_status"]) == ("up", "down")


def test_a_line_is_rejected_or_lied_about(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.fault("reject", line=1)
    switch.fault("lie", line=2)
    assert "Error: " in keyboard.type(VLANS[0])
    assert status(keyboard) == 2
    assert keyboard.type(VLANS[0]) == ""
    keyboard.type("show vlan config")
    assert switch.vlans() == {}
    keyboard.type(VLANS[0])
    assert set(switch.vlans()) == {101}


@pytest.mark.parametrize(
    "state", [PortState(), PortState(101), PortState(None, (101,)), PortState(101, (102,))]
)
def test_somebody_else_changes_a_port(switch: FakeSwitch, state: PortState) -> None:
    switch.put(P0, PortState(102, (101,)))
    switch.put(P0, state)
    assert switch.ports()[P0].state == state
