"""Labs that boot: one a module, with nothing left of a test behind it."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from nm.client import connect
from nm.lab import daemon, lifecycle
from nm.lab.layout import Layout
from nm.lab.place import Lab, obstacle
from nm.lab.register import finish

PATIENCE = 200.0  # seconds for what emulated machines do; they share two cores with whatever else runs
HEAD = "h1"
_numbers = itertools.count(1)

Up = Callable[[int], Lab]


def api(lab: Lab) -> AbstractContextManager[Any]:
    """A connection to the lab's daemon."""
    return connect(str(lab.socket))


@pytest.fixture(scope="module")
def _up() -> Iterator[Up]:
    """Brings up a lab with so many nodes, two switches and a head node."""
    made: dict[int, Lab] = {}

    def up(nodes: int) -> Lab:
        if (why := obstacle(boot=True)) is not None:
            pytest.skip(str(why))
        if nodes not in made:
            name = f"test-boot-{os.getpid()}-{next(_numbers)}"
            made[nodes] = lifecycle.up(name, Layout(switches=2, nodes=nodes, headnodes=1, boot=True))
        return made[nodes]

    yield up
    for lab in made.values():
        lifecycle.down(lab.name)


@pytest.fixture
def up(_up: Up) -> Iterator[Up]:
    """The same; at the end of each test the groups are gone and the daemon runs."""
    used: list[Lab] = []

    def up(nodes: int) -> Lab:
        used.append(_up(nodes))
        return used[-1]

    yield up
    for lab in used:
        daemon.start(lab)
        with api(lab) as nm:
            for job in [nm.DestroyGroup(group["name"]) for group in nm.GetGroups({})]:
                finish(nm, job, 100)


def deployed(nm: Any, group: str, nodes: list[str], headnode: str | None = HEAD) -> None:
    """Create the group and deploy it."""
    nm.CreateGroup(group, {"nodes": nodes, **({"headnode": headnode} if headnode else {})})
    finish(nm, nm.Deploy(group), 60)
