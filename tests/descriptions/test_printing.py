"""What is printed is read as the same, and what is resolved stays as it is."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm.descriptions.compiler import Phase
from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.literals import java, single
from nm.descriptions.printer import string_text
from nm.descriptions.values import Float
from tests.descriptions.conformance import cases
from tests.descriptions.grammar import Grammar
from tests.descriptions.say import EXAMPLES, LIBRARY, text_behind
from tests.descriptions.sound import description


def test_printing_is_reading_backwards() -> None:
    good = [case for case in cases() if case.meaning is not None and not (case.files or case.used)]
    texts = [case.description() for case in good if case.phase == "compile"]
    assert len(texts) > 600
    for text in texts:
        printed = text_behind("raw", text)
        assert text_behind("raw", printed) == printed
        assert text_behind("type", printed) == text_behind("type", text)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32))
def test_printing_any_description(seed: int) -> None:
    printed = text_behind("raw", Grammar(random.Random(seed), 2, exact=True).file())
    assert text_behind("raw", printed) == printed


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32))
def test_resolving_what_is_resolved_changes_nothing(seed: int) -> None:
    made = compile_description("t", description(seed), library=LIBRARY).text()
    assert compile_description("t", made, library=LIBRARY).text() == made


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["raw", "type", "place", "function"]))
def test_a_phase_that_is_written_down_and_read_again_leads_to_the_same(seed: int, phase: Phase) -> None:
    """Written down, nothing is shared any more: so what shares trees and what copies them mean the same."""
    text = description(seed)
    between = text_behind(phase, text)
    assert compile_description("t", between).text() == compile_description("t", text, library=LIBRARY).text()


@given(st.text())
def test_any_string_is_read_back(text: str) -> None:
    said = f"sfConfig extends {{ a {string_text(text)}; }}"
    assert compile_description("t", said).plain()["attributes"] == {"a": text}


@given(st.floats(allow_nan=False), st.floats(width=32, allow_nan=False))
def test_any_number_is_read_back(double: float, single: float) -> None:
    from nm.descriptions.printer import value_text

    text = f"sfConfig extends {{ a {value_text(double)}; b {value_text(Float(single))}; }}"
    found = compile_description("t", text).plain()["attributes"]
    assert (found["a"], found["b"]) == (double, single)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "1.0"), (-0.0, "-0.0"), (100.0, "100.0"), (0.001, "0.001"), (0.00012, "1.2E-4"), (1e7, "1.0E7"),
        (1234567.5, "1234567.5"), (1e21, "1.0E21"), (single(0.1), "0.1"), (Float(16777216), "1.6777216E7"),
        (float("inf"), "Infinity"), (float("nan"), "NaN"), (5e-324, "4.9E-324"), (single(1e-45), "1.4E-45"),
        (2e-323, "2.0E-323"),
    ],
)  # fmt: skip
def test_numbers_as_java_writes_them(value: float, said: str) -> None:
    assert java(value) == said
