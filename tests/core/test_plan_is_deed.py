"""What PlanDeploy printed is what the hands then did: the same, each thing in the order of the stages.

What reaches the hands is noted at their rim, where each order is carried out as always. Half of the states
are not at rest: deploys that a switch refused or that were replaced half-way, drift that is known, debts.
"""

import contextlib
import os
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nm.errors import NMError
from nm.export import ExportHand
from nm.facts import Order, Outcome, split
from nm.hookwork import HookWorker
from nm.power import PowerHand
from nm.switches.executor import Executor
from nm.vm import HostHand
from nm.workers import Worker
from tests.core.site_program import MOMENTS, SiteProgram
from tests.rack import Rack, rack

STATES = int(os.environ.get("NM_STATES", "500"))
HOOKED_STATES = int(os.environ.get("NM_HOOKED_STATES", "20"))
RIMS = {Executor: "switch", HostHand: "host", ExportHand: "export", PowerHand: "power"}
MADE = ("add", "bring", "connect", "create", "join", "make", "prepare", "write")  # then something is there
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
                note_one(hand, order, outcome)
            return outcomes

        monkeypatch.setattr(kind, "run", run_and_note)

    def note_one(hand: str, order: Order, outcome: Outcome) -> None:
        if outcome.error is None and not outcome.moot:
            noted.append((hand, "/".join(split(order.fact)[1:]), order.value is not None))

    def hooked(self: HookWorker, order: Order) -> Outcome:
        outcome = one_outcome(self, order)
        note_one("hooks", order, outcome)
        return outcome

    one_outcome = HookWorker._outcome
    monkeypatch.setattr(HookWorker, "_outcome", hooked)
    for kind, hand in RIMS.items():
        note(kind, hand)
    return noted


class Work:
    """How much was put into the workers' queues and is not handled yet."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._at_hand: dict[Worker, int] = {}
        put, next_batch = Worker.put, Worker._next

        def put_and_count(worker: Worker, item: Any) -> None:
            self._add(1)
            put(worker, item)

        def next_and_count(worker: Worker, pause: float | None) -> list[Any] | None:
            self._add(-self._at_hand.pop(worker, 0))  # what handling it has sent was added by now
            batch = next_batch(worker, pause)
            self._at_hand[worker] = len(batch or ())
            return batch

        patch.setattr(Worker, "put", put_and_count)
        patch.setattr(Worker, "_next", next_and_count)

    def _add(self, count: int) -> None:
        with self._lock:
            self._count += count

    def done(self) -> bool:
        """Whether nobody is at work, or has anything to do but to wait."""
        return self._count == 0

    def forget(self) -> None:
        """The workers are gone, with what was in their queues."""
        self._count = 0
        self._at_hand.clear()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


@pytest.fixture
def lab(deeds: list[Deed], work: Work, request: pytest.FixtureRequest) -> Iterator[Rack]:
    """A rack in memory, where a disk's slowness does not count. Parameter: whether the site has programs."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    settings: dict[str, Any] = {"switches": 3, "nodes": 8, "management": True, "vlans": range(101, 118)}
    settings |= {"retry_first_seconds": 3600, "retry_longest_seconds": 3600}  # what failed stays as it is
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        if request.param:
            settings["hooks"] = SiteProgram(Path(folder)).settings()
        yield from _lab(Path(folder), work, settings)


def _lab(folder: Path, work: Work, settings: dict[str, Any]) -> Iterator[Rack]:
    with rack(folder, **settings) as made:
        made.call("RegisterVlan", 120, {"shared": True})
        yield made
        pay_debts(made, work)
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


# ---- states that are not at rest


def deploy_in_vain(lab: Rack, work: Work, chance: random.Random, group: str) -> None:
    """A switch fails in some way, until the worker can do nothing more for an hour; perhaps twice."""
    switch = chance.choice(lab.switches)
    vlan = str(chance.randint(101, 107))
    port = chance.choice(["p*", "t*", vlan, lab.home(chance.choice(lab.nodes))[1]])
    faults: list[dict[str, Any]] = [{"down": True}, {"reject": [port]}, {"lie": [port]}]
    lab.set_faults(switch, **chance.choice(faults))
    for _ in range(chance.randint(1, 2)):
        with contextlib.suppress(NMError):
            lab.call("Deploy", group)
        lab.until(work.done)
        change(lab, chance, group)
    lab.set_faults(switch)


