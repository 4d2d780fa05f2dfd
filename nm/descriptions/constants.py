"""Java's constants that are values of the language, as CONSTANT names them. nm has no Java to ask for others.

Byte and Short are kinds that the language has not; they are written as Integers, and are such here.
"""

import difflib
import math

from nm.descriptions.literals import INTEGERS, LONGS, single
from nm.descriptions.problems import Problem, Unresolved
from nm.descriptions.values import Long, Value

KNOWN: dict[str, dict[str, Value]] = {
    "java.lang.Boolean": {"TRUE": True, "FALSE": False},
    "java.lang.Byte": {"MIN_VALUE": -128, "MAX_VALUE": 127, "SIZE": 8, "BYTES": 1},
    "java.lang.Short": {"MIN_VALUE": -(1 << 15), "MAX_VALUE": (1 << 15) - 1, "SIZE": 16, "BYTES": 2},
    "java.lang.Integer": {"MIN_VALUE": -INTEGERS, "MAX_VALUE": INTEGERS - 1, "SIZE": 32, "BYTES": 4},
    "java.lang.Long": {"MIN_VALUE": Long(-LONGS), "MAX_VALUE": Long(LONGS - 1), "SIZE": 64, "BYTES": 8},
    "java.lang.Float": {
        "MIN_VALUE": single(2.0**-149),
        "MIN_NORMAL": single(2.0**-126),
        "MAX_VALUE": single((2 - 2.0**-23) * 2.0**127),
        "MIN_EXPONENT": -126,
        "MAX_EXPONENT": 127,
        "POSITIVE_INFINITY": single(math.inf),
        "NEGATIVE_INFINITY": single(-math.inf),
        "NaN": single(math.nan),
        "SIZE": 32,
        "BYTES": 4,
    },
    "java.lang.Double": {
        "MIN_VALUE": 2.0**-1074,
        "MIN_NORMAL": 2.0**-1022,
        "MAX_VALUE": (2 - 2.0**-52) * 2.0**1023,
        "MIN_EXPONENT": -1022,
        "MAX_EXPONENT": 1023,
        "POSITIVE_INFINITY": math.inf,
        "NEGATIVE_INFINITY": -math.inf,
        "NaN": math.nan,
        "SIZE": 64,
        "BYTES": 8,
    },
    "java.lang.Character": {"MIN_RADIX": 2, "MAX_RADIX": 36, "SIZE": 16, "BYTES": 2},
    "java.lang.Math": {"E": math.e, "PI": math.pi},
    "java.lang.Thread": {"MIN_PRIORITY": 1, "NORM_PRIORITY": 5, "MAX_PRIORITY": 10},
    "java.io.File": {"separator": "/", "pathSeparator": ":"},
}


def constant(name: str) -> Value:
    """The value of that constant, as java.lang.Integer.MAX_VALUE. Raises Unresolved."""
    kind, _, own = name.rpartition(".")
    fields = KNOWN.get(kind, {})
    if own not in fields:
        raise Unresolved(Problem(f"CONSTANT {name} is not to be had", guess=lambda: _hint(name, kind)))
    return fields[own]


def _hint(name: str, kind: str) -> str:
    """What there is instead."""
    if kind in KNOWN:
        return f"of {kind} there are {', '.join(KNOWN[kind])}"
    every = [f"{one}.{own}" for one, fields in KNOWN.items() for own in fields]
    near = difflib.get_close_matches(name[:60], every, 1)
    return f"did you mean {near[0]}?" if near else f"nm runs no Java; it has those of {', '.join(KNOWN)}"
