"""Cisco IOS and IOS-XE on Catalyst switches.

Its habits: VLANs are not in the running configuration but in a table of their own, which outlives a reboot
without being saved (VTP server; with `vtp mode transparent` they are in the configuration, and lost with
it); a VLAN exists when its mode is left, not before; a factory-new port negotiates (dynamic auto), so that
what is plugged into it may make it a trunk; a range takes five pieces at most.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.switches.fakes.ciscolike import Interfaces, Switchports, rows_of
from tests.switches.fakes.cli import Ask, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import ALL, Carried, Config, Port, Vlan, format_ids, trunk

FIXED = {1002: "fddi-default", 1003: "token-ring-default", 1004: "fddinet-default", 1005: "trnet-default"}
SHORT = {
    "GigabitEthernet": "Gi",
    "TenGigabitEthernet": "Te",
    "FastEthernet": "Fa",
    "TwentyFiveGigE": "Twe",
    "FortyGigabitEthernet": "Fo",
}
MOST_PIECES = 5
DYNAMIC = ("dynamic auto", "dynamic desirable")


class CiscoIos(Switchports, Interfaces):
    """A Catalyst: 48 ports GigabitEthernet1/0/x, or as told."""

    dialect = "cisco_ios"
    device_type = "cisco_ios"
    device = "WS-C3850-48T"
    kinds: ClassVar[Mapping[str, str]] = {kind: kind for kind in SHORT}
    longest_in_config = 20

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"GigabitEthernet1/0/{number}" for number in range(1, count + 1)]

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, mode="dynamic auto")

    @classmethod
    def new_config(cls, hostname: str, ports: Sequence[str]) -> Config:
        config = super().new_config(hostname, ports)
        config.vlans.update({number: Vlan(name) for number, name in FIXED.items()})
        return config

    @classmethod
    def booted(cls, running: Config, startup: Config) -> Config:
        """vlan.dat is written at once; but with VTP off the configuration has the VLANs."""
        config = startup.copy()
        if startup.extra.get("vtp") == "transparent":
            return config
        config.vlans = running.copy().vlans
        return config

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        if port.mode == "trunk":
            return trunk(port)
        voice = () if port.voice is None else (port.voice,)
        return Carried(port.access, voice, port.shut, port.mode, open=port.mode in DYNAMIC)

    def enter(self, mode: str, targets: Sequence[object] = ()) -> None:
        """Leaving the mode of a VLAN is what makes it."""
        for number, vlan in (self.draft or {}).items():
            self.running.vlans[number] = vlan
        self.draft = None
        super().enter(mode, targets)

    # exec

    @command("user exec", "show version")
    def show_version(self) -> str:
        return (
            "Cisco IOS Software, IOS-XE Software, Catalyst L3 Switch Software (CAT3K_CAA-UNIVERSALK9-M), "
            "Version 03.06.06E RELEASE SOFTWARE (fc1)\n"
            "Technical Support: http://www.cisco.com/techsupport\n"
            "\n"
            f"{self.running.hostname} uptime is 2 weeks, 3 days, 1 hour, 5 minutes\n"
            "System returned to ROM by reload\n"
            "\n"
            f"cisco {self.device} (MIPS) processor with 4194304K bytes of physical memory.\n"
            "Processor board ID FOC1842U0AB\n"
            f"{len(self.running.ports)} Gigabit Ethernet interfaces\n"
            "\n"
            "Configuration register is 0x102"
        )

    @command("exec", "show running-config")
    def show_running(self) -> str:
        return self.shown(self.running, "Building configuration...\n\nCurrent configuration : {} bytes\n")

    @command("exec", "show startup-config")
    def show_startup(self) -> str:
        return self.shown(self.switch.startup, "Using {} out of 2097152 bytes\n")

    @command("exec", "show running-config interface <rest>")
    def show_running_interface(self, text: str) -> str:
        port = self.running.ports[self.one_interface(text)]
        body = "\n".join(["!", *self.port_lines(port), "end", ""])
        return f"Building configuration...\n\nCurrent configuration : {len(body)} bytes\n{body}"

    @command("user exec", "show vlan brief", "show vlan")
    def show_vlan(self) -> str:
        lines = [
            "",
            "VLAN Name                             Status    Ports",
            "---- -------------------------------- --------- -------------------------------",
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            status = "act/unsup" if number in FIXED else "active"
            names = [
                self.short(port.name) for port in self.running.ports.values() if self.is_on(port, number)
            ]
            lines += rows_of(f"{number:<4} {vlan.name:<32} {status:<9}", names, 48)
        return "\n".join(lines)

    @command("user exec", "show interfaces status")
    def show_status(self) -> str:
        lines = ["", "Port      Name               Status       Vlan       Duplex  Speed Type"]
        for port in self.running.ports.values():
            status = "disabled" if port.shut else "notconnect"
            where = "trunk" if port.mode == "trunk" and not port.shut else str(port.access)
            lines.append(
                f"{self.short(port.name):<9} {port.description[:18]:<18} {status:<12} {where:<10} "
                "  auto   auto 10/100/1000BaseTX"
            )
        return "\n".join(lines)

    @command("user exec", "show interfaces switchport")
    def show_switchport(self) -> str:
        return "\n".join(self.switchport(port) for port in self.running.ports.values())

    @command("user exec", "show interfaces <word> switchport")
    def show_one_switchport(self, text: str) -> str:
        return self.switchport(self.running.ports[self.one_interface(text)])

    @command("exec", "write memory", "write")
    def write_memory(self) -> Steps:
        yield from self.save()
        return "Building configuration...\n[OK]"

    @command("exec", "copy running-config startup-config")
    def copy_running(self) -> Steps:
        yield Ask("Destination filename [startup-config]? ")
        return (yield from self.write_memory())

    def save_error(self) -> str:
        return "startup-config file open failed (Device or resource busy)"

    # config

    @command(
        "config config-if config-if-range config-vlan",
        "do <rest>",
    )
    def do(self, line: str) -> Steps:
        """A command of the exec mode."""
        mode, targets = self.mode, self.targets
        self.mode = "exec"
        try:
            return (yield from self.run(line))
        finally:
            self.mode, self.targets = mode, targets

    def interface_range(self, text: str) -> None:
        if text.count(",") >= MOST_PIECES:
            raise Refused(self.misread(f"interface range {text}", "invalid", len("interface range ")))
        super().interface_range(text)

    @command("config", "default interface <rest>")
    def default_interface(self, text: str) -> str:
        text = text.removeprefix("range ")
        names = self.interfaces(text)
        for name in names:
            self.running.ports[name] = self.new_port(name)
        return "\n".join(f"Interface {name} set to default configuration" for name in names)

    @command("config", "vlan <vlans>")
    def vlan(self, text: str) -> None:
        ids = self.ids(text)
        if ids & set(FIXED):
            raise Refused(f"%Default VLAN {min(ids & set(FIXED))} may not have its name changed.")
        vlans = self.running.vlans
        draft = {number: vlans.get(number) or Vlan(self.default_name(number)) for number in ids}
        self.enter("config-vlan", sorted(ids))
        self.draft = {number: Vlan(vlan.name, vlan.shut) for number, vlan in draft.items()}

    @command("config", "no vlan <vlans>")
    def no_vlan(self, text: str) -> None:
        ids = self.ids(text)
        fixed = ids & {1, *FIXED}
        if fixed:
            raise Refused(f"%Default VLAN {min(fixed)} may not be deleted.")
        for number in ids:
            self.running.vlans.pop(number, None)

    @command("config-vlan", "name <word>")
    def name_vlan(self, name: str) -> None:
        if len(self.targets) > 1:
            raise Refused("Command rejected: 'name' command is not allowed for a range of VLANs")
        if len(name) > 32:
            raise Refused(self.misread(f"name {name}", "invalid", 5))
        twin = next((n for n, vlan in self.running.vlans.items() if vlan.name == name), None)
        if twin not in (None, self.targets[0]):
            raise Refused(f"VLAN #{twin} and #{self.targets[0]} have an identical name: {name}")
        self.draft[self.targets[0]].name = name

    @command("config-vlan", "no name")
    def no_name(self) -> None:
        for number in self.targets:
            self.draft[number].name = self.default_name(number)

    @command("config", "vtp mode transparent")
    def vtp_off(self) -> str:
        self.running.extra["vtp"] = "transparent"
        return "Setting device to VTP Transparent mode for VLANS."

    @command("config", "vtp mode server")
    def vtp_on(self) -> str:
        self.running.extra.pop("vtp", None)
        return "Setting device to VTP Server mode for VLANS."

    # interfaces

    def mode_trunk(self) -> str | None:
        unset = [port for port in self.ports if not port.extra.get("dot1q")]
        if self.switch.options.get("encapsulation") and unset:
            return (
                'Command rejected: An interface whose trunk encapsulation is "Auto" can not be '
                'configured to "trunk" mode.'
            )
        return super().mode_trunk()

    @command("config-if config-if-range", "switchport trunk encapsulation dot1q")
    def encapsulation(self) -> None:
        if not self.switch.options.get("encapsulation"):
            line = "switchport trunk encapsulation dot1q"
            raise Refused(self.misread(line, "invalid", line.index("encapsulation")))
        self.each_port(lambda port: port.extra.update(dot1q=True))

    @command("config-if config-if-range", "switchport mode dynamic auto", "no switchport mode")
    def mode_auto(self) -> None:
        self.set_ports(mode="dynamic auto")

    @command("config-if config-if-range", "switchport mode dynamic desirable")
    def mode_desirable(self) -> None:
        self.set_ports(mode="dynamic desirable")

    @command("config-if config-if-range", "switchport nonegotiate")
    def nonegotiate(self) -> None:
        if any(port.mode in DYNAMIC for port in self.ports):
            raise Refused(
                "Command rejected: Conflict between 'nonegotiate' and 'dynamic' status on this interface: "
                f"{self.short(self.targets[0])}"
            )
        self.each_port(lambda port: port.extra.update(nonegotiate=True))

    @command("config-if config-if-range", "no switchport nonegotiate")
    def negotiate(self) -> None:
        self.each_port(lambda port: port.extra.pop("nonegotiate", None))

    def access_vlan(self, vlan: str) -> str | None:
        number = int(vlan)
        self.set_ports(access=number)
        if number in self.running.vlans:
            return None
        self.make_vlans([number])
        return f"% Access VLAN does not exist. Creating vlan {number}"

    @command("config-if config-if-range", "switchport voice vlan <vlan>")
    def voice_vlan(self, vlan: str) -> str | None:
        number = int(vlan)
        self.set_ports(voice=number)
        if number in self.running.vlans:
            return None
        self.make_vlans([number])
        return f"% Voice VLAN does not exist. Creating vlan {number}"

    @command("config-if config-if-range", "no switchport voice vlan", "switchport voice vlan none")
    def no_voice_vlan(self) -> None:
        self.set_ports(voice=None)

    @command(
        "config-if config-if-range",
        "switchport",
        "spanning-tree <rest>",
        "no spanning-tree <rest>",
        "no cdp enable",
        "cdp enable",
        "no lldp <rest>",
        "lldp <rest>",
    )
    def ignored(self, text: str = "") -> None:
        """Taken, and of no effect on what a port carries."""

    # how it is shown

    def no_such_interface(self, text: str) -> str:
        line = f"interface {text}"
        return self.misread(line, "invalid", len("interface "))

    def short(self, name: str) -> str:
        """Gi1/0/1 of GigabitEthernet1/0/1."""
        kind = next(kind for kind in SHORT if name.startswith(kind))
        return name.replace(kind, SHORT[kind], 1)

    def is_on(self, port: Port, number: int) -> bool:
        """Whether `show vlan` names the port at that VLAN: trunks are not named."""
        return port.mode != "trunk" and number in (port.access, port.voice)

    def shown(self, config: Config, head: str) -> str:
        lines = [
            "!",
            "version 15.2",
            "service timestamps debug datetime msec",
            "no service password-encryption",
            "!",
            f"hostname {config.hostname}",
            "!",
            f"vtp mode {config.extra.get('vtp', 'server')}",
            "spanning-tree mode rapid-pvst",
            "!",
        ]
        for number, vlan in sorted(config.vlans.items()) if config.extra.get("vtp") else ():
            if number not in (1, *FIXED):
                lines += [f"vlan {number}", f" name {vlan.name}", "!"]
        for port in config.ports.values():
            lines += [*self.port_lines(port), "!"]
        lines += [
            "interface Vlan1",
            " no ip address",
            "!",
            "line con 0",
            "line vty 0 15",
            " login local",
            "!",
            "end",
        ]
        body = "\n".join(lines) + "\n"
        return head.format(len(body)) + body

    def port_lines(self, port: Port) -> list[str]:
        lines = []
        if port.description:
            lines.append(f"description {port.description}")
        if port.access != 1:
            lines.append(f"switchport access vlan {port.access}")
        if port.extra.get("dot1q"):
            lines.append("switchport trunk encapsulation dot1q")
        if port.native != 1:
            lines.append(f"switchport trunk native vlan {port.native}")
        lines += self.allowed_lines(port)
        if port.mode != "dynamic auto":
            lines.append(f"switchport mode {port.mode}")
        if port.extra.get("nonegotiate"):
            lines.append("switchport nonegotiate")
        if port.voice is not None:
            lines.append(f"switchport voice vlan {port.voice}")
        if port.shut:
            lines.append("shutdown")
        return [f"interface {port.name}", *(f" {line}" for line in lines)]

    def switchport(self, port: Port) -> str:
        def called(number: int | None) -> str:
            vlan = self.running.vlans.get(number or 0)
            return f"{number} ({vlan.name if vlan else 'Inactive'})"

        is_trunk = port.mode == "trunk"
        allowed = "ALL" if port.allowed == ALL else format_ids(port.allowed) or "NONE"
        return "\n".join(
            [
                f"Name: {self.short(port.name)}",
                "Switchport: Enabled",
                f"Administrative Mode: {'static access' if port.mode == 'access' else port.mode}",
                "Operational Mode: down",
                "Administrative Trunking Encapsulation: dot1q",
                f"Negotiation of Trunking: {'On' if is_trunk or port.mode in DYNAMIC else 'Off'}",
                f"Access Mode VLAN: {called(port.access)}",
                f"Trunking Native Mode VLAN: {called(port.native)}",
                "Administrative Native VLAN tagging: enabled",
                f"Voice VLAN: {'none' if port.voice is None else called(port.voice)}",
                f"Trunking VLANs Enabled: {allowed}",
                "Pruning VLANs Enabled: 2-1001",
                "Capture Mode Disabled",
                "Capture VLANs Allowed: ALL",
                "",
                "Protected: false",
                "Unknown unicast blocked: disabled",
                "Unknown multicast blocked: disabled",
                "Appliance trust: none",
                "",
            ]
        )
