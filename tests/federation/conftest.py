"""A small site on records alone, and somebody from elsewhere who calls."""

import pytest

from tests.federation.guests import Door, at, small_world
from tests.pool.world import World


@pytest.fixture
def world() -> World:
    return small_world()


@pytest.fixture
def door(world: World) -> Door:
    return at(Door(world.store))
