"""The house that these tests run in; outside of one they are not collected."""

import os
from collections.abc import Iterator

import pytest

from tests.ssh.house import House
from tests.ssh.house import house as a_house

if "HOUSE" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    with a_house() as made:
        yield made
