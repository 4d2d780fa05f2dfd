"""What functions compute: a table of the names of the reference's classes, and what each is here.

A function takes the values of its arguments by their names, in order, all of them known, and gives a value.
Numbers behave as Java's: what mixes becomes Double, else Float, else Long, else Integer; integers wrap
around.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from nm.descriptions.limits import Budget
from nm.descriptions.literals import java, refuse_unless, single, wrapped
from nm.descriptions.printer import value_text
from nm.descriptions.problems import Problem, Unresolved, Wrong
from nm.descriptions.values import Component, Float, Long, Scope, Value, Vector, weight_of

CASE, VALUE = "IF", "THEN"  # how the names of a SWITCH's arguments begin
Arguments = Mapping[str, Value]
Compute = Callable[[Arguments, Budget], Value]
PACKAGES = ("org.smartfrog.sfcore.languages.sf.functions.", "org.smartfrog.sfcore.languages.sf.predicates.")


def compute(name: str, arguments: Arguments, budget: Budget) -> Value:
    """The value of the function of that class. What begins with sf is about it, and no argument."""
    known = next(
        (TABLE.get(name.removeprefix(package)) for package in PACKAGES if name.startswith(package)), None
    )
    if known is None:
        hint = f"nm runs no classes of others; it has {', '.join(sorted(TABLE))}"
        raise Wrong(Problem(f"no function {name}", hint))
    budget.step(len(arguments))
    return known({key: value for key, value in arguments.items() if not key.startswith("sf")}, budget)


# ---- numbers


def _number(value: Value) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _refuse(f"{described(value)} is no number", "take a number, or ++ to put texts together")
    return value


def _alike(left: Value, right: Value) -> tuple[int | float, int | float]:
    """Both in the wider of their kinds, as Java promotes them: 16777217 is 1.6777216E7 beside a Float."""
    numbers = _number(left), _number(right)
    kinds = set(map(type, numbers))
    widen = float if float in kinds else single if Float in kinds else None
    return numbers if widen is None else (widen(numbers[0]), widen(numbers[1]))


def _as_wide(result: float, *values: float) -> int | float:
    """The result in the widest of the values' kinds."""
    kinds = set(map(type, values))
    if float in kinds:
        return float(result)
    if Float in kinds:
        return single(float(result))
    return wrapped(int(result), Long in kinds)


def _folded(fold: Callable[[float, float], float]) -> Compute:
    def fold_all(arguments: Arguments, _budget: Budget) -> Value:
        refuse_unless(bool(arguments), "nothing to compute with", "give at least one number")
        if len(arguments) == 1:
            return next(iter(arguments.values()))  # whatever it is
        total, *rest = arguments.values()
        for value in rest:
            left, right = _alike(total, value)
            total = _as_wide(_floating(fold, left, right), left, right)
        return total

    return fold_all


def _floating(compute_: Callable[[float, float], float], left: float, right: float) -> float:
    """Java's floats overflow to infinity, Python's raise; an int is exact here and wraps later."""
    try:
        return compute_(left, right)
    except OverflowError:
        return math.inf


def _two(arguments: Arguments) -> tuple[Value, Value]:
    refuse_unless(
        "left" in arguments and "right" in arguments, "two values are wanted", "give left and right"
    )
    return arguments["left"], arguments["right"]


def _minus(arguments: Arguments, _budget: Budget) -> Value:
    left, right = _alike(*_two(arguments))
    return _as_wide(_floating(operator.sub, left, right), left, right)


def _divide(arguments: Arguments, _budget: Budget) -> Value:
    left, right = _alike(*_two(arguments))
    if isinstance(left, float) or isinstance(right, float):
        if right:
            return _as_wide(_floating(operator.truediv, left, right), left, right)
        if not left or math.isnan(left):
            return _as_wide(math.nan, left, right)
        negative = (left < 0) != (math.copysign(1, right) < 0)
        return _as_wide(-math.inf if negative else math.inf, left, right)
    refuse_unless(bool(right), "division by zero", "divide by something else")
    whole = abs(left) // abs(right)
    return _as_wide(whole if (left < 0) == (right < 0) else -whole, left, right)


def _modulo(arguments: Arguments, _budget: Budget) -> Value:
    left, right = _alike(*_two(arguments))
    refuse_unless(isinstance(left, int) and isinstance(right, int), "% takes integers", "take / for others")
    refuse_unless(bool(right), "division by zero", "divide by something else")
    rest = abs(left) % abs(right)
    return _as_wide(rest if left >= 0 else -rest, left, right)


def _compared(holds: Callable[[float, float], bool]) -> Compute:
    def compare(arguments: Arguments, _budget: Budget) -> Value:
        return holds(*_alike(*_two(arguments)))

    return compare


