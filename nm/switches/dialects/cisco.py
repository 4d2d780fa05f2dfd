"""Cisco: IOS with IOS-XE, and NX-OS."""

import re
from collections.abc import Sequence
from typing import ClassVar

from nm.switch import PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Dialect, Lines, Reading, Seen
from nm.switches.parsing import TRUNK, column, is_shut, sections, switches, switchport

_DOT1Q = Say("switchport trunk encapsulation dot1q", optional=True)  # older models ask for it


class CiscoIos(Dialect):
    """IOS and IOS-XE, as on Catalysts."""

    name = "cisco_ios"
    title = "Cisco IOS or IOS-XE"
    login = "cisco_ios"
    factory = PortState(1, open=True)  # it may turn into a trunk when it is asked to
    harmless: ClassVar[Sequence[str]] = (r"Access VLAN does not exist. Creating vlan",)
    make_vlans: ClassVar[Lines] = ("vlan {vlans}", "exit")
    remove_vlans: ClassVar[Lines] = ("no vlan {vlans}",)
    several: ClassVar[Lines] = ("interface range {ports}",)
    span = "{prefix}{first} - {last}"
    glue = " , "
    most_pieces = 5  # more are refused
    clean: ClassVar[Lines] = (_DOT1Q, *Dialect.clean, "no switchport voice vlan")
    tagged: ClassVar[Lines] = (_DOT1Q, *Dialect.tagged)
    both: ClassVar[Lines] = (_DOT1Q, *Dialect.both)
    save: ClassVar[Lines] = (Say("write memory", answers=((r"\[confirm\]", ""),)),)
    saved = r"\[OK\]"
    model = r"(?mi)^cisco (\S+) .*processor"
    kinds: ClassVar[Sequence[str]] = (
        "GigabitEthernet",
        "TenGigabitEthernet",
        "TwoGigabitEthernet",
        "FiveGigabitEthernet",
        "TwentyFiveGigE",
        "FortyGigabitEthernet",
        "HundredGigE",
        "FastEthernet",
        "Ethernet",
        "Port-channel",
    )

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """`show vlan brief` has all VLANs: those of a VTP server are not in the configuration."""
        vlans, configuration = answers
        ports = {
            name: Seen(switchport(lines, mode="dynamic auto"), is_shut(lines), TRUNK in lines)
            for name, lines in sections(configuration, r"interface (\S+)").items()
            if name.startswith(tuple(cls.kinds)) and switches(lines)
        }
        return Reading(ports, column(vlans, r"(\d+) "))


class CiscoNxos(CiscoIos):
    """NX-OS, as on Nexus switches."""

    name = "cisco_nxos"
    title = "Cisco NX-OS"
    login = "cisco_nxos"
    factory = PortState(1)
    rejections = (*Dialect.rejections, r"^ERROR")
    harmless: ClassVar[Sequence[str]] = ()
    several: ClassVar[Lines] = ("interface {ports}",)
    span = "{prefix}{first}-{last}"
    glue = ","
    clean: ClassVar[Lines] = Dialect.clean
    tagged: ClassVar[Lines] = Dialect.tagged
    both: ClassVar[Lines] = Dialect.both
    save: ClassVar[Lines] = ("copy running-config startup-config",)
    saved = r"Copy complete|100%"
    model = r"(?mi)^\s+cisco (Nexus.*?) Chassis"
    kinds: ClassVar[Sequence[str]] = ("Ethernet", "port-channel")

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """A port without a mode is an access port; whether new ones are shut is a setting of the system."""
        vlans, configuration = answers
        shut = re.search(r"(?m)^system default switchport shutdown", configuration) is not None
        ports = {
            name: Seen(switchport(lines), is_shut(lines, by_default=shut), TRUNK in lines)
            for name, lines in sections(configuration, r"interface (\S+)").items()
            if name.startswith(tuple(cls.kinds)) and switches(lines)
        }
        return Reading(ports, column(vlans, r"(\d+) "))
