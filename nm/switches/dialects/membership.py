"""What dialects share whose VLANs list their ports: what a port is on is said at the VLANs, one by one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

from nm.switch import PortState
from nm.switches.dialect import Block, Dialect, Lines, Move, filled

Member = tuple[int, bool]  # a VLAN, and whether it is tagged


class Membership(Dialect):
    """A port leaves the VLANs that it was read to be on, then joins others; one that is on none is shut."""

    into: ClassVar[Lines] = ("vlan {vlan}",)
    untag: ClassVar[Lines] = ("untagged {ports}",)
    no_untag: ClassVar[Lines] = ("no untagged {ports}",)
    tag: ClassVar[Lines] = ("tagged {ports}",)
    no_tag: ClassVar[Lines] = ("no tagged {ports}",)
    at_once: ClassVar[int] = 8  # pieces of {ports} in a line of a VLAN
    unsaid: ClassVar[frozenset[int]] = frozenset()  # VLANs that a port is on when it is on no other
    bare: ClassVar[Lines] = ()  # what else takes a port off all VLANs
    empty: ClassVar[Lines] = ()

    @classmethod
    def blocks(cls, moves: Iterable[Move]) -> Iterator[Block]:
        """Shut what joins or leaves; then leave and join, or the reverse where a port must be somewhere."""
        moves = list(moves)
        stirred = [move for move in moves if move.joins or move.after.isolated]
        yield from cls.at_ports([move for move in stirred if not move.before.shut], filled(cls.shut))
        if cls.home is None:
            yield from cls._memberships(moves, cls._left, (cls.no_untag, cls.no_tag))
            if cls.bare:
                yield from cls.at_ports([move for move in moves if move.after.isolated], filled(cls.bare))
            yield from cls.prepared([move for move in moves if move.joins])
            yield from cls._memberships(moves, cls._joined, (cls.untag, cls.tag))
        else:
            yield from cls._memberships(moves, cls._joined, (cls.untag, cls.tag))
            yield from cls._memberships(moves, cls._left, (cls.no_untag, cls.no_tag))

    @classmethod
    def prepared(cls, moves: Sequence[Move]) -> Iterator[Block]:
        """What ports on no VLAN need before they can join."""
        del moves
        return iter(())

    @classmethod
    def _members(cls, state: PortState) -> set[Member]:
        untagged = cls.home if state.isolated else state.untagged
        found = {(vlan, True) for vlan in state.tagged} | {(untagged or 0, False)}
        return {(vlan, tagged) for vlan, tagged in found if vlan and vlan not in cls.unsaid}

    @classmethod
    def _left(cls, move: Move) -> set[Member]:
        """With a home, an untagged VLAN takes the place of another, and of itself tagged."""
        before, after = cls._members(move.before.state), cls._members(move.after)
        if cls.home is None:
            return before if move.joins else before - after
        kept = {vlan for vlan, _ in after}
        replaced = any(not tagged for _, tagged in after)
        return {(vlan, tagged) for vlan, tagged in before if vlan not in kept and (tagged or not replaced)}

    @classmethod
    def _joined(cls, move: Move) -> set[Member]:
        before = set() if move.joins and cls.home is None else cls._members(move.before.state)
        return cls._members(move.after) - before

    @classmethod
    def _memberships(
        cls, moves: Sequence[Move], which: Callable[[Move], set[Member]], how: tuple[Lines, Lines]
    ) -> Iterator[Block]:
        alike: dict[Member, list[Move]] = {}
        for move in moves:
            for member in which(move):
                alike.setdefault(member, []).append(move)
        for (vlan, tagged), some in sorted(alike.items()):
            parts = tuple(cls._in_vlan(vlan, how[tagged], [move]) for move in some)
            yield parts[0] if len(some) == 1 else cls._in_vlan(vlan, how[tagged], some, parts)

    @classmethod
    def _in_vlan(cls, vlan: int, how: Lines, moves: Sequence[Move], parts: tuple[Block, ...] = ()) -> Block:
        changes = tuple(change for move in moves for change in move.changes)
        words = [word for _, word in cls.ranges([move.port for move in moves], cls.at_once)]
        lines = [line for word in words for line in filled(how, vlan=vlan, ports=word)]
        closes = all(move.after.isolated for move in moves)
        said = (*lines, *(filled(cls.done) if cls.into else ()))
        return Block(said, changes, filled(cls.into, vlan=vlan), parts, closes)
