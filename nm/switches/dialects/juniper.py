"""Juniper: Junos of the EX and QFX series with ELS, the newer style of layer-2 configuration."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from nm.switch import PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Dialect, Lines, Move, Reading, Seen, filled
from nm.switches.parsing import listed, numbers

SWITCHING = "interfaces {ports} unit 0 family ethernet-switching"


class Junos(Dialect):
    """A candidate that is committed twice: what joins is closed in the first, and opened by the second.

    Exclusively, for many releases refuse to confirm a commit of a private candidate. A commit that is not
    confirmed in two minutes is undone by the switch.
    """

    name = "juniper_junos"
    title = "Juniper Junos"
    login = "juniper_junos"
    rejections = (r"^\s*error:", r"^\s*\^", r"^syntax error", r"^unknown command", r"^missing argument")
    enter: ClassVar[Lines] = ("configure exclusive",)
    leave: ClassVar[Lines] = (Say("exit configuration-mode", answers=((r"\[yes,no\] \(yes\)", "yes"),)),)
    commit: ClassVar[Lines] = ("commit confirmed 2",)
    confirm: ClassVar[Lines] = ("commit",)
    discard: ClassVar[Lines] = ("rollback 0",)
    vlan_name = "nm-{vlan}"
    make_vlan: ClassVar[Lines] = ("set vlans {name} vlan-id {vlan}",)
    remove_vlan: ClassVar[Lines] = ("delete vlans {name}",)
    port: ClassVar[Lines] = ()
    done: ClassVar[Lines] = ()
    empty: ClassVar[Lines] = ()
    shut: ClassVar[Lines] = ("set interfaces {ports} disable",)
    open: ClassVar[Lines] = ("delete interfaces {ports} disable",)
    clean: ClassVar[Lines] = (f"delete {SWITCHING}", "delete interfaces {ports} native-vlan-id")
    reads: ClassVar[Lines] = (
        "show interfaces terse",
        "show configuration vlans | display set",
        "show configuration interfaces | display inheritance | display set",
    )
    model = r"(?m)^Model: (\S+)"
    save: ClassVar[Lines] = ("show system commit",)  # a commit is for good, unless it is to be confirmed
    saved = r"(?ms)^0 +\d(?!.*rollback pending)"
    numbering = r"(?:ge|xe|et|mge)-\d+/\d+/\d+(?::\d+)?|ae\d+"

    @classmethod
    def recipe(cls, move: Move) -> tuple[Say, ...]:
        """A trunk that stays up gains members; all else is said anew, for members may be names and ranges."""
        before, after = move.before.now, move.after
        member = f"{SWITCHING} vlan members "
        had, has = ({*state.tagged, state.untagged or 0} - {0} for state in (before, after))
        if move.stays and has:
            loses = had - has
            anew = (f"delete {SWITCHING} vlan members",) if loses else ()
            bare = ("delete interfaces {ports} native-vlan-id",) if before.untagged in loses else ()
            told = has - (set() if loses else had)
            return filled((*anew, *bare, *(f"set {member}{vlan}" for vlan in sorted(told))))
        if after.isolated:
            return filled((*cls.shut, *cls.clean))
        first = cls.shut if move.joins else ()
        mode = f"set {SWITCHING} interface-mode {'trunk' if after.tagged else 'access'}"
        native = after.tagged and after.untagged
        own = (f"set interfaces {{ports}} native-vlan-id {after.untagged}",) if native else ()
        return filled((*first, *cls.clean, mode, *own, *(f"set {member}{vlan}" for vlan in sorted(has))))

    @classmethod
    def ranges(cls, ports: Iterable[str], most: int | None = None) -> Iterator[tuple[list[str], str]]:
        """Ports whose names differ in their last number only, in brackets."""
        del most  # brackets hold any number
        alike: dict[str, dict[int, str]] = {}
        for port in ports:
            if match := re.fullmatch(r"(.*?)(0|[1-9]\d*)", port):
                alike.setdefault(match[1], {})[int(match[2])] = port
            else:
                yield [port], port
        for head, numbered in alike.items():
            word = f"[{listed(numbered)}]" if len(numbered) > 1 else str(*numbered)
            yield [numbered[number] for number in sorted(numbered)], f"{head}{word}"

    @classmethod
    def ranged(cls, lines: tuple[Say, ...]) -> tuple[Say, ...]:
        """By `wildcard range`, which says the line once for each."""
        return tuple(replace(say, line=f"wildcard range {say.line}") for say in lines)

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """A port that is not configured is there, and carries nothing."""
        terse, vlans, configuration = answers
        names = dict(re.findall(r"(?m)^set vlans (\S+) vlan-id (\d+)\s*$", vlans))
        lines: dict[str, list[str]] = {port: [] for port in re.findall(rf"(?m)^({cls.numbering}) ", terse)}
        for port, line in re.findall(rf"(?m)^set interfaces ({cls.numbering}) (.+?)\s*$", configuration):
            lines.setdefault(port, []).append(line)
        ports = {
            port: Seen(cls._state(said, {"default": "1"} | names), "disable" in said, cls._is_trunk(said))
            for port, said in lines.items()
            if not any(
                re.search(r" 802\.3ad |^unit \d+ family (?!ethernet-switching)", line) for line in said
            )
        }
        numbered = {int(vlan): name for name, vlan in names.items()}
        return Reading(ports, frozenset(numbered) | {1}, numbered)

    @classmethod
    def _is_trunk(cls, lines: Sequence[str]) -> bool:
        return any(re.search(r"ethernet-switching (?:interface|port)-mode trunk", line) for line in lines)

    @classmethod
    def _state(cls, lines: Sequence[str], names: Mapping[str, str]) -> PortState:
        own = " ".join(line for line in lines if line.startswith("unit 0 family ethernet-switching"))
        if not own or "unit 0 disable" in lines:
            return PortState()
        members = re.findall(r"vlan members (\S+)", own)
        said = [names.get(member, member) for member in members]
        vlans = {vlan for member in said if re.fullmatch(r"[\d-]+", member) for vlan in numbers(member)}
        strange = any(not re.fullmatch(r"[\d-]+", member) for member in said)  # all, or a VLAN without number
        if not cls._is_trunk(lines):
            return PortState(min(vlans, default=1), tuple(sorted(vlans)[1:]), open=strange or len(vlans) > 1)
        native = next((int(m[1]) for line in lines if (m := re.search(r"native-vlan-id (\d+)", line))), None)
        untagged = native if native in vlans or strange else None
        return PortState(untagged, tuple(sorted(vlans - {untagged})), open=strange)
