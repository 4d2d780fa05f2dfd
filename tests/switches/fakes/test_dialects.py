"""Every dialect: netmiko logs in, and the commands of the vendor do what the vendor says they do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from netmiko import ConnectHandler
from netmiko.base_connection import BaseConnection

from tests.switches.fakes import DIALECTS, FakeSwitch, start
from tests.switches.fakes.keyboard import PROMPT, Keyboard
from tests.switches.fakes.state import Carried

SECRET = "topsecret"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The vendor's own words for what every switch can do; ports 1 and 2 of the switch."""

    configure: str
    vlans: tuple[str, ...]  # make 101 and 102
    first: str  # into the mode of the first port
    second: str
    access: tuple[str, ...]  # untagged on 101
    trunk: tuple[str, ...]  # exactly 101 untagged, 102 tagged
    both: str  # into the mode of both ports
    show: tuple[str, ...]
    save: tuple[str, ...]
    end: str = "end"
    wrong: str = "switchport nonsense"
    rejected: str = "Invalid input"
    no_vlan: tuple[str, ...] = ("no vlan 102",)
    pages: str = "show running-config"
    unlimited: tuple[str, ...] = ("terminal length 0",)
    answers: dict[str, str] = field(default_factory=dict)  # what is asked, and answered by one key


ACCESS = ("switchport mode access", "switchport access vlan 101")
TRUNK = (
    "switchport mode trunk",
    "switchport trunk allowed vlan 101,102",
    "switchport trunk native vlan 101",
)
RECIPES = {
    "cisco_ios": Recipe(
        configure="configure terminal",
        vlans=("vlan 101-102", "exit"),
        first="interface GigabitEthernet1/0/1",
        second="interface gi1/0/2",
        access=ACCESS,
        trunk=TRUNK,
        both="interface range Gi1/0/1 - 2",
        show=(
            "show running-config",
            "show vlan brief",
            "show interfaces status",
            "show interfaces switchport",
        ),
        save=("write memory",),
    ),
    "cisco_nxos": Recipe(
        configure="configure terminal",
        vlans=("vlan 101-102", "exit"),
        first="interface Ethernet1/1",
        second="interface eth1/2",
        access=ACCESS,
        trunk=TRUNK,
        both="interface Ethernet1/1-2",
        show=("show running-config", "show vlan brief", "show interface switchport"),
        save=("copy running-config startup-config",),
        rejected="% Invalid command at '^' marker.",
    ),
    "arista_eos": Recipe(
        configure="configure",
        vlans=("vlan 101,102", "exit"),
        first="interface Ethernet1",
        second="interface et2",
        access=ACCESS,
        trunk=TRUNK,
        both="interface Ethernet1-2",
        show=("show running-config", "show vlan", "show interfaces status", "show interfaces switchport"),
        save=("write memory",),
    ),
    "dell_os6": Recipe(
        configure="configure",
        vlans=("vlan 101-102", "exit"),
        first="interface gigabitethernet 1/0/1",
        second="interface Gi1/0/2",
        access=ACCESS,
        trunk=TRUNK,
        both="interface range gi1/0/1-2",
        show=("show running-config", "show vlan"),
        save=("copy running-config startup-config",),
        answers={r"\(y/n\) $": "y"},
    ),
    "dell_powerconnect": Recipe(
        configure="configure",
        vlans=("vlan database", "vlan 101-102", "exit"),
        first="interface gigabitethernet 1/0/1",
        second="interface gi1/0/2",
        access=ACCESS,
        trunk=(
            "switchport mode trunk",
            "switchport trunk allowed vlan none",
            "switchport trunk allowed vlan add 101,102",
            "switchport trunk native vlan 101",
        ),
        both="interface range gi1/0/1-2",
        show=("show running-config", "show vlan"),
        save=("copy running-config startup-config",),
        rejected="% bad parameter value",
        no_vlan=("vlan database", "no vlan 102", "exit"),
        unlimited=("terminal datadump",),
        answers={r"\(Y/N\)\[N\] \?$": "y"},
    ),
    "dell_os10": Recipe(
        configure="configure terminal",
        vlans=("interface vlan 101", "exit", "interface vlan 102", "exit"),
        first="interface ethernet 1/1/1",
        second="interface ethernet1/1/2",
        access=ACCESS,
        trunk=("switchport mode trunk", "switchport access vlan 101", "switchport trunk allowed vlan 102"),
        both="interface range ethernet1/1/1-1/1/2",
        show=("show running-configuration", "show vlan"),
        save=("copy running-configuration startup-configuration",),
        rejected="% Error: Illegal parameter.",
        no_vlan=("no interface vlan 102",),
        pages="show running-configuration",
    ),
    "aruba_aoscx": Recipe(
        configure="configure terminal",
        vlans=("vlan 101,102", "exit"),
        first="interface 1/1/1",
        second="interface 1/1/2",
        access=("no routing", "vlan access 101"),
        trunk=("vlan trunk allowed 101", "vlan trunk allowed 102", "vlan trunk native 101"),
        both="interface 1/1/1-1/1/2",
        show=("show running-config", "show vlan"),
        save=("write memory",),
        wrong="vlan nonsense",
        unlimited=("no page",),
    ),
    "tplink_jetstream": Recipe(
        configure="configure",
        vlans=("vlan 101,102", "exit"),
        first="interface gigabitEthernet 1/0/1",
        second="interface gi 1/0/2",
        access=(
            "no switchport general allowed vlan 1",
            "switchport general allowed vlan 101 untagged",
            "switchport pvid 101",
        ),
        trunk=(
            "no switchport general allowed vlan 1",
            "switchport general allowed vlan 101 untagged",
            "switchport general allowed vlan 102 tagged",
            "switchport pvid 101",
        ),
        both="interface range gi 1/0/1-2",
        show=("show running-config", "show vlan", "show interface switchport", "show interface status"),
        save=("copy running-config startup-config",),
        rejected="Error: Bad command",
    ),
}


