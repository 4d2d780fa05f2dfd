"""Databases that are closed also when their test fails."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.database import Database

Opener = Callable[..., Database]


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[Opener]:
    """Opens the database in the test's folder (or another), with Database.open's options."""
    opened: list[Database] = []

    def open_(folder: Path = tmp_path / "db", **options: Any) -> Database:
        database = Database.open(folder, **options)
        opened.append(database)
        return database

    yield open_
    for database in opened:
        database.close()


@pytest.fixture
def database(opener: Opener) -> Database:
    return opener()
