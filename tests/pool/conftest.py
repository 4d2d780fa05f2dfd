import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memory_store import MemoryStore
from tests.pool.world import World, furnish


@pytest.fixture(params=["memory", "database"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty pool, on each of the stores."""
    if request.param == "memory":
        yield World(MemoryStore())
        return
    database = importlib.import_module("nm.database").Database.open(tmp_path / "db")
    try:
        yield World(database)
    finally:
        database.close()


@pytest.fixture
def empty() -> World:
    """An empty pool."""
    return World(MemoryStore())


@pytest.fixture
def world(empty: World) -> World:
    """A furnished pool."""
    furnish(empty)
    return empty