def move_by_hand(lab: Rack, work: Work, chance: random.Random, group: str) -> None:
    """Somebody changes a switch or a list, and an audit finds out; of a node's port perhaps nobody knows."""
    mine = lab.call("GetGroups", {"name": group})[0]["nodes"] or lab.nodes
    (switch, port), looks = lab.home(chance.choice(mine)), [["AuditAll"]]
    with lab.edit(switch) as table:
        if chance.random() < 0.4:
            table["vlans"] = [1, *chance.sample(table["vlans"][1:], len(table["vlans"][1:]) // 2)]
            port = chance.choice(list(table["ports"]))
        else:
            looks += [["StartAudit", group], ["InspectSwitch", switch], []]
        untagged = chance.choice([None, 101, 900])
        table["ports"][port] = {"untagged": untagged, "tagged": [], "open": False}
    machines = lab.folder / "export" / group / "machines.txt"
    if chance.random() < 0.3 and machines.exists():
        machines.write_text("")
    if look := chance.choice(looks):
        assert lab.wait(lab.call(*look))["state"] == "done"
    lab.until(work.done)


def owe(lab: Rack, work: Work, chance: random.Random, group: str) -> None:
    """A node is taken back by force while its switch does not answer."""
    for node in lab.call("GetGroups", {"name": group})[0]["nodes"][:1]:
        switch, _ = lab.home(node)
        lab.set_faults(switch, down=True)
        with contextlib.suppress(NMError):
            lab.call("ReleaseNode", node, True)
        lab.until(work.done)
        lab.set_faults(switch)


def refuse(lab: Rack, work: Work, chance: random.Random, group: str) -> None:
    """The site's programs refuse some nodes; those that it then has out of the pool are cleared."""
    program, moment = SiteProgram(lab.folder), chance.choice(MOMENTS)
    for node in (some := chance.sample(lab.nodes, 4)):
        program.refuse(moment, node)
    with contextlib.suppress(NMError):
        lab.call("Deploy", group)
    lab.until(work.done)
    for node in some:
        program.refuse(moment, node, False)
        if lab.call("GetNodes", {"name": node, "state": "failed"}):
            with contextlib.suppress(NMError):
                lab.call("ClearNode", node)


UNREST = (deploy_in_vain, move_by_hand, owe)


def pay_debts(lab: Rack, work: Work) -> None:
    """A new daemon tries everything again at once."""
    lab.stop()
    work.forget()
    lab.start()
    assert lab.service is not None
    store = lab.service.database
    lab.until(lambda: work.done() and not list(store.range("debt")))


@pytest.mark.no_cover
@pytest.mark.parametrize("lab", [False], indirect=True)
def test_500_plans_are_carried_out_to_the_letter(lab: Rack, work: Work, deeds: list[Deed]) -> None:
    seen = _carry_out(lab, work, deeds, STATES, UNREST)
    assert seen.keys() >= {"leave", "join", "add", "remove", "connect", "free", "keep", "power-off"}
    assert min(seen["doubt"], seen["drift"], seen["debt"]) > STATES / 50, seen


@pytest.mark.no_cover
@pytest.mark.parametrize("lab", [True], indirect=True)
def test_so_are_those_with_programs_of_the_site(lab: Rack, work: Work, deeds: list[Deed]) -> None:
    seen = _carry_out(lab, work, deeds, HOOKED_STATES, (*UNREST, refuse, refuse))
    assert seen.keys() >= {"prepare", "wipe"}


def _carry_out(
    lab: Rack, work: Work, deeds: list[Deed], states: int, unrest: Sequence[Callable[..., None]]
) -> Counter[str]:
    """Go from state to state; what kinds of steps and of unrest there were."""
    chance = random.Random(int(os.environ.get("NM_SEED", "1")))
    seen: Counter[str] = Counter()
    for number in range(states):
        group = chance.choice(GROUPS)
        if not lab.call("GetGroups", {"name": group}):
            lab.call("CreateGroup", group, {})
        for _ in range(chance.randint(1, 3)):
            change(lab, chance, group)
        if chance.random() < 0.5:
            chance.choice(unrest)(lab, work, chance, group)
        if chance.random() < 0.1:
            pay_debts(lab, work)
        plan = lab.call("PlanDeploy", group)
        steps = plan["steps"]
        deeds.clear()
        job = lab.wait(lab.call("Deploy", group, {"if_plan": plan["hash"]}))
        assert job["state"] == "done", (number, job)
        assert Counter(deeds) == Counter(planned(steps)), (number, steps)
        assert job["total"] == len(steps)
        _check_order(steps, deeds)
        seen.update(step["action"] for step in steps)
        seen["doubt"] += any("whatever it carries" in step["text"] for step in steps)
        seen["drift"] += any(change["drift"] for change in plan["changes"])
        seen["debt"] += any(node["state"] == "failed" for node in lab.call("GetNodes", {}))
        if chance.random() < 0.05:
            lab.wait(lab.call("DestroyGroup", group))
    return seen


def _check_order(steps: list[dict[str, Any]], deeds: list[Deed]) -> None:
    """What concerns one thing was done in the order of the stages."""
    stages: dict[str, list[bool]] = {}
    for step in sorted(steps, key=lambda step: int(step["stage"])):
        if step["hand"] != BOOKKEEPING:
            stages.setdefault(f"{step['hand']} {step['target']}", []).append(step["action"] in MADE)
    for thing, wanted in stages.items():
        done = [made for hand, target, made in deeds if f"{hand} {target}" == thing]
        assert done == wanted, thing
