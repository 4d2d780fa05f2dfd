"""Dell: PowerConnect 5500 and its like, N-series (OS6), OS9 that was FTOS, and OS10."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from nm.switch import Change, PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Block, Dialect, Lines, Move, Reading, Seen, filled
from nm.switches.dialects.membership import Membership
from nm.switches.parsing import (
    allowed,
    column,
    is_shut,
    numbers,
    port_list,
    sections,
    spans,
    switches,
    switchport,
    value,
)

COPY: Lines = (Say("copy running-config startup-config", answers=((r"\([yY]/[nN]\).{0,6}", "y"),)),)
MANY = 4000
WORDS = ("untagged", "tagged")
ROUTED = ("ip address", "ip unnumbered", "ipv6 address", "port-channel-protocol")


def _carried(lines: Sequence[str], command: str) -> set[int]:
    """The VLANs of all lines that begin so."""
    return {vlan for line in lines if line.startswith(command) for vlan in numbers(line[len(command) :])}


def _general(lines: Sequence[str]) -> PortState:
    """A port with lists of its own, on VLAN 1 from the factory; open when it sends more than it takes."""
    untagged, tagged = {1}, set[int]()
    for line in lines:
        if match := re.match(r"switchport general allowed vlan (add|remove) ([\d,-]+)( tagged)?", line):
            some = numbers(match[2])
            untagged, tagged = untagged - some, tagged - some
            if match[1] == "add":
                untagged, tagged = (untagged, tagged | some) if match[3] else (untagged | some, tagged)
    own = int(value(lines, "switchport general pvid") or 1)
    lax = _has(lines, "switchport general ingress-filtering disable")
    strange = lax or bool(untagged - {own}) or own in tagged
    return PortState(own if own in untagged else None, tuple(sorted(tagged - {own})), open=strange)


def _has(lines: Sequence[str], *commands: str) -> bool:
    return any(line.startswith(commands) for line in lines)


def _members(names: str) -> Iterator[str]:
    """Older models print ports alike as one: range ethernet 1/g(1-4,7),1/xg(1)."""
    if not names.startswith("range "):
        yield names
    for kind, head, some in re.findall(
        r"(?:([a-z-]+) )?([^\s,(]*)\(([\d,-]+)\)", names.removeprefix("range ")
    ):
        yield from (f"{kind or 'ethernet'} {head}{number}" for number in sorted(numbers(some)))


def _named(vlans: str) -> Iterator[str]:
    """Whatever may be a port's name in the lists of a table of VLANs."""
    for word in vlans.split():
        yield from port_list(word.strip(","), short=True)
    for head, some in re.findall(r"([^\s,(]*)\(([\d,-]+)\)", vlans):
        yield from port_list(some, head)


class DellPowerConnect(Dialect):
    """PowerConnect 3500, 5400 and 5500: Marvell's software, whose modes keep their VLANs side by side."""

    name = "dell_powerconnect"
    title = "Dell PowerConnect"
    login = "dell_powerconnect"
    telnet = "dell_powerconnect_telnet"
    rejections = (*Dialect.rejections, r"not created by user", r"Database locked", r"not in Layer-2 mode")
    make_vlan: ClassVar[Lines] = ("vlan database", "vlan {vlan}", "exit")
    make_vlans: ClassVar[Lines] = ("vlan database", "vlan {vlans}", "exit")
    remove_vlan: ClassVar[Lines] = ("vlan database", "no vlan {vlan}", "exit")
    remove_vlans: ClassVar[Lines] = ("vlan database", "no vlan {vlans}", "exit")
    several: ClassVar[Lines] = ("interface range {ports}",)
    clean: ClassVar[Lines] = (
        "switchport trunk allowed vlan none",
        "switchport trunk native vlan none",
        "switchport mode access",
        "switchport access vlan none",
    )
    tagged: ClassVar[Lines] = (
        "switchport mode trunk",
        *clean[:2],
        "switchport trunk allowed vlan add {vlans}",
    )
    both: ClassVar[Lines] = (
        "switchport mode trunk",
        *clean[:2],
        "switchport trunk allowed vlan add {all}",
        "switchport trunk native vlan {vlan}",
    )
    empty: ClassVar[Lines] = ()
    reads: ClassVar[Lines] = ("show vlan", "show running-config")
    version: ClassVar[Lines] = ("show system",)
    model = r"(?m)^System Description:\s*(.+)$"
    save = COPY
    saved = r"(?i)succe"
    kinds: ClassVar[Sequence[str]] = ("gigabitethernet", "tengigabitethernet", "ethernet", "port-channel")
    letters = 2  # gi1/0/1
    numbering = r"(?:\d+/)*[a-z]{0,2}\d+"

    @classmethod
    def port_name(cls, name: str) -> str | None:
        """Older models have ports 1/g1 of kind ethernet, named without it."""
        bare = re.fullmatch(r"\d+/[a-z]+\d+|[egx]+\d+", name)
        full = super().port_name(f"ethernet {name}" if bare else name)
        return re.sub(r"^et(?=\S)", "ethernet ", full) if full else None

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """What is as it was at the factory is not in the configuration, and in the list of VLAN 1."""
        vlans, configuration = answers
        found = sections(configuration, r"interface (?!vlan)(.+?)\s*$", end=r"exit|!")
        lines = {cls.port_name(name): said for names, said in found.items() for name in _members(names)}
        bundles = tuple(kind[: cls.letters] for kind in cls.kinds[-1:])
        for port in map(cls.port_name, _named(vlans)):
            if port and not port.startswith(bundles):
                lines.setdefault(port, [])
        reading = {
            port: Seen(cls._state(said), is_shut(said))
            for port, said in lines.items()
            if port and switches(said) and not _has(said, "ip address")
        }
        return Reading(reading, column(vlans, r" *(\d+) "))

    @classmethod
    def _state(cls, lines: Sequence[str]) -> PortState:
        mode = value(lines, "switchport mode") or "access"
        if mode == "access":
            access = value(lines, "switchport access vlan") or "1"
            return PortState(None if access == "none" else int(access))
        if mode != "trunk":
            return _general(lines) if mode == "general" else PortState(open=True)
        native = value(lines, "switchport trunk native vlan") or "1"
        untagged = None if native == "none" else int(native)
        on = allowed(lines)
        if on is None or len(on) > MANY:
            return PortState(untagged, open=True)
        return PortState(untagged, tuple(sorted(on - {untagged})))


