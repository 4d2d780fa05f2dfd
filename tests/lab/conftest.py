"""Labs for tests: small, named after the test process, gone at the end also of a failed test."""

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

SMALL = Layout(switches=2, nodes=4, headnodes=1)
_numbers = itertools.count(1)


def api(lab: Lab) -> AbstractContextManager[Any]:
    """A connection to the lab's daemon."""
    return connect(str(lab.socket))


def _new_name() -> str:
    if (why := obstacle()) is not None:
        pytest.skip(str(why))
    return f"test-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def lab_name() -> Iterator[str]:
    """A name that no other lab has; whatever goes by it is taken down at the end."""
    name = _new_name()
    yield name
    lifecycle.down(name)


@pytest.fixture
def make_lab() -> Iterator[Callable[[], Lab]]:
    """Brings up a small lab each time it is called."""
    made: list[str] = []

    def make() -> Lab:
        made.append(_new_name())
        return lifecycle.up(made[-1], SMALL)

    yield make
    for name in made:
        lifecycle.down(name)


@pytest.fixture(scope="session")
def _shared() -> Iterator[Lab]:
    lab = lifecycle.up(_new_name(), SMALL)
    yield lab
    lifecycle.down(lab.name)


@pytest.fixture
def lab(_shared: Lab) -> Iterator[Lab]:
    """A small lab that tests share; at the end of each its daemon runs and its groups are gone."""
    yield _shared
    daemon.start(_shared)
    with api(_shared) as nm:
        for job in [nm.DestroyGroup(group["name"]) for group in nm.GetGroups({})]:
            finish(nm, job, 30)
        for head in nm.GetHeadNodes({"state": "dirty"}):
            nm.ClearHeadNode(head["name"])
