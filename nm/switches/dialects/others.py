"""Families of which networking-generic-switch knows the commands (ngs.py), and nm the rest."""

import re
from collections.abc import Sequence
from typing import ClassVar

from nm.switch import PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Dialect, Lines, Reading, Seen
from nm.switches.dialects.dell import DellPowerConnect
from nm.switches.dialects.family import Family
from nm.switches.dialects.membership import Membership
from nm.switches.parsing import (
    TRUNK,
    column,
    is_shut,
    numbers,
    port_list,
    sections,
    switches,
    switchport,
    value,
)


class Ruijie(Family):
    """RGOS, in the grammar that Cisco began; a port without a mode is an access port."""

    title = "Ruijie RGOS"
    login = "ruijie_os"
    reads: ClassVar[Lines] = ("show vlan", "show running-config")
    save: ClassVar[Lines] = ("write memory",)
    saved = r"\[OK\]"
    model = r"(?mi)^System description\s*:\s*(.+)$"
    kinds: ClassVar[Sequence[str]] = (
        "GigabitEthernet",
        "TenGigabitEthernet",
        "TFGigabitEthernet",
        "FortyGigabitEthernet",
        "HundredGigabitEthernet",
        "FastEthernet",
        "AggregatePort",
    )
    between = " "
    mode: ClassVar[str] = "access"  # of a port of which none is said

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """Numbers stand apart from the kind of port."""
        vlans, configuration = answers
        ports = {
            name: Seen(switchport(lines, mode=cls.mode), is_shut(lines), TRUNK in lines)
            for name, lines in sections(configuration, r"interface (\S+ ?[\d/]+)\s*$", end=r"!|exit").items()
            if cls.port_name(name) == name and switches(lines)
        }
        return Reading(ports, column(vlans, r"\s*(\d+)\b"))


class SupermicroSmis(Ruijie):
    """Supermicro's own software. A port without a mode is a hybrid one, which carries what it is told."""

    title = "Supermicro SMIS"
    login = "supermicro_smis"
    factory = PortState(1, open=True)
    mode = "hybrid"
    reads: ClassVar[Lines] = ("show vlan brief", "show running-config")
    save: ClassVar[Lines] = ("write startup-config",)
    saved = r"(?i)ok|success"
    model = r"(?mi)^.*\b(SSE-\S+|SBM-\S+)"
    kinds: ClassVar[Sequence[str]] = ("Gi", "Ex", "Fx", "Qx", "Cx", "Po")


class CiscoSmallBusiness(DellPowerConnect):
    """The 300 series, a cousin of Dell's PowerConnect 5500. A port without a mode is a trunk of VLAN 1."""

    title = "Cisco 300 series"
    login = "cisco_s300"
    telnet = ""
    factory = PortState(1, open=True)
    clean: ClassVar[Lines] = (
        "switchport trunk allowed vlan remove all",
        "switchport mode access",
        "no switchport access vlan",
    )
    save: ClassVar[Lines] = (Say("write memory", answers=((r"\(Y/N\).{0,6}", "y"),)),)
    kinds: ClassVar[Sequence[str]] = (
        "gigabitethernet",
        "tengigabitethernet",
        "fastethernet",
        "Port-channel",
    )

    @classmethod
    def _state(cls, lines: Sequence[str]) -> PortState:
        if value(lines, "switchport mode") is None:
            return PortState(1, open=True)
        return super()._state(lines)


