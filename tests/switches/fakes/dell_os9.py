"""Dell OS9 (FTOS, Force10).

Its habits: membership is the VLAN's own matter, `interface vlan 101` with `untagged` and `tagged` and a list
of ports. A factory-new port is shut and no switchport. A switchport that is nowhere else is an untagged
member of VLAN 1, which cannot be left but for another VLAN or by `no switchport`. Without `portmode hybrid` a
port is untagged in one VLAN or tagged in several; that mode is refused while the port is a switchport. A
hybrid port that is only tagged is untagged in VLAN 1 nevertheless. A VLAN's own shutdown is not its ports'.

Words that are this fake's own, for want of a source: those of a port that is untagged or tagged elsewhere, of
`no switchport` on a member, of VLAN 1, and of a startup configuration that cannot be written.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

from nm.switch import PortState
from tests.switches.fakes.ciscolike import Interfaces, Shows
from tests.switches.fakes.cli import Ask, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import Carried, Config, Port, Vlan, runs

KINDS = ("GigabitEthernet", "TenGigabitEthernet", "fortyGigE")
SHORT = {"GigabitEthernet": "Gi", "TenGigabitEthernet": "Te", "fortyGigE": "Fo"}
DEFAULT = 1
BOTH = "config-if config-if-range"


class DellOs9(Interfaces, Shows):
    """An S-series switch: ports GigabitEthernet 1/x, or as told."""

    dialect = "dell_os9"
    device_type = "dell_os9"
    device = "S4048-ON"
    kinds: ClassVar[Mapping[str, str]] = {kind: f"{kind} " for kind in KINDS}
    bad_secret = "% Error: Access denied."
    scrolls = False
    opens = False

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"GigabitEthernet 1/{number}" for number in range(1, count + 1)]

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, shut=True)

    @classmethod
    def new_config(cls, hostname: str, ports: Iterable[str]) -> Config:
        config = super().new_config(hostname, list(ports))
        config.vlans = {DEFAULT: Vlan("")}
        return config

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        if not port.extra.get("switchport"):
            return Carried(shut=port.shut)
        mode = "hybrid" if port.extra.get("hybrid") else "trunk" if port.tagged else "access"
        alone = DEFAULT if mode != "trunk" else None
        return Carried(min(port.untagged, default=alone), tuple(sorted(port.tagged)), port.shut, mode)

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        port.shut = state.isolated
        port.extra["switchport"] = not state.isolated
        port.extra["hybrid"] = bool(state.untagged and state.tagged)
        port.untagged = frozenset([state.untagged] if state.untagged else []) - {DEFAULT}
        port.tagged = frozenset(state.tagged)

    def mode_name(self) -> str:
        if self.mode == "config":
            return "conf"
        if self.mode == "config-vlan":
            return f"conf-if-vl-{self.targets[0]}"
        kind, number = self.targets[0].split(" ")
        text = f"{SHORT[kind].lower()}-{number}"
        if len(self.targets) == 1:
            return f"conf-if-{text}"
        return f"conf-if-range-{text}-{self.targets[-1].partition(' ')[2]}"

    def misread(self, line: str, reason: str, column: int) -> str:
        if reason == "ambiguous":
            return f'% Error: Ambiguous command: "{line}".'
        if reason == "incomplete":
            return "% Error: Incomplete command."
        return f'{" " * (len(self.prompt()) + column)}^\n% Error: Invalid input at "^" marker.'

    def no_such_interface(self, text: str) -> str:
        return f"% Error: No such interface {text.strip()}."

    def save_error(self) -> str:
        return "% Error: Cannot write startup-config: no space left on flash."

    # exec

    @command("user exec", "show version")
    def show_version(self) -> str:
        return (
            "Dell Real Time Operating System Software\nDell Operating System Version:  2.0\n"
            "Dell Application Software Version:  9.14(2.20)\n"
            "Copyright (c) 1999-2022 by Dell Inc. All Rights Reserved.\n"
            "Build Time: Tue Sep  8 03:51:15 2022\n"
            f"Dell Networking OS uptime is 2 week(s), 3 day(s), 1 hour(s), 5 minute(s)\n\n"
            f'System image file is "system://A"\n\nSystem Type: {self.device}\n'
            "Control Processor: Intel Rangeley with 3 Gbytes (3203928064 bytes) of memory, core(s) 2.\n\n"
            f" {len(self.running.ports)} GigabitEthernet/IEEE 802.3 interface(s)"
        )

    def show_running_interface(self, text: str) -> str:
        if found := re.fullmatch(r"vlan\s*(\d+)", text, re.IGNORECASE):
            return "\n".join(self.vlan_lines(self.running, self.one_vlan(found[1])))
        return super().show_running_interface(text)

    @command(f"{BOTH} config-vlan", "show config")
    def show_config(self) -> str:
        if self.mode == "config-vlan":
            return "\n".join(line for vlan in self.targets for line in self.vlan_lines(self.running, vlan))
        return "\n".join(line for port in self.ports for line in self.port_lines(port))

    @command("exec", "show vlan", "show vlan id <vlan>")
    def show_vlan(self, only: str = "") -> str:
        lines = [
            "",
            "Codes: * - Default VLAN, G - GVRP VLANs, R - Remote Port Mirroring VLANs, P - Primary",
            "       C - Community, I - Isolated, O - Openflow, Vx - Vxlan",
            "Q: U - Untagged, T - Tagged",
            "   x - Dot1x untagged, X - Dot1x tagged",
            "   o - OpenFlow untagged, O - OpenFlow tagged",
            "   G - GVRP tagged, M - Vlan-stack",
            "   i - Internal untagged, I - Internal tagged, v - VLT untagged, V - VLT tagged",
            "",
            "    NUM    Status    Description                     Q Ports",
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            if only in ("", str(number)):
                lines += self.vlan_rows(number, vlan)
        return "\n".join(lines)

    def vlan_rows(self, number: int, vlan: Vlan) -> list[str]:
        rows = [
            f"{sign} {SHORT[kind]} {numbers}"
            for sign, how in (("U", "untagged"), ("T", "tagged"))
            for kind, numbers in listed(self.members(self.running, number, how))
        ]
        star = "*" if number == DEFAULT else " "
        status = "Active" if rows else "Inactive"
        first = f"{star}   {number:<6} {status:<9} {vlan.name:<31} {rows[0] if rows else ''}".rstrip()
        return [first, *(f"{'':53}{row}" for row in rows[1:])]

    @command("exec", "show interfaces status")
    def show_status(self) -> str:
        lines = ["Port            Description  Status Speed        Duplex Vlan"]
        for port in self.running.ports.values():
            carried = self.carried(self.running, port)
            vlan = ",".join(map(str, filter(None, (carried.untagged, *carried.tagged)))) or "--"
            kind, number = port.name.split(" ")
            lines.append(
                f"{SHORT[kind]} {number:<12} {port.description[:12]:<12} Down   Auto         Auto   {vlan}"
            )
        return "\n".join(lines)

    @command("exec", "write memory", "write")
    def write_memory(self) -> Steps:
        yield from self.save()
        return "!"

    @command("exec", "copy running-config startup-config")
    def copy_running(self) -> Steps:
        asked = "File with same name already exist.\nProceed to copy the file [confirm yes/no]: "
        while (answer := (yield Ask(asked)).strip().lower()) not in ("yes", "y", "no", "n"):
            asked = "[confirm yes/no]: "
        if answer.startswith("n"):
            return None
        yield from self.save()
        return f"!\n{len(self.shown(self.running))} bytes successfully copied"

    # config

    @command("exec", "configure")
    def configure(self) -> str:
        self.enter("config")
        return ""

    @command(f"config {BOTH} config-vlan", "do <rest>")
    def do(self, line: str) -> Steps:
        """A command of the exec mode."""
        mode, targets = self.mode, self.targets
        self.mode = "exec"
        try:
            return (yield from self.run(line))
        finally:
            self.mode, self.targets = mode, targets

    def one_vlan(self, number: str) -> int:
        if int(number) not in self.running.vlans:
            raise Refused(self.no_such_interface(f"Vlan {number}"))
        return int(number)

    def interface(self, text: str) -> None:
        if found := re.fullmatch(r"vl(?:an?)?\s*(\d+)", text, re.IGNORECASE):
            if not 1 <= int(found[1]) <= 4094:
                raise Refused(self.misread(f"interface {text}", "invalid", len("interface vlan ")))
            self.running.vlans.setdefault(int(found[1]), Vlan("", shut=True))
            self.enter("config-vlan", [int(found[1])])
        else:
            super().interface(text)

    def interface_range(self, text: str) -> None:
        if found := re.fullmatch(r"vlan\s*(\d+)\s*-\s*(\d+)", text):
            numbers = [n for n in range(int(found[1]), int(found[2]) + 1) if n in self.running.vlans]
            if not numbers:
                raise Refused("% Error: Range has no existing interfaces.")
            self.enter("config-vlan", numbers)
        else:
            super().interface_range(text)

    @command("config", "no interface vlan <vlan>")
    def no_vlan(self, number: str) -> None:
        vlan = self.one_vlan(number)
        if vlan == DEFAULT:
            raise Refused("% Error: Default VLAN cannot be removed.")
        del self.running.vlans[vlan]
        for port in self.running.ports.values():
            port.untagged -= {vlan}
            port.tagged -= {vlan}

    # ports

    def refuse(self, ports: Iterable[Port], wrong: Callable[[Port], object], words: str) -> None:
        """% Error, with the first port of which that is true."""
        for port in ports:
            if wrong(port):
                kind, number = port.name.split(" ")
                raise Refused(f"% Error: {words} {SHORT[kind]} {number}.")

    @command(BOTH, "switchport")
    def switchport(self) -> None:
        self.each_port(lambda port: port.extra.update(switchport=True))

    @command(BOTH, "no switchport")
    def no_switchport(self) -> None:
        self.refuse(self.ports, lambda port: port.untagged | port.tagged, "Port is in a non-default Vlan")
        self.each_port(lambda port: port.extra.update(switchport=False))

    @command(BOTH, "portmode hybrid")
    def hybrid(self) -> None:
        self.refuse(self.ports, lambda port: port.extra.get("switchport"), "Port is in Layer-2 mode")
        self.each_port(lambda port: port.extra.update(hybrid=True))

    @command(BOTH, "no portmode hybrid")
    def no_hybrid(self) -> None:
        self.refuse(self.ports, lambda port: port.extra.get("switchport"), "Port is in Layer-2 mode")
        self.each_port(lambda port: port.extra.update(hybrid=False))

    @command(
        f"{BOTH} config-vlan",
        "no ip address",
        "mtu <number>",
        "spanning-tree <rest>",
    )
    def ignored(self, text: str = "") -> None:
        """Taken, and of no effect on what a port carries."""

    # VLANs

    def named(self, text: str) -> list[Port]:
        """The ports of a list in the mode of VLANs, all of which must be switchports."""
        if DEFAULT in self.targets:
            raise Refused("% Error: Default VLAN membership cannot be configured.")
        ports = [self.running.ports[name] for name in self.interfaces(text)]
        self.refuse(ports, lambda port: not port.extra.get("switchport"), "Port is not in Layer-2 mode")
        return ports

    @command("config-vlan", "untagged <rest>")
    def untagged(self, text: str) -> None:
        ports, vlans = self.named(text), frozenset(self.targets)
        plain = [port for port in ports if not port.extra.get("hybrid")]
        self.refuse(
            ports, lambda port: port.untagged - vlans or len(vlans) > 1, "Port is untagged in another Vlan"
        )
        self.refuse(ports, lambda port: vlans & port.tagged, "Port is tagged in this Vlan")
        self.refuse(plain, lambda port: port.tagged, "Port is tagged in another Vlan")
        for port in ports:
            port.untagged = vlans

    @command("config-vlan", "tagged <rest>")
    def tagged(self, text: str) -> None:
        ports, vlans = self.named(text), frozenset(self.targets)
        plain = [port for port in ports if not port.extra.get("hybrid")]
        self.refuse(ports, lambda port: vlans & port.untagged, "Port is untagged in this Vlan")
        self.refuse(plain, lambda port: port.untagged, "Port is untagged in another Vlan")
        for port in ports:
            port.tagged |= vlans

    @command("config-vlan", "no untagged <rest>")
    def no_untagged(self, text: str) -> None:
        ports, vlans = self.named(text), frozenset(self.targets)
        self.refuse(ports, lambda port: not vlans & port.untagged, "Port is not untagged in this Vlan")
        for port in ports:
            port.untagged = frozenset()

    @command("config-vlan", "no tagged <rest>")
    def no_tagged(self, text: str) -> None:
        ports, vlans = self.named(text), frozenset(self.targets)
        self.refuse(ports, lambda port: not vlans & port.tagged, "Port is not tagged in this Vlan")
        for port in ports:
            port.tagged -= vlans

    @command("config-vlan", "name <word>", "description <rest>")
    def name_vlan(self, name: str) -> None:
        for vlan in self.targets:
            self.running.vlans[vlan].name = name

    @command("config-vlan", "no name", "no description")
    def no_name(self) -> None:
        self.name_vlan("")

    @command("config-vlan", "shutdown")
    def shut_vlan(self) -> None:
        self.shut_vlans(True)

    @command("config-vlan", "no shutdown")
    def open_vlan(self) -> None:
        self.shut_vlans(False)

    def shut_vlans(self, shut: bool) -> None:
        for vlan in self.targets:
            self.running.vlans[vlan].shut = shut

    # how it is shown

    def members(self, config: Config, vlan: int, how: str) -> list[str]:
        """The names of a VLAN's untagged, or tagged, ports."""
        carried = {name: self.carried(config, port) for name, port in config.ports.items()}
        if how == "untagged":
            return [name for name, each in carried.items() if each.untagged == vlan]
        return [name for name, each in carried.items() if vlan in each.tagged]

    def shown(self, config: Config) -> str:
        lines = [
            "Current Configuration ...",
            "! Version 9.14(2.20)",
            "! Last configuration change at Mon Nov 30 04:04:21 2026 by admin",
            "!",
            "boot system stack-unit 1 primary system://A",
            "!",
            f"hostname {config.hostname}",
            "!",
            "protocol lldp ",
            "!",
        ]
        for port in config.ports.values():
            lines += [*self.port_lines(port), "!"]
        for vlan in sorted(config.vlans):
            lines += [*self.vlan_lines(config, vlan), "!"]
        return "\n".join([*lines, "ip ssh server enable", "!", "end"])

    def port_lines(self, port: Port) -> list[str]:
        lines = [f"description {port.description}"] if port.description else []
        lines.append("no ip address")
        lines += ["portmode hybrid"] if port.extra.get("hybrid") else []
        lines += ["switchport"] if port.extra.get("switchport") else []
        lines.append("shutdown" if port.shut else "no shutdown")
        return [f"interface {port.name}", *(f" {line}" for line in lines)]

    def vlan_lines(self, config: Config, number: int) -> list[str]:
        vlan = config.vlans[number]
        members = [
            f"{how} {kind} {numbers}"
            for how in ("tagged", "untagged")
            for kind, numbers in listed(self.members(config, number, how))
        ]
        if number == DEFAULT:
            return ["interface Vlan 1", *(f"!{line}" for line in members)]
        lines = [*([f"description {vlan.name}"] if vlan.name else []), "no ip address", *members]
        lines.append("shutdown" if vlan.shut else "no shutdown")
        return [f"interface Vlan {number}", *(f" {line}" for line in lines)]


def listed(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Ports as `1/1-1/4,1/7`, one list a kind."""
    found: dict[str, dict[str, set[int]]] = {}
    for name in names:
        kind, number = name.split(" ")
        unit, _, last = number.rpartition("/")
        found.setdefault(kind, {}).setdefault(unit, set()).add(int(last))
    for kind, units in found.items():
        spans = [(unit, low, high) for unit, numbers in units.items() for low, high in runs(numbers)]
        pieces = [f"{u}/{low}" if low == high else f"{u}/{low}-{u}/{high}" for u, low, high in spans]
        yield kind, ",".join(pieces)
