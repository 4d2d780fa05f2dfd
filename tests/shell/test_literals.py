"""Values of attributes: read as a description has them, and written so that they are the same again."""

from typing import Any

import pytest

from nm.shell import literals
from nm.shell.failures import Usage


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("false", False), ("NULL", None), ("12", 12), ("-3", -3), ("5L", 5),
        ("5000000000L", 5_000_000_000), ("1.5", 1.5), ("1.5d", 1.5), ("1e3", 1000.0), ("0.5F", 0.5),
        ('"12"', "12"), (r'"a\nb"', "a\nb"), ("[1, 2.5]", [1, 2.5]), ("[|1, NULL|]", [1, None]),
        ('["a", [5L, true]]', ["a", [5, True]]), ("[]", []),
        ("", ""), ("-", "-"), ("rack4", "rack4"), ("extends", "extends"), ("10.0.0.1", "10.0.0.1"),
        ("52:54:00:00:00:01", "52:54:00:00:00:01"), ("a:b", "a:b"), ("ro quiet", "ro quiet"), ("²", "²"),
        ("10G", "10G"), ('it is a "b"', 'it is a "b"'), ("console=ttyS0,115200", "console=ttyS0,115200"),
    ],
)  # fmt: skip
def test_what_is_typed_is_what_it_is_in_a_description(text: str, value: Any) -> None:
    found = literals.read(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "5000000000", "9" * 5000, "99999999999999999L", "1e400", '"open', "[1", "[" * 50_000, "[a]", "[1] 2",
        "LAZY a:b", '{"a": 5}', "(1 + 2)", "#HEX#00#", "TBD",
    ],
)  # fmt: skip
def test_what_cannot_be_set_is_refused(text: str) -> None:
    with pytest.raises(Usage) as raised:
        literals.read(text)
    assert raised.value.hint == literals.FORM


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -7, 2**31, -(2**31) - 1, 1.5, 5e9, 1e-9, "", "web", "true", "NULL", "nil", "5",
        "1.5", "5L", "a b", "[x", '"', "a\nb", "\\u0041", "ü", "LAZY a", [], [1, 1.0, "1", [True, "x y"]],
    ],
)  # fmt: skip
def test_what_is_written_is_read_as_the_same(value: Any) -> None:
    found = literals.read(literals.written(value))
    assert repr(found) == repr(value)


@pytest.mark.parametrize("value", [{"reference": "LAZY a"}, [1, {"reference": "LAZY a"}]])
def test_what_cannot_be_typed_is_not_written(value: Any) -> None:
    assert literals.written(value) == ""
