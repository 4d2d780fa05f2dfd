"""The acts of the demo and what each must show. Knows the API, and of the rack only what `World` says.

What must be seen is computed from who is in which group and from nothing else: members of one group
reach each other, and nobody else reaches anybody.
"""

import itertools
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from nm.demo.show import Matrix, Pair, Show

WAKING = 60.0  # seconds for a head node to boot
SETTLING = 15.0  # seconds after a change until all who must reach each other do
STALLED = 1.0  # seconds without progress that show that a deploy is held up
WORKING = 60  # seconds for a deploy
Row = set[str] | None


class World(Protocol):
    """A rack with an nmd, real or simulated."""

    title: str
    how: str  # how it is known who reaches whom
    brake: str  # what holds a deploy up half-way
    nodes: list[str]
    heads: list[str]

    def api(self) -> AbstractContextManager[Any]:
        """A connection to the daemon."""

    def reached(self, asked: Mapping[str, Collection[str]]) -> dict[str, Row]:
        """Of those that each asks, those that answer; None when it cannot be asked, for it is off."""

    def awake(self, head: str) -> bool:
        """Whether a head node has booted."""

    def hold(self) -> None:
        """Make a device hang."""

    def let_go(self) -> None:
        """Let it go on."""

    def kill_daemon(self) -> None:
        """By kill -9."""

    def start_daemon(self) -> None:
        """Again, with the database that is there."""

    def close(self) -> None:
        """Take everything away."""


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


class Story:
    """The five acts on one world."""

    def __init__(self, world: World, show: Show) -> None:
        self._world = world
        self._show = show
        self._machines = [*world.nodes, *world.heads]
        self._groups: dict[str, list[str]] = {}
        self._good = True

    def play(self) -> bool:
        """All acts. True when every cell of every matrix was as it must be."""
        self._before()
        self._deploy()
        self._move()
        self._kill()
        self._destroy()
        return self._good

    def _before(self) -> None:
        self._show.act(
            "a. Before", "All is cabled and registered, no group is deployed: nobody reaches anybody."
        )
        self._look()

    def _deploy(self) -> None:
        self._show.act(
            "b. Two groups are deployed over two switches",
            "Members reach each other, also over the trunks; the two groups do not.",
        )
        n, h = self._world.nodes, self._world.heads
        self._groups = {"alpha": [*n[0:4], h[0]], "beta": [*n[4:7], h[1]]}
        with self._world.api() as nm:
            for name, (*nodes, head) in self._groups.items():
                nm.CreateGroup(name, {"nodes": nodes, "headnode": head})
            self._show.progress(nm, [nm.Deploy(name) for name in self._groups], WORKING)
        self._look()

    def _move(self) -> None:
        node = self._groups["alpha"].pop(3)
        self._show.act(
            f"c. {node} moves from alpha to beta",
            "A node leaves its old group before it comes to the new one, and no other machine notices.",
        )
        with self._world.api() as nm:
            nm.RemoveNodes("alpha", [node])
            self._show.progress(nm, [nm.Deploy("alpha")], WORKING)
            nm.AddNodes("beta", [node])
            self._groups["beta"].insert(0, node)
            self._show.progress(nm, [nm.Deploy("beta")], WORKING)
        self._look()

    def _kill(self) -> None:
        self._show.act(
            "d. The daemon is killed (kill -9) in the middle of a deploy",
            "Half-way nothing leaks, beta is not disturbed, and after a restart the deploy ends by itself.",
        )
        job = self._stalled_deploy()
        self._world.kill_daemon()
        self._show.say("nmd is dead; half-way:")
        if self._look(unsure={"alpha"}) == self._within(self._groups):
            raise DemoFailed("the deploy was complete already when the daemon was killed")
        self._world.let_go()
        self._world.start_daemon()
        self._show.say("nmd runs again and is told nothing:")
        with self._world.api() as nm:
            self._show.progress(nm, [job], WORKING)
        self._look()

    def _stalled_deploy(self) -> int:
        """Alpha is to get another VLAN and another node; the deploy hangs half-way."""
        with self._world.api() as nm:
            vlan = nm.GetVlans({"free": True})[0]["id"]
            nm.SetVlan("alpha", vlan)
            nm.AddNodes("alpha", [self._world.nodes[7]])
            self._groups["alpha"].insert(3, self._world.nodes[7])
            self._world.hold()
            job: int = nm.Deploy("alpha")
            seen = self._until_stalled(nm, job)
        self._show.say(
            f"alpha changes to VLAN {vlan} and gets {self._world.nodes[7]}; {self._world.brake}, "
            f"so that the deploy hangs after {seen['done']} of {seen['total']} steps."
        )
        return job

    def _until_stalled(self, nm: Any, job: int) -> dict[str, Any]:
        deadline = time.monotonic() + WORKING
        since, last = time.monotonic(), None
        while time.monotonic() < deadline:
            seen: dict[str, Any] = nm.GetJob(job)
            if seen["state"] not in ("queued", "running"):
                raise DemoFailed(f"the deploy should have hung, but it is {seen['state']}")
            if (progress := (seen["done"], seen["total"])) != last:
                since, last = time.monotonic(), progress
            if 0 < seen["done"] < seen["total"] and time.monotonic() - since > STALLED:
                return seen
            time.sleep(0.05)
        raise DemoFailed("the deploy did not get half-way")

    def _destroy(self) -> None:
        self._show.act("e. The groups are destroyed", "Everything is isolated again, the head nodes are off.")
        with self._world.api() as nm:
            self._show.progress(nm, [nm.DestroyGroup(name) for name in self._groups], WORKING)
            if left := nm.GetGroups({}):
                raise DemoFailed(f"groups are left: {', '.join(group['name'] for group in left)}")
        self._groups = {}
        self._look()

    # ---- looking

    def _within(self, groups: Iterable[str]) -> set[Pair]:
        """All pairs of members of the same group, of these groups."""
        return {pair for name in groups for pair in itertools.permutations(self._groups[name], 2)}

    def _look(self, unsure: Collection[str] = ()) -> set[Pair]:
        """Measure who reaches whom, show it, and judge it. Members of a group that is unsure may."""
        must = self._within(self._groups.keys() - unsure)
        may = self._within(self._groups)
        self._wait_for_heads({asking for asking, _ in must} & {*self._world.heads})
        rows = self._world.reached({a: [b for b in self._machines if b != a] for a in self._machines})
        seen = _pairs(rows)
        deadline = time.monotonic() + SETTLING
        while (missing := must - seen) and seen <= may and time.monotonic() < deadline:
            asked = {a: [b for x, b in sorted(missing) if x == a] for a in sorted({a for a, _ in missing})}
            seen |= _pairs(self._world.reached(asked))
        off = {name for name, row in rows.items() if row is None}
        matrix = Matrix(self._machines, self._groups, off, seen, leaks=seen - may, missing=must - seen)
        self._show.matrix(matrix)
        self._good = self._good and matrix.good
        return seen

    def _wait_for_heads(self, heads: set[str]) -> None:
        deadline = time.monotonic() + WAKING
        while asleep := {head for head in heads if not self._world.awake(head)}:
            if time.monotonic() > deadline:
                return  # the matrix will show it
            heads = asleep
            time.sleep(0.1)


def _pairs(rows: Mapping[str, Row]) -> set[Pair]:
    return {(asking, answering) for asking, row in rows.items() for answering in row or ()}
