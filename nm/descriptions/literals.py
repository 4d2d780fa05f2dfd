"""Numbers and bytes: from their words to values and back, as Java writes them."""

import math
import struct
from typing import Literal

from nm.descriptions.digits import DOUBLE, FLOAT, digits_of
from nm.descriptions.problems import Problem, Unresolved, Wrong
from nm.descriptions.values import Float, Long

Decimals = Literal["double", "reference"]  # what 1.25 is; see `decimal`
INTEGERS, LONGS = 1 << 31, 1 << 63
BASES = {"HEX": (2, 16), "DEC": (3, 10), "OCT": (3, 8), "BIN": (8, 2)}
DIGITS = frozenset("0123456789abcdef")
PLAIN_FROM, PLAIN_TO = -3, 7  # powers of ten; between them Java writes none
EXACT = 48  # bits of an int that a Double holds, and far more than a Float does


def integer(text: str) -> int:
    """An Integer, or a Long when the text ends with L."""
    long = text[-1] in "lL"
    digits = text.rstrip("lL")
    bound = LONGS if long else INTEGERS
    # So many digits are too many in any case; Python would take its time to read a million of them.
    if len(digits.lstrip("-0")) > len(str(LONGS)) or not -bound <= int(digits) < bound:
        hint = "write it as a string" if long else "end it with L for a 64-bit integer"
        raise Wrong(Problem(f"{digits[:40]} does not fit into {64 if long else 32} bits", hint))
    return Long(digits) if long else int(digits)


def decimal(text: str, decimals: Decimals) -> float:
    """A Double, or a Float when the text ends with F.

    Without a letter it is a Double, as the language's manual says. The reference implementation makes a Float
    of it and loses its last character; `reference` does so too.
    """
    if text[-1] in "fF":
        return single(float(text[:-1]))
    if text[-1] in "dD":
        return float(text[:-1])
    if decimals == "double":
        return float(text)
    try:
        return single(float(text[:-1]))
    except ValueError:
        raise Wrong(Problem(f"{text} is no number for the reference", f"write {text}d")) from None


def single(value: float) -> Float:
    """The nearest Float; that of an int, too, which is not rounded to a Double on the way."""
    if isinstance(value, int) and (low := value.bit_length() - EXACT) > 0:
        size = abs(value)
        rounded = (size >> low | bool(size & ((1 << low) - 1))) << low  # whether there was a rest, is kept
        value = rounded if value > 0 else -rounded
    try:
        return Float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return Float(math.copysign(math.inf, value))


def bytes_of(text: str) -> bytes:
    """The bytes that #HEX#...# and its like say."""
    base, inside = text[1:4], text[5:-1]
    if base not in BASES:
        raise Wrong(Problem("#B64# is not part of the language", "write the bytes as #HEX#...#"))
    width, radix = BASES[base]
    digits = inside.translate({ord(blank): None for blank in " \t\n"}).lower()
    if len(digits) % width or not set(digits) <= DIGITS:
        raise Wrong(Problem(f"#{base}# takes {width} digits for each byte", "fill up with zeros on the left"))
    try:
        return bytes(int(digits[at : at + width], radix) for at in range(0, len(digits), width))
    except ValueError:
        raise Wrong(Problem(f"#{base}# takes bytes from 0 to 255", "correct the digits")) from None


def java(value: float) -> str:
    """A Float or Double as Java writes it: 1.0, 1.0E10, NaN."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign = "-" if math.copysign(1, value) < 0 else ""
    size = abs(value)
    if not size:
        return f"{sign}0.0"
    digits, exponent = digits_of(size, FLOAT if isinstance(value, Float) else DOUBLE)
    if PLAIN_FROM <= exponent < PLAIN_TO:
        if exponent < 0:
            return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
        whole, rest = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
        return f"{sign}{whole}.{rest or '0'}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def wrapped(value: int, long: bool) -> int:
    """What is left of a sum in 32 or 64 bits: Java lets it wrap around."""
    bound = LONGS if long else INTEGERS
    rest = (value + bound) % (2 * bound) - bound
    return Long(rest) if long else rest


def refuse_unless(holds: bool, message: str, hint: str) -> None:
    """Raise a mistake unless it holds."""
    if not holds:
        raise Unresolved(Problem(message, hint))