@pytest.fixture(params=sorted(RECIPES))
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def recipe(dialect: str) -> Recipe:
    return RECIPES[dialect]


@pytest.fixture
def switch(dialect: str) -> Iterator[FakeSwitch]:
    with start(dialect, ports=24) as found:
        yield found


def log_in(switch: FakeSwitch) -> Keyboard:
    """A privileged session without paging."""
    keyboard = Keyboard(switch)
    if keyboard.prompt.rstrip().endswith(">"):
        keyboard.type("enable")
    keyboard.type(*RECIPES[switch.cli.dialect].unlimited)
    return keyboard


@pytest.fixture
def keyboard(switch: FakeSwitch) -> Iterator[Keyboard]:
    with log_in(switch) as found:
        yield found


def save(keyboard: Keyboard, recipe: Recipe) -> str:
    for asked, key in recipe.answers.items():
        keyboard.type(*recipe.save, until=asked)
        keyboard.send(key)
        return keyboard.wait()
    return keyboard.type(*recipe.save)


def carried(switch: FakeSwitch) -> list[Carried]:
    return list(switch.ports().values())


def test_every_dialect_has_a_recipe() -> None:
    assert set(RECIPES) <= set(DIALECTS)


def test_netmiko_logs_in_enables_and_ends_paging(dialect: str, recipe: Recipe) -> None:
    with start(dialect, ports=24, enable=SECRET) as switch:
        for port in switch.running.ports.values():
            port.description = "long enough for several pages"
        connection: BaseConnection = ConnectHandler(
            device_type=switch.cli.device_type,
            host="127.0.0.1",
            port=switch.port,
            username=switch.user,
            password=switch.password,
            secret=SECRET,
            global_delay_factor=0.1,  # what netmiko sleeps for luck
        )
        try:
            connection.enable()
            assert connection.find_prompt() == "sw1#"
            shown = connection.send_command(recipe.pages)
        finally:
            connection.paramiko_cleanup()
        assert "sw1" in shown and switch.cli.more.strip() not in shown
        assert (switch.counts.logins, switch.counts.refused_logins) == (1, 0)


def test_access_and_trunk_ports(switch: FakeSwitch, recipe: Recipe, keyboard: Keyboard) -> None:
    keyboard.type(recipe.configure, *recipe.vlans, recipe.first, *recipe.access)
    keyboard.type("exit", recipe.second, *recipe.trunk, recipe.end)
    first, second, *others = carried(switch)
    assert (first.untagged, first.tagged, first.shut, first.open) == (101, (), False, False)
    assert (second.untagged, second.tagged, second.shut, second.open) == (101, (102,), False, False)
    assert {port.untagged for port in others} == {1}
    assert {101, 102} <= set(switch.vlans())
    one, two = list(switch.ports())[:2]
    assert two in switch.reaches(one) and one in switch.reaches(two)


def test_several_ports_at_once(switch: FakeSwitch, recipe: Recipe, keyboard: Keyboard) -> None:
    keyboard.type(recipe.configure, *recipe.vlans, recipe.both, *recipe.access, "shutdown")
    assert [(port.untagged, port.shut) for port in carried(switch)[:3]] == [
        (101, True),
        (101, True),
        (1, False),
    ]
    keyboard.type("no shutdown")
    assert not any(port.shut for port in carried(switch))


