"""What PlanDeploy printed is what the hands then did: the same, each thing in the order of the stages.

What reaches the hands is noted at their rim, where each order is carried out as always.
"""

import contextlib
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nm.errors import NMError
from nm.export import ExportHand
from nm.facts import Order, Outcome, split
from nm.power import PowerHand
from nm.switches.executor import Executor
from nm.vm import HostHand
from tests.rack import Rack, rack

STATES = int(os.environ.get("NM_STATES", "500"))
RIMS = {Executor: "switch", HostHand: "host", ExportHand: "export", PowerHand: "power"}
MADE = ("add", "connect", "create", "join", "make", "write")  # actions after which something is there
BOOKKEEPING = "pool"
GROUPS = ("a", "b", "c")

Deed = tuple[str, str, bool]  # hand, target, whether it is there afterwards


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> list[Deed]:
    """What the hands carried out, in order."""
    noted: list[Deed] = []

    def note(kind: type[Any], hand: str) -> None:
        run = kind.run

        def run_and_note(self: Any, orders: Sequence[Order], epoch: int) -> list[Outcome]:
            outcomes: list[Outcome] = run(self, orders, epoch)
            for order, outcome in zip(orders, outcomes, strict=True):
                assert outcome.error is None
                if not outcome.moot:
                    noted.append((hand, "/".join(split(order.fact)[1:]), order.value is not None))
            return outcomes

        monkeypatch.setattr(kind, "run", run_and_note)

    for kind, hand in RIMS.items():
        note(kind, hand)
    return noted


@pytest.fixture
def lab(deeds: list[Deed]) -> Iterator[Rack]:
    """A rack in memory, where a disk's slowness does not count."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    settings: dict[str, Any] = {"switches": 3, "nodes": 8, "management": True, "vlans": range(101, 108)}
    with tempfile.TemporaryDirectory(dir=memory) as folder, rack(Path(folder), **settings) as made:
        made.call("RegisterVlan", 120, {"shared": True})
        yield made
        for group in made.call("GetGroups", {}):
            made.wait(made.call("DestroyGroup", group["name"]))


def planned(steps: list[dict[str, Any]]) -> list[Deed]:
    return [
        (step["hand"], step["target"], step["action"] in MADE)
        for step in steps
        if step["hand"] != BOOKKEEPING
    ]


def change(lab: Rack, chance: random.Random, group: str) -> None:
    """A staged edit of any kind; one that is refused changes nothing."""
    free = [node["name"] for node in lab.call("GetNodes", {"free": True})]
    mine = lab.call("GetGroups", {"name": group})[0]["nodes"]
    shared = {"vlan": 120, "nics": ["boot"], "tagged": True}
    data = {"nics": ["data"]} if chance.random() < 0.5 else {"nics": ["boot"], "tagged": True}
    networks = {"main": {}, **({"s": shared} if chance.random() < 0.5 else {})}
    edits: list[tuple[str, Any]] = [
        ("AddNodes", chance.sample(free, min(len(free), chance.randint(1, 2)))),
        ("RemoveNodes", chance.sample(mine, min(len(mine), 1))),
        ("SetVlan", chance.randint(101, 107)),
        ("SetNetworks", networks | ({"d": data} if chance.random() < 0.5 else {})),
        ("SetHeadNode", chance.choice(["h1", "h2", None])),
    ]
    method, argument = chance.choice(edits)
    with contextlib.suppress(NMError):
        lab.call(method, group, argument)


def test_500_plans_are_carried_out_to_the_letter(lab: Rack, deeds: list[Deed]) -> None:
    chance = random.Random(int(os.environ.get("NM_SEED", "1")))
    seen: Counter[str] = Counter()
    for number in range(STATES):
        group = chance.choice(GROUPS)
        if not lab.call("GetGroups", {"name": group}):
            lab.call("CreateGroup", group, {})
        for _ in range(chance.randint(1, 3)):
            change(lab, chance, group)
        steps = lab.call("PlanDeploy", group)["steps"]
        deeds.clear()
        job = lab.deploy(group)
        assert Counter(deeds) == Counter(planned(steps)), (number, steps)
        assert job["total"] == len(steps)
        _check_order(steps, deeds)
        seen.update(step["action"] for step in steps)
        if chance.random() < 0.05:
            lab.wait(lab.call("DestroyGroup", group))
    assert seen.keys() >= {"leave", "join", "add", "remove", "connect", "free", "keep", "power-off"}


def _check_order(steps: list[dict[str, Any]], deeds: list[Deed]) -> None:
    """What concerns one thing was done in the order of the stages."""
    stages: dict[str, list[bool]] = {}
    for step in sorted(steps, key=lambda step: int(step["stage"])):
        if step["hand"] != BOOKKEEPING:
            stages.setdefault(f"{step['hand']} {step['target']}", []).append(step["action"] in MADE)
    for thing, wanted in stages.items():
        done = [made for hand, target, made in deeds if f"{hand} {target}" == thing]
        assert done == wanted, thing
