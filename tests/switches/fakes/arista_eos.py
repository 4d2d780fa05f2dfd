"""Arista EOS.

Its habits: the prompt names the interfaces of the mode; `show` works in configuration; VLANs are in the
running configuration, those of no name of their own gathered into one line; setting the terminal is
confirmed in words.
"""

from collections.abc import Mapping
from typing import ClassVar

from tests.switches.fakes.ciscolike import Switchports, Vlans, rows_of
from tests.switches.fakes.cli import Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import ALL, Carried, Config, Port, format_ids, trunk


class AristaEos(Switchports, Vlans):
    """An Arista with ports EthernetN."""

    dialect = "arista_eos"
    device_type = "arista_eos"
    device = "DCS-7050TX-48-F"
    kinds: ClassVar[Mapping[str, str]] = {"Ethernet": "Ethernet"}
    bad_secret = "% Bad secret"
    where = ""  # what the prompt says of the mode
    parents: ClassVar[Mapping[str, str]] = {
        "exec": "user",
        "config": "exec",
        "config-if": "config",
        "config-vlan": "config",
    }

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"Ethernet{number}" for number in range(1, count + 1)]

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        return trunk(port) if port.mode == "trunk" else Carried(port.access, (), port.shut, port.mode)

    def mode_name(self) -> str:
        return f"{self.mode}{self.where}" if self.mode in ("config-if", "config-vlan") else self.mode

    def misread(self, line: str, reason: str, column: int) -> str:
        if reason == "incomplete":
            return "% Incomplete command"
        word = line[column:].partition(" ")[0]
        token = len(line[:column].split())
        what = "Ambiguous command" if reason == "ambiguous" else "Invalid input"
        return f"% {what} (at token {token}: '{word}')"

    def bad_vlans(self, text: str) -> str:
        return f"% Invalid input (at token 1: '{text}')"

    def no_such_interface(self, text: str) -> str:
        return f"% Invalid input (at token 1: '{text}')"

    def default_stays(self) -> str:
        return "% Default VLAN 1 may not be deleted"

    def save_error(self) -> str:
        return "% Error copying system:/running-config to flash:/startup-config (No space left on device)"

    def terminal_length(self, lines: str) -> str | None:
        super().terminal_length(lines)
        return "Pagination disabled." if lines == "0" else f"Pagination set to {lines} lines."

    def terminal_width(self, columns: str) -> str | None:
        super().terminal_width(columns)
        return f"Width set to {columns} columns."

    @command("exec", "configure")
    def configure(self) -> str:
        self.enter("config")
        return ""

    @command("config", "interface <rest>")
    def interface(self, text: str) -> None:
        names = self.interfaces(text)
        numbers = format_ids((int(name.removeprefix("Ethernet")) for name in names), 2)
        self.enter("config-if", names)
        self.where = f"-Et{numbers}"

    @command("config", "default interface <rest>")
    def default_interface(self, text: str) -> None:
        for name in self.interfaces(text):
            self.running.ports[name] = self.new_port(name)

    def vlan(self, text: str) -> str | None:
        super().vlan(text)
        self.where = f"-{text}"
        return None

    def access_vlan(self, vlan: str) -> str | None:
        number = int(vlan)
        self.set_ports(access=number)
        if number in self.running.vlans:
            return None
        self.make_vlans([number])
        return f"! Access VLAN does not exist. Creating vlan {number}"

    @command("config-if", "switchport", "no switchport mode", "spanning-tree <rest>")
    def ignored(self, text: str = "") -> None:
        """Taken, and of no effect on what a port carries."""

    @command("exec", "write memory", "write", "copy running-config startup-config")
    def write_memory(self) -> Steps:
        yield from self.save()
        return "Copy completed successfully."

    @command("user", "show version")
    def show_version(self) -> str:
        return (
            f"Arista {self.device}\nHardware version: 11.02\nSerial number: JPE00000000\n"
            "Software image version: 4.27.3F\nUptime: 2 weeks, 1 day, 3 hours and 9 minutes"
        )

    @command("exec", "show running-config")
    def show_running(self) -> str:
        return "! Command: show running-config\n" + self.shown(self.running)

    @command("exec", "show startup-config")
    def show_startup(self) -> str:
        return "! Command: show startup-config\n" + self.shown(self.switch.startup)

    @command("exec", "show running-config interfaces <rest>")
    def show_running_interface(self, text: str) -> str:
        return "\n".join(
            line for name in self.interfaces(text) for line in self.port_lines(self.running.ports[name])
        )

    @command("user", "show vlan", "show vlan brief")
    def show_vlan(self) -> str:
        lines = [
            "VLAN  Name                             Status    Ports",
            "----- -------------------------------- --------- -------------------------------",
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            names = [short(port) for port in self.running.ports.values() if on(port, number)]
            lines += rows_of(f"{number:<5} {vlan.name:<32} active", names, 49)
        return "\n".join(lines)

    @command("user", "show interfaces status")
    def show_status(self) -> str:
        lines = ["Port       Name   Status       Vlan     Duplex Speed  Type         Flags Encapsulation"]
        for port in self.running.ports.values():
            status = "disabled" if port.shut else "notconnect"
            where = "trunk" if port.mode == "trunk" else str(port.access)
            lines.append(f"{short(port):<10}        {status:<12} {where:<8} auto   auto   1000BASE-T")
        return "\n".join(lines)

    @command("user", "show interfaces switchport")
    def show_switchport(self) -> str:
        return "\n".join(
            f"Name: {short(port)}\nSwitchport: Enabled\n"
            f"Administrative Mode: {port.mode.replace('access', 'static access')}\n"
            f"Operational Mode: {port.mode.replace('access', 'static access')}\n"
            f"Access Mode VLAN: {port.access}\nTrunking Native Mode VLAN: {port.native}\n"
            f"Trunking VLANs Enabled: {allowed(port)}\n"
            for port in self.running.ports.values()
        )

    def shown(self, config: Config) -> str:
        lines = [
            f"! device: {config.hostname} ({self.device}, EOS-4.27.3F)",
            "!",
            f"hostname {config.hostname}",
        ]
        lines += ["!", "spanning-tree mode mstp", "!"]
        named = self.named_vlans(config)
        plain = format_ids(set(config.vlans) - set(named) - {1}, 2)
        lines += [f"vlan {plain}", "!"] if plain else []
        for number, name in named.items():
            lines += [f"vlan {number}", f"   name {name}", "!"]
        for port in config.ports.values():
            lines += [*self.port_lines(port), "!"]
        return "\n".join([*lines, "interface Management1", "!", "no ip routing", "!", "end"])

    def port_lines(self, port: Port) -> list[str]:
        lines = []
        if port.description:
            lines.append(f"description {port.description}")
        if port.shut:
            lines.append("shutdown")
        if port.access != 1:
            lines.append(f"switchport access vlan {port.access}")
        if port.native != 1:
            lines.append(f"switchport trunk native vlan {port.native}")
        lines += self.allowed_lines(port, shortest=2, longest=2000)
        if port.mode == "trunk":
            lines.append("switchport mode trunk")
        return [f"interface {port.name}", *(f"   {line}" for line in lines)]


def on(port: Port, number: int) -> bool:
    """Whether the port carries the VLAN by its mode."""
    return number in port.allowed if port.mode == "trunk" else number == port.access


def allowed(port: Port) -> str:
    """What a trunk allows, in words."""
    return "ALL" if port.allowed == ALL else format_ids(port.allowed, 2) or "NONE"


def short(port: Port) -> str:
    """Et1 of Ethernet1."""
    return port.name.replace("hernet", "")
