"""The tree of classes: what is wanted of records, and the steps from one to another on a kernel's terms."""

import cProfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import shaper, tcmessages
from nm.errors import Invalid
from nm.rspec import node_caps
from nm.shaper import CLASS, FILTER, Caps, Clear, Drop, Key, Put, Shape, Share, Sliver, Step, Tree
from tests.slivers.making import NOW, record

MANY = 10**9
SHARES = st.builds(Share, st.integers(0, MANY), st.integers(8, MANY), st.integers(0, 10**6))
SLIVERS = st.builds(
    lambda index, last, *shares: Sliver(index, f"52:54:00:0{index % 9}:00:{last:02x}", *shares),
    st.integers(1, 12), st.integers(0, 3), SHARES, SHARES,
)  # fmt: skip
NETWORKS = st.sampled_from(["10.1.0.0/16", "10.2.0.0/15", "0.0.0.0/0", "2001:db8::/32", "2001:db8:1:8::/61"])
CAPS = st.builds(
    Caps, st.none() | st.integers(8, MANY), st.lists(NETWORKS, max_size=3, unique=True).map(tuple)
)
LIVES = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.none() | SLIVERS) | CAPS.map(lambda caps: ("", caps)), max_size=12
)


class Kernel:
    """A tree under the kernel's rules: nothing is dropped that is used, nothing made before what it needs."""

    def __init__(self, tree: Tree) -> None:
        self.tree = dict(tree)

    def apply(self, steps: list[Step]) -> None:
        for step in steps:
            match step:
                case Clear():
                    self.tree.clear()
                case Drop(key):
                    self._drop(key)
                case Put(key, part):
                    self._put(key, part)

    def _drop(self, key: Key) -> None:
        del self.tree[key]
        for part in self.tree.values():
            if isinstance(part, shaper.Class):
                assert not (key.kind == CLASS and part.parent == key.number)
            else:
                assert not (key.kind == CLASS and part.target == key.number)
                assert not (key.kind == FILTER and part.link << 20 == key.number and part.link)
        if key.kind == FILTER and not key.number & 0xFFFFF:
            assert not [
                one for one in self.tree if one.kind == FILTER and one.number >> 20 == key.number >> 20
            ]

    def _put(self, key: Key, part: shaper.Part) -> None:
        if isinstance(part, shaper.Class):
            there = self.tree.get(key)
            assert there is None or (isinstance(there, shaper.Class) and there.parent == part.parent)
            assert part.parent == 0 or Key(CLASS, part.parent) in self.tree
            assert 1 <= part.rate <= part.ceil <= shaper.LINE
        else:
            assert key not in self.tree
            assert not part.target or Key(CLASS, part.target) in self.tree
            assert not part.link or Key(FILTER, part.link << 20) in self.tree
            table = key.number >> 20
            assert part.buckets or not table or Key(FILTER, table << 20) in self.tree
        self.tree[key] = part


def live(life: list[tuple[str, Any]], shape: Shape | None = None) -> Shape:
    shape = shape or Shape()
    for name, what in life:
        if name:
            shape.put({name: what})
        else:
            shape.cap(what)
    return shape


def afresh(shape: Shape) -> Tree:
    """The tree of the same slivers, without any history."""
    least = sum(sliver.counted.least for sliver in shape.slivers.values())
    tree = shaper.trunk(shape.caps)
    for sliver in shape.slivers.values():
        tree |= shaper.branch(sliver, shape.caps, shaper.scale_of(least, shape.caps))
    return tree


@given(LIVES, LIVES)
def test_the_difference_makes_the_wanted_tree(before: list[Any], after: list[Any]) -> None:
    now, wanted = live(before).tree, live(after).tree
    kernel = Kernel({})
    kernel.apply(shaper.difference({}, now))
    kernel.apply(shaper.difference(now, wanted))
    assert kernel.tree == wanted
    assert not shaper.difference(wanted, wanted)


@given(LIVES)
def test_a_life_step_by_step_ends_at_the_same_tree(life: list[Any]) -> None:
    shape = Shape()
    kernel = Kernel(shape.tree)
    for name, what in life:
        keys = list(shape.put({name: what}) if name else shape.cap(what))
        kernel.apply(shaper.difference(kernel.tree, shape.tree, keys))
        assert kernel.tree == shape.tree
    assert shape.tree == afresh(shape)


@given(LIVES, st.data())
def test_whatever_was_broken_is_made_again(life: list[Any], data: st.DataObject) -> None:
    wanted = live(life).tree
    broken = {key: part for key, part in wanted.items() if data.draw(st.integers(0, 4))}
    for key in data.draw(st.lists(st.sampled_from(list(broken) or [Key(CLASS, 99)]), max_size=3)):
        parts = list(broken.values())
        swapped = data.draw(st.sampled_from(parts)) if parts else shaper.Class(0, 1, 1)
        if isinstance(swapped, shaper.Class) == (key.kind == CLASS):
            broken[key] = swapped
    after: Tree = {}
    for step in shaper.difference(broken, wanted):
        match step:
            case Clear():
                broken = {}
            case Drop(key):
                del broken[key]
            case Put(key, part):
                broken[key] = part
    after = broken
    assert after == wanted


