"""Switches with a command line: one driver, whose dialects are data (nm/switches/dialects/).

A session of changes is: read everything, close what is to leave, make VLANs, set up trunks and ports that
join (these stay shut), read back, open those that are as they were meant. So wherever it is cut off, what is
open was read back. Where a port is always on some VLAN, it is shut, read back, and only then moved to the one
where it is to be nowhere. What the switch rejects fails the change that asked for it, and nothing else.
Called by the switch's executor as any driver is.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from nm.errors import DeviceFailed, Invalid, only_asked
from nm.switch import Change, PortState, SetPort, SetTrunk, SetVlan, SwitchState, check_timeout, successor
from nm.switches import dialects
from nm.switches.conversation import Say
from nm.switches.dialect import Block, Dialect, Lines, Move, Reading, Seen, filled
from nm.switches.hearsay import Hearsay
from nm.switches.login import Session, check_settings, log_in

MOST_VLANS = 4094


class CommandLine:
    """Drives one switch by SSH, or by telnet where it has nothing else."""

    kind: ClassVar[str] = "cli"
    settings: ClassVar[Mapping[str, type]] = {
        "dialect": str,
        "address": str,
        "port": int,
        "user": str,
        "transport": str,
        "agent": bool,
        "host_key": str,
        "save": str,
        "timeout": float,
    }
    required: ClassVar[frozenset[str]] = frozenset({"dialect", "address", "user"})
    identity: ClassVar[tuple[str, ...]] = ("address", "port")
    parking: ClassVar[int | None] = None  # isolated ports are shut

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._name = name
        self._settings = settings
        self._secrets = secrets
        self._dialect = dialects.find(settings["dialect"])
        self._session: Session | None = None
        self._unsaved = True  # what was left by whoever came before is not known
        self._may_wait = False  # nothing hangs on what is not saved: the next run saves it, or the end
        self._unconfirmed = bool(self._dialect.confirm)  # as well: it would count now, and be undone soon
        self._hearsay = None if self._dialect.reads else Hearsay(name, self._dialect.title, self._spell)

    @staticmethod
    def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with their defaults, the address in small letters."""
        check_timeout(settings)
        dialect = dialects.find(settings["dialect"])
        if settings.get("save", "always") not in ("always", "never"):
            raise Invalid(f"save is {settings['save']!r}", "use always or never")
        return check_settings(settings, dialect)

    @staticmethod
    def choices() -> dict[str, list[str]]:
        """The dialects that can be had here, and the words of other settings."""
        return {"dialect": dialects.names(), "transport": ["ssh", "telnet"], "save": ["always", "never"]}

    @staticmethod
    def port_name(settings: Mapping[str, Any], name: str) -> str:
        """As GigabitEthernet1/0/1 of Gi1/0/1."""
        dialect = dialects.find(settings["dialect"])
        full = dialect.port_name(name)
        if full is None:
            kinds = f" {dialect.kinds[0]}{dialect.between}1/0/1 or so" if dialect.kinds else ""
            raise Invalid(
                f"{dialect.title} has no port {name!r}", f"use the switch's own name{kinds}; it lists them"
            )
        return full

    def _spell(self, port: str) -> str:
        return self._dialect.port_name(port) or port

    def open(self) -> Mapping[str, str]:
        """Log in, and into the mode in which it can be read and changed."""
        self._session = log_in(self._name, self._dialect, self._settings, self._secrets)
        return self._session.shown

    def close(self) -> None:
        """Hang up. VLANs that nothing joined are saved at last; DeviceFailed when that fails."""
        session = self._session
        if session is not None:
            try:
                self._save(self._may_wait)
            finally:
                session.close()
                self._session = None

    # ---- reading

    def read(self, ports: Iterable[str] | None = None) -> SwitchState:
        """What all ports carry, by one command, and the VLANs. Where nobody can read: what they were told."""
        if self._hearsay is not None:
            return SwitchState(None, self._hearsay.recall(ports))
        reading = self._read()
        states = {port: seen.now for port, seen in reading.ports.items()}
        if ports is None:
            return SwitchState(reading.vlans, states, self._model())
        named = {port: self._spell(port) for port in ports}
        return SwitchState(
            reading.vlans, {port: states[full] for port, full in named.items() if full in states}
        )

    def _read(self) -> Reading:
        answers = []
        for say in _patient(self._dialect.reads, 3):
            with only_asked():
                answer = self._talk(say)
            refusal = self._dialect.rejection(answer.partition("\n")[0])
            if refusal is not None:
                raise DeviceFailed(
                    f"switch {self._name} rejected {say.line!r}: {refusal}",
                    f"is it a {self._dialect.title}? The user needs the right to read everything",
                    passing=False,
                )
            answers.append(answer)
        try:
            reading = self._dialect.parse(answers)
            if not reading.ports:
                raise ValueError("no port in it")
        except (ValueError, LookupError) as error:
            raise DeviceFailed(
                f"switch {self._name} answered what nm cannot read: {error}",
                f"is it a {self._dialect.title}?",
                passing=False,
            ) from error
        return reading

    def _model(self) -> str:
        found = [re.search(self._dialect.model, self._talk(say)) for say in filled(self._dialect.version)]
        return " ".join(match[1].strip() for match in found if match) or self._dialect.title

    # ---- changing

    def apply(self, changes: Sequence[Change], epoch: int) -> dict[Change, DeviceFailed]:
        """Make the changes; answer those that were rejected."""
        del epoch  # a command line knows no fences; one session at a time is all there is
        rejected, words = self._once(changes)
        return rejected | self._halved(changes, words) if words else rejected

    def _once(self, changes: Sequence[Change]) -> tuple[dict[Change, DeviceFailed], str]:
        """Make the changes; those that were rejected, and the switch's words when it refuses the commit."""
        rejected: dict[Change, DeviceFailed] = {}
        before = self._read() if self._hearsay is None else self._hearsay.before(changes)
        todo = plan(self._dialect, before, changes)
        for change, words in todo.refused.items():
            rejected[change] = self._refusal(words)
        if todo.nothing:
            self._may_wait = False  # it may be so since a run that could not save it
            if self._unconfirmed:
                self._finish([], rejected)  # what a lost session left, now that it was read
            return rejected, ""
        self._may_wait = todo.only_idle_vlans
        self._unsaved = True
        with self._configuring():
            self._make(todo, rejected)
            words = self._commit()
        if words:
            return rejected, words
        self._finish_ports(todo, rejected)
        if self._hearsay is not None:
            self._hearsay.note(todo.moves, rejected)
        return rejected, ""

    def _make(self, todo: "Plan", rejected: dict[Change, DeviceFailed]) -> None:
        """All but the opening of ports that join."""
        dialect = self._dialect
        leave = dialect.blocks if dialect.home is None else dialect.closing
        self._run(leave(todo.leaving), rejected)
        self._run(dialect.vlan_blocks(todo.new, True, todo.names), rejected)
        for moves in (todo.trunks, todo.joining):
            self._run(dialect.blocks(self._possible(moves, rejected)), rejected)
        if dialect.home is None:
            self._run(dialect.vlan_blocks(self._left(todo, rejected), False, todo.names), rejected)

    def _possible(self, moves: Sequence[Move], rejected: dict[Change, DeviceFailed]) -> list[Move]:
        """Those whose VLANs were not refused a moment ago."""
        refused = {change.vlan: error for change, error in rejected.items() if isinstance(change, SetVlan)}
        good = []
        for move in moves:
            error = next((refused[vlan] for vlan in _carried(move.after) if vlan in refused), None)
            if error is None:
                good.append(move)
            else:
                rejected.update(dict.fromkeys(move.changes, error))
        return good

    def _left(self, todo: "Plan", rejected: dict[Change, DeviceFailed]) -> dict[int, Change]:
        """VLANs that are to go, without those that a port was refused to leave: it would fall to VLAN 1."""
        idle = dict(todo.gone)
        for move in todo.moves:
            error = next((rejected[change] for change in move.changes if change in rejected), None)
            if error is not None:
                kept = [idle.pop(vlan) for vlan in _carried(move.before.now) if vlan in idle]
                rejected.update(dict.fromkeys(kept, error))
        return idle

    def _finish_ports(self, todo: "Plan", rejected: dict[Change, DeviceFailed]) -> None:
        """Read back, let come up what is as it was meant, send home what was shut; confirm a commit."""
        dialect = self._dialect
        waiting = [move for move in todo.joining if not rejected.keys() & {*move.changes}]
        goes_home = dialect.home is not None and (todo.leaving or todo.gone)
        if not (waiting or goes_home or dialect.confirm):
            return
        seen = self._read().ports if self._hearsay is None else self._hearsay.believed(waiting)
        blocks = list(dialect.opening(self._as_meant(waiting, seen, rejected)))
        if goes_home:
            shut = [replace(move, before=seen[move.port]) for move in todo.leaving if seen[move.port].shut]
            blocks += dialect.blocks(shut)
            blocks += dialect.vlan_blocks(self._deserted(todo.gone, seen, rejected), False, todo.names)
        self._finish(blocks, rejected)

    def _as_meant(
        self, moves: Sequence[Move], seen: Mapping[str, Seen], rejected: dict[Change, DeviceFailed]
    ) -> list[Move]:
        """Those that are set up as they are to be."""
        good = []
        for move in moves:
            found = seen.get(move.port)
            if found is not None and found.state == move.after:
                good.append(move)
            else:
                carried = "nothing" if found is None else repr(found.state)
                error = self._refusal(f"it said yes, and port {move.port} is set up to carry {carried}")
                rejected.update(dict.fromkeys(move.changes, error))
        return good

    def _deserted(
        self, gone: Mapping[int, Change], seen: Mapping[str, Seen], rejected: dict[Change, DeviceFailed]
    ) -> dict[int, Change]:
        """VLANs that nothing carries: what is still up would go elsewhere with them."""
        carriers = {vlan: port for port, each in seen.items() for vlan in _carried(each.now)}
        for vlan in gone.keys() & carriers:
            rejected[gone[vlan]] = self._refusal(f"to isolate port {carriers[vlan]}, so VLAN {vlan} stays")
        return {vlan: change for vlan, change in gone.items() if vlan not in carriers}

    def _finish(self, blocks: Sequence[Block], rejected: dict[Change, DeviceFailed]) -> None:
        if blocks or self._dialect.confirm:
            with self._configuring():
                self._run(blocks, rejected)
                for say in _patient(self._dialect.confirm, 6):
                    self._must(say)
        self._unconfirmed = False

    def _commit(self) -> str:
        """Let all that was said become true; the switch's words when it refuses."""
        for say in _patient(self._dialect.commit, 6):
            if words := self._dialect.rejection(self._talk(say)):
                for back in filled(self._dialect.discard):
                    self._talk(back)
                return words
        return ""

    def _halved(self, changes: Sequence[Change], words: str) -> dict[Change, DeviceFailed]:
        """The same in two halves, for one of them is to blame.

        None is when both are refused in the same words, and so is one change of each, which may be innocent.
        """
        if len(changes) == 1:
            return {changes[0]: self._refusal(words)}
        middle = len(changes) // 2
        halves = [(half, *self._once(half)) for half in (changes[:middle], changes[middle:])]
        again = {refusal for _, _, refusal in halves}
        if again == {words} and all(
            self._once([half[0]])[1] == words for half, *_ in halves if len(half) > 1
        ):
            return dict.fromkeys(changes, self._passing(words))
        rejected: dict[Change, DeviceFailed] = {}
        for half, refused, refusal in halves:
            rejected |= refused | (self._halved(half, refusal) if refusal else {})
        return rejected

    def _run(self, blocks: Iterable[Block], rejected: dict[Change, DeviceFailed]) -> None:
        for block in blocks:
            words = self._try(block)
            if words and block.parts:
                self._run(block.parts, rejected)
            elif words:
                rejected.update(dict.fromkeys(block.changes, self._refusal(words)))

    def _try(self, block: Block) -> str | None:
        """Say its lines; the switch's words when it rejects one."""
        refused = None
        for at, say in enumerate((*block.place, *block.lines)):
            words = self._dialect.rejection(self._talk(say))
            if words and not say.optional:
                refused = refused or f"{say.line!r}: {words}"
                if not block.stubborn or at < len(block.place):
                    self._to_the_top()
                    return refused
        return refused

    def _to_the_top(self) -> None:
        """After a rejection nobody knows at which prompt it is; candidates have one prompt only."""
        if not self._dialect.commit:
            for say in filled((*self._dialect.leave, *self._dialect.enter)):
                self._talk(say)

    @contextlib.contextmanager
    def _configuring(self) -> Iterator[None]:
        """In the mode in which changes are made. A session that breaks is let go of by the executor."""
        for say in filled(self._dialect.enter):
            self._must(say)
        yield
        for say in filled(self._dialect.leave):
            self._talk(say)

    # ---- saving

    def save(self) -> None:
        """Let the startup configuration be the running one, unless that is not wanted.

        VLANs that nothing is on wait for what joins them: a group's are one save, not two.
        """
        self._save(not self._may_wait)

    def _save(self, now: bool) -> None:
        if not (now and self._unsaved) or self._settings.get("save") == "never":
            return
        answer = ""
        for say in _patient(self._dialect.save, 6):
            answer = self._must(say)
        if not re.search(self._dialect.saved, answer):
            raise self._refusal(f"it did not say that it has saved: {answer.strip()[-200:]!r}")
        self._unsaved = self._may_wait = False

    # ---- one line

    def _must(self, say: Say) -> str:
        """What it answers, which must be no rejection. What another session holds is given up in time."""
        answer = self._talk(say)
        if words := self._dialect.rejection(answer):
            raise self._passing(f"{say.line!r}: {words}")
        return answer

    def _talk(self, say: Say) -> str:
        if self._session is None:
            raise DeviceFailed(f"switch {self._name} was hung up on", "it is tried again")
        try:
            return self._session.say(say)
        except DeviceFailed:
            self._may_wait = False  # nothing more is said to it
            raise

    def _passing(self, words: str) -> DeviceFailed:
        return DeviceFailed(f"switch {self._name} rejected {words}", "it is tried again")

    def _refusal(self, words: str) -> DeviceFailed:
        return DeviceFailed(
            f"switch {self._name} rejected {words}", "InspectSwitch tells how it is now", passing=False
        )


