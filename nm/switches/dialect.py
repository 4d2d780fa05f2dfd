"""What nm has to know of a command line: words, patterns and recipes as data, and a parser. Pure.

A dialect is a class whose members are data: nm/switches/dialects/ has one file a maker. Recipes are lines in
which these are filled in: {port}, {ports} (several in one word), {vlan}, {vlans} (a list such as 5-7,10),
{native}, {all} ({vlans} with the untagged one), {old} (all that the port was read to be on), {old_tagged},
{own} (the untagged of these), {name} (of the VLAN). A line with {each} is said once for each of {vlans}, and
one with an empty word is left out. Where a maker's way is another one, a dialect answers `blocks` itself.
nm/switches/cli.py talks.
"""

import re
import string
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar

from nm.switch import Change, PortState, SetTrunk
from nm.switches.conversation import Say
from nm.switches.parsing import listed, numbers, spans

Lines = tuple[str | Say, ...]
EVERY = range(1, 4094)  # what a port is taken off that carried all; Dell's VLANs end there


@dataclass(frozen=True)
class Seen:
    """A port as it is configured: what it carries when it is up, and whether it is shut."""

    state: PortState
    shut: bool = False
    trunk: bool = False  # it takes tagged VLANs as it is, by its mode or for want of modes

    @property
    def now(self) -> PortState:
        """What it carries."""
        return PortState() if self.shut else self.state


def modeless(state: PortState, shut: bool) -> Seen:
    """Of a switch without modes; a port that is on the factory's VLAN, or on none, may well be an uplink."""
    return Seen(state, shut, trunk=bool(state.tagged) or state.untagged in (None, 1))


@dataclass(frozen=True)
class Reading:
    """What was read of a switch. `vlans` is None for kinds that keep no table of VLANs."""

    ports: Mapping[str, Seen]
    vlans: frozenset[int] | None
    names: Mapping[int, str] = field(default_factory=dict)  # of VLANs, where they go by name


@dataclass(frozen=True)
class Move:
    """A port on its way, and the changes that ask for it."""

    port: str
    before: Seen
    after: PortState
    changes: tuple[Change, ...]
    native: int = 1  # of a trunk

    @property
    def trunk(self) -> bool:
        """Whether it is a trunk already, or may be: it stays up while its VLANs come and go.

        An access port that becomes one does not: between two lines it would be open.
        """
        was = self.before.trunk or self.before.state.open
        return was and all(isinstance(change, SetTrunk) for change in self.changes)

    @property
    def stays(self) -> bool:
        """Whether it is a trunk whose VLANs are known: what comes and goes is all that must be said."""
        return self.trunk and not self.before.shut and not self.before.state.open

    @property
    def joins(self) -> bool:
        """Whether it is to be shut, set up, read back, and only then opened."""
        return not self.after.isolated and not (self.trunk and not self.before.shut)


@dataclass(frozen=True)
class Block:
    """Lines that belong together. When one is rejected the rest is not sent.

    `place`: where they are said, if not at the top; no line is said when that is rejected. `parts`: the same
    one by one, for a merged block of which something was rejected. `stubborn`: the rest of the lines is sent
    nevertheless, for it closes something.
    """

    lines: tuple[Say, ...]
    changes: tuple[Change, ...]
    place: tuple[Say, ...] = ()
    parts: tuple["Block", ...] = field(default=(), repr=False)
    stubborn: bool = False


