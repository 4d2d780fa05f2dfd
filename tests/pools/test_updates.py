"""Random trees are changed into others while they run, with hands that fail and are cut off."""

from hypothesis import given, note, settings
from hypothesis import strategies as st

from nm.pools.differences import Standing
from nm.pools.life import alive
from nm.pools.lifecycle import Event
from nm.pools.plan import Plan, plan
from nm.pools.tree import ROOT, Part, Path, Tree, is_around
from nm.pools.updating import both
from tests.pools.world import World, pool, timers


@st.composite
def descriptions(draw: st.DrawFn) -> list[Part]:
    """Some of ten parts, each with an attribute that changes in place and one that replaces it."""
    whole = {"sfSyncTerminate": draw(st.booleans()), "sfX": draw(st.sampled_from([0, 0, 0, 1]))}
    made = [Part(ROOT, None, "Compound", whole)]
    for number in range(10):
        holders = [part for part in made if part.kind == "Compound"]
        parent = holders[number % 3 % len(holders)]
        if draw(st.integers(0, 3)) == 0:
            continue
        said = {"x": draw(st.integers(0, 1)), "sfX": draw(st.sampled_from([0, 0, 0, 1]))}
        others = [part.path for part in made if not is_around(part.path, parent.path)]
        needed = draw(st.sampled_from(others)) if others else None
        kind = "Compound" if number in {1, 3} else "Prim"
        made.append(Part((*parent.path, f"p{number}"), parent.path, kind, dict(said), "", {"n": needed}))
    return made


class Updated(World):
    """A world that is at an update: its steps are in order, and nothing is done for what is the same."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self.deployed = dict(tree.parts)  # as it is recorded
        self.touched: set[Path] = set()

    def to(self, described: list[Part]) -> Plan:
        """Begin to change it into that."""
        standings = {path: Standing(part, self.state[path]["state"]) for path, part in self.deployed.items()}
        made = plan(Tree(described), standings)
        self.touched = {step.path for step in made.steps}
        self.tree = both(described, self.deployed.values())
        self.happen(Event("update", steps=made.steps))
        return made


@settings(max_examples=100, deadline=None)
@given(descriptions(), descriptions(), st.data())
def test_an_update_ends_as_it_is_described_or_not_at_all(
    before: list[Part], after: list[Part], data: st.DataObject
) -> None:
    world = Updated(Tree(before))
    world.tell(Event("deploy"))
    world.pick = lambda count: data.draw(st.integers(0, count - 1))
    made = world.to(after)
    note("\n".join(made.lines()))
    steps = [step.id.replace("sfConfig", ".") for step in made.steps]
    world.fails = data.draw(st.lists(st.sampled_from(steps), max_size=1)) if steps else []
    fails = [*world.fails]
    for _ in range(data.draw(st.integers(0, 3))):
        world.work(data.draw(st.integers(0, 8)))
        world.crash()
        one_at_a_time(world)
    world.work(1000)
    assert not world.waiting
    living = {path for path, entry in world.state.items() if alive(entry)}
    assert living == world.made
    if not fails:
        assert world.standing == "running"
        assert living == {part.path for part in after}
        assert {entry["state"] for entry in world.state.values()} == {"running"}
        assert plan(Tree(after), {part.path: Standing(part, "running") for part in after}).changes == ()
    elif fails[0].startswith("prepare"):
        assert world.standing == "running"
        assert living == {part.path for part in before}
    else:
        assert world.standing == "failed"
        assert not living
    assert not any("todo" in entry or "update" in entry for entry in world.state.values())


def one_at_a_time(world: World) -> None:
    """What is under way is what the state says, one thing for a part."""
    waiting = [order.path for order in world.waiting]
    assert sorted(waiting) == sorted(path for path, entry in world.state.items() if "doing" in entry)


def test_a_timeout_that_is_made_anew_has_all_its_time() -> None:
    text = "t extends Timeout {{ sfMine {}; time 5000; a extends P; }}"
    world = World(pool(text.format(1)))
    world.tell(Event("deploy"))
    world.now = 4.0
    world.begin_update(list(pool(text.format(2)).parts.values()))
    world.work(3)  # it is down
    world.pass_time(2.0)
    assert (world.standing, world.running, timers(world.state)) == ("running", ". t t:a", [(11.0, ("t",))])
