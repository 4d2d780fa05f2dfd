"""What a rack of any size looks like."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import storage
from nm.lab.errors import LabError
from nm.lab.layout import HOST, POOL, Layout

layouts = st.builds(Layout, st.integers(1, 32), st.integers(0, 250), st.integers(0, 32))


@given(layouts)
def test_names_and_addresses_are_unique_and_fit_the_kernel(layout: Layout) -> None:
    links = [node.port for node in layout.rack] + [port for trunk in layout.trunks for _, port in trunk.ends]
    macs = [node.mac for node in layout.rack] + [head.mac for head in layout.heads]
    for names in (links, macs, list(layout.addresses.values())):
        assert len(set(names)) == len(names)
    assert all(len(name) <= 15 for name in (*links, *(f"{node.name}-nic" for node in layout.rack)))


@given(layouts)
def test_trunks_are_a_tree_over_all_switches_and_the_host(layout: Layout) -> None:
    joined = {HOST}
    for trunk in layout.trunks:
        (one, _), (other, _) = trunk.ends
        assert one in joined
        assert other not in joined
        joined.add(other)
    assert joined == {HOST, *layout.switch_names}


@given(layouts)
def test_nodes_are_dealt_evenly(layout: Layout) -> None:
    counts = [sum(node.switch == name for node in layout.rack) for name in layout.switch_names]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("word", "value"), [("switches", 0), ("nodes", -1), ("nodes", 251), ("headnodes", 33)]
)
def test_impossible_sizes_are_refused(word: str, value: Any) -> None:
    with pytest.raises(LabError, match=f"{value} {word} is not possible; use"):
        replace(Layout(), **{word: value})


def test_disks_for_which_nobody_names_a_pool_stay_in_the_lab_too() -> None:
    """Its /var/lib is the machine's, where nm would make a pool of that name."""
    assert POOL == storage.POOL