class Dialect(ABC):
    """A command line of the kind that Cisco began; others say what differs. All members may be replaced."""

    name: ClassVar[str]
    title: ClassVar[str]  # which switches speak it
    login: ClassVar[str]  # netmiko's name of it
    enables: ClassVar[bool] = True  # there may be a privileged mode to go to
    telnet: ClassVar[str] = ""  # the same by telnet, where there are switches that have nothing else
    factory: ClassVar[PortState] = PortState(1)  # what a port of a new switch carries

    # what it says: a line that one of these matches is a rejection, unless one of the others does
    rejections: ClassVar[Sequence[str]] = (
        r"^%(?! ?(?i:warning)|[A-Z\d_]+-\d-)",  # neither a warning nor a line of its log
        r"^\s*\^\s*$",
        r"^Command rejected",
        r"^(?i:error)\b",
    )
    harmless: ClassVar[Sequence[str]] = ()

    # where changes are made
    enter: ClassVar[Lines] = ("configure terminal",)
    leave: ClassVar[Lines] = ("end",)
    commit: ClassVar[Lines] = ()  # of a dialect whose lines become true together; () where each does at once
    confirm: ClassVar[Lines] = ()  # else the commit is undone by the switch itself
    discard: ClassVar[Lines] = ()  # forget what was not committed

    # VLANs
    make_vlan: ClassVar[Lines] = ("vlan {vlan}", "exit")
    make_vlans: ClassVar[Lines] = ()  # several at once, by {vlans}
    remove_vlan: ClassVar[Lines] = ("no vlan {vlan}",)
    remove_vlans: ClassVar[Lines] = ()
    vlan_name: ClassVar[str] = ""  # {name} of a VLAN that was not read
    home: ClassVar[int | None] = None  # where a port is that is to be nowhere, if it must be somewhere

    # ports
    port: ClassVar[Lines] = ("interface {port}",)  # () where each line names its {ports} itself
    several: ClassVar[Lines] = ()  # go to several ports at once, by {ports}
    span: ClassVar[str] = "{prefix}{first}-{last}"  # of neighbours in {ports}; {tail}: no kind
    glue: ClassVar[str] = ","  # and what stands between its pieces
    most_pieces: ClassVar[int] = 8  # of {ports}
    done: ClassVar[Lines] = ("exit",)
    shut: ClassVar[Lines] = ("shutdown",)
    open: ClassVar[Lines] = ("no shutdown",)
    clean: ClassVar[Lines] = (  # behind `shut`: what it carried is forgotten; it carries nothing either way
        "switchport trunk allowed vlan none",
        "switchport mode trunk",
        "no switchport trunk native vlan",
        "no switchport access vlan",
    )
    access: ClassVar[Lines] = ("switchport mode access", "switchport access vlan {vlan}")
    tagged: ClassVar[
        Lines
    ] = (  # () where nobody knows how; so for `both`. The list first: without one all pass
        "switchport trunk allowed vlan {vlans}",
        "switchport trunk native vlan {native}",
        "switchport mode trunk",
    )
    both: ClassVar[Lines] = (
        "switchport trunk allowed vlan {all}",
        "switchport trunk native vlan {vlan}",
        "switchport mode trunk",
    )
    empty: ClassVar[Lines] = (  # a trunk that carries nothing and stays up; () where it is to be shut
        "switchport trunk allowed vlan none",
    )
    add: ClassVar[Lines] = ("switchport trunk allowed vlan add {vlans}",)
    remove: ClassVar[Lines] = ("switchport trunk allowed vlan remove {vlans}",)
    no_native: ClassVar[Lines] = (  # takes {own}, which is untagged, off a trunk; () where nobody knows how
        "switchport trunk allowed vlan remove {own}",
        "switchport trunk native vlan {native}",
    )

    # reading, saving, and what it is
    reads: ClassVar[Lines] = ("show vlan brief", "show running-config")  # () where nobody knows how
    version: ClassVar[Lines] = ("show version",)
    model: ClassVar[str] = r"(?m)^(.+)$"  # its first group is the model
    save: ClassVar[Lines] = (Say("copy running-config startup-config", patience=6),)
    saved: ClassVar[str] = ""  # what the last answer must say

    # its ports' names: the kinds it has, in full; the shortest spelling that is told apart is two letters
    kinds: ClassVar[Sequence[str]] = ()
    numbering: ClassVar[str] = r"\d+(?:/\d+){0,3}"
    between: ClassVar[str] = ""  # what stands between kind and number
    letters: ClassVar[int | None] = None  # so many of a kind are printed by the switch itself; None: all

    @classmethod
    @abstractmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """What the answers to `reads` say. ValueError or LookupError when they say nothing that is known."""

    @classmethod
    def cannot(cls, state: PortState) -> str:
        """Why there is no recipe for a port that carries that; empty when there is."""
        if state.tagged and not cls.tagged:
            return f"{cls.title}: nm knows no commands that put tagged VLANs on a port"
        if state.tagged and state.untagged is not None and not cls.both:
            return f"{cls.title}: nm knows no commands that put an untagged VLAN beside tagged ones"
        return ""

    # ---- recipes

    @classmethod
    def blocks(cls, moves: Iterable[Move]) -> Iterator[Block]:
        """Let the ports be as they are to be; those that join stay shut. Ports alike go out together."""
        alike: dict[tuple[Say, ...], list[Move]] = {}
        for move in moves:
            alike.setdefault(cls.recipe(move), []).append(move)
        for lines, some in alike.items():
            yield from cls.at_ports(some, lines)

    @classmethod
    def recipe(cls, move: Move) -> tuple[Say, ...]:
        """The lines of one port, below its own prompt."""
        before, after = move.before, move.after
        words = {
            "old_tagged": listed(before.state.tagged or (EVERY if before.state.open else ())),
            "old": listed({*before.state.tagged, before.state.untagged or 0} - {0}),
        }
        if cls.leaves(move):
            return filled((*(() if before.shut else cls.shut), *cls.clean), **words)
        first = () if before.shut or move.trunk else cls.shut
        words |= {
            "vlan": str(after.untagged or ""),
            "vlans": listed(after.tagged),
            "all": listed({*after.tagged, after.untagged or after.tagged[0]}) if after.tagged else "",
            "native": str(move.native),
            "own": str(before.state.untagged or ""),
        }
        bared = before.state.untagged != after.untagged
        if move.stays and (cls.no_native or not bared):
            gone, new = {*before.now.tagged} - {*after.tagged}, {*after.tagged} - {*before.now.tagged}
            steps = (cls.remove, gone), (cls.add, new)
            edits = (one for lines, some in steps if some for one in filled(lines, vlans=listed(some)))
            return (*edits, *(filled(cls.no_native, **words) if bared else ()))
        if after.isolated:
            return filled((*cls.empty, *cls.tagged), **words)  # {vlans} are none
        shape = cls.access if not after.tagged else cls.tagged if after.untagged is None else cls.both
        return filled((*first, *shape), **words)

    @classmethod
    def at_ports(cls, moves: Sequence[Move], lines: tuple[Say, ...]) -> Iterator[Block]:
        """The lines at each of the ports, by ranges where the dialect has them."""
        single = {move.port: (move, cls._at(cls.port, move.port, [move], lines)) for move in moves}
        if cls.port and not cls.several:
            yield from (block for _, block in single.values())
            return
        for ports, words in cls.ranges(single):
            some = [single[port] for port in ports]
            if len(some) == 1:
                yield some[0][1]
            else:
                parts = tuple(block for _, block in some)
                yield cls._at(cls.several, words, [move for move, _ in some], lines, parts)

    @classmethod
    def _at(
        cls,
        place: Lines,
        ports: str,
        moves: Sequence[Move],
        lines: tuple[Say, ...],
        parts: tuple[Block, ...] = (),
    ) -> Block:
        changes = tuple(change for move in moves for change in move.changes)
        stubborn = all(move.after.isolated for move in moves)
        said = filled((*(cls.ranged(lines) if parts else lines), *cls.done), ports=ports)
        return Block(said, changes, filled(place, port=ports, ports=ports), parts, stubborn)

    @classmethod
    def ranged(cls, lines: tuple[Say, ...]) -> tuple[Say, ...]:
        """How the lines for one port are said for several."""
        return lines

    @classmethod
    def ranges(cls, ports: Iterable[str], most: int | None = None) -> Iterator[tuple[list[str], str]]:
        """The ports in as few {ports} as there can be, each with the ports it names."""
        pieces = iter(_pieces(ports, cls.span))
        while some := list(islice(pieces, most or cls.most_pieces)):
            yield [port for named, _ in some for port in named], cls.glue.join(word for _, word in some)

    @classmethod
    def leaves(cls, move: Move) -> bool:
        """Whether the port is shut, as it carries nothing any longer."""
        return move.after.isolated and not (move.trunk and cls.empty)

    @classmethod
    def closing(cls, moves: Sequence[Move]) -> Iterator[Block]:
        """Shut ports, and leave them as they are otherwise."""
        return cls.at_ports(moves, filled(cls.shut))

    @classmethod
    def opening(cls, moves: Sequence[Move]) -> Iterator[Block]:
        """Let ports that were set up and read back come up."""
        return cls.at_ports(moves, filled(cls.open)) if cls.open else iter(())

    @classmethod
    def vlan_blocks(
        cls, changes: Mapping[int, Change], present: bool, names: Mapping[int, str]
    ) -> Iterator[Block]:
        """Make VLANs, or remove them."""
        one, many = (cls.make_vlan, cls.make_vlans) if present else (cls.remove_vlan, cls.remove_vlans)
        named = {vlan: names.get(vlan, cls.vlan_name.format(vlan=vlan)) for vlan in sorted(changes)}
        single = tuple(Block(filled(one, vlan=v, name=name), (changes[v],)) for v, name in named.items())
        if many and len(single) > 1:
            yield Block(filled(many, vlans=listed(changes)), tuple(changes.values()), parts=single)
        else:
            yield from single

    # ---- answers

    @classmethod
    def rejection(cls, answer: str) -> str | None:
        """The switch's words when it rejects; None when it does not."""
        for line in answer.splitlines():
            if any(re.search(pattern, line) for pattern in cls.harmless):
                continue
            if any(re.search(pattern, line) for pattern in cls.rejections):
                return " ".join(word for word in answer.split() if word != "^")[:300]
        return None

    @classmethod
    def port_name(cls, name: str) -> str | None:
        """The full spelling of a port's name; None when the switch can have no such port."""
        if not cls.kinds:
            return name if re.fullmatch(cls.numbering, name) else None
        match = re.fullmatch(rf"([A-Za-z-]+) ?({cls.numbering})", name)
        if match is None:
            return None
        word = match[1].lower()
        fits = [kind for kind in cls.kinds if kind.lower().startswith(word) and len(word) > 1]
        exact = [kind for kind in fits if kind.lower() == word] or fits
        return f"{exact[0][: cls.letters]}{cls.between}{match[2]}" if exact else None


