"""BOWL's calls as portals make them: names, orders, naive times, whom they call for."""

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from nm import bowlcalls
from nm.bowlcalls import Asked
from nm.errors import Invalid
from nm.jsonrpc import METHOD, PARAMS, FaultError, Params

END = "2026-12-24T18:30:00.250000"


def read(method: str, params: Params) -> Asked:
    return bowlcalls.read(method, bowlcalls.bound(method, params))


@pytest.mark.parametrize(
    ("params", "available", "slices"),
    [
        ([], True, ()),
        ([False], False, ()),
        ({"available": False}, False, ()),
        ({"available": False, "slice_urn": "7"}, False, ("7",)),
        ([False, 7], False, ("7",)),
        ([True, None], True, ()),
    ],
)
def test_list_resources(params: Params, available: bool, slices: tuple[str, ...]) -> None:
    asked = read("ListResources", params)
    assert (asked.available, asked.slices) == (available, slices)


def test_allocate_by_position_and_by_name() -> None:
    asked = read("Allocate", ["7", [1, 2], END, "ann", "ann@example.org"])
    assert (asked.slices, asked.numbers) == (("7",), (1, 2))
    assert (asked.guest.urn, asked.guest.email, asked.guest.name) == ("ann", "ann@example.org", "ann")
    named = {"ids": [1, 2], "slice_urn": "7", "client_email": "ann@example.org", "client_uuid": "ann"}
    assert read("Allocate", {**named, "end_time": END}) == asked


@pytest.mark.parametrize("slices", ["7", ["7"], [7, "7"]])
def test_a_bare_slice_is_a_list_of_it(slices: Any) -> None:
    assert read("Delete", [slices, "ann", "ann@example.org", "ann"]).slices == ("7",)


def test_whoever_the_portal_names_in_another_order_is_found() -> None:
    right = read("Provision", ["7", END, "Ann", "ann@example.org", "ann"]).guest
    assert (right.urn, right.email, right.name) == ("ann", "ann@example.org", "Ann")
    wrong = read("Provision", ["7", END, "ann", "ann", "ann@example.org"]).guest
    assert (wrong.urn, wrong.email, wrong.name) == ("ann", "ann@example.org", "ann")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (END, datetime(2026, 12, 24, 18, 30, 0, 250000)),  # noqa: DTZ001  as portals send it
        ("2026-07-01T10:00:00", datetime(2026, 7, 1, 10)),  # noqa: DTZ001
        ("2026-07-01T10:00:00Z", datetime(2026, 7, 1, 10, tzinfo=timezone.utc)),  # noqa: UP017
        ("2026-07-01T10:00:00+05:00", datetime(2026, 7, 1, 10, tzinfo=timezone(timedelta(hours=5)))),
    ],
)
def test_a_time_without_a_zone_is_the_sites(text: str, meant: datetime) -> None:
    assert read("Allocate", ["7", [1], text, "ann", ""]).ends == meant.timestamp()


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("America/New_York", "2026-12-24T18:30:00.25", "2026-12-24T23:30:00.25+00:00"),
        ("America/New_York", "2026-07-01T18:30:00", "2026-07-01T22:30:00+00:00"),
        ("Asia/Kolkata", "2026-07-01T00:00:00", "2026-06-30T18:30:00+00:00"),
    ],
)
def test_the_sites_zone_is_this_machines_with_its_summer(
    monkeypatch: pytest.MonkeyPatch, zone: str, text: str, utc: str
) -> None:
    try:
        with monkeypatch.context() as here:
            here.setenv("TZ", zone)
            time.tzset()
            ends = read("Allocate", ["7", [1], text, "ann", ""]).ends
    finally:
        time.tzset()
    assert ends == datetime.fromisoformat(utc).timestamp()


@pytest.mark.parametrize(
    ("word", "action"), [("start", "geni_start"), ("geni_stop", "geni_stop"), ("dance", "dance")]
)
def test_actions_by_their_names_or_short(word: str, action: str) -> None:
    assert read("PerformOperationalAction", [["7"], word, "ann", "", ""]).action == action


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("ListResources", ["yes"]),
        ("ListResources", [1]),
        ("ListResources", [True, ["7"]]),
        ("ListResources", [True, "a\nb"]),
        ("Allocate", ["7", 1, END, "ann", ""]),
        ("Allocate", ["7", [1], "soon", "ann", ""]),
        ("Allocate", ["7", [1], 1234567890, "ann", ""]),
        ("Allocate", ["7", [1], None, "ann", ""]),
        ("Allocate", ["x" * 201, [1], END, "ann", ""]),
        ("Allocate", ["7", [1], END, ["ann"], ""]),
        ("Delete", [[], "ann", "", ""]),
        ("Delete", [[["7"]], "ann", "", ""]),
        ("Provision", [["7"], "2026-13-01T00:00:00", "ann", "", ""]),
    ],
)
def test_arguments_without_a_meaning_are_invalid(method: str, params: Params) -> None:
    with pytest.raises(Invalid):
        read(method, params)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("Allocate", ["7", [1], END, "ann"], PARAMS),
        ("Allocate", ["7", [1], END, "ann", "", ""], PARAMS),
        ("Allocate", {"slice_urn": "7"}, PARAMS),
        ("ListResources", [True, None, 1], PARAMS),
        ("ListResources", {"free": True}, PARAMS),
        ("Shutdown", ["7"], METHOD),
        ("__class__", [], METHOD),
    ],
)
def test_calls_that_fit_no_method_are_faults(method: str, params: Params, code: int) -> None:
    with pytest.raises(FaultError) as caught:
        read(method, params)
    assert caught.value.code == code
