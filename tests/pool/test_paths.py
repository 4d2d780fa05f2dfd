"""Trees of trunks, against a slow and obvious answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import paths
from nm.errors import Conflict
from nm.records import Record


def trunk(name: str, one: str, other: str) -> Record:
    return {"record_key": f"trunk_{name}", "ends": [end(one, name), end(other, name)]}


def end(place: str, port: str) -> Record:
    return {"host": place, "device": port} if place.startswith("h") else {"switch": place, "port": port}


# sw0 - sw1 - sw2 - h0, and sw1 - sw3; sw9 stands alone
TREE = [trunk("a", "sw0", "sw1"), trunk("b", "sw2", "sw1"), trunk("c", "sw2", "h0"), trunk("d", "sw1", "sw3")]


def spanned(*places: str) -> str:
    return "".join(trunk["record_key"][6:] for trunk in paths.spanning(TREE, places))


def test_ends() -> None:
    assert paths.ends(TREE[2]) == ("switch:sw2", "host:h0")


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], ""),
        (["switch:sw0"], ""),
        (["switch:sw9"], ""),
        (["switch:sw0", "switch:sw0"], ""),
        (["switch:sw0", "switch:sw1"], "a"),
        (["host:h0", "switch:sw0"], "abc"),
        (["switch:sw0", "switch:sw3", "switch:sw2"], "abd"),
        (["switch:sw3", "host:h0", "switch:sw0", "switch:sw1", "switch:sw2"], "abcd"),
    ],
)
def test_the_smallest_tree(places: list[str], expected: str) -> None:
    assert spanned(*places) == expected


def test_places_that_are_not_joined_are_named() -> None:
    with pytest.raises(Conflict, match="no trunks join host h0 and switch sw9") as caught:
        spanned("switch:sw9", "host:h0", "switch:sw0")
    assert "RegisterTrunk" in caught.value.hint


def test_loops() -> None:
    assert paths.would_loop(TREE, [end("sw0", "x"), end("h0", "y")])
    assert paths.would_loop(TREE, [end("sw9", "x"), end("sw9", "y")])
    assert not paths.would_loop(TREE, [end("sw0", "x"), end("sw9", "y")])
    assert not paths.would_loop([], [end("sw0", "x"), end("sw1", "y")])


def test_a_long_chain_is_no_recursion() -> None:
    chain = [trunk(str(at), f"sw{at}", f"sw{at + 1}") for at in range(5000)]
    assert len(paths.spanning(chain, ["switch:sw0", "switch:sw5000"])) == 5000


@st.composite
def forests(draw: st.DrawFn) -> list[Record]:
    """Each place hangs on an earlier one, or on none."""
    parents = [draw(st.integers(-1, at - 1)) for at in range(1, draw(st.integers(2, 12)))]
    trunks = [trunk(str(at), f"sw{at}", f"sw{parent}") for at, parent in enumerate(parents, 1) if parent >= 0]
    return draw(st.permutations(trunks))


def joined(trunks: list[Record], one: str, other: str) -> bool:
    """Whether one reaches the other, by looking until nothing new is found."""
    reached = {one}
    while (
        new := {b for t in trunks for a, b in (paths.ends(t), paths.ends(t)[::-1]) if a in reached} - reached
    ):
        reached |= new
    return other in reached


@given(forests(), st.sets(st.integers(0, 11), max_size=5))
def test_every_trunk_of_the_tree_is_needed_and_enough(trunks: list[Record], numbers: set[int]) -> None:
    places = sorted(f"switch:sw{number}" for number in numbers)
    if any(not joined(trunks, places[0], place) for place in places):
        with pytest.raises(Conflict):
            paths.spanning(trunks, places)
        return
    used = paths.spanning(trunks, places)
    assert [t for t in trunks if t in used] == used
    assert all(joined(used, places[0], place) for place in places)
    for left_out in used:
        rest = [t for t in used if t is not left_out]
        assert not all(joined(rest, places[0], place) for place in places)


@given(forests(), st.integers(0, 11), st.integers(0, 11))
def test_a_loop_is_what_joins_the_joined(trunks: list[Record], one: int, other: int) -> None:
    ends = [end(f"sw{one}", "x"), end(f"sw{other}", "y")]
    assert paths.would_loop(trunks, ends) == joined(trunks, f"switch:sw{one}", f"switch:sw{other}")
