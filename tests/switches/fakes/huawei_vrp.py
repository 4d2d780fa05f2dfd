"""Huawei VRP 5, as on S5700 switches.

Its habits: prompts in brackets, `<sw1>` and `[sw1-GigabitEthernet0/0/1]`; `undo` for `no`, `quit` for `exit`,
and no view takes the commands of another; a factory-new port is a hybrid one, which may turn into a trunk; a
trunk must be as it was at the factory before it is anything else; lists of VLANs as `101 to 103 105`.
"""

import re
from collections.abc import Iterable

from tests.switches.fakes.cli import Ask, Cli, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import ALL, Carried, Config, Port, Vlan, runs, trunk

VIEWS = "config config-if config-vlan"
ONE = frozenset({1})


class HuaweiVrp(Cli):
    """An S5720 with ports GigabitEthernet0/0/x."""

    dialect = "huawei_vrp"
    device_type = "huawei"
    first_mode = enabled_mode = "exec"
    more = "  ---- More ----"

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"GigabitEthernet0/0/{number}" for number in range(1, count + 1)]

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, mode="hybrid", allowed=ONE)

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        if port.mode == "access":
            return Carried(port.access, (), port.shut, port.mode)
        return trunk(port) if port.mode == "trunk" else Carried(1, (), port.shut, port.mode, open=True)

    def prompt(self) -> str:
        name = self.running.hostname
        if self.mode == "exec":
            return f"<{name}>"
        target = self.targets[0]
        where = {"config-if": f"-{target}", "config-vlan": f"-vlan{target}"}
        return f"[{name}{where.get(self.mode, '')}]"

    def enter(self, mode: str, targets: Iterable[object] = ()) -> None:
        super().enter(mode, [*targets] or [""])

    def misread(self, line: str, reason: str, column: int) -> str:
        words = {"incomplete": "Incomplete command", "ambiguous": "Ambiguous command"}
        caret = " " * (len(self.prompt()) + column) + "^"
        return f"{caret}\nError: {words.get(reason, 'Unrecognized command')} found at '^' position."

    def save_error(self) -> str:
        return "Error: Failed to save the configuration: there is not enough space."

    @property
    def here(self) -> Port:
        return self.ports[0]

    @command("exec", "screen-length <number> temporary")
    def screen_length(self, lines: str) -> str:
        self.length = int(lines)
        return "Info: The configuration takes effect on the current user terminal interface only."

    @command("exec", "system-view")
    def system_view(self) -> str:
        self.enter("config")
        return "Enter system view, return user view with return command."

    @command("exec", "quit")
    def leave(self) -> None:
        self.closed = True

    @command(VIEWS, "quit")
    def quit(self) -> None:
        self.enter("exec" if self.mode == "config" else "config")

    @command(VIEWS, "return")
    def to_user_view(self) -> None:
        self.enter("exec")

    # VLANs

    @command("config", "vlan <vlan>")
    def vlan(self, text: str) -> None:
        self.running.vlans.setdefault(int(text), Vlan(f"VLAN {int(text):04d}"))
        self.enter("config-vlan", [int(text)])

    @command("config", "undo vlan <vlan>")
    def no_vlan(self, text: str) -> None:
        number = int(text)
        if number == 1:
            raise Refused("Error: The default VLAN cannot be deleted.")
        if number not in self.running.vlans:
            raise Refused("Error: The VLAN does not exist.")
        del self.running.vlans[number]
        for port in self.running.ports.values():
            port.access = 1 if port.access == number else port.access
            port.native = 1 if port.native == number else port.native
            port.allowed = port.allowed if port.allowed == ALL else port.allowed - {number}

    # ports

    @command("config", "interface <word>")
    def interface(self, name: str) -> None:
        found = [port for port in self.running.ports if port.lower() == name.lower()]
        if not found:
            raise Refused("Error: Wrong parameter found at '^' position.")
        self.enter("config-if", found)

    @command("config-if", "shutdown")
    def shutdown(self) -> None:
        self.here.shut = True

    @command("config-if", "undo shutdown")
    def no_shutdown(self) -> None:
        self.here.shut = False

    @command("config-if", "port link-type <word>")
    def link_type(self, mode: str) -> None:
        if mode not in ("access", "trunk", "hybrid"):
            raise Refused("Error: Wrong parameter found at '^' position.")
        if (
            self.here.mode == "trunk"
            and mode != "trunk"
            and (self.here.allowed, self.here.native) != (ONE, 1)
        ):
            raise Refused("Error: Please renew the default configurations.")
        self.here.mode = mode

    @command("config-if", "port default vlan <vlan>")
    def default_vlan(self, text: str) -> None:
        self.must_be("access")
        if int(text) not in self.running.vlans:
            raise Refused("Error: The VLAN does not exist.")
        self.here.access = int(text)

    @command("config-if", "undo port default vlan", "undo port default vlan <vlan>")
    def no_default_vlan(self, text: str = "") -> None:
        self.must_be("access")
        self.here.access = 1

    @command("config-if", "port trunk allow-pass vlan <rest>")
    def allow(self, text: str) -> None:
        self.must_be("trunk")
        self.here.allowed |= ids(text)

    @command("config-if", "undo port trunk allow-pass vlan <rest>")
    def disallow(self, text: str) -> None:
        self.must_be("trunk")
        self.here.allowed -= ids(text)

    @command("config-if", "port trunk pvid vlan <vlan>")
    def pvid(self, text: str) -> None:
        self.must_be("trunk")
        self.here.native = int(text)

    @command("config-if", "undo port trunk pvid vlan")
    def no_pvid(self) -> None:
        self.must_be("trunk")
        self.here.native = 1

    def must_be(self, mode: str) -> None:
        """Refused when the port is of another mode."""
        if self.here.mode != mode:
            raise Refused(f"Error: The port is not {'an' if mode == 'access' else 'a'} {mode} port.")

    # showing and saving

    @command("exec", "save")
    def save_it(self) -> Steps:
        yes = yield Ask(
            "The current configuration will be written to the device.\nAre you sure to continue?[Y/N]"
        )
        if yes.lower() != "y":
            return None
        yield from self.save()
        return "Now saving the current configuration to the slot 0.\nSave the configuration successfully."

    @command(f"exec {VIEWS}", "display version")
    def show_version(self) -> str:
        return (
            "Huawei Versatile Routing Platform Software\n"
            "VRP (R) software, Version 5.170 (S5720 V200R019C10SPC500)\n"
            "HUAWEI S5720-52X-SI-AC Routing Switch uptime is 2 weeks, 1 day, 3 hours, 9 minutes"
        )

    @command(f"exec {VIEWS}", "display current-configuration")
    def show_running(self) -> str:
        config = self.running
        lines = ["!Software Version V200R019C10SPC500", "#", f"sysname {config.hostname}", "#"]
        made = text_of({*config.vlans} - {1})
        lines += [f"vlan batch {made}", "#"] if made else []
        lines += ["interface Vlanif1", " ip address 192.0.2.1 255.255.255.0", "#"]
        for port in config.ports.values():
            lines += [f"interface {port.name}", *(f" {line}" for line in self.port_lines(port)), "#"]
        return "\n".join([*lines, "return"])

    def port_lines(self, port: Port) -> list[str]:
        lines = [f"port link-type {port.mode}"] if port.mode != "hybrid" else []
        if port.mode == "access" and port.access != 1:
            lines.append(f"port default vlan {port.access}")
        if port.mode == "trunk":
            lines += [f"port trunk pvid vlan {port.native}"] if port.native != 1 else []
            lines += ["undo port trunk allow-pass vlan 1"] if 1 not in port.allowed else []
            named = text_of(port.allowed - {1})
            lines += [f"port trunk allow-pass vlan {named}"] if named else []
        return [*lines, "shutdown"] if port.shut else lines


def ids(text: str) -> frozenset[int]:
    """`2 to 4094` as a set; Refused when it is no list of VLANs."""
    if not re.fullmatch(r"\d+( to \d+)?( \d+( to \d+)?)*", text):
        raise Refused("Error: Wrong parameter found at '^' position.")
    found: set[int] = set()
    for low, high in re.findall(r"(\d+)(?: to (\d+))?", text):
        found.update(range(int(low), int(high or low) + 1))
    return frozenset(found)


def text_of(numbers: Iterable[int]) -> str:
    """The set as `101 to 103 105`."""
    return " ".join(f"{low}" if low == high else f"{low} to {high}" for low, high in runs(numbers))