def filled(lines: Lines, **words: object) -> tuple[Say, ...]:
    """The lines as they are said, without those that have an empty word. {ports} stays until it is known."""
    words = {"ports": "{ports}"} | words
    empty = {word for word, value in words.items() if value == ""}
    found: list[Say] = []
    for say in (line if isinstance(line, Say) else Say(line) for line in lines):
        names = {name for _, name, _, _ in string.Formatter().parse(say.line)}
        if not empty & names:
            vlans = sorted(numbers(str(words["vlans"]))) if "each" in names else (0,)
            said = (say.line.format(**words, each=vlan) for vlan in vlans)
            found += (Say(line, say.answers, say.patience, say.optional) for line in said)
    return tuple(found)


def _pieces(ports: Iterable[str], span: str) -> Iterator[tuple[list[str], str]]:
    """Neighbours as one piece: names that end in numbers without gaps and begin alike; none if no span."""
    by_prefix: dict[str, dict[int, str]] = {}
    for port in ports:
        match = re.fullmatch(r"(.*?)(0|[1-9]\d*)", port) if span else None
        if match is None:
            yield [port], port
        else:
            by_prefix.setdefault(match[1], {})[int(match[2])] = port
    for prefix, numbered in by_prefix.items():
        tail = re.sub(r"^[A-Za-z-]+ ?", "", prefix)
        for first, last in spans(numbered):
            named = [numbered[number] for number in range(first, last + 1)]
            words = {"prefix": prefix, "tail": tail, "first": first, "last": last}
            yield named, named[0] if first == last else span.format(**words)
