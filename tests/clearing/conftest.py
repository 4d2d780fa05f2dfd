"""A clearing house, made once: keys take a while. Each test has a copy of its own."""

import shutil
from pathlib import Path

import pytest

from nm.clearing.house import SLICE_LIFE, USER_LIFE, House
from nm.clearing.identity import Life

AUTHORITY = "lab.example"


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> House:
    made = House(tmp_path_factory.mktemp("founded") / "geni")
    made.found(AUTHORITY, ["localhost", "127.0.0.1"])
    made.user("alice", Life.of(USER_LIFE), "alice@example.org")
    made.slice("demo", Life.of(SLICE_LIFE))
    return made


@pytest.fixture
def house(founded: House, tmp_path: Path) -> House:
    shutil.copytree(founded.folder, tmp_path / "geni")
    return House(tmp_path / "geni")
