"""What a description may ask of the world: the site's properties and environment, the time, and chance.

It is told once what it asks for, so it means the same each time that it is told the same. Chance follows from
the moment and from where it is asked for: what is written elsewhere in the text changes none of its answers.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

MULTIPLIER, INCREMENT, BITS = 0x5DEECE66D, 0xB, 48  # of java.util.Random
PRECISION = 24  # bits of its floats


@dataclass(frozen=True)
class Surroundings:
    """Nothing, unless whoever compiles it says so. now: seconds since 1970."""

    properties: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    now: float | None = None

    def texts(self) -> Mapping[str, Mapping[str, str]]:
        """What each word of a reference finds that leads out of the description."""
        return {"PROPERTY": self.properties, "ENVPROPERTY": self.environment}

    def chance(self, place: tuple[str, ...]) -> "Chance":
        """What there is of chance in that place."""
        said = hashlib.sha256(repr((self.now, place)).encode()).digest()
        return Chance(int.from_bytes(said[: BITS // 8]))


NOWHERE = Surroundings()


class Chance:
    """The numbers that Java's Random gives by that seed."""

    def __init__(self, seed: int) -> None:
        self._state = self._cut(seed ^ MULTIPLIER)

    def next(self) -> float:
        """The next one, from 0 to below 1; a Float holds it."""
        self._state = self._cut(self._state * MULTIPLIER + INCREMENT)
        return (self._state >> BITS - PRECISION) / (1 << PRECISION)

    @staticmethod
    def _cut(number: int) -> int:
        return number & (1 << BITS) - 1
