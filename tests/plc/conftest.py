"""What the tests of sources share: a real reply, and an authority that vouches for a stand-in PLC."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.lab import slices
from nm.slices import Reading
from tests.plc.authority import Authority
from tests.plc.fake_plc import NODE, FakePlc

Told = dict[str, Any]
SAMPLE = json.loads(slices.SAMPLE.read_text())
READING = Reading(node_id=NODE)


@pytest.fixture
def told() -> Told:
    """The reply that a PLC gave to its node 1."""
    reply: Told = copy.deepcopy(SAMPLE["node1.demo.org"])
    return reply


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def plc(authority: Authority, told: Told) -> Iterator[FakePlc]:
    with FakePlc(authority.certificate(), told) as running:
        yield running


Serve = Callable[[Path], FakePlc]


@pytest.fixture
def serve(told: Told) -> Iterator[Serve]:
    """A PLC with that certificate."""
    running: list[FakePlc] = []

    def start(certificate: Path) -> FakePlc:
        running.append(FakePlc(certificate, told))
        return running[-1].__enter__()

    yield start
    for one in running:
        one.__exit__()
