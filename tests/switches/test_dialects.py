"""What each dialect reads out of a switch's answers, and calls a rejection. No switch is asked.

The files of tests/switches/dialects/ are written after real answers, one a dialect: each answer below the
command that it answers.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from netmiko.ssh_dispatcher import CLASS_MAPPER

from nm.errors import Invalid
from nm.switch import PortState
from nm.switches import dialects
from nm.switches.cli import CommandLine
from nm.switches.dialect import Dialect, Reading, Seen, filled
from nm.switches.dialects import DIALECTS

FILES = Path(__file__).with_name("dialects")
NAMES = [dialect.name for dialect in DIALECTS]


def shut(untagged: int | None = None, *tagged: int, more: bool = False, trunk: bool | None = None) -> Seen:
    return replace(up(untagged, *tagged, more=more, trunk=trunk), shut=True)


def up(untagged: int | None = None, *tagged: int, more: bool = False, trunk: bool | None = None) -> Seen:
    """`trunk`: when that is not told by what it carries."""
    return Seen(PortState(untagged, tagged, more), trunk=bool(tagged) or more if trunk is None else trunk)


NOTHING = up()
LONG = (11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43, 44, 45)

# Ports that are missing route, belong to a port-channel, or are for management.
READINGS: dict[str, tuple[set[int], dict[str, Seen]]] = {
    "cisco_ios": (
        {1, 101, 200, 1002, 1005},
        {
            "Port-channel1": up(None, 10, 20),
            "FastEthernet0": shut(1, more=True),
            "GigabitEthernet1/0/1": up(101),
            "GigabitEthernet1/0/2": up(1, more=True),
            "GigabitEthernet1/0/3": shut(1),
            "GigabitEthernet1/0/5": up(101, 200, trunk=False),
            "GigabitEthernet1/0/7": up(7, *LONG),
            "TenGigabitEthernet1/1/1": up(1, more=True),
            "TenGigabitEthernet1/1/2": up(trunk=True),
        },
    ),
    "cisco_nxos": (
        {1, 101},
        {
            "port-channel10": shut(None, 101),
            "Ethernet1/1": up(101),
            "Ethernet1/2": shut(1),
            "Ethernet1/4": up(101, 102, 103),
        },
    ),
    "arista_eos": (
        {1, 101},
        {
            "Port-Channel5": up(None, 101),
            "Ethernet1": up(101),
            "Ethernet2": up(1),
            "Ethernet4": up(None, 101, 102),
            "Ethernet6/1": shut(1),
        },
    ),
    "dell_powerconnect": (
        {1, 101, 102, 103, 200},
        {
            "gi1/0/1": up(101),
            "gi1/0/2": up(1),
            "gi1/0/3": shut(),
            "gi1/0/4": up(None, 101, 102, 200),
            "gi1/0/5": up(101, 103),
            "gi1/0/6": up(101, 102, more=True),
            "te1/0/1": up(1, more=True),
            "te1/0/2": up(None, 101),
            "po1": up(1, 200),
        },
    ),
    "dell_powerconnect_5400": (
        {1, 101},
        {"ethernet g1": up(101), "ethernet g2": up(101), "ethernet g3": shut(1), "ethernet g4": up(101)},
    ),
    "dell_os6": (
        {1, 101, 102, 200},
        {
            "Gi1/0/1": up(101),
            "Gi1/0/2": up(1),
            "Gi1/0/3": shut(1),
            "Gi1/0/4": up(None, 101, 102),
            "Gi1/0/5": up(101, 200, trunk=False),
            "Gi1/0/6": up(101, more=True),
            "Gi1/0/8": NOTHING,
            "Gi1/0/9": up(101, 102, trunk=False),
            "Te1/0/1": up(1, more=True),
            "Po1": up(None, 101),
        },
    ),
    "dell_os9": (
        {1, 101, 102},
        {
            "TenGigabitEthernet 0/0": up(101),
            "TenGigabitEthernet 0/1": up(None, 102),
            "TenGigabitEthernet 0/2": up(101, 102),
            "TenGigabitEthernet 0/3": shut(),
            "TenGigabitEthernet 0/5": up(1),
            "TenGigabitEthernet 0/6": up(1, 102),
            "fortyGigE 0/48": shut(101),
            "Port-channel 1": up(None, 101, 102),
            "Port-channel 2": up(None, 102),
        },
    ),
    "dell_os10": (
        {1, 101, 102},
        {
            "port-channel10": up(1, 101),
            "ethernet1/1/1": up(101),
            "ethernet1/1/2": up(101, 102, 103, 110),
            "ethernet1/1/3": up(None, 102),
            "ethernet1/1/4": shut(1),
            "ethernet1/1/25:1": up(1, more=True),
        },
    ),
    "juniper_junos": (
        {1, 101, 102, 300},
        {
            "ge-0/0/0": up(300),
            "ge-0/0/1": up(101, 102, 103),
            "ge-0/0/2": shut(101),
            "ge-0/0/5": NOTHING,
            "ge-0/0/6": up(1),
            "ge-0/0/7": up(more=True),
            "ge-0/0/8": up(None, 102),
            "xe-0/1/0": NOTHING,
            "ae0": up(trunk=True),
        },
    ),
    "sonic": (
        {101, 102, 103},
        {
            "Ethernet0": up(101),
            "Ethernet4": up(101, 102, 103),
            "Ethernet8": shut(102),
            "Ethernet20": shut(),
            "Ethernet24": NOTHING,
            "Ethernet28": up(101, 102, more=True),
            "PortChannel1": up(None, 102),
        },
    ),
    "cumulus_nvue": (
        {1, 10, 101, 102, 103, 200},
        {
            "bond1": up(1, 10),
            "swp1": up(101),
            "swp2": up(101),
            "swp3": shut(102),
            "swp4": NOTHING,
            "swp5": up(101, 102, 103),
            "swp9s0": up(1, more=True),
            "swp9s1": up(None, 101),
        },
    ),
    "aruba_aoscx": (
        {1, 101, 102, 200},
        {
            "lag 99": up(more=True),
            "1/1/1": up(101),
            "1/1/2": up(101, 102, 200),
            "1/1/3": shut(1),
            "1/1/4": up(None, 102),
            "1/1/7": up(1, more=True),
            "1/1/8": NOTHING,
        },
    ),
    "hp_procurve": (
        {1, 101, 102},
        {
            "1": up(101),
            "2": up(101, 102),
            "3": shut(1, trunk=True),
            "4": up(None, 102),
            "5": up(1, trunk=True),
            "7": up(1, trunk=True),
            "8": up(1, trunk=True),
            "A1": shut(1, trunk=True),
            "A2": up(1, trunk=True),
            "A3": up(1, trunk=True),
            "Trk1": up(1, 101, 102),
        },
    ),
    "tplink_jetstream": (
        {1, 101, 102, 103},
        {
            "gigabitEthernet 1/0/1": up(101),
            "gigabitEthernet 1/0/2": up(1, trunk=True),
            "gigabitEthernet 1/0/3": shut(trunk=True),
            "gigabitEthernet 1/0/4": up(None, 101, 102),
            "gigabitEthernet 1/0/5": up(101, 102, 103),
            "gigabitEthernet 1/0/6": up(101, 1, more=True),
            "ten-gigabitEthernet 1/0/25": up(1, 101),
        },
    ),
}


def dialect_of(file: str) -> type[Dialect]:
    return next(dialect for dialect in DIALECTS if re.fullmatch(rf"{dialect.name}(_\d+)?", file))


def answers(file: Path) -> dict[str, str]:
    """The parts of the file, by what stands above each."""
    parts = re.split(r"(?m)\n?^===== (.+)\n", file.read_text(encoding="utf-8"))[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def read(file: str) -> Reading:
    said = answers(FILES / f"{file}.txt")
    return dialect_of(file).parse([said[say.line] for say in filled(dialect_of(file).reads)])


@pytest.mark.parametrize("file", READINGS)
def test_what_ports_carry_is_read(file: str) -> None:
    reading = read(file)
    vlans, ports = READINGS[file]
    found = {port: replace(seen, trunk=seen.trunk or seen.state.open) for port, seen in reading.ports.items()}
    assert found == ports  # an open one counts as a trunk in any case
    assert set(reading.vlans or ()) == vlans


def test_each_dialect_has_an_answer_to_read() -> None:
    assert {dialect_of(file).name for file in READINGS} == set(NAMES)
    assert {path.stem for path in FILES.glob("*.txt")} == set(READINGS)


@pytest.mark.parametrize("file", READINGS)
def test_ports_that_were_read_have_their_names(file: str) -> None:
    assert [dialect_of(file).port_name(port) for port in read(file).ports] == [*read(file).ports]


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_each_dialect_is_in_the_papers(dialect: type[Dialect]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^\| `{dialect.name}` \| .+ \| `{dialect.login}` \| .+ \|$", page)
    assert dialects.find(dialect.name) is dialect


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_telnet_is_used_where_a_dialect_has_it(dialect: type[Dialect]) -> None:
    settings = {"dialect": dialect.name, "address": "10.0.0.7", "user": "nm", "transport": "telnet"}
    if dialect.telnet:
        assert CommandLine.canonical(settings)["port"] == 23
    else:
        with pytest.raises(Invalid, match="telnet is not used"):
            CommandLine.canonical(settings)


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_netmiko_knows_how_to_log_in(dialect: type[Dialect]) -> None:
    assert dialect.login in CLASS_MAPPER
    assert not dialect.telnet or dialect.telnet in CLASS_MAPPER


@pytest.mark.parametrize(
    ("dialect", "spelled", "full"),
    [
        ("arista_eos", "Et1", "Ethernet1"),
        ("arista_eos", "po5", "Port-Channel5"),
        ("cisco_ios", "Gi1/0/1", "GigabitEthernet1/0/1"),
        ("cisco_ios", "te1/1/1", "TenGigabitEthernet1/1/1"),
        ("cisco_ios", "GigabitEthernet 1/0/1", "GigabitEthernet1/0/1"),
        ("cisco_nxos", "Eth1/49/1", "Ethernet1/49/1"),
        ("dell_powerconnect", "Gi1/0/1", "gi1/0/1"),
        ("dell_powerconnect", "gigabitethernet 1/0/1", "gi1/0/1"),
        ("dell_powerconnect", "1/g1", "ethernet 1/g1"),
        ("dell_powerconnect", "ethernet 1/xg3", "ethernet 1/xg3"),
        ("dell_powerconnect", "g24", "ethernet g24"),
        ("dell_os6", "gi1/0/1", "Gi1/0/1"),
        ("dell_os6", "tengigabitethernet 1/0/2", "Te1/0/2"),
        ("dell_os6", "port-channel 1", "Po1"),
        ("dell_os9", "Te 0/1", "TenGigabitEthernet 0/1"),
        ("dell_os9", "te0/1", "TenGigabitEthernet 0/1"),
        ("dell_os9", "Fo 0/48", "fortyGigE 0/48"),
        ("dell_os10", "eth1/1/1", "ethernet1/1/1"),
        ("dell_os10", "ethernet 1/1/25:1", "ethernet1/1/25:1"),
        ("juniper_junos", "ge-0/0/1", "ge-0/0/1"),
        ("juniper_junos", "et-0/0/48:0", "et-0/0/48:0"),
        ("sonic", "Ethernet0", "Ethernet0"),
        ("sonic", "eth4", "Ethernet4"),
        ("cumulus_nvue", "swp1s0", "swp1s0"),
        ("aruba_aoscx", "1/1/1", "1/1/1"),
        ("aruba_aoscx", "lag 1", "lag 1"),
        ("hp_procurve", "24", "24"),
        ("hp_procurve", "a1", "A1"),
        ("hp_procurve", "1/A2", "1/A2"),
        ("hp_procurve", "trk1", "Trk1"),
        ("tplink_jetstream", "Gi1/0/1", "gigabitEthernet 1/0/1"),
        ("tplink_jetstream", "ten-gigabitEthernet 1/0/25", "ten-gigabitEthernet 1/0/25"),
    ],
)
def test_a_port_has_one_full_name(dialect: str, spelled: str, full: str) -> None:
    assert dialects.find(dialect).port_name(spelled) == full


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
@pytest.mark.parametrize("name", ["", "slot 1", "Vlan1", "mgmt0", "ge-0/0/1; reboot", "1/1/1\nreload", "swp"])
def test_what_is_no_port_has_no_name(dialect: type[Dialect], name: str) -> None:
    assert dialect.port_name(name) is None
    with pytest.raises(Invalid):
        CommandLine.port_name({"dialect": dialect.name}, name)


REJECTED = {
    "arista_eos": ["% Invalid input", "% Incomplete command", "% Interface does not exist"],
    "cisco_ios": [
        "                    ^\n% Invalid input detected at '^' marker.",
        "% Incomplete command.",
        '% Ambiguous command:  "s"',
        'Command rejected: An interface whose trunk encapsulation is "Auto" can not be configured.',
        "%Command rejected: Bad VLAN list",
    ],
    "cisco_nxos": [
        "% Invalid command at '^' marker.",
        "ERROR: Ethernet1/1: requested config change not allowed",
    ],
    "dell_powerconnect": [
        "% Unrecognized command",
        "% Incomplete command",
        "VLAN was not created by user",
        "Configuration Database locked by another application - try later",
        "Port is not in Layer-2 mode",
    ],
    "dell_os6": [
        "                    ^\n% Invalid input detected at '^' marker.",
        "Command not found / Incomplete command. Use ? to list commands.",
        "VLAN ID not found.",
        "          Failure Information\n   VLAN  Error\nVLAN  1264 ERROR: This VLAN does not exist.",
        "An invalid interface has been used for this function",
        "Interface not in Trunk Mode.",
    ],
    "dell_os9": [
        "% Error: Port is in Layer-2 mode Te 0/1.",
        "% Error: Te 0/1 Port has other untagged VLANs.",
        '          ^\n% Error: Invalid input at "^" marker.',
    ],
    "dell_os10": [
        "% Error: Unrecognized command.",
        "% Error: Illegal parameter.",
        "Error: VLAN does not exist",
    ],
    "juniper_junos": [
        "                  ^\nsyntax error, expecting <command>.",
        "unknown command.",
        "error: configuration database locked by:\n  root terminal p0 (pid 1234) on since 2026-11-02",
        "[edit vlans]\n  'nm-101'\n    duplicate vlan-id\nerror: configuration check-out failed",
        "error: commit confirmed not supported for private configuration",
    ],
    "sonic": [
        "Usage: config vlan add [OPTIONS] <vid>\n\nError: Invalid VLAN ID 5000 (2-4094)",
        "Error: Ethernet16 is a router interface!",
        "sudo: a password is required",
        "bash: config: command not found",
        "Traceback (most recent call last):",
    ],
    "cumulus_nvue": [
        "Error: 'swp99' is not a valid interface",
        "Invalid config [rev_id: 5]\n  swp99 is not a physical interface on this switch.",
        "Failure during apply: ifreload",
        "-bash: nv: command not found",
    ],
    "aruba_aoscx": [
        "Invalid input: foo",
        "% Command incomplete.",
        "% Unknown command.",
        "Operation not allowed on an interface that is part of a LAG.",
    ],
    "hp_procurve": [
        "Invalid input: foo",
        "Incomplete input: vlan",
        "Ambiguous input: s",
        "Module not present for port or invalid port: 99",
        "VLAN 5000: Inconsistent value.",
    ],
    "tplink_jetstream": [
        "Error: Bad command",
        "Error: Invalid parameter.",
        "  Incomplete command.",
        "Bad command",
    ],
}

CHATTER = {
    "cisco_ios": [
        "% Access VLAN does not exist. Creating vlan 101",
        "%Warning: portfast should only be enabled on ports connected to a single host.",
        "%LINK-5-CHANGED: Interface GigabitEthernet1/0/1, changed state to administratively down",
        "*Nov  2 10:12:41.123: %SYS-5-CONFIG_I: Configured from console by admin on vty0 (10.0.0.9)",
        "Building configuration...\n[OK]",
    ],
    "cisco_nxos": ["[########################################] 100%\nCopy complete, now saving to disk"],
    "dell_os6": [
        "Warning: The use of large numbers of VLANs or interfaces may cause significant\ndelays in applying",
        "Config file 'startup-config' created successfully .\n\nConfiguration Saved!",
    ],
    "dell_os9": ["% Warning: interface-range ignores Non-existing ports (not configured).", "!\n"],
    "juniper_junos": [
        "warning: statement not found",
        "warning: uncommitted changes will be discarded on exit\nEntering configuration mode\n\n[edit]",
        "commit confirmed will be automatically rolled back in 2 minutes unless confirmed\ncommit complete\n",
        "\n# commit confirmed will be rolled back in 2 minutes\n[edit]",
    ],
    "sonic": ["Running command: /usr/local/bin/sonic-cfggen -d --print-data > /etc/sonic/config_db.json"],
    "cumulus_nvue": ["created [rev_id: 5]", "applied [rev_id: 5]", "saved [rev_id: applied]"],
    "aruba_aoscx": ["Copying configuration: [Success]"],
    "tplink_jetstream": ["Start to save user config......\nSaving user config OK!"],
}


@pytest.mark.parametrize(
    ("dialect", "answer"), [(name, text) for name in REJECTED for text in REJECTED[name]]
)
def test_a_rejection_is_seen_and_told_in_its_own_words(dialect: str, answer: str) -> None:
    words = dialects.find(dialect).rejection(answer)
    assert words
    assert set(words.split()) <= set(answer.split())


@pytest.mark.parametrize(("dialect", "answer"), [(name, text) for name in CHATTER for text in CHATTER[name]])
def test_chatter_is_no_rejection(dialect: str, answer: str) -> None:
    assert dialects.find(dialect).rejection(answer) is None


def test_each_dialect_has_its_rejections_tried() -> None:
    assert set(REJECTED) == set(NAMES)


LOGGED = [
    "*Mar  1 00:04:22.531: %LINK-3-UPDOWN: Interface Vlan1, changed state to up",
    "2026 Nov  2 10:12:41 sw0 %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up",
    "Nov  2 10:12:41 sw0 intfd[1234]: Event|404|LOG_INFO|AMM|-|Link status for interface 1/1/9 is up",
    "2026-11-02T10:12:41.123+00:00 sw0 hpe-restd: login",
]


@pytest.mark.parametrize("line", LOGGED)
def test_a_line_of_its_log_does_not_hide_what_a_port_carries(line: str) -> None:
    text = f"interface 1/1/1\n    no shutdown\n{line}\n    no routing\n    vlan access 101\n"
    assert dialects.find("aruba_aoscx").parse([text]).ports == {"1/1/1": up(101)}


def test_a_jetstream_port_that_takes_what_it_does_not_send_is_open() -> None:
    port = "gigabitEthernet 1/0/1"
    text = f"#\ninterface {port}\n switchport general allowed vlan 101 tagged\n switchport pvid 101\n#"
    assert dialects.find("tplink_jetstream").parse([text]).ports[port].state.open


def test_an_older_jetstream_is_told_apart() -> None:
    text = "interface gigabitEthernet 1/0/1\n  switchport access vlan 26\n#\nend\n"
    with pytest.raises(ValueError, match="modes"):
        dialects.find("tplink_jetstream").parse([text])


def test_a_shell_that_may_not_sudo_says_so() -> None:
    with pytest.raises(ValueError, match="incorrect password"):
        dialects.find("sonic").parse(["sudo: 3 incorrect password attempts"])