def test_what_is_not_understood_is_rejected(switch: FakeSwitch, recipe: Recipe, keyboard: Keyboard) -> None:
    keyboard.type(recipe.configure, recipe.first)
    before = switch.dump()["running"]
    prompt = keyboard.prompt
    assert recipe.rejected in keyboard.type(recipe.wrong)
    assert keyboard.prompt == prompt
    assert switch.dump()["running"] == before
    switch.fault("reject", like="shutdown")
    assert keyboard.type("shutdown")
    assert switch.dump()["running"] == before


def test_good_lines_answer_nothing_that_looks_like_a_rejection(recipe: Recipe, keyboard: Keyboard) -> None:
    answers = [keyboard.type(recipe.configure)]
    answers += [keyboard.type(line) for line in (*recipe.vlans, recipe.first, *recipe.access)]
    assert not [answer for answer in answers if recipe.rejected in answer or "rror" in answer]


def test_saving_and_rebooting(switch: FakeSwitch, recipe: Recipe) -> None:
    with log_in(switch) as keyboard:
        keyboard.type(recipe.configure, *recipe.vlans, recipe.first, *recipe.access, recipe.end)
        unsaved = switch.startup_ports()
        save(keyboard, recipe)
        saved = switch.startup_ports()
        keyboard.type(recipe.configure, recipe.second, *recipe.access, recipe.end)
    assert (unsaved, saved) != (saved, saved)
    assert [port.untagged for port in carried(switch)[:2]] == [101, 101]
    switch.reboot()
    assert [port.untagged for port in carried(switch)[:2]] == [101, 1]
    assert switch.ports() == saved
    assert {101, 102} <= set(switch.vlans())
    assert switch.counts.saves == 1


def test_saving_fails_in_words(switch: FakeSwitch, recipe: Recipe, keyboard: Keyboard) -> None:
    good = save(keyboard, recipe)
    switch.fault("save")
    assert save(keyboard, recipe) != good
    assert switch.counts.saves == 1


def test_a_vlan_goes(switch: FakeSwitch, recipe: Recipe, keyboard: Keyboard) -> None:
    keyboard.type(recipe.configure, *recipe.vlans, *recipe.no_vlan)
    assert 101 in switch.vlans() and 102 not in switch.vlans()


def test_all_that_can_be_shown(switch: FakeSwitch, recipe: Recipe, keyboard: Keyboard) -> None:
    keyboard.type(recipe.configure, *recipe.vlans, recipe.first, *recipe.access, "exit", recipe.second)
    keyboard.type(*recipe.trunk, "shutdown", "end")
    for command in recipe.show:
        shown = keyboard.type(command)
        assert recipe.rejected not in shown
        assert "101" in shown or "status" in command


def test_the_shown_configuration_typed_again_is_the_same(dialect: str, recipe: Recipe) -> None:
    with start(dialect, ports=24) as one, log_in(one) as keyboard:
        keyboard.type(recipe.configure, *recipe.vlans, recipe.first, *recipe.access, "exit", recipe.second)
        keyboard.type(*recipe.trunk, "shutdown", "end")
        shown = keyboard.type(recipe.pages)
        with start(dialect, ports=24) as two, log_in(two) as other:
            other.type(recipe.configure)
            for line in shown.splitlines():
                if line.strip(" !#") and "anagement" not in line and "mgmt" not in line:
                    other.type(line.strip())
            assert two.ports() == one.ports()


def test_output_is_paged_until_told_otherwise(switch: FakeSwitch, recipe: Recipe) -> None:
    with Keyboard(switch) as keyboard:
        if keyboard.prompt.rstrip().endswith(">"):
            keyboard.type("enable")
        keyboard.type(recipe.configure, recipe.both, "description x", *recipe.access, "shutdown", "end")
        switch.running.ports.update(
            {f"{at}/9": port for at, port in enumerate([*switch.running.ports.values()] * 2)}
        )
        keyboard.send(recipe.pages + "\r\n")
        keyboard.wait(re.escape(switch.cli.more) + "$")
        keyboard.send("q")
        keyboard.wait(PROMPT)


def test_telnet() -> None:
    with start("tplink_jetstream", ports=4, enable=SECRET) as switch:
        connection: BaseConnection = ConnectHandler(
            device_type="tplink_jetstream_telnet",
            host="127.0.0.1",
            port=switch.telnet_port,
            username=switch.user,
            password=switch.password,
            secret=SECRET,
            global_delay_factor=0.1,
        )
        try:
            assert connection.find_prompt() == "sw1#"
        finally:
            assert connection.remote_conn is not None
            connection.remote_conn.close()
        assert switch.counts.logins == 1
