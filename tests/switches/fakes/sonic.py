"""Community SONiC: `config` and `show`, which are Click's, in a bash.

Its habits: every command has effect at once and ends with a status; usage errors and refusals end with 2.
A port is untagged member of one VLAN at most, and must have left a VLAN before it can join another untagged;
a VLAN goes only when it has no members. There is no VLAN 1. A factory-new port is up and on no VLAN (a
routed port); one with an address (`extra["ip"]`, as the preset t1 gives all) can join no VLAN. Lists of
VLANs, with -m, are worked through up to the first that is refused. `config interface shutdown` takes lists
and ranges, of whose ports it passes over those that are not there.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from nm.switch import PortState
from tests.switches.fakes.cli import Ask, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.shell import Failed, Shell
from tests.switches.fakes.state import Carried, Config, Port, Vlan

MULTIPLE = {"-m": "multiple", "--multiple": "multiple"}
MEMBER = {**MULTIPLE, "-u": "untagged", "--untagged": "untagged", "-e": "except", "--except_flag": "except"}
LANES = 4  # a port; ports are numbered by their first one


class Sonic(Shell):
    """A switch of ports Ethernet0, Ethernet4, ..., or as told."""

    dialect = "sonic"
    programs = ("config", "show")
    opens = False
    banner = "Linux sonic 6.1.0-11-2-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.38-4 (2023-08-08) x86_64"
    usages: ClassVar[dict[str, str]] = {
        "config vlan add": "<vid>",
        "config vlan del": "<vid>",
        "config vlan member add": "<vid> port",
        "config vlan member del": "<vid> <port>",
        "config interface shutdown": "<interface_name>",
        "config interface startup": "<interface_name>",
        "config interface ip add": "<interface_name> <ip_addr> <default gateway IP address>",
        "config interface ip remove": "<interface_name> <ip_addr>",
    }

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"Ethernet{LANES * number}" for number in range(count)]

    @classmethod
    def new_config(cls, hostname: str, ports: Sequence[str]) -> Config:
        config = super().new_config(hostname, ports)
        config.vlans = {}
        return config

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        mode = "trunk" if port.untagged or port.tagged else "routed"
        return Carried(min(port.untagged, default=None), tuple(sorted(port.tagged)), port.shut, mode)

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        port.shut = state.isolated
        port.untagged = frozenset([state.untagged] if state.untagged else [])
        port.tagged = frozenset(state.tagged)

    def configures(self, line: str) -> bool:
        return bool(re.match(r"(sudo )?config (?!save)", line))

    # how Click speaks

    def misread(self, line: str, reason: str, at: int) -> str:
        words = line.split()
        known = " ".join(words[:at])
        if reason == "incomplete" and known in self.usages:
            missing = self.usages[known].split()[0]
            return self.usage(known, f'Missing argument "{missing}".')
        if reason == "incomplete":
            return f"Usage: {known} [OPTIONS] COMMAND [ARGS]..."
        given = words[at] if at < len(words) else ""
        said = f'No such command "{given}".'
        if reason == "ambiguous":
            said = f"Too many matches: {given}"
        return f'Usage: {known} [OPTIONS] COMMAND [ARGS]...\nTry "{known} -h" for help.\n\nError: {said}'

    def usage(self, what: str, message: str) -> str:
        return f'Usage: {what} [OPTIONS] {self.usages[what]}\nTry "{what} -h" for help.\n\nError: {message}'

    def fail(self, what: str, message: str) -> Failed:
        return Failed(self.usage(what, message), 2)

    def parsed(self, what: str, text: str, options: dict[str, str], count: int) -> tuple[set[str], list[str]]:
        """The options that are given, and exactly so many arguments."""
        self.need_root()
        given: set[str] = set()
        arguments: list[str] = []
        for word in text.split():
            if word in options:
                given.add(options[word])
            elif word.startswith("-"):
                raise self.fail(what, f"no such option: {word}")
            else:
                arguments.append(word)
        names = self.usages[what].split()
        if len(arguments) < count:
            raise self.fail(what, f'Missing argument "{names[len(arguments)]}".')
        if len(arguments) > count:
            raise self.fail(what, f"Got unexpected extra argument ({' '.join(arguments[count:])})")
        return given, arguments

    def need_root(self) -> None:
        if not self.root:
            raise Refused("Root privileges are required for this operation")

    # VLANs

    def vids(self, what: str, text: str, multiple: bool) -> list[int]:
        """The VLANs of an argument: one number, or with -m a list."""
        if not multiple:
            return [self.vid(what, text)]
        found: set[int] = set()
        for piece in text.split(","):
            low, dash, high = piece.partition("-")
            found.update(self.span(what, low, high) if dash else [self.vid(what, piece)])
        return sorted(found)

    def vid(self, what: str, text: str) -> int:
        if not text.isdigit():
            raise self.fail(what, f"{text} is not integer")
        return int(text)

    def span(self, what: str, low: str, high: str) -> Iterable[int]:
        first, last = self.vid(what, low), self.vid(what, high)
        if 1 in (first, last):
            raise self.fail(what, "Vlan1 is default vlan")
        if first >= last:
            raise self.fail(what, f"{first} is greater than {last}. List cannot be generated")
        if not 1 <= first <= last <= 4094:
            raise self.fail(what, "Invalid VLAN ID must be in (2-4094)")
        return range(first, last + 1)

    def check_range(self, what: str, vid: int) -> None:
        if not 1 <= vid <= 4094:
            raise self.fail(what, f"Invalid VLAN ID {vid} (2-4094)")

    def check_exists(self, what: str, vid: int) -> None:
        if vid not in self.running.vlans:
            raise self.fail(what, f"Vlan{vid} does not exist")

    @command("shell", "config vlan add <rest>")
    def vlan_add(self, text: str) -> None:
        what = "config vlan add"
        given, (argument,) = self.parsed(what, text, MULTIPLE, 1)
        for vid in self.vids(what, argument, bool(given)):
            self.check_range(what, vid)
            if vid == 1:
                raise self.fail(what, "Vlan1 is default VLAN")
            if vid in self.running.vlans:
                raise self.fail(what, f"Vlan{vid} already exists.")
            self.running.vlans[vid] = Vlan(f"Vlan{vid}")

    @command("shell", "config vlan del <rest>")
    def vlan_del(self, text: str) -> None:
        what = "config vlan del"
        given, (argument,) = self.parsed(what, text, MULTIPLE, 1)
        for vid in self.vids(what, argument, bool(given)):
            self.check_range(what, vid)
            self.check_exists(what, vid)
            if any(vid in port.untagged | port.tagged for port in self.running.ports.values()):
                said = f"VLAN ID {vid} can not be removed. First remove all members assigned to this VLAN."
                raise self.fail(what, said)
            del self.running.vlans[vid]

    def member_vids(self, what: str, given: set[str], text: str, all_of: Iterable[int]) -> list[int]:
        if text == "all":
            return sorted(all_of)
        named = self.vids(what, text, "multiple" in given)
        return sorted(set(all_of) - set(named)) if "except" in given else named

    @command("shell", "config vlan member add <rest>")
    def member_add(self, text: str) -> None:
        what = "config vlan member add"
        given, (argument, name) = self.parsed(what, text, MEMBER, 2)
        vids = self.member_vids(what, given, argument, self.running.vlans)
        untagged = "untagged" in given
        if untagged and (given - {"untagged"} or argument == "all"):
            raise self.fail(what, f"{name} cannot have more than one untagged Vlan.")
        for vid in vids:
            if vid == 1:
                raise self.fail(what, "Vlan1 is default VLAN")
            self.check_range(what, vid)
            self.check_exists(what, vid)
            port = self.running.ports.get(name)
            if port is None:
                raise self.fail(what, f"{name} does not exist")
            if vid in port.untagged | port.tagged:
                raise self.fail(what, f"{name} is already a member of Vlan{vid}")
            if port.extra.get("ip"):
                raise self.fail(what, f"{name} is a router interface!")
            if untagged and port.untagged:
                raise self.fail(what, f"{name} is already untagged member!")
            if untagged:
                port.untagged |= {vid}
            else:
                port.tagged |= {vid}

    @command("shell", "config vlan member del <rest>")
    def member_del(self, text: str) -> None:
        what = "config vlan member del"
        given, (argument, name) = self.parsed(what, text, MEMBER, 2)
        port = self.running.ports.get(name, Port(name))
        for vid in self.member_vids(what, given, argument, port.untagged | port.tagged):
            self.check_range(what, vid)
            self.check_exists(what, vid)
            if vid not in port.untagged | port.tagged:
                raise self.fail(what, f"{name} is not a member of Vlan{vid}")
            port.untagged -= {vid}
            port.tagged -= {vid}

    # interfaces

    @command("shell", "config interface shutdown <rest>")
    def shutdown(self, text: str) -> None:
        self.switch_ports("config interface shutdown", text, shut=True)

    @command("shell", "config interface startup <rest>")
    def startup(self, text: str) -> None:
        self.switch_ports("config interface startup", text, shut=False)

    def switch_ports(self, what: str, text: str, shut: bool) -> None:
        _, (argument,) = self.parsed(what, text, {}, 1)
        names: list[str] = []
        for piece in argument.split(","):
            if found := re.fullmatch(r"Ethernet(\d+)-(\d+)", piece):
                names += [f"Ethernet{number}" for number in range(int(found[1]), int(found[2]) + 1)]
            elif "-" not in piece:
                names.append(piece)
        if len(names) == 1 and names[0] not in self.running.ports:
            raise self.fail(what, "Interface name is invalid. Please enter a valid interface name!!")
        for name in names:
            if name in self.running.ports:
                self.running.ports[name].shut = shut

    @command("shell", "config interface ip add <rest>")
    def ip_add(self, text: str) -> None:
        what = "config interface ip add"
        _, (name, address) = self.parsed(what, text, {}, 2)
        port = self.named(what, name)
        if port.untagged or port.tagged:
            raise self.fail(what, f"Interface {name} is a member of vlan\nAborting!")
        port.extra.setdefault("ip", []).append(address)

    @command("shell", "config interface ip remove <rest>")
    def ip_remove(self, text: str) -> None:
        what = "config interface ip remove"
        _, (name, address) = self.parsed(what, text, {}, 2)
        port = self.named(what, name)
        if address not in port.extra.get("ip", []):
            raise self.fail(what, f"IP address {address} is not configured on interface {name}")
        port.extra["ip"].remove(address)

    def named(self, what: str, name: str) -> Port:
        if name not in self.running.ports:
            raise self.fail(
                what, "'interface_name' is not valid. Valid names [Ethernet/PortChannel/Vlan/Loopback]"
            )
        return self.running.ports[name]

    # saving

    @command("shell", "config save", "config save <rest>")
    def config_save(self, text: str = "") -> Steps:
        self.need_root()
        if text not in ("-y", "--yes"):
            answer = yield Ask("Existing files will be overwritten, continue? [y/N]: ")
            if answer.lower() not in ("y", "yes"):
                raise Refused("Aborted!")
        yield from self.save()
        return "Running command: /usr/local/bin/sonic-cfggen -d --print-data > /etc/sonic/config_db.json"

    def save_error(self) -> str:
        return (
            "Running command: /usr/local/bin/sonic-cfggen -d --print-data > /etc/sonic/config_db.json\n"
            "OSError: [Errno 28] No space left on device"
        )

    # showing

    @command("shell", "show version")
    def show_version(self) -> str:
        return (
            "\nSONiC Software Version: SONiC.202305.0-a1b2c3d4e\nSONiC OS Version: 12\n"
            "Distribution: Debian 12.4\nKernel: 6.1.0-11-2-amd64\nBuild commit: a1b2c3d4e\n"
            "Build date: Tue Jan 16 04:04:21 UTC 2024\nBuilt by: AzDevOps@vmss-soni001\n\n"
            "Platform: x86_64-accton_as7326_56x-r0\nHwSKU: Accton-AS7326-56X\nASIC: broadcom\nASIC Count: 1\n"
            "Serial Number: 732656X2147C001\nModel Number: AS7326-56X\nHardware Revision: 0A\n"
            "Uptime: 04:04:21 up 17 days,  3:12,  1 user,  load average: 0.42, 0.38, 0.35\n\n"
            "Docker images:\nREPOSITORY      TAG       IMAGE ID       SIZE\n"
            "docker-orchagent   latest    7f8b2c3d1a92   359MB"
        )

    def members(self, vid: int) -> list[tuple[str, str]]:
        """The ports of a VLAN, each with how it is a member."""
        ports = sorted(self.running.ports.values(), key=lambda port: _natural(port.name))
        return [
            (port.name, "untagged" if vid in port.untagged else "tagged")
            for port in ports
            if vid in port.untagged | port.tagged
        ]

    @command("shell", "show vlan brief")
    def show_vlan_brief(self) -> str:
        heads = ["VLAN ID", "IP Address", "Ports", "Port Tagging", "Proxy ARP", "DHCP Helper Address"]
        rows = []
        for vid in sorted(self.running.vlans):
            members = self.members(vid)
            ports, modes = "\n".join(name for name, _ in members), "\n".join(mode for _, mode in members)
            rows.append([str(vid), "", ports, modes, "disabled", ""])
        return grid(heads, rows)

    @command("shell", "show vlan config")
    def show_vlan_config(self) -> str:
        rows = [
            [f"Vlan{vid}", str(vid), *member]
            for vid in sorted(self.running.vlans)
            for member in self.members(vid) or [("", "")]
        ]
        return simple(["Name", "VID", "Member", "Mode"], rows, right=[1])

    @command("shell", "show interfaces status", "show interfaces status <word>")
    def show_status(self, name: str = "") -> str:
        heads = ["Interface", "Lanes", "Speed", "MTU", "FEC", "Alias", "Vlan", "Oper", "Admin", "Type"]
        heads.append("Asym PFC")
        rows = []
        for port in self.running.ports.values():
            number = int(re.sub(r"\D", "", port.name) or 0)
            lanes = ",".join(str(number + lane) for lane in range(LANES))
            mode = self.carried(self.running, port).mode
            admin = "down" if port.shut else "up"
            row = [port.name, lanes, "100G", "9100", "N/A", f"Eth{number // LANES + 1}", mode, "down", admin]
            rows += [[*row, "N/A", "N/A"]] if name in ("", port.name) else []
        return simple(heads, rows, right=range(len(heads)))

    @command("shell", "show runningconfiguration all")
    def show_running(self) -> str:
        return json.dumps(config_db(self.running), indent=4, sort_keys=True)


def config_db(config: Config) -> dict[str, Any]:
    """The tables of CONFIG_DB."""
    ports = config.ports.values()
    members = {
        f"Vlan{vid}|{port.name}": {"tagging_mode": "untagged" if vid in port.untagged else "tagged"}
        for port in ports
        for vid in sorted(port.untagged | port.tagged)
    }
    addresses: dict[str, dict[str, str]] = {}
    for port in ports:
        for address in port.extra.get("ip", []):
            addresses.update({port.name: {}, f"{port.name}|{address}": {}})
    tables = {
        "DEVICE_METADATA": {"localhost": {"hostname": config.hostname, "hwsku": "Accton-AS7326-56X"}},
        "PORT": {
            port.name: {
                "admin_status": "down" if port.shut else "up",
                "alias": port.name.replace("Ethernet", "Eth"),
                "mtu": "9100",
                "speed": "100000",
            }
            for port in ports
        },
        "INTERFACE": addresses,
        "VLAN": {f"Vlan{vid}": {"vlanid": str(vid)} for vid in sorted(config.vlans)},
        "VLAN_MEMBER": members,
    }
    return {name: table for name, table in tables.items() if table}


def _natural(name: str) -> list[tuple[bool, int, str]]:
    return [
        (piece.isdigit(), int(piece) if piece.isdigit() else 0, piece) for piece in re.split(r"(\d+)", name)
    ]


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """As wide as the widest cell, and two more than the head."""
    lines = [[*(line for row in rows for line in row[at].split("\n"))] for at in range(len(heads))]
    return [max(len(head) + 2, *map(len, column), 0) for head, column in zip(heads, lines, strict=True)]


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with lines, whose first column is a number."""
    widths = _widths(heads, rows)
    rule = "+".join(["", *("-" * (width + 2) for width in widths), ""])

    def printed(row: Sequence[str]) -> list[str]:
        cells = [cell.split("\n") for cell in row]
        lines = []
        for at in range(max(map(len, cells))):
            line = [cell[at] if at < len(cell) else "" for cell in cells]
            padded = [
                line[0].rjust(widths[0]),
                *(text.ljust(w) for text, w in zip(line[1:], widths[1:], strict=True)),
            ]
            lines.append(f"| {' | '.join(padded)} |")
        return lines

    body = [line for row in rows for line in (*printed(row), rule)]
    return "\n".join([rule, *printed(heads), rule.replace("-", "="), *body])


def simple(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[int]) -> str:
    """A table without lines; these columns stand to the right."""
    widths = _widths(heads, rows)
    to_right = set(right)

    def printed(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(w) if at in to_right else cell.ljust(w)
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return "\n".join([printed(heads), "  ".join("-" * width for width in widths), *map(printed, rows)])
