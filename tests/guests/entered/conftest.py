"""Slivers of a whole nm, with accounts and an sshd, in a house with a libvirtd: RACK and HOUSE are set."""

import os
from collections.abc import Iterator

import pytest

from tests.guests.inside.conftest import Site, a_site
from tests.ssh.house import House
from tests.ssh.house import house as a_house

if not {"RACK", "HOUSE"} <= os.environ.keys():
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    with a_house() as made:
        yield made


@pytest.fixture(scope="session")
def site() -> Site:
    """What makes guests; they last as long as the house."""
    return a_site()
