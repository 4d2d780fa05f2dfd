"""Dell OS10.

Its habits: a VLAN is an interface (`interface vlan 10`), and several are a range (`interface range vlan 2-3`,
`no interface range vlan 20-30`, as its guide has them where it tells of conflicting ranges; those that are
not there do not matter); `switchport trunk allowed vlan` adds to what is allowed; the untagged VLAN of a
trunk is its `access` VLAN, too; a new trunk allows nothing; a port that becomes an access port loses what it
allowed; `copy running-configuration startup-configuration` is how it is saved. VLANs are 1 to 4093. What a
trunk's access VLAN is may not be allowed on it too (the words are those that ipspace/netlab was answered,
pull request 1838); a trunk without an access VLAN carries nothing untagged (ipspace/netlab, pull request
1869).
"""

from collections.abc import Mapping
from typing import ClassVar

from nm.switch import PortState
from tests.switches.fakes.ciscolike import CiscoLike, ranges_of, rows_of
from tests.switches.fakes.cli import Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import Carried, Config, Port, format_ids

IFS = "config-if config-if-range"
NONE: frozenset[int] = frozenset()
EVERY = frozenset(range(1, 4094))
BOTH = "% Error: Interface cannot be an access and trunk member of the same VLAN."


class DellOs10(CiscoLike):
    """An S4148 with ports ethernet1/1/x."""

    dialect = "dell_os10"
    device_type = "dell_os10"
    device = "S4148F-ON"
    kinds: ClassVar[Mapping[str, str]] = {"ethernet": "ethernet"}
    more = "--More--"
    parents: ClassVar[Mapping[str, str]] = {
        "config": "exec",
        "config-if": "config",
        "config-if-range": "config",
        "config-vlan": "config",
    }

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"ethernet1/1/{number}" for number in range(1, count + 1)]

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, allowed=NONE)

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        tagged = tuple(sorted(port.allowed)) if port.mode == "trunk" else ()
        if port.allowed >= EVERY - {port.access}:
            return Carried(port.access, (), port.shut, port.mode, open=True)
        return Carried(port.access, tagged, port.shut, port.mode)

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        super().put(port, state)
        if port.mode == "trunk":
            port.access = state.untagged
            port.allowed = EVERY - {state.untagged} if state.open else frozenset(state.tagged)
        else:
            port.allowed = NONE

    def prompt(self) -> str:
        return super().prompt() + " "

    def mode_name(self) -> str:
        if self.mode == "config-vlan":
            kind = "range" if len(self.targets) > 1 else "if"
            return f"conf-{kind}-vl-{format_ids(self.targets, 2)}"
        if self.mode == "config":
            return "config"
        where = ",".join(ranges_of(self.targets, full=True)).replace("ethernet", "eth")
        return f"conf-if-{where}" if self.mode == "config-if" else f"conf-range-{where}"

    def misread(self, line: str, reason: str, column: int) -> str:
        if reason == "incomplete":
            return "% Error: Incomplete command."
        return "% Error: Unrecognized command." if column == 0 else "% Error: Illegal parameter."

    def bad_vlans(self, text: str) -> str:
        return "% Error: Illegal parameter."

    def no_such_interface(self, text: str) -> str:
        return "% Error: Interface does not exist."

    def save_error(self) -> str:
        return "% Error: Configuration could not be saved: no space left on device."

    def configure(self) -> str:
        self.enter("config")
        return ""

    @command("config", "interface range <rest>")
    def interface_range(self, text: str) -> None:
        if (ids := self.vlan_range(text)) is None:
            self.enter("config-if-range", self.interfaces(text))
        else:
            self.make_vlans(ids)
            self.enter("config-vlan", ids)

    def vlan_range(self, text: str) -> list[int] | None:
        """The VLANs of `vlan 2-3,5`; None where it names other interfaces."""
        kind, _, ids = text.partition(" ")
        return sorted(self.ids(ids.strip())) if kind.lower() == "vlan" else None

    @command("config", "no interface range <rest>")
    def no_interface_range(self, text: str) -> None:
        """Those that are not there do not matter."""
        ids = self.vlan_range(text)
        if ids is None:
            raise Refused(self.misread("", "invalid", 1))
        for number in ids:
            if number == 1 or number in self.running.vlans:
                self.no_interface_vlan(str(number))

    @command("config", "interface vlan <vlan>")
    def interface_vlan(self, vlan: str) -> None:
        self.make_vlans([int(vlan)])
        self.enter("config-vlan", [int(vlan)])

    @command("config", "no interface vlan <vlan>")
    def no_interface_vlan(self, vlan: str) -> None:
        number = int(vlan)
        if number == 1:
            raise Refused("% Error: Default VLAN cannot be deleted.")
        if number not in self.running.vlans:
            raise Refused("% Error: Interface does not exist.")
        del self.running.vlans[number]
        for port in self.running.ports.values():  # whoever was on it falls back to the default VLAN
            port.access = 1 if port.access == number else port.access
            port.allowed -= {number}

    @command("config", "interface <rest>")
    def interface(self, text: str) -> None:
        if text.lower().startswith("vlan") and text[4:].isdigit():
            return self.interface_vlan(text[4:])
        name = self.interface_name(text)
        if name is None:
            raise Refused(self.no_such_interface(text))
        return self.enter("config-if", [name])

    def default_name(self, number: int) -> str:
        return ""

    @command("config-vlan", "description <rest>")
    def describe_vlan(self, text: str) -> None:
        for number in self.targets:
            self.running.vlans[number].name = text.strip('"')

    @command("config-vlan", "shutdown")
    def shut_vlan(self) -> None:
        for number in self.targets:
            self.running.vlans[number].shut = True

    @command("config-vlan", "no shutdown")
    def open_vlan(self) -> None:
        for number in self.targets:
            self.running.vlans[number].shut = False

    @command(IFS, "shutdown")
    def shutdown(self) -> None:
        self.set_ports(shut=True)

    @command(IFS, "no shutdown")
    def no_shutdown(self) -> None:
        self.set_ports(shut=False)

    @command(IFS, "description <rest>")
    def describe(self, text: str) -> None:
        self.set_ports(description=text.strip('"'))

    @command(IFS, "no description")
    def no_description(self) -> None:
        self.set_ports(description="")

    @command(IFS, "switchport mode access", "no switchport mode")
    def mode_access(self) -> None:
        self.set_ports(mode="access", allowed=NONE)

    @command(IFS, "switchport mode trunk")
    def mode_trunk(self) -> None:
        self.set_ports(mode="trunk")

    @command(IFS, "switchport access vlan <vlan>")
    def access_vlan(self, vlan: str) -> None:
        ids = self.existing(frozenset({int(vlan)}))
        if any(ids & port.allowed for port in self.ports):
            raise Refused(BOTH)
        self.set_ports(access=int(vlan))

    @command(IFS, "no switchport access vlan")
    def no_access_vlan(self) -> None:
        for port in self.ports:
            port.access = None if port.mode == "trunk" else 1

    @command(IFS, "switchport trunk allowed vlan <vlans>")
    def allow(self, text: str) -> None:
        ids = self.existing(self.ids(text))
        if any(port.mode != "trunk" for port in self.ports):
            raise Refused("% Error: Switchport mode is not trunk.")
        if any(port.access in ids for port in self.ports):
            raise Refused(f"{BOTH} One of the vlan in the range provided is already an access vlan.")
        self.each_port(lambda port: setattr(port, "allowed", port.allowed | ids))

    @command(IFS, "no switchport trunk allowed vlan <vlans>")
    def disallow(self, text: str) -> None:
        ids = self.ids(text)
        self.each_port(lambda port: setattr(port, "allowed", port.allowed - ids))

    @command(IFS, "no switchport trunk allowed vlan")
    def allow_none(self) -> None:
        self.set_ports(allowed=NONE)

    def existing(self, ids: frozenset[int]) -> frozenset[int]:
        missing = ids - set(self.running.vlans)
        if missing:
            raise Refused(f"% Error: VLAN {min(missing)} does not exist.")
        return ids

    @command("exec", "copy running-configuration startup-configuration", "write memory")
    def copy_running(self) -> Steps:
        yield from self.save()
        return None

    @command("exec", "show version")
    def show_version(self) -> str:
        return (
            "Dell EMC Networking OS10 Enterprise\nCopyright (c) 1999-2021 by Dell Inc. All Rights Reserved.\n"
            f"OS Version: 10.5.2.3\nBuild Version: 10.5.2.3.374\nSystem Type: {self.device}\n"
            "Up Time: 2 weeks 03:21:09"
        )

    @command("exec", "show vlan")
    def show_vlan(self) -> str:
        lines = [
            "Codes: * - Default VLAN, M - Management VLAN, R - Remote Port Mirroring VLANs,",
            "       @ - Attached to Virtual Network, P - Primary, C - Community, I - Isolated",
            "Q: A - Access (Untagged), T - Tagged",
            "    NUM    Status    Description                     Q Ports",
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            lists = [("A", self.members(number, False)), ("T", self.members(number, True))]
            rows = [
                f"{letter} {row}"
                for letter, names in lists
                if names
                for row in rows_of("", names, 0, most=3, join=",")
            ]
            star, status = "*" if number == 1 else " ", "Inactive" if vlan.shut or not rows else "Active"
            lines.append(
                f"{star}   {number:<6} {status:<9} {vlan.name:<31} {rows[0] if rows else ''}".rstrip()
            )
            lines += [" " * 53 + row for row in rows[1:]]
        return "\n".join(lines)

    def members(self, number: int, tagged: bool) -> list[str]:
        ports = self.running.ports.values()
        names = [
            port.name
            for port in ports
            if (number in port.allowed and port.mode == "trunk" if tagged else port.access == number)
        ]
        return [each.replace("ethernet", "Eth") for each in ranges_of(names, full=True)]

    @command("exec", "show running-configuration")
    def show_running(self) -> str:
        return self.shown(self.running)

    @command("exec", "show startup-configuration")
    def show_startup(self) -> str:
        return self.shown(self.switch.startup)

    @command("exec", "show running-configuration interface <rest>")
    def show_running_interface(self, text: str) -> str:
        name = self.interface_name(text)
        if name is None:
            raise Refused(self.no_such_interface(text))
        return "\n".join(["!", *self.port_lines(self.running.ports[name])])

    def shown(self, config: Config) -> str:
        lines = ["! Version 10.5.2.3", "! Last configuration change at Nov  30 08:00:00 2026", "!"]
        lines += [f"hostname {config.hostname}", "!"]
        for number, vlan in sorted(config.vlans.items()):
            lines += [f"interface vlan{number}", *([f" description {vlan.name}"] if vlan.name else [])]
            lines += [" shutdown" if vlan.shut else " no shutdown", "!"]
        for port in config.ports.values():
            lines += [*self.port_lines(port), "!"]
        return "\n".join(lines)

    def port_lines(self, port: Port) -> list[str]:
        lines = []
        if port.description:
            lines.append(f'description "{port.description}"')
        lines.append("shutdown" if port.shut else "no shutdown")
        if port.mode == "trunk":
            lines.append("switchport mode trunk")
        lines.append(f"switchport access vlan {port.access}" if port.access else "no switchport access vlan")
        if port.allowed:
            lines.append(f"switchport trunk allowed vlan {format_ids(port.allowed, 2)}")
        lines.append("flowcontrol receive on")
        return [f"interface {port.name}", *(f" {line}" for line in lines)]