class DellOs6(DellPowerConnect):
    """N-series, and PowerConnect 7000 and 8000 before them."""

    name = "dell_os6"
    title = "Dell N-series (OS6)"
    login = "dell_os6"
    telnet = ""
    rejections = (
        *Dialect.rejections,
        r"ERROR: ",
        r"(?i)not found|could not|failed to|invalid |not in \w+ mode",
    )
    make_vlan: ClassVar[Lines] = ("vlan {vlan}", "exit")
    make_vlans: ClassVar[Lines] = ("vlan {vlans}", "exit")
    remove_vlan: ClassVar[Lines] = ("no vlan {vlan}",)
    remove_vlans: ClassVar[Lines] = ("no vlan {vlans}",)
    clean: ClassVar[Lines] = (  # a port of mode general may be on no VLAN, unless somebody put it on others
        "switchport mode general",
        Say("switchport general allowed vlan remove 1", optional=True),
        "no switchport access vlan",
        "no switchport trunk native vlan",
        "no switchport trunk allowed vlan",
        Say("no voice vlan", optional=True),
    )
    tagged: ClassVar[Lines] = Dialect.tagged
    both: ClassVar[Lines] = Dialect.both
    version: ClassVar[Lines] = ("show version",)
    model = r"System Model ID\.+ (\S+)"
    saved = r"Configuration Saved"
    kinds: ClassVar[Sequence[str]] = (
        "GigabitEthernet",
        "TenGigabitEthernet",
        "TwentyFiveGigabitEthernet",
        "FortyGigabitEthernet",
        "HundredGigabitEthernet",
        "Port-channel",
    )
    numbering = Dialect.numbering

    @classmethod
    def port_name(cls, name: str) -> str | None:
        """As every dialect's."""
        return super(DellPowerConnect, cls).port_name(name)

    @classmethod
    def _state(cls, lines: Sequence[str]) -> PortState:
        if value(lines, "switchport mode") == "general":
            return super()._state(lines)
        return switchport([re.sub(r"^voice vlan (?=\d+$)", "switchport voice vlan ", line) for line in lines])


