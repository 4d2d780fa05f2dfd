"""TP-Link: JetStream."""

from collections.abc import Sequence
from typing import ClassVar

from nm.switch import PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Dialect, Lines, Reading, modeless
from nm.switches.parsing import is_shut, numbers, sections, switches, value

GENERAL = "switchport general allowed vlan "


class TplinkJetstream(Dialect):
    """JetStream, where every port is of mode general: tagged and untagged in what it is told, and a PVID."""

    name = "tplink_jetstream"
    title = "TP-Link JetStream"
    login = "tplink_jetstream"
    telnet = "tplink_jetstream_telnet"
    rejections = (*Dialect.rejections, r"(?i)^\s*error", r"(?i)^\s*(?:bad|invalid|incomplete|unknown) ")
    enter: ClassVar[Lines] = ("configure",)
    make_vlans: ClassVar[Lines] = ("vlan {vlans}", "exit")
    remove_vlans: ClassVar[Lines] = ("no vlan {vlans}",)
    several: ClassVar[Lines] = ("interface range {ports}",)
    most_pieces = 1
    clean: ClassVar[Lines] = (
        "no switchport general allowed vlan {old}",
        "switchport pvid 1",
        Say("switchport check ingress", optional=True),
    )
    access: ClassVar[Lines] = (
        *clean,
        "switchport general allowed vlan {vlan} untagged",
        "switchport pvid {vlan}",
        Say("switchport acceptable frame all", optional=True),
    )
    tagged: ClassVar[Lines] = (
        *clean,
        "switchport general allowed vlan {vlans} tagged",
        Say("switchport acceptable frame tagged", optional=True),
    )
    both: ClassVar[Lines] = (*access, "switchport general allowed vlan {vlans} tagged")
    empty: ClassVar[Lines] = ()
    add: ClassVar[Lines] = ("switchport general allowed vlan {vlans} tagged",)
    remove: ClassVar[Lines] = ("no switchport general allowed vlan {vlans}",)
    no_native: ClassVar[Lines] = ("no switchport general allowed vlan {own}", "switchport pvid {native}")
    reads: ClassVar[Lines] = ("show running-config",)
    version: ClassVar[Lines] = ("show system-info",)
    model = r"Hardware Version\s*-\s*(.+)"
    save: ClassVar[Lines] = ("copy running-config startup-config",)
    saved = r"OK!|(?i:success)"
    kinds: ClassVar[Sequence[str]] = (
        "gigabitEthernet",
        "ten-gigabitEthernet",
        "two-gigabitEthernet",
        "fastEthernet",
        "port-channel",
    )
    between = " "

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """A port is untagged on VLAN 1 until that is taken back."""
        ports = {
            port: modeless(cls._state(lines), is_shut(lines))
            for port, lines in sections(answers[0], r"interface (\S+ [\d/]+)\s*$", end=r"#|end").items()
            if port.startswith(tuple(cls.kinds)) and switches(lines)
        }
        made = sections(answers[0], r"vlan ([\d,-]+)\s*$")
        return Reading(ports, frozenset({1}.union(*map(numbers, made))))

    @classmethod
    def _state(cls, lines: Sequence[str]) -> PortState:
        if any(
            line.startswith(("switchport mode", "switchport access", "switchport trunk")) for line in lines
        ):
            raise ValueError("its ports have modes, as older JetStreams' do: access, trunk and general")
        plain: set[int] = {1}
        tagged: set[int] = set()
        for line in lines:
            if line.startswith(GENERAL):
                (plain if line.endswith(" untagged") else tagged).update(numbers(line))
            elif line.startswith(f"no {GENERAL}"):
                plain -= numbers(line)
        pvid = int(value(lines, "switchport pvid") or 1)
        own = pvid if pvid in plain else min(plain, default=None)
        strange = plain - {pvid} or pvid in tagged  # what comes in and what goes out are not the same
        return PortState(own, tuple(sorted((plain | tagged) - {own})), open=bool(strange))