class MellanoxMlnxOs(Family):
    """MLNX-OS and Onyx, whose configuration names the port in each line."""

    title = "Mellanox MLNX-OS"
    login = "mellanox_mlnxos"
    leave: ClassVar[Lines] = ("exit",)
    clean: ClassVar[Lines] = ("switchport mode access", "no switchport access vlan")
    reads: ClassVar[Lines] = ("show vlan", "show interfaces ethernet status", "show running-config")
    model = r"(?m)^Product model:\s+(\S+)"
    save: ClassVar[Lines] = ("configuration write",)
    numbering = r"\d+/\d+(?:/\d+)?"

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """A port of which nothing is said is an access port on VLAN 1."""
        vlans, status, configuration = answers
        lines: dict[str, list[str]] = {name: [] for name in re.findall(r"(?m)^\s*Eth([\d/]+)\s", status)}
        for name, line in re.findall(r"(?m)^\s*interface ethernet ([\d/]+) (.+?)\s*$", configuration):
            if name in lines:
                plain = line.replace("allowed-vlan", "allowed vlan").replace("switchport force", "switchport")
                lines[name].append(plain)
        return Reading(
            {
                name: Seen(switchport(said), is_shut(said), TRUNK in said)
                for name, said in lines.items()
                if switches(said)
            },
            column(vlans, r"\s*(\d+)\b"),
        )


class BrocadeFastIron(Membership):
    """FastIron, now Ruckus's. A port is on VLAN 1 when it is on no other, so such a one is shut."""

    title = "Brocade FastIron"
    login = "brocade_fastiron"
    unsaid = frozenset({1})
    rejections = (*Dialect.rejections, r"^(?i:invalid|incomplete|ambiguous|unrecognized|unknown) ")
    port: ClassVar[Lines] = ("interface ethernet {ports}",)
    shut: ClassVar[Lines] = ("disable",)
    open: ClassVar[Lines] = ("enable",)
    tagged: ClassVar[Lines] = ()
    both: ClassVar[Lines] = ()
    reads: ClassVar[Lines] = ("show interfaces brief", "show running-config")
    model = r"(?m)^\s*HW: (.+)$"
    save: ClassVar[Lines] = ("write memory",)
    saved = r"(?i)done|saved"
    numbering = r"\d+(?:/\d+){0,2}"

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """VLANs name their ports, as "untagged ethe 1/1/2 to 1/1/4 ethe 1/1/7"."""
        brief, configuration = answers
        ports = re.findall(r"(?m)^(\d+(?:/\d+)*)\s+(?:Up|Down|Disabled?|Err)", brief)
        if re.search(r"(?m)^default-vlan-id ", configuration):
            raise ValueError("its default VLAN is not 1")
        vlans = sections(configuration, r"vlan (\d+)\b", end="!")
        said = {
            port: lines
            for some, lines in sections(configuration, r"interface (ethe.+?)\s*$", end="!").items()
            for port in cls._ports(some)
        }
        own, tagged = (
            {
                (port, int(vlan))
                for vlan, lines in vlans.items()
                for line in lines
                if line.startswith(f"{word} ")
                for port in cls._ports(line)
            }
            for word in ("untagged", "tagged")
        )
        seen = {
            port: Seen(
                cls._state(port, own, tagged, said.get(port, [])),
                "disable" in said.get(port, ()),
                any(member == port for member, _ in tagged),
            )
            for port in ports
            if "route-only" not in said.get(port, ())
        }
        return Reading(seen, frozenset(map(int, vlans)) | {1})

    @classmethod
    def _ports(cls, text: str) -> set[str]:
        """Of "ethe 1/1/2 to 1/1/4 ethernet 1/1/7"."""
        found: set[str] = set()
        for first, last in re.findall(r"ethe(?:rnet)? (\S+)(?: to (\S+))?", text):
            found.update(port_list(f"{first}-{(last or first).rpartition('/')[2]}"))
        return found

    @classmethod
    def _state(
        cls, port: str, own: set[tuple[str, int]], tagged: set[tuple[str, int]], lines: Sequence[str]
    ) -> PortState:
        vlans = {vlan for member, vlan in tagged if member == port}
        untagged = next((vlan for member, vlan in own if member == port), None if vlans else 1)
        mixed = value(lines, "dual-mode")
        if mixed is not None:
            untagged = int(mixed or 1)
        return PortState(untagged, tuple(sorted(vlans - {untagged})))


