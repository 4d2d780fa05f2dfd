"""Dell's N-series (OS6): FASTPATH's command line.

Its habits: `enable` even where there is no secret; the prompt names the interface; a VLAN must exist before
a port joins it by `access`, but a trunk may allow what does not exist; there is no `none` for a trunk; what
is at its default is not shown at all; saving asks, and one key is the answer; `general` ports have lists of
their own.
"""

from collections.abc import Mapping
from typing import ClassVar

from tests.switches.fakes.ciscolike import (
    ASKS_ANYWHERE,
    Interfaces,
    Shows,
    Switchports,
    Vlans,
    ranges_of,
    rows_of,
)
from tests.switches.fakes.cli import Ask, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import ALL, Carried, Config, Port, format_ids, general, trunk

ONE = frozenset({1})


class General(Switchports, Interfaces, Shows):
    """Ports of mode `general`, as Dell's have them."""

    @command("config-if config-if-range", "switchport mode general")
    def mode_general(self) -> None:
        self.set_ports(mode="general")

    @command("config-if config-if-range", "no switchport mode")
    def no_mode(self) -> None:
        self.set_ports(mode="access")

    @command(
        "config-if config-if-range",
        "switchport general allowed vlan add <vlans>",
        "switchport general allowed vlan add <vlans> <word>",
    )
    def general_add(self, text: str, how: str = "untagged") -> str | None:
        ids = self.existing(self.ids(text))
        if how not in ("tagged", "untagged"):
            raise Refused(self.misread(f"switchport general allowed vlan add {text} {how}", "invalid", 32))
        for port in self.ports:
            port.untagged = port.untagged | ids if how == "untagged" else port.untagged - ids
            port.tagged = port.tagged | ids if how == "tagged" else port.tagged - ids
        return None

    @command("config-if config-if-range", "switchport general allowed vlan remove <vlans>")
    def general_remove(self, text: str) -> str | None:
        ids = self.ids(text)
        for port in self.ports:
            port.untagged, port.tagged = port.untagged - ids, port.tagged - ids
        return None

    @command("config-if config-if-range", "switchport general pvid <vlan>")
    def pvid(self, vlan: str) -> str | None:
        if int(vlan) not in self.running.vlans:
            raise Refused("Could not configure pvid.")
        self.each_port(lambda port: port.extra.update(pvid=int(vlan)))
        return None

    @command("config-if config-if-range", "no switchport general pvid")
    def no_pvid(self) -> None:
        self.each_port(lambda port: port.extra.update(pvid=1))

    @command(
        "config-if config-if-range",
        "switchport general acceptable-frame-type <word>",
        "spanning-tree <rest>",
        "no spanning-tree <rest>",
        "lldp <rest>",
        "no lldp <rest>",
    )
    def ignored(self, text: str) -> None:
        """Taken, and of no effect on what a port carries."""

    def missing_vlan(self, number: int) -> str:
        return "VLAN ID not found.\n"

    def access_vlan(self, vlan: str) -> str | None:
        self.existing(frozenset({int(vlan)}))
        return super().access_vlan(vlan)

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, untagged=ONE, extra={"pvid": 1})

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        if port.mode == "trunk":
            return trunk(port)
        if port.mode == "general":
            return general(port, port.extra["pvid"])
        return Carried(port.access, (), port.shut, port.mode)

    def members(self, number: int) -> list[str]:
        """The ports that carry the VLAN, by what their mode makes of it."""
        return [port.name for port in self.running.ports.values() if _is_on(port, number)]

    def general_lines(self, port: Port) -> list[str]:
        """The lines of the configuration that say what a general port carries."""
        lines = []
        if port.extra["pvid"] != 1:
            lines.append(f"switchport general pvid {port.extra['pvid']}")
        for ids, word in ((port.untagged - ONE, ""), (port.tagged, " tagged")):
            if ids:
                lines.append(f"switchport general allowed vlan add {format_ids(ids, 2)}{word}")
        if 1 not in port.untagged | port.tagged:
            lines.append("switchport general allowed vlan remove 1")
        return lines


def _is_on(port: Port, number: int) -> bool:
    if port.mode == "trunk":
        return number in port.allowed
    return number in port.untagged | port.tagged if port.mode == "general" else number == port.access


