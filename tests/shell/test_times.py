"""Times as people write and read them; the clock and the zone are arguments."""

import datetime as dt

import pytest

from nm.shell import times
from nm.shell.failures import Usage

NOW = 1_795_000_000.5
UTC = dt.UTC
EAST = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("+2h", UTC, 1_795_007_200),
        ("+3d", UTC, 1_795_259_200),
        ("+1d12h", UTC, 1_795_129_600),
        ("+90m", UTC, 1_795_005_400),
        ("+1w", UTC, 1_795_604_800),
        ("+30s", UTC, 1_795_000_030),
        ("2027-01-31", UTC, 1_801_353_600),
        ("2027-01-31", EAST, 1_801_346_400),
        ("2027-01-31T18:00", UTC, 1_801_418_400),
        ("2027-01-31T18:00+02:00", UTC, 1_801_411_200),
        ("2027-01-31T18:00Z", EAST, 1_801_418_400),
        ("1800000000", UTC, 1_800_000_000),
        ("never", UTC, None),
    ],
)
def test_when(text: str, zone: dt.tzinfo, moment: int | None) -> None:
    assert times.when(text, NOW, zone) == moment


@pytest.mark.parametrize("text", ["", "+", "+2", "+2y", "+h", "2h", "tomorrow", "2027-13-01", "+-2h", "-"])
def test_when_refuses_other_forms(text: str) -> None:
    with pytest.raises(Usage) as refused:
        times.when(text, NOW, UTC)
    assert "is not a time" in refused.value.message
    assert all(form in refused.value.hint for form in ("+2h", "2027-01-31", "seconds since 1970", "never"))


@pytest.mark.parametrize("text", ["-2d", "-1", "0", "1795000000", "2020-01-01", "0001-01-02"])
def test_when_refuses_the_past(text: str) -> None:
    with pytest.raises(Usage, match="is in the past") as refused:
        times.when(text, NOW, UTC)
    assert "+2h" in refused.value.hint


@pytest.mark.parametrize("text", ["+9999999w", "253402300800"])
def test_when_refuses_what_no_calendar_has(text: str) -> None:
    with pytest.raises(Usage, match="after the year 9999"):
        times.when(text, NOW, UTC)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, "never"),
        (NOW + 2 * 86400 - 0.4, "2026-11-20 11:06 (in 2d)"),
        (NOW - 90, "2026-11-18 11:05 (1m30s ago)"),
        (NOW - 0.5, "2026-11-18 11:06 (now)"),
        (1e30, "1e+30"),
    ],
)
def test_human(moment: float | None, text: str) -> None:
    assert times.human(moment, NOW, UTC) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (3.21, "3.2s"), (59.4, "59s"), (60, "1m"), (3599, "1h"), (3600, "1h"), (86399, "1d"),
     (90000, "1d1h"), (30 * 86400, "30d")],
)  # fmt: skip
def test_length(seconds: float, text: str) -> None:
    assert times.length(seconds) == text


def test_a_time_in_another_zone() -> None:
    assert times.clock_time(NOW, EAST) == "2026-11-18 13:06:40"
