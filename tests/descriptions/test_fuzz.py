"""A short form of `make fuzz`: texts at random end in a description or in nm's own error, laid out or not."""

import pytest

from tests.descriptions.fuzz import Trial, text_of
from tests.descriptions.test_hostile import SMALL

COUNT, AT_ONCE = 400, 50


@pytest.mark.no_cover
@pytest.mark.parametrize("first", range(0, COUNT, AT_ONCE))
def test_texts_at_random(first: int) -> None:
    outcomes = {Trial(text_of(number), number, SMALL).outcome() for number in range(first, first + AT_ONCE)}
    assert outcomes == {"good", "refused"}
