"""What command lines that look like Cisco's have in common: modes, enabling, the terminal, rejections."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from tests.switches.fakes.cli import Ask, Cli, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.state import ALL, Config, Port, Vlan, format_ids, parse_ids, runs

ASKS_ANYWHERE = {  # commands of the exec mode are taken while configuring too
    "config": "exec",
    "config-if": "config",
    "config-if-range": "config",
    "config-vlan": "config",
}


class CiscoLike(Cli):
    """Modes: user, exec, config and what is below it."""

    device: ClassVar[str] = "switch"  # its model
    bad_secret: ClassVar[str] = "% Bad secrets\n"
    kinds: ClassVar[Mapping[str, str]] = {}  # word for a kind of interface -> how its ports' names begin
    parents: ClassVar[Mapping[str, str]] = {
        "config-if": "config",
        "config-if-range": "config",
        "config-vlan": "config",
    }
    longest_in_config: ClassVar[int] = (
        1000  # characters of the host name that a prompt of configuration shows
    )
    scrolls = True

    def prompt(self) -> str:
        name = self.running.hostname
        if self.mode == "user":
            return f"{name}>"
        if self.mode == "exec":
            return f"{name}#"
        return f"{name[: self.longest_in_config]}({self.mode_name()})#"

    def mode_name(self) -> str:
        """What the prompt calls the mode."""
        return self.mode

    def misread(self, line: str, reason: str, column: int) -> str:
        if reason == "ambiguous":
            return f'% Ambiguous command:  "{line}"'
        if reason == "incomplete":
            return "% Incomplete command.\n"
        caret = " " * (len(self.prompt()) + column) + "^"
        return f"{caret}\n% Invalid input detected at '^' marker.\n"

    @command("user", "enable")
    def enable(self) -> Steps:
        tries = 0
        while self.switch.enable is not None:
            answer = yield Ask("Password: ", echo=False)
            if answer == self.switch.enable:
                break
            tries += 1
            if tries == 3:
                return self.bad_secret
        self.enter(self.enabled_mode)
        return None

    @command("exec", "enable")
    def enable_again(self) -> None:
        """Already privileged."""

    @command("exec", "disable")
    def disable(self) -> None:
        self.mode = self.first_mode

    @command("user exec", "exit", "logout", "quit")
    def leave(self) -> None:
        self.closed = True

    @command("exec", "configure terminal")
    def configure(self) -> str:
        self.enter("config")
        return "Enter configuration commands, one per line.  End with CNTL/Z."

    @command("config config-if config-if-range config-vlan", "end")
    def end(self) -> None:
        self.enter("exec")

    @command("config", "exit")
    def exit_config(self) -> None:
        self.enter("exec")

    @command("config-if config-if-range config-vlan", "exit")
    def exit_submode(self) -> None:
        self.enter("config")

    @command("user exec", "terminal length <number>")
    def terminal_length(self, lines: str) -> str | None:
        self.length = int(lines)
        return None

    @command("user exec", "terminal width <number>")
    def terminal_width(self, columns: str) -> str | None:
        self.width = int(columns)
        return None

    @command("config", "hostname <word>")
    def hostname(self, name: str) -> None:
        self.running.hostname = name.strip("\"'")

    # ports

    def interface_name(self, text: str) -> str | None:
        """The full spelling of an interface of this switch; None when it has no such thing."""
        found = re.fullmatch(r"\s*([A-Za-z]*)\s*(\d[\d/:.]*)\s*", text)
        if found is None:
            return None
        given, number = found[1].lower(), found[2]
        names = (f"{start}{number}" for kind, start in self.kinds.items() if kind.lower().startswith(given))
        return next(
            (name for name in names if name in self.running.ports and (given or name == number)), None
        )

    def interfaces(self, text: str) -> list[str]:
        """The interfaces of a list with ranges, `Gi1/0/1 - 4 , Gi1/0/7`; Refused when one does not exist."""
        names: list[str] = []
        kind = ""
        for piece in text.split(","):
            first, _, last = piece.strip().partition("-")
            kind = re.match(r"[A-Za-z]*", first)[0] or kind  # type: ignore[index]
            first = first.strip() if first[:1].isalpha() else kind + first.strip()
            names += self._run_of(first, last.strip())
        return names

    def _run_of(self, first: str, last: str) -> Iterable[str]:
        name = self.interface_name(first)
        if name is None:
            raise Refused(self.no_such_interface(first))
        if not last:
            return [name]
        head, low = re.fullmatch(r"(.*?)(\d+)", name).groups()  # type: ignore[union-attr]
        high = re.search(r"\d+$", last)
        run = [f"{head}{number}" for number in range(int(low), int(high[0]) + 1)] if high else []
        missing = [each for each in run if each not in self.running.ports]
        if missing or not run:
            raise Refused(self.no_such_interface(f"{first}-{last}"))
        return run

    def no_such_interface(self, text: str) -> str:
        """The vendor's words for an interface that is not there."""
        return "% Invalid interface type and number"

    def one_interface(self, text: str) -> str:
        """The full spelling of an interface; Refused when there is no such thing."""
        name = self.interface_name(text)
        if name is None:
            raise Refused(self.no_such_interface(text))
        return name

    def each_port(self, change: Callable[[Port], object]) -> None:
        """Change every port that the mode is about."""
        for port in self.ports:
            change(port)

    def set_ports(self, **values: object) -> None:
        """Set attributes of every port that the mode is about."""
        for port in self.ports:
            for key, value in values.items():
                setattr(port, key, value)

    # VLANs

    def ids(self, text: str) -> frozenset[int]:
        """A list of VLANs; Refused when one is out of range."""
        try:
            return parse_ids(text)
        except ValueError:
            raise Refused(self.bad_vlans(text)) from None

    def bad_vlans(self, text: str) -> str:
        """The vendor's words for a list of VLANs that is none."""
        return "Command rejected: Bad VLAN list"

    def existing(self, ids: frozenset[int]) -> frozenset[int]:
        """These VLANs; Refused when one does not exist."""
        missing = ids - set(self.running.vlans)
        if missing:
            raise Refused(self.missing_vlan(min(missing)))
        return ids

    def missing_vlan(self, number: int) -> str:
        """The vendor's words for a VLAN that does not exist."""
        raise AssertionError

    def default_name(self, number: int) -> str:
        """What a VLAN is called that was given no name."""
        return f"VLAN{number:04d}"

    def make_vlans(self, ids: Iterable[int]) -> None:
        """Let these VLANs exist."""
        for number in sorted(ids):
            self.running.vlans.setdefault(number, Vlan(self.default_name(number)))


