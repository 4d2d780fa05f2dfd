"""What a repair does first: whatever carries what it should not is isolated, before anything is joined. Pure.

The orders go to the switches' workers, all of a switch in one session. Each is moot when the world has moved
on by then: a group's port is touched only while no order of the group's own can be under way, and a port of
the pool only while it is the pool's.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from nm import audits, facts, people
from nm.facts import Order, Outcome, Value
from nm.records import Record, port_key
from nm.store import Reader


@dataclass(frozen=True)
class Closing:
    """An order, whose worker carries it out, and the thing of the pool that it puts right."""

    subject: str
    order: Order
    mends: str | None = None


def of_group(
    reader: Reader, name: str, found: audits.Found, seen: Mapping[str, Outcome]
) -> Iterator[Closing]:
    """Its ports that carry something else. What could not be read, the group's own plan isolates later."""
    for fact, value in found.differing.items():
        if fact.startswith("port/") and seen[fact].error is None and seen[fact].seen is not None:
            yield Closing(
                _switch(fact), Order(fact, None, moot=partial(_has_moved, reader, name, fact, value))
            )


def of_strangers(reader: Reader, ports: Iterable[str]) -> Iterator[Closing]:
    """Ports of the pool, as facts."""
    for fact in ports:
        yield Closing(_switch(fact), Order(fact, None, moot=partial(_is_taken, reader, fact)), fact)


def of_pool(
    reader: Reader, wanted: audits.Expected, found: Mapping[str, Record | None], seen: Mapping[str, Outcome]
) -> Iterator[Closing]:
    """All that differs in the pool and could be read."""
    differing = [fact for fact, one in found.items() if one is not None and seen[fact].error is None]
    for fact in differing:
        if fact in wanted.trunks:
            yield from _of_trunk(reader, fact, wanted.trunks[fact], seen[fact].seen)
        elif fact.startswith("account/"):
            yield Closing(people.SUBJECT, Order(fact, wanted.pool[fact]), fact)
    free = [fact for fact in differing if fact.startswith("port/") and fact not in wanted.trunks]
    yield from of_strangers(reader, free)


def _of_trunk(reader: Reader, fact: str, vlans: set[int], seen: Value | None) -> Iterator[Closing]:
    """Its strays go. One that is open names its VLANs from its first change on, so one removal closes it."""
    _, switch, port = facts.split(fact)
    native = audits.native_of(reader, fact)
    for vlan in sorted(audits.strays_of(reader, fact, vlans, seen)) or [native]:
        way = facts.name("trunk", switch, vlan, port)
        yield Closing(
            _switch(fact), Order(way, None, {"native": native}, partial(audits.has_way, reader, way)), fact
        )


def _switch(fact: str) -> str:
    return f"switch:{facts.split(fact)[1]}"


def _has_moved(reader: Reader, name: str, fact: str, value: Value) -> bool:
    return not audits.rests_on(reader, name, fact, value)


def _is_taken(reader: Reader, fact: str) -> bool:
    return not audits.is_idle(reader, reader.get(port_key(*facts.split(fact)[1:])))
