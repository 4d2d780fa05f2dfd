"""What pages ask by themselves: values as they are typed, and a daemon that hangs."""

import json
import threading
from typing import Any

import pytest

from nm.shell.failures import Failure
from nm.shell.feed import SILENT
from nm.shell.web.desk import Desk, value_of
from tests.web.world import Laboratory, Seat


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ("text", " 5 ", " 5 "),
        ("text", "", ""),
        ("number", " 5 ", 5),
        ("number", "-3", -3),
        ("number", "5.0", 5.0),
        ("number", "1e3", 1000.0),
        ("boolean", "true", True),
        ("boolean", " false", False),
        ("list", '["a", [1, true]]', ["a", [1, True]]),
    ],
)
def test_what_is_typed_has_the_type_that_was_chosen(type: str, text: str, value: Any) -> None:
    found = value_of(type, text)
    assert (found, found.__class__) == (value, value.__class__)


@pytest.mark.parametrize(
    ("type", "text"),
    [
        ("number", ""), ("number", "five"), ("number", "NaN"), ("number", "1e400"), ("number", "[5]"),
        ("number", "true"), ("boolean", "yes"), ("list", "5"), ("list", "{}"), ("list", "[NaN]"),
        ("list", "[" * 50_000), ("colour", "red"), ("number", "9" * 5000), ("list", "[1e400]"),
    ],
)  # fmt: skip
def test_what_is_no_such_value_is_refused(type: str, text: str) -> None:
    with pytest.raises(Failure, match=f"is no {type}") as raised:
        value_of(type, text)
    assert raised.value.hint


def test_who_asks_while_the_daemon_hangs_is_told(still: Laboratory) -> None:
    seat = Seat(still)
    desk = Desk(seat, patience=0.05)
    seat.open.clear()
    first = threading.Thread(target=lambda: desk.job("1"))
    first.start()
    try:
        still.until(lambda: bool(seat.asked))
        told = desk.change(
            json.dumps({"name": "web", "path": "a", "attribute": "b", "remove": True}).encode()
        )
        assert (told["ok"], told["error"]["message"]) == (False, SILENT)
        assert seat.asked == ["GetJob"]
    finally:
        seat.open.set()
        first.join()
    assert desk.job("99999")["error"]["code"] == 106