class Ports(CiscoLike):
    """What is said of a port, whatever it carries."""

    @command("config-if config-if-range", "shutdown")
    def shutdown(self) -> None:
        self.set_ports(shut=True)

    @command("config-if config-if-range", "no shutdown")
    def no_shutdown(self) -> None:
        self.set_ports(shut=False)

    @command("config-if config-if-range", "description <rest>")
    def describe(self, text: str) -> None:
        self.set_ports(description=text)

    @command("config-if config-if-range", "no description")
    def no_description(self) -> None:
        self.set_ports(description="")


class Interfaces(Ports):
    """`interface` goes to one of them, `interface range` to several."""

    @command("config", "interface range <rest>")
    def interface_range(self, text: str) -> None:
        self.enter("config-if-range", self.interfaces(text))

    @command("config", "interface <rest>")
    def interface(self, text: str) -> None:
        self.enter("config-if", [self.one_interface(text)])


class Shows(CiscoLike):
    """The configuration as it is printed, whole or of one port."""

    def shown(self, config: Config) -> str:
        """All of it."""
        raise AssertionError

    def port_lines(self, port: Port) -> list[str]:
        """What it says of a port."""
        raise AssertionError

    @command("exec", "show running-config")
    def show_running(self) -> str:
        return self.shown(self.running)

    @command("exec", "show startup-config")
    def show_startup(self) -> str:
        return self.shown(self.switch.startup)

    @command("exec", "show running-config interface <rest>")
    def show_running_interface(self, text: str) -> str:
        return "\n".join(self.port_lines(self.running.ports[self.one_interface(text)]))


