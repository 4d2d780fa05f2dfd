"""HP ProCurve, now HPE ArubaOS-Switch (AOS-S).

Its habits: whoever logs in must press a key; prompts and echoes are full of the terminal's escapes; ports are
numbers, lists of them `1-4,7`; membership is the VLAN's own. `untagged` takes a port out of the VLAN where it
was untagged before. A port is in one VLAN at least: what leaves its last one comes to VLAN 1, and VLAN 1 is
not left for nothing. Deleting a VLAN asks when ports would come to VLAN 1 by that. `write memory` says
nothing. A port that nothing is told of is up, and untagged in VLAN 1.

Words that are this fake's own, for want of a source: those of a port that would be in no VLAN, of VLAN 1
that cannot be deleted, and of a configuration that cannot be saved.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from nm.switch import PortState
from tests.switches.fakes.ciscolike import CiscoLike
from tests.switches.fakes.cli import Ask, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import Carried, Config, Port, Vlan, format_ids

DEFAULT = 1
HOME = "\x1b[24;1H"  # the last row
SHOW_CURSOR = "\x1b[?25h"
MOST_VLANS = 256


class HpProcurve(CiscoLike):
    """A 2530: ports 1 on, or as told."""

    dialect = "hp_procurve"
    device_type = "hp_procurve"
    device = "J9773A"
    kinds: ClassVar[Mapping[str, str]] = {"": ""}
    first_mode = "user"
    more = "-- MORE --, next page: Space, next line: Enter, quit: Control-C"
    bad_secret = "Invalid password"
    parents: ClassVar[Mapping[str, str]] = {"config-if": "config", "config-vlan": "config"}
    scrolls = False
    opens = False
    echo_tail = f"{HOME}{SHOW_CURSOR}{HOME}"
    banner = (
        "HP J9773A 2530-24G-PoEP Switch\nSoftware revision YA.16.11.0026\n\n"
        " (C) Copyright 2024 Hewlett Packard Enterprise Development LP\n"
        "                       RESTRICTED RIGHTS LEGEND\n"
        " Confidential computer software. Valid license from Hewlett Packard Enterprise\n"
        " Development LP required for possession, use or copying.\n"
    )

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [str(number) for number in range(1, count + 1)]

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, untagged=frozenset([DEFAULT]))

    @classmethod
    def new_config(cls, hostname: str, ports: Sequence[str]) -> Config:
        config = super().new_config(hostname, ports)
        config.vlans = {DEFAULT: Vlan("DEFAULT_VLAN")}
        return config

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        return Carried(min(port.untagged, default=None), tuple(sorted(port.tagged)), port.shut)

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        port.shut = state.isolated
        port.tagged = frozenset(state.tagged)
        alone = DEFAULT if not state.tagged else None
        port.untagged = frozenset(filter(None, [state.untagged or alone]))

    def greet(self) -> Steps:
        yield Ask(
            f"\x1b[1;13r\x1b[1;1H{HOME}Press any key to continue\x1b[13;1H{SHOW_CURSOR}{HOME}", key=True
        )
        return None

    def prompt(self) -> str:
        sign = ">" if self.mode == "user" else "#"
        text = f"{self.running.hostname}{self.mode_name()}{sign} "
        column = f"\x1b[24;{len(text) + 1}H"
        erased = f"\x1b[1;24r{HOME}{HOME}\x1b[2K{HOME}{SHOW_CURSOR}{HOME}{HOME}"
        return f"{erased}{text}{HOME}{column}{HOME}{SHOW_CURSOR}{column}"

    def mode_name(self) -> str:
        if self.mode == "config":
            return "(config)"
        if self.mode == "config-vlan":
            return f"(vlan-{self.targets[0]})"
        return f"(eth-{ports_list(self.targets)})" if self.mode == "config-if" else ""

    def misread(self, line: str, reason: str, column: int) -> str:
        rest = line[column:].split()
        if reason == "ambiguous":
            return f"Ambiguous input: {rest[0]}"
        if reason == "incomplete":
            return f"Incomplete input: {line.rsplit(maxsplit=1)[-1]}"
        return f"Invalid input: {rest[0] if rest else line}"

    def no_such_interface(self, text: str) -> str:
        return f"Module not present for port or invalid port: {text.strip()}"

    def save_error(self) -> str:
        return "Unable to save configuration: flash is full."

    # exec

    @command("exec", "configure")
    def configure(self) -> str:
        self.enter("config")
        return ""

    def leave(self) -> Steps:  # type: ignore[override]
        """Log out, after two questions."""
        if (yield Ask("Do you want to log out (y/n)? ", key=True)).lower() != "y":
            return None
        if self.running != self.switch.startup:
            answer = yield Ask("Do you want to save current configuration (y/n/^C)? ", key=True)
            if answer.lower() == "y":
                yield from self.save()
        self.closed = True
        return None

    @command("user exec", "no page")
    def no_page(self) -> None:
        self.length = 0

    @command("user exec", "page")
    def page(self) -> None:
        self.length = 24

    @command("user exec", "show version")
    def show_version(self) -> str:
        return (
            "\nImage stamp:    /ws/swbuildm/rel_ajanta_qaoff/code/build/lakes(swbuildm_rel_ajanta_qaoff)\n"
            "                Nov 30 2024 04:04:21\n                YA.16.11.0026\n                632\n"
            "Boot Image:     Primary\n\nBoot ROM Version:    YA.15.20\nActive Boot ROM:     Primary"
        )

    @command("user exec", "show system", "show system information")
    def show_system(self) -> str:
        return (
            "\n Status and Counters - General System Information\n\n"
            f"  System Name        : {self.running.hostname:<32}\n"
            "  System Contact     :\n  System Location    :\n\n"
            "  MAC Age Time (sec) : 300\n\n  Time Zone          : 0\n  Daylight Time Rule : None\n\n"
            "  Software revision  : YA.16.11.0026        Base MAC Addr      : 941882-a1b2c3\n"
            "  ROM Version        : YA.15.20             Serial Number      : CN66FP50V1"
        )

    @command("exec config config-if config-vlan", "show running-config")
    def show_running(self) -> str:
        return "\nRunning configuration:\n\n" + self.shown(self.running)

    @command("exec", "show config", "show startup-config")
    def show_startup(self) -> str:
        return "\nStartup configuration:\n\n" + self.shown(self.switch.startup)

    @command("user exec config config-if config-vlan", "show vlans")
    def show_vlans(self) -> str:
        lines = [
            "",
            " Status and Counters - VLAN Information",
            "",
            f"  Maximum VLANs to support : {self.most_vlans:<21}",
            "  Primary VLAN : DEFAULT_VLAN",
            "  Management VLAN :             ",
            "",
            "  VLAN ID Name                             | Status     Voice Jumbo",
            "  ------- -------------------------------- + ---------- ----- -----",
        ]
        return "\n".join([*lines, *(self.vlan_row(number) for number in sorted(self.running.vlans)), ""])

    def vlan_row(self, number: int) -> str:
        return f"  {number:<7} {self.running.vlans[number].name:<32} | Port-based No    No   "

    @command("user exec config config-if config-vlan", "show vlans <vlan>")
    def show_one_vlan(self, text: str) -> str:
        number = self.one_vlan(text)
        lines = [
            "",
            f" Status and Counters - VLAN Information - VLAN {number}",
            "",
            f"  VLAN ID : {number:<6}",
            f"  Name : {self.running.vlans[number].name:<20}",
            "  Status : Port-based",
            "  Voice : No ",
            "  Jumbo : No ",
            "",
            "  Port Information Mode     Unknown VLAN Status    ",
            "  ---------------- -------- ------------ ----------",
        ]
        lines += [
            f"  {port.name:<16} {mode:<8} Learn        Down      "
            for port in self.running.ports.values()
            if (mode := member_mode(port, number))
        ]
        return "\n".join([*lines, ""])

    @command("user exec", "show vlans ports <word>", "show vlans ports <word> detail")
    def show_vlans_of_ports(self, text: str) -> str:
        lines: list[str] = []
        for name in self.interfaces(text):
            port = self.running.ports[name]
            lines += [
                "",
                f" Status and Counters - VLAN Information - for ports {name}",
                "",
                "  VLAN ID Name                             | Status     Voice Jumbo Mode    ",
                "  ------- -------------------------------- + ---------- ----- ----- --------",
            ]
            numbers = sorted(port.untagged | port.tagged)
            lines += [f"{self.vlan_row(number)} {member_mode(port, number):<8}" for number in numbers]
        return "\n".join([*lines, ""])

    @command("user exec", "show interfaces brief", "show interfaces brief <word>")
    def show_brief(self, text: str = "") -> str:
        lines = [
            "",
            " Status and Counters - Port Status",
            "",
            "                          | Intrusion                           MDI  Flow Bcast",
            "  Port         Type       | Alert     Enabled Status Mode       Mode Ctrl Limit",
            "  ------------ ---------- + --------- ------- ------ ---------- ---- ---- -----",
        ]
        for name in self.interfaces(text) if text else self.running.ports:
            enabled = "No " if self.running.ports[name].shut else "Yes"
            lines.append(f"  {name:<12} 100/1000T  | No        {enabled}     Down   1000FDx    MDI  off  0")
        return "\n".join([*lines, ""])

    @command("exec config config-if config-vlan", "write memory")
    def write_memory(self) -> Steps:
        yield from self.save()
        return None

    # VLANs

    @property
    def most_vlans(self) -> int:
        return int(self.switch.options.get("max_vlans", MOST_VLANS))

    def one_vlan(self, text: str) -> int:
        if int(text) not in self.running.vlans:
            raise Refused(f"Invalid input: {text}")
        return int(text)

    @command("config", "vlan <vlan>")
    def vlan(self, text: str) -> None:
        number, vlans = int(text), self.running.vlans
        if number not in vlans and len(vlans) >= self.most_vlans:
            raise Refused(f"Maximum number of VLANs ({self.most_vlans}) has already been reached.")
        vlans.setdefault(number, Vlan(f"VLAN{number}"))
        self.enter("config-vlan", [number])

    @command("config", "vlan <vlan> <rest>")
    def vlan_line(self, text: str, line: str) -> Steps:
        """A line of the VLAN's mode."""
        self.vlan(text)
        try:
            return (yield from self.run(line))
        finally:
            self.enter("config")

    @command("config", "no vlan <vlan>")
    def no_vlan(self, text: str) -> Steps:
        number = self.one_vlan(text)
        if number == DEFAULT:
            raise Refused("The default VLAN can not be deleted.")
        moved = [port for port in self.running.ports.values() if number in port.untagged]
        if moved:
            names = ports_list(port.name for port in moved)
            asked = f"The following ports will be moved to the default VLAN:\n{names}"
            if (yield Ask(f"{asked}\nDo you want to continue?\n[y/n] ", key=True)).lower() != "y":
                return None
        del self.running.vlans[number]
        for port in self.running.ports.values():
            port.untagged -= {number}
            port.tagged -= {number}
            _kept(port)
        return None

    @command("config-vlan", "name <rest>")
    def name_vlan(self, text: str) -> None:
        name = text.strip('"')
        if len(name) > 32:
            raise Refused(f"{name} is too long. Allowed length is 32.")
        self.running.vlans[self.targets[0]].name = name

    @command("config-vlan", "no name")
    def no_name(self) -> None:
        self.running.vlans[self.targets[0]].name = f"VLAN{self.targets[0]}"

    @command("config-vlan", "untagged <word>")
    def untagged(self, text: str) -> None:
        self.join(self.interfaces(text), self.targets[0], tagged=False)

    @command("config-vlan", "tagged <word>")
    def tagged(self, text: str) -> None:
        self.join(self.interfaces(text), self.targets[0], tagged=True)

    @command("config-vlan", "no untagged <word>")
    def no_untagged(self, text: str) -> None:
        self.part(self.interfaces(text), self.targets[0], tagged=False)

    @command("config-vlan", "no tagged <word>")
    def no_tagged(self, text: str) -> None:
        self.part(self.interfaces(text), self.targets[0], tagged=True)

    def join(self, names: Iterable[str], vlan: int, tagged: bool) -> None:
        for port in (self.running.ports[name] for name in names):
            if tagged:
                port.tagged |= {vlan}
                port.untagged -= {vlan}
            else:
                port.tagged -= {vlan}
                port.untagged = frozenset([vlan])

    def part(self, names: Iterable[str], vlan: int, tagged: bool) -> None:
        ports = [self.running.ports[name] for name in names]
        alone = [port.name for port in ports if vlan == DEFAULT and port.untagged | port.tagged == {DEFAULT}]
        if alone and not tagged:
            raise Refused(f"Port {ports_list(alone)} must be a member of at least one VLAN.")
        for port in ports:
            if tagged:
                port.tagged -= {vlan}
            else:
                port.untagged -= {vlan}
            _kept(port)

    @command(
        "config-vlan config-if", "no ip address", "ip address <rest>", "no voice", "spanning-tree <rest>"
    )
    def ignored(self, text: str = "") -> None:
        """Taken, and of no effect on what a port carries."""

    # ports

    @command("config", "interface <word>")
    def interface(self, text: str) -> None:
        self.enter("config-if", self.interfaces(text))

    @command("config", "interface <word> <rest>")
    def interface_line(self, text: str, line: str) -> Steps:
        """A line of the mode of these ports."""
        self.interface(text)
        try:
            return (yield from self.run(line))
        finally:
            self.enter("config")

    @command("config-if", "disable", "no enable")
    def disable_port(self) -> None:
        self.set_ports(shut=True)

    @command("config-if", "enable", "no disable")
    def enable_port(self) -> None:
        self.set_ports(shut=False)

    @command("config-if", "name <rest>")
    def name_port(self, text: str) -> None:
        self.set_ports(description=text.strip('"'))

    @command("config-if", "no name")
    def no_port_name(self) -> None:
        self.set_ports(description="")

    @command("config-if", "untagged vlan <vlan>")
    def port_untagged(self, vlan: str) -> None:
        self.join(self.targets, self.one_vlan(vlan), tagged=False)

    @command("config-if", "tagged vlan <vlan>")
    def port_tagged(self, vlan: str) -> None:
        self.join(self.targets, self.one_vlan(vlan), tagged=True)

    @command("config-if", "no untagged vlan <vlan>")
    def port_no_untagged(self, vlan: str) -> None:
        self.part(self.targets, self.one_vlan(vlan), tagged=False)

    @command("config-if", "no tagged vlan <vlan>")
    def port_no_tagged(self, vlan: str) -> None:
        self.part(self.targets, self.one_vlan(vlan), tagged=True)

    # how it is shown

    def shown(self, config: Config) -> str:
        lines = [
            f"; {self.device} Configuration Editor; Created on release #YA.16.11.0026",
            "; Ver #14:01.44.00.04.19.02.13.98.82.34.61.18.28.f3.84.9c.63.ff.37.27:45",
            f'hostname "{config.hostname}"',
            "module 1 type j9773a",
        ]
        for port in config.ports.values():
            inside = [f'name "{port.description}"'] if port.description else []
            inside += ["disable"] if port.shut else []
            if inside:
                lines += [f"interface {port.name}", *(f"   {line}" for line in inside), "   exit"]
        lines += ['snmp-server community "public" unrestricted']
        for number, vlan in sorted(config.vlans.items()):
            lines += [f"vlan {number}", f'   name "{vlan.name}"', *self.member_lines(config, number)]
            lines += ["   ip address dhcp-bootp" if number == DEFAULT else "   no ip address", "   exit"]
        return "\n".join([*lines, ""])

    def member_lines(self, config: Config, number: int) -> list[str]:
        ports = config.ports.values()
        groups = {
            "no untagged": [
                p.name for p in ports if number == DEFAULT and number not in p.untagged | p.tagged
            ],
            "untagged": [port.name for port in ports if number in port.untagged],
            "tagged": [port.name for port in ports if number in port.tagged],
        }
        return [f"   {word} {ports_list(names)}" for word, names in groups.items() if names]


def _kept(port: Port) -> None:
    """What is in no VLAN comes to the default one."""
    if not port.untagged | port.tagged:
        port.untagged = frozenset([DEFAULT])


def member_mode(port: Port, vlan: int) -> str:
    return "Untagged" if vlan in port.untagged else "Tagged" if vlan in port.tagged else ""


def ports_list(names: Iterable[str]) -> str:
    """`1-4,7,A1-A3`."""
    found: dict[str, list[int]] = {}
    for name in names:
        letters, number = re.fullmatch(r"(\D*)(\d+)", name).groups()  # type: ignore[union-attr]
        found.setdefault(letters, []).append(int(number))
    pieces = (
        "-".join(f"{letters}{number}" for number in piece.split("-"))
        for letters, numbers in found.items()
        for piece in format_ids(numbers, 2).split(",")
    )
    return ",".join(pieces)
