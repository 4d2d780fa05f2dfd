"""Who reaches whom, by the tables alone: a pure model of switches that forward by VLAN.

For whoever must judge isolation without sending packets: tests, the demo without root, audits. It
knows what was read from switches (SwitchState) and how they are cabled, nothing of drivers.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, product

from nm.switch import PortState, SwitchState

Place = tuple[str, str]  # switch, port
Link = tuple[Place, Place]
Tags = tuple[int, ...]  # a frame's VLAN tags, outermost first; () is an untagged frame

VLANLESS = 0  # the VLAN of untagged frames on ports that carry everything and name no VLAN


def reaches(
    states: Mapping[str, SwitchState], links: Iterable[Link], start: Place, tags: Tags = ()
) -> frozenset[Place]:
    """The ports at the edge out of which a broadcast frame comes that went in at `start`."""
    peers = {end: other for link in links for end, other in (link, link[::-1])}
    edge: set[Place] = set()
    seen: set[tuple[Place, Tags]] = set()
    waiting = [(start, tags)]
    while waiting:
        frame = waiting.pop()
        if frame in seen:
            continue
        seen.add(frame)
        for place, left in _forward(states, *frame):
            if place in peers:
                waiting.append((peers[place], left))
            else:
                edge.add(place)
    return frozenset(edge - {start})


def reaches_at_all(
    states: Mapping[str, SwitchState], links: Iterable[Link], start: Place
) -> frozenset[Place]:
    """The same for whatever a hostile sender may try: untagged, each VLAN, and one tag inside another."""
    links = list(links)
    ids = sorted({0, 1, 4095, *chain.from_iterable(_ids(state) for state in states.values())})
    tries: Iterator[Tags] = chain([()], ((tag,) for tag in ids), product(ids, ids))
    return frozenset().union(*(reaches(states, links, start, tags) for tags in tries))


def _ids(state: SwitchState) -> set[int]:
    """Every VLAN id that the switch speaks of."""
    carried = {vlan for port in state.ports.values() for vlan in port.tagged}
    return (
        carried | {port.untagged for port in state.ports.values() if port.untagged} | {*(state.vlans or ())}
    )


def _forward(states: Mapping[str, SwitchState], place: Place, tags: Tags) -> Iterator[tuple[Place, Tags]]:
    """Where one switch sends a frame that comes in at that port, and with which tags."""
    name, port = place
    switch = states.get(name)
    if switch is None or port not in switch.ports:
        return
    entered = _enter(switch.ports[port], tags)
    if entered is None:
        return
    vlan, inner = entered
    if vlan != VLANLESS and switch.vlans is not None and vlan not in switch.vlans:
        return
    for other, state in switch.ports.items():
        if other == port:
            continue
        if vlan in (state.untagged, VLANLESS) and (state.open or vlan == state.untagged):
            yield (name, other), inner
        elif state.open or vlan in state.tagged:
            yield (name, other), (vlan, *inner)


def _enter(state: PortState, tags: Tags) -> tuple[int, Tags] | None:
    """The VLAN into which the port takes the frame, and the tags left inside; None when it drops it."""
    if tags and tags[0] == 0:  # a priority tag names no VLAN
        tags = tags[1:]
        untagged = True
    else:
        untagged = not tags
    if untagged:
        vlan = VLANLESS if state.untagged is None and state.open else state.untagged
        return None if vlan is None else (vlan, tags)
    native = bool(state.tagged) and tags[0] == state.untagged  # a trunk takes its own VLAN either way
    if state.open or native or tags[0] in state.tagged:
        return tags[0], tags[1:]
    return None