class Switchports(Ports):
    """`switchport ...` as IOS, NX-OS and EOS have it in common."""

    @command("config-if config-if-range", "switchport mode access")
    def mode_access(self) -> str | None:
        self.set_ports(mode="access")
        return None

    @command("config-if config-if-range", "switchport mode trunk")
    def mode_trunk(self) -> str | None:
        self.set_ports(mode="trunk")
        return None

    @command("config-if config-if-range", "switchport access vlan <vlan>")
    def access_vlan(self, vlan: str) -> str | None:
        self.set_ports(access=int(vlan))
        return None

    @command("config-if config-if-range", "no switchport access vlan", "no switchport access vlan <vlan>")
    def no_access_vlan(self, vlan: str = "") -> None:
        self.set_ports(access=1)

    @command("config-if config-if-range", "switchport trunk native vlan <vlan>")
    def native_vlan(self, vlan: str) -> None:
        self.set_ports(native=int(vlan))

    @command(
        "config-if config-if-range",
        "no switchport trunk native vlan",
        "no switchport trunk native vlan <vlan>",
    )
    def no_native_vlan(self, vlan: str = "") -> None:
        self.set_ports(native=1)

    @command("config-if config-if-range", "switchport trunk allowed vlan <vlans>")
    def allowed(self, text: str) -> None:
        self.set_ports(allowed=self.ids(text))

    @command("config-if config-if-range", "switchport trunk allowed vlan add <vlans>")
    def allow(self, text: str) -> None:
        ids = self.ids(text)
        self.each_port(lambda port: setattr(port, "allowed", port.allowed | ids))

    @command("config-if config-if-range", "switchport trunk allowed vlan remove <vlans>")
    def disallow(self, text: str) -> None:
        ids = self.ids(text)
        self.each_port(lambda port: setattr(port, "allowed", port.allowed - ids))

    @command("config-if config-if-range", "switchport trunk allowed vlan except <vlans>")
    def allow_others(self, text: str) -> None:
        self.set_ports(allowed=ALL - self.ids(text))

    @command("config-if config-if-range", "switchport trunk allowed vlan none")
    def allow_none(self) -> None:
        self.set_ports(allowed=frozenset())

    @command(
        "config-if config-if-range",
        "switchport trunk allowed vlan all",
        "no switchport trunk allowed vlan",
    )
    def allow_all(self) -> None:
        self.set_ports(allowed=ALL)

    def allowed_lines(self, port: Port, shortest: int = 3, longest: int = 60) -> list[str]:
        """The lines of the configuration that say what a trunk allows; a long list takes several."""
        if port.allowed == ALL:
            return []
        if not port.allowed:
            return ["switchport trunk allowed vlan none"]
        lines, line = [], ""
        for piece in format_ids(port.allowed, shortest).split(","):
            if len(line) + len(piece) > longest:
                lines.append(line)
                line = ""
            line += f",{piece}" if line else piece
        words = ["switchport trunk allowed vlan", *["switchport trunk allowed vlan add"] * len(lines)]
        return [f"{word} {text}" for word, text in zip(words, [*lines, line], strict=True)]


class Vlans(CiscoLike):
    """`vlan N`, `name`, `no vlan N`, at once."""

    longest_name: ClassVar[int] = 32

    @command("config", "vlan <vlans>")
    def vlan(self, text: str) -> str | None:
        ids = self.ids(text)
        self.make_vlans(ids)
        self.enter("config-vlan", sorted(ids))
        return None

    @command("config", "no vlan <vlans>")
    def no_vlan(self, text: str) -> str | None:
        ids = self.ids(text)
        if 1 in ids:
            raise Refused(self.default_stays())
        for number in ids:
            self.running.vlans.pop(number, None)
        return None

    def default_stays(self) -> str:
        """The vendor's words for deleting VLAN 1."""
        return "%Default VLAN 1 may not be deleted."

    @command("config-vlan", "name <word>")
    def name_vlan(self, name: str) -> str | None:
        name = name.strip("\"'")
        if len(name) > self.longest_name:
            raise Refused(self.misread(f"name {name}", "invalid", 5))
        for number in self.targets:
            self.running.vlans[number].name = name
        return None

    @command("config-vlan", "no name")
    def no_name(self) -> None:
        for number in self.targets:
            self.running.vlans[number].name = self.default_name(number)

    def named_vlans(self, config: Config) -> dict[int, str]:
        """The VLANs that were given a name."""
        return {
            number: vlan.name
            for number, vlan in sorted(config.vlans.items())
            if number != 1 and vlan.name != self.default_name(number)
        }


def rows_of(head: str, names: Sequence[str], indent: int, most: int = 4, join: str = ", ") -> list[str]:
    """A row of a table whose last column is a list of names, which goes on in further rows."""
    lists = [join.join(names[at : at + most]) for at in range(0, len(names), most)] or [""]
    return [f"{head:<{indent}}{lists[0]}".rstrip(), *(" " * indent + each for each in lists[1:])]


def ranges_of(names: Sequence[str], full: bool = False) -> list[str]:
    """Ports as ranges: Gi1/0/1-4 of its four (with full: 1/1/1-1/1/4)."""
    by_head: dict[str, list[int]] = {}
    for name in names:
        head, last = re.fullmatch(r"(.*?)(\d+)", name).groups()  # type: ignore[union-attr]
        by_head.setdefault(head, []).append(int(last))
    found = []
    for head, numbers in by_head.items():
        again = re.sub(r"^[A-Za-z ]*", "", head) if full else ""
        found += [
            f"{head}{low}" if low == high else f"{head}{low}-{again}{high}" for low, high in runs(numbers)
        ]
    return found
