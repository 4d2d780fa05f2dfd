"""What a switch was told, for one whose answers nobody can read: all that nm knows of it.

Lives as long as a session. Of a port that was told nothing in it nothing is known, and nm says so: such a
switch can be driven, and neither inspected nor audited. Called by the driver of command lines. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from nm.errors import DeviceFailed
from nm.switch import Change, PortState, SetVlan
from nm.switches.dialect import Move, Reading, Seen

ANYTHING = Seen(PortState(open=True))


class Hearsay:
    """Of one session with a switch; `spell`: the full spelling of a port's name."""

    def __init__(self, name: str, title: str, spell: Callable[[str], str]) -> None:
        self._name, self._title, self._spell = name, title, spell
        self._told: dict[str, Seen] = {}

    def before(self, changes: Sequence[Change]) -> Reading:
        """As if nothing were yet as the changes ask: so that all is said, whatever there is."""
        ports = {self._spell(change.port): ANYTHING for change in changes if not isinstance(change, SetVlan)}
        gone = {change.vlan for change in changes if isinstance(change, SetVlan) and not change.present}
        return Reading(ports | self._told, frozenset(gone))

    def believed(self, moves: Iterable[Move]) -> Mapping[str, Seen]:
        """How ports are set up whose moves were not rejected."""
        return {move.port: Seen(move.after, shut=True) for move in moves}

    def note(self, moves: Iterable[Move], rejected: Mapping[Change, DeviceFailed]) -> None:
        """These were said; what was rejected may carry anything."""
        for move in moves:
            self._told[move.port] = _seen(move) if not rejected.keys() & {*move.changes} else ANYTHING

    def recall(self, ports: Iterable[str] | None) -> dict[str, PortState]:
        """What the ports were told; DeviceFailed when one was told nothing, or all are asked for."""
        named = {port: self._told.get(self._spell(port)) for port in ports or ()}
        if ports is None or None in named.values():
            raise DeviceFailed(
                f"switch {self._name} cannot be read: nm has no parser for {self._title}",
                "nm knows what it told a port in the session at hand, and no more; look at the switch itself",
                passing=False,
            )
        return {port: seen.now for port, seen in named.items() if seen is not None}


def _seen(move: Move) -> Seen:
    """What is isolated is shut, so that it is opened when it joins."""
    return Seen(move.after, shut=move.after.isolated)