class DellOs6(General, Vlans):
    """An N3048 with ports Gi1/0/x."""

    dialect = "dell_os6"
    device_type = "dell_os6"
    device = "N3048ET-ON"
    kinds: ClassVar[Mapping[str, str]] = {"gigabitethernet": "Gi", "tengigabitethernet": "Te"}
    must_enable = True
    bad_secret = "Incorrect Password!"
    more = "--More-- or (q)uit"
    without = ("switchport trunk allowed vlan none",)
    parents: ClassVar[Mapping[str, str]] = ASKS_ANYWHERE

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"Gi1/0/{number}" for number in range(1, count + 1)]

    def mode_name(self) -> str:
        if self.mode == "config-if":
            return f"config-if-{self.targets[0]}"
        if self.mode == "config-vlan" and len(self.targets) == 1:
            return f"config-vlan{self.targets[0]}"
        return "config-if" if self.mode == "config-if-range" else self.mode

    def misread(self, line: str, reason: str, column: int) -> str:
        if reason == "incomplete" or column == 0:
            return "\nCommand not found / Incomplete command. Use ? to list commands.\n"
        return super().misread(line, reason, column)

    @command("exec", "configure")
    def configure(self) -> str:
        self.enter("config")
        return ""

    @command("config", "stack")
    def stack(self) -> None:
        self.enter("config-stack")

    @command("config-stack", "exit")
    def exit_stack(self) -> None:
        self.enter("config")

    @command("config", "slot <rest>", "snmp-server <rest>")
    def others(self, text: str) -> None:
        """Taken, and of no effect on what a port carries."""

    def no_such_interface(self, text: str) -> str:
        return "An invalid interface has been used for this function.\n"

    def default_stays(self) -> str:
        return "The default VLAN cannot be deleted.\n"

    def save_error(self) -> str:
        return "\nConfiguration Not Saved!\nThe file system is full."

    @command("exec", "copy running-config startup-config", "write memory", "write")
    def copy_running(self) -> Steps:
        answer = yield Ask(
            "\nThis operation may take a few minutes.\n"
            "Management interfaces will not be available during this time.\n\n"
            "Are you sure you want to save? (y/n) ",
            key=True,
        )
        if answer not in "yY":
            return "\nConfiguration Not Saved!"
        yield from self.save()
        return "\nConfiguration Saved!"

    @command("user exec", "show version")
    def show_version(self) -> str:
        return (
            f"\nMachine Description............... Dell EMC Networking {self.device}\n"
            f"System Model ID................... {self.device}\n"
            f"Machine Type...................... Dell EMC Networking {self.device}\n"
            "Serial Number..................... CN0H0F6CX000000000\n\n"
            "unit active      backup      current-active next-active\n"
            "---- ----------- ----------- -------------- --------------\n"
            "1    6.6.0.13    6.5.4.17    6.6.0.13       6.6.0.13"
        )

    @command("user exec", "show vlan")
    def show_vlan(self) -> str:
        lines = [
            "",
            "VLAN   Name                             Ports          Type",
            "-----  ---------------                  -------------  --------------",
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            first, *others = rows_of("", ranges_of(self.members(number)), 0, most=1, join=",")
            kind = "Default" if number == 1 else "Static"
            lines.append(f"{number:<5}  {vlan.name:<32} {first + ',' * bool(others):<14} {kind}")
            lines += [" " * 40 + other for other in others]
        return "\n".join(lines)

    def show_running_interface(self, text: str) -> str:
        return "\n" + super().show_running_interface(text)

    def shown(self, config: Config) -> str:
        lines = [
            "",
            "!Current Configuration:",
            f'!System Description "Dell EMC Networking {self.device}, 6.6.0.13, Linux 4.14.138"',
            "!System Software Version 6.6.0.13",
            "!",
            "configure",
        ]
        ids = set(config.vlans) - {1}
        lines += [f"vlan {format_ids(ids, 2)}", "exit"] if ids else []
        for number, name in self.named_vlans(config).items():
            lines += [f"vlan {number}", f'name "{name}"', "exit"]
        lines += [
            f'hostname "{config.hostname}"',
            "slot 1/0 5    ! Dell EMC Networking",
            "stack",
            "exit",
            "!",
        ]
        for port in config.ports.values():
            shown = self.port_lines(port)
            lines += [f"interface {port.name}", *shown, "exit", "!"] if shown else []
        return "\n".join([*lines, "exit"])

    def port_lines(self, port: Port) -> list[str]:
        lines = []
        if port.description:
            lines.append(f'description "{port.description}"')
        if port.shut:
            lines.append("shutdown")
        if port.mode != "access":
            lines.append(f"switchport mode {port.mode}")
        if port.access != 1:
            lines.append(f"switchport access vlan {port.access}")
        lines += self.general_lines(port)
        if port.native != 1:
            lines.append(f"switchport trunk native vlan {port.native}")
        if port.allowed != ALL:
            lines.append(f"switchport trunk allowed vlan {format_ids(port.allowed, 2) or 'none'}")
        return lines
