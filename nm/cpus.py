"""How slivers share the node's processors: weights of those that run, and whole processors for some. Pure.

A sliver is promised a reservation (thousandths of a processor) and gets, of what nobody has reserved, a part
by its shares. When all are busy that is m + (C - M) s / S: its own reservation, and of the node's capacity
without all reservations its part of all shares. The kernel divides time by weights alone, so weights are in
that proportion. Promises of more than there is are kept in part, all in the same proportion, and it is said.

Whole processors are given to those that ask for them and keep them as long as they run and ask for as many;
one is always left for the others. What is left over is for all who have none of their own, or want these too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from nm import rspec

THOUSANDTHS = 1000  # of a processor


@dataclass(frozen=True)
class Demand:
    """What a running sliver is to get: shares, thousandths reserved, and cores as in `2b` (nm/rspec.py)."""

    shares: int
    reserve: int = 0
    cores: str = "0b"


@dataclass(frozen=True)
class Span:
    """The weights that the kernel knows, and what one share is of them while nobody reserves anything."""

    least: int
    most: int
    share: Fraction


_USUAL = 32  # shares of a sliver that asks for nothing; it weighs as much as what the kernel gives to any
SPANS: Mapping[int, Span] = {
    1: Span(2, 262_144, Fraction(1024, _USUAL)),
    2: Span(1, 10_000, Fraction(100, _USUAL)),
}
"""By the version of control groups."""


@dataclass(frozen=True)
class Division:
    """Who gets what: weights, the processors that each may use, and those that are its own."""

    weights: Mapping[str, int]
    usable: Mapping[str, frozenset[int]]
    own: Mapping[str, frozenset[int]]
    notes: Mapping[str, Mapping[str, str]]
    """Sliver -> resource -> what of it cannot be kept."""


def divide(
    demands: Mapping[str, Demand], processors: int, held: Mapping[str, frozenset[int]], span: Span
) -> Division:
    """The division among those that run. `held`: the processors that each has of its own now."""
    own = _own(demands, processors, held)
    taken = frozenset[int]().union(*own.values())
    rest = frozenset(range(processors)) - taken
    usable = {
        name: own[name] | rest if not own[name] or rspec.cores(demand.cores)[1] else own[name]
        for name, demand in demands.items()
    }
    crowd = {name: demand for name, demand in demands.items() if usable[name] & rest}
    capacity = THOUSANDTHS * len(rest)
    kept = _kept(crowd, capacity)
    weights = dict.fromkeys(demands, span.least) | _weights(crowd, capacity, kept, span)
    return Division(weights, usable, own, _notes(demands, own, crowd, kept))


def _kept(crowd: Mapping[str, Demand], capacity: int) -> Fraction:
    """How much of each reservation can be kept."""
    promised = sum(demand.reserve for demand in crowd.values())
    return min(Fraction(1), Fraction(capacity, promised)) if promised else Fraction(1)


def _weights(crowd: Mapping[str, Demand], capacity: int, kept: Fraction, span: Span) -> dict[str, int]:
    shares = sum(demand.shares for demand in crowd.values()) or 1
    free = capacity - kept * sum(demand.reserve for demand in crowd.values())
    parts = {name: kept * demand.reserve * shares + free * demand.shares for name, demand in crowd.items()}
    largest = max(parts.values(), default=Fraction(0))
    if not largest:
        return dict.fromkeys(crowd, span.least)
    unit = span.most / largest
    if free:
        unit = min(unit, span.share / free)  # so that without reservations each has its shares' own weight
    return {name: max(span.least, round(part * unit)) for name, part in parts.items()}


def _own(
    demands: Mapping[str, Demand], processors: int, held: Mapping[str, frozenset[int]]
) -> dict[str, frozenset[int]]:
    """Who has some already keeps them; the highest numbers go first, so that 0 is what is left."""
    wanted = {name: rspec.cores(demand.cores)[0] for name, demand in sorted(demands.items())}
    free = set(range(processors))
    left = processors - 1
    own: dict[str, frozenset[int]] = {}
    for name, count in wanted.items():
        keeps = sorted(held.get(name, frozenset()) & free, reverse=True)[: min(count, left)]
        own[name] = frozenset(keeps)
        free -= own[name]
        left -= len(keeps)
    for name, count in wanted.items():
        new = sorted(free, reverse=True)[: max(0, min(count - len(own[name]), left))]
        own[name] |= frozenset(new)
        free -= set(new)
        left -= len(new)
    return own


def _notes(
    demands: Mapping[str, Demand],
    own: Mapping[str, frozenset[int]],
    crowd: Mapping[str, Demand],
    kept: Fraction,
) -> dict[str, dict[str, str]]:
    notes: dict[str, dict[str, str]] = {}
    for name, demand in demands.items():
        count = rspec.cores(demand.cores)[0]
        if len(own[name]) < count:
            notes.setdefault(name, {})["cpu_cores"] = (
                f"{len(own[name])} of {count} cores, for others have theirs and one is left for all"
            )
        if name in crowd and demand.reserve and kept < 1:
            notes.setdefault(name, {})["cpu_min"] = (
                f"{int(demand.reserve * kept)} of {demand.reserve}, for more is reserved than there is"
            )
    return notes


def held(
    demands: Mapping[str, Demand], pins: Mapping[str, frozenset[int] | None]
) -> dict[str, frozenset[int]]:
    """The processors that each has of its own, by those that each may use now.

    What all may use that want those left over is left over; who has no own processors uses nothing else.
    """
    counts = {name: rspec.cores(demand.cores) for name, demand in demands.items()}
    over = [pins.get(name) or frozenset() for name, (count, more) in counts.items() if more or not count]
    rest = frozenset.intersection(*over) if over else frozenset()
    return {name: (pins.get(name) or frozenset()) - rest for name, (count, _) in counts.items() if count}
