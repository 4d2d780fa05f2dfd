"""Processors for the tests, one a kind and module: to start some takes seconds."""

from collections.abc import Iterator

import pytest

from tests.power.processors import PROCESSORS, Processor, lacking


@pytest.fixture(params=sorted(PROCESSORS))
def processor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processor]:
    """One of each kind."""
    yield from started(request.param, tmp_path_factory)


def started(name: str, folders: pytest.TempPathFactory) -> Iterator[Processor]:
    """One of that kind, and its end."""
    if missing := lacking(name):
        pytest.skip(f"there is no {' and no '.join(missing)}")
    made = PROCESSORS[name](folders.mktemp(name))
    try:
        yield made
    finally:
        made.close()
