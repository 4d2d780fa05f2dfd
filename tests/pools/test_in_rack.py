"""Runs tests/pools/rack beside a libvirtd of their own."""

import os
from pathlib import Path

import pytest

from tests.hosts.apart import needs_root, needs_tools, passes

SECONDS = 1200.0 if os.environ.get("NM_TEST_POOLS") else 300.0


@pytest.mark.real
@pytest.mark.timeout(SECONDS + 10)
@needs_root
@needs_tools
def test_pools_in_a_rack_of_their_own() -> None:
    passes(Path(__file__).with_name("rack"), SECONDS)
