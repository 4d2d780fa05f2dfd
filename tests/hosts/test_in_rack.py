"""Runs tests/hosts/rack beside a libvirtd and an Open vSwitch of their own."""

from pathlib import Path

import pytest

from tests.hosts.apart import needs_root, needs_tools, passes

SECONDS = 490.0


@pytest.mark.real
@pytest.mark.timeout(SECONDS + 10)
@needs_root
@needs_tools
def test_the_tests_in_a_rack_of_their_own() -> None:
    passes(Path(__file__).with_name("rack"), SECONDS)