class DellOs9(Membership):
    """S and Z series with OS9, which was FTOS. A port without `switchport` is on no VLAN."""

    name = "dell_os9"
    title = "Dell OS9 (FTOS)"
    login = "dell_force10"
    factory = PortState()
    harmless: ClassVar[Sequence[str]] = (r"^% Warning",)
    into: ClassVar[Lines] = ("interface vlan {vlan}",)
    bare: ClassVar[Lines] = (Say("no switchport", optional=True),)  # what is on no other VLAN is on VLAN 1
    unsaid = frozenset({1})
    make_vlan: ClassVar[Lines] = ("interface vlan {vlan}", "exit")
    remove_vlan: ClassVar[Lines] = ("no interface vlan {vlan}",)
    several: ClassVar[Lines] = ("interface range {ports}",)
    most_pieces = 5
    at_once = 1
    reads: ClassVar[Lines] = ("show running-config",)
    model = r"System Type: (.+)"
    save: ClassVar[Lines] = ("write memory",)
    saved = r"!|(?i:copied|saved)"
    kinds: ClassVar[Sequence[str]] = (
        "GigabitEthernet",
        "TenGigabitEthernet",
        "twentyFiveGigE",
        "fortyGigE",
        "fiftyGigE",
        "hundredGigE",
        "Port-channel",
    )
    between = " "

    @classmethod
    def prepared(cls, moves: Sequence[Move]) -> Iterator[Block]:
        """A port carries tagged and untagged frames when it was told so before it became a switch's port."""
        for mixed in (False, True):
            some = [move for move in moves if mixed == bool(move.after.tagged and move.after.untagged)]
            mode = "portmode hybrid" if mixed else Say("no portmode hybrid", optional=True)
            yield from cls.at_ports(some, filled((Say("no switchport", optional=True), mode, "switchport")))

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """VLAN 1 is left unsaid: on it is what is on no other untagged, and may be."""
        found = sections(answers[0], r"interface (.+?)\s*$", end=r"[^\s!]")  # ! may stand within
        vlans = {int(name[5:]): lines for name, lines in found.items() if re.match(r"Vlan \d", name)}
        untagged, tagged = (
            {vlan: cls._listed(lines, word) for vlan, lines in vlans.items()} for word in WORDS
        )
        bundled = {port for lines in found.values() for port in cls._listed(lines, "channel-member")}
        ports = {}
        for port, lines in found.items():
            if port.startswith(tuple(cls.kinds)) and port not in bundled and not _has(lines, *ROUTED):
                on = {vlan for vlan, members in tagged.items() if port in members}
                own = next((vlan for vlan, members in untagged.items() if port in members), None)
                if own is None and (not on or "portmode hybrid" in lines) and "switchport" in lines:
                    own = 1
                ports[port] = Seen(PortState(own, tuple(sorted(on))), is_shut(lines, by_default=True))
        return Reading(ports, frozenset({1, *vlans}))

    @classmethod
    def _listed(cls, lines: Sequence[str], word: str) -> set[str]:
        rests = [line.removeprefix(f"{word} ").split(" ", 1) for line in lines if line.startswith(f"{word} ")]
        return {port for kind, some in rests for port in port_list(some, f"{kind} ", short=True)}


class DellOs10(Dialect):
    """SmartFabric OS10. What is allowed on a trunk is added to; its access VLAN is what is untagged."""

    name = "dell_os10"
    title = "Dell OS10"
    login = "dell_os10"
    make_vlan: ClassVar[Lines] = ("interface vlan {vlan}", "exit")
    make_vlans: ClassVar[Lines] = ("interface range vlan {vlans}", "exit")
    remove_vlan: ClassVar[Lines] = ("no interface vlan {vlan}",)
    remove_vlans: ClassVar[Lines] = ("no interface range vlan {vlans}",)
    several: ClassVar[Lines] = ("interface range {ports}",)
    span = "{prefix}{first}-{tail}{last}"
    most_pieces = 1
    clean: ClassVar[Lines] = (  # a trunk alone may be without an access VLAN
        Say("no switchport trunk allowed vlan", optional=True),  # some want to be told which
        "no switchport trunk allowed vlan {old_tagged}",
        "switchport mode trunk",
        Say("no switchport access vlan", optional=True),
    )
    access: ClassVar[Lines] = (
        *clean[:2],
        "switchport mode access",
        "switchport access vlan {vlan}",
    )
    tagged: ClassVar[Lines] = (
        "switchport mode trunk",
        *clean[:2],
        "no switchport access vlan",
        "switchport trunk allowed vlan {vlans}",
    )
    both: ClassVar[Lines] = (
        "switchport mode trunk",
        *clean[:2],
        "switchport access vlan {vlan}",
        "switchport trunk allowed vlan {vlans}",
    )
    empty: ClassVar[Lines] = ()
    add: ClassVar[Lines] = ("switchport trunk allowed vlan {vlans}",)
    remove: ClassVar[Lines] = ("no switchport trunk allowed vlan {vlans}",)
    reads: ClassVar[Lines] = ("show running-configuration",)
    model = r"System Type: (\S+)"
    save: ClassVar[Lines] = ("write memory",)  # says nothing
    kinds: ClassVar[Sequence[str]] = ("ethernet", "port-channel")
    numbering = r"\d+(?:/\d+){0,2}(?::\d+)?"

    @classmethod
    def vlan_blocks(
        cls, changes: Mapping[int, Change], present: bool, names: Mapping[int, str]
    ) -> Iterator[Block]:
        """One range at a time, for the prompt names all that is in it."""
        for first, last in spans(changes):
            run = {vlan: changes[vlan] for vlan in range(first, last + 1)}
            yield from super().vlan_blocks(run, present, names)

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """A trunk without an access VLAN carries nothing untagged; another port without it is on VLAN 1."""
        found = sections(answers[0], r"interface (\S+)")
        ports = {}
        for port, lines in found.items():
            if port.startswith(tuple(cls.kinds)) and switches(lines):
                trunk = "switchport mode trunk" in lines
                own = value(lines, "switchport access vlan")
                untagged = int(own) if own else None if trunk else 1
                on = _carried(lines, "switchport trunk allowed vlan ") if trunk else set()
                every = len(on) > MANY  # it names all there can be
                state = PortState(untagged, () if every else tuple(sorted(on - {untagged})), open=every)
                ports[port] = Seen(state, is_shut(lines))
        return Reading(
            ports, frozenset(int(name[4:]) for name in found if re.fullmatch(r"vlan\d+", name)) | {1}
        )
