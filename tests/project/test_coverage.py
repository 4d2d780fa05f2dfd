"""What is not to be traced for coverage is not: random tests take three times as long when it is."""

import sys

import pytest


@pytest.mark.no_cover
def test_nothing_goes_on_where_tracing_pauses() -> None:
    assert sys.gettrace() is None