def _patient(lines: Lines, times: int) -> Iterator[Say]:
    for say in filled(lines):
        yield Say(say.line, say.answers, max(say.patience, times), say.optional)


# ---- what is to be done: pure


@dataclass(frozen=True)
class Plan:
    """Changes as moves of ports and as VLANs, as far as they change anything."""

    refused: dict[Change, str]
    new: dict[int, Change] = field(default_factory=dict)
    gone: dict[int, Change] = field(default_factory=dict)
    leaving: list[Move] = field(default_factory=list)  # ports that are shut
    trunks: list[Move] = field(default_factory=list)  # trunk ports that stay up
    joining: list[Move] = field(default_factory=list)  # ports that come up, with something to carry
    carried: frozenset[int] = frozenset()  # VLANs that ports are on, be they there or not
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def moves(self) -> list[Move]:
        """All ports that change."""
        return [*self.leaving, *self.trunks, *self.joining]

    @property
    def nothing(self) -> bool:
        """Whether all is as it should be."""
        return not (self.new or self.gone or self.moves)

    @property
    def only_idle_vlans(self) -> bool:
        """Whether all that it makes are VLANs which nothing is on yet."""
        return not (self.moves or self.gone or self.carried & self.new.keys())


def plan(dialect: type[Dialect], reading: Reading, changes: Sequence[Change]) -> Plan:
    """What the changes, in their order, come to on a switch that is as it was read."""
    carried = {vlan for seen in reading.ports.values() for vlan in _carried(seen.now)}
    todo = Plan({}, carried=frozenset(carried), names=reading.names)
    wanted: dict[str, PortState] = {}
    asked: dict[str, list[SetPort | SetTrunk]] = {}
    for change in changes:
        if words := _refused(dialect, reading, change):
            todo.refused[change] = words
        elif isinstance(change, SetVlan):
            there = reading.vlans is None or change.vlan in reading.vlans
            if there != change.present:
                (todo.new if change.present else todo.gone)[change.vlan] = change
        else:
            port = dialect.port_name(change.port) or change.port
            state = wanted.get(port, reading.ports[port].now)
            wanted[port] = successor(change, state)
            asked.setdefault(port, []).append(change)
    for port, state in wanted.items():
        seen = reading.ports[port]
        leftover = seen.state not in (PortState(), PortState(dialect.home))  # shut perhaps, and on VLANs
        if seen.now != state or (state.isolated and leftover):
            last = asked[port][-1]
            native = last.native if isinstance(last, SetTrunk) else 1
            move = Move(port, seen, state, tuple(asked[port]), native)
            kind = todo.leaving if dialect.leaves(move) else todo.joining if move.joins else todo.trunks
            kind.append(move)
    return todo


def _refused(dialect: type[Dialect], reading: Reading, change: Change) -> str:
    """Why a change cannot be tried; empty when it can."""
    vlans = [change.vlan] if isinstance(change, SetVlan | SetTrunk) else _carried(change.state)
    bad = [vlan for vlan in vlans if not 0 < vlan <= MOST_VLANS]
    if bad:
        return f"VLAN {bad[0]}: there is no such id"
    if isinstance(change, SetVlan):
        return ""
    if (dialect.port_name(change.port) or change.port) not in reading.ports:
        return f"port {change.port}: there is no such port"
    lack = dialect.cannot(change.state if isinstance(change, SetPort) else PortState(None, (change.vlan,)))
    return f"port {change.port}: {lack}" if lack else ""


def _carried(state: PortState) -> list[int]:
    return [vlan for vlan in (state.untagged, *state.tagged) if vlan is not None]