def same(left: Value, right: Value) -> bool:
    """Java's equals: numbers of different kinds are never equal; NaN equals itself, 0.0 not -0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Vector):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return java(left) == java(right)
    return left is right if isinstance(left, Component | Scope) else bool(left == right)


def _equal(arguments: Arguments, budget: Budget) -> Value:
    left, right = _two(arguments)
    budget.step(min(weight_of(left), weight_of(right)))
    return same(left, right)


def _different(arguments: Arguments, budget: Budget) -> Value:
    return not _equal(arguments, budget)


# ---- booleans


def _boolean(value: Value) -> bool:
    if not isinstance(value, bool):
        return _refuse(f"{described(value)} is neither true nor false", "compare it with something")
    return value


def _booleans(fold: Callable[[bool, bool], bool]) -> Compute:
    def fold_all(arguments: Arguments, _budget: Budget) -> Value:
        refuse_unless(bool(arguments), "nothing to compute with", "give at least one boolean")
        if len(arguments) == 1:
            return next(iter(arguments.values()))  # whatever it is
        values = [_boolean(value) for value in arguments.values()]
        total = values[0]
        for value in values[1:]:
            total = fold(total, value)
        return total

    return fold_all


def _not(arguments: Arguments, _budget: Budget) -> Value:
    refuse_unless("data" in arguments, "nothing to compute with", "give data")
    return not _boolean(arguments["data"])


def _choose(arguments: Arguments, _budget: Budget) -> Value:
    refuse_unless(
        {"if", "then", "else"} <= arguments.keys(), "if, then and else are wanted", "give all three"
    )
    return arguments["then"] if _boolean(arguments["if"]) else arguments["else"]


def _switch(arguments: Arguments, _budget: Budget) -> Value:
    for name, value in arguments.items():
        if name.startswith(CASE):
            then = VALUE + name.removeprefix(CASE)
            refuse_unless(then in arguments, f"{name} without {then}", f"give {then}")
            if _boolean(value):
                return arguments[then]
    return None


# ---- texts and lists


def said(value: Value, budget: Budget) -> str:
    """A value as Java's toString says it."""
    budget.weigh(weight_of(value))
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return java(value)
    if isinstance(value, bool) or value is None:
        return "NULL" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, Vector):
        return f"[{', '.join(said(item, budget) for item in value)}]"
    return value_text(value)


def _concatenate(arguments: Arguments, budget: Budget) -> Value:
    if len(arguments) == 1:
        return next(iter(arguments.values()))  # whatever it is
    budget.weigh(sum(map(weight_of, arguments.values())))
    return "".join(said(value, budget) for value in arguments.values())


def _format(arguments: Arguments, budget: Budget) -> Value:
    pattern = arguments.get("format", "")
    refuse_unless(isinstance(pattern, str), "format is no string", "write format with $0 to $9 for s0 to s9")
    missing = next((hole for hole in re.findall(r"\$([0-9])", pattern) if f"s{hole}" not in arguments), None)
    refuse_unless(missing is None, f"format has ${missing}, and there is no s{missing}", f"give s{missing}")
    texts = [text if isinstance(text := arguments.get(f"s{n}"), str) else "" for n in range(10)]
    budget.weigh(len(pattern) + sum(pattern.count(f"${n}") * len(text) for n, text in enumerate(texts)))
    return re.sub(r"\$([0-9])", lambda match: texts[int(match[1])], pattern)


def _vector(arguments: Arguments, budget: Budget) -> Value:
    budget.weigh(sum(map(weight_of, arguments.values())))
    vector = Vector(arguments.values())
    refuse_unless(vector.depth <= budget.limits.depth, "lists in lists go too deep", "make it flatter")
    return vector


def _append(arguments: Arguments, budget: Budget) -> Value:
    vectors = [value for value in arguments.values() if isinstance(value, Vector)]
    budget.weigh(sum(map(weight_of, vectors)))
    return Vector.joined(vectors)


def _all_hold(arguments: Arguments, _budget: Budget) -> Value:
    for name, value in arguments.items():
        refuse_unless(isinstance(value, bool), f"{name} is neither true nor false", "assert what can be true")
        if not value:
            return False
    return True


def described(value: Value) -> str:
    """A value for an error."""
    if isinstance(value, Scope | Component):
        return "a component"
    if isinstance(value, Vector) and value.components:
        return "a list with components"
    text = value_text(value) if weight_of(value) < 100 else "this value"
    return text if len(text) <= 60 else f"{text[:60]}..."


def _refuse(message: str, hint: str) -> NoReturn:
    raise Unresolved(Problem(message, hint))


TABLE: dict[str, Compute] = {
    "Vector": _vector,
    "Append": _append,
    "Concatenate": _concatenate,
    "Format": _format,
    "Sum": _folded(operator.add),
    "Product": _folded(operator.mul),
    "Minus": _minus,
    "Divide": _divide,
    "Mod": _modulo,
    "And": _booleans(operator.and_),
    "Or": _booleans(operator.or_),
    "Xor": _booleans(operator.xor),
    "Implies": _booleans(lambda left, right: not left or right),
    "Not": _not,
    "GE": _compared(operator.ge),
    "LE": _compared(operator.le),
    "GT": _compared(operator.gt),
    "LT": _compared(operator.lt),
    "EQ": _equal,
    "NE": _different,
    "IfThenElse": _choose,
    "Switch": _switch,
    "CheckAssertions": _all_hold,
}