@given(LIVES)
def test_least_rates_together_keep_the_cap(life: list[Any]) -> None:
    shape = live(life)
    if shape.caps.cap is None:
        return
    rates = [
        part.rate
        for part in shape.tree.values()
        if isinstance(part, shaper.Class) and part.parent == shaper.COUNTED
    ]
    assert sum(rates) <= max(shape.caps.cap // 8, 1) + len(rates)  # the kernel knows no less than a byte/s


@given(LIVES)
def test_what_is_put_is_read_back(life: list[Any]) -> None:
    for key, part in live(life).tree.items():
        answer = tcmessages.put(3, key, part).body
        seen = tcmessages.seen(key.kind, answer)
        assert seen is not None and (seen.key, seen.part) == (key, part)


def test_a_change_among_many_is_as_small_as_among_few() -> None:
    counts = []
    for count in (10, 1000):
        shape = live([(f"s{number}", sliver(number)) for number in range(1, count + 1)])
        before = dict(shape.tree)
        keys = list(shape.put({"s7": sliver(7, most=1_000_000)}))
        counts.append((len(keys), shaper.difference(before, shape.tree, keys)))
    assert counts[0] == counts[1]
    assert len(counts[0][1]) == 1


@pytest.mark.parametrize("cap", [None, 10_000_000])
def test_what_many_cost_that_come_together_grows_with_their_number(cap: int | None) -> None:
    """Also when they are promised more than the cap, so that each changes what all others get."""
    calls = []
    for count in (20, 200):
        shape = Shape()
        shape.cap(Caps(cap))
        with cProfile.Profile() as profile:
            shape.put({f"s{number}": sliver(number, least=100_000_000) for number in range(1, count + 1)})
        calls.append(sum(one.callcount for one in profile.getstats()))
        assert shape.tree == afresh(shape)
    assert calls[1] < 11 * calls[0]


def sliver(index: int, least: int = 8, most: int = MANY, weight: int = 1) -> Sliver:
    octets = index.to_bytes(3)
    share = Share(least, most, weight)
    return Sliver(index, "52:54:00:" + ":".join(f"{one:02x}" for one in octets), share, share)


def test_numbers_and_rates_of_a_sliver() -> None:
    made = record("x", net_min=80_000, net_max=5_000_000, net_share=3, net2_max=10**15) | {
        "_index": 5,
        "_rspec": record("x", net_min=160_000, net_max=5_000_000, net_share=3, net2_max=10**15)["rspec"],
    }
    caps = shaper.caps_of(node_caps(None, ["10.0.0.0/8"], NOW))
    tree = shaper.branch(shaper.sliver_of(made, "52:54:00:01:02:03", {}), caps, shaper.scale_of(0, caps))
    assert tree[Key(CLASS, 26)] == shaper.Class(shaper.COUNTED, 20_000, 625_000, 210_000)  # with its loans
    assert tree[Key(CLASS, 27)] == shaper.Class(shaper.EXEMPT, 1, shaper.LINE, 70_000)
    limited = shaper.sliver_of(made, "52:54:00:01:02:03", {"net": 200_000})
    assert limited.counted.most == 200_000
    assert limited.exempt.most == 10**15


def test_a_number_belongs_to_one() -> None:
    shape = live([("a", sliver(1)), ("b", sliver(1))])
    assert list(shape.slivers) == ["a"]
    assert "b has number 1, which is a's" in shape.faults["b"]
    live([("a", None), ("b", sliver(1)), ("c", sliver(4095))], shape)
    assert list(shape.slivers) == ["b"]
    assert list(shape.faults) == ["c"]
    assert shape.tree == afresh(shape)


def test_who_is_seen() -> None:
    states = {None: False, "absent": False, "stopped": False, "starting": True, "running": True}
    for state, seen in states.items():
        assert shaper.is_seen(record("x") | {"_index": 1, "_state": state}) is seen
    assert not shaper.is_seen(record("x") | {"_state": "running"})


def test_too_many_exempt_networks() -> None:
    networks = [f"10.{number // 256}.{number % 256}.0/24" for number in range(shaper.MOST_EXEMPT + 1)]
    with pytest.raises(Invalid, match="2001 exempt networks"):
        shaper.caps_of(node_caps(None, networks, NOW))
    assert shaper.caps_of(None) == Caps()
    assert len(shaper.trunk(Caps(None, tuple(networks[:-1])))) == 2 * shaper.MOST_EXEMPT + 7
