"""Random trees live random lives, with hands that answer in any order, fail, and are cut off."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from nm.pools.kinds import ACTIONS, HOST
from nm.pools.life import STAGES, Order, alive
from nm.pools.lifecycle import Event
from nm.pools.tree import ROOT, Part, Path, Tree, is_around
from tests.pools.world import World, timers

KINDS = (
    "Prim",
    "Prim",
    "Prim",
    "Compound",
    "Compound",
    "FireBreak",
    "Sequence",
    "Parallel",
    "Finally",
    "Retry",
)
HOLDERS = {"Compound", "FireBreak", "Sequence", "Parallel", "Finally", "Retry"}
WHATS = ("prepare", "stop", "change", *STAGES)
RUNNERS = {"Sequence", "Parallel", "Finally", "Retry"}


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A tree of at most 14 parts, on two hosts, with needs across it."""
    made = [Part(ROOT, None, "Compound", draw(attributes("Compound")))]
    for number in range(draw(st.integers(1, 13))):
        parent = draw(st.sampled_from([part for part in made if part.kind in HOLDERS]))
        kind = draw(st.sampled_from(KINDS))
        others = [part.path for part in made if not is_around(part.path, parent.path)]
        needed = draw(st.sampled_from(others)) if others else None
        given_host = draw(st.sampled_from(["", "one", "two"]))
        role = ACTIONS if parent.kind in RUNNERS else ""
        path, host = (*parent.path, f"p{number}"), given_host or parent.host
        made.append(Part(path, parent.path, kind, draw(attributes(kind)), role, {"n": needed}, host))
    return Tree(made)