class CumulusNclu(Family):
    """Cumulus Linux 3 and 4: NCLU, a candidate behind a shell. A port outside of the bridge is on no VLAN."""

    title = "Cumulus Linux (NCLU)"
    login = "linux"
    factory = PortState()
    rejections = (r"(?i)^error", r"command not found", r"is not a physical interface", r"(?i)invalid ")
    enter: ClassVar[Lines] = ()
    leave: ClassVar[Lines] = ()
    commit: ClassVar[Lines] = ("net commit",)
    discard: ClassVar[Lines] = ("net abort",)
    port: ClassVar[Lines] = ()
    done: ClassVar[Lines] = ()
    shut: ClassVar[Lines] = ("net add interface {ports} link down",)
    open: ClassVar[Lines] = ("net del interface {ports} link down", "net commit")
    clean: ClassVar[Lines] = tuple(
        Say(f"net del {what}", optional=True)
        for what in (
            "interface {ports} bridge access",
            "interface {ports} bridge vids",
            "interface {ports} bridge pvid",
            "bridge bridge ports {ports}",
        )
    )
    reads: ClassVar[Lines] = ("net show interface all", "net show configuration commands")
    version: ClassVar[Lines] = ("net show version",)
    model = r"(?m)^DISTRIB_DESCRIPTION=\"?(.+?)\"?\s*$"
    save: ClassVar[Lines] = ()  # a commit is for good
    kinds: ClassVar[Sequence[str]] = ("swp", "bond")
    numbering = r"\d+(?:s\d+)?"

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """Ports that are there, and the commands that would make what is there; ports alike share a line."""
        there, commands = answers
        ports = set(re.findall(rf"(?m)^\S*\s+(swp{cls.numbering})\s", there))
        bridged: set[str] = set()
        vlans = {1}
        lines: dict[str, list[str]] = {}
        for line in commands.splitlines():
            words = line.split()
            match words[2:]:
                case ["bridge", "bridge", "ports", names]:
                    bridged.update(port_list(names, short=True))
                case ["vlan", some, *_] | ["bridge", "bridge", "vids", some]:
                    vlans |= numbers(some)
                case ["interface" | "bond", names, *rest]:
                    for name in port_list(names, short=True):
                        lines.setdefault(name, []).append(" ".join(rest))
        seen = {
            port: Seen(
                cls._state(lines.get(port, []), port in bridged),
                "link down" in lines.get(port, ()),
                value(lines.get(port, []), "bridge vids") is not None,
            )
            for port in ports | {name for name in lines if name.startswith("bond")}
            if not any(line.startswith("ip address") for line in lines.get(port, ()))
        }
        return Reading(seen, frozenset(vlans))

    @classmethod
    def _state(cls, lines: Sequence[str], bridged: bool) -> PortState:
        access = value(lines, "bridge access")
        if access is not None:
            return PortState(int(access))
        if not bridged:
            return PortState()
        vlans = numbers(value(lines, "bridge vids") or "")
        own = int(value(lines, "bridge pvid") or 1)
        return PortState(own, tuple(sorted(vlans - {own})), open=not vlans)


class Pluribus(Family):
    """Netvisor, which nm cannot read: it is told what to do, and believed where it does not object."""

    title = "Pluribus Netvisor"
    login = "pluribus"
    rejections = (r"(?i)\b(?:error|invalid|failed|unknown)\b", r"(?i)not found|does not exist")
    enter: ClassVar[Lines] = ()
    leave: ClassVar[Lines] = ()
    port: ClassVar[Lines] = ()
    done: ClassVar[Lines] = ()
    span = ""
    shut: ClassVar[Lines] = ("port-config-modify port {ports} disable",)
    open: ClassVar[Lines] = ("port-config-modify port {ports} enable",)
    clean: ClassVar[Lines] = ("vlan-port-remove vlan-range all ports {ports}",)
    reads: ClassVar[Lines] = ()
    save: ClassVar[Lines] = ()  # each command is for good
    numbering = r"\d+"

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """Is not called."""
        raise ValueError(f"nm cannot read {len(answers)} answers of {cls.title}")
