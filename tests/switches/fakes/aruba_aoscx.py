"""HPE Aruba AOS-CX (a 6300: ports are switched from the start; where one routes,
`extra["routed"]`, VLANs are refused until `no routing`).

Its habits: `vlan access`, `vlan trunk allowed` (which adds, once it is not `all`); a port on a VLAN that is
deleted goes back to VLAN 1; a trunk that allows nothing more is an access port again; `no page` ends paging.
"""

from collections.abc import Mapping
from typing import ClassVar

from tests.switches.fakes.ciscolike import ASKS_ANYWHERE, Ports, Vlans, ranges_of, rows_of
from tests.switches.fakes.cli import Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import ALL, Carried, Config, Port, Vlan, format_ids, trunk

IFS = "config-if config-if-range"


class ArubaAoscx(Vlans, Ports):
    """A 6300M with ports 1/1/x."""

    dialect = "aruba_aoscx"
    device_type = "aruba_aoscx"
    device = "JL663A 6300M 48G"
    kinds: ClassVar[Mapping[str, str]] = {"": ""}
    more = "-- MORE --, next page: Space, next line: Enter, quit: q"
    without = ("terminal length <number>", "terminal width <number>")
    parents: ClassVar[Mapping[str, str]] = ASKS_ANYWHERE

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"1/1/{number}" for number in range(1, count + 1)]

    @classmethod
    def new_config(cls, hostname: str, ports: object) -> Config:
        config = super().new_config(hostname, ports)  # type: ignore[arg-type]
        config.vlans[1] = Vlan("DEFAULT_VLAN_1")
        return config

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        if port.extra.get("routed"):
            return Carried(shut=port.shut, mode="routed")
        return trunk(port) if port.mode == "trunk" else Carried(port.access, (), port.shut, port.mode)

    def prompt(self) -> str:
        return super().prompt() + " "

    def mode_name(self) -> str:
        if self.mode == "config-if-range":
            return f"config-if-<{','.join(ranges_of(self.targets, full=True))}>"
        if self.mode == "config-vlan":
            ids = format_ids(self.targets, 2)
            return f"config-vlan-{ids}" if len(self.targets) == 1 else f"config-vlan-<{ids}>"
        return self.mode

    def misread(self, line: str, reason: str, column: int) -> str:
        if reason == "incomplete":
            return "% Command incomplete."
        if reason == "ambiguous":
            return "% Ambiguous command."
        return f"Invalid input: {line[column:].partition(' ')[0]}"

    def bad_vlans(self, text: str) -> str:
        return f"Invalid input: {text}"

    def no_such_interface(self, text: str) -> str:
        return f"Invalid input: {text}"

    def default_name(self, number: int) -> str:
        return f"VLAN{number}"

    def default_stays(self) -> str:
        return "Cannot delete default VLAN 1."

    def save_error(self) -> str:
        return "Copying configuration: [Failed]"

    def configure(self) -> str:
        self.enter("config")
        return ""

    @command("user exec", "no page")
    def no_page(self) -> None:
        self.length = 0

    @command("user exec", "page")
    def page(self) -> None:
        self.length = 23

    @command("config", "interface <rest>")
    def interface(self, text: str) -> None:
        names = self.interfaces(text)
        self.enter("config-if" if len(names) == 1 else "config-if-range", names)

    def no_vlan(self, text: str) -> str | None:
        super().no_vlan(text)
        ids = self.ids(text)
        for port in self.running.ports.values():
            port.access = 1 if port.access in ids else port.access
            port.native = 1 if port.native in ids else port.native
            if port.allowed != ALL:
                port.allowed -= ids
        return None

    @command(IFS, "routing")
    def routing(self) -> None:
        self.each_port(lambda port: port.extra.update(routed=True))

    @command(IFS, "no routing")
    def no_routing(self) -> None:
        self.each_port(lambda port: port.extra.pop("routed", None))

    def check_switched(self) -> None:
        """Refused when a port routes: it has no VLANs."""
        if any(port.extra.get("routed") for port in self.ports):
            raise Refused("Operation not allowed on an interface with routing enabled.")

    @command(IFS, "spanning-tree <rest>", "no spanning-tree <rest>")
    def ignored(self, text: str = "") -> None:
        """Taken, and of no effect on what a port carries."""

    @command(IFS, "vlan access <vlan>")
    def access_vlan(self, vlan: str) -> None:
        self.check_switched()
        self.existing(frozenset({int(vlan)}))
        self.set_ports(mode="access", access=int(vlan), native=1, allowed=ALL)

    @command(IFS, "no vlan access", "no vlan access <vlan>")
    def no_access_vlan(self, vlan: str = "") -> None:
        self.set_ports(access=1)

    @command(IFS, "vlan trunk native <vlan>")
    def native_vlan(self, vlan: str) -> None:
        self.check_switched()
        self.existing(frozenset({int(vlan)}))
        self.set_ports(mode="trunk", native=int(vlan), access=1)

    @command(IFS, "no vlan trunk native", "no vlan trunk native <vlan>")
    def no_native_vlan(self, vlan: str = "") -> None:
        self.set_ports(native=1)

    @command(IFS, "vlan trunk allowed <vlans>")
    def allow(self, text: str) -> None:
        self.check_switched()
        ids = self.existing(self.ids(text))
        for port in self.ports:
            port.allowed = ids if port.allowed == ALL else port.allowed | ids
        self.set_ports(mode="trunk", access=1)

    @command(IFS, "vlan trunk allowed all")
    def allow_all(self) -> None:
        self.check_switched()
        self.set_ports(mode="trunk", access=1, allowed=ALL)

    @command(IFS, "no vlan trunk allowed <vlans>")
    def disallow(self, text: str) -> None:
        ids = self.ids(text)
        for port in self.ports:
            port.allowed = port.allowed - ids
            if not port.allowed and port.native == 1:
                port.mode, port.allowed = "access", ALL

    @command(IFS, "no vlan trunk allowed", "no vlan trunk allowed all")
    def allow_none(self) -> None:
        self.set_ports(mode="access", allowed=ALL, native=1)

    def missing_vlan(self, number: int) -> str:
        return f"VLAN {number} not found."

    @command("exec", "write memory", "copy running-config startup-config")
    def write_memory(self) -> Steps:
        yield from self.save()
        return "Copying configuration: [Success]"

    @command("exec", "show version")
    def show_version(self) -> str:
        return (
            "-----------------------------------------------------------------------------\nArubaOS-CX\n"
            "-----------------------------------------------------------------------------\n"
            "Version      : FL.10.08.1010\nBuild Date   : 2022-03-14 20:43:24 UTC\nActive Image : primary"
        )

    @command("exec", "show system")
    def show_system(self) -> str:
        return f"Hostname               : {self.running.hostname}\nProduct Name           : {self.device}"

    @command("exec", "show vlan")
    def show_vlan(self) -> str:
        rule = "-" * 99
        lines = [
            rule,
            "VLAN  Name                              Status  Reason          Type        Interfaces",
            rule,
        ]
        for number, vlan in sorted(self.running.vlans.items()):
            names = ranges_of(self.members(number), full=True)
            status = "up    ok             " if names else "down  no_member_port "
            kind = "default" if number == 1 else "static"
            lines += rows_of(f"{number:<5} {vlan.name:<33} {status:<24}{kind:<12}", names, 76, join=",")
        return "\n".join(lines)

    def members(self, number: int) -> list[str]:
        return [
            port.name
            for port in self.running.ports.values()
            if (number in port.allowed if port.mode == "trunk" else number == port.access)
        ]

    @command("exec", "show running-config")
    def show_running(self) -> str:
        return "Current configuration:\n" + self.shown(self.running)

    @command("exec", "show startup-config")
    def show_startup(self) -> str:
        return "Startup configuration:\n" + self.shown(self.switch.startup)

    @command("exec", "show running-config interface <rest>")
    def show_running_interface(self, text: str) -> str:
        lines = [line for name in self.interfaces(text) for line in self.port_lines(self.running.ports[name])]
        return "\n".join(lines)

    def shown(self, config: Config) -> str:
        lines = [
            "!",
            "!Version ArubaOS-CX FL.10.08.1010",
            "!export-password: default",
            f"hostname {config.hostname}",
        ]
        lines += ["ntp enable", "ssh server vrf default"]
        named = self.named_vlans(config)
        plain = format_ids(set(config.vlans) - set(named), 2)
        lines.append(f"vlan {plain}")
        for number, name in named.items():
            lines += [f"vlan {number}", f"    name {name}"]
        lines += ["spanning-tree", "interface mgmt", "    no shutdown", "    ip dhcp"]
        for port in config.ports.values():
            lines += self.port_lines(port)
        return "\n".join([*lines, "!", "!", "https-server vrf default"])

    def port_lines(self, port: Port) -> list[str]:
        lines = [f"description {port.description}"] if port.description else []
        lines += ["shutdown" if port.shut else "no shutdown"]
        if port.extra.get("routed"):
            return [f"interface {port.name}", *(f"    {line}" for line in lines)]
        lines.append("no routing")
        if port.mode == "trunk":
            allowed = "all" if port.allowed == ALL else format_ids(port.allowed, 2)
            lines += [
                f"vlan trunk native {port.native}",
                *([f"vlan trunk allowed {allowed}"] if allowed else []),
            ]
        else:
            lines.append(f"vlan access {port.access}")
        return [f"interface {port.name}", *(f"    {line}" for line in lines)]