@st.composite
def attributes(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Attributes that say how it is taken down and what becomes of failures."""
    said: dict[str, Any] = {"sfClass": kind, "x": draw(st.integers(0, 1))}
    said["sfX"] = draw(st.sampled_from([0, 0, 0, 1]))  # what an update makes anew for
    for name in ("sfSyncTerminate", "keepOnFailure") if kind in HOLDERS else ():
        if draw(st.booleans()):
            said[name] = draw(st.booleans())
    if kind == "Parallel":
        said["asynchCreateChild"] = draw(st.booleans())
    return said | ({"retry": draw(st.integers(0, 2))} if kind == "Retry" else {})


class Watched(World):
    """A world that looks whether each order may be given now, and lets chance say which is answered next."""

    def __init__(self, tree: Tree, data: st.DataObject) -> None:
        super().__init__(tree)
        self.by_themselves: set[Path] = set()
        for part in tree.parts.values():
            note(f"{part.path} {part.kind} {part.attributes} {part.role} {part.needs} {part.host}")
        self.pick = lambda count: data.draw(st.integers(0, count - 1))

    def happen(self, event: Event) -> None:
        """What ended by itself is cleared away at once, whoever needs it."""
        super().happen(event)
        note(f"{event.name} {event.what} {event.path} {event.status}: {self.batches[-1:]}")
        for order in self.waiting:
            entry, parent = self.state.get(order.path, {}), self.tree.parts[order.path].parent
            alone = parent is not None and not self.state.get(parent, {}).get("going")
            if order.what == "terminate" and alone and not entry.get("failed"):
                self.by_themselves.add(order.path)

    def carry_out(self, order: Order) -> None:
        part = self.tree.parts[order.path]
        if order.what in STAGES and part.parent is not None:
            assert part.parent in self.made, f"{order} before what is around it"
        if order.what == "terminate":
            inside = [path for path in self.made if path != order.path and is_around(order.path, path)]
            assert not inside, f"{order} before {inside}"
            if order.path not in self.by_themselves:
                assert not self.dependents(order.path), f"{order} before what needs it"
        super().carry_out(order)

    def dependents(self, path: Path) -> list[Path]:
        """What is there and needs it, or something in it, and is not made without it because of a circle."""
        return [
            other for sibling in self.tree.needing(path) for other in self.made if is_around(sibling, other)
        ]


def hands(world: World) -> Iterator[Path]:
    """The parts for which something is under way."""
    return (path for path, entry in world.state.items() if "doing" in entry)


@settings(max_examples=300, deadline=None)
@given(trees(), st.data())
def test_whatever_happens_the_order_is_kept_and_nothing_is_left(tree: Tree, data: st.DataObject) -> None:
    world = Watched(tree, data)
    orders = [f"{stage} {':'.join(path) or '.'}" for path in tree.parts for stage in STAGES]
    world.fails = data.draw(st.lists(st.sampled_from(orders), max_size=3))
    world.happen(Event("deploy"))
    for _ in range(data.draw(st.integers(0, 12))):
        what = data.draw(st.sampled_from(["work", "work", "ended", "crash", "terminate"]))
        paths = [path for path, entry in world.state.items() if entry["state"] == "running"]
        if what == "crash":
            world.crash()
        elif what == "ended" and paths:
            path = data.draw(st.sampled_from(paths))
            world.happen(Event("ended", path, status=data.draw(st.sampled_from(["normal", "abnormal"]))))
        elif what == "terminate":
            world.happen(Event("terminate", data.draw(st.sampled_from([ROOT, *paths]))))
        else:
            world.work(data.draw(st.integers(1, 20)))
        one_at_a_time(world)
    world.work(2000)
    settled(world)
    world.tell(Event("terminate"))
    assert not world.made
    assert not any(alive(entry) for entry in world.state.values())
    assert world.standing in {"ended", "failed"}


@settings(max_examples=100, deadline=None)
@given(trees(), st.lists(trees(), min_size=1, max_size=3), st.data())
def test_whatever_it_is_changed_into_it_comes_to_an_end(
    first: Tree, others: list[Tree], data: st.DataObject
) -> None:
    """Updates between whatever else happens: nothing waits for ever, and nothing is left."""
    world = Watched(first, data)
    world.tell(Event("deploy"))
    for other in others:
        steps = [f"{what} {':'.join(path) or '.'}" for path in other.parts for what in WHATS]
        world.fails = data.draw(st.lists(st.sampled_from(steps), max_size=2))
        for _ in range(data.draw(st.integers(0, 2))):
            paths = [path for path, entry in world.state.items() if entry["state"] == "running"]
            if paths:
                status: Any = data.draw(st.sampled_from(["normal", "abnormal"]))
                world.tell(Event("ended", data.draw(st.sampled_from(paths)), status=status))
        if world.standing != "running":
            break
        world.begin_update(list(other.parts.values()))
        note(f"update to {list(other.parts.values())}: {world.batches[-1:]}")
        for _ in range(data.draw(st.integers(0, 2))):
            world.work(data.draw(st.integers(0, 8)))
            world.crash()
            one_at_a_time(world)
        world.work(2000)
        world.end_update(list(other.parts.values()))
        settled(world)
    world.tell(Event("terminate"))
    assert not world.made
    assert world.standing in {"ended", "failed", "absent"}


def one_at_a_time(world: World) -> None:
    """Each order is for a part of its own, and what is under way is what the state says."""
    waiting = [order.path for order in world.waiting]
    assert sorted(waiting) == sorted(set(hands(world)))


def settled(world: World) -> None:
    """With nothing under way, all is said and done: what there is runs, and nobody waits."""
    assert not list(hands(world))
    for path, entry in world.state.items():
        assert not alive(entry) or not entry.get("going"), f"{path} waits for ever: {entry}"
        assert "stage" not in entry or path == ROOT, f"{path} waits for ever: {entry}"
        assert "left" not in entry, f"{path} waits for ever: {entry}"
    assert world.standing in {"running", "ended", "failed"}
    assert world.made == {path for path, entry in world.state.items() if alive(entry)}


def test_a_tree_of_a_thousand_costs_each_event_little() -> None:
    """The entries that an event writes do not grow with the tree."""
    made = [Part(ROOT, None, "Compound", {"sfSyncTerminate": True, HOST: "h"}, host="h")]
    made += [Part((f"p{n}",), ROOT, "Prim", {}, host="h") for n in range(1000)]
    world = World(Tree(made))
    world.tell(Event("deploy"))
    assert world.widest <= 3
    world.tell(Event("terminate"))
    assert world.widest <= 4


def chain(count: int, kind: str, **said: Any) -> Tree:
    """Parts of which each needs the one before it."""
    role = ACTIONS if kind in RUNNERS else ""
    made = [Part(ROOT, None, kind, {"sfShouldTerminate": False, **said})]
    needs = [None, *((f"p{n}",) for n in range(count - 1))]
    parts = (Part((f"p{n}",), ROOT, "Prim", {}, role, {"n": need}) for n, need in enumerate(needs))
    return Tree([*made, *parts])


CHAIN = 1100  # more than Python calls functions within each other


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("kind", "kept"), [("Compound", "keepOnFailure"), ("Parallel", "terminateOnAbnormalChildDeploy")]
)
def test_a_long_chain_of_needs_goes_with_its_first(stage: str, kind: str, kept: str) -> None:
    tree = chain(CHAIN, kind, **{kept: kind == "Compound"})
    world = World(tree, [f"{stage} p0"])
    world.tell(Event("deploy"))
    settled(world)
    assert (world.standing, world.made) == ("running", {ROOT})
    words = {entry["words"] for path, entry in world.state.items() if path}
    assert words == {"no room", *(f"it needs p{n}" for n in range(CHAIN - 1))}
    assert {entry["cause"] for path, entry in world.state.items() if len(path) and path != ("p0",)} == {
        "no room", *(f"it needs p{n}" for n in range(CHAIN - 2))
    }  # fmt: skip


@pytest.mark.parametrize("sync", [True, False])
def test_what_an_update_has_not_begun_to_make_may_be_much_when_all_goes(sync: bool) -> None:
    world = World(chain(1, "Compound", sfSyncTerminate=sync))
    world.tell(Event("deploy"))
    world.begin_update(list(chain(CHAIN, "Compound", sfSyncTerminate=sync).parts.values()))
    world.work(CHAIN // 2)
    world.happen(Event("terminate"))
    world.work()
    assert (world.standing, world.made) == ("ended", set())


def test_no_entry_grows_with_the_parts_that_wait_for_a_time() -> None:
    made = [Part(ROOT, None, "Parallel", {"asynchCreateChild": True})]
    made += [Part((f"p{n}",), ROOT, "Delay", {"time": n}, ACTIONS) for n in range(500)]
    world = World(Tree(made))
    world.tell(Event("deploy"))
    assert [path for _, path in timers(world.state)] == [(f"p{n}",) for n in range(500)]
    assert max(len(entry) for entry in map(repr, world.state.values())) < 200
    world.pass_time(0.25)
    assert (world.standing, len(timers(world.state))) == ("running", 249)
    world.pass_time(0.25)
    assert (world.standing, timers(world.state)) == ("ended", [])
