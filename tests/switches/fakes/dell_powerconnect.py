"""Dell PowerConnect 5500 (a Radlan command line, as Cisco's SMB switches have it).

Its habits: SSH lets everybody in and the terminal asks for name and password; VLANs are made in `vlan
database`; a VLAN must exist before a port joins it; a trunk may have no native VLAN; `terminal datadump`
ends paging; saving asks, and one key is the answer. A trunk allows all until told otherwise, and its
configuration says what it does not (`remove 1-9,11-4094`, as a Dell R1-2401 of the same software prints it);
its native VLAN is none of that list's.
"""

from collections.abc import Mapping
from typing import ClassVar

from nm.switch import PortState
from tests.switches.fakes.ciscolike import ranges_of, rows_of
from tests.switches.fakes.cli import Ask, Refused, Steps
from tests.switches.fakes.dell_os6 import General
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import ALL, Carried, Config, Port, format_ids


class DellPowerconnect(General):
    """A PowerConnect 5548 with ports gi1/0/x."""

    dialect = "dell_powerconnect"
    device_type = "dell_powerconnect"
    device = "PowerConnect 5548"
    kinds: ClassVar[Mapping[str, str]] = {"gigabitethernet": "gi1/0/", "tengigabitethernet": "te1/0/"}
    in_band = True
    must_enable = True
    user_text = "User Name:"
    login_failed = "authentication failed\n"
    bad_secret = "bad password"
    more = "More: <space>,  Quit: q or CTRL+Z, One line: <return> "
    without = (
        "switchport trunk allowed vlan <vlans>",
        "switchport trunk allowed vlan except <vlans>",
        "terminal length <number>",
        "terminal width <number>",
    )

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"gi1/0/{number}" for number in range(1, count + 1)]

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        if port.mode != "trunk":
            return super().carried(config, port)
        every = port.allowed == ALL
        tagged = () if every else tuple(sorted(port.allowed - {port.native}))
        return Carried(port.native, tagged, port.shut, port.mode, open=every)

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        super().put(port, state)
        port.native = state.untagged if port.mode == "trunk" else 1

    def interface_name(self, text: str) -> str | None:
        word, _, number = text.replace(" ", "").lower().partition("1/0/")
        names = (f"{start}{number}" for kind, start in self.kinds.items() if word and kind.startswith(word))
        return next((name for name in names if name in self.running.ports), None)

    def mode_name(self) -> str:
        return "config-if" if self.mode == "config-if-range" else self.mode

    def misread(self, line: str, reason: str, column: int) -> str:
        if reason == "incomplete":
            return "% missing mandatory parameter"
        if reason == "ambiguous":
            return "% Ambiguous command"
        return "% Unrecognized command" if column == 0 else "% bad parameter value"

    def bad_vlans(self, text: str) -> str:
        return "% Wrong number of parameters or invalid range, size or characters entered"

    def missing_vlan(self, number: int) -> str:
        return "VLAN was not created by user."

    def no_such_interface(self, text: str) -> str:
        return "% bad parameter value"

    def default_name(self, number: int) -> str:
        return str(number)

    @command("user exec", "terminal datadump")
    def datadump(self) -> None:
        self.length = 0

    @command("user exec", "no terminal datadump")
    def no_datadump(self) -> None:
        self.length = 24

    @command("exec", "configure")
    def configure(self) -> str:
        self.enter("config")
        return ""

    @command("config", "vlan database")
    def vlan_database(self) -> None:
        self.enter("config-vlan")

    @command("config-vlan", "vlan <vlans>")
    def vlan(self, text: str) -> None:
        self.make_vlans(self.ids(text))

    @command("config-vlan", "no vlan <vlans>")
    def no_vlan(self, text: str) -> None:
        ids = self.ids(text)
        if 1 in ids:
            raise Refused("Default VLAN can not be deleted.")
        for number in self.existing(ids):
            del self.running.vlans[number]
        for port in self.running.ports.values():  # whoever was on it falls back to the default VLAN
            port.access = 1 if port.access in ids else port.access
            port.untagged, port.tagged = port.untagged - ids, port.tagged - ids

    @command("config-if config-if-range", "switchport trunk native vlan none")
    def native_none(self) -> None:
        self.set_ports(native=None)

    def native_vlan(self, vlan: str) -> None:
        self.existing(frozenset({int(vlan)}))
        super().native_vlan(vlan)

    def allow(self, text: str) -> None:
        self.existing(self.ids(text))
        super().allow(text)

    @command("config-if config-if-range", "switchport access vlan none")
    def access_none(self) -> None:
        self.set_ports(access=None)

    def save_error(self) -> str:
        return "Copy failed: no space left on the flash"

    @command("exec", "copy running-config startup-config", "write memory", "write")
    def copy_running(self) -> Steps:
        answer = yield Ask("Overwrite file [startup-config].... (Y/N)[N] ?", key=True)
        if answer not in "yY":
            return None
        yield from self.save()
        return (
            "30-Nov-2026 08:00:00 %COPY-I-FILECPY: Files Copy - source URL running-config destination URL "
            "flash://startup-config\n"
            "30-Nov-2026 08:00:01 %COPY-N-TRAP: The copy operation was completed successfully\n"
            "Copy succeeded"
        )

    @command("exec", "show version")
    def show_version(self) -> str:
        return (
            "SW version    4.1.0.1 ( date  22-Feb-2012 time  16:35:23 )\n"
            "Boot version    1.0.0.19\nHW version    00.00.02"
        )

    @command("exec", "show system")
    def show_system(self) -> str:
        return (
            f"System Description:                       {self.device}\nSystem Name:   {self.running.hostname}"
        )

    @command("exec", "show vlan")
    def show_vlan(self) -> str:
        lines = [
            "",
            "Vlan       Name                   Ports                Type     Authorization ",
            "---- ----------------- --------------------------- ------------ ------------- ",
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            first, *others = rows_of("", ranges_of(self.members(number)), 0, most=2, join=",")
            kind = "other" if number == 1 else "permanent"
            lines.append(
                f" {number:<4}{vlan.name:^17} {first + ',' * bool(others):^27} {kind:^12}   Required"
            )
            lines += [" " * 23 + f"{other:^27}" for other in others]
        return "\n".join(lines)

    def shown(self, config: Config) -> str:
        lines = []
        ids = set(config.vlans) - {1}
        lines += ["vlan database", f"vlan {format_ids(ids, 2)}", "exit"] if ids else []
        lines.append(f"hostname {config.hostname}")
        for port in config.ports.values():
            shown = self.port_lines(port)
            lines += [*shown, "!"] if len(shown) > 2 else []
        return "\n".join([*lines, "exit"])

    def port_lines(self, port: Port) -> list[str]:
        lines = []
        if port.description:
            lines.append(f"description {port.description}")
        if port.shut:
            lines.append("shutdown")
        if port.mode != "access":
            lines.append(f"switchport mode {port.mode}")
        if port.access != 1:
            lines.append(f"switchport access vlan {port.access or 'none'}")
        lines += self.general_lines(port)
        if port.native != 1:
            lines.append(f"switchport trunk native vlan {port.native or 'none'}")
        if port.allowed != ALL:
            lines.append(f"switchport trunk allowed vlan remove {format_ids(ALL - port.allowed, 2)}")
        number = port.name.removeprefix("gi")
        return [f"interface gigabitethernet{number}", *(f" {line}" for line in lines), "exit"]
