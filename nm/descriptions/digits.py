"""The digits that Java writes for a Float or a Double.

Java up to 18, on which the reference implementation runs, does not always write the fewest that tell a number
from its neighbours: 123456789.0f is 1.23456792E8 there. So they are developed in its way, one after the other
until what is left is less than the way to a neighbour, and with what 32 and 64 bits do to that.
"""

import math
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of binary number: its bits, and the least power of two from which on it has all of them."""

    bits: int
    least: int


FLOAT, DOUBLE = Kind(24, -126), Kind(53, -1022)
LONG = 62  # the power of two of the largest integers of 64 bits
# The line by which the power of ten is estimated: it is right, or one too large.
SLOPE, MIDDLE, LOG_OF_MIDDLE, LOG_OF_TWO = 0.289529654, 1.5, 0.176091259, 0.301029995663981
LEAST_PLAIN, MOST_PLAIN = -3, 8  # outside these powers of ten at least two digits are written
EXACT_FIVES = 26  # of higher powers of five Java takes the bits to be three each
INT_BITS, LONG_BITS = 32, 64


def digits_of(size: float, kind: Kind) -> tuple[str, int]:
    """The digits of a positive number, and the power of ten of the first one."""
    fraction, above = math.frexp(size)
    power = above - 1
    bits = kind.bits - max(0, kind.least - power)
    odd = int(math.ldexp(fraction, DOUBLE.bits))
    odd >>= (odd & -odd).bit_length() - 1
    if odd.bit_length() <= above and power <= LONG:
        return _whole(int(size), power - bits - 1)
    estimate = (2 * fraction - MIDDLE) * SLOPE + LOG_OF_MIDDLE + power * LOG_OF_TWO
    exponent = math.floor(estimate)
    return _developed(_scaled(odd, power, bits, exponent), exponent)


def _whole(value: int, unknown: int) -> tuple[str, int]:
    """The digits of an integer of which the last so many bits say nothing."""
    cut = len(str(1 << unknown)) - 1 if unknown > 1 else 0
    known, rest = divmod(value, 10**cut)
    text = str(known + (cut > 0 and 2 * rest >= 10**cut))
    return text.rstrip("0"), len(text) - 1 + cut


class _Scaled(NamedTuple):
    """left / unit is the number in its power of ten, near / unit the way to a neighbour.

    word: the bits of the integers with which Java computes; 0: as many as it takes.
    """

    left: int
    unit: int
    near: int
    word: int


def _scaled(odd: int, power: int, bits: int, exponent: int) -> _Scaled:
    below = max(0, odd.bit_length() - power - 1)
    fives, tens = max(0, -exponent), max(0, exponent)
    left, unit = fives + below + power - odd.bit_length() + 1, tens + below
    near = fives + below + power - bits - (odd == 1)  # below a power of two the neighbour is half as far
    common = min(left, unit, near)
    widths = (odd.bit_length() + left - common + _bits(fives), unit - common + 1 + _bits(tens + 1))
    word = next((word for word in (INT_BITS, LONG_BITS) if max(widths) < word), 0)
    return _Scaled(odd * 5**fives << left - common, 5**tens << unit - common, 5**fives << near - common, word)


def _bits(fives: int) -> int:
    return (5**fives).bit_length() if fives <= EXACT_FIVES else 3 * fives


def _developed(scaled: _Scaled, exponent: int) -> tuple[str, int]:
    left, unit, near, word = scaled
    found, low, high, first = "", False, False, True
    while not low and not high:
        digit, left = divmod(left, unit)
        left, near = 10 * left, _held(10 * near, word)
        total = _held(left + near, word)
        low, high = left < near, total > 10 * unit or (not word and total == 10 * unit)
        if not first and near <= 0:  # it was too large to be held
            low = high = True
        if first and not digit and not high:
            exponent -= 1
        else:
            found += str(digit)
        if first and not LEAST_PLAIN <= exponent < MOST_PLAIN:
            low = high = False
        first = False
    rest = 2 * left - 10 * unit
    if high and (not low or rest > 0 or (rest == 0 and int(found[-1]) % 2)):
        rounded = str(int(found) + 1)
        exponent += len(rounded) > len(found)
        found = rounded
    return found.rstrip("0"), exponent


def _held(value: int, word: int) -> int:
    """What an integer of so many bits holds of it."""
    half = 1 << (word - 1) if word else 0
    return (value + half) % (2 * half) - half if word else value
