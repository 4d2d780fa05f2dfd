"""TP-Link JetStream, by SSH and by telnet.

Its habits: only a carriage return ends a line; an empty line before every prompt; every port has lists of
tagged and untagged VLANs (`switchport general allowed vlan`) beside the VLAN that untagged frames come in on
(`switchport pvid`), and a port must leave VLAN 1 by a line of its own; an unknown VLAN is refused.
"""

from collections.abc import Mapping
from typing import ClassVar

from nm.switch import PortState
from tests.switches.fakes.ciscolike import ASKS_ANYWHERE, Interfaces, Shows, Vlans, rows_of
from tests.switches.fakes.cli import Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import Carried, Config, Port, Vlan, format_ids, general

IFS = "config-if config-if-range"
ONE = frozenset({1})


class TplinkJetstream(Vlans, Interfaces, Shows):
    """A TL-SG3428 with ports gigabitEthernet 1/0/x."""

    dialect = "tplink_jetstream"
    device_type = "tplink_jetstream"
    device = "TL-SG3428"
    kinds: ClassVar[Mapping[str, str]] = {"gigabitEthernet": "gigabitEthernet "}
    telnet = True
    must_enable = True
    user_text = "User:"
    login_failed = "Login invalid."
    bad_secret = "Error: Bad Passwords"
    more = "Press any key to continue (Q to quit)"
    blank = "\r\n"
    return_ends = True
    scrolls = False
    longest_name = 16
    parents: ClassVar[Mapping[str, str]] = ASKS_ANYWHERE

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"gigabitEthernet 1/0/{number}" for number in range(1, count + 1)]

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, mode="general", untagged=ONE)

    @classmethod
    def new_config(cls, hostname: str, ports: object) -> Config:
        config = super().new_config(hostname, ports)  # type: ignore[arg-type]
        config.vlans[1] = Vlan("System-VLAN")
        return config

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        return general(port, port.native)

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        own = {state.untagged} if state.untagged else set()
        port.shut = state.isolated
        port.native = state.untagged or 1
        port.untagged = frozenset(own | ({1, 4094} if state.open else set()))
        port.tagged = frozenset(state.tagged)

    def misread(self, line: str, reason: str, column: int) -> str:
        if reason == "incomplete":
            return "Error: Incomplete command"
        return (
            "-" * (len(self.prompt()) + column)
            + "^\nError: "
            + ("Ambiguous command" if reason == "ambiguous" else "Bad command")
        )

    def bad_vlans(self, text: str) -> str:
        return "Error: Invalid VLAN ID."

    def no_such_interface(self, text: str) -> str:
        return "Error: Invalid port number."

    def default_name(self, number: int) -> str:
        return f"VLAN{number:04d}"

    def default_stays(self) -> str:
        return "Error: The default VLAN cannot be deleted."

    def save_error(self) -> str:
        return "Start to save user config......\nError: Saving user config failed!"

    @command("exec", "enable-admin")
    def enable_admin(self) -> None:
        """Who is an administrator already needs no more."""

    @command("exec", "configure")
    def configure(self) -> str:
        self.enter("config")
        return ""

    def no_vlan(self, text: str) -> str | None:
        super().no_vlan(text)
        ids = self.ids(text)
        for port in self.running.ports.values():
            port.untagged, port.tagged = port.untagged - ids, port.tagged - ids
            if port.native in ids:
                port.native = 1
        return None

    def describe(self, text: str) -> None:
        super().describe(text.strip('"'))

    @command(
        IFS,
        "switchport check ingress",
        "switchport acceptable frame <word>",
        "spanning-tree",
        "no spanning-tree",
    )
    def ignored(self, text: str = "") -> None:
        """Taken, and of no effect on what a port carries."""

    @command(IFS, "switchport general allowed vlan <vlans> tagged")
    def allow_tagged(self, text: str) -> None:
        ids = self.existing(self.ids(text))
        for port in self.ports:
            port.tagged, port.untagged = port.tagged | ids, port.untagged - ids

    @command(IFS, "switchport general allowed vlan <vlans> untagged")
    def allow_untagged(self, text: str) -> None:
        ids = self.existing(self.ids(text))
        for port in self.ports:
            port.tagged, port.untagged = port.tagged - ids, port.untagged | ids

    @command(IFS, "no switchport general allowed vlan <vlans>")
    def disallow(self, text: str) -> None:
        ids = self.ids(text)
        for port in self.ports:
            port.tagged, port.untagged = port.tagged - ids, port.untagged - ids

    @command(IFS, "switchport pvid <vlan>")
    def pvid(self, vlan: str) -> None:
        self.existing(frozenset({int(vlan)}))
        self.set_ports(native=int(vlan))

    def missing_vlan(self, number: int) -> str:
        return f"Error: VLAN {number} does not exist."

    @command("exec", "copy running-config startup-config")
    def copy_running(self) -> Steps:
        yield from self.save()
        return "Start to save user config......\nSaving user config OK!"

    @command("exec", "show system-info")
    def show_system(self) -> str:
        return (
            " System Description   - JetStream 24-Port Gigabit L2+ Managed Switch with 4 SFP Slots\n"
            f" System Name          - {self.running.hostname}\n"
            f" Hardware Version     - {self.device} 2.0\n"
            " Software Version     - 2.0.5 Build 20210831 Rel.65142\n"
            " Serial Number        - 2208104000000"
        )

    @command("exec", "show vlan", "show vlan brief")
    def show_vlan(self) -> str:
        lines = [
            "VLAN  Name                 Status    Ports",
            "----- -------------------- --------- ----------------------------------------",
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            ports = self.running.ports.values()
            untagged = [_short(port) for port in ports if number in port.untagged]
            tagged = [_short(port) for port in ports if number in port.tagged]
            lines += rows_of(f"{number:<5} {vlan.name:<20} active", [*untagged, *tagged], 37)
        return "\n".join(
            [*lines, "", "Primary  Secondary  Type             Ports", "-------  ---------  --------------"]
        )

    @command("exec", "show interface switchport")
    def show_switchport(self) -> str:
        lines = [
            " Port      LAG   Type     PVID   Acceptable frame type    Ingress Checking",
            " -------   ---   ----     ----   ---------------------    ----------------",
        ]
        lines += [
            f" {_short(port):<9} N/A   General  {port.native:<6} All                      Enable"
            for port in self.running.ports.values()
        ]
        return "\n".join(lines)

    @command("exec", "show interface status")
    def show_status(self) -> str:
        lines = [
            " Port      Status      Speed     Duplex    FlowCtrl    Active-Medium",
            " ----      ------      -----     ------    --------    -------------",
        ]
        for port in self.running.ports.values():
            status = "Disable" if port.shut else "LinkDown"
            lines.append(f" {_short(port):<9} {status:<11} N/A       N/A       N/A         Copper")
        return "\n".join(lines)

    def shown(self, config: Config) -> str:
        lines = [f"!{self.device}", "#"]
        for number, vlan in sorted(config.vlans.items()):
            if number != 1:
                lines += [f"vlan {number}", f' name "{vlan.name}"', "#"]
        lines += [f'hostname "{config.hostname}"', "#"]
        for port in config.ports.values():
            lines += [*self.port_lines(port), "#"]
        return "\n".join([*lines, "end"])

    def port_lines(self, port: Port) -> list[str]:
        lines = [f'description "{port.description}"'] if port.description else []
        if port.shut:
            lines.append("shutdown")
        if port.tagged:
            lines.append(f"switchport general allowed vlan {format_ids(port.tagged, 2)} tagged")
        if port.untagged - ONE:
            lines.append(f"switchport general allowed vlan {format_ids(port.untagged - ONE, 2)} untagged")
        if port.native != 1:
            lines.append(f"switchport pvid {port.native}")
        if 1 not in port.untagged | port.tagged:
            lines.append("no switchport general allowed vlan 1")
        return [f"interface {port.name}", *(f"  {line}" for line in lines)]


def _short(port: Port) -> str:
    return port.name.replace("gigabitEthernet ", "Gi")
