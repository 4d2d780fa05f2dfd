"""Weights and whole processors of slivers: what each is promised, it gets when all are busy."""

import subprocess
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import cgroups, rspec
from nm.cpus import SPANS, Demand, Division, divide, held
from nm.errors import DeviceFailed

EVEN = st.builds(Demand, st.integers(1, 1000), st.integers(0, 4000), st.just("0b"))
CORED = st.builds(
    Demand, st.integers(1, 1000), st.integers(0, 4000), st.sampled_from(["0b", "0", "1", "1b", "2", "3b"])
)
NAMES = st.sampled_from("abcdefgh")


def parts(division: Division) -> dict[str, Fraction]:
    """Which part of the time that all share each gets, when all are busy."""
    whole = sum(division.weights.values())
    return {name: Fraction(weight, whole) for name, weight in division.weights.items()}


@pytest.mark.parametrize("version", [1, 2])
def test_without_reservations_a_weight_follows_from_its_own_shares_alone(version: int) -> None:
    one = divide({"a": Demand(32)}, 2, {}, SPANS[version]).weights["a"]
    assert one == {1: 1024, 2: 100}[version]  # as much as the kernel gives to any
    both = divide({"a": Demand(32), "b": Demand(64)}, 2, {}, SPANS[version])
    assert both.weights == {"a": one, "b": 2 * one}


def test_a_reservation_comes_first_and_the_rest_goes_by_shares() -> None:
    division = divide({"a": Demand(32, 1000), "b": Demand(32), "c": Demand(96)}, 2, {}, SPANS[1])
    got = {name: float(2000 * part) for name, part in parts(division).items()}
    assert got == pytest.approx({"a": 1200, "b": 200, "c": 600}, rel=0.001)
    assert not division.notes


@given(st.dictionaries(NAMES, EVEN, min_size=1), st.integers(1, 64), st.sampled_from([1, 2]))
def test_everybody_gets_its_reservation_or_is_told(
    demands: dict[str, Demand], count: int, version: int
) -> None:
    span, capacity = SPANS[version], 1000 * count
    division = divide(demands, count, {}, span)
    assert all(span.least <= weight <= span.most for weight in division.weights.values())
    promised = sum(demand.reserve for demand in demands.values())
    kept = min(Fraction(1), Fraction(capacity, promised)) if promised else Fraction(1)
    unit = Fraction(sum(division.weights.values()), capacity)  # weight of a thousandth
    for name, demand in demands.items():
        rounding = (len(demands) + 1) * span.least + 1
        assert division.weights[name] >= kept * demand.reserve * unit - rounding * (1 + unit)
    told = {name for name, notes in division.notes.items() if "cpu_min" in notes}
    assert told == {name for name, demand in demands.items() if demand.reserve and promised > capacity}


@given(st.dictionaries(NAMES, CORED), st.dictionaries(NAMES, CORED), st.integers(1, 8))
def test_cores_are_ones_own_stay_so_and_one_is_left(
    before: dict[str, Demand], demands: dict[str, Demand], count: int
) -> None:
    first = divide(before, count, {}, SPANS[1])
    division = divide(demands, count, held(before, first.usable), SPANS[1])
    own = list(division.own.values())
    given_out = frozenset[int]().union(*own)
    assert sum(map(len, own)) == len(given_out) < count
    for name, demand in demands.items():
        wanted, more = rspec.cores(demand.cores)
        mine, rest = division.own[name], frozenset(range(count)) - given_out
        assert len(mine) <= wanted
        assert division.usable[name] == (mine | rest if more or not mine else mine)
        if len(mine) < wanted:  # all are given out, and it is told
            assert len(rest) == 1 and "cpu_cores" in division.notes[name]
        known = held(before, first.usable).get(name, frozenset())
        if demands == before and known == first.own[name]:
            assert mine == first.own[name]


def test_who_has_cores_keeps_them_when_others_come_and_go() -> None:
    one = divide({"b": Demand(1, cores="2")}, 8, {}, SPANS[1])
    many = divide(
        {"a": Demand(1, cores="3"), "b": Demand(1, cores="2"), "c": Demand(1)},
        8, held({"b": Demand(1, cores="2")}, one.usable), SPANS[1],
    )  # fmt: skip
    assert one.own["b"] == many.own["b"] == {6, 7}
    assert many.own["a"] == {3, 4, 5} and many.usable["c"] == {0, 1, 2}


def test_a_container_that_has_just_ended_is_an_error_of_its_own() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    with pytest.raises(DeviceFailed, match=f"process {ended.pid}"):
        cgroups.let_use(ended.pid, frozenset({0}))
