"""Times of RFC 3339, as GENI's partners write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm.errors import Invalid
from nm.geni import times

DAY = 1924992000.0  # 2031-01-01, UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2031-01-01T00:00:00Z", DAY),
        ("2031-01-01t00:00:00z", DAY),
        ("2031-01-01 00:00:00", DAY),
        ("2031-01-01T00:00:00", DAY),
        (" 2031-01-01T00:00:00Z\n", DAY),
        ("2031-01-01T00:00:00.500000", DAY + 0.5),
        ("2031-01-01T01:00:00+01:00", DAY),
        ("2030-12-31T23:00:00-0100", DAY),
    ],
)
def test_what_a_text_means(text: str, seconds: float) -> None:
    assert times.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2031-01-01", "2031-13-01T00:00:00Z", "2031-01-01T25:00:00Z", "0001-01-01T00:00:00+14:00",
     "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z", "2031-01-01T00:00:00Europe/Berlin",
     "2031-W01-1T00:00:00",
     "٢٠٣١-01-01T00:00:00Z", "2031-01-01T00:00:00Z" + "0" * 50],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Invalid):
        times.parse(text)


@given(st.integers(0, times.LATEST - 1))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert times.parse(times.render(seconds)) == seconds
    assert datetime.fromisoformat(times.render(seconds)) == datetime.fromtimestamp(seconds, UTC)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        times.render(times.parse(text))
    except Invalid as error:
        assert error.hint
