"""What is ordered in the life of small trees, as traces.txt has it; a crash anywhere changes no end."""

import pytest

from nm.pools.lifecycle import Event
from nm.pools.tree import Path
from tests.pools.traces import Trace, happen, told, traces
from tests.pools.world import World, pool

TRACES = list(traces())
# Without those that are about a hand that is silent, or about a crash.
PLAIN = [trace for trace in TRACES if not trace.silent and "crash" not in trace.events]


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_what_is_ordered(trace: Trace) -> None:
    assert told(trace) == trace.written


End = tuple[str, str, frozenset[Path]]


def lived(trace: Trace, crash_at: int | None) -> tuple[list[End], int]:
    """How it stands behind each event, and how many orders there were.

    crash_at: all that is not stored is lost before the answer to that one.
    """
    world = World(pool(trace.tree, trace.kind), trace.fails)
    world.crash_at = crash_at
    ends: list[End] = []
    for event in trace.events:
        happen(world, event, trace.kind)
        ends.append((world.standing, world.running, frozenset(world.made)))
    return ends, world.answered


@pytest.mark.parametrize("trace", PLAIN, ids=lambda trace: trace.name)
def test_a_crash_behind_any_order_changes_no_end(trace: Trace) -> None:
    ends, orders = lived(trace, None)
    for number in range(1, orders + 1):
        assert lived(trace, number)[0] == ends, f"behind order {number}"


@pytest.mark.parametrize("trace", PLAIN, ids=lambda trace: trace.name)
def test_whatever_happened_nothing_is_left_behind(trace: Trace) -> None:
    world = World(pool(trace.tree, trace.kind), trace.fails)
    for event in trace.events:
        happen(world, event, trace.kind)
    world.tell(Event("terminate"))
    assert world.standing in {"ended", "failed"}
    assert not world.made


def test_there_are_forty() -> None:
    assert len({trace.name for trace in TRACES}) == len(TRACES) >= 40
