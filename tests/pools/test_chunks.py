"""Parts in records: numbers, and that a change costs the records that it concerns."""

from typing import Any

from nm.pools import chunks
from nm.pools.lifecycle import Event, happened
from nm.pools.tree import Part
from nm.store import MOST_WRITES, portions
from tests.pools.world import World, parts, pool

Records = dict[str, Any]


def write(kept: Records, written: Records) -> None:
    for key, record in written.items():
        if record is None:
            kept.pop(key, None)
        else:
            kept[key] = record


def test_a_part_keeps_its_number_and_what_is_free_is_used_again() -> None:
    first = chunks.numbered({}, [(), ("a",), ("b",)])
    assert first == {(): 0, ("a",): 1, ("b",): 2}
    assert chunks.numbered(first, [(), ("b",), ("c",), ("d",)]) == {(): 0, ("b",): 2, ("c",): 1, ("d",): 3}


def test_what_is_written_is_read_back_as_it_was() -> None:
    made = parts('sfConfig extends C { a extends P { x 1; n LAZY b; } b extends C { sfProcessHost "h"; } }')
    numbers = chunks.numbered({}, [part.path for part in made])
    kept: Records = {}
    items = {numbers[part.path]: part.record() for part in made}
    write(kept, chunks.changed(kept.get, "piece", "p.1", items, 7))
    assert [Part.of(item) for _, item in chunks.items(kept.get, "piece", "p.1", len(made))] == made
    assert [(key, chunks.pool_of(key)) for key in kept] == [("piece_p.1.0", "p.1")]
    assert kept["piece_p.1.0"]["timestamp"] == 7


def test_a_change_costs_the_records_that_it_concerns() -> None:
    tree = pool(" ".join(f"p{n} extends P;" for n in range(1000)))
    numbers = chunks.numbered({}, tree.parts)
    kept: Records = {}
    world = World(tree)
    world.tell(Event("deploy"))
    entries = {numbers[path]: entry for path, entry in world.state.items()}
    written = chunks.changed(kept.get, "life", "p", entries, 0)
    assert len(written) == 1 + 1000 // chunks.SIZES["life"]
    assert all(len(portion) <= MOST_WRITES for portion in portions(written))
    write(kept, written)
    outcome = happened(tree, world.state, Event("unreachable", ("p700",)), 1)
    changes = {numbers[path]: entry for path, entry in outcome.changes.items()}
    assert list(chunks.changed(kept.get, "life", "p", changes, 1)) == ["life_p.3"]


def test_an_end_costs_few_records_however_wide_the_pool_is() -> None:
    """One part of a FireBreak ends: it, and what is around it."""
    tree = pool(f"f extends FireBreak {{ {' '.join(f'p{n} extends P;' for n in range(500))} }}")
    world = World(tree)
    world.tell(Event("deploy"))
    outcome = happened(tree, world.state, Event("ended", ("f", "p77")), 0)
    assert set(outcome.changes) == {("f", "p77")}


def test_a_record_without_parts_goes() -> None:
    kept: Records = {}
    write(kept, chunks.changed(kept.get, "life", "p", {0: {"state": "running"}, 200: {"state": ""}}, 0))
    assert sorted(kept) == ["life_p.0", "life_p.1"]
    write(kept, chunks.changed(kept.get, "life", "p", {0: None}, 0))
    assert sorted(kept) == ["life_p.1"]
