"""Cisco NX-OS on Nexus switches (ports switched, not routed, from the start).

Its habits: a space after the prompt; `show` works in configuration; VLANs are in the running configuration
and must be saved; a port may be put on a VLAN that does not exist, without a word; a range needs no keyword.
"""

from collections.abc import Mapping
from typing import ClassVar

from tests.switches.fakes.ciscolike import ASKS_ANYWHERE, Switchports, Vlans, rows_of
from tests.switches.fakes.cli import Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import Carried, Config, Port, format_ids, trunk


class CiscoNxos(Switchports, Vlans):
    """A Nexus 9000 with ports Ethernet1/x."""

    dialect = "cisco_nxos"
    device_type = "cisco_nxos"
    device = "Nexus9000 C9348GC-FXP"
    kinds: ClassVar[Mapping[str, str]] = {"Ethernet": "Ethernet"}
    more = "--More--"
    parents: ClassVar[Mapping[str, str]] = ASKS_ANYWHERE

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"Ethernet1/{number}" for number in range(1, count + 1)]

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        return trunk(port) if port.mode == "trunk" else Carried(port.access, (), port.shut, port.mode)

    def prompt(self) -> str:
        return super().prompt() + " "

    def misread(self, line: str, reason: str, column: int) -> str:
        caret = " " * (len(self.prompt()) + column) + "^"
        return f"{caret}\n% {reason.capitalize()} command at '^' marker."

    def bad_vlans(self, text: str) -> str:
        return self.misread(text, "invalid", 0)

    def no_such_interface(self, text: str) -> str:
        return " " * (len(self.prompt()) + len("interface ")) + "^\nInvalid interface format at '^' marker."

    def default_stays(self) -> str:
        return "ERROR: Deletion of vlan 1 not allowed"

    def save_error(self) -> str:
        return "Configuration update aborted: request was aborted, no space left on device"

    @command("config", "interface <rest>")
    def interface(self, text: str) -> None:
        names = self.interfaces(text)
        self.enter("config-if" if len(names) == 1 else "config-if-range", names)

    @command("config", "default interface <rest>")
    def default_interface(self, text: str) -> str:
        for name in self.interfaces(text):
            self.running.ports[name] = self.new_port(name)
        return ".......Done"

    @command("config-if config-if-range", "switchport", "no switchport mode", "spanning-tree <rest>")
    def ignored(self, text: str = "") -> None:
        """Taken; `no switchport mode` is back to access."""
        if not text:
            self.set_ports(mode="access")

    @command("exec", "copy running-config startup-config")
    def copy_running(self) -> Steps:
        yield from self.save()
        done = "Copy complete, now saving to disk (please wait)...\nCopy complete."
        return f"[########################################] 100%\n{done}"

    @command("exec", "show version")
    def show_version(self) -> str:
        return (
            "Cisco Nexus Operating System (NX-OS) Software\n"
            "TAC support: http://www.cisco.com/tac\n\n"
            "Software\n  BIOS: version 05.33\n  NXOS: version 9.3(8)\n\n"
            f"Hardware\n  cisco {self.device} Chassis\n\n"
            f"  Device name: {self.running.hostname}\n"
            "Kernel uptime is 12 day(s), 1 hour(s), 3 minute(s), 9 second(s)"
        )

    @command("exec", "show running-config")
    def show_running(self) -> str:
        return "\n!Command: show running-config\n" + self.shown(self.running)

    @command("exec", "show startup-config")
    def show_startup(self) -> str:
        return "\n!Command: show startup-config\n" + self.shown(self.switch.startup)

    @command("exec", "show running-config interface <rest>")
    def show_running_interface(self, text: str) -> str:
        lines = ["", "!Command: show running-config interface", "", "version 9.3(8) Bios:version 05.33"]
        for name in self.interfaces(text):
            lines += ["", *self.port_lines(self.running.ports[name])]
        return "\n".join(lines)

    @command("exec", "show vlan", "show vlan brief")
    def show_vlan(self) -> str:
        lines = [
            "",
            "VLAN Name                             Status    Ports",
            "---- -------------------------------- --------- -------------------------------",
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            names = [name.replace("ernet", "") for name in self.members(number)]
            lines += rows_of(f"{number:<4} {vlan.name:<32} active", names, 48)
        return "\n".join(lines)

    def members(self, number: int) -> list[str]:
        """The ports that carry the VLAN, trunks too."""
        return [
            port.name
            for port in self.running.ports.values()
            if (number in port.allowed if port.mode == "trunk" else number == port.access)
        ]

    @command("exec", "show interface switchport")
    def show_switchport(self) -> str:
        return "\n".join(
            f"Name: {port.name}\n  Switchport: Enabled\n  Switchport Monitor: Not enabled\n"
            f"  Operational Mode: {port.mode}\n  Access Mode VLAN: {port.access}\n"
            f"  Trunking Native Mode VLAN: {port.native}\n"
            f"  Trunking VLANs Allowed: {format_ids(port.allowed, 2) or 'none'}"
            for port in self.running.ports.values()
        )

    def shown(self, config: Config) -> str:
        lines = ["!Time: Mon Nov 30 08:00:00 2026", "", "version 9.3(8) Bios:version 05.33"]
        lines += [f"hostname {config.hostname}", "feature lldp", "", f"vlan {format_ids(config.vlans, 2)}"]
        for number, name in self.named_vlans(config).items():
            lines += [f"vlan {number}", f"  name {name}"]
        for port in config.ports.values():
            lines += ["", *self.port_lines(port)]
        return "\n".join([*lines, "line console", "line vty"])

    def port_lines(self, port: Port) -> list[str]:
        lines = []
        if port.description:
            lines.append(f"description {port.description}")
        if port.mode == "trunk":
            lines.append("switchport mode trunk")
        if port.access != 1:
            lines.append(f"switchport access vlan {port.access}")
        if port.native != 1:
            lines.append(f"switchport trunk native vlan {port.native}")
        lines += self.allowed_lines(port, shortest=2)
        if port.shut:
            lines.append("shutdown")
        return [f"interface {port.name}", *(f"  {line}" for line in lines)]
